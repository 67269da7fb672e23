"""Which operations there are, read from the source: one that is added there without a check here fails a test."""

import re

from program import ROOT

# A product as the simulated cloud names it: the version that stands for it.
VERSIONS = {"Cbn": "2017-09-12", "Sts": "2015-04-01", "Smartag": "2018-03-13", "Vpc": "2016-04-28"}


def served():
    """The operations that the simulated cloud serves, each with its product."""
    source = (ROOT / "src/simulator/operations.rs").read_text()
    tables = dict(re.findall(r'\("(\w+)", "[\d-]+", (\w+)\)', source))
    assert tables.keys() == VERSIONS.keys(), f"the table of products has moved: {tables}"
    found = {}
    for product, table in tables.items():
        body = re.search(rf"const {table}: [^=]*= &\[(.*?)\];", source, re.DOTALL)
        actions = re.findall(r'\(\s*"(\w+)",', body[1]) if body else []
        assert actions, f"no operation of {product} was found in the source"
        found |= {action: product for action in actions}
    return found


def called():
    """The operations that the worker may call."""
    source = (ROOT / "src/domain/operation.rs").read_text()
    table = re.search(r"^operations! \{\n(.*?)^\}", source, re.DOTALL | re.MULTILINE)
    actions = re.findall(r"^    (\w+): \w+, \w+, \w+;$", table[1], re.MULTILINE) if table else []
    assert actions, "the table of the worker's operations was not found in the source"
    return actions

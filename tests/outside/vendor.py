"""The vendor's SDKs: calling any of their operations by name, and what they say of its parameters and answers."""

import functools
import inspect
import re
import typing

from alibabacloud_cbn20170912 import client as cbn
from alibabacloud_smartag20180313 import client as smartag
from alibabacloud_sts20150401 import client as sts
from alibabacloud_tea_openapi import utils_models as settings
from alibabacloud_vpc20160428 import client as vpc
from darabonba.model import DaraModel
from darabonba.runtime import RuntimeOptions

CLIENTS = {"Cbn": cbn.Client, "Smartag": smartag.Client, "Sts": sts.Client, "Vpc": vpc.Client}
# Every operation of these products takes them, and no client has a reason to send them.
HIDDEN = {"OwnerAccount", "OwnerId", "ResourceOwnerAccount", "ResourceOwnerId"}
# Fields that the vendor's own pages fill otherwise than the SDK's model has them, each with why.
OTHERWISE = {
    "DescribeGrantRulesToCen.GrantRules.GrantRule[].CreateTime": "int in the SDK, a text in the page's example",
}


@functools.cache
def methods(product):
    """Finds the SDK's method of each operation, by the model it returns."""
    found = {}
    for name, method in inspect.getmembers(CLIENTS[product], inspect.isfunction):
        returns = re.search(r"models\.(\w+)Response$", str(method.__annotations__.get("return", "")))
        if name.endswith("with_options") and returns:
            found[returns[1]] = name
    return found


def models(product):
    """Finds the module with the product's models."""
    return inspect.getmodule(CLIENTS[product]).main_models


class Account:
    """Uses the SDK with the keys of one account, at one address."""

    def __init__(self, host, key_id, secret, token=None):
        keys = {"access_key_id": key_id, "access_key_secret": secret, "security_token": token}
        self._settings = {**keys, "endpoint": host, "protocol": "HTTP", "region_id": "cn-hangzhou"}

    def call(self, product, action, parameters):
        """Calls an operation with parameters named as on the wire; returns the raw answer and the model it became."""
        client = CLIENTS[product](settings.Config(**self._settings))
        raw = {}

        def keeping(send):
            def kept(*arguments):
                raw.update(send(*arguments))
                return raw

            return kept

        client.call_api, client.do_rpcrequest = keeping(client.call_api), keeping(client.do_rpcrequest)
        model = run(client, product, action, parameters)
        return raw["body"], model.body


def run(client, product, action, parameters):
    """Calls an operation of a client with parameters named as on the wire."""
    method = getattr(client, methods(product)[action])
    request = getattr(models(product), f"{action}Request", None)
    if request is None:
        assert not parameters, f"{action} takes no parameter"
        return method(RuntimeOptions())
    unknown = parameters.keys() - fields(request).keys()
    assert not unknown, f"{action} has no parameter {unknown}"
    return method(request().from_map(parameters), RuntimeOptions())


@functools.cache
def fields(model):
    """Finds the fields of a model by their names on the wire, each with its type."""
    hints = typing.get_type_hints(model.__init__)
    empty, found = model().to_map(), {}
    for name, kind in hints.items():
        one = model()
        setattr(one, name, sample(kind))
        wire = [key for key, value in one.to_map().items() if key not in empty or empty[key] != value]
        assert len(wire) == 1, f"{model.__name__}.{name} is {wire} on the wire"
        found[wire[0]] = kind
    return found


def sample(kind):
    """Makes a value of a type that a model's field can have."""
    if typing.get_origin(kind) is list:
        return [sample(typing.get_args(kind)[0])]
    if typing.get_origin(kind) is dict or kind is dict:
        return {"key": "value"}
    if inspect.isclass(kind) and issubclass(kind, DaraModel):
        return kind()
    return {str: "text", int: 1, bool: True, float: 1.5, typing.Any: "text"}[kind]


def whole(model):
    """Makes a request with every field set, the nested ones too."""
    one = model()
    for name, kind in typing.get_type_hints(model.__init__).items():
        listed = typing.get_origin(kind) is list
        inner = typing.get_args(kind)[0] if listed else kind
        nested = inspect.isclass(inner) and issubclass(inner, DaraModel)
        value = whole(inner) if nested else sample(inner)
        setattr(one, name, [value] if listed else value)
    return one


class Declared(typing.NamedTuple):
    """Says how the SDK sends an operation: its method, and the place of each parameter by its `plain` name."""

    method: str
    places: dict


def declared(product, action):
    """Captures from the SDK itself how it would send an operation."""
    client = CLIENTS[product](settings.Config(access_key_id="id", access_key_secret="secret", endpoint="nowhere"))
    sent = {}

    def capture(method, request):
        sent.update(method=method, query=request.query or {}, body=request.body or {})
        return {"headers": {}, "statusCode": 200, "body": {}}

    client.call_api = lambda parameters, request, _: capture(parameters.method, request)
    # What needs no signature goes another way in the SDK.
    client.do_rpcrequest = lambda *arguments: capture(arguments[3], arguments[-2])
    request = getattr(models(product), f"{action}Request", None)
    method = getattr(client, methods(product)[action])
    method(*([whole(request)] if request else []), RuntimeOptions())
    places = {plain(name): place for place in ("query", "body") for name in sent[place]}
    return Declared(sent["method"], places)


def required(product, action):
    """Finds the parameters that the SDK's own comments call required."""
    request = getattr(models(product), f"{action}Request", None)
    if request is None:
        return []
    source = inspect.getsource(request.__init__)
    names = re.findall(r"# This parameter is required\.\n(?:\s*#.*\n)*\s*self\.(\w+) = ", source)
    one = request()
    for name in names:
        setattr(one, name, sample(typing.get_type_hints(request.__init__)[name]))
    return [name for name, value in one.to_map().items() if value]


def plain(name):
    """Writes a parameter's name with every number in it as `N`: `Filter.12.Key` is `Filter.N.Key`."""
    return re.sub(r"\.\d+(?=\.|$)", ".N", name)


def kind_of(product, action, name):
    """Finds the type of a parameter by its name on the wire; a nested one has that of its last part."""
    kind = getattr(models(product), f"{action}Request")
    for part in plain(name).split("."):
        if part == "N":
            kind = typing.get_args(kind)[0]
        else:
            kind = fields(kind)[part]
    return kind


def faults(value, kind, path):
    """Finds what in an answer is not as its model says: unknown fields and wrong types, each with its path."""
    if inspect.isclass(kind) and issubclass(kind, DaraModel):
        if not isinstance(value, dict):
            return [f"{path} is {value!r} and not an object"]
        known = fields(kind)
        unknown = [f"{path}.{name} is unknown to the SDK" for name in value if name not in known]
        return unknown + [
            fault for name in value if name in known for fault in faults(value[name], known[name], f"{path}.{name}")
        ]
    if typing.get_origin(kind) is list:
        if not isinstance(value, list):
            return [f"{path} is {value!r} and not a list"]
        return [fault for item in value for fault in faults(item, typing.get_args(kind)[0], f"{path}[]")]
    if kind is typing.Any or kind is dict or typing.get_origin(kind) is dict:
        return []
    right = isinstance(value, kind) and (kind is not int or not isinstance(value, bool))
    return [] if right else [f"{path} is {value!r} and not {kind.__name__}"]


def answer_faults(product, action, body):
    """Finds what in an answer's body is not as the SDK's model says, but for what the vendor has both ways."""
    found = faults(body, getattr(models(product), f"{action}ResponseBody"), action)
    return [fault for fault in found if fault.partition(" is ")[0] not in OTHERWISE]

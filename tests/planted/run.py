#!/usr/bin/env python3
"""Plants the bugs of bugs.toml one at a time in a copy of the tree, and says by which seed the simulation finds each.

    tests/planted/run.py [NAME ...]     all of them, or these

Of the environment: SEEDS (`0..400`), the seeds that are played until one breaks a promise; CARGO (`cargo`).
Ends with 1 if a bug is not found.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target" / "planted"
TREE = WORK / "tree"
CARGO = os.environ.get("CARGO", "cargo")
SEEDS = os.environ.get("SEEDS", "0..400")
TEST = "simulation::the_first_seed_that_breaks_a_promise"


def copy():
    """Brings the copy up to date. What has not changed keeps its time, so that it is not compiled again."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True)
    wanted = {name for name in names.stdout.splitlines() if (ROOT / name).is_file()}
    for path in [path for path in TREE.rglob("*") if path.is_file()]:
        if str(path.relative_to(TREE)) not in wanted:
            path.unlink()
    for name in wanted:
        to, text = TREE / name, (ROOT / name).read_bytes()
        if not to.exists() or to.read_bytes() != text:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to)


def plant(bug):
    for edit in bug["edit"]:
        path = TREE / edit["file"]
        text = path.read_text()
        if text.count(edit["find"]) != 1:
            sys.exit(f"{bug['name']}: `find` must be in {edit['file']} once, and is there {text.count(edit['find'])} times")
        path.write_text(text.replace(edit["find"], edit["plant"].removeprefix("\n")))


def build():
    command = [CARGO, "test", "--test", "promises", "--no-run"]
    environment = os.environ | {"CARGO_TARGET_DIR": str(WORK / "build"), "CARGO_TERM_COLOR": "never"}
    built = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True)
    if built.returncode:
        sys.exit(f"the copy does not compile:\n{built.stderr[-4000:]}")
    # The last line: Executable tests/promises.rs (/…/promises-0123)
    return re.search(r"\((.*/promises-[0-9a-f]+)\)", built.stderr).group(1)


def play(program):
    environment = os.environ | {"CROSSGRANT_SEEDS": SEEDS, "RUST_BACKTRACE": "0"}
    began = time.monotonic()
    run = subprocess.run(
        [program, "--ignored", "--nocapture", TEST], cwd=TREE, env=environment, capture_output=True, text=True, timeout=3600
    )
    found = re.search(r"^seed (\d+) of .*: (.*)$", run.stdout + run.stderr, re.MULTILINE)
    return found and found.groups(), time.monotonic() - began


def main():
    bugs = tomllib.loads((HERE / "bugs.toml").read_text())["bug"]
    unknown = set(sys.argv[1:]) - {bug["name"] for bug in bugs}
    if unknown:
        sys.exit(f"there is no bug {', '.join(sorted(unknown))}")
    missed = []
    for bug in [bug for bug in bugs if not sys.argv[1:] or bug["name"] in sys.argv[1:]]:
        copy()
        plant(bug)
        found, seconds = play(build())
        if found:
            print(f"{bug['name']}: seed {found[0]}, {seconds:.0f} s: {found[1]}", flush=True)
        else:
            missed.append(bug["name"])
            print(f"{bug['name']}: NOT FOUND by the seeds {SEEDS}, {seconds:.0f} s", flush=True)
    if missed:
        sys.exit(f"not found: {', '.join(missed)}")


main()

"""The simulated terminal's face against the real MetaTrader5 wheel for Windows.

The wheel is fetched by pip (0.2 MB) and only read, never imported: its constants from its
`__init__.py`, its functions and their arguments from the usage texts in its binary. Without the
wheel the tests skip by name; under CI=true they fail. The fields of the named tuples are not in the
wheel's texts: `tests/simulator/test_native.py` has them as documented.
"""

import ast
import inspect
import os
import re
import subprocess
import sys
import zipfile

import pytest

from broker.simulator.native import NativeTerminal
from broker.simulator.package import constants, functions

_USAGE = re.compile(rb"\b([a-z][a-z_]+)\(([\w\[\]=\", ]*)\)")
_ARGUMENT = re.compile(r"[a-z_]+")
# In the texts of 5.0.6231, but never a function of its own.
_NOT_FUNCTIONS = {"expression"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    fetched = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
         "--retries", "1", "--timeout", "15", "--platform", "win_amd64", "--python-version",
         "3.11", "--only-binary=:all:", "--no-deps", "--dest", str(folder), "MetaTrader5"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = list(folder.glob("*.whl"))
    if not found:
        why = f"the MetaTrader5 wheel could not be fetched: {fetched.stderr.strip()[-200:]}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return zipfile.ZipFile(found[0])


@pytest.fixture(scope="module")
def source(wheel: zipfile.ZipFile) -> ast.Module:
    return ast.parse(wheel.read("MetaTrader5/__init__.py"))


@pytest.fixture(scope="module")
def usage(wheel: zipfile.ZipFile) -> dict[str, list[str]]:
    """Arguments of each function, in order, from the binary's usage texts."""
    (binary,) = (name for name in wheel.namelist() if name.endswith(".pyd"))
    found: dict[str, list[str]] = {}
    for name, arguments in _USAGE.findall(wheel.read(binary)):
        named = _ARGUMENT.findall(arguments.decode())
        if len(named) >= len(found.get(name.decode(), [])):
            found[name.decode()] = named
    return {name: found[name] for name in found if name not in _NOT_FUNCTIONS}


def _number(node: ast.expr, known: dict[str, int]) -> int:
    """A literal, a name that was assigned before, or two of them or-ed."""
    if isinstance(node, ast.Name):
        return known[node.id]
    if isinstance(node, ast.BinOp):
        assert isinstance(node.op, ast.BitOr)
        return _number(node.left, known) | _number(node.right, known)
    value = ast.literal_eval(node)
    assert isinstance(value, int)
    return value


def test_constants_are_those_of_the_wheel(source: ast.Module) -> None:
    theirs: dict[str, int] = {}
    for node in source.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name.isupper():
                theirs[name] = _number(node.value, theirs)
    assert len(theirs) > 200
    assert {name: constants().get(name) for name in theirs} == theirs
    assert set(constants()) <= set(theirs)


def test_functions_are_those_of_the_wheel(source: ast.Module, usage: dict[str, list[str]]) -> None:
    written = {node.name for node in source.body if isinstance(node, ast.FunctionDef)}
    public = {name for name in written if not name.startswith("_")}
    assert len(usage) > 30
    assert set(functions()) == public | set(usage)


def test_arguments_have_the_wheels_names_in_its_order(usage: dict[str, list[str]]) -> None:
    for name, theirs in usage.items():
        ours = [
            each.name
            for each in inspect.signature(getattr(NativeTerminal, name)).parameters.values()
            if each.name != "self" and each.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        assert theirs[: len(ours)] == ours or set(theirs) == set(ours), name


def test_written_helpers_have_the_wheels_signatures(source: ast.Module) -> None:
    for node in source.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            ours = inspect.signature(getattr(NativeTerminal, node.name)).parameters
            theirs = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
            assert list(ours)[1:] == theirs, node.name

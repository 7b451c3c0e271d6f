"""The stubs for type checkers declare what the package and its compiled modules offer."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import fastconv

CHECKOUT = Path(__file__).parents[1]
COMPILED = sorted((CHECKOUT / "fastconv" / "_ext").glob("*.pyx"))
DOCSTRING = re.compile(r'"""(?:.|\n)*?"""')
CYTHON_CLASS = re.compile(r"cdef class (\w+)(?:\((\w+)\))?:")
CYTHON_FUNCTION = re.compile(r"( *)(?:cp)?def (\w+)\(([^)]*(?:\(\)[^)]*)*)\):")


@pytest.mark.parametrize("name", ["fastconv", "fastconv.datasets"])
def test_a_stub_declares_the_names_that_are_imported_at_their_first_use(name):
    package = import_module(name)
    tree = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text())
    declared = {"__version__"} if name == "fastconv" else set()
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom):
            declared |= {alias.name for alias in statement.names}
            source = import_module(statement.module)
            for alias in statement.names:
                assert getattr(source, alias.name) is getattr(package, alias.name)
        elif isinstance(statement, ast.FunctionDef):
            declared.add(statement.name)
        elif isinstance(statement, ast.Assign):
            assert ast.literal_eval(statement.value) == package.__all__
    assert declared == set(package.__all__)


def parameters_in_cython(text: str) -> list[str]:
    """Names without types and defaults; `*` and `*name` as they are."""
    parts = re.sub(r"\([^()]*\)", "", text).split(",")
    return [
        part.split("=")[0].replace("not None", "").split()[-1] for part in parts if part.strip()
    ]


def in_cython(path: Path) -> dict[str, object]:
    """{class: base, function: parameters, class.method: parameters} of a Cython module."""
    found: dict[str, object] = {}
    text = re.sub(r"#.*", "", DOCSTRING.sub("", path.read_text()))
    owner = ""
    for match in re.finditer(f"^(?:{CYTHON_CLASS.pattern}|{CYTHON_FUNCTION.pattern})", text, re.M):
        name, base, indent, function, parameters = match.groups()
        if name:
            owner = name
            found[name] = base
            continue
        names = parameters_in_cython(parameters)
        if function == "__cinit__" and len(names) > 1:  # the constructor has these parameters
            function = "__init__"
        if function in ("__init__", "__len__") or not function.startswith("_"):
            found[f"{owner}.{function}" if indent else function] = names
    return found


def in_stub(path: Path) -> dict[str, object]:
    """The same of a stub."""
    found: dict[str, object] = {}

    def add(function: ast.FunctionDef, owner: str = "") -> None:
        arguments = function.args
        names = [argument.arg for argument in arguments.args]
        names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
        names += ["*"] if arguments.kwonlyargs and not arguments.vararg else []
        found[owner + function.name] = names + [argument.arg for argument in arguments.kwonlyargs]

    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.FunctionDef):
            add(statement)
        elif isinstance(statement, ast.ClassDef):
            (base,) = [ast.unparse(base) for base in statement.bases] or [None]
            found[statement.name] = base
            for part in statement.body:
                if isinstance(part, ast.FunctionDef):
                    add(part, statement.name + ".")
    return found


@pytest.mark.parametrize("source", COMPILED, ids=lambda path: path.stem)
def test_the_stub_of_a_compiled_module_declares_its_classes_and_functions(source):
    assert in_stub(source.with_suffix(".pyi")) == in_cython(source)


@pytest.mark.parametrize("source", COMPILED, ids=lambda path: path.stem)
def test_the_stub_of_a_compiled_module_declares_its_constants(source):
    module = import_module(f"fastconv._ext.{source.stem}")
    constants = {
        statement.target.id
        for statement in ast.parse(source.with_suffix(".pyi").read_text()).body
        if isinstance(statement, ast.AnnAssign)
    }
    assert constants == {name for name in vars(module) if re.fullmatch(r"[A-Z][A-Z_]+", name)}


def test_the_checks_of_this_file_see_what_is_defined():
    program = in_cython(CHECKOUT / "fastconv" / "_ext" / "_program.pyx")
    assert program["FilterOp"] == "Op" and program["Op"] is None
    assert program["Op.describe"] == ["self", "num_threads"]
    loss = in_cython(CHECKOUT / "fastconv" / "_ext" / "_loss.pyx")
    assert loss["RowLoss.__init__"][-5:] == ["*", "a", "b", "summed", "ignore"]
    assert fastconv.Sequential is fastconv.models.Sequential

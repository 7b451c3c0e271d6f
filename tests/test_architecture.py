"""What may import what: no circles, imports from above to below, and one door to the compiled core.

The rows are those of the drawing in `docs/architecture.md`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fastconv
from tests.support.imports import ImportGraph, read_imports

CHECKOUT = Path(__file__).parents[1]
DRAWING = CHECKOUT / "docs/architecture.md"
PACKAGE = Path(fastconv.__file__).parent
ALIASES = {"inner", "explanation"}  # former names of a part: for one version
USERS_OF_THE_CORE = {"ops", "plan", "runtime"}


@pytest.fixture(scope="module")
def graph() -> ImportGraph:
    return read_imports(PACKAGE)


def rows_of(text: str) -> list[set[str]]:
    """The rows of the first indented block, top row first: names that a middle dot separates."""
    block = re.search(r"\n\n((?:    \S.*\n)+)", text)[1]
    return [set(line.strip().split("  ")[0].split(" · ")) for line in block.splitlines()]


def part_of(module: str) -> str:
    """The part of the package that a module belongs to; "" for the package itself."""
    return ".".join(module.split(".")[1:2])


def upward_imports(graph: ImportGraph, rows: list[set[str]]) -> list[str]:
    """The imports of a part in a higher row, as lines of a message."""
    heights = {name: -row for row, names in enumerate(rows) for name in names}
    return [
        f"{graph.describe(importer, imported)}, which is above {part_of(importer)}"
        for importer, lines in graph.lines.items()
        for imported in lines
        if part_of(importer) in heights
        and part_of(imported)
        and heights[part_of(imported)] > heights[part_of(importer)]
    ]


def test_no_module_imports_itself_through_others(graph):
    circles = graph.circles()
    assert not circles, "\n\n".join(["circles of imports", *map(graph.describe_circle, circles)])


def test_every_part_is_in_the_drawing_once():
    rows = rows_of(DRAWING.read_text())
    drawn = [name for row in rows for name in row]
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    there = {name for name in there if not name.startswith("__")} - ALIASES
    assert sorted(drawn) == sorted(there)


def test_parts_import_only_from_their_row_and_below(graph):
    wrong = upward_imports(graph, rows_of(DRAWING.read_text()))
    assert not wrong, "\n".join(["imports from below to above", *wrong])


def test_nothing_imports_a_former_name(graph):
    wrong = [
        graph.describe(importer, imported)
        for importer, lines in graph.lines.items()
        for imported in lines
        if part_of(imported) in ALIASES
    ]
    assert not wrong, "\n".join(wrong)


def test_the_compiled_core_is_imported_by_three_parts_alone(graph):
    wrong = [
        graph.describe(importer, imported)
        for importer, lines in graph.lines.items()
        for imported in lines
        if part_of(imported) == "_ext" and part_of(importer) not in {"_ext", *USERS_OF_THE_CORE}
    ]
    assert not wrong, "\n".join(wrong)


def test_tests_and_benchmarks_reach_the_core_by_public_names():
    """Also in the programs that tests hold as text."""
    statement = re.compile(r"^\s*(?:from|import) fastconv\._ext", re.MULTILINE)
    wrong = [
        f"{path}: {match[0].strip()}"
        for folder in ("tests", "benchmarks", "examples", "docs")
        for path in sorted((CHECKOUT / folder).rglob("*"))
        if path.suffix in (".py", ".md")
        for match in statement.finditer(path.read_text())
    ]
    assert not wrong, "\n".join(wrong)


# ------------------------------------------------------------------------- the rules on small trees


@pytest.fixture
def tree(tmp_path):
    """Writes {path: text} as a package `small`; returns the graph of its imports."""

    def write(files: dict[str, str]) -> ImportGraph:
        for name, text in files.items():
            path = tmp_path / "small" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return read_imports(tmp_path / "small")

    return write


def test_a_circle_through_a_type_and_a_function_is_found(tree):
    graph = tree(
        {
            "__init__.py": "",
            "a.py": "from small.b import f\n",
            "b.py": "def f():\n    from small import c\n",
            "c.py": "import typing\nif typing.TYPE_CHECKING:\n    from small.a import f\n",
            "d.py": "import small.a\n",
        }
    )
    assert graph.circles() == [["small.a", "small.b", "small.c"]]
    places = [
        line.rpartition("/")[2] for line in graph.describe_circle(*graph.circles()).split("\n")
    ]
    assert places == [
        "a.py:1 imports small.b",
        "b.py:2 imports small.c",
        "c.py:3 imports small.a",
    ]


def test_a_package_that_its_own_module_imports_is_a_circle(tree):
    graph = tree(
        {
            "__init__.py": "",
            "part/__init__.py": "from small.part.one import x\n",
            "part/one.py": "from small.part import y\n",
        }
    )
    assert graph.circles() == [["small.part", "small.part.one"]]


def test_an_import_from_below_to_above_is_found(tree):
    rows = rows_of("text\n\n    top\n    middle · side  words\n    base\n\n    not · read\n")
    assert rows == [{"top"}, {"middle", "side"}, {"base"}]
    files = dict.fromkeys(["__init__.py", "top.py", "base.py"], "")
    graph = tree(files | {"middle.py": "import small.base, small.side\n", "side/__init__.py": ""})
    assert upward_imports(graph, rows) == []
    graph = tree({"side/deep.py": "from small.base import x\n\nfrom small.top import y\n"})
    (line,) = upward_imports(graph, rows)
    assert line == "small/side/deep.py:3 imports small.top, which is above side"


def test_relative_imports_are_refused(tree):
    with pytest.raises(ValueError, match=r"a\.py:1: imports must be absolute"):
        tree({"__init__.py": "", "a.py": "from . import b\n"})

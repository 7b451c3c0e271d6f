"""The Python in the guide and in the README runs, and prints what is said to be printed.

The blocks of a page are one program. A ```text block right below a ```python block is what that
block prints. Of large data sets `fit` and `evaluate` see the first images only, for one epoch.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from benchmarks import page as benchmark_page
from docs import check
from fastconv import runtime
from fastconv.models import Model, Sequential
from fastconv.utils import set_random_seed

CHECKOUT = Path(__file__).resolve().parents[1]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
FEW, LARGE = 640, 2000


def blocks(page: Path) -> list[tuple[int, str, str | None]]:
    """(line, program, what it prints or None) of every block."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, found.start(1)) + 1, found[1], found[2])
        for found in BLOCK.finditer(text)
    ]


PROGRAMS = [page for page in PAGES if blocks(page)]


@pytest.fixture
def briefly(monkeypatch):
    """`fit` trains for one epoch and `evaluate` tests, on the first images of large arrays."""

    def shorten(name: str, **fixed):
        complete = getattr(Sequential, name)

        def short(self, x, y=None, *args, **options):
            options["verbose"] = 0
            if not hasattr(x, "shape"):  # batches
                options.update(fixed)
            elif len(x) > LARGE:
                options.update(fixed)
                x, y = x[:FEW], None if y is None else y[:FEW]
            return complete(self, x, y, *args, **options)

        for cls in (Sequential, Model):
            monkeypatch.setattr(cls, name, short)

    shorten("fit", epochs=1)
    shorten("evaluate")


def test_pages_are_found():
    names = {page.name for page in PROGRAMS}
    assert {"README.md", "convolution.md", "network.md", "embedding.md"} <= names


@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: page.stem)
def test_the_programs_of_a_page_print_what_it_says(page, briefly, tmp_path, monkeypatch):
    if page.stem == "searches":
        pytest.importorskip("distributed", reason="needs Dask: pip install dask distributed")
    monkeypatch.chdir(tmp_path)
    set_random_seed(1)
    namespace: dict[str, object] = {"__name__": "guide"}
    with runtime.num_threads(runtime.get_num_threads()):
        for line, program, wanted in blocks(page):
            printed = io.StringIO()
            # Leading empty lines make line numbers in a traceback those of the page.
            code = compile("\n" * (line - 1) + program, str(page), "exec")
            with contextlib.redirect_stdout(printed):
                exec(code, namespace)
            if wanted is not None:
                assert printed.getvalue() == wanted, f"{page.name}, line {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_and_pictures_exist(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    for link in local:
        path = page.parent / link
        found = path.exists() or path.with_suffix(".ipynb").exists()  # a notebook shown as a page
        assert found, f"{page.name} links to {link}"


def test_pages_and_chart_of_the_benchmarks_show_the_results_of_all_machines():
    found = benchmark_page.machines()
    assert found
    for path, content in benchmark_page.files(found).items():
        assert path.read_text(encoding="utf-8") == content, path.name


def test_the_check_of_the_built_guide_finds_what_is_wrong(tmp_path):
    good = (
        '<html lang="en"><h1 id="top">a</h1><h2>b</h2><a href="b.html#there">x</a>'
        '<img src="p.png" alt="p"><a href="b.html"><img src="p.png" alt="p"></a>'
        "<button title='t'></button><th><code>c</code></th>"
    )
    (tmp_path / "a.html").write_text(good)
    (tmp_path / "b.html").write_text(
        '<html lang="en"><h1>b</h1><p id="there"><a href="https://x.org">y</a></p>'
    )
    (tmp_path / "p.png").touch()
    assert list(check.findings(tmp_path)) == []
    (tmp_path / "b.html").write_text(
        '<html><h1 id="x">b</h1><h3 id="x">c</h3><img src="p.png"><a href="c.html"></a>'
        '<script src="https://x.org/y"></script><button></button><th> </th>'
    )
    assert list(check.findings(tmp_path)) == [
        "a.html: b.html#there has no such anchor",
        "b.html: c.html does not exist",
        "b.html: <script> loads https://x.org/y",
        "b.html: p.png has no text",
        "b.html: c.html has no text",
        "b.html: <button> has no text",
        "b.html: <th> has no text",
        "b.html: id 'x' occurs 2 times",
        "b.html: no language",
        "b.html: a heading of level 3 follows one of level 1",
    ]

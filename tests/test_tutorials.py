"""The notebooks of the guide run, and print and draw what is stored in them."""

from __future__ import annotations

import json
import re

import pytest

from docs import notebooks

NOTEBOOKS = notebooks.notebooks()


def outputs(notebook: dict) -> list[list[tuple[str, str]]]:
    """Per cell (kind, text without numbers, which depend on the instruction set) of its outputs."""
    found = []
    for cell in notebook["cells"]:
        shown = []
        for output in cell.get("outputs", ()):
            data = {"text/plain": output["text"]} if "text" in output else output["data"]
            text = re.sub(r"[\d.]+", "#", "".join(data["text/plain"]))
            drawn = "image/png" in data
            shown.append(("picture", "") if drawn else ("text", " ".join(text.split())))
        found.append(shown)
    return found


def test_there_are_three():
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_outputs_are_those_stored(path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    stored = json.loads(path.read_text(encoding="utf-8"))
    found = notebooks.executed(path)
    assert outputs(found) == outputs(stored)
    assert sum(map(len, outputs(stored))) >= 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_shows_all_cells_and_pictures(path):
    stored = json.loads(path.read_text(encoding="utf-8"))
    page, pictures = notebooks.as_page(path.stem, stored)
    for cell in stored["cells"]:
        for line in cell["source"]:
            assert line.startswith("%") or line.strip() in page
    drawn = [kind for cell in outputs(stored) for kind, _ in cell if kind == "picture"]
    assert len(pictures) == len(drawn)
    for name, content in pictures.items():
        assert page.count(f"]({name})") == 1 and content.startswith(b"\x89PNG")
    assert page.startswith("# ")

"""Additions to MkDocs: notebooks as pages, formulas as MathML, which needs no script in a browser,
names for screen readers, the order of search results, and the version."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

from docs import notebooks

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)


def on_config(config: Any) -> None:
    """Show the version at the end of every page, and edit links if there is a repository."""
    source = Path(config["docs_dir"], "..", "fastconv", "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"', source, re.MULTILINE)
    assert version is not None
    if not config["repo_url"]:
        config["edit_uri"] = None  # without a repository it would be a link into the guide
    config["copyright"] = f"fastconv {version[1]} · {config['copyright']}"


def on_files(files: Files, config: Any) -> None:
    """Add a page for every notebook, and its pictures."""
    for path in notebooks.notebooks():
        notebook = json.loads(path.read_text(encoding="utf-8"))
        page, pictures = notebooks.as_page(path.stem, notebook)
        folder = path.parent.name
        files.append(File.generated(config, f"{folder}/{path.stem}.md", content=page))
        for name, content in pictures.items():
            files.append(File.generated(config, f"{folder}/{name}", content=content))


def on_page_content(html: str, **_: Any) -> str:
    """Replace the formulas of a page, which the extension arithmatex has marked."""

    def drawn(found: re.Match[str]) -> str:
        block = found["tag"] == "div"
        formula = convert(unescape(found["latex"]), display="block" if block else "inline")
        return f'<div class="formula">{formula}</div>' if block else formula

    return FORMULA.sub(drawn, html)


def on_post_page(output: str, **_: Any) -> str:
    """Name the dialog of the search for screen readers, which the theme leaves without a name."""
    return output.replace(' role="dialog">', ' role="dialog" aria-label="Search">')


on_post_template = on_post_page  # of the page for addresses that do not exist


def on_post_build(config: Any) -> None:
    """Let a short name of the reference precede longer ones: "predict" before "predict_step"."""
    path = Path(config["site_dir"], "search", "search_index.json")
    index = json.loads(path.read_text(encoding="utf-8"))
    for entry in index["docs"]:
        if "#fastconv." in entry["location"]:
            entry["boost"] = entry.get("boost", 1) * (24 / (4 + len(entry["title"]))) ** 2
    path.write_text(json.dumps(index), encoding="utf-8")

"""Checks the built guide without a network: `python docs/check.py build/guide`.

Every link and anchor leads somewhere, nothing is loaded from elsewhere, pictures have a text, and
each page has one title and skips no level of headings. Prints what is wrong; exit code 1 if any.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The anchors, links, pictures and headings of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.anchors: set[str | None] = {"", "__top"}
        self.links: list[tuple[str, str]] = []  # tag, address
        self.levels: list[int] = []  # of headings
        self.silent: list[str] = []  # pictures without a text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {values.get("id"), values.get("name")}
        self.links += [(tag, link) for key in ("href", "src") if (link := values.get(key))]
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "img" and not (values.get("alt") or "").strip():
            self.silent.append(values.get("src") or "")


def findings(root: Path) -> Iterator[str]:
    """A line for everything that is wrong in the pages below `root`."""
    root = root.resolve()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in root.rglob("*.html")}
    for path, page in sorted(pages.items()):
        if path.name == "404.html":  # its links are those of a server
            continue
        name = path.relative_to(root)
        for tag, link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https") and tag != "a":
                yield f"{name}: <{tag}> loads {link}"
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                yield f"{name}: {link} does not exist"
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: {link} has no such anchor"
        yield from (f"{name}: {picture[:60]} has no text" for picture in page.silent)
        if page.levels.count(1) != 1:
            yield f"{name}: {page.levels.count(1)} titles"
        for above, below in itertools.pairwise(page.levels):
            if below > above + 1:
                yield f"{name}: a heading of level {below} follows one of level {above}"


def main() -> int:
    wrong = list(findings(Path(sys.argv[1])))
    print("\n".join(wrong) or "links, anchors, texts of pictures and headings are right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Checks the built guide without a network: `python docs/check.py build/guide`.

Every link and anchor exists, and nothing is loaded from elsewhere. Pictures, links, buttons and
heads of tables have a text for screen readers; each page names its language, has one title, skips
no level of headings and uses an id once. Prints the faults; exit code 1 if there are any.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

NAMED = {"a", "button", "th"}  # elements that are read out by their text


class Page(HTMLParser):
    """The anchors, links, texts and headings of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.anchors = {"", "__top"}
        self.links: list[tuple[str, str]] = []  # tag, address
        self.levels: list[int] = []  # of headings
        self.silent: list[str] = []  # elements without a text
        self.language: str | None = None
        self._open: list[tuple[str, str, bool]] = []  # tag, name in a report, has a text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        ids = [value for key in ("id", "name") if (value := values.get(key))]
        self.anchors |= set(ids)
        self.ids.update(filter(None, [values.get("id")]))
        self.links += [(tag, link) for key in ("href", "src") if (link := values.get(key))]
        label = any((values.get(key) or "").strip() for key in ("alt", "aria-label", "title"))
        if tag == "html":
            self.language = values.get("lang")
        elif re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        elif tag == "img" and not label:
            self.silent.append(values.get("src") or tag)
        elif tag in NAMED and (tag != "a" or "href" in values):
            self._open.append((tag, values.get("href") or f"<{tag}>", label))
        if label and tag in ("img", "svg"):
            self._has_text()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self._has_text()

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            _, name, text = self._open.pop()
            if not text:
                self.silent.append(name)

    def _has_text(self) -> None:
        self._open = [(tag, name, True) for tag, name, _ in self._open]


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
        yield from (f"{name}: {element[:60]} has no text" for element in page.silent)
        yield from (f"{name}: id {key!r} occurs {n} times" for key, n in page.ids.items() if n > 1)
        if not page.language:
            yield f"{name}: no language"
        if page.levels.count(1) != 1:
            yield f"{name}: {page.levels.count(1)} titles"
        for above, below in itertools.pairwise(page.levels):
            if below > above + 1:
                yield f"{name}: a heading of level {below} follows one of level {above}"


def main() -> int:
    wrong = list(findings(Path(sys.argv[1])))
    print("\n".join(wrong) or "links, anchors, texts and headings are right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

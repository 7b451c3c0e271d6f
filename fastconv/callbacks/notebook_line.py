"""A line of text in a notebook that is updated in place.

Every frontend shows the newest text, and a saved or exported notebook has the last one alone, which
a line redrawn with carriage returns does not guarantee.
"""

from __future__ import annotations

import uuid
from html import escape


class NotebookLine:
    """One output of a cell per `begin`; needs IPython, in which notebooks run."""

    def __init__(self) -> None:
        self._prefix, self._display_id = "", ""

    def begin(self, prefix: str) -> None:
        """Start a new line, which `show` displays: `prefix` and its text."""
        self._prefix, self._display_id = prefix, ""

    def show(self, text: str) -> None:
        """Display the line, or replace its text."""
        from IPython.display import display  # pyright: ignore[reportMissingImports]

        line = self._prefix + text
        style = "font-family: monospace; margin: 0; white-space: pre-wrap; word-break: normal"
        html = f'<pre style="{style}">{escape(line)}</pre>'
        update = bool(self._display_id)
        self._display_id = self._display_id or uuid.uuid4().hex
        display(
            {"text/plain": line, "text/html": html},
            raw=True, display_id=self._display_id, update=update,
        )  # fmt: skip

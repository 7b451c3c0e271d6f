"""Tables of results: shown in a terminal, or written as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Table:
    """A title, column headings, and rows of strings and numbers (None: nothing measured)."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        if len(cells) != len(self.columns):
            raise ValueError(f"a row needs {len(self.columns)} cells, received {len(cells)}")
        self.rows.append(cells)

    def show(self) -> None:
        """Print through rich, which fits the columns to the terminal."""
        from rich.console import Console
        from rich.table import Table as RichTable

        shown = RichTable(title=self.title, title_justify="left")
        for index, column in enumerate(self.columns):
            shown.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
        for row in self.rows:
            shown.add_row(*(text(cell) for cell in row))
        console = Console()
        if not console.is_terminal:  # a file or a pipe has no width to fit: nothing is cut off
            console = Console(width=160)
        console.print(shown)
        for note in self.notes:
            console.print(note, highlight=False)

    def markdown(self) -> str:
        lines = [f"### {self.title}", ""]
        lines.append("| " + " | ".join(self.columns) + " |")
        lines.append("|---|" + "---:|" * (len(self.columns) - 1))
        lines += ["| " + " | ".join(text(cell) for cell in row) + " |" for row in self.rows]
        if self.notes:
            lines += ["", *(f"{note}  " for note in self.notes)]
        return "\n".join(lines) + "\n"


def text(cell: object) -> str:
    """A cell as text; numbers with about three significant digits."""
    if cell is None:
        return "-"
    if isinstance(cell, float):
        if not math.isfinite(cell):
            return str(cell)
        size = abs(cell)
        if size >= 100:
            return f"{cell:.0f}"
        if size >= 20:
            return f"{cell:.1f}"
        return f"{cell:.2f}" if size >= 0.1 or size == 0 else f"{cell:.2g}"
    return str(cell)

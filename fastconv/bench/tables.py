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

        console = Console()
        if not console.is_terminal:  # a file or a pipe has no width to fit: nothing is cut off
            console = Console(width=160)
        space = 1 if len(self._parts(console.width, space=1)) == 1 else 0  # on each side of a cell
        for number, part in enumerate(self._parts(console.width, space)):
            title = self.title if number == 0 else f"{self.title} (continued)"
            shown = RichTable(title=title, title_justify="left", padding=(0, space))
            for index in part:
                shown.add_column(
                    self.columns[index], justify="left" if index == 0 else "right", no_wrap=True
                )
            for row in self.rows:
                shown.add_row(*(text(row[index]) for index in part))
            console.print(shown)
        for note in self.notes:
            console.print(note, highlight=False)

    def _parts(self, width: int, space: int) -> list[list[int]]:
        """Return the columns of each part of the table that fits into `width` characters.

        Every part begins with the first column. No cell is cut, so a part may have one more column
        than fits if it would have none otherwise.
        """
        widths = [
            max(len(column), *(len(text(row[i])) for row in self.rows), 0) + 2 * space + 1
            for i, column in enumerate(self.columns)
        ]
        parts, used = [[0]], widths[0] + 1
        for index in range(1, len(widths)):
            if used + widths[index] > width and len(parts[-1]) > 1:
                parts.append([0])
                used = widths[0] + 1
            parts[-1].append(index)
            used += widths[index]
        return parts

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

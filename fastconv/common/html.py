"""HTML of objects for notebooks, which show what a method `_repr_html_` returns.

The tables are those of the terminal: `of_table` writes a table of rich as one of HTML, so that
columns never break, whatever the font and the width of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any


def in_notebook() -> bool:
    """Return whether printed text goes to a notebook."""
    return type(sys.stdout).__module__.startswith("ipykernel")


def of_table(table: Any) -> str:
    """Return a `rich.table.Table` as an HTML table; of its styles, bold and alignment remain."""
    title = "" if table.title is None else _caption(_cell(table.title))
    heads = [_cell(column.header) for column in table.columns]
    aligned = [f' style="text-align: {column.justify}"' for column in table.columns]
    head = "".join(f"<th{a}>{h}</th>" for h, a in zip(heads, aligned, strict=True))
    rows = zip(*(list(column.cells) for column in table.columns), strict=True)
    body = "".join(
        f"<tr>{''.join(f'<td{a}>{_cell(c)}</td>' for c, a in zip(row, aligned, strict=True))}</tr>"
        for row in rows
    )
    return _whole(f"{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>")


def of_pairs(title: str, pairs: Mapping[str, Any]) -> str:
    """Return names and values as an HTML table of two columns."""
    body = "".join(
        f'<tr><th style="text-align: left">{escape(name)}</th>'
        f'<td style="text-align: left">{escape(str(value))}</td></tr>'
        for name, value in pairs.items()
    )
    return _whole(f"{_caption(escape(title))}<tbody>{body}</tbody>")


def of_curve(values: Iterable[float], width: int = 120, height: int = 24) -> str:
    """Return a curve of finite values as SVG, without axes; "" for fewer than two of them."""
    numbers = list(values)
    if len(numbers) < 2:
        return ""
    low, high = min(numbers), max(numbers)
    points = " ".join(
        f"{2 + index * (width - 4) / (len(numbers) - 1):.1f},"
        f"{height - 2 - (value - low) / ((high - low) or 1) * (height - 4):.1f}"
        for index, value in enumerate(numbers)
    )
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="from {numbers[0]:.4g} to '
        f'{numbers[-1]:.4g}"><polyline points="{points}" fill="none" stroke="#0072b2" '
        'stroke-width="1.5"/></svg>'
    )


def of_rows(title: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return an HTML table of cells that are HTML already."""
    head = "".join(f'<th style="text-align: left">{escape(name)}</th>' for name in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align: left">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return _whole(f"{_caption(escape(title))}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>")


def _whole(content: str) -> str:
    return f"<table>{content}</table>"


def _caption(html: str) -> str:
    return f'<caption style="text-align: left; white-space: nowrap">{html}</caption>'


def _cell(content: Any) -> str:
    """Return the HTML of a cell: lines of text, those in bold as such."""
    from rich.text import Text

    text = Text.from_markup(content) if isinstance(content, str) else content
    lines = []
    for line in text.split("\n"):
        plain = escape(line.plain)
        bold = any("bold" in str(span.style) for span in line.spans)
        lines.append(f"<b>{plain}</b>" if bold else plain)
    return "<br>".join(lines)

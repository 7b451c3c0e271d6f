"""Measurements as JSON: one file per run, with the machine and the versions, and their comparison.

`fastconv bench --json` prints such a document, `benchmarks.report` of the repository writes them,
and its page is made from them. `benchmarks/results/schema.json` describes the format:

    format     1
    kind       "bench" (fastconv alone) or "peers" (beside other libraries)
    date       of the measurement, "2026-11-30"
    machine    processor, architecture, cpus, instruction_set, system
    versions   of fastconv, Python, NumPy and the libraries measured
    tables     title, part, threads, columns, rows (of numbers, strings or null), notes
"""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

import fastconv
from fastconv.bench.processor import processor
from fastconv.bench.tables import Table
from fastconv.errors import FormatError

FORMAT = 1
TIME = "ms"  # the column that is compared


class Slower(NamedTuple):
    """A row of two results: its name, both times in milliseconds, and new / old."""

    name: str
    old: float
    new: float
    ratio: float


def document(
    kind: str, tables: Iterable[tuple[str, int, Table]], libraries: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the document of (part, threads, table) measured now on this machine."""
    versions = {"fastconv": fastconv.__version__, "python": platform.python_version()}
    versions |= {"numpy": np.__version__, **(libraries or {})}
    return {
        "format": FORMAT,
        "kind": kind,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": versions,
        "tables": [
            {
                "title": table.title,
                "part": part,
                "threads": threads,
                "columns": list(table.columns),
                "rows": [[_plain(cell) for cell in row] for row in table.rows],
                "notes": list(table.notes),
            }
            for part, threads, table in tables
        ],
    }


def machine() -> dict[str, Any]:
    """Return the properties of this machine on which times depend; nothing that identifies it."""
    from fastconv import runtime  # loads the core, which chooses its instruction set then

    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "instruction_set": runtime.isa(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
    }


def checked(found: Any, name: str) -> dict[str, Any]:
    """Return `found` if it is a document of this format; FormatError, which names the file, if it
    is not."""
    shape: dict[str, type] = {"kind": str, "date": str, "machine": dict, "versions": dict}
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise FormatError(f'{name} must be an object with "format": {FORMAT}')
    for key, kind in shape.items():
        if not isinstance(found.get(key), kind):
            raise FormatError(f"{name}: {key!r} must be of type {kind.__name__}")
    tables = found.get("tables")
    if not isinstance(tables, list):
        raise FormatError(f"{name}: 'tables' must be a list")
    for table in tables:
        if not isinstance(table, dict) or not {"title", "columns", "rows"} <= table.keys():
            raise FormatError(f"{name}: a table must have 'title', 'columns' and 'rows'")
        if any(len(row) != len(table["columns"]) for row in table["rows"]):
            raise FormatError(f"{name}: a row of {table['title']!r} does not fit its columns")
    return found


def times(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the milliseconds of every row with a time, by title and the row's words."""
    named: dict[str, float] = {}
    for table in found["tables"]:
        if TIME not in table["columns"]:
            continue
        column = table["columns"].index(TIME)
        for row in table["rows"]:
            # Words before the time name a row; the algorithm is a choice that may have changed.
            words = [
                str(cell)
                for heading, cell in zip(table["columns"][:column], row, strict=False)
                if heading != "algorithm" and cell != ""
            ]
            if isinstance(row[column], (int, float)):
                named[f"{table['title']}: {', '.join(words)}"] = float(row[column])
    return named


def compared(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Slower]:
    """Return the rows that both documents have, the slowest first. ValueError if there are none."""
    before, after = times(old), times(new)
    rows = [
        Slower(name, before[name], after[name], after[name] / before[name])
        for name in after
        if before.get(name, 0) > 0
    ]
    if not rows:
        raise ValueError("the two results have no measurement in common")
    return sorted(rows, key=lambda row: -row.ratio)


def _plain(cell: object) -> Any:
    """Return a cell as JSON has it: numbers, strings and None."""
    return cell.item() if isinstance(cell, np.generic) else cell

"""Reading ``shapes/*.txt``: one convolution per line, taken from real networks."""

from __future__ import annotations

from pathlib import Path

from fastconv.bench.operations import Convolution

FOLDER = Path(__file__).resolve().parent / "shapes"
_FIELDS = 11


def names() -> list[str]:
    """The shape files there are, without their suffix."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def read(name: str) -> list[Convolution]:
    """The convolutions of ``shapes/<name>.txt``.

    Raises ValueError for an unknown file, naming those there are, and for a malformed line.

    >>> read("peers")[0].name
    'lenet_c1'
    """
    path = FOLDER / f"{name}.txt"
    if not path.is_file():
        raise ValueError(f"no shape file {name!r}; there are: {', '.join(names())}")
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        fields = line.split("#")[0].split()
        if not fields:
            continue
        if len(fields) != _FIELDS:
            raise ValueError(f"{path.name}:{number}: expected {_FIELDS} fields, received {line!r}")
        rows.append(Convolution(fields[0], *map(int, fields[1:])))
    return rows


def select(rows: list[Convolution], wanted: list[str] | None) -> list[Convolution]:
    """The rows whose names are in ``wanted`` (all for None); ValueError names the unknown ones."""
    if wanted is None:
        return rows
    unknown = set(wanted) - {row.name for row in rows}
    if unknown:
        raise ValueError(
            f"no row named {', '.join(sorted(unknown))}; "
            f"there are: {', '.join(row.name for row in rows)}"
        )
    return [row for row in rows if row.name in wanted]

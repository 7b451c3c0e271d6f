"""Reading ``shapes/*.txt``: one convolution per line, taken from real networks."""

from __future__ import annotations

from pathlib import Path

from fastconv.bench.operations import Convolution

FOLDER = Path(__file__).resolve().parent / "shapes"
HELD_OUT = "held_out"  # the file that no coefficient is fitted to
_FIELDS = 11  # and the dilation as a twelfth, 1 if it is left out


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
        if len(fields) not in (_FIELDS, _FIELDS + 1):
            raise ValueError(
                f"{path.name}:{number}: expected {_FIELDS} or {_FIELDS + 1} fields, "
                f"received {line!r}"
            )
        *sizes, padding, groups = fields[1:_FIELDS]
        above, _, beside = padding.partition("x")
        dilation, padding_w = int((*fields, "1")[_FIELDS]), int(beside) if beside else None
        numbers = map(int, (*sizes, above, groups))
        rows.append(Convolution(fields[0], *numbers, dilation, padding_w))
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

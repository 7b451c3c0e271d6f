"""Measured times of the algorithms of convolution passes, one CSV file per processor in ``cost/``.

The cost estimate of the schedules is compared with these files, and its coefficients are fitted to
all of them together (`benchmarks.fit_cost`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from fastconv.bench.operations import Convolution

FOLDER = Path(__file__).resolve().parent / "cost"


class Sample(NamedTuple):
    """The time of one algorithm for one pass; `frozen` filters are packed before the timed call."""

    isa: str
    threads: int
    direction: str
    frozen: bool
    row: Convolution
    algorithm: str
    milliseconds: float

    @property
    def case(self) -> tuple:
        """All but the algorithm and the time: samples of one case compete with each other."""
        return self[:4] + self.row[1:]


_SIZES = Convolution._fields[:11]  # none has a dilation, or a padding of its own beside
_COLUMNS = ("isa", "threads", "direction", "frozen", *_SIZES, "algorithm", "ms")


def read(path: Path) -> list[Sample]:
    """The samples of a file; none if it does not exist. ValueError for other columns."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        lines = csv.reader(line for line in file if not line.startswith("#"))
        header = tuple(next(lines, ()))
        if header != _COLUMNS:
            raise ValueError(f"{path.name}: expected the columns {_COLUMNS}, received {header}")
        return [_sample(fields) for fields in lines]


def _sample(fields: list[str]) -> Sample:
    isa, threads, direction, frozen, name, *sizes, algorithm, ms = fields
    row = Convolution(name, *map(int, sizes))
    return Sample(isa, int(threads), direction, frozen == "1", row, algorithm, float(ms))


def read_all(folder: Path = FOLDER) -> dict[str, list[Sample]]:
    """The samples of every processor, by the name of its file without suffix."""
    return {path.stem: read(path) for path in sorted(folder.glob("*.csv"))}


def create(path: Path, comments: Iterable[str]) -> None:
    """Begin a file with lines of comment and the names of the columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"# {comment}" for comment in comments]
    path.write_text("\n".join([*lines, ",".join(_COLUMNS), ""]))


def append(path: Path, samples: Iterable[Sample]) -> None:
    """Add samples at the end of a file."""
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for s in samples:
            head = (s.isa, s.threads, s.direction, int(s.frozen), *s.row[: len(_SIZES)])
            writer.writerow((*head, s.algorithm, f"{s.milliseconds:.5g}"))


def competing(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    """The samples of each case that has at least two algorithms."""
    cases: dict[tuple, list[Sample]] = {}
    for sample in samples:
        cases.setdefault(sample.case, []).append(sample)
    return (group for group in cases.values() if len(group) > 1)

"""Reading ``shapes/*.txt``: one convolution per line, taken from real networks."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).resolve().parent / "shapes"
_FIELDS = 11

PASSES = ("forward", "backward_input", "backward_kernel")


class Convolution(NamedTuple):
    """One line of a shape file. ``padding`` is per side, ``groups == channels`` is depthwise."""

    name: str
    batch: int
    height: int
    width: int
    channels: int
    filters: int
    kernel_h: int
    kernel_w: int
    stride: int
    padding: int
    groups: int

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return self.batch, self.height, self.width, self.channels

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        return self.kernel_h, self.kernel_w, self.channels // self.groups, self.filters

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        out_h = (self.height + 2 * self.padding - self.kernel_h) // self.stride + 1
        out_w = (self.width + 2 * self.padding - self.kernel_w) // self.stride + 1
        return self.batch, out_h, out_w, self.filters

    @property
    def flops(self) -> float:
        """Two per multiply-add of the direct algorithm, taps on padding included; any pass."""
        return 2.0 * np.prod(self.output_shape) * np.prod(self.kernel_shape[:3])

    def arrays(self, seed: int = 1) -> dict[str, np.ndarray]:
        """Random float32 ``x``, ``w``, ``b`` and ``dy`` of this convolution."""
        rng = np.random.default_rng(seed)
        shapes = {
            "x": self.input_shape,
            "w": self.kernel_shape,
            "b": (self.filters,),
            "dy": self.output_shape,
        }
        arrays = {k: rng.standard_normal(s, dtype=np.float32) for k, s in shapes.items()}
        arrays["w"] *= np.float32(np.prod(self.kernel_shape[:3]) ** -0.5)
        return arrays


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

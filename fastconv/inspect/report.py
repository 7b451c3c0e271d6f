"""The facts about a model and each of its layers, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from fastconv.inspect.memory import FLOAT, Memory
from fastconv.inspect.scaling import Scaling
from fastconv.inspect.windows import Window


@dataclass(frozen=True)
class Receptive:
    """What one element of a layer sees of the pixels of an input."""

    sizes: tuple[int, ...]  # per axis of space; beyond the border if there is padding
    input_sizes: tuple[int, ...]
    input_name: str

    @property
    def seen(self) -> int:
        """Elements, if none of them is padding."""
        return prod(
            min(size, whole) for size, whole in zip(self.sizes, self.input_sizes, strict=True)
        )

    @property
    def share(self) -> float:
        """Of the input, 0 to 1."""
        return self.seen / prod(self.input_sizes)

    @property
    def formula(self) -> str:
        """The lecture's way to write it.

        >>> Receptive((18, 18), (28, 28), "x").formula
        '18x18 = 324 of 784 = 41.3 %'
        """
        sizes = "x".join(map(str, self.sizes))
        inside = prod(self.sizes) == self.seen
        if len(self.sizes) > 1 and inside:
            sizes += f" = {self.seen:,}"
        if not inside:
            sizes += f", {self.seen:,}"
        return f"{sizes} of {prod(self.input_sizes):,} = {100 * self.share:.3g} %"


@dataclass(frozen=True)
class Timing:
    """One pass of one layer by itself: seconds, and of the multiply-adds two operations each."""

    seconds: float
    gflops: float | None
    percent_of_peak: float | None


@dataclass(frozen=True)
class LayerReport:
    """One use of a layer. Bytes are those of the batch; everything else is of one sample."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    output_formulas: tuple[str, ...]
    parameters: int
    parameter_formula: str
    shared: bool  # the parameters are those of an earlier use
    multiply_adds: int
    multiply_add_formulas: tuple[str, ...]
    activation_bytes: int  # 0 if the output is the input in another shape
    receptive: Receptive | None
    windows: tuple[tuple[Window, ...], ...]
    timings: dict[str, Timing] = field(default_factory=dict)  # by pass

    @property
    def parameter_bytes(self) -> int:
        return 0 if self.shared else FLOAT * self.parameters

    @property
    def unseen(self) -> list[tuple[str, list[int]]]:
        """(axis, elements of the layer's input) that no window of the layer covers."""
        found = []
        for windows in self.windows:
            names = ("rows", "columns")[-len(windows) :]
            found += [(name, w.unseen) for name, w in zip(names, windows, strict=True) if w.unseen]
        return found

    @property
    def notes(self) -> list[str]:
        """What strides leave over, in words.

        >>> import fastconv
        >>> from fastconv import layers, models
        >>> model = models.Sequential([layers.Input((7, 7, 1)), layers.Conv2D(1, 3, strides=3)])
        >>> fastconv.explain(model).layers[0].notes
        ['(7 - 3)/3 + 1 = 2.33: no window covers row and column 6 (counted from 0)']
        """
        axes: dict[Window, list[str]] = {}
        for windows in self.windows:
            for name, window in zip(("row", "column")[-len(windows) :], windows, strict=True):
                axes.setdefault(window, []).append(name)
        notes = []
        for window, names in axes.items():
            if window.unseen:
                length = window.length + window.before + window.after
                who = " and ".join(names) + " " + ", ".join(map(str, window.unseen))
                notes.append(
                    f"({length} - {window.span})/{window.stride} + 1 = {window.places:.2f}: "
                    f"no window covers {who} (counted from 0)"
                )
        return notes

    def to_dict(self) -> dict[str, Any]:
        seen = self.receptive
        return {
            "name": self.name,
            "type": self.kind,
            "output_shape": list(self.output_shape),
            "output_formulas": list(self.output_formulas),
            "parameters": self.parameters,
            "parameter_formula": self.parameter_formula,
            "shared": self.shared,
            "multiply_adds": self.multiply_adds,
            "multiply_add_formulas": list(self.multiply_add_formulas),
            "activation_bytes": self.activation_bytes,
            "parameter_bytes": self.parameter_bytes,
            "receptive_field": seen
            and {
                "sizes": list(seen.sizes),
                "input": seen.input_name,
                "input_sizes": list(seen.input_sizes),
                "share": seen.share,
                "formula": seen.formula,
            },
            "unseen": dict(self.unseen),
            "timings": {name: vars(timing) for name, timing in self.timings.items()},
        }


@dataclass(frozen=True)
class ModelReport:
    """A model, layer by layer, as data."""

    model_name: str
    batch_size: int
    inputs: dict[str, tuple[int, ...]]  # shapes of one sample, by name
    layers: tuple[LayerReport, ...]
    memory: Memory
    threads: int
    peak_gflops: float | None = None  # measured; None without `measure`
    scaling: Scaling | None = None  # None without `ranks`

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers if not layer.shared)

    @property
    def multiply_adds(self) -> int:
        """Of one sample, forward."""
        return sum(layer.multiply_adds for layer in self.layers)

    def __getitem__(self, name: str) -> LayerReport:
        """The (first) layer of this name; KeyError if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}; there are {[layer.name for layer in self.layers]}")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data that JSON can hold; sizes in bytes, times in seconds."""
        return {
            "model": self.model_name,
            "batch_size": self.batch_size,
            "threads": self.threads,
            "inputs": {name: list(shape) for name, shape in self.inputs.items()},
            "layers": [layer.to_dict() for layer in self.layers],
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "memory": self.memory.to_dict(),
            "peak_gflops": self.peak_gflops,
        } | ({"scaling": self.scaling.to_dict()} if self.scaling else {})

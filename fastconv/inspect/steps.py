"""What the operations of a layer (`fastconv.plan.operations`) mean for shapes, fields and work.

`follow` takes the operations of a layer one after the other, from the inputs to the output, and
records their windows, their multiplications, and the growth of the receptive field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from fastconv.inspect.fields import Field, Stretch, join
from fastconv.inspect.windows import Window, windows_of
from fastconv.plan import operations
from fastconv.shapes import effective_kernel

SampleShape = tuple[int, ...]


@dataclass
class Value:
    """Something between two layers: its shape, and what it sees of every input, by number."""

    shape: SampleShape
    fields: dict[int, Field]

    def through(self, change: Any, shape: SampleShape | None = None) -> Value:
        """`change` applied to all stretches."""
        fields = {
            number: tuple(change(stretch) for stretch in seen)
            for number, seen in self.fields.items()
        }
        return Value(self.shape if shape is None else shape, fields)


@dataclass
class Work:
    """What was met on the way through a layer."""

    sizes: list[str] = field(default_factory=list)  # formulas of output sizes
    products: list[str] = field(default_factory=list)  # formulas of multiply-adds
    multiply_adds: int = 0
    windows: list[tuple[Window, ...]] = field(default_factory=list)  # per axis of space
    arranges: bool = True  # nothing is computed: the output is the input in another shape

    def multiply(self, formula: str, count: int) -> None:
        self.products.append(f"{formula} = {count:,}")
        self.multiply_adds += count


def follow(
    chain: Sequence[operations.Operation], inputs: Sequence[Value], end: SampleShape
) -> tuple[Value, Work]:
    """(output, work) of `chain` on `inputs`; `end` is the shape of the output."""
    work = Work()
    values = list(inputs)
    for operation in chain:
        if not isinstance(operation, operations.Reshape):
            work.arranges = False
        step = _STEPS.get(type(operation))
        values = [step(operation, values, work) if step else values[0]]
    (value,) = values
    if value.shape != end:  # an operation that is not known here
        value = value.through(Stretch.widened, end)
    return value, work


def _convolution(operation: operations.Convolution, values: list[Value], work: Work) -> Value:
    (x,) = values
    geometry = operation.geometry
    kernel_h, kernel_w, channels, filters = geometry.kernel_shape
    places = geometry.out_h, geometry.out_w
    taps = kernel_h, kernel_w
    if x.shape[0] == kernel_h == 1:  # a sequence, which is an image of one row
        places, taps = places[1:], taps[1:]
    formula = f"{_times(places)} * {_times((*taps, channels))} * {filters}"
    work.multiply(formula, prod(geometry.output_shape) * kernel_h * kernel_w * channels)
    return _slide(x, windows_of(geometry), geometry.output_shape[1:], work, mixes_channels=True)


def _pooling(operation: operations.Pooling, values: list[Value], work: Work) -> Value:
    (x,) = values
    geometry = operation.geometry
    return _slide(x, windows_of(geometry), geometry.output_shape[1:], work, mixes_channels=False)


def _slide(
    x: Value, windows: tuple[Window, ...], shape: SampleShape, work: Work, mixes_channels: bool
) -> Value:
    rows, columns = windows
    if x.shape[0] == rows.kernel == 1:
        windows = (columns,)
        work.sizes.append(columns.formula)
    elif rows == columns:
        work.sizes.append(rows.formula)
    else:
        work.sizes += [f"rows: {rows.formula}", f"columns: {columns.formula}"]
    work.windows.append(windows)

    def change(stretch: Stretch) -> Stretch:
        if stretch.along in (0, 1):
            return stretch.slid((rows, columns)[stretch.along])
        lost = stretch.along is None or mixes_channels
        return stretch.widened() if lost else stretch

    return x.through(change, tuple(shape))


def _transposed(
    operation: operations.TransposedConvolution, values: list[Value], work: Work
) -> Value:
    (x,) = values
    forward = operation.geometry
    kernel_h, kernel_w, filters, channels = forward.kernel_shape
    outputs = forward.input_shape[1:]
    windows = windows_of(forward)
    formulas = []
    for window in windows:
        n, s, span = window.outputs, window.stride, window.span
        cut = (n - 1) * s + span - window.length
        sign = "-" if cut >= 0 else "+"
        formulas.append(f"({n} - 1)*{s} + {span} {sign} {abs(cut)} = {window.length}")
    work.sizes += list(dict.fromkeys(formulas))
    places = f"{_times(x.shape[:2])} * {_times((kernel_h, kernel_w, channels))} * {filters}"
    work.multiply(places, prod(x.shape[:2]) * kernel_h * kernel_w * channels * filters)

    def change(stretch: Stretch) -> Stretch:
        if stretch.along not in (0, 1):
            return stretch.widened()
        window = windows[stretch.along]
        span = effective_kernel(window.kernel, window.dilation)
        return stretch.spread(span, window.stride, window.before, window.length)

    return x.through(change, outputs)


def _product(operation: operations.Dense, values: list[Value], work: Work) -> Value:
    (x,) = values
    inputs, outputs = operation.kernel.shape
    rows = x.shape[:-1]
    formula = f"{inputs}*{outputs}" if not rows else f"{_times(rows)} * {inputs}*{outputs}"
    work.multiply(formula, prod(rows) * inputs * outputs)
    last = len(x.shape) - 1
    return x.through(
        lambda stretch: stretch.widened() if stretch.along in (None, last) else stretch,
        (*rows, outputs),
    )


def _reshape(operation: operations.Reshape, values: list[Value], work: Work) -> Value:
    (x,) = values
    if len(operation.shape) == 1 and len(x.shape) > 1 and min(x.shape) > 0:
        work.sizes.append(f"{_times(x.shape)} = {prod(x.shape):,}")
    before = [axis for axis, size in enumerate(x.shape) if size > 1]
    after = [axis for axis, size in enumerate(operation.shape) if size > 1]
    kept = [x.shape[axis] for axis in before] == [operation.shape[axis] for axis in after]
    places = dict(zip(before, after, strict=True)) if kept else {}
    return x.through(
        lambda stretch: replace(stretch, along=places.get(stretch.along)), tuple(operation.shape)
    )


def _transpose(operation: operations.Transpose, values: list[Value], work: Work) -> Value:
    (x,) = values
    places = {old - 1: new - 1 for new, old in enumerate(operation.axes) if new}
    return x.through(
        lambda stretch: replace(stretch, along=places.get(stretch.along)),
        tuple(x.shape[axis - 1] for axis in operation.axes[1:]),
    )


def _axis_maps(operation: operations.AxisMaps, values: list[Value], work: Work) -> Value:
    (x,) = values
    maps = operation.maps
    shape = tuple(
        size if axis_map is None else axis_map.output_size
        for size, axis_map in zip(x.shape, maps, strict=True)
    )

    def change(stretch: Stretch) -> Stretch:
        axis_map = None if stretch.along is None else maps[stretch.along]
        return stretch if axis_map is None else stretch.mapped(axis_map)

    return x.through(change, shape)


def _warp(operation: operations.RandomWarp, values: list[Value], work: Work) -> Value:
    return values[0] if operation.still is None else _axis_maps(operation.still, values, work)


def _global_pooling(operation: operations.GlobalPooling, values: list[Value], work: Work) -> Value:
    (x,) = values
    last = len(x.shape) - 1

    def change(stretch: Stretch) -> Stretch:
        return replace(stretch, along=0) if stretch.along == last else stretch.widened()

    return x.through(change, x.shape[-1:])


def _merge(operation: operations.Merge, values: list[Value], work: Work) -> Value:
    rank = max(len(value.shape) for value in values)
    shape = tuple(
        max(sizes)
        for sizes in zip(
            *((1,) * (rank - len(value.shape)) + value.shape for value in values), strict=True
        )
    )
    moved = []
    for value in values:
        shift = rank - len(value.shape)
        moved.append(value.through(lambda stretch, shift=shift: _shifted(stretch, shift)))
    return _joined(moved, shape)


def _concatenate(operation: operations.Concatenate, values: list[Value], work: Work) -> Value:
    axis = operation.axis - 1
    shape = list(values[0].shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    # An element changes its position along the axis by the sizes of the inputs before its own, so
    # its stretch is that of the whole axis.
    apart = [
        value.through(lambda stretch: stretch.widened() if stretch.along == axis else stretch)
        for value in values
    ]
    return _joined(apart, tuple(shape))


def _joined(values: list[Value], shape: SampleShape) -> Value:
    numbers = sorted({number for value in values for number in value.fields})
    fields = {
        number: join([value.fields[number] for value in values if number in value.fields])
        for number in numbers
    }
    return Value(shape, fields)


def _custom(operation: operations.Custom, values: list[Value], work: Work) -> Value:
    """A layer of the user's own may depend on all of its input."""
    everything = [value.through(Stretch.widened) for value in values]
    return _joined(everything, tuple(operation.shape))


def _by_sample(operation: operations.GroupNormalization, values: list[Value], work: Work) -> Value:
    """Every element depends on the statistics of the whole image."""
    return values[0].through(Stretch.widened)


def _shifted(stretch: Stretch, shift: int) -> Stretch:
    return stretch if stretch.along is None else replace(stretch, along=stretch.along + shift)


def _times(sizes: Sequence[int]) -> str:
    return "*".join(map(str, sizes))


_STEPS = {
    operations.AxisMaps: _axis_maps,
    operations.Concatenate: _concatenate,
    operations.Convolution: _convolution,
    operations.Custom: _custom,
    operations.GroupNormalization: _by_sample,
    operations.GlobalPooling: _global_pooling,
    operations.Merge: _merge,
    operations.Pooling: _pooling,
    operations.Dense: _product,
    operations.RandomWarp: _warp,
    operations.Reshape: _reshape,
    operations.Transpose: _transpose,
    operations.TransposedConvolution: _transposed,
}

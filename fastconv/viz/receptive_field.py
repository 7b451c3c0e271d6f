"""How much of the picture one number in a deep layer depends on."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from fastconv.common.figures import BLUE, PALE_BLUE
from fastconv.inspect.windows import Window, windows_of
from fastconv.layers import Conv2D
from fastconv.layers.symbolic import Call
from fastconv.models import Model
from fastconv.plan import operations
from fastconv.shapes import Conv2DGeometry, Pool2DGeometry
from fastconv.viz.style import new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Field(NamedTuple):
    """What one place of the last layer sees of a layer's output.

    `size` (rows, columns) of `shape` (rows, columns), beginning at `start`; `start` is cut off at
    the border, `size` is not.
    """

    name: str
    shape: tuple[int, int]
    size: tuple[int, int]
    start: tuple[int, int]


def receptive_fields(model: Any, layer: Any = None) -> list[Field]:
    """Return the receptive fields of the central position of a layer, from the input to that layer.

    Args:
        model: a built model with one input.
        layer: the layer, or its name; by default the last layer with rows and columns. Where
            branches join, the field is that of the branch with the larger one.

    Raises ValueError for an unknown layer, or if a layer in between is not supported (cropping,
    upsampling and the like).
    """
    calls = _spatial_calls(model)
    wanted = layer if layer is None or isinstance(layer, str) else layer.name
    ends = [call for call in calls if wanted in (None, call.layer.name)]
    if not ends:
        names = [call.layer.name for call in calls]
        raise ValueError(f"`layer` must be one with rows and columns, {names}, received {wanted!r}")
    (end,) = ends[-1].outputs
    middle = tuple((side // 2, side // 2) for side in end.shape[1:3])
    seen = {end: ((1, 1), middle)}  # per tensor: size, and per axis the first and last place
    for call in reversed(calls):
        if call.outputs[0] in seen:
            for tensor in call.inputs:
                field = _before(call, *seen[call.outputs[0]])
                seen[tensor] = _larger(field, seen.get(tensor, field))
    names = {call.outputs[0]: call.layer.name for call in calls} | {model.inputs[0]: "input"}
    return [
        Field(name, tensor.shape[1:3], seen[tensor][0], tuple(span[0] for span in seen[tensor][1]))
        for tensor, name in sorted(names.items(), key=lambda item: item[0] is not model.inputs[0])
        if tensor in seen
    ]


def _spatial_calls(model: Any) -> list[Any]:
    """The calls that take and give rows and columns, in order."""
    return [
        call
        for call in model.network.calls
        if call.inputs and all(len(t.shape) == 4 for t in (*call.inputs, *call.outputs))
    ]


def _before(call: Any, size: tuple, spans: tuple) -> tuple[tuple, tuple]:
    """What a field in the output of a call is in its input."""
    geometry = _geometry_of(call)
    if geometry is None:
        if any(tensor.shape[1:3] != call.outputs[0].shape[1:3] for tensor in call.inputs):
            raise ValueError(f"layer {call.layer.name!r} moves pixels; its field is not followed")
        return size, spans
    axes = windows_of(geometry)
    sizes = tuple((s - 1) * w.stride + w.span for s, w in zip(size, axes, strict=True))
    return sizes, tuple(_seen(span, w) for span, w in zip(spans, axes, strict=True))


def _geometry_of(call: Call) -> Conv2DGeometry | Pool2DGeometry | None:
    """How the window of a called layer moves over its input (H, W, C); None if it has none."""
    layer = call.layer
    if isinstance(layer, Model) or not call.inputs or len(call.inputs[0].shape) != 4:
        return None
    if isinstance(layer, Conv2D):  # which may pad the image first
        return layer.geometry_on(layer.image_of(call.input_shape))
    for operation in layer.operations(call.input_shape):
        if isinstance(operation, (operations.Convolution, operations.Pooling)):
            return operation.geometry
    return None


def _seen(span: tuple[int, int], window: Window) -> tuple[int, int]:
    first = span[0] * window.stride - window.before
    last = span[1] * window.stride - window.before + window.span - 1
    return max(first, 0), min(last, window.length - 1)


def _larger(one: tuple, other: tuple) -> tuple[tuple, tuple]:
    sizes = tuple(max(pair) for pair in zip(one[0], other[0], strict=True))
    spans = tuple((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(one[1], other[1], strict=True))
    return sizes, spans


@styled
def receptive_field(model: Any, layer: Any = None) -> Figure:
    """The cone of columns that the place in the middle depends on, widening down to the input.

    Arguments and errors are those of `receptive_fields`.
    """
    from matplotlib.patches import Polygon, Rectangle

    fields = receptive_fields(model, layer)
    widest = max(field.shape[1] for field in fields)
    figure = new_figure(0.6 + 0.42 * len(fields))
    ax = figure.subplots()
    edges = []
    for level, field in enumerate(fields):
        left = (widest - field.shape[1]) / 2
        ax.add_patch(Rectangle((left, level), field.shape[1], 0.34, fc="0.93", ec="0.5", lw=0.6))
        start, size = field.start[1], min(field.size[1], field.shape[1] - field.start[1])
        ax.add_patch(Rectangle((left + start, level), size, 0.34, fc=BLUE, ec="0", lw=0.6))
        edges.append((left + start, left + start + size))
    for level, (below, above) in enumerate(itertools.pairwise(edges)):
        corners = [
            (below[0], level + 0.34),
            (above[0], level + 1),
            (above[1], level + 1),
            (below[1], level + 0.34),
        ]
        ax.add_patch(Polygon(corners, fc=PALE_BLUE, ec="none", zorder=0))
    ax.set_xlim(-0.5, widest + 0.5)
    ax.set_ylim(-0.15, len(fields) - 0.5)
    ax.set_yticks([level + 0.17 for level in range(len(fields))])
    ax.set_yticklabels([field.name for field in fields])
    ax.set_xticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0)
    right = ax.secondary_yaxis("right")
    right.set_yticks([level + 0.17 for level in range(len(fields))])
    right.set_yticklabels([f"{f.size[1]} of {f.shape[1]}" for f in fields])
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)
    first = fields[0]
    seen = first.size[0] * first.size[1]
    whole = first.shape[0] * first.shape[1]
    size = f"{first.size[0]}x{first.size[1]}"
    share = f"{size} = {seen:,} of {whole:,} pixels ({100 * seen / whole:.1f} %)"
    figure.suptitle(share if seen < whole else f"{size}: all {whole:,} pixels")
    return figure

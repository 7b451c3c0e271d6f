"""Where a network's parameters, arithmetic and memory are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastconv.plan import operations
from fastconv.viz.style import new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = ("parameters", "multiply-adds", "activations")


@styled
def costs(model: Any) -> Figure:
    """Three bars per layer, for one sample: parameters, multiply-adds, and numbers in its output.

    Layers that have no parameters and compute no products show what they give only. Raises
    ValueError if the model is not built.
    """
    rows = {call.layer.name: call_costs(call) for call in model.network.calls if call.inputs}
    figure = new_figure(0.85 + 0.26 * len(rows))
    axes = figure.subplots(1, 3, sharey=True)
    for ax, title, values in zip(axes, _COLUMNS, zip(*rows.values(), strict=True), strict=True):
        highest = max(values) or 1
        ax.barh(range(len(rows)), values, color="0.35", height=0.7)
        for place, value in enumerate(values):
            if value:
                long = value > 0.55 * highest
                ax.text(
                    value - 0.03 * highest if long else value + 0.03 * highest,
                    place,
                    short(value),
                    va="center",
                    ha="right" if long else "left",
                    color="1" if long else "0",
                )
        ax.set_xlim(0, highest)
        ax.set_xticks([])
        ax.spines["bottom"].set_visible(False)
        ax.tick_params(length=0)
        ax.set_title(f"{title}\n{short(sum(values))}")
    axes[0].set_yticks(range(len(rows)), list(rows))
    axes[0].invert_yaxis()
    return figure


def call_costs(call: Any) -> tuple[int, int, int]:
    """(parameters, multiply-adds, numbers in the output) of a called layer, for one sample.

    A pooling, an activation and the like count as 0 multiply-adds. A model inside of
    a model is the sum of its layers.
    """
    network = getattr(call.layer, "network", None)
    if network is not None:
        parts = [call_costs(inner) for inner in network.calls if inner.inputs]
        parameters, products, outputs = (sum(part) for part in zip(*parts, strict=True))
        return parameters, products, outputs
    products, shape = 0, call.outputs[0].shape
    for operation in call.layer.operations(call.input_shape):
        if isinstance(operation, operations.Dense):
            products += math.prod(shape[1:-1]) * math.prod(operation.kernel.shape)
        elif isinstance(operation, operations.Convolution) and len(shape) == 4:
            geometry = operation.geometry
            taps = math.prod(operation.geometry.kernel_shape)
            products += geometry.out_h * geometry.out_w * taps
    return call.layer.count_params(), products, math.prod(shape[1:])


def short(number: int) -> str:
    """1,234,567 as "1.23 M".

    >>> [short(n) for n in (0, 650, 18_496, 2_230_272)]
    ['0', '650', '18.5 k', '2.23 M']
    """
    for unit, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {letter}"
    return str(number)

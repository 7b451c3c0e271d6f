"""Where a network's parameters, arithmetic and memory are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv import inspect

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def costs(model: Any) -> Figure:
    """Four bars per layer, for one sample: parameters, multiply-adds, bytes of its output, and the
    part of the input that one element of it sees.

    Colours tell convolutions, dense layers and others apart. A model inside of a model is shown
    with its layers. This is the figure of `fastconv.explain`, which explains the numbers.

    Raises ValueError if the model is not built.
    """
    return inspect.explain(model).figure()

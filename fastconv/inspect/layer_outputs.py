"""The outputs of a model's layers: feature maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fastconv.inspect.tracing import TracedModel, checked_samples
from fastconv.layers.base import Layer
from fastconv.models import Model


def layer_outputs(
    model: Model, x: ArrayLike, layers: Sequence[Layer | str] | None = None
) -> dict[str, np.ndarray]:
    """The outputs of layers for some samples.

    Args:
        model: a built model with one input.
        x: samples (N, ...).
        layers: which layers, by name or as objects; None for all.

    Returns:
        {name of the layer: its output (N, ...), float32}, in the order of the layers.

    Raises:
        ValueError: the model is not built or has no such layer, or `x` does not fit.
        TypeError: `x` does not hold numbers.

    >>> import numpy as np
    >>> from fastconv import inspect, layers, models
    >>> model = models.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3, name="first")])
    >>> inspect.layer_outputs(model, np.zeros((1, 8, 8)))["first"].shape
    (1, 6, 6, 4)
    """
    traced = TracedModel(model)
    names = list(traced.values) if layers is None else [traced.name_of(each) for each in layers]
    x = checked_samples(x, model.input_shape)
    plan = traced.plan(len(x), [traced.values[name] for name in names])
    np.copyto(plan.inputs[0], x, casting="unsafe")
    plan.run()
    return {name: array.copy() for name, array in zip(names, plan.outputs, strict=True)}

"""The outputs of a model's layers: feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.inspect.tracing import TracedModel, checked_samples
from fastconv.layers.base import Layer
from fastconv.models import Model


def layer_outputs(
    model: Model, x: Any, layers: Sequence[Layer | str] | None = None
) -> dict[str, np.ndarray]:
    """The outputs of layers for some samples.

    Args:
        model: a built model.
        x: samples (N, ...); for several inputs a list or dict of arrays.
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
    samples = checked_samples(model, x)
    traced = TracedModel(model, samples)
    names = list(traced.values) if layers is None else [traced.name_of(each) for each in layers]
    plan = traced.plan(len(samples[0]), [traced.values[name] for name in names])
    for array, into in zip(samples, plan.inputs, strict=True):
        np.copyto(into, array, casting="unsafe")
    plan.run()
    return {name: array.copy() for name, array in zip(names, plan.outputs, strict=True)}

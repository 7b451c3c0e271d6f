"""Models: layers put together, with their weights, their training and their files.

    model          Model: any graph of layers
    sequential     Sequential: a chain of layers, the special case
    network        the graph between some tensors: order, checks, what the plan gets
    configuration  models as plain data and back

>>> from fastconv import layers, models
>>> x = layers.Input((28, 28, 1))
>>> features = layers.Conv2D(8, 3)(x)
>>> model = models.Model(x, layers.Flatten()(features))
>>> model.output_shape
(None, 5408)
"""

from __future__ import annotations

import os

from fastconv.models.model import Model
from fastconv.models.sequential import Sequential


def load_model(
    filepath: str | os.PathLike,
    custom_objects: None = None,
    compile: bool = True,
) -> Model:
    """Read a model from a `.keras` file: see `fastconv.saving.load_model`."""
    from fastconv.saving import load_model

    return load_model(filepath, custom_objects, compile)


__all__ = ["Model", "Sequential", "load_model"]

"""Models: composed layers, with their weights, training and files.

    model          Model: any graph of layers
    sequential     Sequential: a chain of layers, the special case
    inner_inputs   inputs that are tensors between layers
    cloning        clone_model
    configuration  models as plain data and back
    sharing        layers that occur several times in that data

>>> from fastconv import layers, models
>>> x = layers.Input((28, 28, 1))
>>> features = layers.Conv2D(8, 3)(x)
>>> model = models.Model(x, layers.Flatten()(features))
>>> model.output_shape
(None, 5408)
"""

from __future__ import annotations

import json
import os

from fastconv.common.keywords import explain_keywords
from fastconv.common.parsing import parsing
from fastconv.common.user_warnings import warn_user
from fastconv.models.cloning import clone_model
from fastconv.models.model import Model
from fastconv.models.sequential import Sequential
from fastconv.serialization import SHARING_ENTRIES, custom_classes, model_class

# The classes by their names in files.
CLASSES = {"Functional": Model, "Model": Model, "Sequential": Sequential}


@explain_keywords
def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: dict[str, type] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Model:
    """Read a model from a `.keras` or `.h5` file: see `fastconv.saving.load_model`."""
    from fastconv import saving  # not needed to build and train models

    return saving.load_model(filepath, custom_objects, compile, safe_mode)


@explain_keywords
def save_model(
    model: Model,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
) -> None:
    """Save `model` to a `.keras` or `.h5` file: see `fastconv.saving.save_model`."""
    from fastconv.saving import save_model

    save_model(model, filepath, overwrite, zipped, include_optimizer)


def model_from_json(json_string: str, custom_objects: dict[str, type] | None = None) -> Model:
    """Return a model with new weights from the JSON of `Model.to_json`, Keras 3 or Keras 2.

    It is compiled if the original model was.

    Raises ValueError for any other string. Exceptions of custom classes are not wrapped.
    """
    from fastconv.saving import keras2
    from fastconv.saving.matching import namesakes

    with parsing("cannot make this model", raised=ValueError):
        description = json.loads(json_string)
        if isinstance(description, dict):
            version = description.get("keras_version")
            description = keras2.upgraded_model(description, version)
        with custom_classes(custom_objects):
            cls = model_class(description) if isinstance(description, dict) else None
            if cls is None:
                raise ValueError(f"expected the JSON of a model, received {json_string[:100]!r}")
            model = cls.from_config(description.get("config"))
            if description.get("compile_config"):
                model.compile_from_config(description["compile_config"])
    copies = sorted({layer.name for layer, _ in namesakes(model)})
    if copies and not any(f'"{entry}"' in json_string for entry in SHARING_ENTRIES):
        warn_user(
            f"{copies} occur several times; if they were one shared layer, they are separate ones "
            "now, since JSON of Keras does not tell"
        )
    return model


__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]

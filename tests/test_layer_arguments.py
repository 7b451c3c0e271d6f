"""Every argument that a layer of Keras takes is taken in the same place, with the same default, or
refused by an error that names it."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from fastconv import layers
from tests.support.extreme_integers.layers import LAYERS as LEGAL

KERAS = json.loads((Path(__file__).parent / "golden" / "layer_arguments.json").read_text())
CASES = [(layer, *argument) for layer, arguments in KERAS.items() for argument in arguments]
# A number stands for two or three of it; an initializer has several names; None is off.
SAME = {(1, (1, 1)), (1, (1, 1, 1)), ("zeros", "Zeros"), (False, None)}


def taken(layer: str) -> dict[str, inspect.Parameter]:
    """The arguments of a layer, with those that it hands on to `Layer`."""
    parameters = dict(inspect.signature(layers.CLASSES[layer]).parameters)
    if parameters.pop("common", None):
        parameters = parameters | dict(inspect.signature(layers.Layer).parameters)
    return parameters


def test_every_layer_of_keras_is_there():
    assert set(layers.CLASSES) - set(KERAS) == {"LocalResponseNormalization"}


@pytest.mark.parametrize(("layer", "argument", "default"), CASES)
def test_arguments_of_keras_are_taken_or_refused_by_name(layer, argument, default):
    parameters = taken(layer)
    if argument not in parameters:
        legal, _ = LEGAL[layer][0]
        with pytest.raises((TypeError, ValueError), match=f"'{argument}'"):
            layers.CLASSES[layer](**legal, **{argument: default})
        return
    own = parameters[argument].default
    if default != "...":
        default = tuple(map(_pair, default)) if isinstance(default, list) else default
        assert own == default or (own, default) in SAME


def _pair(part):
    return tuple(part) if isinstance(part, list) else part


@pytest.mark.parametrize("layer", KERAS)
def test_arguments_come_in_the_order_of_keras(layer):
    own = list(inspect.signature(layers.CLASSES[layer]).parameters)
    order = [name for name, _ in KERAS[layer] if name in own]
    positional = [
        name
        for name, parameter in inspect.signature(layers.CLASSES[layer]).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name in order
    ]
    assert positional == order[: len(positional)]

"""What the networks share: how their arguments are checked, and how a chain of layers begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.common.arguments import normalize_int
from fastconv.common.literals import ActivationName
from fastconv.layers import Dense, Dropout, Flatten, Input, Layer
from fastconv.layers.base import known_shape
from fastconv.models import Sequential


def image_shape(input_shape: Any) -> tuple[int, int, int]:
    """`input_shape` as (height, width, channels); ValueError if it is nothing of the kind."""
    shape = known_shape(input_shape)
    if len(shape) != 3:
        raise ValueError(f"`input_shape` must be (height, width, channels), received {input_shape}")
    return shape


def chain(
    name: str, input_shape: Any, features: Sequence[Layer], top: Sequence[Layer]
) -> Sequential:
    """A `Sequential` for pictures: layers that find features, then those that classify."""
    return Sequential([Input(image_shape(input_shape)), *features, *top], name=name)


def dense_top(
    classes: Any,
    units: Sequence[int],
    *,
    activation: ActivationName = "relu",
    dropout: float = 0.0,
    names: Sequence[str] = (),
) -> list[Layer]:
    """Fully connected layers of `units` and a softmax over `classes`.

    With `dropout`, a dropout layer of that rate before each of the layers of `units`. `names` are
    those of the dense layers.
    """
    given = [*names] or [None] * (len(units) + 1)
    layers: list[Layer] = [Flatten(name="flatten")]
    for count, name in zip(units, given, strict=False):
        if dropout:
            layers.append(Dropout(dropout))
        layers.append(Dense(count, activation=activation, name=name))
    classes = normalize_int(classes, "classes")
    return [*layers, Dense(classes, activation="softmax", name=given[-1])]

"""Calls of layers with the weights of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.layers.base import Layer
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.onnx.nodes import Node
from fastconv.onnx.tensor import Tensor


def layer_name(node: Node) -> str:
    """Return the name of the layer of a node: that of the node, without slashes."""
    return node.name.replace("/", "_").strip("_")[:200] or node.op


def is_batch(x: Tensor) -> bool:
    """Whether a layer takes the value: a batch of float32 in a graph."""
    value = x.value
    return (
        isinstance(value, SymbolicTensor)
        and value.dtype == "float32"
        and value.shape[:1] == (None,)
    )


def are_weights(*tensors: Tensor | None) -> bool:
    """Whether all of these can be weights of a layer: constants of float32, or left out."""
    return all(
        x is None or (isinstance(x.value, np.ndarray) and x.dtype == np.float32) for x in tensors
    )


def called(
    layer: Layer,
    value: Any,
    weights: Sequence[np.ndarray] = (),
    constants: Sequence[Tensor | None] = (),
    arranged: tuple[Any, ...] = (),
) -> Any:
    """Call a layer on a symbolic tensor and set its weights.

    If `constants` of the file are given, the weights are these, arranged as `arranged` says. Where
    an earlier node has made an equal layer of them, call that one instead: weights that nodes share
    stay one.
    """
    made = constants[0].layers if constants and constants[0] is not None else []
    settings = _settings(layer), arranged
    for earlier, given, its_settings in made:
        same = all(a is b for a, b in zip(given, constants, strict=True))
        if same and its_settings == settings:
            return earlier(value)
    result = layer(value)
    if weights:
        layer.set_weights(list(weights))
    made.append((layer, tuple(constants), settings))
    return result


def _settings(layer: Layer) -> tuple[type, dict[str, Any]]:
    return type(layer), {k: v for k, v in layer.get_config().items() if k != "name"}

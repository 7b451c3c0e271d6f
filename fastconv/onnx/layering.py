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


def called(layer: Layer, value: Any, weights: Sequence[np.ndarray] = ()) -> Any:
    """Call a layer on a symbolic tensor and set its weights."""
    result = layer(value)
    if weights:
        layer.set_weights(list(weights))
    return result

"""The batch axis of the outputs of a model: first, with one entry per sample.

Functions inside a graph may move the batch axis or merge it with another one, if later functions
move it back:

    x = ops.reshape(x, (-1, 32, 32, 3))       frames of all videos
    x = Conv2D(8, 3)(x)
    x = ops.reshape(x, (-1, 16, 30, 30, 8))   videos again

Whether they do is found by computing the shapes of the graph for a batch of `_TRIED` samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.layers.base import Layer
from fastconv.layers.function import FunctionLayer
from fastconv.layers.network import Network
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.shapes import Shape

_TRIED = 5  # samples; few, since some functions compute with arrays of this size


def check_batch_axis(network: Network) -> None:
    """Raise ValueError unless every output of `network` has the batch axis first, and no other axis
    whose size depends on the batch."""
    batch = _TRIED
    for tensor in network.outputs:
        size = tensor.shape[0] if tensor.shape else None
        if size is not None and _takes_only(network, size):
            batch = size
    for tensor in network.outputs:
        if tensor.shape[:1] not in ((None,), (batch,)):
            raise _error(tensor)
    if not any(_has_functions(call) for call in network.calls):
        return
    shapes = _output_shapes(network, batch)
    for tensor, shape in zip(network.outputs, shapes, strict=True):
        # An unknown first size depends on the sizes of images, too.
        if shape[0] not in (None, batch) or shape[1:] != tensor.shape[1:]:
            raise _error(tensor, f", for a batch of {batch} samples {shape}")


def check_batch_size(shapes: Sequence[Shape], size: int) -> None:
    """Raise ValueError unless all outputs of a model have `size` entries, one per sample."""
    for shape in shapes:
        if shape[:1] != (size,):
            raise ValueError(
                "outputs of a model must have the batch axis first, with one entry per sample; "
                f"received shape {tuple(shape)} for a batch of {size} samples"
            )


def _takes_only(network: Network, size: int) -> bool:
    """Return whether the graph takes batches of `size` and no others, as if it adds an array with
    that many rows to its input."""
    other = _TRIED if size != _TRIED else _TRIED + 1
    return _takes(network, size) and not _takes(network, other)


def _takes(network: Network, batch: int) -> bool:
    try:
        _output_shapes(network, batch)
    except ValueError:
        return False
    return True


def _has_functions(call: Call) -> bool:
    layer = call.layer
    return isinstance(layer, FunctionLayer) or getattr(layer, "is_traced", False)


def _error(tensor: SymbolicTensor, more: str = "") -> ValueError:
    return ValueError(
        "outputs of a model must have the batch axis first, with one entry per sample; "
        f"{tensor.call.layer.name!r} gives shape {tensor.shape}{more}"
    )


def _output_shapes(network: Network, batch: int) -> list[Shape]:
    """Return the shapes of the outputs for a batch of this size."""
    return _shapes_for(network, [(batch, *tensor.shape[1:]) for tensor in network.inputs])


def _shapes_for(network: Network, shapes: Sequence[Shape]) -> list[Shape]:
    of = dict(zip(network.inputs, shapes, strict=True))
    for call in network.calls:
        if call.outputs[0] not in of:
            results = _of_call(call, [of[tensor] for tensor in call.inputs])
            of.update(zip(call.outputs, results, strict=True))
    return [of[tensor] for tensor in network.outputs]


def _of_call(call: Call, shapes: list[Shape]) -> list[Shape]:
    layer = call.layer
    if isinstance(layer, FunctionLayer):
        return layer.output_shapes(call, shapes)
    if isinstance(layer, Layer):
        inner = layer.inner_network(call, call.training or False)
        if inner is not None:
            return _shapes_for(inner, shapes)[: len(call.outputs)]
        shape: Any = shapes if layer.merges else shapes[0]
        return [tuple(layer.compute_output_shape(shape))]
    # A weight, random numbers, or the operations of a class of fastconv in a user's `call`.
    recorded = [tensor.shape for tensor in call.outputs]
    return [(shapes[0][0], *s[1:]) if s[:1] == (None,) else s for s in recorded]

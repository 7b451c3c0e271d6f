"""Calling a layer before there is data: tensors that remember where they come from.

    x = Input((8, 8, 3))           a SymbolicTensor: a shape, and no values
    y = Conv2D(16, 3)(x)           builds the layer, and records the call
    z = Add()([y, y])

A `Call` is one use of a layer: what went in and what came out. A layer may be called several times,
and then works with the same weights each time. From the tensors that are to come out of a model,
following the calls backwards gives its graph (`fastconv.models.network`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from fastconv.shapes import checked_product

if TYPE_CHECKING:
    from fastconv.layers.base import Layer

_numbers = count()


class SymbolicTensor:
    """What will flow between two layers. Use it to call layers; it holds no numbers.

    `shape` is (None, ...), `dtype` "float32"; `call` made it, as output number `index`.
    """

    dtype = "float32"

    def __init__(self, shape: Sequence[int | None], call: Call, index: int, name: str | None):
        self.shape = tuple(shape)
        self.call, self.index = call, index
        self.name = name or f"keras_tensor_{next(_numbers)}"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def history(self) -> tuple[Layer, int, int]:
        """(layer, which of its calls, which output of that)."""
        return self.call.layer, self.call.layer.calls.index(self.call), self.index

    def __array__(self, dtype=None, copy=None):
        raise TypeError(f"{self!r} holds no numbers; it describes what a layer will take or give")

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, name={self.name}>"


class Call:
    """One use of a layer.

    `argument` is what the layer was called on, `inputs` the tensors in it in the order in which the
    layer takes them, `outputs` what comes out, of the given shapes. ValueError if the bytes of an
    output do not fit in 64 bits.
    """

    def __init__(
        self,
        layer: Layer,
        argument: Any,
        inputs: Sequence[SymbolicTensor],
        shapes: Sequence[Any],
        name: str | None = None,
    ):
        for shape in shapes:
            sizes = (*shape[1:], 4)
            checked_product(sizes, f"the output of layer {layer.name!r} (in bytes per sample)")
        self.layer, self.argument, self.inputs = layer, argument, list(inputs)
        self.outputs = [
            SymbolicTensor(shape, self, index, name) for index, shape in enumerate(shapes)
        ]
        layer.calls.append(self)

    @property
    def input_shape(self) -> Any:
        """What `Layer.nodes` takes: a shape, or a list of them if the layer merges."""
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes if self.layer.merges else shapes[0]

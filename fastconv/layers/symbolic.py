"""Symbolic calls of layers: tensors that record the call that made them.

    x = Input((8, 8, 3))           a SymbolicTensor: a shape, and no values
    y = Conv2D(16, 3)(x)           builds the layer, and records the call
    z = Add()([y, y])

A `Call` is one use of a layer: its inputs and outputs. A layer may be called several times, with
the same weights each time. A search backwards along the calls, from the output tensors of a model,
gives its graph (`fastconv.layers.network`).

The class of layers (`fastconv.layers.base`) is made of these, so its instances have no type here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from fastconv.common.tree import mapped
from fastconv.ops.operators import Operators
from fastconv.shapes import Shape, checked_product

_numbers = count()


class SymbolicTensor(Operators):
    """An input or output of a layer without values; pass it to the call of a layer.

    `shape` is (None, ...), `dtype` the name of a dtype, "float32" of all layers but functions;
    `call` made it, as output number `index`. Without a call it describes an array, for
    `compute_output_spec` and for functions of `fastconv.ops`.

    >>> from fastconv import KerasTensor, ops
    >>> ops.matmul(KerasTensor((None, 2)), KerasTensor((2, 3))).shape
    (None, 3)
    """

    __array_ufunc__ = None  # so that array + tensor is the tensor's own addition
    _apply_function: Any = None  # adds a function to the graph (`fastconv.layers.function`)
    shape: tuple[int | None, ...]
    dtype: str
    call: Call
    index: int

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: Any = "float32",
        name: str | None = None,
        call: Call | None = None,
        index: int = 0,
    ):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype).name
        if call is None:
            call = Call(_Source(), None, [], [])
            call.outputs.append(self)
        self.call, self.index = call, index
        self.name: str = name or f"keras_tensor_{next(_numbers)}"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def history(self) -> tuple[Any, int, int]:
        """(layer, index of its call, index of the output)."""
        return self.call.layer, self.call.layer.calls.index(self.call), self.index

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(f"{self!r} holds no numbers; it describes what a layer will take or give")

    def __iter__(self) -> Any:
        raise TypeError(
            f"{self!r} cannot be iterated over, because it has no values yet; see ops.unstack"
        )

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self!r} is neither true nor false, because it has no values yet; a condition on the "
            "values of a graph is ops.where"
        )

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, name={self.name}>"


KerasTensor = SymbolicTensor  # its name in Keras


class Call:
    """One use of a layer.

    `argument` and `keywords` are the arguments of the call, `inputs` the tensors in them in the
    layer's order, `outputs` the output tensors of the given shapes and dtypes. Raises ValueError if
    the size of an output in bytes exceeds 64 bits.
    """

    layer: Any
    argument: Any
    inputs: list[SymbolicTensor]

    def __init__(
        self,
        layer: Any,
        argument: Any,
        inputs: Sequence[SymbolicTensor],
        shapes: Sequence[Any],
        name: str | None = None,
        keywords: dict[str, Any] | None = None,
        dtypes: Sequence[Any] | None = None,
    ):
        for shape in shapes:
            sizes = (*(n for n in shape[1:] if n is not None), 4)
            checked_product(sizes, f"the output of layer {layer.name!r} (in bytes per sample)")
        self.layer, self.argument, self.inputs = layer, argument, list(inputs)
        self.keywords: dict[str, Any] = {k: v for k, v in (keywords or {}).items() if v is not None}
        self.form: Any = None  # the structure of the outputs, if the layer has several
        self.outputs: list[SymbolicTensor] = [
            SymbolicTensor(shape, dtype, name, self, index)
            for index, (shape, dtype) in enumerate(
                zip(shapes, dtypes or ["float32"] * len(shapes), strict=True)
            )
        ]
        layer.calls.append(self)

    @property
    def training(self) -> bool | None:
        """The argument `training` of the call; None without, which leaves it to the caller."""
        return self.keywords.get("training")

    def repeat(self, convert: Callable[[SymbolicTensor], SymbolicTensor]) -> None:
        """Call the layer once more, with `convert` of every tensor."""

        def converted(value: Any) -> Any:
            return convert(value) if isinstance(value, SymbolicTensor) else value

        self.layer(mapped(converted, self.argument), **mapped(converted, self.keywords))

    @property
    def input_shape(self) -> Any:
        """The argument of `Layer.operations`: a shape, or a list of shapes if the layer merges."""
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes if self.layer.merges else shapes[0]


class _Source:
    """The origin of tensors that no layer makes."""

    name = "input"
    makes_tensors = False

    def __init__(self) -> None:
        self.calls: list[Call] = []


def placeholders(
    shapes: Sequence[Shape], dtypes: Sequence[Any] | None = None
) -> list[SymbolicTensor]:
    """Return the inputs of a graph that no model shows, float32 by default."""
    return Call(_Source(), None, [], shapes, dtypes=dtypes).outputs

"""A value of an ONNX graph: the order of axes in the file, and the one in memory.

ONNX holds images as (N, C, H, W), fastconv as (N, H, W, C). A `Tensor` has both: `shape` is that of
the file, and `order[k]` is the axis of the file that is axis k in memory. An operator of the file
that transposes images changes `order` and moves nothing.

    file    (N, C, H, W)      order (0, 2, 3, 1)      memory  (N, H, W, C)

Where images are flattened, the columns of the file are in another order than those in memory:
column j in memory is column `columns[j]` of the file. A matrix product permutes the rows of its
weights instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.shapes import normalize_int

Order = tuple[int, ...]


def plain_order(rank: int) -> Order:
    """Return the order of a value that memory holds as the file does.

    >>> plain_order(3)
    (0, 1, 2)
    """
    return tuple(range(rank))


def channels_last(rank: int) -> Order:
    """Return the order of images, sequences or volumes in memory.

    >>> channels_last(4)
    (0, 2, 3, 1)
    """
    return (0, *range(2, rank), 1) if rank > 1 else plain_order(rank)


@dataclass(frozen=True, eq=False)
class Tensor:
    """`value` is an array, or a `SymbolicTensor` of a graph; see the module's description."""

    value: Any
    order: Order
    columns: np.ndarray | None = None
    # Of a constant: (layer whose weights it is, the constants of all of them, settings).
    layers: list[tuple[Any, tuple[Any, ...], Any]] = field(default_factory=list, init=False)

    @staticmethod
    def of(value: Any, order: Order | None = None) -> Tensor:
        """Return a tensor of an array or symbolic tensor, by default in the order of the file."""
        if not isinstance(value, SymbolicTensor):
            value = np.asarray(value)
        return Tensor(value, plain_order(value.ndim) if order is None else tuple(order))

    @staticmethod
    def of_value(value: Any) -> Tensor:
        """Return a tensor of anything with `ndim` in the order of the file."""
        return Tensor(value, plain_order(value.ndim))

    @property
    def rank(self) -> int:
        return len(self.order)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The sizes in the order of the file; None for unknown ones."""
        return tuple(self.value.shape[self.order.index(axis)] for axis in range(self.rank))

    def sizes(self, start: int = 0) -> tuple[int, ...]:
        """Return the sizes from an axis of the file on; ValueError if one is open."""
        known = tuple(n for n in self.shape[start:] if n is not None)
        if len(known) < self.rank - start:
            raise ValueError(f"the sizes from axis {start} on must be known, received {self.shape}")
        return known

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.value.dtype)

    @property
    def is_constant(self) -> bool:
        return not isinstance(self.value, SymbolicTensor)

    @property
    def is_image(self) -> bool:
        """Whether memory has the channels last."""
        return self.rank > 2 and self.order == channels_last(self.rank)

    def axis(self, axis: int) -> int:
        """Return the axis in memory of an axis of the file; ValueError if it does not exist."""
        axis = normalize_int(axis, "axis", minimum=-64)
        if not -self.rank <= axis < self.rank:
            last = self.rank - 1
            raise ValueError(f"`axis` must be from {-self.rank} to {last}, received {axis}")
        return self.order.index(axis % self.rank)

    def axes(self, axes: Sequence[int]) -> tuple[int, ...]:
        """Return the axes in memory of several axes of the file; ValueError if one occurs twice."""
        found = tuple(self.axis(axis) for axis in axes)
        if len(set(found)) < len(found):
            raise ValueError(f"`axes` must hold each axis once, received {list(axes)}")
        return found

    def mapped(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Tensor:
        """Return `function` of the value, which computes element by element."""
        return replace(self, value=function(self.value, *arguments, **keywords))

    def in_order(self, order: Order) -> Any:
        """Return the value with its axes in `order`: transposed if memory has another one."""
        value = self.value
        if not isinstance(value, (SymbolicTensor, np.ndarray)):
            raise ValueError(
                "a constant depends on sizes that are open: give them as `input_shapes` of `load`"
            )
        if self.columns is not None:
            value = ops.take(value, np.argsort(self.columns), axis=1)
        if order == self.order:
            return value
        return permuted(value, tuple(self.order.index(axis) for axis in order))

    @property
    def plain(self) -> Any:
        """The value in the order of the file."""
        return self.in_order(plain_order(self.rank))

    @property
    def image(self) -> Any:
        """The value with channels last: (N, C, ...) in the file, (N, ..., C) in memory."""
        return self.in_order(channels_last(self.rank))

    @property
    def array(self) -> np.ndarray:
        """The value of a constant in the order of the file; ValueError for any other tensor."""
        if not self.is_constant:
            raise ValueError("expected a constant, received a value that depends on the inputs")
        return self.plain

    def integers(self) -> list[int]:
        """Return the elements of a constant of integers."""
        array = self.array
        if array.dtype.kind not in "iu":
            raise ValueError(f"expected integers, received {array.dtype}")
        return [int(number) for number in array.reshape(-1)]


def permuted(value: Any, axes: tuple[int, ...]) -> Any:
    """Return the value with axis axes[k] as axis k."""
    if axes == plain_order(len(axes)):
        return value
    if not isinstance(value, SymbolicTensor):
        return np.transpose(value, axes)
    if value.dtype == "float32":
        return ops.transpose(value, axes)
    return ops.moveaxis(value, axes, plain_order(len(axes)))


def aligned(*tensors: Tensor) -> tuple[list[Any], Tensor]:
    """Return values that are broadcast in memory as the tensors are in the file, and the tensor
    whose order the result has.

    >>> x = Tensor.of(np.zeros((1, 5, 5, 3)), (0, 2, 3, 1))
    >>> bias = Tensor.of(np.zeros((3, 1, 1)))
    >>> [value.shape for value in aligned(x, bias)[0]]
    [(1, 5, 5, 3), (1, 1, 1, 3)]
    """
    rank = max(tensor.rank for tensor in tensors)
    whole = [tensor for tensor in tensors if tensor.rank == rank]
    leader = next((tensor for tensor in whole if not tensor.is_constant), whole[0])
    others = [tensor for tensor in tensors if tensor is not leader]
    if leader.columns is not None and not all(_is_number(tensor) for tensor in others):
        leader = Tensor.of(leader.plain)
        return aligned(*(leader if tensor in whole[:1] else tensor for tensor in tensors))
    return [_along(tensor, leader) for tensor in tensors], leader


def _is_number(tensor: Tensor) -> bool:
    return isinstance(tensor.value, np.ndarray) and tensor.value.size == 1


def _along(tensor: Tensor, leader: Tensor) -> Any:
    """Return the value of `tensor` in the order of `leader`, whose rank is not lower."""
    if tensor is leader:
        return tensor.value
    if _is_number(tensor) and not leader.is_constant:
        return tensor.value.reshape(()).item() if tensor.dtype == leader.dtype else tensor.value
    more = leader.rank - tensor.rank
    value = tensor.plain
    if more:
        value = ops.expand_dims(value, tuple(range(more)))
    value = permuted(value, leader.order)
    return _without_leading_ones(value) if tensor.is_constant and not leader.is_constant else value


def _without_leading_ones(array: np.ndarray) -> np.ndarray:
    kept = next((axis for axis, size in enumerate(array.shape) if size != 1), array.ndim)
    return array.reshape(array.shape[kept:])

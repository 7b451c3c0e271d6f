"""Records a program before its memory is placed.

While a plan is built, every array is a `Tensor`: a shape, a dtype, and the steps that use it.
`Tape.emit` records a step: a function that makes the op, and the tensors that it reads or
writes, which determine their lifetimes. `Tape.bind` then places all tensors in one arena
(`arena.place`), gives each its array, and makes the ops, bound to these arrays.

The tensors that training keeps from the forward to the backward pass follow from these lifetimes: a
tensor that a backward step reads is live until then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.common.arrays import aligned_zeros
from fastconv.plan.arena import Lifetime, place

Arena = Callable[[int], np.ndarray]  # returns an aligned uint8 array of at least so many bytes

_BEFORE = -1  # the "step" that fills the inputs


class _Storage:
    """The memory shared by a tensor and all its views."""

    def __init__(self, nbytes: int):
        self.nbytes = nbytes
        self.first: int | None = None
        self.last = _BEFORE
        self.bytes: np.ndarray | None = None

    def use(self, step: int) -> None:
        if self.first is None:
            self.first = step
        self.last: int = max(self.last, step)


class Tensor:
    """An array whose memory is not yet placed: shape and dtype now, `array` after `Tape.bind`."""

    shape: tuple[int, ...]
    dtype: np.dtype
    storage: _Storage

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, storage: _Storage):
        self.shape, self.dtype, self.storage = shape, dtype, storage

    def reshape(self, *shape: int) -> Tensor:
        """Return the same memory in another shape; -1 is inferred."""
        if -1 in shape:
            known = math.prod(size for size in shape if size != -1)
            shape = tuple(math.prod(self.shape) // known if size == -1 else size for size in shape)
        return Tensor(shape, self.dtype, self.storage)

    @property
    def rows(self) -> Tensor:
        """Return a view with all axes but the last as one."""
        return self.reshape(-1, self.shape[-1])

    @property
    def array(self) -> np.ndarray:
        """The array in the memory that `Tape.bind` gave it."""
        assert self.storage.bytes is not None, "the tape is not bound"
        return self.storage.bytes.view(self.dtype).reshape(self.shape)


class Tape:
    """A list of steps, each a function that makes an op once the arrays exist."""

    def __init__(self) -> None:
        self._makers: list[Callable[[], Any]] = []
        self._storages: list[_Storage] = []
        self._outputs: list[_Storage] = []
        self.lasting_bytes = 0  # of all memory returned by `lasting`

    def __len__(self) -> int:
        return len(self._makers)

    def tensor(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Tensor:
        """Return a new tensor, live from the first step that uses it to the last."""
        dtype = np.dtype(dtype)
        storage = _Storage(math.prod(shape) * dtype.itemsize)
        self._storages.append(storage)
        return Tensor(tuple(shape), dtype, storage)

    def input(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Tensor:
        """Return a tensor that is filled before the program runs."""
        tensor = self.tensor(shape, dtype)
        tensor.storage.use(_BEFORE)
        return tensor

    def keep(self, tensor: Tensor) -> Tensor:
        """Keep `tensor` live until the program has ended, so that it can be read afterwards."""
        self._outputs.append(tensor.storage)
        return tensor

    def lasting(self, nbytes: int) -> np.ndarray:
        """Return aligned zero bytes outside the arena whose content persists between runs."""
        self.lasting_bytes += nbytes
        return aligned_zeros(nbytes)

    def emit(self, make: Callable[[], Any], *tensors: Tensor | None) -> None:
        """Record a step: `make()` returns its op, which reads or writes `tensors`."""
        step = len(self._makers)
        self._makers.append(make)
        for tensor in tensors:
            if tensor is not None:
                tensor.storage.use(step)

    def bind(self, arena: Arena = aligned_zeros) -> tuple[list[Any], int]:
        """Place every tensor in memory; return the ops in order and the arena's size in
        bytes.

        `arena(nbytes)` returns the block to use: an aligned uint8 array of at least `nbytes`.
        """
        for storage in self._outputs:
            storage.use(len(self._makers))
        used, lifetimes = [], []
        for storage in self._storages:
            if storage.first is not None:
                used.append(storage)
                lifetimes.append(Lifetime(storage.nbytes, storage.first, storage.last))
        offsets, total = place(lifetimes)
        block = arena(total)
        for storage, offset in zip(used, offsets, strict=True):
            storage.bytes = block[offset : offset + storage.nbytes]
        return [make() for make in self._makers], total

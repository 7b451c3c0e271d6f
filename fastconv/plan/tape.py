"""Recording a program before its memory exists.

While a plan is being made, every array is a `Tensor`: a shape, a dtype, and the steps at which it
is used. Recording a step (`Tape.emit`) takes a function that will make the operation, and the
tensors it touches; that is enough to know from when to when each one must exist. `Tape.bind` then
places all of them in one arena (`arena.place`), gives every tensor its array, and makes the
operations, bound to these arrays for life.

What training has to keep from the forward for the backward pass needs no rule of its own: a tensor
that a backward step touches is alive until then, any other one is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.parameters import aligned_zeros
from fastconv.plan.arena import Lifetime, place

Arena = Callable[[int], np.ndarray]  # gives an aligned uint8 array of at least so many bytes

_BEFORE = -1  # the "step" in which the inputs are filled


class _Storage:
    """The memory of one tensor and all its views."""

    def __init__(self, nbytes: int):
        self.nbytes = nbytes
        self.first: int | None = None
        self.last = _BEFORE
        self.bytes: np.ndarray | None = None

    def use(self, step: int) -> None:
        if self.first is None:
            self.first = step
        self.last = max(self.last, step)


class Tensor:
    """An array to be: shape and dtype now, `array` after `Tape.bind`."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, storage: _Storage):
        self.shape, self.dtype, self.storage = shape, dtype, storage

    def reshape(self, *shape: int) -> Tensor:
        """The same memory in another shape; -1 stands for what is left."""
        if -1 in shape:
            known = math.prod(size for size in shape if size != -1)
            shape = tuple(math.prod(self.shape) // known if size == -1 else size for size in shape)
        return Tensor(shape, self.dtype, self.storage)

    @property
    def rows(self) -> Tensor:
        """All axes but the last as one."""
        return self.reshape(-1, self.shape[-1])

    @property
    def array(self) -> np.ndarray:
        return self.storage.bytes.view(self.dtype).reshape(self.shape)


class Tape:
    """A list of steps, each a function that makes an operation once the arrays exist."""

    def __init__(self):
        self._makers: list[Callable[[], Any]] = []
        self._storages: list[_Storage] = []
        self._outputs: list[_Storage] = []
        self.lasting_bytes = 0  # of all memory that `lasting` has given

    def tensor(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Tensor:
        """A new tensor; it exists from the first step that touches it to the last."""
        dtype = np.dtype(dtype)
        storage = _Storage(math.prod(shape) * dtype.itemsize)
        self._storages.append(storage)
        return Tensor(tuple(shape), dtype, storage)

    def input(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Tensor:
        """A tensor that is filled from outside before the program runs."""
        tensor = self.tensor(shape, dtype)
        tensor.storage.use(_BEFORE)
        return tensor

    def keep(self, tensor: Tensor) -> Tensor:
        """Leave `tensor` alone until the program has ended, so that it can be read from outside."""
        self._outputs.append(tensor.storage)
        return tensor

    def lasting(self, nbytes: int) -> np.ndarray:
        """Zero bytes beside the arena, aligned, which keep their content from run to run."""
        self.lasting_bytes += nbytes
        return aligned_zeros(nbytes)

    def emit(self, make: Callable[[], Any], *tensors: Tensor | None) -> None:
        """Record a step: `make()` returns its operation; `tensors` are all that it touches."""
        step = len(self._makers)
        self._makers.append(make)
        for tensor in tensors:
            if tensor is not None:
                tensor.storage.use(step)

    def bind(self, arena: Arena = aligned_zeros) -> tuple[list[Any], int]:
        """Give every tensor its memory; return the operations in order and the bytes of the arena.

        `arena(nbytes)` returns the block to use: an aligned uint8 array of at least `nbytes`.
        """
        for storage in self._outputs:
            storage.use(len(self._makers))
        used = [storage for storage in self._storages if storage.first is not None]
        offsets, total = place([Lifetime(s.nbytes, s.first, s.last) for s in used])
        block = arena(total)
        for storage, offset in zip(used, offsets, strict=True):
            storage.bytes = block[offset : offset + storage.nbytes]
        return [make() for make in self._makers], total

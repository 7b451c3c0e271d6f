"""Keras's variables for state that is not a weight: slots, counts, sums of metrics.

The state is in an attribute or an array of its owner. A `StateVariable` reads and writes it there;
a `VariableNumber` is the number itself, read at one time, which can also be assigned.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.common.arrays import real_array


class StateVariable:
    """One array or number of an object's state.

    `numpy()`, `value` and `np.asarray(variable)` return copies; `assign` changes the state.

    Args:
        name: unique within the owner.
        path: the name of the owner, a slash, and `name`.
        read: returns the present value; its shape is that of the variable.
        write: sets the value; gets an array of the same shape.
    """

    name: str
    path: str

    def __init__(
        self, name: str, path: str, read: Callable[[], Any], write: Callable[[np.ndarray], None]
    ):
        self.name, self.path = name, path
        self._read, self._write = read, write

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self._read())

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype:
        return np.asarray(self._read()).dtype

    @property
    def value(self) -> Any:
        """The same as `numpy()`."""
        return self.numpy()

    def numpy(self) -> Any:
        """Return a copy of the value: an array, or a scalar of NumPy."""
        return np.array(self._read())[()]

    def assign(self, value: Any) -> None:
        """Set the value; ValueError for another shape, TypeError if it is not numeric."""
        array = real_array(value, f"the value of {self.path}")
        if array.shape != self.shape:
            raise ValueError(
                f"{self.path} must have shape {self.shape}, received shape {array.shape}"
            )
        self._write(array)

    def assign_add(self, value: Any) -> None:
        """Add `value`; errors as `assign`."""
        self.assign(self.numpy() + np.asarray(value))

    def assign_sub(self, value: Any) -> None:
        """Subtract `value`; errors as `assign`."""
        self.assign(self.numpy() - np.asarray(value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(f"{self.path} gives copies only, received `copy` False")
        return np.array(self._read(), dtype)

    def __float__(self) -> float:
        return float(self._read())

    def __int__(self) -> int:
        return int(self._read())

    def __repr__(self) -> str:
        return f"<StateVariable {self.path} shape={self.shape}, dtype={self.dtype}>"


class _Assignable:
    """The methods of Keras's variables, for a subclass of float or int; `_set` changes the owner,
    not this number."""

    _set: Callable[[Any], None]
    shape: tuple[int, ...] = ()

    def assign(self, value: Any) -> None:
        """Set the number where it was read; its errors."""
        self._set(value)

    @property
    @abstractmethod
    def value(self) -> Any:
        """The plain number."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self.value), (self.value,)  # copies and pickles are plain numbers

    def __deepcopy__(self, memo: Any) -> Any:
        return self.value


class VariableFloat(_Assignable, float):
    """A float that can be assigned where it was read.

    >>> rate = VariableFloat(0.5, print)
    >>> rate * 2, rate.numpy(), rate.value
    (1.0, np.float32(0.5), 0.5)
    >>> rate.assign(0.25)
    0.25
    """

    dtype: np.dtype = np.dtype(np.float32)

    def __new__(cls, value: float, set: Callable[[Any], None]) -> VariableFloat:
        self = super().__new__(cls, value)
        self._set = set
        return self

    @property
    def value(self) -> float:
        """The plain number."""
        return float(self)

    def numpy(self) -> np.float32:
        """Return the number in Keras's precision."""
        return np.float32(self)


class VariableInt(_Assignable, int):
    """An int that can be assigned where it was read."""

    dtype: np.dtype = np.dtype(np.int64)

    def __new__(cls, value: int, set: Callable[[Any], None]) -> VariableInt:
        self = super().__new__(cls, value)
        self._set = set
        return self

    @property
    def value(self) -> int:
        """The plain number."""
        return int(self)

    def numpy(self) -> np.int64:
        """Return the number as Keras stores it."""
        return np.int64(self)

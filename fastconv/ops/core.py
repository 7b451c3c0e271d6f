"""Conversion, casting, and facts about arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.ops._function import Spec, as_array, find_symbolic, function


def _same(x: Spec, **_: Any) -> tuple:
    return x.shape


def _cast_gradient(dy, y, x, dtype):
    return dy.astype(x.dtype) if x.dtype.kind == "f" and y.dtype.kind == "f" else None


def dtype_of(dtype: Any, default: Any = np.float32) -> np.dtype:
    """Return `dtype`, of which None means `default`; TypeError for one without numbers."""
    found = np.dtype(default if dtype is None else dtype)
    if found.kind not in "fiub":
        raise TypeError(f"`dtype` must be one of floats, integers or booleans, received {dtype!r}")
    return found


@function(
    "core",
    "Cast",
    gradient=_cast_gradient,
    shape=_same,
    dtype=lambda x, dtype: dtype_of(dtype),
    promoted="",
)
def cast(x: Any, dtype: Any) -> np.ndarray:
    """`x` in another dtype.

    >>> from fastconv import ops
    >>> ops.cast([0.0, 2.5], "int32").tolist()
    [0, 2]
    """
    return x.astype(dtype_of(dtype))


def as_float(x: Any) -> Any:
    """Return an operand of a composite function in a float dtype: integers in float32."""
    return x if np.dtype(x.dtype).kind == "f" else cast(x, "float32")


@function(
    "core",
    "StopGradient",
    "variable",
    shape=lambda variable: variable.shape,
)
def stop_gradient(variable: Any) -> np.ndarray:
    """The same values, which pass no gradient to what they are computed from.

    >>> from fastconv import ops
    >>> ops.stop_gradient([1.0, 2.0]).tolist()
    [1.0, 2.0]
    """
    return variable


def convert_to_tensor(
    x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None
) -> Any:
    """`x` as an array: floats of Python in float32, integers in int32; symbolic tensors stay.

    Raises ValueError for `sparse` or `ragged`.

    >>> from fastconv import ops
    >>> ops.convert_to_tensor([1.0, 2.0]).dtype
    dtype('float32')
    """
    if sparse or ragged:
        raise ValueError(
            f"`sparse` and `ragged` must be None or False, received {sparse!r} and {ragged!r}"
        )
    if find_symbolic([x]) is not None and not isinstance(x, (list, tuple)):
        return x if dtype is None or dtype_of(dtype) == x.dtype else cast(x, dtype)
    array = as_array(x)
    return array if dtype is None else array.astype(dtype_of(dtype), copy=False)


def array(x: Any, dtype: Any = None) -> Any:
    """`convert_to_tensor(x, dtype)`

    >>> from fastconv import ops
    >>> ops.array([1, 2]).dtype
    dtype('int32')
    """
    return convert_to_tensor(x, dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """`x` as an array of NumPy; TypeError for a symbolic tensor, which has no values.

    >>> from fastconv import ops
    >>> ops.convert_to_numpy([1.0, 2.0]).tolist()
    [1.0, 2.0]
    """
    return as_array(x)


def is_tensor(x: Any) -> bool:
    """Whether `x` is an array or a symbolic tensor.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> ops.is_tensor(np.zeros(2)), ops.is_tensor([0.0, 0.0])
    (True, False)
    """
    return isinstance(x, np.ndarray) or hasattr(type(x), "_apply_function")


def shape(x: Any) -> tuple[int | None, ...]:
    """The shape, with None for the unknown sizes of a symbolic tensor.

    >>> from fastconv import ops
    >>> ops.shape([[1.0, 2.0]])
    (1, 2)
    """
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def ndim(x: Any) -> int:
    """The number of axes.

    >>> from fastconv import ops
    >>> ops.ndim([[1.0, 2.0]])
    2
    """
    return len(shape(x))


def size(x: Any) -> int | None:
    """The number of elements; None for a symbolic tensor of unknown size.

    >>> from fastconv import ops
    >>> ops.size([[1.0, 2.0]])
    2
    """
    sizes: Any = shape(x)
    return None if None in sizes else math.prod(sizes)


def dtype(x: Any) -> str:
    """The name of the dtype.

    >>> from fastconv import ops
    >>> ops.dtype([1.0, 2.0])
    'float32'
    """
    return str(x.dtype if hasattr(x, "dtype") else as_array(x).dtype)

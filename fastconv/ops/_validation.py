"""Validation of the arrays of operations, and conversion to the layout of the kernels.

The kernels require arrays that are C-contiguous, aligned, of native byte order and all of one
dtype, float32 or float64, and do not check this. This module does: `operand` accepts an input and
copies it only if its memory layout differs; `result` checks or allocates the output array. Checks
are always in the same order: first types (TypeError), then shapes and values (ValueError);
computation starts after all of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv.common.arguments import choice, number
from fastconv.common.arrays import aligned_empty

FLOAT_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
ACTIVATIONS = ("linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax")

# Whether two strided arrays share an element is a hard problem in general. This number of steps
# decides every practical case; beyond it the arrays count as overlapping.
_OVERLAP_STEPS = 10_000


# ------------------------------------------------------------------------------------------ inputs


def check_array(value: Any, name: str) -> np.ndarray:
    """Return `value` as a plain ndarray on the same memory; TypeError for other types."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"`{name}` must be a NumPy array, received {type(value).__name__}")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"`{name}` must be a plain NumPy array, received a masked array")
    return value.view(np.ndarray)


def check_float(value: Any, name: str, like: np.ndarray | None = None, of: str = "") -> np.ndarray:
    """Return a float32 or float64 array, with the dtype of `like` (in errors: `of`) if given."""
    array = check_array(value, name)
    if array.dtype.newbyteorder("=") not in FLOAT_DTYPES:
        raise TypeError(f"`{name}` must be float32 or float64, received {array.dtype}")
    if like is not None and array.dtype.newbyteorder("=") != like.dtype.newbyteorder("="):
        raise TypeError(
            f"`{name}` must have the dtype of `{of}`, {like.dtype}, received {array.dtype}"
        )
    return array


def check_shape(array: np.ndarray, name: str, shape: tuple[int, ...], reason: str) -> None:
    """Raise ValueError unless `array` has exactly `shape`; `reason` explains the requirement."""
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape} {reason}, received {array.shape}")


def operand(array: np.ndarray) -> np.ndarray:
    """Return `array` in the layout of the kernels: itself if possible, otherwise a copy."""
    if array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative:
        return array
    return np.require(array, array.dtype.newbyteorder("="), ("C_CONTIGUOUS", "ALIGNED"))


# ----------------------------------------------------------------------------------------- outputs


def result(
    out: Any,
    shape: tuple[int, ...],
    like: np.ndarray,
    inputs: dict[str, np.ndarray | None],
    in_place: str = "",
) -> np.ndarray:
    """Return the output array: `out` after its checks, or a new one of `shape` and `like`'s dtype.

    `inputs` are the caller's arrays by name; `out` must not share memory with them, except that it
    may be exactly the one named `in_place`.
    """
    dtype = like.dtype.newbyteorder("=")
    if out is None:
        return aligned_empty(shape, dtype)
    array = check_array(out, "out")
    if array.dtype != dtype:
        raise TypeError(f"`out` must have dtype {dtype}, received {array.dtype}")
    check_shape(array, "out", shape, "to hold the result")
    if not array.flags.writeable:
        raise ValueError("`out` must be writable, received a read-only array")
    if not array.flags.c_contiguous or not array.flags.aligned:
        raise ValueError(
            f"`out` must be C-contiguous and aligned, received strides {array.strides} "
            f"for shape {array.shape}"
        )
    for name, value in inputs.items():
        if value is None or (name == in_place and _same_memory(array, value)):
            continue
        # NumPy declares the two special values of `max_work` alone.
        steps: Any = _OVERLAP_STEPS
        if np.may_share_memory(array, value, max_work=steps):
            raise ValueError(f"`out` must not overlap `{name}`, received arrays that share memory")
    return array


def _same_memory(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether both have the same elements in the same order; `a` is C-contiguous."""
    return a.ctypes.data == b.ctypes.data and a.shape == b.shape and b.flags.c_contiguous


# ------------------------------------------------------------------------------------ other options


def check_activation(activation: Any) -> str:
    """Return the name of an activation; None is "linear"."""
    return "linear" if activation is None else choice(activation, "activation", ACTIVATIONS)


def check_slope(negative_slope: Any) -> float:
    """Return a finite number >= 0; for a negative one, y would not determine the sign of x."""
    return number(negative_slope, "negative_slope", 0)


def check_bounds(negative_slope: Any, max_value: Any, threshold: Any) -> dict[str, float]:
    """Return the three parameters of a bounded ReLU for its kernel; without a maximum, infinity."""
    return {
        "slope": check_slope(negative_slope),
        "max_value": math.inf if max_value is None else number(max_value, "max_value", 0),
        "threshold": number(threshold, "threshold", 0),
    }

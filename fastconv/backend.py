"""Settings of the whole process, as in `keras.backend`; most of them have one value.

Models compute in float32, on channels-last images unless a layer is told otherwise, and divide by
sums that are kept above 1e-7. A function that would set another value raises an error.

>>> from fastconv import backend
>>> backend.floatx(), backend.image_data_format(), backend.epsilon()
('float32', 'channels_last', 1e-07)
"""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

import numpy as np

from fastconv.common import naming
from fastconv.common.defaults import EPSILON
from fastconv.layers.symbolic import SymbolicTensor

_uids: Counter[str] = Counter()


def backend() -> str:
    """Return "fastconv", the library that computes."""
    return "fastconv"


def floatx() -> str:
    """Return "float32", the type of all numbers of models."""
    return "float32"


def set_floatx(value: str) -> None:
    """Raise ValueError unless `value` is "float32"."""
    _only("float32", value)


def epsilon() -> float:
    """Return 1e-7, the number that losses and metrics keep divisors above."""
    return EPSILON


def set_epsilon(value: float) -> None:
    """Raise ValueError unless `value` is 1e-7."""
    _only(EPSILON, value)


def image_data_format() -> str:
    """Return "channels_last", the order of axes of layers with `data_format=None`."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Raise ValueError unless `data_format` is "channels_last"; layers take `data_format`."""
    _only("channels_last", data_format)


def _only(value: Any, received: Any) -> None:
    if received != value:
        raise ValueError(
            f"the value must be {value!r}, the only one there is, received {received!r}"
        )


def clear_session(free_memory: bool = True) -> None:
    """Count automatic names from the beginning again, and release the memory of plans.

    Args:
        free_memory: whether to collect unreachable objects as well.

    Models stay as they are; the next `fit` or `predict` makes a new plan.
    """
    from fastconv.plan.cache import clear_all_plans

    naming.reset()
    _uids.clear()
    clear_all_plans()
    if free_memory:
        gc.collect()


def get_uid(prefix: str = "") -> int:
    """Return the number of calls with this `prefix` since `clear_session`.

    >>> get_uid("example"), get_uid("example")
    (1, 2)
    """
    _uids[prefix] += 1
    return _uids[prefix]


def is_keras_tensor(x: Any) -> bool:
    """Return whether `x` is what `Input` or the call of a layer on it returned."""
    return isinstance(x, SymbolicTensor)


def standardize_dtype(dtype: Any) -> str:
    """Return the name of a type: of NumPy, of Python (int: "int64", float: "float32"), or None for
    "float32".

    Raises ValueError for anything else.

    >>> standardize_dtype(np.uint8), standardize_dtype(int)
    ('uint8', 'int64')
    """
    if dtype is None or dtype is float:
        return "float32"
    if dtype == "bfloat16":
        return "bfloat16"
    try:
        return np.dtype(dtype).name
    except TypeError:
        raise ValueError(f"`dtype` must be the name of a type, received {dtype!r}") from None


def is_float_dtype(dtype: Any) -> bool:
    """Return whether `dtype` is a type of floating-point numbers."""
    return "float" in standardize_dtype(dtype)


def is_int_dtype(dtype: Any) -> bool:
    """Return whether `dtype` is a type of integers."""
    return standardize_dtype(dtype).startswith(("int", "uint"))

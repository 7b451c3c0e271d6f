"""bfloat16, the upper half of a float32, as 16-bit integers: NumPy does not have the type.

Rounds to the nearest, ties to even; NaN stays NaN. In blocks that stay in cache.
"""

from __future__ import annotations

import numpy as np

_BLOCK = 1 << 15  # elements


def narrow(values: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Round float32 `values` to bfloat16 into `out`, uint16 of the same size; return it.

    >>> import numpy as np
    >>> widen(narrow(np.float32([1.0, 1.005]), np.empty(2, np.uint16)))
    array([1.       , 1.0078125], dtype=float32)
    """
    bits, flat = values.reshape(-1).view(np.uint32), out.reshape(-1)
    for start in range(0, bits.size, _BLOCK):
        block = bits[start : start + _BLOCK]
        result = block >> 16
        result += ((block & 0xFFFF) + (result & 1) > 0x8000).astype(np.uint32)
        if np.isnan(values.reshape(-1)[start : start + _BLOCK]).any():
            nan = (block & 0x7FFFFFFF) > 0x7F800000
            result[nan] = (block[nan] >> 16) | 0x40
        flat[start : start + _BLOCK] = result
    return out


def widen(values: np.ndarray) -> np.ndarray:
    """Return bfloat16 `values`, uint16, as float32 of the same shape."""
    return (values.astype(np.uint32) << 16).view(np.float32)


def rounded(values: np.ndarray) -> np.ndarray:
    """Round flat float32 `values` to bfloat16 in place; return them."""
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK]
        block[:] = widen(narrow(block, np.empty(block.size, np.uint16)))
    return values

"""Batches of `fit` as tuples, for training steps of one's own."""

from __future__ import annotations

from typing import Any


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Return `(x, y, sample_weight)` without a None at its end; `x` alone unless it is a tuple or
    list.

    >>> pack_x_y_sample_weight([1], [2])
    ([1], [2])
    """
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, (tuple, list)) else x


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Return `(x, y, sample_weight)`, with None for what `data`, a batch, does not have.

    Raises ValueError for more than three parts.

    >>> unpack_x_y_sample_weight(([1], [2]))
    ([1], [2], None)
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            f"`data` must be x, (x,), (x, y) or (x, y, sample_weight), received {len(data)} parts"
        )
    x, y, sample_weight = (*data, None, None)[:3]
    return x, y, sample_weight

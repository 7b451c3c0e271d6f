"""The slopes of a PReLU that neighbouring elements share."""

from __future__ import annotations

import math


def shared_slopes(sample: tuple[int, ...], alpha: tuple[int, ...]) -> int:
    """Return the number of neighbouring elements of a sample that share a slope of a PReLU.

    `alpha` is the shape of a sample with 1 along shared axes, which must be first or last.

    >>> shared_slopes((8, 8, 3), (1, 1, 3)), shared_slopes((8, 8, 3), (8, 8, 1))
    (1, 3)
    >>> shared_slopes((8, 8, 3), (8, 1, 3))
    Traceback (most recent call last):
    ValueError: slopes of shape (8, 1, 3) do not fit samples of shape (8, 8, 3): they must have \
the same sizes, or 1 along the first axes, the last axes or both
    """
    own = [axis for axis, size in enumerate(alpha) if size != 1]
    first, last = (own[0], own[-1] + 1) if own else (len(alpha), len(alpha))
    if len(sample) != len(alpha) or sample[first:last] != alpha[first:last]:
        raise ValueError(
            f"slopes of shape {alpha} do not fit samples of shape {sample}: they must have the "
            "same sizes, or 1 along the first axes, the last axes or both"
        )
    return math.prod(sample[last:]) if own else math.prod(sample)

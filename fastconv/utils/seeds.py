"""The one seed for everything random."""

from __future__ import annotations

import random

import numpy as np

from fastconv.common.arguments import as_integer

__all__ = ["set_random_seed"]


def set_random_seed(seed: int) -> None:
    """Seeds Python's `random`, NumPy's global generator and fastconv's own, which draws initial
    weights, permutations and dropout masks: the same program then computes the same bits.

    Args:
        seed: from 0 to 2**32 - 1.

    Raises:
        TypeError: `seed` is not an integer.
        ValueError: `seed` is out of range.

    >>> import numpy as np
    >>> from fastconv.utils import set_random_seed
    >>> set_random_seed(7)
    >>> first = np.random.rand()
    >>> set_random_seed(7)
    >>> bool(first == np.random.rand())
    True
    """
    message = f"`seed` must be an integer from 0 to 2**32 - 1, received {seed!r}"
    number = as_integer(seed)
    if number is None:
        raise TypeError(message)
    if not 0 <= number < 2**32:
        raise ValueError(message)
    from fastconv.common import randomness

    random.seed(number)
    np.random.seed(number)
    randomness.set_seed(number)

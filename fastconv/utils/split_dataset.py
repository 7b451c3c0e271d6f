"""Two data sets from one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastconv.common import randomness
from fastconv.common.arguments import as_integer, normalize_int, number
from fastconv.data import Dataset
from fastconv.data.elements import leaves, with_leaves


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
) -> tuple[Dataset, Dataset]:
    """Return two data sets with the first and the last elements of one, which fit into memory.

    Args:
        dataset: arrays (samples, ...), in tuples, lists or dicts too; or a `Dataset`, whose
            elements are divided as they are, samples or batches.
        left_size, right_size: number of elements, or a float below 1 for a part of them; one of
            both may be None for the others.
        shuffle: whether to divide the elements in random order.
        seed: integer that determines the order; None for one that is drawn.

    Raises ValueError if both sizes are None, a size is not possible or together they are more than
    all, TypeError for a size that is not a number.

    >>> import numpy as np
    >>> from fastconv.utils import split_dataset
    >>> left, right = split_dataset((np.arange(10), np.arange(10) % 2), left_size=0.8)
    >>> len(left), len(right)
    (8, 2)
    """
    if not isinstance(dataset, Dataset):
        dataset = Dataset.from_tensor_slices(tuple(dataset) if _is_list(dataset) else dataset)
    if dataset.endless:
        raise ValueError("`dataset` must have an end")
    elements = list(dataset)
    left, right = _sizes(left_size, right_size, len(elements))
    if shuffle:
        chosen = randomness.draw_seed() if seed is None else normalize_int(seed, "seed", minimum=0)
        order = np.random.default_rng(chosen).permutation(len(elements))
        elements = [elements[index] for index in order]
    return _of(elements[:left]), _of(elements[len(elements) - right :])


def _is_list(dataset: Any) -> bool:
    """Return whether `dataset` is a list of arrays and not of numbers."""
    return isinstance(dataset, list) and any(isinstance(each, np.ndarray) for each in dataset)


def _of(elements: list[Any]) -> Dataset:
    shapes = {tuple(np.shape(leaf) for leaf in leaves(element)) for element in elements}
    if len(shapes) > 1:  # a last batch that is smaller
        return Dataset.from_generator(lambda: iter(elements))
    parts = zip(*(leaves(element) for element in elements), strict=True)
    stacked: Iterable[np.ndarray] = iter([np.stack(part) for part in parts])
    return Dataset.from_tensor_slices(with_leaves(lambda _: next(stacked), elements[0]))


def _sizes(left: Any, right: Any, total: int) -> tuple[int, int]:
    if left is None and right is None:
        raise ValueError("`left_size` or `right_size` must be given, received None for both")
    counts = []
    for name, size in (("left_size", left), ("right_size", right)):
        count = as_integer(size) if size is not None else None
        if size is not None and count is None:
            count = round(number(size, name, 0, 1, above=True, below=True) * total)
        if count is not None and not 0 < count < total:
            raise ValueError(
                f"`{name}` must be from 1 to {total - 1}, or a part from 0 to 1, of {total} "
                f"elements, received {size!r}"
            )
        counts.append(count)
    left_count, right_count = counts
    if left_count is None:
        left_count = total - right_count
    elif right_count is None:
        right_count = total - left_count
    if left_count + right_count > total:
        raise ValueError(
            f"`left_size` and `right_size` must not be more than all {total} elements, received "
            f"{left!r} and {right!r}"
        )
    return left_count, right_count

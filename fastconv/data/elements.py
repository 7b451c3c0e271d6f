"""Elements of data sets: an array, or tuples and dicts of elements. A list is an array.

>>> with_leaves(lambda a: a.shape, (np.zeros(3), {"b": np.zeros((2, 1))}))
((3,), {'b': (2, 1)})
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """Shape and dtype of an array of an element; None in `shape` is any size, a `shape` of None
    any shape, a `dtype` of None any dtype.

    >>> TensorSpec((None, 3), "float32").accepts(np.zeros((7, 3), np.float32))
    True
    """

    shape: tuple[int | None, ...] | None = None
    dtype: Any = None
    name: str | None = None

    def accepts(self, array: np.ndarray) -> bool:
        """Return whether `array` has this shape and dtype."""
        same_dtype = self.dtype is None or array.dtype == np.dtype(self.dtype)
        return same_dtype and (
            self.shape is None
            or (
                len(self.shape) == array.ndim
                and all(n in (None, m) for n, m in zip(self.shape, array.shape, strict=True))
            )
        )


def with_leaves(function: Callable[..., Any], element: Any, *others: Any) -> Any:
    """Return `element` with `function` of every leaf, and of those of `others` in its place.

    Raises ValueError if the structures differ.
    """
    if isinstance(element, tuple):
        if any(not isinstance(other, tuple) or len(other) != len(element) for other in others):
            raise ValueError(_differ(element, others))
        parts = zip(element, *others, strict=True)
        return tuple(with_leaves(function, *each) for each in parts)
    if isinstance(element, dict):
        if any(not isinstance(other, dict) or set(other) != set(element) for other in others):
            raise ValueError(_differ(element, others))
        return {
            key: with_leaves(function, each, *(other[key] for other in others))
            for key, each in element.items()
        }
    if any(isinstance(other, (tuple, dict)) for other in others):
        raise ValueError(_differ(element, others))
    return function(element, *others)


def _differ(element: Any, others: Sequence[Any]) -> str:
    shown = sorted({structure(each) for each in (element, *others)})
    return f"elements must have the same structure, received {' and '.join(shown)}"


def structure(element: Any) -> str:
    """Return the structure of an element for messages, with "." for an array."""
    if isinstance(element, tuple):
        return f"({', '.join(map(structure, element))})"
    if isinstance(element, dict):
        return f"{{{', '.join(f'{key!r}: {structure(each)}' for key, each in element.items())}}}"
    return "."


def leaves(element: Any) -> list[Any]:
    """Return the arrays of an element, in order."""
    found: list[Any] = []
    with_leaves(found.append, element)
    return found


def as_element(value: Any) -> Any:
    """Return `value` with an array for every leaf; None in tuples stays out of arrays.

    Raises ValueError for leaves that are not arrays, such as None or ragged lists.
    """
    return with_leaves(_as_array, value)


def _as_array(leaf: Any) -> np.ndarray | np.generic:
    if isinstance(leaf, (np.ndarray, np.generic)):
        return leaf
    array = np.asarray(leaf)
    if array.dtype == object:
        raise ValueError(
            f"an element must be arrays, or tuples or dicts of them, received {leaf!r:.100}"
        )
    return array


def stacked(elements: Sequence[Any]) -> Any:
    """Return the batch of `elements`: a new first axis.

    Raises ValueError if shapes or structures differ.
    """
    return with_leaves(_stack, *elements) if elements else ()


def _stack(*arrays: Any) -> np.ndarray:
    shapes = sorted({np.shape(array) for array in arrays})
    if len(shapes) > 1:
        raise ValueError(
            f"the elements of a batch must have the same shapes, received {shapes[0]} and "
            f"{shapes[1]}; resize them first"
        )
    return np.stack(arrays)


def padded(value: float, elements: Sequence[Any]) -> Any:
    """Return the batch of `elements`, each filled up with `value` at the ends of its axes to the
    largest size of the batch.

    Raises ValueError if numbers of axes or structures differ.
    """

    def batch(*arrays: Any) -> np.ndarray:
        ranks = {np.ndim(array) for array in arrays}
        if len(ranks) > 1:
            raise ValueError(
                f"the elements of a padded batch must have one number of axes, received {ranks}"
            )
        largest = map(max, zip(*map(np.shape, arrays), strict=True))
        rows = np.full((len(arrays), *largest), value, np.result_type(*arrays))
        for row, array in enumerate(arrays):
            rows[(row, *map(slice, np.shape(array)))] = array
        return rows

    return with_leaves(batch, *elements)


def spec_of(element: Any) -> Any:
    """Return the `TensorSpec` of every leaf."""
    return with_leaves(lambda leaf: TensorSpec(np.shape(leaf), np.asarray(leaf).dtype), element)

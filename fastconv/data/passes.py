"""The iterators behind the methods of `Dataset`.

A *source* is a function from the key of a pass to an iterator. A key is the number of the pass,
followed by the number of the repetition for every `repeat` below; with a seed it determines all
random numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np

from fastconv.common import randomness
from fastconv.data.elements import TensorSpec, as_element, leaves, with_leaves
from fastconv.training.prefetch import in_parallel

Key = tuple[int, ...]
Source = Callable[[Key], Iterator[Any]]

_BLOCK = 1024  # positions in a buffer that are drawn at once


@dataclass
class Stream:
    """The seed of a random order; `reshuffles` if every pass has an order of its own."""

    seed: int
    reshuffles: bool = True

    def generator(self, key: Key) -> np.random.Generator:
        return np.random.default_rng((self.seed, *key) if self.reshuffles else (self.seed,))


def shuffled(size: int, stream: Stream, source: Source, key: Key) -> Iterator[Any]:
    """Yield every element from a random place of a buffer of the next `size` ones."""
    generator, elements = stream.generator(key), source(key)
    buffer = list(islice(elements, size))
    places: list[int] = []
    for element in elements:
        if not places:
            places = generator.integers(size, size=_BLOCK).tolist()
        place = places.pop()
        buffer[place], element = element, buffer[place]
        yield element
    for place in generator.permutation(len(buffer)).tolist():
        yield buffer[place]


def windows(
    size: int, shift: int, stride: int, whole: bool, source: Source, key: Key
) -> Iterator[list[Any]]:
    """Yield windows of `size` elements at distances of `stride`, beginning every `shift` elements;
    smaller ones at the end unless `whole`."""
    elements = source(key)
    buffer: deque[Any] = deque()
    span = (size - 1) * stride + 1
    while True:
        buffer.extend(islice(elements, max(0, span - len(buffer))))
        window = list(islice(buffer, 0, span, stride))
        if not window or (whole and len(window) < size):
            return
        yield window
        for _ in range(min(shift, len(buffer))):
            buffer.popleft()
        deque(islice(elements, max(0, shift - span)), maxlen=0)


def repeated(times: int | None, source: Source, key: Key) -> Iterator[Any]:
    """Yield `times` passes, each with a key of its own; endlessly for None."""
    for number in count() if times is None else range(times):
        empty = True
        for element in source((*key, number)):
            empty = False
            yield element
        if empty:
            return


def unpacking(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return `function` of one element, which is called with the parts of a tuple."""
    return lambda element: function(*element) if isinstance(element, tuple) else function(element)


def mapped(
    function: Callable[..., Any], workers: int | None, source: Source, key: Key
) -> Iterator[Any]:
    """Yield `function` of every element, computed by `workers` threads.

    The key of the pass and the number of the element determine what random layers draw.
    """
    call = unpacking(function)

    def one(numbered: tuple[int, Any]) -> Any:
        number, element = numbered
        with randomness.for_element((*key, number)):
            return as_element(call(element))

    elements = enumerate(source(key))
    return map(one, elements) if workers is None else in_parallel(one, elements, workers)


def interleaved(
    function: Callable[..., Any], cycle: int, block: int, source: Source, key: Key
) -> Iterator[Any]:
    """Yield `block` elements in turn of each of `cycle` data sets, `function` of an element."""
    call, outer = unpacking(function), enumerate(source(key))
    turns: deque[Iterator[Any]] = deque()

    def begin() -> bool:
        for number, element in outer:
            turns.append(call(element).elements((*key, number)))
            return True
        return False

    while len(turns) < cycle and begin():
        pass
    while turns:
        current = turns.popleft()
        taken = 0
        for element in islice(current, block):
            taken += 1
            yield element
        if taken == block:
            turns.append(current)
        else:
            begin()


def batched(
    size: int, whole: bool, stack: Callable[[list[Any]], Any], source: Source, key: Key
) -> Iterator[Any]:
    """Yield batches of `size` elements, made by `stack`; all of that size if `whole`."""
    elements = source(key)
    while group := list(islice(elements, size)):
        if whole and len(group) < size:
            return
        yield stack(group)


def batched_rows(
    gather: Callable[[np.ndarray], Any], rows: Iterator[int], size: int, whole: bool
) -> Iterator[Any]:
    """As `batched`, for elements that are rows of arrays."""
    while len(group := np.fromiter(islice(rows, size), np.int64)):
        if whole and len(group) < size:
            return
        yield gather(group)


def unbatched(source: Source, key: Key) -> Iterator[Any]:
    """Yield the rows of every element."""
    for element in source(key):
        lengths = {np.shape(leaf)[:1] for leaf in leaves(element)}
        if len(lengths) != 1 or lengths == {()}:
            shapes = [np.shape(leaf) for leaf in leaves(element)]
            raise ValueError(
                f"`unbatch` needs arrays with a first axis of one length, received shapes {shapes}"
            )
        for row in range(lengths.pop()[0]):
            yield with_leaves(lambda leaf, row=row: leaf[row], element)


def numbered(first: int, source: Source, key: Key) -> Iterator[tuple[np.int64, Any]]:
    """Yield the pairs (number, element), from number `first` on."""
    for number, element in enumerate(source(key), first):
        yield np.int64(number), element


class Cache:
    """Keeps the elements of pass 0, once it was complete."""

    def __init__(self) -> None:
        self._elements: list[Any] | None = None

    def __call__(self, source: Source, key: Key) -> Iterator[Any]:
        if self._elements is not None:
            yield from self._elements
            return
        kept = []
        for element in source((0,)):
            kept.append(with_leaves(read_only, element))
            yield kept[-1]
        self._elements = kept


def read_only(array: Any) -> Any:
    """Return a view of an array that cannot be written; a scalar as it is."""
    if isinstance(array, np.ndarray):
        array = array.view()
        array.flags.writeable = False
    return array


def converter(types: Any, shapes: Any, signature: Any) -> Callable[[Any], Any]:
    """Return the function that converts what a generator yields: to the dtypes of `types` or of
    the `TensorSpec`s in `signature`. It raises ValueError for other shapes."""

    def to_type(leaf: Any, dtype: Any) -> Any:
        return np.asarray(leaf, dtype)

    def check(leaf: Any, shape: Any) -> Any:
        if not TensorSpec(shape).accepts(np.asarray(leaf)):
            raise ValueError(
                f"`generator` must yield arrays of shape {shape}, received {np.shape(leaf)}"
            )
        return leaf

    def convert(element: Any) -> Any:
        if isinstance(types or signature, tuple) and isinstance(element, list):
            element = tuple(element)
        if signature is not None:
            element = with_leaves(
                lambda spec, leaf: check(to_type(leaf, spec.dtype), spec.shape), signature, element
            )
        elif types is not None:
            element = with_leaves(lambda dtype, leaf: to_type(leaf, dtype), types, element)
        element = as_element(element)
        if shapes is not None:
            element = _with_shapes(check, element, shapes)
        return element

    return convert


def _with_shapes(check: Callable[[Any, Any], Any], element: Any, shapes: Any) -> Any:
    """Apply `check(leaf, shape)`, where tuples in `shapes` are both structure and shapes."""
    if isinstance(element, tuple):
        return tuple(_with_shapes(check, *pair) for pair in zip(element, shapes, strict=True))
    if isinstance(element, dict):
        return {key: _with_shapes(check, each, shapes[key]) for key, each in element.items()}
    return check(element, shapes)

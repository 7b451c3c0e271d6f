"""`Dataset`: its sources and its methods."""

from __future__ import annotations

import glob
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice, takewhile
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv.common import randomness
from fastconv.common.arguments import normalize_int, number
from fastconv.data import passes
from fastconv.data.elements import as_element, leaves, padded, spec_of, stacked, with_leaves
from fastconv.data.passes import Key
from fastconv.training.dataset import NumberedPasses
from fastconv.training.prefetch import DEPTH, prefetched

AUTOTUNE = -1  # as many threads as `runtime.get_num_threads()`; the default depth of a queue
INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2


class Dataset(NumberedPasses):
    """A sequence of elements that can be iterated again and again: arrays, or tuples and dicts of
    arrays. A data set of batches `(x, y)` is what `fit`, `evaluate` and `predict` take.

    A method returns a new data set and computes nothing; elements are computed while they are
    iterated. Pass number p is a function of p: a seeded `shuffle` has the same order in every
    process, and a `fit` that `BackupAndRestore` resumes sees the same batches. Without a seed,
    `shuffle` draws one from the stream that `fastconv.utils.set_random_seed` starts.

    Elements are NumPy arrays; those of `from_tensor_slices` and `cache` are read-only.

    >>> import numpy as np
    >>> from fastconv.data import Dataset
    >>> x, y = np.arange(5.0), np.arange(5) % 2
    >>> data = Dataset.from_tensor_slices((x, y)).map(lambda x, y: (x / 2, y)).batch(2)
    >>> for x, y in data:
    ...     print(x, y)
    [0.  0.5] [0 1]
    [1.  1.5] [0 1]
    [2.] [0]
    >>> len(data), data.element_spec[0].shape
    (3, (2,))
    """

    # The elements are rows of arrays, with `rows` and `gather`, so that `batch` need not stack.
    indexed = False

    @abstractmethod
    def elements(self, key: Key) -> Iterator[Any]:
        """Yield the elements of the pass `key`: its number, and that of its repetition in
        `repeat`."""

    @abstractmethod
    def cardinality(self) -> int:
        """Return the number of elements, INFINITE_CARDINALITY, or UNKNOWN_CARDINALITY."""

    def rows(self, key: Key) -> Iterator[int]:
        """Return the numbers of the elements of a pass, in order; of an `indexed` data set."""
        raise NotImplementedError(f"{type(self).__name__} has no numbered elements")

    def gather(self, rows: Any) -> Any:
        """Return the elements with these numbers as one; of an `indexed` data set."""
        raise NotImplementedError(f"{type(self).__name__} has no numbered elements")

    @property
    def num_batches(self) -> int | None:
        count = self.cardinality()
        return count if count >= 0 else None

    @property
    def endless(self) -> bool:
        return self.cardinality() == INFINITE_CARDINALITY

    def __len__(self) -> int:
        """The number of elements; TypeError if it is infinite or unknown."""
        count = self.cardinality()
        if count < 0:
            kind = "infinite" if count == INFINITE_CARDINALITY else "unknown"
            raise TypeError(f"the number of elements of the data set is {kind}")
        return count

    def __bool__(self) -> bool:
        return True

    def as_numpy_iterator(self) -> Iterator[Any]:
        """Return an iterator over the elements, the same as `iter()`."""
        return iter(self)

    @property
    def element_spec(self) -> Any:
        """The `TensorSpec` of every array of the first element; ValueError without elements."""
        for element in self.elements((self.passes,)):
            return spec_of(element)
        raise ValueError("a data set without elements has no `element_spec`")

    # Sources --------------------------------------------------------------------------------------

    @staticmethod
    def from_tensor_slices(tensors: Any) -> Dataset:
        """Return the data set of the rows of `tensors`: an array (or list), or tuples and dicts of
        arrays with equal first axes.

        Raises ValueError for arrays without a first axis or of different lengths.
        """
        arrays = as_element(tensors)
        lengths = {np.shape(array)[:1] for array in leaves(arrays)}
        if len(lengths) != 1 or lengths == {()}:
            raise ValueError(
                "`tensors` must have a first axis of one length, received shapes "
                f"{[np.shape(array) for array in leaves(arrays)]}"
            )
        return _Slices(arrays, lengths.pop()[0])

    @staticmethod
    def from_tensors(tensors: Any) -> Dataset:
        """Return the data set with the one element `tensors`."""
        element = as_element(tensors)
        return Dataset.from_tensor_slices(with_leaves(lambda leaf: np.asarray(leaf)[None], element))

    @staticmethod
    def from_generator(
        generator: Callable[..., Iterable[Any]],
        output_types: Any = None,
        output_shapes: Any = None,
        args: tuple[Any, ...] | None = None,
        output_signature: Any = None,
    ) -> Dataset:
        """Return the data set of what `generator(*args)`, called for every pass, yields.

        Args:
            generator: a function that returns an iterable.
            output_types: dtypes in the structure of an element, to which arrays are converted.
            output_shapes: not needed; shapes in the same structure, which arrays must have.
            args: arguments of `generator`.
            output_signature: `TensorSpec`s in the structure of an element, instead of both.

        Raises TypeError if `generator` cannot be called; iteration raises ValueError for elements
        that do not match.
        """
        if not callable(generator):
            raise TypeError(f"`generator` must be a function, received {generator!r:.100}")
        if output_signature is not None and (output_types, output_shapes) != (None, None):
            raise ValueError(
                "`output_signature` must not be given with `output_types` or `output_shapes`"
            )
        convert = passes.converter(output_types, output_shapes, output_signature)
        return _Derived((), lambda key: map(convert, generator(*args or ())), UNKNOWN_CARDINALITY)

    @staticmethod
    def range(*args: int) -> Dataset:
        """Return the data set of the integers of `range(*args)`, int64."""
        numbers = [normalize_int(number, "range", minimum=-(2**63)) for number in args]
        return Dataset.from_tensor_slices(np.arange(*numbers, dtype=np.int64))

    @staticmethod
    def list_files(
        file_pattern: str | list[str], shuffle: bool | None = None, seed: int | None = None
    ) -> Dataset:
        """Return the data set of the paths that match a pattern or several, in a new order in every
        pass unless `shuffle` is False.

        Raises ValueError if no file matches.
        """
        patterns = [file_pattern] if isinstance(file_pattern, str) else list(file_pattern)
        paths = sorted({path for pattern in patterns for path in glob.glob(pattern)})
        if not paths:
            raise ValueError(f"`file_pattern` must match a file, received {file_pattern!r}")
        data = Dataset.from_tensor_slices(np.array(paths))
        return data if shuffle is False else data.shuffle(len(paths), seed)

    @staticmethod
    def zip(*args: Any, datasets: Any = None) -> Dataset:
        """Return the data set of tuples (or dicts, of a dict) of the elements of several data sets,
        as long as the shortest."""
        if datasets is None:
            datasets = args[0] if len(args) == 1 else args
        elif args:
            raise ValueError("`datasets` must not be given with data sets, received both")
        if isinstance(datasets, dict):
            return Dataset.zip(*datasets.values()).map(
                lambda *parts: dict(zip(datasets, parts, strict=True))
            )
        for each in datasets:
            _check_dataset(each)
        counts = [each.cardinality() for each in datasets]
        finite = [count for count in counts if count != INFINITE_CARDINALITY]
        return _Derived(
            tuple(datasets),
            lambda *sources, key: zip(*(source(key) for source in sources), strict=False),
            min(finite, default=INFINITE_CARDINALITY),
        )

    # Transformations ------------------------------------------------------------------------------

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Dataset:
        """Return the data set of `map_func(element)`; of `map_func(*element)` for tuples.

        Args:
            map_func: a function of arrays; a list in its result is an array.
            num_parallel_calls: number of threads, or AUTOTUNE; None calls without threads. NumPy
                and Pillow run in threads without the GIL.
            deterministic: the order is always that of the elements.
        """
        workers = _threads(num_parallel_calls)
        return self._derived(partial(passes.mapped, map_func, workers), self.cardinality())

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """Return the elements for which `predicate(element)`, or `predicate(*element)`, is true."""
        accept = passes.unpacking(predicate)
        return self._derived(lambda source, key: filter(accept, source(key)), UNKNOWN_CARDINALITY)

    def take_while(self, predicate: Callable[..., Any]) -> Dataset:
        """Return the elements before the first for which `predicate` is false."""
        accept = passes.unpacking(predicate)
        return self._derived(
            lambda source, key: takewhile(accept, source(key)), UNKNOWN_CARDINALITY
        )

    def flat_map(self, map_func: Callable[..., Any]) -> Dataset:
        """Return the elements of the data sets `map_func(element)`, one after the other."""
        return self.interleave(map_func, cycle_length=1)

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: int = 2,
        block_length: int = 1,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Dataset:
        """Return the elements of the data sets `map_func(element)`, `block_length` at a time from
        each of `cycle_length` of them in turn.

        The order is deterministic. `num_parallel_calls` must be None or AUTOTUNE: one thread reads.
        """
        if num_parallel_calls not in (None, AUTOTUNE):
            raise ValueError(
                f"`num_parallel_calls` must be None or AUTOTUNE, received {num_parallel_calls!r}"
            )
        sizes = (
            normalize_int(cycle_length, "cycle_length"),
            normalize_int(block_length, "block_length"),
        )
        return self._derived(partial(passes.interleaved, map_func, *sizes), UNKNOWN_CARDINALITY)

    def batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> Dataset:
        """Return batches of `batch_size` elements, stacked along a new first axis.

        The last one may be smaller, or is left out with `drop_remainder`. `num_parallel_calls` must
        be None or AUTOTUNE: one thread stacks.
        """
        if num_parallel_calls not in (None, AUTOTUNE):
            raise ValueError(
                f"`num_parallel_calls` must be None or AUTOTUNE, received {num_parallel_calls!r}"
            )
        size, whole = normalize_int(batch_size, "batch_size"), bool(drop_remainder)
        count = self._batches(size, whole)
        if self.indexed:
            return _Derived(
                (self,),
                lambda _, key: passes.batched_rows(self.gather, self.rows(key), size, whole),
                count,
            )
        return self._derived(partial(passes.batched, size, whole, stacked), count)

    def padded_batch(
        self,
        batch_size: int,
        padded_shapes: None = None,
        padding_values: float | None = None,
        drop_remainder: bool = False,
    ) -> Dataset:
        """Return batches of elements of different sizes, each filled up at the ends of its axes to
        the largest size of its batch with `padding_values`, 0 by default.

        The last batch may be smaller, or is left out with `drop_remainder`. `padded_shapes` must be
        None: the sizes are those of the batch.

        >>> from fastconv.data import Dataset
        >>> rows = Dataset.range(1, 4).map(lambda n: [n] * n)
        >>> [batch.tolist() for batch in rows.padded_batch(2)]
        [[[1, 0], [2, 2]], [[3, 3, 3]]]
        """
        if padded_shapes is not None:
            raise ValueError(
                f"`padded_shapes` must be None, the largest sizes of the batch, received "
                f"{padded_shapes!r}; crop or pad the elements with `map` before `batch`"
            )
        fill = 0.0 if padding_values is None else number(padding_values, "padding_values")
        size, whole = normalize_int(batch_size, "batch_size"), bool(drop_remainder)
        make = partial(passes.batched, size, whole, partial(padded, fill))
        return self._derived(make, self._batches(size, whole))

    def _batches(self, size: int, whole: bool) -> int:
        """Return the number of batches of `size` elements."""
        count = self.cardinality()
        if count <= 0:
            return count
        return count // size if whole else -(-count // size)

    def window(
        self,
        size: int,
        shift: int | None = None,
        stride: int = 1,
        drop_remainder: bool = False,
    ) -> Dataset:
        """Return windows of the elements, each a data set: of `size` elements, every `stride`-th
        one; the next window begins `shift` elements later.

        `shift` is `size` by default. The last windows may be smaller, or are left out with
        `drop_remainder`. Of tuples, a window is a tuple of data sets.

        >>> from fastconv.data import Dataset
        >>> windows = Dataset.range(4).window(3, shift=1, drop_remainder=True)
        >>> [batch.tolist() for batch in windows.flat_map(lambda window: window.batch(3))]
        [[0, 1, 2], [1, 2, 3]]
        """
        size, stride = normalize_int(size, "size"), normalize_int(stride, "stride")
        shift = size if shift is None else normalize_int(shift, "shift")
        count, whole = self.cardinality(), bool(drop_remainder)
        if count > 0:
            last = max(0, count - (size - 1) * stride) if whole else count
            count = -(-last // shift)
        make = partial(passes.windows, size, shift, stride, whole)

        def data_sets(source: passes.Source, key: Key) -> Iterator[Any]:
            for elements in make(source, key):
                columns = zip(*map(leaves, elements), strict=True)
                yield with_leaves(lambda _, of=columns: _of_list(next(of)), elements[0])

        return self._derived(data_sets, count)

    def unbatch(self) -> Dataset:
        """Return the rows of every element."""
        return self._derived(passes.unbatched, UNKNOWN_CARDINALITY)

    def rebatch(self, batch_size: int, drop_remainder: bool = False) -> Dataset:
        """Return the rows of every element in batches of another size; arguments as for `batch`."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def shuffle(
        self,
        buffer_size: int,
        seed: int | None = None,
        reshuffle_each_iteration: bool | None = None,
    ) -> Dataset:
        """Return the elements in a random order.

        Args:
            buffer_size: every element is drawn from a buffer of the next `buffer_size` elements;
                at least the number of elements for a uniform order.
            seed: integer >= 0; None draws one.
            reshuffle_each_iteration: whether every pass has an order of its own; None means True.
        """
        seed = randomness.draw_seed() if seed is None else normalize_int(seed, "seed", minimum=0)
        stream = passes.Stream(seed, reshuffle_each_iteration is not False)
        size = normalize_int(buffer_size, "buffer_size")
        make = partial(passes.shuffled, size, stream)
        return self._selected(make, self.cardinality(), stream)

    def repeat(self, count: int | None = None) -> Dataset:
        """Return `count` passes, one after the other; endlessly for None or -1."""
        times = None if count in (None, -1) else normalize_int(count, "count", minimum=0)
        number = self.cardinality()
        if times is None:
            number = number if number == 0 else INFINITE_CARDINALITY
        elif number >= 0 or times == 0:
            number = max(number, 0) * times
        return self._selected(partial(passes.repeated, times), number)

    def take(self, count: int) -> Dataset:
        """Return the first `count` elements; all for -1."""
        if count == -1:
            return self
        end, number = normalize_int(count, "count", minimum=0), self.cardinality()
        if number == INFINITE_CARDINALITY:
            number = end
        return self._selected(lambda source, key: islice(source(key), end), min(number, end))

    def skip(self, count: int) -> Dataset:
        """Return all but the first `count` elements; none for -1."""
        if count == -1:
            return self.take(0)
        first, number = normalize_int(count, "count", minimum=0), self.cardinality()
        return self._selected(
            lambda source, key: islice(source(key), first, None),
            max(number - first, 0) if number >= 0 else number,
        )

    def shard(self, num_shards: int, index: int) -> Dataset:
        """Return every `num_shards`-th element from number `index` on."""
        step = normalize_int(num_shards, "num_shards")
        first = normalize_int(index, "index", minimum=0)
        if first >= step:
            raise ValueError(f"`index` must be below `num_shards` {step}, received {index}")
        number = self.cardinality()
        return self._selected(
            lambda source, key: islice(source(key), first, None, step),
            max(-(-(number - first) // step), 0) if number >= 0 else number,
        )

    def enumerate(self, start: int = 0) -> Dataset:
        """Return the pairs (number, element), numbers int64 from `start` on."""
        first = normalize_int(start, "start", minimum=-(2**63))
        return self._derived(partial(passes.numbered, first), self.cardinality())

    def concatenate(self, dataset: Dataset) -> Dataset:
        """Return the elements of this data set, then those of `dataset`."""
        _check_dataset(dataset)
        counts = (self.cardinality(), dataset.cardinality())
        count = sum(counts) if min(counts) >= 0 else INFINITE_CARDINALITY
        if INFINITE_CARDINALITY not in counts and UNKNOWN_CARDINALITY in counts:
            count = UNKNOWN_CARDINALITY
        return _Derived((self, dataset), lambda one, other, key: chain(one(key), other(key)), count)

    def cache(self, filename: str = "") -> Dataset:
        """Return the same elements, kept in memory from the first complete pass on.

        The elements are those of pass 0 in every pass: augment and shuffle after the cache.
        `filename` must be empty.
        """
        if filename:
            raise ValueError(
                f"`filename` must be empty, the cache is in memory, received {filename!r}"
            )
        return self._derived(passes.Cache(), self.cardinality())

    def prefetch(self, buffer_size: int) -> Dataset:
        """Return the same elements, computed by a thread that is `buffer_size` of them ahead.

        `fit` does so by itself; AUTOTUNE is its default depth.
        """
        depth = DEPTH if buffer_size == AUTOTUNE else normalize_int(buffer_size, "buffer_size")
        return self._derived(lambda source, key: prefetched(source(key), depth), self.cardinality())

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """Return `transformation_func(self)`."""
        return transformation_func(self)

    def reduce(self, initial_state: Any, reduce_func: Callable[[Any, Any], Any]) -> Any:
        """Return the last state of `state = reduce_func(state, element)` over the elements."""
        state = initial_state
        for element in self:
            state = reduce_func(state, element)
        return state

    def _derived(self, make: Callable[..., Iterator[Any]], count: int) -> Dataset:
        return _Derived((self,), make, count)

    def _selected(
        self, make: Callable[..., Iterator[Any]], count: int, stream: Any = None
    ) -> Dataset:
        return _Derived((self,), make, count, stream, selects=True)


class _Derived(Dataset):
    """A data set of others: `make(*sources, key=key)` returns the iterator of a pass, where a
    source is the method `elements` of one of them.

    With `selects`, `make` only leaves out, repeats or moves elements, so it applies to row numbers
    as well.
    """

    def __init__(
        self,
        parents: tuple[Dataset, ...],
        make: Callable[..., Iterator[Any]],
        count: int,
        stream: Any = None,
        selects: bool = False,
    ):
        self._parents, self._make, self._count, self._stream = parents, make, count, stream
        self.indexed = selects and parents[0].indexed

    def elements(self, key):
        return iter(self._make(*(parent.elements for parent in self._parents), key=key))

    def rows(self, key: Key) -> Iterator[int]:
        return self._make(self._parents[0].rows, key=key)

    def gather(self, rows: np.ndarray) -> Any:
        return self._parents[0].gather(rows)

    def cardinality(self):
        return self._count

    def streams(self):
        found = {id(each): each for parent in self._parents for each in parent.streams()}
        own = [] if self._stream is None else [self._stream]
        return [*found.values(), *own]


class _Slices(Dataset):
    """The rows of arrays."""

    indexed = True

    def __init__(self, arrays: Any, length: int):
        self._arrays, self._length = with_leaves(passes.read_only, arrays), length

    def elements(self, key):
        return map(self.gather, range(self._length))

    def rows(self, key: Key) -> Iterator[int]:
        return iter(range(self._length))

    def gather(self, rows: Any) -> Any:
        return with_leaves(lambda array: array[rows], self._arrays)

    def cardinality(self):
        return self._length


def _check_dataset(value: Any) -> None:
    if not isinstance(value, Dataset):
        raise TypeError(f"a data set must be a Dataset, received {type(value).__name__}")


def _threads(number: int | None) -> int | None:
    """Return a checked number of threads; None stays None."""
    if number is None:
        return None
    if number == AUTOTUNE:
        return runtime.get_num_threads()
    return normalize_int(number, "num_parallel_calls")


def _of_list(elements: Sequence[Any]) -> Dataset:
    return _Derived((), lambda key: iter(elements), len(elements))

"""Where batches come from: arrays, iterables of batches, or indexable sequences of batches.

A *source* knows its batches and how to load one into a plan:

    prepare(model, loss)   check everything that can be checked before the first step
    batches(order, first)  the batches of one pass over the data, as opaque items
    size(item)             how many samples a batch has
    load(item, plan)       fill input, targets and sample weights; return labels and weights

Arrays are never copied as a whole: a batch is gathered row by row into the plan's input and cast
to float32 there, so uint8 images stay uint8 in memory and a memory-mapped file stays on disk. A
`Feed` cuts the endless or finite stream of batches into epochs.

The order of a shuffled pass is a function of two numbers, the feed's seed and the number of the
pass, so a place in the data is three numbers and can be gone back to: `Feed.state`.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import numpy as np

from fastconv import _random
from fastconv.losses import Loss, spread_weights
from fastconv.parameters import real_array
from fastconv.plan import Plan
from fastconv.shapes import normalize_int

DEFAULT_BATCH_SIZE = 32
Shape = tuple[int | None, ...]


def make_feed(
    data: tuple[Any, ...],
    *,
    batch_size: int | None = None,
    steps: int | None = None,
    steps_name: str = "steps",
    shuffle: bool = False,
    class_weight: dict[int, float] | None = None,
) -> Feed:
    """The batches of `data`, (x[, y[, sample_weight]]), for what `fit` and its like were given.

    Raises ValueError or TypeError if the arguments contradict each other.
    """
    x, y, sample_weight = (*data, None, None)[:3]
    if steps is not None:
        steps = normalize_int(steps, steps_name)
    if x is None:
        raise ValueError("`x` must be given, received None")
    if is_array_like(x):
        source = ArraySource(x, y, sample_weight, batch_size, steps, shuffle, class_weight)
        return Feed(source, steps, steps_name, shuffle)
    indexable = hasattr(x, "__getitem__") and hasattr(x, "__len__")
    if not indexable and not isinstance(x, Iterable):
        raise TypeError(f"`x` must be an array or an iterable of batches, received {type(x)}")
    unused = {
        "y": y,
        "sample_weight": sample_weight,
        "batch_size": batch_size,
        "class_weight": class_weight,
    }
    for name, value in unused.items():
        if value is not None:
            raise ValueError(
                f"`{name}` must be None when `x` yields batches (x, y[, sample_weight]), "
                f"received {type(value).__name__}"
            )
    source = SequenceSource(x, shuffle) if indexable else IterableSource(x)
    return Feed(source, steps, steps_name, shuffle and indexable)


def is_array_like(x: Any) -> bool:
    """Whether `x` is data itself, and not something that yields batches of data."""
    return isinstance(x, (list, tuple)) or hasattr(x, "__array__")


def split_validation(arrays: tuple[Any, ...], fraction: float) -> tuple[tuple, tuple]:
    """(first part, last part) of each array; the last part is `fraction` of the samples.

    Raises ValueError if `fraction` is not from 0 to 1, leaves one part empty, or `arrays` are none.
    """
    if isinstance(fraction, bool) or not 0 < fraction < 1:
        raise ValueError(f"`validation_split` must be at least 0 and below 1, received {fraction}")
    if not all(array is None or is_array_like(array) for array in arrays):
        raise ValueError("`validation_split` needs arrays; give `validation_data` with iterables")
    whole = [None if array is None else np.asarray(array) for array in arrays]
    count = len(whole[0])
    kept = math.floor(count * (1.0 - fraction))
    if kept in (0, count):
        raise ValueError(
            f"`validation_split` {fraction} of {count} samples leaves {kept} to train on and "
            f"{count - kept} to validate on; both must be positive"
        )
    first = tuple(None if array is None else array[:kept] for array in whole)
    return first, tuple(None if array is None else array[kept:] for array in whole)


class Source(ABC):
    """Base class; see the top of this module."""

    num_batches: int | None = None  # of one pass, if known
    repeatable = True  # whether a second pass gives data again
    weighted = False  # whether batches may come with sample weights
    y_shape: tuple[int, ...] | None = None

    @abstractmethod
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample, for a model that is not built yet."""

    @abstractmethod
    def prepare(self, input_shape: Shape, output_shape: Shape, loss: Loss | None) -> None:
        """Check samples and, with a `loss`, labels against the model's shapes."""

    @abstractmethod
    def batches(self, order: tuple[int, int], first: int = 0) -> Iterator[Any]:
        """The batches of one pass from number `first` on; `order` decides how they are shuffled."""

    @abstractmethod
    def size(self, item: Any) -> int:
        """How many samples a batch has."""

    def is_weighted(self, item: Any) -> bool:
        """Whether a batch has sample weights."""
        return self.weighted

    @abstractmethod
    def load(self, item: Any, plan: Plan) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Fill the arrays of `plan`; return labels and sample weights for the metrics."""


class ArraySource(Source):
    """Batches gathered from whole arrays; an item is the rows of a batch."""

    def __init__(self, x, y, sample_weight, batch_size, steps, shuffle, class_weight):
        if not isinstance(shuffle, (bool, np.bool_)):
            raise ValueError(f"`shuffle` must be True or False, received {shuffle!r}")
        self.x = real_array(x, "`x`")
        if self.x.ndim == 0:
            raise ValueError("`x` must have a batch axis, received a single number")
        self.y = None if y is None else np.asarray(y)
        self.count, self.shuffle = len(self.x), bool(shuffle)
        if self.y is not None:
            self._check_length("y", self.y)
            self.y_shape = self.y.shape
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("only one of `class_weight` and `sample_weight` may be given")
            sample_weight = weights_of_classes(self.y, class_weight)
        self.sample_weight = None
        if sample_weight is not None:
            weight = real_array(sample_weight, "`sample_weight`")
            self._check_length("sample_weight", weight)
            self.sample_weight = weight.astype(np.float32, copy=False)
            self.weighted = True
        if batch_size is None and steps is not None:
            batch_size = max(1, math.ceil(self.count / steps))
        self.batch_size = (
            DEFAULT_BATCH_SIZE if batch_size is None else normalize_int(batch_size, "batch_size")
        )
        self.num_batches = math.ceil(self.count / self.batch_size)

    def _check_length(self, name: str, array: np.ndarray) -> None:
        length = len(array) if array.ndim else 0
        if length != self.count:
            raise ValueError(
                f"`x` and `{name}` must have one length, received {self.count} and {length} samples"
            )

    def sample_shape(self):
        return self.x.shape[1:]

    def prepare(self, input_shape, output_shape, loss):
        self.x = fit_samples(self.x, input_shape)
        self.row_shape = output_shape[1:-1]
        if loss is not None:
            if self.y is None:
                raise ValueError("`y` must be given, received None")
            self.y = loss.check_targets(self.y, output_shape)
            if self.weighted:
                spread_weights(self.sample_weight, (self.count, *self.row_shape))
        self.loss = loss
        # `take` into a given array is the fast way, but would copy all of a strided `x` each time.
        self._take = self.x.flags.c_contiguous and self.x.dtype == np.float32

    def batches(self, order, first=0):
        size = self.batch_size
        starts = range(first * size, self.count, size)
        if not self.shuffle:
            for start in starts:
                yield slice(start, min(start + size, self.count))
            return
        rows = np.random.default_rng(order).permutation(self.count)
        for start in starts:
            yield rows[start : start + size]

    def size(self, item):
        return item.stop - item.start if isinstance(item, slice) else len(item)

    def load(self, item, plan):
        if self._take and not isinstance(item, slice):
            # The rows are in range, so `clip` clips nothing; it spares a buffer.
            np.take(self.x, item, axis=0, out=plan.inputs[0], mode="clip")
        else:
            np.copyto(plan.inputs[0], self.x[item], casting="unsafe")
        if self.loss is None:
            return None, None
        y = self.y[item]
        self.loss.rows(y, plan.targets[0])
        if not self.weighted:
            return y, None
        weight = self.sample_weight[item]
        plan.sample_weights[0][...] = spread_weights(weight, (len(y), *self.row_shape)).reshape(-1)
        return y, weight


class IterableSource(Source):
    """Batches that somebody else makes; an item is a checked (x, y, sample_weight).

    An iterator gives its batches once; any other iterable starts again with every pass.
    """

    def __init__(self, batches: Iterable[Any]):
        self._iterable = batches
        self.repeatable = not isinstance(batches, Iterator)

    def sample_shape(self):
        first = self._peek()
        return first[0].shape[1:]

    def _peek(self) -> tuple:
        """The first batch, which will still be given."""
        iterator = iter(self._iterable)
        try:
            first = next(iterator)
        except StopIteration:
            raise ValueError("`x` must yield at least one batch, received none") from None
        if not self.repeatable:
            self._iterable = chain([first], iterator)
        return unpack_batch(first)

    def prepare(self, input_shape, output_shape, loss):
        self.input_shape, self.output_shape, self.loss = input_shape, output_shape, loss
        if loss is not None:
            y = self._peek()[1]
            self.y_shape = None if y is None else y.shape

    def batches(self, order, first=0):
        for batch in self._raw_batches(order, first):
            yield self._checked(batch)

    def _raw_batches(self, order: tuple[int, int], first: int) -> Iterable[Any]:
        return islice(iter(self._iterable), first, None)

    def _checked(self, batch: Any) -> tuple:
        x, y, weight = unpack_batch(batch)
        x = fit_samples(x, self.input_shape)
        if self.loss is None:
            return x, None, None
        if y is None:
            raise ValueError("`x` must yield (x, y) or (x, y, sample_weight), received x alone")
        y = self.loss.check_targets(y, self.output_shape)
        for name, array in {"y": y, "sample_weight": weight}.items():
            if array is not None and len(array) != len(x):
                raise ValueError(
                    f"`x` and `{name}` of a batch must have one length, "
                    f"received {len(x)} and {len(array)} samples"
                )
        return x, y, weight

    def size(self, item):
        return len(item[0])

    def is_weighted(self, item):
        return item[2] is not None

    def load(self, item, plan):
        x, y, weight = item
        np.copyto(plan.inputs[0], x, casting="unsafe")
        if y is not None:
            self.loss.rows(y, plan.targets[0])
        if weight is not None:
            rows = (len(x), *self.output_shape[1:-1])
            plan.sample_weights[0][...] = spread_weights(weight, rows).reshape(-1)
        return y, weight


class SequenceSource(IterableSource):
    """Batches by index, in a new order each pass if shuffled; Keras's `Sequence` is one.

    `on_epoch_end`, if there is one, is called after every pass.
    """

    def __init__(self, batches: Any, shuffle: bool):
        super().__init__(batches)
        self.repeatable = True
        self.shuffle = bool(shuffle)
        self.num_batches = len(batches)

    def _peek(self):
        if not len(self._iterable):
            raise ValueError("`x` must hold at least one batch, received none")
        return unpack_batch(self._iterable[0])

    def _raw_batches(self, order, first):
        count = len(self._iterable)
        indices = np.random.default_rng(order).permutation(count) if self.shuffle else range(count)
        for index in indices[first:]:
            yield self._iterable[int(index)]
        if hasattr(self._iterable, "on_epoch_end"):
            self._iterable.on_epoch_end()


class Feed:
    """The batches of a source, epoch by epoch.

    Without `steps` an epoch is one pass. With `steps` an epoch has so many batches, taken from
    where the last epoch stopped; a source that can is started again when it ends. `exhausted`
    becomes True, with a warning, when a source ends early and cannot start again.
    """

    def __init__(self, source: Source, steps: int | None, steps_name: str, shuffle: bool = False):
        self.source = source
        self._steps, self._steps_name = steps, steps_name
        self._seed = _random.draw_seed() if shuffle else 0
        self._passes = 0  # how many passes are over
        self._taken = 0  # how many batches of the present pass have been taken
        self._current: Iterator[Any] | None = None
        self.length = self._steps or source.num_batches  # batches per epoch, if known
        self.exhausted = False

    def epoch(self, skip: int = 0) -> Iterator[Any]:
        """The batches of the next epoch, without the first `skip` of them."""
        if self._steps is None:
            seen = skip
            for seen, item in enumerate(self._pass(skip), start=skip + 1):  # noqa: B007
                yield item
            if not seen:
                self._warn("no batches")
            self.length = self.length or seen
            self._passes += 1
            return
        self._leave_out(skip)
        for step in range(skip, self._steps):
            item = self._next()
            if item is None:
                self._warn(f"{step} of {self._steps} batches")
                return
            yield item

    def state(self) -> dict[str, Any]:
        """Where the next epoch begins; only to be asked between two epochs."""
        return {
            "seed": self._seed,
            "passes": self._passes,
            "taken": self._taken,
            "exhausted": self.exhausted,
            "batches": self.source.num_batches,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go to where a feed of the same data was; ValueError if it is not of the same length.

        Batches that were taken from an iterator, which cannot be asked for a place, are taken from
        it again and left out.
        """
        if state["batches"] != self.source.num_batches:
            raise ValueError(
                f"the data must have {state['batches']} batches, as when the state was taken; "
                f"received {self.source.num_batches}"
            )
        self._seed, self._passes, self._taken = state["seed"], state["passes"], state["taken"]
        self.exhausted = state["exhausted"]
        self._current = None

    def _pass(self, first: int) -> Iterator[Any]:
        return self.source.batches((self._seed, self._passes), first)

    def _next(self) -> Any:
        if self._current is None:
            self._current = self._pass(self._taken)
        item = next(self._current, None)
        if item is None and self.source.repeatable:
            self._passes, self._taken = self._passes + 1, 0
            self._current = self._pass(0)
            item = next(self._current, None)
        self._taken += item is not None
        return item

    def _leave_out(self, count: int) -> None:
        if not count:
            return
        if self.source.num_batches and self.source.repeatable:
            whole, self._taken = divmod(self._taken + count, self.source.num_batches)
            self._passes += whole
            self._current = None
        else:
            for _ in range(count):
                self._next()

    def _warn(self, what: str) -> None:
        self.exhausted = True
        warnings.warn(
            f"the data ran out: {what} in this epoch; an iterator must yield `{self._steps_name}` "
            "times the number of epochs batches",
            stacklevel=5,
        )


def unpack_batch(batch: Any) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """(x, y, sample_weight) of what is yielded: x, (x,), (x, y) or (x, y, sample_weight)."""
    if not isinstance(batch, (tuple, list)):
        batch = (batch,)
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            f"a batch must be (x, y) or (x, y, sample_weight), received {len(batch)} parts"
        )
    x, y, weight = (*batch, None, None)[:3]
    x = real_array(x, "`x` of a batch")
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"a batch must hold at least one sample, received `x` of shape {x.shape}")
    if weight is not None:
        weight = real_array(weight, "`sample_weight` of a batch").astype(np.float32, copy=False)
    return x, None if y is None else np.asarray(y), weight


def fit_samples(x: np.ndarray, input_shape: Shape) -> np.ndarray:
    """`x` in the rank of the model's input; a last axis of 1 is added or dropped, as Keras does.

    Raises ValueError with both shapes if `x` does not fit.
    """
    original = x.shape
    if x.ndim == len(input_shape) - 1 and input_shape[-1] == 1:
        x = x[..., None]
    elif x.ndim == len(input_shape) + 1 and x.shape[-1] == 1:
        x = x[..., 0]
    if x.shape[1:] != input_shape[1:] or x.ndim != len(input_shape):
        raise ValueError(f"`x` must have shape {input_shape}, received {original}")
    return x


def weights_of_classes(y: np.ndarray | None, class_weight: dict[int, float]) -> np.ndarray:
    """One weight per sample by its class, 1 for classes that are not mentioned."""
    if y is None:
        raise ValueError("`class_weight` needs `y`, received None")
    if not isinstance(class_weight, dict):
        raise TypeError(f"`class_weight` must be a dict, received {class_weight!r}")
    if y.ndim > 2:
        raise ValueError(f"`class_weight` needs one label per sample, received shape {y.shape}")
    if y.ndim == 2:
        y = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0]
    weights = np.ones(len(y), np.float32)
    for label, weight in class_weight.items():
        weights[y == label] = float(weight)
    return weights

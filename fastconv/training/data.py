"""Sources of batches: arrays, iterables of batches, or indexable sequences of batches.

A *source* produces batches and loads them into a plan:

    prepare(spec)          check the data as far as possible before the first step
    batches(order, first)  the batches of one pass over the data, as opaque items
    size(item)             number of samples of a batch, and whether they have weights
    load(item, plan)       fill the inputs of the plan; return labels and sample weights

Arrays are never copied as a whole: the rows of a batch are gathered directly into the plan's inputs
and cast to float32 there, so uint8 images stay uint8 and a memory-mapped file stays on disk.

The order of a shuffled pass is a function of two numbers, the seed of the iterator and the number
of the pass, so three numbers identify and restore a position in the data
(`fastconv.training.epoch_iterator`).
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, islice
from typing import Any

import numpy as np

from fastconv.common.arguments import as_integer, normalize_int, number
from fastconv.common.tree import flatten, is_several, mapped, pack
from fastconv.plan import Plan
from fastconv.shapes import Shape, sample_sizes
from fastconv.training.dataset import NumberedPasses, PyDataset
from fastconv.training.io_spec import IOSpec, sample_array
from fastconv.training.prefetch import in_parallel

DEFAULT_BATCH_SIZE = 32
Arrays = list[np.ndarray | None]  # one per input or output


def is_array_like(x: Any) -> bool:
    """Return whether `x` is an array, or a list or dict, and not an iterable of batches."""
    return is_several(x) or hasattr(x, "__array__")


def split_validation(data: tuple[Any, ...], fraction: float, inputs: int) -> tuple[tuple, tuple]:
    """Split arrays, or lists or dicts of arrays, into (first part, last part); the last part is
    `fraction` of the samples. `inputs` is the number of inputs of the model.

    Raises ValueError if `fraction` is not between 0 and 1, leaves a part empty, or `data` does not
    contain arrays.
    """
    if isinstance(fraction, bool) or not 0 < fraction < 1:
        raise ValueError(f"`validation_split` must be at least 0 and below 1, received {fraction}")
    if not all(part is None or is_array_like(part) for part in data):
        raise ValueError("`validation_split` needs arrays; give `validation_data` with iterables")
    samples = len(_arrays_in(data[0], inputs > 1)[0])
    kept = math.floor(samples * (1.0 - fraction))
    if kept in (0, samples):
        raise ValueError(
            f"`validation_split` {fraction} of {samples} samples leaves {kept} to train on and "
            f"{samples - kept} to validate on; both must be positive"
        )

    def cut(part: Any, rows: slice) -> Any:
        several = isinstance(part, dict) or (
            isinstance(part, (list, tuple)) and all(hasattr(each, "__array__") for each in part)
        )
        return mapped(lambda a: np.asarray(a)[rows], part) if several else np.asarray(part)[rows]

    def cut_all(rows: slice) -> tuple[Any, ...]:
        return tuple(None if part is None else cut(part, rows) for part in data)

    return cut_all(slice(None, kept)), cut_all(slice(kept, None))


def _arrays_in(x: Any, several: bool) -> list[np.ndarray]:
    """Return the arrays in `x`: one, or with `several` those of a list or dict."""
    return [np.asarray(each) for each in (flatten(x) if several or isinstance(x, dict) else [x])]


def source_of(
    data: tuple[Any, ...],
    batch_size: int | None,
    steps: int | None,
    shuffle: bool,
    class_weight: dict[int, float] | None,
) -> Source:
    """Return the source of batches of `data`, (x[, y[, sample_weight]]).

    Raises ValueError or TypeError if the arguments contradict each other.
    """
    x, y, sample_weight = (*data, None, None)[:3]
    if x is None:
        raise ValueError("`x` must be given, received None")
    if is_array_like(x):
        return ArraySource(x, y, sample_weight, batch_size, steps, shuffle, class_weight)
    indexable = isinstance(x, PyDataset) or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))
    if isinstance(x, (str, bytes, os.PathLike)) or not (indexable or isinstance(x, Iterable)):
        raise TypeError(f"`x` must be an array or an iterable of batches, received {_described(x)}")
    unused = {"y": y, "sample_weight": sample_weight, "batch_size": batch_size}
    for name, value in unused.items():
        if value is not None:
            raise ValueError(
                f"`{name}` must be None when `x` yields batches (x, y[, sample_weight]), "
                f"received {type(value).__name__}"
            )
    if isinstance(x, NumberedPasses):
        return PassesSource(x, class_weight)
    if indexable:
        return SequenceSource(x, shuffle, class_weight)
    return IterableSource(x, class_weight)


def _described(x: Any) -> str:
    """Return, for errors, the kind of an unsupported `x` and how to convert it to data."""
    if isinstance(x, (str, bytes, os.PathLike)):
        return (
            f"{x!r}; fastconv.utils.load_img reads a picture, "
            "fastconv.utils.image_dataset_from_directory a folder"
        )
    if hasattr(x, "__array_interface__"):  # a Pillow image
        return f"{type(x)}; for one picture: fastconv.utils.img_to_array(picture)[None]"
    return str(type(x))


class Source(ABC):
    """Base class; see the module docstring."""

    count: int | None = None  # number of samples, if known; set by `prepare`
    num_batches: int | None = None  # of one pass, if known
    repeatable = True  # whether a second pass yields data again
    shuffle = False  # whether every pass has an order of its own
    waits = False  # whether preparing a batch takes time that can overlap with a step
    endless = False  # whether a pass does not end
    streams: Sequence[Any] = ()  # objects with a `seed` that determines the order of the data
    queue_size: int | None = None  # maximum number of prefetched batches, None for the default
    spec: IOSpec  # of the model; set by `prepare`
    y_shapes: list[tuple[int, ...] | None]  # of the labels; set by `prepare`

    @abstractmethod
    def input_shape(self) -> Any:
        """The shape of the samples, (None, ...), or a list or dict of shapes, for a model that is
        not built yet."""

    @abstractmethod
    def prepare(self, spec: IOSpec) -> None:
        """Check samples and, for outputs with a loss, labels against the model's shapes."""

    @abstractmethod
    def batches(self, order: tuple[int, int], first: int = 0) -> Iterator[Any]:
        """Yield the batches of one pass from number `first` on; `order` determines the shuffle."""

    @abstractmethod
    def size(self, item: Any) -> tuple[int, bool]:
        """Return the number of samples of a batch, and whether it has sample weights."""

    @abstractmethod
    def shapes(self, item: Any) -> tuple[Shape, ...] | None:
        """Return the shapes of the inputs in a batch; None for a model of fixed sizes."""

    @abstractmethod
    def load(self, item: Any, plan: Plan) -> tuple[Arrays, Arrays]:
        """Fill the inputs of `plan`; return labels and sample weights."""

    @abstractmethod
    def first_item(self) -> Any:
        """Return the first sample or batch as an item, which remains to be taken."""

    @abstractmethod
    def arrays(self, item: Any) -> tuple[Arrays, Arrays, Arrays]:
        """Return the samples, labels and sample weights of a batch."""

    @abstractmethod
    def labels(self, item: Any) -> tuple[Arrays, Arrays]:
        """Return labels and sample weights of a batch."""

    @abstractmethod
    def rows(self, item: Any, begin: int, end: int) -> Any:
        """Return the samples from `begin` up to `end` of a batch as an item."""


class ArraySource(Source):
    """Gathers batches from whole arrays; an item is the row numbers of a batch."""

    count: int  # known once `prepare` has run
    shuffle: bool
    x: Any
    y: Any
    sample_weight: Any

    def __init__(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        batch_size: int | None = None,
        steps: int | None = None,
        shuffle: bool = False,
        class_weight: dict[int, float] | None = None,
    ):
        if not isinstance(shuffle, (bool, np.bool_)):
            raise ValueError(f"`shuffle` must be True or False, received {shuffle!r}")
        self.x, self.y, self.sample_weight = x, y, sample_weight
        if class_weight is not None and sample_weight is not None:
            raise ValueError("only one of `class_weight` and `sample_weight` may be given")
        self._class_weight = class_weight
        self._weighted = sample_weight is not None or class_weight is not None
        self.shuffle, self._batch_size, self._steps = bool(shuffle), batch_size, steps

    def input_shape(self) -> Any:
        return batch_shape(self.x)

    def prepare(self, spec: IOSpec) -> None:
        self.xs: list[np.ndarray] = spec.samples(self.x)
        self.spec = spec = spec.at(self.xs)
        self.count = len(self.xs[0])
        outputs = spec.output_names
        self.ys: Arrays = [None] * len(outputs)
        if spec.has_losses and self.count:
            self.ys = spec.targets(self.y, self.count)
        self.y_shapes = [None if y is None else y.shape for y in self.ys]
        weights = self.sample_weight
        if self._class_weight is not None and self.count:
            weights = class_weights(spec, self.ys, self._class_weight)
        self.weights: list[np.ndarray | None] = spec.weights(weights, self.count)
        # `take` into a given array is faster, but would copy all of a strided `x` on every call.
        self._take = [x.flags.c_contiguous and x.dtype == np.float32 for x in self.xs]
        size, steps = self._batch_size, self._steps
        if size is None and steps is not None:
            size = max(1, math.ceil(self.count / steps))
        self.batch_size: int = (
            DEFAULT_BATCH_SIZE if size is None else normalize_int(size, "batch_size")
        )
        self.num_batches: int = math.ceil(self.count / self.batch_size)

    def batches(self, order: tuple[int, int], first: int = 0) -> Iterator[Any]:
        size = self.batch_size
        starts = range(first * size, self.count, size)
        if not self.shuffle:
            for start in starts:
                yield slice(start, min(start + size, self.count))
            return
        rows = np.random.default_rng(order).permutation(self.count)
        for start in starts:
            yield rows[start : start + size]

    def size(self, item: Any) -> tuple[int, bool]:
        count = item.stop - item.start if isinstance(item, slice) else len(item)
        return count, self._weighted

    def shapes(self, item: Any) -> tuple[Shape, ...] | None:
        return self.spec.plan_shapes

    def load(self, item: Any, plan: Plan) -> tuple[Arrays, Arrays]:
        for x, take, into in zip(self.xs, self._take, plan.inputs, strict=True):
            if take and not isinstance(item, slice):
                # The rows are in range; mode "clip" avoids a temporary buffer.
                np.take(x, item, axis=0, out=into, mode="clip")
            else:
                np.copyto(into, x[item], casting="unsafe")
        return self.labels(item)

    def first_item(self) -> Any:
        return slice(0, 1)

    def arrays(self, item: Any) -> tuple[Arrays, Arrays, Arrays]:
        return [x[item] for x in self.xs], *self.labels(item)

    def labels(self, item: Any) -> tuple[Arrays, Arrays]:
        return (
            [None if y is None else y[item] for y in self.ys],
            [None if weight is None else weight[item] for weight in self.weights],
        )

    def rows(self, item: Any, begin: int, end: int) -> Any:
        if isinstance(item, slice):
            return slice(item.start + begin, item.start + end)
        return item[begin:end]


class IterableSource(Source):
    """Batches of an iterable; an item is checked (xs, ys, weights).

    An iterator yields its batches once; any other iterable restarts with every pass.
    """

    waits = True

    def __init__(self, batches: Iterable[Any], class_weight: dict[int, float] | None = None):
        self._iterable: Any = batches
        self._class_weight = class_weight
        self.repeatable: bool = not isinstance(batches, Iterator)

    def input_shape(self) -> Any:
        return batch_shape(self._peek()[0], "`x` of a batch")

    def _peek(self) -> tuple:
        """Return the first batch without consuming it."""
        iterator = iter(self._iterable)
        try:
            first = next(iterator)
        except StopIteration:
            raise ValueError("`x` must yield at least one batch, received none") from None
        if not self.repeatable:
            self._iterable = chain([first], iterator)
        return unpack_batch(first)

    def prepare(self, spec: IOSpec) -> None:
        self.spec = spec
        self.y_shapes = [None] * len(spec.output_names)
        if spec.has_losses:
            x, y, _ = self._peek()
            if y is not None:
                xs = spec.samples(x)
                ys = spec.at(xs).targets(y, len(xs[0]))
                self.y_shapes = [None if y is None else y.shape for y in ys]

    def batches(self, order: tuple[int, int], first: int = 0) -> Iterator[Any]:
        for batch in self._raw_batches(order, first):
            yield self._checked(batch)

    def first_item(self) -> Any:
        return self._checked(self._peek())

    def _raw_batches(self, order: tuple[int, int], first: int) -> Iterable[Any]:
        return islice(iter(self._iterable), first, None)

    def _checked(self, batch: Any) -> tuple[list[np.ndarray], Arrays, Arrays]:
        x, y, weight = unpack_batch(batch)
        spec = self.spec
        xs = spec.samples(x)
        spec, size = spec.at(xs), len(xs[0])
        if size == 0:
            raise ValueError(
                f"a batch must hold at least one sample, received `x` of shape {xs[0].shape}"
            )
        if not spec.has_losses:
            nothing: Arrays = [None] * len(spec.output_names)
            return xs, nothing, nothing
        if y is None and not spec.takes_any_data:
            raise ValueError("`x` must yield (x, y) or (x, y, sample_weight), received x alone")
        ys = spec.targets(y, size)
        if self._class_weight is not None:
            if weight is not None:
                raise ValueError(
                    "`class_weight` must be None when `x` yields (x, y, sample_weight)"
                )
            weight = class_weights(spec, ys, self._class_weight, whole=False)
        return xs, ys, spec.weights(weight, size)

    def size(self, item: Any) -> tuple[int, bool]:
        xs, _, weights = item
        return len(xs[0]), any(weight is not None for weight in weights)

    def shapes(self, item: Any) -> tuple[Shape, ...] | None:
        return self.spec.at(item[0]).plan_shapes

    def load(self, item: Any, plan: Plan) -> tuple[Arrays, Arrays]:
        xs, ys, weights = item
        for x, into in zip(xs, plan.inputs, strict=True):
            np.copyto(into, x, casting="unsafe")
        return ys, weights

    def arrays(self, item: Any) -> tuple[Arrays, Arrays, Arrays]:
        return item

    def labels(self, item: Any) -> tuple[Arrays, Arrays]:
        return item[1:]

    def rows(self, item: Any, begin: int, end: int) -> Any:
        return tuple(
            [None if each is None else each[begin:end] for each in arrays] for arrays in item
        )


class PassesSource(IterableSource):
    """Batches of a `fastconv.data.Dataset`, whose passes are numbered.

    Passes count from the number of those before this source, so a second `fit` goes on.
    """

    endless: bool

    def __init__(self, batches: NumberedPasses, class_weight: dict[int, float] | None = None):
        super().__init__(batches, class_weight)
        self.repeatable = True
        self.num_batches, self.endless = batches.num_batches, batches.endless
        self._before = batches.passes

    def _peek(self):
        for batch in self._iterable.elements((self._before,)):
            return unpack_batch(batch)
        raise ValueError("`x` must yield at least one batch, received none")

    @property
    def streams(self) -> list[Any]:
        return self._iterable.streams()

    def _raw_batches(self, order, first):
        number = self._before + order[1]
        yield from islice(self._iterable.elements((number,)), first, None)
        self._iterable.passes = number + 1


class SequenceSource(IterableSource):
    """Batches by index, in a new order each pass if shuffled; for example a `PyDataset`.

    `workers` threads request batches concurrently. `on_epoch_begin` and `on_epoch_end`, where
    defined, are called before and after every pass, by the thread that prepares the batches.
    """

    def __init__(self, batches: Any, shuffle: bool, class_weight: dict[int, float] | None = None):
        super().__init__(batches, class_weight)
        self.repeatable = True
        is_dataset = isinstance(batches, PyDataset)
        self.num_batches: int | None = batches.num_batches if is_dataset else len(batches)
        self.shuffle: bool = bool(shuffle)
        self._workers = getattr(batches, "workers", 1)
        self.queue_size: int | None = getattr(batches, "max_queue_size", None)

    def _peek(self):
        if self.num_batches == 0:
            raise ValueError("`x` must hold at least one batch, received none")
        return unpack_batch(self._iterable[0])

    def _raw_batches(self, order, first):
        self._notify("on_epoch_begin")
        if self.num_batches is None:
            indices: Iterable[Any] = count(first)
        elif self.shuffle:
            indices = np.random.default_rng(order).permutation(self.num_batches)[first:].tolist()
        else:
            indices = range(first, self.num_batches)
        if self._workers > 1:
            yield from in_parallel(self._iterable.__getitem__, indices, self._workers)
        else:
            for index in indices:
                yield self._iterable[index]
        self._notify("on_epoch_end")

    def _notify(self, event: str) -> None:
        if hasattr(self._iterable, event):
            getattr(self._iterable, event)()


def unpack_batch(batch: Any) -> tuple[Any, Any, Any]:
    """Return (x, y, sample_weight) of a batch x, (x,), (x, y) or (x, y, sample_weight)."""
    if not isinstance(batch, (tuple, list)):
        batch = (batch,)
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            f"a batch must be (x, y) or (x, y, sample_weight), received {len(batch)} parts"
        )
    x, y, sample_weight = (*batch, None, None)[:3]
    return x, y, sample_weight


def class_weights(
    spec: IOSpec, ys: Arrays, class_weight: dict[int, float], whole: bool = True
) -> np.ndarray:
    """Return the weights of the samples whose labels are `ys`; ValueError for several outputs.

    `whole`: whether these are all labels, or those of one batch.
    """
    if len(ys) > 1:
        raise ValueError(
            "`class_weight` needs a model with one output, received a model with "
            f"{list(spec.output_names)}"
        )
    (shape,) = spec.output_shapes
    if ys[0] is None:
        raise ValueError("`class_weight` needs labels, received None")
    return weights_of_classes(ys[0], class_weight, sample_sizes(shape)[-1], whole)


def weights_of_classes(
    y: np.ndarray, class_weight: dict[int, float], outputs: int, whole: bool = True
) -> np.ndarray:
    """Return one weight per sample by its class, 1 for classes without an entry.

    The classes are the numbers below `outputs`, the length of a prediction; for a length of one,
    the classes are 0, 1 and all labels in `y`, or any number if `y` is not the `whole` of them.
    Labels are rounded, as in Keras.

    Raises ValueError for a key that is not a class, for a weight that is negative or not finite,
    and for several labels per sample; TypeError if `class_weight` is not a dict of numbers.
    """
    if not isinstance(class_weight, dict):
        raise TypeError(f"`class_weight` must be a dict, received {class_weight!r}")
    if y.ndim not in (1, 2):
        raise ValueError(f"`class_weight` needs one label per sample, received shape {y.shape}")
    if y.ndim == 2:
        y = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0]
    labels = np.round(y)
    known, words = set(range(outputs)), f"the classes 0 to {outputs - 1}"
    if outputs == 1:
        known, words = {0, 1, *labels.tolist()}, "the classes 0 and 1 and the labels in `y`"
        if not whole:
            known |= {key for key in class_weight if as_integer(key) is not None}
    unknown = [key for key in class_weight if key not in known]
    if unknown:
        raise ValueError(f"the keys of `class_weight` must be among {words}, received {unknown}")
    weights = np.ones(len(labels), np.float32)
    for label, weight in class_weight.items():
        weights[labels == label] = number(weight, f"class_weight[{label!r}]", 0)
    return weights


def batch_shape(x: Any, label: str = "`x`") -> Any:
    """Return the shape of a batch with an unknown size, or those of several in a list or dict."""
    if is_several(x) and any(hasattr(each, "__array__") for each in flatten(x)):
        return pack(x, [batch_shape(each, label) for each in flatten(x)])
    array = sample_array(x, label)
    if array.ndim == 0:
        raise ValueError(f"{label} must have a batch axis, received a single number")
    return (None, *array.shape[1:])

"""`PyDataset`: batches by index. `NumberedPasses`: batches by the number of the pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sized
from itertools import count
from typing import Any

from fastconv.common.arguments import normalize_int
from fastconv.common.keywords import NamedArguments


class PyDataset(NamedArguments):
    """Base class of data sets in Python; Keras also calls it `Sequence`.

    Subclasses define `__getitem__(index)`, which returns batch `index` as x, (x, y) or
    (x, y, sample_weight), and `__len__`, the number of batches. `fit` loads batches in the
    background, in a new order every epoch if it shuffles.

    Args:
        workers: number of threads that load batches.
        use_multiprocessing: must be False; NumPy and Pillow run in threads without the GIL.
        max_queue_size: maximum number of queued batches, at least 1.

    Raises ValueError or TypeError for any other value.

    >>> import numpy as np
    >>> from fastconv.utils import PyDataset
    >>> class Squares(PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         x = np.arange(4.0)[:, None] + 4 * index
    ...         return x, x**2
    >>> x, y = Squares()[2]
    >>> y[:, 0].tolist()
    [64.0, 81.0, 100.0, 121.0]
    """

    # Defaults for a subclass whose __init__ does not call this one.
    use_multiprocessing: bool
    workers, use_multiprocessing, max_queue_size = 1, False, 10

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ):
        if use_multiprocessing:
            raise ValueError(
                f"`use_multiprocessing` must be False, received {use_multiprocessing!r}; "
                "`workers` are threads"
            )
        self.workers: int = normalize_int(workers, "workers")
        self.max_queue_size: int = normalize_int(max_queue_size, "max_queue_size")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; None if unlimited. By default `len()`."""
        if not isinstance(self, Sized):
            raise NotImplementedError(f"{type(self).__name__} must define __len__ or num_batches")
        return len(self)

    def __iter__(self) -> Iterator[Any]:
        number = self.num_batches
        for index in count() if number is None else range(number):
            yield self[index]

    def on_epoch_begin(self) -> None:
        """Called before the first batch of a pass is loaded."""

    def on_epoch_end(self) -> None:
        """Called after the last batch of a pass was loaded."""


class NumberedPasses(ABC):
    """An iterable of batches whose pass number p is a function of p; `fastconv.data.Dataset`.

    An iteration is the next pass; a pass counts when it was iterated to its end.
    """

    passes: int = 0  # complete passes so far

    @property
    @abstractmethod
    def num_batches(self) -> int | None:
        """The number of batches of a pass; None if it is unknown or infinite."""

    @property
    def endless(self) -> bool:
        """Whether a pass does not end."""
        return False

    @abstractmethod
    def elements(self, key: tuple[int, ...]) -> Iterator[Any]:
        """Yield the batches of the pass `key`, whose first entry is its number."""

    def streams(self) -> list[Any]:
        """Return the objects whose attribute `seed` determines random orders; a resumed `fit` sets
        it."""
        return []

    def __iter__(self) -> Iterator[Any]:
        yield from self.elements((self.passes,))
        self.passes += 1

"""`EpochIterator`: the batches of a source, epoch by epoch."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

from fastconv.common import randomness
from fastconv.common.arguments import normalize_int
from fastconv.common.user_warnings import warn_user
from fastconv.state import boolean, check_record, list_of, optional, seed, whole
from fastconv.training.data import Source, source_of
from fastconv.training.prefetch import DEPTH, prefetched


class EpochIterator:
    """Yields the batches of a source, one epoch per call of `epoch`.

    Without `steps` an epoch is one pass. With `steps` an epoch has that many batches and starts
    where the last epoch ended. An epoch does not continue into another pass: at the end of the data
    it ends early, with a warning, and the next one starts a new pass. `exhausted` becomes True when
    no further pass is possible.
    """

    def __init__(self, source: Source, steps: int | None = None, steps_name: str = "steps"):
        self.source = source
        self._steps, self._steps_name = steps, steps_name
        self._seed = randomness.draw_seed() if source.shuffle else 0
        self._passes = 0  # number of completed passes
        self._taken = 0  # number of batches taken in the current pass
        self._current: Iterator[Any] | None = None
        self._length: int | None = None
        self.exhausted = False

    @classmethod
    def over(
        cls,
        data: tuple[Any, ...],
        batch_size: int | None = None,
        steps: int | None = None,
        steps_name: str = "steps",
        shuffle: bool = False,
        class_weight: dict[int, float] | None = None,
    ) -> EpochIterator:
        """Return an iterator over `data`, (x[, y[, sample_weight]]), with the arguments of `fit`.

        Raises ValueError or TypeError if the arguments contradict each other.
        """
        if steps is not None:
            steps = normalize_int(steps, steps_name)
        source = source_of(data, batch_size, steps, shuffle, class_weight)
        if source.endless and steps is None:
            raise ValueError(f"`{steps_name}` must be given for data without an end, received None")
        return cls(source, steps, steps_name)

    @classmethod
    def over_validation(cls, data: Any, batch_size: int | None, steps: int | None) -> EpochIterator:
        """Return an iterator over `validation_data` of `fit`: a tuple, or an iterable of batches,
        which have their own size."""
        if not isinstance(data, (tuple, list)):
            data, batch_size = (data,), None
        elif len(data) not in (2, 3):
            raise ValueError(
                "`validation_data` must be (x, y) or (x, y, sample_weight), "
                f"received {len(data)} parts"
            )
        return cls.over(tuple(data), batch_size, steps, "validation_steps")

    def epoch(self, skip: int = 0) -> Generator[Any, None, None]:
        """Yield the batches of the next epoch, except the first `skip`.

        Batches that take time are prepared in the background, at most up to the end of the epoch.
        Close the generator to leave it early.
        """
        if self.source.count == 0 and self._steps is None:  # permitted by `predict` alone
            return
        items = self._items(skip)
        if self.source.waits:
            items = prefetched(items, self.source.queue_size or DEPTH)
        seen = skip
        with closing(items):
            for seen, item in enumerate(items, start=skip + 1):  # noqa: B007
                yield item
        if self._steps is None:
            self._length = seen or None
            self._passes += 1
        if not seen or (self._steps is not None and seen < self._steps):
            self._ran_out(seen)

    def rewind(self) -> None:
        """Start the next epoch with the first batch; an iterator continues instead."""
        if self.source.repeatable:
            self._next_pass()

    @property
    def length(self) -> int | None:
        """Batches per epoch; None if unknown."""
        return self._steps or self.source.num_batches or self._length

    def _items(self, skip: int) -> Generator[Any, None, None]:
        if self._steps is None:
            yield from self._pass(skip)
            return
        self._leave_out(skip)
        for done in range(skip, self._steps):
            item = self._next(begins=not done)
            if item is None:
                return
            yield item

    def state(self) -> dict[str, Any]:
        """Return the position of the next epoch; valid only between two epochs."""
        state = {
            "seed": self._seed,
            "passes": self._passes,
            "taken": self._taken,
            "exhausted": self.exhausted,
            "batches": self.source.num_batches,
        }
        if self.source.streams:
            state["streams"] = [stream.seed for stream in self.source.streams]
        return state

    def check_state(self, state: Any, epochs: int) -> None:
        """Raise ValueError unless `state` belongs to data of the same length after at most `epochs`
        epochs."""
        kinds = {
            "seed": seed,
            "passes": whole,
            "taken": whole,
            "exhausted": boolean,
            "batches": optional(whole),
        }
        streams = self.source.streams
        if streams:
            kinds["streams"] = list_of(seed)
        check_record(state, kinds, "the state of the data")
        if streams and len(state["streams"]) != len(streams):
            raise ValueError(
                f"the state of the data must have {len(streams)} seeds, "
                f"received {len(state['streams'])}"
            )
        batches = self.source.num_batches
        if state["batches"] != batches:
            raise ValueError(
                f"the data must have {state['batches']} batches, as when the state was taken; "
                f"received {batches}"
            )
        # A wrong number must not make `fit` take batches from an iterator endlessly.
        most = epochs * (self._steps or 0) if batches is None or self._steps is None else batches
        if state["taken"] > most:
            raise ValueError(
                f"after {epochs} epochs of {self._steps} batches the state of the data must have "
                f"`taken` of at most {most}, received {state['taken']}"
            )

    def check_batch(self, batch: int) -> None:
        """Raise ValueError unless an epoch can have `batch` batches."""
        most = min((n for n in (self._steps, self.source.num_batches) if n), default=batch)
        if batch > most:
            raise ValueError(
                f"the state must be within an epoch of {most} batches, received batch {batch}"
            )

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the position in the same data from a checked `state`.

        An iterator cannot be repositioned: the batches already taken are taken again and skipped.
        """
        self._seed, self._passes, self._taken = state["seed"], state["passes"], state["taken"]
        self.exhausted = state["exhausted"]
        for stream, number in zip(self.source.streams, state.get("streams", ()), strict=True):
            stream.seed = number
        self._current = None

    def _pass(self, first: int) -> Iterator[Any]:
        return self.source.batches((self._seed, self._passes), first)

    def _next(self, begins: bool) -> Any:
        """Return the next batch, None at the end of the data; if the epoch `begins`, start a new
        pass there.

        The end of an iterator of unknown length shows only on the next request.
        """
        if self._current is None:
            self._current = self._pass(self._taken)
        item = next(self._current, None)
        if item is None and self.source.repeatable:
            at_the_start = not self._taken
            self._next_pass()
            if begins and not at_the_start:
                return self._next(begins)
        self._taken += item is not None
        return item

    def _next_pass(self) -> None:
        if self._taken or self._current is not None:
            self._passes, self._taken, self._current = self._passes + 1, 0, None

    def _leave_out(self, count: int) -> None:
        """Skip the first `count` batches of the epoch."""
        if not count:
            return
        if self.source.num_batches and self.source.repeatable:
            if self._taken == self.source.num_batches:
                self._next_pass()
            self._taken, self._current = self._taken + count, None
        else:
            for done in range(count):
                self._next(begins=not done)

    def _ran_out(self, seen: int) -> None:
        self.exhausted: Any = not seen or not self.source.repeatable
        what = f"{seen} of {self._steps} batches" if seen else "no batches"
        if self.exhausted:
            advice = (
                f"an iterator must yield `{self._steps_name}` times the number of epochs batches"
            )
        else:
            advice = f"lower `{self._steps_name}`, or give data that repeats itself"
        warn_user(f"the data ran out: {what} in this epoch; {advice}")

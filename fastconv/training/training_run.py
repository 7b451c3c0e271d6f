"""`TrainingRun`: the progress of one `fit`, and the state that it changes.

A state may come from another process. An unnamed output has the name of its layer (`dense_3`),
which contains a counter of the process; so do its losses and metrics (`dense_3_mae`) and the states
of callbacks. Such names are replaced by those of this process.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fastconv.callbacks import Callback
from fastconv.common import randomness
from fastconv.common.arguments import normalize_int
from fastconv.common.naming import numbered
from fastconv.distribution.ranks import Ranks
from fastconv.state import boolean, check_record, dict_of, plain, whole
from fastconv.training.epoch_iterator import EpochIterator
from fastconv.training.metrics_tracker import MetricsTracker


class TrainingRun:
    """One call of `fit`; callbacks access it as `model.training_run`.

    `epoch` counts completed epochs, `batch` the completed batches of the current one; in
    `on_epoch_end` the epoch is complete. `logs` are those of the last epoch.

    `fit` continues from a state that is restored in `on_train_begin`. If that is in the middle of
    an epoch, `on_epoch_begin` is not called again for it.
    """

    model: Any
    tracker: MetricsTracker
    batches: EpochIterator
    validation: EpochIterator | None
    epoch: int
    batch: Any

    def __init__(
        self,
        model: Any,
        tracker: MetricsTracker,
        callbacks: Sequence[Callback],
        batches: EpochIterator,
        validation: EpochIterator | None,
        epoch: int,
    ):
        self.model, self.tracker, self.batches, self.validation = (
            model,
            tracker,
            batches,
            validation,
        )
        counter: Counter[str] = Counter()
        self._callbacks = {numbered(type(c).__name__, counter): c for c in callbacks}
        self.epoch, self.batch = epoch, 0
        self.logs: dict[str, Any] = {}
        self.finished = False
        self.ranks: Ranks = Ranks()  # that train together; this process alone, unless distributed
        self._mark()

    def _mark(self) -> None:
        # Batches may be read ahead, so their position is exact only between two epochs.
        self._position = self.batches.state()

    def end_epoch(self, logs: dict[str, Any]) -> None:
        """Mark the end of an epoch; called by `fit` after validation, before `on_epoch_end`."""
        self.epoch, self.batch, self.logs = self.epoch + 1, 0, logs
        self._mark()

    def state(self) -> dict[str, Any]:
        """Return a copy of the state from which a new run continues exactly as this one."""
        return copy.deepcopy(self._live_state())

    def _live_state(self) -> dict[str, Any]:
        """Return `state` without copying weights and slots, for a file that is written at once."""
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "logs": dict(self.logs),
            "stop_training": self.model.stop_training,
            "model": self.model._live_state(),
            "report": self.tracker.state(),
            "feed": self._position,
            "validation": self.validation and self.validation.state(),
            "random": randomness.state(),
            "callbacks": {name: callback.state() for name, callback in self._callbacks.items()},
        }

    def check_state(self, state: Any) -> None:
        """Raise ValueError unless `state` belongs to a run with an equal model, data and callbacks;
        changes nothing."""
        kinds = dict.fromkeys(("model", "report", "feed", "validation", "random"), plain)
        kinds |= {"epoch": whole, "batch": whole, "stop_training": boolean}
        kinds |= {"logs": dict_of(plain), "callbacks": dict_of(plain)}
        check_record(state, kinds, "the state of a training run")
        state = self._with_current_names(state)
        self.batches.check_state(state["feed"], state["epoch"])
        self.batches.check_batch(state["batch"])
        if self.validation is not None and state["validation"] is not None:
            self.validation.check_state(state["validation"], state["epoch"])
        self.model.check_state(state["model"])
        self.tracker.check_state(state["report"])
        for callback, callback_state in self._callbacks_in(state):
            callback.check_state(callback_state)
        randomness.check(state["random"])

    def _with_current_names(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return `state` with the names of metrics in this process."""
        report = state["report"]
        if not isinstance(report, list) or not all(isinstance(each, dict) for each in report):
            return state  # refused by `check_state`
        names = renamings([each.get("name") for each in report], list(self.tracker.metrics))
        if not names:
            return state
        return state | {key: renamed(state[key], names) for key in ("logs", "report", "callbacks")}

    def _callbacks_in(self, state: dict[str, Any]) -> Iterator[tuple[Callback, Any]]:
        """Yield the callbacks of this run that are in `state`, with their states."""
        for name, callback_state in state["callbacks"].items():
            if name in self._callbacks:
                yield self._callbacks[name], callback_state

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the `state` of a run with an equal model, data and callbacks.

        Callbacks are matched by class; those not in `state` start anew. Raises ValueError if model
        or data differ, and then changes nothing.
        """
        self.check_state(state)
        state = self._with_current_names(state)
        for callback, callback_state in self._callbacks_in(state):  # first: may raise
            callback.restore(callback_state)
        self.batches.restore(state["feed"])
        if self.validation is not None and state["validation"] is not None:
            self.validation.restore(state["validation"])
        self.model.restore(state["model"])
        self.tracker.restore(state["report"])
        randomness.restore(state["random"])
        self.epoch, self.batch = state["epoch"], state["batch"]
        self.logs = dict(state["logs"])
        self.model.stop_training = state["stop_training"]
        self.finished: bool = self.batch == 0 and (
            self.model.stop_training or self.batches.exhausted
        )
        self._mark()


def validated_epochs(frequency: int | Iterable[int]) -> Callable[[int], bool]:
    """Return a function that returns whether an epoch, counted from 1, is validated."""
    if isinstance(frequency, (list, tuple, set, range)):
        epochs = {normalize_int(epoch, "validation_freq") for epoch in frequency}
        return lambda epoch: epoch in epochs
    every = normalize_int(frequency, "validation_freq")
    return lambda epoch: epoch % every == 0


_NUMBER = re.compile(r"_(\d+)(?=_|$)")


def renamings(stored: Sequence[Any], wanted: Sequence[str]) -> dict[str, str]:
    """Return new names for `stored` ones that differ from `wanted` only by their numbers and count
    up in the same order; otherwise, or if the names are equal, an empty dict.

    >>> renamings(["loss", "dense_8_mae", "dense_9_mae"], ["loss", "dense_mae", "dense_1_mae"])
    {'dense_8_mae': 'dense_mae', 'dense_9_mae': 'dense_1_mae'}
    >>> renamings(["a_1_loss", "a_2_loss"], ["a_2_loss", "a_1_loss"])
    {}
    """
    if not all(isinstance(name, str) for name in stored) or set(stored) == set(wanted):
        return {}
    if len(set(stored)) != len(stored) or _ranks(stored) != _ranks(wanted):
        return {}
    return {old: new for old, new in zip(stored, wanted, strict=True) if old != new}


def _ranks(names: Sequence[str]) -> list[tuple[str, int]]:
    """Return each name without numbers, and its rank by number among equal names."""
    keys = [(_NUMBER.sub("", name), tuple(map(int, _NUMBER.findall(name)))) for name in names]
    place = {key: sum(o < key for o in keys if o[0] == key[0]) for key in keys}
    return [(key[0], place[key]) for key in keys]


def renamed(value: Any, names: dict[str, str]) -> Any:
    """Return the state `value` with new `names` for old ones, also those of validation values."""
    both = names | {f"val_{old}": f"val_{new}" for old, new in names.items()}

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {both.get(key, key): replaced(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [replaced(each) for each in value]
        return both.get(value, value) if isinstance(value, str) else value

    return replaced(value)

"""The progress of one `fit`, and the state that it changes."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastconv.common import randomness
from fastconv.common.naming import numbered
from fastconv.state import boolean, check_record, dict_of, plain, whole
from fastconv.training.renaming import renamed

if TYPE_CHECKING:
    from fastconv.callbacks import Callback
    from fastconv.training.data import Feed
    from fastconv.training.trainer import Trainer


class TrainingRun:
    """One call of `fit`; callbacks access it as `model.training_run`.

    `epoch` counts completed epochs, `batch` the completed batches of the current one; in
    `on_epoch_end` the epoch is complete. `logs` are those of the last epoch.

    `fit` continues from a state that is restored in `on_train_begin`. If that is in the middle of
    an epoch, `on_epoch_begin` is not called again for it.
    """

    def __init__(
        self,
        model: Trainer,
        report: Any,
        callbacks: list[Callback],
        feed: Feed,
        validation: Feed | None,
        epoch: int,
    ):
        self.model, self.report, self.feed, self.validation = model, report, feed, validation
        counter: Counter[str] = Counter()
        self._callbacks = {numbered(type(c).__name__, counter): c for c in callbacks}
        self.epoch, self.batch = epoch, 0
        self.logs: dict[str, Any] = {}
        self.finished = False
        self._mark()

    def _mark(self) -> None:
        # A feed may be read ahead, so its position is exact only between two epochs.
        self._feed_state = self.feed.state()

    def epoch_is_over(self) -> None:
        """Mark the end of an epoch; called by `fit` after validation, before `on_epoch_end`."""
        self.epoch, self.batch = self.epoch + 1, 0
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
            "report": self.report.state(),
            "feed": self._feed_state,
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
        state = self._of_today(state)
        self.feed.check_state(state["feed"], state["epoch"])
        self.feed.check_batch(state["batch"])
        if self.validation is not None and state["validation"] is not None:
            self.validation.check_state(state["validation"], state["epoch"])
        self.model.check_state(state["model"])
        self.report.check_state(state["report"])
        for callback, callback_state in self._known(state):
            callback.check_state(callback_state)
        randomness.check(state["random"])

    def _of_today(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return `state` with the names of metrics in this process."""
        names = self.report.new_names(state["report"])
        if not names:
            return state
        return state | {key: renamed(state[key], names) for key in ("logs", "report", "callbacks")}

    def _known(self, state: dict[str, Any]) -> Iterator[tuple[Callback, Any]]:
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
        state = self._of_today(state)
        for callback, callback_state in self._known(state):  # first: may raise
            callback.restore(callback_state)
        self.feed.restore(state["feed"])
        if self.validation is not None and state["validation"] is not None:
            self.validation.restore(state["validation"])
        self.model.restore(state["model"])
        self.report.restore(state["report"])
        randomness.restore(state["random"])
        self.epoch, self.batch = state["epoch"], state["batch"]
        self.logs = dict(state["logs"])
        self.model.stop_training = state["stop_training"]
        self.finished = self.batch == 0 and (self.model.stop_training or self.feed.exhausted)
        self._mark()

"""The progress bar as a callback."""

from __future__ import annotations

from typing import Any

from fastconv.callbacks.callback import Callback
from fastconv.callbacks.progress import Progress


class ProgbarLogger(Callback):
    """Prints the progress output of `fit`, `evaluate` and `predict` at its position in the list of
    callbacks; replaces their own output.

    Callbacks after it in the list print below the finished line, and their additions to the logs
    are not in the line.
    """

    first_rank_only = True

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._fitting = False

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_progress": None}  # a copy has its own bar

    def _begin(self) -> Progress:
        params = {"verbose": "auto", "epochs": 1, "steps": None} | self.params
        self._progress = Progress(params["verbose"], params["epochs"], params["steps"])
        self._done = 0
        return self._progress

    def _step(self, batch: int, logs: dict[str, Any] | None) -> None:
        progress = self._progress or self._begin()  # None: an interrupted epoch continues
        self._done = batch + 1
        if progress.due(self._done):
            progress.draw(self._done, logs or {})

    def _end(self, logs: dict[str, Any] | None) -> None:
        if self._progress is not None:
            self._progress.end(self._done, logs or {})
            self._progress = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._fitting = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._fitting = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._begin().epoch(epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._end(logs)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._fitting:  # validation prints nothing
            self._begin()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._fitting:
            self._step(batch, logs)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if not self._fitting:
            self._end(logs)

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._begin()

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step(batch, {})

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self._end({})

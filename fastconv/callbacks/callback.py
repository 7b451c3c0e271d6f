"""`Callback`, the base class."""

from __future__ import annotations

from typing import Any

from fastconv.common.keywords import NamedArguments
from fastconv.common.overriding import Overridable
from fastconv.common.suggestions import nearest
from fastconv.state import Stateful

HOOKS = tuple(
    f"on_{event}_{when}"
    for event in ("train", "epoch", "train_batch", "test", "test_batch", "predict", "predict_batch")
    for when in ("begin", "end")
)

METHODS = (*HOOKS, "on_batch_begin", "on_batch_end")


class Callback(NamedArguments, Overridable, Stateful):
    """Base class: override the hooks of `fit`, `evaluate` and `predict` that you need.

    `self.model` is the model and `self.params` a dict of "verbose", "epochs" and "steps". `logs`
    contains the loss and the metrics so far; entries added in `on_epoch_end` are passed to the
    following callbacks and recorded in the history. `self.model.stop_training = True` ends `fit`
    after the current batch, `stop_evaluating` ends `evaluate` and the validation of an epoch,
    `stop_predicting` ends `predict`.

    A callback with state that lasts over epochs lists its attributes in `stateful`, so that
    `BackupAndRestore` restores them (`fastconv.state`).

    >>> from fastconv.callbacks import Callback
    >>> class Report(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print(f"epoch {epoch}: {logs['loss']:.3f}")
    """

    # Whether it runs on the first of several ranks alone (`fastconv.distribution`): it writes files
    # or reports, and does not change the training.
    first_rank_only = False
    runs_last = False  # whether the callback comes after all others, at any position in their list

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in vars(cls).keys() - METHODS:
            meant = nearest(name, METHODS, 0.85) if name.startswith("on_") else None
            if meant is not None:
                raise TypeError(
                    f"class {cls.__name__} defines `{name}`, which is not a hook of callbacks; "
                    f"did you mean `{meant}`?"
                )

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Called before the first epoch."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Called after the last epoch; `logs` are its logs."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before epoch number `epoch`, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after the epoch and its validation."""

    def on_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Older name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before training on batch number `batch` of the epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after training on batch number `batch`; the weights have changed."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Called before `evaluate`, also when `fit` validates."""

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Called after `evaluate`."""

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before evaluating batch number `batch`."""

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after evaluating batch number `batch`."""

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Called before `predict`."""

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        """Called after `predict`."""

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before predicting batch number `batch`."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after predicting batch number `batch`; `logs` contains its "outputs"."""

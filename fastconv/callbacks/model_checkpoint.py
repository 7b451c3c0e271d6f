"""Saves the model during training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastconv.callbacks.frequency import BatchFrequency
from fastconv.callbacks.monitor import MonitorCallback
from fastconv.state import check_record, optional, plain, real, whole

_WEIGHTS_SUFFIXES = (".weights.h5", ".safetensors")
_MODEL_SUFFIXES = (".keras", ".h5")


class ModelCheckpoint(MonitorCallback):
    """Saves the model or its weights after every epoch, or only if it is the best so far.

    Args:
        filepath: path, in which `{epoch}`, counted from 1, and the names in the logs are replaced,
            for example "{epoch:02d}-{val_loss:.2f}.keras". With a number as `save_freq` also
            `{batch}`. Ends in ".keras" or ".h5", or, for weights only, in ".weights.h5" or
            ".safetensors".
        monitor: name of the value in the logs that `save_best_only` compares.
        verbose: 1 prints each save.
        save_best_only: save only when the monitored value is the best so far.
        save_weights_only: save only the weights and the state of the optimizer.
        mode: "min", "max" or "auto", which depends on the metric.
        save_freq: "epoch", or the number of batches between saves.
        initial_value_threshold: initial best value.

    Raises:
        ValueError: an invalid `save_freq`, `mode` or suffix.
        KeyError: during training, if `filepath` contains a name that is not in the logs.
        OSError: at the start of `fit`, if the directory is not writable.

    >>> from fastconv.callbacks import ModelCheckpoint
    >>> ModelCheckpoint("best.keras", monitor="val_accuracy", save_best_only=True).mode
    'auto'
    """

    first_rank_only = True

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ):
        super().__init__(monitor, mode, 0)
        self.filepath: str = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        self._frequency = BatchFrequency(save_freq)
        self._epoch = 0
        suffixes = _WEIGHTS_SUFFIXES if save_weights_only else _MODEL_SUFFIXES
        if not self.filepath.endswith(suffixes) or (
            not save_weights_only and self.filepath.endswith(".weights.h5")
        ):
            raise ValueError(
                f"`filepath` must end in one of {suffixes} when `save_weights_only` is "
                f"{bool(save_weights_only)}, received {self.filepath!r}"
            )
        if save_freq != "epoch":  # otherwise no hook is needed after every batch
            self.on_train_batch_end = self._after_batch

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        from fastconv.saving.atomic import check_writable

        directory = Path(self.filepath).parent
        if "{" not in str(directory):
            directory.mkdir(parents=True, exist_ok=True)
            check_writable(directory)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs or {})

    def _after_batch(self, batch, logs=None):
        if self._frequency.due():
            self._save(self._epoch, {"batch": batch + 1} | (logs or {}))

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "epoch": self._epoch, "frequency": self._frequency.state()}

    def check_state(self, state: Any) -> None:
        kinds = {"best": optional(real), "epoch": whole, "frequency": plain}
        check_record(state, kinds, "the state of ModelCheckpoint")
        self._frequency.check_state(state["frequency"])

    def restore(self, state: dict[str, Any]) -> None:
        self.check_state(state)
        self.best, self._epoch = state["best"], state["epoch"]
        self._frequency.restore(state["frequency"])

    def _save(self, epoch: int, logs: dict[str, Any]) -> None:
        path = self._path(epoch, logs)
        if not self._must_save(epoch, logs, path):
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        self._print(epoch, f"finished saving model to {path}")

    def _must_save(self, epoch: int, logs: dict[str, Any], path: str) -> bool:
        if not self.save_best_only:
            self._print(epoch, f"saving model to {path}")
            return True
        value = self.monitored(logs)
        if value is None:
            return True  # rather one save too many than none
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self.is_improvement(value, self.best):
            self._print(epoch, f"{self.monitor} did not improve from {best}")
            return False
        self._print(
            epoch, f"{self.monitor} improved from {best} to {value:.5f}, saving model to {path}"
        )
        self.best: Any = value
        return True

    def _path(self, epoch: int, logs: dict[str, Any]) -> str:
        try:
            return self.filepath.format(**{"epoch": epoch + 1} | logs)
        except KeyError as error:
            raise KeyError(
                f"`filepath` {self.filepath!r} asks for {error}, "
                f"but there are only {['epoch', *logs]}"
            ) from error

    def _print(self, epoch: int, text: str) -> None:
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: {text}")

"""Lets an interrupted `fit` go on as if nothing had happened."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastconv.callbacks.callback import Callback
from fastconv.callbacks.frequency import BatchFrequency
from fastconv.errors import FormatError


class BackupAndRestore(Callback):
    """Saves everything that `fit` changes, and goes on from there when the same `fit` starts again.

    The resumed run has the very weights, to the bit, that an uninterrupted one would have: a backup
    holds weights, the state of the optimizer, epoch and batch, the place in the shuffled order of
    the samples, the random streams, loss and metrics so far, and the state of the other callbacks
    (`fastconv.state`). The script is expected to build the same model and give `fit` the same data.
    Batches from a generator that were seen before the interruption are drawn from it again and left
    out; randomness of its own has to be seeded. A backup of another network, optimizer, schedule,
    list of metrics or length of the data is refused, and changes nothing.

    Files are replaced in one go, so that a process killed at any time leaves a whole backup.

    Args:
        backup_dir: a directory of its own for the backup; made if it does not exist.
        save_freq: "epoch", or a number of batches after which to save.
        double_checkpoint: keep the previous backup too, which is used, with a warning, if the
            newest one is damaged.
        delete_checkpoint: remove the backup when training has ended.

    Raises:
        ValueError: an empty `backup_dir` or another `save_freq`; at the start of `fit`, if the
            backup is that of another model or other data; nothing is changed then.
        OSError: at the start of `fit`, if `backup_dir` cannot be written.
        FormatError: at the start of `fit`, if there are backups and all are damaged.
    """

    runs_last = True  # so that a backup holds what the other callbacks have made of the same moment

    def __init__(
        self,
        backup_dir: str | os.PathLike,
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ):
        super().__init__()
        if not os.fspath(backup_dir):
            raise ValueError("`backup_dir` must not be empty")
        self.backup_dir = Path(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._frequency = BatchFrequency(save_freq)
        if save_freq != "epoch":  # otherwise nobody has to be called after every batch
            self.on_train_batch_end = self._after_batch
        self._latest = self.backup_dir / "latest.safetensors"
        self._previous = self.backup_dir / "previous.safetensors"

    def on_train_begin(self, logs=None):
        from fastconv.saving.atomic import check_writable

        self._run  # noqa: B018  (raises before anything is written)
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        check_writable(self.backup_dir)
        state = self._load()
        if state is not None:
            self._run.restore(state)
        else:
            self._save()  # so that what callbacks write before the first backup is undone, too

    @property
    def _run(self) -> Any:
        """The `fit` that is going on; RuntimeError if there is none."""
        run = getattr(self.model, "training_run", None)
        if run is None:
            raise RuntimeError("BackupAndRestore needs a `fit` that it is one of the callbacks of")
        return run

    def _after_batch(self, batch, logs=None):
        if self._frequency.due():
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._save()

    def on_train_end(self, logs=None):
        if self.delete_checkpoint:
            for path in (self._latest, self._previous):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # somebody keeps other things there
                self.backup_dir.rmdir()

    def state(self) -> dict[str, Any]:
        return self._frequency.state()

    def check_state(self, state: Any) -> None:
        self._frequency.check_state(state)

    def restore(self, state: dict[str, Any]) -> None:
        self._frequency.restore(state)

    def _save(self) -> None:
        from fastconv.saving.state_file import save_state

        state = self._run._live_state()
        if self.double_checkpoint and self._latest.exists():
            os.replace(self._latest, self._previous)
        save_state(state, self._latest)

    def _load(self) -> dict[str, Any] | None:
        """The newest backup that is whole; None if there are none."""
        from fastconv.saving.state_file import load_state

        problem = None
        for path in (self._latest, self._previous):
            try:
                state = load_state(path)
            except FileNotFoundError:
                continue
            except FormatError as error:
                problem = problem or error
                continue
            if problem is not None:
                warnings.warn(
                    f"the newest backup is damaged, so training goes on from {path}: {problem}",
                    stacklevel=2,
                )
                os.replace(path, self._latest)
            return state
        if problem is not None:
            raise FormatError(
                f"no whole backup is left in {self.backup_dir}; delete it to begin anew: {problem}"
            )
        return None

"""Resumes an interrupted `fit` with identical results."""

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
    """Saves all state that `fit` changes, and restores it when the same `fit` starts again.

    The resumed run has bit-identical weights to an uninterrupted one: a backup contains weights,
    the state of the optimizer, epoch and batch, the position in the shuffled order of the samples,
    the random streams, loss and metrics so far, and the state of the other callbacks
    (`fastconv.state`). The script must build the same model and pass the same data to `fit`.
    Batches of a generator that preceded the interruption are drawn again and skipped; a random
    generator must be seeded. A backup of another network, optimizer, schedule, list of metrics or
    length of the data is refused, without changing anything.

    Files are replaced atomically, so a process killed at any time leaves a complete backup.

    Args:
        backup_dir: directory used only for the backup; created if it does not exist.
        save_freq: "epoch", or the number of batches between saves.
        double_checkpoint: also keep the previous backup, which is used, with a warning, if the
            newest one is damaged.
        delete_checkpoint: delete the backup at the end of training.

    Raises:
        ValueError: an empty `backup_dir` or an invalid `save_freq`; at the start of `fit`, if the
            backup is of another model or other data; nothing is changed then.
        OSError: at the start of `fit`, if `backup_dir` is not writable.
        FormatError: at the start of `fit`, if there are backups and all are damaged.
    """

    runs_last = True  # a backup includes the state of the other callbacks after the same hook

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ):
        super().__init__()
        if not os.fspath(backup_dir):
            raise ValueError("`backup_dir` must not be empty")
        self.backup_dir: Path = Path(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._frequency = BatchFrequency(save_freq)
        if save_freq != "epoch":  # otherwise no hook is needed after every batch
            self.on_train_batch_end = self._after_batch
        self._latest = self.backup_dir / "latest.safetensors"
        self._previous = self.backup_dir / "previous.safetensors"

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        run = self._run()  # raises before anything is written
        state = run.ranks.on_first(self._prepared)
        if state is not None:
            run.restore(state)
        else:
            self._save()  # so that the writes of callbacks before the first backup are undone, too

    def _prepared(self) -> dict[str, Any] | None:
        """Check the directory; return the backup in it."""
        from fastconv.saving.atomic import check_writable

        self.backup_dir.mkdir(parents=True, exist_ok=True)
        check_writable(self.backup_dir)
        return self._load()

    def _run(self) -> Any:
        """Return the running `fit`; RuntimeError without one."""
        run = getattr(self.model, "training_run", None)
        if run is None:
            raise RuntimeError("BackupAndRestore needs a `fit` that it is one of the callbacks of")
        return run

    def _after_batch(self, batch, logs=None):
        if self._frequency.due():
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.save_freq == "epoch":
            self._save()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.delete_checkpoint and self._run().ranks.rank == 0:
            for path in (self._latest, self._previous):
                path.unlink(missing_ok=True)
            with suppress(OSError):  # the directory contains other files
                self.backup_dir.rmdir()

    def state(self) -> dict[str, Any]:
        return self._frequency.state()

    def check_state(self, state: Any) -> None:
        self._frequency.check_state(state)

    def restore(self, state: dict[str, Any]) -> None:
        self._frequency.restore(state)

    def _save(self) -> None:
        from fastconv.saving.state_file import save_state

        run = self._run()
        if run.ranks.rank:
            return
        state = run._live_state()
        if self.double_checkpoint and self._latest.exists():
            os.replace(self._latest, self._previous)
        save_state(state, self._latest)

    def _load(self) -> dict[str, Any] | None:
        """Return the newest complete backup; None if there are none."""
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

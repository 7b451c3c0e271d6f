"""Writes the history to a table while it is made."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from typing import Any, TextIO

import numpy as np

from fastconv.callbacks.callback import Callback
from fastconv.state import check_record, list_of, optional, text, whole


class CSVLogger(Callback):
    """Appends a row to a CSV file after every epoch: the epoch, counted from 0, and the logs.

    The columns are those of the first epoch, in alphabetical order; a file that is continued keeps
    its own. Where validation comes later there are columns for it, too. A missing value is "NA".

    Args:
        filename: the file.
        separator: one character between two columns.
        append: continue a file that exists instead of beginning it anew.

    Raises ValueError for another `separator`; OSError, at the start of `fit`, if the file cannot be
    written.
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False):
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"`separator` must be one character, received {separator!r}")
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self._columns: list[str] | None = None
        self._begin = 0  # where the rows of this run begin, in bytes
        self._begun = False  # whether all that lies behind is of this run

    def on_train_begin(self, logs=None):
        with open(self.filename, "ab") as file:
            self._begin = file.seek(0, os.SEEK_END) if self.append else 0
        self._columns = self._columns_of_file() if self._begin else None
        self._begun = False

    def on_epoch_begin(self, epoch, logs=None):
        self._cut()

    def _cut(self) -> None:
        """Remove the rows of another run. Not before the first epoch, since a backup that
        `BackupAndRestore` refuses at the start must not cost the old rows."""
        if not self._begun:
            os.truncate(self.filename, self._begin)
            self._begun = True

    def _columns_of_file(self) -> list[str] | None:
        """The columns of a table that is there already, None if the file holds something else."""
        try:
            with self._open("r") as file:
                header = next(csv.reader(file, delimiter=self.separator), [])
        except (csv.Error, UnicodeDecodeError):
            return None
        return header[1:] if header[:1] == ["epoch"] else None

    def _columns_of(self, logs: dict[str, Any]) -> list[str]:
        names = sorted(logs)
        run = getattr(self.model, "training_run", None)
        later = run is None or run.validation is not None  # only `fit` knows
        if later and not any(name.startswith("val_") for name in names):
            names += [f"val_{name}" for name in names]
        return names

    def on_epoch_end(self, epoch, logs=None):
        self._cut()
        logs = logs or {}
        header = self._columns is None and self._begin == 0
        if self._columns is None:
            self._columns = self._columns_of(logs)
        with self._open("a") as file:
            writer = csv.writer(file, delimiter=self.separator)
            if header:
                writer.writerow(["epoch", *self._columns])
            writer.writerow([epoch, *(_cell(logs.get(name, "NA")) for name in self._columns)])

    def _open(self, mode: str) -> TextIO:
        return open(self.filename, mode, newline="", encoding="utf-8")

    def state(self) -> dict[str, Any]:
        rows = b""
        if self._begun:
            with open(self.filename, "rb") as file:
                file.seek(self._begin)
                rows = file.read()
        return {"columns": self._columns, "begin": self._begin, "text": rows.decode()}

    def check_state(self, state: Any) -> None:
        kinds = {"columns": optional(list_of(text)), "begin": whole, "text": text}
        check_record(state, kinds, "the state of CSVLogger")

    def restore(self, state: dict[str, Any]) -> None:
        """Make the file what it was: rows of epochs that will come again disappear."""
        self.check_state(state)
        with open(self.filename, "r+b") as file:
            self._begin = min(state["begin"], file.seek(0, os.SEEK_END))
            file.seek(self._begin)
            file.write(state["text"].encode())
            file.truncate()
        self._columns, self._begun = state["columns"], True


def _cell(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str) and np.ndim(value):
        return f'"[{", ".join(map(str, value))}]"'
    return value

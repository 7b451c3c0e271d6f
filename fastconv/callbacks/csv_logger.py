"""Writes the history to a table while it is made."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from typing import Any, TextIO

import numpy as np

from fastconv.callbacks.callback import Callback


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
        self._begin = 0

    def on_train_begin(self, logs=None):
        with self._open("a" if self.append else "w") as file:
            self._begin = file.tell()
        self._columns = self._columns_of_file() if self._begin else None

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
        with self._open("r") as file:
            file.seek(self._begin)
            return {"columns": self._columns, "begin": self._begin, "text": file.read()}

    def restore(self, state: dict[str, Any]) -> None:
        """Make the file what it was; rows of epochs that will come again disappear."""
        self._columns, self._begin = state["columns"], state["begin"]
        with self._open("r+") as file:
            file.truncate(self._begin)
            file.seek(0, os.SEEK_END)
            file.write(state["text"])


def _cell(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str) and np.ndim(value):
        return f'"[{", ".join(map(str, value))}]"'
    return value

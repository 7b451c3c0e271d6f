"""Writes the history to a CSV file during training."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

from fastconv.callbacks.callback import Callback
from fastconv.state import check_record, list_of, optional, text, whole


class CSVLogger(Callback):
    """Appends a row to a CSV file after every epoch: the epoch, counted from 0, and the logs.

    The columns are those of the first epoch, in alphabetical order; a continued file keeps its own.
    There are columns for later validations, too. A missing value is "NA".

    Args:
        filename: path of the file.
        separator: one character between columns.
        append: whether to continue an existing file instead of overwriting it.

    Raises ValueError for an invalid `separator`; OSError, at the start of `fit`, if the file is not
    writable.
    """

    first_rank_only = True

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ):
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"`separator` must be one character, received {separator!r}")
        self.filename: str = os.fspath(filename)
        self.separator = separator
        self.append = append
        self._columns: list[str] | None = None
        self._begin = 0  # offset of the first row of this run, in bytes
        self._begun = False  # whether all rows after it are of this run

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        with open(self.filename, "ab") as file:
            self._begin = file.seek(0, os.SEEK_END) if self.append else 0
        self._columns = self._columns_of_file() if self._begin else None
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._cut()

    def _cut(self) -> None:
        """Remove the rows of another run. Not before the first epoch: a backup that
        `BackupAndRestore` refuses at the start must leave the old rows intact."""
        if not self._begun:
            os.truncate(self.filename, self._begin)
            self._begun = True

    def _columns_of_file(self) -> list[str] | None:
        """Return the columns of an existing table, None if the file has other content."""
        try:
            with self._open("r") as file:
                header = next(csv.reader(file, delimiter=self.separator), [])
        except (csv.Error, UnicodeDecodeError):
            return None
        return header[1:] if header[:1] == ["epoch"] else None

    def _columns_of(self, logs: dict[str, Any]) -> list[str]:
        names = sorted(logs)
        run = getattr(self.model, "training_run", None)
        later = run is None or run.validation is not None  # available in `fit` only
        if later and not any(name.startswith("val_") for name in names):
            names += [f"val_{name}" for name in names]
        return names

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
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

    def _open(self, mode: str) -> IO[str]:
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
        """Truncate the file to its former rows: later epochs are written again."""
        self.check_state(state)
        with open(self.filename, "r+b") as file:
            self._begin = min(state["begin"], file.seek(0, os.SEEK_END))
            file.seek(self._begin)
            file.write(state["text"].encode())
            file.truncate()
        self._columns, self._begun = state["columns"], True


def _cell(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str) and np.asarray(value).ndim:
        return f'"[{", ".join(map(str, value))}]"'
    return value

"""The output of `fit`, `evaluate` and `predict`, in Keras's format.

    Epoch 1/5
    938/938 ━━━━━━━━━━━━━━━━━━━━ 4s 4ms/step - accuracy: 0.9012 - loss: 0.3456

On a terminal the line is redrawn during the epoch, at most every 0.05 s. Otherwise (a file, a pipe)
it is written once, at the end of the epoch, without colours. In a notebook the line, with the
number of the epoch, is an output of its own that is updated: a saved notebook has one line per
epoch. Where the terminal is narrower than the line, the metrics of validation begin a line, the bar
is shorter, and other metrics continue on the next line. `NO_COLOR` in the environment
(no-color.org) leaves out the colours.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import time
from typing import Any

import numpy as np

from fastconv.callbacks.notebook_line import NotebookLine
from fastconv.common.html import in_notebook

_WIDTH = 20
_INTERVAL = 0.05  # seconds between two drawings
_BOLD, _GREEN, _WHITE, _OFF = "\x1b[1m", "\x1b[32m", "\x1b[37m", "\x1b[0m"
_CODES = re.compile("\x1b\\[\\d+m")


class Progress:
    """The progress display of one `fit`, `evaluate` or `predict`.

    Args:
        verbose: "auto" (1), 0 silent, 1 bar, 2 one line per epoch.
        epochs: total number of epochs.
        steps: steps per epoch; None if unknown.
        width: characters of the bar.
        interval: seconds between two drawings.
        unit: name of a step.

    Raises ValueError for another `verbose`.
    """

    def __init__(
        self,
        verbose: int | str,
        epochs: int = 1,
        steps: int | None = None,
        *,
        width: int = _WIDTH,
        interval: float = _INTERVAL,
        unit: str = "step",
    ):
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f"`verbose` must be 'auto', 0, 1 or 2, received {verbose!r}")
        self.verbose: int = 1 if verbose == "auto" else int(verbose)
        self._epochs, self._steps = epochs, steps
        self._width, self._interval, self._unit = width, interval, unit
        self._out = sys.stdout
        self._terminal = getattr(self._out, "isatty", lambda: False)()
        self._notebook = NotebookLine() if self.verbose == 1 and in_notebook() else None
        self._live = self.verbose == 1 and (self._terminal or self._notebook is not None)
        self._coloured = not os.environ.get("NO_COLOR")
        self._line_open = False
        self._begin()

    def _begin(self) -> None:
        self._start = time.perf_counter()
        self._after_first = self._start
        self._drawn_at = 0.0
        self._drawn_width = 0

    def epoch(self, epoch: int) -> None:
        """Start the epoch with this index (from 0)."""
        self._begin()
        if self._notebook is not None:
            prefix = f"Epoch {epoch + 1}/{self._epochs} " if self._epochs > 1 else ""
            self._notebook.begin(prefix)
        elif self.verbose and self._epochs > 1:
            self._write(f"Epoch {epoch + 1}/{self._epochs}\n")

    def due(self, done: int) -> bool:
        """Return whether to call `draw`; called after each of the `done` steps."""
        if done == 1:
            self._after_first = time.perf_counter()
        return self._live and time.perf_counter() - self._drawn_at >= self._interval

    def draw(self, done: int, logs: dict[str, float]) -> None:
        """Show the progress after `done` steps."""
        now = time.perf_counter()
        self._drawn_at = now
        per_step = self._per_step(done, now)
        if self._steps:
            info = f"{_BOLD}{_left(per_step * (self._steps - done))}{_OFF}"
        else:
            info = f"{_BOLD}{now - self._start:.0f}s{_OFF}"
        text = f"{info} {_duration(per_step)}/{self._unit}"
        # One line only: a redrawn line must not reach the next one.
        self._redraw(self._fitted(done, text, _metrics(logs))[0])

    def end(self, done: int, logs: dict[str, float]) -> None:
        """End the epoch after `done` steps."""
        if not self.verbose or not done:
            return
        self._steps = self._steps or done
        now = time.perf_counter()
        seconds = f"{now - self._start:.0f}s"
        step = f"{_duration(self._per_step(done, now))}/{self._unit}"
        if self.verbose == 2:
            self._write(" - ".join([self._count(done), seconds, step, *_metrics(logs)]) + "\n")
            return
        if self._live:
            seconds = f"{_BOLD}{seconds}{_OFF}"
        first, *others = self._fitted(done, f"{seconds} {step}", _metrics(logs))
        if self._live:
            self._redraw(first)
            self.close()
        else:
            self._write(first + "\n")
        for line in others:
            self._write(line + "\n")

    def _fitted(self, done: int, text: str, metrics: list[str]) -> list[str]:
        """Return bar, text and metrics as lines that fit into the terminal, if there is one."""
        columns = shutil.get_terminal_size().columns - 1 if self._terminal else None
        line = " - ".join([f"{self._bar(done, self._width)} {text}", *metrics])
        if columns is None or _visible(line) <= columns:
            return [line]
        training = [metric for metric in metrics if not metric.startswith("val_")]
        if 0 < len(training) < len(metrics):  # those of validation begin a line
            validation = [metric for metric in metrics if metric.startswith("val_")]
            return [*self._fitted(done, text, training), *_wrapped(validation, columns)]
        width = max(0, self._width - (_visible(line) - columns))
        line = f"{self._bar(done, width)} {text}"
        left = list(metrics)
        while left and _visible(f"{line} - {left[0]}") <= columns:
            line += f" - {left.pop(0)}"
        return [line, *_wrapped(left, columns)]

    def close(self) -> None:
        """End an unfinished line, so that later output starts on its own line."""
        if self._line_open:
            self._write("\n")
            self._line_open = False

    def _per_step(self, done: int, now: float) -> float:
        """Seconds per step, except the first step, which includes setup, if there are more."""
        if done > 1:
            return (now - self._after_first) / (done - 1)
        return (now - self._start) / max(done, 1)

    def _count(self, done: int) -> str:
        if not self._steps:
            return f"{done:7d}/Unknown"
        return f"{done:{len(str(self._steps))}d}/{self._steps}"

    def _bar(self, done: int, width: int) -> str:
        count = self._count(done)
        if not self._steps or not width:
            return count
        full = int(width * min(done, self._steps) / self._steps)
        mark = "━" if _can_print(self._out, "━") else "-"
        if not self._live:
            return f"{count} {mark * width}"
        return f"{_BOLD}{count}{_OFF} {_GREEN}{mark * full}{_WHITE}{mark * (width - full)}{_OFF}"

    def _redraw(self, line: str) -> None:
        if self._notebook is not None:
            self._notebook.show(_CODES.sub("", line))
            return
        width = _visible(line)
        padding = " " * max(0, self._drawn_width - width)
        self._write("\r" + line + padding)
        self._drawn_width = width
        self._line_open = True

    def _write(self, text: str) -> None:
        self._out.write(text if self._coloured else _CODES.sub("", text))
        self._out.flush()


def _visible(text: str) -> int:
    """Return the number of characters that a terminal shows."""
    return len(_CODES.sub("", text))


def _wrapped(metrics: list[str], columns: int) -> list[str]:
    """Return the metrics in indented lines, which end between two metrics."""
    rest = textwrap.wrap(
        # Words that stay together.
        " ".join(metric.replace(" ", "\0") for metric in metrics),
        max(columns - 4, 1),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return ["    " + part.replace(" ", " - ").replace("\0", " ") for part in rest]


def _metrics(logs: dict[str, Any]) -> list[str]:
    """Return the metrics as text; arrays are shown by their mean, as in Keras."""
    means = {name: value if np.ndim(value) == 0 else np.mean(value) for name, value in logs.items()}
    return [
        f"{name}: {value:.4f}" if abs(value) > 1e-3 else f"{name}: {value:.4e}"
        for name, value in means.items()
    ]


def _duration(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"


def _left(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole > 60 else f"{whole}s"


def _can_print(stream, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeError:
        return False
    return True

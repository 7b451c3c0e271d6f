"""A progress display for loops of one's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastconv.callbacks.progress import Progress
from fastconv.common.arguments import normalize_int, number


class Progbar:
    """Shows how much of a loop is done, as `fit` does.

    Args:
        target: number of steps; None if unknown.
        width: characters of the bar, at most 1000.
        verbose: 0 silent, 1 bar, 2 one line at the end.
        interval: seconds between two drawings.
        stateful_metrics: names of values that are shown as they are; others as the mean since the
            start, weighted by steps.
        unit_name: name of a step.

    Raises ValueError for another `verbose` or width.

    >>> from fastconv.utils import Progbar
    >>> bar = Progbar(3, verbose=0)
    >>> for step in range(3):
    ...     bar.add(1, [("loss", step)])
    >>> bar.values
    {'loss': 1.0}
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ):
        self.target = target
        self._stateful = set(stateful_metrics or ())
        self._progress = Progress(
            verbose,
            steps=target,
            width=int(number(normalize_int(width, "width"), "width", 1, 1000)),
            interval=number(interval, "interval", 0),
            unit=unit_name,
        )
        self._seen = 0
        self._sums: dict[str, tuple[float, float]] = {}  # name -> sum, weight

    @property
    def values(self) -> dict[str, float]:
        """The values shown, by their names."""
        return {name: total / weight for name, (total, weight) in self._sums.items()}

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Show that `current` steps are done.

        Args:
            values: pairs of name and number.
            finalize: whether this is the last update; by default if `current` is the target.
        """
        weight = max(current - self._seen, 1)
        for name, value in values or ():
            if name in self._stateful:
                self._sums[name] = float(value), 1.0
            else:
                total, before = self._sums.get(name, (0.0, 0.0))
                self._sums[name] = total + float(value) * weight, before + weight
        self._seen = current
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        if finalize:
            self._progress.end(current, self.values)
        elif self._progress.due(current):
            self._progress.draw(current, self.values)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done."""
        self.update(self._seen + n, values)

"""Resident size of a process that works for long: it must not grow.

    python -m benchmarks.resident_size
    python -m benchmarks.resident_size --calls 2000 --fits 10 --models 80 --large 20

Four kinds of work, each begun with some of it that is not counted, so that libraries, thread pools
and caches are there: calls of `predict_on_batch` and of `predict`, fits of one model, models that
are made, trained and dropped, and large models (8 MB of weights) that are made and dropped without
any collection of cycles being asked for. Printed is the growth from then on, now and at most, in
MiB; the command fails where that is above the bound beside it.

The size is `VmRSS` of Linux, after each hundredth of the work.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastconv import layers, models
from fastconv.bench.tables import Table

_MIB = 2**20
_POINTS = 100  # at which the size is looked at


class Work(NamedTuple):
    """Something to do again and again; `bound` in MiB is how much the process may grow by it."""

    name: str
    run: Callable[[], object]
    warm_up: int
    bound: float


class Growth(NamedTuple):
    """In MiB."""

    now: float
    most: float


def resident() -> float:
    """The resident size of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


def growth(work: Work, times: int) -> Growth:
    """How much the process grows while it does `work` so many times."""
    for _ in range(work.warm_up):
        work.run()
    start, sizes = resident(), [0.0]
    for number in range(times):
        work.run()
        if number % max(1, times // _POINTS) == 0 or number == times - 1:
            sizes.append(resident() - start)
    return Growth(sizes[-1], max(sizes))


def network() -> models.Sequential:
    """A small convolutional network with a bit of everything."""
    model = models.Sequential([
        layers.Input((16, 16, 3)), layers.Conv2D(16, 3, activation="relu"),
        layers.BatchNormalization(), layers.MaxPooling2D(), layers.Flatten(), layers.Dropout(0.2),
        layers.Dense(64, activation="relu"), layers.Dense(5, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def all_work() -> list[Work]:
    """The four kinds of work, on one model where it is one."""
    x, y = np.zeros((32, 16, 16, 3), np.float32), np.zeros(32, int)
    model = network()
    sizes = cycle(range(1, 17))

    def fit() -> None:
        model.fit(x, y, batch_size=12, validation_split=0.25, verbose=0)

    def make_and_drop() -> None:
        made = network()
        made.fit(x, y, verbose=0)
        made.predict(x, verbose=0)

    def make_and_drop_large() -> None:
        made = models.Sequential([layers.Input((2048,)), layers.Dense(1024), layers.Dense(5)])
        made.predict_on_batch(np.zeros((4, 2048), np.float32))

    return [
        Work("predict_on_batch", lambda: model.predict_on_batch(x[: next(sizes)]), 200, 4),
        Work("predict", lambda: model.predict(x, verbose=0), 20, 4),
        Work("fit", fit, 3, 4),
        Work("models", make_and_drop, 40, 48),
        Work("large models", make_and_drop_large, 10, 96),
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--calls", type=int, default=100_000, help="calls of predict_on_batch")
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--models", type=int, default=1000, help="models made and dropped")
    parser.add_argument("--large", type=int, default=200, help="the same with large models")
    options = parser.parse_args(arguments)
    counts = [options.calls, options.calls // 10, options.fits, options.models, options.large]
    table = Table("Growth of the process", ["work", "times", "MiB", "at most", "bound"])
    failed = False
    for work, times in zip(all_work(), counts, strict=True):
        found = growth(work, times)
        failed |= found.most > work.bound
        table.add(work.name, times, f"{found.now:.1f}", f"{found.most:.1f}", f"{work.bound:g}")
    print(table.markdown())
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

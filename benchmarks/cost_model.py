"""The cost estimate of the schedules beside measured times: residuals, regret, and a fit.

An estimate is a sum of amounts of work times coefficients (``schedule/cost.h``), in vector
multiply-adds; each group of samples (a processor, an instruction set, a number of threads) has its
own time of a multiply-add.

    residual   estimate / time - 1, with the time of a multiply-add that makes the median zero
    regret     time of the algorithm with the least estimate / time of the fastest algorithm
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.cost_samples import Sample, competing
from benchmarks.timing import geometric_mean
from fastconv.bench import operations

# The order in which the schedule compares: the first of equal costs is chosen.
ORDER = ("direct", "scatter", "winograd4", "winograd2")

# Coefficients are fitted by reweighted least squares: a residual beyond this one counts as if it
# were as small, because a few shapes are bound by memory, which the estimate does not describe.
_HUBER = 0.25
_ROUNDS, _SWEEPS = 15, 200

Samples = Mapping[str, Sequence[Sample]]  # by processor


class Quality(NamedTuple):
    """How well coefficients describe a group of samples."""

    group: str  # processor, instruction set, threads
    cases: int  # passes with several algorithms
    residual: float  # median of |residual|
    tail: float  # its 90th percentile
    regret: float  # geometric mean
    worst: float
    worst_case: str


def amounts(samples: Sequence[Sample]) -> np.ndarray:
    """One row per sample: the amount of every term of the cost estimate."""
    return np.array(
        [
            operations.cost_amounts(s.row, s.direction, s.algorithm, frozen=s.frozen, isa=s.isa)
            for s in samples
        ]
    )


def groups(samples: Samples) -> dict[str, list[Sample]]:
    """The samples by processor, instruction set and number of threads."""
    found: dict[str, list[Sample]] = {}
    for processor, measured in samples.items():
        for s in measured:
            found.setdefault(f"{processor} {s.isa} {s.threads}t", []).append(s)
    return found


def residuals(coefficients: Sequence[float], samples: Sequence[Sample]) -> np.ndarray:
    """Estimate / time - 1 of every sample of a group."""
    ratio = amounts(samples) @ np.asarray(coefficients) / [s.milliseconds for s in samples]
    return ratio / np.median(ratio) - 1


def regrets(coefficients: Sequence[float], samples: Sequence[Sample]) -> dict[str, float]:
    """The regret of every case of a group, by a text that names the case."""
    found = {}
    for case in competing(samples):
        case = sorted(case, key=lambda s: ORDER.index(s.algorithm))
        chosen = case[int(np.argmin(amounts(case) @ np.asarray(coefficients)))]
        best = min(case, key=lambda s: s.milliseconds)
        row, frozen = chosen.row, " frozen" if chosen.frozen else ""
        name = (
            f"{row.name} {row.input_shape}, {row.kernel_shape} {chosen.direction}{frozen}: "
            f"{chosen.algorithm} for {best.algorithm}"
        )
        found[name] = chosen.milliseconds / best.milliseconds
    return found


def quality(coefficients: Sequence[float], samples: Samples) -> list[Quality]:
    """Residuals and regret of every group of samples."""
    found = []
    for group, measured in groups(samples).items():
        errors = np.abs(residuals(coefficients, measured))
        regret = regrets(coefficients, measured)
        worst = max(regret, key=regret.__getitem__)
        found.append(
            Quality(
                group,
                len(regret),
                float(np.median(errors)),
                float(np.quantile(errors, 0.9)),
                geometric_mean(regret.values()),
                regret[worst],
                worst,
            )
        )
    return found


def fit(samples: Samples, start: Sequence[float]) -> np.ndarray:
    """Non-negative coefficients that make the residuals of all groups small; the first one is 1.

    `start` gives the value of terms that no sample contains.
    """
    coefficients = np.array(start, np.float64)
    measured = [
        (amounts(group), [s.milliseconds for s in group]) for group in groups(samples).values()
    ]
    for _ in range(_ROUNDS):
        # Every group in units of its own multiply-add, so that each estimate should be 1.
        rows = []
        for work, times in measured:
            ratio = work @ coefficients / times
            rows.append(work / np.array(times)[:, None] / np.median(ratio))
        stacked = np.concatenate(rows)
        error = np.abs(stacked @ coefficients - 1)
        weights = np.minimum(1, _HUBER / np.maximum(error, 1e-12))
        _descend(stacked, weights, coefficients)
    return coefficients


def _descend(rows: np.ndarray, weights: np.ndarray, coefficients: np.ndarray) -> None:
    """Coordinate descent on the weighted squares of rows @ coefficients - 1; the first is fixed."""
    weighted = rows * weights[:, None]
    gram, wanted = rows.T @ weighted, weighted.sum(axis=0)
    for _ in range(_SWEEPS):
        for j in range(1, len(coefficients)):
            if gram[j, j] > 0:
                rest = gram[j] @ coefficients - gram[j, j] * coefficients[j]
                coefficients[j] = max(0.0, (wanted[j] - rest) / gram[j, j])

"""Measures a training step for `scaling`: the gradients of a batch, bucket by bucket."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastconv.inspect.scaling import StepTimes
from fastconv.plan import add, gradient_pieces

_BUCKET = 1 << 18  # elements, as in training
_RUNS = 9  # of which the median counts
_ADDED = 3  # arrays that an addition reads and writes


def measured_step(model: Any, batch_size: int) -> StepTimes:
    """Return the times of a step of `batch_size` samples of zeros; the weights do not change.

    The update is not run: its time is that of moving as many bytes as it reads and writes.
    """
    parameters = model.parameters
    pieces, _ = gradient_pieces(parameters, set(), _BUCKET)
    buckets = [weights for _, weights in pieces]
    plan = model._make_plan(batch_size, "train", False, share=1.0, buckets=buckets)
    for target in plan.targets:
        if isinstance(target, np.ndarray):
            target[...] = 0
    completed: list[float] = []
    plan.bucket_ends.function = lambda _: completed.append(time.perf_counter())
    runs: list[tuple[float, list[float]]] = []
    for _ in range(_RUNS):
        completed.clear()
        for x in plan.inputs:
            x[...] = 0
        begin = time.perf_counter()
        plan.run()
        runs.append((time.perf_counter() - begin, [each - begin for each in completed]))
    computation, ends = sorted(runs)[_RUNS // 2]
    gradient = parameters.gradient
    copy, seconds = np.zeros_like(gradient), float("inf")
    for _ in range(_RUNS):
        begin = time.perf_counter()
        add([gradient, copy], copy)
        seconds = min(seconds, time.perf_counter() - begin)
    slots = sum(len(group) for group in model.optimizer.all_slots())
    return StepTimes(
        computation=computation,
        completed=tuple(ends),
        sizes=tuple(4 * (part.stop - part.start) for part, _ in pieces),
        update=seconds * (_ADDED + 2 * slots) / _ADDED,
        added_per_second=gradient.nbytes / seconds,
    )

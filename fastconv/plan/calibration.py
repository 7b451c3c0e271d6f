"""The ranges of the values of a network, measured on samples, for `fastconv.plan.quantization`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from fastconv.parameters import AnyParameters
from fastconv.plan.graph import Graph
from fastconv.plan.operations import Quantization, Ranges, Steps
from fastconv.plan.plan import Plan
from fastconv.plan.quantization import candidates, filters_of, steps_between, sums

Samples = Sequence[np.ndarray]  # one array per input of the network


def watched(graph: Graph, paths: set[str]) -> dict[int, list[tuple[str, str]]]:
    """Return the values whose ranges the kernels of `paths` need: value -> (path, field)."""
    values: dict[int, list[tuple[str, str]]] = {}
    added = sums(graph, paths)
    for node, path, _ in candidates(graph):
        if path not in paths:
            continue
        values.setdefault(node.inputs[0], []).append((path, "input"))
        values.setdefault(node.output, []).append((path, "output"))
        if node.output in added:
            values.setdefault(added[node.output][0].output, []).append((path, "sum"))
    return values


def computed(
    graph: Graph, parameters: AnyParameters, batch: Samples, values: Sequence[int]
) -> list[np.ndarray]:
    """Return copies of `values` of the fused `graph` for the samples of `batch`, (N, ...) each."""
    plan = Plan(replace(graph, outputs=list(values)), len(batch[0]), parameters)
    for to, array in zip(plan.inputs, batch, strict=True):
        to[...] = array
    plan.run()
    return [output.copy() for output in plan.outputs]


def calibrate(
    graph: Graph,
    parameters: AnyParameters,
    batches: Iterable[Samples],
    paths: set[str],
    percentile: float | None,
) -> Quantization:
    """Return the ranges for the kernels of `paths` in the fused float32 `graph`.

    A range is that of all values of all batches or, with `percentile`, the mean over the batches of
    the one that leaves out the share 100 - percentile at each end.
    """
    wanted = watched(graph, paths)
    seen: dict[int, list[tuple[float, float]]] = {value: [] for value in wanted}
    for batch in batches:
        for value, array in zip(
            wanted, computed(graph, parameters, batch, list(wanted)), strict=True
        ):
            seen[value].append(_range(array, percentile))
    found: dict[str, dict[str, tuple[float, float]]] = {path: {} for path in paths}
    for value, ranges in wanted.items():
        lows, highs = np.transpose(seen[value])
        both = (lows.min(), highs.max()) if percentile is None else (lows.mean(), highs.mean())
        for path, field in ranges:
            low, high = found[path].get(field, both)  # another call of the layer
            found[path][field] = min(low, both[0]), max(high, both[1])
    filters = {path: filters_of(node.operation) for node, path, _ in candidates(graph)}
    return {
        path: Ranges(filters[path], **{f: _steps(r) for f, r in found[path].items()})
        for path in found
    }


def _steps(both: tuple[float, float]) -> Steps:
    return steps_between(float(both[0]), float(both[1]))


def _range(array: np.ndarray, percentile: float | None) -> tuple[float, float]:
    if not np.isfinite(array).all():
        raise ValueError("`calibration` must give finite values in all layers, received others")
    if percentile is None:
        return float(array.min()), float(array.max())
    low, high = np.percentile(array, [100 - percentile, percentile])
    return float(low), float(high)

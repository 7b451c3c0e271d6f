"""Pooling under pytest-benchmark: the shapes of `benchmarks.pooling`."""

from __future__ import annotations

import pytest

from benchmarks.pooling import DIRECTIONS, KINDS, SHAPES, arrays
from fastconv import runtime
from fastconv.bench import operations


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "case", SHAPES, ids=lambda case: "x".join(map(str, case[0])) + f"_{case[1]}_{case[2]}"
)
def test_pooling(benchmark, case, kind, direction):
    shape, pool, stride = case
    x, dy = arrays(shape, pool, stride)
    side = operations.pooling(kind, direction, x, dy, pool, stride, runtime.get_num_threads())
    benchmark.group = f"{kind} {direction}"
    benchmark(side.call)

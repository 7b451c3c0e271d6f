"""Single convolutions under pytest-benchmark: every row of ``shapes/peers.txt``, every pass.

The table's `extra_info` holds GFLOP/s and the algorithm; ``--benchmark-json`` writes them out.
"""

from __future__ import annotations

import pytest

from benchmarks.shape_files import read
from fastconv import runtime
from fastconv.bench.operations import PASSES, algorithm_of, convolution

# The layers that no row of the comparison covers: depthwise and the 1x1 after it.
ROWS = [*read("peers"), *(row for row in read("mobilenet_v1") if row.name in ("dw3", "dw4", "pw7"))]


@pytest.mark.parametrize("direction", PASSES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_convolution(benchmark, row, direction):
    arrays = row.arrays()
    side = convolution(row, direction, arrays, runtime.get_num_threads())
    benchmark.group = direction
    benchmark(side.call)
    benchmark.extra_info["algorithm"] = algorithm_of(row, direction)
    if benchmark.stats is not None:  # None under --benchmark-disable
        benchmark.extra_info["GFLOP/s"] = row.flops / benchmark.stats["median"] / 1e9

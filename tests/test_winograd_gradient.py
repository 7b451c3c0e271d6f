"""How Winograd's filter gradient cuts its work: splits, blocks of tiles, parts of the sums."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops

PROMISED_L2 = 1e-5

# (N, H, W, C), K, kernel, algorithm
CASES = {
    "splits of several blocks": ((9, 30, 29, 20), 24, 3, "winograd4"),
    "splits of one block": ((5, 13, 14, 33), 70, 3, "winograd2"),
    "one block of parts": ((1, 12, 11, 130), 250, 3, "winograd4"),
    "several blocks of parts": ((3, 32, 31, 66), 520, 3, "winograd4"),
    "parts of 5x5 filters": ((2, 9, 8, 75), 420, 5, "winograd2"),
}


@pytest.mark.parametrize("name", CASES)
def test_every_cut_is_accurate_and_gives_the_same_bits(isa, name):
    images, filters, kernel, algorithm = CASES[name]
    rng = np.random.default_rng(3)
    x = rng.standard_normal(images)
    dy = rng.standard_normal((*images[:3], filters))
    options = {"kernel_size": kernel, "padding": "same"}
    expected = ops.conv2d_backward_kernel(x, dy, algorithm="direct", **options)
    results = [
        ops.conv2d_backward_kernel(
            x.astype("f4"), dy.astype("f4"), algorithm=algorithm, num_threads=threads, **options
        )
        for threads in (1, 2, 3, 7, 12, 33)
    ]
    for result in results:
        for actual, first, exact in zip(result, results[0], expected, strict=True):
            assert np.array_equal(actual, first)
            assert np.linalg.norm(actual - exact) <= PROMISED_L2 * np.linalg.norm(exact)

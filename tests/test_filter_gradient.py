"""How the direct filter gradient cuts its work: images together, panels, taps, splits."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, reference

# (N, H, W, C), (KH, KW, C / groups, K), options
CASES = {
    "blocks of several images": ((40, 5, 5, 33), (3, 3, 33, 21), {}),
    "few channels, several images": ((40, 6, 7, 3), (3, 3, 3, 7), {"padding": "same"}),
    "whole splits of one panel": ((24, 14, 12, 48), (3, 3, 48, 16), {"padding": "same"}),
    "whole splits of several": ((20, 12, 13, 40), (3, 3, 40, 73), {"padding": "same"}),
    "whole splits of blocks of rows": ((2, 45, 50, 20), (3, 3, 20, 72), {"dilation_rate": 2}),
    "some taps of a split": ((5, 21, 20, 300), (3, 3, 300, 70), {"strides": 2, "padding": 1}),
    "some panels of a split": ((4, 14, 15, 130), (2, 3, 130, 140), {}),
    "groups": ((16, 14, 14, 80), (3, 3, 40, 80), {"padding": "same", "groups": 2}),
    "1x1 filters": ((20, 14, 13, 70), (1, 1, 70, 150), {}),
    "1x1 filters that skip pixels": ((20, 25, 27, 70), (1, 1, 70, 150), {"strides": (2, 3)}),
    "1x1 filters that skip, one panel": ((40, 25, 27, 130), (1, 1, 130, 9), {"strides": 2}),
    "1x1 filters in groups": ((20, 25, 27, 90), (1, 1, 45, 140), {"strides": 2, "groups": 2}),
    "1x1 filters beyond the image": ((20, 14, 13, 70), (1, 1, 70, 150), {"padding": 1}),
    "depthwise, splits of images": (
        (40, 9, 10, 90),
        (3, 3, 1, 90),
        {"padding": "same", "groups": 90},
    ),
    "depthwise, splits of rows": (
        (2, 45, 60, 70),
        (5, 5, 1, 70),
        {"padding": "same", "groups": 70, "strides": 2},
    ),
    "depthwise, one split": ((1, 7, 8, 150), (3, 3, 1, 150), {"padding": 1, "groups": 150}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_cut_is_exact_and_independent_of_threads(isa, name):
    images, filters, options = CASES[name]
    rng = np.random.default_rng(1)
    x = rng.integers(-2, 3, images).astype(np.float32)
    w = np.zeros(filters, np.float32)
    dy = rng.integers(-2, 3, ops.conv2d(x, w, **options).shape).astype(np.float32)
    expected = reference.conv2d_backward_kernel(x, dy, kernel_size=filters[:2], **options)
    for threads in (1, 2, 5, 12):
        actual = ops.conv2d_backward_kernel(
            x, dy, kernel_size=filters[:2], algorithm="direct", num_threads=threads, **options
        )
        for one, other in zip(actual, expected, strict=True):
            assert np.array_equal(one, other)


def test_bits_do_not_depend_on_threads(isa):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((20, 12, 12, 40), dtype=np.float32)
    dy = rng.standard_normal((20, 10, 10, 80), dtype=np.float32)
    results = [
        ops.conv2d_backward_kernel(x, dy, kernel_size=3, algorithm="direct", num_threads=threads)
        for threads in (1, 2, 3, 7, 12, 33)
    ]
    for dw, db in results[1:]:
        assert np.array_equal(dw, results[0][0])
        assert np.array_equal(db, results[0][1])

"""Convolutions with fewer filters than lanes, which have pixels in their lanes."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, reference, shapes
from fastconv.ops import compiled
from fastconv.ops.compiled import Program

# (N, H, W, C), (KH, KW, C, K), options
CASES = [
    ((3, 32, 32, 1), (5, 5, 1, 6), {}),
    ((2, 33, 35, 2), (3, 3, 2, 5), {"strides": 2, "padding": "same"}),
    ((2, 40, 61, 3), (3, 5, 3, 7), {"dilation_rate": 2, "padding": (1, 2)}),
    ((1, 19, 130, 3), (4, 3, 3, 3), {"strides": (2, 3), "dilation_rate": (1, 2)}),
    ((2, 6, 900, 1), (3, 3, 1, 1), {"padding": "same"}),  # a row is cut into stretches
    ((1, 30, 47, 2), (1, 1, 2, 2), {}),
    ((1, 9, 40, 4), (7, 9, 4, 8), {"padding": 3}),
    ((2, 16, 40, 2), (5, 5, 2, 4), {"padding": 2, "padding_mode": "reflect"}),
    ((2, 16, 40, 2), (5, 5, 2, 4), {"padding": 2, "padding_mode": "edge"}),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]} of {case[0]}")
def test_integers_are_exact_at_every_number_of_threads(isa, case, dtype):
    images, filters, options = case
    rng = np.random.default_rng(1)
    x, w, b = (rng.integers(-3, 4, size).astype(dtype) for size in (images, filters, filters[-1]))
    for activation in (None, "relu"):
        expected = reference.conv2d(x, w, b, activation=activation, **options)
        for threads in (1, 2, 12):
            actual = ops.conv2d(
                x, w, b, activation=activation, algorithm="direct", num_threads=threads, **options
            )
            assert np.array_equal(actual, expected)


@pytest.mark.parametrize("activation", ["leaky_relu", "tanh", "sigmoid"])
def test_a_fused_activation_matches_the_definition(isa, activation):
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((2, 21, 37, 1)), rng.standard_normal((5, 5, 1, 6))
    expected = reference.conv2d(x, w, activation=activation)
    x, w = x.astype(np.float32), w.astype(np.float32)
    actual = ops.conv2d(x, w, activation=activation, algorithm="direct")
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_one_poisoned_pixel_reaches_its_windows_only(isa):
    x, w = np.ones((1, 12, 40, 1), np.float32), np.ones((3, 3, 1, 6), np.float32)
    x[0, 5, 20] = np.nan
    poisoned = np.isnan(ops.conv2d(x, w, algorithm="direct"))
    assert poisoned[0, 3:6, 18:21].all()
    assert poisoned.sum() == 9 * 6


def test_gradients_with_respect_to_few_channels(isa):
    """The same kernel, writing every other pixel of dx."""
    rng = np.random.default_rng(3)
    dy = rng.integers(-3, 4, (2, 20, 45, 10)).astype(np.float32)
    w = rng.integers(-3, 4, (3, 3, 3, 10)).astype(np.float32)
    window = {"input_shape": (2, 40, 90, 3), "strides": 2, "padding": "same"}
    expected = reference.conv2d_backward_input(dy, w, **window)
    actual = ops.conv2d_backward_input(dy, w, algorithm="direct", **window)
    assert np.array_equal(actual, expected)


def test_scratch_full_of_nan_changes_nothing(isa):
    g = shapes.conv2d_geometry((2, 20, 30, 2), (3, 3, 2, 5), padding="same", strides=2)
    rng = np.random.default_rng(4)
    x, w = (rng.standard_normal(s, dtype=np.float32) for s in (g.input_shape, g.kernel_shape))
    alone, behind = np.zeros((2, *g.output_shape), np.float32)
    compiled.conv2d_forward(g, x, w, None, alone, algorithm="direct").run(1)
    poison = compiled.conv2d_forward(
        g, x + np.nan, w + np.nan, None, np.zeros_like(behind), algorithm="direct"
    )
    checked = compiled.conv2d_forward(g, x, w, None, behind, algorithm="direct")
    Program([poison, checked]).run(1)
    assert np.array_equal(alone, behind)

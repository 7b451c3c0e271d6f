"""conv2d and its two gradients against the float64 definition, over the whole table of cases.

The integer comparisons have no tolerance: see `oracle`. They force `algorithm="direct"`, the
algorithm that promises the rounding of a plain sum; the last section holds "auto" to its own,
weaker promise.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, reference, shapes
from fastconv.reference import gamma
from tests.support.conv_cases import BY_NAME, CASES, GRADIENT_CASES, sample
from tests.support.oracle import (
    assert_equal,
    assert_same_bits,
    assert_within,
    generator,
    integer_conv,
    normal_conv,
    relative_l2,
)

WINOGRAD_L2 = 1e-5  # promised of "auto" in float32, wherever it leaves the direct algorithm


def test_the_table_covers_what_it_should():
    assert len(CASES) >= 300
    assert len(BY_NAME) == len(CASES), "two cases share a name"
    channels = {case.input_shape[3] for case in CASES}
    filters = {case.filters for case in CASES}
    widths = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 70}
    assert channels >= widths and filters >= widths
    assert {case.kernel_size for case in CASES} >= {(k, k) for k in range(1, 12)}
    assert {case.strides for case in CASES} >= {(s, s) for s in range(1, 5)}
    assert {case.input_shape[0] for case in CASES} >= set(range(1, 6))
    assert {case.padding_mode for case in CASES} == {"zeros", "edge", "reflect"}
    assert sum(case.is_depthwise for case in CASES) >= 30
    assert any(case.input_shape[1:3] == (1, 1) for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shapes_agree_with_counting(case):
    geometry = shapes.conv2d_geometry(case.input_shape, case.kernel_shape, **case.forward_options)
    assert geometry.output_shape == case.output_shape
    assert geometry.padding == case.pads


# ----------------------------------------------------------------------- equality on small integers


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_equals_the_definition(case, isa, dtype):
    problem = integer_conv(case)
    x, w, b = (array.astype(dtype) for array in (problem.x, problem.w, problem.b))
    options = {**case.forward_options, "algorithm": "direct"}
    y = ops.conv2d(x, w, b, **options)
    assert y.dtype == dtype
    assert_equal(y, problem.y, "with bias")
    assert_equal(ops.conv2d(x, w, **options), problem.y - problem.b, "without bias")


@pytest.mark.parametrize("case", GRADIENT_CASES, ids=str)
def test_backward_input_equals_the_definition(case, isa, dtype):
    problem = integer_conv(case)
    dy, w = problem.dy.astype(dtype), problem.w.astype(dtype)
    dx = ops.conv2d_backward_input(
        dy, w, input_shape=case.input_shape, algorithm="direct", **case.options
    )
    assert dx.dtype == dtype
    assert_equal(dx, problem.dx)


@pytest.mark.parametrize("case", GRADIENT_CASES, ids=str)
def test_backward_kernel_equals_the_definition(case, isa, dtype):
    problem = integer_conv(case)
    x, dy = problem.x.astype(dtype), problem.dy.astype(dtype)
    dw, db = ops.conv2d_backward_kernel(
        x, dy, kernel_size=case.kernel_size, algorithm="direct", **case.options
    )
    assert dw.dtype == dtype and db.dtype == dtype
    assert_equal(dw, problem.dw, "dw")
    assert_equal(db, problem.db, "db")


# ----------------------------------------------------------------- rounding on standard normal data

ROUNDING_CASES = tuple(dict.fromkeys((*sample(CASES, 4), *(c for c in CASES if "long-" in c.name))))


@pytest.mark.parametrize("case", ROUNDING_CASES, ids=str)
def test_rounding_is_that_of_a_plain_sum(case, isa, dtype):
    """|error| <= gamma_{n+2} * (sum |x w| + |b|), n the length of the reduction."""
    problem, size = normal_conv(case, dtype)
    x, w, b, dy = (array.astype(dtype) for array in problem[:4])
    # In float64 the definition rounds as much as the kernel does.
    scale = 2 if dtype is np.float64 else 1
    n = case.reduction
    y = ops.conv2d(x, w, b, algorithm="direct", **case.forward_options)
    assert_within(y, problem.y, scale * gamma(n + 2, dtype) * size.y, "y")
    if not case.has_gradients:
        return
    taps = case.kernel_size[0] * case.kernel_size[1]
    n = taps * case.filters // case.groups
    dx = ops.conv2d_backward_input(
        dy, w, input_shape=case.input_shape, algorithm="direct", **case.options
    )
    assert_within(dx, problem.dx, scale * gamma(n + 2, dtype) * size.dx, "dx")
    n = int(np.prod(case.output_shape[:3]))
    dw, db = ops.conv2d_backward_kernel(
        x, dy, kernel_size=case.kernel_size, algorithm="direct", **case.options
    )
    assert_within(dw, problem.dw, scale * gamma(n + 2, dtype) * size.dw, "dw")
    assert_within(db, problem.db, scale * gamma(n + 2, dtype) * size.db, "db")
    if dtype is np.float32:  # the bound is for the worst case; what happens is close to sqrt(n) u
        for actual, expected in ((y, problem.y), (dx, problem.dx), (dw, problem.dw)):
            assert relative_l2(actual, expected) < 2e-6


@pytest.mark.parametrize("name", ["long-pixels", "long-batch", "long-columns", "net-mnist-1"])
def test_filter_gradients_are_summed_in_blocks(name, isa):
    """Blocks and a tree keep the error of a long reduction far below that of a running sum.

    Numbers of one sign make the difference visible: a running float32 sum of n of them drifts by
    about n u, blocks of a fixed size by about log(n) u.
    """
    case = BY_NAME[name]
    rng = generator(name, salt=2)
    x = rng.uniform(0.5, 1.5, case.input_shape).astype(np.float32)
    dy = rng.uniform(0.5, 1.5, case.output_shape).astype(np.float32)
    options = {"kernel_size": case.kernel_size, **case.options}
    dw, db = ops.conv2d_backward_kernel(x, dy, algorithm="direct", **options)
    want_dw, want_db = reference.conv2d_backward_kernel(
        x.astype(np.float64), dy.astype(np.float64), **options
    )
    assert relative_l2(dw, want_dw) < 2e-6
    assert relative_l2(db, want_db) < 2e-6


# -------------------------------------------------------------------- the fused bias and activation

ACTIVATIONS = (None, "linear", "relu", "leaky_relu", "sigmoid", "tanh")
EPILOGUE_CASES = tuple(
    BY_NAME[name]
    for name in (
        "width-same-c7-k4",
        "width-1x1-c70-k70",
        "width-c5-k65",
        "width-c6-k130",
        "width-depthwise-c33",
        "depthwise-c5-times8",
        "groups-2x17to33",
        "long-channels-1x1",
        "long-channels-3x3",
        "long-taps-11x11",
        "net-mnist-1",
        "net-alexnet-c1",
        "mode-edge-same",
        "mode-reflect-depthwise",
        "stride-3-k3-same",
        "pad-beyond-kernel",
        "tile-13-k64",
    )
)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("case", EPILOGUE_CASES, ids=str)
def test_a_fused_activation_matches_the_definition(case, activation, isa, dtype):
    problem = integer_conv(case)
    # Scaled so that sigmoid and tanh see their curved part; a power of two keeps sums exact.
    scale = 2.0 ** -int(np.log2(np.abs(problem.y).max() + 1))
    x, w, b = (problem.x * scale).astype(dtype), problem.w.astype(dtype), problem.b * scale
    y = ops.conv2d(
        x, w, b.astype(dtype), activation=activation, algorithm="direct", **case.forward_options
    )
    expected = reference.conv2d(
        problem.x * scale, problem.w, b, activation=activation, **case.forward_options
    )
    if activation in (None, "linear", "relu"):
        assert_equal(y, expected, activation)
    else:
        u = 2.0**-24 if dtype is np.float32 else 2.0**-53
        np.testing.assert_allclose(y, expected, rtol=8 * u, atol=8 * u)


# ------------------------------------------------------------------------------------- `out`, N = 0


@pytest.mark.parametrize("case", sample(CASES, 9), ids=str)
def test_out_receives_the_result(case, isa, dtype):
    problem = integer_conv(case)
    x, w, b, dy = (array.astype(dtype) for array in problem[:4])
    out = np.full(case.output_shape, np.nan, dtype)
    result = ops.conv2d(x, w, b, out=out, algorithm="direct", **case.forward_options)
    assert result is out
    assert_equal(out, problem.y)
    if case.has_gradients:
        out = np.full(case.input_shape, np.nan, dtype)
        options = {"input_shape": case.input_shape, "algorithm": "direct", **case.options}
        assert ops.conv2d_backward_input(dy, w, out=out, **options) is out
        assert_equal(out, problem.dx)


def test_an_empty_batch_is_computed(isa, dtype):
    x, w = np.empty((0, 6, 5, 3), dtype), np.ones((3, 3, 3, 4), dtype)
    y = ops.conv2d(x, w, np.ones(4, dtype))
    assert y.shape == (0, 4, 3, 4) and y.dtype == dtype
    dx = ops.conv2d_backward_input(y, w, input_shape=x.shape)
    assert dx.shape == x.shape and dx.dtype == dtype
    dw, db = ops.conv2d_backward_kernel(x, y, kernel_size=3)
    assert_equal(dw, np.zeros_like(w))
    assert_equal(db, np.zeros(4, dtype))


def test_results_are_new_contiguous_arrays(isa, dtype):
    x, w = np.ones((1, 4, 4, 2), dtype), np.ones((3, 3, 2, 5), dtype)
    y = ops.conv2d(x, w)
    assert y.flags.c_contiguous and y.flags.writeable and not np.shares_memory(y, x)
    again = ops.conv2d(x, w)
    assert not np.shares_memory(y, again)
    assert_same_bits(y, again)


# --------------------------------------------------------------------------------- what "auto" does


@pytest.mark.parametrize("case", sample(CASES, 2), ids=str)
def test_auto_keeps_the_promise_on_accuracy(case, isa):
    """Relative L2 error <= 1e-5 against float64 in every pass, whichever algorithm is chosen."""
    problem, _ = normal_conv(case, np.float32)
    x, w, b, dy = (array.astype(np.float32) for array in problem[:4])
    y = ops.conv2d(x, w, b, **case.forward_options)
    assert relative_l2(y, problem.y) <= WINOGRAD_L2
    if case.has_gradients:
        dx = ops.conv2d_backward_input(dy, w, input_shape=case.input_shape, **case.options)
        assert relative_l2(dx, problem.dx) <= WINOGRAD_L2
        dw, db = ops.conv2d_backward_kernel(x, dy, kernel_size=case.kernel_size, **case.options)
        assert relative_l2(dw, problem.dw) <= WINOGRAD_L2
        assert relative_l2(db, problem.db) <= WINOGRAD_L2

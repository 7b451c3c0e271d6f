"""`fastconv.ops.bfloat16` has the very bits of its definition, on every instruction set.

The definition models the instruction vdpbf16ps: where the machine has it, "avx512_bf16" runs
natively; the other targets compute the same from single products.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import reference, runtime
from fastconv.ops import bfloat16
from fastconv.reference import bfloat16 as definition

pytest.importorskip("ml_dtypes")

# (H, W, C, K, kernel, options of the window)
CONVOLUTIONS = {
    "one_pixel": (1, 1, 4, 16, (1, 1), {}),
    "1x1": (7, 5, 64, 64, (1, 1), {}),
    "1x1_odd_channels": (6, 5, 9, 70, (1, 1), {}),
    "1x1_stride": (7, 6, 12, 33, (1, 1), {"strides": 2}),
    "3x3_same": (9, 8, 16, 64, (3, 3), {"padding": "same"}),
    "3x3_valid": (9, 8, 8, 130, (3, 3), {}),
    "3x3_stride": (11, 10, 20, 40, (3, 3), {"strides": (2, 3), "padding": "same"}),
    "3x3_dilated": (11, 10, 8, 24, (3, 3), {"dilation_rate": (1, 2), "padding": "same"}),
    "dilated_rows": (11, 10, 5, 24, (3, 3), {"dilation_rate": (2, 1)}),
    "dilated_odd_channels": (11, 10, 5, 24, (3, 3), {"dilation_rate": 2}),
    "first_layer": (15, 17, 3, 32, (7, 7), {"strides": 2, "padding": 3}),
    "gray": (12, 12, 1, 6, (5, 5), {}),
    "row_filter": (6, 9, 4, 8, (1, 3), {"padding": "same"}),
    "column_filter": (9, 6, 3, 8, (3, 1), {"padding": "same"}),
    "groups": (8, 7, 12, 20, (3, 3), {"groups": 4, "padding": "same"}),
    "depthwise": (9, 11, 40, 40, (3, 3), {"groups": 40, "padding": "same"}),
    "depthwise_stride": (9, 11, 19, 19, (3, 3), {"groups": 19, "strides": 2, "padding": "same"}),
    "depthwise_5x5": (9, 30, 16, 16, (5, 5), {"groups": 16, "dilation_rate": 2}),
    "multiplier": (9, 8, 6, 12, (3, 3), {"groups": 6, "padding": "same"}),
    "wide_image": (2, 800, 4, 5, (1, 3), {"padding": "same"}),
}
TARGETS = [isa for isa in runtime.dot_isas() if "vnni" not in isa and "dotprod" not in isa]


@pytest.fixture(params=TARGETS)
def target(request):
    before = runtime.dot_isa()
    runtime.set_dot_isa(request.param)
    assert runtime.bfloat16_isa() == request.param
    yield request.param
    runtime.set_dot_isa(before)


def operands(name, batch=2, seed=0):
    """x, w, bias and the options of a case."""
    height, width, channels, filters, kernel, window = CONVOLUTIONS[name]
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, height, width, channels)).astype(np.float32)
    w = rng.normal(size=(*kernel, channels // window.get("groups", 1), filters))
    return (
        bfloat16.narrow(x),
        w.astype(np.float32),
        rng.normal(size=filters).astype(np.float32),
        window,
    )


def same_bits(y, expected):
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.astype(np.float32), expected)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_has_the_bits_of_its_definition(target, name):
    x, w, bias, window = operands(name)
    expected = definition.conv2d(x, w, bias, **window)
    wide = definition.conv2d(x, w, bias, dtype="float32", **window)
    for threads in (1, 2, 3, 17):
        y = bfloat16.conv2d(x, w, bias, **window, num_threads=threads)
        assert y.dtype == x.dtype
        same_bits(y, expected)
        y = bfloat16.conv2d(x, w, bias, dtype="float32", **window, num_threads=threads)
        assert y.dtype == np.float32
        same_bits(y, wide)


@pytest.mark.parametrize("name", ["1x1_odd_channels", "3x3_stride", "groups", "depthwise"])
def test_epilogues_have_the_bits_of_their_definition(target, name):
    x, w, bias, window = operands(name)
    shape = definition.conv2d(x, w, **window).shape
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    residual = bfloat16.narrow(values)
    for options in (
        {},
        {"low": 0.0},
        {"low": 0.0, "high": 6.0},
        {"residual": residual},
        {"residual": residual, "low": 0.0, "dtype": "float32"},
    ):
        same_bits(
            bfloat16.conv2d(x, w, **options, **window),
            definition.conv2d(x, w, **options, **window),
        )
        same_bits(
            bfloat16.conv2d(x, w, bias, **options, **window),
            definition.conv2d(x, w, bias, **options, **window),
        )


@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 100, 10), (5, 333, 70), (64, 8, 1)])
def test_dense_has_the_bits_of_its_definition(target, rows, inputs, outputs):
    rng = np.random.default_rng(rows)
    x = bfloat16.narrow(rng.normal(size=(rows, inputs)).astype(np.float32))
    w = rng.normal(size=(inputs, outputs)).astype(np.float32)
    residual = bfloat16.narrow(rng.normal(size=(rows, outputs)).astype(np.float32))
    for options in ({}, {"residual": residual, "low": 0.0}):
        same_bits(bfloat16.dense(x, w, **options), definition.dense(x, w, **options))


def test_denormal_numbers_count_as_zero(target):
    tiny = np.array([2.0**-130, 2.0**-126, 2.0**-100, -(2.0**-133)], np.float32)
    x = bfloat16.narrow(np.tile(tiny, (2, 1)))
    for w in (np.full((4, 3), 2.0**-26, np.float32), np.full((4, 3), 2.0**-128, np.float32)):
        same_bits(bfloat16.dense(x, w, dtype="float32"), definition.dense(x, w, dtype="float32"))
    # Sums that fall below the normal range after each product, and large products between them.
    rng = np.random.default_rng(0)
    x = bfloat16.narrow((rng.normal(size=(40, 64)) * 2.0**-62).astype(np.float32))
    w = (rng.normal(size=(64, 20)) * 2.0**-62).astype(np.float32)
    expected = definition.dense(x, w, dtype="float32")
    assert (expected == 0).any() and (expected != 0).any()
    same_bits(bfloat16.dense(x, w, dtype="float32"), expected)


def test_infinity_does_not_leak_into_neighbouring_pixels(target):
    """The last product of an odd run has no second element."""
    x = np.ones((1, 4, 4, 3), np.float32)
    x[0, 2, 2] = np.inf
    w = np.ones((1, 1, 3, 20), np.float32)
    y = bfloat16.conv2d(bfloat16.narrow(x), w, dtype="float32")
    same_bits(y, definition.conv2d(x, w, dtype="float32"))
    assert np.isinf(y).sum() == 20 and not np.isnan(y).any()


def test_a_nan_stays_in_its_windows(target):
    x, w, bias, _ = operands("first_layer")
    x[0, 5, 5, 1] = np.nan
    for options in ({}, {"low": 0.0, "high": 6.0}):
        y = bfloat16.conv2d(x, w, bias, **options)
        same_bits(y, definition.conv2d(x, w, bias, **options))
        assert np.isnan(y.astype(np.float32)).any()


@pytest.mark.parametrize("size", [1, 15, 16, 17, 1000, 20_001])
def test_conversions_round_to_even(target, size):
    import ml_dtypes

    rng = np.random.default_rng(size)
    bits = rng.integers(0, 2**32, size, dtype=np.uint32)
    bits[::3] &= 0xFFFF8000  # ties
    x = bits.view(np.float32)
    x[: min(size, 4)] = np.array([np.nan, np.inf, -0.0, 3.4e38], np.float32)[: min(size, 4)]
    y = bfloat16.narrow(x)
    same_bits(y, definition.rounded(x))
    np.testing.assert_array_equal(bfloat16.widen(y), y.astype(np.float32))
    normal = ~(np.abs(x) < 2.0**-126)
    with np.errstate(invalid="ignore"):  # signalling NaN
        expected = x[normal].astype(ml_dtypes.bfloat16)
    same_bits(y[normal], expected.astype(np.float32))


@pytest.mark.parametrize("channels", [1, 16, 63, 64, 100])
@pytest.mark.parametrize(
    "window", [{}, {"pool_size": 3, "strides": 2, "padding": "same"}, {"pool_size": (1, 2)}]
)
def test_max_pooling_has_the_bits_of_its_definition(target, channels, window):
    values = np.random.default_rng(channels).normal(size=(2, 9, 8, channels)).astype(np.float32)
    x = bfloat16.narrow(values)
    same_bits(bfloat16.max_pool2d(x, **window), definition.max_pool2d(x, **window))


def test_results_are_close_to_those_of_float32():
    for name in CONVOLUTIONS:
        x, w, bias, window = operands(name)
        exact = reference.conv2d(x.astype(np.float32), definition.rounded(w), bias, **window)
        y = bfloat16.conv2d(x, w, bias, **window).astype(np.float32)
        assert np.linalg.norm(y - exact) < 3e-3 * np.linalg.norm(exact)


def test_an_empty_batch_gives_an_empty_result():
    x, w, bias, window = operands("3x3_same", batch=0)
    assert bfloat16.conv2d(x, w, bias, **window).shape == (0, 9, 8, 64)


def test_refusals_name_the_argument():
    x, w, bias, _ = operands("one_pixel")
    with pytest.raises(TypeError, match="`x` must be bfloat16, received float32"):
        bfloat16.conv2d(x.astype(np.float32), w)
    with pytest.raises(TypeError, match="`w` must be float32, received bfloat16"):
        bfloat16.conv2d(x, w.astype(x.dtype))
    with pytest.raises(TypeError, match="`x` must be float32, received float64"):
        bfloat16.narrow(np.ones(3))
    with pytest.raises(ValueError, match=r"received \(2, 1, 1, 4\) and \(3, 1\)"):
        bfloat16.dense(x, np.ones((3, 1), np.float32))
    with pytest.raises(ValueError, match="`dtype` must be"):
        bfloat16.conv2d(x, w, dtype="float16")
    with pytest.raises(ValueError, match=r"expected `bias` float32 of shape \(16,\)"):
        bfloat16.conv2d(x, w, bias[:3])

"""`fastconv.ops.quantized` has the very bits of its definition, on every instruction set."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fastconv import reference, runtime
from fastconv.ops import quantized
from fastconv.reference import quantized as definition

# (H, W, C, K, kernel, options of the window)
CONVOLUTIONS = {
    "one_pixel": (1, 1, 4, 16, (1, 1), {}),
    "1x1": (7, 5, 64, 64, (1, 1), {}),
    "1x1_odd_channels": (6, 5, 10, 70, (1, 1), {}),
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
    "column_filter": (9, 6, 4, 8, (3, 1), {"padding": "same"}),
    "groups": (8, 7, 12, 20, (3, 3), {"groups": 4, "padding": "same"}),
    "depthwise": (9, 11, 40, 40, (3, 3), {"groups": 40, "padding": "same"}),
    "depthwise_stride": (9, 11, 19, 19, (3, 3), {"groups": 19, "strides": 2, "padding": "same"}),
    "depthwise_5x5": (9, 30, 16, 16, (5, 5), {"groups": 16, "dilation_rate": 2}),
    "multiplier": (9, 8, 6, 12, (3, 3), {"groups": 6, "padding": "same"}),
    "wide_image": (2, 800, 4, 5, (1, 3), {"padding": "same"}),
}
THREADS = (1, 2, 3, 17)


@pytest.fixture(params=runtime.dot_isas())
def dot_isa(request):
    before = runtime.dot_isa()
    runtime.set_dot_isa(request.param)
    yield request.param
    runtime.set_dot_isa(before)


def integers(rng, dtype, shape):
    bounds = np.iinfo(dtype)
    return rng.integers(bounds.min, bounds.max + 1, shape).astype(dtype)


def operands(name, batch=2, seed=0):
    """x, w, scale, bias and the options of a case."""
    height, width, channels, filters, kernel, window = CONVOLUTIONS[name]
    rng = np.random.default_rng(seed)
    groups = window.get("groups", 1)
    x = integers(rng, np.uint8, (batch, height, width, channels))
    w = integers(rng, np.int8, (*kernel, channels // groups, filters))
    products = w.size // filters
    scale = rng.uniform(0.5, 2, filters).astype(np.float32) / (128 * np.sqrt(products))
    return x, w, scale.astype(np.float32), rng.normal(99, 9, filters).astype(np.float32), window


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_has_the_bits_of_its_definition(dot_isa, name, threads):
    x, w, scale, bias, window = operands(name)
    expected = definition.conv2d(x, w, scale, bias, zero_point=119, **window)
    y = quantized.conv2d(x, w, scale, bias, zero_point=119, **window, num_threads=threads)
    assert y.dtype == np.uint8
    np.testing.assert_array_equal(y, expected)
    assert 0 < (y == 0).sum() + (y == 255).sum() < y.size or y.size < 100


@pytest.mark.parametrize("name", ["1x1_odd_channels", "3x3_stride", "groups", "depthwise"])
def test_epilogues_have_the_bits_of_their_definition(dot_isa, name):
    x, w, scale, bias, window = operands(name)
    shape = definition.conv2d(x, w, scale, **window).shape
    residual = integers(np.random.default_rng(1), np.uint8, shape)
    for options in (
        {"low": 7, "high": 213},
        {"residual": residual, "residual_scale": 0.37},
        {"dtype": "float32"},
        {"dtype": "float32", "low": 0.0, "high": 6.0},
        {"dtype": "float32", "residual": residual, "residual_scale": -1.5, "low": 0.0},
    ):
        options |= window
        expected = definition.conv2d(x, w, scale, bias, zero_point=3, **options)
        y = quantized.conv2d(x, w, scale, bias, zero_point=3, **options)
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(
            quantized.conv2d(x, w, scale, zero_point=3, **options),
            definition.conv2d(x, w, scale, zero_point=3, **options),
        )


@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 100, 10), (5, 333, 70), (64, 8, 1)])
def test_dense_has_the_bits_of_its_definition(dot_isa, rows, inputs, outputs):
    rng = np.random.default_rng(rows)
    x, w = integers(rng, np.uint8, (rows, inputs)), integers(rng, np.int8, (inputs, outputs))
    scale = rng.uniform(1e-3, 1e-2, outputs).astype(np.float32)
    bias, residual = rng.normal(99, 9, outputs).astype(np.float32), x[:, :1] * w[:1].view(np.uint8)
    for options in ({}, {"residual": residual, "residual_scale": 0.5}):
        np.testing.assert_array_equal(
            quantized.dense(x, w, scale, bias, zero_point=200, **options),
            definition.dense(x, w, scale, bias, zero_point=200, **options),
        )


def test_extreme_sums_do_not_saturate(dot_isa):
    """Sums of two products exceed 16 bits, and the largest sum of a filter fits in 32."""
    products = 65_793
    for pixel, weight in ((255, -128), (255, 127), (0, -128)):
        x = np.full((3, products), pixel, np.uint8)
        w = np.full((products, 5), weight, np.int8)
        for zero_point in (0, 255):
            y = quantized.dense(
                x, w, np.ones(5, np.float32), zero_point=zero_point, dtype="float32"
            )
            assert (y == np.float32((pixel - zero_point) * weight * products)).all()


def test_ties_round_to_even(dot_isa):
    x = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    w, half = np.ones((1, 1), np.int8), np.array([0.5], np.float32)
    assert quantized.dense(x, w, half)[:8].ravel().tolist() == [0, 0, 1, 2, 2, 2, 3, 4]
    ties = np.arange(0, 40, dtype=np.float32) / 2
    np.testing.assert_array_equal(quantized.quantize(ties, 1.0, 0), np.rint(ties))


@pytest.mark.parametrize("size", [1, 15, 16, 17, 1000, 20_001])
def test_conversions_have_the_bits_of_their_definition(dot_isa, size):
    rng = np.random.default_rng(size)
    x = (rng.normal(0, 2, size) * rng.choice([1, 100], size)).astype(np.float32)
    x[:4] = [np.nan, np.inf, -np.inf, 0.0][: min(size, 4)]
    for scale, zero_point in ((0.031, 128), (2.0, 0), (1e-4, 255)):
        q = quantized.quantize(x, scale, zero_point)
        np.testing.assert_array_equal(q, definition.quantize(x, scale, zero_point))
        np.testing.assert_array_equal(
            quantized.dequantize(q, scale, zero_point), definition.dequantize(q, scale, zero_point)
        )


@pytest.mark.parametrize("channels", [1, 16, 63, 64, 100])
@pytest.mark.parametrize(
    "window", [{}, {"pool_size": 3, "strides": 2, "padding": "same"}, {"pool_size": (1, 2)}]
)
def test_max_pooling_has_the_bits_of_its_definition(dot_isa, channels, window):
    x = integers(np.random.default_rng(channels), np.uint8, (2, 9, 8, channels))
    expected = definition.max_pool2d(x, **window)
    np.testing.assert_array_equal(quantized.max_pool2d(x, **window), expected)
    np.testing.assert_array_equal(expected, reference.max_pool2d(x, **window))


def test_the_definition_of_a_convolution_is_that_of_real_numbers():
    """In float64, (x - zero_point) * w is the plain convolution."""
    for name in CONVOLUTIONS:
        x, w, scale, bias, window = operands(name)
        exact = reference.conv2d(x - 119.0, w, **window) * scale.astype(np.float64) + bias
        y = definition.conv2d(x, w, scale, bias, zero_point=119, dtype="float32", **window)
        np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-4)


def test_an_empty_batch_gives_an_empty_result():
    x, w, scale, bias, window = operands("3x3_same", batch=0)
    assert quantized.conv2d(x, w, scale, bias, **window).shape == (0, 9, 8, 64)


def one(dtype, *shape):
    return np.ones(shape, dtype)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: quantized.conv2d(
                one(np.int8, 1, 2, 2, 1), one(np.int8, 1, 1, 1, 1), one(np.float32, 1)
            ),
            TypeError,
            "`x` must be uint8, received int8",
        ),
        (
            lambda: quantized.dense(one(np.uint8, 1, 2), one(np.uint8, 2, 1), one(np.float32, 1)),
            TypeError,
            "`w` must be int8, received uint8",
        ),
        (
            lambda: quantized.dense(one(np.uint8, 1, 2), one(np.int8, 3, 1), one(np.float32, 1)),
            ValueError,
            r"received \(1, 2\) and \(3, 1\)",
        ),
        (
            lambda: quantized.dense(one(np.uint8, 1, 2), one(np.int8, 2, 1), one(np.float32, 2)),
            ValueError,
            r"expected `scale` float32 of shape \(1,\), received float32 of shape \(2,\)",
        ),
        (
            lambda: quantized.dense(
                one(np.uint8, 1, 65_794), one(np.int8, 65_794, 1), one(np.float32, 1)
            ),
            ValueError,
            "at most 65793 products",
        ),
        (
            lambda: quantized.dense(
                one(np.uint8, 1, 2), one(np.int8, 2, 1), one(np.float32, 1), high=300
            ),
            ValueError,
            r"must be in \[0, 255\], received 0.0 and 300.0",
        ),
        (
            lambda: quantized.dense(
                one(np.uint8, 1, 2), one(np.int8, 2, 1), one(np.float32, 1), dtype="int8"
            ),
            TypeError,
            "`dtype` must be 'uint8' or 'float32', received int8",
        ),
        (
            lambda: quantized.quantize(one(np.float32, 1), 0.0, 0),
            ValueError,
            "`scale` must be",
        ),
        (
            lambda: quantized.quantize(one(np.float32, 1), 1.0, 256),
            ValueError,
            r"`zero_point` must be in \[0, 255\], received 256",
        ),
    ],
)
def test_refusals_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", runtime.dot_isas())
def test_the_environment_selects_an_instruction_set_of_8_bit_integers(name):
    program = "from fastconv import runtime; print(runtime.isa(), runtime.dot_isa())"
    child = subprocess.run(
        [sys.executable, "-c", program],
        env={"FASTCONV_ISA": name, "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    base, dot = child.stdout.split()
    assert base in runtime.available_isas()
    # A name of float kernels selects the best that adds to it.
    assert dot == name or (base == name and dot in runtime.dot_isas())

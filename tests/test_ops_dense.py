"""The dense layer, one matrix product and its two gradients, against the definition."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, reference
from fastconv.reference import gamma
from tests.support.conv_cases import VECTOR_WIDTHS
from tests.support.oracle import (
    assert_equal,
    assert_same_bits,
    assert_within,
    generator,
    integers,
    relative_l2,
)

# (rows, inputs, outputs): every vector width in each place, register-tile remainders, real layers.
SIZES = tuple(
    dict.fromkeys(
        [
            *((3, 5, width) for width in VECTOR_WIDTHS),
            *((4, width, 17) for width in VECTOR_WIDTHS),
            *((width, 9, 6) for width in VECTOR_WIDTHS),
            *((width, width, width) for width in VECTOR_WIDTHS),
            *((rows, 20, 40) for rows in range(1, 31)),
            (1, 1, 1), (1, 3136, 64), (64, 576, 64), (64, 64, 10), (2, 400, 120), (32, 84, 10),
            (1, 5000, 3), (1, 2, 4100), (700, 3, 5), (257, 130, 129),
            # one or two rows, with the reduction in blocks and columns in several strips
            (1, 1030, 130), (2, 301, 501), (1, 17, 8200), (2, 1100, 2000),
            # more than a filter panel of columns: blocks, strips of columns, chunks of rows
            (5, 1100, 2000), (8, 520, 4100), (9, 4099, 200), (70, 300, 1030), (130, 77, 65),
        ]
    )
)  # fmt: skip


def problem(size, salt=0):
    rows, inputs, outputs = size
    rng = generator(str(size), salt)
    return (
        integers(rng, (rows, inputs)),
        integers(rng, (inputs, outputs)),
        integers(rng, outputs, 100),
        integers(rng, (rows, outputs)),
    )


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_dense_equals_the_definition(size, isa, dtype):
    x, w, b, dy = (array.astype(dtype) for array in problem(size))
    y = ops.dense(x, w, b)
    assert y.dtype == dtype
    assert_equal(y, reference.dense(x, w, b), "y")
    assert_equal(ops.dense(x, w), reference.dense(x, w), "without bias")
    assert_equal(ops.dense_backward_input(dy, w), reference.dense_backward_input(dy, w), "dx")
    dw, db = ops.dense_backward_kernel(x, dy)
    want_dw, want_db = reference.dense_backward_kernel(x, dy)
    assert_equal(dw, want_dw, "dw")
    assert_equal(db, want_db, "db")


@pytest.mark.parametrize("size", SIZES[::4], ids=lambda size: "x".join(map(str, size)))
def test_rounding_is_that_of_a_plain_sum(size, isa, dtype):
    rows, inputs, outputs = size
    rng = generator(str(size), salt=1)
    x, w, b, dy = (
        rng.standard_normal(shape).astype(dtype)
        for shape in ((rows, inputs), (inputs, outputs), (outputs,), (rows, outputs))
    )
    scale = 2 if dtype is np.float64 else 1  # in float64 the definition rounds as well

    def bound(n, magnitude):
        return scale * gamma(n + 2, dtype) * magnitude

    size_of = [np.abs(array) for array in (x, w, b, dy)]
    y = ops.dense(x, w, b)
    assert_within(y, reference.dense(x, w, b), bound(inputs, reference.dense(*size_of[:3])))
    assert_within(
        ops.dense_backward_input(dy, w),
        reference.dense_backward_input(dy, w),
        bound(outputs, reference.dense_backward_input(size_of[3], size_of[1])),
    )
    results = ops.dense_backward_kernel(x, dy)
    expected = reference.dense_backward_kernel(x, dy)
    magnitudes = reference.dense_backward_kernel(size_of[0], size_of[3])
    for actual, want, magnitude in zip(results, expected, magnitudes, strict=True):
        assert_within(actual, want, bound(rows, magnitude))
    if dtype is np.float32:
        assert relative_l2(y, reference.dense(x, w, b)) < 2e-6


@pytest.mark.parametrize("activation", [None, "linear", "relu", "leaky_relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("size", [(3, 5, 70), (7, 300, 17), (1, 2000, 33), (30, 8, 1)])
def test_a_fused_activation_matches_the_definition(size, activation, isa, dtype):
    x, w, b, _ = problem(size)
    scale = 2.0 ** -int(np.log2(np.abs(reference.dense(x, w, b)).max() + 1))
    x, b = x * scale, b * scale
    y = ops.dense(*(array.astype(dtype) for array in (x, w, b)), activation=activation)
    expected = reference.dense(x, w, b, activation=activation)
    if activation in (None, "linear", "relu"):
        assert_equal(y, expected)
    else:
        u = 2.0**-24 if dtype is np.float32 else 2.0**-53
        np.testing.assert_allclose(y, expected, rtol=8 * u, atol=8 * u)


def test_softmax_as_an_activation(isa, dtype):
    x, w, b, _ = (array.astype(dtype) for array in problem((5, 9, 10)))
    w /= 8
    y = ops.dense(x, w, b / 64, activation="softmax")
    expected = reference.softmax(reference.dense(x, w, b / 64))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-7)


def test_a_1x1_convolution_of_one_pixel_is_a_dense_layer(isa, dtype):
    x, w, b, _ = (array.astype(dtype) for array in problem((6, 33, 20)))
    y = ops.conv2d(x.reshape(6, 1, 1, 33), w.reshape(1, 1, 33, 20), b)
    assert_equal(y.reshape(6, 20), ops.dense(x, w, b))


def test_an_empty_batch_is_computed(isa, dtype):
    x, w = np.empty((0, 6), dtype), np.ones((6, 4), dtype)
    y = ops.dense(x, w, np.ones(4, dtype))
    assert y.shape == (0, 4) and y.dtype == dtype
    assert ops.dense_backward_input(y, w).shape == (0, 6)
    dw, db = ops.dense_backward_kernel(x, y)
    assert_equal(dw, np.zeros((6, 4), dtype))
    assert_equal(db, np.zeros(4, dtype))


def test_out_receives_the_result(isa, dtype):
    x, w, b, dy = (array.astype(dtype) for array in problem((7, 33, 18)))
    out = np.full((7, 18), np.nan, dtype)
    assert ops.dense(x, w, b, out=out) is out
    assert_same_bits(out, ops.dense(x, w, b))
    out = np.full((7, 33), np.nan, dtype)
    assert ops.dense_backward_input(dy, w, out=out) is out
    assert_same_bits(out, ops.dense_backward_input(dy, w))

"""The definitions that everything else is compared with, held against something simpler still.

A definition that is wrong would make every comparison wrong. So each one is worked out again below
with nothing but loops over indices, and what it claims to be the transpose of is checked to be.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fastconv import reference
from tests.support.conv_case import ConvCase
from tests.support.conv_cases import BY_NAME, GRADIENT_CASES, sample
from tests.support.oracle import assert_equal, generator, integer_conv, integer_pool, integers
from tests.support.pool_cases import CASES as POOL_CASES
from tests.support.pool_cases import PoolCase

# By hand: a 4x4 image under a 3x3 filter that is not symmetric, so that a flip would show.
IMAGE = [[1, 2, 0, 1], [3, 1, 1, 0], [0, 2, 4, 1], [1, 0, 2, 3]]
FILTER = [[1, 0, -1], [2, 0, -2], [0, 1, 3]]
BY_HAND = [
    [1 + 6 + 2 + 12 - 0 - 2, 2 + 2 + 4 + 3 - 1 - 0],
    [3 + 0 + 0 + 6 - 1 - 8, 1 + 4 + 2 + 9 - 0 - 2],
]


def test_convolution_by_hand():
    x = np.reshape(IMAGE, (1, 4, 4, 1))
    w = np.reshape(FILTER, (3, 3, 1, 1))
    assert_equal(reference.conv2d(x, w)[0, :, :, 0], np.array(BY_HAND))


def source(index: int, length: int, mode: str) -> int | None:
    """The image row that a row of the padded image shows; None for a zero."""
    if 0 <= index < length:
        return index
    if mode == "zeros":
        return None
    if mode == "edge":
        return min(max(index, 0), length - 1)
    return -index if index < 0 else 2 * (length - 1) - index


def convolve_with_loops(case: ConvCase, x, w, b) -> np.ndarray:
    (top, _), (left, _) = case.pads
    y = np.zeros(case.output_shape)
    per_group_in, per_group_out = w.shape[2], case.filters // case.groups
    for n, p, q, k in np.ndindex(y.shape):
        total = b[k]
        for i, j, c in np.ndindex(w.shape[:3]):
            row = p * case.strides[0] - top + i * case.dilation_rate[0]
            column = q * case.strides[1] - left + j * case.dilation_rate[1]
            row = source(row, x.shape[1], case.padding_mode)
            column = source(column, x.shape[2], case.padding_mode)
            if row is not None and column is not None:
                channel = k // per_group_out * per_group_in + c
                total += x[n, row, column, channel] * w[i, j, c, k]
        y[n, p, q, k] = total
    return y


SMALL = (
    ConvCase("plain", (2, 5, 4, 3), 2, (3, 2)),
    ConvCase("same", (1, 5, 6, 2), 3, (3, 3), strides=(2, 3), padding="same"),
    ConvCase("even", (1, 5, 6, 2), 2, (4, 2), padding="same"),
    ConvCase("asymmetric", (1, 4, 5, 2), 2, (3, 3), strides=(2, 1), padding=((2, 1), (0, 3))),
    ConvCase("dilated", (1, 7, 8, 2), 2, (3, 2), padding=1, dilation_rate=(2, 3)),
    ConvCase("grouped", (1, 4, 4, 6), 9, (2, 3), padding="same", groups=3),
    ConvCase("depthwise", (1, 5, 4, 4), 8, (3, 3), padding="same", groups=4),
    ConvCase("edge", (1, 4, 3, 2), 2, (3, 3), padding=((3, 1), (0, 4)), padding_mode="edge"),
    ConvCase("reflect", (1, 4, 5, 2), 2, (3, 3), padding=((3, 1), (4, 2)), padding_mode="reflect"),
    ConvCase("scattered", (1, 9, 7, 2), 2, (2, 2), strides=(4, 3)),
)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_convolution_with_loops(case):
    problem = integer_conv(case)
    assert_equal(problem.y, convolve_with_loops(case, problem.x, problem.w, problem.b))


@pytest.mark.parametrize("case", (*SMALL, *sample(tuple(BY_NAME.values()), 3)), ids=str)
def test_the_two_ways_of_convolution_agree(case):
    problem = integer_conv(case)
    by_columns = reference.conv2d_im2col(problem.x, problem.w, problem.b, **case.forward_options)
    assert_equal(by_columns, problem.y)


@pytest.mark.parametrize("case", GRADIENT_CASES, ids=str)
def test_gradients_are_the_transposes(case):
    """<conv(x, w), dy> = <x, backward_input(dy, w)> = <w, backward_kernel(x, dy)>, exactly."""
    problem = integer_conv(case)
    inner = np.sum((problem.y - problem.b) * problem.dy)
    assert np.sum(problem.x * problem.dx) == inner
    assert np.sum(problem.w * problem.dw) == inner
    assert_equal(problem.db, problem.dy.reshape(-1, case.filters).sum(axis=0))


def pool_with_loops(case: PoolCase, x) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (top, _), (left, _) = case.pads
    largest, mean = np.zeros(case.output_shape), np.zeros(case.output_shape)
    argmax = np.zeros(case.output_shape, int)
    for n, p, q, c in np.ndindex(case.output_shape):
        best, total, count = -math.inf, 0.0, 0
        for i, j in itertools.product(range(case.pool_size[0]), range(case.pool_size[1])):
            row, column = p * case.steps[0] - top + i, q * case.steps[1] - left + j
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                value = x[n, row, column, c]
                total, count = total + value, count + 1
                if value > best:
                    best, argmax[n, p, q, c] = value, i * case.pool_size[1] + j
        largest[n, p, q, c], mean[n, p, q, c] = best, total / count
    return largest, argmax, mean


@pytest.mark.parametrize(
    "case", [case for case in POOL_CASES if np.prod(case.input_shape) < 800], ids=str
)
def test_pooling_with_loops(case):
    problem = integer_pool(case)
    largest, argmax, mean = pool_with_loops(case, problem.x)
    assert_equal(problem.max_y, largest)
    assert_equal(problem.argmax, argmax)
    assert_equal(problem.average_y, mean)


@pytest.mark.parametrize("case", POOL_CASES, ids=str)
def test_pooling_gradients_are_the_transposes(case):
    problem = integer_pool(case)
    assert np.sum(problem.max_dx * problem.x) == np.sum(problem.dy * problem.max_y)
    inner = np.sum(problem.dy * problem.average_y)
    np.testing.assert_allclose(np.sum(problem.average_dx * problem.x), inner, rtol=1e-12)


def test_im2col_in_the_formulation_of_the_lecture():
    """A 227x227x3 image under 11x11x3 filters at stride 4: 55 x 55 fields of 363 values."""
    rng = generator("im2col")
    x, w = integers(rng, (1, 227, 227, 3)), integers(rng, (11, 11, 3, 4))
    columns = reference.im2col(x, 11, strides=4)
    assert columns.shape == (363, 3025)
    product = w.reshape(363, 4).T @ columns
    y = reference.conv2d(x, w, strides=4)
    assert y.shape == (1, 55, 55, 4)
    assert_equal(product.T.reshape(y.shape), y)


def test_col2im_is_the_transpose_of_im2col():
    rng = generator("col2im")
    options = {"strides": (2, 1), "padding": ((1, 0), (2, 1))}
    x = integers(rng, (2, 7, 6, 3))
    columns = reference.im2col(x, (3, 2), **options)
    other = integers(rng, columns.shape)
    back = reference.col2im(other, input_shape=x.shape, kernel_size=(3, 2), **options)
    assert np.sum(columns * other) == np.sum(x * back)


def test_activations_at_their_landmarks():
    x = np.array([-2.0, 0.0, 3.0])
    assert_equal(reference.relu(x), np.array([0.0, 0.0, 3.0]))
    assert_equal(reference.leaky_relu(x), np.array([-0.4, 0.0, 3.0]))
    assert_equal(reference.leaky_relu(x, negative_slope=0.5), np.array([-1.0, 0.0, 3.0]))
    assert_equal(reference.sigmoid([0.0, -1e4, 1e4]), np.array([0.5, 0.0, 1.0]))
    np.testing.assert_allclose(reference.sigmoid(math.log(3)), 0.75, rtol=1e-15)
    np.testing.assert_allclose(reference.tanh(math.log(2)), 0.6, rtol=1e-15)
    np.testing.assert_allclose(
        reference.softmax([[0.0, math.log(3), -math.inf], [1e4, 1e4, 1e4]]),
        [[0.25, 0.75, 0.0], [1 / 3, 1 / 3, 1 / 3]],
        rtol=1e-15,
    )
    assert np.isnan(reference.relu(np.nan))


def test_losses_by_hand():
    logits = np.log([[1.0, 3.0], [1.0, 1.0]])
    loss, gradient = reference.softmax_cross_entropy(logits, [[0, 1], [1, 0]])
    assert loss == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    np.testing.assert_allclose(gradient, [[0.125, -0.125], [-0.25, 0.25]])
    by_label = reference.softmax_cross_entropy(logits, np.array([1, 0]))
    assert by_label[0] == loss
    assert_equal(by_label[1], gradient)
    loss, gradient = reference.mean_squared_error([[1.0, 2.0]], [[0.0, 4.0]])
    assert loss == 2.5
    assert_equal(gradient, np.array([[1.0, -2.0]]))
    # Keras rescales probabilities to a sum of one, then clips them to [1e-7, 1 - 1e-7].
    assert reference.cross_entropy([[1.0, 3.0]], [[0, 1]])[0] == pytest.approx(math.log(4 / 3))
    assert reference.cross_entropy([[1.0, 0.0]], [[0, 1]])[0] == pytest.approx(-math.log(1e-7))

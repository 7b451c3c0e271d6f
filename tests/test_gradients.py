"""Gradients three ways: against the definition (in the `test_ops_*` files), by finite differences,
and as transposes.

Central differences in float64 with a step of 1e-6 have an error of about 1e-9 for what is computed
here, so a tolerance of 1e-5 + 1e-3 |derivative| leaves no room for a wrong term. Functions with
kinks (ReLU, maxima) get inputs whose values keep a distance from the kink that the step does not
bridge.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops
from tests.support.conv_cases import GRADIENT_CASES, sample
from tests.support.oracle import generator
from tests.support.pool_cases import CASES as POOL_CASES

STEP, ATOL, RTOL = 1e-6, 1e-5, 1e-3


def assert_derivatives(function, operands, gradients, rng, count=5):
    """`gradients[i]` holds the derivatives of the scalar `function(*operands)` by operand i.

    `count` single elements and one random direction through all of them are tried.
    """
    for index, (operand, gradient) in enumerate(zip(operands, gradients, strict=True)):
        assert gradient.shape == operand.shape
        directions = []
        for flat in rng.choice(operand.size, size=min(count, operand.size), replace=False):
            direction = np.zeros(operand.size)
            direction[flat] = 1
            directions.append(direction.reshape(operand.shape))
        everywhere = rng.standard_normal(operand.shape)
        directions.append(everywhere / np.linalg.norm(everywhere))
        for direction in directions:
            ends = []
            for sign in (1, -1):
                moved = list(operands)
                moved[index] = operand + sign * STEP * direction
                ends.append(function(*moved))
            numeric = (ends[0] - ends[1]) / (2 * STEP)
            analytic = float(np.sum(gradient * direction))
            assert abs(numeric - analytic) <= ATOL + RTOL * abs(analytic), (
                f"operand {index}: {analytic} instead of {numeric}"
            )


def distinct(rng, shape, gap=0.01):
    """Values that differ from each other and from 0 by at least `gap` / 2."""
    size = int(np.prod(shape))
    return ((rng.permutation(size) - size // 2 + 0.5) * gap).reshape(shape)


# ------------------------------------------------------------------------------- finite differences


@pytest.mark.parametrize("case", sample(GRADIENT_CASES, 6), ids=str)
def test_convolution_by_finite_differences(case, isa):
    rng = generator(case.name, salt=4)
    x, w, b, r = (
        rng.standard_normal(shape)
        for shape in (case.input_shape, case.kernel_shape, (case.filters,), case.output_shape)
    )

    def loss(x, w, b):
        return np.sum(r * ops.conv2d(x, w, b, **case.options))

    dx = ops.conv2d_backward_input(r, w, input_shape=case.input_shape, **case.options)
    dw, db = ops.conv2d_backward_kernel(x, r, kernel_size=case.kernel_size, **case.options)
    assert_derivatives(loss, (x, w, b), (dx, dw, db), rng)


@pytest.mark.parametrize("case", POOL_CASES[::4], ids=str)
def test_pooling_by_finite_differences(case, isa):
    rng = generator(case.name, salt=4)
    x, r = distinct(rng, case.input_shape), rng.standard_normal(case.output_shape)
    options = case.options
    _, argmax = ops.max_pool2d(x, return_argmax=True, **options)
    shape = {"input_shape": case.input_shape}
    dx = ops.max_pool2d_backward(r, argmax, **shape, **options)
    assert_derivatives(lambda x: np.sum(r * ops.max_pool2d(x, **options)), (x,), (dx,), rng)
    dx = ops.avg_pool2d_backward(r, **shape, **options)
    assert_derivatives(lambda x: np.sum(r * ops.avg_pool2d(x, **options)), (x,), (dx,), rng)


@pytest.mark.parametrize("rows, inputs, outputs", [(1, 9, 17), (5, 33, 8), (16, 70, 31)])
def test_dense_by_finite_differences(rows, inputs, outputs, isa):
    rng = generator(f"dense {rows}")
    x, w, b, r = (
        rng.standard_normal(shape)
        for shape in ((rows, inputs), (inputs, outputs), (outputs,), (rows, outputs))
    )
    gradients = (ops.dense_backward_input(r, w), *ops.dense_backward_kernel(x, r))
    assert_derivatives(lambda x, w, b: np.sum(r * ops.dense(x, w, b)), (x, w, b), gradients, rng)


@pytest.mark.parametrize("kind", ["relu", "leaky_relu", "sigmoid", "tanh", "softmax"])
def test_activations_by_finite_differences(kind, isa):
    rng = generator(kind, salt=4)
    forward, backward = getattr(ops, kind), getattr(ops, f"{kind}_backward")
    x, r = distinct(rng, (9, 37)), rng.standard_normal((9, 37))
    dx = backward(forward(x), r)
    assert_derivatives(lambda x: np.sum(r * forward(x)), (x,), (dx,), rng, count=40)


@pytest.mark.parametrize("weighted", [False, True])
def test_losses_by_finite_differences(isa, weighted):
    rng = generator("losses", salt=4)
    x, target = rng.standard_normal((7, 10)), rng.uniform(0, 1, (7, 10))
    labels = rng.integers(10, size=7)
    weight = rng.uniform(0, 2, 7) if weighted else None
    for loss, at, targets in (
        (ops.softmax_cross_entropy, x, labels),
        (ops.softmax_cross_entropy, x, target),
        (ops.cross_entropy, rng.uniform(0.1, 1, (7, 10)), labels),
        (ops.cross_entropy, rng.uniform(0.1, 1, (7, 10)), target),
        (ops.mean_squared_error, x, target),
    ):

        def value(at, loss=loss, targets=targets):
            return loss(at, targets, sample_weight=weight)[0]

        _, gradient = loss(at, targets, sample_weight=weight)
        assert_derivatives(value, (at,), (gradient,), rng, count=30)


def test_a_whole_network_by_finite_differences(isa):
    """Convolution, pooling, convolution, dense layer and loss: the chain rule by hand."""
    rng = generator("network")
    x = rng.standard_normal((3, 12, 11, 2))
    labels = rng.integers(5, size=3)
    w1, b1 = rng.standard_normal((3, 3, 2, 9)) * 0.3, rng.standard_normal(9)
    w2, b2 = rng.standard_normal((3, 2, 3, 18)) * 0.3, rng.standard_normal(18)
    w3, b3 = rng.standard_normal((54, 5)) * 0.3, rng.standard_normal(5)
    first = {"padding": "same"}
    second = {"strides": 2, "padding": "valid", "groups": 3}

    def forward(x, w1, b1, w2, b2, w3, b3):
        y1 = ops.conv2d(x, w1, b1, activation="tanh", **first)
        p1, argmax = ops.max_pool2d(y1, return_argmax=True)
        y2 = ops.conv2d(p1, w2, b2, activation="sigmoid", **second)
        p2 = ops.avg_pool2d(y2, pool_size=(2, 2), strides=1, padding="same")
        flat = p2.reshape(3, -1)[:, :54]
        logits = ops.dense(np.ascontiguousarray(flat), w3, b3)
        return y1, p1, argmax, y2, p2, flat, logits

    operands = (x, w1, b1, w2, b2, w3, b3)
    y1, p1, argmax, y2, p2, flat, logits = forward(*operands)
    _, dlogits = ops.softmax_cross_entropy(logits, labels)
    dw3, db3 = ops.dense_backward_kernel(flat, dlogits)
    dp2 = np.zeros(p2.shape)
    dp2.reshape(3, -1)[:, :54] = ops.dense_backward_input(dlogits, w3)
    dy2 = ops.avg_pool2d_backward(
        dp2, input_shape=y2.shape, pool_size=(2, 2), strides=1, padding="same"
    )
    dy2 = ops.sigmoid_backward(y2, dy2)
    dw2, db2 = ops.conv2d_backward_kernel(p1, dy2, kernel_size=(3, 2), **second)
    dp1 = ops.conv2d_backward_input(dy2, w2, input_shape=p1.shape, **second)
    dy1 = ops.tanh_backward(y1, ops.max_pool2d_backward(dp1, argmax, input_shape=y1.shape))
    dw1, db1 = ops.conv2d_backward_kernel(x, dy1, kernel_size=3, **first)
    dx = ops.conv2d_backward_input(dy1, w1, input_shape=x.shape, **first)

    def loss(*operands):
        return ops.softmax_cross_entropy(forward(*operands)[-1], labels)[0]

    assert_derivatives(loss, operands, (dx, dw1, db1, dw2, db2, dw3, db3), rng, count=10)


# --------------------------------------------------------------------------------------- transposes


def assert_inner_products_agree(pairs, dtype):
    """All the inner products are the same number, up to the rounding of their sums.

    The bound is relative to the sum of the magnitudes of their terms, and generous by a factor of
    ten over what is seen; a wrong or missing term is of the order of that sum divided by the number
    of terms, which the bound is far below for the sizes compared here.
    """
    values = [float(np.sum(a.astype(np.float64) * b)) for a, b in pairs]
    scale = max(float(np.sum(np.abs(a.astype(np.float64) * b))) for a, b in pairs)
    limit = scale * (1e-13 if dtype is np.float64 else 2e-6)
    assert max(values) - min(values) <= limit, values


@pytest.mark.parametrize("case", GRADIENT_CASES, ids=str)
def test_adjoint_identity_of_convolution(case, isa, dtype):
    """<conv(x, w), dy> = <x, backward_input(dy, w)> = <w, backward_kernel(x, dy)>"""
    rng = generator(case.name, salt=5)
    x, w, dy = (
        rng.standard_normal(shape).astype(dtype)
        for shape in (case.input_shape, case.kernel_shape, case.output_shape)
    )
    y = ops.conv2d(x, w, **case.options)
    dx = ops.conv2d_backward_input(dy, w, input_shape=case.input_shape, **case.options)
    dw, _ = ops.conv2d_backward_kernel(x, dy, kernel_size=case.kernel_size, **case.options)
    assert_inner_products_agree([(y, dy), (x, dx), (w, dw)], dtype)


@pytest.mark.parametrize("case", POOL_CASES, ids=str)
def test_adjoint_identity_of_pooling(case, isa, dtype):
    """Averaging is linear; so is taking the maximum, once its positions are chosen."""
    rng = generator(case.name, salt=5)
    x = rng.standard_normal(case.input_shape).astype(dtype)
    dy = rng.standard_normal(case.output_shape).astype(dtype)
    shape = {"input_shape": case.input_shape}
    y = ops.avg_pool2d(x, **case.options)
    dx = ops.avg_pool2d_backward(dy, **shape, **case.options)
    assert_inner_products_agree([(y, dy), (x, dx)], dtype)
    y, argmax = ops.max_pool2d(x, return_argmax=True, **case.options)
    dx = ops.max_pool2d_backward(dy, argmax, **shape, **case.options)
    assert_inner_products_agree([(y, dy), (x, dx)], dtype)


def test_adjoint_identity_of_columns(dtype):
    rng = generator("columns", salt=5)
    x = rng.standard_normal((2, 9, 8, 5)).astype(dtype)
    options = {"strides": (2, 3), "padding": ((1, 2), (0, 1)), "dilation_rate": (2, 1)}
    columns = ops.im2col(x, (3, 2), **options)
    other = rng.standard_normal(columns.shape).astype(dtype)
    back = ops.col2im(other, input_shape=x.shape, kernel_size=(3, 2), **options)
    assert_inner_products_agree([(columns, other), (x, back)], dtype)

"""The gradients of `fastconv.reference` against finite differences, its bounds against rounding.

For a scalar f(a) = sum(g * operation(a)) with a fixed random g, the gradient is what the backward
function makes of dy = g. It is compared with (f(a + h) - f(a - h)) / 2h, element by element, at
points away from the kinks of the function. `tests/test_reference.py` checks the linear operations
against loops and against the identity of the transpose; here are the ones that are not linear, the
padding modes that only the reference differentiates, and everything that is built on top.
"""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from fastconv import reference

STEP = 1e-6


def numeric_gradient(function, at: np.ndarray) -> np.ndarray:
    """The gradient of a scalar function by central differences."""
    gradient = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        forward, backward = at.copy(), at.copy()
        forward[index] += STEP
        backward[index] -= STEP
        gradient[index] = (function(forward) - function(backward)) / (2 * STEP)
    return gradient


def assert_close(actual, expected) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-5)


@pytest.fixture
def rng():
    return np.random.default_rng(20240117)


def test_examples_in_the_documentation():
    result = doctest.testmod(reference)
    assert result.attempted > 10
    assert result.failed == 0


# ------------------------------------------------------------------------- numbers of the lecture


def test_zero_padding_of_the_lecture_keeps_a_4x4_image_at_4x4():
    image = np.reshape(
        [[35, 19, 25, 6], [13, 22, 16, 53], [4, 3, 7, 10], [9, 8, 1, 3]], (1, 4, 4, 1)
    )
    padded = reference.pad_image(image, ((1, 1), (1, 1)))
    assert padded.shape == (1, 6, 6, 1)
    assert padded.sum() == image.sum()
    w = np.ones((3, 3, 1, 1))
    inner, same = reference.conv2d(image, w), reference.conv2d(image, w, padding="same")
    assert inner.shape == (1, 2, 2, 1)
    assert same.shape == (1, 4, 4, 1)
    # The corner sees four pixels, the middle is the convolution without padding.
    assert same[0, 0, 0, 0] == 35 + 19 + 13 + 22
    np.testing.assert_array_equal(same[:, 1:3, 1:3], inner)


@pytest.mark.parametrize(
    ("image", "pooled"),
    [
        (
            [[12, 20, 30, 0], [8, 12, 2, 0], [34, 70, 37, 4], [112, 100, 25, 12]],
            [[20, 30], [112, 37]],
        ),
        ([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]], [[6, 8], [3, 4]]),
    ],
)
def test_max_pooling_of_the_lecture(image, pooled):
    y = reference.max_pool2d(np.reshape(image, (1, 4, 4, 1)))
    np.testing.assert_array_equal(y[0, :, :, 0], pooled)


def test_the_column_matrix_of_the_lecture_times_96_filters(rng):
    """W_row (96 x 363) @ X_col (363 x 3025) = 96 x 3025, reshaped to 55 x 55 x 96."""
    x = rng.integers(-4, 5, (1, 227, 227, 3))
    w = rng.integers(-4, 5, (11, 11, 3, 96))
    x_col, w_row = reference.im2col(x, 11, strides=4), w.reshape(363, 96).T
    product = w_row @ x_col
    assert (w_row.shape, x_col.shape, product.shape) == ((96, 363), (363, 3025), (96, 3025))
    y = reference.conv2d(x, w, strides=4)
    np.testing.assert_array_equal(product.T.reshape(1, 55, 55, 96), y)


# -------------------------------------------------------------------------------- the linear part


OPTIONS = (
    {},
    {"strides": 2, "padding": "same"},
    {"padding": ((2, 1), (0, 3)), "dilation_rate": (1, 2)},
    {"padding": 2, "padding_mode": "edge"},
    {"padding": ((3, 0), (2, 3)), "padding_mode": "edge", "strides": (2, 1)},
    {"padding": (2, 3), "padding_mode": "reflect"},
    {"padding": ((3, 1), (0, 4)), "padding_mode": "reflect", "strides": (1, 3)},
    {"padding": "same", "groups": 2},
)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_convolution_gradients_match_finite_differences(rng, options):
    channels = 2 // options.get("groups", 1)
    x, w = rng.standard_normal((2, 4, 5, 2)), rng.standard_normal((3, 2, channels, 2))
    b = rng.standard_normal(2)
    dy = rng.standard_normal(reference.conv2d(x, w, **options).shape)
    dx = reference.conv2d_backward_input(dy, w, input_shape=x.shape, **options)
    dw, db = reference.conv2d_backward_kernel(x, dy, kernel_size=(3, 2), **options)

    def loss(x, w, b):
        return np.sum(dy * reference.conv2d(x, w, b, **options))

    assert_close(dx, numeric_gradient(lambda x: loss(x, w, b), x))
    assert_close(dw, numeric_gradient(lambda w: loss(x, w, b), w))
    assert_close(db, numeric_gradient(lambda b: loss(x, w, b), b))
    np.testing.assert_allclose(
        reference.conv2d_im2col(x, w, b, **options),
        reference.conv2d(x, w, b, **options),
        rtol=1e-12,
    )


@pytest.mark.parametrize("mode", ["zeros", "edge", "reflect"])
@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((1, 2), (3, 0)), ((3, 3), (4, 4))])
def test_unpadding_is_the_transpose_of_padding(rng, mode, padding):
    x = rng.integers(-9, 10, (2, 4, 5, 3))
    padded = reference.pad_image(x, padding, mode)
    other = rng.integers(-9, 10, padded.shape)
    assert np.sum(padded * other) == np.sum(x * reference.unpad_image(other, padding, mode))


def test_dense_gradients_match_finite_differences(rng):
    x, w, b = rng.standard_normal((3, 4)), rng.standard_normal((4, 2)), rng.standard_normal(2)
    dy = rng.standard_normal((3, 2))
    dw, db = reference.dense_backward_kernel(x, dy)

    def loss(x, w, b):
        return np.sum(dy * reference.dense(x, w, b))

    assert_close(
        reference.dense_backward_input(dy, w), numeric_gradient(lambda x: loss(x, w, b), x)
    )
    assert_close(dw, numeric_gradient(lambda w: loss(x, w, b), w))
    assert_close(db, numeric_gradient(lambda b: loss(x, w, b), b))


@pytest.mark.parametrize(
    "options",
    [{}, {"pool_size": 3, "strides": 1}, {"pool_size": (2, 3), "strides": 2, "padding": "same"}],
    ids=str,
)
def test_pooling_gradients_match_finite_differences(rng, options):
    x = rng.permutation(2 * 5 * 6 * 2).reshape(2, 5, 6, 2) / 7  # no two values are close
    y, argmax = reference.max_pool2d(x, return_argmax=True, **options)
    dy = rng.standard_normal(y.shape)
    dx = reference.max_pool2d_backward(dy, argmax, input_shape=x.shape, **options)
    loss = lambda x: np.sum(dy * reference.max_pool2d(x, **options))  # noqa: E731
    assert_close(dx, numeric_gradient(loss, x))
    dx = reference.avg_pool2d_backward(dy, input_shape=x.shape, **options)
    loss = lambda x: np.sum(dy * reference.avg_pool2d(x, **options))  # noqa: E731
    assert_close(dx, numeric_gradient(loss, x))


def test_max_pooling_loses_neither_nan_nor_infinity():
    nan, inf = np.nan, np.inf
    rows = [[1, nan, 3, nan], [-inf, -inf, -inf, -inf], [2, 2, 1, 2], [inf, nan, inf, -inf]]
    x = np.reshape(rows, (4, 1, 4, 1))
    y, argmax = reference.max_pool2d(x, pool_size=(1, 4), return_argmax=True)
    np.testing.assert_array_equal(y.ravel(), [nan, -inf, 2, nan])
    np.testing.assert_array_equal(argmax.ravel(), [1, 0, 0, 1])
    # Of an image of -inf the first pixel wins, not the padding in front of it.
    y, argmax = reference.max_pool2d(
        np.full((1, 1, 1, 1), -inf), pool_size=3, strides=1, padding=1, return_argmax=True
    )
    assert (y.item(), argmax.item()) == (-inf, 4)


# ---------------------------------------------------------------------- activations and losses


ACTIVATIONS = {
    "relu": (reference.relu, reference.relu_backward),
    "leaky_relu": (reference.leaky_relu, reference.leaky_relu_backward),
    "sigmoid": (reference.sigmoid, reference.sigmoid_backward),
    "tanh": (reference.tanh, reference.tanh_backward),
    "softmax": (reference.softmax, reference.softmax_backward),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_gradients_match_finite_differences(rng, name):
    forward, backward = ACTIVATIONS[name]
    x = rng.standard_normal((5, 4))
    x += np.copysign(0.01, x)  # away from the kink at 0
    dy = rng.standard_normal(x.shape)
    dx = backward(forward(x), dy)
    assert_close(dx, numeric_gradient(lambda x: np.sum(dy * forward(x)), x))
    np.testing.assert_array_equal(reference.activate(x, name), forward(x))


def test_none_and_linear_change_nothing():
    x = np.array([-1.0, 2.0])
    np.testing.assert_array_equal(reference.activate(x, None), x)
    np.testing.assert_array_equal(reference.activate(x, "linear"), x)


def test_the_derivative_at_zero_is_taken_from_the_left():
    zero, dy = np.zeros(1), np.ones(1)
    assert reference.relu_backward(zero, dy) == 0
    assert reference.leaky_relu_backward(zero, dy, negative_slope=0.3) == 0.3


WEIGHTS = (None, np.array([0.5, 2.0, 0.0]))


@pytest.mark.parametrize("weight", WEIGHTS, ids=["unweighted", "weighted"])
@pytest.mark.parametrize("loss", [reference.softmax_cross_entropy, reference.cross_entropy])
def test_gradients_of_class_losses_match_finite_differences(rng, loss, weight):
    scores = rng.uniform(0.1, 1.0, (3, 4))
    smooth = rng.uniform(0, 1, (3, 4))
    for targets in (np.array([2, 0, 3]), np.eye(4)[[2, 0, 3]], smooth):
        value, gradient = loss(scores, targets, sample_weight=weight)
        assert isinstance(value, float)
        assert_close(
            gradient,
            numeric_gradient(lambda s, t=targets: loss(s, t, sample_weight=weight)[0], scores),
        )


def test_labels_are_the_same_as_one_hot_targets(rng):
    logits, labels = rng.standard_normal((3, 4)), np.array([2, 0, 3])
    for loss in (reference.softmax_cross_entropy, reference.cross_entropy):
        by_label, by_row = loss(logits**2, labels), loss(logits**2, np.eye(4)[labels])
        assert by_label[0] == by_row[0]
        np.testing.assert_array_equal(by_label[1], by_row[1])


def test_cross_entropy_of_a_softmax_is_softmax_cross_entropy(rng):
    logits, targets = rng.standard_normal((3, 4)), np.eye(4)[[2, 0, 3]]
    y = reference.softmax(logits)
    through_y, dy = reference.cross_entropy(y, targets)
    direct, dlogits = reference.softmax_cross_entropy(logits, targets)
    assert through_y == pytest.approx(direct, rel=1e-12)
    np.testing.assert_allclose(reference.softmax_backward(y, dy), dlogits, atol=1e-12)


def test_huge_logits_have_a_finite_loss():
    loss, dlogits = reference.softmax_cross_entropy([[1e4, -1e4], [1e4, -1e4]], np.array([0, 1]))
    assert loss == 1e4
    np.testing.assert_array_equal(dlogits, [[0, 0], [0.5, -0.5]])


def test_no_gradient_passes_the_clip_of_probabilities():
    loss, dp = reference.cross_entropy([[1.0, 0.0]], np.array([1]))
    assert loss == pytest.approx(-np.log(1e-7))
    np.testing.assert_array_equal(dp, [[0, 0]])


@pytest.mark.parametrize("weight", WEIGHTS, ids=["unweighted", "weighted"])
def test_gradients_of_mean_squared_error_match_finite_differences(rng, weight):
    prediction, targets = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    loss = lambda y: reference.mean_squared_error(y, targets, sample_weight=weight)  # noqa: E731
    assert_close(loss(prediction)[1], numeric_gradient(lambda y: loss(y)[0], prediction))


def test_weights_do_not_change_the_number_of_samples():
    prediction, targets = np.array([[1.0], [3.0]]), np.zeros((2, 1))
    loss, _ = reference.mean_squared_error(prediction, targets, sample_weight=np.array([2.0, 0.0]))
    assert loss == 2 * 1 / 2


def test_an_empty_batch():
    x, w = np.zeros((0, 5, 5, 2)), np.ones((3, 3, 2, 4))
    dy = reference.conv2d(x, w, np.ones(4))
    assert dy.shape == (0, 3, 3, 4)
    assert reference.conv2d_im2col(x, w).shape == dy.shape
    assert reference.conv2d_backward_input(dy, w, input_shape=x.shape).shape == x.shape
    dw, db = reference.conv2d_backward_kernel(x, dy, kernel_size=3)
    assert not dw.any()
    assert not db.any()
    y, argmax = reference.max_pool2d(x, return_argmax=True)
    assert y.shape == argmax.shape == reference.avg_pool2d(x).shape == (0, 2, 2, 2)
    loss, gradient = reference.softmax_cross_entropy(np.zeros((0, 3)), np.zeros((0,), int))
    assert (loss, gradient.shape) == (0.0, (0, 3))


# -------------------------------------------------------------------------------- error bounds


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rounding_stays_within_the_bound_and_the_bound_within_reason(rng, dtype):
    """The same sums, added up one after the other in a low precision."""
    x = rng.standard_normal((1, 6, 6, 2)).astype(dtype)
    w = rng.standard_normal((3, 3, 2, 3)).astype(dtype)
    b = rng.standard_normal(3).astype(dtype)
    y = np.zeros((1, 4, 4, 3), dtype)
    for i, j, c in np.ndindex(3, 3, 2):
        y += x[:, i : i + 4, j : j + 4, c, None] * w[i, j, c]
    y += b
    error = np.abs(y.astype(np.float64) - reference.conv2d(x, w, b))
    bound = reference.error_bound(reference.conv2d, x, w, b, terms=18, dtype=dtype)
    assert np.all(error <= bound)
    assert np.all(bound < 1000 * error.max())
    dw, db = reference.error_bound(
        reference.conv2d_backward_kernel, x, y, terms=16, dtype=dtype, kernel_size=3
    )
    assert dw.shape == w.shape
    np.testing.assert_allclose(
        db, reference.gamma(18, dtype) * np.abs(y.astype(np.float64)).sum(axis=(0, 1, 2))
    )

"""What bad arguments get: an error that names the argument, what came and what is required.

Every operation is asked to do the impossible in every way that applies to it. Nothing here may crash,
hang, compute something anyway, or write to an `out` that it then refuses.
"""

from __future__ import annotations

import numpy as np
import pytest
from oracle import assert_equal

from fastconv import ops, runtime, shapes
from fastconv._ext import _conv, _core, _dense, _elementwise, _pool

X = np.arange(1 * 6 * 5 * 4, dtype=np.float32).reshape(1, 6, 5, 4) / 8
W = np.arange(3 * 3 * 4 * 8, dtype=np.float32).reshape(3, 3, 4, 8) / 64
B = np.ones(8, np.float32)


def conv2d(x=X, w=W, b=B, **options):
    return ops.conv2d(x, w, b, **options)


def backward_input(dy=None, w=W, input_shape=X.shape, **options):
    dy = np.ones((1, 4, 3, 8), np.float32) if dy is None else dy
    return ops.conv2d_backward_input(dy, w, input_shape=input_shape, **options)


def backward_kernel(x=X, dy=None, kernel_size=3, **options):
    dy = np.ones((1, 4, 3, 8), np.float32) if dy is None else dy
    return ops.conv2d_backward_kernel(x, dy, kernel_size=kernel_size, **options)


def max_pool(x=X, **options):
    return ops.max_pool2d(x, **options)


def max_pool_backward(dy=None, argmax=None, input_shape=X.shape, **options):
    dy = np.ones((1, 3, 2, 4), np.float32) if dy is None else dy
    argmax = np.zeros((1, 3, 2, 4), np.uint8) if argmax is None else argmax
    return ops.max_pool2d_backward(dy, argmax, input_shape=input_shape, **options)


def avg_pool(x=X, **options):
    return ops.avg_pool2d(x, **options)


def avg_pool_backward(dy=None, input_shape=X.shape, **options):
    dy = np.ones((1, 3, 2, 4), np.float32) if dy is None else dy
    return ops.avg_pool2d_backward(dy, input_shape=input_shape, **options)


def im2col(x=X, kernel_size=3, **options):
    return ops.im2col(x, kernel_size, **options)


def col2im(cols=None, input_shape=X.shape, kernel_size=3, **options):
    cols = np.ones((36, 12), np.float32) if cols is None else cols
    return ops.col2im(cols, input_shape=input_shape, kernel_size=kernel_size, **options)


CONVOLUTIONS = (conv2d, backward_input, backward_kernel)
POOLINGS = (max_pool, max_pool_backward, avg_pool, avg_pool_backward)
COLUMNS = (im2col, col2im)
WINDOWED = (*CONVOLUTIONS, *POOLINGS, *COLUMNS)


@pytest.mark.parametrize("call", WINDOWED)
def test_the_calls_below_are_legal_but_for_one_argument(call):
    call()


# -------------------------------------------------------------------- shapes and hyper-parameters


@pytest.mark.parametrize("call", WINDOWED)
@pytest.mark.parametrize(
    "strides, error, message",
    [
        (0, ValueError, "`strides` must be positive, received 0"),
        (-1, ValueError, "`strides` must be positive, received -1"),
        ((0, 1), ValueError, r"`strides` must be positive, received \(0, 1\)"),
        ((1, -2), ValueError, r"`strides` must be positive, received \(1, -2\)"),
        ((1, 1, 1), ValueError, r"`strides` .*pair.* received \(1, 1, 1\)"),
        ((1,), ValueError, r"`strides` .*pair.* received \(1,\)"),
        ((), ValueError, r"`strides` .*pair.* received \(\)"),
        (2.5, TypeError, r"`strides` .*integer.* received 2\.5"),
        (2.0, TypeError, r"`strides` .*integer.* received 2\.0"),
        ((1, 2.0), TypeError, r"`strides` .*integer.* received \(1, 2\.0\)"),
        (True, TypeError, "`strides` .*integer.* received True"),
        ((1, False), TypeError, r"`strides` .*integer.* received \(1, False\)"),
        (np.bool_(True), TypeError, "`strides` .*integer"),
        (np.float32(1), TypeError, "`strides` .*integer"),
        ("2", TypeError, "`strides` .*integer.* received '2'"),
        ({1, 2}, TypeError, "`strides` .*integer"),
        (2**63, ValueError, "`strides` must fit in 64 bits"),
    ],
)
def test_strides(call, strides, error, message):
    with pytest.raises(error, match=message):
        call(strides=strides)


def test_integers_of_any_kind_are_accepted():
    expected = ops.conv2d(X, W, strides=2, padding=1, dilation_rate=1, groups=1)
    for kind in (np.int8, np.int64, np.uint16, np.array):
        y = ops.conv2d(
            X, W, strides=kind(2), padding=kind(1), dilation_rate=(kind(1), 1), groups=kind(1)
        )
        assert_equal(y, expected)
    assert_equal(ops.conv2d(X, W, strides=np.array([2, 2]), padding=[1, 1]), expected)
    assert_equal(ops.conv2d(X, W, strides=[2, 2], padding=[[1, 1], (1, 1)]), expected)


@pytest.mark.parametrize("call", (*CONVOLUTIONS, *COLUMNS))
@pytest.mark.parametrize(
    "rate, error, message",
    [
        (0, ValueError, "`dilation_rate` must be positive, received 0"),
        ((1, -1), ValueError, r"`dilation_rate` must be positive, received \(1, -1\)"),
        ((1, 1, 1), ValueError, "`dilation_rate` .*pair"),
        (1.5, TypeError, r"`dilation_rate` .*integer.* received 1\.5"),
        (True, TypeError, "`dilation_rate` .*integer.* received True"),
        (3, ValueError, r"kernel \(7, 7\) is larger than the padded input \(6, 5\)"),
        (2**62, ValueError, "64 bits"),
    ],
)
def test_dilation(call, rate, error, message):
    with pytest.raises(error, match=message):
        call(dilation_rate=rate)


@pytest.mark.parametrize("call", (backward_kernel, *COLUMNS))
@pytest.mark.parametrize(
    "size, error, message",
    [
        (0, ValueError, "`kernel_size` must be positive, received 0"),
        ((3, 0), ValueError, r"`kernel_size` must be positive, received \(3, 0\)"),
        ((3, 3, 3), ValueError, "`kernel_size` .*pair"),
        (2.5, TypeError, r"`kernel_size` .*integer.* received 2\.5"),
        (True, TypeError, "`kernel_size` .*integer.* received True"),
        (7, ValueError, r"\(7, 7\) is larger than the padded input \(6, 5\)"),
        (2**40, ValueError, "larger than the padded input|64 bits"),
    ],
)
def test_kernel_size(call, size, error, message):
    with pytest.raises(error, match=message):
        call(kernel_size=size)


@pytest.mark.parametrize("call", POOLINGS)
@pytest.mark.parametrize(
    "size, error, message",
    [
        (0, ValueError, "`pool_size` must be positive, received 0"),
        ((2, -3), ValueError, r"`pool_size` must be positive, received \(2, -3\)"),
        ((2, 2, 2), ValueError, "`pool_size` .*pair"),
        (2.0, TypeError, r"`pool_size` .*integer.* received 2\.0"),
        (False, TypeError, "`pool_size` .*integer.* received False"),
        (None, TypeError, "`pool_size` .*integer"),
        (7, ValueError, r"pool window \(7, 7\) is larger than the padded input \(6, 5\)"),
    ],
)
def test_pool_size(call, size, error, message):
    with pytest.raises(error, match=message):
        call(pool_size=size)


@pytest.mark.parametrize("call", WINDOWED)
@pytest.mark.parametrize(
    "padding, error, message",
    [
        ("full", ValueError, "`padding` must be .*valid.*same.* received 'full'"),
        ("", ValueError, "`padding` must be .*valid.*same"),
        (-1, ValueError, "`padding` must not be negative, received -1"),
        (((0, 1), (-1, 0)), ValueError, r"`padding` must not be negative, received \(\(0, 1\), \(-1"),
        ((1, 1, 1), ValueError, r"`padding` .*received \(1, 1, 1\)"),
        (((1, 1), (1, 1), (1, 1)), ValueError, "`padding` .*received"),
        (((1, 1), (1, 1, 1)), ValueError, "`padding` .*received"),
        (((1, 1), 1), ValueError, "`padding` .*received"),
        ((), ValueError, "`padding` .*received"),
        (1.0, TypeError, r"`padding` .*received 1\.0"),
        (True, TypeError, "`padding` .*received True"),
        (None, TypeError, "`padding` .*received None"),
        (2**63 - 5, ValueError, "64 bits"),
        ((2**62, 2**62), ValueError, "64 bits|wholly in the padding"),
        (2**31, ValueError, "64 bits|wholly in the padding"),
        (2**64, ValueError, "`padding` must fit in 64 bits"),
    ],
)
def test_padding(call, padding, error, message):
    with pytest.raises(error, match=message):
        call(padding=padding)


@pytest.mark.parametrize("call", POOLINGS)
@pytest.mark.parametrize(
    "options",
    [
        {"padding": 2},
        {"padding": ((0, 0), (2, 0))},
        {"padding": ((0, 3), (0, 0)), "strides": 2},
        {"padding": ((0, 0), (0, 4)), "strides": (1, 3), "pool_size": (1, 2)},
    ],
)
def test_a_window_wholly_in_padding(call, options):
    with pytest.raises(ValueError, match="`padding` .*window of .* wholly in the padding"):
        call(**options)


@pytest.mark.parametrize(
    "mode, error, message",
    [
        ("wrap", ValueError, "`padding_mode` must be .*zeros.*edge.*reflect.* received 'wrap'"),
        (None, (TypeError, ValueError), "`padding_mode` .*received None"),
        (0, (TypeError, ValueError), "`padding_mode` .*received 0"),
    ],
)
def test_padding_mode(mode, error, message):
    with pytest.raises(error, match=message):
        conv2d(padding=1, padding_mode=mode)


def test_a_reflection_needs_pixels_to_show():
    conv2d(padding=4, padding_mode="reflect")
    with pytest.raises(ValueError, match="`padding` must be smaller than the image"):
        conv2d(padding=5, padding_mode="reflect")
    with pytest.raises(ValueError, match="`padding` must be smaller than the image"):
        conv2d(x=X[:, :1], padding="same", padding_mode="reflect")


@pytest.mark.parametrize(
    "kernel, message",
    [
        ((7, 1), r"effective kernel \(7, 1\) is larger than the padded input \(6, 5\)"),
        ((1, 6), r"effective kernel \(1, 6\) is larger than the padded input \(6, 5\)"),
        ((8, 9), r"effective kernel \(8, 9\) is larger than the padded input \(6, 5\)"),
    ],
)
def test_a_kernel_that_does_not_fit(kernel, message):
    w = np.zeros((*kernel, 4, 8), np.float32)
    with pytest.raises(ValueError, match=message):
        conv2d(w=w)
    with pytest.raises(ValueError, match=message):
        backward_input(w=w, dy=np.zeros((1, 1, 1, 8), np.float32))
    with pytest.raises(ValueError, match=message):
        backward_kernel(kernel_size=kernel, dy=np.zeros((1, 1, 1, 8), np.float32))
    # One more row or column of padding, and it fits.
    assert conv2d(w=np.zeros((7, 1, 4, 8), np.float32), padding=((1, 0), (0, 0))).shape[1] == 1


@pytest.mark.parametrize("call", (conv2d, backward_kernel, backward_input))
@pytest.mark.parametrize(
    "groups, error, message",
    [
        (0, ValueError, "`groups` must be positive, received 0"),
        (-2, ValueError, "`groups` must be positive, received -2"),
        (3, ValueError, r"groups.*3"),
        (5, ValueError, r"groups.*5"),
        (16, ValueError, r"groups.*16"),
        (2.0, TypeError, r"`groups` must be an integer, received 2\.0"),
        (True, TypeError, "`groups` must be an integer, received True"),
        ((2, 2), TypeError, r"`groups` must be an integer, received \(2, 2\)"),
        (2**63, ValueError, "`groups` must fit in 64 bits"),
    ],
)
def test_groups(call, groups, error, message):
    with pytest.raises(error, match=message):
        call(groups=groups)


def test_groups_must_divide_channels_and_filters():
    with pytest.raises(ValueError, match=r"(?s)groups.*3.*4|4.*groups.*3"):
        conv2d(w=np.zeros((3, 3, 1, 9), np.float32), b=None, groups=3)
    with pytest.raises(ValueError, match=r"(?s)groups.*4.*6|6.*groups.*4"):
        conv2d(w=np.zeros((3, 3, 1, 6), np.float32), b=None, groups=4)


def test_channels_of_image_and_filters_must_match():
    with pytest.raises(ValueError, match=r"`w`.*\b5\b.*\b4\b|`x`.*\b4\b.*\b5\b"):
        conv2d(w=np.zeros((3, 3, 5, 8), np.float32))
    with pytest.raises(ValueError, match=r"\b4\b.*\b2\b|\b2\b.*\b4\b"):
        conv2d(groups=2)  # filters of 4 channels, groups of 2
    with pytest.raises(ValueError, match=r"`w`.*\b3\b.*\b4\b|\b4\b.*\b3\b"):
        backward_input(w=np.zeros((3, 3, 3, 8), np.float32))


@pytest.mark.parametrize("shape", [(7,), (9,), (1, 8), (), (8, 1)])
def test_the_bias_has_one_value_per_filter(shape):
    with pytest.raises(ValueError, match=r"`b` must have shape \(8,\)"):
        conv2d(b=np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=r"`b` must have shape \(8,\)"):
        ops.dense(np.ones((2, 3), np.float32), np.ones((3, 8), np.float32), np.zeros(shape, "f4"))


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 5])
def test_images_have_four_dimensions(rank):
    x = np.zeros((2,) * rank, np.float32)
    message = rf"`x` must have 4 dimensions \(N, H, W, C\), received shape .* with {rank}"
    for call in (conv2d, max_pool, avg_pool, im2col, backward_kernel):
        with pytest.raises(ValueError, match=message):
            call(x=x)
    with pytest.raises(ValueError, match="`w` must have 4 dimensions"):
        conv2d(w=x)
    for call in (backward_input, max_pool_backward, avg_pool_backward, col2im):
        with pytest.raises(ValueError, match="`input_shape` must have 4 dimensions"):
            call(input_shape=(2,) * rank)


def test_dense_operands_have_two_dimensions():
    x, w, dy = (np.zeros(shape, np.float32) for shape in ((2, 3), (3, 4), (2, 4)))
    for wrong in (np.zeros(3, np.float32), np.zeros((1, 2, 3), np.float32)):
        with pytest.raises(ValueError, match="`x` must have 2 dimensions"):
            ops.dense(wrong, w)
        with pytest.raises(ValueError, match="`w` must have 2 dimensions"):
            ops.dense(x, wrong)
        with pytest.raises(ValueError, match="`dy` must have 2 dimensions"):
            ops.dense_backward_input(wrong, w)
        with pytest.raises(ValueError, match="`dy` must have 2 dimensions"):
            ops.dense_backward_kernel(x, wrong)
    with pytest.raises(ValueError, match=r"`w` must have shape \(3, 4\).*received \(5, 4\)"):
        ops.dense(x, np.zeros((5, 4), np.float32))
    with pytest.raises(ValueError, match=r"`w` must have shape \(3, 4\).*received \(3, 5\)"):
        ops.dense_backward_input(dy, np.zeros((3, 5), np.float32))
    with pytest.raises(ValueError, match=r"`dy` must have shape \(2, 4\).*received \(3, 4\)"):
        ops.dense_backward_kernel(x, np.zeros((3, 4), np.float32))


@pytest.mark.parametrize("shape", [(1, 4, 3, 7), (1, 4, 4, 8), (1, 3, 3, 8), (2, 4, 3, 8)])
def test_dy_must_be_what_the_forward_pass_gave(shape):
    dy = np.zeros(shape, np.float32)
    with pytest.raises(ValueError, match=r"`dy` must have shape \(1, 4, 3, 8\).*received"):
        backward_input(dy=dy)
    if shape[3] == 8:  # another number of filters is a legal gradient of another convolution
        with pytest.raises(ValueError, match=r"`dy` must have shape \(1, 4, 3, 8\).*received"):
            backward_kernel(dy=dy)


def test_pooling_gradients_must_be_what_the_forward_pass_gave():
    wrong = np.zeros((1, 3, 3, 4), np.float32)
    for call in (max_pool_backward, avg_pool_backward):
        with pytest.raises(ValueError, match=r"`dy` must have shape \(1, 3, 2, 4\).*received"):
            call(dy=wrong)
    with pytest.raises(ValueError, match=r"`argmax` must have shape \(1, 3, 2, 4\)"):
        max_pool_backward(argmax=wrong.astype(np.uint8))
    with pytest.raises(TypeError, match="`argmax` must hold integers, received float32"):
        max_pool_backward(argmax=np.zeros((1, 3, 2, 4), np.float32))
    with pytest.raises(TypeError, match="`argmax` must hold integers, received bool"):
        max_pool_backward(argmax=np.zeros((1, 3, 2, 4), bool))


@pytest.mark.parametrize("place", [4, 255, -1, 2**40])
def test_positions_outside_the_window_are_refused(place):
    """The kernel writes where it is told to; a forged position must not reach it."""
    argmax = np.zeros((1, 3, 2, 4), np.int64)
    argmax[0, 2, 1, 3] = place
    message = rf"`argmax` must point .*received {place} at \(0, 2, 1, 3\)"
    with pytest.raises(ValueError, match=message):
        max_pool_backward(argmax=argmax)


@pytest.mark.parametrize("corner, place", [((0, 0), 0), ((0, 1), 2), ((1, 0), 6), ((2, 2), 8)])
def test_positions_in_the_padding_are_refused(corner, place):
    x = np.zeros((1, 4, 4, 2), np.float32)
    options = {"pool_size": 3, "strides": 2, "padding": 1}
    y, argmax = ops.max_pool2d(x, return_argmax=True, **options)
    if corner == (2, 2):
        options["padding"] = ((1, 2), (1, 2))
        y, argmax = ops.max_pool2d(x, return_argmax=True, **options)
    ops.max_pool2d_backward(y, argmax, input_shape=x.shape, **options)
    argmax[(0, *corner, 1)] = place
    if corner == (1, 0):
        argmax[(0, *corner, 1)] = 0  # its left column is padding
    with pytest.raises(ValueError, match="`argmax` must point to a pixel .*of the image"):
        ops.max_pool2d_backward(y, argmax, input_shape=x.shape, **options)


def test_column_matrices_must_have_their_shape():
    with pytest.raises(ValueError, match=r"`cols` must have shape \(36, 12\)"):
        col2im(cols=np.zeros((12, 36), np.float32))
    with pytest.raises(ValueError, match="64 bits"):
        im2col(np.zeros((1, 2**13, 2**13, 1), np.float32), 2**12, dilation_rate=1, padding=2**30)


@pytest.mark.parametrize("call", (backward_input, max_pool_backward, avg_pool_backward, col2im))
@pytest.mark.parametrize(
    "shape, error, message",
    [
        ((1, 6, 5, -4), ValueError, "`input_shape` must not be negative"),
        ((1, 6.0, 5, 4), TypeError, "`input_shape` .*integer"),
        ((1, True, 5, 4), TypeError, "`input_shape` .*integer"),
        (4, TypeError, "`input_shape` must be a shape"),
        ("NHWC", (TypeError, ValueError), "`input_shape`"),
        (None, TypeError, "`input_shape`"),
        ((2**32, 2**32, 5, 4), ValueError, "64 bits"),
        ((1, 2**62, 2**62, 4), ValueError, "64 bits"),
    ],
)
def test_input_shapes(call, shape, error, message):
    with pytest.raises(error, match=message):
        call(input_shape=shape)


def test_algorithm_and_activation():
    for call in CONVOLUTIONS:
        with pytest.raises(ValueError, match="`algorithm`.*(auto.*direct.*fft|fft.*auto.*direct)"):
            call(algorithm="fft")
        with pytest.raises((TypeError, ValueError), match="`algorithm`.*None"):
            call(algorithm=None)
    with pytest.raises(ValueError, match='`activation` must be .*"relu".* received \'swish\''):
        conv2d(activation="swish")
    with pytest.raises(TypeError, match="`activation` must be a string, received 3"):
        ops.dense(np.ones((1, 2), "f4"), np.ones((2, 2), "f4"), activation=3)


@pytest.mark.parametrize(
    "slope, error",
    [(-0.1, ValueError), (np.nan, ValueError), (np.inf, ValueError), ("0", TypeError), (True, TypeError)],
)
def test_negative_slope(slope, error):
    with pytest.raises(error, match="`negative_slope` must be .*received"):
        ops.leaky_relu(X, negative_slope=slope)
    with pytest.raises(error, match="`negative_slope` must be .*received"):
        ops.leaky_relu_backward(X, X, negative_slope=slope)


@pytest.mark.parametrize(
    "threads, error",
    [(0, ValueError), (-1, ValueError), (10**6, ValueError), (1.0, TypeError), (True, TypeError), ("2", TypeError)],
)
def test_num_threads(threads, error):
    limit = rf"`num_threads` must be an integer from 1 to {runtime.MAX_THREADS}, received"
    for call in (*CONVOLUTIONS, *POOLINGS):
        with pytest.raises(error, match=limit):
            call(num_threads=threads)
    with pytest.raises(error, match=limit):
        ops.relu(X, num_threads=threads)
    with pytest.raises(error, match=limit):
        ops.dense(X[0, 0], W[0, 0], num_threads=threads)
    with pytest.raises(error, match=limit):
        ops.softmax_cross_entropy(X[0, 0], X[0, 0], num_threads=threads)


def test_odd_sizes_are_computed_not_refused():
    """H < stride and tails that differ at the two ends are legal, and have the oracle's result."""
    from fastconv import reference

    for strides, padding in (((7, 6), "same"), ((4, 3), "valid"), ((5, 9), ((0, 3), (2, 0)))):
        y = ops.conv2d(X, W, strides=strides, padding=padding)
        expected = reference.conv2d(X, W, strides=strides, padding=padding)
        np.testing.assert_allclose(y, expected, rtol=1e-5)


# ------------------------------------------------------------------------------- dtype and memory

WRONG_DTYPES = ("O", "U3", "c8", "c16", "?", "i4", "u1", "f2", "M8[s]", np.dtype(np.longdouble).str)


@pytest.mark.parametrize("dtype", WRONG_DTYPES)
def test_dtypes(dtype):
    wrong = np.zeros(X.shape, np.dtype(dtype))
    message = "must be float32 or float64, received"
    for call in (conv2d, max_pool, avg_pool, im2col, backward_kernel):
        with pytest.raises(TypeError, match=f"`x` {message}"):
            call(x=wrong)
    with pytest.raises(TypeError, match=f"`w` {message}"):
        conv2d(w=np.zeros(W.shape, dtype))
    with pytest.raises(TypeError, match=f"`b` {message}"):
        conv2d(b=np.zeros(8, dtype))
    for call in (backward_input, backward_kernel):
        with pytest.raises(TypeError, match=f"`dy` {message}"):
            call(dy=np.zeros((1, 4, 3, 8), dtype))
    for call in (max_pool_backward, avg_pool_backward):
        with pytest.raises(TypeError, match=f"`dy` {message}"):
            call(dy=np.zeros((1, 3, 2, 4), dtype))
    with pytest.raises(TypeError, match=f"`cols` {message}"):
        col2im(cols=np.zeros((36, 12), dtype))
    matrix = np.zeros((5, 4), dtype)
    with pytest.raises(TypeError, match=f"`x` {message}"):
        ops.dense(matrix, W[0, 0])
    for name in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
        with pytest.raises(TypeError, match=f"`x` {message}"):
            getattr(ops, name)(matrix)
        with pytest.raises(TypeError, match=f"`y` {message}"):
            getattr(ops, f"{name}_backward")(matrix, matrix)
    for loss, name in (
        (ops.softmax_cross_entropy, "logits"),
        (ops.cross_entropy, "probabilities"),
        (ops.mean_squared_error, "prediction"),
    ):
        with pytest.raises(TypeError, match=f"`{name}` {message}"):
            loss(matrix, X[0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_do_not_mix(dtype):
    """Neither float64 is cut to float32 nor float32 widened behind the caller's back."""
    other = np.float64 if dtype is np.float32 else np.float32
    x, w, b = X.astype(dtype), W.astype(dtype), B.astype(dtype)
    message = rf"must have the dtype of .*{np.dtype(dtype)}, received {np.dtype(other)}"
    with pytest.raises(TypeError, match=f"`w` {message}"):
        ops.conv2d(x, w.astype(other))
    with pytest.raises(TypeError, match=f"`b` {message}"):
        ops.conv2d(x, w, b.astype(other))
    dy = np.ones((1, 4, 3, 8), dtype)
    with pytest.raises(TypeError, match=f"`w` {message}"):
        ops.conv2d_backward_input(dy, w.astype(other), input_shape=x.shape)
    with pytest.raises(TypeError, match=f"`dy` {message}"):
        ops.conv2d_backward_kernel(x, dy.astype(other), kernel_size=3)
    x, w = x[0, 0], w[0, 0]
    with pytest.raises(TypeError, match=f"`w` {message}"):
        ops.dense(x, w.astype(other))
    with pytest.raises(TypeError, match=f"`w` {message}"):
        ops.dense_backward_input(x, w.astype(other))
    with pytest.raises(TypeError, match=f"`dy` {message}"):
        ops.dense_backward_kernel(x, x.astype(other))
    for name in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
        with pytest.raises(TypeError, match=f"`dy` {message}"):
            getattr(ops, f"{name}_backward")(x, x.astype(other))
    for loss in (ops.softmax_cross_entropy, ops.cross_entropy, ops.mean_squared_error):
        with pytest.raises(TypeError, match=f"`targets` {message}"):
            loss(x, x.astype(other))
        with pytest.raises(TypeError, match=f"`sample_weight` {message}"):
            loss(x, x, sample_weight=np.ones(5, other))
    with pytest.raises(TypeError, match=f"`out` must have dtype {np.dtype(dtype)}"):
        ops.relu(x, out=np.empty(x.shape, other))


def test_only_arrays_are_arrays():
    for wrong in ([[1.0, 2.0]], 3.0, None, "x", memoryview(b"1234")):
        with pytest.raises(TypeError, match="`x` must be a NumPy array, received"):
            ops.conv2d(wrong, W)
        with pytest.raises(TypeError, match="`x` must be a NumPy array, received"):
            ops.relu(wrong)
    with pytest.raises(TypeError, match="`x` must be a plain NumPy array, received a masked array"):
        ops.relu(np.ma.masked_array(X, X > 1))


def out_takers():
    """(name, call with `out`, shape of the result, an input that `out` may not overlap)."""
    dy, dp = np.ones((1, 4, 3, 8), np.float32), np.ones((1, 3, 2, 4), np.float32)
    argmax = np.zeros((1, 3, 2, 4), np.uint8)
    x, w = X[0, 0].copy(), W[0, 0].copy()
    yield "conv2d", lambda out, x=X: ops.conv2d(x, W, B, out=out), (1, 4, 3, 8)
    yield (
        "conv2d_backward_input",
        lambda out: ops.conv2d_backward_input(dy, W, input_shape=X.shape, out=out),
        X.shape,
    )
    yield "max_pool2d", lambda out: ops.max_pool2d(X, out=out), (1, 3, 2, 4)
    yield (
        "max_pool2d_backward",
        lambda out: ops.max_pool2d_backward(dp, argmax, input_shape=X.shape, out=out),
        X.shape,
    )
    yield "avg_pool2d", lambda out: ops.avg_pool2d(X, out=out), (1, 3, 2, 4)
    yield (
        "avg_pool2d_backward",
        lambda out: ops.avg_pool2d_backward(dp, input_shape=X.shape, out=out),
        X.shape,
    )
    yield "dense", lambda out: ops.dense(x, w, out=out), (5, 8)
    yield "dense_backward_input", lambda out: ops.dense_backward_input(x @ w, w, out=out), (5, 4)
    for kind in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
        yield kind, lambda out, kind=kind: getattr(ops, kind)(X, out=out), X.shape
        yield (
            f"{kind}_backward",
            lambda out, kind=kind: getattr(ops, f"{kind}_backward")(X, X, out=out),
            X.shape,
        )


OUT_TAKERS = tuple(out_takers())


@pytest.mark.parametrize("call, shape", [item[1:] for item in OUT_TAKERS], ids=[i[0] for i in OUT_TAKERS])
def test_unsuitable_out(call, shape):
    good = np.full(shape, -7, np.float32)
    assert call(good) is good

    read_only = np.full(shape, -7, np.float32)
    read_only.flags.writeable = False
    doubled = np.full((*shape[:-1], 2 * shape[-1]), -7, np.float32)
    wider = np.full((*shape[:-1], shape[-1] + 1), -7, np.float32)
    one = np.full((1,) * len(shape), -7, np.float32)
    stride_0 = np.lib.stride_tricks.as_strided(one, shape, (0,) * len(shape))
    raw = np.full(good.nbytes + 8, 249, np.uint8)
    misaligned = raw[1 : 1 + good.nbytes].view(np.float32).reshape(shape)
    refused = [
        (read_only, ValueError, "`out` must be writable"),
        (doubled[..., ::2], ValueError, "`out` must be C-contiguous"),
        (wider[..., :-1], ValueError, "`out` must be C-contiguous"),
        (good[..., ::-1], ValueError, "`out` must be C-contiguous"),
        (stride_0, ValueError, "`out` must be C-contiguous"),
        (misaligned, ValueError, "`out` must be C-contiguous and aligned"),
        (wider, ValueError, "`out` must have shape"),
        (good[None], ValueError, "`out` must have shape"),
        (good.astype(np.float64), TypeError, "`out` must have dtype float32, received float64"),
        (good.astype(">f4"), TypeError, "`out` must have dtype float32, received >f4"),
        (good.astype(np.int32), TypeError, "`out` must have dtype float32, received int32"),
        (good.tolist(), TypeError, "`out` must be a NumPy array, received list"),
        (True, TypeError, "`out` must be a NumPy array, received bool"),
    ]
    for out, error, message in refused:
        before = np.array(out)
        with pytest.raises(error, match=message):
            call(out)
        assert np.array_equal(before, np.array(out)), f"{message}: `out` was written all the same"


def test_out_must_not_overlap_an_input():
    memory = np.ones(4096, np.float32)
    x = memory[:120].reshape(1, 6, 5, 4)
    for begin in (0, 1, 24, 119):  # identical, shifted, inside, the last element only
        out = memory[begin : begin + 96].reshape(1, 4, 3, 8)
        with pytest.raises(ValueError, match="`out` must not overlap `x`"):
            ops.conv2d(x, W, out=out)
    apart = memory[120:216].reshape(1, 4, 3, 8)  # begins where x ends
    assert ops.conv2d(x, W, out=apart) is apart
    memory[:] = 1
    w = memory[: W.size].reshape(W.shape)
    out = memory[W.size - 1 : W.size + 95].reshape(1, 4, 3, 8)
    with pytest.raises(ValueError, match="`out` must not overlap `w`"):
        ops.conv2d(X, w, out=out)
    b = memory[200:208]
    with pytest.raises(ValueError, match="`out` must not overlap `b`"):
        ops.conv2d(X, W, b, out=memory[207:303].reshape(1, 4, 3, 8))
    with pytest.raises(ValueError, match="`out` must not overlap `w`"):
        ops.conv2d_backward_input(
            np.ones((1, 4, 3, 8), "f4"), w, input_shape=X.shape, out=memory[:120].reshape(X.shape)
        )
    with pytest.raises(ValueError, match="`out` must not overlap `x`"):
        ops.max_pool2d(x, out=memory[96:120].reshape(1, 3, 2, 4))
    dy = memory[:24].reshape(1, 3, 2, 4)
    with pytest.raises(ValueError, match="`out` must not overlap `dy`"):
        ops.avg_pool2d_backward(dy, input_shape=X.shape, out=memory[:120].reshape(X.shape))
    with pytest.raises(ValueError, match="`out` must not overlap `x`"):
        ops.dense(memory[:20].reshape(5, 4), W[0, 0], out=memory[19:59].reshape(5, 8))
    with pytest.raises(ValueError, match="`out` must not overlap `y`"):
        ops.relu_backward(x, X, out=x)
    assert (memory == 1).all(), "a refused call wrote"


def test_elementwise_in_place_is_exactly_in_place():
    memory = np.linspace(-1, 1, 64, dtype=np.float32)
    x = memory[:32]
    for kind in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
        expected = getattr(ops, kind)(x.copy())
        work = x.copy()
        assert getattr(ops, kind)(work, out=work) is work
        assert_equal(work, expected, kind)
        with pytest.raises(ValueError, match="`out` must not overlap `x`"):
            getattr(ops, kind)(x, out=memory[1:33])
        dy = np.ones(32, np.float32)
        expected = getattr(ops, f"{kind}_backward")(work, dy)
        assert getattr(ops, f"{kind}_backward")(work, dy, out=dy) is dy
        assert_equal(dy, expected, kind)


# --------------------------------------------------------------------------------------------- empty


@pytest.mark.parametrize("axis, letter", [(1, "H"), (2, "W"), (3, "C")])
def test_an_empty_image_is_refused(axis, letter):
    shape = tuple(0 if i == axis else n for i, n in enumerate(X.shape))
    x = np.zeros(shape, np.float32)
    message = rf"`x` \(N, H, W, C\) must not be empty along {letter}, received shape"
    for call in (conv2d, max_pool, avg_pool, im2col, backward_kernel):
        with pytest.raises(ValueError, match=message):
            call(x=x)
    message = rf"`input_shape` \(N, H, W, C\) must not be empty along {letter}"
    for call in (backward_input, max_pool_backward, avg_pool_backward, col2im):
        with pytest.raises(ValueError, match=message):
            call(input_shape=shape)


@pytest.mark.parametrize("axis", range(4))
def test_empty_filters_are_refused(axis):
    w = np.zeros(tuple(0 if i == axis else n for i, n in enumerate(W.shape)), np.float32)
    for call in (conv2d, backward_input):
        with pytest.raises(ValueError, match="`w` .*must not be empty along"):
            call(w=w)
    if axis == 3:
        with pytest.raises(ValueError, match="`dy` .*must not be empty along K"):
            backward_kernel(dy=np.zeros((1, 4, 3, 0), np.float32))


def test_empty_matrices_are_refused():
    x, w = np.zeros((2, 3), np.float32), np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match="`x` .*must not be empty along I"):
        ops.dense(x[:, :0], w[:0])
    with pytest.raises(ValueError, match="`w` .*must not be empty along O"):
        ops.dense(x, w[:, :0])
    with pytest.raises(ValueError, match="must not be empty"):
        ops.dense_backward_input(x[:, :0], w[:, :0])
    with pytest.raises(ValueError, match="must not be empty"):
        ops.dense_backward_kernel(x, x[:, :0])
    with pytest.raises(ValueError, match="at least one class"):
        ops.softmax(x[:, :0])
    with pytest.raises(ValueError, match="must not be empty along C"):
        ops.softmax_cross_entropy(x[:, :0], x[:, :0])


def test_an_empty_batch_has_a_loss_of_zero():
    logits = np.zeros((0, 10), np.float32)
    for targets in (logits, np.zeros(0, np.int64)):
        loss, gradient = ops.softmax_cross_entropy(logits, targets)
        assert loss == 0 and gradient.shape == (0, 10)
    assert ops.mean_squared_error(logits, logits)[0] == 0


def test_an_empty_batch_is_judged_like_any_other():
    """No work to do is no reason to let a wrong argument pass."""
    x = np.zeros((0, 6, 5, 4), np.float32)
    with pytest.raises(ValueError, match="`strides` must be positive"):
        ops.conv2d(x, W, strides=0)
    with pytest.raises(ValueError, match="larger than the padded input"):
        ops.max_pool2d(x, pool_size=9)
    with pytest.raises(TypeError, match="`w` must have the dtype"):
        ops.conv2d(x, W.astype(np.float64))
    with pytest.raises(ValueError, match="`out` must have shape"):
        ops.conv2d(x, W, out=np.zeros((1, 4, 3, 8), np.float32))


# -------------------------------------------------------------------------------------------- losses


def test_labels_out_of_range_are_named():
    logits = np.zeros((4, 3), np.float32)
    for labels, message in (
        ([0, 1, 3, 2], r"labels in \[0, 3\), received 3 at index 2"),
        ([0, -1, 0, 0], r"labels in \[0, 3\), received -1 at index 1"),
    ):
        for loss in (ops.softmax_cross_entropy, ops.cross_entropy):
            with pytest.raises(ValueError, match=message):
                loss(logits, np.array(labels))
    with pytest.raises(ValueError, match="received 18446744073709551615 at index 0"):
        ops.softmax_cross_entropy(logits, np.array([2**64 - 1, 0, 0, 0], np.uint64))


def test_targets_must_fit_the_logits():
    logits = np.zeros((4, 3), np.float32)
    for wrong in (np.zeros((4, 2), np.float32), np.zeros((3, 3), np.float32), np.zeros(4, np.float32)):
        with pytest.raises(ValueError, match="`targets` must have shape"):
            ops.softmax_cross_entropy(logits, wrong)
    for wrong in (np.zeros(3, int), np.zeros((4, 1), int), np.zeros((4, 3), int)):
        with pytest.raises(ValueError, match=r"`targets` must have shape \(4,\)"):
            ops.softmax_cross_entropy(logits, wrong)
    with pytest.raises(TypeError, match="`targets` must be float32 or float64, received bool"):
        ops.softmax_cross_entropy(logits, np.zeros((4, 3), bool))
    with pytest.raises(ValueError, match=r"`sample_weight` must have shape \(4,\)"):
        ops.softmax_cross_entropy(logits, logits, sample_weight=np.ones((4, 1), np.float32))
    with pytest.raises(ValueError, match="`logits` must have 2 dimensions"):
        ops.softmax_cross_entropy(logits[0], np.array([0]))


# --------------------------------------------------------------------- the seam below the functions


def test_the_extension_checks_shapes_too():
    """Cheap assertions below the validated functions: a slip in a plan must not become a crash."""
    geometry = shapes.conv2d_geometry(X.shape, W.shape)
    y = np.empty((1, 4, 3, 8), np.float32)
    for x, w, b, out in (
        (X[:, :5].copy(), W, B, y),
        (X, W[:2].copy(), B, y),
        (X, W, B[:7].copy(), y),
        (X, W, B, y[:, :3].copy()),
        (X[..., ::-1], W, B, y),
    ):
        with pytest.raises(ValueError, match=r"shape|contiguous"):
            _conv.Conv2DForward(geometry, x, w, b, out)
    with pytest.raises(ValueError, match="shape"):
        _conv.Conv2DBackwardInput(geometry, y, W, X[:, :5].copy())
    with pytest.raises(ValueError, match="shape"):
        _conv.Conv2DBackwardKernel(geometry, X, y, np.empty_like(W)[:2].copy(), None)
    with pytest.raises((TypeError, ValueError)):
        _conv.Conv2DForward(geometry, X, W.astype(np.float64), B, y)
    with pytest.raises(ValueError, match="edge|zeros"):
        edge = shapes.conv2d_geometry(X.shape, W.shape, padding=1, padding_mode="edge")
        _conv.Conv2DBackwardInput(edge, np.empty((1, 6, 5, 8), np.float32), W, np.empty_like(X))
    pool = shapes.pool2d_geometry(X.shape)
    p = np.empty((1, 3, 2, 4), np.float32)
    with pytest.raises(ValueError, match="shape"):
        _pool.MaxPoolForward(pool, X, p[:, :2].copy(), None)
    with pytest.raises(ValueError, match="argmax"):
        _pool.MaxPoolForward(pool, X, p, np.empty(p.shape, np.int32))
    with pytest.raises(ValueError, match="shape"):
        _dense.DenseForward(X[0, 0], W[0, 0][:3].copy(), None, np.empty((5, 8), np.float32))
    with pytest.raises(ValueError, match="shape"):
        _elementwise.ActivationForward("relu", X, np.empty((1, 6, 5, 3), np.float32))
    with pytest.raises(ValueError, match="loss"):
        _elementwise.SoftmaxCrossEntropy(X[0, 0], X[0, 0].copy(), None, np.empty(5, np.float32))
    with pytest.raises(ValueError, match="rate"):
        _elementwise.Dropout(X, np.empty_like(X), 1.0, 0)
    with pytest.raises(ValueError, match="num_threads"):
        _conv.Conv2DForward(geometry, X, W, B, y).run(0)


def test_unknown_and_unsupported_instruction_sets():
    with pytest.raises(ValueError, match="unknown instruction set 'sse9'.*scalar"):
        _core.set_isa("sse9")
    for name in set(_core.compiled_isas()) - set(_core.available_isas()):
        with pytest.raises(RuntimeError, match=f"{name}.*not supported"):
            _core.set_isa(name)


def test_a_refused_call_leaves_everything_usable():
    expected = conv2d()
    for options in ({"strides": 0}, {"padding": "odd"}, {"groups": 3}, {"num_threads": 0}):
        with pytest.raises(ValueError, match="received|groups"):
            conv2d(**options)
        assert_equal(conv2d(), expected)

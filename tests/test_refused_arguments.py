"""What bad shapes and hyper-parameters get: an error that names the argument, what came and what is
required.

Every operation is asked to do the impossible in every way that applies to it. Nothing here may
crash, hang, or compute something anyway. Bad arrays are the subject of `test_refused_arrays`.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, reference, runtime
from tests.support.legal_calls import (
    COLUMNS,
    CONVOLUTIONS,
    POOLINGS,
    WINDOWED,
    W,
    X,
    avg_pool,
    avg_pool_backward,
    backward_input,
    backward_kernel,
    col2im,
    conv2d,
    im2col,
    max_pool,
    max_pool_backward,
)
from tests.support.oracle import assert_equal


@pytest.mark.parametrize("call", WINDOWED)
def test_the_calls_below_are_legal_but_for_one_argument(call):
    call()


# ---------------------------------------------------------------------- shapes and hyper-parameters


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
def test_bad_strides_are_refused(call, strides, error, message):
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
def test_bad_dilation_rates_are_refused(call, rate, error, message):
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
def test_bad_kernel_sizes_are_refused(call, size, error, message):
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
def test_bad_pool_sizes_are_refused(call, size, error, message):
    with pytest.raises(error, match=message):
        call(pool_size=size)


@pytest.mark.parametrize("call", WINDOWED)
@pytest.mark.parametrize(
    "padding, error, message",
    [
        ("full", ValueError, "`padding` must be .*valid.*same.* received 'full'"),
        ("", ValueError, "`padding` must be .*valid.*same"),
        (-1, ValueError, "`padding` must not be negative, received -1"),
        (
            ((0, 1), (-1, 0)),
            ValueError,
            r"`padding` must not be negative, received \(\(0, 1\), \(-1",
        ),
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
def test_bad_paddings_are_refused(call, padding, error, message):
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
def test_unknown_padding_modes_are_refused(mode, error, message):
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
def test_bad_groups_are_refused(call, groups, error, message):
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
def test_bad_input_shapes_are_refused(call, shape, error, message):
    with pytest.raises(error, match=message):
        call(input_shape=shape)


def test_unknown_algorithms_and_activations_are_refused():
    for call in CONVOLUTIONS:
        with pytest.raises(ValueError, match="`algorithm`.*(auto.*direct.*fft|fft.*auto.*direct)"):
            call(algorithm="fft")
        with pytest.raises((TypeError, ValueError), match="`algorithm`.*None"):
            call(algorithm=None)
    with pytest.raises(ValueError, match="`activation` must be .*\"relu\".* received 'swish'"):
        conv2d(activation="swish")
    with pytest.raises(TypeError, match="`activation` must be a string, received 3"):
        ops.dense(np.ones((1, 2), "f4"), np.ones((2, 2), "f4"), activation=3)


@pytest.mark.parametrize(
    "slope, error",
    [
        (-0.1, ValueError),
        (np.nan, ValueError),
        (np.inf, ValueError),
        ("0", TypeError),
        (True, TypeError),
    ],
)
def test_bad_negative_slopes_are_refused(slope, error):
    with pytest.raises(error, match="`negative_slope` must be .*received"):
        ops.leaky_relu(X, negative_slope=slope)
    with pytest.raises(error, match="`negative_slope` must be .*received"):
        ops.leaky_relu_backward(X, X, negative_slope=slope)


@pytest.mark.parametrize(
    "threads, error",
    [
        (0, ValueError),
        (-1, ValueError),
        (10**6, ValueError),
        (1.0, TypeError),
        (True, TypeError),
        ("2", TypeError),
    ],
)
def test_bad_numbers_of_threads_are_refused(threads, error):
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
    for strides, padding in (((7, 6), "same"), ((4, 3), "valid"), ((5, 9), ((0, 3), (2, 0)))):
        y = ops.conv2d(X, W, strides=strides, padding=padding)
        expected = reference.conv2d(X, W, strides=strides, padding=padding)
        np.testing.assert_allclose(y, expected, rtol=1e-5)

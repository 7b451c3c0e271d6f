"""Padding, cropping, resizing, transposing and warping: every kernel against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, ops, reference, resampling, shapes
from fastconv.ops import compiled
from fastconv.ops.arrangement import resample2d_backward

SHAPES = [(2, 5, 6, 3), (1, 1, 1, 1), (3, 4, 7, 17), (2, 9, 3, 64), (1, 13, 2, 33)]
PADDINGS = [((1, 2), (0, 3)), 1, ((0, 0), (2, 1))]


def numbers(shape, dtype, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def assert_equal(actual, expected, dtype, exact=True):
    """Copies are exact; sums and weights err by a few units in the last place."""
    assert actual.dtype == dtype
    if exact:
        np.testing.assert_array_equal(actual, expected)
    else:
        tolerance = 20 * np.finfo(dtype).eps
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * 8)


def fits(mode, padding, shape):
    (top, bottom), (left, right) = np.broadcast_to(padding, (2, 2))
    return mode != "reflect" or (max(top, bottom) < shape[1] and max(left, right) < shape[2])


@pytest.mark.parametrize("mode", shapes.PADDING_MODES)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_padding_matches_the_definition(isa, dtype, shape, padding, mode):
    x = numbers(shape, dtype)
    if not fits(mode, padding, shape):
        with pytest.raises(ValueError, match="must be smaller than the image"):
            ops.pad2d(x, padding, padding_mode=mode)
        return
    y = ops.pad2d(x, padding, padding_mode=mode, value=0.5)
    expected = reference.pad2d(x, padding, padding_mode=mode, value=0.5)
    assert_equal(y, expected.astype(dtype), dtype)
    dy = numbers(y.shape, dtype, 1)
    dx = ops.pad2d_backward(dy, padding, padding_mode=mode)
    assert_equal(dx, reference.pad2d_backward(dy, padding, padding_mode=mode), dtype, exact=False)


@pytest.mark.parametrize("cropping", [((1, 2), (0, 2)), ((0, 3), (1, 1))])
def test_cropping_matches_the_definition(isa, dtype, cropping):
    x = numbers((2, 6, 5, 7), dtype)
    y = ops.crop2d(x, cropping)
    assert_equal(y, reference.crop2d(x, cropping).astype(dtype), dtype)
    dy = numbers(y.shape, dtype, 1)
    expected = reference.crop2d_backward(dy, cropping).astype(dtype)
    assert_equal(ops.crop2d_backward(dy, cropping), expected, dtype)


@pytest.mark.parametrize("interpolation", resampling.INTERPOLATIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_enlarging_matches_the_definition(isa, dtype, shape, interpolation):
    x, size = numbers(shape, dtype), (2, 3)
    exact = interpolation == "nearest"
    y = ops.upsample2d(x, size, interpolation=interpolation)
    expected = reference.upsample2d(x, size, interpolation=interpolation)
    assert_equal(y, expected.astype(dtype) if exact else expected, dtype, exact)
    dy = numbers(y.shape, dtype, 1)
    dx = ops.upsample2d_backward(dy, size, interpolation=interpolation)
    expected = reference.upsample2d_backward(dy, size, interpolation=interpolation)
    assert_equal(dx, expected, dtype, exact=False)


@pytest.mark.parametrize("interpolation", resampling.INTERPOLATIONS)
@pytest.mark.parametrize("size", [(1, 1), (3, 11), (7, 2)])
def test_resizing_matches_the_definition(isa, dtype, size, interpolation):
    x = numbers((2, 5, 6, 9), dtype)
    y = ops.resize2d(x, size, interpolation=interpolation)
    expected = reference.resize2d(x, size, interpolation=interpolation)
    assert_equal(y, expected, dtype, exact=False)
    dy = numbers(y.shape, dtype, 1)
    options = {"input_shape": x.shape, "interpolation": interpolation}
    dx = ops.resize2d_backward(dy, **options)
    assert_equal(dx, reference.resize2d_backward(dy, **options), dtype, exact=False)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", resampling.RESIZINGS)
def test_resizing_is_that_of_the_layer(interpolation, antialias):
    """`test_augmentation` compares the layer with Keras."""
    x = numbers((2, 5, 6, 3), np.float32)
    options = {"interpolation": interpolation, "antialias": antialias}
    y = ops.image.resize(x, (3, 11), **options)
    np.testing.assert_array_equal(y, layers.Resizing(3, 11, **options)(x))
    dy = numbers(y.shape, np.float32, 1)
    dx = resample2d_backward(dy, x.shape, **options)
    assert np.vdot(y, dy) == pytest.approx(np.vdot(x, dx), rel=1e-5)


@pytest.mark.parametrize(
    "axes", [(0, 3, 1, 2), (0, 2, 3, 1), (3, 2, 1, 0), (0, 1, 2, 3), (1, 0, 3, 2)]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_transposing_matches_numpy(isa, dtype, shape, axes):
    x = numbers(shape, dtype)
    assert_equal(ops.transpose(x, axes), np.transpose(x, axes), dtype)


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 100, 130), (3, 1, 70), (2, 65, 3), (1, 5000, 2)])
def test_a_batch_of_matrices_is_transposed(isa, dtype, shape):
    x = numbers(shape, dtype)
    y = np.empty((shape[0], shape[2], shape[1]), dtype)
    compiled.Transpose(x, y).run(2)
    assert_equal(y, x.transpose(0, 2, 1), dtype)


MAPS = np.array(
    [
        [0.9, 0.2, -1.3, -0.3, 1.1, 0.7],
        [-1.0, 0, 5, 0, 1, 0],
        [1.3, -0.4, 8.2, 0.5, 0.6, -9.1],
    ]
)


@pytest.mark.parametrize("fill_mode", resampling.FILL_MODES)
@pytest.mark.parametrize("interpolation", resampling.INTERPOLATIONS)
@pytest.mark.parametrize("channels", [1, 3, 20])
def test_warping_matches_the_definition(isa, dtype, channels, interpolation, fill_mode):
    x = numbers((3, 5, 6, channels), dtype)
    options = {"interpolation": interpolation, "fill_mode": fill_mode}
    y = ops.warp(x, MAPS, fill_value=0.25, size=(4, 7), **options)
    expected = reference.warp(x, MAPS, fill_value=0.25, size=(4, 7), **options)
    assert_equal(y, expected, dtype, exact=False)
    dy = numbers(y.shape, dtype, 1)
    dx = ops.warp_backward(dy, MAPS, input_shape=x.shape, **options)
    expected = reference.warp_backward(dy, MAPS, input_shape=x.shape, **options)
    assert_equal(dx, expected, dtype, exact=False)


def test_places_far_away_are_outside():
    x = np.ones((3, 4, 4, 1))
    maps = np.array([[1e300, 0, 1, 0, 1, 0], [np.nan, 0, 0, 0, 1, 0], [1, 0, -1e18, 0, 1, 0]])
    y = ops.warp(x, maps, fill_value=7)
    assert (y[0, :, 1:] == 7).all() and (y[1:] == 7).all()
    assert np.isfinite(ops.warp(x, maps, fill_mode="nearest")).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 1000, 70), (3, 64, 130), (1, 40000, 5)])
def test_sums_over_rows(isa, dtype, shape):
    x = numbers(shape, dtype)
    y = np.empty((shape[0], shape[2]), dtype)
    compiled.ColumnSums(x, y, 0.5).run(2)
    bound = reference.gamma(600, dtype) * np.abs(x).sum(axis=1)
    assert (np.abs(y - 0.5 * x.sum(axis=1, dtype=np.float64)) <= bound).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 1000, 70), (3, 64, 130), (1, 40000, 5)])
def test_maxima_over_rows(isa, dtype, shape):
    x = np.random.default_rng(0).integers(-50, 50, shape).astype(dtype)  # many are equal
    x[0, shape[1] // 2, 1] = np.nan
    y = np.empty((shape[0], shape[2]), dtype)
    argmax = np.empty(y.shape, np.int32)
    compiled.ColumnMax(x, y, argmax).run(2)
    np.testing.assert_array_equal(y, x.max(axis=1))
    np.testing.assert_array_equal(argmax, x.argmax(axis=1))
    other = np.empty_like(y)
    compiled.ColumnMax(x, other, None).run(1)
    np.testing.assert_array_equal(other, y)
    dx, dy = np.full_like(x, 7), numbers(y.shape, dtype, 1)
    compiled.ColumnMaxBackward(dy, argmax, dx).run(2)
    expected = np.zeros_like(x)
    np.put_along_axis(expected, argmax[:, None].astype(int), dy[:, None], axis=1)
    np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize("shape", [(3, 5), (1000, 3), (20, 1), (2, 3, 2000), (70, 64)])
@pytest.mark.parametrize("parts", ["scale", "shift", "both"])
def test_scale_and_shift(isa, dtype, shape, parts):
    x = numbers(shape, dtype)
    scale = numbers(shape[-1:], dtype, 1) if parts != "shift" else None
    shift = numbers(shape[-1:], dtype, 2) if parts != "scale" else None
    y = x.copy()
    compiled.ScaleShift(y, scale, shift, y).run(2)
    expected = (x if scale is None else x * scale) + (0 if shift is None else shift)
    assert_equal(y, expected, dtype)


@pytest.mark.parametrize(
    "mask", [(2, 1, 1, 5), (1, 4, 1, 5), (2, 1, 3, 1), (1, 1, 1, 1), (2, 4, 3, 5)]
)
def test_masks_are_broadcast(isa, dtype, mask):
    x, m = numbers((2, 4, 3, 5), dtype), numbers(mask, dtype, 1)
    y = np.empty_like(x)
    compiled.Masked(x, m, y).run(2)
    assert_equal(y, x * m, dtype)


def test_noise_is_normal(isa, dtype):
    noise = np.zeros(400_001, dtype)
    op = compiled.Gaussian(noise, noise, 1.0, 5)
    op.run(2)
    moments = [(noise**k).mean() for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.05)
    assert abs((noise[1:] * noise[:-1]).mean()) < 0.01
    again = np.zeros_like(noise)
    other = compiled.Gaussian(again, again, 1.0, 5)
    other.set_state(1)
    other.run(2)
    assert abs((noise * again).mean()) < 0.01, "another draw is other noise"


CALLS = {
    "pad": lambda x, t: ops.pad2d(x, 3, padding_mode="reflect", num_threads=t),
    "pad_backward": lambda x, t: ops.pad2d_backward(x, 3, padding_mode="edge", num_threads=t),
    "bilinear": lambda x, t: ops.upsample2d(x, 3, interpolation="bilinear", num_threads=t),
    "bilinear_backward": lambda x, t: ops.upsample2d_backward(
        x, 2, interpolation="bilinear", num_threads=t
    ),
    "transpose": lambda x, t: ops.transpose(x, (0, 3, 1, 2), num_threads=t),
    "warp": lambda x, t: ops.warp(x, np.tile(MAPS, (4, 1)), num_threads=t),
    "warp_backward": lambda x, t: ops.warp_backward(
        x, np.tile(MAPS, (4, 1)), input_shape=x.shape, num_threads=t
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_same_bits_at_any_number_of_threads_and_in_any_layout(isa, name):
    x = numbers((12, 40, 40, 20), np.float32)
    expected = CALLS[name](x, 1)
    for threads in (2, 3, 5):
        np.testing.assert_array_equal(CALLS[name](x, threads), expected)
    strided = np.zeros((12, 40, 80, 20), np.float32)[:, :, ::2]
    strided[...] = x
    np.testing.assert_array_equal(CALLS[name](strided, 2), expected)
    big = x.astype(">f4")
    np.testing.assert_array_equal(CALLS[name](big, 2), expected)


X = np.zeros((2, 4, 5, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.pad2d([1.0], 1), TypeError, "`x` must be a NumPy array"),
        (lambda: ops.pad2d(X.astype(int), 1), TypeError, "`x` must be float32 or float64"),
        (lambda: ops.pad2d(X[0], 1), ValueError, "`x` must have 4 dimensions"),
        (lambda: ops.pad2d(X, -1), ValueError, "`padding` must not be negative"),
        (lambda: ops.pad2d(X, "same"), ValueError, "`padding` must be an int, .*'same'"),
        (lambda: ops.pad2d(X, 1.5), TypeError, "`padding` must be"),
        (lambda: ops.pad2d(X, 2**62), ValueError, "too large"),
        (lambda: ops.pad2d(X, 1, padding_mode="wrap"), ValueError, '"reflect", received .wrap'),
        (lambda: ops.pad2d(X, 1, out=np.zeros(3, np.float32)), ValueError, "`out` must have shape"),
        (lambda: ops.pad2d_backward(X, 2), ValueError, "must leave something of `dy`"),
        (lambda: ops.crop2d(X, 2), ValueError, "`cropping` must leave something"),
        (lambda: ops.crop2d(X, (0, 1, 2)), ValueError, "`cropping` must be"),
        (lambda: ops.upsample2d(X, 0), ValueError, "`size` must be positive"),
        (
            lambda: ops.upsample2d(X, interpolation="cubic"),
            ValueError,
            "`interpolation` must be one",
        ),
        (lambda: ops.upsample2d_backward(X, 3), ValueError, "must have multiples of `size`"),
        (lambda: ops.resize2d(X, 2**40), ValueError, "too large"),
        (lambda: ops.resize2d(X, True), TypeError, "`size` must be"),
        (
            lambda: ops.resize2d_backward(X, input_shape=(2, 4, 4, 4)),
            ValueError,
            "must have the same N and C",
        ),
        (lambda: ops.transpose(X, (0, 1)), ValueError, "each axis of `x` once"),
        (lambda: ops.transpose(X, 3), TypeError, "`axes` must be a tuple"),
        (lambda: ops.transpose(X, (0, 1, 2, 2)), ValueError, "each axis of `x` once"),
        (
            lambda: ops.warp(X, np.zeros((2, 8))),
            ValueError,
            r"`transforms` must have shape \(2, 6\)",
        ),
        (lambda: ops.warp(X, np.zeros((2, 6), int)), TypeError, "`transforms` must be float"),
        (
            lambda: ops.warp(X, np.zeros((2, 6)), fill_mode="x"),
            ValueError,
            "`fill_mode` must be one",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_empty_batch_gives_an_empty_result():
    empty = X[:0]
    assert ops.pad2d(empty, 1).shape == (0, 6, 7, 3)
    assert ops.resize2d(empty, 3).shape == (0, 3, 3, 3)
    assert ops.warp(empty, np.zeros((0, 6))).shape == X[:0].shape
    assert ops.transpose(empty, (0, 3, 1, 2)).shape == (0, 3, 4, 5)

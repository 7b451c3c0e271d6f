"""The designed filters: their numbers, their sums, what they find, and how they are applied."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastconv import filters, reference

NAMES = sorted(filters.FILTERS)


def lecture_curve() -> np.ndarray:
    """The part of a drawing below the detector in the well-known example: 4 * 50 * 30 + 20 * 30."""
    return np.array(
        [
            [0, 0, 0, 0, 0, 0, 30],
            [0, 0, 0, 0, 50, 50, 50],
            [0, 0, 0, 20, 50, 0, 0],
            [0, 0, 0, 50, 50, 0, 0],
            [0, 0, 0, 50, 50, 0, 0],
            [0, 0, 0, 50, 50, 0, 0],
            [0, 0, 0, 50, 50, 0, 0],
        ]
    )


# ---- the filters ----


@pytest.mark.parametrize("name", NAMES)
def test_every_filter_is_a_small_array_of_its_own(name):
    kernel = filters.FILTERS[name]()
    assert kernel.dtype == np.float32
    assert kernel.ndim == 2 and kernel.shape[0] == kernel.shape[1]
    assert kernel.flags.c_contiguous
    kernel[:] = 9
    assert (filters.FILTERS[name]() != 9).any()


@pytest.mark.parametrize("name", NAMES)
def test_filters_sum_to_0_or_keep_the_brightness(name):
    """0 for differences, 1 for what keeps the brightness, and the curve's 6 times 30."""
    kept = {"sharpen", "emboss", "box_blur", "gaussian_blur", "identity"}
    expected = 180 if name == "curve_detector" else 1 if name in kept else 0
    assert filters.FILTERS[name]().sum() == pytest.approx(expected, abs=1e-5)


def test_numbers_of_the_textbooks():
    assert filters.sobel_x().tolist() == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    assert filters.sobel_y().tolist() == [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
    assert filters.prewitt_x().tolist() == [[-1, 0, 1]] * 3
    assert filters.scharr_y().tolist() == [[-3, -10, -3], [0, 0, 0], [3, 10, 3]]
    assert filters.laplacian().tolist() == [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    assert filters.laplacian(diagonals=True).tolist() == [[1, 1, 1], [1, -8, 1], [1, 1, 1]]
    assert filters.sharpen().tolist() == [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
    assert filters.box_blur(2).tolist() == [[0.25, 0.25]] * 2


def test_the_curve_detector_of_the_lecture():
    kernel = filters.curve_detector()
    assert kernel.shape == (7, 7)
    assert (kernel == 30).sum() == 6 and (kernel == 0).sum() == 43
    assert filters.apply(lecture_curve(), kernel, padding="valid").item() == 6600
    assert filters.apply(np.zeros((7, 7)), kernel, padding="valid").item() == 0


def test_the_bell_curve():
    kernel = filters.gaussian_blur(1.5)
    assert kernel.shape == (11, 11)
    row = kernel[5] / kernel[5, 5]
    np.testing.assert_allclose(row, np.exp(-((np.arange(11) - 5.0) ** 2) / 4.5), rtol=1e-6)
    assert filters.gaussian_blur(3, size=5).shape == (5, 5)


def test_gabor_filters_find_their_own_direction():
    bank = filters.gabor_bank(orientations=4, wavelengths=(6.0,), size=15)
    assert bank.shape == (15, 15, 4)
    assert filters.gabor_bank().shape == (15, 15, 16)
    rows, columns = np.mgrid[:40, :40]
    for index, theta in enumerate(math.pi * np.arange(4) / 4):
        stripes = np.cos(2 * math.pi * (columns * math.cos(theta) + rows * math.sin(theta)) / 6)
        response = np.abs(filters.apply(stripes, bank, padding="valid")).max((0, 1))
        assert response.argmax() == index


def test_an_odd_gabor_filter_is_an_edge_detector():
    kernel = filters.gabor(psi=math.pi / 2)
    np.testing.assert_allclose(kernel, -kernel[:, ::-1], atol=1e-6)


# ---- applying them ----


def test_edges_of_a_square():
    square = np.zeros((9, 9), np.uint8)
    square[3:6, 3:6] = 255
    across, down = (filters.apply(square, f()) for f in (filters.sobel_x, filters.sobel_y))
    assert across[4, 2] == 4 * 255 and across[4, 6] == -4 * 255  # left: rises, right: falls
    assert down[2, 4] == 4 * 255 and down[6, 4] == -4 * 255
    np.testing.assert_array_equal(across, down.T)


def test_nothing_changes_an_even_picture():
    even = np.full((6, 7), 0.5, np.float32)
    for name, function in filters.FILTERS.items():
        kernel = function()
        np.testing.assert_allclose(
            filters.apply(even, kernel), 0.5 * kernel.sum(), atol=1e-5, err_msg=name
        )
    framed = filters.apply(even, filters.laplacian(), padding_mode="zeros")
    assert framed[0, 0] == -1 and framed[2, 2] == 0  # a frame of zeros is an edge


def test_identity_is_identity():
    x = np.random.default_rng(0).normal(size=(5, 6, 3)).astype(np.float32)
    for size in (1, 3, 5):
        np.testing.assert_array_equal(filters.apply(x, filters.identity(size)), x)


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (8, 9, 3)])
@pytest.mark.parametrize("bank", [(), (1,), (4,)])
def test_application_matches_the_definition(shape, bank):
    rng = np.random.default_rng(0)
    x, kernel = rng.integers(0, 256, shape, np.uint8), rng.integers(-5, 5, (3, 3, *bank))
    y = filters.apply(x, kernel, padding="valid")
    assert y.shape == (6, 7, *shape[2:], *bank)
    planes, kernels = x.reshape(8, 9, -1), kernel.reshape(3, 3, -1)
    for c in range(planes.shape[2]):
        for k in range(kernels.shape[2]):
            expected = reference.conv2d(
                planes[None, :, :, c : c + 1].astype(float),
                kernels[:, :, None, k : k + 1].astype(float),
            )
            got = y.reshape(6, 7, planes.shape[2], kernels.shape[2])[:, :, c, k]
            np.testing.assert_array_equal(got, expected[0, :, :, 0])


def test_convolution_is_cross_correlation_with_the_flipped_filter():
    x = np.random.default_rng(0).integers(0, 9, (6, 6))
    kernel = np.arange(9).reshape(3, 3)
    convolved = filters.apply(x, kernel, operation="convolution")
    np.testing.assert_array_equal(convolved, filters.apply(x, kernel[::-1, ::-1]))
    assert (convolved != filters.apply(x, kernel)).any()
    np.testing.assert_array_equal(filters.flip(filters.sobel_x()), -filters.sobel_x())


def test_convolution_commutes_and_cross_correlation_does_not():
    rng = np.random.default_rng(0)
    f, g = rng.integers(0, 9, (4, 4)), rng.integers(0, 9, (4, 4))

    def full(a, b, operation):
        return filters.apply(a, b, operation=operation, padding=3, padding_mode="zeros")

    np.testing.assert_array_equal(full(f, g, "convolution"), full(g, f, "convolution"))
    assert (full(f, g, "cross-correlation") != full(g, f, "cross-correlation")).any()


def test_a_shifted_picture_gives_the_shifted_map():
    x = np.zeros((12, 12))
    x[2:5, 3:6] = np.random.default_rng(0).random((3, 3))
    y = filters.apply(x, filters.gaussian_blur(0.5))
    np.testing.assert_array_equal(
        filters.apply(np.roll(x, (4, 3), (0, 1)), filters.gaussian_blur(0.5))[2:, 2:],
        np.roll(y, (4, 3), (0, 1))[2:, 2:],
    )


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "padding", "expected"),
    [
        (5, 3, 1, "valid", 3),
        (28, 5, 1, "valid", 24),
        (28, 3, 1, "valid", 26),
        (28, 3, 1, "same", 28),
        (32, 5, 1, "valid", 28),
        (32, 5, 1, 2, 32),
        (7, 3, 1, "valid", 5),
        (7, 3, 2, "valid", 3),
        (7, 3, 3, "valid", 2),  # (7 - 3) / 3 + 1 = 2.33
        (7, 3, 1, 1, 7),
        (4, 3, 1, "valid", 2),
        (4, 3, 1, "same", 4),
        (227, 11, 4, "valid", 55),
        (128, 3, 1, "valid", 126),
    ],
)
def test_sizes_of_the_lecture(size, kernel, strides, padding, expected):
    y = filters.apply(
        np.zeros((size, size)), np.ones((kernel, kernel)), strides=strides, padding=padding
    )
    assert y.shape == (expected, expected)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: filters.apply(np.zeros(3), [[1]]), ValueError, r"`image` must have 2 or 3 dim"),
        (lambda: filters.apply([[1]], [1]), ValueError, r"`kernel` must have 2 or 3 dimensions"),
        (lambda: filters.apply([["a"]], [[1]]), TypeError, "`image`"),
        (lambda: filters.apply([[1]], [[1j]]), TypeError, "`kernel`"),
        (
            lambda: filters.apply([[1]], [[1]], operation="product"),
            ValueError,
            r"`operation` must be one of \('cross-correlation', 'convolution'\), rec.* 'product'",
        ),
        (lambda: filters.apply([[1]], np.ones((3, 3)), padding="valid"), ValueError, "3"),
        (lambda: filters.identity(4), ValueError, "`size` must be odd, .* received 4"),
        (lambda: filters.gaussian_blur(0), ValueError, "`sigma` must be .* above 0, received 0"),
        (lambda: filters.gaussian_blur(math.nan), ValueError, "`sigma` must be .* received nan"),
        (lambda: filters.sharpen(-1), ValueError, "`amount` must be .* above 0, received -1"),
        (lambda: filters.gabor(wavelength=0), ValueError, "`wavelength` must be .* above 0"),
        (lambda: filters.gabor_bank(wavelengths=()), ValueError, "`wavelengths` must name at"),
        (lambda: filters.gabor_bank(orientations=0), ValueError, "`orientations` must be pos"),
        (lambda: filters.box_blur(2.5), TypeError, "`size`"),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

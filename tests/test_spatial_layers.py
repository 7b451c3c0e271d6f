"""Layers over space: shapes, what they refuse, and what golden values do not show."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, reference
from tests.support.differential import values_and_gradients


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Conv1D(8, 3), (20, 4), (18, 8)),
        (layers.Conv1D(8, 3, 2, "causal"), (21, 4), (11, 8)),
        (layers.Conv2D(8, 3, data_format="channels_first"), (4, 9, 7), (8, 7, 5)),
        (layers.Conv2DTranspose(8, 3, 2), (7, 7, 4), (15, 15, 8)),
        (layers.Conv2DTranspose(8, 2, 3), (7, 7, 4), (21, 21, 8)),
        (layers.Conv2DTranspose(8, 3, 2, "same", output_padding=0), (7, 7, 4), (13, 13, 8)),
        (layers.Conv1DTranspose(8, 5, 2, "same"), (7, 4), (14, 8)),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (9, 9, 4), (7, 7, 8)),
        (layers.SeparableConv1D(16, 3), (9, 4), (7, 16)),
        (layers.MaxPooling1D(), (9, 4), (4, 4)),
        (layers.AveragePooling2D(2, data_format="channels_first"), (3, 9, 8), (3, 4, 4)),
        (layers.GlobalMaxPooling2D(), (9, 8, 3), (3,)),
        (layers.GlobalMaxPooling2D("channels_first", True), (3, 9, 8), (3, 1, 1)),
        (layers.GlobalAveragePooling1D("channels_first"), (3, 9), (3,)),
        (layers.Reshape((2, -1)), (4, 6), (2, 12)),
        (layers.Permute((2, 1)), (4, 6), (6, 4)),
        (layers.RepeatVector(5), (6,), (5, 6)),
        (layers.ZeroPadding1D(2), (6, 3), (10, 3)),
        (layers.ZeroPadding2D((1, 2)), (6, 5, 3), (8, 9, 3)),
        (layers.Cropping2D(1, data_format="channels_first"), (3, 6, 5), (3, 4, 3)),
        (layers.UpSampling2D((2, 3)), (6, 5, 3), (12, 15, 3)),
        (layers.Resizing(4, 4), (6, 5, 3), (4, 4, 3)),
        (layers.RandomCrop(4, 4), (6, 5, 3), (4, 4, 3)),
    ],
)
def test_output_shapes_are_those_of_the_outputs(layer, shape, expected):
    assert layer.compute_output_shape((None, *shape)) == (None, *expected)
    model = models.Sequential([layers.Input(shape), layer])
    assert model.predict(np.zeros((2, *shape)), verbose=0).shape == (2, *expected)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Conv1D(4, (3, 3)), ValueError, "`kernel_size` must be an integer or 1 of"),
        (lambda: layers.Conv1D(4, 3, padding="full"), ValueError, "'same' or 'causal'"),
        (lambda: layers.Conv2D(4, 3, padding="causal"), ValueError, "`padding` must be 'valid' or"),
        (lambda: layers.Conv2D(4, 3, 1.5), TypeError, "`strides` must be"),
        (
            lambda: layers.Conv2DTranspose(4, 3, 2, output_padding=2),
            ValueError,
            "less than `strides`",
        ),
        (
            lambda: layers.Conv2DTranspose(2, 2, 2, "same", output_padding=0),
            ValueError,
            r"must be 1 or None .* window of 2 elements, an even number, with padding 'same'",
        ),
        (
            lambda: layers.Conv1DTranspose(2, 4, 3, "same", output_padding=0),
            ValueError,
            "must be 1 to 2 or None",
        ),
        (
            lambda: layers.Conv2DTranspose(2, (3, 2), 1, "same", output_padding=0),
            ValueError,
            "`output_padding` must be None",
        ),
        (lambda: layers.Conv2DTranspose(4, 3, groups=2), TypeError, "groups"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), ValueError, "`depth_multiplier`"),
        (lambda: layers.SeparableConv2D(0, 3), ValueError, "`filters` must be positive"),
        (lambda: layers.MaxPooling1D(0), ValueError, "`pool_size` must be positive"),
        (lambda: layers.GlobalMaxPooling2D("first"), ValueError, "`data_format` must be"),
        (lambda: layers.Reshape(5), TypeError, "`target_shape` must be a tuple"),
        (lambda: layers.Reshape((-1, -1)), ValueError, "`target_shape` may hold -1 once"),
        (lambda: layers.Reshape((0, 2)), ValueError, "`target_shape` must be positive"),
        (lambda: layers.Permute((0, 1)), ValueError, "`dims` must be positive"),
        (lambda: layers.Permute((1, 3)), ValueError, r"`dims` must hold each of 1 .. 2 once"),
        (lambda: layers.RepeatVector(0), ValueError, "`n` must be positive"),
        (lambda: layers.ZeroPadding2D(-1), ValueError, "`padding` must not be negative"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), ValueError, "`padding` must be an integer, "),
        (
            lambda: layers.ZeroPadding2D(1, padding_mode="wrap"),
            ValueError,
            "`padding_mode` must be",
        ),
        (lambda: layers.ZeroPadding3D((1, 2)), ValueError, "integer, .depth, rows, columns. or"),
        (lambda: layers.Conv3D(4, (3, 3)), ValueError, "`kernel_size` must be an integer or 3 of"),
        (lambda: layers.Cropping1D((1, 2, 3)), ValueError, "`cropping` must be an integer or 2"),
        (lambda: layers.UpSampling2D(0), ValueError, "`size` must be positive"),
        (lambda: layers.UpSampling2D(2, interpolation="cubic"), ValueError, "`interpolation` must"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.Conv1D(4, 9), (4, 2), "larger than the padded input"),
        (layers.DepthwiseConv2D(9), (4, 4, 2), "larger than the padded input"),
        (layers.MaxPooling1D(9), (4, 2), "larger than the padded input"),
        (layers.Conv2DTranspose(2, 3, 2**40), (2**30, 4, 2), "too large"),
        (layers.Reshape((5, -1)), (4, 6), "cannot give 24 values"),
        (layers.Permute((1, 2)), (4, 6, 3), "takes inputs of 2 axes"),
        (layers.RepeatVector(2), (4, 6), "takes vectors"),
        (layers.ZeroPadding2D(4, padding_mode="reflect"), (4, 6, 1), "smaller than the image"),
        (layers.Cropping2D(2), (4, 6, 1), "must leave something"),
        (layers.GlobalAveragePooling2D(), (4, 6), "takes images"),
        (layers.Conv3D(2, 3), (4, 6, 1), r"takes volumes \(batch, depth, height, width, channels"),
        (layers.Conv3D(2, (2, 7, 2)), (4, 6, 4, 1), "larger than the padded input"),
        (layers.Conv3D(2, 3, groups=2), (4, 4, 4, 3), "multiple of `groups`"),
        (
            layers.Conv3D(2, (1, 7, 1), padding="same", padding_mode="reflect"),
            (4, 3, 4, 1),
            r"padding \(\(0, 0\), \(3, 3\), \(0, 0\)\) must be smaller than the image \(4, 3, 4\)",
        ),
    ],
)
def test_an_input_that_does_not_fit(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        models.Sequential([layers.Input(shape), layer])


def test_transposed_convolution_with_strides_and_dilation():
    """Keras refuses the two together; the definition does not."""
    layer = layers.Conv2DTranspose(3, (3, 2), (2, 3), dilation_rate=(2, 2))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 3, 5)).astype(np.float32)
    layer.build((None, 4, 3, 5))
    layer.set_weights([rng.standard_normal(w.shape) for w in layer.weights])
    kernel, bias = layer.get_weights()
    shape = (2, *layer.output_shape[1:])
    dy = rng.standard_normal(shape).astype(np.float32)
    y, dx, (dw, db) = values_and_gradients(layer, x, dy)
    window = {"strides": (2, 3), "dilation_rate": (2, 2)}
    expected = reference.conv2d_backward_input(x, kernel, input_shape=shape, **window) + bias
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dx, reference.conv2d(dy, kernel, **window), rtol=1e-5, atol=1e-4)
    expected, _ = reference.conv2d_backward_kernel(dy, x, kernel_size=(3, 2), **window)
    np.testing.assert_allclose(dw, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(db, dy.sum(axis=(0, 1, 2)), rtol=1e-5, atol=1e-4)


def test_causal_outputs_do_not_see_the_future():
    layer = layers.Conv1D(2, 3, padding="causal", dilation_rate=2)
    model = models.Sequential([layers.Input((12, 1)), layer])
    x = np.random.default_rng(0).standard_normal((1, 12, 1)).astype(np.float32)
    before = model.predict(x, verbose=0)
    x[0, 7] += 1
    changed = (model.predict(x, verbose=0) != before).any(axis=(0, 2))
    assert list(np.flatnonzero(changed)) == [7, 9, 11]


@pytest.mark.parametrize("layer", [layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D])
@pytest.mark.parametrize("image", [(7, 7, 512), (40, 30, 65), (300, 20, 3)])
def test_pooling_of_whole_images(layer, image):
    x = np.random.default_rng(0).standard_normal((2, *image)).astype(np.float32)
    dy = np.random.default_rng(1).standard_normal((2, image[-1])).astype(np.float32)
    y, dx, _ = values_and_gradients(layer(), x, dy)
    if layer is layers.GlobalAveragePooling2D:
        np.testing.assert_allclose(y, x.mean(axis=(1, 2), dtype=np.float64), atol=1e-6)
        np.testing.assert_allclose(
            dx, np.broadcast_to(dy[:, None, None], x.shape) / (image[0] * image[1]), rtol=1e-6
        )
    else:
        np.testing.assert_array_equal(y, x.max(axis=(1, 2)))
        np.testing.assert_array_equal(dx, np.where(x == y[:, None, None], dy[:, None, None], 0))


def test_regularizers_and_constraints_reach_every_kernel():
    layer = layers.SeparableConv2D(
        4, 3, depthwise_regularizer="l1", pointwise_constraint="non_neg", bias_regularizer="l2"
    )
    layer.build((None, 8, 8, 2))
    found = {w.name: (w.regularizer is not None, w.constraint is not None) for w in layer.weights}
    assert found == {
        "depthwise_kernel": (True, False),
        "pointwise_kernel": (False, True),
        "bias": (True, False),
    }
    assert layer.get_config()["depthwise_regularizer"]["class_name"] == "L1"

"""Zeros around an image become the padding of the convolution that reads it."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import Model, inspect, layers
from fastconv.plan import operations
from fastconv.plan.fusion import fuse

SIDES = ((1, 0), (2, 3))
CONVOLUTIONS = {
    "strided": lambda: layers.Conv2D(8, 3, strides=2),
    "padded itself": lambda: layers.Conv2D(8, 3, padding="same"),
    "dilated": lambda: layers.Conv2D(8, 3, dilation_rate=2, use_bias=False),
    "in groups": lambda: layers.Conv2D(8, (3, 2), groups=2),
    "depthwise": lambda: layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2),
    "pointwise": lambda: layers.Conv2D(8, 1),
}


def padded(x: np.ndarray) -> np.ndarray:
    return np.pad(x, ((0, 0), *SIDES, (0, 0)))


def kinds(model: Model, mode: str = "predict") -> list[str]:
    return [type(node.operation).__name__ for node in fuse(model.graph(), mode).nodes]


def images(shape=(3, 12, 11, 4)) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.fixture(params=CONVOLUTIONS)
def pair(request):
    """A network that pads its images, and one with the same weights for padded images."""
    made = []
    for shape in ((12, 11, 4), padded(images()).shape[1:]):
        x = layers.Input(shape)
        y = layers.ZeroPadding2D(SIDES)(x) if not made else x
        y = CONVOLUTIONS[request.param]()(y)
        y = layers.Dense(3)(layers.Flatten()(layers.Activation("tanh")(y)))
        made.append(Model(x, y))
    one, two = made
    two.set_weights(one.get_weights())
    return one, two


@pytest.mark.parametrize("mode", ["predict", "train"])
def test_the_padding_is_part_of_the_convolution(pair, mode):
    assert "AxisMaps" not in kinds(pair[0], mode)


def test_predictions_equal_those_of_padded_images(pair):
    one, two = pair
    expected = two.predict_on_batch(padded(images()))
    np.testing.assert_allclose(one.predict_on_batch(images()), expected, rtol=1e-5, atol=1e-5)


def test_gradients_equal_those_of_padded_images(pair):
    one, two = pair
    target = np.ones((3, 3), np.float32)
    for model in pair:
        model.compile("sgd", "mse")
    loss, _, gradients = one.value_and_gradients(images(), target)
    expected_loss, _, expected = two.value_and_gradients(padded(images()), target)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for gradient, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=1e-4, atol=1e-5)


def test_gradients_of_the_input_stop_at_the_border_of_the_image():
    x = layers.Input((5, 5, 2))
    model = Model(x, layers.Conv2D(1, 3, kernel_initializer="ones")(layers.ZeroPadding2D(1)(x)))
    dx = inspect.gradients(model, images((1, 5, 5, 2))).gradient
    windows = np.array([2, 3, 3, 3, 2])  # that contain a row or column
    np.testing.assert_array_equal(dx[0, :, :, 0], np.outer(windows, windows))


@pytest.mark.parametrize(
    "before, convolution",
    [
        (layers.ZeroPadding2D(1, padding_mode="edge"), layers.Conv2D(8, 3)),
        (layers.ZeroPadding2D(1), layers.Conv2D(8, 3, padding="same", padding_mode="reflect")),
        (layers.UpSampling2D(2), layers.Conv2D(8, 3)),
        (layers.Cropping2D(1), layers.Conv2D(8, 3)),
    ],
    ids=["copies of the border", "another mode of its own", "repetition", "cropping"],
)
def test_everything_else_stays(before, convolution):
    x = layers.Input((12, 11, 4))
    assert kinds(Model(x, convolution(before(x)))).count("AxisMaps") >= 1


def test_a_padded_image_that_others_read_stays():
    x = layers.Input((12, 11, 4))
    y = layers.ZeroPadding2D(1)(x)
    model = Model(x, [layers.Conv2D(8, 3)(y), y])
    assert [type(node.operation) for node in fuse(model.graph(), "predict").nodes] == [
        operations.AxisMaps,
        operations.Convolution,
    ]

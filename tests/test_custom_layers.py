"""Layers in NumPy, and `check_layer`, which must find every mistake that it is there for."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import inspect, layers, models, optimizers, testing


class Affine(layers.CustomLayer):
    """y = activation-free dense layer, with a switch for every mistake."""

    def __init__(self, units, mistake="", **common):
        super().__init__(**common)
        self.units, self.mistake = units, mistake

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (input_shape[-1], self.units), "glorot_uniform")
        self.bias = self.add_weight("bias", (self.units,), "zeros")
        super().build(input_shape)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units + (self.mistake == "shape"))

    def forward(self, x, training):
        y = x @ self.kernel.numpy() + self.bias.numpy()
        if self.mistake == "batch":
            y = y + x.mean()
        return y if self.mistake == "no pair" else (y, x)

    def backward(self, dy, saved):
        x = saved
        dx, dw, db = dy @ self.kernel.numpy().T, x.T @ dy, dy.sum(axis=0)
        if self.mistake == "dx":
            dx = dx * 1.1
        if self.mistake == "dw":
            dw = -dw
        if self.mistake == "db":
            db = db * 0
        if self.mistake == "nan":
            dx = dx / 0.0
        return dx, [dw] if self.mistake == "few" else [
            dw,
            db.reshape(1, -1) if self.mistake == "db shape" else db,
        ]

    def get_config(self):
        config = super().get_config() | {"units": self.units, "mistake": self.mistake}
        if self.mistake == "config":
            del config["units"]
        if self.mistake == "forgotten":
            config["units"] += 1
        if self.mistake == "objects":
            config["units"] = np.int64(4)
        return config


def test_a_right_layer_passes():
    testing.check_layer(Affine(4), (3,))


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (
            "shape",
            ValueError,
            r"layer 'bad': forward\(\) must return \(y, saved\) with y of numbers",
        ),
        ("no pair", TypeError, r"layer 'bad': forward\(\) must return a pair, received ndarray"),
        ("batch", AssertionError, "depends on the other samples"),
        ("dx", AssertionError, "with respect to the input is wrong"),
        ("dw", AssertionError, "with respect to the weight 'kernel' is wrong"),
        ("db", AssertionError, "with respect to the weight 'bias' is wrong"),
        ("nan", AssertionError, "with respect to the input is not finite"),
        ("few", ValueError, r"backward\(\) must return 2 gradients of weights, received 1"),
        ("db shape", ValueError, r"weight_gradients\[1\] of numbers of shape \(4,\), received"),
        ("config", AssertionError, "from_config does not take what get_config returns"),
        ("forgotten", AssertionError, "another configuration: units was 5, is 6"),
        ("objects", AssertionError, "get_config must return plain data"),
    ],
)
def test_a_mistake_is_found_and_named(mistake, error, message):
    with np.errstate(all="ignore"), pytest.raises(error, match=message):
        testing.check_layer(Affine(4, mistake, name="bad"), (3,))


def trained(middle):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((64, 6)).astype(np.float32)
    y = (x @ rng.standard_normal((6, 2)) > 0).astype(np.float32)
    model = models.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(5, "tanh", kernel_initializer="ones"),
            middle,
            layers.Dense(2, kernel_initializer="ones"),
        ]
    )
    start = np.random.default_rng(4)
    model.set_weights([start.standard_normal(w.shape) * 0.3 for w in model.weights])
    model.compile(optimizers.SGD(0.1), "mse")
    history = model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
    return model, model.predict(x, verbose=0), history.history["loss"]


def test_a_model_trains_through_it_as_through_the_built_in_layer():
    _, mine, losses = trained(Affine(4))
    _, builtin, expected = trained(layers.Dense(4))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(mine, builtin, rtol=1e-4, atol=1e-5)
    assert losses[-1] < losses[0]


def test_a_frozen_layer_keeps_its_weights_and_passes_gradients():
    layer = Affine(4, trainable=False)
    model, _, losses = trained(layer)
    start = np.random.default_rng(4)
    expected = [start.standard_normal(w.shape) * 0.3 for w in model.weights]
    for weight, value in zip(model.weights, expected, strict=True):
        same = np.array_equal(weight.numpy(), value.astype(np.float32))
        assert same == (weight in layer.weights), weight.path
    assert losses[-1] < losses[0]


def test_gradients_of_samples_leave_the_gradients_of_weights_alone():
    model = models.Sequential([layers.Input((3,)), layers.Dense(5), Affine(4)])
    model.parameters.gradient[:] = 7  # as between the backward pass and the update of a `fit`
    x = np.random.default_rng(0).standard_normal((2, 3), np.float32)
    assert inspect.gradients(model, x).gradient.any()
    assert (model.parameters.gradient == 7).all()


def test_inputs_are_read_only():
    class Careless(layers.CustomLayer):
        def forward(self, x, training):
            x *= 2
            return x, None

        def backward(self, dy, saved):
            return dy, []

    model = models.Sequential([layers.Input((3,)), Careless()])
    with pytest.raises(ValueError, match="read-only"):
        model.predict(np.ones((2, 3)), verbose=0)


BUILT_IN = {
    "conv1d": (lambda: layers.Conv1D(4, 3, padding="causal", activation="tanh"), (7, 3)),
    "conv2d": (lambda: layers.Conv2D(4, 3, strides=2, groups=2, activation="relu"), (6, 7, 2)),
    "transpose1d": (lambda: layers.Conv1DTranspose(4, 3, strides=2), (5, 3)),
    "conv3d": (lambda: layers.Conv3D(4, (2, 3, 2), groups=2, activation="tanh"), (4, 5, 4, 2)),
    "conv3d strides": (lambda: layers.Conv3D(3, 3, 2, "same", activation="tanh"), (4, 5, 4, 2)),
    "conv3d edge": (lambda: layers.Conv3D(3, 2, 1, "same", padding_mode="edge"), (4, 3, 4, 2)),
    "transpose3d": (lambda: layers.Conv3DTranspose(3, 2, 2, activation="relu"), (3, 2, 4, 2)),
    # TensorFlow computes another gradient here
    "transpose3d apart": (
        lambda: layers.Conv3DTranspose(2, (2, 3, 1), (2, 1, 3), "same"),
        (3, 4, 2, 2),
    ),
    "transpose2d": (lambda: layers.Conv2DTranspose(4, 3, 2, "same", activation="relu"), (4, 3, 2)),
    "transpose2d dilated": (lambda: layers.Conv2DTranspose(2, 3, 2, dilation_rate=2), (4, 3, 2)),
    "depthwise1d": (lambda: layers.DepthwiseConv1D(3, depth_multiplier=2), (6, 3)),
    "depthwise2d": (lambda: layers.DepthwiseConv2D(3, (1, 2), "same", 2), (6, 5, 3)),
    "separable1d": (lambda: layers.SeparableConv1D(4, 3), (6, 3)),
    "separable2d": (lambda: layers.SeparableConv2D(4, 3, depth_multiplier=2), (6, 5, 3)),
    "dense": (lambda: layers.Dense(4, "sigmoid"), (3, 5)),
    "max1d": (lambda: layers.MaxPooling1D(2), (7, 3)),
    "max2d": (lambda: layers.MaxPooling2D(3, 2, "same"), (7, 6, 3)),
    "max3d": (lambda: layers.MaxPooling3D(3, 2, "same"), (4, 5, 6, 2)),
    "average3d": (lambda: layers.AveragePooling3D((2, 3, 2)), (4, 5, 6, 2)),
    "adaptive max3d": (lambda: layers.AdaptiveMaxPooling3D((2, 5, 4)), (4, 5, 6, 2)),
    "global max3d": (lambda: layers.GlobalMaxPooling3D(), (2, 3, 4, 3)),
    "average1d": (lambda: layers.AveragePooling1D(2, padding="same"), (7, 3)),
    "average2d": (lambda: layers.AveragePooling2D((2, 3)), (7, 6, 3)),
    "global max1d": (lambda: layers.GlobalMaxPooling1D(), (7, 3)),
    "global max2d": (lambda: layers.GlobalMaxPooling2D(keepdims=True), (7, 6, 3)),
    "global average1d": (lambda: layers.GlobalAveragePooling1D(keepdims=True), (7, 3)),
    "global average2d": (lambda: layers.GlobalAveragePooling2D(), (7, 6, 3)),
    "flatten": (lambda: layers.Flatten(), (3, 4, 2)),
    "reshape": (lambda: layers.Reshape((-1, 4)), (3, 4, 2)),
    "permute": (lambda: layers.Permute((2, 1, 3)), (3, 4, 2)),
    "repeat": (lambda: layers.RepeatVector(3), (5,)),
    "pad1d": (lambda: layers.ZeroPadding1D((2, 1), padding_mode="edge"), (5, 3)),
    "pad2d": (lambda: layers.ZeroPadding2D((2, 1), padding_mode="reflect"), (5, 4, 3)),
    "pad3d": (lambda: layers.ZeroPadding3D((1, 2, 1), padding_mode="reflect"), (3, 4, 3, 2)),
    "crop3d": (lambda: layers.Cropping3D(((1, 0), (2, 1), (0, 0))), (3, 5, 3, 2)),
    "up3d": (lambda: layers.UpSampling3D((1, 2, 3)), (3, 4, 2, 2)),
    "spatial3d": (lambda: layers.SpatialDropout3D(0.4, seed=1), (2, 5, 4, 3)),
    "crop1d": (lambda: layers.Cropping1D(1), (5, 3)),
    "crop2d": (lambda: layers.Cropping2D(((1, 0), (2, 1))), (5, 6, 3)),
    "up1d": (lambda: layers.UpSampling1D(3), (5, 3)),
    "up2d": (lambda: layers.UpSampling2D((2, 3), interpolation="bilinear"), (5, 4, 3)),
    "activation": (lambda: layers.Activation("tanh"), (5, 3)),
    "relu": (lambda: layers.ReLU(negative_slope=0.1), (5, 3)),
    "leaky": (lambda: layers.LeakyReLU(), (5, 3)),
    "softmax": (lambda: layers.Softmax(), (5, 3)),
    "dropout": (lambda: layers.Dropout(0.4, seed=1), (5, 3)),
    "dropout shared": (lambda: layers.Dropout(0.4, (None, 1, 3), seed=1), (5, 3)),
    "spatial1d": (lambda: layers.SpatialDropout1D(0.4, seed=1), (5, 3)),
    "spatial2d": (lambda: layers.SpatialDropout2D(0.4, seed=1), (5, 4, 3)),
    "noise": (lambda: layers.GaussianNoise(0.4, seed=1), (5, 3)),
    "noise factor": (lambda: layers.GaussianDropout(0.4, seed=1), (5, 3)),
    "rescaling": (lambda: layers.Rescaling([1.0, 2.0, 0.5], 3), (5, 4, 3)),
    "resizing": (lambda: layers.Resizing(7, 3, crop_to_aspect_ratio=True), (5, 4, 3)),
    "center crop": (lambda: layers.CenterCrop(3, 3), (5, 4, 2)),
    "random crop": (lambda: layers.RandomCrop(3, 3, seed=1), (5, 4, 2)),
    "flip": (lambda: layers.RandomFlip(seed=1), (5, 4, 2)),
    "translation": (lambda: layers.RandomTranslation(0.4, (0.1, 0.3), seed=1), (5, 4, 2)),
    "rotation": (lambda: layers.RandomRotation(0.2, "constant", seed=1), (5, 4, 2)),
    "zoom": (lambda: layers.RandomZoom(0.3, (-0.2, 0.1), "wrap", seed=1), (5, 4, 2)),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_layer_passes(name):
    make, shape = BUILT_IN[name]
    testing.check_layer(make(), shape)


@pytest.mark.parametrize(
    "name", [n for n, (make, _) in BUILT_IN.items() if "data_format" in make().get_config()]
)
def test_channels_first_computes_the_same_with_the_same_weights(name):
    make, shape = BUILT_IN[name]
    last = make()
    config = last.get_config() | {"data_format": "channels_first"}
    first = type(last).from_config(config)
    first_shape = (shape[-1], *shape[:-1])
    testing.check_layer(first, first_shape)
    last.build((None, *shape))
    assert [w.shape for w in first.weights] == [w.shape for w in last.weights]
    last.set_weights(first.get_weights())
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    first, last = type(last).from_config(config), last
    models_ = [
        models.Sequential([layers.Input(s), one])
        for s, one in ((first_shape, first), (shape, last))
    ]
    first.set_weights(last.get_weights())
    y = models_[0].predict(np.moveaxis(x, -1, 1), verbose=0)
    expected = models_[1].predict(x, verbose=0)
    if y.ndim == x.ndim:
        expected = np.moveaxis(expected, -1, 1)
    np.testing.assert_array_equal(y, expected)

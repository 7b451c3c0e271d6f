"""Convolutions whose padding repeats or mirrors the image."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import explain, layers, models, reference, testing
from fastconv.inspect.windows import windows_of
from fastconv.utils import set_random_seed

MODES = {"edge": "edge", "reflect": "reflect"}  # ours: NumPy's
X = np.random.default_rng(0).standard_normal((2, 7, 6, 4)).astype(np.float32)


@pytest.fixture(autouse=True)
def seeded():
    set_random_seed(3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strides": 2, "kernel_size": (4, 3)},
        {"dilation_rate": 2},
        {"groups": 2, "activation": "relu"},
    ],
    ids=str,
)
def test_as_a_convolution_of_the_padded_image(mode, options, isa):
    options = {"kernel_size": 3} | options
    layer = layers.Conv2D(6, padding="same", padding_mode=mode, **options)
    plain = layers.Conv2D(6, padding="same", **options)
    y = models.Sequential([layers.Input(X.shape[1:]), layer]).predict(X, verbose=0)
    sides = plain.compute_output_shape((None, *X.shape[1:]))
    assert (None, *y.shape[1:]) == sides == layer.output_shape
    plain.build_on((None, *X.shape[1:]))
    geometry = plain.operations((None, *X.shape[1:]))[0].geometry
    padded = np.pad(X, ((0, 0), *geometry.padding, (0, 0)), MODES[mode])
    expected = reference.conv2d(
        padded, layer.kernel.numpy(), strides=options.get("strides", 1),
        dilation_rate=options.get("dilation_rate", 1), groups=options.get("groups", 1),
    )  # fmt: skip
    expected = np.maximum(expected, 0) if options.get("activation") else expected
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_layers_keep_their_promises(mode):
    def same(kind, **options):
        return kind(3, 3, padding="same", padding_mode=mode, activation="tanh", **options)

    testing.check_layer(same(layers.Conv2D), (5, 4, 2))
    testing.check_layer(same(layers.Conv2D, data_format="channels_first"), (2, 5, 4))
    testing.check_layer(same(layers.Conv1D), (6, 2))
    causal = layers.Conv1D(3, 3, padding="causal", padding_mode=mode, dilation_rate=2)
    testing.check_layer(causal, (6, 2))


def test_a_constant_image_stays_constant():
    layer = layers.Conv2D(1, 5, padding="same", padding_mode="edge", kernel_initializer="ones")
    y = layer(np.full((1, 6, 6, 1), 2.0, np.float32))
    np.testing.assert_array_equal(y, np.full((1, 6, 6, 1), 50.0))


def test_pictures_show_the_window_with_its_padding():
    formulas = []
    for mode in ("zeros", *MODES):
        layer = layers.Conv2D(1, 3, padding="same", padding_mode=mode)
        models.Sequential([layers.Input(X.shape[1:]), layer])
        geometry = layer.geometry_on(layer.image_of(layer.calls[0].input_shape))
        formulas.append([window.formula for window in windows_of(geometry)])
    assert formulas[0] == formulas[1] == formulas[2]


def test_files_hold_the_mode_and_nothing_for_zeros(tmp_path):
    assert "padding_mode" not in layers.Conv2D(2, 3, padding="same").get_config()
    layer = layers.Conv2D(2, 3, padding="same", padding_mode="reflect")
    model = models.Sequential([layers.Input(X.shape[1:]), layer])
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    assert again.layers[0].padding_mode == "reflect"
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    explain(model)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"padding": "same", "padding_mode": "wrap"}, "`padding_mode` must be one of"),
        ({"padding_mode": "edge"}, "must come with a `padding` other than 'valid'"),
        ({"padding": "same", "padding_mode": "reflect", "dilation_rate": 7}, "must be smaller"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        layers.Conv2D(2, 3, **options)(layers.Input(X.shape[1:]))


@pytest.mark.parametrize("assigned", ["edge", "reflect", "zeros"])
def test_the_mode_of_a_built_layer_may_be_assigned(assigned):
    x = np.random.default_rng(0).random((2, 6, 6, 3), dtype=np.float32)
    layer = layers.Conv2D(2, 3, padding="same", padding_mode="edge")
    padding = layers.ZeroPadding2D(1, padding_mode="edge")
    model = models.Sequential([layers.Input((6, 6, 3)), layer, padding])
    model.predict(x, verbose=0)
    layer.padding_mode = padding.padding_mode = assigned
    other = models.Sequential(
        [
            layers.Input((6, 6, 3)),
            layers.Conv2D(2, 3, padding="same", padding_mode=assigned),
            layers.ZeroPadding2D(1, padding_mode=assigned),
        ]
    )
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))
    with pytest.raises(ValueError, match="`padding_mode` must be one of"):
        layer.padding_mode = "wrap"

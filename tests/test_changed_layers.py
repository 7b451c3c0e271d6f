"""Assigning an argument to a layer that is built has the effect that it says, or is refused."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models
from fastconv.utils import set_random_seed

X = np.random.default_rng(0).standard_normal((6, 8, 8, 4)).astype(np.float32)

# how to make a layer, the argument, another value: what the plans read
CHANGES = [
    (lambda **k: layers.LeakyReLU(**k), "negative_slope", 0.7),
    (lambda **k: layers.ELU(**k), "alpha", 0.3),
    (lambda **k: layers.ReLU(**k), "max_value", 0.5),
    (lambda **k: layers.ReLU(**k), "threshold", 0.5),
    (lambda **k: layers.Softmax(**k), "axis", 1),
    (lambda **k: layers.BatchNormalization(**k), "epsilon", 0.5),
    (lambda **k: layers.BatchNormalization(**k), "momentum", 0.2),
    (lambda **k: layers.LayerNormalization(**k), "epsilon", 0.5),
    (lambda **k: layers.GroupNormalization(**({"groups": 2} | k)), "groups", 4),
    (lambda **k: layers.UnitNormalization(**k), "axis", 1),
    (lambda **k: layers.Dropout(**({"rate": 0.5, "seed": 1} | k)), "rate", 0.1),
    (lambda **k: layers.SpatialDropout2D(**({"rate": 0.5, "seed": 1} | k)), "rate", 0.1),
    (lambda **k: layers.GaussianNoise(**({"stddev": 0.5, "seed": 1} | k)), "stddev", 0.1),
    (lambda **k: layers.ActivityRegularization(**k), "l1", 0.5),
    (lambda **k: layers.AlphaDropout(**({"rate": 0.5, "seed": 1} | k)), "rate", 0.1),
    (lambda **k: layers.RMSNormalization(**k), "epsilon", 0.5),
    (lambda **k: layers.Rescaling(**({"scale": 2} | k)), "scale", 3),
    (lambda **k: layers.Rescaling(**({"scale": 2} | k)), "offset", [1, 2, 3, 4]),
    (lambda **k: layers.MaxPooling2D(**({"pool_size": 3, "strides": 2, "padding": "same"} | k)),
     "pool_size", 2),
    (lambda **k: layers.RandomTranslation(**({"height_factor": 0.4, "width_factor": 0,
     "seed": 1} | k)), "fill_mode", "constant"),
]  # fmt: skip


def trained(model):
    """What predicting, training and predicting again gives."""
    before = model.predict(X, verbose=0)
    loss = model.fit(X, np.zeros((6, 1)), epochs=2, verbose=0, shuffle=False).history["loss"]
    return [before, np.array(loss), model.predict(X, verbose=0)]


def network(layer):
    model = models.Sequential([layers.Input((8, 8, 4)), layer, layers.Flatten(), layers.Dense(1)])
    rng = np.random.default_rng(1)
    model.set_weights([rng.random(w.shape) + 0.1 for w in model.get_weights()])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(("make", "name", "value"), CHANGES, ids=[c[1] for c in CHANGES])
def test_a_changed_argument_is_that_of_a_layer_made_with_it(make, name, value):
    model = network(make())
    weights = model.get_weights()
    before = trained(model)  # plans exist now
    model.set_weights(weights)
    model._draws = 0
    setattr(model.layers[0], name, value)
    changed = trained(model)
    for mine, other in zip(changed, trained(network(make(**{name: value}))), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert any(not np.array_equal(a, b) for a, b in zip(before, changed, strict=True))
    assert (
        models.clone_model(model).layers[0].get_config()[name] == model.layers[0].get_config()[name]
    )


@pytest.mark.parametrize(
    ("make", "name", "value", "error", "message"),
    [
        (lambda: layers.Dense(3), "units", 4, AttributeError, "cannot become 4: .* other weights"),
        (lambda: layers.Dense(3), "use_bias", False, AttributeError, "other weights or shapes"),
        (lambda: layers.Conv2D(3, 3), "strides", 2, AttributeError, "other weights or shapes"),
        (lambda: layers.Dense(3), "kernel_initializer", "zeros", AttributeError, "not read again"),
        (lambda: layers.Dense(3), "kernel_regularizer", "l2", AttributeError, "not read again"),
        (lambda: layers.Dense(3), "bias_constraint", None, AttributeError, "not read again"),
        (lambda: layers.Dropout(0.5), "seed", 3, AttributeError, "not read again once the layer"),
        (lambda: layers.Dropout(0.5), "rate", 1.5, ValueError, "`rate` must be finite and at lea"),
        (lambda: layers.Dropout(0.5), "rate", "a", TypeError, "`rate` must be a number"),
        (lambda: layers.Softmax(), "axis", 7, ValueError, "axis"),
        (lambda: layers.Conv2D(3, 3), "padding", "smae", ValueError, "did you mean 'same'"),
        (lambda: layers.Conv2D(3, 3), "input_shape", (3,), AttributeError, "no setter"),
    ],
)
def test_what_cannot_have_an_effect_is_refused(make, name, value, error, message):
    layer = make()
    layer(layers.Input((8, 8, 4)))
    before = layer.get_config()
    with pytest.raises(error, match=message):
        setattr(layer, name, value)
    assert layer.get_config() == before


def test_a_change_takes_no_random_numbers():
    def drawn(change):
        set_random_seed(3)
        layer = layers.Dropout(0.5)
        layer(layers.Input((4,)))
        if change:
            layer.rate = 0.25
        return layers.Dropout(0.5)._stream

    assert drawn(False) == drawn(True)


def test_other_attributes_are_free():
    class Mine(layers.Dropout):
        def remember(self, value):
            self.value = value

    layer = Mine(0.5)
    layer(layers.Input((4,)))
    layer.remember(3)
    layer.note = "free"
    layer.name = "other"
    layer.rate = 0.25
    assert (layer.value, layer.note, layer.name, layer.rate) == (3, "free", "other", 0.25)

    class Gain(layers.CustomLayer):
        def __init__(self, factor, **common):
            super().__init__(**common)
            self.factor = factor

        def forward(self, x, training):
            return x * self.factor, None

        def backward(self, dy, saved):
            return dy * self.factor, []

    model = models.Sequential([layers.Input((4,)), Gain(2)])
    x = np.ones((2, 4), np.float32)
    model.predict(x, verbose=0)
    model.layers[0].factor = 5
    assert (model.predict(x, verbose=0) == 5).all()


def test_before_it_is_built_a_layer_takes_what_it_is_given():
    layer = layers.Dense(3)
    layer.units = 4
    assert layer(layers.Input((2,))).shape == (None, 4)

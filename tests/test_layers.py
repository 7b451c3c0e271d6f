"""Layers: shapes, weights, configurations, and what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastconv import activations, layers, models, reference
from fastconv.common import naming
from fastconv.serialization import deserialize, serialize

LAYERS = {
    "conv": lambda: layers.Conv2D(
        6, (3, 2), (2, 1), "same", dilation_rate=(1, 1), groups=2, activation="tanh",
        use_bias=False, kernel_initializer="he_normal",
    ),
    "max": lambda: layers.MaxPooling2D((2, 3), padding="same"),
    "average": lambda: layers.AveragePooling2D(3, strides=(1, 2)),
    "dense": lambda: layers.Dense(7, "sigmoid", bias_initializer="ones", trainable=False),
    "flatten": layers.Flatten,
    "activation": lambda: layers.Activation("leaky_relu"),
    "relu": lambda: layers.ReLU(negative_slope=0.1),
    "leaky": lambda: layers.LeakyReLU(0.05),
    "softmax": layers.Softmax,
    "dropout": lambda: layers.Dropout(0.25, seed=9),
    "input": lambda: layers.InputLayer((4, 4, 2)),
}  # fmt: skip


def run(layer, x):
    """What a model of this one layer predicts."""
    return models.Sequential([layers.Input(x.shape[1:]), layer]).predict(x, verbose=0)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Conv2D(32, 3), (28, 28, 1), (None, 26, 26, 32)),
        (layers.Conv2D(8, 3, 2, "SAME"), (7, 8, 4), (None, 4, 4, 8)),
        (layers.Conv2D(8, 3, dilation_rate=2), (7, 8, 4), (None, 3, 4, 8)),
        (layers.MaxPooling2D(), (11, 11, 64), (None, 5, 5, 64)),
        (layers.MaxPooling2D(2, padding="same"), (11, 11, 64), (None, 6, 6, 64)),
        (layers.AveragePooling2D((3, 2), 1), (5, 5, 2), (None, 3, 4, 2)),
        (layers.Flatten(), (3, 3, 64), (None, 576)),
        (layers.Dense(10), (64,), (None, 10)),
        (layers.Dense(10), (4, 5, 6), (None, 4, 5, 10)),
        (layers.Dropout(0.5), (4, 5), (None, 4, 5)),
        (layers.Softmax(), (4, 5), (None, 4, 5)),
    ],
)
def test_output_shapes_are_computed_without_outputs(layer, shape, expected):
    assert layer.compute_output_shape((None, *shape)) == expected
    assert models.Sequential([layers.Input(shape), layer]).output_shape == expected


def test_weight_shapes_and_parameter_counts():
    conv = layers.Conv2D(8, (3, 2), groups=2)
    conv.build((None, 5, 5, 4))
    assert [w.shape for w in conv.weights] == [(3, 2, 2, 8), (8,)]
    assert conv.count_params() == 3 * 2 * 2 * 8 + 8
    assert (conv.kernel.shape, conv.bias.shape) == ((3, 2, 2, 8), (8,))
    dense = layers.Dense(3, use_bias=False)
    dense.build((None, 5))
    assert [w.shape for w in dense.weights] == [(5, 3)]
    assert layers.Dense(3).built is False
    with pytest.raises(ValueError, match="'d' has no parameters to count before it is built"):
        layers.Dense(3, name="d").count_params()


@pytest.mark.parametrize("name", LAYERS)
def test_config_makes_an_equal_layer(name):
    layer = LAYERS[name]()
    description = json.loads(json.dumps(serialize(layer)))
    assert description["module"] == "keras.layers"
    assert description["class_name"] == type(layer).__name__
    copy = deserialize(description, "layers")
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Conv2D(0, 3), ValueError, "`filters` must be positive, received 0"),
        (lambda: layers.Conv2D(2.5, 3), TypeError, "`filters` must be an integer"),
        (lambda: layers.Conv2D(4, 0), ValueError, "`kernel_size` must be positive"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), ValueError, "`kernel_size` must be an integer or"),
        (lambda: layers.Conv2D(4, 3, 0), ValueError, "`strides` must be positive, received 0"),
        (lambda: layers.Conv2D(4, 3, True), TypeError, "`strides`"),
        (lambda: layers.Conv2D(4, 3, padding="full"), ValueError, "'valid' or 'same', received 'f"),
        (lambda: layers.Conv2D(4, 3, padding=1), ValueError, "'valid' or 'same', received 1"),
        (lambda: layers.Conv2D(4, 3, dilation_rate=0), ValueError, "`dilation_rate` must be pos"),
        (lambda: layers.Conv2D(4, 3, groups=3), ValueError, r"`filters` \(=4\) must be a multiple"),
        (lambda: layers.Conv2D(4, 3, activation="glu"), ValueError, "one of .*'relu'.*'glu'"),
        (lambda: layers.Conv2D(4, 3, activation=3), TypeError, "`activation` must be"),
        (
            lambda: layers.Conv2D(4, 3, data_format="channels_middle"),
            ValueError,
            "'channels_first'.*received 'channels_middle'",
        ),
        (
            lambda: layers.Conv2D(4, 3, kernel_regularizer="l3"),
            ValueError,
            "`regularizer` must be one of .*'l2'.* received 'l3'",
        ),
        (lambda: layers.Conv2D(4, 3, kernel_initializer="x"), ValueError, "`initializer` must be"),
        (lambda: layers.Conv2D(4, 3, nonsense=1), TypeError, "nonsense"),
        (lambda: layers.Conv2D(4, 3, dtype="float16"), ValueError, "'float32'.*received 'float16'"),
        (lambda: layers.Conv2D(4, 3, name="a/b"), ValueError, "without '/', received 'a/b'"),
        (lambda: layers.MaxPooling2D(0), ValueError, "`pool_size` must be positive, received 0"),
        (lambda: layers.MaxPooling2D(2, -1), ValueError, "`strides` must be positive"),
        (lambda: layers.AveragePooling2D(), TypeError, "pool_size"),
        (lambda: layers.Dense(-1), ValueError, "`units` must be positive, received -1"),
        (lambda: layers.Dense(3, lora_rank=2), ValueError, "`lora_rank` of Dense is not supported"),
        (lambda: layers.Dense(3, input_dim=2, input_shape=(2,)), ValueError, "only one of `input_"),
        (lambda: layers.Flatten("channels"), ValueError, "`data_format` must be"),
        (
            lambda: layers.ReLU(-6),
            ValueError,
            "`max_value` must be finite and at least 0, received -6",
        ),
        (lambda: layers.ReLU(threshold=-1), ValueError, "`threshold` must be .* at least 0"),
        (lambda: layers.ELU(-1), ValueError, "`alpha` must be finite and at least 0, received -1"),
        (lambda: layers.ReLU(negative_slope=-1), ValueError, "`negative_slope` must be finite"),
        (lambda: layers.LeakyReLU(None), TypeError, "`negative_slope` must be a number"),
        (lambda: layers.Dropout(1.0), ValueError, "`rate` must be .* at least 0 and below 1"),
        (lambda: layers.Dropout("x"), TypeError, "`rate` must be a number, received 'x'"),
        (lambda: layers.Dropout(0.5, 3), TypeError, "`noise_shape` must be None or a tuple"),
        (lambda: layers.Dropout(0.5, seed=-1), ValueError, "`seed` must not be negative"),
        (lambda: layers.Input((28, -1, 1)), ValueError, "must not be negative"),
        (lambda: layers.Input((28, 0, 1)), ValueError, "must not be empty"),
        (lambda: layers.Input(()), ValueError, "at least one dimension"),
        (lambda: layers.Input(28), TypeError, "must be a tuple of integers, received 28"),
        (lambda: layers.Input((3,), dtype="float64"), ValueError, "`dtype` must be None or"),
        (lambda: layers.Input((3,), sparse=True), ValueError, "`sparse` inputs are not supported"),
        (lambda: layers.Activation("relu7"), ValueError, "`activation` must be one of"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.Conv2D(4, 5), (4, 9, 1), "larger than the padded input"),
        (layers.Conv2D(4, 3, groups=2), (9, 9, 3), r"channels \(=3\) must be a multiple of"),
        (layers.Conv2D(4, 3), (9, 9), "takes images .batch, height, width, channels."),
        (layers.MaxPooling2D(3), (2, 2, 1), "pool window .* is larger than the padded input"),
        (layers.MaxPooling2D(3), (27,), "takes images"),
    ],
)
def test_a_layer_refuses_an_input_that_does_not_fit(layer, shape, message):
    model = models.Sequential([layers.Input(shape)])
    with pytest.raises(ValueError, match=message):
        model.add(layer)
    assert model.layers == []


def test_default_names_count_per_class():
    naming.reset()
    made = [layers.Conv2D(1, 1), layers.MaxPooling2D(), layers.Conv2D(1, 1), layers.LeakyReLU()]
    assert [layer.name for layer in made] == ["conv2d", "max_pooling2d", "conv2d_1", "leaky_re_lu"]


def test_dense_acts_on_the_last_axis_of_any_rank():
    x = np.random.default_rng(0).standard_normal((4, 3, 2, 5)).astype(np.float32)
    layer = layers.Dense(6, "tanh", bias_initializer="random_normal")
    y = run(layer, x)
    expected = np.tanh(x.astype(np.float64) @ layer.kernel.numpy() + layer.bias.numpy())
    np.testing.assert_allclose(y, expected, atol=1e-6)


def test_flatten_is_row_major():
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(run(layers.Flatten(), x), x.reshape(2, 60))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.ReLU(), reference.relu),
        (layers.ReLU(negative_slope=0.5), lambda x: reference.leaky_relu(x, negative_slope=0.5)),
        (layers.LeakyReLU(), lambda x: reference.leaky_relu(x, negative_slope=0.3)),
        (
            layers.Activation("leaky_relu"),
            lambda x: reference.leaky_relu(x, negative_slope=0.2),
        ),
        (layers.Activation("sigmoid"), reference.sigmoid),
        (layers.Activation("tanh"), reference.tanh),
        (layers.Activation("linear"), lambda x: x),
        (layers.Activation(None), lambda x: x),
        (layers.Softmax(), reference.softmax),
    ],
)
def test_activation_layers_match_their_formula(layer, expected):
    x = np.random.default_rng(1).standard_normal((5, 3, 4)).astype(np.float32) * 3
    np.testing.assert_allclose(run(layer, x), expected(x), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", activations.FUNCTIONS)
def test_activation_functions_are_what_layers_do(name):
    x = np.random.default_rng(1).standard_normal((5, 4)).astype(np.float32)
    np.testing.assert_array_equal(activations.get(name)(x), run(layers.Activation(name), x))


def test_assign_is_the_way_to_change_weights():
    layer = layers.Dense(2, input_shape=(3,))
    model = models.Sequential([layer])
    x = np.eye(3, dtype=np.float32)
    model.predict(x, verbose=0)
    before = layer.kernel.numpy()
    layer.kernel.numpy()[0, 0] = 1  # as in Keras, a copy that belongs to the caller
    np.testing.assert_array_equal(layer.kernel.numpy(), before)
    layer.kernel.assign(np.ones((3, 2)))
    np.testing.assert_array_equal(model.predict(x, verbose=0), np.ones((3, 2)))
    np.testing.assert_array_equal(np.asarray(layer.kernel), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"must have shape \(3, 2\), received shape \(2, 3\)"):
        layer.kernel.assign(np.ones((2, 3)))
    with pytest.raises(TypeError, match="must hold integers or floats"):
        layer.kernel.assign(np.ones((3, 2), complex))


def test_layer_set_weights_changes_all_or_nothing():
    layer = layers.Dense(2, input_shape=(3,))
    models.Sequential([layer])
    before = layer.get_weights()
    with pytest.raises(ValueError, match=r"`weights\[1\]` for .*bias must have shape \(2,\)"):
        layer.set_weights([np.zeros((3, 2)), np.zeros(3)])
    with pytest.raises(ValueError, match="must hold 2 arrays, received 1"):
        layer.set_weights([np.zeros((3, 2))])
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_former_name_of_operations_works_and_may_not_be_overridden():
    layer = layers.ReLU()
    with pytest.warns(DeprecationWarning, match=r"Layer\.operations"):
        assert layer.nodes((None, 4)) == layer.operations((None, 4))
    with pytest.raises(TypeError, match="it is called `operations`"):

        class Old(layers.ReLU):
            def nodes(self, input_shape):
                return []

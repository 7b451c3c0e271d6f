"""Normalization layers: what real Keras computes, folding into convolutions, moving averages."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, optimizers, parameters
from fastconv.plan import Plan
from fastconv.plan.fusion import fuse
from fastconv.testing import check_layer
from fastconv.utils import set_random_seed
from tests.golden.golden_file import load
from tests.support.layer_passes import build, passes
from tests.support.oracle import assert_same_bits, generator

GOLDEN, ARRAYS = load("normalization.npz")
ACTIVATIONS, ACTIVATION_ARRAYS = load("activations.npz")
SINGLE = [case for case in GOLDEN if case["class_name"] != "network"]
TRAINED = [case for case in ACTIVATIONS if f"{case['name']}/alpha" in ACTIVATION_ARRAYS]


def named(arrays, name):
    return {k.split("/")[1]: v for k, v in arrays.items() if k.startswith(name + "/")}


def numbered(golden, prefix):
    count = sum(key.startswith(prefix) for key in golden)
    return [golden[f"{prefix}{i}"] for i in range(count)]


@pytest.fixture(autouse=True)
def seeded():
    set_random_seed(3)


# ------------------------------------------------------------------------------------- real Keras


@pytest.mark.parametrize("case", SINGLE, ids=lambda case: case["name"])
def test_layers_compute_what_keras_computes(case, isa):
    golden = named(ARRAYS, case["name"])
    layer = getattr(layers, case["class_name"])(**case["arguments"])
    build(layer, golden["x"].shape[1:])
    layer.set_weights(numbered(golden, "before_"))
    y, dx, gradients = passes(layer, golden["x"], golden["dy"])
    np.testing.assert_allclose(y, golden["y"], rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(dx, golden["dx"], rtol=1e-5, atol=2e-5)
    expected = numbered(golden, "gradient_")
    trained = [gradients[v.name] for v in layer.trainable_weights]
    for gradient, want in zip(trained, expected, strict=True):
        np.testing.assert_allclose(gradient, want, rtol=1e-5, atol=2e-5)
    for weight, want in zip(layer.get_weights(), numbered(golden, "after_"), strict=True):
        np.testing.assert_allclose(weight, want, rtol=1e-6, atol=1e-6)
    model = models.Sequential([layers.Input(golden["x"].shape[1:]), layer])
    z = model.predict(golden["x"], verbose=0)
    np.testing.assert_allclose(z, golden["z"], rtol=1e-5, atol=2e-5)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("case", TRAINED, ids=lambda case: case["name"])
def test_prelu_computes_what_keras_computes(case, isa):
    golden = named(ACTIVATION_ARRAYS, case["name"])
    layer = build(layers.PReLU(**case["arguments"]), golden["x"].shape[1:])
    assert layer.alpha.shape == golden["alpha"].shape
    layer.set_weights([golden["alpha"]])
    y, dx, gradients = passes(layer, golden["x"], golden["dy"])
    np.testing.assert_allclose(y, golden["y"], rtol=1e-6)
    np.testing.assert_allclose(dx, golden["dx"], rtol=1e-6)
    np.testing.assert_allclose(gradients["alpha"], golden["dalpha"], rtol=1e-5, atol=1e-5)
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def residual_network():
    """The same as in `golden/make_normalization.py`."""
    start = layers.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(start)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = short = layers.ReLU()(x)
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([x, short])
    x = layers.Activation("relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(5)(x)
    x = layers.BatchNormalization(scale=False)(x)
    return models.Model(start, layers.Dense(3)(x))


def test_a_residual_network_trains_as_keras_trains_it():
    golden = named(ARRAYS, "network")
    model = residual_network()
    model.set_weights(numbered(golden, "before_"))
    model.compile(optimizers.SGD(0.05, momentum=0.9), "mse")
    history = model.fit(golden["x"], golden["y"], 8, 3, shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], golden["loss"], rtol=1e-4)
    for variable, weight, want in zip(
        model.weights, model.get_weights(), numbered(golden, "after_"), strict=True
    ):
        # A bias before a normalization has no gradient but for rounding.
        np.testing.assert_allclose(weight, want, rtol=1e-3, atol=2e-5, err_msg=variable.path)
    prediction = model.predict(golden["x"], verbose=0)
    np.testing.assert_allclose(prediction, golden["prediction"], rtol=1e-3, atol=1e-4)


# ----------------------------------------------------------------------------- what the plan makes


def kinds(model, mode):
    nodes = fuse(model.graph(), mode).nodes
    return [type(node.operation).__name__ for node in nodes]


def random_weights(model):
    rng = generator("weights")
    shapes = [weight.shape for weight in model.get_weights()]
    model.set_weights([np.abs(rng.standard_normal(shape)) * 0.5 + 0.1 for shape in shapes])


FOLDED = {
    "convolution": lambda: [layers.Conv2D(7, 3), layers.BatchNormalization(), layers.ReLU()],
    "no bias": lambda: [layers.Conv2D(7, 3, use_bias=False), layers.BatchNormalization()],
    "winograd": lambda: [layers.Conv2D(64, 3, padding="same"), layers.BatchNormalization()],
    "depthwise": lambda: [
        layers.DepthwiseConv2D(3, depth_multiplier=2), layers.BatchNormalization(scale=False),
        layers.Activation("relu6"),
    ],
    "groups": lambda: [layers.Conv2D(6, 3, groups=2), layers.BatchNormalization(center=False)],
    "product": lambda: [layers.Flatten(), layers.Dense(9), layers.BatchNormalization(epsilon=0.1)],
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDED)
def test_outside_of_training_a_normalization_goes_into_the_operation_before(name, isa):
    model = models.Sequential([layers.Input((9, 8, 4)), *FOLDED[name]()])
    random_weights(model)
    assert "BatchNormalization" in kinds(model, "train")
    for mode in ("infer", "test"):
        assert "BatchNormalization" not in kinds(model, mode)
        assert "Activation" not in kinds(model, mode)
    x = generator(name).standard_normal((3, 9, 8, 4)).astype(np.float32)
    # The same step by step: a second consumer of every value keeps them apart.
    graph = model.graph()
    graph.outputs = [node.output for node in graph.nodes]
    apart = Plan(graph, len(x), model.parameters)
    for _ in range(2):
        apart.inputs[0][...] = x
        apart.run()
        expected = apart.outputs[-1]
        y = model.predict(x, verbose=0)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
        model.layers[-2].set_weights([2 * w for w in model.layers[-2].get_weights()])


def test_what_is_looked_at_is_not_folded():
    start = layers.Input((5, 5, 2))
    x = layers.Conv2D(3, 3)(start)
    y = layers.BatchNormalization()(x)
    assert "BatchNormalization" in kinds(models.Model(start, [x, y]), "infer")
    x = layers.Conv2D(3, 3, activation="relu")(start)
    y = layers.BatchNormalization()(x)
    assert "BatchNormalization" in kinds(models.Model(start, y), "infer")


def test_channels_first_needs_no_transposition_in_between():
    model = models.Sequential(
        [
            layers.Input((3, 8, 8)),
            layers.Conv2D(4, 3, data_format="channels_first"),
            layers.BatchNormalization(axis=1),
            layers.Conv2D(5, 3, data_format="channels_first"),
        ]
    )
    assert kinds(model, "train").count("Transpose") == 2
    assert kinds(model, "infer") == ["Transpose", "Convolution", "Convolution", "Transpose"]


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "relu6"])
def test_a_relu_is_part_of_the_normalization_in_both_directions(activation, isa):
    class Pair(layers.BatchNormalization):
        def operations(self, input_shape):
            follower = layers.Activation(activation)
            return [*super().operations(input_shape), *follower.operations(input_shape)]

    x, dy = generator("pair").standard_normal((2, 5, 6, 7, 9)).astype(np.float32) * 2
    weights = [np.abs(w) + 0.5 for w in generator("w").standard_normal((4, 9))]
    both = build(Pair(), x.shape[1:])
    both.set_weights(weights)
    y, dx, gradients = passes(both, x, dy)
    one = build(layers.BatchNormalization(), x.shape[1:])
    one.set_weights(weights)
    inner, _, _ = passes(one, x, dy)
    outer, inner_dy, _ = passes(layers.Activation(activation), inner, dy)
    one.set_weights(weights)
    _, expected_dx, expected = passes(one, x, inner_dy)
    assert_same_bits(y, outer)
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-5, atol=1e-5)
    for name in ("gamma", "beta"):
        np.testing.assert_allclose(gradients[name], expected[name], rtol=1e-5, atol=1e-4)


def small_network():
    return models.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(6, 3),
            layers.BatchNormalization(momentum=0.5),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.GroupNormalization(3),
            layers.PReLU(shared_axes=[1, 2]),
            layers.LayerNormalization(),
            layers.LocalResponseNormalization(2),
            layers.UnitNormalization(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def test_training_is_the_same_for_any_number_of_threads(isa):
    from fastconv import runtime

    x = generator("x").standard_normal((40, 8, 8, 3)).astype(np.float32)
    y = generator("y").standard_normal((40, 2)).astype(np.float32)
    results = []
    for threads in (1, 2, 5):
        set_random_seed(1)
        model = small_network()
        model.compile("adam", "mse")
        with runtime.num_threads(threads):
            model.fit(x, y, batch_size=16, epochs=2, verbose=0)
            results.append([*model.get_weights(), model.predict(x, verbose=0)])
    for others in results[1:]:
        for one, other in zip(results[0], others, strict=True):
            assert_same_bits(one, other)


def test_a_frozen_normalization_uses_and_keeps_its_moving_statistics():
    model = small_network()
    random_weights(model)
    normalization = model.layers[1]
    normalization.trainable = False
    before = normalization.get_weights()
    model.compile("sgd", "mse")
    x = generator("x").standard_normal((16, 8, 8, 3)).astype(np.float32)
    y = generator("y").standard_normal((16, 2)).astype(np.float32)
    expected = model.evaluate(x, y, verbose=0)
    loss = model.train_on_batch(x, y)
    assert loss == pytest.approx(expected, rel=1e-5), "training saw other statistics"
    for one, other in zip(before, normalization.get_weights(), strict=True):
        assert_same_bits(one, other)
    normalization.trainable = True
    model.train_on_batch(x, y)
    moved = [
        (one != other).any() for one, other in zip(before, normalization.get_weights(), strict=True)
    ]
    assert all(moved)


def test_freezing_a_normalization_without_weights_to_train_takes_effect():
    model = models.Sequential(
        [
            layers.Input((4,)),
            layers.BatchNormalization(center=False, scale=False, momentum=0.0),
            layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    x = generator("x").standard_normal((8, 4)).astype(np.float32) + 5
    model.train_on_batch(x, x[:, :1])
    moved = model.layers[0].get_weights()
    np.testing.assert_allclose(moved[0], x.mean(axis=0), rtol=1e-5)
    model.layers[0].trainable = False
    model.train_on_batch(x * 2, x[:, :1])
    for one, other in zip(moved, model.layers[0].get_weights(), strict=True):
        assert_same_bits(one, other)


def test_moving_averages_do_not_part_what_is_trained():
    model = small_network()
    names = [variable.name for variable in model.layers[1].weights]
    assert names == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert len(model.parameters.trainable_slices()) == 1
    assert [v.name for v in model.layers[1].non_trainable_weights] == names[2:]
    assert isinstance(model.parameters, parameters.Parameters)
    assert len(model.parameters.variables) == len(model.weights)


def test_saving_and_loading(tmp_path):
    model = small_network()
    random_weights(model)
    x = generator("x").standard_normal((4, 8, 8, 3)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    assert_same_bits(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.BatchNormalization(synchronized=True), ValueError, "`synchronized` of"),
        (lambda: layers.BatchNormalization(renorm=True), ValueError, "`renorm` of BatchNorm"),
        (lambda: layers.BatchNormalization(momentum=1.5), ValueError, "`momentum` .* at most 1"),
        (lambda: layers.BatchNormalization(epsilon=0), ValueError, "`epsilon` must be .* above 0"),
        (lambda: layers.BatchNormalization(epsilon="x"), TypeError, "`epsilon` must be a number"),
        (lambda: layers.BatchNormalization([1, 2]), TypeError, "`axis` must be an integer"),
        (lambda: build(layers.BatchNormalization(4), (5, 5, 3)), ValueError, "must be from 1 to 3"),
        (lambda: build(layers.BatchNormalization(0), (5, 5, 3)), ValueError, "received 0"),
        (lambda: build(layers.LayerNormalization([1, -1]), (3,)), ValueError, "name axes once"),
        (lambda: build(layers.LayerNormalization("x"), (3,)), TypeError, "must be integers"),
        (lambda: layers.GroupNormalization(0), ValueError, "positive or -1, received 0"),
        (lambda: build(layers.GroupNormalization(4), (6,)), ValueError, "must be a multiple of"),
        (lambda: layers.LocalResponseNormalization(-1), ValueError, "`depth_radius` must not be"),
        (lambda: layers.LocalResponseNormalization(bias=0), ValueError, "`bias` .* above 0"),
        (lambda: build(layers.UnitNormalization(2), (3,)), ValueError, "must be from 1 to 1"),
        (lambda: build(layers.PReLU(shared_axes=[2]), (3, 4, 5)), ValueError, "do not fit samples"),
        (lambda: build(layers.PReLU(shared_axes=4), (3, 4, 5)), ValueError, "`shared_axes` of"),
    ],
)  # fmt: skip
def test_arguments_and_inputs_that_do_not_fit_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("axis", [-1, [1, 2]])
def test_rms_scaling_divides_by_the_deviation_alone(axis):
    """Keras subtracts no mean, though the variance is that around it, and has gamma alone."""
    x = ((np.arange(24) % 7) / 4 - 1).astype(np.float32).reshape(2, 3, 4)
    layer = layers.LayerNormalization(axis, rms_scaling=True, scale=False)
    model = models.Sequential([layers.Input(x.shape[1:]), layer])
    axes = (1, 2) if axis != -1 else (-1,)
    expected = x / np.sqrt(x.var(axes, keepdims=True) + 1e-3)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)
    assert [weight.shape for weight in layer.weights] == [(3, 4) if axis != -1 else (4,)]
    again = type(layer).from_config(layer.get_config())
    assert again.rms_scaling and not again.scale
    check_layer(layer, x.shape[1:])

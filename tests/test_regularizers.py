"""Regularizers and constraints: Keras's values, gradients, their place in training, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import constraints, layers, models, optimizers, regularizers
from fastconv.ops import compiled
from fastconv.serialization import deserialize, serialize
from tests.golden.golden_file import load

CASES, ARRAYS = load("training_weights.npz")
RNG = np.random.default_rng(4)


def of(group):
    return [pytest.param(case, id=case["name"]) for case in CASES if case["group"] == group]


def make(module, entry):
    name, arguments = entry
    return getattr(module, name)(**arguments)


@pytest.mark.parametrize("case", of("regularizer"))
def test_a_regularizer_has_keras_value_and_gradient(case):
    regularizer, x = make(regularizers, case["object"]), ARRAYS["matrix"]
    assert regularizer(x) == pytest.approx(float(ARRAYS[case["name"] + "/value"]), rel=1e-5)
    np.testing.assert_allclose(
        regularizer.gradient(x), ARRAYS[case["name"] + "/gradient"], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("case", of("constraint"))
def test_a_constraint_projects_as_in_keras(case):
    before, after = (ARRAYS[f"{case['name']}/{when}"] for when in ("before", "after"))
    constraint = make(constraints, case["object"])
    np.testing.assert_allclose(constraint(before), after, rtol=1e-5, atol=1e-7)
    # The same in a plan: one step of training that moves nothing.
    assert_constrained(constraint, before, after)


def assert_constrained(constraint, before, after):
    class Holder(layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.held = self.add_weight("held", before.shape, "zeros", constraint=constraint)

    model = models.Sequential([layers.Input((2,)), Holder(1)])
    model.layers[0].held.assign(before)
    model.compile(optimizers.SGD(0.0), "mse")
    model.train_on_batch(np.zeros((1, 2)), np.zeros((1, 1)))
    np.testing.assert_allclose(model.layers[0].held.numpy(), after, rtol=1e-5, atol=1e-7)


def made(arguments):
    modules = {"regularizer": regularizers, "constraint": constraints}
    return {key: make(modules[key.rpartition("_")[2]], entry) for key, entry in arguments.items()}


def network(convolution, dense):
    return models.Sequential(
        [
            layers.Input((5, 5, 2)),
            layers.Conv2D(4, 3, activation="relu", **convolution),
            layers.Flatten(),
            layers.Dense(3, **dense),
        ]
    )


@pytest.mark.parametrize("case", of("network"))
def test_a_penalised_network_trains_as_in_keras(case):
    name, x, y = case["name"], ARRAYS["x"], ARRAYS["y"]
    model = network(made(case["convolution"]), made(case["dense"]))
    model.set_weights([ARRAYS[f"{name}/before/{index}"] for index in range(4)])
    model.compile(optimizers.SGD(0.05, clipnorm=1.0), "mse")
    loss = model.evaluate(x, y, batch_size=4, verbose=0)
    assert loss == pytest.approx(float(ARRAYS[f"{name}/evaluate"]), rel=1e-5)
    history = model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["loss"], ARRAYS[f"{name}/loss"], rtol=1e-5)
    for index, w in enumerate(model.get_weights()):
        np.testing.assert_allclose(w, ARRAYS[f"{name}/after/{index}"], rtol=1e-5, atol=5e-6)


def test_a_frozen_layer_is_not_penalised():
    model = network({"kernel_regularizer": "l2"}, {})
    x, y = ARRAYS["x"], ARRAYS["y"]
    model.compile(loss="mse")
    with_penalty = model.evaluate(x, y, verbose=0)
    model.layers[0].trainable = False
    assert with_penalty - model.evaluate(x, y, verbose=0) == pytest.approx(
        regularizers.L2()(model.get_weights()[0]), rel=1e-5
    )


class Quartic(regularizers.Regularizer):
    def __call__(self, x):
        return float((x.astype(np.float64) ** 4).sum())

    def gradient(self, x):
        return 4 * x**3


class Rounded(constraints.Constraint):
    def __call__(self, w):
        return np.round(w)


def test_penalties_and_constraints_of_ones_own():
    x, y = ARRAYS["x"], ARRAYS["y"]
    model = network(
        {"kernel_regularizer": Quartic(), "activity_regularizer": Quartic()},
        {"kernel_constraint": Rounded()},
    )
    plain = network({}, {})
    plain.set_weights(model.get_weights())
    for m in (model, plain):
        m.compile(optimizers.SGD(0.01), "mse")
    hidden = feature_maps(plain, x)
    expected = plain.evaluate(x, y, verbose=0)
    expected += Quartic()(plain.get_weights()[0]) + Quartic()(hidden) / len(x)
    assert model.train_on_batch(x, y) == pytest.approx(expected, rel=1e-5)
    kernel = model.get_weights()[2]
    np.testing.assert_array_equal(kernel, np.round(kernel))


def feature_maps(model, x):
    first = models.Sequential([layers.Input((5, 5, 2)), layers.Conv2D(4, 3, activation="relu")])
    first.set_weights(model.get_weights()[:2])
    return first(x)


@pytest.mark.parametrize("regularizer", [Quartic(), regularizers.L1L2(0.2, 0.3)])
def test_the_gradient_of_a_penalty_reaches_the_weights(regularizer):
    """One SGD step of rate 1 without data: the difference is the gradient of the penalty."""
    model = models.Sequential(
        [layers.Input((3,)), layers.Dense(2, kernel_regularizer=regularizer, use_bias=False)]
    )
    before = model.get_weights()[0]
    model.compile(optimizers.SGD(1.0), "mse")
    model.train_on_batch(np.zeros((4, 3)), np.zeros((4, 2)))
    np.testing.assert_allclose(
        before - model.get_weights()[0], regularizer.gradient(before), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("size", [1, 7, 64, 8192, 8193, 100_003])
def test_the_compiled_penalty_matches_the_formula(isa, dtype, size):
    x, g = (RNG.standard_normal(size).astype(dtype) for _ in range(2))
    regularizer, value = regularizers.L1L2(0.25, 0.5), np.zeros(1)
    expected = g + (2.0 * regularizer.gradient(x)).astype(dtype)
    results = []
    for threads in (1, 3):
        changed = g.copy()
        compiled.Penalty(x, changed, value, 0.25, 0.5, 2.0).run(threads)
        np.testing.assert_allclose(changed, expected, rtol=2e-6, atol=1e-6)
        assert value[0] == pytest.approx(2 * regularizer(x), rel=1e-6)
        results.append(value[0])
    assert results[0] == results[1]


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 3), (1, 300, 65), (70, 9, 1), (3, 2, 200)])
def test_the_compiled_norms_match_the_formula(isa, dtype, shape):
    w = RNG.standard_normal(shape).astype(dtype)
    expected = constraints.MinMaxNorm(0.5, 1.5, 0.7, axis=1)(w)
    for threads in (1, 3):
        changed = w.copy()
        compiled.LimitNorms(changed, 0.5, 1.5, 0.7, 1e-7).run(threads)
        np.testing.assert_allclose(changed, expected, rtol=3e-6)


@pytest.mark.parametrize(
    ("module", "thing"),
    [
        (regularizers, regularizers.L1(0.2)),
        (regularizers, regularizers.L1L2(0.1, 0.2)),
        (regularizers, regularizers.OrthogonalRegularizer(0.1, "columns")),
        (constraints, constraints.MaxNorm(3, [0, 1])),
        (constraints, constraints.MinMaxNorm(0.5, 2.0, 0.5, 1)),
        (constraints, constraints.UnitNorm(-1)),
        (constraints, constraints.NonNeg()),
    ],
)
def test_a_configuration_makes_an_equal_object(module, thing):
    kind = module.__name__.rpartition(".")[2]
    copy = deserialize(serialize(thing), kind)
    assert type(copy) is type(thing)
    assert copy.get_config() == thing.get_config()
    assert module.get(serialize(thing)).get_config() == thing.get_config()
    assert module.get(type(thing).__name__).get_config() == type(thing)().get_config()
    assert module.get(None) is None


def test_a_layer_writes_and_reads_its_regularizers_and_constraints():
    layer = layers.Conv2D(
        4,
        3,
        kernel_regularizer="l1_l2",
        bias_regularizer=regularizers.L1,
        activity_regularizer=regularizers.L2(0.5),
        kernel_constraint="max_norm",
        bias_constraint=constraints.NonNeg(),
    )
    config = layer.get_config()
    assert config["kernel_regularizer"]["config"] == {"l1": 0.01, "l2": 0.01}
    assert layers.Conv2D.from_config(config).get_config() == config
    config = layers.Dense(4, activity_regularizer="l1").get_config()
    assert layers.Dense.from_config(config).get_config() == config


def test_a_weight_that_cannot_train_stays_so():
    class Counter(layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.count = self.add_weight("count", (1,), "zeros", trainable=False)

    layer = Counter(2)
    layer.build((None, 3))
    layer.trainable = False
    layer.trainable = True
    assert [v.name for v in layer.trainable_weights] == ["kernel", "bias"]
    assert [v.name for v in layer.non_trainable_weights] == ["count"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: regularizers.get("l3"), ValueError, "`regularizer` must be one of .*'l1'.*'l3'"),
        (lambda: regularizers.get(3), TypeError, "must be a name or a Regularizer, received 3"),
        (lambda: regularizers.L1(-1), ValueError, "`l1` must be finite and at least 0"),
        (lambda: regularizers.L2(float("inf")), ValueError, "`l2` must be finite"),
        (lambda: regularizers.OrthogonalRegularizer(mode="x"), ValueError, "'rows' or 'columns'"),
        (
            lambda: regularizers.OrthogonalRegularizer()(np.ones(3)),
            ValueError,
            r"needs a matrix, received shape \(3,\)",
        ),
        (lambda: constraints.get("norm"), ValueError, "`constraint` must be one of"),
        (lambda: constraints.get(3), TypeError, "must be a name or a Constraint"),
        (lambda: constraints.MaxNorm(-1), ValueError, "`max_value` must be finite and at"),
        (lambda: constraints.MaxNorm(axis=1.5), TypeError, "axis"),
        (lambda: constraints.MinMaxNorm(2, 1), ValueError, "must be at most `max_value`"),
        (lambda: constraints.MinMaxNorm(rate=2), ValueError, "`rate` must be .* at most 1"),
        (lambda: constraints.UnitNorm(2)(np.ones((2, 2))), ValueError, "must exist in weights of"),
    ],
)
def test_arguments_out_of_range_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

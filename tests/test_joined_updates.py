"""Updates that take the gradient of a large dense layer as it is computed.

To the last bit they change the weights as a gradient in memory and a pass of the optimizer over it
do, so that is what they are compared with.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, optimizers
from fastconv.ops import compiled
from fastconv.plan import updates
from tests.support.oracle import assert_same_bits
from tests.test_optimizer_kernels import RULES

SHAPES = (
    # rows, inputs, outputs
    (1, 1, 1),
    (3, 5, 7),
    (4, 70, 130),
    (2, 12, 600),  # more columns than are computed at a time
    (16, 33, 259),
    (200, 31, 1500),  # more than an item's columns
    (1500, 7, 65),  # more rows than are summed in registers
)


def gradient_then_update(x, dy, db, rule, w, slots, hyper):
    dw = np.full_like(w, np.nan)
    compiled.DenseBackwardKernel(x, dy, dw, db).run(1)
    compiled.Update(rule, w, dw, slots, hyper).run(1)


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"average"}))
@pytest.mark.parametrize("rows, inputs, outputs", SHAPES)
def test_as_a_gradient_and_then_an_update(isa, dtype, rule, rows, inputs, outputs):
    rng, size = np.random.default_rng(rows), (inputs, outputs)
    names, hyper = RULES[rule]
    x, dy = (rng.standard_normal((rows, n)).astype(dtype) for n in (inputs, outputs))
    # The variance lies above the square of any mean.
    start = {"v": rng.uniform(1, 2, size), "mean": rng.uniform(0, 0.1, size)}
    slots = [start.get(name, rng.standard_normal(size)) for name in names]
    buffers = [array.astype(dtype) for array in (rng.standard_normal(size), *slots)]
    expected, expected_db = [array.copy() for array in buffers], np.empty(outputs, dtype)
    hyper = np.array(hyper)
    gradient_then_update(x, dy, expected_db, rule, expected[0], expected[1:], hyper)
    for threads in (1, 2, 5):
        actual, db = [array.copy() for array in buffers], np.full(outputs, np.nan, dtype)
        joined = compiled.DenseUpdate(x, dy, db, compiled.Rule(rule, actual[0], actual[1:], hyper))
        joined.run(threads)
        assert_same_bits(db, expected_db, "db", threads)
        for name, one, two in zip(("w", *names), actual, expected, strict=True):
            assert_same_bits(one, two, rule, name, threads)


def test_hyper_parameters_are_read_at_every_run():
    x, dy, w = (
        np.ones((1, 2), np.float32),
        np.ones((1, 3), np.float32),
        np.zeros((2, 3), np.float32),
    )
    hyper = np.array([1.0, 0.0, 0.0])
    joined = compiled.DenseUpdate(x, dy, None, compiled.Rule("sgd", w, [], hyper))
    joined.run(1)
    hyper[0] = 0.25
    joined.run(1)
    np.testing.assert_array_equal(w, -1.25)


def test_what_does_not_fit_is_refused():
    x, dy, w = (
        np.ones((4, 2), np.float32),
        np.ones((4, 3), np.float32),
        np.zeros((2, 3), np.float32),
    )
    sgd = compiled.Rule("sgd", w, [], np.zeros(3))
    with pytest.raises(ValueError, match="inconsistent shapes"):
        compiled.DenseUpdate(dy, x, None, sgd)
    with pytest.raises(TypeError, match="one dtype"):
        compiled.DenseUpdate(x.astype(np.float64), dy.astype(np.float64), None, sgd)
    with pytest.raises(ValueError, match="takes a gradient"):
        compiled.DenseUpdate(x, dy, None, compiled.Rule("average", w, [w.copy()], np.zeros(2)))


# ------------------------------------------------------------------------------------------ models


def chain():
    return models.Sequential([
        layers.Input((6,)), layers.Dense(20, activation="relu"), layers.Dense(9, use_bias=False),
        layers.Dense(4),
    ])  # fmt: skip


def gradient_for_two():
    """The same tensor is the gradient of both terms of a sum; one of them undoes a ReLU in it."""
    x = layers.Input((6,))
    first, second = layers.Dense(4)(x), layers.Dense(4, activation="relu")(x)
    return models.Model(x, layers.Add()([second, first]))


def used_twice():
    x, dense = layers.Input((6,)), layers.Dense(6, activation="tanh")
    return models.Model(x, layers.Dense(4)(dense(dense(x))))


def rows_of_images():
    x = layers.Input((3, 2))
    return models.Model(x, layers.Dense(4)(layers.Flatten()(layers.Dense(5)(x))))


def joined_operations(model, batch):
    with model._plan(batch, "train", False, model._trained_parts()) as plan:
        return sum(isinstance(op, compiled.DenseUpdate) for op in plan._program.ops)


def trained(make, optimizer, least_bytes, monkeypatch):
    """The weights after some steps, and how many updates joined a gradient."""
    monkeypatch.setattr(updates, "_JOINED_BYTES", least_bytes)
    model, rng = make(), np.random.default_rng(3)
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    model.compile(optimizer(), "mse")
    x = rng.standard_normal((7, *model.input_shape[1:])).astype(np.float32)
    y = rng.standard_normal((7, 4)).astype(np.float32)
    for _ in range(4):
        model.train_on_batch(x, y)
    return model, joined_operations(model, 7)


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.02),
    "momentum": lambda: optimizers.SGD(0.02, momentum=0.9, nesterov=True),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "adam": lambda: optimizers.Adam(0.01),
    "average": lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize(
    "make, joins", [(chain, 3), (gradient_for_two, 2), (used_twice, 1), (rows_of_images, 2)]
)
def test_models_train_to_the_same_weights(make, joins, optimizer, monkeypatch):
    expected, none = trained(make, optimizer, 1 << 30, monkeypatch)
    actual, joined = trained(make, optimizer, 0, monkeypatch)
    assert (none, joined) == (0, joins)
    for one, two in zip(actual.get_weights(), expected.get_weights(), strict=True):
        assert_same_bits(one, two)


@pytest.mark.parametrize(
    "settings",
    [
        {"clipnorm": 0.1},
        {"clipvalue": 0.1},
        {"global_clipnorm": 0.1},
        {"weight_decay": 0.1},
        {"gradient_accumulation_steps": 2},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_not_where_something_stands_between_gradient_and_update(settings, monkeypatch):
    def optimizer():
        return optimizers.SGD(0.02, **settings)

    expected, _ = trained(chain, optimizer, 1 << 30, monkeypatch)
    actual, joined = trained(chain, optimizer, 0, monkeypatch)
    assert joined == 0
    for one, two in zip(actual.get_weights(), expected.get_weights(), strict=True):
        assert_same_bits(one, two)


def test_not_with_a_regularizer_and_not_frozen(monkeypatch):
    def make():
        frozen = layers.Dense(5)
        frozen.trainable = False
        return models.Sequential([
            layers.Input((6,)), layers.Dense(5, kernel_regularizer="l2"), frozen, layers.Dense(4),
        ])  # fmt: skip

    expected, _ = trained(make, OPTIMIZERS["sgd"], 1 << 30, monkeypatch)
    actual, joined = trained(make, OPTIMIZERS["sgd"], 0, monkeypatch)
    assert joined == 1
    for one, two in zip(actual.get_weights(), expected.get_weights(), strict=True):
        assert_same_bits(one, two)


def test_the_gradient_of_a_large_layer_is_nowhere():
    model = models.Sequential([layers.Input((1100,)), layers.Dense(1000), layers.Dense(2)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(np.ones((3, 1100), np.float32), np.ones((3, 2), np.float32))
    assert joined_operations(model, 3) == 1
    large, small = (
        model.parameters.view(model.parameters.gradient, layer.kernel)
        for layer in model.layers[-2:]
    )
    assert not large.any() and small.any()
    assert all((one != two).any() for one, two in zip(before, model.get_weights(), strict=True))

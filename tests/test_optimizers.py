"""Optimizers on models: formulas step by step, clipping, decay, state, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, optimizers
from fastconv.serialization import deserialize, serialize

RNG = np.random.default_rng(7)
X = RNG.standard_normal((6, 3)).astype(np.float32)
Y = RNG.standard_normal((6, 2)).astype(np.float32) * 5
W, B = RNG.standard_normal((3, 2)), RNG.standard_normal(2)


def trained(optimizer, steps=4):
    """Kernel and bias of a linear model after full-batch steps, and the model."""
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    model.set_weights([W, B])
    model.compile(optimizer, "mse")
    model.fit(X, Y, batch_size=6, epochs=steps, shuffle=False, verbose=0)
    return model


def simulated(update, steps=4):
    """The same in float64: `update(t, w, g, state)` returns the new weight."""
    weights, states = [W.copy(), B.copy()], [{}, {}]
    for t in range(1, steps + 1):
        error = (X @ weights[0] + weights[1] - Y) / len(X)
        gradients = [X.T @ error, error.sum(axis=0)]
        if hasattr(update, "together"):
            gradients = update.together(gradients)
        weights = [
            update(t, w, g, state) for w, g, state in zip(weights, gradients, states, strict=True)
        ]
    return weights


def sgd(lr=0.01, mu=0.0, nesterov=False, decay=0.0):
    def update(t, w, g, s):
        w = w - lr * decay * w
        s["m"] = m = mu * s.get("m", 0) - lr * g
        return w + (mu * m - lr * g if nesterov else m)

    return update


def rmsprop(lr=0.001, rho=0.9, mu=0.0, eps=1e-7, centered=False):
    def update(t, w, g, s):
        s["v"] = v = rho * s.get("v", 0) + (1 - rho) * g**2
        s["a"] = a = rho * s.get("a", 0) + (1 - rho) * g
        step = lr * g / np.sqrt(v - (a**2 if centered else 0) + eps)
        s["b"] = b = mu * s.get("b", 0) + step
        return w - b

    return update


def adam(lr=0.001, b1=0.9, b2=0.999, eps=1e-7, decay=0.0):
    def update(t, w, g, s):
        w = w - lr * decay * w
        s["m"] = m = b1 * s.get("m", 0) + (1 - b1) * g
        s["v"] = v = b2 * s.get("v", 0) + (1 - b2) * g**2
        return w - lr * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + eps)

    return update


def lars(lr, mu=0.9, nesterov=False, trust=0.001, decay=0.0):
    def update(t, w, g, s):
        ratio = 1.0
        if w.ndim > 1:
            size, length = np.linalg.norm(w), np.linalg.norm(g)
            ratio, g = trust * size / (length + decay * size), g + decay * w
        s["m"] = m = mu * s.get("m", 0) - lr * ratio * g
        return w + (mu * m - lr * ratio * g if nesterov else m)

    return update


def clipped(rule, clip):
    def update(t, w, g, s):
        return rule(t, w, clip(g), s)

    return update


def by_norm(g, limit):
    return g * min(1, limit / np.sqrt((g**2).sum()))


def by_global_norm(rule, limit):
    def update(t, w, g, s):
        return rule(t, w, g, s)

    def together(gradients):
        norm = np.sqrt(sum((g**2).sum() for g in gradients))
        return [g * min(1, limit / norm) for g in gradients]

    update.together = together
    return update


CASES = {
    "sgd": (optimizers.SGD(0.1), sgd(0.1)),
    "sgd default": (optimizers.SGD(), sgd()),
    "sgd momentum": (optimizers.SGD(0.1, momentum=0.9), sgd(0.1, 0.9)),
    "sgd nesterov": (optimizers.SGD(0.1, 0.9, nesterov=True), sgd(0.1, 0.9, True)),
    "sgd decay": (optimizers.SGD(0.1, 0.9, weight_decay=0.3), sgd(0.1, 0.9, decay=0.3)),
    "rmsprop": (optimizers.RMSprop(), rmsprop()),
    "rmsprop momentum": (optimizers.RMSprop(0.01, 0.8, 0.5), rmsprop(0.01, 0.8, 0.5)),
    "rmsprop centered": (
        optimizers.RMSprop(0.01, epsilon=0.1, centered=True),
        rmsprop(0.01, eps=0.1, centered=True),
    ),
    "adam": (optimizers.Adam(), adam()),
    "adam decay": (
        optimizers.Adam(0.1, 0.8, 0.9, 0.01, weight_decay=0.2),
        adam(0.1, 0.8, 0.9, 0.01, 0.2),
    ),
    "lars": (optimizers.Lars(2.0), lars(2.0)),
    "lars nesterov decay": (
        optimizers.Lars(3.0, 0.8, True, 0.01, weight_decay=0.1),
        lars(3.0, 0.8, True, 0.01, 0.1),
    ),
    "clipvalue": (
        optimizers.SGD(0.1, clipvalue=0.5),
        clipped(sgd(0.1), lambda g: np.clip(g, -0.5, 0.5)),
    ),
    "clipnorm": (optimizers.SGD(0.1, clipnorm=0.7), clipped(sgd(0.1), lambda g: by_norm(g, 0.7))),
    "clipnorm that is not reached": (optimizers.SGD(0.1, clipnorm=1e6), sgd(0.1)),
    "global clipnorm": (optimizers.SGD(0.1, global_clipnorm=0.9), by_global_norm(sgd(0.1), 0.9)),
    "clip and decay": (
        optimizers.Adam(0.1, clipnorm=0.1, weight_decay=0.1),
        clipped(adam(0.1, decay=0.1), lambda g: by_norm(g, 0.1)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_steps_follow_the_formula(name):
    optimizer, update = CASES[name]
    model = trained(optimizers.CLASSES[type(optimizer).__name__].from_config(
        optimizer.get_config()))  # fmt: skip
    for actual, expected in zip(model.get_weights(), simulated(update), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-6)
    assert model.optimizer.iterations == 4


def test_the_ratio_of_lars_is_1_where_a_norm_is_0():
    model = models.Sequential([layers.Input((3,)), layers.Dense(2, kernel_initializer="zeros")])
    model.compile(optimizers.Lars(0.1, momentum=0.0), "mse")
    model.fit(X, Y, batch_size=6, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], 0.1 * X.T @ Y / len(X), rtol=1e-5)


def test_global_clipping_makes_a_gradient_that_is_not_finite_visible():
    model = models.Sequential([layers.Input((1,)), layers.Dense(1)])
    model.compile(optimizers.SGD(global_clipnorm=1.0), "mse")
    model.fit(np.array([[np.inf]]), [[0.0]], verbose=0)
    assert np.isnan(model.get_weights()[0]).all()


def test_the_learning_rate_can_be_set_at_any_time():
    optimizer = optimizers.SGD(0.1)
    model = trained(optimizer, steps=1)
    optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    optimizer.learning_rate = np.float32(0.5)
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before[0])


def test_changing_the_rate_keeps_adams_iteration():
    optimizer, reference = optimizers.Adam(0.01), optimizers.Adam(0.01)
    model, other = trained(optimizer, steps=2), trained(reference, steps=2)
    optimizer.learning_rate = 0.01
    for m in (model, other):
        m.fit(X, Y, batch_size=6, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])


def test_state_goes_on_from_fit_to_fit_and_compile_starts_anew():
    once = trained(optimizers.Adam(0.1), steps=4)
    twice = trained(optimizers.Adam(0.1), steps=2)
    twice.fit(X, Y, batch_size=6, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(once.get_weights()[0], twice.get_weights()[0])
    assert twice.optimizer.iterations == 4
    twice.compile("adam", "mse")
    assert twice.optimizer.iterations == 0


def test_an_optimizer_serves_one_model():
    optimizer = optimizers.Adam()
    trained(optimizer)
    with pytest.raises(ValueError, match="has begun to train other weights"):
        trained(optimizer)


def test_frozen_parts_update_each_by_itself():
    """Two parts of the buffer train around a frozen layer; Adam counts each step once."""

    def run(frozen):
        model = models.Sequential(
            [layers.Input((3,)), layers.Dense(3), layers.Dense(3), layers.Dense(2)]
        )
        model.set_weights([np.eye(3), np.zeros(3), np.eye(3), np.zeros(3), W, B])
        model.layers[1].trainable = not frozen
        model.compile(optimizers.Adam(0.01), "mse")
        model.fit(X, Y, batch_size=6, shuffle=False, verbose=0)
        return model.get_weights()

    frozen, free = run(True), run(False)
    np.testing.assert_array_equal(frozen[2], np.eye(3))
    for index in (0, 1, 4, 5):  # the first step does not depend on the other layers' updates
        np.testing.assert_array_equal(frozen[index], free[index])


@pytest.mark.parametrize("name", CASES)
def test_config_makes_an_equal_optimizer(name):
    optimizer, _ = CASES[name]
    copy = deserialize(serialize(optimizer), "optimizers")
    assert type(copy) is type(optimizer)
    assert copy.get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optimizers.get("muon"), ValueError, "`optimizer` must be one of .*'rmsprop'"),
        (lambda: optimizers.get(None), TypeError, "a name or an Optimizer, received None"),
        (lambda: optimizers.SGD("fast"), TypeError, "`learning_rate` must be a number, received"),
        (lambda: optimizers.SGD(lambda: 0.1), TypeError, "`learning_rate` must be a number"),
        (lambda: optimizers.SGD(-0.1), ValueError, "`learning_rate` .* at least 0"),
        (lambda: optimizers.SGD(float("nan")), ValueError, "`learning_rate` must be finite"),
        (lambda: optimizers.SGD(momentum=1.5), ValueError, "`momentum` .* at most 1"),
        (lambda: optimizers.Adam(beta_1=1.0), ValueError, "`beta_1` .* below 1"),
        (lambda: optimizers.AdamW(weight_decay=None), ValueError, "`weight_decay` of AdamW must"),
        (lambda: optimizers.Adam(ema_momentum=2), ValueError, "`ema_momentum` .* at most 1"),
        (
            lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=0),
            ValueError,
            "`ema_overwrite_frequency` must be positive",
        ),
        (
            lambda: optimizers.Adam(gradient_accumulation_steps=1),
            ValueError,
            "`gradient_accumulation_steps` must be",
        ),
        (lambda: optimizers.Adam(loss_scale_factor=2.0), ValueError, "`loss_scale_factor` must be"),
        (lambda: optimizers.Lion(beta_1=0), ValueError, "`beta_1` must be above 0"),
        (lambda: optimizers.Ftrl(learning_rate_power=0.5), ValueError, "at most 0, received 0.5"),
        (
            lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0),
            ValueError,
            "only one of `clipnorm`, `clipvalue` and `global_clipnorm`",
        ),
        (lambda: optimizers.SGD(clipnorm=0), ValueError, "`clipnorm` .* above 0"),
        (lambda: optimizers.SGD(weight_decay=-1), ValueError, "`weight_decay` .* at least 0"),
        (lambda: optimizers.SGD(decay=0.1), TypeError, "decay"),
    ],
)
def test_arguments_out_of_range_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_names_are_found_in_either_spelling():
    for name, cls in {
        "sgd": "SGD",
        "RMSprop": "RMSprop",
        "rmsprop": "RMSprop",
        "Adam": "Adam",
    }.items():
        assert type(optimizers.get(name)).__name__ == cls

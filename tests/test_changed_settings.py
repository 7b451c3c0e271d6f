"""Arguments of optimizers, losses, regularizers and constraints that change between two `fit`s."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from fastconv import constraints, layers, losses, models, optimizers, regularizers

RNG = np.random.default_rng(0)
X = RNG.standard_normal((8, 4)).astype(np.float32)
Y = (2 * RNG.standard_normal((8, 3))).astype(np.float32)


def network(optimizer=None, loss="mse", **dense):
    model = models.Sequential([layers.Input((4,)), layers.Dense(3, **dense)])
    model.set_weights([np.full(w.shape, 0.5) for w in model.get_weights()])
    model.compile(optimizer or "sgd", loss)
    return model


def trained(model, epochs=2):
    loss = model.fit(X, Y, epochs=epochs, batch_size=4, shuffle=False, verbose=0).history["loss"]
    return [np.array(loss), *model.get_weights()]


def assert_the_change_counts(make, change):
    """A fit with other plans before, and the same without: equal after the change, and not else."""
    used, fresh, unchanged = (make() for _ in range(3))
    weights = used[0].get_weights()
    for model, _ in (used, unchanged):
        trained(model)
    change(used[1])
    state = copy.deepcopy(used[0].optimizer.state())
    change(fresh[1])
    fresh[0].optimizer.state_for(fresh[0].parameters)
    fresh[0].optimizer.restore(state, fresh[0].parameters)
    for model, _ in (used, fresh, unchanged):
        model.set_weights(weights)
    results = [trained(model) for model, _ in (used, fresh, unchanged)]
    for mine, other in zip(results[0], results[1], strict=True):
        np.testing.assert_array_equal(mine, other)
    assert any(not np.array_equal(a, b) for a, b in zip(results[0], results[2], strict=True))


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda: optimizers.SGD(0.1, momentum=0.9), "momentum", 0.1),
        (lambda: optimizers.SGD(0.1, momentum=0.9), "nesterov", True),
        (lambda: optimizers.SGD(0.1), "weight_decay", 0.5),
        (lambda: optimizers.SGD(0.1), "clipnorm", 0.01),
        (lambda: optimizers.SGD(0.1), "clipvalue", 0.01),
        (lambda: optimizers.Adam(0.1), "beta_1", 0.2),
        (lambda: optimizers.Adam(0.1), "epsilon", 0.5),
        (lambda: optimizers.RMSprop(0.1), "rho", 0.1),
        (lambda: optimizers.Adadelta(1.0), "rho", 0.1),
    ],
)
def test_a_changed_optimizer_trains_differently(make, name, value):
    def used():
        model = network(make())
        return model, model.optimizer

    assert_the_change_counts(used, lambda optimizer: setattr(optimizer, name, value))


def test_a_change_between_two_steps_counts_in_the_next():
    """Not in the one after the next."""
    model, other = (network(optimizers.SGD(0.1, momentum=0.9)) for _ in range(2))
    for each in (model, other):
        each.train_on_batch(X, Y)
    model.optimizer.momentum = 0.1
    assert model.optimizer._state.hyper[1] == 0.1
    model.train_on_batch(X, Y)
    other.train_on_batch(X, Y)
    assert not np.array_equal(model.get_weights()[0], other.get_weights()[0])


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda: losses.Huber(delta=1.0), "delta", 0.1),
        (lambda: losses.MeanSquaredError(), "reduction", "sum"),
    ],
)
def test_a_changed_loss_trains_differently(make, name, value):
    def used():
        loss = make()
        return network(loss=loss), loss

    assert_the_change_counts(used, lambda loss: setattr(loss, name, value))


def test_changed_regularizers_and_constraints_train_differently():
    def with_penalty():
        penalty = regularizers.L2(0.1)
        return network(kernel_regularizer=penalty), penalty

    def with_limit():
        limit = constraints.MaxNorm(0.9)
        return network(kernel_constraint=limit), limit

    assert_the_change_counts(with_penalty, lambda penalty: setattr(penalty, "l2", 0.5))
    assert_the_change_counts(with_limit, lambda limit: setattr(limit, "max_value", 0.2))


def test_what_cannot_change_is_refused():
    model = network(optimizers.SGD(0.1))
    trained(model)
    for name, value, error, message in (
        ("momentum", 0.9, AttributeError, "other slots would be needed; call compile"),
        ("use_ema", True, AttributeError, "other slots would be needed"),
        ("gradient_accumulation_steps", 2, AttributeError, "other slots would be needed"),
        ("momentum", 2.0, ValueError, "`momentum` must be finite and at least 0 and at most 1"),
        ("weight_decay", "a", TypeError, "`weight_decay` must be a number"),
        ("iterations", 3, AttributeError, "iterations"),
        ("lr", 3, AttributeError, "it is called `learning_rate`"),
    ):
        with pytest.raises(error, match=message):
            setattr(model.optimizer, name, value)
    assert model.optimizer.momentum == 0
    loss = losses.Huber()
    trained(network(loss=loss))
    with pytest.raises(ValueError, match="`reduction` must be one of"):
        loss.reduction = "sums"


def test_a_learning_rate_keeps_the_plans():
    model = network()
    trained(model)
    plans = len(model._plans)
    assert plans
    model.optimizer.learning_rate = 0.5
    assert len(model._plans) == plans


def test_another_optimizer_may_be_assigned():
    model, other = network("sgd"), network(optimizers.Adam(0.1))
    start = model.get_weights()
    trained(model)
    model.optimizer = optimizers.Adam(0.1)
    model.set_weights(start)
    for mine, expected in zip(trained(model), trained(other), strict=True):
        np.testing.assert_array_equal(mine, expected)
    model.optimizer = "rmsprop"
    assert isinstance(model.optimizer, optimizers.RMSprop)
    with pytest.raises(ValueError, match="did you mean 'adam'"):
        model.optimizer = "adm"
    with pytest.raises(AttributeError, match=r"`loss` cannot be changed by itself; .* compile\(\)"):
        model.loss = "mae"

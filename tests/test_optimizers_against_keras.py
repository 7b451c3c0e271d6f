"""Every optimizer for 20 steps, and every schedule, against what real Keras computed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fastconv import layers, models, optimizers
from fastconv.optimizers import schedules
from fastconv.parameters import Parameters, Variable
from fastconv.plan import Updates
from fastconv.plan.program import make_program
from fastconv.serialization import deserialize, serialize
from tests.golden.golden_file import load

CASES, ARRAYS = load("training_optimizers.npz")
KEPT = (0, 1, 2, 5, 10, 19)  # the steps after which Keras's weights are stored
RNG = np.random.default_rng(9)


def of(group):
    return [pytest.param(case, id=case["name"]) for case in CASES if case["group"] == group]


def make(case):
    name, arguments = case["object"]
    rate = arguments.get("learning_rate")
    if isinstance(rate, list):
        arguments = arguments | {"learning_rate": getattr(schedules, rate[0])(**rate[1])}
    return getattr(optimizers, name)(**arguments)


class Weights:
    """Two weights and an optimizer, without a network."""

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.variables = []
        for index in range(2):
            start = ARRAYS[f"start/{index}"]
            variable = Variable("zeros", start.shape, name=f"w{index}")
            variable.assign(start)
            self.variables.append(variable)
        self.parameters = Parameters(self.variables)
        self.program = make_program(Updates(optimizer, self.parameters).ops())

    def step(self, number):
        for index, variable in enumerate(self.variables):
            gradient = self.parameters.view(self.parameters.gradient, variable)
            gradient[...] = ARRAYS[f"gradients/{index}"][number]
        self.program.run(2)
        self.optimizer.count_step()


def assert_close(actual, expected, what):
    # Weights are of size 1; Keras computes the cosines of a schedule in float32.
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=3e-6, err_msg=what)


@pytest.mark.parametrize("case", of("optimizer"))
def test_twenty_steps_give_the_weights_of_keras(case):
    weights, name = Weights(make(case)), case["name"]
    for number in range(20):
        weights.step(number)
        if number in KEPT:
            for index, variable in enumerate(weights.variables):
                expected = ARRAYS[f"{name}/w/{index}"][KEPT.index(number)]
                assert_close(variable.numpy(), expected, f"weight {index} after step {number}")
    stored = weights.optimizer.variables
    assert len(stored) == case["variables"]
    for index, variable in enumerate(stored):
        assert_close(variable.numpy(), ARRAYS[f"{name}/variables/{index}"], variable.path)


@pytest.mark.parametrize("case", of("optimizer"))
def test_apply_gives_the_bits_of_a_step_of_fit(case):
    weights, given = Weights(make(case)), Weights(make(case))
    for number in range(5):
        weights.step(number)
        gradients = [ARRAYS[f"gradients/{index}"][number] for index in range(2)]
        given.optimizer.apply(gradients, given.variables)
    for one, two in zip(weights.variables, given.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    for one, two in zip(weights.optimizer.variables, given.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy(), err_msg=one.path)


@pytest.mark.parametrize("case", of("optimizer"))
def test_a_stored_state_goes_on(case):
    """Ten steps, the variables into another optimizer, ten more: as if nothing had been."""
    first, other = Weights(make(case)), Weights(make(case))
    for number in range(10):
        first.step(number)
    stored = [variable.numpy() for variable in first.optimizer.variables]
    assert [v.shape for v in stored] == other.optimizer.stored_shapes(other.parameters)
    other.optimizer.load_variables(stored, other.parameters)
    for variable, source in zip(other.variables, first.variables, strict=True):
        variable.assign(source.numpy())
    for number in range(10, 20):
        first.step(number)
        other.step(number)
    for one, two in zip(first.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())


@pytest.mark.parametrize("case", of("optimizer"))
def test_configurations_are_those_of_keras(case):
    optimizer = make(case)
    config, expected = optimizer.get_config(), case["config"]
    assert set(config) == set(expected)
    for key in set(config) - {"name", "learning_rate"}:
        assert config[key] == pytest.approx(expected[key]), key
    rate = expected["learning_rate"]
    if isinstance(rate, dict):
        assert config["learning_rate"]["class_name"] == rate["class_name"]
        assert config["learning_rate"]["module"] == rate["module"]
    else:
        assert config["learning_rate"] == pytest.approx(rate)
    copy = deserialize(serialize(optimizer), "optimizers")
    assert copy.get_config() == config
    assert deserialize(serialize(optimizer) | {"config": expected}, "optimizers")


@pytest.mark.parametrize("case", of("schedule"))
def test_schedules_give_the_rates_of_keras(case):
    name, arguments = case["object"]
    schedule = getattr(schedules, name)(**arguments)
    rates = [schedule(step) for step in case["steps"]]
    np.testing.assert_allclose(rates, ARRAYS[case["name"] + "/rates"], rtol=1e-5, atol=2e-8)
    assert schedule.get_config() == case["config"]
    copy = deserialize(serialize(schedule), "optimizers.schedules")
    assert copy.get_config() == schedule.get_config()


def linear(optimizer):
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    model.set_weights([np.arange(6.0).reshape(3, 2) / 4, np.ones(2)])
    model.compile(optimizer, "mse")
    return model


X, Y = RNG.standard_normal((8, 3)), RNG.standard_normal((8, 2))


def test_a_schedule_acts_at_each_step():
    class Alternating(schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1 * (step % 2)

    model = linear(optimizers.SGD(Alternating()))
    trail = [model.get_weights()[0]]
    for _ in range(4):
        model.train_on_batch(X, Y)
        trail.append(model.get_weights()[0])
    moved = [not np.array_equal(*pair) for pair in pairwise(trail)]
    assert moved == [False, True, False, True]
    with pytest.raises(TypeError, match="cannot be set; received 0.5"):
        model.optimizer.learning_rate = 0.5


def test_fit_ends_with_the_averages():
    model = linear(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    model.fit(X, Y, epochs=3, batch_size=8, verbose=0)
    kernel = model.layers[0].kernel
    np.testing.assert_array_equal(kernel.numpy(), model.optimizer.average_of(kernel))
    plain = linear(optimizers.SGD(0.1))
    plain.fit(X, Y, epochs=3, batch_size=8, verbose=0)
    assert not np.allclose(kernel.numpy(), plain.get_weights()[0])
    with pytest.raises(ValueError, match="keeps no moving averages"):
        plain.optimizer.average_of(plain.layers[0].kernel)


def test_accumulated_batches_are_one_batch():
    whole, parts = (
        linear(optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=steps))
        for steps in (None, 4)
    )
    whole.fit(X, Y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    parts.fit(X, Y, batch_size=2, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(parts.get_weights()[0], whole.get_weights()[0], rtol=1e-5)
    assert parts.optimizer.iterations == whole.optimizer.iterations == 3


def test_weights_without_decay():
    optimizer = optimizers.SGD(1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model = linear(optimizer)
    kernel = model.get_weights()[0]
    model.train_on_batch(np.zeros((1, 3)), np.ones((1, 2)))
    np.testing.assert_allclose(model.get_weights()[0], kernel / 2)
    np.testing.assert_array_equal(model.get_weights()[1], np.ones(2))
    with pytest.raises(ValueError, match="before training begins"):
        optimizer.exclude_from_weight_decay([model.layers[0].kernel])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schedules.CosineDecay(0.1, 0), ValueError, "`decay_steps` .* above 0"),
        (lambda: schedules.ExponentialDecay("a", 1, 0.5), TypeError, "`initial_learning_rate`"),
        (lambda: schedules.PiecewiseConstantDecay([1], [1]), ValueError, "one more than `bound"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [1, 2, 3]), ValueError, "must ascend"),
        (
            lambda: Weights(optimizers.Adam()).optimizer.load_variables([0, 0.1, 3.0], None),
            ValueError,
            "slots need a model that is built",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", ["Lamb", "Lars", "Adafactor"])
def test_a_saved_model_goes_on_with_an_optimizer_in_numpy(name, tmp_path):
    x = RNG.standard_normal((12, 5, 5, 2)).astype(np.float32)
    y = RNG.integers(0, 3, 12)
    model = models.Sequential([
        layers.Input((5, 5, 2)), layers.Conv2D(3, 3), layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    model.compile(getattr(optimizers, name)(0.05), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    for each in (model, again):
        each.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for one, two in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"clip_threshold": 0}, ValueError, "`clip_threshold` must be finite and above 0"),
        ({"beta_2_decay": 0.1}, ValueError, "`beta_2_decay` must be finite and at most 0"),
        ({"relative_step": 1}, TypeError, "`relative_step` must be True or False"),
    ],
)
def test_arguments_of_adafactor(arguments, error, message):
    with pytest.raises(error, match=message):
        optimizers.Adafactor(**arguments)

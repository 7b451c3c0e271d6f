"""Training loops of the caller's own: `value_and_gradients`, `apply_gradients`, variables."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import fastconv
from fastconv import callbacks, inspect, layers, losses, metrics, models, optimizers, utils
from tests.golden.golden_file import load
from tests.golden.own_loop_cases import LOOPS, STEPS, SUBSETS, network, patterns

CASES, ARRAYS = load("own_loops.npz")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 12, 12, 2)).astype(np.float32)
Y = RNG.integers(0, 5, 50)


def small(**options):
    utils.set_random_seed(3)
    model = models.Sequential(
        [
            layers.Input((12, 12, 2)),
            layers.Conv2D(8, 3, kernel_regularizer="l2", kernel_constraint="non_neg"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(5, activation="softmax", activity_regularizer="l1"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def assert_same(ones, others):
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.Adam(0.01),
        lambda: optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.1, weight_decay=0.01),
        lambda: optimizers.Nadam(use_ema=True, ema_overwrite_frequency=3),
        lambda: optimizers.RMSprop(gradient_accumulation_steps=2, clipvalue=0.01),
        lambda: optimizers.AdamW(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
    ],
)
def test_an_own_loop_gives_the_bits_of_fit(make):
    fitted, own = small(optimizer=make()), small(optimizer=make())
    history = fitted.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0).history
    accuracy = metrics.SparseCategoricalAccuracy()
    for epoch in range(2):
        total = 0.0
        accuracy.reset_state()
        for start in range(0, 50, 16):
            x, y = X[start : start + 16], Y[start : start + 16]
            loss, outputs, gradients = own.value_and_gradients(x, y)
            own.optimizer.apply_gradients(zip(gradients, own.trainable_variables, strict=True))
            accuracy.update_state(y, outputs)
            total += loss * len(x)
        assert total / 50 == history["loss"][epoch]
        assert accuracy.result() == history["accuracy"][epoch]
    if own.optimizer.use_ema:
        own.optimizer.finalize_variable_values(own.trainable_variables)
    assert_same(fitted.variables, own.variables)
    assert_same(fitted.optimizer.variables, own.optimizer.variables)
    fitted.fit(X, Y, batch_size=25, shuffle=False, verbose=0)  # either may go on
    own.fit(X, Y, batch_size=25, shuffle=False, verbose=0)
    assert_same(fitted.variables, own.variables)


def test_a_large_dense_layer_gets_the_bits_of_fit():
    """`fit` updates it without storing its gradient."""

    def make():
        utils.set_random_seed(0)
        model = models.Sequential([layers.Input((1100,)), layers.Dense(1000)])
        model.compile("adam", "mse")
        return model

    fitted, own = make(), make()
    x, y = RNG.normal(size=(4, 1100)), RNG.normal(size=(4, 1000))
    for _ in range(2):
        fitted.train_on_batch(x, y)
        own.optimizer.apply(own.value_and_gradients(x, y).gradients, own.trainable_weights)
    assert_same(fitted.weights, own.weights)


@pytest.mark.parametrize("number", range(len(LOOPS)))
def test_a_loop_with_a_tape_is_that_of_keras(number):
    model, (x, y, sample_weight) = network(fastconv), patterns()
    name, arguments = LOOPS[number]
    optimizer = getattr(optimizers, name)(**arguments)
    loss_fn = losses.SparseCategoricalCrossentropy()
    for step, expected in enumerate(CASES[number]["losses"]):
        weight = sample_weight if step % 2 else None
        found = model.value_and_gradients(x, y, weight, loss=loss_fn)
        assert found.loss == pytest.approx(expected, rel=2e-5)
        if step == number == 0:
            np.testing.assert_allclose(found.outputs, ARRAYS["outputs"], rtol=1e-4, atol=1e-6)
            for index, gradient in enumerate(found.gradients):
                expected = ARRAYS[f"gradient/{index}"]
                np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=2e-6)
        optimizer.apply_gradients(zip(found.gradients, model.trainable_variables, strict=True))
    for index, variable in enumerate(model.weights):
        expected = ARRAYS[f"loop{number}/{index}"]
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-3, atol=1e-4)
    assert len(CASES[number]["losses"]) == STEPS


@pytest.mark.parametrize("number", range(len(SUBSETS)))
def test_steps_on_some_of_the_weights_are_those_of_keras(number):
    name, arguments, calls = SUBSETS[number]
    optimizer, rng = getattr(optimizers, name)(**arguments), np.random.default_rng(number)
    model = models.Sequential([layers.Input((2,)), layers.Dense(3)])
    variables = model.trainable_variables
    for variable in variables:
        variable.assign(rng.normal(size=variable.shape))
    optimizer.build(variables)
    for call in calls:
        chosen = [variables[index] for index in call]
        gradients = [rng.normal(size=v.shape).astype("float32") for v in chosen]
        optimizer.apply_gradients(zip(gradients, chosen, strict=True))
    for index, variable in enumerate(variables):
        expected = ARRAYS[f"subset{number}/{index}"]
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-5, atol=1e-6)
    for index, variable in enumerate(optimizer.variables):
        expected = ARRAYS[f"subset{number}/variables/{index}"]
        np.testing.assert_allclose(
            variable.numpy(), expected, rtol=1e-5, atol=1e-6, err_msg=variable.path
        )


def test_one_optimizer_trains_the_weights_of_several_models():
    """As an autoencoder of two models: the same steps as one model of both."""

    def parts():
        utils.set_random_seed(1)
        first = models.Sequential([layers.Input((6,)), layers.Dense(4, activation="tanh")])
        return first, models.Sequential([layers.Input((4,)), layers.Dense(6)])

    x = RNG.normal(size=(5, 6))
    one = parts()
    whole = models.Sequential([layers.Input((6,)), *one])
    whole.compile("adam", "mse")
    two = parts()
    both = models.Model(two[0].input, two[1](two[0].output))
    optimizer = optimizers.Adam()
    variables = two[1].trainable_variables + two[0].trainable_variables  # in any order
    for _ in range(3):
        whole.train_on_batch(x, x)
        found = both.value_and_gradients(x, x, loss="mse", variables=variables)
        optimizer.apply_gradients(zip(found.gradients, variables, strict=True))
    assert_same(one[0].weights + one[1].weights, two[0].weights + two[1].weights)


def test_adversaries_change_their_own_weights_only():
    utils.set_random_seed(0)
    generator = models.Sequential([layers.Input((3,)), layers.Dense(4), layers.Dropout(0.5)])
    judge = models.Sequential(
        [layers.Input((4,)), layers.BatchNormalization(), layers.Dense(1, activation="sigmoid")]
    )
    both = models.Sequential([layers.Input((3,)), generator, judge])
    loss, noise = losses.BinaryCrossentropy(), RNG.normal(size=(8, 3))
    before, statistics = judge.layers[1].get_weights(), judge.layers[0].get_weights()
    found = both.value_and_gradients(
        noise, np.ones(8), loss=loss, variables=generator.trainable_variables
    )
    optimizers.SGD(1.0).apply(found.gradients, generator.trainable_variables)
    np.testing.assert_array_equal(judge.layers[1].get_weights()[0], before[0])
    # The batch normalization ran as in training, though its weights were not wanted.
    assert (judge.layers[0].get_weights()[2] != statistics[2]).any()
    assert [g.shape for g in found.gradients] == [v.shape for v in generator.trainable_variables]
    all_of_them = both.value_and_gradients(noise, np.ones(8), loss=loss).gradients
    assert len(all_of_them) == 6


def test_wanted_gradients_are_those_among_all():
    model, other = small(optimizer="sgd"), small(optimizer="sgd")
    wanted = [model.layers[0].bias, model.layers[-1].kernel]
    every = dict(zip(other.weights, [None] * 8, strict=True))
    found = other.value_and_gradients(X, Y)
    every.update(zip(other.trainable_variables, found.gradients, strict=True))
    some = model.value_and_gradients(X, Y, variables=wanted)
    assert some.loss == found.loss
    np.testing.assert_array_equal(some.gradients[0], every[other.layers[0].bias])
    np.testing.assert_array_equal(some.gradients[1], every[other.layers[-1].kernel])


def test_gradients_as_in_prediction():
    model = small(optimizer="sgd")
    model.layers[1].moving_variance.assign(np.full(8, 2.0))
    before = model.get_weights()
    found = model.value_and_gradients(X, Y, training=False)
    np.testing.assert_allclose(found.outputs, model.predict(X, verbose=0), rtol=1e-5)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    direction = [RNG.normal(size=gradient.shape) for gradient in found.gradients]
    for variable, step in zip(model.trainable_variables, direction, strict=True):
        variable.assign_add(1e-3 * step)
    above = model.value_and_gradients(X, Y, training=False).loss
    for variable, step in zip(model.trainable_variables, direction, strict=True):
        variable.assign_sub(2e-3 * step)
    below = model.value_and_gradients(X, Y, training=False).loss
    slope = sum((g * d).sum() for g, d in zip(found.gradients, direction, strict=True))
    assert (above - below) / 2e-3 == pytest.approx(slope, rel=2e-2)


def test_several_outputs_have_weighted_losses_and_their_structure():
    x = layers.Input((4,))
    ends = {"a": layers.Dense(2, name="a")(x), "b": layers.Dense(3, name="b")(x)}
    model = models.Model(x, ends)
    model.compile("sgd", {"a": "mse", "b": "mae"}, loss_weights={"a": 0.5, "b": 2.0})
    data = RNG.normal(size=(5, 4))
    y = {"a": RNG.normal(size=(5, 2)), "b": RNG.normal(size=(5, 3))}
    found = model.value_and_gradients(data, y)
    assert sorted(found.outputs) == ["a", "b"]
    loss = 0.5 * ((found.outputs["a"] - y["a"]) ** 2).mean()
    loss += 2 * np.abs(found.outputs["b"] - y["b"]).mean()
    assert found.loss == pytest.approx(loss, rel=1e-5) == model.test_on_batch(data, y)[0]
    again = model.value_and_gradients(data, y, loss={"a": None, "b": "mae"})
    assert again.loss == pytest.approx(np.abs(found.outputs["b"] - y["b"]).mean(), rel=1e-5)
    assert not again.gradients[0].any()  # no loss depends on it


def test_results_belong_to_the_caller():
    model = small(optimizer="sgd")
    first = model.value_and_gradients(X, Y)
    kept = [gradient.copy() for gradient in first.gradients], first.outputs.copy()
    model.value_and_gradients(-X, Y)
    model.train_on_batch(X, Y)
    for gradient, expected in zip(first.gradients, kept[0], strict=True):
        np.testing.assert_array_equal(gradient, expected)
    np.testing.assert_array_equal(first.outputs, kept[1])
    first.gradients[0] *= 2  # and may be changed


def test_missing_gradients_leave_weights_and_warn():
    model = small(optimizer="adam")
    before = model.get_weights()
    kernel, bias = model.trainable_variables[:2]
    with pytest.warns(UserWarning, match=r"no gradients for \['conv2d.*/bias'\]"):
        steps = model.optimizer.apply_gradients([(np.ones(kernel.shape), kernel), (None, bias)])
    assert steps == model.optimizer.iterations == 1
    assert (kernel.numpy() != before[0]).any() and (bias.numpy() == before[1]).all()


def refusals():
    model = small(optimizer="adam")
    bias = model.trainable_variables[1]
    frozen = models.Sequential([layers.Input((2,)), layers.Dense(1, trainable=False)])
    apply = model.optimizer.apply
    gradient = np.zeros(bias.shape)
    yield "must hold one gradient per weight, 1, received 2", lambda: apply([gradient] * 2, [bias])
    yield "must be given in the first step", lambda: optimizers.SGD().apply([gradient])
    yield "at least one gradient", lambda: apply([None], [bias])
    yield "pairs", lambda: model.optimizer.apply_gradients([])
    yield r"must have shape \(8,\), received shape \(3,\)", lambda: apply([np.zeros(3)], [bias])
    yield "received .*bias twice", lambda: apply([gradient] * 2, [bias, bias])
    yield "must be trainable", lambda: optimizers.SGD().apply([np.zeros(1)], frozen.weights[1:])

    def other_weights():
        apply([gradient], [bias])
        apply([np.zeros((8, 3, 3))], [layers_of_another().weights[0]])

    yield "is not among them; use a new optimizer", other_weights
    yield "at least one sample", lambda: model.value_and_gradients(X[:0], Y[:0])
    yield (
        "`variables` must be trainable weights of the model, received dense.*kernel",
        (lambda: model.value_and_gradients(X, Y, variables=frozen.weights)),
    )
    yield "must hold at least one weight", lambda: model.value_and_gradients(X, Y, variables=[])
    yield "needs a loss", lambda: frozen.value_and_gradients(np.zeros((1, 2)), np.zeros(1))
    yield "`y` must be given", lambda: model.value_and_gradients(X)


def layers_of_another():
    return models.Sequential([layers.Input((8, 3)), layers.Conv1D(3, 8)])


@pytest.mark.parametrize("number", range(13))
def test_refusals(number):
    message, call = list(refusals())[number]
    with pytest.raises(ValueError, match=message):
        call()


def test_wrong_kinds_are_refused():
    model = small(optimizer="adam")
    with pytest.raises(TypeError, match="weights must be `Variable`s, received ndarray"):
        model.optimizer.apply([np.zeros(8)], [np.zeros(8)])
    with pytest.raises(TypeError, match="the gradient of .*bias must hold integers or floats"):
        model.optimizer.apply([np.array(["a"] * 8)], model.trainable_variables[1:2])


def test_a_step_inside_of_fit_and_one_of_another_thread():
    model = small(optimizer="sgd")
    other = optimizers.SGD(0.0)
    caught, counted = [], []

    def step():
        found = model.value_and_gradients(X, Y)
        other.apply(found.gradients, model.trainable_variables)
        counted.append(found.loss)

    def in_another_thread():
        try:
            step()
        except RuntimeError as error:
            caught.append(str(error))

    def at_epoch_end(epoch, logs):
        step()
        thread = threading.Thread(target=in_another_thread)
        thread.start()
        thread.join()

    model.fit(X, Y, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=at_epoch_end)])
    assert len(counted) == 1 and "being fitted already" in caught[0]
    threads = [threading.Thread(target=step) for _ in range(4)]  # take turns
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted) == 5


def test_weights_that_move_to_another_buffer_keep_their_slots():
    model, twin = small(optimizer="adam"), small(optimizer="adam")
    for each in (model, twin):
        found = each.value_and_gradients(X, Y)
        each.optimizer.apply(found.gradients, each.trainable_variables)
    models.Sequential([model, layers.Dense(1)])  # takes over the weights
    for each in (model, twin):
        found = each.value_and_gradients(X, Y)
        each.optimizer.apply(found.gradients)
    assert_same(model.variables, twin.variables)


def test_arguments_and_constraints_that_change_take_effect():
    model = small(optimizer=optimizers.SGD(0.1, clipvalue=1.0))
    kernel = model.layers[0].kernel
    kernel.assign(np.ones(kernel.shape))
    step = lambda: model.optimizer.apply([np.full(kernel.shape, 20.0)], [kernel])  # noqa: E731
    step()
    assert kernel.numpy().ravel()[0] == np.float32(0.9)
    model.optimizer.clipvalue = 10.0
    step()
    assert not kernel.numpy().any()  # 0.9 - 1 is not negative by the constraint


# Rates, counts and variables ----------------------------------------------------------------------


def test_the_rate_and_the_count_are_numbers_that_can_be_assigned():
    optimizer = optimizers.Adam(0.5)
    rate = optimizer.learning_rate
    assert rate == 0.5 and isinstance(rate, float) and rate.value == 0.5 and rate.numpy() == 0.5
    rate.assign(0.25)
    assert (optimizer.learning_rate, rate) == (0.25, 0.5)
    optimizer.learning_rate.assign(optimizer.learning_rate * 0.5)
    assert optimizer.get_config()["learning_rate"] == 0.125
    for again in (copy.deepcopy(rate), pickle.loads(pickle.dumps(rate)), copy.copy(rate)):
        assert type(again) is float
    assert optimizer.iterations.numpy() == optimizer.iterations.value == 0
    optimizer.iterations.assign(7)
    assert optimizer.iterations == 7
    with pytest.raises(ValueError, match="`learning_rate` must be"):
        optimizer.learning_rate.assign(-1)
    scheduled = optimizers.SGD(optimizers.schedules.ExponentialDecay(0.5, 1, 0.5))
    with pytest.raises(TypeError, match="follows"):
        scheduled.learning_rate.assign(1.0)


def test_weights_can_be_assigned_and_added_to():
    layer = models.Sequential([layers.Input((2,)), layers.Dense(3, name="d")]).layers[0]
    kernel, bias = layer.variables
    assert (kernel.name, kernel.path, kernel.shape) == ("kernel", "d/kernel", (2, 3))
    assert kernel.dtype == "float32" and kernel.ndim == 2
    kernel.assign(np.ones((2, 3)))
    kernel.assign_add(np.ones((2, 3)) * 2)
    kernel.assign_sub(0.5)
    np.testing.assert_array_equal(kernel.value, np.full((2, 3), 2.5))
    with pytest.raises(ValueError, match=r"d/bias must have shape \(3,\)"):
        bias.assign_add(np.zeros((2, 3)))
    with pytest.raises(TypeError, match="the value added to d/bias must hold"):
        bias.assign_add("a")


def test_variables_of_layers_and_models():
    model = small(optimizer="sgd")
    norm = model.layers[1]
    assert [v.name for v in norm.variables] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert norm.trainable_variables == norm.trainable_weights == norm.variables[:2]
    assert norm.non_trainable_variables == norm.non_trainable_weights == norm.variables[2:]
    assert model.variables == model.weights and len(model.trainable_variables) == 6
    norm.trainable = False
    assert len(model.non_trainable_variables) == 4 == len(model.weights) - 4


def test_variables_of_optimizers_can_be_read_and_assigned():
    model = small(optimizer=optimizers.Nadam(name="mine"))
    model.train_on_batch(X, Y)
    found = model.optimizer.variables
    layer = model.layers[0].name
    assert [v.path for v in found[:4]] == [
        "mine/iteration",
        "mine/learning_rate",
        f"mine/{layer}_kernel_momentum",
        f"mine/{layer}_kernel_velocity",
    ]
    assert found[0].numpy() == 1 and found[0].shape == () and found[2].dtype == "float32"
    found[2].assign(np.ones(found[2].shape))
    found[2].assign_add(1.0)
    assert (model.optimizer.variables[2].numpy() == 2).all()
    found[0].assign(5)
    found[1].assign(0.5)
    assert (model.optimizer.iterations, model.optimizer.learning_rate) == (5, 0.5)
    with pytest.raises(ValueError, match=r"mine/.*momentum must have shape \(3, 3, 2, 8\)"):
        found[2].assign(np.zeros(3))
    with pytest.raises(AttributeError, match="`u_product` of 'mine' follows from `iterations`"):
        found[-1].assign(1.0)


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        (metrics.Mean(), ["total", "count"]),
        (metrics.SparseCategoricalAccuracy(), ["total", "count"]),
        (metrics.Sum(), ["total"]),
    ],
)
def test_variables_of_metrics(metric, names):
    found = metric.variables
    assert [variable.name for variable in found] == names
    assert all(float(variable) == 0 for variable in found)
    found[0].assign(6.0)
    if len(names) > 1:
        found[1].assign_add(3)
    assert metric.result() == 6 / (3 if len(names) > 1 else 1)
    metric.reset_state()
    assert float(found[0]) == 0


# Gradients with respect to samples and inner layers -----------------------------------------------


def test_the_gradient_of_a_loss_of_features_is_that_of_keras():
    model, (x, _, _) = network(fastconv), patterns()
    values = []

    def slope(outputs):
        conv, second = outputs
        values.append(((second - 0.25) ** 2).mean() + 0.5 * (conv**2).mean())
        return [conv / conv.size, 2 * (second - 0.25) / second.size]

    found = inspect.gradients(model, x, slope, output=["conv", "second"])
    assert values == [pytest.approx(float(ARRAYS["features/loss"]), rel=1e-5)]
    np.testing.assert_allclose(found.gradient, ARRAYS["features/x"], rtol=1e-3, atol=1e-7)
    assert [array.shape for array in found.output] == [(6, 7, 7, 4), (6, 3, 3, 3)]


def test_gradients_of_probabilities_are_those_of_keras():
    model, (x, _, _) = network(fastconv), patterns()
    found = inspect.gradients(model, x, 1, logits=False)
    np.testing.assert_allclose(found.gradient, ARRAYS["class/x"], rtol=2e-3, atol=1e-7)
    found = inspect.gradients(model, x, 1, wrt="conv", logits=False)
    np.testing.assert_allclose(found.gradient, ARRAYS["class/conv"], rtol=2e-3, atol=1e-7)

"""Steps, functions and random numbers of one's own: `train_step`, `Lambda`, penalties, `random`."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from fastconv import (
    callbacks,
    constraints,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    random,
    regularizers,
    saving,
)
from fastconv.errors import FormatError
from fastconv.utils import set_random_seed

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(20, 2)).astype(np.float32)


class Dense(models.Model):
    """One dense layer of given weights."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2, kernel_initializer="ones")

    def call(self, x):
        return self.dense(x)


class OwnLoop(Dense):
    def __init__(self):
        super().__init__()
        self.loss_so_far = metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.loss_so_far]

    def train_step(self, data):
        x, y = data
        found = self.value_and_gradients(x, y)
        self.optimizer.apply_gradients(zip(found.gradients, self.trainable_variables, strict=True))
        self.loss_so_far.update_state(found.loss, sample_weight=len(x))
        return {metric.name: metric.result() for metric in self.metrics}


def test_a_train_step_of_its_own_is_that_of_fit():
    plain, own = Dense(), OwnLoop()
    histories = []
    for model in (plain, own):
        model.compile(optimizers.Adam(0.1), "mse")
        history = model.fit(X, Y, epochs=3, batch_size=8, shuffle=False, verbose=0)
        histories.append(history.history["loss"])
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-6)
    for a, b in zip(plain.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_steps_get_the_batches_as_the_data_have_them():
    seen = []

    class Noting(Dense):
        def train_step(self, data):
            seen.append(data)
            return super().train_step(data) | {"size": len(data[0])}

        def test_step(self, data):
            x, y, weight = data
            return {"loss": float(np.mean((self(x, training=False) - y) ** 2)), "w": weight.sum()}

        def predict_step(self, data):
            return {"twice": 2 * self(data), "same": data}

    model = Noting()
    model.compile("sgd", "mse", metrics=["mae"])
    logs = model.fit(X, Y, batch_size=8, shuffle=False, verbose=0).history
    assert [len(x) for x, _ in seen] == [8, 8, 4]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in seen]), X)
    assert set(logs) == {"loss", "mae", "size"}
    assert logs["size"] == [4.0]
    assert model.evaluate(X, Y, sample_weight=np.ones(20), verbose=0, return_dict=True)["w"] == 20
    predictions = model.predict(X, batch_size=8, verbose=0)
    np.testing.assert_allclose(predictions["twice"], 2 * model(X), rtol=1e-6)
    np.testing.assert_array_equal(predictions["same"], X)
    assert model.train_on_batch(X, Y, return_dict=True)["size"] == 20
    pairs = [({"a": X}, [Y, Y])]
    seen.clear()

    class Structures(Noting):
        def train_step(self, data):
            seen.append(data)
            return {"loss": 0.0}

    other = Structures()
    other.compile("sgd", "mse")
    other.fit(X, Y, verbose=0)
    model_without_call = type("Free", (models.Model,), {"train_step": Structures.train_step})()
    model_without_call.compile()
    seen.clear()
    model_without_call.fit(iter(pairs), verbose=0)
    ((x, y),) = seen
    np.testing.assert_array_equal(x["a"], X)
    np.testing.assert_array_equal(y[1], Y)


def test_a_model_of_models_without_a_call():
    """The frame of a generative adversarial network."""

    class Pair(models.Model):
        def __init__(self, generator, critic):
            super().__init__()
            self.generator, self.critic = generator, critic

        def compile(self, critic_optimizer, generator_optimizer, loss):
            super().compile()
            self.optimizers = critic_optimizer, generator_optimizer
            self.criterion = loss

        def train_step(self, real):
            noise = np.ones((len(real), 3), np.float32)
            images = np.concatenate([self.generator(noise), real])
            labels = np.concatenate([np.ones((len(real), 1)), np.zeros((len(real), 1))])
            found = self.critic.value_and_gradients(images, labels, loss=self.criterion)
            self.optimizers[0].apply_gradients(
                zip(found.gradients, self.critic.trainable_variables, strict=True)
            )
            return {"critic": found.loss}

    generator = models.Sequential([layers.Input((3,)), layers.Dense(4)])
    critic = models.Sequential([layers.Input((4,)), layers.Dense(1, activation="sigmoid")])
    pair = Pair(generator, critic)
    pair.compile(optimizers.Adam(0.1), optimizers.Adam(0.1), losses.BinaryCrossentropy())
    history = pair.fit(X, epochs=10, batch_size=10, verbose=0).history["critic"]
    assert history[-1] < history[0]
    assert len(pair.weights) == 4
    assert pair.layers == [generator, critic]


def test_compute_loss_of_its_own_is_traced():
    class Shrinking(Dense):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            fit = super().compute_loss(x, y, y_pred, sample_weight)
            return fit + 0.1 * ops.mean(ops.square(y_pred))

    def both(y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred)) + 0.1 * ops.mean(ops.square(y_pred))

    mine, other = Shrinking(), Dense()
    mine.compile(optimizers.SGD(0.1), "mse")
    other.compile(optimizers.SGD(0.1), both)
    logs = [m.fit(X, Y, epochs=2, shuffle=False, verbose=0).history["loss"] for m in (mine, other)]
    np.testing.assert_allclose(logs[0], logs[1], rtol=1e-5)
    np.testing.assert_allclose(mine.get_weights()[0], other.get_weights()[0], rtol=1e-5)
    assert mine.compute_loss(y=Y, y_pred=Y) == pytest.approx(0.1 * np.mean(Y**2), rel=1e-5)


# ------------------------------------------------------------------------ losses of whole models


class Pair(models.Model):
    """Two outputs, whose loss also depends on the samples, and on weights of samples."""

    def __init__(self, **options):
        super().__init__(**options)
        self.first, self.second = layers.Dense(2), layers.Dense(2)
        self.trackers = [metrics.Mean(name="distance")]
        self.loss = losses.MeanSquaredError()

    def call(self, x):
        return {"a": self.first(x), "b": self.second(x)}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        distance = ops.abs(y_pred["a"] - y_pred["b"])
        self.trackers[0].update_state(distance, sample_weight=sample_weight)
        size = ops.mean(ops.square(x)) * ops.mean(ops.square(y_pred["b"]))
        return self.loss(y, y_pred["a"]) + 0.1 * size + (0.5 if training else 0.0)


def pair(**options):
    set_random_seed(0)
    model = Pair(**options)
    model.compile(optimizers.SGD(0.1))
    return model


def expected_loss(model, training):
    y = model.predict(X, verbose=0)
    size = np.mean(np.square(X)) * np.mean(np.square(y["b"]))
    return np.mean(np.square(y["a"] - Y)) + 0.1 * size + (0.5 if training else 0.0)


def test_a_loss_of_samples_labels_and_all_outputs():
    model = pair()
    model.build(X.shape)
    before = expected_loss(model, training=True)
    weights = model.get_weights()
    logs = model.train_on_batch(X, Y, return_dict=True)
    assert list(logs) == ["distance", "loss"]
    assert logs["loss"] == pytest.approx(before, rel=1e-5)
    evaluated = model.evaluate(X, Y, batch_size=3, verbose=0, return_dict=True)
    y = model.predict(X, verbose=0)
    assert evaluated["distance"] == pytest.approx(np.mean(np.abs(y["a"] - y["b"])), rel=1e-5)
    assert model.test_on_batch(X, Y) == pytest.approx(
        [expected_loss(model, training=False), evaluated["distance"]], rel=1e-5
    )
    # Gradients: of the error with respect to the first bias, and of the size to the second one.
    model.set_weights(weights)
    y = model.predict(X, verbose=0)
    slopes = [y["a"] - Y, 0.1 * np.mean(np.square(X)) * y["b"]]
    model.train_on_batch(X, Y)
    for place, slope in zip((1, 3), slopes, strict=True):
        moved = weights[place] - model.get_weights()[place]
        np.testing.assert_allclose(moved, 0.1 * slope.mean(axis=0), rtol=1e-4)


def test_a_loss_of_a_whole_model_gets_weights_of_samples():
    model = pair()
    weight = np.arange(len(X), dtype=np.float32)
    y = model.predict(X, verbose=0)
    distance = model.test_on_batch(X, Y, sample_weight=weight)[1]
    expected = np.average(np.abs(y["a"] - y["b"]).mean(axis=1), weights=weight)
    assert distance == pytest.approx(expected, rel=1e-5)


def test_history_validation_copies_and_files_with_a_computed_loss(tmp_path):
    fit = {"epochs": 2, "batch_size": 4, "shuffle": False, "verbose": 0}
    model = pair()
    history = model.fit(X, Y, validation_data=(X, Y), **fit).history
    assert sorted(history) == ["distance", "loss", "val_distance", "val_loss"]
    assert history["val_loss"][0] != history["val_loss"][1]
    other = copy.deepcopy(model)
    model.save_weights(tmp_path / "pair.weights.h5")
    saved = model.evaluate(X, Y, verbose=0)
    logs = [each.fit(X, Y, **fit).history for each in (model, other)]
    assert logs[0] == logs[1]
    loaded = pair()
    loaded.build(X.shape)
    loaded.load_weights(tmp_path / "pair.weights.h5")
    assert loaded.evaluate(X, Y, verbose=0) == saved


def test_a_loss_may_call_layers_that_are_built_for_it():
    class Decoded(Pair):
        def __init__(self):
            super().__init__()
            self.decode = layers.Dense(X.shape[1])

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return ops.mean(ops.square(self.decode(y_pred["a"]) - x))

    model = Decoded()
    model.compile("sgd")
    model.predict(X, verbose=0)
    assert len(model.weights) == 4
    history = model.fit(X, epochs=3, verbose=0).history["loss"]
    assert history[2] < history[0]
    assert len(model.weights) == 6


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda y_pred: 1.0, "`compute_loss` must return a tensor .* received float"),
        (lambda y_pred: None, "`compute_loss` must return a tensor .* received NoneType"),
        (lambda y_pred: y_pred, "`compute_loss` must return a tensor .* received dict"),
    ],
)
def test_a_loss_must_be_computed_from_its_arguments(returned, message):
    class Wrong(Pair):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return returned(y_pred)

    model = Wrong()
    model.compile("sgd")
    with pytest.raises(TypeError, match=message):
        model.fit(X, Y, verbose=0)


def test_only_a_class_with_compute_loss_may_assign_a_loss():
    assert isinstance(Pair().loss, losses.MeanSquaredError)
    with pytest.raises(AttributeError, match="give it to compile"):
        Dense().loss = "mse"


def test_backup_goes_on_with_own_steps(tmp_path):
    def model():
        own = OwnLoop()
        own.compile(optimizers.Adam(0.1), "mse")
        return own

    def train(own, epochs):
        backup = callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        return own.fit(X, Y, epochs=epochs, shuffle=False, verbose=0, callbacks=[backup]).history

    train(model(), 2)
    resumed = model()
    assert len(train(resumed, 4)["loss"]) == 4
    straight = model()
    straight.fit(X, Y, epochs=4, shuffle=False, verbose=0)
    np.testing.assert_array_equal(resumed.get_weights()[0], straight.get_weights()[0])


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ({"train_step": lambda self, data: None}, TypeError, "train_step\\(\\) must return a dict"),
        (
            {"compute_loss": lambda self, **named: layers.Dense(1)(named["y_pred"])},
            TypeError,
            "'compute_loss' must not compute with weights",
        ),
    ],
)
def test_steps_that_cannot_be_honoured(body, error, message):
    model = type("Wrong", (Dense,), body | {"__module__": __name__})()
    model.compile("sgd", "mse")
    with pytest.raises(error, match=message):
        model.fit(X, Y, verbose=0)


def test_fit_without_a_loss_or_a_step():
    model = Dense()
    model.compile("sgd")
    with pytest.raises(ValueError, match="fit\\(\\) needs a loss"):
        model.fit(X, Y, verbose=0)


# ------------------------------------------------------------------- functions as parts of layers


def own_softplus(x):
    return ops.log(1 + ops.exp(x))


def own_l1(w):
    return ops.sum(ops.abs(0.01 * w))


def own_non_negative(w):
    return ops.where(w < 0, ops.zeros_like(w), w)


class OwnL2(regularizers.Regularizer):
    def __init__(self, factor=0.1):
        self.factor = factor

    def __call__(self, w):
        return self.factor * ops.sum(ops.square(w))


def trained(activation, penalty, constraint):
    hidden = layers.Dense(
        3,
        activation=activation,
        kernel_initializer=lambda shape, dtype=None: np.linspace(-1, 1, 12).reshape(shape),
        kernel_regularizer=penalty,
        kernel_constraint=constraint,
        activity_regularizer=penalty,
    )
    model = models.Sequential([layers.Input((4,)), hidden, layers.Dense(2, "linear")])
    model.layers[1].set_weights([np.ones((3, 2)), np.zeros(2)])
    model.compile(optimizers.SGD(0.1), "mse")
    return model, model.fit(X, Y, epochs=3, shuffle=False, verbose=0).history["loss"]


@pytest.mark.parametrize(
    ("own", "built_in"),
    [
        ((own_softplus, None, None), ("softplus", None, None)),
        (("relu", own_l1, None), ("relu", regularizers.L1(0.01), None)),
        (("relu", OwnL2(), None), ("relu", regularizers.L2(0.1), None)),
        (("relu", None, own_non_negative), ("relu", None, constraints.NonNeg())),
    ],
    ids=["activation", "penalty", "penalty_class", "constraint"],
)
def test_functions_do_what_the_built_in_ones_do(own, built_in):
    model, mine = trained(*own)
    other, expected = trained(*built_in)
    np.testing.assert_allclose(mine, expected, rtol=1e-5)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_files_name_such_functions(tmp_path):
    x = layers.Input((4,))
    y = layers.Dense(3, own_softplus, kernel_regularizer=own_l1, kernel_constraint=own_non_negative)
    model = models.Model(x, y(x))
    model.compile("sgd", "mse")
    model.save(tmp_path / "functions.keras")
    given = {f.__name__: f for f in (own_softplus, own_l1, own_non_negative)}
    again = models.load_model(tmp_path / "functions.keras", custom_objects=given)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    with pytest.raises(FormatError):
        models.load_model(tmp_path / "functions.keras")


@saving.register_keras_serializable("tests")
def doubled(x, factor=2.0):
    return x * factor


def test_a_lambda_belongs_to_a_program_and_not_to_a_file(tmp_path):
    model = models.Sequential([layers.Input((4,)), layers.Lambda(lambda x: x**2), layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="computes a function without a name; define it by `def`"):
        model.save(tmp_path / "lambda.keras")
    model.save_weights(tmp_path / "lambda.weights.h5")
    named = models.Sequential(
        [layers.Input((4,)), layers.Lambda(doubled, arguments={"factor": 3.0})]
    )
    named.save(tmp_path / "named.keras")
    again = models.load_model(tmp_path / "named.keras")
    np.testing.assert_allclose(again.predict(X, verbose=0), 3 * X)
    np.testing.assert_allclose(layers.Lambda(doubled)(X), 2 * X)
    with pytest.raises(TypeError, match="`function` must be a function, received '3'"):
        layers.Lambda(3)
    config = layers.Lambda(lambda x: x).get_config()
    with pytest.raises(ValueError, match="Lambda is not supported with code, which is never run"):
        layers.Lambda.from_config(config)


# ------------------------------------------------------------------------------- random numbers


class Sampling(layers.Layer):
    """Draws from a normal distribution, as variational autoencoders do."""

    def __init__(self, seed=None, **options):
        super().__init__(**options)
        self.seed = random.SeedGenerator(seed) if seed is None or seed >= 0 else -seed

    def call(self, inputs):
        mean, log_variance = inputs
        shape = ops.shape(mean)
        drawn = random.normal((shape[0], shape[1]), seed=self.seed)
        return mean + ops.exp(0.5 * log_variance) * drawn


def test_random_numbers_in_a_call_are_new_in_every_run():
    layer, zeros = Sampling(1), np.zeros((3000, 2), np.float32)
    first, second = layer([zeros, zeros]), layer([zeros, zeros])
    assert not np.array_equal(first, second)
    for drawn in (first, second):
        assert abs(drawn.mean()) < 0.05
        assert abs(drawn.std() - 1) < 0.05
    fixed = Sampling(-7)
    np.testing.assert_array_equal(fixed([zeros, zeros]), fixed([zeros, zeros]))


def test_gradients_pass_by_random_numbers():
    x = layers.Input((4,))
    mean, log_variance = layers.Dense(2)(x), layers.Dense(2)(x)
    model = models.Model(x, Sampling(3)([mean, log_variance]))
    model.compile(optimizers.Adam(0.05), "mse")
    history = model.fit(X, np.ones((20, 2)), epochs=80, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
    assert not np.array_equal(model(X), model(X))
    half = model.predict(np.tile(X[:1], (20, 1)), batch_size=10, verbose=0)
    assert not np.array_equal(half[:10], half[10:])


def test_dropout_of_the_random_module_in_a_call():
    class Dropping(layers.Layer):
        def call(self, x, training=None):
            return random.dropout(x, 0.5) if training else x

    ones = np.ones((100, 50), np.float32)
    dropped = Dropping()(ones, training=True)
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert 0.45 < np.mean(dropped == 0) < 0.55
    np.testing.assert_array_equal(Dropping()(ones), ones)

"""pickle and deepcopy: an equal, independent object that trains on to the same bits."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import sys

import numpy as np
import pytest

from fastconv import callbacks, layers, losses, metrics, models, optimizers
from fastconv.optimizers import schedules
from fastconv.utils import set_random_seed
from tests.support.metric_settings import metric_settings

X = np.random.default_rng(0).standard_normal((20, 8, 8, 2)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 20)

WAYS = {"pickle": lambda thing: pickle.loads(pickle.dumps(thing)), "deepcopy": copy.deepcopy}
ways = pytest.mark.parametrize("again", WAYS.values(), ids=WAYS)


class Gain(layers.CustomLayer):
    """A layer of one's own, found by pickle in this module."""

    def build(self, input_shape):
        self.gain = self.add_weight("gain", input_shape[-1:], "ones")
        super().build(input_shape)

    def forward(self, x, training):
        return x * self.gain.numpy(), x

    def backward(self, dy, saved):
        axes = tuple(range(dy.ndim - 1))
        return dy * self.gain.numpy(), [(dy * saved).sum(axis=axes)]


class Largest(metrics.Metric):
    """A metric of one's own."""

    stateful = ("largest",)

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest = max(self.largest, float(y_pred.max()))

    def result(self):
        return self.largest

    def reset_state(self):
        self.largest = 0.0


def squared(y_true, y_pred):
    return ((np.eye(y_pred.shape[-1])[y_true.astype(int).ravel()] - y_pred) ** 2).mean(axis=-1)


def sequential():
    return models.Sequential([
        layers.Input((8, 8, 2)), layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2"),
        layers.BatchNormalization(), layers.RandomFlip(), Gain(), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dropout(0.3), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip


def functional():
    x = layers.Input((8, 8, 2))
    y = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = layers.add([y, layers.Conv2D(4, 1)(x)])
    y = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(y))
    return models.Model(x, layers.Dense(3, activation="softmax")(y))


def shared():
    """A layer that is called in an inner model and twice outside of it."""
    x = layers.Input((8, 8, 2))
    conv = layers.Conv2D(2, 3, padding="same")
    inner = models.Model(x, layers.ReLU()(conv(x)), name="inner")
    y = conv(inner(conv(inner(x))))
    y = layers.Flatten()(layers.BatchNormalization()(y))
    return models.Model(x, layers.Dense(3, activation="softmax")(y))


def nested():
    start = layers.Input((8, 8, 2))
    tower = models.Sequential([layers.Conv2D(3, 3), layers.ReLU(), layers.Flatten()])
    return models.Sequential([start, tower, layers.Dense(3, activation="softmax")])


NETWORKS = {"sequential": sequential, "functional": functional, "shared": shared, "nested": nested}
OPTIMIZERS = {
    "adam": lambda: optimizers.Adam(0.01, amsgrad=True),
    "ema": lambda: optimizers.SGD(0.05, momentum=0.9, use_ema=True, clipnorm=1.0),
    "schedule": lambda: optimizers.Nadam(schedules.ExponentialDecay(0.01, 3, 0.9)),
    "accumulation": lambda: optimizers.Adagrad(0.01, gradient_accumulation_steps=2),
}


def compiled(network="sequential", optimizer="adam"):
    set_random_seed(3)
    model = NETWORKS[network]()
    model.compile(OPTIMIZERS[optimizer](), "sparse_categorical_crossentropy",
                  metrics=["accuracy", Largest(), squared])  # fmt: skip
    return model


def train(model, epochs=2):
    set_random_seed(4)
    return model.fit(X, Y, batch_size=8, epochs=epochs, verbose=0).history


def assert_same(one, other):
    """Equal states and outputs, without memory in common."""
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(one.optimizer.variables, other.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.name)
    np.testing.assert_array_equal(one.predict(X, verbose=0), other.predict(X, verbose=0))
    assert one.to_json() == other.to_json()
    assert not {id(v) for v in one.weights} & {id(v) for v in other.weights}


@ways
@pytest.mark.parametrize(
    "network, optimizer",
    [*((each, "adam") for each in NETWORKS), *(("sequential", each) for each in OPTIMIZERS)],
)
def test_a_model_in_the_middle_of_its_training(again, network, optimizer):
    model = compiled(network, optimizer)
    train(model)
    other = again(model)
    assert type(other) is type(model)
    assert_same(model, other)
    before = model.get_weights()
    assert train(other) == again(other).history.history
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)  # the copy has trained, this one has not
    train(model)
    assert_same(model, other)
    assert model.history.history == other.history.history


@ways
def test_models_that_are_not_compiled_built_or_full(again):
    unbuilt = models.Sequential([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(1)])
    other = again(unbuilt)
    assert not other.built and [x.name for x in other.layers] == [x.name for x in unbuilt.layers]
    set_random_seed(0)
    expected = unbuilt.predict(X, verbose=0)
    set_random_seed(0)
    np.testing.assert_array_equal(other.predict(X, verbose=0), expected)
    empty = again(models.Sequential(name="empty"))
    assert empty.name == "empty" and not empty.layers
    begun = again(models.Sequential([layers.Input((4,))]))
    begun.add(layers.Dense(2))
    assert begun.output_shape == (None, 2)
    for name, make in NETWORKS.items():
        model = make()
        other = again(model)
        outputs = [each.predict(X, verbose=0) for each in (model, other)]
        np.testing.assert_array_equal(*outputs, err_msg=name)
        assert not other.compiled


@ways
def test_a_copy_can_be_changed_like_the_model(again):
    other = again(sequential())
    popped = other.pop()
    assert popped.name not in [layer.name for layer in other.layers]
    other.add(layers.Dense(5))
    assert other.output_shape == (None, 5)
    graph = again(functional())
    part = models.Model(graph.inputs, graph.layers[2].output)
    assert part.predict(X, verbose=0).shape[0] == 20
    graph.trainable = False
    assert not graph.trainable_weights


@ways
def test_what_is_shared_stays_shared(again):
    model = shared()
    other = again(model)
    assert len(other.weights) == len(model.weights)
    inner = other.get_layer("inner")
    conv = next(layer for layer in inner.layers if "conv" in layer.name)
    assert any(layer is conv for layer in other.layers)
    first, second = again((model, models.Model(model.inputs, model.layers[-2].output)))
    assert first.layers[1] is second.layers[1]
    first.layers[1].set_weights([2 * w for w in first.layers[1].get_weights()])
    deep = models.Sequential([layers.Input((8, 8, 2)), second]).predict(X, verbose=0)
    np.testing.assert_array_equal(second.predict(X, verbose=0), deep)


@ways
def test_several_inputs_and_outputs_keep_their_forms(again):
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    both = layers.Concatenate()([a, b])
    model = models.Model({"b": b, "a": a}, {"x": layers.Dense(1)(both), "y": layers.Dense(2)(a)})
    other = again(model)
    data = {"a": X[:, 0, 0, :1].repeat(3, 1), "b": X[:, 1, 1, :1].repeat(3, 1)}
    expected = model.predict(data, verbose=0)
    found = other.predict(data, verbose=0)
    assert list(found) == list(expected)
    for key in expected:
        np.testing.assert_array_equal(found[key], expected[key])
    assert other.input_names == model.input_names and other.output_names == model.output_names


@ways
def test_layers_weights_and_optimizers_by_themselves(again):
    model = compiled()
    train(model)
    for layer in model.layers:
        other = again(layer)
        assert other.get_config() == layer.get_config() and other.built
        for one, two in zip(layer.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
        assert layer.calls and not other.calls, "calls lead to the whole model"
    alone = models.Sequential([layers.Input((8, 8, 2)), again(model.layers[0])])
    np.testing.assert_array_equal(alone.layers[0].kernel.numpy(), model.layers[0].kernel.numpy())
    unbuilt = again(layers.Dense(4, kernel_initializer="he_normal"))
    assert not unbuilt.built and unbuilt.units == 4
    start = again(layers.Input((5,)).call.layer)
    assert start.output.shape == (None, 5)
    variable = again(model.layers[0].kernel)
    variable.assign(np.zeros(variable.shape))
    assert np.any(model.layers[0].kernel.numpy())
    optimizer = again(model.optimizer)
    assert optimizer.get_config() == model.optimizer.get_config()
    for one, two in zip(optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match="has begun to train other weights"):
        optimizer.state_for(model.parameters)


@ways
def test_the_flat_buffer_by_itself(again):
    model = sequential()
    part = models.Sequential([layers.Input((36,)), model.layers[-1]])
    model.predict(X, verbose=0)
    for parameters in (model.parameters, part.parameters):
        other = again(parameters)
        assert [v.path for v in other.variables] == [v.path for v in parameters.variables]
        for one, two in zip(other.variables, parameters.variables, strict=True):
            np.testing.assert_array_equal(one.numpy(), two.numpy())
            assert np.shares_memory(other.values, other.view(other.values, one))


@ways
@pytest.mark.parametrize("name", sorted(metrics.CLASSES))
def test_a_copied_metric_counts_for_itself(again, name):
    settings = {"ConfusionMatrix": {"num_classes": 3}} | metric_settings(3)
    metric = metrics.CLASSES[name](**settings.get(name, {}))
    values = np.random.default_rng(2).random((6, 3)).astype(np.float32)
    labels = np.arange(6) % 3 if "Sparse" in name else np.eye(3, dtype=np.float32)[np.arange(6) % 3]
    metric.update_state(labels, values)
    other = again(metric)
    np.testing.assert_array_equal(other.result(), metric.result())
    before = np.copy(metric.result())
    other.update_state(labels, values**2)
    np.testing.assert_array_equal(metric.result(), before)


@ways
def test_losses_and_schedules_are_copied(again):
    y = np.eye(3, dtype=np.float32)
    for loss in (losses.Huber(2.0), losses.CategoricalCrossentropy(label_smoothing=0.1)):
        assert again(loss)(y, y * 0.5 + 0.1) == loss(y, y * 0.5 + 0.1)
    schedule = schedules.CosineDecay(0.1, 20)
    assert again(schedule)(7) == schedule(7)


@ways
def test_callbacks_and_histories_are_copied(again, tmp_path):
    made = [
        callbacks.EarlyStopping("loss", restore_best_weights=True),
        callbacks.ModelCheckpoint(tmp_path / "m.keras", save_freq=2),
        callbacks.BackupAndRestore(tmp_path / "backup", save_freq=2),
        callbacks.TensorBoard(tmp_path / "board", update_freq=1),
        callbacks.CSVLogger(tmp_path / "log.csv"),
        callbacks.ProgbarLogger(),
    ]
    model = compiled()
    history = model.fit(X, Y, epochs=2, batch_size=8, verbose=0, callbacks=made)
    other = again(history)
    assert other.history == history.history and other.epoch == history.epoch
    other.history["loss"].clear()
    assert len(history.history["loss"]) == 2
    fresh = again(made)
    for one, two in zip(made, fresh, strict=True):
        assert type(two) is type(one) and two is not one
    compiled().fit(X, Y, epochs=2, batch_size=8, verbose=0, callbacks=fresh)
    assert made[0].model is model and fresh[0].model is not model


class CopyInTheMiddle(callbacks.Callback):
    """Keeps a copy of the model as it is after a batch."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            self.copy = pickle.loads(pickle.dumps(self.model))


def test_a_model_that_is_being_fitted():
    """The copy does not belong to the `fit` that is going on, and holds no lock of it."""
    keep = CopyInTheMiddle()
    compiled().fit(X, Y, batch_size=8, verbose=0, callbacks=[keep])
    assert keep.copy.training_run is None and keep.copy.optimizer.iterations == 2
    keep.copy.fit(X, Y, batch_size=8, verbose=0)


@ways
def test_deep_networks_need_no_deep_recursion(again):
    x = y = layers.Input((4,))
    for _ in range(400):
        y = layers.ReLU()(y)
    model = models.Model(x, y)
    other = again(model)
    assert len(other.layers) == 401 < sys.getrecursionlimit()
    np.testing.assert_array_equal(other.predict(np.ones((2, 4)), verbose=0), np.ones((2, 4)))


def predict_and_train(model):
    """Work of another process."""
    history = train(model, epochs=1)
    return model.get_weights(), history, model


def test_processes_that_are_spawned():
    model = compiled()
    train(model)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        weights, history, returned = pool.apply(predict_and_train, (model,))
    assert train(model, epochs=1) == history
    for one, two in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, two)
    assert_same(model, returned)


def test_functions_without_a_name_need_cloudpickle():
    cloudpickle = pytest.importorskip("cloudpickle")
    model = models.Sequential([layers.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[lambda t, p: abs(t - p).mean(axis=-1)])
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(model)
    other = pickle.loads(cloudpickle.dumps(model))
    x = np.ones((4, 4))
    model.fit(x, x[:, :1], verbose=0)
    other.fit(x, x[:, :1], verbose=0)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_joblib_restores_a_model_that_trains_on(tmp_path):
    joblib = pytest.importorskip("joblib")
    model = compiled()
    train(model)
    joblib.dump(model, tmp_path / "model.joblib")
    other = joblib.load(tmp_path / "model.joblib")
    assert_same(model, other)
    train(model)
    train(other)
    assert_same(model, other)

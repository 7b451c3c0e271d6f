"""Layers and models whose classes define `call`, traced into the plan."""

from __future__ import annotations

import collections
import copy
import io
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from fastconv import callbacks, layers, losses, metrics, models, ops, optimizers, saving
from fastconv.errors import FormatError
from fastconv.plan import Differential
from tests.golden.subclass_networks import X, Y, networks, trained

GOLDEN = np.load(Path(__file__).parent / "golden/subclass.npz")
NETWORKS = networks(layers, models, ops)


@saving.register_keras_serializable("tests")
class Block(layers.Layer):
    """A residual block; `get_config` is that of the base class."""

    def __init__(self, filters, **options):
        super().__init__(**options)
        self.first = layers.Conv2D(filters, 3, padding="same", activation="relu")
        self.second = layers.Conv2D(filters, 3, padding="same")
        self.drop = layers.Dropout(0.5, seed=1)

    def call(self, x, training=None):
        return layers.add([self.drop(self.second(self.first(x)), training=training), x])


@saving.register_keras_serializable("tests")
class Net(models.Model):
    def __init__(self, classes=2):
        super().__init__()
        self.blocks = [Block(3), Block(3)]
        self.rest = {"pool": layers.GlobalAveragePooling2D(), "head": layers.Dense(classes)}
        self.temperature = self.add_weight((), "ones")

    def call(self, x, training=None):
        for block in self.blocks:
            x = block(x, training=training)
        return self.rest["head"](self.rest["pool"](x)) * self.temperature


def fitted(model, epochs=1):
    model.compile(optimizers.Adam(0.01), "mse")
    model.fit(X, Y, epochs=epochs, verbose=0, shuffle=False)
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_training_equals_that_of_keras(name):
    model = NETWORKS[name]()
    model.compile(optimizers.SGD(0.05, momentum=0.5), "mse")
    for key, value in trained(model).items():
        np.testing.assert_allclose(
            value, GOLDEN[f"{name}/{key}"], rtol=1e-4, atol=1e-4, err_msg=f"{name}/{key}"
        )


@pytest.mark.parametrize("name", ["tied", "attention"])
def test_gradients_of_inputs_are_those_of_finite_differences(name):
    model = NETWORKS[name]()
    differential = Differential(model.graph(), 2, model.parameters, mode="infer")
    direction = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)

    def value(x):
        return float(np.sum(model(x).astype(np.float64)))

    differential.inputs[0][...] = X[:2]
    differential.output_gradients[0][...] = 1
    differential.run()
    slope = float(np.sum(differential.input_gradients[0] * direction))
    step = 1e-2
    difference = (value(X[:2] + step * direction) - value(X[:2] - step * direction)) / (2 * step)
    assert slope == pytest.approx(difference, rel=0.02, abs=0.02)


def ops_of(model, mode):
    """The names of the operations of the plan for 6 samples."""
    with model._plan(6, mode) as plan:
        return [type(op).__name__ for op in plan._program.ops]


def test_a_traced_class_runs_the_operations_of_the_layers_in_it():
    x = layers.Input((8, 8, 3))
    block = Block(3)
    traced = models.Model(x, block(x))
    y = layers.Conv2D(3, 3, padding="same", activation="relu")(x)
    y = layers.Dropout(0.5, seed=1)(layers.Conv2D(3, 3, padding="same")(y))
    plain = models.Model(x, layers.add([y, x]))
    plain.set_weights(traced.get_weights())
    target = np.zeros((6, 8, 8, 3))
    for model in (traced, plain):
        model.compile("sgd", "mse")
        model.train_on_batch(X, target)
    for mode in ("train", "infer"):
        with traced._plan(6, mode, False, traced._trained_parts() if mode == "train" else ()) as a:
            names = [type(op).__name__ for op in a._program.ops]
        with plain._plan(6, mode, False, plain._trained_parts() if mode == "train" else ()) as b:
            assert names == [type(op).__name__ for op in b._program.ops]
            assert a.peak_bytes == b.peak_bytes
    np.testing.assert_array_equal(traced.predict(X, verbose=0), plain.predict(X, verbose=0))
    for mine, other in zip(traced.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_chains_of_functions_are_fused_in_a_class_as_outside():
    class Curve(layers.Layer):
        def call(self, x):
            return ops.exp(-ops.square(x * 2 + 1)) / 3

    x = layers.Input((4,))
    inside = models.Model(x, Curve()(x))
    outside = models.Model(x, ops.exp(-ops.square(x * 2 + 1)) / 3)
    assert ops_of(inside, "infer") == ops_of(outside, "infer") == ["Chain"]


def test_weights_and_layers_are_found_in_attributes_lists_and_dicts():
    model = Net()
    assert [type(layer).__name__ for layer in model.layers] == [
        "Block", "Block", "GlobalAveragePooling2D", "Dense"]  # fmt: skip
    assert not model.built
    model(X)
    assert model.built
    names = [variable.path.split("/", 1)[1] for variable in model.weights]
    assert len(names) == len(set(names)) == 11
    assert names[0] == "variable"
    assert model.count_params() == 4 * (27 * 3 + 3) + 3 * 2 + 2 + 1
    assert model.get_layer(index=0) is model.blocks[0]
    model.blocks[0].trainable = False
    assert len(model.trainable_weights) == 7
    lines = []
    model.summary(print_fn=lines.append)
    assert "Block" in lines[0]


def test_a_model_is_a_layer_of_another():
    net = Net()
    x = layers.Input((8, 8, 3))
    outer = models.Model(x, layers.Softmax()(net(x)))
    y = net.predict(X, verbose=0)
    np.testing.assert_allclose(
        outer.predict(X, verbose=0), np.exp(y) / np.exp(y).sum(1, keepdims=True), rtol=1e-5
    )
    fitted(outer)


def test_several_inputs_and_outputs_by_name():
    class Both(models.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            a, b = self.dense(inputs["a"]), self.dense(inputs["b"])
            return {"sum": a + b, "product": a * b}

    model = Both()
    data = {"a": X[:, 0, 0], "b": X[:, 1, 1]}
    model.compile("sgd", loss={"sum": "mse", "product": "mae"})
    logs = model.fit(data, {"sum": Y, "product": Y}, verbose=0).history
    assert set(logs) == {"loss", "sum_loss", "product_loss"}
    predictions = model.predict(data, verbose=0)
    a, b = (data[key] @ model.get_weights()[0] + model.get_weights()[1] for key in "ab")
    np.testing.assert_allclose(predictions["product"], a * b, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model(data)["sum"], predictions["sum"])


def test_a_class_may_extend_the_call_of_a_layer():
    class Always(layers.Dropout):
        """Monte-Carlo dropout."""

        def call(self, inputs, training=None):
            return super().call(inputs, training=True) + 0.0

    class Doubled(layers.Dense):
        def call(self, inputs):
            return super().call(inputs) * 2

    model = models.Sequential([layers.Input((8, 8, 3)), Always(0.5), layers.Flatten(), Doubled(2)])
    assert not np.array_equal(model(X), model(X))
    assert not np.array_equal(model.predict(X, verbose=0), model.predict(X, verbose=0))
    assert not np.array_equal(model.predict_on_batch(X), model.predict_on_batch(X))
    dense = Doubled(3)
    y = dense(X[:, 0, 0])
    kernel, bias = dense.get_weights()
    np.testing.assert_allclose(y, 2 * (X[:, 0, 0] @ kernel + bias), rtol=1e-5, atol=1e-6)
    fitted(model)


def test_losses_that_a_layer_adds_and_penalties_of_its_output():
    class Adding(layers.Layer):
        def call(self, x, training=None):
            self.add_loss(ops.sum(x) * (2.0 if training else 1.0))
            return x

    x = layers.Input((3,))
    model = models.Model(x, Adding(activity_regularizer="l2")(x))
    model.compile("sgd", "mse")
    data = X[:, 0, 0]
    penalty = 0.01 * np.sum(data**2) / 6
    assert model.evaluate(data, data, verbose=0) == pytest.approx(data.sum() + penalty, rel=1e-4)
    with pytest.warns(UserWarning, match="no trainable weights"):
        loss = model.train_on_batch(data, data)
    assert loss == pytest.approx(2 * data.sum() + penalty, rel=1e-4)
    np.testing.assert_array_equal(model.predict(data, verbose=0), data)


# ---------------------------------------------------------------------------- files and copies


def test_files_of_a_model_of_traced_layers(tmp_path):
    x = layers.Input((8, 8, 3))
    model = fitted(models.Model(x, layers.Dense(2)(layers.Flatten()(Block(3)(x)))))
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert again.optimizer.iterations == model.optimizer.iterations


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".safetensors"])
def test_files_of_a_model_with_a_call(tmp_path, suffix):
    model = fitted(Net(classes=2))
    path = tmp_path / f"net{suffix}"
    if suffix == ".keras":
        model.save(path)
        again = models.load_model(path)
        assert isinstance(again, Net)
    else:
        model.save_weights(path)
        again = Net()
        again.build((None, 8, 8, 3))
        again.load_weights(path)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


def test_paths_in_files_are_those_of_keras(tmp_path):
    import h5py

    model = fitted(Net())
    model.save_weights(tmp_path / "net.weights.h5")
    found = []
    with h5py.File(tmp_path / "net.weights.h5") as file:
        file.visititems(lambda name, thing: found.append(name) if hasattr(thing, "shape") else None)
    weights = [name for name in found if not name.startswith("optimizer")]
    assert weights == sorted(
        ["vars/0", "layers/dense/vars/0", "layers/dense/vars/1"]
        + [
            f"blocks/{block}/{part}/vars/{n}"
            for block in ("block", "block_1")
            for part in ("first", "second")
            for n in (0, 1)
        ]
    )


def test_classes_that_are_given_when_a_file_is_read(tmp_path):
    class Scale(layers.Layer):
        def __init__(self, factor, **options):
            super().__init__(**options)
            self.factor = factor

        def call(self, x):
            return x * self.factor

    x = layers.Input((3,))
    model = models.Model(x, Scale(3.0, name="mine")(x))
    model.save(tmp_path / "scale.keras")
    again = models.load_model(tmp_path / "scale.keras", custom_objects={"Scale": Scale})
    assert again.get_layer("mine").factor == 3.0
    with pytest.raises(FormatError, match="a class of your own must be registered"):
        models.load_model(tmp_path / "scale.keras")
    with pytest.raises(TypeError, match="`factor` of Scale cannot be saved.*define `get_config`"):
        Scale(object()).get_config()
    with pytest.raises(ValueError, match="Net.*defines `call`.*\\.keras"):
        Net().save(tmp_path / "net.h5")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_go_on_like_the_original(copied):
    model = fitted(Net())
    other = copied(model)
    for each in (model, other):
        each.fit(X, Y, verbose=0, shuffle=False)
    np.testing.assert_array_equal(model.predict(X, verbose=0), other.predict(X, verbose=0))


def test_training_that_is_resumed(tmp_path):
    def run(model, epochs):
        model.compile(optimizers.Adam(0.01), "mse")
        backup = callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[backup])
        return model.predict(X, verbose=0)

    model = Net()
    model.build((None, 8, 8, 3))
    first = copy.deepcopy(model)
    run(model, 2)
    resumed = run(first, 4)
    assert np.isfinite(resumed).all()


# ------------------------------------------------------------------------------------- refusals


def layer_of(function):
    class Mine(layers.Layer):
        call = function

        def build(self, input_shape):
            self.w = self.add_weight(name="w", shape=input_shape[-1:], initializer="ones")

    return Mine(name="mine")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda self, x: x if ops.sum(x) > 0 else -x, TypeError, "neither true nor false.*where"),
        (lambda self, x: x * self.w.numpy(), TypeError, "mine/w cannot be read in a `call`"),
        (lambda self, x: np.sum(self.w) * x, TypeError, "mine/w cannot be read in a `call`"),
        (lambda self, x: self.w.assign_add(1), TypeError, "mine/w cannot be (read|assigned) in"),
        (lambda self, x: np.exp(x), TypeError, "holds no numbers|not supported|ufunc"),
        (lambda self, x: None, TypeError, "'mine': `call` must return a tensor"),
        (lambda self, x: [x, 3], TypeError, "must return tensors .* received int"),
        (
            lambda self, x, training=None: x[:, :2] if training else x,
            ValueError,
            "must be alike in tr",
        ),
        (lambda self: 3, TypeError, "too many positional|must have an input"),
    ],
)
def test_a_call_that_cannot_be_traced(call, error, message):
    with pytest.raises(error, match=message):
        layer_of(call)(layers.Input((4,)))


def test_a_tensor_from_outside_of_the_call():
    outside = layers.Input((4,), name="outside")
    layer = layer_of(lambda self, x: x + outside)
    with pytest.raises(ValueError, match="depend on the input 'outside'"):
        layer(layers.Input((4,)))


def test_classes_and_calls_that_are_refused():
    with pytest.raises(TypeError, match="class Chain defines `call`.* in an attribute"):

        class Chain(models.Sequential):
            def call(self, x):
                return x

    x = layers.Input((4,))
    with pytest.raises(TypeError, match="class Net defines `call`, so it must not be made of"):
        Net.__mro__[1].__init__(Net.__new__(Net), x, x)
    with pytest.raises(TypeError, match="Model\\(\\) must be given inputs and outputs, or"):
        models.Model()
    with pytest.raises(RuntimeError, match="add_loss\\(\\) must be called in the `call`"):
        layer_of(lambda self, x: x).add_loss(1.0)
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'scale'"):
        layer_of(lambda self, x: x)(x, scale=2)
    model = Net()
    with pytest.raises(ValueError, match="before it is built|has no weights to save"):
        model.save_weights("never.weights.h5")


# ---------------------------------------------------------------------------- losses and metrics


@saving.register_keras_serializable("tests")
class OwnHuber(losses.Loss):
    def __init__(self, delta=1.0, **options):
        super().__init__(**options)
        self.delta = delta

    def call(self, y_true, y_pred):
        error = ops.abs(y_true - y_pred)
        inside = error <= self.delta
        return ops.mean(
            ops.where(inside, error**2 / 2, self.delta * (error - self.delta / 2)), axis=-1
        )

    def get_config(self):
        return super().get_config() | {"delta": self.delta}


def own_huber(y_true, y_pred):
    return OwnHuber().call(y_true, y_pred)


@saving.register_keras_serializable("tests")
class OwnError(metrics.Metric):
    def __init__(self, name="own_error", **options):
        super().__init__(name=name, **options)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(ops.sum(ops.abs(y_true - y_pred)))
        self.count.assign_add(ops.size(y_true))

    def result(self):
        return self.total / self.count


def regression(loss, given=(), weights=None):
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    model.set_weights([np.linspace(-1, 1, 6).reshape(3, 2), np.zeros(2)])
    model.compile(optimizers.SGD(0.1), loss, metrics=list(given))
    history = model.fit(
        X[:, 0, 0], 3 * Y, epochs=3, batch_size=4, verbose=0, shuffle=False, sample_weight=weights
    )
    return model, history.history


@pytest.mark.parametrize("weights", [None, np.arange(6.0)], ids=["alike", "weighted"])
@pytest.mark.parametrize(
    ("own", "built_in"),
    [
        (OwnHuber(), losses.Huber()),
        (own_huber, losses.Huber()),
        (OwnHuber(0.5, reduction="sum"), losses.Huber(0.5, reduction="sum")),
        (lambda y_true, y_pred: losses.huber(y_true, y_pred), losses.Huber()),
    ],
    ids=["class", "function", "sum", "of_fastconv"],
)
def test_an_own_loss_trains_like_the_compiled_one(own, built_in, weights):
    if getattr(own, "__name__", "") == "<lambda>":
        own.__name__ = "named"
    model, mine = regression(own, weights=weights)
    other, expected = regression(built_in, weights=weights)
    np.testing.assert_allclose(mine["loss"], expected["loss"], rtol=1e-5)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_own_losses_on_arrays():
    y_pred = X[:, 0, 0, :2]
    for reduction in ("sum_over_batch_size", "sum", "none"):
        mine = OwnHuber(reduction=reduction)(Y, y_pred, sample_weight=np.arange(6.0))
        other = losses.Huber(reduction=reduction)(Y, y_pred, sample_weight=np.arange(6.0))
        np.testing.assert_allclose(mine, other, rtol=1e-5)


def test_own_losses_of_other_shapes():
    """One number per batch, labels of another rank, and values of all positions."""

    def total(y_true, y_pred):
        return ops.sum(ops.square(y_pred - y_true)) / 12

    def by_class(y_true, y_pred):
        return -ops.sum(ops.one_hot(ops.cast(y_true, "int32"), 2) * ops.log_softmax(y_pred), -1)

    model, _ = regression(total)
    expected = np.sum((model.predict(X[:, 0, 0], verbose=0) - 3 * Y) ** 2) / 12
    loss = model.evaluate(X[:, 0, 0], 3 * Y, verbose=0, batch_size=6)
    assert loss == pytest.approx(expected, rel=1e-5)
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    labels = np.array([0, 1, 1, 0, 1, 0])
    model.compile("sgd", by_class)
    mine = model.evaluate(X[:, 0, 0], labels, verbose=0)
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    assert mine == pytest.approx(model.evaluate(X[:, 0, 0], labels, verbose=0), rel=1e-5)


def test_files_name_own_losses_and_metrics(tmp_path):
    model, _ = regression(OwnHuber(0.5), [OwnError()])
    model.save(tmp_path / "own.keras")
    again = models.load_model(tmp_path / "own.keras")
    data = X[:, 0, 0], 3 * Y
    assert again.evaluate(*data, verbose=0) == model.evaluate(*data, verbose=0)


def test_an_own_metric_gathers_over_an_epoch():
    _, history = regression("mse", [OwnError(), "mae"])
    np.testing.assert_allclose(history["own_error"], history["mae"], rtol=1e-5)
    metric = OwnError()
    state = metric.state()
    metric.update_state(Y, Y + 1)
    assert metric.result() == pytest.approx(1.0)
    assert [variable.name for variable in metric.variables] == ["total", "count"]
    saved = metric.state()
    metric.reset_state()
    np.testing.assert_array_equal(metric.count.numpy(), 0)
    metric.restore(saved)
    assert metric.result() == pytest.approx(1.0)
    metric.restore(state)
    with pytest.raises(ValueError, match="values_of_variables"):
        metric.restore({"values_of_variables": [np.zeros(())]})


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (lambda t, p: np.mean((t - p) ** 2), TypeError, "holds no numbers|must return|ufunc"),
        (lambda t, p: ops.sum(p) if ops.sum(p) > 0 else p, TypeError, "neither true nor false"),
        (lambda t, p: 3.0, TypeError, "`call` of the loss 'mine' must return"),
        (lambda t, p: layers.Dense(2)(p), TypeError, "'mine' must not compute with weights"),
    ],
)
def test_losses_that_cannot_be_traced(loss, error, message):
    loss.__name__ = "mine"
    with pytest.raises(error, match=message):
        regression(loss)


def test_a_layer_that_is_built_by_its_own_word_leaves_build_out():
    class Lazy(layers.Layer):
        def __init__(self, built):
            super().__init__()
            self.builds, self.built = 0, built

        def build(self, input_shape):
            self.builds += 1
            self.built = True  # as Keras's layers do

        def call(self, x):
            return x * 2.0

    for built in (False, True):
        layer = Lazy(built)
        np.testing.assert_array_equal(layer(np.ones((2, 3))), np.full((2, 3), 2.0))
        layer(np.ones((4, 3)))
        assert (layer.builds, layer.built) == (1 - built, True)
        with pytest.raises(AttributeError, match="`built` must stay True"):
            layer.built = False


def test_a_model_may_say_that_it_is_built():
    class Net(models.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)
            self.built = True

        def call(self, x):
            return self.dense(x)

    model = Net()
    assert not model.built  # its shapes are not known
    assert model.predict(np.ones((3, 4)), verbose=0).shape == (3, 2)
    assert model.built


def test_tensors_and_numbers_may_change_places():
    class Line(layers.Layer):
        def call(self, x, slope, offset):
            return x * slope + offset

    x, y = np.full((2, 3), 5.0, np.float32), np.full((2, 3), 7.0, np.float32)
    line = Line()
    np.testing.assert_array_equal(line(x, slope=1, offset=y), x + y)
    np.testing.assert_array_equal(line(x, slope=y, offset=1), x * y + 1)
    a, b = layers.Input((3,)), layers.Input((3,))
    model = models.Model([a, b], [line(a, slope=1, offset=b), line(a, slope=b, offset=1)])
    for found, expected in zip(model([x, y]), [x + y, x * y + 1], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_losses_are_added_in_call_alone_also_after_an_error():
    class Wrong(layers.Layer):
        def call(self, x):
            raise ZeroDivisionError

    layer = Wrong()
    with pytest.raises(ZeroDivisionError):
        layer(layers.Input((3,)))
    with pytest.raises(RuntimeError, match="add_loss\\(\\) must be called in the `call`"):
        layer.add_loss(layers.Input((3,)))


@saving.register_keras_serializable("tests")
class Nested(models.Model):
    """Layers in lists of lists, and a list that contains itself."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.blocks = [[layers.Dense(3), (layers.Dense(3),)], {"last": [[layers.Dense(2)]]}]
        self.blocks.append(self.blocks)

    def call(self, x):
        (first, (second,)), last = self.blocks[:2]
        return last["last"][0][0](second(first(x)))


def test_layers_in_lists_of_lists_belong_to_the_model(tmp_path):
    model = Nested()
    x = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    expected = model(x)
    assert [len(part) for part in (model.layers, model.trainable_weights)] == [3, 6]
    model.save(tmp_path / "nested.keras")
    np.testing.assert_array_equal(models.load_model(tmp_path / "nested.keras")(x), expected)
    with zipfile.ZipFile(tmp_path / "nested.keras") as archive:
        weights = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    assert sorted(weights["blocks"]) == ["container", "container_1"]  # as Keras calls them
    assert sorted(weights["blocks/container"]) == ["container", "dense"]


def test_models_are_saved_before_they_are_built(tmp_path):
    model = Nested()
    model.save(tmp_path / "nested.keras")
    assert not models.load_model(tmp_path / "nested.keras").built
    with pytest.raises(ValueError, match="has no shapes and weights before it is built"):
        model.input_shape  # noqa: B018


def test_layers_without_call_hold_weights():
    class Store(layers.Layer):
        pass

    store = Store()
    assert store.add_weight("scale", (2,)).shape == (2,)
    with pytest.raises(NotImplementedError, match="Store must define `call`"):
        Store()(np.ones((1, 2)))

    class Scaled(Store):
        def call(self, x):
            return x * 2.0

    np.testing.assert_array_equal(Scaled()(np.ones((1, 2))), [[2, 2]])


def test_composite_functions_train_the_weights_that_they_are_given():
    class Scale(layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight("scale", input_shape[-1:], "ones")

        def call(self, x):
            return ops.rms_normalization(x, self.scale)

    model = models.Sequential([layers.Input((3,)), Scale()])
    model.compile(optimizers.SGD(1.0), "mse")
    model.fit(np.eye(3), np.zeros((3, 3)), verbose=0)
    assert (model.get_weights()[0] < 1).all()


def test_compute_loss_need_not_take_training():
    class Own(models.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return ops.mean(ops.square(y - y_pred))

    x = layers.Input((2,))
    model = Own(x, layers.Dense(1)(x))
    for loss in ({}, {"loss": "mse"}):
        model.compile("sgd", **loss)
        assert model.evaluate(np.ones((2, 2)), np.zeros((2, 1)), verbose=0) >= 0


@pytest.mark.parametrize("several", [tuple, list, collections.namedtuple("Pair", "a b")._make])
def test_outputs_have_the_form_that_the_model_was_given(several):
    x = layers.Input((2,))
    outputs = several([layers.Dense(1)(x), layers.Dense(1)(x)])
    model = models.Model(x, outputs)
    for result in (model(np.ones((1, 2))), model.predict(np.ones((1, 2)), verbose=0)):
        assert type(result) is type(outputs) and len(result) == 2

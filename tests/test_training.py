"""fit, evaluate and predict: data, epochs, validation, and what they hand back."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from fastconv import callbacks, layers, losses, models, optimizers
from fastconv.utils import set_random_seed
from tests.support.linear_model import LABELS, X, Y, assert_same_weights, fit, linear

RNG = np.random.default_rng(8)


@pytest.fixture(autouse=True)
def seeded():
    set_random_seed(4)


class Recorder(callbacks.Callback):
    """Writes down which hooks are called, with the number of the epoch or batch."""

    def __init__(self):
        super().__init__()
        self.calls = []


for _hook in (f"on_{e}_{w}" for e in ("train", "test", "predict") for w in ("begin", "end")):
    setattr(Recorder, _hook, lambda self, logs=None, name=_hook: self.calls.append(name))
for _hook in (
    f"on_{e}_{w}"
    for e in ("epoch", "train_batch", "test_batch", "predict_batch")
    for w in ("begin", "end")
):
    setattr(Recorder, _hook, lambda self, i, logs=None, name=_hook: self.calls.append((name, i)))


# -------------------------------------------------------------------------------------------- data


def test_a_network_learns():
    x = RNG.random((600, 8, 8, 1)).astype(np.float32)
    labels = (x[:, :, :4].sum(axis=(1, 2, 3)) > x[:, :, 4:].sum(axis=(1, 2, 3))).astype(int)
    model = models.Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(2, activation="softmax"),
    ])  # fmt: skip
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, labels, epochs=40, batch_size=50, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert model.evaluate(x, labels, verbose=0)[1] > 0.9


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8])
def test_other_dtypes_are_cast_batch_by_batch(dtype):
    x = np.abs(X * 3).astype(dtype)  # what a negative number becomes in uint8 depends on the CPU
    expected, _ = fit(x.astype(np.float32), shuffle=True)
    set_random_seed(4)
    actual, _ = fit(x, shuffle=True)
    assert_same_weights(actual, expected)
    np.testing.assert_array_equal(
        actual.predict(x, verbose=0), expected.predict(x.astype(np.float32), verbose=0)
    )


def test_layouts_of_memory_do_not_matter(tmp_path):
    expected, _ = fit(shuffle=True)
    np.save(tmp_path / "x.npy", X)
    for x in (
        np.asfortranarray(X),
        X[::-1].copy()[::-1],
        np.repeat(X, 2, axis=1)[:, ::2],
        X.astype(">f4"),
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        X.tolist(),
    ):
        set_random_seed(4)
        actual, _ = fit(x, shuffle=True)
        assert_same_weights(actual, expected)


def test_a_last_axis_of_one_is_added_or_dropped():
    model = models.Sequential([layers.Input((4, 4, 1)), layers.Flatten()])
    x = RNG.random((3, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x.reshape(3, 16))
    flat = models.Sequential([layers.Input((16,)), layers.ReLU()])
    np.testing.assert_array_equal(flat.predict(x.reshape(3, 16, 1), verbose=0), x.reshape(3, 16))


def test_every_epoch_has_a_new_order_of_all_samples():
    x = np.arange(10, dtype=np.float32)[:, None]
    model = models.Sequential([layers.Input((1,)), layers.Dense(1)])
    model.set_weights([[[1.0]], [0.0]])
    model.compile(optimizers.SGD(0.0), "mse")
    seen = []

    def remember(batch, logs):
        with model._plan(4 if batch < 2 else 2, "train", False, model._trained_parts()) as plan:
            seen.extend(plan.outputs[0][:, 0].tolist())

    model.fit(x, x, batch_size=4, epochs=3, verbose=0,
              callbacks=callbacks.LambdaCallback(on_train_batch_end=remember))  # fmt: skip
    epochs = [seen[i : i + 10] for i in (0, 10, 20)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(10))
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != list(range(10))


def test_batches_of_arrays_and_of_iterables_are_the_same_training():
    expected, history = fit(epochs=2)
    batches = [(X[i : i + 6], Y[i : i + 6]) for i in range(0, 20, 6)]

    class Indexed:
        ended = 0

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return batches[index]

        def on_epoch_end(self):
            self.ended += 1

    class Iterable:
        def __iter__(self):
            return iter(batches)

    indexed = Indexed()
    for x, arguments in {
        indexed: {},
        Iterable(): {},
        (batch for batch in batches * 2): {"steps_per_epoch": 4},
    }.items():
        actual, other = fit(x, None, epochs=2, batch_size=None, **arguments)
        assert_same_weights(actual, expected)
        assert other["loss"] == pytest.approx(history["loss"])
    assert indexed.ended == 2


def test_weighted_batches_from_a_generator():
    weight = np.linspace(0, 2, 20).astype(np.float32)
    expected, history = fit(sample_weight=weight)
    generator = ((X[i : i + 6], Y[i : i + 6], weight[i : i + 6]) for i in range(0, 20, 6))
    actual, other = fit(generator, None, batch_size=None)
    assert_same_weights(actual, expected)
    assert other["loss"] == pytest.approx(history["loss"])


def test_a_generator_that_ends_early_gives_a_warning_and_a_valid_history():
    generator = ((X[:6], Y[:6]) for _ in range(5))
    with pytest.warns(UserWarning, match="data ran out: 2 of 3 batches in this epoch"):
        model, history = fit(generator, None, batch_size=None, steps_per_epoch=3, epochs=4)
    assert len(history["loss"]) == 2
    assert model.optimizer.iterations == 5
    generator = ((X[:6], Y[:6]) for _ in range(2))
    with pytest.warns(UserWarning, match="data ran out: no batches in this epoch"):
        model, history = fit(generator, None, batch_size=None, epochs=3)
    assert len(history["loss"]) == 1
    assert model.history.epoch == [0]


def test_steps_per_epoch_goes_on_where_the_last_epoch_stopped():
    """Five epochs of two steps are two and a half passes of four batches."""
    model, history = fit(steps_per_epoch=2, epochs=5)
    assert model.optimizer.iterations == 10
    assert len(history["loss"]) == 5
    whole, expected = fit(epochs=2)
    model, history = fit(steps_per_epoch=2, epochs=4)
    assert_same_weights(model, whole)
    weighted = (history["loss"][0] * 12 + history["loss"][1] * 8) / 20
    assert weighted == pytest.approx(expected["loss"][0])
    model, _ = fit(steps_per_epoch=10, batch_size=None)
    assert model.optimizer.iterations == 10  # batches of 2


def test_class_weight_equals_sample_weight():
    weights = {0: 2.0, 2: 0.5}
    sample_weight = np.array([weights.get(label, 1.0) for label in LABELS])
    expected, _ = fit(sample_weight=sample_weight)
    actual, _ = fit(class_weight=weights)
    assert_same_weights(actual, expected)
    for y in (LABELS, LABELS[:, None]):
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        expected, _ = fit(y=y, model=linear(loss), sample_weight=sample_weight)
        actual, _ = fit(y=y, model=linear(loss), class_weight=weights)
        assert_same_weights(actual, expected)


def test_class_weight_rounds_labels_of_one_output():
    """An output of one number has the classes 0 and 1 and whatever else is in `y`, as in Keras."""
    y = np.array([0.1, 0.9, 3.0, 2.4] * 5)
    model = models.Sequential([layers.Input((5,)), layers.Dense(1)])
    weights = model.get_weights()
    results = []
    for weighting in (
        {"sample_weight": [2.0, 0.5, 3.0, 1.0] * 5},
        {"class_weight": {0: 2.0, 1: 0.5, 3: 3.0}},
        {"class_weight": {np.int64(0): 2.0, 1.0: 0.5, np.float32(3): np.float64(3.0)}},
    ):
        model.compile("sgd", "mse")
        model.set_weights(weights)
        results.append(fit(y=y, model=model, **weighting)[0].get_weights())
    for other in results[1:]:
        np.testing.assert_array_equal(results[0][0], other[0])
        np.testing.assert_array_equal(results[0][1], other[1])
    with pytest.raises(ValueError, match=r"the classes 0 and 1 and the labels in `y`.*\[5\]"):
        fit(y=y, model=model, class_weight={5: 1.0})


# ----------------------------------------------------------------------------------- early endings


def endless():
    while True:
        yield X[:5], Y[:5]


class _StopAfter(callbacks.Callback):
    """Sets an attribute of the model after a number of batches of one kind."""

    def __init__(self, attribute, hook, count):
        super().__init__()
        self.attribute, self.count, self.seen = attribute, count, 0
        setattr(self, hook, self._batch)

    def _batch(self, batch, logs=None):
        self.seen += 1
        if self.seen == self.count:
            setattr(self.model, self.attribute, True)


@pytest.mark.parametrize("data", [X, lambda: (x for x, _ in endless())])
def test_stop_predicting_ends_predict_after_the_batch(data):
    model, stop = linear(), _StopAfter("stop_predicting", "on_predict_batch_end", 3)
    size = 5 if isinstance(data, np.ndarray) else None
    x = data if size else data()
    result = model.predict(x, batch_size=size, verbose=0, callbacks=[stop])
    assert stop.seen == 3
    assert result.shape == (15, 3)
    np.testing.assert_array_equal(result[:5], model.predict(X[:5], verbose=0))
    assert len(model.predict(X, verbose=0)) == len(X)  # the wish holds for one run


def test_stop_evaluating_ends_evaluate_after_the_batch():
    model, stop = linear(), _StopAfter("stop_evaluating", "on_test_batch_end", 3)
    loss = model.evaluate(endless(), verbose=0, callbacks=[stop])
    assert stop.seen == 3
    assert loss == pytest.approx(model.evaluate(X[:5], Y[:5], verbose=0))


def test_stop_evaluating_ends_the_validation_of_an_epoch():
    model, stop = linear(), _StopAfter("stop_evaluating", "on_test_batch_end", 2)
    history = model.fit(
        X, Y, epochs=2, verbose=0, validation_data=endless(), validation_steps=3, callbacks=[stop]
    ).history
    assert stop.seen == 2 + 3  # the second epoch validates in full
    assert len(history["val_loss"]) == 2


# -------------------------------------------------------------------------------------- validation


def test_validation_split_takes_the_last_part_before_shuffling():
    model, history = fit(validation_split=0.25, epochs=2, shuffle=True)
    assert list(history) == ["loss", "val_loss"]
    set_random_seed(4)
    expected, other = fit(X[:15], Y[:15], validation_data=(X[15:], Y[15:]), epochs=2, shuffle=True)
    assert_same_weights(model, expected)
    assert history == other
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(X[15:], Y[15:], verbose=0))


def test_validation_is_weighted_by_its_own_weights_only():
    weight = np.linspace(0, 2, 20)
    model, history = fit(
        class_weight={0: 9.0}, validation_data=(X, Y, weight), validation_batch_size=3
    )
    assert history["val_loss"][0] == pytest.approx(
        model.evaluate(X, Y, sample_weight=weight, verbose=0)
    )


@pytest.mark.parametrize(("frequency", "count"), [(1, 5), (2, 2), ([1, 5], 2), (7, 0)])
def test_validation_runs_at_the_epochs_of_its_frequency(frequency, count):
    _, history = fit(validation_data=(X, Y), validation_freq=frequency, epochs=5)
    assert len(history.get("val_loss", [])) == count
    assert len(history["loss"]) == 5


def test_validation_steps_and_generators():
    _, history = fit(validation_data=(X, Y), validation_steps=1, validation_batch_size=5)
    model, _ = fit()
    assert history["val_loss"][0] == pytest.approx(model.evaluate(X[:5], Y[:5], verbose=0))
    generator = ((X[i : i + 10], Y[i : i + 10]) for i in (0, 10, 0, 10))
    model, history = fit(validation_data=generator, validation_steps=2, epochs=2)
    assert history["val_loss"][1] == pytest.approx(model.evaluate(X, Y, verbose=0))


# ---------------------------------------------------------------------------------------- history


def test_history_and_logs():
    model = linear(metrics=["accuracy"])
    history = model.fit(X, Y, epochs=5, initial_epoch=2, verbose=0, validation_data=(X, Y))
    assert history is model.history
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.epoch == [2, 3, 4]
    assert history.params == {"verbose": 0, "epochs": 5, "steps": 1}
    assert model.metrics_names == ["loss", "accuracy"]
    assert [metric.name for metric in model.metrics] == ["loss", "accuracy"]
    mine = callbacks.History()
    assert model.fit(X, Y, verbose=0, callbacks=[mine]) is mine


def test_names_of_metrics_before_there_is_data():
    """They are those of afterwards; the shapes of the labels only choose the accuracy."""
    for make in (lambda: linear(metrics=["accuracy", "mae"]), unbuilt):
        model = make()
        before = model.metrics_names
        assert model.metrics == []
        model.evaluate(X, Y, verbose=0)
        assert model.metrics_names == before == ["loss", "accuracy", "mae"]
    x = layers.Input((5,))
    a, b = layers.Dense(1, name="a")(x), layers.Dense(1, name="b")(x)
    model = models.Model(x, {"b": b, "a": a})
    assert model.metrics_names == []
    model.compile("sgd", "mse", metrics={"b": ["mae"]})
    assert model.metrics_names == ["loss", "a_loss", "b_loss", "b_mae"]
    model.compile("sgd")
    assert model.metrics_names == []


def unbuilt():
    model = models.Sequential([layers.Dense(3)])
    model.compile("sgd", {model.layers[0].name: "mse"}, metrics=["accuracy", "mae"])
    return model


def test_loss_is_the_mean_over_samples_and_not_over_batches():
    model = linear(optimizer=optimizers.SGD(0.0))
    whole = model.evaluate(X, Y, batch_size=20, verbose=0)
    for batch_size in (1, 7, 32):
        assert model.evaluate(X, Y, batch_size=batch_size, verbose=0) == pytest.approx(whole)
        history = model.fit(X, Y, batch_size=batch_size, verbose=0).history
        assert history["loss"][0] == pytest.approx(whole)


def test_what_evaluate_returns():
    assert isinstance(linear().evaluate(X, Y, verbose=0), float)
    model = linear(metrics=["acc"])
    loss, accuracy = model.evaluate(X, Y, verbose=0)
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert logs == {"acc": accuracy, "loss": loss}
    assert model.evaluate(X, Y, steps=1, batch_size=5, verbose=0) == model.evaluate(
        X[:5], Y[:5], batch_size=5, verbose=0
    )


def test_predict_on_arrays_generators_and_nothing():
    model = linear()
    whole = model.predict(X, verbose=0)
    assert whole.dtype == np.float32
    batches = [X[i : i + 6] for i in range(0, 20, 6)]
    np.testing.assert_array_equal(model.predict((b for b in batches), verbose=0), whole)
    pairs = ((b, None) for b in batches)
    np.testing.assert_array_equal(model.predict(pairs, verbose=0, steps=2), whole[:12])
    np.testing.assert_array_equal(model.predict(X, 5, verbose=0, steps=2), whole[:10])
    assert model.predict(X[:0], verbose=0).shape == (0, 3)


def test_order_of_hooks():
    recorder = Recorder()
    fit(X[:4], Y[:4], batch_size=2, callbacks=recorder, validation_data=(X[:2], Y[:2]))
    assert recorder.calls == [
        "on_train_begin", ("on_epoch_begin", 0),
        ("on_train_batch_begin", 0), ("on_train_batch_end", 0),
        ("on_train_batch_begin", 1), ("on_train_batch_end", 1),
        "on_test_begin", ("on_test_batch_begin", 0), ("on_test_batch_end", 0), "on_test_end",
        ("on_epoch_end", 0), "on_train_end",
    ]  # fmt: skip
    recorder.calls.clear()
    linear().evaluate(X[:2], Y[:2], verbose=0, callbacks=[recorder])
    assert recorder.calls == [
        "on_test_begin", ("on_test_batch_begin", 0), ("on_test_batch_end", 0), "on_test_end",
    ]  # fmt: skip
    recorder.calls.clear()
    linear().predict(X[:2], verbose=0, callbacks=[recorder])
    assert recorder.calls == [
        "on_predict_begin", ("on_predict_batch_begin", 0), ("on_predict_batch_end", 0),
        "on_predict_end",
    ]  # fmt: skip


def test_evaluate_and_predict_inside_of_fit():
    model = linear()
    seen = []
    check = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(
            (model.evaluate(X, Y, verbose=0), model.predict(X, verbose=0).shape)
        )
    )
    _, history = fit(model=model, callbacks=check, epochs=2, validation_data=(X, Y))
    assert [loss for loss, _ in seen] == pytest.approx(history["val_loss"])


def test_a_step_refused_inside_of_fit_changes_nothing():
    """The refused step leaves loss and metrics of the epoch as they are."""
    _, alone = fit(model=linear(metrics=["mae"]), epochs=2)

    class Steps(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            with pytest.raises(RuntimeError, match="one step at a time"):
                self.model.train_on_batch(X[:3], Y[:3])

    _, history = fit(model=linear(metrics=["mae"]), epochs=2, callbacks=Steps())
    assert history == alone


def test_every_validation_calls_both_of_its_hooks():
    """Also one for which the iterator has no batches left."""
    called = []
    hooks = callbacks.LambdaCallback(
        on_test_begin=lambda logs: called.append("begin"),
        on_test_end=lambda logs: called.append("end"),
    )
    with pytest.warns(UserWarning, match="the data ran out"):
        _, history = fit(epochs=2, validation_data=iter([(X, Y)]), callbacks=hooks)
    assert called == ["begin", "end"] * 2
    assert len(history["loss"]) == 2
    assert len(history["val_loss"]) == 1


def test_the_lectures_callback_listing():
    """One target per sample against ten outputs, batches of one, and an early stop."""
    stop = callbacks.EarlyStopping(monitor="loss", patience=3)
    model = models.Sequential([layers.Dense(10)])
    model.compile(optimizers.SGD(), loss="mse")
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        history = model.fit(np.arange(100).reshape(5, 20), np.zeros(5),
                            epochs=10, batch_size=1, callbacks=[stop], verbose=0)  # fmt: skip
    assert 4 <= len(history.history["loss"]) <= 10


def test_single_batches_do_what_fit_and_evaluate_do():
    fitted, history = fit(batch_size=20)
    stepped = linear()
    assert stepped.train_on_batch(X, Y, return_dict=True) == {"loss": history["loss"][0]}
    assert_same_weights(fitted, stepped)
    assert stepped.test_on_batch(X, Y) == fitted.evaluate(X, Y, batch_size=20, verbose=0)
    np.testing.assert_array_equal(
        stepped.predict_on_batch(X), fitted.predict(X, batch_size=20, verbose=0)
    )
    assert stepped.predict_on_batch(X[:0]).shape == (0, 3)
    with pytest.raises(ValueError, match=r"`x` must have shape \(None, 5\), received \(20, 4\)"):
        stepped.predict_on_batch(X[:, :4])
    with pytest.raises(ValueError, match="at least one sample"):
        stepped.train_on_batch(X[:0], Y[:0])


def test_values_of_single_batches_are_those_of_the_batch():
    """As in Keras 3.15; with a learning rate of 0 nothing else changes from call to call."""
    model = linear(optimizer=optimizers.SGD(0.0), metrics=["accuracy"])
    other = linear(metrics=["accuracy"])
    for rows in (slice(0, 5), slice(5, 20), slice(0, 5)):
        expected = other.evaluate(X[rows], Y[rows], batch_size=20, verbose=0)
        assert model.train_on_batch(X[rows], Y[rows]) == expected
        assert model.test_on_batch(X[rows], Y[rows]) == expected
        assert [metric.result() for metric in model.metrics] == expected
    model.reset_metrics()
    assert [metric.result() for metric in model.metrics] == [0.0, 0.0]


# -------------------------------------------------------------------------------- the end of data

# (steps, batches): the batches of four epochs, as Keras 3.15 counts them.
EPOCHS = {
    (7, 5): [range(5)] * 4,
    (5, 5): [range(5)] * 4,
    (3, 5): [range(3), range(3, 5), range(3), range(3, 5)],
    (2, 5): [range(2), range(2, 4), range(4, 5), range(2)],
    (3, 6): [range(3), range(3, 6), range(3), range(3, 6)],
}


class Pairs:
    """Batches of one sample each, whose loss under a network of zeros is their number squared."""

    def __init__(self, count):
        self.x, self.y = np.ones((count, 1)), np.arange(count, dtype=np.float64)[:, None]

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(index)
        return self.x[index : index + 1], self.y[index : index + 1]


class Again:
    """The same batches, without a known number."""

    def __init__(self, count):
        self._pairs = Pairs(count)

    def __iter__(self):
        return (self._pairs[index] for index in range(len(self._pairs)))


def zeros():
    model = models.Sequential([layers.Input((1,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile(optimizers.SGD(0.0), "mse")
    return model


def mean_of_squares(batches):
    return pytest.approx(np.mean(np.square(list(batches))))


@pytest.mark.parametrize("source", ["arrays", "indexed", "iterable"])
@pytest.mark.parametrize(("steps", "count"), EPOCHS)
def test_an_epoch_ends_where_the_data_does(source, steps, count):
    pairs = Pairs(count)
    data = {
        "arrays": {"x": pairs.x, "y": pairs.y, "batch_size": 1},
        "indexed": {"x": pairs},
        "iterable": {"x": Again(count)},
    }[source]
    expected = EPOCHS[steps, count]
    short = [epoch for epoch in expected if len(epoch) < steps]
    recorder = Recorder()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = zeros().fit(**data, steps_per_epoch=steps, epochs=4, shuffle=False, verbose=0,
                              callbacks=recorder)  # fmt: skip
    begun = [call[1] for call in recorder.calls if call[0] == "on_train_batch_begin"]
    assert begun == [step for epoch in expected for step in range(len(epoch))]
    assert history.history["loss"] == [mean_of_squares(epoch) for epoch in expected]
    assert [str(warning.message) for warning in caught] == [
        f"the data ran out: {len(epoch)} of {steps} batches in this epoch; lower "
        "`steps_per_epoch`, or give data that repeats itself"
        for epoch in short
    ]


@pytest.mark.parametrize("source", ["arrays", "indexed", "iterable"])
def test_every_validation_begins_with_the_first_batch(source):
    pairs = Pairs(5)
    data = {"arrays": (pairs.x, pairs.y), "indexed": pairs, "iterable": Again(5)}[source]
    history = zeros().fit(pairs.x, pairs.y, epochs=3, verbose=0, validation_data=data,
                          validation_steps=2, validation_batch_size=1)  # fmt: skip
    assert history.history["val_loss"] == [mean_of_squares(range(2))] * 3
    with pytest.warns(UserWarning, match="5 of 9 batches in this epoch; lower `validation_steps`"):
        history = zeros().fit(pairs.x, pairs.y, epochs=2, verbose=0, validation_data=data,
                              validation_steps=9, validation_batch_size=1)  # fmt: skip
    assert history.history["val_loss"] == [mean_of_squares(range(5))] * 2


def test_evaluate_and_predict_end_where_the_data_does():
    pairs, model = Pairs(5), zeros()
    for x, y in ((pairs.x, pairs.y), (pairs, None), (Again(5), None)):
        size = None if y is None else 1
        with pytest.warns(UserWarning, match="5 of 7 batches in this epoch; lower `steps`"):
            loss = model.evaluate(x, y, batch_size=size, steps=7, verbose=0)
        assert loss == mean_of_squares(range(5))
        with pytest.warns(UserWarning, match="5 of 7 batches in this epoch; lower `steps`"):
            assert model.predict(x, batch_size=size, steps=7, verbose=0).shape == (5, 1)
        assert model.evaluate(x, y, batch_size=size, steps=2, verbose=0) == mean_of_squares([0, 1])

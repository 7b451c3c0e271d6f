"""What a model gives out belongs to the caller: later training does not change it, and writing into
it does not change the model."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import callbacks, inspect, layers, metrics, models, optimizers

X = np.random.default_rng(0).standard_normal((24, 6, 6, 2)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 24)


def compiled(**options):
    model = models.Sequential([
        layers.Input((6, 6, 2)), layers.Conv2D(3, 3, activation="relu"),
        layers.BatchNormalization(), layers.Flatten(), layers.Dropout(0.2),
        layers.Dense(3, activation="softmax", name="out"),
    ])  # fmt: skip
    optimizer = optimizers.Adam(0.01, use_ema=True)
    options = {"metrics": ["accuracy"]} | options
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    return model


def fit(model, **options):
    return model.fit(X, Y, batch_size=8, verbose=0, **options)


def arrays_in(thing):
    """All arrays in nested lists, tuples and dicts."""
    if isinstance(thing, dict):
        thing = list(thing.values())
    if isinstance(thing, (list, tuple)):
        return [array for each in thing for array in arrays_in(each)]
    return [thing] if isinstance(thing, np.ndarray) else []


ACCESSORS = {
    "numpy": lambda model: [weight.numpy() for weight in model.weights],
    "value": lambda model: [weight.value for weight in model.weights],
    "asarray": lambda model: [np.asarray(weight) for weight in model.weights],
    "array": lambda model: [np.array(weight) for weight in model.weights],
    "float64": lambda model: [np.asarray(weight, np.float64) for weight in model.weights],
    "get_weights": lambda model: model.get_weights(),
    "weights of a layer": lambda model: model.layers[0].get_weights(),
    "optimizer": lambda model: [v.numpy() for v in model.optimizer.variables],
    "averages": lambda model: [model.optimizer.average_of(w) for w in model.trainable_weights],
    "model state": lambda model: arrays_in(model.state()),
    "optimizer state": lambda model: arrays_in(model.optimizer.state()),
    "predict": lambda model: [model.predict(X, verbose=0)],
    "predict_on_batch": lambda model: [model.predict_on_batch(X)],
    "call": lambda model: [model(X)],
    "inner": lambda model: [
        *inspect.layer_outputs(model, X).values(),
        *inspect.gradients(model, X, 1),
    ],
}


@pytest.mark.parametrize("name", ACCESSORS)
def test_training_does_not_change_what_was_given_out(name):
    model = compiled()
    fit(model)
    given = ACCESSORS[name](model)
    before = [array.copy() for array in given]
    assert given
    fit(model, epochs=2)
    model.predict(2 * X, verbose=0)
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    later = ACCESSORS[name](model)
    assert not all(np.array_equal(a, b) for a, b in zip(later, before, strict=True))


@pytest.mark.parametrize("name", ACCESSORS)
def test_writing_into_what_was_given_out_does_not_change_the_model(name):
    model = compiled()
    fit(model)
    before, state = model.predict(X, verbose=0), model.state()
    for array in ACCESSORS[name](model):
        if array.flags.writeable:
            array[...] = 7
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)
    for now, then in zip(arrays_in(model.state()), arrays_in(state), strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_weight_before_its_model_exists():
    layer = layers.Dense(2)
    layer.build((None, 3))
    first = layer.kernel.numpy()
    first[...] = 9
    assert not np.any(layer.kernel.numpy() == 9)
    with pytest.raises(ValueError, match="`copy` must be None or True, received False"):
        layer.kernel.__array__(copy=False)


def test_states_of_metrics_and_callbacks_stay_as_they_are():
    matrix = metrics.ConfusionMatrix(3)
    matrix.update_state(Y, np.eye(3)[Y])
    state, result = matrix.state(), matrix.result()
    matrix.update_state(Y, np.eye(3)[Y])
    np.testing.assert_array_equal(state["_matrix"], result)
    history = fit(compiled())
    state = history.state()
    history.history["loss"].append(0.0)
    assert len(state["history"]["loss"]) == 1


def test_a_state_is_a_way_back():
    model = compiled()
    fit(model)
    state, weights = model.state(), model.get_weights()
    fit(model)
    after = model.get_weights()
    model.restore(state)
    for array, copy in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(array, copy)
    fit(model)
    assert not np.array_equal(after[0], weights[0])


def test_what_callbacks_and_user_code_see_while_a_model_works():
    """Outputs and samples are shown, not lent: they cannot be written, so nothing is spoilt."""
    seen, measured = [], []

    class Spoil(callbacks.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            seen.append(logs["outputs"])
            with pytest.raises(ValueError, match="read-only"):
                logs["outputs"][...] = 0

    def spoiling(y_true, y_pred):
        with pytest.raises(ValueError, match="read-only"):
            y_pred[...] = 0
        measured.append(len(y_pred))
        return np.zeros(len(y_pred))

    model = compiled(metrics=[metrics.MeanMetricWrapper(spoiling)])
    fit(model)
    plain = model.predict(X, verbose=0)
    np.testing.assert_array_equal(model.predict(X, verbose=0, callbacks=[Spoil()]), plain)
    np.testing.assert_array_equal(np.concatenate(seen), plain)
    assert measured == [8, 8, 8]

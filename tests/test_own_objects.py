"""Functions and classes of the user's own, wherever a model takes them: they can be saved, and are
found again by their names; or they are refused before anything is trained."""

from __future__ import annotations

import functools
import zipfile

import numpy as np
import pytest

from fastconv import (
    FormatError,
    callbacks,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    saving,
)
from tests.golden.golden_file import HERE

X, Y = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
SUFFIXES = (".keras", ".h5")


def rmse(y_true, y_pred):
    return np.sqrt(np.square(y_true - y_pred).mean(-1))


def twos(shape, dtype=None):
    return np.full(shape, 2, dtype)


@saving.register_keras_serializable("tests")
def largest(y_true, y_pred):
    return np.abs(y_true - y_pred).max(-1)


@saving.register_keras_serializable("tests", "alike")
def named_otherwise(shape, dtype=None):
    return np.ones(shape, dtype)


class Cubic(losses.CustomLoss):
    def row_values(self, y_true, y_pred):
        return (np.abs(y_pred - y_true) ** 3).mean(axis=-1)

    def row_gradients(self, y_true, y_pred):
        difference = y_pred - y_true
        return 3 * difference * np.abs(difference) / y_pred.shape[-1]


class Count(metrics.Sum):
    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(np.ones(len(y_true)))


class Halving(optimizers.schedules.LearningRateSchedule):
    def __init__(self, start=0.5):
        self.start = start

    def __call__(self, step):
        return self.start / 2**step

    def get_config(self):
        return {"start": self.start}


class Descent(optimizers.SGD):
    pass


class Quartic(regularizers.Regularizer):
    def __call__(self, x):
        return float((x**4).sum())

    def gradient(self, x):
        return 4 * x**3


class Bounded(constraints.Constraint):
    def __call__(self, w):
        return np.clip(w, -1, 1)


class Threes(initializers.Constant):
    def __init__(self, value=3.0):
        super().__init__(value)


class Gain(layers.CustomLayer):
    def forward(self, x, training):
        return 2 * x, None

    def backward(self, dy, saved):
        return 2 * dy, []


OWN = {each.__name__: each for each in (
    rmse, twos, Cubic, Count, Halving, Descent, Quartic, Bounded, Threes, Gain
)}  # fmt: skip


def model_of_own_objects():
    model = models.Sequential([
        layers.Input((3,)),
        layers.Dense(
            2, kernel_initializer=twos, bias_initializer=Threes(), kernel_regularizer=Quartic(),
            kernel_constraint=Bounded(),
        ),
        Gain(),
        layers.Dense(2, kernel_initializer=named_otherwise, bias_initializer=np.array([1.0, 2.0])),
    ])  # fmt: skip
    model.compile(
        Descent(Halving(0.25), momentum=0.5), Cubic(), metrics=[rmse, largest, Count("n")],
        weighted_metrics=[metrics.MeanMetricWrapper(rmse, "weighted")],
    )  # fmt: skip
    return model


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_everything_of_ones_own_comes_back(tmp_path, suffix):
    model = model_of_own_objects()
    path = tmp_path / f"model{suffix}"
    history = model.fit(
        X, Y, epochs=2, verbose=0, callbacks=[callbacks.ModelCheckpoint(path)]
    ).history
    assert {"rmse", "largest", "n", "weighted"} < set(history)
    loaded = models.load_model(path, custom_objects=OWN)
    assert type(loaded.optimizer) is Descent and loaded.optimizer.learning_rate == 0.25 / 4
    assert type(loaded.layers[0].kernel_constraint) is Bounded
    expected = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert loaded.evaluate(X, Y, verbose=0, return_dict=True) == expected
    for each in (model, loaded):
        each.fit(X, Y, verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    if suffix == ".keras":  # the other one has functions by their names alone
        assert loaded.get_compile_config() == model.get_compile_config()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_error_says_how_to_load_the_model_anyway(tmp_path, suffix):
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    model.compile("sgd", "mse", metrics=[rmse])
    path = tmp_path / f"model{suffix}"
    model.save(path)
    with pytest.raises(FormatError, match=r"'rmse'; .* `custom_objects`; or .* compile=False"):
        models.load_model(path)
    assert not models.load_model(path, compile=False).compiled
    model = models.Sequential([layers.Input((3,)), layers.Dense(2, kernel_initializer=twos)])
    model.save(path)
    with pytest.raises(FormatError, match="'twos'; .* given in `custom_objects`"):
        models.load_model(path)
    loaded = models.load_model(path, custom_objects={"twos": twos})
    np.testing.assert_array_equal(loaded.get_weights()[0], np.full((3, 2), 2))


def test_clones_and_json_keep_them():
    model = model_of_own_objects()
    clone = models.clone_model(model)
    np.testing.assert_array_equal(clone.layers[0].get_weights()[0], np.full((3, 2), 2))
    assert type(clone.layers[0].kernel_regularizer) is Quartic
    again = models.model_from_json(model.to_json(), custom_objects=OWN)
    np.testing.assert_array_equal(again.layers[2].get_weights()[1], [1, 2])
    assert again.get_config() == model.get_config()


def test_registered_classes_come_back_from_every_format(tmp_path):
    @saving.register_keras_serializable("tests", "Triple")
    class Tripling(Gain):
        pass

    model = models.Sequential([layers.Input((3,)), Tripling()])
    for suffix in SUFFIXES:
        model.save(tmp_path / f"model{suffix}")
        assert type(models.load_model(tmp_path / f"model{suffix}").layers[0]) is Tripling


def test_a_class_given_to_compile_is_an_object_of_it(tmp_path):
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    model.compile(optimizers.SGD, losses.MeanAbsoluteError, metrics=[metrics.MeanSquaredError])
    for suffix in SUFFIXES:
        model.save(tmp_path / f"model{suffix}")
        loaded = models.load_model(tmp_path / f"model{suffix}")
        assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


# -------------------------------------------------------------------------- refused in compile


def other(name):
    def function(y_true, y_pred):
        return np.abs(y_true - y_pred)

    function.__name__ = name
    return function


class Configured(layers.ReLU):
    """A layer whose configuration is not plain data."""

    def get_config(self):
        return super().get_config() | {"lock": object()}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"metrics": [functools.partial(rmse)]},
            TypeError,
            "a function must have a name, by which a file knows it, received functools.partial",
        ),
    ],
)
def test_what_no_file_could_name_is_refused_in_compile(given, error, message):
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    with pytest.raises(error, match=message):
        model.compile("sgd", **({"loss": "mse"} | given))
    assert not model.compiled


@pytest.mark.parametrize(
    ("metrics", "name"),
    [([lambda t, p: t, lambda t, p: p], "<lambda>"), ([rmse, other("rmse")], "rmse")],
)
def test_functions_of_one_name_train_and_are_refused_by_files(metrics, name, tmp_path):
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    with pytest.warns(UserWarning, match=f"functions are called '{name}'.*include_optimizer=False"):
        model.compile("sgd", "mse", metrics=metrics)
    model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=f"two classes or functions are called '{name}'"):
        model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.keras", include_optimizer=False)
    loaded = models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_configuration_that_is_not_plain_is_refused_in_compile():
    model = models.Sequential([layers.Input((3,)), Configured()])
    with pytest.raises(TypeError, match="the layers of .* could not be saved .*plain data"):
        model.compile("sgd", "mse")


def test_functions_without_a_name_are_refused_by_layers():
    with pytest.raises(TypeError, match="a function must have a name"):
        layers.Dense(2, kernel_initializer=functools.partial(twos))


def test_one_lambda_has_a_name(tmp_path):
    absolute = lambda t, p: np.abs(t - p)  # noqa: E731
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    model.compile("sgd", "mse", metrics=[absolute])
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras", {"<lambda>": absolute})
    assert loaded.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


def test_a_class_of_another_kind_is_refused(tmp_path):
    model = models.Sequential([layers.Input((3,)), Gain()])
    model.save(tmp_path / "model.keras")
    with pytest.raises(FormatError, match="Count'> is not one of layers: it must be a subclass"):
        models.load_model(tmp_path / "model.keras", custom_objects={"Gain": Count})


def test_errors_in_code_of_ones_own_come_as_they_are(tmp_path):
    class Broken(layers.ReLU):
        @classmethod
        def from_config(cls, config):
            return cls(**{}[config["name"]])

    for suffix in SUFFIXES:
        path = tmp_path / f"model{suffix}"
        models.Sequential([layers.Input((3,)), Broken(name="x")]).save(path)
        with pytest.raises(KeyError, match="'x'"):
            models.load_model(path, custom_objects={"Broken": Broken})


# ------------------------------------------------------------------------------------ from Keras


@pytest.mark.parametrize("name", ["functions.keras", "functions.h5"])
def test_functions_in_files_of_keras(tmp_path, name):
    """The files also say `run_eagerly`, which is about how and not about what."""
    with zipfile.ZipFile(HERE / "functions.zip") as archive:
        archive.extract(name, tmp_path)
    own = {"rmse": rmse, "golden>largest": largest, "twos": twos}
    model = models.load_model(tmp_path / name, custom_objects=own)
    report = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert set(report) == {"loss", "rmse", "largest", "mean_squared_error", "wrapped"}
    assert report["mean_squared_error"] == pytest.approx(report["loss"], rel=1e-6)
    assert report["wrapped"] <= report["largest"]
    with pytest.raises(FormatError, match=r"'rmse'; .*`custom_objects`; or .* compile=False"):
        models.load_model(tmp_path / name, custom_objects={"twos": twos})

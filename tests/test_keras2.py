"""Whole models and weights that Keras 2 wrote: they load, predict and train on as there."""

from __future__ import annotations

import io
import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest

from fastconv import FormatError, layers, models, optimizers
from fastconv.saving import keras2
from tests.golden.golden_file import HERE, load

CASES, ARRAYS = load("keras2.npz")
BY_NAME = {case["file"]: case for case in CASES}


@pytest.fixture
def written(tmp_path):
    """A function that gives the path of a file that Keras 2 wrote."""

    def extract(name, new_name=None):
        path = tmp_path / (new_name or name)
        with zipfile.ZipFile(HERE / "keras2.zip") as archive:
            path.write_bytes(archive.read(name))
        return path

    return extract


def samples(shape, seed):
    """As in `golden/make_keras2.py`."""
    rng = np.random.default_rng(seed)
    return (np.round(rng.standard_normal((6, *shape)) * 16) / 16).astype(np.float32)


def predicted(name):
    return [ARRAYS[key] for key in ARRAYS if key.startswith(f"{name}/predicted/")]


def assert_predicts(model, name):
    found = model.predict(samples(model.input_shape[1:], BY_NAME[name]["seed"]), verbose=0)
    found = found if isinstance(found, list) else [found]
    for values, expected in zip(found, predicted(name), strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", CASES[:-1], ids=lambda case: case["file"])
@pytest.mark.parametrize("compile", [True, False])
def test_whole_models_predict_as_in_keras_2(written, case, compile):
    model = models.load_model(written(case["file"]), compile=compile)
    assert_predicts(model, case["file"])
    assert model.compiled == (compile and case["compiled"])
    if model.compiled:
        assert model.optimizer.iterations == (3 if case["trained"] else 0)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["goes_on"]], ids=lambda case: case["file"]
)
def test_training_goes_on_as_in_keras_2(written, case):
    model = models.load_model(written(case["file"]))
    x = samples(model.input_shape[1:], case["seed"])
    classes = model.output_shape[-1]
    y = np.eye(classes, dtype=np.float32)[np.random.default_rng(2).integers(0, classes, len(x))]
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    for index, weight in enumerate(model.weights):
        expected = ARRAYS[f"{case['file']}/after/{index}"]
        # Keras 2 divides the sums of a batch's variance by one less.
        tolerance = 2e-2 if "moving_variance" in weight.path else 2e-5
        np.testing.assert_allclose(weight.numpy(), expected, rtol=tolerance, atol=2e-5)


def test_what_compile_was_given_comes_back(written):
    model = models.load_model(written("sequential.h5"))
    x = samples((8, 8, 2), 0)
    report = model.evaluate(x, np.eye(3)[[0, 1, 2, 0, 1, 2]], verbose=0, return_dict=True)
    assert sorted(report) == ["accuracy", "loss", "mean_squared_error", "precision"]
    config = model.get_compile_config()["loss"]["config"]
    assert config["label_smoothing"] == 0.1 and config["reduction"] == "sum_over_batch_size"
    assert model.layers[0].kernel.regularizer.l2 == pytest.approx(0.01)
    assert model.layers[0].kernel.constraint.max_value == 2
    decayed = models.load_model(written("xception.hdf5"))
    assert decayed.optimizer.learning_rate == pytest.approx(0.01 / (1 + 0.1 * 3))
    several = models.load_model(written("nested.hdf"))
    x = samples((6, 6, 2), 4)
    y = [np.zeros((6, 6)), np.zeros((6, 2))]
    report = several.evaluate(x, y, verbose=0, return_dict=True)
    assert {"concatenate_mae", "subtract_mse"} <= set(report) or {
        "concatenate_mean_absolute_error",
        "subtract_mean_squared_error",
    } <= set(report)


def test_a_loaded_model_can_be_saved_in_every_format(written, tmp_path):
    for name in ("everything.h5", "nested.hdf"):
        model = models.load_model(written(name))
        for suffix in (".keras", ".h5"):
            model.save(tmp_path / f"again{suffix}")
            assert_predicts(models.load_model(tmp_path / f"again{suffix}"), name)


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".weights.h5", ".keras", ".bin", ""])
def test_weights_alone_are_known_by_their_content(written, suffix):
    path = written("weights.h5", f"weights{suffix}")
    build = lambda: models.Sequential([  # noqa: E731
        layers.Input((4,)), layers.Dense(3, "relu", name="dense_a"),
        layers.Dense(2, name="dense_b"),
    ])  # fmt: skip
    for by_name in (False, True):
        model = build()
        model.load_weights(path, by_name=by_name)
        assert_predicts(model, "weights.h5")
    with pytest.raises(FormatError, match="holds no model, only weights; use load_weights"):
        models.load_model(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf", ".txt", ""])
def test_every_format_is_known_by_its_content(tmp_path, suffix):
    model = models.Sequential([layers.Input((4,)), layers.Dense(3)])
    for writer, name in (
        (model.save, "model.keras"), (model.save, "model.h5"),
        (model.save_weights, "model.weights.h5"), (model.save_weights, "model.safetensors"),
    ):  # fmt: skip
        writer(tmp_path / name)
        path = shutil.copy(tmp_path / name, tmp_path / f"other{suffix}")
        other = models.Sequential([layers.Input((4,)), layers.Dense(3)])
        other.layers[0].name = model.layers[0].name
        for variable, same in zip(other.weights, model.weights, strict=True):
            variable.path = same.path
        other.load_weights(path)
        np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
        if writer == model.save:
            loaded = models.load_model(path)
            np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_a_file_of_another_format_says_so(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(FormatError, match=r"must be a .keras file, an HDF5 file or a safetensors"):
        models.load_model(path)


# -------------------------------------------------------------------------- what does not come back


def edited(path, attribute, edit):
    with h5py.File(path, "r+") as h5:
        described = json.loads(h5.attrs[attribute])
        edit(described)
        h5.attrs[attribute] = json.dumps(described)
    return path


def test_an_activation_that_had_another_formula_is_refused(written):
    def edit(config):
        config["config"]["layers"][-1]["config"]["activation"] = "hard_sigmoid"

    path = edited(written("sequential.h5"), "model_config", edit)
    with pytest.raises(FormatError, match=r"'hard_sigmoid', which Keras 2\S* computes as clip"):
        models.load_model(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda t: t["optimizer_config"].update(class_name="Nadam", config={"decay": 0.004}),
            "Nadam of Keras before 2.11 has another schedule .* load the model with compile=False",
        ),
        (
            lambda t: t["optimizer_config"].update(class_name="TFOptimizer", config={}),
            "TFOptimizer is not supported.*compile=False",
        ),
        (lambda t: t.update(loss="my_loss"), "`loss` must be one of .*'my_loss'.*compile=False"),
        (lambda t: t.update(metrics=["my_metric"]), "'my_metric'.*custom_objects.*compile=False"),
        (lambda t: t.update(sample_weight_mode="temporal"), "sample_weight_mode.*compile=False"),
    ],
)
def test_what_compile_cannot_be_given_again_is_named(written, edit, message):
    path = edited(written("sequential.h5"), "training_config", edit)
    with pytest.raises(FormatError, match=message):
        models.load_model(path)
    assert_predicts(models.load_model(path, compile=False), "sequential.h5")


def test_an_optimizer_of_another_kind_begins_anew_with_a_warning(written):
    def edit(training):
        training["optimizer_config"]["class_name"] = "RMSprop"
        config = training["optimizer_config"]["config"]
        for name in ("beta_1", "beta_2", "amsgrad"):
            del config[name]

    path = edited(written("amsgrad.h5"), "training_config", edit)
    with pytest.warns(UserWarning, match="state of the optimizer is not that of 'Adam', which beg"):
        model = models.load_model(path)
    assert type(model.optimizer) is optimizers.RMSprop and model.optimizer.iterations == 0


def test_json_of_keras_2():
    text = json.dumps({
        "class_name": "Sequential", "keras_version": "2.1.6", "backend": "tensorflow",
        "config": [
            {"class_name": "Dense", "config": {
                "name": "dense_1", "trainable": True, "batch_input_shape": [32, 4], "units": 3,
                "dtype": "float32", "activation": "linear", "use_bias": True,
                "kernel_initializer": {"class_name": "VarianceScaling", "config": {
                    "scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}},
                "bias_initializer": {"class_name": "Zeros", "config": {}},
                "kernel_regularizer": None, "bias_regularizer": None, "activity_regularizer": None,
                "kernel_constraint": {"class_name": "NonNeg", "config": {}},
                "bias_constraint": None,
            }},
        ],
    })  # fmt: skip
    model = models.model_from_json(text)
    assert model.input_shape == (None, 4) and model.count_params() == 15
    with pytest.raises(ValueError, match="hard_sigmoid"):
        models.model_from_json(text.replace("linear", "hard_sigmoid"))


def test_a_layer_as_activation():
    config = {"units": 3, "batch_input_shape": [None, 2], "activation": {
        "class_name": "LeakyReLU", "config": {"alpha": 0.25, "trainable": True}}}  # fmt: skip
    model = models.model_from_json(json.dumps({
        "class_name": "Sequential", "keras_version": "2.15.0",
        "config": {"layers": [{"class_name": "Dense", "config": config}]},
    }))  # fmt: skip
    model.set_weights([np.full((2, 3), -1.0), np.zeros(3)])
    np.testing.assert_array_equal(model.predict_on_batch(np.ones((1, 2))), np.full((1, 3), -0.5))


def test_descriptions_of_keras_3_stay_as_they_are(tmp_path):
    model = models.load_model(HERE / "saved_rmsprop.keras")
    description = json.loads(model.to_json())
    assert keras2.upgraded_model(description, None) == description
    with zipfile.ZipFile(HERE / "spatial.keras") as archive:
        description = json.load(io.TextIOWrapper(archive.open("config.json")))
    assert keras2.upgraded_model(description, "2.15.0") == description

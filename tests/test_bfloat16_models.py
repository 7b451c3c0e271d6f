"""`Model.astype("bfloat16")`: accuracy, structure, files and refusals of copies in bfloat16."""

from __future__ import annotations

import copy
import pickle
import warnings
import zipfile

import numpy as np
import pytest

from fastconv import applications, export, inspect, layers, models, runtime, utils
from fastconv.datasets import mnist
from fastconv.errors import FormatError


def data(count=24, shape=(12, 12, 3), seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def residual_network():
    """Every kind of layer that computes in bfloat16, and some that do not."""
    x = inputs = layers.Input((12, 12, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization()(x)
    x = short = layers.MaxPooling2D()(layers.ReLU()(x))
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="inner")(x)
    x = layers.Conv2D(16, 3, padding="same", name="outer")(x)
    x = layers.ReLU()(layers.add([x, short]))
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu6", name="depth")(x)
    x = layers.Conv2D(24, 1, strides=2, activation="tanh", name="point")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(32, activation="relu", name="hidden")(x)
    return models.Model(inputs, layers.Dense(5, activation="softmax", name="classes")(x))


def trained_network():
    """With moving statistics and weights other than those at the beginning."""
    model = residual_network()
    rng = np.random.default_rng(1)
    for variable in model.weights:
        if "moving_variance" in variable.path:
            variable.assign(rng.uniform(0.5, 2, variable.shape))
        elif "kernel" not in variable.path:
            variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


def half(model):
    """The copy in bfloat16; most machines of tests compute it in single steps."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "this machine has no instructions", RuntimeWarning)
        return model.astype("bfloat16", allow_emulation=True)


def loaded(path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "this machine has no instructions", RuntimeWarning)
        return models.load_model(path)


def operations(model, count=24):
    """The classes of the ops of a plan, in order."""
    with model._plan(count, "infer", shapes=model.io_spec.plan_shapes) as plan:
        return [type(op).__name__ for op in plan.ops]


def relative_error(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def test_outputs_stay_near_those_of_float32():
    model, x = trained_network(), data()
    exact = model.predict(x, verbose=0)
    other = half(model)
    assert other.compute_dtype == "bfloat16" and model.compute_dtype == "float32"
    y = other.predict(x, verbose=0)
    assert y.dtype == np.float32 and 0 < relative_error(y, exact) < 0.01
    np.testing.assert_array_equal(model.predict(x, verbose=0), exact)
    np.testing.assert_array_equal(np.asarray(other(x)), y)


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2"])
def test_networks_stay_near_those_of_float32(name):
    utils.set_random_seed(3)
    make = getattr(applications, name)
    model = make(weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None)
    x = data(2, (64, 64, 3))
    exact = model.predict(x, verbose=0)
    assert relative_error(half(model).predict(x, verbose=0), exact) < 0.02


def test_values_between_layers_stay_bfloat16():
    convolution = "BFloat16Convolution"
    assert operations(half(trained_network())) == [
        "Narrow",
        convolution,  # stem, with its normalization and ReLU
        "BFloat16MaxPool",
        convolution,  # inner
        convolution,  # outer, with the addition and its ReLU
        convolution,  # depth, with its ReLU6
        convolution,  # point; tanh is computed in float32
        "ActivationForward",
        "Narrow",
        convolution,  # hidden, on flattened elements
        convolution,  # classes
        "SoftmaxForward",
    ]


def test_results_have_the_same_bits_on_every_instruction_set_and_number_of_threads():
    x = layers.Input((12, 12, 3))
    y = layers.Conv2D(20, 3, activation="relu")(x)
    y = layers.MaxPooling2D()(y)
    model = half(models.Model(x, layers.Dense(7)(layers.Flatten()(y))))
    before, results = runtime.dot_isa(), []
    try:
        for isa in runtime.dot_isas():
            runtime.set_dot_isa(isa)
            for threads in (1, 2, 5):
                with runtime.num_threads(threads):
                    results.append(copy.deepcopy(model).predict(data(seed=5), verbose=0))
    finally:
        runtime.set_dot_isa(before)
    assert len(results) > 3
    for result in results:
        np.testing.assert_array_equal(result, results[0])


def test_values_that_others_read_are_widened():
    x = layers.Input((8, 8, 4))
    first = layers.Conv2D(4, 3, activation="relu")(x)
    second = layers.Conv2D(4, 3)(first)
    model = models.Model(x, [first, second])
    samples = data(16, (8, 8, 4))
    exact = model.predict(samples, verbose=0)
    other = half(model)
    assert operations(other, 16).count("Widen") == 1
    for one, two in zip(other.predict(samples, verbose=0), exact, strict=True):
        assert one.dtype == np.float32 and relative_error(one, two) < 0.01


def test_activations_take_half_the_memory():
    model = models.Sequential(
        [layers.Input((32, 32, 16)), *(layers.Conv2D(64, 3, activation="relu") for _ in range(4))]
    )
    bytes_of = {}
    for each in (model, half(model)):
        with each._plan(8, "infer", shapes=each.io_spec.plan_shapes) as plan:
            bytes_of[each.compute_dtype] = plan.peak_bytes
    assert bytes_of["bfloat16"] <= 0.76 * bytes_of["float32"]  # the last output is float32


def test_changed_weights_are_packed_again():
    other, x = half(trained_network()), data()
    before = other.predict(x, verbose=0)
    weights = other.get_weights()
    other.set_weights([0.5 * weight for weight in weights])
    assert relative_error(other.predict(x, verbose=0), before) > 0.05
    other.set_weights(weights)
    np.testing.assert_array_equal(other.predict(x, verbose=0), before)


@pytest.mark.parametrize("way", ["file", "pickle", "copy"])
def test_files_pickles_and_copies_keep_the_bits(way, tmp_path):
    model, x = half(trained_network()), data()
    expected = model.predict(x, verbose=0)
    if way == "file":
        model.save(tmp_path / "model.keras")
        again = loaded(tmp_path / "model.keras")
    else:
        again = copy.deepcopy(model) if way == "copy" else pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
    assert again.compute_dtype == "bfloat16"
    for one, two in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_files_are_half_of_those_of_float32(tmp_path):
    model = models.Sequential(
        [
            layers.Input((16, 16, 8)),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(100),
        ]
    )
    model.compile("adam", loss="mse")
    x = data(8, (16, 16, 8))
    model.fit(x, np.zeros((8, 100)), verbose=0)
    other = half(model)
    model.compile("adam", loss="mse")  # without slots
    model.save(tmp_path / "float32.keras")
    other.save(tmp_path / "bfloat16.keras")
    sizes = [(tmp_path / f"{name}.keras").stat().st_size for name in ("bfloat16", "float32")]
    assert sizes[0] <= 0.52 * sizes[1]
    again = loaded(tmp_path / "bfloat16.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), other.predict(x, verbose=0))
    assert again.evaluate(x, np.zeros((8, 100)), verbose=0) > 0


def test_files_of_weights_load_into_models_of_float32(tmp_path):
    model = half(trained_network())
    model.save_weights(tmp_path / "model.weights.h5")
    other = residual_network()
    other.load_weights(tmp_path / "model.weights.h5")
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert other.compute_dtype == "float32"


def test_an_unknown_type_in_a_file_is_refused(tmp_path):
    half(trained_network()).save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = members["config.json"]
    assert b'"bfloat16"' in config
    members["config.json"] = config.replace(b'"bfloat16"', b'"bfloat17"')
    with zipfile.ZipFile(tmp_path / "bad.keras", "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(FormatError, match=r"bad\.keras"):
        models.load_model(tmp_path / "bad.keras")


def test_mnist_is_as_accurate_as_in_float32():
    (x, y), (x_test, y_test) = mnist.load_data()
    x, x_test = (a[..., None].astype(np.float32) / 255 for a in (x, x_test))
    utils.set_random_seed(1)
    model = models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(16, 5, strides=2, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:20_000], y[:20_000], batch_size=128, verbose=0)
    exact = model.evaluate(x_test, y_test, verbose=0)[1]
    accuracy = half(model).evaluate(x_test, y_test, verbose=0)[1]
    assert exact > 0.9
    assert accuracy >= exact - 0.001


def test_summary_and_explain_show_the_type(capsys):
    model = half(trained_network())
    model.summary()
    assert "Computes in: bfloat16" in capsys.readouterr().out
    assert inspect.explain(model).layers


def test_a_copy_in_float32_computes_the_same():
    model, x = trained_network(), data()
    np.testing.assert_array_equal(
        model.astype("float32").predict(x, verbose=0), model.predict(x, verbose=0)
    )
    back = half(model).astype("float32")
    assert back.compute_dtype == "float32" and "DenseForward" in operations(back)


def test_a_copy_in_bfloat16_is_not_trained():
    model, x = trained_network(), data()
    model.compile(loss="mse")
    other = half(model)
    for train in (
        lambda: other.fit(x, np.zeros((24, 5)), verbose=0),
        lambda: other.train_on_batch(x, np.zeros((24, 5))),
        lambda: other(x, training=True),
    ):
        with pytest.raises(ValueError, match="a model in bfloat16 cannot be trained"):
            train()
    assert np.isfinite(other.evaluate(x, np.zeros((24, 5)), verbose=0))
    model.fit(x, np.zeros((24, 5)), verbose=0)


def test_a_copy_in_bfloat16_is_not_exported_or_quantized(tmp_path):
    model = half(trained_network())
    with pytest.raises(ValueError, match="computes in bfloat16, which is not exported as C"):
        export.c_network(model, tmp_path / "c", name="network")
    with pytest.raises(ValueError, match="computes in bfloat16: quantize the original"):
        model.quantize("int8", calibration=data())
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match="computes in bfloat16, which is not written as ONNX"):
        model.export(tmp_path / "model.onnx")


def test_a_slow_machine_is_refused_or_warned_of(tmp_path):
    model, x = trained_network(), data()
    half(model).save(tmp_path / "model.keras")
    before = runtime.dot_isa()
    try:
        runtime.set_dot_isa("scalar")
        with pytest.raises(RuntimeError, match="no instructions for bfloat16.*allow_emulation"):
            model.astype("bfloat16")
        with pytest.warns(RuntimeWarning, match="take longer than in float32"):
            other = model.astype("bfloat16", allow_emulation=True)
        with pytest.warns(RuntimeWarning, match="take longer than in float32"):
            models.load_model(tmp_path / "model.keras")
    finally:
        runtime.set_dot_isa(before)
    assert relative_error(other.predict(x, verbose=0), model.predict(x, verbose=0)) < 0.01


def test_refusals_name_the_argument():
    model = trained_network()
    for dtype in ("float16", "int8", np.float64):
        with pytest.raises(ValueError, match="`dtype` must be one of"):
            model.astype(dtype)
    with pytest.raises(ValueError, match="built"):
        models.Sequential([layers.Dense(3)]).astype("bfloat16", allow_emulation=True)
    model.quantize("int8", calibration=data())
    with pytest.raises(ValueError, match="is quantized: call `astype` on the float32 model"):
        model.astype("bfloat16")

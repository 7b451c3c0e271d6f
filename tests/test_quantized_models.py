"""`Model.quantize`: accuracy, structure, files and refusals of models on 8-bit integers."""

from __future__ import annotations

import copy
import pickle
import zipfile

import numpy as np
import pytest

from fastconv import export, inspect, layers, models, runtime, utils
from fastconv.datasets import mnist
from fastconv.errors import FormatError


def data(count=24, shape=(12, 12, 3), seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def residual_network():
    """Every kind of layer that is quantized, and some that are not."""
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


def operations(model, count=24):
    """The classes of the ops of a plan, in order."""
    with model._plan(count, "infer", shapes=model.io_spec.plan_shapes) as plan:
        return [type(op).__name__ for op in plan.ops]


def relative_error(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def test_outputs_stay_near_those_of_float32():
    model, x = trained_network(), data()
    exact = model.predict(x, verbose=0)
    report = model.quantize("int8", calibration=x)
    assert relative_error(model.predict(x, verbose=0), exact) < 0.03
    assert [row.name.split("/")[0] for row in report] == [
        "stem", "inner", "outer", "depth", "point", "hidden", "classes"
    ]  # fmt: skip
    for row in report:
        assert row.reason == "" and 0 < row.error < 0.05 and row.clipped == 0
        assert row.scale > 0 and 0 <= row.zero_point <= 255
    assert "clipped" in repr(report) and "stem/kernel" in repr(report)


def test_values_between_quantized_layers_stay_integers():
    model, x = trained_network(), data()
    model.quantize("int8", calibration=x)
    convolution = "QuantizedConvolution"
    assert operations(model) == [
        "Quantize",
        convolution,  # stem, with its normalization and ReLU
        "QuantizedMaxPool",
        convolution,  # inner
        convolution,  # outer, with the addition and its ReLU
        convolution,  # depth, with its ReLU6
        convolution,  # point; tanh is computed in float32
        "ActivationForward",
        "Quantize",
        convolution,  # hidden, on flattened integers
        convolution,  # classes
        "SoftmaxForward",
    ]


def test_results_have_the_same_bits_on_every_instruction_set_and_number_of_threads():
    x = layers.Input((12, 12, 3))
    y = layers.Conv2D(20, 3, activation="relu")(x)
    y = layers.MaxPooling2D()(y)
    model = models.Model(x, layers.Dense(7)(layers.Flatten()(y)))
    model.quantize("int8", calibration=data())
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


def test_excluded_layers_compute_in_float32():
    model, x = trained_network(), data()
    report = model.quantize("int8", calibration=x, exclude=["stem", "classes"])
    assert {row.name: row.reason for row in report if row.reason} == {
        "stem/kernel": "excluded", "classes/kernel": "excluded"
    }  # fmt: skip
    assert "stem/kernel                      float32: excluded" in repr(report)
    ops = operations(model)
    assert ops[0] == "FoldNorm" and ops[1] in ("DirectForward", "WinogradForward")
    assert "DenseForward" in ops and ops.count("QuantizedConvolution") == 5


def test_percentiles_clip_rare_values():
    model, x = trained_network(), data(64)
    other = copy.deepcopy(model)
    whole = model.quantize("int8", calibration=x)
    most = other.quantize("int8", calibration=x, method="percentile", percentile=98)
    assert most[0].scale < whole[0].scale
    assert most[0].clipped > 0.005 > whole[0].clipped


def test_shared_layers_cover_the_ranges_of_all_calls():
    x = layers.Input((8, 8, 4))
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    model = models.Model(x, shared(shared(x) * 10.0))
    samples = data(16, (8, 8, 4))
    exact = model.predict(samples, verbose=0)
    (row,) = model.quantize("int8", calibration=samples)
    assert row.name == "shared/kernel"
    assert relative_error(model.predict(samples, verbose=0), exact) < 0.1


def test_outputs_in_the_middle_are_float32():
    x = layers.Input((8, 8, 4))
    first = layers.Conv2D(4, 3, activation="relu")(x)
    second = layers.Conv2D(4, 3)(first)
    model = models.Model(x, [first, second])
    samples = data(16, (8, 8, 4))
    exact = model.predict(samples, verbose=0)
    model.quantize("int8", calibration=samples)
    assert "Dequantize" in operations(model, 16)
    for one, other in zip(model.predict(samples, verbose=0), exact, strict=True):
        assert one.dtype == np.float32 and relative_error(one, other) < 0.03


def test_changed_weights_are_quantized_again():
    model, x = trained_network(), data()
    model.quantize("int8", calibration=x)
    before = model.predict(x, verbose=0)
    weights = model.get_weights()
    model.set_weights([0.5 * weight for weight in weights])
    assert relative_error(model.predict(x, verbose=0), before) > 0.05
    model.set_weights(weights)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


@pytest.mark.parametrize("way", ["file", "pickle", "copy"])
def test_files_pickles_and_copies_keep_the_bits(way, tmp_path):
    model, x = trained_network(), data()
    model.quantize("int8", calibration=x)
    expected = model.predict(x, verbose=0)
    if way == "file":
        model.save(tmp_path / "model.keras")
        again = models.load_model(tmp_path / "model.keras")
    else:
        again = copy.deepcopy(model) if way == "copy" else pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
    assert again.quantization == model.quantization
    again.save(tmp_path / "again.keras")
    np.testing.assert_array_equal(
        models.load_model(tmp_path / "again.keras").predict(x, verbose=0), expected
    )


def test_files_are_a_quarter_of_those_of_float32(tmp_path):
    model = models.Sequential(
        [
            layers.Input((16, 16, 8)),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(100),
        ]
    )
    model.save(tmp_path / "float32.keras")
    model.quantize("int8", calibration=data(8, (16, 16, 8)))
    model.save(tmp_path / "int8.keras")
    sizes = [(tmp_path / f"{name}.keras").stat().st_size for name in ("int8", "float32")]
    assert sizes[0] <= 0.27 * sizes[1]


def test_files_of_weights_load_into_models_of_float32(tmp_path):
    model = trained_network()
    model.quantize("int8", calibration=data())
    model.save_weights(tmp_path / "model.weights.h5")
    other = residual_network()
    other.load_weights(tmp_path / "model.weights.h5")
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert other.quantization is None


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"int8"', b'"int4"'), (b'"zero_point": 0', b'"zero_point": -'), (b'"sum"', b'"Sum"')],
)
def test_a_damaged_entry_of_a_file_is_refused(old, new, tmp_path):
    model = trained_network()
    model.quantize("int8", calibration=data())
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = members["config.json"]
    assert old in config
    members["config.json"] = config.replace(old, new)
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
    model.fit(x[:30_000], y[:30_000], batch_size=128, verbose=0)
    exact = model.evaluate(x_test, y_test, verbose=0)[1]
    model.quantize("int8", calibration=x[:500])
    accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
    assert exact > 0.9
    assert accuracy >= exact - 0.001


def test_summary_and_explain_show_the_quantization(capsys):
    model = trained_network()
    model.quantize("int8", calibration=data(), exclude=["classes"])
    model.summary()
    assert "Quantized to int8: 6 kernels" in capsys.readouterr().out
    assert inspect.explain(model).layers


def test_a_quantized_model_is_not_trained():
    model, x = trained_network(), data()
    model.compile(loss="mse")
    model.quantize("int8", calibration=x)
    weights = model.get_weights()
    for train in (
        lambda: model.fit(x, np.zeros((24, 5)), verbose=0),
        lambda: model.train_on_batch(x, np.zeros((24, 5))),
        lambda: model(x, training=True),
    ):
        with pytest.raises(ValueError, match="a quantized model cannot be trained"):
            train()
    for one, two in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.isfinite(model.evaluate(x, np.zeros((24, 5)), verbose=0))


def test_a_quantized_model_is_not_exported(tmp_path):
    model = trained_network()
    model.quantize("int8", calibration=data())
    with pytest.raises(ValueError, match="is quantized, which is not exported as C"):
        export.c_network(model, tmp_path / "c", name="network")
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match="is quantized, which is not written as ONNX"):
        model.export(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`calibration` must be given"),
        ({"mode": "int4"}, "`mode` must be one of"),
        ({"calibration": data(0)}, "at least one sample, received none"),
        ({"calibration": data(2, (9, 9, 3))}, r"9, 9, 3"),
        ({"calibration": data(2), "exclude": ["nowhere"]}, "received 'nowhere'"),
        ({"calibration": data(2), "percentile": 30}, "`percentile` must be"),
        ({"calibration": data(2), "method": "entropy"}, "`method` must be one of"),
        ({"calibration": np.full((2, 12, 12, 3), np.nan, np.float32)}, "finite values"),
    ],
)
def test_refusals_name_the_argument_and_change_nothing(arguments, message):
    model, x = trained_network(), data(2)
    before = model.predict(x, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.quantize(**arguments)
    assert model.quantization is None
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


def test_a_model_is_quantized_once_and_has_layers_to_quantize():
    model = trained_network()
    model.quantize("int8", calibration=data())
    with pytest.raises(ValueError, match="is quantized already"):
        model.quantize("int8", calibration=data())
    bare = models.Sequential([layers.Input((4,)), layers.ReLU()])
    with pytest.raises(ValueError, match="has no layer to quantize"):
        bare.quantize("int8", calibration=data(2, (4,)))

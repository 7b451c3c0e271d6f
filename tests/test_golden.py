"""fastconv against values that real Keras computed, stored in ``tests/golden`` (`make_golden`).

The tolerances are a few times Keras's own distance to float64 (``make_golden.py --check``): single
layers agree to a few units in the last place of their sums; three training steps amplify rounding,
most of all where Adam divides a tiny gradient by its own size.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from fastconv import initializers, layers, losses, models, ops, optimizers
from fastconv.ops import compiled
from fastconv.parameters import Parameters, Variable
from fastconv.plan import Updates
from fastconv.plan.program import make_program
from tests.golden.golden_file import HERE, load

LAYERS, LAYER_ARRAYS = load("layers.npz")
LOSSES, LOSS_ARRAYS = load("losses.npz")
OPTIMIZERS, OPTIMIZER_ARRAYS = load("optimizers.npz")
INITIALIZERS, INITIALIZER_ARRAYS = load("initializers.npz")
NETWORK, NETWORK_ARRAYS = load("network.npz")
TINY, TINY_ARRAYS = load("tiny.npz")


def select(cases, key, *wanted):
    """Parameters for the cases whose entry ``key`` is one of ``wanted``, named as in the file."""
    return [pytest.param(case, id=case["name"]) for case in cases if case[key] in wanted]


def named(arrays, case):
    """The arrays of one case, without its name before theirs."""
    prefix = case["name"] + "/"
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def assert_close(actual, expected, *, rtol=1e-5, atol=2e-6, what=""):
    actual = np.asarray(actual)
    assert actual.shape == expected.shape, what
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=what)


def tuples(settings):
    """JSON knows lists where Keras's arguments are tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}


# ------------------------------------------------------------------------------------- one layer


def one_layer(case, image):
    settings = tuples({k: v for k, v in case.items() if k not in ("name", "kind", "output_shape")})
    make = {"conv": layers.Conv2D, "max": layers.MaxPooling2D, "average": layers.AveragePooling2D}
    return models.Sequential([layers.Input(image), make[case["kind"]](**settings)])


@pytest.mark.parametrize("case", select(LAYERS, "kind", "conv", "max", "average"))
def test_layer_output_and_shape(case):
    golden = named(LAYER_ARRAYS, case)
    model = one_layer(case, golden["x"].shape[1:])
    assert model.layers[-1].compute_output_shape((None, *golden["x"].shape[1:])) == tuple(
        case["output_shape"]
    )
    assert model.output_shape == tuple(case["output_shape"])
    if case["kind"] == "conv":
        model.set_weights([golden["w"], golden["b"]])
    assert_close(model.predict(golden["x"], verbose=0), golden["y"])


ACTIVATION_SLOPES = {
    None: np.ones_like,
    "relu": lambda y: (y > 0).astype(y.dtype),
    "tanh": lambda y: 1 - y**2,
    "sigmoid": lambda y: y * (1 - y),
}


@pytest.mark.parametrize("case", select(LAYERS, "kind", "conv"))
def test_convolution_gradients_are_those_of_keras(case):
    golden = named(LAYER_ARRAYS, case)
    settings = {
        "strides": tuple(case["strides"]),
        "padding": case["padding"],
        "dilation_rate": tuple(case["dilation_rate"]),
    }
    y = ops.conv2d(golden["x"], golden["w"], golden["b"], activation=case["activation"], **settings)
    assert_close(y, golden["y"])
    dy = golden["dy"] * ACTIVATION_SLOPES[case["activation"]](golden["y"])
    dx = ops.conv2d_backward_input(dy, golden["w"], input_shape=golden["x"].shape, **settings)
    dw, db = ops.conv2d_backward_kernel(
        golden["x"], dy, kernel_size=tuple(case["kernel_size"]), **settings
    )
    assert_close(dx, golden["dx"], atol=1e-5)
    assert_close(dw, golden["dw"], atol=2e-5)
    assert_close(db, golden["db"], atol=2e-5)


@pytest.mark.parametrize("case", select(LAYERS, "kind", "max", "average"))
def test_pooling_gradients_are_those_of_keras(case):
    golden = named(LAYER_ARRAYS, case)
    settings = tuples({k: case[k] for k in ("pool_size", "strides", "padding")})
    if case["kind"] == "max":
        y, argmax = ops.max_pool2d(golden["x"], return_argmax=True, **settings)
        dx = ops.max_pool2d_backward(
            golden["dy"], argmax, input_shape=golden["x"].shape, **settings
        )
    else:
        y = ops.avg_pool2d(golden["x"], **settings)
        dx = ops.avg_pool2d_backward(golden["dy"], input_shape=golden["x"].shape, **settings)
    assert_close(y, golden["y"])
    assert_close(dx, golden["dx"])


# -------------------------------------------------------------------------------- losses, metrics


@pytest.mark.parametrize("case", select(LOSSES, "group", "loss"))
def test_loss_values_are_those_of_keras(case):
    golden = named(LOSS_ARRAYS, case)
    if case["kind"] == "mse":
        loss = losses.MeanSquaredError()
    elif case["kind"] == "sparse":
        loss = losses.SparseCategoricalCrossentropy(from_logits=case["from_logits"])
    else:
        loss = losses.CategoricalCrossentropy(from_logits=case["from_logits"])
    value = loss(golden["target"], golden["prediction"], golden.get("sample_weight"))
    assert_close(np.asarray(value, np.float32), golden["value"])


@pytest.mark.parametrize("case", select(LOSSES, "group", "loss"))
def test_loss_gradients_are_those_of_keras(case):
    golden = named(LOSS_ARRAYS, case)
    prediction = golden["prediction"].reshape(len(golden["prediction"]), -1)
    target = golden["target"]
    if target.dtype.kind == "f":  # else class numbers, one per sample
        target = target.reshape(prediction.shape)
    weights = golden.get("sample_weight")
    gradient, per_sample = np.empty_like(prediction), np.empty(len(prediction), np.float64)
    if case["kind"] == "mse":
        op = compiled.MeanSquaredError(prediction, target, gradient, per_sample, weights)
    elif case["from_logits"]:
        op = compiled.SoftmaxCrossEntropy(prediction, target, gradient, per_sample, weights)
    else:
        op = compiled.CrossEntropy(prediction, target, gradient, per_sample, weights)
    op.run(1)
    value = np.mean(per_sample if weights is None else per_sample * weights)
    assert_close(np.asarray(value, np.float32), golden["value"])
    assert_close(gradient.reshape(golden["gradient"].shape), golden["gradient"])


def identity_model(width, *ending):
    model = models.Sequential([layers.Input((width,)), *ending])
    model.set_weights([np.eye(width, dtype=np.float32)])
    return model


@pytest.mark.parametrize("case", select(LOSSES, "group", "accuracy"))
def test_accuracy_is_resolved_as_keras_resolves_it(case):
    """ "accuracy" means binary, categorical or sparse by the shapes of labels and predictions."""
    golden = named(LOSS_ARRAYS, case)
    width = golden["prediction"].shape[-1]
    model = identity_model(width, layers.Dense(width, use_bias=False))
    model.compile(loss=case["loss"], metrics=["accuracy"])
    result = model.evaluate(golden["prediction"], golden["target"], batch_size=4, verbose=0)
    assert_close(np.asarray(result, np.float32), np.stack([golden["loss"], golden["accuracy"]]))


ENDINGS = {
    "dense_softmax": lambda n: [layers.Dense(n, use_bias=False, activation="softmax")],
    "activation_softmax": lambda n: [layers.Dense(n, use_bias=False), layers.Activation("softmax")],
    "softmax_layer": lambda n: [layers.Dense(n, use_bias=False), layers.Softmax()],
}


@pytest.mark.parametrize("case", select(LOSSES, "group", "behind_softmax"))
def test_loss_behind_a_saturated_softmax_is_not_clipped(case):
    golden = named(LOSS_ARRAYS, case)
    width = golden["x"].shape[-1]
    model = identity_model(width, *ENDINGS[case["name"]](width))
    model.compile(loss="categorical_crossentropy")
    loss = model.evaluate(golden["x"], golden["target"], verbose=0)
    assert_close(np.asarray(loss, np.float32), golden["loss"])


# ------------------------------------------------------------------------------------- optimizers


@pytest.mark.parametrize("case", select(OPTIMIZERS, "optimizer", "SGD", "RMSprop", "Adam"))
def test_optimizer_updates_are_those_of_keras(case):
    optimizer = getattr(optimizers, case["optimizer"])(**case["settings"])
    variable = Variable("zeros", OPTIMIZER_ARRAYS["w0"].shape, name="w")
    variable.assign(OPTIMIZER_ARRAYS["w0"])
    parameters = Parameters([variable])
    gradient = parameters.view(parameters.gradient, variable)
    program = make_program(Updates(optimizer, parameters).ops())
    for step, values in enumerate(OPTIMIZER_ARRAYS["gradients"]):
        gradient[:] = values
        program.run(1)
        optimizer.count_step()
        assert_close(
            variable.numpy(),
            OPTIMIZER_ARRAYS[case["name"] + "/w"][step],
            rtol=1e-6,
            atol=3e-7,
            what=f"step {step}",
        )


@pytest.mark.parametrize("case", select(OPTIMIZERS, "optimizer", "SGD", "RMSprop", "Adam"))
def test_optimizer_defaults_are_those_of_keras(case):
    config = getattr(optimizers, case["optimizer"])(**case["settings"]).get_config()
    for key, value in case["resolved"].items():
        assert float(config[key]) == pytest.approx(value, rel=1e-7), key


# ----------------------------------------------------------------------------------- initializers


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=f"{c['name']}-{len(c['shape'])}d-{c['shape'][0]}") for c in INITIALIZERS],
)
def test_initializers_have_the_spread_and_bound_of_keras(case):
    """Spread and bound of a large sample; the streams differ, so agreement is statistical."""
    sample = getattr(initializers, case["name"])(seed=11)(tuple(case["shape"]))
    assert sample.dtype == np.float32
    assert sample.shape == tuple(case["shape"])
    sample = np.asarray(sample, np.float64)
    assert sample.std() == pytest.approx(case["std"], rel=0.03)
    assert abs(sample.mean() - case["mean"]) < 6 * case["std"] / np.sqrt(sample.size)
    if case["name"] != "RandomNormal":  # the others are bounded, and a large sample finds the bound
        assert np.abs(sample).max() == pytest.approx(case["largest"], rel=0.01)


@pytest.mark.parametrize("key", [k for k in INITIALIZER_ARRAYS if k.startswith("fans/")])
def test_initializers_use_the_fans_of_keras(key):
    """Uniform limits are sqrt(3 / fan): the largest of many draws tells the fan that was used."""
    shape = tuple(int(n) for n in key.removeprefix("fans/").split("x"))
    fan_in, fan_out = INITIALIZER_ARRAYS[key]
    draws = max(1, 6000 // int(np.prod(shape)))
    for name, fan in [("LecunUniform", fan_in), ("GlorotUniform", (fan_in + fan_out) / 2)]:
        largest = max(
            np.abs(getattr(initializers, name)(seed=seed)(shape)).max() for seed in range(draws)
        )
        limit = np.sqrt(3 / fan)
        assert 0.99 * limit < largest <= limit * (1 + 1e-6), name


# ---------------------------------------------------------------------------------- small network


def small_cnn():
    """The network of `make_golden.small_cnn`, with its weights."""
    model = models.Sequential(
        [
            layers.Input(NETWORK_ARRAYS["x"].shape[1:]),
            layers.Conv2D(5, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(6, (3, 2), strides=(2, 1), padding="valid", activation="tanh"),
            layers.AveragePooling2D((1, 2), strides=1, padding="same"),
            layers.Conv2D(4, 2, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Flatten(),
            layers.Dense(8, activation="sigmoid"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.set_weights(numbered(NETWORK_ARRAYS, "weights"))
    return model


def numbered(arrays, prefix):
    count = sum(re.fullmatch(rf"{prefix}/\d+", key) is not None for key in arrays)
    return [arrays[f"{prefix}/{index}"] for index in range(count)]


def assert_weights(model, arrays, prefix, **tolerance):
    expected = numbered(arrays, prefix)
    actual = model.get_weights()
    assert len(actual) == len(expected)
    for index, (w, golden) in enumerate(zip(actual, expected, strict=True)):
        assert_close(w, golden, what=f"weights[{index}]", **tolerance)


def assert_history(history, case, **tolerance):
    prefix = f"{case['name']}/history/"
    expected = {
        k.removeprefix(prefix): v for k, v in NETWORK_ARRAYS.items() if k.startswith(prefix)
    }
    assert list(history) == list(expected)
    for key, values in expected.items():
        assert_close(np.asarray(history[key], np.float32), values, what=key, **tolerance)


def test_network_shapes_names_and_predictions():
    case = NETWORK[0]
    model = small_cnn()
    shape, shapes = (None, *NETWORK_ARRAYS["x"].shape[1:]), []
    for layer in model.layers:
        shape = layer.compute_output_shape(shape)
        shapes.append(list(shape))
    assert shapes == case["shapes"]
    # How far the counters have come depends on the models made before; the rest of a name does not.
    without_counter = [re.sub(r"_\d+$", "", layer.name) for layer in model.layers]
    assert without_counter == [re.sub(r"_\d+$", "", name) for name in case["layer_names"]]
    assert model.count_params() == case["parameters"]
    assert_close(
        model.predict(NETWORK_ARRAYS["x"], batch_size=4, verbose=0), NETWORK_ARRAYS["predictions"]
    )


@pytest.mark.parametrize("case", select(NETWORK, "group", "steps"))
def test_three_training_steps_are_those_of_keras(case):
    model = small_cnn()
    optimizer = getattr(optimizers, case["optimizer"])(**case["settings"])
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        NETWORK_ARRAYS["x"], NETWORK_ARRAYS["y"], batch_size=10, epochs=3, shuffle=False, verbose=0
    ).history
    assert_history(history, case, rtol=5e-5)
    assert_weights(model, NETWORK_ARRAYS, f"{case['name']}/weights", rtol=5e-5, atol=3e-5)


def fit_arguments(name):
    x, y = NETWORK_ARRAYS["x"], NETWORK_ARRAYS["y"]
    labels = NETWORK_ARRAYS["labels"]
    return {
        "partial_batch": {"x": x, "y": y},
        "sparse": {"x": x, "y": labels},
        "mse": {"x": x, "y": y},
        "validation_split": {"x": x, "y": y, "validation_split": 0.25},
        "validation_data": {"x": x[:8], "y": y[:8], "validation_data": (x[5:], y[5:])},
        "sample_weight": {"x": x, "y": y, "sample_weight": NETWORK_ARRAYS["sample_weight"]},
        "class_weight": {"x": x, "y": labels, "class_weight": {0: 2.0, 2: 0.5}},
    }[name]


@pytest.mark.parametrize("case", select(NETWORK, "group", "fit"))
def test_fit_reports_and_updates_as_keras_does(case):
    model = small_cnn()
    model.compile(optimizers.SGD(0.05), case["loss"], metrics=["accuracy"])
    history = model.fit(
        **fit_arguments(case["name"]), batch_size=4, epochs=2, shuffle=False, verbose=0
    ).history
    assert list(history) == case["keys"]
    assert_history(history, case)
    assert_weights(model, NETWORK_ARRAYS, f"{case['name']}/weights", atol=5e-6)


def test_evaluate_with_and_without_sample_weights():
    model = small_cnn()
    model.compile(loss="categorical_crossentropy", metrics=["accuracy"])
    x, y = NETWORK_ARRAYS["x"], NETWORK_ARRAYS["y"]
    result = model.evaluate(x, y, batch_size=4, verbose=0)
    assert_close(np.asarray(result, np.float32), NETWORK_ARRAYS["evaluate"])
    result = model.evaluate(
        x, y, batch_size=4, verbose=0, sample_weight=NETWORK_ARRAYS["sample_weight"]
    )
    assert_close(np.asarray(result, np.float32), NETWORK_ARRAYS["evaluate_weighted"])


# ------------------------------------------------------------------------------------ saved model


def test_model_file_written_by_keras():
    model = models.load_model(HERE / "tiny.keras")
    assert model.name == "tiny"
    assert_weights(model, TINY_ARRAYS, "weights", rtol=0, atol=0)
    assert_close(model.predict(TINY_ARRAYS["x"], verbose=0), TINY_ARRAYS["predictions"])
    result = model.evaluate(TINY_ARRAYS["x"], TINY_ARRAYS["y"], verbose=0)
    assert_close(np.asarray(result, np.float32), TINY_ARRAYS["evaluate"])


def test_model_file_written_by_keras_carries_its_optimizer():
    model = models.load_model(HERE / "tiny.keras")
    assert type(model.optimizer).__name__ == "RMSprop"
    assert float(model.optimizer.learning_rate) == pytest.approx(TINY[0]["learning_rate"])
    assert int(model.optimizer.iterations) == TINY[0]["steps"]
    model.layers[5].rate = 0.0  # the next step must not depend on a random stream
    model.fit(TINY_ARRAYS["x"], TINY_ARRAYS["y"], batch_size=8, shuffle=False, verbose=0)
    assert_weights(model, TINY_ARRAYS, "continued", rtol=5e-5, atol=1e-5)


def test_weights_file_written_by_keras():
    model = models.load_model(HERE / "tiny.keras")
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.load_weights(HERE / "tiny.weights.h5")
    assert_weights(model, TINY_ARRAYS, "weights", rtol=0, atol=0)

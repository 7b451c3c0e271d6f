"""`Model(inputs, outputs)`: calls of layers, graphs of them, shared weights, configurations."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastconv
from fastconv import layers, models, runtime
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.optimizers import SGD, Adam
from fastconv.utils import set_random_seed
from tests.golden import golden_file, graph_network


@pytest.fixture(autouse=True)
def seeded():
    set_random_seed(1)


def residual(name=None):
    x = layers.Input((8, 8, 3), name="image")
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="first")(x)
    z = layers.Conv2D(6, 3, padding="same", name="second")(y)
    z = layers.ReLU(name="block")(layers.Add(name="sum")([y, z]))
    z = layers.MaxPooling2D(name="pool")(z)
    outputs = layers.Dense(4, activation="softmax", name="out")(layers.Flatten(name="flat")(z))
    return models.Model(x, outputs, name=name)


def images(count=12):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 8, 8, 3)).astype(np.float32), rng.integers(0, 4, count)


# ------------------------------------------------------------------------------- symbolic tensors


def test_calling_a_layer_builds_it_and_records_the_call():
    x = layers.Input((28, 28, 1), name="x")
    assert isinstance(x, SymbolicTensor)
    assert (x.shape, x.dtype, x.name, x.ndim) == ((None, 28, 28, 1), "float32", "x", 4)
    layer = layers.Conv2D(4, 3, name="c")
    with pytest.raises(AttributeError, match="layer 'c' has no output before it is called"):
        layer.output  # noqa: B018
    y = layer(x)
    assert y.shape == (None, 26, 26, 4)
    assert layer.kernel.shape == (3, 3, 1, 4)
    assert layer.input is x
    assert layer.output is y
    assert y.history == (layer, 0, 0)
    again = layer(layers.Input((9, 9, 1)))  # another size suits the same kernel
    assert again.shape == (None, 7, 7, 4)
    assert again.history == (layer, 1, 0)
    assert layer.output is y


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x: layers.Flatten(name="f")("text"), TypeError, "'f': input must hold integers"),
        (lambda x: layers.Add(name="a")([x, [1.0]]), TypeError, "'a' must be called on"),
        (lambda x: layers.Flatten(name="f")([x]), ValueError, "'f' must be called on one tensor"),
        (lambda x: layers.Add(name="a")(x), ValueError, "'a' must be called on a list of tensors"),
        (lambda x: layers.Add(name="a")([]), ValueError, "'a' takes a list of inputs"),
        (lambda x: np.asarray(x), TypeError, "holds no numbers"),
        (
            lambda x: [d := layers.Dense(2, name="d"), d(x), d(layers.Input((3,)))],
            ValueError,
            r"'d' is built for inputs of shape \(None, 4\), received \(None, 3\)",
        ),
    ],
)
def test_calls_that_do_not_fit_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(layers.Input((4,)))


# ------------------------------------------------------------------------------------------ graphs


def test_layers_and_shapes():
    model = residual("net")
    assert [layer.name for layer in model.layers] == [
        "image", "first", "second", "sum", "block", "pool", "flat", "out",
    ]  # fmt: skip
    assert model.input_shape == (None, 8, 8, 3)
    assert model.output_shape == (None, 4)
    assert model.input_names == ["image"]
    assert model.output_names == ["out"]
    assert model.get_layer("sum").input_shape == [(None, 8, 8, 6)] * 2
    assert model.get_layer(index=-1).name == "out"
    assert model.count_params() == 168 + 330 + 388
    assert model.built
    assert fastconv.Model is models.Model
    with pytest.raises(ValueError, match="'net' has no layer 'x'; there are"):
        model.get_layer("x")


def test_a_graph_computes_what_its_formula_says():
    rng = np.random.default_rng(0)
    a, b = layers.Input((5,)), layers.Input((5,))
    double = layers.Dense(5, use_bias=False)
    y = layers.multiply([double(a), layers.subtract([a, b])])
    model = models.Model([a, b], layers.concatenate([layers.maximum([y, a]), double(b)]))
    w = rng.normal(size=(5, 5)).astype(np.float32)
    model.set_weights([w])
    x, z = rng.normal(size=(2, 3, 5)).astype(np.float32)
    expected = np.concatenate([np.maximum((x @ w) * (x - z), x), z @ w], axis=1)
    assert model.graph().outputs
    plan = model._make_plan(3, "infer", False)
    plan.inputs[0][...], plan.inputs[1][...] = x, z
    plan.run()
    np.testing.assert_allclose(plan.outputs[0], expected, rtol=1e-5, atol=1e-6)


def two():
    return layers.Input((4,), name="a"), layers.Input((4,), name="b")


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda a, b: (a, layers.add([a, b])), ValueError, "depend on the input 'b', which must"),
        (lambda a, b: (layers.Dense(2)(a), b), ValueError, "depend on the input 'b'"),
        (lambda a, b: ([a, a], layers.Dense(2)(a)), ValueError, "must be different tensors"),
        (lambda a, b: (a, layers.Dense(2, name="a")(a)), ValueError, r"unique.*\['a'\] twice"),
        (lambda a, b: (a, np.zeros(3)), TypeError, "`outputs` must be tensors .* ndarray"),
        (lambda a, b: ((4,), b), TypeError, "`inputs` must be tensors .* int"),
        (lambda a, b: (a, []), ValueError, "`outputs` must hold at least one tensor"),
    ],
)
def test_graphs_that_do_not_connect_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        models.Model(*make(*two()))


def test_an_input_that_nothing_depends_on():
    a, b = two()
    model = models.Model([a, b], layers.Dense(2)(a))
    assert [layer.name for layer in model.layers][:2] == ["a", "b"]
    plan = model._make_plan(2, "infer", False)
    assert plan.inputs[1].shape == (2, 4)


def test_deep_graphs_do_not_hit_the_limit_of_recursion():
    x = y = layers.Input((2,))
    for _ in range(1500):
        y = layers.ReLU()(y)
    model = models.Model(x, y)
    assert len(model.layers) == 1501
    np.testing.assert_array_equal(model.predict([[1, -1]], verbose=0), [[1, 0]])


# ---------------------------------------------------------------------------------------- training


def test_a_residual_network_learns_and_threads_do_not_matter():
    x, y = images(40)
    results = []
    for threads in (1, 2, 3):
        runtime.set_num_threads(threads)
        set_random_seed(2)
        model = residual()
        model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x, y, epochs=15, batch_size=8, verbose=0).history
        results.append(model.get_weights())
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    for other in results[1:]:
        for one, two_ in zip(results[0], other, strict=True):
            assert one.tobytes() == two_.tobytes()


def test_a_chain_is_the_same_as_a_model_and_as_a_sequential():
    x, y = images()

    def stack():
        return [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(),
                layers.Flatten(), layers.Dense(4, activation="softmax")]  # fmt: skip

    sequential = models.Sequential([layers.Input((8, 8, 3)), *stack()])
    start = value = layers.Input((8, 8, 3))
    for layer in stack():
        value = layer(value)
    functional = models.Model(start, value)
    functional.set_weights(sequential.get_weights())
    for model in (sequential, functional):
        model.compile(SGD(0.1), "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=5, shuffle=False, epochs=2, verbose=0)
    for one, other in zip(sequential.get_weights(), functional.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_shared_layer_gets_the_sum_of_its_gradients():
    """y = w w x: one SGD step against the derivative by hand."""
    x = layers.Input((1,))
    layer = layers.Dense(1, use_bias=False)
    model = models.Model(x, layer(layer(layer(x))))
    model.set_weights([[[2.0]]])
    model.compile(SGD(0.001), "mse")
    model.train_on_batch([[3.0]], [[10.0]])
    error = 3 * 2.0**3 - 10
    expected = 2.0 - 0.001 * 2 * error * 3 * 3 * 2.0**2
    assert model.get_weights()[0][0, 0] == pytest.approx(expected, rel=1e-6)
    assert [layer_.name for layer_ in model.layers].count(layer.name) == 1


# --------------------------------------------------------------------------------- shared weights


def test_feature_extraction_shares_the_weights():
    x, y = images()
    model = residual()
    features = models.Model(model.inputs, model.get_layer("block").output)
    before = features.predict(x, verbose=0)
    assert before.shape == (12, 8, 8, 6)
    model.compile(SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    after = features.predict(x, verbose=0)
    assert not np.array_equal(before, after)
    assert features.get_layer("first") is model.get_layer("first")
    features.get_layer("first").set_weights([w * 0 for w in model.get_layer("first").get_weights()])
    assert not features.predict(x, verbose=0).any()


@pytest.mark.parametrize("order", ["whole first", "part first"])
def test_training_either_of_two_models_changes_both(order):
    x, y = images()
    whole = residual()
    part = models.Model(whole.input, layers.Flatten()(whole.get_layer("first").output))
    if order == "whole first":
        whole.predict(x, verbose=0)
    part.predict(x, verbose=0)
    whole.predict(x, verbose=0)
    part.compile(SGD(0.1, momentum=0.9), "mse")
    whole.compile(SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    kernel = whole.get_layer("first").get_weights()[0]
    others = whole.get_layer("second").get_weights()[0]
    target = np.zeros((12, 384))
    part.fit(x, target, verbose=0)
    assert not np.array_equal(kernel, whole.get_layer("first").get_weights()[0])
    np.testing.assert_array_equal(others, whole.get_layer("second").get_weights()[0])
    kernel = part.get_layer("first").get_weights()[0]
    whole.fit(x, y, verbose=0)
    assert not np.array_equal(kernel, part.get_layer("first").get_weights()[0])
    part.fit(x, target, verbose=0)  # and on with the old momentum
    np.testing.assert_array_equal(
        whole.predict(x, verbose=0), whole.predict(x, batch_size=5, verbose=0)
    )


def test_an_optimizer_goes_on_when_its_weights_move_into_a_larger_model():
    x, y = images()
    results = []
    for extend in (False, True):
        set_random_seed(3)
        model = residual()
        model.compile(Adam(0.01), "sparse_categorical_crossentropy")
        model.fit(x, y, shuffle=False, epochs=2, verbose=0)
        if extend:
            larger = models.Model(model.input, layers.Dense(2)(model.output))
            larger.predict(x, verbose=0)
            assert model.parameters.home is larger.parameters
        model.fit(x, y, shuffle=False, epochs=2, verbose=0)
        results.append(model.get_weights())
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_layers_being_fitted_cannot_move():
    model = residual()
    larger = models.Model(model.input, layers.Dense(2)(model.output))
    with model.parameters.training.step(), pytest.raises(RuntimeError, match="wait for the fit"):
        larger.predict(images()[0], verbose=0)
    larger.predict(images()[0], verbose=0)


def test_feature_extraction_from_a_sequential():
    model = models.Sequential([
        layers.Input((8, 8, 3)), layers.Conv2D(4, 3, name="c"), layers.Flatten(), layers.Dense(2),
    ])  # fmt: skip
    assert model.inputs[0] is model.input
    assert model.outputs[0].shape == model.output.shape == (None, 2)
    inner = models.Model(model.inputs, model.get_layer("c").output)
    assert inner.predict(images()[0], verbose=0).shape == (12, 6, 6, 4)


def test_a_model_from_the_middle_of_another():
    x, _ = images()
    model = residual()
    head = models.Model(model.get_layer("block").output, model.output)
    features = models.Model(model.input, model.get_layer("block").output)
    assert isinstance(head.layers[0], layers.InputLayer)
    np.testing.assert_array_equal(
        head.predict(features.predict(x, verbose=0), verbose=0), model.predict(x, verbose=0)
    )


# ---------------------------------------------------------------------------------- nested models


def nested():
    inner_in = layers.Input((8, 8, 3), name="inner_in")
    conv = layers.Conv2D(4, 3, name="conv")(inner_in)
    inner = models.Model(inner_in, [conv, layers.Flatten(name="flat")(conv)], name="inner")
    head = models.Sequential([layers.Dense(5, activation="relu"), layers.Dense(4)], name="head")
    x = layers.Input((8, 8, 3), name="x")
    _, flat = inner(x)
    return models.Model(x, layers.Softmax(name="soft")(head(flat)), name="outer")


def test_models_are_layers():
    x, y = images()
    model = nested()
    assert [layer.name for layer in model.layers] == ["x", "inner", "head", "soft"]
    assert [w.path for w in model.weights] == [
        "conv/kernel", "conv/bias", *(w.path for w in model.get_layer("head").weights),
    ]  # fmt: skip
    assert [layer.name for layer in model.leaf_layers()][:4] == ["x", "inner_in", "conv", "flat"]
    model.compile(Adam(0.01), "sparse_categorical_crossentropy")
    losses = model.fit(x, y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.2 * losses[0]


def test_freezing_a_model_inside_of_a_model():
    x, y = images()
    model = nested()
    model.get_layer("inner").trainable = False
    before = model.get_weights()
    model.compile(SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])
    assert len(model.trainable_weights) == 4


def test_a_model_in_a_sequential():
    x, _ = images()
    base = models.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(4, 3)], name="base")
    model = models.Sequential([base, layers.Flatten(), layers.Dense(2)])
    assert model.built
    assert model.predict(x, verbose=0).shape == (12, 2)
    with pytest.raises(ValueError, match="'base' is built for inputs of shape"):
        models.Sequential([layers.Input((9, 9, 3)), base])


def test_wrong_inputs_of_a_nested_model():
    a, b = two()
    model = models.Model([a, b], layers.add([a, b]), name="m")
    with pytest.raises(ValueError, match=r"`inputs` must be a list of 2, for \['a', 'b'\]"):
        model(layers.Input((4,)))
    with pytest.raises(ValueError, match=r"the keys \['a', 'b'\], received \['a', 'c'\]"):
        model({"a": layers.Input((4,)), "c": layers.Input((4,))})
    with pytest.raises(ValueError, match="'m' is built for inputs of shape"):
        model([layers.Input((4,)), layers.Input((5,))])
    assert model({"a": layers.Input((4,)), "b": layers.Input((4,))}).shape == (None, 4)


# ---------------------------------------------------------------------------- configuration, files


def shared():
    x = layers.Input((6,), name="x")
    layer = layers.Dense(6, name="twice")
    y = layer(layers.ReLU(name="between")(layer(x)))
    return models.Model(x, [y, layers.add([x, y], name="sum")], name="shared")


@pytest.mark.parametrize("make", [residual, shared, nested])
def test_configuration_and_files_round_trip(make, tmp_path):
    model = make()
    config = json.loads(json.dumps(model.get_config()))
    again = models.Model.from_config(config)
    assert again.get_config() == model.get_config()
    model.save(tmp_path / "m.keras")
    loaded = models.load_model(tmp_path / "m.keras")
    assert loaded.get_config() == model.get_config()
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    model.save_weights(tmp_path / "m.weights.h5")
    again.load_weights(tmp_path / "m.weights.h5")
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_calls_in_other_models_are_not_counted():
    x = layers.Input((6,), name="x")
    layer = layers.Dense(6, name="d")
    layer(layers.Input((6,)))
    model = models.Model(x, layer(x))
    config = model.get_config()
    assert config["output_layers"] == ["d", 0, 0]
    assert models.Model.from_config(config).get_config() == config


def edited(change):
    config = json.loads(json.dumps(shared().get_config()))
    change(config)
    return config


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: c.pop("layers"), "no 'layers'"),
        (lambda c: c["layers"].append(c["layers"][0]), "unique within a model, received 'x'"),
        (
            lambda c: c["layers"][0].update(inbound_nodes=c["layers"][1]["inbound_nodes"]),
            "must not be called",
        ),
        (lambda c: c["output_layers"][0].__setitem__(1, 7), "no tensor with the history"),
        (lambda c: c["output_layers"][0].__setitem__(0, "y"), "expected the history"),
        (lambda c: c["output_layers"][0].__setitem__(2, 1), "has 1 outputs"),
        (
            lambda c: c["layers"][1]["inbound_nodes"][0]["kwargs"].update(training="yes"),
            "expected a truth value",
        ),
        (lambda c: c["layers"][1]["inbound_nodes"].pop(0), "depend on calls that do not exist"),
        (lambda c: c["layers"][1]["inbound_nodes"][0].update(args=[3]), "expected tensors"),
        (lambda c: c["layers"][1].update(class_name="Lambda"), "Lambda is not supported"),
    ],
)
def test_configurations_that_make_no_sense(change, message):
    with pytest.raises(ValueError, match=message):
        models.Model.from_config(edited(change))


# ----------------------------------------------------------------------------------------- summary


def test_summary_of_a_graph():
    text = []
    residual("net").summary(line_length=110, print_fn=text.append)
    assert 'Model: "net"' in text[0]
    assert "Connected to" not in text[0]  # Keras, too, takes this one for a chain


def test_summary_says_what_layers_are_connected_to():
    a, b = two()
    text = []
    models.Model([a, b], layers.add([a, b], name="sum"), name="m").summary(
        line_length=80, print_fn=text.append
    )
    assert "Connected to" in text[0]
    assert "a[0][0], b[0][0]" in text[0]


def test_summary_of_nested_models():
    text = []
    nested().summary(line_length=100, print_fn=text.append, expand_nested=True)
    assert "└ conv (Conv2D)" in text[0]
    assert "inner (Functional)" in text[0]
    assert "(None, 144)" in text[0]


# ------------------------------------------------------------- against Keras (golden/make_graph.py)

(GOLDEN_CASE,), GOLDEN = golden_file.load("graph.npz")
GOLDEN_X = [GOLDEN["image"], GOLDEN["vector"]]
GOLDEN_Y = [GOLDEN["labels"], GOLDEN["values"]]


def golden_arrays(prefix):
    return [value for key, value in GOLDEN.items() if key.startswith(f"{prefix}/")]


def golden_model(**arguments):
    model = graph_network.build(layers, models.Model)
    model.set_weights(golden_arrays("weights"))
    model.compile(
        SGD(0.05),
        ["categorical_crossentropy", "mse"],
        loss_weights=[1.0, 0.25],
        **arguments,
    )
    return model


def assert_golden(actual, expected, rtol=1e-5):
    expected = np.asarray(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def test_golden_outputs_and_order_of_layers():
    model = golden_model()
    assert [layer.name for layer in model.layers] == GOLDEN_CASE["layers"] == graph_network.NAMES
    for actual, expected in zip(
        model.predict(GOLDEN_X, batch_size=3, verbose=0), golden_arrays("outputs"), strict=True
    ):
        assert_golden(actual, expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_golden_loss_gradients_and_three_steps(threads):
    runtime.set_num_threads(threads)
    model = golden_model()
    assert_golden(model.train_on_batch(GOLDEN_X, GOLDEN_Y)[0], GOLDEN["loss"])
    parameters = model.parameters
    for variable, expected in zip(model.weights, golden_arrays("gradients"), strict=True):
        assert_golden(parameters.view(parameters.gradient, variable), expected, rtol=1e-5)
    for step in range(3):
        if step:
            model.train_on_batch(GOLDEN_X, GOLDEN_Y)
        for weight, expected in zip(model.get_weights(), golden_arrays(f"step{step}"), strict=True):
            assert_golden(weight, expected)


def test_evaluate_and_history_report_what_keras_reports():
    metrics = {
        "metrics": [["accuracy"], None],
        "weighted_metrics": {"probabilities": ["accuracy"]},
    }
    model = golden_model(**metrics)
    given = {"x": GOLDEN_X, "y": GOLDEN_Y, "batch_size": 4, "verbose": 0}
    logs = model.evaluate(**given, return_dict=True)
    assert list(logs) == GOLDEN_CASE["evaluate"]
    assert_golden(list(logs.values()), GOLDEN["evaluate"])
    assert_golden(model.evaluate(**given), GOLDEN["evaluate_list"])
    weight = GOLDEN["sample_weight"]
    logs = model.evaluate(**given, sample_weight=weight, return_dict=True)
    assert_golden(list(logs.values()), GOLDEN["evaluate_weighted"])
    model.set_weights(golden_arrays("step2"))
    given |= {"batch_size": 3}
    history = model.fit(**given, shuffle=False).history
    assert list(history) == GOLDEN_CASE["history"]
    assert_golden([values[0] for values in history.values()], GOLDEN["history"])

"""Several inputs, outputs, losses: the forms of data, the names of reports, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models
from fastconv.callbacks import EarlyStopping
from fastconv.losses import MeanSquaredError
from fastconv.metrics import BinaryAccuracy
from fastconv.optimizers import SGD
from fastconv.utils import set_random_seed

COUNT = 10
_RNG = np.random.default_rng(0)
A = _RNG.normal(size=(COUNT, 4)).astype(np.float32)
B = _RNG.normal(size=(COUNT, 3)).astype(np.float32)
LABELS = _RNG.integers(0, 2, COUNT)
VALUES = _RNG.normal(size=(COUNT, 1)).astype(np.float32)


def tensors():
    set_random_seed(1)
    a, b = layers.Input((4,), name="a"), layers.Input((3,), name="b")
    both = layers.concatenate([a, b])
    return a, b, layers.Dense(2, "softmax", name="p")(both), layers.Dense(1, name="q")(both)


def listed(**arguments):
    a, b, p, q = tensors()
    model = models.Model([a, b], [p, q], name="m")
    model.compile(SGD(0.1), ["sparse_categorical_crossentropy", "mse"], **arguments)
    return model


def named(alphabetical=False, **arguments):
    a, b, p, q = tensors()
    forms = ({"b": b, "a": a}, {"q": q, "p": p})
    if alphabetical:
        forms = ({"a": a, "b": b}, {"p": p, "q": q})
    model = models.Model(*forms, name="m")
    arguments = {"loss": {"p": "sparse_categorical_crossentropy", "q": "mse"}} | arguments
    model.compile(SGD(0.1), **arguments)
    return model


def test_lists_and_dicts_are_two_ways_to_say_the_same():
    one, other = listed(), named()
    assert other.input_names == ["a", "b"]
    assert other.output_names == ["p", "q"]
    p, q = one.predict([A, B], verbose=0)
    assert list(other.predict({"a": A, "b": B}, verbose=0)) == ["q", "p"]
    for forms in ({"a": A, "b": B}, {"b": B, "a": A}, [A, B], (A, B)):
        np.testing.assert_array_equal(one.predict(forms, verbose=0)[0], p)
        if not isinstance(forms, dict):
            other = named(alphabetical=True)
        np.testing.assert_array_equal(other.predict(forms, batch_size=3, verbose=0)["q"], q)
        np.testing.assert_array_equal(other(forms)["q"], q)
        np.testing.assert_array_equal(one.predict_on_batch(forms)[1], q)
    other = named()
    arguments = {"epochs": 3, "batch_size": 4, "shuffle": False, "verbose": 0}
    first = one.fit([A, B], [LABELS, VALUES], **arguments).history
    second = other.fit({"b": B, "a": A}, {"q": VALUES, "p": LABELS}, **arguments).history
    assert first == second
    assert list(first) == ["loss", "p_loss", "q_loss"]
    assert first["loss"] == pytest.approx(np.add(first["p_loss"], first["q_loss"]))


@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "weighted"])
def test_batches_from_elsewhere(kind):
    def batches():
        for start in range(0, COUNT, 4):
            rows = slice(start, start + 4)
            if kind == "dict":
                yield {"a": A[rows], "b": B[rows]}, {"p": LABELS[rows], "q": VALUES[rows]}
            elif kind == "weighted":
                ones = np.ones(len(A[rows]))
                yield (A[rows], B[rows]), (LABELS[rows], VALUES[rows]), (ones, None)
            else:
                batch = (A[rows], B[rows]), (LABELS[rows], VALUES[rows])
                yield list(map(list, batch)) if kind == "list" else batch

    expected = listed()
    history = expected.fit([A, B], [LABELS, VALUES], batch_size=4, shuffle=False, verbose=0)
    model = listed()
    assert model.fit(batches(), verbose=0).history == history.history
    for one, other in zip(expected.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_of_losses():
    model = listed(loss_weights=[1.0, 0.25])
    loss, p, q = model.evaluate([A, B], [LABELS, VALUES], verbose=0)
    assert loss == pytest.approx(p + 0.25 * q)
    # The gradient of a loss that weighs nothing does nothing.
    model = named(alphabetical=True, loss_weights={"q": 0.0})
    before = model.get_layer("q").get_weights()
    model.fit([A, B], [LABELS, VALUES], verbose=0)
    for one, other in zip(before, model.get_layer("q").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_output_without_a_loss():
    for loss in ({"q": "mse"}, [None, "mse"]):
        model = named(alphabetical=True, loss=loss)
        before = model.get_layer("p").get_weights()
        history = model.fit([A, B], {"q": VALUES}, verbose=0).history
        assert list(history) == ["loss"]
        np.testing.assert_array_equal(before[0], model.get_layer("p").get_weights()[0])
        alone = model.evaluate([A, B], [VALUES], verbose=0)
        for y in (VALUES, VALUES[:, 0], {"q": VALUES}, [LABELS, VALUES]):
            assert model.evaluate([A, B], y, verbose=0) == alone > 0
        assert model.evaluate(iter([([A, B], VALUES)]), verbose=0) == alone
        assert model.fit([A, B], VALUES, validation_split=0.5, verbose=0).history["val_loss"]
    model = named(alphabetical=True, loss={"q": "mse"}, metrics={"p": ["accuracy"]})
    logs = model.evaluate([A, B], [LABELS, VALUES], verbose=0, return_dict=True)
    assert list(logs) == ["loss", "p_accuracy"]


def test_weights_that_no_loss_depends_on_keep_no_old_gradient():
    """Their gradient is that of their penalty alone, in every step."""
    x = layers.Input((4,))
    used = layers.Dense(1, name="used")
    free = layers.Dense(1, name="free", kernel_regularizer="l2", use_bias=False)
    both = models.Model(x, [used(x), free(x)])
    both.compile(SGD(0.1), "mse")
    both.fit(A, [VALUES, VALUES], verbose=0)  # leaves a gradient in the common buffer
    both.compile(SGD(0.1), ["mse", None])
    kernel = free.get_weights()[0]
    for _ in range(3):
        both.train_on_batch(A, [VALUES])
        kernel = kernel - 0.1 * 2 * 0.01 * kernel
    np.testing.assert_allclose(free.get_weights()[0], kernel, rtol=1e-5)


def test_a_loss_in_a_list_of_its_own():
    """As Keras takes it, for one output or several."""
    expected = listed().evaluate([A, B], [LABELS, VALUES], verbose=0)
    for loss in (
        {"p": ["sparse_categorical_crossentropy"], "q": ["mse"]},
        [["sparse_categorical_crossentropy"], ["mse"]],
    ):
        model = listed()
        model.compile("sgd", loss)
        assert model.evaluate([A, B], [LABELS, VALUES], verbose=0) == expected
    results = []
    for loss in ("mse", ["mse"], {"q": ["mse"]}):
        a, b, _, q = tensors()
        model = models.Model([a, b], q)
        model.compile("sgd", loss)
        results.append(model.evaluate([A, B], VALUES, verbose=0))
        again = models.clone_model(model)
        again.compile_from_config(model.get_compile_config())
    assert results[0] == results[1] == results[2]
    for loss in ({"p": ["mse", "mae"], "q": "mse"}, [["mse", "mae"], "mse"]):
        model = listed()
        model.compile("sgd", loss)
        message = r"`loss` must be one loss per output, \['p', 'q'\], received 2 for one of them"
        with pytest.raises(ValueError, match=message):
            model.fit([A, B], [LABELS, VALUES], verbose=0)


def test_one_loss_for_all_outputs():
    model = named(alphabetical=True, loss="mse")
    targets = np.eye(2)[LABELS]
    loss, p, q = model.evaluate([A, B], [targets, VALUES], verbose=0)
    outputs = model.predict([A, B], verbose=0)
    assert p == pytest.approx(np.mean((outputs["p"] - targets) ** 2), rel=1e-5)
    assert q == pytest.approx(np.mean((outputs["q"] - VALUES) ** 2), rel=1e-5)
    assert loss == pytest.approx(p + q)


def test_sample_weights_of_one_output_or_of_all():
    model = listed(weighted_metrics=[["accuracy"], None])
    weight = np.arange(COUNT) / 3
    every = {"x": [A, B], "y": [LABELS, VALUES], "verbose": 0, "return_dict": True}
    plain = model.evaluate(**every)
    both = model.evaluate(**every, sample_weight=weight)
    one = model.evaluate(**every, sample_weight={"p": weight})
    assert one["p_loss"] == both["p_loss"] != plain["p_loss"]
    assert one["q_loss"] == plain["q_loss"] != both["q_loss"]
    assert one["p_accuracy"] == both["p_accuracy"] != plain["p_accuracy"]


def test_names_of_reports():
    accuracy = BinaryAccuracy(name="acc")
    model = listed(metrics=[["accuracy", "acc"], [accuracy]], weighted_metrics={"p": ["acc"]})
    model.evaluate([A, B], [LABELS, VALUES], verbose=0)
    assert model.metrics_names == [
        "loss", "p_loss", "q_loss", "p_accuracy", "p_acc", "q_acc", "p_weighted_acc",
    ]  # fmt: skip
    stop = EarlyStopping("val_p_accuracy", patience=0)
    stop.set_model(model)
    model.fit([A, B], [LABELS, VALUES], validation_split=0.3, epochs=30, callbacks=[stop],
              verbose=0)  # fmt: skip
    assert len(model.history.history["loss"]) < 30


def test_equal_names_of_outputs_get_numbers():
    x = layers.Input((2,))
    inner = models.Model(x, [layers.Dense(1)(x), layers.Dense(1)(x)], name="inner")
    y = layers.Input((2,))
    assert models.Model(y, inner(y)).output_names == ["inner", "inner_1"]


def test_the_compile_configuration_keeps_lists_and_dicts():
    model = listed(
        loss_weights=[1, 0.5], metrics=[["accuracy"], None], weighted_metrics={"q": ["acc"]}
    )
    config = model.get_compile_config()
    assert config["loss"] == ["sparse_categorical_crossentropy", "mse"]
    assert config["loss_weights"] == [1.0, 0.5]
    assert config["metrics"] == [["accuracy"], None]
    assert config["weighted_metrics"] == {"q": ["acc"]}
    again = listed()
    again.compile_from_config(config)
    assert again.get_compile_config() == config
    model = named(loss={"p": "sparse_categorical_crossentropy", "q": MeanSquaredError(name="e")})
    config = model.get_compile_config()
    assert config["loss"]["q"]["class_name"] == "MeanSquaredError"
    again.compile_from_config(config)
    assert again.get_compile_config() == config


@pytest.mark.parametrize(
    ("x", "y", "arguments", "message"),
    [
        (A, [LABELS, VALUES], {}, r"`x` must be a list of 2, for \['a', 'b'\], or a dict"),
        ([A, B, B], [LABELS, VALUES], {}, "`x` must be a list of 2.*received 3 of them"),
        (
            {"a": A},
            [LABELS, VALUES],
            {},
            r"`x` must have the keys \['a', 'b'\], received \['a'\]: \['b'\] missing",
        ),
        (
            {"b": B, "c": A},
            [LABELS, VALUES],
            {},
            r"keys \['a', 'b'\], received \['b', 'c'\]: \['a'\] missing, \['c'\] extra",
        ),
        ([A, A], [LABELS, VALUES], {}, r"`x` for input 'b' must have shape \(None, 3\), received"),
        ([A, B[:5]], [LABELS, VALUES], {}, "must have one length, received 10 and 5"),
        ([A, B], LABELS, {}, "`y` must be a list of 2"),
        ([A, B], [LABELS, VALUES, VALUES], {}, "`y` must be a list of 2"),
        ([A, B], [LABELS, None], {}, "`y` must have labels for output 'q', received None"),
        ([A, B], [LABELS, VALUES[:5]], {}, "must have one length, received 10 and 5"),
        ([A, B], [LABELS, VALUES], {"class_weight": {0: 2}}, "`class_weight` needs a model with"),
        ([A, B], {"p": LABELS, "z": VALUES}, {}, r"`y` must have keys among.*: \['z'\] extra"),
        (
            [A, B],
            [LABELS, VALUES],
            {"sample_weight": {"z": np.ones(COUNT)}},
            r"`sample_weight` must have keys among \['p', 'q'\], received \['z'\]: \['z'\] extra",
        ),
    ],
)
def test_data_that_does_not_fit_is_refused(x, y, arguments, message):
    with pytest.raises(ValueError, match=message):
        listed().fit(x, y, verbose=0, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": ["mse"]}, r"`loss` must have 2 entries, for \['p', 'q'\], received 1"),
        ({"loss": {"z": "mse"}}, r"`loss` must have keys among \['p', 'q'\], received \['z'\]"),
        ({"loss": [None, None]}, "at least one of the outputs .* must have a loss"),
        ({"loss_weights": [1.0]}, "`loss_weights` must have 2 entries"),
        ({"metrics": ["accuracy"]}, "`metrics` must have an entry per output"),
        ({"weighted_metrics": {"z": ["acc"]}}, "`weighted_metrics` must have keys among"),
    ],
)
def test_settings_for_other_outputs_are_refused(arguments, message):
    model = named(alphabetical=True, **arguments)
    with pytest.raises(ValueError, match=message):
        model.fit([A, B], [LABELS, VALUES], verbose=0)


# ------------------------------------------------------------- lists where the model has a dict

X_DICT, Y_DICT = {"a": A, "b": B}, {"p": LABELS, "q": VALUES}
PLAIN = np.ones(COUNT)


class OneBatch:
    """A data set of one batch."""

    def __init__(self, *batch):
        self._batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self._batch


WITH_A_LIST = {
    "predict": ("x", lambda m: m.predict([A, B], verbose=0)),
    "predict tuple": ("x", lambda m: m.predict((A, B), verbose=0)),
    "predict_on_batch": ("x", lambda m: m.predict_on_batch([A, B])),
    "call": ("x", lambda m: m([A, B])),
    "symbolic": ("inputs", lambda m: m([layers.Input((4,)), layers.Input((3,))])),
    "fit x": ("x", lambda m: m.fit([A, B], Y_DICT, verbose=0)),
    "fit y": ("y", lambda m: m.fit(X_DICT, [LABELS, VALUES], verbose=0)),
    "fit weights": (
        "sample_weight",
        lambda m: m.fit(X_DICT, Y_DICT, sample_weight=[PLAIN, PLAIN], verbose=0),
    ),
    "split": (
        "x",
        lambda m: m.fit([A, B], Y_DICT, validation_split=0.2, verbose=0),
    ),
    "validation x": (
        "x",
        lambda m: m.fit(X_DICT, Y_DICT, validation_data=([A, B], Y_DICT), verbose=0),
    ),
    "validation y": (
        "y",
        lambda m: m.fit(X_DICT, Y_DICT, validation_data=(X_DICT, [LABELS, VALUES]), verbose=0),
    ),
    "evaluate": ("y", lambda m: m.evaluate(X_DICT, [LABELS, VALUES], verbose=0)),
    "train_on_batch": ("x", lambda m: m.train_on_batch([A, B], Y_DICT)),
    "test_on_batch": ("y", lambda m: m.test_on_batch(X_DICT, [LABELS, VALUES])),
    "generator x": ("x", lambda m: m.fit(iter([([A, B], Y_DICT)]), verbose=0)),
    "generator y": ("y", lambda m: m.fit(iter([(X_DICT, [LABELS, VALUES])]), verbose=0)),
    "data set": ("x", lambda m: m.predict(OneBatch([A, B]), verbose=0)),
    "data set y": ("y", lambda m: m.evaluate(OneBatch(X_DICT, [LABELS, VALUES]), verbose=0)),
    **{
        f"compile {argument}": (
            argument,
            lambda m, given={argument: value}: (
                m.compile(SGD(0.1), **{"loss": dict.fromkeys("pq", "mse")} | given),
                m.evaluate(X_DICT, Y_DICT, verbose=0),
            ),
        )
        for argument, value in {
            "loss": ["sparse_categorical_crossentropy", "mse"],
            "loss_weights": [1.0, 2.0],
            "metrics": [["accuracy"], ["mae"]],
            "weighted_metrics": [[], ["mae"]],
        }.items()
    },
}


@pytest.mark.parametrize("call", WITH_A_LIST)
def test_a_list_never_stands_for_a_dict_in_another_order(call):
    """It would be matched by the sorted names, which is not the order that the user wrote."""
    argument, use = WITH_A_LIST[call]
    keys = "'b', 'a'" if argument in ("x", "inputs") else "'q', 'p'"
    message = rf"`{argument}` must be a dict with the keys \[{keys}\], received a list; a list"
    with pytest.raises(ValueError, match=message):
        use(named())
    if call.startswith("compile loss") or not call.startswith("compile"):
        use(named(alphabetical=True))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files_keep_the_order_of_the_names(tmp_path, suffix):
    for alphabetical in (False, True):
        model = named(alphabetical)
        model.save(tmp_path / f"m{suffix}")
        again = models.load_model(tmp_path / f"m{suffix}")
        for one in (again, models.clone_model(model)):
            assert list(one.input) == list(model.input)
            assert list(one.predict(X_DICT, verbose=0)) == list(model.output)
            if alphabetical:
                one.predict([A, B], verbose=0)
            else:
                with pytest.raises(ValueError, match="`x` must be a dict with the keys"):
                    one.predict([A, B], verbose=0)


def test_two_models_over_the_same_layers_are_not_fitted_at_once():
    model = listed()
    other = models.Model(model.inputs, model.get_layer("q").output)
    other.compile("sgd", "mse")
    other.predict([A, B], verbose=0)
    with model.parameters.training.step():
        with pytest.raises(RuntimeError, match="another model that shares layers"):
            other.fit([A, B], VALUES, verbose=0)
        with pytest.raises(RuntimeError, match="another model that shares layers"):
            other.train_on_batch([A, B], VALUES)
    other.fit([A, B], VALUES, verbose=0)

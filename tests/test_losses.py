"""Losses and metrics: values, targets that fit and targets that do not, names."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from fastconv import layers, losses, metrics, models
from fastconv.serialization import deserialize, serialize

RNG = np.random.default_rng(6)
LOGITS = RNG.standard_normal((6, 4)).astype(np.float32) * 3
LABELS = RNG.integers(0, 4, 6)
ONE_HOT = np.eye(4, dtype=np.float32)[LABELS]
WEIGHTS = np.array([1, 0, 2, 0.5, 3, 1], np.float32)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def evaluate(loss, output, y, *last, **arguments):
    """What `evaluate` reports for a model whose output before `last` is `output`."""
    model = models.Sequential([layers.Input(output.shape[1:]), *(last or [layers.ReLU()])])
    model.compile(loss=loss)
    return model.evaluate(output, y, verbose=0, **arguments)


def test_cross_entropies_agree():
    """From logits or probabilities, one-hot or class numbers, in a model or called."""
    expected = -np.log(softmax(LOGITS.astype(np.float64))[np.arange(6), LABELS]).mean()
    values = [
        losses.CategoricalCrossentropy(from_logits=True)(ONE_HOT, LOGITS),
        losses.CategoricalCrossentropy()(ONE_HOT, softmax(LOGITS)),
        losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, LOGITS),
        losses.SparseCategoricalCrossentropy()(LABELS[:, None], softmax(LOGITS)),
        evaluate("categorical_crossentropy", LOGITS, ONE_HOT, layers.Softmax()),
        evaluate("sparse_categorical_crossentropy", LOGITS, LABELS, layers.Softmax()),
        evaluate("categorical_crossentropy", softmax(LOGITS), ONE_HOT),
        evaluate("sparse_categorical_crossentropy", softmax(LOGITS), LABELS),
        evaluate(
            losses.CategoricalCrossentropy(from_logits=True),
            LOGITS,
            ONE_HOT,
            layers.Activation("linear"),
        ),
    ]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2, 1.0])
def test_label_smoothing_mixes_labels_with_the_mean(smoothing):
    smooth = ONE_HOT * (1 - smoothing) + smoothing / 4
    loss = losses.CategoricalCrossentropy(label_smoothing=smoothing)
    expected = -(smooth * np.log(softmax(LOGITS.astype(np.float64)))).sum(axis=-1).mean()
    assert loss(ONE_HOT, softmax(LOGITS)) == pytest.approx(expected, rel=1e-6)
    assert evaluate(loss, LOGITS, ONE_HOT, layers.Softmax()) == pytest.approx(expected, rel=1e-6)


def test_sample_weights_do_not_divide_the_sum():
    per_sample = np.square(LOGITS - ONE_HOT).mean(axis=-1).astype(np.float64)
    expected = (per_sample * WEIGHTS).sum() / 6
    assert losses.MeanSquaredError()(ONE_HOT, LOGITS, WEIGHTS) == pytest.approx(expected)
    value = evaluate(
        "mse", LOGITS, ONE_HOT, layers.Activation("linear"), sample_weight=WEIGHTS, batch_size=4
    )
    assert value == pytest.approx(expected, rel=1e-6)


def test_losses_of_more_axes_average_over_all_vectors():
    logits = LOGITS.reshape(2, 3, 4)
    labels = LABELS.reshape(2, 3)
    for loss, y in {
        "sparse_categorical_crossentropy": labels,
        "categorical_crossentropy": np.eye(4)[labels],
        "mse": np.eye(4)[labels],
    }.items():
        flat = evaluate(loss, LOGITS, y.reshape(6, *y.shape[2:]), layers.Softmax())
        assert evaluate(loss, logits, y, layers.Softmax()) == pytest.approx(flat, rel=1e-6)
        per_sample = evaluate(loss, logits, y, layers.Softmax(), sample_weight=np.array([1, 3]))
        per_vector = evaluate(
            loss, logits, y, layers.Softmax(), sample_weight=np.array([[1] * 3, [3] * 3])
        )
        assert per_sample == pytest.approx(per_vector, rel=1e-6)


def test_mean_squared_error_compares_one_target_with_all_outputs():
    y = np.arange(6.0)
    expected = np.square(LOGITS - y[:, None]).mean()
    for target in (y, y[:, None]):
        value = evaluate("mse", LOGITS, target, layers.Activation("linear"))
        assert value == pytest.approx(expected, rel=1e-6)


def test_a_saturated_softmax_has_an_exact_loss():
    logits = np.array([[1e4, -1e4]], np.float32)
    value = evaluate("sparse_categorical_crossentropy", logits, [1], layers.Softmax())
    assert value == pytest.approx(2e4)


def test_logits_asked_for_after_a_softmax_are_a_warning():
    loss = losses.CategoricalCrossentropy(from_logits=True)
    with pytest.warns(UserWarning, match="from_logits=True, but the model ends in a softmax"):
        value = evaluate(loss, LOGITS, ONE_HOT, layers.Softmax())
    assert value == pytest.approx(loss(ONE_HOT, LOGITS), rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "y", "error", "message"),
    [
        ("categorical_crossentropy", LABELS, ValueError, "`y` must have the shape of the predic"),
        ("categorical_crossentropy", ONE_HOT[:, :3], ValueError, r"received \(6, 3\)"),
        ("sparse_categorical_crossentropy", ONE_HOT, ValueError, "one-hot labels need categorical"),
        (
            "sparse_categorical_crossentropy",
            [0, 1, 4, 0, 0, 9],
            ValueError,
            "whole numbers from 0 to 3, received 4 at index 2",
        ),
        ("sparse_categorical_crossentropy", [0, 1, -1, 0, 0, 0], ValueError, "received -1 at inde"),
        ("sparse_categorical_crossentropy", [0, 1, 0.5, 0, 0, 0], ValueError, "received 0.5 at in"),
        (
            "sparse_categorical_crossentropy",
            [0, 1, float("nan"), 0, 0, 0],
            ValueError,
            "received nan at index 2",
        ),
        (
            "sparse_categorical_crossentropy",
            np.array([0, 0, 0, 2**64 - 1, 0, 0], np.uint64),
            ValueError,
            "received 18446744073709551615 at index 3",
        ),
        ("mse", np.zeros((6, 3)), ValueError, "`y` must have the shape of the predictions"),
        ("mse", ["a"] * 6, TypeError, "`y` must hold integers or floats"),
        ("mse", np.zeros((6, 4), complex), TypeError, "received dtype complex128"),
        ("mse", np.zeros((6, 4), object), TypeError, "received dtype object"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_targets_that_do_not_fit(loss, y, error, message):
    with pytest.raises(error, match=message):
        evaluate(loss, softmax(LOGITS), y)


def test_whole_float_labels_and_boolean_targets_are_accepted():
    expected = evaluate("sparse_categorical_crossentropy", softmax(LOGITS), LABELS)
    floats = evaluate("sparse_categorical_crossentropy", softmax(LOGITS), LABELS.astype(float))
    assert floats == expected
    booleans = evaluate("categorical_crossentropy", softmax(LOGITS), ONE_HOT.astype(bool))
    assert booleans == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: losses.get("hing"), ValueError, "`loss` must be one of .*'mse'.*'hing'"),
        (lambda: losses.get(3), TypeError, "`loss` must be a name or a Loss, received 3"),
        (lambda: losses.get(dict), TypeError, "must be a name or a Loss, received <class"),
        (lambda: losses.MeanSquaredError("all"), ValueError, "'sum_over_batch_size', .* 'all'"),
        (lambda: losses.Huber(0), ValueError, "`delta` .* above 0, received 0"),
        (lambda: losses.BinaryFocalCrossentropy(alpha=2), ValueError, "`alpha` .* at most 1"),
        (lambda: losses.MeanSquaredError(dtype="float64"), ValueError, "`dtype` must be None or"),
        (
            lambda: losses.CategoricalCrossentropy(axis=True),
            TypeError,
            "`axis` must be an integer, re",
        ),
        (
            lambda: losses.CategoricalCrossentropy(label_smoothing=2),
            ValueError,
            "`label_smoothing` .* at most 1",
        ),
        (
            lambda: losses.SparseCategoricalCrossentropy(ignore_class="x"),
            TypeError,
            "`ignore_class`",
        ),
        (lambda: metrics.get("auk"), ValueError, "`metric` must be one of .*'auc'.* 'auk'"),
        (lambda: metrics.get(3), TypeError, "`metric` must be a name or a Metric, received 3"),
        (
            lambda: losses.MeanSquaredError()(np.ones((2, 1)), np.ones((3, 1))),
            ValueError,
            "2 and 3",
        ),
    ],
)
def test_arguments_and_names_that_do_not_fit_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", losses.CLASSES)
def test_a_configuration_makes_an_equal_loss(name):
    loss = losses.get(name)
    assert deserialize(serialize(loss), "losses").get_config() == loss.get_config()


# ----------------------------------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("metric", "y", "prediction", "expected"),
    [
        (metrics.CategoricalAccuracy(), ONE_HOT, LOGITS, (LOGITS.argmax(1) == LABELS).mean()),
        (metrics.SparseCategoricalAccuracy(), LABELS, LOGITS, (LOGITS.argmax(1) == LABELS).mean()),
        (metrics.SparseCategoricalAccuracy(), LABELS[:, None], LOGITS,
         (LOGITS.argmax(1) == LABELS).mean()),
        (metrics.BinaryAccuracy(), [1, 0, 1, 0], [[0.6], [0.5], [0.4], [0.1]], 0.75),
        (metrics.BinaryAccuracy(threshold=0.3), [[1, 0]], [[0.4, 0.31]], 0.5),
    ],
)  # fmt: skip
def test_accuracies_count_what_is_right(metric, y, prediction, expected):
    metric.reset_state()
    metric.update_state(y, prediction)
    assert metric.result() == pytest.approx(expected)
    assert deserialize(serialize(metric), "metrics").get_config() == metric.get_config()
    metric.reset_state()
    assert metric.result() == 0


def test_metrics_gather_and_weigh():
    metric = metrics.SparseCategoricalAccuracy()
    metric.update_state([0], [[1, 0]], [3])
    metric.update_state([0, 0], [[0, 1], [1, 0]], [2, 1])
    assert metric.result() == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("y_shape", "output_shape", "expected"),
    [
        ((5, 1), (None, 1), metrics.BinaryAccuracy),
        ((5,), (None, 1), metrics.BinaryAccuracy),
        ((5,), (None, 4), metrics.SparseCategoricalAccuracy),
        ((5, 1), (None, 4), metrics.SparseCategoricalAccuracy),
        ((5, 7), (None, 7, 4), metrics.SparseCategoricalAccuracy),
        ((5, 4), (None, 4), metrics.CategoricalAccuracy),
    ],
)
def test_what_accuracy_means(y_shape, output_shape, expected):
    resolved = metrics.resolve("acc", y_shape, output_shape)
    assert type(resolved) is expected
    assert resolved.name == "acc"


@pytest.mark.parametrize(
    ("metric", "y"),
    [
        (metrics.CategoricalAccuracy(), LABELS),
        (metrics.SparseCategoricalAccuracy(), ONE_HOT),
        (metrics.BinaryAccuracy(), ONE_HOT[:, :2]),
    ],
)
def test_a_metric_refuses_labels_of_another_kind(metric, y):
    with pytest.raises(ValueError, match="needs labels of shape"):
        metric.update_state(y, LOGITS)


def test_metrics_with_and_without_weights_and_with_one_name():
    model = models.Sequential([layers.Input((4,)), layers.Softmax()])
    model.compile(
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", "accuracy", metrics.SparseCategoricalAccuracy(name="mine")],
        weighted_metrics=["accuracy"],
    )
    hits = LOGITS.argmax(1) == LABELS
    logs = model.evaluate(LOGITS, LABELS, sample_weight=WEIGHTS, verbose=0, return_dict=True)
    assert list(logs) == ["accuracy", "accuracy_1", "loss", "mine", "weighted_accuracy"]
    assert logs["accuracy"] == logs["accuracy_1"] == logs["mine"] == pytest.approx(hits.mean())
    assert logs["weighted_accuracy"] == pytest.approx((hits * WEIGHTS).sum() / WEIGHTS.sum())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.evaluate(LOGITS, LABELS, verbose=0)

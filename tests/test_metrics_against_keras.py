"""Every metric over several batches against what real Keras computed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from fastconv import callbacks, layers, metrics, models, optimizers
from fastconv.serialization import deserialize, serialize
from tests.golden.golden_file import load

CASES, ARRAYS = load("training_metrics.npz")
EACH = [pytest.param(case, id=f"{case['name']}-{case['object'][0]}") for case in CASES]
BATCHES = ((0, 4), (4, 11), (11, 12))
RNG = np.random.default_rng(3)


def make(case):
    name, arguments = case["object"]
    return getattr(metrics, name)(**arguments)


def batches(case, weighted):
    for begin, end in BATCHES:
        weight = ARRAYS["weights"][begin:end] if weighted == "weighted" else None
        yield (
            ARRAYS[case["target"]][begin:end], ARRAYS[case["prediction"]][begin:end], weight,
        )  # fmt: skip


@pytest.mark.parametrize("weighted", ["plain", "weighted"])
@pytest.mark.parametrize("case", EACH)
def test_results_over_batches_are_those_of_keras(case, weighted):
    metric = make(case)
    for _ in range(2):  # the second time after a reset
        for batch, expected in zip(
            batches(case, weighted), ARRAYS[f"{case['name']}/{weighted}"], strict=True
        ):
            metric.update_state(*batch)
            np.testing.assert_allclose(metric.result(), expected, rtol=1e-5, atol=1e-6)
        metric.reset_state()


@pytest.mark.parametrize("case", EACH)
def test_a_state_goes_on(case):
    first, second = make(case), make(case)
    for batch in batches(case, "weighted"):
        first.update_state(*batch)
        second.restore(first.state())
        np.testing.assert_array_equal(second.result(), first.result())
    before = np.copy(first.result())
    second.update_state(*batch)  # what one gathers does not reach the other
    np.testing.assert_array_equal(first.result(), before)


@pytest.mark.parametrize("case", EACH)
def test_configurations_and_names_are_those_of_keras(case):
    metric = make(case)
    # Keras counts the metrics of a process that have no name; a model here counts its own.
    expected = case["config"] | {"name": re.sub(r"_\d+$", "", case["config"]["name"])}
    config = metric.get_config()
    assert metric.name == expected["name"]
    for key, value in expected.items():
        assert config[key] == (value if isinstance(value, str) else pytest.approx(value)), key
    copy = deserialize(serialize(metric), "metrics")
    assert copy.get_config() == config


def test_one_number_in_a_model():
    x = ARRAYS["shares"]
    y = ARRAYS["target_binary"]
    model = models.Sequential([layers.Input((5,)), layers.Activation("linear")])
    chosen = ["mse", "BinaryAccuracy", metrics.AUC(), metrics.F1Score("macro"), "precision"]
    model.compile(loss="bce", metrics=[*chosen, lambda y, p: abs(y - p).max(axis=-1)])
    logs = model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    assert sorted(set(logs) - {"<lambda>"}) == [
        "BinaryAccuracy", "auc", "f1_score", "loss", "mse", "precision",
    ]  # fmt: skip
    assert logs["mse"] == pytest.approx(np.square(x - y).mean(), rel=1e-6)
    assert logs["<lambda>"] == pytest.approx(abs(x - y).max(axis=-1).mean(), rel=1e-6)
    auc = metrics.AUC()
    auc.update_state(y, x)
    assert logs["auc"] == pytest.approx(auc.result(), rel=1e-6)


ARRAYS_IN_A_MODEL = {
    "confusion_matrix": lambda: metrics.ConfusionMatrix(5),
    "f1_score": lambda: metrics.F1Score(),
    "precision": lambda: metrics.Precision([0.2, 0.3]),
    "r2_score": lambda: metrics.R2Score(None),
}


@pytest.mark.parametrize("name", ARRAYS_IN_A_MODEL)
def test_a_model_reports_arrays(name, capsys, tmp_path):
    x, y = ARRAYS["shares"], ARRAYS["target_one_hot"]
    expected = ARRAYS_IN_A_MODEL[name]()
    expected.update_state(y, x)
    model = models.Sequential([layers.Input((5,)), layers.Activation("linear")])
    model.compile(loss="mse", metrics=["mae", ARRAYS_IN_A_MODEL[name]()])
    values = model.evaluate(x, y, batch_size=5, verbose=2)
    np.testing.assert_allclose(values[2], expected.result(), rtol=1e-6)
    assert f"{name}: {np.mean(values[2]):.4f}" in capsys.readouterr().out  # as in Keras
    table, events = callbacks.CSVLogger(tmp_path / "log.csv"), callbacks.TensorBoard(tmp_path)
    with pytest.warns(UserWarning, match="no trainable weights"):
        history = model.fit(
            x, y, epochs=2, verbose=1, validation_data=(x, y), callbacks=[table, events]
        )
    for found in (*history.history[name], *history.history[f"val_{name}"]):
        np.testing.assert_allclose(found, expected.result(), rtol=1e-6)
    assert (tmp_path / "log.csv").read_text().count('"""[') == 4
    written = b"".join(path.read_bytes() for path in (tmp_path / "train").iterdir())
    assert f"epoch_{name}/1".encode() in written
    np.testing.assert_allclose(model.test_on_batch(x, y)[2], expected.result(), rtol=1e-6)
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.evaluate(x, y, batch_size=5, verbose=0)[2], values[2])
    for watch in (callbacks.EarlyStopping, callbacks.ReduceLROnPlateau):
        with (
            pytest.warns(UserWarning, match="no trainable weights"),
            pytest.raises(
                ValueError, match=f"must be the name of one number, received 'val_{name}"
            ),
        ):
            model.fit(x, y, verbose=0, validation_data=(x, y), callbacks=[watch(f"val_{name}")])


def test_r2_is_adjusted_by_the_number_of_samples():
    """Of one output that is the number of values, which Keras takes for several outputs, too."""
    rng = np.random.default_rng(3)
    y, p = rng.normal(size=(10, 2)), rng.normal(size=(10, 2))
    for aggregation in (None, "uniform_average", "variance_weighted_average"):
        plain = metrics.R2Score(aggregation)
        adjusted = metrics.R2Score(aggregation, num_regressors=3)
        for rows in (slice(0, 4), slice(4, 10)):
            plain.update_state(y[rows], p[rows])
            adjusted.update_state(y[rows], p[rows])
        expected = 1 - (1 - np.asarray(plain.result())) * 9 / 6
        np.testing.assert_allclose(adjusted.result(), expected, rtol=1e-12)
    few = metrics.R2Score(num_regressors=9)
    few.update_state(y, p)
    with pytest.warns(UserWarning, match="r2_score of 10 samples cannot be adjusted for 9"):
        few.result()


def test_a_confusion_matrix_counts_weights_by_label_and_prediction():
    labels, scores = RNG.integers(0, 4, 50), RNG.standard_normal((50, 4))
    weights = RNG.integers(1, 4, 50)
    expected = np.zeros((4, 4))
    for label, row, weight in zip(labels, scores, weights, strict=True):
        expected[label, row.argmax()] += weight
    matrix = metrics.ConfusionMatrix(4)
    for part in (slice(0, 20), slice(20, 50)):
        matrix.update_state(labels[part], scores[part], weights[part])
    np.testing.assert_array_equal(matrix.result(), expected)
    one_hot = metrics.ConfusionMatrix(4)
    one_hot.update_state(np.eye(4)[labels], scores, weights)
    np.testing.assert_array_equal(one_hot.result(), expected)


def test_auc_of_many_thresholds_is_the_share_of_ordered_pairs():
    y, p = RNG.integers(0, 2, 300), RNG.integers(0, 50, 300) / 49
    pairs = [(a > b) + 0.5 * (a == b) for a in p[y == 1] for b in p[y == 0]]
    auc = metrics.AUC(num_thresholds=3000)
    auc.update_state(y, p)
    assert auc.result() == pytest.approx(np.mean(pairs), rel=1e-6)


def test_mean_and_sum():
    mean, total = metrics.Mean(), metrics.Sum()
    for metric in (mean, total):
        metric.update_state([1.0, 3.0], [1.0, 3.0])
        metric.update_state(6.0)
    assert mean.result() == pytest.approx((1 + 9 + 6) / 5)
    assert total.result() == 16
    assert metrics.MeanSquaredError()([[0.0]], [[2.0]]) == 4


@pytest.mark.parametrize("name", metrics.ALIASES)
def test_aliases_keep_the_name_as_typed(name):
    metric = metrics.get(name)
    assert type(metric) is metrics.ALIASES[name]
    assert metric.name == name


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.get("accurate"), ValueError, "`metric` must be one of .* 'accurate'"),
        (lambda: metrics.AUC(curve="x"), ValueError, "`curve` must be one of"),
        (lambda: metrics.AUC(summation_method="x"), ValueError, "`summation_method` must be one"),
        (lambda: metrics.AUC(1), ValueError, "`num_thresholds` must be"),
        (lambda: metrics.AUC(num_labels=3), ValueError, "is for `multi_label` only"),
        (lambda: metrics.AUC(thresholds=[2]), ValueError, "`thresholds` must be from 0 to 1"),
        (lambda: metrics.Precision(1.5), ValueError, "`thresholds` must be from 0 to 1"),
        (lambda: metrics.Precision(top_k=0), ValueError, "`top_k` must be positive"),
        (lambda: metrics.F1Score("all"), ValueError, "`average` must be one of"),
        (lambda: metrics.FBetaScore(beta=0), ValueError, "`beta` must be above 0"),
        (lambda: metrics.R2Score("x"), ValueError, "`class_aggregation` must be one of"),
        (lambda: metrics.ConfusionMatrix(1), ValueError, "`num_classes` must be"),
        (lambda: metrics.TopKCategoricalAccuracy(0), ValueError, "`k` must be positive"),
        (
            lambda: metrics.Precision(class_id=5).update_state(np.ones((2, 3)), np.ones((2, 3))),
            ValueError,
            "`class_id` 5 needs predictions of more classes",
        ),
        (
            lambda: metrics.Recall().update_state(np.ones((2, 3)), np.ones((2, 4))),
            ValueError,
            "needs labels of the shape of the predictions",
        ),
        (
            lambda: metrics.F1Score().update_state(np.ones(2), np.ones((2, 4))),
            ValueError,
            "needs labels and predictions",
        ),
        (
            lambda: metrics.ConfusionMatrix(3).update_state([3], [[0, 1, 2]]),
            ValueError,
            "labels must be from 0 to 2",
        ),
        (
            lambda: metrics.Mean().update_state([1, 2, 3], [1, 2]),
            ValueError,
            "`sample_weight` must have shape",
        ),
    ],
)
def test_arguments_and_values_that_do_not_fit_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---- operating points, correlations ----


def test_operating_points_and_correlations_in_a_model():
    x, y = ARRAYS["shares"], ARRAYS["target_one_hot"]
    model = models.Sequential([layers.Input((5,)), layers.Activation("linear")])
    model.compile(loss="mse", metrics=[metrics.PrecisionAtRecall(0.5), "pearson_correlation"])
    logs = model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    assert logs["precision_at_recall"] == pytest.approx(metrics.PrecisionAtRecall(0.5)(y, x))
    expected = metrics.pearson_correlation(y, x).mean()
    assert logs["pearson_correlation"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: metrics.PrecisionAtRecall(2), ValueError, "`recall` must be"),
        (lambda: metrics.RecallAtPrecision(0.5, 0), ValueError, "`num_thresholds` must be"),
        (lambda: metrics.pearson_correlation([1, 2], [1]), ValueError, "the same shape"),
    ],
)
def test_arguments_of_operating_points_and_correlations(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_counts_by_threshold():
    y, p = [0, 0, 1, 1, 1], [0.2, 0.6, 0.4, 0.8, 0.9]
    precision = metrics.Precision(thresholds=[0.5, 0.7])
    assert precision.true_positives.tolist() == [0, 0]
    precision.update_state(y, p, sample_weight=[1, 1, 1, 2, 1])
    assert precision.true_positives.tolist() == [3, 3]
    assert precision.false_positives.tolist() == [1, 0]
    assert precision.true_negatives.tolist() == [1, 2]
    assert precision.false_negatives.tolist() == [1, 1]
    area = metrics.AUC(num_thresholds=3)
    np.testing.assert_allclose(area.thresholds, [-1e-7, 0.5, 1 + 1e-7])
    area.update_state(y, p)
    assert area.true_positives.tolist() == [3, 2, 0]
    many = metrics.AUC(num_thresholds=3, multi_label=True)
    many.update_state([[0, 1], [1, 1]], [[0.3, 0.6], [0.7, 0.2]])
    assert many.true_positives.tolist() == [[1, 2], [1, 1], [0, 0]]
    assert many.false_negatives.tolist() == [[0, 0], [0, 1], [1, 2]]
    assert metrics.SensitivityAtSpecificity(0.5, num_thresholds=3).thresholds == [0, 0.5, 1]
    assert area.dtype == "float32"


def test_a_configuration_may_name_an_optimizer_in_any_case():
    config = {"class_name": "sgd", "config": {"learning_rate": 0.25}}
    assert optimizers.get(config).learning_rate == 0.25
    assert (
        type(optimizers.deserialize({"class_name": "RMSPROP", "config": {}})).__name__ == "RMSprop"
    )


@pytest.mark.parametrize(
    "summation, unweighted, weighted",
    [("interpolation", 0.75, 0.3), ("minoring", 0.6111111, 0.2666667),
     ("majoring", 0.8888889, 0.3333333)],
)  # fmt: skip
def test_the_area_of_gains_is_that_of_keras(summation, unweighted, weighted):
    labels = [0, 0, 1, 1, 0, 1, 1, 0]
    scores = [0.1, 0.4, 0.35, 0.8, 0.6, 0.7, 0.95, 0.2]
    for weights, expected in ((None, unweighted), ([1, 2, 3, 1, 2, 1, 0.5, 1], weighted)):
        area = metrics.AUC(5, curve="prgain", summation_method=summation)
        area.update_state(labels, scores, weights)
        assert area.result() == pytest.approx(expected, rel=1e-6)
        assert metrics.AUC.from_config(area.get_config()).curve == "PRGAIN"


def test_gains_of_several_labels_and_without_true_positives():
    several = metrics.AUC(4, curve="PRGAIN", multi_label=True)
    several.update_state([[0, 1], [1, 0], [1, 1], [0, 0]],
                         [[0.3, 0.6], [0.6, 0.1], [0.2, 0.9], [0.4, 0.45]])  # fmt: skip
    assert several.result() == pytest.approx(0.375)
    none = metrics.AUC(4, curve="PRGAIN")
    none.update_state([1, 0], [0.0, 0.0])
    assert none.result() == pytest.approx(0.5)

"""Losses and metrics on labels, predictions and weights of all ranks, against real Keras.

Keras broadcasts whatever it can. Here labels and weights that do not belong to the predictions are
refused, and everything else has Keras's value but for the cases of `differs_on_purpose`.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, losses, metrics, models, optimizers
from fastconv.serialization import deserialize, serialize
from tests.golden import shape_cases
from tests.golden.golden_file import load

CASES, ARRAYS = load("shapes.npz")
SENSIBLE = [*shape_cases.PAIRS[: shape_cases.PAIRS.index(((), ()))], ((3, 4), (3, 1, 1))]
# Metrics that weigh every element, and not every prediction vector.
OF_ELEMENTS = (
    "Accuracy", "BinaryAccuracy", "RootMeanSquaredError", "TruePositives", "Precision", "Recall",
    "AUC", "F1Score", "FBetaScore", "R2Score",
)  # fmt: skip


def expectations():
    """(case, {(pair, weight): value of Keras})."""
    at = 0
    for case in CASES:
        values = {}
        for key, shape in case["found"].items():
            pair, weight = map(int, key.split())
            size = int(np.prod(shape))
            values[pair, weight] = ARRAYS["values"][at : at + size].reshape(shape)
            at += size
        yield case, values


def entry(case):
    return getattr(shape_cases, case["group"].upper())[case["number"]]


EACH = [
    pytest.param(
        case,
        values,
        id="-".join(
            [case["group"], str(case["number"]), entry(case)[0], case["reduction"]]
        ),
    )
    for case, values in expectations()
]  # fmt: skip


def computed(case, pair, weight):
    """What fastconv returns as an array, None if it refuses."""
    name, arguments, kind = entry(case)
    predictions, labels = shape_cases.predictions(pair[0]), shape_cases.labels(pair[1], kind)
    given = {} if weight is None else {"sample_weight": shape_cases.weights(weight)}
    try:
        if case["group"] == "losses":
            loss = getattr(losses, name)(reduction=case["reduction"], **arguments)
            return np.asarray(loss(labels, predictions, **given))
        metric = getattr(metrics, name)(**arguments)
        for factor in (1.0, 0.5):
            metric.update_state(labels, np.float32(factor) * predictions, **given)
        return np.asarray(metric.result())
    except (ValueError, TypeError):
        return None


def shape_of_values(case, pair):
    predictions, labels = pair
    if entry(case)[0] in OF_ELEMENTS:
        if predictions == (*labels, 1) and len(labels) > 1:
            return labels
        return labels if labels == (*predictions, 1) and len(predictions) == 1 else predictions
    one_column = len(predictions) == 1 and labels == (*predictions, 1)
    return predictions if one_column else predictions[:-1]


def weight_fits(weight, shape):
    """One for all, or those of the first axes; axes of 1 behind them say nothing."""
    if weight is None or np.prod(weight) == 1:
        return True
    while len(weight) > len(shape) and weight[-1] == 1:
        weight = weight[:-1]
    pairs = zip(weight, shape, strict=False)
    fits = all(size in (1, wanted) for size, wanted in pairs)
    return len(weight) <= len(shape) and fits and (len(weight) == len(shape) or weight[0] != 1)


def differs_on_purpose(case, pair, weight):
    name = entry(case)[0]
    predictions, labels = pair
    one_target = labels in ((), (*predictions[:-1], 1), (3, 1, 1)) and predictions[-1:] != (1,)
    return (
        # Keras makes a length of 1 of the one target first, so that a cosine may be 1.8
        (name == "CosineSimilarity" and one_target)
        # two vectors of one element per sample, and not one vector of two
        or pair == ((3, 2, 1), (3, 2))
        # the sum of the weights, and not the one weight, divides the sum
        or (case["reduction"] == "mean_with_sample_weight" and weight == ())
        # Keras multiplies every label by every prediction
        or (case["group"], name, labels) == ("metrics", "Hinge", (3, 1))
        or (case["group"] == "metrics" and labels == (3, 1, 1))
        # and every element by every weight
        or (name == "FBetaScore" and weight is not None and len(weight) > 1)
        # Keras makes a matrix of one weight per sample and one value per sample
        or (weight is not None and len(weight) > len(shape_of_values(case, pair)) + 1)
    )


@pytest.mark.parametrize("case, values", EACH)
def test_values_and_refusals_at_all_ranks(case, values):
    everywhere = case["reduction"] in ("", "none", "sum_over_batch_size")
    weights = shape_cases.WEIGHTS if everywhere else shape_cases.FEW_WEIGHTS
    compared = 0
    for place, pair in enumerate(shape_cases.PAIRS):
        for weight in weights:
            expected = values.get((place, shape_cases.WEIGHTS.index(weight)))
            found = computed(case, pair, weight)
            what = f"predictions {pair[0]}, labels {pair[1]}, weights {weight}"
            if found is None and weight is None:
                assert expected is None or not sensible(case, pair, weight), what
                break
            if found is None:
                assert expected is None or not sensible(case, pair, weight), what
            elif expected is None:
                assert sensible(case, pair, weight), what
            elif not differs_on_purpose(case, pair, weight):
                # with weights Keras sometimes adds or drops axes of size 1
                expected = expected.reshape(found.shape)
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=what)
                compared += 1
    assert compared >= 3


def sensible(case, pair, weight):
    """Whether labels and weights belong to the predictions."""
    name, arguments, _ = entry(case)
    predictions, labels = pair
    one_hot = "Categorical" in name and "Sparse" not in name and name != "CategoricalHinge"
    if one_hot and len(labels) < len(predictions):
        return False
    if np.size(arguments.get("alpha")) not in (1, predictions[-1:] and predictions[-1]):
        return False
    needs_all = one_hot or (name in OF_ELEMENTS and name != "RootMeanSquaredError")
    if needs_all and int(np.prod(labels)) != int(np.prod(predictions)):
        return False
    if "Sparse" in name and int(np.prod(labels)) != int(np.prod(predictions[:-1])):
        return False
    if pair == ((), ()) and name in OF_ELEMENTS:
        return weight_fits(weight, ())
    return pair in SENSIBLE and weight_fits(weight, shape_of_values(case, pair))


# ------------------------------------------------------------------------- vectors and scalars


def test_vectors_without_a_batch():
    y, p = np.array([1.0, 2, 3]), np.array([2.0, 2, 5])
    value, gradient = losses.MeanSquaredError().value_and_gradient(y, p)
    assert value == pytest.approx(5 / 3)
    np.testing.assert_allclose(gradient, 2 * (p - y) / 3, rtol=1e-6)
    assert losses.mean_squared_error(y, p).shape == ()
    column, gradient = losses.MeanSquaredError("none").value_and_gradient(y[:, None], p)
    np.testing.assert_allclose(column, (y - p) ** 2)  # a batch of three
    np.testing.assert_allclose(gradient, 2 * (p - y))
    metric = metrics.MeanSquaredError()
    metric.update_state(y, p)
    metric.update_state(y, y)
    assert metric.result() == pytest.approx(5 / 6)


def test_a_single_label():
    shares, loss = [0.1, 0.2, 0.7], losses.SparseCategoricalCrossentropy()
    for label in (1, np.array(1), [1]):
        assert loss(label, shares) == pytest.approx(-np.log(0.2), rel=1e-6)
    with pytest.raises(ValueError, match="labels must be whole numbers from 0 to 2, received 3"):
        loss(3, shares)
    metric = metrics.SparseCategoricalAccuracy()
    metric.update_state(2, shares)
    assert metric.result() == 1.0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: losses.MeanSquaredError()(1.0, 2.0), "`y_pred` must have at least one axis"),
        (lambda: losses.MeanSquaredError()([], []), "`y_pred` must hold at least one output"),
        (lambda: losses.MeanSquaredError()([1, 2], [1, 2, 3]), "`y` must have the shape of the pr"),
        (
            lambda: losses.MeanSquaredError()([1, 2], [1, 2], [1, 2]),
            r"`sample_weight` must have shape \(\) or \(\), received \(2,\)",
        ),
        (
            lambda: losses.MeanSquaredError()(
                np.ones((3, 2, 2, 4)), np.ones((3, 2, 2, 4)), [[1, 2]]
            ),
            r"`sample_weight` must have shape \(3,\) or \(3, 2, 2\), received \(1, 2\)",
        ),
        (lambda: metrics.CategoricalAccuracy()(1, 1), "predictions must have at least one axis"),
        (lambda: metrics.SparseCategoricalAccuracy()(1, 1), "predictions must have at least one"),
        (
            lambda: metrics.RootMeanSquaredError()(np.ones((4, 3)), np.ones((1, 3))),
            "root_mean_squared_error needs labels of the shape of the predictions",
        ),
        (lambda: losses.CosineSimilarity(axis=2)([[1.0]], [[1.0]]), "`axis` of 'cosine_similarity"),
        (
            lambda: losses.CategoricalFocalCrossentropy([0.5] * 3)(np.eye(4), np.eye(4)),
            "`alpha` must be one number or one per class, 4, received 3",
        ),
        (
            lambda: losses.CategoricalFocalCrossentropy([0.5, -1]),
            "`alpha` must be finite and at least 0, received -1",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ------------------------------------------------------------------------------- axes and classes

RNG = np.random.default_rng(5)
OVER_AN_AXIS = {
    "CosineSimilarity": {},
    "BinaryCrossentropy": {"label_smoothing": 0.1},
    "BinaryFocalCrossentropy": {},
    "CategoricalCrossentropy": {"label_smoothing": 0.1},
    "CategoricalFocalCrossentropy": {"alpha": [0.5, 0.25, 1.0]},
}


@pytest.mark.parametrize("axis", [0, 1, -2, -3])
@pytest.mark.parametrize("name", OVER_AN_AXIS)
def test_an_axis_is_one_that_is_turned_to_the_end(name, axis):
    shape = [2, 4, 5]
    shape[axis] = 3
    y, p = RNG.random(shape), RNG.random(shape)
    for reduction in ("none", "sum", "mean"):
        make = getattr(losses, name)
        loss = make(**OVER_AN_AXIS[name], axis=axis, reduction=reduction)
        value, gradient = loss.value_and_gradient(y, p)
        last = make(**OVER_AN_AXIS[name], reduction=reduction)
        expected, turned = last.value_and_gradient(
            np.moveaxis(y, axis, -1), np.moveaxis(p, axis, -1)
        )
        np.testing.assert_array_equal(value, expected)
        np.testing.assert_array_equal(gradient, np.moveaxis(turned, -1, axis))
        assert deserialize(serialize(loss), "losses").get_config() == loss.get_config()


def test_the_axis_of_a_metric():
    y, p = RNG.random((4, 3)), RNG.random((4, 3))
    metric, turned = metrics.CosineSimilarity(axis=0), metrics.CosineSimilarity()
    metric.update_state(y, p)
    turned.update_state(y.T, p.T)
    assert metric.result() == turned.result()
    again = deserialize(serialize(metric), "metrics")
    again.update_state(y, p)
    assert again.result() == metric.result()


def square(loss, **arguments):
    """A model whose only weights are its predictions for the rows of an identity."""
    model = models.Sequential([layers.Input((4,)), layers.Dense(3, use_bias=False)])
    model.compile(optimizers.SGD(1.0), loss, **arguments)
    return model


def test_the_axis_of_a_loss_in_a_model_is_the_last():
    x, y = np.eye(4), RNG.random((4, 3))
    results = []
    for axis in (-1, 1):
        model = square(losses.CosineSimilarity(axis=axis))
        model.set_weights([np.linspace(-1, 1, 12).reshape(4, 3)])
        results.append(model.evaluate(x, y, verbose=0))
    assert results[0] == results[1]
    with pytest.raises(ValueError, match="`axis` of 'cosine_similarity' must be -1 or 1, the last"):
        square(losses.CosineSimilarity(axis=0)).fit(x, y, verbose=0)


def test_a_weight_per_class_in_a_model(tmp_path):
    """Value, step and file are those of the loss called on arrays."""
    x, y = np.eye(4), np.eye(3)[[0, 1, 2, 1]]
    loss = losses.CategoricalFocalCrossentropy(np.array([0.125, 0.5, 1.0]), from_logits=True)
    model = square(loss)
    before = model.get_weights()[0]
    value, gradient = loss.value_and_gradient(y, before)
    assert model.train_on_batch(x, y) == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(model.get_weights()[0], before - gradient, rtol=1e-5, atol=1e-6)
    one = losses.CategoricalFocalCrossentropy(0.5, from_logits=True)
    same = losses.CategoricalFocalCrossentropy([0.5] * 3, from_logits=True)
    assert same(y, before) == pytest.approx(one(y, before), rel=1e-6)
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    assert again.get_compile_config()["loss"]["config"]["alpha"] == [0.125, 0.5, 1.0]
    assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


@pytest.mark.parametrize(
    "loss, y",
    [
        (losses.MeanSquaredError, np.linspace(0, 1, 12).reshape(4, 3)),
        (losses.SparseCategoricalCrossentropy, np.array([0, 1, 2, 1])),
        (lambda r: losses.SparseCategoricalCrossentropy(True, 1, r), np.array([0, 1, 2, 1])),
    ],
)
def test_the_mean_with_sample_weight_divides_by_the_sum_of_the_weights(loss, y):
    x, weights = np.eye(4), np.array([0.5, 2.0, 0.0, 1.0])
    made = (
        loss(reduction="mean_with_sample_weight")
        if isinstance(loss, type)
        else loss("mean_with_sample_weight")
    )
    plain = loss(reduction="none") if isinstance(loss, type) else loss("none")
    model = square(made)
    before = np.abs(model.get_weights()[0]) + 0.1
    model.set_weights([before])
    counted = weights * (y != 1) if getattr(made, "ignore_class", None) == 1 else weights
    expected = plain(y, before, weights).sum() / counted.sum()
    value, gradient = made.value_and_gradient(y, before, weights)
    assert value == pytest.approx(expected, rel=1e-6)
    assert model.train_on_batch(x, y, sample_weight=weights) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(model.get_weights()[0], before - gradient, rtol=1e-5, atol=1e-6)
    step = 1e-3
    for place in ((0, 0), (1, 2), (3, 1)):
        nudge = np.zeros_like(before)
        nudge[place] = step
        slope = (made(y, before + nudge, weights) - made(y, before - nudge, weights)) / (2 * step)
        assert gradient[place] == pytest.approx(slope, rel=1e-2, abs=1e-4)
    assert made(y, before, np.zeros(4)) == 0.0


# -------------------------------------------------------------------------------------- in models


def test_sample_weights_with_further_axes_of_one():
    x = layers.Input((3, 2))
    y, weights = RNG.random((5, 3, 4)), RNG.random((5, 3))
    data = RNG.random((5, 3, 2))
    results = []
    for shaped in (weights, weights[..., None]):
        model = models.Model(x, layers.Dense(4, kernel_initializer="ones")(x))
        model.compile("sgd", "mse", weighted_metrics=["mae", "acc", metrics.RootMeanSquaredError()])
        history = model.fit(data, y, sample_weight=shaped, batch_size=2, shuffle=False, verbose=0)
        results.append(history.history)
        results.append(model.evaluate(data, y, sample_weight=shaped, verbose=0, return_dict=True))
    assert results[2] == {name: pytest.approx(values) for name, values in results[0].items()}
    assert results[3] == pytest.approx(results[1])


def test_none_is_no_loss_and_no_metric():
    assert losses.get(None) is None
    assert metrics.get(None) is None

"""Every loss against what real Keras computed: values, gradients, in a model and called."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, losses, models, optimizers
from fastconv.ops.compiled import RowLoss
from fastconv.serialization import deserialize, serialize
from tests.golden.golden_file import load

CASES, ARRAYS = load("training_losses.npz")
EACH = [pytest.param(case, id=f"{case['name']}-{case['object'][0]}") for case in CASES]
KINDS = {  # one of every kind that the compiled core knows, with numbers for a and b
    "squared": (), "absolute": (), "percentage": (), "logarithmic": (), "huber": (0.7,),
    "log_cosh": (), "hinge": (), "squared_hinge": (), "poisson": (), "kl_divergence": (),
    "binary": (), "binary_logits": (), "binary_focal": (1.5, 0.3), "binary_focal_logits": (2, -1),
    "categorical_hinge": (), "cosine": (), "categorical_focal": (2, 0.25),
    "categorical_focal_logits": (1, 0.5), "softmax_cross_entropy": (), "cross_entropy": (),
}  # fmt: skip
RNG = np.random.default_rng(12)


def make(case):
    name, arguments = case["object"]
    return getattr(losses, name)(**arguments)


def assert_close(actual, expected, what=""):
    expected = np.asarray(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6, err_msg=what)


@pytest.mark.parametrize("weighted", ["plain", "weighted"])
@pytest.mark.parametrize("case", EACH)
def test_values_and_gradients_are_those_of_keras(case, weighted, isa):
    y, p = ARRAYS[case["target"]], ARRAYS[case["prediction"]]
    weights = ARRAYS["weights"] if weighted == "weighted" else None
    value, gradient = make(case).value_and_gradient(y, p, weights)
    assert_close(value, ARRAYS[f"{case['name']}/{weighted}"])
    expected = ARRAYS[f"{case['name']}/{weighted}_gradient"]
    # Where a probability is clipped, Keras's float32 cancels digits of a slope of 10^7.
    np.testing.assert_allclose(
        gradient, expected, rtol=1e-5, atol=2e-6 * max(1.0, np.abs(expected).max())
    )


@pytest.mark.parametrize("case", [each for each in EACH if make(*each.values).reduction != "none"])
def test_the_same_inside_a_model(case):
    """One SGD step of rate 1 on a matrix: how it moves is the gradient."""
    loss = make(case)
    y, p = ARRAYS[case["target"]], ARRAYS[case["prediction"]]
    y, p = y.reshape(12, *y.shape[2:]), p.reshape(12, 5)
    weights = ARRAYS["weights"].reshape(12)
    value, gradient = loss.value_and_gradient(y, p, weights)
    model = models.Sequential([layers.Input((12,)), layers.Dense(5, use_bias=False)])
    model.set_weights([p])
    model.compile(optimizers.SGD(1.0), loss)
    x = np.eye(12, dtype=np.float32)
    assert model.evaluate(x, y, sample_weight=weights, verbose=0) == pytest.approx(value, rel=1e-6)
    model.train_on_batch(x, y, sample_weight=weights)
    moved = p - model.get_weights()[0]
    scale = np.abs(p).max() + np.abs(gradient).max()
    np.testing.assert_allclose(moved, gradient, rtol=1e-5, atol=2e-7 * scale)


@pytest.mark.parametrize("case", EACH)
def test_configurations_are_those_of_keras(case):
    loss = make(case)
    config = loss.get_config()
    for key, value in case["config"].items():  # Keras leaves out some arguments; here are all
        assert config[key] == pytest.approx(value), key
    copy = deserialize(serialize(loss), "losses")
    assert copy.get_config() == loss.get_config()
    assert type(losses.get(case["object"][0])) is type(loss)


@pytest.mark.parametrize(("loss", "ending"), [("binary", "sigmoid"), ("categorical", "softmax")])
def test_behind_its_activation_a_cross_entropy_is_exact(loss, ending):
    x = ARRAYS["logits"].reshape(12, 5)
    y = ARRAYS["target_binary" if loss == "binary" else "target_one_hot"].reshape(12, 5)
    for last in (
        [layers.Dense(5, use_bias=False, activation=ending)],
        [layers.Dense(5, use_bias=False), layers.Activation(ending)],
    ):
        model = models.Sequential([layers.Input((5,)), *last])
        model.set_weights([np.eye(5)])
        model.compile(optimizers.SGD(0.0), f"{loss}_crossentropy", metrics=["accuracy"])
        value, _ = model.evaluate(x, y, verbose=0)
        assert value == pytest.approx(float(ARRAYS[f"behind_{ending}"]), rel=1e-5)
        before = model.predict(x, verbose=0)
        model.fit(x, y, verbose=0)
        np.testing.assert_array_equal(model.predict(x, verbose=0), before)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_by_finite_differences(isa, kind):
    y = RNG.uniform(0.1, 0.9, (7, 5))
    t = np.eye(5)[RNG.integers(0, 5, 7)] if "categorical" in kind else RNG.uniform(0.2, 0.8, (7, 5))
    weight, gradient = RNG.uniform(0.5, 2, 7), np.empty((7, 5))
    numbers = dict(zip("ab", KINDS[kind], strict=False))

    def value(y):
        values = np.empty(7)
        RowLoss(kind, y, t, gradient, values, weight, **numbers).run(2)
        return (values * weight).mean()

    eps, expected = 1e-6, np.empty((7, 5))
    for index in np.ndindex(y.shape):
        step = np.zeros_like(y)
        step[index] = eps
        expected[index] = (value(y + step) - value(y - step)) / (2 * eps)
    value(y)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_do_not_depend_on_the_number_of_threads(isa, dtype, kind):
    y, t = (RNG.uniform(0.1, 0.9, (900, 7)).astype(dtype) for _ in range(2))
    numbers = dict(zip("ab", KINDS[kind], strict=False))
    results = []
    for threads in (1, 3):
        gradient, values = np.empty_like(y), np.empty(900)
        RowLoss(kind, y, t, gradient, values, **numbers).run(threads)
        results.append((gradient.tobytes(), values.tobytes()))
    assert results[0] == results[1]


KINKS, KINK_ARRAYS = load("kinks.npz")


@pytest.mark.parametrize("case", KINKS, ids=lambda case: case["name"])
def test_gradients_where_there_is_no_derivative(case, isa):
    """At ties, margins and bounds: what Keras chooses."""
    name = case["name"]
    y, p = KINK_ARRAYS[f"{name}/labels"], KINK_ARRAYS[f"{name}/predictions"]
    values, gradient = getattr(losses, name)(reduction="none").value_and_gradient(y, p)
    assert_close(values, KINK_ARRAYS[f"{name}/values"])
    assert_close(gradient, KINK_ARRAYS[f"{name}/gradient"])


def hinge_at_ties(count, classes=7):
    """(labels, predictions, tied): rows of which `count` wrong classes have the largest score."""
    rng = np.random.default_rng(count)
    y = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, 20)]
    p = rng.integers(-8, 8, (20, classes)).astype(np.float32) / 4
    tied = np.zeros((20, classes), bool)
    for row, right in enumerate(y.argmax(axis=1)):
        wrong = np.delete(np.arange(classes), right)
        tied[row, rng.permutation(wrong)[:count]] = True
    return y, np.where(tied, np.float32(3), p), tied


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_equal_maxima_of_the_categorical_hinge_share_the_gradient(count, isa):
    """Three ways: the formula; the slope along all of them together, which exists; and symmetry."""
    y, p, tied = hinge_at_ties(count)
    loss = losses.CategoricalHinge(reduction="sum")
    value, gradient = loss.value_and_gradient(y, p)
    np.testing.assert_allclose(gradient, tied / np.float32(count) - y, rtol=1e-6)
    step = np.float32(2.0**-6)
    slope = (loss(y, p + step * tied) - loss(y, p - step * tied)) / (2 * step)
    np.testing.assert_allclose((gradient * tied).sum(), slope, rtol=1e-5)
    order = np.random.default_rng(0).permutation(y.shape[1])
    other_value, other = loss.value_and_gradient(y[:, order], p[:, order])
    assert other_value == value
    np.testing.assert_array_equal(other, gradient[:, order])


def test_the_functions_are_the_classes():
    y, p = ARRAYS["target_real"], ARRAYS["real"]
    for name in losses.functions.__all__:
        if not name.startswith(("sparse", "categorical_c", "categorical_f", "categorical_g")):
            values = getattr(losses, name)(y, p)
            shape = () if name in ("dice", "tversky") else (3, 4)  # sums over all axes
            assert (values.shape, values.dtype) == (shape, np.float32)
        assert isinstance(losses.get(getattr(losses, name)), losses.Loss)
    np.testing.assert_allclose(
        losses.huber(y, p, delta=0.5), losses.Huber(0.5).values(y, p), rtol=1e-6
    )
    np.testing.assert_allclose(
        losses.mean_squared_error(y, p), np.square(y - p).mean(axis=-1), rtol=1e-6
    )


@pytest.mark.parametrize("name", losses.ALIASES)
def test_every_alias_names_its_class(name):
    assert type(losses.get(name)) is losses.ALIASES[name]


class Cubic(losses.CustomLoss):
    def row_values(self, y_true, y_pred):
        return (np.abs(y_pred - y_true) ** 3).mean(axis=-1)

    def row_gradients(self, y_true, y_pred):
        difference = y_pred - y_true
        return 3 * difference * np.abs(difference) / y_pred.shape[-1]


def test_a_loss_of_ones_own_trains():
    x = RNG.standard_normal((32, 3)).astype(np.float32)
    y = x @ np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 1.0]], np.float32)
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    model.compile(optimizers.SGD(0.1), Cubic())
    weights = RNG.uniform(0.5, 2, 32).astype(np.float32)
    expected = (np.abs(model.predict(x, verbose=0) - y) ** 3).mean(axis=-1) @ weights / 32
    first = model.train_on_batch(x, y, sample_weight=weights)
    assert first == pytest.approx(expected, rel=1e-5)
    history = model.fit(x, y, epochs=200, verbose=0).history["loss"]
    assert history[-1] < 0.001 * history[0]
    assert Cubic("sum")(y, 0 * y) == pytest.approx(32 * Cubic()(y, 0 * y), rel=1e-6)


def test_ignored_labels_change_nothing():
    loss = losses.SparseCategoricalCrossentropy(ignore_class=255)
    y, p = np.array([1, 255, 0, 255], np.uint8), np.full((4, 2), 0.5)
    value, gradient = loss.value_and_gradient(y, p)
    assert value == pytest.approx(np.log(2))
    assert not gradient[[1, 3]].any()
    assert gradient[[0, 2]].any()
    assert loss(np.array([255, 255]), p[:2]) == 0
    with pytest.raises(ValueError, match="whole numbers from 0 to 1, received 7 at index 2"):
        loss([0, 255, 7, 1], p)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("label", [np.nan, np.inf, -np.inf, 1e30, 0.5, -1.0])
def test_labels_that_are_no_numbers_of_classes(label):
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = model.get_weights()
    with pytest.raises(ValueError, match="whole numbers from 0 to 1, received .* at index 2"):
        model.fit(np.ones((4, 3)), np.array([0, 1, label, 1]), verbose=0)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_a_model_refuses_a_loss_without_reduction():
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    model.compile("sgd", losses.MeanSquaredError(reduction=None))
    with pytest.raises(ValueError, match="must be one of .'sum_over_batch_size', 'mean', '"):
        model.fit(np.zeros((2, 3)), np.zeros((2, 2)), verbose=0)


def test_the_op_refuses_arrays_that_do_not_fit():
    y, values = np.zeros((3, 2), np.float32), np.zeros(3)
    with pytest.raises(ValueError, match="unknown loss 'cubic'"):
        RowLoss("cubic", y, y, None, values)
    with pytest.raises(ValueError, match="expected targets float32"):
        RowLoss("squared", y, y[:2], None, values)
    with pytest.raises(ValueError, match="expected loss float64"):
        RowLoss("squared", y, y, None, values[:2])
    with pytest.raises(ValueError, match=r"of shape \(rows, classes\)"):
        RowLoss("squared", values, values, None, values)

"""ConvClassifier and ConvRegressor among scikit-learn's own tools."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastconv import callbacks, layers, losses, models, optimizers
from fastconv.common import randomness
from fastconv.datasets import digits
from fastconv.sklearn import ConvClassifier, ConvRegressor

WHY = "a weight of 2 and the same sample twice make other batches"


def expected_failures(estimator) -> dict[str, str]:
    return {"check_sample_weight_equivalence_on_dense_data": WHY}


@parametrize_with_checks(
    [ConvClassifier(), ConvRegressor()], expected_failed_checks=expected_failures
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def pictures():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    return (x_train / 16).astype(np.float32), y_train, (x_test / 16).astype(np.float32), y_test


def small_network(input_shape, outputs):
    return models.Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=input_shape),
            layers.Flatten(),
            layers.Dense(outputs, activation="softmax"),
        ]
    )


def logit_network(input_shape, outputs):
    return models.Sequential([layers.Flatten(), layers.Dense(outputs)])


def wrong_network(input_shape, outputs):
    return models.Sequential([layers.Flatten(), layers.Dense(outputs + 1)])


# ---- pictures and tables ----


def test_a_table_with_image_shape_is_the_same_as_pictures(pictures):
    x, y, x_test, _ = pictures
    options = {"epochs": 1, "random_state": 0}
    table, table_test = x.reshape(len(x), -1), x_test.reshape(len(x_test), -1)
    expected = ConvClassifier(**options).fit(x, y).predict_proba(x_test)
    for shape in ((8, 8), [8, 8, 1]):
        classifier = ConvClassifier(image_shape=shape, **options).fit(table, y)
        np.testing.assert_array_equal(classifier.predict_proba(table_test), expected)
        np.testing.assert_array_equal(classifier.predict_proba(x_test), expected)
    channels = ConvClassifier(**options).fit(x[..., None], y)
    np.testing.assert_array_equal(channels.predict_proba(x_test[..., None]), expected)
    assert channels.n_features_in_ == 64
    assert channels.sample_shape_ == (8, 8, 1)
    kinds = [type(layer).__name__ for layer in channels.model_.layers]
    assert kinds.count("Conv2D") == 2


def test_bytes_are_taken_as_they_are(pictures):
    x, y, *_ = pictures
    whole = (x * 16).astype(np.uint8)
    a = ConvClassifier(epochs=1, random_state=0).fit(whole, y).predict_proba(whole[:5])
    b = ConvClassifier(epochs=1, random_state=0).fit(whole.astype(float), y)
    np.testing.assert_array_equal(a, b.predict_proba(whole[:5].astype(float)))


def test_it_learns_digits(pictures):
    x, y, x_test, y_test = pictures
    classifier = ConvClassifier(epochs=20, random_state=0).fit(x, y)
    assert classifier.score(x_test, y_test) > 0.93
    assert len(classifier.history_["loss"]) == 20
    np.testing.assert_allclose(classifier.predict_proba(x_test).sum(1), 1, rtol=1e-5)


def test_labels_may_be_anything_that_sorts(pictures):
    x, y, *_ = pictures
    names = np.array([f"digit {label}" for label in y])
    a = ConvClassifier(epochs=1, random_state=0).fit(x, names)
    b = ConvClassifier(epochs=1, random_state=0).fit(x, y)
    assert a.classes_.tolist() == [f"digit {label}" for label in range(10)]
    np.testing.assert_array_equal(a.predict(x), [f"digit {label}" for label in b.predict(x)])


def test_regression_with_several_targets(pictures):
    x, *_ = pictures
    targets = np.stack([x.mean((1, 2)), x[:, 4, 4]], axis=1)
    regressor = ConvRegressor(epochs=20, random_state=0).fit(x, targets)
    assert regressor.score(x, targets) > 0.8
    assert regressor.predict(x[:3]).shape == (3, 2)
    one = ConvRegressor(epochs=1).fit(x, targets[:, 0])
    assert one.predict(x[:3]).shape == (3,)
    assert one.fit(x, targets[:, :1]).predict(x[:3]).shape == (3, 1)


# ---- the network ----


def test_a_network_of_ones_own(pictures):
    x, y, *_ = pictures
    classifier = ConvClassifier(small_network, epochs=1).fit(x, y)
    assert classifier.model_.count_params() == 4 * 10 + 6 * 6 * 4 * 10 + 10


@pytest.mark.parametrize("loss", ["categorical_crossentropy", losses.CategoricalCrossentropy()])
def test_one_hot_losses(pictures, loss):
    x, y, x_test, _ = pictures
    options = {"epochs": 1, "random_state": 0}
    a = ConvClassifier(loss=loss, **options).fit(x, y).predict_proba(x_test)
    np.testing.assert_allclose(
        a, ConvClassifier(**options).fit(x, y).predict_proba(x_test), rtol=1e-4, atol=1e-6
    )


def test_probabilities_of_a_network_that_gives_logits(pictures):
    x, y, *_ = pictures
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier = ConvClassifier(logit_network, loss=loss, epochs=5, random_state=0).fit(x, y)
    np.testing.assert_allclose(classifier.predict_proba(x).sum(1), 1, rtol=1e-5)
    assert classifier.score(x, y) > 0.3


def test_parameters_stay_as_they_were_given(pictures):
    x, y, *_ = pictures
    optimizer = optimizers.Adam(0.01)
    stop = callbacks.EarlyStopping("val_loss", patience=1)
    classifier = ConvClassifier(
        optimizer=optimizer, callbacks=[stop], validation_split=0.2, epochs=2
    )
    classifier.fit(x, y)
    assert "val_loss" in classifier.history_
    assert optimizer.iterations == 0
    assert classifier.model_.optimizer.learning_rate == pytest.approx(0.01)
    assert classifier.get_params()["optimizer"] is optimizer


# ---- randomness, going on, pickling ----


def test_a_random_state_decides_everything_and_disturbs_nothing(pictures):
    x, y, *_ = pictures
    before = randomness.state()
    first = ConvClassifier(epochs=1, random_state=3).fit(x, y).predict_proba(x)
    assert randomness.state() == before
    np.testing.assert_array_equal(
        ConvClassifier(epochs=1, random_state=3).fit(x, y).predict_proba(x), first
    )
    other = ConvClassifier(epochs=1, random_state=4).fit(x, y).predict_proba(x)
    assert (other != first).any()


def test_warm_start_and_partial_fit_go_on(pictures):
    x, y, *_ = pictures
    warm = ConvClassifier(epochs=1, warm_start=True, random_state=0)
    losses_seen = [warm.fit(x, y).history_["loss"][0] for _ in range(3)]
    assert losses_seen == sorted(losses_seen, reverse=True)
    step = ConvClassifier(random_state=0)
    with pytest.raises(ValueError, match="`classes` must be given in the first call"):
        step.partial_fit(x, y)
    parts = [step.partial_fit(x, y, classes=range(10)).history_["loss"][0] for _ in range(3)]
    assert parts == losses_seen
    with pytest.raises(ValueError, match=r"`y` must be among \[0 1 .*\], received 11"):
        step.partial_fit(x[:2], [1, 11])


def test_pickles_hold_the_network_and_its_training(pictures):
    x, y, *_ = pictures
    classifier = ConvClassifier(random_state=0).partial_fit(x, y, classes=range(10))
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copy.predict_proba(x), classifier.predict_proba(x))
    for one in (classifier, copy):  # the optimizer's moments and the random state too
        one.partial_fit(x, y)
    np.testing.assert_array_equal(copy.predict_proba(x), classifier.predict_proba(x))
    assert not hasattr(clone(classifier), "model_")


# ---- tools ----


def test_in_a_pipeline_and_a_grid_search_of_two_processes(pictures):
    x, y, x_test, y_test = pictures
    table = x.reshape(len(x), -1) * 16
    pipeline = make_pipeline(
        MinMaxScaler(), ConvClassifier(small_network, image_shape=(8, 8), random_state=0)
    )
    grid = {"convclassifier__epochs": [1, 4], "convclassifier__batch_size": [16]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(table[:600], y[:600])
    assert search.best_params_["convclassifier__epochs"] == 4
    assert search.score(x_test.reshape(len(x_test), -1) * 16, y_test) > 0.6


def test_cross_validation_of_a_regressor(pictures):
    x, *_ = pictures
    scores = cross_val_score(ConvRegressor(epochs=8, random_state=0), x, x.mean((1, 2)), cv=3)
    assert scores.min() > 0.5


# ---- bad input ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_shape": (9, 9)}, r"`X` must hold pictures of shape \(9, 9, 1\), received \(8, 8"),
        ({"image_shape": 8}, r"`image_shape` must be \(H, W\) or \(H, W, C\), received 8"),
        ({"image_shape": (8, 0)}, "`image_shape` must be positive, received"),
        ({"model": wrong_network}, r"outputs of shape \(None, 10\), received \(None, 11\)"),
        ({"loss": "hinged"}, "`loss` must be one of"),
        ({"optimizer": "gradient"}, "`optimizer` must be one of"),
        ({"epochs": 0}, "`epochs`"),
    ],
)
def test_bad_parameters_are_refused(pictures, options, message):
    x, y, *_ = pictures
    with pytest.raises(ValueError, match=message):
        ConvClassifier(**options).fit(x, y)


def test_samples_of_another_shape_are_refused(pictures):
    x, y, *_ = pictures
    with pytest.raises(
        ValueError, match=r"`image_shape` \(7, 7, 1\) needs 49 features, `X` has 64"
    ):
        ConvClassifier(image_shape=(7, 7)).fit(x.reshape(len(x), -1), y)
    fitted = ConvClassifier(epochs=1).fit(x, y)
    with pytest.raises(ValueError, match=r"samples of shape \(8, 8, 1\), received \(8, 7, 1\)"):
        fitted.predict(x[:, :, :7])
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        fitted.fit(x, y, sample_weight=np.full(len(x), -1.0))
    two = ConvRegressor(epochs=1, warm_start=True).fit(x, x[:, 0, :2])
    with pytest.raises(ValueError, match="`y` must have 2 columns, received 1"):
        two.fit(x, x[:, 0, 0])


# ---- parameters of the network and the optimizer ----


def network_with(input_shape, outputs, filters=2, dropout=0.0):
    return models.Sequential([
        layers.Input(input_shape), layers.Conv2D(filters, 3), layers.Dropout(dropout),
        layers.Flatten(), layers.Dense(outputs, activation="softmax"),
    ])  # fmt: skip


def test_parameters_reach_the_network_and_the_optimizer(pictures):
    x, y, *_ = pictures
    classifier = ConvClassifier(
        network_with, model__filters=3, optimizer="sgd", optimizer__learning_rate=0.5, epochs=1
    )
    params = classifier.get_params()
    assert (params["model__filters"], params["optimizer__learning_rate"]) == (3, 0.5)
    copied = clone(classifier).set_params(model__dropout=0.25, optimizer__momentum=0.5)
    assert "model__dropout" not in classifier.get_params()
    copied.fit(x, y)
    assert copied.model_.layers[0].filters == 3 and copied.model_.layers[1].rate == 0.25
    assert copied.model_.optimizer.learning_rate == 0.5
    assert copied.model_.optimizer.momentum == 0.5


def test_a_grid_search_over_both(pictures):
    x, y, *_ = pictures
    grid = {"model__filters": [1, 2], "optimizer__learning_rate": [0.01, 0.02]}
    search = GridSearchCV(ConvClassifier(network_with, epochs=1, random_state=0), grid, cv=2)
    search.fit(x[:60], y[:60])
    assert set(search.best_params_) == set(grid)
    best = search.best_estimator_.model_
    assert best.layers[0].filters == search.best_params_["model__filters"]


def test_unknown_parameters_are_refused(pictures):
    x, y, *_ = pictures
    for wrong in (ConvClassifier(hidden=3), ConvClassifier().set_params(hidden=3)):
        with pytest.raises(TypeError, match=r"no parameters \['hidden'\]; .* called model__"):
            wrong.fit(x, y)
    with pytest.raises(ValueError, match=r"`model` must be a function to take \['hidden'\]"):
        ConvClassifier(model__hidden=3).fit(x, y)
    with pytest.raises(TypeError, match="hidden"):
        ConvClassifier(network_with, model__hidden=3).fit(x, y)
    with pytest.raises(TypeError, match="'speed'"):
        ConvClassifier(optimizer__speed=3).fit(x, y)


def test_a_built_model_is_copied_with_its_weights(pictures):
    x, y, *_ = pictures
    network = network_with((8, 8, 1), 10)
    before = [weight.copy() for weight in network.get_weights()]
    classifier = clone(
        ConvClassifier(network, optimizer="sgd", optimizer__learning_rate=1e-9, epochs=1)
    ).fit(x, y)
    for found, own, start in zip(
        classifier.model_.get_weights(), network.get_weights(), before, strict=True
    ):
        np.testing.assert_allclose(found, start, atol=1e-6)
        np.testing.assert_array_equal(own, start)
    assert not network.compiled
    with pytest.raises(ValueError, match="outputs of shape"):
        ConvClassifier(network).fit(x[:20], y[:20] % 2)


def test_options_of_fit(pictures):
    x, y, x_test, y_test = pictures
    names = np.array([f"digit {label}" for label in y])
    tested = np.array([f"digit {label}" for label in y_test])
    classifier = ConvClassifier(random_state=0, validation_split=0.5)
    classifier.fit(
        x, names, epochs=2, batch_size=64, validation_data=(x_test, tested), class_weight={0: 2.0}
    )
    assert classifier.epochs == 20 and len(classifier.history_["val_loss"]) == 2
    expected = classifier.model_.evaluate(x_test[..., None], y_test, batch_size=64, verbose=0)
    assert classifier.history_["val_loss"][-1] == pytest.approx(expected, rel=1e-5)
    regressor = ConvRegressor().fit(
        x, y * 1.0, epochs=1, validation_data=(x_test, y_test, np.ones(len(x_test)))
    )
    assert len(regressor.history_["val_loss"]) == 1
    with pytest.raises(TypeError, match="epoch"):
        classifier.fit(x, names, epoch=2)
    with pytest.raises(ValueError, match="`validation_data` must be"):
        classifier.fit(x, names, validation_data=x_test)
    with pytest.raises(ValueError, match="`y` must be among"):
        classifier.fit(x, names, validation_data=(x_test, y_test.astype(str)))

"""Intersection over union: values of Keras, and what must not change it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastconv import layers, metrics, models

RNG = np.random.default_rng(8)
LABELS = RNG.integers(0, 4, (3, 5, 6))
SCORES = RNG.random((3, 5, 6, 4))
WEIGHTS = RNG.integers(0, 3, (3, 5, 6))
BINARY = RNG.integers(0, 2, (3, 5, 6))
CHANCES = RNG.random((3, 5, 6))
FOUND = SCORES.argmax(axis=-1)
ONE_HOT = np.eye(4)[LABELS]


def value(metric, *arguments) -> float:
    metric.update_state(*arguments)
    return metric.result()


@pytest.mark.parametrize(
    "metric, arguments, expected",
    [  # computed by Keras 3.15
        (metrics.IoU(4, [0, 2], sparse_y_pred=False), (LABELS, SCORES), 0.1130952388),
        (metrics.IoU(4, [1, 3], sparse_y_pred=False, ignore_class=0), (LABELS, SCORES, WEIGHTS),
         0.2139423043),
        (metrics.MeanIoU(4), (LABELS, FOUND), 0.1437569261),
        (metrics.MeanIoU(5), (LABELS, FOUND), 0.1437569261),  # a class that does not occur
        (metrics.MeanIoU(3), (LABELS, FOUND), 0.2344797254),  # a class that does not count
        (metrics.BinaryIoU([1], 0.3), (BINARY, CHANCES), 0.4285713732),
        (metrics.OneHotIoU(4, [1, 2]), (ONE_HOT, SCORES), 0.1341362149),
    ],
)  # fmt: skip
def test_values_are_those_of_keras(metric, arguments, expected):
    assert value(metric, *arguments) == pytest.approx(expected, abs=2e-7)


def test_forms_of_labels_and_predictions_do_not_matter():
    expected = value(metrics.MeanIoU(4), LABELS, FOUND)
    first = [np.moveaxis(each, -1, 1) for each in (ONE_HOT, SCORES)]
    for metric, arguments in (
        (metrics.OneHotMeanIoU(4), (ONE_HOT, SCORES)),
        (metrics.OneHotMeanIoU(4, sparse_y_pred=True), (ONE_HOT, FOUND)),
        (metrics.OneHotMeanIoU(4, axis=1), first),
        (metrics.MeanIoU(4, sparse_y_true=False, sparse_y_pred=False), (ONE_HOT, SCORES)),
        (metrics.MeanIoU(4), (LABELS[..., None], FOUND)),
        (metrics.IoU(4, [0, 1, 2, 3]), (LABELS, FOUND, np.full(3, 0.5))),
    ):
        assert value(metric, *arguments) == pytest.approx(expected, rel=1e-12)


def test_batches_do_not_matter():
    whole, parts = metrics.MeanIoU(4), metrics.MeanIoU(4)
    whole.update_state(LABELS, FOUND, WEIGHTS)
    for each in zip(LABELS, FOUND, WEIGHTS, strict=True):
        parts.update_state(*each)
    assert parts.result() == whole.result()
    parts.reset_state()
    assert parts.result() == 0.0


@pytest.mark.parametrize(
    "metric",
    [metrics.IoU(3, [0, 2], ignore_class=-1, axis=1), metrics.MeanIoU(3, sparse_y_pred=False),
     metrics.BinaryIoU([0], 0.2), metrics.OneHotIoU(3, [1]), metrics.OneHotMeanIoU(3)],
    ids=lambda metric: metric.name,
)  # fmt: skip
def test_metrics_become_plain_data_and_back(metric):
    made = metrics.deserialize(json.loads(json.dumps(metrics.serialize(metric))))
    assert type(made) is type(metric)
    assert made.get_config() == metric.get_config()
    with_dtype = metric.get_config() | {"dtype": "int64"}  # as Keras writes it
    assert type(metric).from_config(with_dtype).get_config() == metric.get_config()


def test_a_model_reports_it():
    model = models.Sequential([layers.Input((5, 6, 3)), layers.Conv2D(4, 1, activation="softmax")])
    metric = metrics.MeanIoU(4, sparse_y_pred=False)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[metric])
    x = RNG.random((3, 5, 6, 3)).astype(np.float32)
    logs = model.evaluate(x, LABELS, return_dict=True, verbose=0)
    own = metrics.MeanIoU(4)
    own.update_state(LABELS, model.predict(x, verbose=0).argmax(axis=-1))
    assert logs["mean_io_u"] == pytest.approx(own.result())


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: metrics.IoU(2, [2]), "`target_class_ids` must be from 0 to 1"),
        (lambda: metrics.IoU(2, []), "`target_class_ids` must be from 0 to 1"),
        (lambda: metrics.MeanIoU(0), "`num_classes` must be positive"),
        (lambda: metrics.MeanIoU(2, dtype="float16"), "`dtype` must be one of"),
        (lambda: value(metrics.MeanIoU(2), [0, 1], [0]), "as many labels as predictions"),
        (lambda: value(metrics.OneHotMeanIoU(2, axis=3), [[0, 1]], [[0, 1]]), "needs an axis 3"),
    ],
)
def test_impossible_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

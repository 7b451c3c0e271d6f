"""The prediction of `explain(model, ranks=...)`: its formulas by hand, and what it measures."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastconv
from fastconv import layers, models
from fastconv.inspect import Link, Scaling, StepTimes

MEGABYTE = 1_000_000
LINK = Link(8.0, latency=1e-3)  # 1 ms per message and per megabyte


def scaling(completed=(2e-3, 10e-3), sizes=(MEGABYTE, 2 * MEGABYTE), speed=float("inf")):
    step = StepTimes(10e-3, completed, sizes, update=1e-3, added_per_second=speed)
    return Scaling("a model", 32, step, (2, 4), (LINK,))


def test_an_exchange_takes_the_time_of_its_formula():
    found = scaling(speed=1e9)
    # 4 ranks: two times 3 messages and 3/4 MB; 5/4 MB are added, 1 ms each.
    assert found.exchange(MEGABYTE, 4, LINK) == pytest.approx(2 * (3 + 0.75) * 1e-3 + 1.25e-3)
    assert found.exchange(MEGABYTE, 4, LINK, "fast") == pytest.approx((4 + 1.5 + 1) * 1e-3)


def test_buckets_are_exchanged_one_after_the_other_during_the_computation():
    # 2 ranks: 2 * (1 + 0.5) = 3 ms for the first bucket, 2 * (1 + 1) = 4 ms for the second.
    assert scaling().seconds(2, LINK) == pytest.approx(10e-3 + 4e-3 + 1e-3)
    assert scaling((2e-3, 3e-3)).seconds(2, LINK) == pytest.approx(10e-3 + 1e-3)  # all hidden
    assert scaling((8e-3, 9e-3)).seconds(2, LINK) == pytest.approx(8e-3 + 7e-3 + 1e-3)
    assert scaling().efficiency(2, LINK) == pytest.approx(11 / 15)
    assert scaling().efficiency(1, LINK) == 1
    assert scaling().hidden(2, LINK) == pytest.approx(3 / 7)


def compiled() -> models.Sequential:
    model = models.Sequential(
        [layers.Input((8, 8, 2)), layers.Conv2D(600, 3), layers.Dropout(0.5), layers.Flatten(),
         layers.Dense(20, "softmax")]
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_the_step_is_measured_and_the_weights_stay():
    model = compiled()
    before = model.get_weights()
    explanation = fastconv.explain(model, 4, ranks=(2, 8), network=[10, LINK])
    found = explanation.scaling
    step = found.step
    assert sum(step.sizes) >= 4 * model.count_params()
    assert len(step.sizes) == len(step.completed) == 2
    assert list(step.completed) == sorted(step.completed)
    assert 0 < step.completed[0] <= step.computation
    assert found.ranks == (2, 8)
    assert found.links == (Link(10.0), LINK)
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert str(found) in str(explanation)
    rows = json.loads(json.dumps(explanation.to_dict()))["scaling"]["efficiencies"]
    assert [(row["ranks"], row["gigabits"]) for row in rows] == [(2, 10), (8, 10), (2, 8), (8, 8)]


def test_the_picture_has_a_line_per_link_and_reduction():
    pytest.importorskip("matplotlib")
    (axes,) = scaling().figure().axes
    assert [line.get_label() for line in axes.get_lines()] == [
        "8 Gbit/s, ordered",
        "8 Gbit/s, fast",
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"ranks": 0}, ValueError, "`ranks`"),
        ({"ranks": 2.5}, TypeError, "`ranks`"),
        ({"ranks": 2, "network": 0}, ValueError, "`network`"),
        ({"network": 10}, ValueError, "`network` needs `ranks`"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        fastconv.explain(compiled(), **arguments)


def test_a_model_that_is_not_compiled_is_refused():
    model = models.Sequential([layers.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="`ranks` needs a compiled model"):
        fastconv.explain(model, ranks=2)

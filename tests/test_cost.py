"""The cost estimate that chooses an algorithm: its table, its terms, and the fit."""

from __future__ import annotations

import random

import numpy as np
import pytest

from benchmarks import cost_model, cost_samples, cost_table, fit_cost, shape_files
from benchmarks.cost_samples import Sample
from fastconv import runtime
from fastconv.bench import operations
from fastconv.bench.timing import Protocol
from fastconv.ops import compiled

SAMPLES = cost_samples.read_all()
EVERY = [s for samples in SAMPLES.values() for s in samples]

needs_every_target = pytest.mark.skipif(
    not {s.isa for s in EVERY} <= set(runtime.compiled_isas()),
    reason="this build lacks an instruction set that was measured",
)


@needs_every_target
def test_the_table_is_the_one_that_the_measurements_give():
    assert cost_table.TARGET.read_text() == cost_table.text(SAMPLES)


def test_every_case_was_measured_with_every_algorithm():
    cases: dict[tuple, set[str]] = {}
    for s in EVERY:
        cases.setdefault(s.case, set()).add(s.algorithm)
        assert s.milliseconds > 0
    for case, algorithms in random.Random(1).sample(sorted(cases.items()), 40):
        row = operations.Convolution("row", *case[4:])
        assert algorithms == set(fit_cost.applicable(row, case[2])), case


@needs_every_target
def test_the_choice_is_close_to_the_fastest_algorithm():
    used = cost_table.coefficients(SAMPLES)
    for quality in cost_model.quality(used, SAMPLES):
        assert 1 <= quality.regret <= 1.02, quality


def test_an_estimate_is_the_sum_of_its_amounts(isa):
    used = np.array(cost_table.coefficients(SAMPLES))
    for row in shape_files.read("peers") + shape_files.read("resnet50"):
        for direction in operations.PASSES:
            for frozen in (False, True):
                costs = compiled.estimated_costs(row.geometry, direction, frozen)
                for algorithm, cost in costs.items():
                    amounts = operations.cost_amounts(row, direction, algorithm, frozen=frozen)
                    assert np.isclose(amounts @ used, cost, rtol=1e-12), (row, direction, algorithm)


def test_amounts_can_be_asked_for_any_target_of_the_build():
    (row,) = shape_files.select(shape_files.read("peers"), ["vgg_3_2"])
    for name in runtime.compiled_isas():
        before = runtime.isa()
        expected = None
        if name in runtime.available_isas():
            runtime.set_isa(name)
            try:
                expected = operations.cost_amounts(row, "forward", "direct")
            finally:
                runtime.set_isa(before)
        found = operations.cost_amounts(row, "forward", "direct", isa=name)
        assert expected is None or found == expected
    with pytest.raises(ValueError, match="instruction set 'mmx' is not in this build"):
        operations.cost_amounts(row, "forward", "direct", isa="mmx")


def synthetic(coefficients, nanoseconds):
    """Samples whose times are those of an estimate."""
    cases = [
        Sample(runtime.isa(), 1, direction, frozen, row, algorithm, 1.0)
        for row in fit_cost.rows((1, 0))
        for direction in operations.PASSES
        for frozen in (False, True)[: 1 + (direction == "forward")]
        for algorithm in fit_cost.applicable(row, direction)
    ]
    times = cost_model.amounts(cases) @ np.asarray(coefficients) * nanoseconds
    return [s._replace(milliseconds=ms) for s, ms in zip(cases, times, strict=True)]


def test_a_fit_finds_the_coefficients_of_several_processors():
    names = operations.cost_terms()
    true = np.linspace(1, 4, len(names))
    samples = {"slow": synthetic(true, 3e-6), "fast": synthetic(true, 1e-6)}
    present = cost_model.amounts(samples["fast"]).any(axis=0)
    assert present.sum() >= 15, "the shapes exercise most terms"
    start = np.where(present, 1.0, true)
    found = cost_model.fit(samples, start)
    for quality in cost_model.quality(found, samples):
        assert quality.tail < 0.02
        assert quality.regret < 1.001
    assert cost_table.is_better(
        cost_model.quality(found, samples), cost_model.quality(start, samples)
    )
    assert not cost_table.is_better(
        cost_model.quality(start, samples), cost_model.quality(found, samples)
    )


def test_coefficients_are_not_negative():
    samples = synthetic(np.ones(len(operations.cost_terms())), 1e-6)
    rng = np.random.default_rng(3)
    noisy = [s._replace(milliseconds=s.milliseconds * rng.uniform(0.2, 5)) for s in samples]
    assert (cost_model.fit({"noisy": noisy}, np.ones(len(operations.cost_terms()))) >= 0).all()


def test_measuring_resumes_where_it_stopped(tmp_path):
    path = tmp_path / "cost" / "processor.csv"
    protocol = Protocol(1, 1e-4, 0.0, 0.0)
    cost_samples.create(path, fit_cost.comments(protocol))
    rows = [
        row._replace(batch=1)
        for row in shape_files.select(shape_files.read("peers"), ["mnist_c3", "res_1x1"])
    ]
    assert fit_cost.measure(path, rows, (1,), protocol, seconds=0) == 5
    assert fit_cost.measure(path, rows[:1], (1,), protocol, seconds=600) == 0
    first = cost_samples.read(path)
    assert {s.algorithm for s in first} == {"direct", "scatter", "winograd2", "winograd4"}
    assert fit_cost.measure(path, rows, (1,), protocol, seconds=600) == 0
    every = cost_samples.read(path)
    assert every[: len(first)] == first
    assert [(s.row.name, s.algorithm) for s in every[len(first) :]] == [
        ("res_1x1", "direct"),
        ("res_1x1", "scatter"),
    ]


def test_a_file_with_other_columns_is_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("# comment\na,b\n1,2\n")
    with pytest.raises(ValueError, match=r"other.csv: expected the columns .* received \('a', 'b'"):
        cost_samples.read(path)

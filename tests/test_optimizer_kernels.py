"""The optimizer updates of the extension against their formulas, step by step.

Each formula below is the plain NumPy statement of one update, in float64. The kernels make one pass
over flat buffers; what they compute must not depend on the length, the instruction set or the
number of threads.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv.ops import compiled
from tests.support.oracle import assert_same_bits

SIZES = (1, 3, 8, 17, 70, 1000, 93322)
STEPS = 4
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-14}


def sgd(w, g, state, lr, momentum, nesterov):
    if momentum == 0:
        return w - lr * g
    state["velocity"] = m = momentum * state["velocity"] - lr * g
    return w + (momentum * m - lr * g if nesterov else m)


def rmsprop(w, g, state, lr, rho, momentum, epsilon):
    state["v"] = v = rho * state["v"] + (1 - rho) * g**2
    if "mean" in state:
        state["mean"] = rho * state["mean"] + (1 - rho) * g
        v = v - state["mean"] ** 2
    step = lr * g / np.sqrt(v + epsilon)
    if "momentum" in state:
        state["momentum"] = step = momentum * state["momentum"] + step
    return w - step


def adam(w, g, state, lr, beta1, beta2, epsilon, t):
    state["m"] = beta1 * state["m"] + (1 - beta1) * g
    state["v"] = beta2 * state["v"] + (1 - beta2) * g**2
    scale = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    return w - scale * state["m"] / (np.sqrt(state["v"]) + epsilon)


def gradients(size, dtype):
    rng = np.random.default_rng(size)
    w = rng.standard_normal(size).astype(dtype)
    return w, [rng.standard_normal(size).astype(dtype) for _ in range(STEPS)]


def assert_close(actual, expected, what):
    tolerance = TOLERANCE[actual.dtype.type]
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, err_msg=what)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("momentum, nesterov", [(0.0, 0), (0.9, 0), (0.9, 1)])
def test_sgd_updates_match_the_formula(isa, dtype, size, momentum, nesterov):
    w, steps = gradients(size, dtype)
    velocity = np.zeros(size, dtype) if momentum else None
    g = np.empty(size, dtype)
    update = compiled.Update("sgd", w, g, [velocity], np.array([0.05, momentum, nesterov]))
    expected, state = w.astype(np.float64), {"velocity": np.zeros(size)}
    for step in steps:
        g[:] = step
        update.run(2)
        expected = sgd(expected, step.astype(np.float64), state, 0.05, momentum, nesterov)
        assert_close(w, expected, "w")
    if momentum:
        assert_close(velocity, state["velocity"], "velocity")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_rmsprop_updates_match_the_formula(isa, dtype, size, centered, momentum):
    w, steps = gradients(size, dtype)
    state = {"v": np.zeros(size)}
    if centered:
        state["mean"] = np.zeros(size)
    if momentum:
        state["momentum"] = np.zeros(size)
    buffers = {name: np.zeros(size, dtype) for name in state}
    g = np.empty(size, dtype)
    hyper = np.array([0.01, 0.9, momentum, 1e-7])
    slots = [buffers.get(name) for name in ("v", "mean", "momentum")]
    update = compiled.Update("rmsprop", w, g, slots, hyper)
    expected = w.astype(np.float64)
    for step in steps:
        g[:] = step
        update.run(2)
        expected = rmsprop(expected, step.astype(np.float64), state, 0.01, 0.9, momentum, 1e-7)
    # A centered step divides by a difference of nearly equal numbers, which magnifies rounding.
    scale = 20 if centered else 1
    tolerance = scale * TOLERANCE[dtype]
    np.testing.assert_allclose(w, expected, rtol=tolerance, atol=tolerance)
    for name, buffer in buffers.items():
        np.testing.assert_allclose(
            buffer, state[name], rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize("size", SIZES)
def test_adam_updates_match_the_formula(isa, dtype, size):
    w, steps = gradients(size, dtype)
    m, v, g = np.zeros(size, dtype), np.zeros(size, dtype), np.empty(size, dtype)
    hyper = np.array([0.0, 0.9, 0.999, 1e-7])
    update = compiled.Update("adam", w, g, [m, v], hyper)
    expected, state = w.astype(np.float64), {"m": np.zeros(size), "v": np.zeros(size)}
    for t, step in enumerate(steps, start=1):
        g[:] = step
        hyper[0] = 0.01 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        update.run(2)
        expected = adam(expected, step.astype(np.float64), state, 0.01, 0.9, 0.999, 1e-7, t)
        assert_close(w, expected, "w")
    assert_close(m, state["m"], "m")
    assert_close(v, state["v"], "v")


def test_hyper_parameters_are_read_at_each_run(isa):
    """A learning-rate schedule writes one number; nothing is rebuilt."""
    w, g = np.zeros(5, np.float32), np.ones(5, np.float32)
    hyper = np.array([1.0, 0.0, 0.0])
    update = compiled.Update("sgd", w, g, [], hyper)
    update.run(1)
    hyper[0] = 0.25
    update.run(1)
    np.testing.assert_array_equal(w, np.full(5, -1.25, np.float32))


RULES = {
    "sgd": (("velocity",), [0.1, 0.9, 1.0]),
    "rmsprop": (("v", "mean", "momentum"), [0.1, 0.9, 0.5, 1e-7]),
    "adam": (("m", "v", "v"), [0.1, 0.9, 0.999, 1e-7]),
    "nadam": (("m", "v"), [0.1, 0.9, 0.999, 1e-7, 0.05, 1.5]),
    "adamax": (("m", "v"), [0.1, 0.9, 0.999, 1e-7]),
    "adagrad": (("v",), [0.1, 1e-7]),
    "adadelta": (("v", "v"), [0.1, 0.9, 1e-7]),
    "lion": (("m",), [0.1, 0.9, 0.99]),
    "ftrl": (("v", "m"), [0.1, 0.4, 0.2, 0.3, 0.1]),
    "average": (("m",), [0.9, 1.0]),
}


def buffers_of(rule, size, dtype):
    """g, then w and every slot of the rule; the variance lies above the square of any mean."""
    w, (g, first, second, third) = gradients(size, dtype)
    start = {"v": 1 + abs(second), "mean": abs(third) / 10}
    return g, [w, *(start.get(slot, first).copy() for slot in RULES[rule][0])]


def run_update(rule, g, buffers, threads=1):
    g = None if rule == "average" else g
    compiled.Update(rule, buffers[0], g, buffers[1:], np.array(RULES[rule][1])).run(threads)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("threads", [2, 3, 7])
def test_updates_do_not_depend_on_the_number_of_threads(isa, dtype, rule, threads):
    for size in (5, 64, 93322):
        g, expected = buffers_of(rule, size, dtype)
        actual = [array.copy() for array in expected]
        run_update(rule, g, expected)
        run_update(rule, g, actual, threads)
        for name, one, many in zip(("w", *RULES[rule][0]), expected, actual, strict=True):
            assert_same_bits(many, one, rule, name, size)


@pytest.mark.parametrize("rule", RULES)
def test_a_part_updates_as_the_whole_does(isa, dtype, rule):
    """Where a parameter lies in the flat buffer, and at what alignment, changes nothing."""
    begin, end = 13, 778
    g, whole = buffers_of(rule, 1000, dtype)
    part = [array.copy() for array in whole]
    run_update(rule, g, whole)
    run_update(rule, g[begin:end], [array[begin:end] for array in part])
    untouched = buffers_of(rule, 1000, dtype)[1]
    for expected, actual, before in zip(whole, part, untouched, strict=True):
        assert_same_bits(actual[begin:end], expected[begin:end], rule)
        assert_same_bits(actual[:begin], before[:begin], rule)
        assert_same_bits(actual[end:], before[end:], rule)


@pytest.mark.parametrize("rule", RULES)
def test_every_instruction_set_computes_the_same(isa, dtype, rule):
    """Whatever the length of a vector: an element is updated by its own gradient alone."""
    g, whole = buffers_of(rule, 77, dtype)
    single = [array.copy() for array in whole]
    run_update(rule, g, whole)
    for i in range(77):
        run_update(rule, g[i : i + 1], [array[i : i + 1] for array in single])
    for one, many in zip(single, whole, strict=True):
        assert_same_bits(many, one, rule)


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"average"}))
def test_a_gradient_that_is_not_a_number_shows(isa, dtype, rule):
    g, buffers = buffers_of(rule, 37, dtype)
    g[20] = np.nan
    run_update(rule, g, buffers)
    assert np.isnan(buffers[0]).tolist() == [i == 20 for i in range(37)]


def test_inconsistent_buffers_are_refused():
    w, g = np.zeros(4, np.float32), np.zeros(5, np.float32)
    with pytest.raises(ValueError, match="one shape"):
        compiled.Update("sgd", w, g, [], np.array([0.1, 0.0, 0.0]))
    with pytest.raises(ValueError, match="one shape"):
        compiled.Update("adam", w, w.copy(), [w.copy(), g], np.array([0.1, 0.9, 0.999, 1e-7]))
    with pytest.raises(TypeError, match="one dtype"):
        compiled.Update("rmsprop", w, w.astype(np.float64), [w.copy()], np.array([0.1]))
    with pytest.raises(ValueError, match="needs 2 to 3 slots"):
        compiled.Update("adam", w, w.copy(), [w.copy()], np.zeros(4))
    with pytest.raises(ValueError, match="up to 6 numbers"):
        compiled.Update("sgd", w, w.copy(), [], np.zeros(7))
    with pytest.raises(ValueError, match="rule 'sgd' needs a gradient"):
        compiled.Update("sgd", w, None, [], np.zeros(3))
    with pytest.raises(ValueError, match="rule 'average' needs no gradient"):
        compiled.Update("average", w, w.copy(), [w.copy()], np.zeros(2))
    with pytest.raises(ValueError, match="unknown rule 'muon'"):
        compiled.Update("muon", w, w.copy(), [], np.zeros(1))

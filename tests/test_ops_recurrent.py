"""LSTM and GRU as functions: the definition, three ways to their gradients, invariances."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import Input, ops, reference, runtime
from fastconv.ops import compiled
from tests.support.oracle import assert_same_bits, generator

# N, T, I, H: less than a vector of units, more than one, more sequences than a tile and an item
SIZES = [(1, 3, 4, 5), (3, 4, 2, 17), (9, 5, 3, 33), (21, 2, 7, 16), (2, 1, 1, 1)]
TOLERANCE = {np.float32: 3e-5, np.float64: 1e-13}
FUNCTIONS = {
    "lstm": (ops.lstm, reference.lstm, reference.lstm_backward, {}),
    "gru": (ops.gru, reference.gru, reference.gru_backward, {"reset_after": True}),
    "gru, reset before": (ops.gru, reference.gru, reference.gru_backward, {"reset_after": False}),
}


def operands(name, sizes, dtype):
    """The arrays of a function, and gradients of its results."""
    batch, steps, inputs, units = sizes
    rng = generator(name, sum(sizes))
    gates = 4 if name == "lstm" else 3
    width = gates * units
    shapes = [(batch, steps, inputs), (inputs, width), (units, width), (width,)]
    shapes += [(batch, units)] * 2 if name == "lstm" else [(width,), (batch, units)]
    results = [(batch, steps, units)] + [(batch, units)] * (gates - 2)
    return tuple(
        [rng.uniform(-0.8, 0.8, shape).astype(dtype) for shape in wanted]
        for wanted in (shapes, results)
    )


def gradients(function, arrays, dys, settings):
    record = function.function
    named = dict(zip(record.operands, arrays, strict=True)) | settings
    return record.gradient(dys, function(*arrays, **settings), **named)


def assert_near(actual, expected, tolerance):
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * max(1, np.abs(expected).max())


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_and_gradients_match_the_definition(name, sizes, isa, dtype):
    function, definition, backward, settings = FUNCTIONS[name]
    arrays, dys = operands(name, sizes, dtype)
    for y, want in zip(function(*arrays, **settings), definition(*arrays, **settings), strict=True):
        assert y.dtype == dtype
        assert_near(y, want, TOLERANCE[dtype])
    found = gradients(function, arrays, dys, settings)
    for gradient, want in zip(found, backward(*arrays, *dys, **settings), strict=True):
        assert_near(gradient, want, TOLERANCE[dtype])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_equal_finite_differences(name):
    function, _, _, settings = FUNCTIONS[name]
    arrays, dys = operands(name, (3, 4, 2, 3), np.float64)

    def value(given):
        return sum((y * dy).sum() for y, dy in zip(function(*given, **settings), dys, strict=True))

    for number, gradient in enumerate(gradients(function, arrays, dys, settings)):
        for place in list(np.ndindex(gradient.shape))[:: max(1, gradient.size // 6)]:
            moved = []
            for step in (1e-6, -1e-6):
                given = [each.copy() for each in arrays]
                given[number][place] += step
                moved.append(value(given))
            slope = (moved[0] - moved[1]) / 2e-6
            np.testing.assert_allclose(gradient[place], slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_the_adjoint_of_the_derivative(name):
    """<J v, dy> = <v, J' dy>, with J v from differences along v."""
    function, _, _, settings = FUNCTIONS[name]
    arrays, dys = operands(name, (5, 6, 3, 18), np.float64)
    v, _ = operands(name, (5, 6, 3, 18), np.float64)
    v = [np.roll(each, 1) for each in v]
    step = 1e-6
    ahead = function(*(a + step * d for a, d in zip(arrays, v, strict=True)), **settings)
    behind = function(*(a - step * d for a, d in zip(arrays, v, strict=True)), **settings)
    left = sum(
        ((a - b) / (2 * step) * dy).sum() for a, b, dy in zip(ahead, behind, dys, strict=True)
    )
    found = gradients(function, arrays, dys, settings)
    right = sum((d * g).sum() for d, g in zip(v, found, strict=True))
    np.testing.assert_allclose(left, right, 1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_have_the_same_bits_at_any_number_of_threads(name, isa):
    function, _, _, settings = FUNCTIONS[name]
    arrays, dys = operands(name, (18, 6, 5, 130), np.float32)
    results = []
    for threads in (1, 2, 3):
        with runtime.num_threads(threads):
            y = function(*arrays, **settings)
            results.append([*y, *gradients(function, arrays, dys, settings)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_same_bits(a, b)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sequences_do_not_depend_on_others_in_the_batch(name):
    function, _, _, settings = FUNCTIONS[name]
    arrays, _ = operands(name, (7, 3, 4, 20), np.float64)
    whole = function(*arrays, **settings)[0]
    states = [k for k, a in enumerate(arrays) if k and a.shape == (7, 20)]
    for n in range(7):
        one = [a[n : n + 1] if k == 0 or k in states else a for k, a in enumerate(arrays)]
        np.testing.assert_allclose(function(*one, **settings)[0][0], whole[n], rtol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_state_serves_all_sequences(name):
    function, _, _, settings = FUNCTIONS[name]
    arrays, dys = operands(name, (3, 2, 4, 5), np.float64)
    states = [k for k, a in enumerate(arrays) if k and a.shape == (3, 5)]
    once = [a[:1] if k in states else a for k, a in enumerate(arrays)]
    repeated = [np.repeat(a[:1], 3, 0) if k in states else a for k, a in enumerate(arrays)]
    for a, b in zip(function(*once, **settings), function(*repeated, **settings), strict=True):
        np.testing.assert_array_equal(a, b)
    found, wanted = (gradients(function, given, dys, settings) for given in (once, repeated))
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        np.testing.assert_allclose(a, b.sum(0, keepdims=True) if k in states else b, rtol=1e-12)


def test_no_steps_leave_the_states():
    arrays, _ = operands("lstm", (2, 1, 3, 4), np.float64)
    y, h, c = ops.lstm(arrays[0][:, :0], *arrays[1:])
    assert y.shape == (2, 0, 4)
    np.testing.assert_array_equal(h, arrays[4])
    np.testing.assert_array_equal(c, arrays[5])


def test_an_op_describes_a_phase_per_step():
    gates, r, y = (np.zeros(s, np.float32) for s in ((2, 3, 20), (5, 20), (2, 3, 5)))
    described = compiled.RecurrentForward(gates, r, None, None, None, y).describe()
    assert described["variant"] == "lstm"
    assert described["steps"] == 3
    assert len(described["phases"]) == 1 + 3  # the weights are packed first


@pytest.mark.parametrize(
    ("function", "shapes", "message"),
    [
        (ops.lstm, [(2, 4, 3), (3, 6), (2, 8), (8,), (2, 2), (2, 2)], r"`w` must have .*\(3, 8\)"),
        (ops.lstm, [(2, 4, 3), (3, 8), (2, 8), (8,), (3, 2), (2, 2)], r"`h` must have .*, 2\)"),
        (ops.gru, [(2, 4, 3), (3, 6), (2, 6), (6,), (5,), (2, 2)], r"`rb` must have .*\(6,\)"),
        (ops.gru, [(4, 3), (3, 6), (2, 6), (6,), (6,), (2, 2)], "`x` must have"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(function, shapes, message):
    arrays = [np.zeros(shape) for shape in shapes]
    with pytest.raises(ValueError, match=message):
        function(*arrays)
    first = Input(batch_shape=shapes[0]) if len(shapes[0]) == 3 else Input(shapes[0][1:])
    with pytest.raises(ValueError, match=message):
        function(first, *arrays[1:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gates": (2, 3, 10)}, "gates .* with G = 3 or 4"),
        ({"y": (2, 3, 6)}, "expected y of shape"),
        ({"h": (1, 5)}, "expected h of shape"),
        ({"before": (2, 3, 5)}, "must keep `cells`"),
        ({"bias": (5,)}, "expected bias of shape"),
    ],
)
def test_compiled_steps_check_their_arrays(changes, message):
    shapes = {"gates": (2, 3, 20), "r": (5, 20), "h": None, "c": None, "bias": None}
    shapes |= {"y": (2, 3, 5)} | changes
    arrays = {k: None if s is None else np.zeros(s, np.float32) for k, s in shapes.items()}
    with pytest.raises(ValueError, match=message):
        compiled.RecurrentForward(**arrays)

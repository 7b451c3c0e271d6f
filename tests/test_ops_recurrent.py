"""LSTM and GRU: gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import Input, ops

RNG = np.random.default_rng(3)


def _arrays(*shapes):
    return [RNG.uniform(-0.8, 0.8, shape) for shape in shapes]


GRU = [(4, 2, 3), (3, 6), (2, 6), (6,), (6,), (2, 2)]
CASES = {
    "lstm": (ops.lstm, {}, [(4, 2, 3), (3, 8), (2, 8), (8,), (2, 2), (2, 2)]),
    "gru": (ops.gru, {"reset_after": True}, GRU),
    "gru, reset before": (ops.gru, {"reset_after": False}, GRU),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_gradients_equal_finite_differences(name):
    function, settings, shapes = CASES[name]
    arrays = _arrays(*shapes)
    results = function(*arrays, **settings)
    weights = [RNG.standard_normal(y.shape) for y in results]

    def value(given):
        return sum(
            (y * w).sum() for y, w in zip(function(*given, **settings), weights, strict=True)
        )

    record = function.function
    named = dict(zip(record.operands, arrays, strict=True)) | settings
    gradients = record.gradient(weights, results, **named)
    for number, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        for place in list(np.ndindex(array.shape))[:: max(1, array.size // 6)]:
            moved = []
            for step in (1e-6, -1e-6):
                given = [each.copy() for each in arrays]
                given[number][place] += step
                moved.append(value(given))
            slope = (moved[0] - moved[1]) / 2e-6
            np.testing.assert_allclose(gradient[place], slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("function", "shapes", "message"),
    [
        (ops.lstm, [(4, 2, 3), (3, 6), (2, 8), (8,), (2, 2), (2, 2)], r"`w` must have .*\(3, 8\)"),
        (ops.lstm, [(4, 2, 3), (3, 8), (2, 8), (8,), (3, 2), (2, 2)], r"`h` must have .*\(2, 2\)"),
        (ops.gru, [(4, 2, 3), (3, 6), (2, 6), (6,), (5,), (2, 2)], r"`rb` must have .*\(6,\)"),
        (ops.gru, [(4, 3), (3, 6), (2, 6), (6,), (6,), (2, 2)], "`x` must have"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(function, shapes, message):
    with pytest.raises(ValueError, match=message):
        function(*_arrays(*shapes))
    first = Input(batch_shape=shapes[0]) if len(shapes[0]) == 3 else Input(shapes[0][1:])
    with pytest.raises(ValueError, match=message):
        function(first, *_arrays(*shapes[1:]))

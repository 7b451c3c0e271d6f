"""Activations, softmax, losses and dropout: public functions and the kernels beneath them."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, reference
from fastconv.ops import compiled
from tests.support.oracle import assert_equal, assert_same_bits, generator, integers

KINDS = ("relu", "leaky_relu", "sigmoid", "tanh")
LENGTHS = (*range(1, 36), 47, 63, 64, 65, 70, 127, 128, 129, 1000, 40_001)
ROWS_AND_CLASSES = (
    (1, 1), (1, 2), (5, 3), (2, 7), (3, 8), (4, 9), (64, 10), (7, 15), (2, 16), (3, 17), (5, 31),
    (5, 33), (2, 64), (9, 70), (3, 1000), (200, 10),
)  # fmt: skip
UNIT = {np.float32: 2.0**-24, np.float64: 2.0**-53}


def close(actual, expected, units, dtype, floor=1.0):
    """Within `units` rounding errors of the result, or of `floor` where the result is smaller."""
    tolerance = units * UNIT[dtype]
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * floor)


def spread(name, length, dtype):
    """Values of every size: small ones, the curved part, and far into saturation."""
    rng = generator(name, length)
    x = rng.standard_normal(length) * 10.0 ** rng.integers(-6, 3, length)
    return x.astype(dtype)


# -------------------------------------------------------------------------------------- activations


@pytest.mark.parametrize("kind", KINDS)
def test_activation_matches_the_definition(kind, isa, dtype):
    forward, backward = getattr(ops, kind), getattr(ops, f"{kind}_backward")
    define, define_backward = getattr(reference, kind), getattr(reference, f"{kind}_backward")
    for length in LENGTHS:
        x, dy = spread(kind, length, dtype), spread("dy", length, dtype)
        y = forward(x)
        assert y.dtype == dtype and y.shape == x.shape
        if kind == "relu":
            assert_equal(y, define(x), length)
            assert_equal(backward(y, dy), define_backward(y, dy), length)
        else:
            # Relative to the value itself, as long as it is a normal number: sigmoid(-20) has all
            # its digits, and so has tanh(1e-6).
            smallest = float(np.finfo(dtype).tiny)
            np.testing.assert_allclose(y, define(x), rtol=8 * UNIT[dtype], atol=smallest)
            # Near saturation 1 - y has the error of y, so here the bound is relative to dy.
            error = np.abs(backward(y, dy) - define_backward(y, dy))
            assert (error <= 4 * UNIT[dtype] * np.abs(dy.astype(np.float64)) + smallest).all()


@pytest.mark.parametrize("kind", KINDS)
def test_any_shape_is_activated(kind, isa):
    x = spread(kind, 2 * 3 * 4 * 5, np.float32)
    flat = getattr(ops, kind)(x)
    for shape in ((), (120,), (30, 4), (2, 3, 4, 5), (2, 1, 3, 4, 5), (0, 7)):
        part = x[: int(np.prod(shape))]
        y = getattr(ops, kind)(part.reshape(shape))
        assert y.shape == shape
        assert_same_bits(y, flat[: part.size].reshape(shape))


@pytest.mark.parametrize("kind", KINDS)
def test_saturation_is_exact(kind, isa, dtype):
    big = np.array([-np.inf, -1e4, -800.0, 800.0, 1e4, np.inf], dtype)
    y = getattr(ops, kind)(big)
    assert not np.isnan(y).any()
    limits = {
        "relu": np.maximum(big, 0),
        "leaky_relu": np.where(big > 0, big, big * dtype(0.2)),
        "sigmoid": np.array([0, 0, 0, 1, 1, 1]),
        "tanh": np.array([-1, -1, -1, 1, 1, 1]),
    }[kind]
    np.testing.assert_allclose(y, limits, rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0])
def test_the_slope_of_a_leaky_relu(isa, dtype, slope):
    x, dy = spread("slope", 77, dtype), spread("dy", 77, dtype)
    y = ops.leaky_relu(x, negative_slope=slope)
    close(y, reference.leaky_relu(x, negative_slope=slope), 2, dtype, floor=1e-30)
    dx = ops.leaky_relu_backward(y, dy, negative_slope=slope)
    close(dx, reference.leaky_relu_backward(y, dy, negative_slope=slope), 2, dtype, floor=1e-30)


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_work_in_place(kind, isa, dtype):
    x, dy = spread(kind, 333, dtype), spread("dy", 333, dtype)
    y, dx = np.empty_like(x), np.empty_like(x)
    compiled.ActivationForward(kind, x, y, slope=0.2).run(2)
    compiled.ActivationBackward(kind, y, dy, dx, slope=0.2).run(2)
    compiled.ActivationForward(kind, x, x, slope=0.2).run(2)
    assert_same_bits(x, y)
    compiled.ActivationBackward(kind, y, dy, dy, slope=0.2).run(2)
    assert_same_bits(dy, dx)


def test_an_unknown_activation_is_refused():
    x = np.zeros((1, 3, 3, 1), np.float32)
    with pytest.raises(ValueError, match="activation.*relu.*swish"):
        ops.conv2d(x, np.zeros((3, 3, 1, 1), np.float32), activation="swish")
    with pytest.raises(ValueError, match="swish"):
        compiled.ActivationForward("swish", x, x)


# ------------------------------------------------------------------------------------------ softmax


@pytest.mark.parametrize("shape", ROWS_AND_CLASSES)
def test_softmax_matches_the_definition(shape, isa, dtype):
    rng = generator("softmax", shape[1])
    for scale in (1e-3, 1.0, 30.0):
        x, dy = (rng.standard_normal((2, *shape)) * scale).astype(dtype)
        y = ops.softmax(x)
        assert y.dtype == dtype
        expected = reference.softmax(x)
        close(y, expected, 40 + 4 * scale, dtype, floor=1e-3)
        close(y.sum(axis=1), 1, 8 + shape[1], dtype)
        dx = ops.softmax_backward(y, dy)
        tolerance = (16 + 2 * shape[1]) * UNIT[dtype] * np.abs(dy).max()
        np.testing.assert_allclose(dx, reference.softmax_backward(y, dy), rtol=0, atol=tolerance)


def test_softmax_is_shift_invariant_and_in_place(isa, dtype):
    x = integers(generator("shift"), (6, 10)).astype(dtype)
    y = ops.softmax(x)
    assert_same_bits(ops.softmax(x + 64), y)  # the shifted integers are exact
    compiled.SoftmaxForward(x, x).run(2)
    assert_same_bits(x, y)


def test_softmax_of_huge_logits_is_finite(isa, dtype):
    y = ops.softmax(np.array([[1e4, -1e4, 1e4], [-1e4, -1e4, -1e4]], dtype))
    np.testing.assert_allclose(y, [[0.5, 0, 0.5], [1 / 3] * 3], rtol=1e-6)


# ------------------------------------------------------------------------------------------- losses


def targets_of(shape, kind, dtype):
    rng = generator("targets", shape[1])
    labels = rng.integers(shape[1], size=shape[0])
    if kind == "labels":
        return labels
    if kind == "one-hot":
        return np.eye(shape[1], dtype=dtype)[labels]
    return rng.uniform(0, 1, shape).astype(dtype)  # weights that do not sum to one


@pytest.mark.parametrize("kind", ["labels", "one-hot", "soft"])
@pytest.mark.parametrize("shape", ROWS_AND_CLASSES)
def test_softmax_cross_entropy_matches_the_definition(shape, kind, isa, dtype):
    logits = (generator("logits", shape[1]).standard_normal(shape) * 4).astype(dtype)
    targets = targets_of(shape, kind, dtype)
    loss, gradient = ops.softmax_cross_entropy(logits, targets)
    expected, want = reference.softmax_cross_entropy(logits, targets)
    assert gradient.dtype == dtype
    u = UNIT[dtype]
    assert loss == pytest.approx(expected, rel=64 * u, abs=64 * u * shape[1])
    total = targets.sum(axis=1).max() if kind == "soft" else 1  # the scale of the gradient
    np.testing.assert_allclose(gradient, want, rtol=0, atol=(64 + shape[1]) * u * max(total, 1))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["labels", "one-hot", "soft"])
@pytest.mark.parametrize("shape", ROWS_AND_CLASSES)
def test_loss_kernels_match_the_definition(shape, kind, weighted, isa, dtype):
    """Per-sample losses are unweighted; the gradient is that of the weighted batch mean."""
    rows = shape[0]
    rng = generator("loss", shape[1])
    logits = (rng.standard_normal(shape) * 3).astype(dtype)
    targets = targets_of(shape, kind, dtype)
    weight = rng.uniform(0, 3, rows).astype(dtype) if weighted else None
    share = np.ones(rows) if weight is None else weight.astype(np.float64)
    probabilities = np.full(shape, np.nan, dtype)
    loss, gradient = np.full(rows, np.nan), np.full(shape, np.nan, dtype)
    compiled.SoftmaxCrossEntropy(logits, targets, gradient, loss, weight, probabilities).run(2)
    expected, want = reference.softmax_cross_entropy(logits, targets, sample_weight=weight)
    tolerance = (64 + 2 * shape[1]) * UNIT[dtype] * max(shape[1] if kind == "soft" else 1, 1)
    assert (share * loss).sum() / rows == pytest.approx(expected, rel=tolerance, abs=tolerance)
    np.testing.assert_allclose(gradient, want, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(probabilities, reference.softmax(logits), rtol=0, atol=tolerance)

    loss, gradient = np.full(rows, np.nan), np.full(shape, np.nan, dtype)
    compiled.CrossEntropy(probabilities, targets, gradient, loss, weight).run(2)
    expected, want = reference.cross_entropy(probabilities, targets, sample_weight=weight)
    assert (share * loss).sum() / rows == pytest.approx(expected, rel=tolerance, abs=tolerance)
    scale = np.abs(want).max() + 1
    np.testing.assert_allclose(gradient, want, rtol=tolerance, atol=tolerance * scale)

    if kind == "labels":
        return
    loss, gradient = np.full(rows, np.nan), np.full(shape, np.nan, dtype)
    compiled.MeanSquaredError(logits, targets, gradient, loss, weight).run(2)
    expected, want = reference.mean_squared_error(logits, targets, sample_weight=weight)
    assert (share * loss).sum() / rows == pytest.approx(expected, rel=tolerance, abs=tolerance)
    np.testing.assert_allclose(gradient, want, rtol=tolerance, atol=tolerance)


def test_each_sample_has_its_own_loss(isa, dtype):
    logits = np.log(np.array([[1, 3], [1, 1], [7, 1]], dtype))
    loss = np.empty(3)
    compiled.SoftmaxCrossEntropy(logits, np.array([1, 0, 1]), None, loss).run(1)
    np.testing.assert_allclose(loss, np.log([4 / 3, 2, 8]), rtol=1e-6)
    compiled.MeanSquaredError(
        np.array([[1, 2], [0, 0], [3, 5]], dtype),
        np.array([[1, 4], [0, 0], [0, 1]], dtype),
        None,
        loss,
    ).run(1)
    assert_equal(loss, np.array([2.0, 0.0, 12.5]))


def test_cross_entropy_clips_as_keras_does(isa, dtype):
    """p / sum(p) within [1e-7, 1 - 1e-7]: a hopeless probability costs -log(1e-7), not infinity."""
    p = np.array([[0, 1], [1, 0], [3, 1]], dtype)
    loss, gradient = np.empty(3), np.empty((3, 2), dtype)
    compiled.CrossEntropy(p, np.array([0, 0, 1]), gradient, loss).run(1)
    np.testing.assert_allclose(loss, [-np.log(1e-7), 1e-7, np.log(4)], rtol=1e-5, atol=1.3e-7)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_huge_logits_have_a_finite_loss(isa, dtype, sign):
    logits = np.array([[sign * 1e4, -sign * 1e4, 0], [1e4, 1e4, 1e4]], dtype)
    for targets in (np.array([0, 1]), np.array([1, 2])):
        loss, gradient = ops.softmax_cross_entropy(logits, targets)
        expected, want = reference.softmax_cross_entropy(logits, targets)
        assert np.isfinite(loss) and np.isfinite(gradient).all()
        assert loss == pytest.approx(expected, rel=1e-6)
        np.testing.assert_allclose(gradient, want, atol=1e-6)


# ------------------------------------------------------------------------------------------ dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_expected_share_and_scales_it(isa, dtype, rate):
    x, y = np.ones(100_000, dtype), np.full(100_000, np.nan, dtype)
    compiled.Dropout(x, y, rate, 123).run(2)
    kept = y != 0
    # Five standard deviations of a binomial distribution.
    assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / y.size)
    np.testing.assert_allclose(y[kept], 1 / (1 - rate), rtol=1e-6)


def test_dropout_draws_a_new_mask_each_run_and_can_return_to_an_old_one(isa, dtype):
    x, y = np.ones(5000, dtype), np.empty(5000, dtype)
    op = compiled.Dropout(x, y, 0.5, 1)
    state = op.get_state()
    op.run(1)
    first = y.copy()
    op.run(1)
    assert (y != first).any(), "the second mask repeats the first"
    assert 0.4 < (y == first).mean() < 0.6, "the masks are not independent"
    op.set_state(state)
    op.run(1)
    assert_same_bits(y, first)
    other = np.empty_like(y)
    compiled.Dropout(x, other, 0.5, 2).run(1)
    assert (other != first).any(), "another seed gives another mask"


def test_dropout_backward_uses_the_mask_of_the_last_run(isa, dtype):
    rng = generator("dropout")
    x, dy = rng.standard_normal((2, 3333)).astype(dtype)
    y, dx = np.empty_like(x), np.empty_like(x)
    op = compiled.Dropout(x, y, 0.3, 5)
    back = compiled.DropoutBackward(op, dy, dx)
    for _ in range(3):
        op.run(2)
        back.run(3)
        kept = y != 0
        assert_equal(dx[~kept], np.zeros(np.count_nonzero(~kept), dtype))
        np.testing.assert_allclose(dx[kept] / dy[kept], y[kept] / x[kept], rtol=1e-6)


def test_dropout_is_the_same_at_any_number_of_threads_and_on_any_target(dtype):
    from fastconv import runtime
    from fastconv.ops import compiled

    x = generator("mask").standard_normal(200_001).astype(dtype)
    results = []
    before = runtime.isa()
    try:
        for name in runtime.available_isas():
            runtime.set_isa(name)
            for threads in (1, 2, 3, 7):
                y = np.empty_like(x)
                compiled.Dropout(x, y, 0.4, 99).run(threads)
                results.append((y, name, threads))
    finally:
        runtime.set_isa(before)
    for y, name, threads in results[1:]:
        assert_same_bits(y, results[0][0], name, threads)


def test_a_rate_of_zero_keeps_everything(isa, dtype):
    x = spread("rate", 100, dtype)
    y = np.empty_like(x)
    compiled.Dropout(x, y, 0.0, 3).run(1)
    assert_same_bits(y, x)

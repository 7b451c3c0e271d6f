"""Normalization from kernel to layer: definitions, gradients, invariances, folding, real Keras."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import ops, reference
from tests.support.oracle import assert_same_bits, generator

UNIT = {np.float32: 2.0**-24, np.float64: 2.0**-53}
CHANNEL_SHAPES = [
    (1, 1), (2, 3), (7, 5), (64, 16), (65, 64), (129, 33), (2, 9, 7, 70), (3, 4, 5, 130), (300, 1),
    (40, 31, 4), (1, 3, 1000), (6000, 96),
]  # fmt: skip


def operands(name, shape, dtype, weights=None):
    """x, dy of `shape` and gamma, beta of `weights` (by default the last size)."""
    rng = generator(name, sum(shape))
    weights = shape[-1:] if weights is None else weights
    x = rng.standard_normal(shape) * rng.uniform(0.2, 3, shape[-1:]) + rng.normal(0, 2, shape[-1:])
    dy, gamma, beta = (rng.standard_normal(s) for s in (shape, weights, weights))
    return [array.astype(dtype) for array in (x, dy, gamma, beta)]


def assert_near(actual, expected, dtype, units, scale=0.0):
    """Within `units` roundings of the largest element, or of `scale` if that is larger."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    error = np.abs(actual - expected).max()
    assert error <= units * UNIT[dtype] * max(np.abs(expected).max(), scale)


def shift_of(x, gamma, axes, epsilon=1e-3):
    """The largest mean * gamma / sqrt(variance + epsilon): y is a difference of such numbers."""
    x = x.astype(np.float64)
    scale = np.abs(x.mean(axis=axes)) / np.sqrt(x.var(axis=axes) + epsilon)
    return scale.max() * (1 if gamma is None else np.abs(gamma).max())


def gradient_scale(x, epsilon):
    """dx = (...) / sqrt(variance + epsilon): its error is relative to the terms that cancel."""
    axes = tuple(range(x.ndim - 1))
    return 1 / np.sqrt(x.astype(np.float64).var(axis=axes).min() + epsilon)


# -------------------------------------------------------------------------------- batch statistics


@pytest.mark.parametrize("shape", CHANNEL_SHAPES, ids=str)
def test_batch_norm_matches_the_definition(shape, isa, dtype):
    x, dy, gamma, beta = operands("batch", shape, dtype)
    for g, b in ((gamma, beta), (None, beta), (gamma, None), (None, None)):
        y, mean, variance = ops.batch_norm(x, g, b)
        assert y.dtype == mean.dtype == variance.dtype == dtype
        expected = reference.batch_norm(x, g, b)
        shift = shift_of(x, g, tuple(range(x.ndim - 1)))
        assert_near(mean, expected[1], dtype, 32)
        assert_near(variance, expected[2], dtype, 64, scale=1e-3)
        assert_near(y, expected[0], dtype, 64, scale=shift)
        parts = ops.batch_norm_backward(x, dy, g)
        wanted = reference.batch_norm_backward(x, dy, g)
        scale = gradient_scale(x, 1e-3) * np.abs(dy).max() * 4
        assert np.abs(parts[0] - wanted[0]).max() <= 128 * UNIT[dtype] * scale
        rows = x.size // x.shape[-1]
        for part, want in zip(parts[1:], wanted[1:], strict=True):
            assert np.abs(part - want).max() <= 16 * np.sqrt(rows) * 8 * UNIT[dtype] * 4


def test_the_variance_survives_a_large_mean(isa):
    """Squares of x would lose all digits: the mean is a thousand deviations away."""
    rng = generator("large mean")
    x = (rng.standard_normal((5000, 20)) + 1000).astype(np.float32)
    _, mean, variance = ops.batch_norm(x)
    _, expected_mean, expected_variance = reference.batch_norm(x)
    np.testing.assert_allclose(mean, expected_mean, rtol=2e-7)
    np.testing.assert_allclose(variance, expected_variance, rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 5), (4, 9, 7, 70)], ids=str)
def test_batch_norm_inference_matches_the_definition(shape, isa, dtype):
    x, _, gamma, beta = operands("inference", shape, dtype)
    mean, variance = x[0].reshape(-1, shape[-1])[0], np.abs(gamma) + dtype(0.1)
    y = ops.batch_norm_inference(x, mean, variance, gamma, beta, epsilon=1e-2)
    expected = reference.batch_norm_inference(x, mean, variance, gamma, beta, epsilon=1e-2)
    assert_near(y, expected, dtype, 32)
    again = x.copy()
    assert (
        ops.batch_norm_inference(again, mean, variance, gamma, beta, epsilon=1e-2, out=again)
        is again
    )
    assert_same_bits(again, y)


@pytest.mark.parametrize(
    ("shape", "groups"),
    [
        ((1, 1), 1),
        ((2, 5, 6), 3),
        ((3, 4, 5, 64), 32),
        ((2, 9, 9, 66), 1),
        ((2, 70, 40), 40),
        ((4, 96), 8),
    ],
    ids=str,
)
def test_group_norm_matches_the_definition(shape, groups, isa, dtype):
    x, dy, gamma, beta = operands("group", shape, dtype)
    for g, b in ((gamma, beta), (None, None)):
        y = ops.group_norm(x, g, b, groups=groups)
        expected = reference.group_norm(x, g, b, groups=groups)
        assert_near(y, expected, dtype, 64, scale=np.abs(x).max() / np.sqrt(1e-3))
        parts = ops.group_norm_backward(x, dy, g, groups=groups)
        wanted = reference.group_norm_backward(x, dy, g, groups=groups)
        for part, want, units in zip(parts, wanted, (4096, 512, 512), strict=True):
            assert np.abs(part - want).max() <= units * UNIT[dtype] * 8


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((1, 1), 1), ((3, 2), 1), ((5, 17), 1), ((2, 3, 64), 1), ((4, 5, 6, 7), 2), ((3, 8, 8, 40), 3),
     ((200, 1000), 1), ((900, 33), 1)],
    ids=str,
)  # fmt: skip
def test_layer_norm_matches_the_definition(shape, axes, isa, dtype):
    x, dy, gamma, beta = operands("layer", shape, dtype, shape[-axes:])
    for g, b in ((gamma, beta), (None, None)):
        y = ops.layer_norm(x, g, b, axes=axes)
        assert_near(y, reference.layer_norm(x, g, b, axes=axes), dtype, 64)
        parts = ops.layer_norm_backward(x, dy, g, axes=axes)
        wanted = reference.layer_norm_backward(x, dy, g, axes=axes)
        for part, want, units in zip(parts, wanted, (2048, 512, 512), strict=True):
            assert part.shape == want.shape
            assert np.abs(part - want).max() <= units * UNIT[dtype] * 8


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (5, 17), (2, 3, 64), (20, 1000)], ids=str)
def test_unit_norm_matches_the_definition(shape, isa, dtype):
    x, dy, _, _ = operands("unit", shape, dtype)
    x[0] = 0  # |x| below epsilon
    assert_near(ops.unit_norm(x), reference.unit_norm(x), dtype, 16)
    x[0] = 1
    assert_near(ops.unit_norm_backward(x, dy), reference.unit_norm_backward(x, dy), dtype, 256)
    x[:] = 1e-3
    options = {"epsilon": 0.5}
    dx, want = (m.unit_norm_backward(x[:1, :1], dy[:1, :1], **options) for m in (ops, reference))
    assert_near(dx, want, dtype, 16)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.75, 1.0, 0.6])
@pytest.mark.parametrize(
    ("shape", "radius"), [((1, 1), 0), ((3, 2), 5), ((2, 3, 96), 2), ((2, 5, 33), 5), ((4, 7), 9)]
)
def test_local_response_norm_matches_the_definition(shape, radius, beta, isa, dtype):
    x, dy, _, _ = operands("response", shape, dtype)
    options = {"depth_radius": radius, "bias": 2.0, "alpha": 0.3, "beta": beta}
    y = ops.local_response_norm(x, **options)
    assert_near(y, reference.local_response_norm(x, **options), dtype, 32)
    dx = ops.local_response_norm_backward(x, dy, **options)
    want = reference.local_response_norm_backward(x, dy, **options)
    assert_near(dx, want, dtype, 64, scale=np.abs(dy).max())


@pytest.mark.parametrize(
    ("shape", "alpha_shape"),
    [((1, 1), (1,)), ((5, 33), (33,)), ((3, 4, 5, 6), (4, 5, 6)), ((3, 4, 5, 6), (1, 1, 6)),
     ((3, 4, 5, 20), (4, 5, 1)), ((3, 4, 5, 6), (1, 5, 1)), ((70, 9, 3), (1, 1)),
     ((99, 70), (70,))],
    ids=str,
)  # fmt: skip
def test_prelu_matches_the_definition(shape, alpha_shape, isa, dtype):
    x, dy, alpha, _ = operands("prelu", shape, dtype, alpha_shape)
    y = ops.prelu(x, alpha)
    np.testing.assert_allclose(y, reference.prelu(x, alpha), rtol=2 * UNIT[dtype])
    dx, dalpha = ops.prelu_backward(x, dy, alpha)
    wanted = reference.prelu_backward(x, dy, alpha)
    np.testing.assert_allclose(dx, wanted[0], rtol=2 * UNIT[dtype])
    assert_near(dalpha, wanted[1], dtype, 256)


# --------------------------------------------------------------------------------- what they share

CALLS = {
    "batch": lambda x, dy, g, b, **o: (
        *ops.batch_norm(x, g, b, **o), *ops.batch_norm_backward(x, dy, g, **o)
    ),
    "inference": lambda x, dy, g, b, **o: (ops.batch_norm_inference(x, b, g * g, g, b, **o),),
    "group": lambda x, dy, g, b, **o: (
        ops.group_norm(x, g, b, groups=5, **o), *ops.group_norm_backward(x, dy, g, groups=5, **o)
    ),
    "layer": lambda x, dy, g, b, **o: (
        ops.layer_norm(x, g, b, **o), *ops.layer_norm_backward(x, dy, g, **o)
    ),
    "unit": lambda x, dy, g, b, **o: (ops.unit_norm(x, **o), ops.unit_norm_backward(x, dy, **o)),
    "response": lambda x, dy, g, b, **o: (
        ops.local_response_norm(x, **o), ops.local_response_norm_backward(x, dy, **o)
    ),
    "prelu": lambda x, dy, g, b, **o: (ops.prelu(x, g, **o), *ops.prelu_backward(x, dy, g, **o)),
}  # fmt: skip


def prepared(name):
    shape = (33, 400, 70) if name != "prelu" else (33 * 400, 70)
    return operands(name, shape, np.float32)


@pytest.mark.parametrize("name", CALLS)
def test_the_same_bits_for_any_number_of_threads(name, isa):
    arrays = prepared(name)
    first = CALLS[name](*arrays, num_threads=1)
    for threads in (2, 3, 7):
        for one, other in zip(first, CALLS[name](*arrays, num_threads=threads), strict=True):
            assert_same_bits(one, other)


@pytest.mark.parametrize("name", CALLS)
def test_the_same_bits_for_any_layout_and_alignment(name, isa):
    arrays = prepared(name)
    first = CALLS[name](*arrays)
    shifted = []
    for array in arrays:
        memory = np.empty(array.size + 3, np.float32)
        view = memory[3:].reshape(array.shape)
        view[...] = array
        view.flags.writeable = False
        shifted.append(view)
    backwards = [np.ascontiguousarray(array[::-1])[::-1] for array in arrays]
    for others in (shifted, backwards):
        for one, other in zip(first, CALLS[name](*others), strict=True):
            assert_same_bits(one, other)


@pytest.mark.parametrize("name", CALLS)
def test_a_nan_stays_within_its_statistics(name, isa):
    x, dy, gamma, beta = prepared(name)
    x.reshape(-1, 70)[0, 3] = np.nan
    y = CALLS[name](x, dy, gamma, beta)[0]
    poisoned = np.isnan(y.reshape(-1, 70))
    expected = np.zeros_like(poisoned)
    if name == "batch":
        expected[:, 3] = True
    elif name == "group":
        expected[:400, :14] = True
    elif name in ("layer", "unit"):
        expected[0] = True
    elif name == "response":
        expected[0, :9] = True
    else:
        expected[0, 3] = True
    np.testing.assert_array_equal(poisoned, expected)


@pytest.mark.parametrize("name", [name for name in CALLS if name != "inference"])
def test_gradients_by_finite_differences(name, isa):
    shape = (3, 2, 10) if name != "prelu" else (6, 10)
    rng = generator(name)
    x, dy = rng.standard_normal((2, *shape))
    gamma, beta = rng.uniform(0.5, 1.5, (2, 10))
    outputs = CALLS[name](x, dy, gamma, beta)
    start = 3 if name == "batch" else 1
    operand_gradients = dict(zip(("x", "gamma", "beta"), outputs[start:], strict=False))

    def loss(**changed):
        values = {"x": x, "gamma": gamma, "beta": beta} | changed
        return np.sum(dy * CALLS[name](values["x"], dy, values["gamma"], values["beta"])[0])

    for key, gradient in operand_gradients.items():
        value = {"x": x, "gamma": gamma, "beta": beta}[key]
        for _ in range(20):
            direction = rng.standard_normal(value.shape)
            step = 1e-6
            slope = loss(**{key: value + step * direction}) - loss(
                **{key: value - step * direction}
            )
            assert slope / (2 * step) == pytest.approx(
                np.sum(gradient * direction), rel=1e-4, abs=1e-5
            )


X = np.ones((4, 6))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.batch_norm(X[0]), ValueError, "at least two axes.*received shape \\(6,\\)"),
        (lambda: ops.batch_norm(X[:, :0]), ValueError, "none of them"),
        (lambda: ops.batch_norm(X, np.ones(5)), ValueError, "`gamma` must have shape \\(6,\\)"),
        (lambda: ops.batch_norm(X, np.ones(6, np.float32)), TypeError, "`gamma` must have"),
        (lambda: ops.batch_norm(X, epsilon=0), ValueError, "`epsilon` must be finite and above 0"),
        (lambda: ops.batch_norm(X, out=X), ValueError, "`out` must not overlap `x`"),
        (lambda: ops.batch_norm_backward(X, X[:3]), ValueError, "`dy` must have shape \\(4, 6\\)"),
        (lambda: ops.batch_norm_inference(X, None, X[0]), TypeError, "`mean` must be a Num"),
        (lambda: ops.group_norm(X, groups=4), ValueError, "must be a multiple of `groups`"),
        (lambda: ops.layer_norm(X, axes=2), ValueError, "`axes` must be less than .*received 2"),
        (lambda: ops.local_response_norm(X, bias=0), ValueError, "`bias` must be .* above 0"),
        (lambda: ops.local_response_norm(X, depth_radius=-1), ValueError, "`depth_radius` must"),
        (lambda: ops.prelu(X, np.ones(5)), ValueError, "slopes of shape \\(5,\\) do not fit"),
        (
            lambda: ops.prelu(np.ones((2, 3, 4, 5)), np.ones((3, 1, 5))),
            ValueError,
            "1 along the first axes, the last axes or both",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

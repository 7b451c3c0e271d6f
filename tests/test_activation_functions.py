"""Activation functions from kernel to layer: accuracy, limits, names, values of real Keras."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import activations, explain, layers, models, ops, reference
from fastconv.ops import compiled
from fastconv.optimizers import Adam
from fastconv.utils import set_random_seed
from tests.golden.golden_file import load
from tests.support.layer_passes import passes
from tests.support.oracle import assert_same_bits, generator

FROM_OUTPUT = (
    "relu6", "elu", "selu", "exponential", "softplus", "softsign", "hard_sigmoid", "tanh",
    "sigmoid",
)  # fmt: skip
FROM_INPUT = ("bounded_relu", "gelu", "silu", "hard_silu", "mish")
KINDS = FROM_OUTPUT + FROM_INPUT
OPTIONS = {
    "gelu": {"approximate": False},
    "elu": {"alpha": 0.75},
    "bounded_relu": {"negative_slope": 0.25, "max_value": 6.0, "threshold": 0.5},
}
LENGTHS = (*range(1, 36), 63, 64, 65, 70, 127, 128, 129, 1000, 20_001)
UNIT = {np.float32: 2.0**-24, np.float64: 2.0**-53}

GOLDEN, ARRAYS = load("activations.npz")
WEIGHTLESS = [case for case in GOLDEN if f"{case['name']}/alpha" not in ARRAYS]


def of(module, kind, suffix=""):
    """The function or its gradient, with the options that the tests of its kind use."""
    function = getattr(
        module, kind.removesuffix("_tanh") + suffix if kind == "gelu_tanh" else kind + suffix
    )
    options = {"approximate": True} if kind == "gelu_tanh" else OPTIONS.get(kind, {})
    return lambda *arrays: function(*arrays, **options)


def spread(kind, length, dtype):
    """Values of every size: tiny ones, the curved part, and far into saturation."""
    rng = generator(kind, length)
    return (rng.standard_normal(length) * 10.0 ** rng.integers(-6, 2, length)).astype(dtype)


def condition(kind, x):
    """By how many units in the last place the result may change if x changes by half of one."""
    if kind == "gelu_tanh":  # x sigmoid(v): the exponent v is rounded
        return 1 + np.abs(np.minimum(1.6 * (x + 0.044715 * x**3), 0))
    if kind == "gelu":  # the tail of the normal distribution where the C library computes it
        return 1 + np.minimum(x, 0) ** 2
    return np.ones_like(x)


@pytest.mark.parametrize("kind", (*KINDS, "gelu_tanh"))
def test_forward_is_accurate_to_a_few_units_in_the_last_place(kind, isa, dtype):
    for length in LENGTHS:
        x = np.maximum(spread(kind, length, dtype), -80)
        if kind == "exponential":
            x = np.minimum(x, 80)
        y = of(ops, kind)(x)
        assert y.dtype == dtype and y.shape == x.shape
        expected = of(reference, kind)(x)
        # Relative to the value itself, as long as it is a normal number.
        allowed = 8 * UNIT[dtype] * condition(kind, x.astype(np.float64)) * np.abs(expected)
        error = np.abs(y - expected)
        worst = np.argmax(error - allowed)
        assert (error <= allowed + np.finfo(dtype).tiny).all(), (x[worst], y[worst])


@pytest.mark.parametrize("kind", (*KINDS, "gelu_tanh"))
def test_backward_matches_the_definition(kind, isa, dtype):
    for length in LENGTHS:
        x, dy = spread(kind, length, dtype), spread("dy", length, dtype)
        if kind == "exponential":
            x = np.minimum(x, 10)
        saved = x if kind in FROM_INPUT or kind == "gelu_tanh" else of(ops, kind)(x)
        dx = of(ops, kind, "_backward")(saved, dy)
        assert dx.dtype == dtype and dx.shape == x.shape
        expected = of(reference, kind, "_backward")(saved, dy)
        error = np.abs(dx - expected)
        scale = np.maximum(np.abs(expected), np.abs(dy.astype(np.float64)))
        assert (error <= 8 * UNIT[dtype] * scale + np.finfo(dtype).tiny).all(), length


@pytest.mark.parametrize("kind", (*KINDS, "gelu_tanh"))
def test_definition_by_finite_differences(kind):
    x = generator(kind).standard_normal(200) * 3
    x = x[(np.abs(np.abs(x) - 3) > 1e-3) & (np.abs(x) > 1e-3) & (np.abs(x - 0.5) > 1e-3)]
    step = 1e-6
    forward = of(reference, kind)
    slope = (forward(x + step) - forward(x - step)) / (2 * step)
    saved = x if kind in FROM_INPUT or kind == "gelu_tanh" else forward(x)
    dx = of(reference, kind, "_backward")(saved, np.ones_like(x))
    np.testing.assert_allclose(dx, slope, rtol=1e-3, atol=1e-5)


LIMITS = {  # at -inf and inf
    "relu6": (0, 6), "elu": (-0.75, np.inf), "selu": (-1.7580993, np.inf),
    "exponential": (0, np.inf), "softplus": (0, np.inf), "softsign": (-1, 1),
    "hard_sigmoid": (0, 1), "tanh": (-1, 1),
    "sigmoid": (0, 1), "bounded_relu": (-np.inf, 6), "gelu": (0, np.inf), "gelu_tanh": (0, np.inf),
    "silu": (0, np.inf), "hard_silu": (0, np.inf), "mish": (0, np.inf),
}  # fmt: skip


@pytest.mark.parametrize("kind", LIMITS)
def test_infinite_and_huge_inputs_reach_the_limit(kind, isa, dtype):
    low, high = LIMITS[kind]
    y = of(ops, kind)(np.array([-np.inf, np.inf], dtype))
    np.testing.assert_allclose(y, [low, high], rtol=1e-6)
    huge = np.array([-1e30, 1e30 if kind != "exponential" else 80], dtype)
    y = of(ops, kind)(huge)
    assert not np.isnan(y).any()
    np.testing.assert_allclose(y, of(reference, kind)(huge), rtol=1e-6, atol=1e-30)
    slopes = of(ops, kind, "_backward")(
        huge if kind in FROM_INPUT or kind == "gelu_tanh" else y, np.ones(2, dtype)
    )
    assert not np.isnan(slopes).any()


@pytest.mark.parametrize("kind", (*KINDS, "gelu_tanh"))
def test_nan_and_denormals_stay_what_they_are(kind, isa, dtype):
    x = np.ones(37, dtype)
    x[[3, 36]] = np.nan
    assert_same_bits(np.isnan(of(ops, kind)(x)), np.isnan(x))
    small = np.array([1e-40, -1e-40], np.float32).astype(dtype)
    y = of(ops, kind)(small)
    expected = of(reference, kind)(small)
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=3e-45)


@pytest.mark.parametrize("kind", (*KINDS, "gelu_tanh"))
def test_same_bits_for_any_threads_alignment_and_in_place(kind, isa):
    x, dy = spread(kind, 40_001, np.float32), spread("dy", 40_001, np.float32)
    y = of(ops, kind)(x)
    saved = x if kind in FROM_INPUT or kind == "gelu_tanh" else y
    dx = of(ops, kind, "_backward")(saved, dy)
    name = {"relu6": "clipped_relu"}.get(kind, kind)
    parameters = {"relu6": (6.0,), "elu": (0.75,), "bounded_relu": (0.25, 6.0, 0.5)}.get(kind, ())
    for threads, shift in ((1, 0), (2, 1), (7, 3)):
        moved = np.empty(x.size + 4, np.float32)[shift : shift + x.size]
        moved[...] = x
        compiled.ActivationForward(name, moved, moved, *parameters).run(threads)
        assert_same_bits(moved, y)
        moved[...] = dy
        compiled.ActivationBackward(name, saved, moved, moved, *parameters).run(threads)
        assert_same_bits(moved, dx)


def test_tanh_never_leaves_its_range(isa):
    x = np.linspace(-12, 12, 2_000_001).astype(np.float32)
    y = ops.tanh(x)
    assert np.abs(y).max() == 1
    assert (np.abs(y - np.tanh(x.astype(np.float64))) <= 8 * 2.0**-24 * np.abs(y)).all()
    assert_same_bits(ops.tanh(-x), -y)


def test_which_kinds_fuse_and_which_keep_their_input():
    assert {"relu", "leaky_relu", "clipped_relu", "sigmoid", "tanh"} <= compiled.FUSIBLE
    assert {
        "gelu", "gelu_tanh", "silu", "hard_silu", "mish", "bounded_relu",
    } == compiled.KEEPS_INPUT  # fmt: skip
    assert not compiled.FUSIBLE & compiled.KEEPS_INPUT


@pytest.mark.parametrize("channels", [1, 3, 32])
def test_relu6_runs_inside_of_convolutions_and_products(isa, channels):
    rng = generator("relu6", channels)
    x = rng.standard_normal((2, 9, 9, channels)).astype(np.float32) * 40
    for layer in (
        layers.Conv2D(18, 3, padding="same", activation="relu6"),
        layers.Conv2D(channels, 3, groups=channels, activation="relu6"),
        layers.Dense(19, activation="relu6"),
    ):
        model = models.Sequential([layers.Input(x.shape[1:]), layer])
        y = model.predict(x, verbose=0)
        assert (y >= 0).all() and (y <= 6).all() and (y == 6).any()
        layer.activation = activations.linear
        plain = models.Sequential.from_config(model.get_config())
        plain.set_weights(model.get_weights())
        np.testing.assert_allclose(y, reference.relu6(plain.predict(x, verbose=0)), atol=1e-6)


@pytest.mark.parametrize("axes", [(), (4,), (3, 5)])
def test_log_softmax_matches_the_definition(axes, isa, dtype):
    for classes in (1, 2, 7, 16, 33, 100):
        x = (generator("log", classes).standard_normal((*axes, classes)) * 8).astype(dtype)
        dy = generator("dy", classes).standard_normal(x.shape).astype(dtype)
        y = ops.log_softmax(x)
        unit = UNIT[dtype]
        np.testing.assert_allclose(y, reference.log_softmax(x), rtol=16 * unit, atol=64 * unit)
        dx = ops.log_softmax_backward(y, dy)
        tolerance = (64 + 2 * classes) * unit * np.abs(dy).max()
        np.testing.assert_allclose(dx, reference.log_softmax_backward(y, dy), atol=tolerance)
    huge = np.array([[1e4, -1e4]], dtype)
    np.testing.assert_array_equal(ops.log_softmax(huge), [[0, -2e4]])


# ------------------------------------------------------------------------------ names and functions


def soft_shrunk(x):
    return np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)


def sparsemax(x):
    """The projection on the simplex, by bisection for t."""
    least, most = x.max(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(60):
        middle = (least + most) / 2
        large = np.maximum(x - middle, 0).sum(-1, keepdims=True) > 1
        least, most = np.where(large, middle, least), np.where(large, most, middle)
    return np.maximum(x - least, 0)


# Those that `reference` does not have.
DEFINITIONS = {
    "linear": lambda x: x,
    "celu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "log_sigmoid": lambda x: -np.log(1 + np.exp(-x)),
    "soft_shrink": soft_shrunk,
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x)),
    "sparse_sigmoid": lambda x: np.where(x <= -1, 0, np.where(x >= 1, 1, (x + 1) / 2)),
    "sparsemax": sparsemax,
    "squareplus": lambda x: (x + np.sqrt(x**2 + 4)) / 2,
    "tanh_shrink": lambda x: x - np.tanh(x),
}


def test_every_name_is_a_function_with_a_definition():
    for name, function in activations.FUNCTIONS.items():
        assert activations.get(name) is function is activations.get(function)
        assert activations.serialize(function) == name
        assert activations.deserialize(name) is function
        x = generator(name).standard_normal((3, 4))
        options = OPTIONS["gelu"] if name == "gelu" else {}
        definition = DEFINITIONS.get(name) or getattr(reference, name)
        expected = definition(x, **options)
        np.testing.assert_allclose(function(x), expected, rtol=1e-12)
    assert activations.get("swish") is activations.silu
    assert activations.get("hard_swish") is activations.hard_silu
    assert activations.get(None) is activations.linear


def test_arguments_of_a_function_change_its_values():
    x = np.array([-2.0, 0.5, 1.0, 9.0])
    np.testing.assert_array_equal(activations.relu(x, max_value=6.0), [0, 0.5, 1, 6])
    np.testing.assert_array_equal(activations.relu(x, 0.5, threshold=0.75), [-1.375, -0.125, 1, 9])
    np.testing.assert_array_equal(activations.relu(x, negative_slope=0.5), [-1, 0.5, 1, 9])
    np.testing.assert_array_equal(activations.elu(x[1:], alpha=2.0), x[1:])
    np.testing.assert_allclose(
        activations.gelu(x, approximate=True), reference.gelu(x, approximate=True)
    )
    table = generator("axis").standard_normal((3, 4, 5))
    np.testing.assert_allclose(activations.softmax(table, axis=1).sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(activations.log_softmax(table, axis=0)).sum(axis=0), 1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: ops.elu(x, alpha=-1), ValueError, "`alpha` must be finite and at least 0"),
        (lambda x: ops.elu(x, alpha="1"), TypeError, "`alpha` must be a number, received '1'"),
        (lambda x: ops.bounded_relu(x, max_value=-1), ValueError, "`max_value` must be finite"),
        (lambda x: ops.bounded_relu(x, threshold=np.inf), ValueError, "`threshold` must be finite"),
        (lambda x: ops.gelu_backward(x, x[1:]), ValueError, "`dy` must have shape .* match `x`"),
        (lambda x: ops.silu(x.astype(int)), TypeError, "`x` must be float32 or float64"),
        (lambda x: activations.get("glu"), ValueError, "must be one of .*'gelu'.*received 'glu'"),
        (lambda x: activations.get(np.tanh), TypeError, "a function of fastconv.activations"),
        (lambda x: activations.serialize(len), TypeError, "a function of fastconv.activations"),
        (
            lambda x: compiled.ActivationForward("swish", x, x),
            ValueError,
            "unknown activation 'swish'",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(np.ones(3))


# ------------------------------------------------------------------------------------------- layers


def test_names_of_functions_that_change_the_shape_or_have_no_defaults_are_refused_by_layers():
    assert activations.glu(np.array([2.0, 0.0])).tolist() == [1.0]
    assert activations.threshold(np.array([1.0, 3.0]), 2.0, -5.0).tolist() == [-5.0, 3.0]
    for name in ("glu", "threshold"):
        with pytest.raises(ValueError, match="`activation` must be"):
            layers.Dense(2, activation=name)


@pytest.mark.parametrize("name", [n for n in DEFINITIONS if n != "linear"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_chains_as_the_activation_of_layers(name, data_format, tmp_path):
    shape = (6, 5, 3) if data_format == "channels_last" else (3, 6, 5)
    start = layers.Input(shape)
    convolution = layers.Conv2D(4, 3, data_format=data_format)
    plain = convolution(start)
    active = layers.Conv2D(4, 3, data_format=data_format, activation=name)
    ends = [plain, layers.Dense(2, activation=name)(layers.Flatten()(active(start)))]
    model = models.Model(start, [*ends, active.output])
    active.set_weights(convolution.get_weights())
    x = 3 * generator(name).standard_normal((2, *shape)).astype(np.float32)
    before, _, after = model.predict(x, verbose=0)
    np.testing.assert_allclose(after, DEFINITIONS[name](before), rtol=1e-4, atol=1e-5)
    assert active.get_config()["activation"] == name
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras").predict(x, verbose=0)
    for found, expected in zip(again, model.predict(x, verbose=0), strict=True):
        assert_same_bits(found, expected)
    explain(model)


@pytest.mark.parametrize("case", WEIGHTLESS, ids=lambda case: case["name"])
def test_layers_compute_what_keras_computes(case, isa):
    golden = {key: ARRAYS[f"{case['name']}/{key}"] for key in ("x", "y", "dy", "dx")}
    layer = getattr(layers, case["class_name"])(**case["arguments"])
    y, dx, _ = passes(layer, golden["x"], golden["dy"])
    np.testing.assert_allclose(y, golden["y"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx, golden["dx"], rtol=1e-5, atol=2e-6)
    model = models.Sequential([layers.Input(golden["x"].shape[1:]), layer])
    np.testing.assert_allclose(
        model.predict(golden["x"], verbose=0), golden["y"], rtol=1e-5, atol=1e-6
    )
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("axis", [1, 2, -2, [1, 3], [2, 1], (-1, -2), [1, 2, 3]])
def test_softmax_over_any_axes(axis):
    x = generator("axes").standard_normal((2, 3, 4, 5)).astype(np.float32)
    dy = generator("dy").standard_normal(x.shape).astype(np.float32)
    y, dx, _ = passes(layers.Softmax(axis), x, dy)
    axes = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    e = np.exp(x.astype(np.float64))
    expected = e / e.sum(axis=axes, keepdims=True)
    np.testing.assert_allclose(y, expected, rtol=1e-5)
    along = (dy * expected).sum(axis=axes, keepdims=True)
    np.testing.assert_allclose(dx, expected * (dy - along), rtol=1e-4, atol=1e-6)


def test_softmax_refuses_axes_that_are_not_there():
    with pytest.raises(ValueError, match="`axis` of 's' must be from 1 to 2 .*received 3"):
        layers.Softmax(3, name="s").compute_output_shape((None, 3, 4))
    with pytest.raises(ValueError, match="received \\[0, 1\\]"):
        layers.Softmax([0, 1]).compute_output_shape((None, 3))
    with pytest.raises(TypeError, match="must be integers, received 'x'"):
        layers.Softmax("x").compute_output_shape((None, 3))


@pytest.mark.parametrize("activation", ["gelu", "swish", "elu", "relu6", "softplus", "mish"])
def test_training_through_every_kind_of_gradient(activation):
    set_random_seed(1)
    rng = generator(activation)
    x = rng.standard_normal((64, 6, 6, 2)).astype(np.float32)
    y = (x.sum(axis=(1, 2, 3)) > 0).astype(np.int64)
    model = models.Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(8, 3, activation=activation),
            layers.Flatten(),
            layers.Dense(8, activation=activation),
            layers.Dense(2, activation="log_softmax"),
            layers.Activation("exponential"),
        ]
    )
    model.compile(Adam(0.01), "sparse_categorical_crossentropy")
    losses = model.fit(x, y, epochs=8, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]

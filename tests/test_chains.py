"""Chains of element-wise operations: the same bits as one operation after the other."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, ops
from fastconv.ops.compiled import INSTRUCTIONS, Chain
from fastconv.plan import Differential, fuse
from fastconv.plan.chain import Builder, build
from fastconv.plan.functions import Elementwise
from fastconv.plan.fusion import fuse_forward
from tests.support.oracle import assert_same_bits, generator

# Definitions of the instructions in NumPy; the derivatives are tested through `ops`.
DEFINITIONS = {
    "copy": lambda a: a, "negative": np.negative, "absolute": np.absolute, "sign": np.sign,
    "square_root": np.sqrt, "exp": np.exp, "log": np.log, "expm1": np.expm1, "log1p": np.log1p,
    "log2": np.log2, "log10": np.log10, "exp2": np.exp2, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh,
    "cosh": np.cosh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "floor": np.floor, "ceil": np.ceil, "rint": np.rint, "trunc": np.trunc, "isnan": np.isnan,
    "isinf": np.isinf, "isfinite": np.isfinite, "logical_not": np.logical_not, "add": np.add,
    "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "maximum": np.maximum, "minimum": np.minimum, "power": np.power, "atan2": np.arctan2,
    "floor_mod": np.mod, "floor_divide": np.floor_divide, "greater": np.greater,
    "greater_equal": np.greater_equal, "equal": np.equal, "not_equal": np.not_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or,
    "where": lambda c, a, b: np.where(c != 0, a, b),
    "add_relu": lambda a, b: np.maximum(a + b, 0),
    "multiply_add": lambda a, b, c: a * b + c,
    "multiply_add_relu": lambda a, b, c: np.maximum(a * b + c, 0),
}  # fmt: skip
# Tested by `test_ops_functions` alone, for which NumPy has no definition.
OTHERS = {"erf", "activation", "activation_gradient"}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 1e-40, 88.0, -104.0, np.inf, -np.inf, np.nan]


def run(chain, inputs, shape, dtype, threads=1):
    """The outputs of a chain."""
    assigned = chain.assigned()
    outputs = {number: np.empty(shape, dtype) for number in assigned.written}
    ys = list(outputs.values())
    op = Chain(assigned.instructions, [*inputs, *assigned.constants], ys, assigned.registers, dtype)
    op.run(threads)
    return [outputs[number] for number in chain.outputs]


def test_every_instruction_has_a_definition():
    assert set(INSTRUCTIONS) == set(DEFINITIONS) | OTHERS


@pytest.mark.parametrize("name", DEFINITIONS)
def test_instructions(name, isa, dtype):
    """Within 2 units in the last place of NumPy in double precision; exact where that is."""
    rng = generator(name)
    count = INSTRUCTIONS[name][1]
    xs = [
        np.concatenate([rng.standard_normal(1031) * 3, np.roll(SPECIAL, k)]) for k in range(count)
    ]
    xs = [x.astype(dtype) for x in xs]
    builder = Builder(count)
    (y,) = run(builder.chain([builder.apply(name, *builder.inputs)]), xs, xs[0].shape, dtype)
    with np.errstate(all="ignore"):
        exact = dtype is np.float64 or name in ("floor_mod", "floor_divide")
        wide = xs if exact else [x.astype(np.float64) for x in xs]
        expected = np.asarray(DEFINITIONS[name](*wide)).astype(dtype)
    unit = np.finfo(dtype).eps
    cancelled = 8 * unit * np.abs(xs[0] * xs[1]) if name.startswith("multiply_add") else 0
    with np.errstate(all="ignore"):
        close = np.isclose(y, expected, rtol=4 * unit, atol=1e-40 + np.nan_to_num(cancelled))
    assert (close | (np.isnan(y) & np.isnan(expected)) | (y == expected)).all()


SHAPES = [
    ((4, 5, 6, 3), (3,)), ((4, 5, 6, 64), (64,)), ((2, 3, 700), (700,)), ((2, 3, 700), (3, 1)),
    ((7, 9), (7, 1)), ((5,), ()), ((2, 3, 4, 5), (3, 1, 5)), ((2, 300, 7), (300, 7)),
    ((3, 1, 4000), (3, 1, 4000)), ((2, 3, 5), (2, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("shape, small", SHAPES)
def test_broadcast_operands(shape, small, isa, dtype):
    rng = generator("broadcast")
    x, s, b = (rng.standard_normal(size).astype(dtype) for size in (shape, small, small))
    chain = build(lambda x, s, b: (x * s + b).activation("relu"), 3)
    for threads in (1, 2, 3):
        for each in (chain, chain.contracted()):
            (y,) = run(each, [x, s, b], shape, dtype, threads)
            assert_same_bits(y, np.maximum(x * s + b, dtype(0)))


def test_operands_of_other_dtypes():
    mask, count = np.array([True, False, True]), np.array([3, -4, 5], np.int32)
    x = np.array([1.5, 2.5, 3.5], np.float32)
    y, chosen = np.empty(3, np.float32), np.empty(3, bool)
    assigned = build(lambda m, c, x: m.where(c * x, x), 3).assigned()
    Chain(assigned.instructions, [mask, count, x], [y], assigned.registers).run(1)
    np.testing.assert_array_equal(y, [4.5, 2.5, 17.5])
    assigned = build(lambda c, x: c.apply("greater", x), 2).assigned()
    Chain(assigned.instructions, [count, x], [chosen], assigned.registers, np.float32).run(1)
    np.testing.assert_array_equal(chosen, [True, False, True])


@pytest.mark.parametrize(
    "inputs, error, message",
    [
        ([np.zeros(4, np.float32)], ValueError, "broadcast to"),
        ([np.zeros(3, np.int64)], TypeError, "float32, bool or int32"),
    ],
)
def test_unsuitable_operands(inputs, error, message):
    with pytest.raises(error, match=message):
        Chain([("copy", 1, (0,), "", ())], inputs, [np.zeros(3, np.float32)], 0)


def formula(x, z):
    y = ops.where(x > 0.25, x * z - 0.5, ops.exp(-x)) / (ops.square(z) + 1)
    return ops.sigmoid(y) * ops.relu(y + [0.5, -0.5, 0.25]) + ops.log(ops.abs(x) + 1)


def values_and_gradients(fused, monkeypatch):
    """Of `formula` between two convolutions, after three steps of training."""
    if not fused:
        monkeypatch.setattr("fastconv.plan.fusion.join_chains", lambda graph: graph)
    rng = generator("formula")
    x = layers.Input((9, 7, 3))
    z = layers.Conv2D(3, 1, name="z")(x)
    y = layers.Conv2D(2, 3, name="y")(formula(x * 1.0, z))
    model = models.Model(x, y)
    model.set_weights([rng.standard_normal(w.shape) * 0.3 for w in model.get_weights()])
    model.compile("sgd", "mse")
    images = rng.standard_normal((40, 9, 7, 3)).astype(np.float32)
    labels = rng.standard_normal((40, 7, 5, 2)).astype(np.float32)
    for start in (0, 10, 20):
        model.train_on_batch(images[start : start + 10], labels[start : start + 10])
    count = sum(isinstance(n.operation, Elementwise) for n in fuse(model.graph(), "train").nodes)
    return count, [*model.get_weights(), model.predict(images, verbose=0)]


def test_a_fused_chain_equals_its_operations(isa, monkeypatch):
    count, fused = values_and_gradients(True, monkeypatch)
    parts, unfused = values_and_gradients(False, monkeypatch)
    assert count == 1 < parts
    # The order in which gradients of one value are added may differ.
    for a, b in zip(fused, unfused, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_a_fused_chain_computes_the_same_bits_forward(isa, monkeypatch):
    x, z = layers.Input((9, 7, 3)), layers.Input((9, 7, 3))
    model = models.Model([x, z], formula(x, z))
    arrays = [generator(name).standard_normal((5, 9, 7, 3)).astype(np.float32) for name in "xz"]
    fused = model.predict_on_batch(arrays)
    monkeypatch.setattr("fastconv.plan.fusion.join_chains", lambda graph: graph)
    other = models.Model([x, z], model.output)
    assert_same_bits(fused, other.predict_on_batch(arrays))


@pytest.mark.parametrize(
    "function, rule",
    [
        (lambda x: x * ops.sigmoid(x), None),
        (lambda x: ops.sigmoid(x) * x, None),
        (lambda x: ops.maximum(x, 0.1 * x), lambda x: np.where(x >= 0, 1, 0.1)),
        (lambda x: ops.maximum(x * 0.1, x), lambda x: np.where(x > 0, 1, 0.1)),
        (lambda x: ops.maximum(x, 1.5 * x), lambda x: np.where(x > 0, 1.5, 1)),
        (lambda x: ops.maximum(x, -0.5 * x), lambda x: np.where(x >= 0, 1, -0.5)),
    ],
)
def test_activations_written_as_chains(function, rule, isa):
    """The values are those of the functions, bit for bit; at 0 the first operand of a maximum gets
    the gradient."""
    x = np.array([[-0.0, 0.0, 1e-45, -1e-45, 3.0, -3.0, 0.75, -0.25, 90.0, -90.0]], np.float32)
    inputs = layers.Input(x.shape[1:])
    model = models.Model(inputs, function(inputs))
    expected = np.asarray(function(x), np.float32)
    assert_same_bits(model.predict_on_batch(x), expected)
    passes = Differential(model.graph(), 1, model.parameters)
    passes.inputs[0][...] = x
    passes.output_gradients[0][...] = 1
    passes.run()
    assert_same_bits(passes.outputs[0], expected)
    if rule is None:
        s = 1 / (1 + np.exp(-x.astype(np.float64)))
        slope = s * (1 + x * (1 - s))
    else:
        slope = rule(x)
    np.testing.assert_allclose(passes.input_gradients[0], slope, rtol=1e-6, atol=1e-7)


def test_a_leaky_maximum_after_a_convolution_is_its_activation():
    x = layers.Input((8, 8, 3))
    y = layers.Conv2D(4, 3)(x)
    model = models.Model(x, ops.maximum(y, 0.1 * y))
    graph = fuse_forward(fuse(model.graph(), "predict"))
    assert [type(node.operation).__name__ for node in graph.nodes] == ["Convolution"]


def test_a_chain_is_not_computed_again_for_every_repetition():
    """A smaller operand that is broadcast keeps its own operation."""
    x, small = layers.Input((8, 4)), layers.Input((1, 4))
    graph = models.Model([x, small], ops.exp(small) * x).graph()
    assert len(fuse(graph, "infer").nodes) == 2

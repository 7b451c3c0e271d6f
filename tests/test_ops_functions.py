"""Keras's functions on arrays and in graphs: every one that is registered, by one list of cases.

Values: against real Keras. Gradients, as a plan computes them: against real Keras, against finite
differences in float64, and by the adjoint identity.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fastconv import layers, models, ops
from fastconv.layers.function import FunctionLayer
from fastconv.layers.network import Network
from fastconv.ops._function import FUNCTIONS
from fastconv.parameters import parameters_of
from fastconv.plan import Differential, Plan
from tests.golden.golden_file import load
from tests.support.ops_cases import CASES, weights_for

GOLDEN = [name for name, case in CASES.items() if case.golden]
EXACT = [n for n, c in CASES.items() if c.golden and c.golden_gradient and c.differentiable]
SMOOTH = [name for name, case in CASES.items() if case.differentiable]


def function_of(name: str) -> Any:
    function = ops
    for part in name.split("."):
        function = getattr(function, part)
    return function


def results_of(value: Any) -> list[np.ndarray]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def replaced(value: Any, other: Any) -> Any:
    """`value` with `other` of every float array, also in lists."""
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        return [other(each) for each in value]
    return other(value) if is_float(value) else value


def operands_of(arguments: Any, keywords: Any) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for value in (*arguments, *keywords.values()):
        replaced(value, found.append)
    return found


class InGraph:
    """A function in a plan: each float operand is an input with a batch of one, which is removed
    again before the call, so that operands may have any shape."""

    def __init__(self, name: str):
        self.arguments, self.keywords = CASES[name].drawn(name)
        self.operands = operands_of(self.arguments, self.keywords)
        inputs: list[Any] = []

        def begin(array: np.ndarray) -> Any:
            inputs.append(layers.Input(array.shape))
            return inputs[-1][0]

        arguments = [replaced(value, begin) for value in self.arguments]
        keywords = {key: replaced(value, begin) for key, value in self.keywords.items()}
        self.results = results_of(function_of(name)(*arguments, **keywords))
        self.outputs = [ops.expand_dims(y, 0) for y in self.results]
        # Not a model: the batch axis of its outputs would have to be that of the inputs.
        self.graph, self.parameters = Network(inputs, self.outputs).graph(), parameters_of([])

    def values(self) -> list[np.ndarray]:
        plan = Plan(self.graph, 1, self.parameters)
        for place, x in zip(plan.inputs, self.operands, strict=True):
            place[...] = x
        plan.run()
        return [y[0].copy() for y in plan.outputs]

    def gradients(self, name: str) -> list[np.ndarray]:
        floats = [n for n, y in enumerate(self.outputs) if y.dtype == "float32"]
        graph = replace(self.graph, outputs=[self.graph.outputs[n] for n in floats])
        differential = Differential(graph, 1, self.parameters, mode="infer")
        for place, x in zip(differential.inputs, self.operands, strict=True):
            place[...] = x
        for n, dy in zip(floats, differential.output_gradients, strict=True):
            dy[...] = weights_for(name, n, dy.shape[1:])
        differential.run()
        return [None if dx is None else dx[0].copy() for dx in differential.input_gradients]


def weighted_sum(name: str, arguments: Any, keywords: Any) -> float:
    """The number whose gradient `InGraph.gradients` computes, in the dtype of the arguments."""
    results = results_of(function_of(name)(*arguments, **keywords))
    return sum(
        float((y * weights_for(name, n, y.shape)).sum()) for n, y in enumerate(results)
        if y.dtype.kind == "f"
    )  # fmt: skip


@pytest.fixture(scope="module")
def golden():
    (dtypes,), arrays = load("keras_ops.npz")
    return {key: array.astype(dtypes[key]) for key, array in arrays.items()}


# Not in Keras: their tests are test_onnx_import.py and test_ops_recurrent.py.
BEYOND_KERAS = {"image.interpolate", "lstm", "gru"}


def test_every_registered_function_has_a_case():
    registered = {
        ("image." if record.module.endswith("image") else "") + record.name
        for record in FUNCTIONS.values()
        if not record.module.endswith("fastconv")
    }
    assert registered == set(CASES) | BEYOND_KERAS


@pytest.mark.parametrize("name", GOLDEN)
def test_values_equal_those_of_keras(name, golden):
    arguments, keywords = CASES[name].drawn(name)
    results = results_of(function_of(name)(*arguments, **keywords))
    for number, y in enumerate(results):
        expected = golden[f"{name}/y{number}"]
        assert y.dtype == expected.dtype
        np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-6)
    assert f"{name}/y{len(results)}" not in golden


@pytest.mark.parametrize("name", CASES)
def test_a_graph_computes_the_same_values(name):
    arguments, keywords = CASES[name].drawn(name)
    expected = results_of(function_of(name)(*arguments, **keywords))
    in_graph = InGraph(name) if operands_of(arguments, keywords) else None
    if in_graph is None:
        pytest.skip("takes no float arrays, which inputs of models are")
    for symbolic, y, other in zip(in_graph.results, expected, in_graph.values(), strict=True):
        assert (symbolic.shape, symbolic.dtype) == (y.shape, y.dtype.name)
        assert other.dtype == y.dtype
        np.testing.assert_allclose(other, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", EXACT)
def test_gradients_equal_those_of_keras(name, golden):
    for number, dx in enumerate(InGraph(name).gradients(name)):
        expected = golden.get(f"{name}/dx{number}")
        if dx is None or expected is None:
            assert dx is None or not dx.any()
            assert expected is None or not expected.any()
        else:
            np.testing.assert_allclose(dx, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_those_of_finite_differences(name):
    """And the adjoint identity: <dx, v> = <dy, J v>, for a random direction v."""
    arguments, keywords = CASES[name].drawn(name, np.float64)
    operands = operands_of(arguments, keywords)
    gradients = InGraph(name).gradients(name)
    if name == "stop_gradient":
        assert gradients == [None]
        return
    generator = np.random.default_rng(0)
    directions = [generator.standard_normal(x.shape) for x in operands]
    step = 1e-6
    sums = []
    for sign in (1, -1):
        moved = iter([x + sign * step * v for x, v in zip(operands, directions, strict=True)])
        there = [replaced(value, lambda x: next(moved)) for value in arguments]  # noqa: B023
        named = {k: replaced(v, lambda x: next(moved)) for k, v in keywords.items()}  # noqa: B023
        sums.append(weighted_sum(name, there, named))
    numeric = (sums[0] - sums[1]) / (2 * step)
    pairs = zip(gradients, directions, strict=True)
    parts = [dx * v for dx, v in pairs if dx is not None]
    scale = sum(np.abs(part).sum() for part in parts)
    assert sum(part.sum() for part in parts) == pytest.approx(numeric, abs=1e-4 * scale + 1e-5)


def test_functions_without_a_gradient_stop_it():
    x = layers.Input((4,))
    model = models.Model(x, ops.floor(x) + 0.0 * x)
    differential = Differential(model.graph(), 2, model.parameters, mode="infer")
    differential.inputs[0][...] = 1.5
    differential.output_gradients[0][...] = 1
    differential.run()
    assert not differential.input_gradients[0].any()


def test_shapes_of_unknown_sizes():
    x = layers.Input((8, 3))
    assert ops.reshape(x, (-1, 4, 6)).shape == (None, 4, 6)
    assert ops.reshape(x, (-1,)).shape == (None,)
    assert ops.reshape(x, (None, 24)).shape == (None, 24)
    assert ops.concatenate([x, x], axis=0).shape == (None, 8, 3)
    assert ops.sum(x).shape == ()
    assert ops.mean(x, axis=0).shape == (8, 3)
    assert ops.repeat(x, 2, axis=1).shape == (None, 16, 3)
    assert ops.flip(x, 1).shape == (None, 8, 3)
    assert ops.matmul(x, np.ones((3, 5), np.float32)).shape == (None, 8, 5)
    assert [part.shape for part in ops.split(x, 2, axis=1)] == [(None, 4, 3)] * 2
    assert x[:, 0].shape == (None, 3)
    assert x[..., None, :2].shape == (None, 8, 1, 2)
    assert ops.shape(x) == (None, 8, 3)


def test_operators_are_the_functions():
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(0.5, 2, (3, 4)).astype(np.float32) for _ in range(2))
    x, y = layers.Input((4,)), layers.Input((4,))
    formulas = [
        lambda x, y: x + y, lambda x, y: 2 - x, lambda x, y: x * y, lambda x, y: 1 / x,
        lambda x, y: x / y, lambda x, y: x // 0.5, lambda x, y: 3 % x, lambda x, y: x % y,
        lambda x, y: x**2, lambda x, y: 2**x, lambda x, y: -x, lambda x, y: abs(x - y),
        lambda x, y: x @ np.eye(4, dtype=np.float32), lambda x, y: x > y, lambda x, y: x >= y,
        lambda x, y: x < 1, lambda x, y: x <= 1, lambda x, y: (x > 1) & (y > 1),
        lambda x, y: (x > 1) | (y > 1), lambda x, y: ~(x > 1), lambda x, y: x[:, 1:3],
        lambda x, y: x[..., 0], lambda x, y: x[:, None, ::2], lambda x, y: a[:1] + x,
    ]  # fmt: skip
    model = models.Model([x, y], [formula(x, y) for formula in formulas])
    for formula, found in zip(formulas, model.predict_on_batch([a, b]), strict=True):
        expected = formula(a, b)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: bool(x > 0), "neither true nor false"),
        (lambda x: list(x), "cannot be iterated over"),
        (lambda x: ops.relu(x, out=np.zeros(3)), "`out` of relu belongs to arrays"),
        (lambda x: ops.sum(x, axis=5), "`axis` must be axes from -2 to 1"),
        (lambda x: x + layers.Input((5,)), "broadcast to one"),
        (lambda x: ops.reshape(x, (-1, 3)) @ np.ones((2, 2)), "must have 3 rows"),
        (lambda x: ops.sum([1.0], axis=x), "only x may be symbolic"),
    ],
)
def test_errors_of_symbolic_calls(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(layers.Input((3,)))


def test_a_function_is_a_layer_of_the_summary_but_not_of_the_layers(capsys):
    x = layers.Input((4,), name="x")
    y = layers.Dense(2, name="d")(ops.square(x) + 1)
    model = models.Model(x, y)
    assert [layer.name for layer in model.layers] == ["x", "d"]
    functions = [layer for layer in model.network.layers if isinstance(layer, FunctionLayer)]
    assert [layer.function.name for layer in functions] == ["square", "add"]
    model.summary()
    assert "(Square)" in capsys.readouterr().out


@pytest.mark.parametrize("axis", [(1, 2), (2, 1), (-1, 0)])
@pytest.mark.parametrize("ord", [1, -1, np.inf, -np.inf, 2, -2, "nuc", "fro"])
def test_norms_of_matrices(ord, axis):
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    y = ops.norm(x, ord, axis)
    np.testing.assert_allclose(y, np.linalg.norm(x, ord, axis), rtol=1e-5)
    kept = ops.norm(x, ord, axis, keepdims=True)
    np.testing.assert_allclose(kept, np.linalg.norm(x, ord, axis, keepdims=True), rtol=1e-5)
    if 0 in axis:
        return  # the batch of a model
    start = layers.Input((4, 2))
    graph = Network([start], [ops.norm(start, ord, axis)]).graph()
    plan = Differential(graph, 3, parameters_of([]), mode="infer")
    plan.inputs[0][...], plan.output_gradients[0][...] = x, 1
    plan.run()
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = 1e-6
        ends = [ops.norm(x + sign * step, ord, axis).sum() for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / 2e-6
        assert plan.input_gradients[0][index] == pytest.approx(slope, abs=1e-4)


FLAT = {
    "sort": lambda x: ops.sort(x, axis=None),
    "concatenate": lambda x: ops.concatenate([x, x * 2.0], axis=None),
}


@pytest.mark.parametrize("name", FLAT)
def test_axis_none_is_the_flat_array(name):
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    flat = x.reshape(-1)
    expected = np.sort(flat) if name == "sort" else np.concatenate([flat, flat * 2])
    np.testing.assert_array_equal(FLAT[name](x), expected)
    start = layers.Input(x.shape)
    y = FLAT[name](start[0])
    assert y.shape == expected.shape
    differential = Differential(Network([start], [y[None]]).graph(), 1, parameters_of([]))
    differential.inputs[0][...] = x
    dy = np.arange(len(expected), dtype=np.float32)
    differential.output_gradients[0][...] = dy
    differential.run()
    np.testing.assert_array_equal(differential.outputs[0][0], expected)
    back = dy[np.argsort(np.argsort(flat))] if name == "sort" else dy[:6] + 2 * dy[6:]
    np.testing.assert_allclose(differential.input_gradients[0][0], back.reshape(x.shape))


def test_axes_from_the_end_and_of_the_flat_array():
    x = np.arange(6.0).reshape(1, 2, 3)
    np.testing.assert_array_equal(ops.transpose(x, (0, -1, -2)), x.transpose(0, 2, 1))
    assert ops.transpose(layers.Input((None, 3)), (0, -1, 1)).shape == (None, 3, None)
    assert ops.argsort([[3, 1], [2, 0]], axis=None).tolist() == [3, 1, 2, 0]
    assert ops.multi_hot([[[0], [2]]], 3).tolist() == [[[1, 0, 1]]]  # as Keras


def test_images_of_unknown_size_are_cropped_by_margins():
    images = layers.Input((None, None, 3))
    cropped = ops.image.crop_images(images, 1, 0, 2, 3)
    model = models.Model(images, cropped)
    x = np.random.default_rng(0).random((2, 6, 7, 3), np.float32)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x[:, 1:-2, :-3])
    with pytest.raises(ValueError, match="images of unknown size have margins"):
        ops.image.crop_images(images, 1, 0, target_height=2, target_width=2)


@pytest.mark.parametrize(
    "call, message",
    [(lambda x: ops.sort(x, axis=10), "`axis` must be axes from -4 to 3"),
     (lambda x: ops.roll(x, 1, axis=4), "`axis` must be axes from -4 to 3"),
     (lambda x: ops.transpose(x, (0, 1, 2, -5)), "`axes`"),
     (lambda x: ops.conv_transpose(x, np.ones((2, 2, 4, 5)), 2), "input channels must match"),
     (lambda x: ops.image.rgb_to_grayscale(x[0, 0]), "`images` must have 3 or 4 axes")],
)  # fmt: skip
def test_shapes_that_do_not_fit_are_refused_before_they_run(call, message):
    with pytest.raises(ValueError, match=message):
        call(layers.Input((4, 4, 3)))

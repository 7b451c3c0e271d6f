"""Every layer and every function as ONNX: written, and computed by others, or refused by name.

The examples are those of the tests of functions and of layers, whose tables hold all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastconv import Input, layers, losses, models, ops
from fastconv.layers.network import Network
from fastconv.ops._function import FUNCTIONS
from fastconv.plan.fusion import inference_graph
from tests.support.extreme_integers.layers import LAYERS
from tests.support.ops_cases import CASES
from tests.test_ops_functions import function_of, results_of

pytest.importorskip("onnx")

from onnx.reference import ReferenceEvaluator

from fastconv.onnx.backend import FastconvBackend
from fastconv.onnx.exporting import exported, written
from fastconv.onnx.writers.calls import FUNCTIONS as WRITERS

REFUSED_FUNCTIONS = {
    "affine_transform": "ONNX has no operator for it",
    "_singular_values": "ONNX has no operator for it",
    "loss_values": "ONNX has no operator for it",
}
# onnx's own evaluator is wrong: images alone have two axes; as many channels as samples are summed.
WRONG_THERE = {"GlobalMaxPooling1D", "GlobalMaxPooling3D", "LocalResponseNormalization"}


def assert_computed(file: Any, arrays: list, expected: list, elsewhere: bool = True) -> None:
    """onnx's evaluator and fastconv's backend compute the expected results of a file."""
    given = dict(zip((value.name for value in file.graph.input), arrays, strict=True))
    found = [FastconvBackend.run_model(file, given)]
    if elsewhere:
        with np.errstate(all="ignore"):
            found.append(ReferenceEvaluator(file).run(None, given))
    for results in found:
        for y, want in zip(results, expected, strict=True):
            assert (y.shape, y.dtype) == (want.shape, want.dtype)
            np.testing.assert_allclose(y, want, rtol=2e-5, atol=2e-6)


class Written:
    """A call with an input for each array, which is removed from a batch of one and cast."""

    def __init__(self, function: Any, arguments: Any, keywords: Any):
        self.inputs: list[Any] = []
        self.arrays: list[np.ndarray] = []
        arguments = [self.begin(value) for value in arguments]
        keywords = {name: self.begin(value) for name, value in keywords.items()}
        self.results = results_of(function(*arguments, **keywords))

    def begin(self, value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
            return [self.begin(each) for each in value]
        if not isinstance(value, np.ndarray):
            return value
        self.inputs.append(Input(value.shape))
        self.arrays.append(value[None].astype(np.float32))
        x = self.inputs[-1][0]
        return x if value.dtype.kind == "f" else ops.cast(x, value.dtype.name)

    def file(self) -> Any:
        # Not a model: the batch axis of its outputs would have to be that of the inputs.
        outputs = [ops.expand_dims(y, 0) for y in self.results]
        graph = inference_graph(Network(self.inputs, outputs).graph())
        names = [[f"{kind}{n}" for n in range(len(those))]
                 for kind, those in (("x", self.inputs), ("y", outputs))]  # fmt: skip
        return written(graph, "functions", *names, 21)


def test_every_function_is_written_or_refused():
    computed = {f.name for f in FUNCTIONS.values() if not f.composite and f.chain is None}
    assert computed - set(WRITERS) == set(REFUSED_FUNCTIONS)
    assert not set(WRITERS) & set(REFUSED_FUNCTIONS)


@pytest.mark.parametrize("name", sorted(set(CASES) - {"image.affine_transform"}))
def test_functions_compute_the_same_elsewhere(name):
    arguments, keywords = CASES[name].drawn(name)
    expected = results_of(function_of(name)(*arguments, **keywords))
    call = Written(function_of(name), arguments, keywords)
    assert call.arrays
    assert_computed(call.file(), call.arrays, [y[None] for y in expected])


X = np.array([[3, -7, 0, 7], [-7, 2, 5, 5]], np.int32)
MORE = {
    **dict.fromkeys((
        "add", "subtract", "multiply", "maximum", "minimum", "mod", "floor_divide", "equal",
        "not_equal", "greater", "greater_equal", "less", "less_equal", "logical_and",
    ), (X, 3 - 2 * X)),
    **dict.fromkeys((
        "abs", "negative", "sign", "square", "sum", "prod", "max", "mean", "cumsum", "cumprod",
        "sort", "argsort", "argmax", "argmin", "count_nonzero", "all", "any", "logical_not",
    ), (X,)),
    "clip": (X, -2, 4),
    "where": (X > 0, X, 9),
    "one_hot": (X, 6, 0),
    "multi_hot": (X, 6, 0),
    "take": (X, np.array([1, -1], np.int32)),
    "take_along_axis": (X, np.array([[1], [-1]], np.int32)),
    "get_item": (X, (None, ..., 1, None)),
    "repeat": (X, [1, 2, 1, 3], 1),
    "roll": (X, (1, -3), (0, 1)),
    "unstack": (X, None, 1),
    "split": (X, 2, 1),
    "tile": (X, (2, 1, 3)),
    "concatenate": ([X, X[:1]], None),
    "stack": ([X, X + 1], -1),
    "swapaxes": (X, 0, 1),
    "zeros_like": (X,),
    "full_like": (X, 4),
    "tril": (X, 1),
    "triu": (X, -1),
    "softmax": (np.float32(X) / 8, None),
    "sparsemax": (np.float32(X) / 8, 0),
    "arctan2": (np.float32([[0, 0, 1], [0, -1, -1]]), np.float32([[0, -1, 0], [1, 0, -2]])),
    "conv_transpose": (np.ones((2, 5, 3), np.float32), np.ones((2, 4, 3), np.float32), 3),
    "max_pool": (np.float32(np.arange(24).reshape(1, 2, 12)), 3, 2, "valid", "channels_first"),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_integers_and_other_arguments_compute_the_same_elsewhere(name):
    function, arguments = function_of(name), MORE[name]
    expected = results_of(function(*arguments))
    call = Written(function, arguments, {})
    assert_computed(call.file(), call.arrays, [y[None] for y in expected])


@pytest.mark.parametrize("axis", [None, 1])
def test_truth_values_are_ordered_and_reduced(axis):
    truth = X > 0
    for function in (ops.sort, ops.argsort, ops.max, ops.min, ops.sum, ops.cumsum):
        expected = function(truth, axis=axis)
        call = Written(function, [truth], {"axis": axis})
        assert_computed(call.file(), call.arrays, [np.asarray(expected)[None]])


def without_arguments(name: str) -> list[Any]:
    return [case for case in LAYERS[name] if case[1] is not None]


def test_every_layer_has_an_example():
    assert set(LAYERS) == set(layers.CLASSES)


@pytest.mark.parametrize("name", sorted(name for name in LAYERS if without_arguments(name)))
def test_layers_compute_the_same_elsewhere(name):
    for arguments, shape in without_arguments(name):
        layer = layers.CLASSES[name](**arguments)
        inputs = [Input(shape) for _ in range(2 if layer.merges else 1)]
        model = models.Model(inputs, layer(inputs if layer.merges else inputs[0]))
        rng = np.random.default_rng(0)
        model.set_weights(
            [(w + rng.random(w.shape) * 0.3).astype(np.float32) for w in model.get_weights()]
        )
        xs = [rng.integers(0, 3, (2, *shape)).astype(np.float32) for _ in inputs]
        y = model.predict(xs if layer.merges else xs[0], verbose=0)
        assert_computed(exported(model), xs, [y], name not in WRONG_THERE)


class TestRefusals:
    """What ONNX cannot express is refused by the name of the function."""

    @pytest.mark.parametrize(
        ("compute", "message"),
        [
            (
                lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0)), "symmetric"),
                "`ops.pad` cannot be",
            ),
            (lambda x: ops.norm(x, "nuc", (1, 2)), "`ops._singular_values` cannot be written"),
            (lambda x: ops.roll(x, 1, 0), "`ops.roll` cannot be written: axis 0 has an open size"),
            (lambda x: ops.cumprod(x, 0), "`ops.cumprod` cannot be written: the axis"),
            (lambda x: ops.sparsemax(x, 0), "`ops.sparsemax` cannot be written: the axis"),
            (
                lambda x: ops.image.affine_transform(x[..., None], [1.0, 0, 1, 0, 1, 0, 0, 0]),
                "`ops.affine_transform` cannot be written",
            ),
            (
                lambda x: losses.get("mse")(x, x + 1) + 0 * x[:, 0, 0],
                "`ops.loss_values` cannot be written",
            ),
        ],
    )
    def test_functions(self, compute, message):
        x = Input((4, 5))
        graph = inference_graph(Network([x], [compute(x)]).graph())
        with pytest.raises(ValueError, match=message):
            written(graph, "refused", ["x"], ["y"], 21)

"""Every operation and pass of fastconv.h, by one table of examples.

Results have the bits of the compiled operations of `fastconv.ops`, on every instruction set, on any
number of threads and on those of the caller, with packed filters and without; where `reference`
defines the operation, they are close to it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from fastconv import reference, runtime, shapes
from fastconv.ops import compiled
from tests.support.c_interface import NUMBERS, STRUCTS, P, api, apply, backwards, create
from tests.support.oracle import assert_same_bits, generator

PASSES = ("forward", "backward_input", "backward_kernel")


@dataclass
class Example:
    """One call: `changed` are arrays that are read and written, in place of others of `expected`.

    `close`: what `reference` computes, in float64.
    """

    sizes: dict[str, Any]
    inputs: dict[str, Any]
    expected: dict[str, Any]
    close: dict[str, np.ndarray] = field(default_factory=dict)
    changed: dict[str, Any] = field(default_factory=dict)


# (operation, pass, name) -> the example of a dtype
EXAMPLES: dict[tuple[str, str, str], Callable[[Any], Example]] = {}


def example(kind: str, pass_: str, *names: str) -> Callable:
    """Enter a function (name, dtype) -> Example into the table."""

    def enter(make: Callable) -> Callable:
        for name in names:
            EXAMPLES[kind, pass_, name] = lambda dtype, name=name: make(name, dtype)
        return make

    return enter


def normal(name: str, dtype: Any, *shapes: Any) -> list[np.ndarray]:
    rng = generator(name)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def empty(like: np.ndarray) -> np.ndarray:
    return np.full_like(like, np.nan)


def of(geometry: Any, kind: str) -> dict[str, int]:
    """The members of a description that a geometry has."""
    names = [name for name, _ in STRUCTS[kind]._fields_]
    return {name: getattr(geometry, name) for name in names if hasattr(geometry, name)}


# ---- convolutions ----

# x (N, H, W, C), w (KH, KW, C / groups, K), options of reference.conv2d
CONVOLUTIONS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "same": ((2, 12, 11, 8), (3, 3, 8, 16), {"padding": "same"}),
    "sides": ((1, 7, 9, 4), (3, 3, 4, 5), {"padding": ((2, 0), (1, 3))}),
    "strided": ((1, 13, 10, 5), (3, 2, 5, 7), {"strides": 2}),
    "two_strides": ((1, 13, 10, 5), (3, 3, 5, 7), {"strides": (1, 3), "padding": "same"}),
    "dilated": ((1, 13, 12, 3), (3, 3, 3, 4), {"dilation_rate": 2}),
    "grouped": ((2, 9, 9, 6), (3, 3, 2, 9), {"groups": 3}),
    "depthwise": ((2, 9, 9, 6), (3, 3, 1, 6), {"groups": 6, "padding": "same"}),
    "one": ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    "large": ((4, 30, 30, 32), (3, 3, 32, 64), {"padding": "same"}),
}
# On "same" in float32, by the pass that they apply to
ALGORITHMS = {
    "forward": ("no_winograd", "direct", "winograd2", "winograd4"),
    "backward_input": ("no_winograd", "direct", "scatter", "winograd2", "winograd4"),
    "backward_kernel": ("no_winograd", "direct", "winograd2", "winograd4"),
}
FUSED = {"relu": 0.0, "leaky_relu": 0.3, "sigmoid": 0.0, "tanh": 0.0, "clipped_relu": 1.5}


@dataclass
class Convolution:
    """Geometry and arrays of a convolution."""

    name: str
    dtype: Any
    case: str = ""  # a name of CONVOLUTIONS, or as `name`

    def __post_init__(self) -> None:
        x_shape, w_shape, self.options = CONVOLUTIONS[self.case or self.name]
        self.geometry = shapes.conv2d_geometry(x_shape, w_shape, **self.options)
        self.x, self.w, self.b, self.dy = normal(
            self.name, self.dtype, x_shape, w_shape, w_shape[3], self.geometry.output_shape
        )
        self.sizes = of(self.geometry, "conv2d")

    def forward(self, activation="linear", slope=0.0, algorithm="auto") -> Example:
        y = empty(self.dy)
        compiled.conv2d_forward(
            self.geometry, self.x, self.w, self.b, y, activation, slope, algorithm
        ).run(1)
        close = {}
        if activation in ("linear", "relu"):
            close["y"] = reference.conv2d(
                self.x, self.w, self.b, activation=activation, **self.options
            )
        sizes = {"has_bias": 1, "activation": NUMBERS[activation.upper()], "slope": slope}
        inputs = {"x": self.x, "w": self.w, "bias": self.b}
        return Example(self.sizes | sizes, inputs, {"y": y}, close)

    def backward_input(self, algorithm="auto") -> Example:
        dx = empty(self.x)
        compiled.conv2d_backward_input(self.geometry, self.dy, self.w, dx, algorithm).run(1)
        close = {
            "dx": reference.conv2d_backward_input(
                self.dy, self.w, input_shape=self.x.shape, **self.options
            )
        }
        return Example(self.sizes, {"dy": self.dy, "w": self.w}, {"dx": dx}, close)

    def backward_kernel(self, algorithm="auto") -> Example:
        dw, db = empty(self.w), empty(self.b)
        compiled.conv2d_backward_kernel(
            self.geometry, self.x, self.dy, dw, db, algorithm
        ).run(1)  # fmt: skip
        window = {"kernel_size": self.w.shape[:2], **self.options}
        gradients = reference.conv2d_backward_kernel(self.x, self.dy, **window)
        close = dict(zip(("dw", "db"), gradients, strict=True))
        inputs = {"x": self.x, "dy": self.dy}
        return Example(self.sizes | {"has_bias": 1}, inputs, {"dw": dw, "db": db}, close)


for _pass in PASSES:

    @example("conv2d", _pass, *CONVOLUTIONS)
    def _convolution(name, dtype, pass_=_pass):
        return getattr(Convolution(name, dtype), pass_)()

    @example("conv2d", _pass, *ALGORITHMS[_pass])
    def _convolution_by(name, dtype, pass_=_pass):
        """NO_WINOGRAD is a policy in Python."""
        by_policy = name == "no_winograd"
        runtime.set_algorithm_policy("direct" if by_policy else "auto")
        try:
            convolution = Convolution(name, dtype, "same")
            made = getattr(convolution, pass_)(algorithm="auto" if by_policy else name)
        finally:
            runtime.set_algorithm_policy("auto")
        made.sizes["algorithm"] = NUMBERS[name.upper()]
        return made


@example("conv2d", "forward", *FUSED)
def _fused(name, dtype):
    return Convolution(name, dtype, "same").forward(name, FUSED[name])


@example("conv2d", "forward", "constant_filters")
def _constant(name, dtype):
    """Chosen for filters that are packed once, as in the plans of networks."""
    made = Convolution(name, dtype, "large")
    y = empty(made.dy)
    compiled.conv2d_forward(
        made.geometry, made.x, made.w, made.b, y, frozen=True
    ).run(1)  # fmt: skip
    sizes = made.sizes | {"constant_filters": 1, "has_bias": 1}
    return Example(sizes, {"x": made.x, "w": made.w, "bias": made.b}, {"y": y})


PADS = ((2, 0), (2, 0))
# Images of x and y, w (KH, KW, filters / groups, channels), options of the convolution from y to x
TRANSPOSED = {
    "same": ((2, 6, 5, 8), (2, 6, 5, 4), (3, 3, 4, 8), {"padding": "same"}),
    "strided": ((2, 6, 5, 8), (2, 12, 10, 4), (3, 3, 4, 8), {"strides": 2, "padding": "same"}),
    "beyond": (
        (1, 5, 5, 3),
        (1, 14, 14, 5),
        (3, 3, 5, 3),
        {"strides": 3, "padding": PADS},
    ),
    "dilated": ((1, 6, 5, 3), (1, 10, 9, 4), (3, 3, 4, 3), {"dilation_rate": 2}),
    "grouped": ((1, 6, 5, 6), (1, 8, 7, 4), (3, 3, 2, 6), {"groups": 2}),
    "few": ((1, 2, 2, 1), (1, 4, 4, 1), (3, 3, 1, 1), {}),
    "many": ((1, 4, 4, 8), (1, 8, 8, 1100), (2, 2, 1100, 8), {"strides": 2}),
}


@dataclass
class Transposed:
    """Geometry and arrays of a transposed convolution."""

    name: str
    dtype: Any

    def __post_init__(self) -> None:
        x_shape, y_shape, w_shape, self.options = TRANSPOSED.get(self.name, TRANSPOSED["strided"])
        self.geometry = shapes.conv2d_geometry(y_shape, w_shape, **self.options)
        assert self.geometry.output_shape == x_shape
        self.x, self.w, self.b, self.dy = normal(
            self.name, self.dtype, x_shape, w_shape, y_shape[3], y_shape
        )
        self.sizes = of(self.geometry, "conv2d_transpose") | {
            "height": x_shape[1], "width": x_shape[2], "channels": x_shape[3],
            "out_height": y_shape[1], "out_width": y_shape[2], "filters": y_shape[3],
        }  # fmt: skip

    def forward(self, activation="linear", slope=0.0) -> Example:
        y = empty(self.dy)
        compiled.conv2d_backward_input(self.geometry, self.x, self.w, y).run(1)
        compiled.ScaleShift(y, None, self.b, y).run(1)
        z = y.copy()
        compiled.ActivationForward(activation, y, z, slope).run(1)
        close = self.b + reference.conv2d_backward_input(
            self.x, self.w, input_shape=self.dy.shape, **self.options
        )
        sizes = {"has_bias": 1, "activation": NUMBERS[activation.upper()], "slope": slope}
        inputs = {"x": self.x, "w": self.w, "bias": self.b}
        found = {"y": close} if activation == "linear" else {}
        return Example(self.sizes | sizes, inputs, {"y": z}, found)

    def backward_input(self) -> Example:
        dx = empty(self.x)
        compiled.conv2d_forward(self.geometry, self.dy, self.w, None, dx).run(1)
        close = {"dx": reference.conv2d(self.dy, self.w, **self.options)}
        return Example(self.sizes, {"dy": self.dy, "w": self.w}, {"dx": dx}, close)

    def backward_kernel(self) -> Example:
        dw, db = empty(self.w), empty(self.b)[None]
        compiled.conv2d_backward_kernel(self.geometry, self.dy, self.x, dw, None).run(1)
        compiled.ColumnSums(self.dy.reshape(1, -1, len(self.b)), db).run(1)
        window = {"kernel_size": self.w.shape[:2], **self.options}
        close = reference.conv2d_backward_kernel(self.dy, self.x, **window)[0]
        sums = self.dy.astype(np.float64).sum((0, 1, 2))
        inputs = {"x": self.x, "dy": self.dy}
        expected = {"dw": dw, "db": db[0]}
        return Example(self.sizes | {"has_bias": 1}, inputs, expected, {"dw": close, "db": sums})


for _pass in PASSES:

    @example("conv2d_transpose", _pass, *TRANSPOSED)
    def _transposed(name, dtype, pass_=_pass):
        return getattr(Transposed(name, dtype), pass_)()


@example("conv2d_transpose", "forward", *FUSED)
def _transposed_and_fused(name, dtype):
    return Transposed(name, dtype).forward(name, FUSED[name])


@example("conv2d_transpose", "forward", "no_bias")
def _transposed_without_bias(name, dtype):
    """The convolution alone."""
    made = Transposed(name, dtype)
    y = empty(made.dy)
    compiled.conv2d_backward_input(made.geometry, made.x, made.w, y).run(1)
    return Example(made.sizes, {"x": made.x, "w": made.w}, {"y": y})


# ---- pooling ----

# x (N, H, W, C) and the window
POOLINGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "same": ((3, 19, 17, 9), {"pool_size": 3, "strides": 2, "padding": "same"}),
    "sides": ((1, 8, 9, 3), {"pool_size": (3, 2), "strides": (1, 2), "padding": ((1, 2), (0, 1))}),
    "global": ((2, 7, 5, 20), {"pool_size": (7, 5)}),
    "large_global": ((1, 30, 25, 6), {"pool_size": (30, 25)}),  # positions of maxima are int32
}
KINDS = ("max", "average")
POOLING_NAMES = [f"{kind}_{name}" for kind in KINDS for name in POOLINGS]


@dataclass
class Pooling:
    """Geometry and arrays of a pooling."""

    name: str
    dtype: Any

    def __post_init__(self) -> None:
        self.kind, case = self.name.split("_", 1)
        x_shape, self.window = POOLINGS[case]
        self.geometry = shapes.pool2d_geometry(x_shape, **self.window)
        self.x, self.dy = normal(self.name, self.dtype, x_shape, self.geometry.output_shape)
        self.sizes = of(self.geometry, "pool2d") | {"kind": NUMBERS[self.kind.upper()]}
        pixels = self.geometry.pool_h * self.geometry.pool_w
        self.argmax = np.zeros(self.dy.shape, np.uint8 if pixels <= 256 else np.int32)
        self.y = empty(self.dy)
        if self.kind == "max":
            compiled.MaxPoolForward(self.geometry, self.x, self.y, self.argmax).run(1)
        else:
            compiled.AveragePoolForward(self.geometry, self.x, self.y).run(1)

    def forward(self) -> Example:
        if self.kind == "average":
            close = {"y": reference.avg_pool2d(self.x, **self.window)}
            return Example(self.sizes, {"x": self.x}, {"y": self.y}, close)
        y, argmax = reference.max_pool2d(self.x, return_argmax=True, **self.window)
        expected = {"y": self.y, "argmax": self.argmax}
        return Example(self.sizes, {"x": self.x}, expected, {"y": y, "argmax": argmax})

    def backward_input(self) -> Example:
        dx, shape = empty(self.x), {"input_shape": self.x.shape}
        if self.kind == "average":
            compiled.AveragePoolBackward(self.geometry, self.dy, dx).run(1)
            close = reference.avg_pool2d_backward(self.dy, **shape, **self.window)
            return Example(self.sizes, {"dy": self.dy}, {"dx": dx}, {"dx": close})
        compiled.MaxPoolBackward(self.geometry, self.dy, self.argmax, dx).run(1)
        close = reference.max_pool2d_backward(self.dy, self.argmax, **shape, **self.window)
        inputs = {"dy": self.dy, "argmax": self.argmax}
        return Example(self.sizes, inputs, {"dx": dx}, {"dx": close})


for _pass in PASSES[:2]:

    @example("pool2d", _pass, *POOLING_NAMES)
    def _pooling(name, dtype, pass_=_pass):
        return getattr(Pooling(name, dtype), pass_)()


# ---- dense ----

DENSE = {"rows": 64, "inputs": 300, "outputs": 40}


def _dense_arrays(name, dtype):
    return normal(name, dtype, (64, 300), (300, 40), 40, (64, 40))


@example("dense", "forward", "linear", *FUSED)
def _dense(name, dtype):
    x, w, b, y = _dense_arrays(name, dtype)
    slope = FUSED.get(name, 0.0)
    compiled.DenseForward(x, w, b, y, name, slope).run(1)
    close = {"y": reference.dense(x, w, b)} if name == "linear" else {}
    sizes = DENSE | {"has_bias": 1, "activation": NUMBERS[name.upper()], "slope": slope}
    return Example(sizes, {"x": x, "w": w, "bias": b}, {"y": y}, close)


@example("dense", "backward_input", "dx")
def _dense_input(name, dtype):
    dx, w, _, dy = _dense_arrays(name, dtype)
    compiled.DenseBackwardInput(dy, w, dx).run(1)
    close = {"dx": reference.dense_backward_input(dy, w)}
    return Example(DENSE, {"dy": dy, "w": w}, {"dx": dx}, close)


@example("dense", "backward_kernel", "dw")
def _dense_kernel(name, dtype):
    x, dw, db, dy = _dense_arrays(name, dtype)
    compiled.DenseBackwardKernel(x, dy, dw, db).run(1)
    close = dict(zip(("dw", "db"), reference.dense_backward_kernel(x, dy), strict=True))
    return Example(DENSE | {"has_bias": 1}, {"x": x, "dy": dy}, {"dw": dw, "db": db}, close)


# ---- activations, softmax, loss ----

SLOPES = {"leaky_relu": 0.3, "elu": 0.7, "clipped_relu": 1.5}
ACTIVATIONS = (
    "linear", "relu", "leaky_relu", "sigmoid", "tanh", "clipped_relu", "elu", "selu", "exponential",
    "softplus", "softsign", "hard_sigmoid", "gelu", "gelu_tanh", "silu", "hard_silu", "mish",
)  # fmt: skip


def _activation(name, dtype):
    x, dy = normal(name, dtype, 20000, 20000)
    y, slope = empty(x), SLOPES.get(name, 0.0)
    compiled.ActivationForward(name, x, y, slope).run(1)
    sizes = {"activation": NUMBERS[name.upper()], "count": x.size, "slope": slope}
    return x, dy, y, slope, sizes


@example("activation", "forward", *ACTIVATIONS)
def _activation_forward(name, dtype):
    x, _, y, _, sizes = _activation(name, dtype)
    return Example(sizes, {"x": x}, {"y": y})


@example("activation", "backward_input", *ACTIVATIONS)
def _activation_backward(name, dtype):
    x, dy, y, slope, sizes = _activation(name, dtype)
    dx = empty(x)
    saved = {"x": x} if name in compiled.KEEPS_INPUT else {"y": y}
    compiled.ActivationBackward(name, *saved.values(), dy, dx, slope).run(1)
    return Example(sizes, saved | {"dy": dy}, {"dx": dx})


@example("softmax", "forward", "y")
def _softmax(name, dtype):
    (x,) = normal(name, dtype, (64, 40))
    y = empty(x)
    compiled.SoftmaxForward(x, y).run(1)
    return Example({"rows": 64, "classes": 40}, {"x": x}, {"y": y}, {"y": reference.softmax(x)})


@example("softmax", "backward_input", "dx")
def _softmax_backward(name, dtype):
    x, dy = normal(name, dtype, (64, 40), (64, 40))
    y, dx = reference.softmax(x).astype(dtype), empty(x)
    compiled.SoftmaxBackward(y, dy, dx).run(1)
    close = {"dx": reference.softmax_backward(y, dy)}
    return Example({"rows": 64, "classes": 40}, {"y": y, "dy": dy}, {"dx": dx}, close)


@example("cross_entropy", "forward", "loss", "loss_alone")
def _cross_entropy(name, dtype):
    (x,) = normal(name, dtype, (64, 40))
    labels = generator(name, 1).integers(0, 40, 64)
    dx, loss, y = empty(x), np.empty(64), empty(x)
    if name == "loss_alone":
        compiled.SoftmaxCrossEntropy(x, labels, None, loss).run(1)
        return Example({"rows": 64, "classes": 40}, {"x": x, "labels": labels}, {"loss": loss})
    compiled.SoftmaxCrossEntropy(x, labels, dx, loss).run(1)
    compiled.SoftmaxForward(x, y).run(1)
    expected = {"dx": dx, "loss": loss, "y": y}
    return Example({"rows": 64, "classes": 40}, {"x": x, "labels": labels}, expected)


# ---- normalization ----

NORM = {"rows": 500, "channels": 20, "epsilon": 1e-3}


@example("batch_norm", "forward", "batch", "fixed")
def _norm(name, dtype):
    x, gamma, beta = normal(name, dtype, (1, 500, 20), 20, 20)
    y, mean, variance = empty(x), empty(gamma)[None], empty(gamma)[None]
    compiled.ChannelNormForward(x, gamma, beta, y, mean, variance, 1e-3).run(1)
    given = {"x": x, "gamma": gamma, "beta": beta}
    statistics = {"mean": mean[0], "variance": variance[0]}
    if name == "batch":
        return Example(NORM, given, {"y": y, **statistics})
    compiled.FrozenNormForward(x, gamma, beta, *statistics.values(), y, 1e-3).run(1)
    return Example(NORM | {"fixed_statistics": 1}, given | statistics, {"y": y})


@example("batch_norm", "backward_input", "batch")
def _norm_backward(name, dtype):
    x, dy, gamma, beta = normal(name, dtype, (1, 500, 20), (1, 500, 20), 20, 20)
    y, mean, variance = empty(x), empty(gamma)[None], empty(gamma)[None]
    compiled.ChannelNormForward(x, gamma, beta, y, mean, variance, 1e-3).run(1)
    dx, dgamma, dbeta = empty(x), empty(gamma), empty(gamma)
    compiled.ChannelNormBackward(
        x, dy, gamma, beta, mean, variance, dx, dgamma, dbeta, 1e-3
    ).run(1)  # fmt: skip
    inputs = {"x": x, "dy": dy, "gamma": gamma, "mean": mean[0], "variance": variance[0]}
    return Example(NORM, inputs, {"dx": dx, "dgamma": dgamma, "dbeta": dbeta})


# ---- updates ----

# rule: numbers of the header's table, and slots
RULES = {
    "sgd": ((0.01, 0.9, 1.0), 1),
    "rmsprop": ((0.01, 0.9, 0.5, 1e-7), 3),
    "adam": ((0.001, 0.9, 0.999, 1e-7), 3),
    "nadam": ((0.001, 0.9, 0.999, 1e-7, 0.01, 1.1), 2),
    "adamax": ((0.001, 0.9, 0.999, 1e-7), 2),
    "adagrad": ((0.01, 1e-7), 1),
    "adadelta": ((1.0, 0.95, 1e-7), 2),
    "lion": ((0.001, 0.9, 0.99), 1),
    "ftrl": ((0.01, 0.5, 0.01, 0.01, 0.0), 2),
}


@example("update", "forward", *RULES)
def _update(name, dtype):
    hyper, count = RULES[name]
    weights, dw = normal(name, dtype, 5000, 5000)
    slots = [np.full_like(weights, 0.1) for _ in range(count)]
    changed = {"weights": weights.copy(), "slots": [slot.copy() for slot in slots]}
    compiled.Update(name, weights, dw, slots, np.array(hyper)).run(1)
    sizes = {"rule": NUMBERS[name.upper()], "count": dw.size}
    numbers = (*hyper, *[0.0] * (6 - len(hyper)))
    inputs = {"dw": dw, "hyper": numbers}
    return Example(sizes, inputs, {"weights": weights, "slots": slots}, changed=changed)


# ---- the tests ----


def outputs(made: Example) -> dict[str, Any]:
    """Arrays for the results: those that change, or undefined ones."""

    def copy(value):
        return [each.copy() for each in value] if isinstance(value, list) else value.copy()

    def undefined(value):
        return empty(value) if value.dtype.kind == "f" else np.full_like(value, 77)

    return {
        name: copy(made.changed[name]) if name in made.changed else undefined(value)
        for name, value in made.expected.items()
    }


def runs() -> Iterator[dict[str, Any]]:
    for pack in (False, True):
        yield {"threads": 1, "pack": pack}
        yield {"threads": 2, "pack": pack}
        yield {"threads": 3, "runner": backwards, "pack": pack}
    yield {"threads": 16, "runner": backwards}


@pytest.mark.parametrize("key", EXAMPLES, ids="-".join)
def test_an_operation(isa, dtype, key):
    kind, pass_, _ = key
    made = EXAMPLES[key](dtype)
    sizes = {"dtype": int(dtype == np.float64), **made.sizes}
    if "pass" in dict(STRUCTS[kind]._fields_):
        sizes["pass"] = PASSES.index(pass_)
    for run in runs():
        found = outputs(made)
        apply(kind, made.inputs | found, **sizes, **run)
        for name, expected in made.expected.items():
            several = name == "slots"
            pairs = (found[name], expected) if several else ([found[name]], [expected])
            for array, wanted in zip(*pairs, strict=True):
                assert_same_bits(array, wanted)
    scale = 1e-5 if dtype == np.float32 else 1e-12
    for name, close in made.close.items():
        most = np.abs(close).max()
        np.testing.assert_allclose(found[name], close, rtol=0, atol=scale * max(most, 1.0))


OPTIONAL = [
    (("batch_norm", "backward_input", "batch"), ("dx",)),
    (("batch_norm", "backward_input", "batch"), ("dgamma", "dbeta")),
    (("pool2d", "forward", "max_same"), ("argmax",)),
    (("cross_entropy", "forward", "loss"), ("y",)),
]


@pytest.mark.parametrize(("key", "left_out"), OPTIONAL)
def test_optional_results_may_be_left_out(key, left_out):
    made = EXAMPLES[key](np.float32)
    made.expected = {name: y for name, y in made.expected.items() if name not in left_out}
    sizes = {**made.sizes, "pass": PASSES.index(key[1])} if key[1] != "forward" else made.sizes
    for run in runs():
        found = outputs(made)
        apply(key[0], made.inputs | found, **sizes, **run)
        for name, expected in made.expected.items():
            assert_same_bits(found[name], expected)


def accepted(kind: str) -> set[str]:
    """The passes that the library accepts of an operation."""
    made = next(make(np.float32) for (name, *_), make in EXAMPLES.items() if name == kind)
    options = dict.fromkeys(("has_bias", "activation", "fixed_statistics", "algorithm"), 0)
    fields = dict(STRUCTS[kind]._fields_)
    sizes = made.sizes | {name: value for name, value in options.items() if name in fields}
    if "pass" not in fields:
        return {"forward"}
    found = set()
    for number, pass_ in enumerate(PASSES):
        status, op = create(kind, **sizes, **{"pass": number})
        ctypes.CFUNCTYPE(None, P)(api().destroy)(op)
        if status == NUMBERS["OK"]:
            found.add(pass_)
        else:
            assert status == NUMBERS["WRONG_OPTION"]
    return found


def test_every_operation_and_pass_has_an_example():
    functions = [name for name, _ in STRUCTS["api"]._fields_ if name.startswith("create_")]
    for kind in (name.removeprefix("create_") for name in functions):
        examples = {pass_ for name, pass_, _ in EXAMPLES if name == kind}
        assert examples, kind
        # An update has no passes.
        assert examples == accepted(kind), kind


def test_every_activation_and_rule_has_an_example():
    names = [name for name in NUMBERS if name not in ("OK",)]
    activations = names[names.index("LINEAR") : names.index("MISH") + 1]
    assert sorted(ACTIVATIONS) == sorted(name.lower() for name in activations)
    rules = names[names.index("SGD") : names.index("FTRL") + 1]
    assert list(RULES) == [name.lower() for name in rules]
    algorithms = names[names.index("NO_WINOGRAD") : names.index("WINOGRAD4") + 1]
    assert {*sum(ALGORITHMS.values(), ())} == {name.lower() for name in algorithms}

"""One case per function of Keras's `ops`: arguments by which values and gradients are compared.

`CASES` has an entry for every function that is registered; a test compares the two lists, so that a
new function cannot be forgotten. The golden values of real Keras are computed from the same cases
(`tests/golden/make_keras_ops.py`), which therefore name the function as Keras does.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Array:
    """An operand: normally distributed numbers times `scale` plus `shift`; or integers below
    `below`, or truth values."""

    shape: tuple[int, ...]
    scale: float = 1.0
    shift: float = 0.0
    positive: bool = False
    below: int = 0
    is_bool: bool = False

    def draw(self, generator: np.random.Generator, dtype: Any) -> np.ndarray:
        if self.below:
            return generator.integers(0, self.below, self.shape).astype(np.int32)
        values = generator.standard_normal(self.shape)
        if self.is_bool:
            return values > 0
        if self.positive:
            values = np.abs(values) + 0.25
        # Multiples of 1/64 are the same numbers in both dtypes.
        return np.round((values * self.scale + self.shift) * 64).astype(dtype) / dtype(64)


@dataclass(frozen=True)
class Case:
    """Positional arguments, of which `Array`s are operands, and keyword arguments."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)
    differentiable: bool = True
    golden: bool = True  # whether Keras computes the same
    golden_gradient: bool = True  # whether its gradient is exact, too

    def drawn(self, name: str, dtype: Any = np.float32) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments with arrays in place of `Array`s, the same in each dtype."""
        generator = np.random.default_rng(zlib.crc32(name.encode()))

        def draw(value: Any) -> Any:
            if isinstance(value, Array):
                return value.draw(generator, dtype)
            if isinstance(value, list) and value and isinstance(value[0], Array):
                return [draw(each) for each in value]
            return value

        return [draw(a) for a in self.arguments], {k: draw(v) for k, v in self.keywords.items()}


X = Array((2, 3, 4))
POSITIVE = Array((2, 3, 4), positive=True)
INSIDE = Array((2, 3, 4), scale=0.2)  # within (-1, 1)
PAIR = (X, Array((3, 1), shift=0.125))
IMAGES = Array((2, 6, 5, 4))
FLAT = {"differentiable": False}


def _one(x: Any = X, *arguments: Any, **options: Any) -> Case:
    return Case((x, *arguments), **options)


CASES: dict[str, Case] = {
    # arithmetic
    **{name: Case(PAIR) for name in (
        "add", "subtract", "multiply", "maximum", "minimum", "hypot", "logaddexp", "arctan2",
    )},
    **{name: Case((X, Array((3, 1), positive=True))) for name in (
        "divide", "true_divide", "divide_no_nan",
    )},
    "mod": Case((POSITIVE, np.array([[0.7], [1.3], [0.9]], np.float32))),
    "floor_divide": Case((X, Array((3, 1), positive=True)), **FLAT),
    "power": Case((POSITIVE, Array((3, 1)))),
    **{name: _one() for name in (
        "negative", "absolute", "abs", "square", "exp", "exp2", "expm1", "sin", "cos", "tan",
        "arctan", "sinh", "cosh", "arcsinh", "erf", "relu", "relu6", "leaky_relu", "elu", "selu",
        "sigmoid", "tanh", "softplus", "softsign", "hard_sigmoid", "silu", "hard_silu", "gelu",
        "log_sigmoid", "celu", "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink",
        "squareplus", "sparse_plus", "sparse_sigmoid", "softmax", "log_softmax",
        "stop_gradient", "cumsum", "cumprod", "ravel",
        "sort", "tril", "triu", "normalize", "layer_normalization", "rms_normalization",
        "logsumexp", "amax", "amin", "prod", "flip", "transpose",
    )},
    **{name: _one(POSITIVE) for name in (
        "sqrt", "rsqrt", "reciprocal", "log", "log1p", "log2", "log10",
    )},
    **{name: _one(INSIDE) for name in ("arcsin", "arccos", "arctanh")},
    "arccosh": _one(Array((2, 3, 4), positive=True, shift=1.0)),
    **{name: _one(**FLAT) for name in (
        "sign", "floor", "ceil", "trunc", "round", "isnan", "isinf", "isfinite", "argmax",
        "argmin", "argsort", "zeros_like", "ones_like", "count_nonzero",
    )},
    **{name: Case((Array((2, 3), below=3), Array((2, 3), below=3)), **FLAT) for name in (
        "equal", "not_equal", "greater", "greater_equal", "less", "less_equal",
    )},
    **{name: Case((Array((2, 3), is_bool=True), Array((3,), is_bool=True)), **FLAT) for name in (
        "logical_and", "logical_or", "logical_xor",
    )},
    **{name: _one(Array((2, 3), is_bool=True), **FLAT) for name in ("logical_not", "any", "all")},
    "sparsemax": _one(golden=False),  # Keras's results do not add up to 1
    "clip": _one(X, -0.5, 0.75),
    "threshold": _one(X, 0.5, -1.0),
    "where": Case((Array((2, 3, 4), is_bool=True), X, Array((4,)))),
    "glu": _one(X, -1),
    # reductions
    **{name: _one(X, (0, 2)) for name in ("sum", "mean", "max", "min", "var", "std")},
    "norm": _one(X, None, -1),
    "average": Case((X,), {"axis": 1, "weights": Array((3,), positive=True)}),
    "moments": _one(X, [1, 2]),
    # shaping
    "reshape": _one(X, (4, -1)),
    "expand_dims": _one(X, 1),
    "squeeze": _one(Array((2, 1, 3)), 1),
    "broadcast_to": _one(Array((3, 1)), (2, 3, 4)),
    "swapaxes": _one(X, 0, 2),
    "moveaxis": _one(X, 0, -1),
    "roll": _one(X, 2, 1),
    "concatenate": Case(([X, Array((2, 1, 4))], 1)),
    "vstack": Case(([X, Array((1, 3, 4))],)),
    "hstack": Case(([X, Array((2, 2, 4))],)),
    "stack": Case(([X, X], 1)),
    "split": _one(X, [1, 2], 1),
    "unstack": Case((X,), {"axis": 1}),
    "repeat": _one(X, 2, 1),
    "tile": _one(X, (2, 1, 3)),
    "pad": _one(X, ((0, 0), (1, 2), (2, 1)), "reflect"),
    # indexing
    "get_item": _one(X, (slice(None), 1, slice(0, None, 2)), golden=False),
    "take": _one(X, [2, 0, 2], 1),
    "take_along_axis": Case((X, Array((2, 3, 2), below=4), 2)),
    "top_k": _one(X, 2),
    "in_top_k": Case((Array((3,), below=4), Array((3, 4)), 2), **FLAT),
    "one_hot": _one(Array((2, 3), below=4), 4, **FLAT),
    "multi_hot": _one(Array((2, 3), below=4), 4, **FLAT),
    # products
    "matmul": Case((X, Array((4, 5)))),
    "dot": Case((X, Array((2, 4, 3)))),
    "tensordot": Case((X, Array((4, 3, 2)), [[1, 2], [1, 0]])),
    "outer": Case((Array((3,)), Array((4,)))),
    "einsum": Case(("bij,bkj->bik", X, Array((2, 5, 4)))),
    # constants and conversion
    "full_like": _one(X, 2.5, **FLAT),
    "cast": _one(X, "int32", **FLAT),
    # windows
    "conv": Case((IMAGES, Array((3, 2, 2, 6))), {"strides": 2, "padding": "same"}),
    "depthwise_conv": Case((IMAGES, Array((3, 2, 4, 2))), {"padding": "same"}),
    "separable_conv": Case((IMAGES, Array((3, 2, 4, 2)), Array((1, 1, 8, 3)))),
    "conv_transpose": Case((IMAGES, Array((3, 2, 3, 4))), {"strides": 2, "padding": "same"}),
    "max_pool": _one(Array((2, 6, 5, 4), scale=100.0), 2, 1, "same"),
    "average_pool": _one(IMAGES, (3, 2), 2, "same"),
    # normalization and losses
    "batch_normalization": Case(
        (X, Array((3,)), Array((3,), positive=True), 1),
        {"offset": Array((3,)), "scale": Array((3,))},
    ),
    "binary_crossentropy": Case(
        (Array((2, 3), scale=0.1, shift=0.5), Array((2, 3), scale=0.1, shift=0.5)),
    ),
    "categorical_crossentropy": Case(
        (Array((2, 3), positive=True), Array((2, 3), scale=0.1, shift=0.5))
    ),
    "sparse_categorical_crossentropy": Case(
        (Array((2,), below=3), Array((2, 3))), {"from_logits": True}
    ),
    # images
    "image.resize": _one(IMAGES, (4, 7)),
    "image.affine_transform": _one(
        IMAGES, [1.0, 0.25, 0.3, -0.25, 0.9, 0.1, 0, 0],
        golden_gradient=False,  # that of TensorFlow warps dy by the inverse map
    ),
    "image.pad_images": _one(IMAGES, 1, 2, 0, 1),
    "image.crop_images": _one(IMAGES, 1, 2, 0, 1),
    "image.rgb_to_grayscale": _one(Array((2, 3, 4, 3))),
}  # fmt: skip


def weights_for(name: str, number: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the gradient of result `number` by which gradients are compared."""
    generator = np.random.default_rng(zlib.crc32(f"{name}/dy{number}".encode()))
    return np.round(generator.standard_normal(shape) * 64).astype(np.float32) / np.float32(64)

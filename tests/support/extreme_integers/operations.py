"""Operations: legal calls with every integer, compared with the reference."""

from __future__ import annotations

import inspect
from functools import partial

import numpy as np

from fastconv import ops, reference
from tests.support.extreme_integers.judge import judge
from tests.support.extreme_integers.replacements import LARGE, replacements

X = np.random.default_rng(0).standard_normal((2, 6, 5, 4)).astype(np.float32)
FILTERS = np.random.default_rng(1).standard_normal((3, 3, 4, 8)).astype(np.float32)
ROWS = X.reshape(-1, 4)

# Parameters of operations that hold no integers: arrays, words, switches and real numbers.
NOT_INTEGERS = {
    "activation", "algorithm", "alpha", "approximate", "argmax", "b", "beta", "bias", "cols", "dy",
    "epsilon", "fill_mode", "fill_value", "gamma", "interpolation", "logits", "max_value", "mean",
    "c", "h", "negative_slope", "out", "padding_mode", "prediction", "probabilities", "r", "rb",
    "reset_after", "return_argmax",
    "sample_weight", "targets", "threshold", "transforms", "value", "variance", "w", "x", "y",
}  # fmt: skip

_WINDOW = {"strides": (1, 2), "padding": ((1, 0), (0, 1)), "dilation_rate": (2, 1)}
_POOL = {"pool_size": (2, 3), "strides": (2, 1), "padding": ((1, 0), (0, 1))}
_RADIUS = {"depth_radius": 2}
_TURNS = np.tile(np.array([1, 0, 0.5, 0, 1, 0.25], np.float32), (2, 1))
_GRADIENT = np.ones((2, 3, 2, 8), np.float32)
_POOLED = np.ones((2, 3, 4, 4), np.float32)
_MEANS, _VARIANCES = np.zeros(4, np.float32), np.ones(4, np.float32)
_SLOPES = np.full((1, 1, 4), 0.25, np.float32)

# The integers of an operation, and arrays other than x, y, dy = X.
OPERATIONS = {
    "avg_pool2d": _POOL,
    "avg_pool2d_backward": {"dy": _POOLED, "input_shape": X.shape, **_POOL},
    "batch_norm_inference": {"mean": _MEANS, "variance": _VARIANCES},
    "col2im": {
        "cols": np.ones((36, 12), np.float32), "input_shape": X.shape,
        "kernel_size": (3, 3), **_WINDOW,
    },
    "conv2d": {"w": FILTERS, "groups": 1, **_WINDOW},
    "conv2d_backward_input": {
        "dy": _GRADIENT, "w": FILTERS, "input_shape": X.shape, "groups": 1, **_WINDOW,
    },
    "conv2d_backward_kernel": {"dy": _GRADIENT, "kernel_size": (3, 3), "groups": 1, **_WINDOW},
    "crop2d": {"cropping": ((1, 0), (0, 2))},
    "crop2d_backward": {"cropping": ((1, 0), (0, 2))},
    "cross_entropy": {"probabilities": np.abs(ROWS), "targets": np.abs(ROWS)},
    "dense": {"x": ROWS, "w": FILTERS[0, 0]},
    "dense_backward_input": {"dy": ROWS, "w": FILTERS[0, 0, :, :4]},
    "dense_backward_kernel": {"x": ROWS, "dy": ROWS},
    "group_norm": {"groups": 2},
    "group_norm_backward": {"groups": 2},
    "im2col": {"kernel_size": (3, 3), **_WINDOW},
    "layer_norm": {"axes": 2},
    "layer_norm_backward": {"axes": 2},
    "log_softmax": {"axis": -1},
    "softmax": {"axis": -1},
    "gru": {
        "x": np.ones((2, 3, 4)), "w": np.eye(4, 6), "r": np.eye(2, 6), "b": np.ones(6),
        "rb": np.ones(6), "h": np.zeros((2, 2)),
    },
    "local_response_norm": _RADIUS,
    "local_response_norm_backward": _RADIUS,
    "lstm": {
        "x": np.ones((2, 3, 4)), "w": np.eye(4, 8), "r": np.eye(2, 8), "b": np.ones(8),
        "h": np.zeros((2, 2)), "c": np.zeros((2, 2)),
    },
    "max_pool2d": _POOL,
    "max_pool2d_backward": {
        "dy": _POOLED, "argmax": np.full(_POOLED.shape, 4, np.uint8),
        "input_shape": X.shape, **_POOL,
    },
    "mean_squared_error": {"prediction": ROWS, "targets": ROWS},
    "pad2d": {"padding": ((1, 0), (0, 2))},
    "pad2d_backward": {"padding": ((1, 0), (0, 2))},
    "prelu": {"alpha": _SLOPES},
    "prelu_backward": {"alpha": _SLOPES},
    "resize2d": {"size": (3, 7)},
    "resize2d_backward": {"input_shape": (2, 3, 7, 4)},
    "softmax_cross_entropy": {"logits": ROWS, "targets": np.abs(ROWS)},
    "transpose": {"axes": (0, 3, 1, 2)},
    "upsample2d": {"size": (2, 3)},
    "upsample2d_backward": {"size": (2, 5)},
    "warp": {"transforms": _TURNS, "size": (3, 7)},
    "warp_backward": {"transforms": _TURNS, "input_shape": (2, 3, 7, 4)},
}  # fmt: skip


def operation_arguments(name: str) -> dict:
    """A legal call of an operation with every integer that it takes."""
    arguments = dict(OPERATIONS.get(name, {}))
    for parameter in inspect.signature(getattr(ops, name)).parameters:
        if parameter in ("x", "y", "dy"):
            arguments.setdefault(parameter, X)
        elif parameter == "num_threads":
            arguments["num_threads"] = 1
        elif parameter not in NOT_INTEGERS and parameter not in arguments:
            raise LookupError(f"ops.{name}: the tables say nothing of {parameter!r}")
    return arguments


def check_operation(name: str, arguments: dict) -> None:
    """Call an operation; AssertionError if its result is wrong."""
    result = getattr(ops, name)(**arguments)
    definition = {key: value for key, value in arguments.items() if key != "num_threads"}
    expected = getattr(reference, name)(**definition)
    for got, wanted in zip(_parts(result), _parts(expected), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def _parts(result):
    return result if isinstance(result, (list, tuple)) else (result,)


def operations() -> None:
    # Those without a definition in `reference` are defined in NumPy themselves.
    for name in (name for name in ops.__all__ if hasattr(reference, name)):
        arguments = operation_arguments(name)
        check_operation(name, arguments)
        for path, spoiled, extreme in replacements(arguments, name):
            judge(f"ops.{path} = {extreme!r}", partial(check_operation, name, spoiled))


def pairs() -> None:
    """Two integers of an operation at once: a large stride needs a large padding to matter."""
    for name in OPERATIONS:
        arguments = operation_arguments(name)
        for path, spoiled, extreme in replacements(arguments, name, LARGE):
            for other, both, second in replacements(spoiled, name, LARGE):
                if other > path:
                    what = f"ops.{path} = {extreme!r}, {other} = {second!r}"
                    judge(what, partial(check_operation, name, both))

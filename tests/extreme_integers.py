"""Every integer that an operation, a layer or another public object takes, made extreme one by one.

The tables hold one legal call of each: every integer in its arguments, however deep in tuples, is
replaced in turn by each of `EXTREMES`. What is then raised must be a documented error; what is
computed must be right.

Run as a program (`python extreme_integers.py operations`), it works through one table with little
memory and prints a line for each thing that goes wrong. A call that does not come back in time ends
the program with a traceback of where it was.
"""

from __future__ import annotations

import faulthandler
import inspect
import resource
import sys
import warnings
from functools import partial

import numpy as np

EXTREMES = (
    0, -1, -(2**63), 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64, 10**30,
    True, 2.0,
)  # fmt: skip
LARGE = (2**31, 2**40, 2**62 - 1)
MEMORY = 3 << 30  # bytes of address space: nothing legal here needs more
SECONDS = 30  # until a call counts as hanging, however busy the machine is
DOCUMENTED = (TypeError, ValueError, MemoryError)

X = np.random.default_rng(0).standard_normal((2, 6, 5, 4)).astype(np.float32)
FILTERS = np.random.default_rng(1).standard_normal((3, 3, 4, 8)).astype(np.float32)
ROWS = X.reshape(-1, 4)

# ---------------------------------------------------------------------------------- operations

# Parameters of operations that hold no integers: arrays, words, switches and real numbers.
NOT_INTEGERS = {
    "activation", "algorithm", "alpha", "approximate", "argmax", "b", "beta", "bias", "cols", "dy",
    "epsilon", "fill_mode", "fill_value", "gamma", "interpolation", "logits", "max_value", "mean",
    "negative_slope", "out", "padding_mode", "prediction", "probabilities", "return_argmax",
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
    "local_response_norm": _RADIUS,
    "local_response_norm_backward": _RADIUS,
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
    from fastconv import ops

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
    from fastconv import ops, reference

    result = getattr(ops, name)(**arguments)
    definition = {key: value for key, value in arguments.items() if key != "num_threads"}
    expected = getattr(reference, name)(**definition)
    for got, wanted in zip(_parts(result), _parts(expected), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def _parts(result):
    return result if isinstance(result, tuple) else (result,)


# -------------------------------------------------------------------------------------- layers

_IMAGE, _SEQUENCE = (6, 5, 4), (7, 4)
_CONV2D = {"kernel_size": (3, 2), "strides": (1, 1), "dilation_rate": (1, 1)}
_CONV1D = {"kernel_size": (3,), "strides": (1,), "dilation_rate": (1,)}
_POOL2D, _POOL1D = {"pool_size": (2, 2), "strides": (1, 2)}, {"pool_size": (2,), "strides": (1,)}
_SAME = {"padding": "same"}

# Per layer, legal arguments with every integer that it takes, and the shape of its samples.
LAYERS = {
    "ELU": [({}, _IMAGE)],
    "Activation": [({"activation": "relu"}, _IMAGE)],
    "Add": [({}, _IMAGE)],
    "Average": [({}, _IMAGE)],
    "AveragePooling1D": [(_POOL1D, _SEQUENCE), (_POOL1D | _SAME, _SEQUENCE)],
    "AveragePooling2D": [(_POOL2D, _IMAGE), (_POOL2D | _SAME, _IMAGE)],
    "BatchNormalization": [({"axis": -1}, _IMAGE)],
    "CenterCrop": [({"height": 3, "width": 4}, _IMAGE)],
    "Concatenate": [({"axis": -1}, _IMAGE)],
    "Conv1D": [
        ({"filters": 4, "groups": 2} | _CONV1D | {"padding": padding}, _SEQUENCE)
        for padding in ("valid", "same", "causal")
    ],
    "Conv1DTranspose": [
        ({"filters": 4} | _CONV1D | {"strides": (2,), "output_padding": (1,)}, _SEQUENCE),
        ({"filters": 4} | _CONV1D | _SAME, _SEQUENCE),
    ],
    "Conv2D": [
        ({"filters": 4, "groups": 2} | _CONV2D, _IMAGE),
        ({"filters": 4, "groups": 1} | _CONV2D | _SAME, _IMAGE),
    ],
    "Conv2DTranspose": [
        ({"filters": 4} | _CONV2D | {"strides": (2, 2), "output_padding": (1, 1)}, _IMAGE),
        ({"filters": 4} | _CONV2D | _SAME, _IMAGE),
    ],
    "Cropping1D": [({"cropping": (1, 2)}, _SEQUENCE)],
    "Cropping2D": [({"cropping": ((1, 0), (0, 2))}, _IMAGE)],
    "Dense": [({"units": 3}, _IMAGE)],
    "DepthwiseConv1D": [({"depth_multiplier": 2} | _CONV1D, _SEQUENCE)],
    "DepthwiseConv2D": [({"depth_multiplier": 2} | _CONV2D | _SAME, _IMAGE)],
    "Dropout": [({"rate": 0.5, "noise_shape": (None, 1, 5, 4), "seed": 3}, _IMAGE)],
    "Flatten": [({}, _IMAGE)],
    "GaussianDropout": [({"rate": 0.5, "seed": 3}, _IMAGE)],
    "GaussianNoise": [({"stddev": 0.5, "seed": 3}, _IMAGE)],
    "GlobalAveragePooling1D": [({}, _SEQUENCE)],
    "GlobalAveragePooling2D": [({}, _IMAGE)],
    "GlobalMaxPooling1D": [({}, _SEQUENCE)],
    "GlobalMaxPooling2D": [({}, _IMAGE)],
    "GroupNormalization": [({"groups": 2, "axis": -1}, _IMAGE)],
    "InputLayer": [({"shape": (6, 5, 4)}, None), ({"batch_shape": (None, 6, 5, 4)}, None)],
    "LayerNormalization": [({"axis": [-1, -2]}, _IMAGE)],
    "LeakyReLU": [({}, _IMAGE)],
    "LocalResponseNormalization": [({"depth_radius": 2}, _IMAGE)],
    "MaxPooling1D": [(_POOL1D, _SEQUENCE), (_POOL1D | _SAME, _SEQUENCE)],
    "MaxPooling2D": [(_POOL2D, _IMAGE), (_POOL2D | _SAME, _IMAGE)],
    "Maximum": [({}, _IMAGE)],
    "Minimum": [({}, _IMAGE)],
    "Multiply": [({}, _IMAGE)],
    "PReLU": [({"shared_axes": [1, 2]}, _IMAGE)],
    "Permute": [({"dims": (3, 1, 2)}, _IMAGE)],
    "RandomCrop": [({"height": 3, "width": 4, "seed": 3}, _IMAGE)],
    "RandomFlip": [({"seed": 3}, _IMAGE)],
    "RandomRotation": [({"factor": 0.1, "seed": 3}, _IMAGE)],
    "RandomTranslation": [({"height_factor": 0.1, "width_factor": 0.1, "seed": 3}, _IMAGE)],
    "RandomZoom": [({"height_factor": 0.1, "seed": 3}, _IMAGE)],
    "ReLU": [({}, _IMAGE)],
    "RepeatVector": [({"n": 3}, (4,))],
    "Rescaling": [({"scale": 0.5}, _IMAGE)],
    "Reshape": [({"target_shape": (5, -1, 8)}, _IMAGE)],
    "Resizing": [
        ({"height": 3, "width": 4} | how, _IMAGE)
        for how in ({}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True})
    ],
    "SeparableConv1D": [({"filters": 4, "depth_multiplier": 2} | _CONV1D, _SEQUENCE)],
    "SeparableConv2D": [({"filters": 4, "depth_multiplier": 2} | _CONV2D | _SAME, _IMAGE)],
    "Softmax": [({"axis": [-1, -2]}, _IMAGE)],
    "SpatialDropout1D": [({"rate": 0.5, "seed": 3}, _SEQUENCE)],
    "SpatialDropout2D": [({"rate": 0.5, "seed": 3}, _IMAGE)],
    "Subtract": [({}, _IMAGE)],
    "UnitNormalization": [({"axis": [-1, -2]}, _IMAGE)],
    "UpSampling1D": [({"size": 2}, _SEQUENCE)],
    "UpSampling2D": [
        ({"size": (2, 3), "interpolation": how}, _IMAGE) for how in ("nearest", "bilinear")
    ],
    "ZeroPadding1D": [({"padding": (1, 2)}, _SEQUENCE)],
    "ZeroPadding2D": [
        ({"padding": ((1, 0), (0, 2)), "padding_mode": mode}, _IMAGE)
        for mode in ("zeros", "edge", "reflect")
    ],
}
# Arguments of layers that hold no integers.
LAYER_WORDS = {
    "activation", "activity_regularizer", "alpha", "antialias", "beta", "bias", "center",
    "crop_to_aspect_ratio", "data_format", "dtype", "epsilon", "factor", "fill_mode", "fill_value",
    "height_factor", "interpolation", "keepdims", "lora_rank", "max_value", "mode", "momentum",
    "name", "negative_slope", "offset", "optional", "pad_to_aspect_ratio", "padding",
    "padding_mode", "quantization_config", "ragged", "rate", "renorm", "renorm_clipping",
    "renorm_momentum", "rms_scaling", "scale", "sparse", "stddev", "synchronized", "threshold",
    "trainable", "use_bias", "width_factor",
}  # fmt: skip
LAYER_SUFFIXES = ("_initializer", "_regularizer", "_constraint")
# Given to all layers by the base class, or refused altogether.
LAYER_COMMON = {"common", "input_shape", "input_dim", "batch_size"}


def layer_cases(name: str) -> list:
    """(arguments, shape of samples), after a look at whether all integers are there."""
    from fastconv import layers

    parameters = set(inspect.signature(layers.CLASSES[name]).parameters)
    known = {key for arguments, _ in LAYERS[name] for key in arguments}
    for parameter in sorted(parameters - known - LAYER_WORDS - LAYER_COMMON):
        if not parameter.endswith(LAYER_SUFFIXES) and not (name == "InputLayer"):
            raise LookupError(f"layers.{name}: the tables say nothing of {parameter!r}")
    return LAYERS[name]


def check_layer(name: str, case: tuple) -> None:
    """Make, describe, train and write down a network of that layer alone."""
    from fastconv import explain, layers, models

    arguments, sample = case
    layer = layers.CLASSES[name](**arguments)
    type(layer).from_config(layer.get_config())
    if sample is None:
        return
    begin = layers.Input(sample)
    end = layer([begin, begin] if layer.merges else begin)
    model = models.Model(begin, end)
    str(explain(model))
    x = np.random.default_rng(0).random((2, *sample), dtype=np.float32)
    y = model.predict(x, verbose=0)
    assert y.shape == (2, *end.shape[1:]), (y.shape, end.shape)
    assert np.isfinite(y).all()
    model.compile("sgd", "mse")
    assert np.isfinite(model.train_on_batch(x, y))
    models.Model.from_config(model.get_config())


# ------------------------------------------------------------------------------------- program


def replacements(value, path: str, extremes=EXTREMES):
    """(path, the same with one integer replaced, that number), for every integer and extreme."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (tuple, list)):
        parts = enumerate(value)
    else:
        if isinstance(value, int) and not isinstance(value, bool):
            yield from ((path, extreme, extreme) for extreme in extremes)
        return
    for key, part in parts:
        for where, replaced, extreme in replacements(part, f"{path}[{key!r}]", extremes):
            if isinstance(value, dict):
                yield where, {**value, key: replaced}, extreme
            else:
                yield where, type(value)((*value[:key], replaced, *value[key + 1 :])), extreme


def judge(what: str, check) -> int:
    """Run `check()`: 0 if it passes or raises a documented error, 1 after a line that says why.

    More than the memory may be asked for, and is refused with its size.
    """
    faulthandler.dump_traceback_later(SECONDS, exit=True, file=sys.__stderr__)
    print(f"trying {what}", file=sys.stderr, flush=True)
    try:
        check()
    except DOCUMENTED as error:
        return 0 if str(error) else _complain(what, error)
    except BaseException as error:
        return _complain(what, error)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return 0


def _complain(what: str, error: BaseException) -> int:
    print(f"{what}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    return 1


def operations() -> None:
    from fastconv import ops

    for name in ops.__all__:
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


def layers() -> None:
    from fastconv import layers

    for name in layers.CLASSES:
        for case in layer_cases(name):
            check_layer(name, case)
            arguments, sample = case
            for path, spoiled, extreme in replacements(arguments, name):
                judge(f"layers.{path} = {extreme!r}", partial(check_layer, name, (spoiled, sample)))


TABLES = {"operations": operations, "pairs": pairs, "layers": layers}

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    TABLES[sys.argv[1]]()

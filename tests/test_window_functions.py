"""`ops.conv`, `ops.conv_transpose` and the poolings compute what Keras's layers compute, with all
of their arguments, on sequences, images and volumes, in both dtypes."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import activations, layers, models, ops
from tests.test_spatial_layers_against_keras import CASES, assert_close, golden

FUNCTIONS = {
    "Conv": (ops.conv, ("strides", "padding", "data_format", "dilation_rate")),
    "Transpose": (
        ops.conv_transpose,
        ("strides", "padding", "output_padding", "data_format", "dilation_rate"),
    ),
    "MaxPooling": (ops.max_pool, ("pool_size", "strides", "padding", "data_format")),
    "AveragePooling": (ops.average_pool, ("pool_size", "strides", "padding", "data_format")),
}


def kind_of(case):
    name = case["config"]["class_name"]
    if "Transpose" in name:
        return "Transpose"
    return name[:-2] if name[:-2] in FUNCTIONS else None


FITTING = [
    pytest.param(case, id=case["name"])
    for case in CASES
    if case["kind"] == "layer" and kind_of(case) and case["config"]["config"]["padding"] != "causal"
]


def arguments_of(case):
    """The function, the operands and the other arguments that correspond to the layer."""
    function, names = FUNCTIONS[kind_of(case)]
    arrays, config = golden(case), case["config"]["config"]
    operands = [arrays["x"], *(arrays[key] for key in ("w0",) if key in arrays)]
    return function, operands, {name: config[name] for name in names}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", FITTING)
def test_values_and_gradients_are_those_of_keras(case, dtype):
    function, operands, settings = arguments_of(case)
    arrays, config = golden(case), case["config"]["config"]
    operands = [operand.astype(dtype) for operand in operands]
    y = function(*operands, **settings)
    assert y.dtype == dtype
    z = y
    if config.get("use_bias"):
        axis = (1 if config["data_format"] == "channels_first" else y.ndim - 1,)
        z = y + np.expand_dims(
            arrays["w1"].astype(dtype), [a for a in range(y.ndim) if a not in axis]
        )
    activation = config.get("activation", "linear")
    assert_close(activations.get(activation)(z), arrays["y"].astype(dtype), "y")
    if activation != "linear":
        return
    values = function.function.bind(operands, settings)
    found = function.function.gradient(arrays["dy"].astype(dtype), y, **values)
    found = found if isinstance(found, tuple) else (found,)
    for name, gradient in zip(("dx", "dw0"), found, strict=False):
        assert_close(gradient, arrays[name].astype(dtype), name)


@pytest.mark.parametrize("case", FITTING)
def test_a_graph_has_the_shapes_and_the_values(case):
    function, (x, *kernel), settings = arguments_of(case)
    expected = function(x, *kernel, **settings)
    known = layers.Input(x.shape[1:])
    y = function(known, *kernel, **settings)
    assert y.shape == (None, *expected.shape[1:])
    np.testing.assert_array_equal(models.Model(known, y).predict(x, verbose=0), expected)
    channels = 1 if settings["data_format"] == "channels_first" else x.ndim - 1
    shape = [size if axis == channels else None for axis, size in enumerate(x.shape)]
    unknown = function(layers.Input(shape[1:]), *kernel, **settings)
    filters = expected.shape[channels]
    assert unknown.shape == tuple(filters if axis == channels else None for axis in range(x.ndim))


def test_volumes_are_refused_with_an_even_window_that_no_convolution_has():
    with pytest.raises(ValueError, match="must have shape"):
        ops.conv_transpose(
            np.ones((1, 3, 3, 3, 1)), np.ones((2, 2, 2, 1, 1)), 1, "same", output_padding=0
        )

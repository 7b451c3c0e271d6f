"""A network as an ONNX model: what ONNX Runtime, OpenVINO and MNN are given."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from benchmarks.nets import Conv, Dense, Net, Pool
from benchmarks.peers.chain import channels_first

# Old enough for every runtime, new enough for all operators used.
_OPSET = 13
_IR_VERSION = 8
INPUT, OUTPUT = "images", "probabilities"

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "softmax": "Softmax"}


def build(net: Net, weights: list[np.ndarray], batch: int) -> ModelProto:
    """An NCHW model with a fixed batch, weights inside."""
    nodes, constants = [], []
    current = INPUT

    def add(operator: str, *inputs: str, **attributes) -> None:
        nonlocal current
        after = f"t{len(nodes)}"
        nodes.append(helper.make_node(operator, [current, *inputs], [after], **attributes))
        current = after

    def constant(value: np.ndarray) -> str:
        name = f"w{len(constants)}"
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    for layer, kernel, bias in channels_first(net, weights):
        if isinstance(layer, Conv):
            add(
                "Conv",
                constant(kernel),
                constant(bias),
                kernel_shape=[layer.kernel] * 2,
                strides=[layer.stride] * 2,
                pads=[layer.border] * 4,
            )
        elif isinstance(layer, Pool):
            add(
                "MaxPool" if layer.kind == "max" else "AveragePool",
                kernel_shape=[layer.size] * 2,
                strides=[layer.stride] * 2,
            )
        elif isinstance(layer, Dense):
            add("Gemm", constant(kernel), constant(bias), transB=1)
        else:
            add("Flatten", axis=1)
        activation = getattr(layer, "activation", None)
        if activation:
            attributes = {"axis": 1} if activation == "softmax" else {}
            add(_ACTIVATIONS[activation], **attributes)
    nodes[-1].output[0] = OUTPUT
    height, width, channels = net.input_shape
    graph = helper.make_graph(
        nodes,
        net.name,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [batch, channels, height, width])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch, net.classes])],
        constants,
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    checker.check_model(made)
    return made

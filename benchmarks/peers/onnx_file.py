"""A network as an ONNX model: what ONNX Runtime, OpenVINO and MNN are given."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from benchmarks.model_nets import AnyNet, ModelNet
from benchmarks.nets import Conv, Dense, Net, Pool
from benchmarks.peers.chain import channels_first
from fastconv.onnx.exporting import exported

# Old enough for every runtime, new enough for all operators used.
_OPSET = 13
_IR_VERSION = 8
INPUT, OUTPUT = "images", "probabilities"

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "softmax": "Softmax"}


def build(net: AnyNet, weights: list[np.ndarray], batch: int) -> ModelProto:
    """A model of NCHW images with a fixed batch, weights inside."""
    return _exported(net, batch) if isinstance(net, ModelNet) else _built(net, weights, batch)


def _exported(net: ModelNet, batch: int) -> ModelProto:
    """The export of the model, for NCHW images."""
    made = exported(net.model())
    graph, height, width, channels = made.graph, *net.input_shape
    first, last = graph.input[0].name, graph.output[0].name
    (reader,) = [node for node in graph.node if first in node.input]
    if reader.op_type == "Transpose" and list(reader.attribute[0].ints) == [0, 3, 1, 2]:
        graph.node.remove(reader)
        renamed = {reader.output[0]: INPUT}
    else:  # a layer that works on NHWC images comes first
        turn = helper.make_node("Transpose", [INPUT], [first], perm=[0, 2, 3, 1])
        graph.node.insert(0, turn)
        renamed = {}
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [OUTPUT if name == last else name for name in node.output]
    shape = [batch, channels, height, width]
    graph.input[0].CopyFrom(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape))
    graph.output[0].name = OUTPUT
    graph.output[0].type.tensor_type.shape.dim[0].dim_value = batch
    del graph.value_info[:]
    checker.check_model(made)
    return made


def _built(net: Net, weights: list[np.ndarray], batch: int) -> ModelProto:
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

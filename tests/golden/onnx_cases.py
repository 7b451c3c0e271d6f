"""Small networks as ONNX files, with random weights; `make_onnx` adds results of ONNX Runtime."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper, shape_inference

CASES = {}  # name -> function that returns a model


def case(function):
    CASES[function.__name__] = function
    return function


class Graph:
    """Nodes one after the other, with the weights that they need."""

    def __init__(self, shape, opset=17):
        self.nodes, self.weights, self.opset, self.last = [], [], opset, "x"
        self.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
        self._rng = np.random.default_rng(len(shape))

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def random(self, *shape, low=-0.5, high=0.5):
        return self.constant(self._rng.uniform(low, high, shape).astype(np.float32))

    def add(self, op, *inputs, x=None, **attributes):
        """Append a node on the last value, or on `x`; return the name of its output."""
        name = f"{op.lower()}_{len(self.nodes)}"
        given = [self.last if x is None else x, *inputs]
        self.nodes.append(helper.make_node(op, given, [name], name=f"/{name}", **attributes))
        self.last = name
        return name

    def model(self, *outputs) -> ModelProto:
        names = outputs or (self.last,)
        given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
        graph = helper.make_graph(self.nodes, "network", self.inputs, given, self.weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8
        )
        return shape_inference.infer_shapes(model)


@case
def classifier():
    """Strided convolutions with pads, a pooling with pads, a batch of any size, Gemm."""
    g = Graph(["N", 3, 16, 14])
    g.add("Conv", g.random(8, 3, 3, 3), g.random(8), strides=[2, 2], pads=[1, 1, 1, 1])
    stats = [g.random(8, low=0.5, high=1.5), g.random(8), g.random(8), g.random(8, low=0.5, high=2)]
    g.add("BatchNormalization", *stats, epsilon=1e-3)
    g.add("Relu")
    g.add("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    g.add("Conv", g.random(8, 1, 3, 3), group=8, pads=[1, 1, 1, 1])
    g.add("Clip", g.constant(np.float32(0)), g.constant(np.float32(6)))
    g.add("Flatten")
    g.add("Gemm", g.random(5, 8 * 4 * 4), g.random(5), transB=1)
    g.add("Softmax", axis=-1)
    return g.model()


@case
def shapes_from_shapes():
    """The batch is computed by Shape, Gather, Unsqueeze and Concat."""
    g = Graph(["N", 4, 6, 6])
    conv = g.add("Conv", g.random(6, 4, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2])
    g.add("Shape")
    g.add("Gather", g.constant(np.int64(0)), axis=0)
    batch = g.add("Unsqueeze", g.constant(np.array([0])))
    shape = g.add("Concat", g.constant(np.array([-1])), x=batch, axis=0)
    g.add("Reshape", shape, x=conv)
    g.add("MatMul", g.random(54, 3))
    g.add("Add", g.random(3))
    return g.model()


@case
def shuffled_channels():
    g = Graph([1, 8, 5, 5])
    g.add("Conv", g.random(8, 2, 1, 1), group=4)
    g.add("Reshape", g.constant(np.array([1, 4, 2, 5, 5])))
    g.add("Transpose", perm=[0, 2, 1, 3, 4])
    g.add("Reshape", g.constant(np.array([1, 8, 5, 5])))
    g.add("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    g.add("LeakyRelu", alpha=0.2)
    return g.model()


@case
def channels_last_file():
    """As files from TensorFlow: images with the channels last, between transposes."""
    g = Graph(["N", 6, 8, 3], opset=13)
    g.add("Transpose", perm=[0, 3, 1, 2])
    g.add("Conv", g.random(4, 3, 2, 2), strides=[2, 2])
    g.add("Relu")
    g.add("Transpose", perm=[0, 2, 3, 1])
    g.add("ReduceMean", axes=[1, 2], keepdims=0)
    return g.model()


@case
def segmentation():
    """A U shape: transposed convolution, resizing, concatenation, an image as output."""
    g = Graph(["N", 2, 8, 8])
    first = g.add("Conv", g.random(4, 2, 3, 3), pads=[1, 1, 1, 1])
    g.add("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    up = g.add("ConvTranspose", g.random(4, 4, 2, 2), g.random(4), strides=[2, 2])
    pooled = g.add("MaxPool", x=first, kernel_shape=[2, 2], strides=[2, 2])
    scales = g.constant(np.array([1, 1, 2, 2], np.float32))
    resized = g.add("Resize", "", scales, x=pooled, mode="linear")
    g.add("Concat", up, first, x=resized, axis=1)
    g.add("PRelu", g.random(12, 1, 1))
    g.add("InstanceNormalization", g.random(12), g.random(12))
    g.add("Conv", g.random(3, 12, 1, 1))
    g.add("Sigmoid")
    return g.model()


@case
def attention_of_channels():
    """Squeeze and excitation, with an operator on constants before."""
    g = Graph(["N", 6, 7, 7])
    x = g.add("Conv", g.random(6, 6, 3, 3), dilations=[2, 2], pads=[2, 2, 2, 2])
    g.add("GlobalAveragePool")
    g.add("Conv", g.random(2, 6, 1, 1), g.random(2))
    g.add("HardSwish")
    g.add("Conv", g.random(6, 2, 1, 1), g.random(6))
    scale = g.add("HardSigmoid", alpha=1 / 6, beta=0.5)
    g.add("Mul", scale, x=x)
    g.add("Add", g.random(1, 6, 1, 1))
    g.add("ReduceMax", axes=[2, 3], keepdims=0)
    return g.model()


@case
def sequences():
    g = Graph(["N", 5, 12])
    g.add("Conv", g.random(8, 5, 3), g.random(8), pads=[1, 1])
    g.add("MaxPool", kernel_shape=[2], strides=[2])
    g.add("Transpose", perm=[0, 2, 1])
    g.add("LayerNormalization", g.random(8), g.random(8), axis=-1)
    g.add("MatMul", g.random(8, 4))
    g.add("Slice", *(g.constant(np.array(n)) for n in ([1], [5], [1], [2])))
    g.add("TopK", g.constant(np.array([2])), axis=-1)
    g.nodes[-1].output.append("places")
    return g.model()


@case
def two_outputs():
    g = Graph(["N", 3, 9, 9])
    x = g.add("Conv", g.random(8, 3, 3, 3), strides=[2, 2])
    g.add("Pad", g.constant(np.array([0, 0, 1, 0, 0, 0, 0, 1])), mode="reflect")
    a = g.add("DepthToSpace", blocksize=2, mode="CRD")
    b = g.add("Split", g.constant(np.array([3, 5])), x=x, axis=1)
    g.nodes[-1].output.append("rest")
    c = g.add("ReduceSum", g.constant(np.array([1, 2, 3])), x="rest", keepdims=0)
    return g.model(a, b, c)


@case
def recurrent():
    """As networks that read text: time first, states of zeros for the batch of the input."""
    g = Graph(["N", 4, 6, 8])
    g.add("ReduceMean", axes=[2], keepdims=0)
    steps = g.add("Transpose", perm=[2, 0, 1])
    g.add("Shape")
    batch = g.add("Slice", *(g.constant(np.array([n])) for n in (1, 2)))
    around = [g.constant(np.array([n])) for n in (2, 5)]
    start = g.add("Concat", batch, around[1], x=around[0], axis=0)
    start = g.add("ConstantOfShape", x=start)
    weights = [g.random(2, 20, 4), g.random(2, 20, 5), g.random(2, 40)]
    g.add("LSTM", *weights, "", start, start, x=steps, hidden_size=5, direction="bidirectional")
    g.add("Transpose", perm=[0, 2, 1, 3])
    y = g.add("Reshape", g.constant(np.array([0, 0, -1])))
    g.add("GRU", g.random(1, 9, 10), g.random(1, 9, 3), hidden_size=3, linear_before_reset=1)
    last = g.add("Squeeze", g.constant(np.array([1])))
    rows = g.add("Reshape", g.constant(np.array([-1, 10])), x=y)
    g.add("Gemm", g.random(3, 10), transB=1, x=rows)
    whole = g.add("Concat", batch, g.constant(np.array([-1])), x=g.constant(np.array([8])), axis=0)
    g.add("Reshape", whole, x=g.nodes[-2].output[0])
    g.add("Add", last)
    return g.model()


@case
def state_of_zeros():
    """One step of a network that another program has unrolled."""
    g = Graph(["N", 4])
    g.add("Shape")
    batch = g.add("Slice", *(g.constant(np.array([n])) for n in (0, 1)))
    start = g.add("Concat", g.constant(np.array([5])), x=batch, axis=0)
    start = g.add("ConstantOfShape", x=start)
    state = g.add("Gemm", g.random(5, 5), g.random(5), x=start)
    g.add("Gemm", g.random(4, 5), x="x")
    g.add("Add", state)
    g.add("Tanh")
    return g.model()

"""ONNX files made to break a reader: FormatError, before anything large is allocated."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from fastconv import FormatError

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

from fastconv import onnx as fastonnx  # noqa: E402
from tests.golden.onnx_cases import Graph  # noqa: E402

HUGE = 10**18


def convolution():
    g = Graph(["N", 3, 6, 6])
    g.add("Conv", g.random(4, 3, 3, 3))
    return g.model()


@pytest.fixture(autouse=True)
def little_memory():
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_every_truncated_file_is_refused():
    data = convolution().SerializeToString()
    refused = 0
    for length in range(len(data)):
        try:
            fastonnx.load(data[:length])
        except FormatError:
            refused += 1
    # the fields behind the graph may be missing
    assert refused > len(data) - 20


def test_a_cycle_is_refused():
    model = convolution()
    model.graph.node.append(helper.make_node("Add", ["conv_0", "late"], ["early"]))
    model.graph.node.append(helper.make_node("Relu", ["early"], ["late"]))
    with pytest.raises(FormatError, match="no node before it makes 'late'"):
        fastonnx.load(model)


def with_weight_of(*dims):
    model = convolution()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    return model


@pytest.mark.parametrize("dims", [(HUGE, 3, 3, 3), (HUGE,), (-1, 3, 3, 3), (2**32, 2**32), (4, 3)])
def test_weights_of_other_sizes_than_their_data_are_refused(dims):
    with pytest.raises(FormatError):
        fastonnx.load(with_weight_of(*dims))


@pytest.mark.parametrize("sizes", [(HUGE, 6, 6), (3, HUGE, HUGE), (3,) * 12])
def test_inputs_of_absurd_shapes_are_refused(sizes):
    model = convolution()
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *sizes])
    )
    with pytest.raises(FormatError):
        fastonnx.load(model)


def large(op):
    """A file in which an operator on constants makes something very large."""
    g = Graph(["N", 3])
    number, sizes = g.constant(np.float32(1)), g.constant(np.array([HUGE, 2]))
    made = {
        "ConstantOfShape": lambda: g.add("ConstantOfShape", x=sizes),
        "Expand": lambda: g.add("Expand", sizes, x=number),
        "Tile": lambda: g.add("Tile", sizes, x=g.constant(np.ones((1, 1), np.float32))),
        "Range": lambda: g.add(
            "Range", g.constant(np.float32(HUGE)), number, x=g.constant(np.float32(0))
        ),
        "Pad": lambda: g.add(
            "Pad", g.constant(np.array([HUGE, HUGE])), x=g.constant(np.ones(1, np.float32))
        ),
        "Resize": lambda: g.add(
            "Resize", "", "", sizes, x=g.constant(np.ones((1, 2), np.float32)), mode="linear"
        ),
        "EyeLike": lambda: g.add("EyeLike", x=g.add("ConstantOfShape", x=sizes)),
        "OneHot": lambda: g.add(
            "OneHot", g.constant(np.int64(HUGE)), g.constant(np.ones(2, np.float32)),
            x=g.constant(np.array([1])),
        ),
    }  # fmt: skip
    made[op]()
    g.add("Add", g.last, x="x")
    return unchecked(g)


def unchecked(g):
    """The model of a graph, without the inference of shapes, which fails for some of these."""
    given = [helper.make_tensor_value_info(g.last, TensorProto.FLOAT, None)]
    graph = helper.make_graph(g.nodes, "network", g.inputs, given, g.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize(
    "op", ["ConstantOfShape", "Expand", "Tile", "Range", "Pad", "Resize", "EyeLike", "OneHot"]
)
def test_operators_on_constants_do_not_make_huge_ones(op):
    model = large(op)
    with pytest.raises(FormatError):
        fastonnx.load(model)


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/../../secret", "link", "", "."]
)
def test_data_outside_the_folder_is_refused(tmp_path, location):
    (tmp_path / "secret").write_bytes(bytes(4 * 3 * 9 * 4))
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "secret")
    model = convolution()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match="must be a file in the folder of the model"):
        fastonnx.load(folder / "m.onnx")


@pytest.mark.parametrize(("offset", "length"), [(HUGE, ""), (-4, ""), (0, HUGE), (1, "")])
def test_parts_that_the_other_file_does_not_have_are_refused(tmp_path, offset, length):
    model = convolution()
    weight = model.graph.initializer[0]
    (tmp_path / "data").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "data"), ("offset", str(offset)), ("length", str(length))):
        weight.external_data.add(key=key, value=value)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match="does not fit"):
        fastonnx.load(tmp_path / "m.onnx")


def test_graphs_in_graphs_are_refused():
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "inner", [], [])
    for _ in range(8):
        node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "inner", [], [])
        inner.node[0].attribute.pop()  # the other branch doubles the size
    model = convolution()
    model.graph.node.append(inner.node[0])
    with pytest.raises(FormatError):
        fastonnx.load(model.SerializeToString())


def test_long_chains_need_no_deep_stack():
    g = Graph(["N", 4])
    for _ in range(5000):
        g.add("Neg")
    assert fastonnx.load(g.model()).output_shape == (None, 4)


def test_a_file_of_nested_messages_is_refused():
    data = b""
    for _ in range(200):  # the field `graph` of a model, `node`, `attribute`, `g`: each in another
        data = b"\x3a" + _varint(len(data)) + data
    with pytest.raises(FormatError):
        fastonnx.load(data)


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_names_that_no_file_can_have_are_refused(tmp_path):
    model = convolution()
    weight = model.graph.initializer[0]
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="x" * 5000)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match="name too long"):
        fastonnx.load(tmp_path / "m.onnx")

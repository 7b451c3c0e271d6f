"""Reduces the number of nodes without changing the result, before memory is bound.

A fused value no longer exists, so it must have exactly one consumer: an activation joins the
preceding operation only if no other operation reads that operation's output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from fastconv.plan import operations
from fastconv.plan.chain_fusion import as_activation, join_chains
from fastconv.plan.graph import Graph, Node
from fastconv.plan.operations import Operation
from fastconv.plan.simplify import simplify


def fuse(graph: Graph, mode: str) -> Graph:
    """Return the graph without dead code for `mode`, with activations inside other operations.

    Zeros around an image become the padding of the convolution that reads it.

    Outside of training, a batch normalization is folded into the preceding convolution or dense
    node: it is linear then, so it only scales the filters and changes the bias.

    Random nodes outside of training and penalties without a loss are removed, and so are nodes that
    do not lead to an output and arrangements that cancel each other.
    """
    graph = _simple(graph, mode)
    if mode != "train":
        graph = _join(graph, _with_normalization)
    return join_chains(_join(graph, _with_activation))


def inference_graph(graph: Graph) -> Graph:
    """Return the graph as `predict` runs it, before other operations than padding are joined."""
    return _simple(graph, "predict")


def fuse_forward(graph: Graph) -> Graph:
    """Return the fused graph for passes without a backward pass: with poolings, additions and all
    activations inside convolutions, whose input the gradient would need, and with chains that are
    activations, whose gradient at 0 may be another, as activations."""
    nodes = [replace(node, operation=as_activation(node.operation)) for node in graph.nodes]
    graph = _join(replace(graph, nodes=nodes), _with_activation)
    return _join(_with_additions(_join(graph, _with_pooling)), _with_last_activation)


def _simple(graph: Graph, mode: str) -> Graph:
    return _join(_live(simplify(_without_idle(graph, mode))), _with_padding)


def _without_idle(graph: Graph, mode: str) -> Graph:
    same: dict[int, int] = {}  # values that are the input of an idle operation
    kept = []
    for node in graph.nodes:
        inputs = tuple(same.get(value, value) for value in node.inputs)
        operation = _in_mode(node.operation, mode)
        if isinstance(operation, operations.TRAINING_ONLY) and not operation.training:
            operation = getattr(operation, "still", None)
        if operation is None or _is_idle(operation, mode):
            same[node.output] = inputs[0]
        else:
            kept.append(Node(operation, inputs, node.output))
    outputs = [same.get(value, value) for value in graph.outputs]
    return replace(graph, nodes=kept, outputs=outputs)


def _in_mode(operation: Operation, mode: str) -> Operation:
    """Return `operation` with its attribute `training`, if it has one, set by `mode` if it is
    None."""
    if not isinstance(operation, operations.MODAL) or operation.training is not None:
        return operation
    moves = mode == "augment" and isinstance(operation, operations.IMAGE_AUGMENTATION)
    return replace(operation, training=mode in ("train", "forward") or moves)


def _is_idle(operation: Operation, mode: str) -> bool:
    if isinstance(operation, operations.Dropout):
        return operation.rate == 0
    adds = isinstance(operation, (operations.ActivityPenalty, operations.AddedLoss))
    return adds and mode not in ("augment", "test", "train")


def _live(graph: Graph) -> Graph:
    wanted = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.output in wanted:
            wanted.update(node.inputs)
            kept.append(node)
    return replace(graph, nodes=kept[::-1])


def _join(graph: Graph, join: Callable[[Operation, Operation], Operation | None]) -> Graph:
    """Return the graph with pairs of consecutive nodes merged where `join` returns an operation."""
    uses = graph.uses()
    fused: list[Node] = []
    places: dict[int, int] = {}  # index in `fused` of the operation that makes a value
    for node in graph.nodes:
        before = node.inputs[0] if node.inputs else node.output
        place = places.get(before)
        if place is not None and uses[before] == 1 and len(node.inputs) == 1:
            maker = fused[place]
            joined = join(maker.operation, node.operation)
            if joined is not None:
                fused[place] = Node(joined, maker.inputs, node.output)
                places[node.output] = place
                continue
        places[node.output] = len(fused)
        fused.append(node)
    return replace(graph, nodes=fused)


def _with_padding(maker: Operation, operation: Operation) -> Operation | None:
    if not isinstance(maker, operations.AxisMaps) or not isinstance(
        operation, operations.Convolution
    ):
        return None
    window = operation.geometry
    *image, channels = maker.maps
    sides = [axis.added for axis in image if axis is not None]
    rows, columns = sides if len(sides) == 2 else (None, None)
    zeros = maker.fill == 0 and (window.padding_mode == "zeros" or not any(sum(window.padding, ())))
    if not zeros or channels is not None or rows is None or columns is None:
        return None
    (top, bottom), (left, right) = rows, columns
    padded = window._replace(
        height=window.height - top - bottom,
        width=window.width - left - right,
        pad_top=window.pad_top + top,
        pad_bottom=window.pad_bottom + bottom,
        pad_left=window.pad_left + left,
        pad_right=window.pad_right + right,
        padding_mode="zeros",
    )
    return replace(operation, geometry=padded)


def _with_activation(maker: Operation, operation: Operation) -> Operation | None:
    if isinstance(operation, operations.Activation) and operations.accepts_epilogue(
        maker, operation
    ):
        return replace(maker, activation=operation)
    return None


def _with_last_activation(maker: Operation, operation: Operation) -> Operation | None:
    if not isinstance(maker, operations.Convolution) or not isinstance(
        operation, operations.Activation
    ):
        return None
    plain = maker.activation is None and maker.pooling is None
    return replace(maker, activation=operation) if plain and operation.has_one_parameter else None


def _with_normalization(maker: Operation, operation: Operation) -> Operation | None:
    linear = (
        isinstance(maker, (operations.Convolution, operations.Dense))
        and maker.activation is None
        and maker.normalization is None
    )
    if linear and isinstance(operation, operations.BatchNormalization) and not operation.by_batch:
        return replace(maker, normalization=operation)
    return None


def _with_pooling(maker: Operation, operation: Operation) -> Operation | None:
    if not isinstance(maker, operations.Convolution) or not isinstance(
        operation, operations.Pooling
    ):
        return None
    window = operation.geometry
    sizes = {window.pool_h, window.pool_w, window.stride_h, window.stride_w}
    fits = sizes == {2} and window.padding == ((0, 0), (0, 0))
    if fits and maker.geometry.groups == 1 and maker.pooling is None:
        return replace(maker, pooling=operation)
    return None


def _with_additions(graph: Graph) -> Graph:
    """Return the graph with additions of two values in the convolution that makes one of them, the
    later one if both are convolutions: a residual is then read while the sums are in registers."""
    makers, uses = graph.makers(), graph.uses()
    place = {node.output: number for number, node in enumerate(graph.nodes)}
    joined: set[int] = set()
    nodes = []
    for node in graph.nodes:
        value = max(node.inputs, key=lambda each: place.get(each, -1), default=-1)
        maker = makers.get(value)
        total = _with_addition(maker.operation, node) if maker and uses[value] == 1 else None
        if maker is None or total is None:
            nodes.append(node)
            continue
        (other,) = set(node.inputs) - {value}
        nodes.append(Node(total, (*maker.inputs, other), node.output))
        joined.add(value)
    return replace(graph, nodes=[node for node in nodes if node.output not in joined])


def _with_addition(maker: Operation, node: Node) -> Operation | None:
    merge = node.operation
    if not isinstance(maker, operations.Convolution) or not isinstance(merge, operations.Merge):
        return None
    plain = maker.activation is None and maker.pooling is None and not maker.adds
    if merge.kind == "add" and len(node.inputs) == 2 and plain and maker.geometry.groups == 1:
        return replace(maker, adds=True, activation=merge.activation)
    return None


class Output(NamedTuple):
    """An output of a graph and its loss, None without.

    `value` is the output, `read` the value that the loss reads: the output or its logits. If
    `from_loss`, the graph does not compute the output: the loss does, from the logits.
    """

    value: int
    read: int
    loss: operations.Loss | None
    from_loss: bool = False


def fuse_losses(
    graph: Graph, losses: Sequence[operations.Loss | None]
) -> tuple[Graph, list[Output]]:
    """Let cross-entropies read the input of the softmax or sigmoid before them (the logits).

    The loss stays exact where a probability rounds to 0 or 1, and the gradient is a subtraction. A
    softmax or sigmoid without another consumer is removed from the graph.
    """
    makers, uses = graph.makers(), graph.uses()
    nodes = {node.output: node for node in graph.nodes}
    outputs = []
    for value, loss in zip(graph.outputs, losses, strict=True):
        output, maker = Output(value, value, loss), makers.get(value)
        if loss is not None and maker is not None:
            output, logits = _on_logits(output, maker, loss, alone=uses[value] == 1)
            if logits is not None:
                nodes[value] = logits
            elif output.from_loss:
                del nodes[value]
        outputs.append(output)
    return replace(graph, nodes=list(nodes.values())), outputs


def _on_logits(
    output: Output, maker: Node, loss: operations.Loss, alone: bool
) -> tuple[Output, Node | None]:
    """Return `output` with its loss on logits, if possible, and the node that computes the logits
    if it is not in the graph yet. `maker` computes the output, which has no other consumer if
    `alone`."""
    operation, (logits, *_) = maker.operation, maker.inputs
    if loss.kind == "softmax_cross_entropy" and operation == operations.Softmax():
        return output._replace(read=logits, from_loss=alone), None
    if loss.kind not in _BINARY or not alone:
        return output, None
    of_logits = output._replace(loss=replace(loss, kind="binary_logits"), from_loss=True)
    if _is_sigmoid(operation):
        return of_logits._replace(read=logits), None
    if _is_sigmoid(getattr(operation, "activation", None)):
        # Split the sigmoid from the operation that it had joined; the value is now the logits.
        return of_logits, replace(maker, operation=replace(operation, activation=None))
    return output, None


_BINARY = ("binary", "binary_logits")


def _is_sigmoid(operation: Operation | None) -> bool:
    return isinstance(operation, operations.Activation) and operation.kind == "sigmoid"

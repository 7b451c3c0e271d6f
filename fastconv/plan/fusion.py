"""Reduces the number of nodes without changing the result, before memory is bound.

A fused value no longer exists, so it must have exactly one consumer: an activation joins the
preceding operation only if no other node reads that operation's output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fastconv.plan import nodes
from fastconv.plan.graph import Application, Graph
from fastconv.plan.simplify import simplify


def fuse(graph: Graph, mode: str) -> Graph:
    """Return the graph without dead code for `mode`, with activations inside other operations.

    Outside of training, a batch normalization is folded into the preceding convolution or product:
    it is linear then, so it only scales the filters and changes the bias.

    Random nodes outside of training and penalties without a loss are removed, and so are nodes that
    do not lead to an output and arrangements that cancel each other.
    """
    graph = _live(simplify(_without_idle(graph, mode)))
    if mode != "train":
        graph = _join(graph, _with_normalization)
    return _join(graph, _with_activation)


def fuse_forward(graph: Graph) -> Graph:
    """Return the fused graph with poolings inside convolutions, for passes without a backward pass,
    which would need the input of the pooling."""
    return _join(graph, _with_pooling)


def _without_idle(graph: Graph, mode: str) -> Graph:
    same: dict[int, int] = {}  # values that are the input of an idle node
    kept = []
    for application in graph.applications:
        inputs = tuple(same.get(value, value) for value in application.inputs)
        node = application.node
        moves = mode == "augment" and isinstance(node, nodes.RandomWarp)
        if mode != "train" and isinstance(node, nodes.TRAINING_ONLY) and not moves:
            node = getattr(node, "still", None)
        if node is None or _is_idle(node, mode):
            same[application.output] = inputs[0]
        else:
            kept.append(Application(node, inputs, application.output))
    outputs = [same.get(value, value) for value in graph.outputs]
    return replace(graph, applications=kept, outputs=outputs)


def _is_idle(node: nodes.Node, mode: str) -> bool:
    if isinstance(node, nodes.Dropout):
        return node.rate == 0
    return isinstance(node, nodes.ActivityPenalty) and mode in ("infer", "augment")


def _live(graph: Graph) -> Graph:
    wanted = set(graph.outputs)
    kept = []
    for application in reversed(graph.applications):
        if application.output in wanted:
            wanted.update(application.inputs)
            kept.append(application)
    return replace(graph, applications=kept[::-1])


def _join(graph: Graph, join: Callable[[nodes.Node, nodes.Node], nodes.Node | None]) -> Graph:
    """Return the graph with pairs of consecutive nodes merged where `join` returns a node."""
    uses = graph.uses()
    fused: list[Application] = []
    places: dict[int, int] = {}  # index in `fused` of the node that makes a value
    for application in graph.applications:
        before = application.inputs[0]
        place = places.get(before)
        if place is not None and uses[before] == 1 and len(application.inputs) == 1:
            maker = fused[place]
            joined = join(maker.node, application.node)
            if joined is not None:
                fused[place] = Application(joined, maker.inputs, application.output)
                places[application.output] = place
                continue
        places[application.output] = len(fused)
        fused.append(application)
    return replace(graph, applications=fused)


def _with_activation(maker: nodes.Node, node: nodes.Node) -> nodes.Node | None:
    if isinstance(node, nodes.Activation) and nodes.has_room_for(maker, node):
        return replace(maker, activation=node)
    return None


def _with_normalization(maker: nodes.Node, node: nodes.Node) -> nodes.Node | None:
    linear = (
        isinstance(maker, (nodes.Convolution, nodes.Product))
        and maker.activation is None
        and maker.normalization is None
    )
    if linear and isinstance(node, nodes.BatchNormalization):
        return replace(maker, normalization=node)
    return None


def _with_pooling(maker: nodes.Node, node: nodes.Node) -> nodes.Node | None:
    fits = isinstance(maker, nodes.Convolution) and maker.groups == 1 and maker.pooling is None
    pairs = (2, 2)
    if (
        fits
        and isinstance(node, nodes.Pooling)
        and (node.pool_size, node.strides, node.padding) == (pairs, pairs, "valid")
    ):
        return replace(maker, pooling=node)
    return None


def join_endings(
    graph: Graph, losses: Sequence[nodes.Loss | None]
) -> tuple[Graph, list[int], list[bool], list[nodes.Loss | None]]:
    """Let cross-entropies read the input of the softmax or sigmoid before them (the logits).

    The loss stays exact where a probability rounds to 0 or 1, and the gradient is a subtraction.
    Returns the graph; the value that each loss reads; whether the loss must also write the
    probabilities, because it was their only consumer; and the losses, now of logits.
    """
    makers, uses = graph.makers(), graph.uses()
    seen, gives, joined = [], [], []
    applications = {application.output: application for application in graph.applications}
    for value, loss in zip(graph.outputs, losses, strict=True):
        maker, kind = makers.get(value), loss and loss.kind
        node, alone = maker and maker.node, uses[value] == 1
        seen.append(value)
        gives.append(False)
        joined.append(loss)
        if kind == "softmax_cross_entropy" and node == nodes.Softmax():
            seen[-1], gives[-1] = maker.inputs[0], alone
            if alone:
                del applications[value]
        elif kind in _BINARY and alone and _is_sigmoid(node):
            seen[-1], gives[-1] = maker.inputs[0], True
            joined[-1] = replace(loss, kind="binary_logits")
            del applications[value]
        elif kind in _BINARY and alone and _is_sigmoid(getattr(node, "activation", None)):
            # Split the sigmoid from the operation that it had joined; the value is now the logits.
            gives[-1] = True
            joined[-1] = replace(loss, kind="binary_logits")
            bare = replace(node, activation=None)
            applications[value] = Application(bare, maker.inputs, value)
    return replace(graph, applications=list(applications.values())), seen, gives, joined


_BINARY = ("binary", "binary_logits")


def _is_sigmoid(node: nodes.Node | None) -> bool:
    return isinstance(node, nodes.Activation) and node.kind == "sigmoid"

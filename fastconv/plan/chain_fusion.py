"""Merges consecutive element-wise operations into one chain, so that they take one pass.

    greater(x, 0) -> multiply(x, .) -> add(., y)        chain(x, y)

An operation joins the only consumer of its output if both have the same shape: a smaller one would
be computed again for every repetition. Activations of layers join as well, unless the activation is
an output of the graph, which a loss may read without it (`fusion.fuse_losses`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from fastconv.ops.compiled import MOST_SLOTS
from fastconv.plan import operations
from fastconv.plan.chain import Builder, build
from fastconv.plan.functions import Elementwise, Slot
from fastconv.plan.graph import Graph, Node
from fastconv.plan.operations import Operation

_MOST_INSTRUCTIONS = 64


def join_chains(graph: Graph) -> Graph:
    """Return the graph with element-wise operations merged into their only consumers."""
    if not any(isinstance(node.operation, Elementwise) for node in graph.nodes):
        return graph
    uses = graph.uses()
    joined: dict[int, Node] = {}  # by output, in order
    for node in graph.nodes:
        node = _as_chain(node, joined, graph)
        if isinstance(node.operation, Elementwise):
            node = _absorb(node, joined, uses)
        joined[node.output] = node
    return replace(graph, nodes=list(joined.values()))


def _as_chain(node: Node, joined: dict[int, Node], graph: Graph) -> Node:
    """Return an activation after a chain as a chain, too; any other node as it is."""
    before = joined.get(node.inputs[0]) if len(node.inputs) == 1 else None
    if (
        before is None
        or not isinstance(node.operation, operations.Activation)
        or not isinstance(before.operation, Elementwise)
        or before.operation.is_bool
        or node.output in graph.outputs
    ):
        return node
    shape = before.operation.shape
    return replace(node, operation=_of_activation(node.operation, shape))


def as_activation(operation: Operation) -> Operation:
    """Return a chain that is one activation of its only operand as that; others as they are."""
    if (
        not isinstance(operation, Elementwise)
        or operation.is_bool
        or len(operation.operands) != 1
        or not isinstance(operation.operands[0], Slot)
        or operation.shapes != (operation.shape,)
    ):
        return operation
    chain = operation.chain.contracted()
    if len(chain.instructions) != 1 or chain.instructions[0].name != "activation":
        return operation
    (instruction,) = chain.instructions
    return operations.Activation(instruction.activation, *instruction.parameters)


def _of_activation(operation: operations.Activation, shape: tuple[int | None, ...]) -> Elementwise:
    chain = build(lambda x: x.activation(operation.kind, *operation.parameters), 1)
    return Elementwise(chain, (Slot(0),), (shape,), shape)


def _absorb(node: Node, joined: dict[int, Node], uses: Counter[int]) -> Node:
    """Return `node` with the operations that make its inputs inside, where that is possible; they
    are removed from `joined`."""
    while True:
        merged = (_with_maker(node, value, joined, uses) for value in node.inputs)
        found = next((each for each in merged if each is not None), None)
        if found is None:
            return node
        node = found


def _with_maker(node: Node, value: int, joined: dict[int, Node], uses: Counter[int]) -> Node | None:
    """Return `node` with the operation that makes its input `value` inside; None if it cannot."""
    maker = joined.get(value)
    if maker is None or uses[value] != node.inputs.count(value):
        return None
    operation, reader = maker.operation, _chain_of(node)
    shape = reader.shape
    for operand, there in zip(reader.operands, reader.shapes, strict=True):
        is_value = isinstance(operand, Slot) and node.inputs[operand.number] == value
        if is_value and there != shape:
            return None
    if isinstance(operation, operations.Activation):
        operation = _of_activation(operation, shape)
    if not isinstance(operation, Elementwise) or operation.shape != shape:
        return None
    merged = _merged(Node(operation, maker.inputs, maker.output), node)
    if merged is not None:
        del joined[value]
        uses.subtract(set(maker.inputs) & set(node.inputs))  # now read once instead of twice
    return merged


def _merged(maker: Node, node: Node) -> Node | None:
    """Return one node for both; None if the chain would be too long."""
    value = maker.output
    inputs: list[int] = []
    operands: list = []
    shapes: list = []
    numbers: dict = {}  # input value, or identity of a weight or constant -> input of the chain

    def place(of: Node) -> list[int | None]:
        """Return the input of the new chain for each operand; None for the merged value."""
        places: list[int | None] = []
        operation = _chain_of(of)
        for operand, shape in zip(operation.operands, operation.shapes, strict=True):
            is_slot = isinstance(operand, Slot)
            if is_slot and of.inputs[operand.number] == value:
                places.append(None)
                continue
            key = of.inputs[operand.number] if is_slot else ("constant", id(operand))
            if key not in numbers:
                numbers[key] = len(operands)
                if is_slot:
                    operand = Slot(_numbered(inputs, of.inputs[operand.number]))
                operands.append(operand)
                shapes.append(shape)
            places.append(numbers[key])
        return places

    first, second = place(maker), place(node)  # the maker does not read its own output
    builder = Builder(len(operands))
    (inner,) = _chain_of(maker).chain.inlined(
        [builder.inputs[place] for place in first if place is not None]
    )
    terms = [inner if place is None else builder.inputs[place] for place in second]
    chain = builder.chain(_chain_of(node).chain.inlined(terms))
    backward = chain.gradient(sorted(chain.depends())).assigned()
    slots = chain.inputs + 2 + len(backward.constants) + len(backward.written) + backward.registers
    if len(chain.instructions) > _MOST_INSTRUCTIONS or slots > MOST_SLOTS:
        return None
    operation = replace(
        _chain_of(node), chain=chain, operands=tuple(operands), shapes=tuple(shapes)
    )
    return Node(operation, tuple(inputs), node.output)


def _chain_of(node: Node) -> Elementwise:
    """Return the operation of a node that is known to be a chain."""
    assert isinstance(node.operation, Elementwise)
    return node.operation


def _numbered(values: list[int], value: int) -> int:
    """Return the position of `value` in `values`, to which it is added if it is new."""
    if value not in values:
        values.append(value)
    return values.index(value)

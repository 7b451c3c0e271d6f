"""The graph of a network: values, and nodes that compute a value from others.

Values are numbers. Each is an input or the output of exactly one node; nodes are in topological
order:

    inputs 0, 1
    Convolution (0,)   -> 2
    Merge       (0, 2) -> 3        0 has two consumers: its gradient is the sum of two
    Dense       (3,)   -> 4
    outputs 4, 2
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastconv.plan.operations import Operation, Quantization


@dataclass(frozen=True)
class Node:
    """`operation` computes the value `output` from the values `inputs`."""

    operation: Operation
    inputs: tuple[int, ...]
    output: int


@dataclass
class Graph:
    """Built by `input` and `apply`; then `outputs` is set.

    >>> graph = Graph()
    >>> x = graph.input((8, 8, 3))
    >>> graph.outputs = [graph.apply([], x)]
    """

    inputs: list[int] = field(default_factory=list)
    input_shapes: list[tuple[int, ...]] = field(default_factory=list)  # of one sample
    nodes: list[Node] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    # Of a quantized model, `fastconv.plan.quantization`; plans for training refuse it.
    quantization: Quantization | None = None
    compute_dtype: str = "float32"  # or "bfloat16", `fastconv.plan.bfloat16`; refused likewise
    _calls: Counter[Any] = field(default_factory=Counter)

    def input(self, shape: Sequence[int]) -> int:
        """Add an input of samples of `shape`; return its value."""
        self.inputs.append(self._next())
        self.input_shapes.append(tuple(shape))
        return self.inputs[-1]

    def apply(self, chain: Sequence[Operation], *inputs: int) -> int:
        """Apply `chain`, whose first operation takes all of `inputs`; return the output value."""
        if not chain and len(inputs) != 1:
            raise ValueError(
                f"`apply` needs at least one operation to combine {len(inputs)} inputs"
            )
        for operation in chain:
            self.nodes.append(Node(operation, inputs, self._next()))
            inputs = (self.nodes[-1].output,)
        return inputs[0]

    def number_of_call(self, layer: Any) -> int:
        """Return the number of earlier calls of this method for `layer`."""
        self._calls[layer] += 1
        return self._calls[layer] - 1

    def _next(self) -> int:
        return len(self.inputs) + len(self.nodes)

    def uses(self) -> Counter[int]:
        """Return the number of consumers of each value; being an output counts as one."""
        uses = Counter(self.outputs)
        for node in self.nodes:
            uses.update(node.inputs)
        return uses

    def makers(self) -> dict[int, Node]:
        """Return the node that computes each value; inputs have none."""
        return {node.output: node for node in self.nodes}

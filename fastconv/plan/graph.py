"""The graph of a network: values, and nodes that compute a value from others.

Values are numbers. Each is an input or the output of exactly one node; nodes are in topological
order:

    inputs 0, 1
    Convolution (0,)   -> 2
    Merge       (0, 2) -> 3        0 has two consumers: its gradient is the sum of two
    Product     (3,)   -> 4
    outputs 4, 2
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastconv.plan.nodes import Node


@dataclass(frozen=True)
class Application:
    """`node` computes the value `output` from the values `inputs`."""

    node: Node
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
    applications: list[Application] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    _calls: Counter[Any] = field(default_factory=Counter)

    def input(self, shape: Sequence[int]) -> int:
        """Add an input of samples of `shape`; return its value."""
        self.inputs.append(self._next())
        self.input_shapes.append(tuple(shape))
        return self.inputs[-1]

    def apply(self, chain: Sequence[Node], *inputs: int) -> int:
        """Apply `chain`, whose first node takes all of `inputs`; return the output value."""
        if not chain and len(inputs) != 1:
            raise ValueError(f"no nodes make nothing of {len(inputs)} values")
        for node in chain:
            self.applications.append(Application(node, inputs, self._next()))
            inputs = (self.applications[-1].output,)
        return inputs[0]

    def number_of_call(self, layer: Any) -> int:
        """Return the number of earlier calls of this method for `layer`."""
        self._calls[layer] += 1
        return self._calls[layer] - 1

    def _next(self) -> int:
        return len(self.inputs) + len(self.applications)

    def uses(self) -> Counter[int]:
        """Return the number of consumers of each value; being an output counts as one."""
        uses = Counter(self.outputs)
        for application in self.applications:
            uses.update(application.inputs)
        return uses

    def makers(self) -> dict[int, Application]:
        """Return the application that computes each value; inputs have none."""
        return {application.output: application for application in self.applications}

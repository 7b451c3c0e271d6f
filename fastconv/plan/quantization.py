"""Quantized networks: convolutions and dense products on 8-bit integers.

`quantize` rewrites a fused graph for inference. Every operation with weights that has ranges
(`operations.Ranges`) reads uint8; a value that only such operations read stays uint8 between them,
through max-pooling and reshapes, and a sum of two such values becomes the end of one of the
convolutions:

    Convolution relu -> MaxPooling -> Convolution -> Merge(add) relu -> GlobalPooling -> Dense
    uint8               uint8         uint8, with the sum        float32 |            uint8, float32

All other operations run in float32 between `Dequantize` and `Quantize`.

Filters are int8 with one scale per output channel, so a batch normalization that follows is part of
the scales. The weights of the model stay float32 and lie on the grid of these integers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv._ext._quantized import MAX_PRODUCTS
from fastconv.plan import operations
from fastconv.plan.graph import Graph, Node
from fastconv.plan.operations import Operation, Quantization, Ranges, Steps

Weighted = operations.Convolution | operations.Dense


def steps_between(low: float, high: float) -> Steps:
    """Return the steps of uint8 that cover [low, high] and contain 0.

    >>> steps_between(-0.5, 0.52)
    Steps(scale=0.004, zero_point=125)
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    if not scale > 1e-30:  # nothing but zeros
        return Steps(1.0, 0)
    return Steps(scale, round(-low / scale))


def quantized_kernel(kernel: np.ndarray, filters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 in [-127, 127], of the shape of `kernel`, and the float32 scales (filters,) of
    its output channels, the last axis or, of a depthwise kernel, the last two.

    The result for their product is the same, because the largest integer of a scale is 127.

    >>> integers, scale = quantized_kernel(np.array([[0.5, 0.0], [-1.27, 0.0]], np.float32), 2)
    >>> integers.tolist()
    [[50, 0], [-127, 0]]
    """
    rows = kernel.reshape(-1, filters)
    scale = np.abs(rows).max(axis=0) / np.float32(127)
    scale[scale == 0] = 1
    integers = np.rint(rows / scale).clip(-127, 127).astype(np.int8)
    return integers.reshape(kernel.shape), scale


def filters_of(operation: Any) -> int:
    """Return the number of output channels of an operation with a kernel."""
    geometry = getattr(operation, "geometry", None)
    return operation.kernel.shape[-1] if geometry is None else geometry.filters


def candidates(graph: Graph) -> Iterator[tuple[Node, str, str]]:
    """Yield the nodes with a kernel, its path, and the reason why it has no kernel on integers; an
    empty one if it has."""
    for node in graph.nodes:
        operation: Any = node.operation
        if isinstance(operation, operations.TransposedConvolution):
            yield node, operation.kernel.path, "transposed convolutions are not quantized"
        elif isinstance(operation, Weighted):
            products = operation.kernel.size // filters_of(operation)
            large = f"a filter has more than {MAX_PRODUCTS} weights"
            yield node, operation.kernel.path, large if products > MAX_PRODUCTS else ""


def sums(graph: Graph, paths: set[str]) -> dict[int, tuple[Node, int]]:
    """Return the additions that end a convolution or dense product: the output of that one -> the
    addition, and the value that is added.

    `paths` are the kernels of the operations on integers. That value must be uint8, too.
    """
    makers, uses = graph.makers(), graph.uses()
    place = {node.output: number for number, node in enumerate(graph.nodes)}
    found: dict[int, tuple[Node, int]] = {}
    ends: set[int] = set()  # outputs of the additions

    def on_integers(value: int) -> bool:
        maker = makers.get(value)
        if maker is None:
            return False
        if _passes(maker.operation):
            return on_integers(maker.inputs[0])
        return value in ends or (
            _has_kernel(maker.operation, paths) and bounds_of(maker.operation) is not None
        )

    for node in graph.nodes:
        operation: Any = node.operation
        adds = isinstance(operation, operations.Merge) and operation.kind == "add"
        if not adds or len(set(node.inputs)) != 2 or len(node.inputs) != 2:
            continue
        for value in sorted(node.inputs, key=lambda each: -place.get(each, -1)):
            (other,) = set(node.inputs) - {value}
            maker: Any = makers.get(value)
            ends_here = (
                maker is not None
                and _has_kernel(maker.operation, paths)
                and maker.operation.activation is None
                and uses[value] == 1
            )
            if ends_here and on_integers(other):
                found[value] = (node, other)
                ends.add(node.output)
                break
    return found


def quantize(graph: Graph, quantization: Quantization) -> Graph:
    """Return the fused `graph` with the operations in `quantization` on integers."""
    return _Quantizer(graph, quantization).result()


def _has_kernel(operation: Any, paths: set[str]) -> bool:
    return isinstance(operation, Weighted) and operation.kernel.path in paths


def _passes(operation: Operation) -> bool:
    """Return whether `operation` gives uint8 for uint8, of the same steps."""
    is_pool = isinstance(operation, operations.Pooling) and operation.kind == "max"
    return is_pool or isinstance(operation, operations.Reshape)


def bounds_of(operation: Operation) -> tuple[float, float] | None:
    """Return the limits that the activation sets, None if it does more than that."""
    activation = getattr(operation, "activation", None)
    kind = activation.kind if activation else "linear"
    if kind == "linear":
        return -np.inf, np.inf
    if kind == "relu":
        return 0.0, np.inf
    return (0.0, activation.slope) if kind == "clipped_relu" and activation else None


class Rewriter(ABC):
    """Appends nodes; a value has its number as float32, and another one in narrow elements, with
    their steps, if they have any.

    `paths` are the kernels of the operations on narrow elements, `sums` the additions at their end.
    """

    def __init__(self, graph: Graph, paths: set[str], sums: dict[int, tuple[Node, int]]):
        self._graph, self._paths, self._sums = graph, paths, sums
        self._makers = graph.makers()
        self._nodes: list[Node] = []
        self._fresh = max([*graph.inputs, *self._makers], default=0)
        self._narrow: dict[int, tuple[int, Any]] = {}
        self._reals = set(graph.inputs)

    def result(self) -> Graph:
        ends = {merge.output: value for value, (merge, _) in self._sums.items()}
        for node in self._graph.nodes:
            if node.output in self._sums:
                continue  # at its sum
            if node.output in ends:
                value = ends[node.output]
                self._weighted(self._makers[value], node, self._sums[value][1])
            elif _has_kernel(node.operation, self._paths):
                self._weighted(node)
            elif _passes(node.operation) and node.inputs[0] in self._narrow:
                x, steps = self._narrow[node.inputs[0]]
                self._narrow[node.output] = (
                    self._append(node.operation, (x,), self._next()), steps
                )  # fmt: skip
            else:
                inputs = tuple(self._real(value) for value in node.inputs)
                self._reals.add(self._append(node.operation, inputs, node.output))
        outputs = [self._real(value) for value in self._graph.outputs]
        return replace(self._graph, nodes=self._nodes, outputs=outputs)

    @abstractmethod
    def _weighted(self, node: Node, merge: Node | None = None, other: int | None = None) -> None:
        """Append the operation of `node`, with the addition `merge` of the value `other`."""

    @abstractmethod
    def _widen(self, steps: Any) -> Operation:
        """Return the operation from narrow elements to float32."""

    def _is_read_narrow(self, value: int) -> bool:
        """Return whether an operation on narrow elements reads `value`."""
        for node in self._graph.nodes:
            if value not in node.inputs:
                continue
            if _has_kernel(node.operation, self._paths):
                return True
            if any(node is merge for merge, _ in self._sums.values()):
                return True
            if _passes(node.operation) and self._is_read_narrow(node.output):
                return True
        return False

    def _real(self, value: int) -> int:
        if value not in self._reals:
            number, steps = self._narrow[value]
            self._reals.add(self._append(self._widen(steps), (number,), value))
        return value

    def _append(self, operation: Operation, inputs: tuple[int, ...], output: int) -> int:
        self._nodes.append(Node(operation, inputs, output))
        return output

    def _next(self) -> int:
        self._fresh += 1
        return self._fresh


class _Quantizer(Rewriter):
    def __init__(self, graph: Graph, quantization: Quantization):
        self._quantization = quantization
        paths = {
            path for _, path, reason in candidates(graph) if not reason and path in quantization
        }
        makers: dict[int, Any] = graph.makers()
        ends = {
            value: found
            for value, found in sums(graph, paths).items()
            if quantization[makers[value].operation.kernel.path].sum is not None
        }
        super().__init__(graph, paths, ends)

    def _weighted(self, node: Node, merge: Node | None = None, other: int | None = None) -> None:
        """Append the operation of `node`, with the addition `merge` of the value `other`."""
        operation: Any = node.operation
        ranges: Ranges = self._quantization[operation.kernel.path]
        x, of_x = self._integer(node.inputs[0], ranges.input)
        end = node if merge is None else merge
        last: Any = end.operation
        activation, bounds = last.activation, bounds_of(last)
        steps = ranges.output if merge is None else ranges.sum
        narrow = bounds is not None and self._is_read_narrow(end.output)
        inputs, residual = (x,), None
        if other is not None:
            added, residual = self._narrow[other]
            inputs = (x, added)
        low, high = bounds or (-np.inf, np.inf)
        plain = replace(operation, activation=None)
        quantized = operations.Quantized(
            plain, of_x, steps if narrow else None, residual, low, high
        )
        if narrow and steps is not None:
            number = self._append(quantized, inputs, self._next())
            self._narrow[end.output] = number, steps
        elif bounds is None and activation is not None:
            number = self._append(quantized, inputs, self._next())
            self._reals.add(self._append(activation, (number,), end.output))
        else:
            self._reals.add(self._append(quantized, inputs, end.output))

    def _widen(self, steps: Any) -> Operation:
        return operations.Dequantize(steps)

    def _integer(self, value: int, steps: Steps) -> tuple[int, Steps]:
        if value not in self._narrow:
            number = self._append(operations.Quantize(steps), (value,), self._next())
            self._narrow[value] = number, steps
        return self._narrow[value]

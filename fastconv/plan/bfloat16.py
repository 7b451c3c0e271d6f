"""Networks in bfloat16: convolutions and dense products of elements of half the size.

`narrow` rewrites a fused graph for inference, as `fastconv.plan.quantization` does for integers.
Every convolution and dense product reads bfloat16; a value that only such operations read stays
bfloat16 between them, through max-pooling and reshapes, and an addition becomes the end of one of
the convolutions. Sums, biases and normalizations, and all other operations, are float32.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv._ext import _bfloat16
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.graph import Graph, Node
from fastconv.plan.operations import Operation
from fastconv.plan.quantization import Rewriter, Weighted, bounds_of, sums


def kernels(graph: Graph) -> dict[str, Variable]:
    """Return the kernels that are rounded to bfloat16, by their paths."""
    found = [node.operation.kernel for node in graph.nodes if isinstance(node.operation, Weighted)]
    return {kernel.path: kernel for kernel in found}


def round_kernels(graph: Graph) -> None:
    """Round the kernels, in place, to the nearest bfloat16, of two to the even one."""
    threads = runtime.get_num_threads()
    for kernel in kernels(graph).values():
        values = kernel._live
        bits = np.empty(values.shape, np.uint16)
        _bfloat16.Narrow(values, bits).run(threads)
        _bfloat16.Widen(bits, values).run(threads)


def narrow(graph: Graph) -> Graph:
    """Return the fused `graph` with its convolutions and dense products on bfloat16."""
    paths = set(kernels(graph))
    return _Rewriter(graph, paths, sums(graph, paths)).result()


class _Rewriter(Rewriter):
    def _weighted(self, node: Node, merge: Node | None = None, other: int | None = None) -> None:
        operation: Any = node.operation
        end = node if merge is None else merge
        last: Any = end.operation
        bounds = bounds_of(last)
        stays = bounds is not None and self._is_read_narrow(end.output)
        inputs = [self._narrowed(node.inputs[0])]
        if other is not None:
            inputs.append(self._narrowed(other))
        low, high = bounds or (-np.inf, np.inf)
        plain = replace(operation, activation=None)
        product = operations.InBFloat16(plain, not stays, other is not None, low, high)
        if stays:
            self._narrow[end.output] = self._append(product, tuple(inputs), self._next()), None
        elif bounds is None:
            number = self._append(product, tuple(inputs), self._next())
            self._reals.add(self._append(last.activation, (number,), end.output))
        else:
            self._reals.add(self._append(product, tuple(inputs), end.output))

    def _narrowed(self, value: int) -> int:
        if value not in self._narrow:
            number = self._append(operations.Narrow(), (value,), self._next())
            self._narrow[value] = number, None
        return self._narrow[value][0]

    def _widen(self, steps: Any) -> Operation:
        return operations.Widen()

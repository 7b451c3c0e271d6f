"""A graph node by node: constants are computed, all else becomes layers.

The same program serves models and single computations: with symbolic inputs the operators build a
graph of layers, with arrays they compute its outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import fastconv.onnx.operators  # noqa: F401  (registers them)
from fastconv.errors import FormatError
from fastconv.onnx.files import GraphFile
from fastconv.onnx.nodes import Node
from fastconv.onnx.sizes import CASES, Varying, joined
from fastconv.onnx.tensor import Tensor

_ERRORS = (
    ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError, MemoryError,
    RecursionError,
)  # fmt: skip


def run(file: GraphFile, inputs: dict[str, Tensor]) -> list[Tensor]:
    """Return the outputs of the graph for `inputs`; FormatError if a node cannot be read.

    Values are dropped after their last use, the constants of `file`, too.
    """
    needed = _needed(file)
    uses = _last_uses(needed)
    values: dict[str, Any] = dict(inputs)
    constants = dict(file.constants)
    file.constants.clear()
    keep = set(file.outputs)
    for place, node in enumerate(needed):
        for name in node.inputs:
            if name in constants:
                values[name] = Tensor.of(constants.pop(name))
        arguments = [values[name] if name else None for name in node.inputs]
        try:
            with np.errstate(all="ignore"):
                results = _apply(node, arguments)
        except FormatError:
            raise
        except _ERRORS as error:
            reason = str(error)[:500] or type(error).__name__
            raise FormatError(f"{file.where}: {node}: {reason}") from error
        for name, result in zip(node.outputs, results, strict=False):
            if name:
                values[name] = result
        for name in {*node.inputs, *node.outputs}:
            if name and uses.get(name, -1) <= place and name not in keep:
                values.pop(name, None)
    return [values[name] if name in values else Tensor.of(constants[name]) for name in file.outputs]


def _needed(file: GraphFile) -> list[Node]:
    """Return the nodes on which the outputs depend, without the names of unused results."""
    wanted, kept = set(file.outputs), []
    for node in reversed(file.nodes):
        outputs = [name if name in wanted else "" for name in node.outputs]
        if any(outputs):
            wanted.update(node.inputs)
            node.outputs = outputs
            kept.append(node)
    return kept[::-1]


def _last_uses(nodes: Iterable[Node]) -> dict[str, int]:
    return {name: place for place, node in enumerate(nodes) for name in node.inputs}


def _apply(node: Node, arguments: list[Tensor | None]) -> list[Tensor]:
    if _is_varying(arguments):
        cases = [_results(node, [_case(x, k) for x in arguments]) for k in range(CASES)]
        return [
            Tensor.of_value(joined([np.asarray(result.plain) for result in results]))
            for results in zip(*cases, strict=True)
        ]
    return _results(node, arguments)


def _results(node: Node, arguments: list[Tensor | None]) -> list[Tensor]:
    result = node.function(node, *arguments)
    results = list(result) if isinstance(result, (list, tuple)) else [result]
    missing = [name for name in node.outputs[len(results) :] if name]
    if missing:
        raise ValueError(f"the output {missing[0][:80]!r} is not supported")
    return results


def _is_varying(arguments: list[Tensor | None]) -> bool:
    """Whether all arguments are constants, of which some depend on open sizes."""
    given = [x for x in arguments if x is not None]
    return all(x.is_constant for x in given) and any(isinstance(x.value, Varying) for x in given)


def _case(x: Tensor | None, case: int) -> Tensor | None:
    if x is None or not isinstance(x.value, Varying):
        return x
    return Tensor.of(x.value.cases[case])

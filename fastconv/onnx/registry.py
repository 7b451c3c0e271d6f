"""The operators that can be read, by name and version.

    @operator("Relu", 6, 13, 14)
    def relu(node, x):
        return x.mapped(ops.relu)

A version is the opset that defined the operator last (`since_version` of onnx's schema). So an
opset that did not change an operator needs no entry, and a version without one is refused.

A function takes the `Node` and one `Tensor` per input (None for an input that is left out), and
returns one `Tensor`, or a list with one per output. It does not ask whether there are values yet:
`fastconv.ops` computes with arrays and describes graphs with the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Operator = Callable[..., Any]

# (operator, version) -> the function that reads it
OPERATORS: dict[tuple[str, int], Operator] = {}


def operator(name: str, *versions: int) -> Callable[[Operator], Operator]:
    """Return a decorator that registers a function for `versions` of an operator.

    Raises ValueError for a version that already has a function.
    """

    def register(function: Operator) -> Operator:
        for version in versions:
            if (name, version) in OPERATORS:
                raise ValueError(f"version {version} of {name} is registered already")
            OPERATORS[name, version] = function
        return function

    return register

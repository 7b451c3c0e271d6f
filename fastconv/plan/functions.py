"""Operations made of functions on arrays (`fastconv.ops`), as records.

An operand of such an operation is one of the values that its node takes (`Slot`), a weight
(`Variable`), or a constant: a number or an array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastconv.ops._function import Function
from fastconv.parameters import Variable
from fastconv.plan.chain import Chain


class Slot(NamedTuple):
    """Stands for an input of the node, by its number."""

    number: int


Operand = Any  # Slot | Variable | np.ndarray | float


@dataclass(frozen=True, eq=False)
class Elementwise:
    """`chain` on operands that are broadcast to `shape`, float32 or bool.

    `operands` has one entry per input of the chain, `shapes` the shape of each; `shape` includes
    the batch, and None stands for sizes that are not known yet.
    """

    chain: Chain
    operands: tuple[Operand, ...]
    shapes: tuple[tuple[int | None, ...], ...]
    shape: tuple[int | None, ...]
    is_bool: bool = False

    @property
    def variables(self) -> list[Variable]:
        return [operand for operand in self.operands if isinstance(operand, Variable)]


@dataclass(frozen=True, eq=False)
class FunctionCall:
    """`function` in NumPy, with its arguments by name; of several results, number `index`."""

    function: Function
    arguments: dict[str, Any]
    index: int | None = None

    @property
    def variables(self) -> list[Variable]:
        return [leaf for leaf in self.leaves() if isinstance(leaf, Variable)]

    def leaves(self) -> Iterator[Operand]:
        """Return all operands, also those in lists, without None."""
        return iter(self.function.leaves(self.arguments, self.function.operands))


def live(operand: Operand) -> Any:
    """Return the array of a weight, which training changes; a constant as it is."""
    return operand._live if isinstance(operand, Variable) else operand


def shape_of(operand: Operand) -> tuple[int, ...]:
    return operand.shape if isinstance(operand, (Variable, np.ndarray)) else ()

"""Operations in order: one call into the core, or several with Python in between.

The core runs a list of its operations without the GIL (`_ext._core.Program`). An operation in
Python (any object with `run_python()`: a user's layer, a step on the host) cannot be in that list,
so the list is split there:

    conv, pool | run_python() | dense, softmax

Without such an operation there is exactly one `Program`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from fastconv._ext._core import Program


class MixedProgram:
    """Programs and Python operations that run in order; has the interface of a `Program`."""

    def __init__(self, operations: Sequence[Any]):
        self.ops = tuple(operations)
        self._parts: list[Any] = []
        for python, group in groupby(self.ops, key=_is_python):
            part = list(group)
            self._parts.extend(part if python else [Program(part)])

    @property
    def workspace_bytes(self) -> int:
        """Scratch memory of all programs, in bytes."""
        return sum(getattr(part, "workspace_bytes", 0) for part in self._parts)

    @property
    def filter_bytes(self) -> int:
        """Memory of packed filters that persist between runs, in bytes."""
        return sum(getattr(part, "filter_bytes", 0) for part in self._parts)

    def run(self, num_threads: int) -> None:
        """Run all operations once; an exception of a Python operation ends the run."""
        for part in self._parts:
            if isinstance(part, Program):
                part.run(num_threads)
            else:
                part.run_python()


def make_program(operations: Sequence[Any]) -> Program | MixedProgram:
    """Return an object whose `run(num_threads)` runs `operations` in order."""
    if any(map(_is_python, operations)):
        return MixedProgram(operations)
    return Program(list(operations))


def _is_python(operation: Any) -> bool:
    return hasattr(operation, "run_python")

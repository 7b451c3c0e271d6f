"""Ops in order: one call into the core, or several with Python in between.

The core runs a list of its ops without the GIL (`_ext._program.Program`). An op in
Python (any object with `run_python()`: a user's layer, a step on the host) cannot be in that list,
so the list is split there:

    conv, pool | run_python() | dense, softmax

Without such an op there is exactly one `Program`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from fastconv._ext._program import Program


class PythonOp:
    """An op in Python: `function()` computes it, and `name` is what messages call it."""

    run_python: Callable[[], None]
    name: str

    def __init__(self, function: Callable[[], None], name: str):
        self.run_python, self.name = function, name


class MixedProgram:
    """Programs and Python ops that run in order; has the interface of a `Program`."""

    def __init__(self, ops: Sequence[Any]):
        self.ops: tuple[Any, ...] = tuple(ops)
        self._parts: list[Any] = []
        memory: Program | None = None  # a program whose scratch memory all use
        for python, group in groupby(self.ops, key=_is_python):
            part = list(group)
            if not python:
                part = [Program(part, memory)]
                memory = part[0]
            self._parts.extend(part)

    @property
    def workspace_bytes(self) -> int:
        """Scratch memory of all programs, which share it, in bytes."""
        return max(getattr(part, "workspace_bytes", 0) for part in self._parts)

    @property
    def filter_bytes(self) -> int:
        """Memory of packed filters that persist between runs, in bytes."""
        return sum(getattr(part, "filter_bytes", 0) for part in self._parts)

    def run(self, num_threads: int) -> None:
        """Run all ops once; an exception of a Python op ends the run."""
        for part in self._parts:
            if isinstance(part, Program):
                part.run(num_threads)
            else:
                part.run_python()


def make_program(ops: Sequence[Any]) -> Program | MixedProgram:
    """Return an object whose `run(num_threads)` runs `ops` in order."""
    if any(map(_is_python, ops)):
        return MixedProgram(ops)
    return Program(list(ops))


def _is_python(op: Any) -> bool:
    return hasattr(op, "run_python")

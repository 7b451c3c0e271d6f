"""A plan for inference as data: the words of `_ext/network/network.h`, and the weights.

Every op of the plan becomes one record, which the op itself writes (`record`). Its arrays become
references: into the *weights* if no op writes them, otherwise into the *values*, the memory that a
run changes. Both blocks contain only what an op uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastconv.common.arrays import ALIGNMENT
from fastconv.ops import compiled
from fastconv.plan import Plan

if TYPE_CHECKING:
    from fastconv.models import Model


class Record(NamedTuple):
    """One operation: `arrays` may hold None; `written` are the positions of those it changes."""

    kind: str
    arrays: tuple[np.ndarray | None, ...]
    written: tuple[int, ...]
    integers: tuple[int, ...]
    reals: tuple[float, ...]


class Program(NamedTuple):
    """A network as data.

    Attributes:
        words: int64, see `_ext/network/network.h`.
        weights: uint8, the constant arrays; each begins at a multiple of 64 bytes.
        records: the operations that `words` contains.
        inputs, outputs: the shapes of these arrays, with the batch.
    """

    words: np.ndarray
    weights: np.ndarray
    records: tuple[Record, ...]
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]


def make_program(model: Model, batch_size: int) -> Program:
    """Return the inference of `model` on `batch_size` samples as data.

    Raises ValueError, naming them, for operations that have no record: those computed in Python.
    """
    plan = Plan(model.graph(), batch_size, model.parameters)
    records = _records(plan)
    ends = [*plan.inputs, *plan.outputs]
    values, weights = _Memory(), _Memory()
    written = [record.arrays[i] for record in records for i in record.written]
    changed = {_owner(array) for array in [*written, *ends] if array is not None}
    for array in [*ends, *(each for record in records for each in record.arrays)]:
        if array is not None:
            (values if _owner(array) in changed else weights).add(array)
    values.place()
    weights.place()

    def reference(array: np.ndarray | None) -> int:
        if array is None:
            return compiled.NO_ARRAY
        in_weights = _owner(array) not in changed
        return 2 * (weights if in_weights else values).offset(array) + in_weights

    words = [
        compiled.NETWORK_MAGIC, 0, 4, batch_size, values.nbytes, weights.nbytes,
        len(plan.inputs), len(plan.outputs), len(records),
    ]  # fmt: skip
    for array in ends:
        words += reference(array), array.nbytes
    for record in records:
        words += _words(record, map(reference, record.arrays))
    words[compiled.WORD_COUNT] = len(words)
    return Program(
        np.array(words, np.int64),
        weights.content(),
        tuple(records),
        tuple(array.shape for array in plan.inputs),
        tuple(array.shape for array in plan.outputs),
    )


def _records(plan: Plan) -> list[Record]:
    described = [(op, op.record() if isinstance(op, compiled.Op) else None) for op in plan.ops]
    refused = sorted(
        {getattr(op, "name", type(op).__name__) for op, record in described if record is None}
    )
    if refused:
        raise ValueError(
            f"the network cannot be exported: only Python computes {', '.join(refused)}"
        )
    return [Record(*record) for _, record in described if record is not None]


def _words(record: Record, references: Iterable[int]) -> list[int]:
    reals = np.array(record.reals, np.float64).view(np.int64)
    counts = len(record.arrays), len(record.integers), len(record.reals)
    kind = compiled.RECORD_KINDS.index(record.kind)
    return [kind, *counts, *references, *record.integers, *reals.tolist()]


def _owner(array: np.ndarray) -> int:
    """The address of the memory block that `array` is a part of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.__array_interface__["data"][0]


class _Memory:
    """A block of memory that holds copies of the parts of other blocks that are used."""

    def __init__(self):
        self._used: list[tuple[int, int, np.ndarray]] = []  # (begin, end) as addresses
        self._parts: list[tuple[int, int, int]] = []  # (begin, end, offset), in order
        self.nbytes = 0

    def add(self, array: np.ndarray) -> None:
        begin = array.__array_interface__["data"][0]
        self._used.append((begin, begin + array.nbytes, array))

    def place(self) -> None:
        """Give every used part its offset; parts that overlap keep their distance."""
        for begin, end, _ in sorted(self._used, key=lambda part: part[:2]):
            if self._parts and begin < self._parts[-1][1]:
                last = self._parts[-1]
                self._parts[-1] = (last[0], max(last[1], end), last[2])
            else:
                self._parts.append((begin, end, self.nbytes))
            first, last_end, offset = self._parts[-1]
            self.nbytes = offset + -(-(last_end - first) // ALIGNMENT) * ALIGNMENT

    def offset(self, array: np.ndarray) -> int:
        begin = array.__array_interface__["data"][0]
        end = begin + array.nbytes
        return next(
            offset + begin - first
            for first, last, offset in self._parts
            if first <= begin and end <= last
        )

    def content(self) -> np.ndarray:
        """The bytes of all parts, with zeros between them."""
        content = np.zeros(self.nbytes, np.uint8)
        for _, _, array in self._used:
            at = self.offset(array)
            content[at : at + array.nbytes] = array.reshape(-1).view(np.uint8)
        return content

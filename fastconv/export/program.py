"""Plans as data: the words of `_ext/network/network.h`, weights and state.

Every op of a plan becomes one record, which the op itself writes (`record`). Its arrays become
references into three blocks, which contain only what an op uses:

    values      what a run computes
    weights     what no run changes
    state       what training changes and keeps: weights, slots of the optimizer, moving averages
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence
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
        inputs, outputs: arrays of the shapes and dtypes of these, with the batch.
        state: uint8, the initial content of the arrays that training changes and keeps; empty for
            a network that is not trained.
    """

    words: np.ndarray
    weights: np.ndarray
    records: tuple[Record, ...]
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    state: np.ndarray


class End(NamedTuple):
    """Shape, with the batch, and dtype of an input or output."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize


class Listing(NamedTuple):
    """The operations of a program in order, before memory is laid out."""

    batch_size: int
    records: list[Record]
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]
    trains: bool = False


def make_program(model: Model, batch_size: int) -> Program:
    """Return the inference of `model` on `batch_size` samples as data.

    Raises ValueError, naming them, for operations that have no record: those computed in Python.
    """
    return lay_out([inference(model, batch_size)])[0]


def inference(model: Model, batch_size: int) -> Listing:
    """Return the operations of `model.predict`; raises as `make_program`."""
    if model.quantization is not None:
        raise ValueError(
            f"{model.name!r} is quantized, which is not exported as C: export the float32 model "
            "before `quantize`"
        )
    if model.compute_dtype != "float32":
        raise ValueError(
            f"{model.name!r} computes in {model.compute_dtype}, which is not exported as C: export "
            "the float32 model"
        )
    plan = Plan(model.graph(), batch_size, model.parameters)
    return Listing(batch_size, records_of(plan), plan.inputs, plan.outputs)


def records_of(plan: Plan) -> list[Record]:
    """Return the records of all ops; ValueError, naming them, for ops that have none."""
    described = [(op, op.record() if isinstance(op, compiled.Op) else None) for op in plan.ops]
    refused = sorted(
        {getattr(op, "name", type(op).__name__) for op, record in described if record is None}
    )
    if refused:
        raise ValueError(
            f"the network cannot be exported: only Python computes {', '.join(refused)}"
        )
    return [Record(*record) for _, record in described if record is not None]


def lay_out(listings: Sequence[Listing], state: Iterable[np.ndarray] = ()) -> list[Program]:
    """Return the programs of one network, which share weights and state.

    Args:
        listings: the operations of every program.
        state: the arrays that training changes and keeps.
    """
    kept = {_owner(array) for array in state}
    weights, states = _Memory(), _Memory()
    blocks = [_Blocks(listing, kept, weights, states) for listing in listings]
    for memory in (weights, states):
        memory.place()
    return [
        Program(
            np.array(each.words(), np.int64),
            weights.content(),
            tuple(each.listing.records),
            tuple(End(array.shape, array.dtype) for array in each.listing.inputs),
            tuple(End(array.shape, array.dtype) for array in each.listing.outputs),
            states.content(),
        )
        for each in blocks
    ]


class _Blocks:
    """The blocks of memory of one program."""

    def __init__(self, listing: Listing, kept: set[int], weights: _Memory, state: _Memory):
        self.listing, self._kept = listing, kept
        self._memories = {
            compiled.IN_VALUES: _Memory(),
            compiled.IN_WEIGHTS: weights,
            compiled.IN_STATE: state,
        }
        ends = [*listing.inputs, *listing.outputs]
        written = [record.arrays[i] for record in listing.records for i in record.written]
        self._changed = {_owner(array) for array in [*written, *ends] if array is not None}
        for array in [*ends, *(each for record in listing.records for each in record.arrays)]:
            if array is not None:
                self._memories[self._block(array)].add(array)
        self._memories[compiled.IN_VALUES].place()

    def _block(self, array: np.ndarray) -> int:
        owner = _owner(array)
        if owner in self._kept:
            return compiled.IN_STATE
        return compiled.IN_VALUES if owner in self._changed else compiled.IN_WEIGHTS

    def _reference(self, array: np.ndarray | None) -> int:
        if array is None:
            return compiled.NO_ARRAY
        block = self._block(array)
        return compiled.BLOCKS * self._memories[block].offset(array) + block

    def words(self) -> list[int]:
        listing, records = self.listing, self.listing.records
        parts = [r.integers[-1] for r in records if r.kind == "convolution_input"]
        words = [
            compiled.NETWORK_MAGIC, 0, 4, listing.batch_size,
            *(memory.nbytes for memory in self._memories.values()),
            listing.trains, sum(parts), len(listing.inputs), len(listing.outputs), len(records),
        ]  # fmt: skip
        for array in [*listing.inputs, *listing.outputs]:
            words += self._reference(array), array.nbytes
        for record in records:
            words += _words(record, map(self._reference, record.arrays))
        words[compiled.WORD_COUNT] = len(words)
        return words


def _words(record: Record, references: Iterable[int]) -> list[int]:
    reals = np.array(record.reals, np.float64).view(np.int64)
    counts = len(record.arrays), len(record.integers), len(record.reals)
    kind = compiled.RECORD_KINDS.index(record.kind)
    return [kind, *counts, *references, *map(_signed, record.integers), *reals.tolist()]


def _signed(integer: int) -> int:
    """The int64 with the bits of an int64 or uint64, such as a seed."""
    return int(integer) - 2**64 if integer >= 2**63 else int(integer)


def _owner(array: np.ndarray) -> int:
    """The address of the memory block that `array` is a part of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.__array_interface__["data"][0]


class _Memory:
    """A block of memory that holds copies of the parts of other blocks that are used."""

    def __init__(self) -> None:
        self._used: list[tuple[int, int, np.ndarray]] = []  # (begin, end) as addresses, first first
        self._parts: list[tuple[int, int, int]] = []  # (begin, end, offset), by address
        self.nbytes = 0

    def add(self, array: np.ndarray) -> None:
        begin = array.__array_interface__["data"][0]
        self._used.append((begin, begin + array.nbytes, array))

    def place(self) -> None:
        """Give every used part its offset, in the order of their first use; those that overlap are
        one part."""
        merged: list[list[int]] = []  # [begin, end, first use]
        for begin, end, use in sorted((b, e, use) for use, (b, e, _) in enumerate(self._used)):
            if merged and begin < merged[-1][1]:
                merged[-1][1:] = max(merged[-1][1], end), min(merged[-1][2], use)
            else:
                merged.append([begin, end, use])
        for begin, end, _ in sorted(merged, key=lambda part: part[2]):
            self._parts.append((begin, end, self.nbytes))
            self.nbytes += -(-(end - begin) // ALIGNMENT) * ALIGNMENT
        self._parts.sort()

    def offset(self, array: np.ndarray) -> int:
        begin = array.__array_interface__["data"][0]
        at = bisect(self._parts, begin, key=lambda part: part[0]) - 1
        first, _, offset = self._parts[at]
        return offset + begin - first

    def content(self) -> np.ndarray:
        """The bytes of all parts, with zeros between them."""
        content = np.zeros(self.nbytes, np.uint8)
        for _, _, array in self._used:
            at = self.offset(array)
            content[at : at + array.nbytes] = array.reshape(-1).view(np.uint8)
        return content

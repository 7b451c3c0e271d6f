"""How evenly a network's work is shared out at 1 to 128 threads, without running any of it.

    python -m benchmarks.work_split
    python -m benchmarks.work_split --nets cifar --batch 16 --at 48

Every operation of a plan says how it would be split (`Op.split`, the rule that the threads follow
when it runs): for each of its phases the number of items, how many are taken at a time, and by how
many threads. From that follows the busiest thread's share. Two figures are made of it:

    largest / mean   the busiest thread's share over that of the average thread. A phase counts with
                     its work, so the figure of a network is the time its steps would take over the
                     time they would take if every phase were split evenly.
    speed-up         all work over the busiest thread's: what this split allows at most, on a
                     machine with infinite bandwidth and free barriers.

An operation too small to repay more threads is given fewer, on purpose; the average thread is then
one of those that it is worth, so that the first figure tells whether the work is shared evenly, the
second what serial leftovers cost. An operation that is worth more threads than it has items counts
as uneven.

Work is an estimate in multiply-adds (`phase_costs`), the same for every item of a phase, which
makes the figures exact only where items are alike: all but the last of each row or block.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from benchmarks.nets import Net, add_option, select
from benchmarks.networks import KINDS
from fastconv.bench.tables import Table

THREADS = (2, 4, 8, 16, 32, 64, 128)
BATCH = 64
AT = 32
TARGET = 1.15

# Costs in multiply-adds of the micro-kernel, which makes some 55e9 a second on one core of an
# AVX-512 server: moving a byte between memory and registers (18 GB/s) or cache and registers (three
# times that), rearranging an element of the filters, and, per channel and number of a transformed
# tile, a Winograd transform.
_BYTE = 3
_CACHED_BYTE, _CACHE = 1, 32e6
_LANES = 16
_REARRANGED = 20
_TRANSFORM = 3
# Operations that lose less of a step's time than this many percent are not listed.
_LISTED = 2


class Phase(NamedTuple):
    """A loop over ``items`` that threads take ``chunk`` at a time; ``worth``: threads that its
    operation would repay."""

    cost: float
    items: int
    chunk: int
    threads: int
    worth: int

    @property
    def longest(self) -> float:
        """The cost of the busiest thread's share."""
        return self.cost * largest_share(self.items, self.chunk, self.threads) / self.items

    @property
    def mean(self) -> float:
        """The cost of the average thread's share."""
        return self.cost / self.worth


def largest_share(items: int, chunk: int, threads: int) -> int:
    """Items of the busiest of ``threads`` that take turns at ``chunk`` items, all alike.

    >>> largest_share(48, 1, 32), largest_share(10, 3, 3), largest_share(64, 5, 1)
    (2, 4, 64)
    """
    rounds, left = divmod(items, chunk * threads)
    # In the last round the first to be ready takes a whole handful, or all that is left.
    return rounds * chunk + min(left, chunk)


def phases(op: Any, threads: int, *, packed: bool = False) -> list[Phase]:
    """The phases of an operation on a team of ``threads``; without packing if ``packed``."""
    split, worth = op.split(threads), op.worth(threads)
    found = [
        Phase(cost, *loop, worth) for cost, loop in zip(phase_costs(op, split), split, strict=True)
    ]
    return found[1:] if packed and _packs(op, split) else found


def _packs(op: Any, split: Sequence[tuple[int, int, int]]) -> bool:
    return hasattr(op, "freeze_weights") and len(split) == 2


def _product(op: Any) -> tuple[Any, Any] | None:
    """(dy or y, w or dw) of a convolution or dense operation; None for any other."""
    name = type(op).__name__
    if name.endswith("BackwardKernel"):
        return op.arrays[1], op.arrays[2]
    if name.endswith("BackwardInput"):
        return op.arrays[0], op.arrays[1]
    if name in ("DirectForward", "WinogradForward", "DenseForward"):
        return op.arrays[3], op.arrays[1]
    return None


def _multiply_adds(op: Any, y: Any, w: Any) -> int:
    return prod(_image(op, y)[:-1]) * w.size


def _image(op: Any, y: Any) -> tuple[int, ...]:
    """The shape of an output before the pooling that its operation may end with."""
    if not getattr(op, "pool", None):
        return y.shape
    count, height, width, filters = y.shape
    return count, 2 * height, 2 * width, filters


def _bytes(op: Any) -> int:
    return sum(array.nbytes for array in op.arrays if array is not None)


def phase_costs(op: Any, split: Sequence[tuple[int, int, int]]) -> list[float]:
    """The work of every phase in ``split``, in multiply-adds.

    Raises ValueError if the operation has other phases than are known here.
    """
    product, size = _product(op), _bytes(op)
    moved = size * (_CACHED_BYTE if size < _CACHE else _BYTE)
    if product is None:
        return _checked(op, split, [moved])
    y, w = product
    algorithm = getattr(op, "algorithm", None) or "direct"
    main, rearranging = _multiply_adds(op, y, w), _REARRANGED * w.size
    if not type(op).__name__.endswith("BackwardInput"):  # few filters leave a vector half empty
        main = main / w.shape[-1] * _LANES * -(-w.shape[-1] // _LANES)
    if algorithm.startswith("winograd"):
        tile = int(algorithm[-1])
        *_, channels, filters = w.shape
        described = op.describe(1)
        strided = described.get("sampling", "").startswith("stride_2")
        numbers = y.shape[0]
        for tiles in described["tiles"]:
            more = w.shape[0] - 1
            numbers *= sum(described["components"] if strided else size + more for size in tiles)
        main = numbers * channels * filters
        transforms = numbers * _TRANSFORM * (channels + filters)
        rearranging = 3 * (tile + 2) ** 2 * channels * filters
        if type(op).__name__ == "WinogradBackwardKernel":
            if len(split) < 3:  # splits with sums of their own, and then the sum of these
                return [main + transforms + moved, rearranging][: len(split)]
            blocks = len(split) // 2  # after a few zeros; the last transforms the sums back
            of_a_block = [(transforms + moved) / blocks, main / blocks]
            costs = [1.0, *of_a_block * blocks]
            costs[-1] += rearranging
            return _checked(op, split, costs)
        main += transforms
    main += moved
    if hasattr(op, "freeze_weights"):
        return _checked(op, split, [rearranging, main])
    if type(op).__name__ == "DirectBackwardKernel" and len(split) == 2:
        return _checked(op, split, [main, rearranging])  # partial sums are added up at last
    if type(op).__name__ == "DenseForward" and len(split) == 2:
        return _checked(op, split, [main, split[0][0] * y.size])  # so are those of blocks
    return _checked(op, split, [main])


def _checked(op: Any, split: Sequence[Any], costs: list[float]) -> list[float]:
    if len(costs) != len(split):
        raise ValueError(
            f"{type(op).__name__} has {len(split)} phases, expected {len(costs)}: {split}"
        )
    return costs


class Step(NamedTuple):
    """The operations of a training step or of inference, and what to call it."""

    title: str
    kind: str
    ops: tuple[Any, ...]

    def phases(self, threads: int) -> list[list[Phase]]:
        """Of every operation, on a team of ``threads``."""
        # Filters are packed once for inference, and anew in every step of training.
        return [phases(op, threads, packed=self.kind == "inference") for op in self.ops]

    def unevenness(self, threads: int) -> tuple[float, float]:
        """(largest / mean, speed-up) of the whole step on ``threads`` threads."""
        found = [phase for of_op in self.phases(threads) for phase in of_op]
        longest = sum(phase.longest for phase in found)
        return longest / sum(phase.mean for phase in found), sum(p.cost for p in found) / longest


def step(net: Net, batch: int, kind: str) -> Step:
    """One step of ``net`` on ``batch`` images; ``kind`` is "inference" or "training".

    The operations are bound to memory that nothing touches: it takes address space and no more.
    """
    from benchmarks.peers import fastconv_side

    network = fastconv_side.model(net)
    network.compile("rmsprop", "sparse_categorical_crossentropy")
    plan = network._make_plan(batch, "train" if kind == "training" else "infer", False)
    return Step(f"{net.title}, {batch}", kind, plan._program.ops)


def measure(nets: list[Net], *, batch: int = BATCH, at: int = AT) -> list[Table]:
    """Largest over mean and speed-up of every network, and its worst operations ``at`` threads.

    With the usual ``batch``, networks that are trained on another one are shown at that, too.
    """
    columns = ["network, batch", "pass", *map(str, THREADS)]
    shares = Table(
        "Work split: largest share over mean share, by threads", [*columns, f"worst up to {at}"]
    )
    speed = Table(
        "Work split: largest possible speed-up, by threads",
        [*columns, f"operations on fewer than {at}", "their work, %"],
    )
    worst = Table(
        f"Work split at {at} threads: operations that lose more than {_LISTED} % of a step's time",
        [
            "network, batch",
            "pass",
            "operation",
            "array",
            "items/threads",
            "largest / mean",
            "lost, %",
        ],
    )
    above = []
    for net in nets:
        sizes = dict.fromkeys([batch, net.training] if batch == BATCH else [batch])
        for made in (step(net, size, kind) for size in sizes for kind in KINDS):
            found = {n: made.unevenness(n) for n in {*THREADS, *range(1, at + 1)}}
            uneven, count = max((found[n][0], n) for n in range(1, at + 1))
            shares.add(
                made.title, made.kind, *(found[n][0] for n in THREADS), f"{uneven:.2f} at {count}"
            )
            speed.add(
                made.title, made.kind, *(found[n][1] for n in THREADS), *_few_threads(made, at)
            )
            _add_worst(worst, made, at)
            if made.title == f"{net.title}, {batch}" and found[at][0] > TARGET:
                above.append(f"{made.title} {made.kind} ({found[at][0]:.2f})")
    shares.notes.append(
        f"above {TARGET} at {at} threads and batch {batch}: {', '.join(above) or 'none'}"
    )
    return [shares, speed, worst]


def _few_threads(made: Step, at: int) -> tuple[str, float]:
    """How many operations are given fewer threads, and the percentage of the work in them."""
    found = made.phases(at)
    work = [sum(phase.cost for phase in of_op) for of_op in found]
    few = [max(phase.threads for phase in of_op) < at for of_op in found]
    share = sum(w for w, is_few in zip(work, few, strict=True) if is_few) / sum(work)
    return f"{sum(few)} of {len(few)}", 100 * share


def _add_worst(table: Table, made: Step, at: int) -> None:
    found = made.phases(at)
    total = sum(phase.longest for of_op in found for phase in of_op)
    lost = [sum(phase.longest - phase.mean for phase in of_op) for of_op in found]
    for index in sorted(range(len(found)), key=lambda i: -lost[i]):
        op, of_op = made.ops[index], found[index]
        if 100 * lost[index] / total < _LISTED:
            break
        loops = dict.fromkeys(f"{phase.items}/{phase.threads}" for phase in of_op)
        table.add(
            made.title,
            made.kind,
            type(op).__name__,
            "x".join(map(str, _main_array(op).shape)),
            ", ".join(loops),
            sum(phase.longest for phase in of_op) / sum(phase.mean for phase in of_op),
            100 * lost[index] / total,
        )


def _main_array(op: Any) -> Any:
    """The one that tells an operation from others of its kind."""
    if product := _product(op):
        return product[type(op).__name__.endswith("BackwardKernel")]
    return max((array for array in op.arrays if array is not None), key=lambda array: array.nbytes)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="How evenly a network's work is shared out among threads.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_option(parser)
    parser.add_argument("--batch", type=int, default=BATCH, help="images per step")
    parser.add_argument("--at", type=int, default=AT, help="threads to look at more closely")
    options = parser.parse_args(arguments)
    if options.batch < 1 or options.at < 1:
        parser.error(
            f"--batch and --at must be at least 1, received {options.batch} and {options.at}"
        )
    try:
        nets = select(options.nets)
    except ValueError as error:
        parser.error(str(error))
    for table in measure(nets, batch=options.batch, at=options.at):
        table.show()


if __name__ == "__main__":
    main()

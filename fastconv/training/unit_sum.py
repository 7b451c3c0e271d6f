"""`UnitSum`: the gradient of a batch as the sum over its chunks, in the order of the tree.

chunk 0   g0 -> kept
chunk 1   g1 + g0 -> kept
chunk 2   g2 -> kept
chunk 3   g3 + g2 + (g1 + g0), bucket by bucket as the backward pass completes them
              \\ -> to the other ranks, while earlier layers are still computed
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastconv.distribution.bfloat16 import rounded
from fastconv.distribution.exchange import Exchange, Helper, wait_for
from fastconv.distribution.ranks import Ranks
from fastconv.distribution.tree import Node, Tree
from fastconv.plan import add

OnBucket = Callable[[int], None]


class UnitSum:
    """Sums the gradients of chunks in the gradient buffer.

    Args:
        gradient: the flat gradient buffer, into which a chunk writes its gradient.
        buckets: the parts of it that a chunk completes one after the other.
        rest: the parts that are complete at the end of a chunk only.
        tree: the order of the sum.
        ranks: the ranks, of which each computes the chunks that it owns.
        dtype: of what is summed and sent: see `Exchange`.
        helper: exchanges buckets during the computation; None to do so at its end.
    """

    def __init__(
        self,
        gradient: np.ndarray,
        buckets: Sequence[slice],
        rest: Sequence[slice],
        tree: Tree,
        ranks: Ranks,
        dtype: str = "float32",
        helper: Helper | None = None,
    ) -> None:
        self._gradient, self._ranks, self._helper = gradient, ranks, helper
        self._rounds = dtype == "bfloat16"
        self._parts, self._buckets = [*buckets, *rest], len(buckets)
        self._steps = _steps(tree, tree.cover(*ranks.owned(tree)))
        self._exchanges = []
        if ranks.size > 1:
            self._exchanges = [Exchange(ranks, tree, gradient[p], dtype) for p in self._parts]
        self._free: list[np.ndarray] = []  # buffers for sums that wait for their neighbour
        self._kept: list[np.ndarray] = []  # such sums, in the order of their chunks

    def run(self, compute: Callable[[int, OnBucket | None], None]) -> None:
        """Call `compute(chunk, on_bucket)` for the chunks of this rank, in order; leave the sum
        over all chunks of all ranks in the gradient buffer.

        For the last chunk, `compute` calls `on_bucket(i)` when bucket i is complete.
        """
        for chunk, sums in self._steps[:-1]:
            compute(chunk, None)
            for part in self._parts:
                self._add_kept(part, sums)
            self._release(sums)
            self._keep()
        ended = 0
        if self._steps:
            compute(self._steps[-1][0], self._end_part)
            ended = self._buckets
        for number in range(ended, len(self._parts)):
            self._end_part(number)
        if self._helper is not None and self._exchanges:
            self._helper.finish()
        self._release(len(self._kept))

    def _end_part(self, number: int) -> None:
        """Complete a part of the last chunk, and give it to the other ranks."""
        part, sums = self._parts[number], 0
        if self._steps:
            sums = self._steps[-1][1]
            self._add_kept(part, sums)
        if not self._exchanges:
            return
        units = [unit[part] for unit in self._kept[: len(self._kept) - sums]]
        units += [self._gradient[part]] if self._steps else []
        if self._helper is not None:
            self._helper.start(self._exchanges[number], units)
        else:
            self._exchanges[number].run(units, wait_for)

    def _add_kept(self, part: slice, sums: int) -> None:
        """Add the last `sums` kept sums to a part of the gradient."""
        total = self._gradient[part]
        if self._rounds:
            rounded(total)
        for number in range(1, sums + 1):
            add([self._kept[-number][part], total], total)
            if self._rounds:
                rounded(total)

    def _keep(self) -> None:
        copy = self._free.pop() if self._free else np.empty_like(self._gradient)
        for part in self._parts:
            add([self._gradient[part]], copy[part])
        self._kept.append(copy)

    def _release(self, count: int) -> None:
        for _ in range(count):
            self._free.append(self._kept.pop())


def _steps(tree: Tree, nodes: Sequence[Node]) -> list[tuple[int, int]]:
    """Return the chunks below `nodes` in order, each with the number of sums that it completes."""

    def below(node: Node) -> list[tuple[int, int]]:
        level, index = node
        if level == 0:
            return [(index, 0)]
        *left, (last, sums) = [step for child in tree.children(node) for step in below(child)]
        return [*left, (last, sums + len(tree.children(node)) - 1)]

    return [step for node in nodes for step in below(node)]

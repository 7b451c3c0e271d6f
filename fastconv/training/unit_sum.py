"""`UnitSum`: the gradient of a batch as the sum over its chunks, in the order of the tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastconv.distribution.ranks import Ranks
from fastconv.distribution.tree import Node, Tree
from fastconv.plan import add


class UnitSum:
    """Sums the gradients of chunks in the gradient buffer.

    Args:
        gradient: the flat gradient buffer, into which a chunk writes its gradient.
        slices: the parts of it to sum.
        tree: the order of the sum.
        ranks: the ranks, of which each computes the chunks that it owns.
    """

    def __init__(
        self, gradient: np.ndarray, slices: Sequence[slice], tree: Tree, ranks: Ranks
    ) -> None:
        self._tree, self._ranks = tree, ranks
        self._nodes = tree.cover(*ranks.owned(tree))
        self._parts = [gradient[part] for part in slices]
        self._sizes = [part.size for part in self._parts]
        self._is_packed = len(slices) != 1
        # The sum so far: the buffer itself if it is summed in one part
        self._flat = np.empty(sum(self._sizes), np.float32) if self._is_packed else self._parts[0]
        self._free: list[np.ndarray] = []  # buffers for sums that wait for their neighbour

    def run(self, compute: Callable[[int], None]) -> None:
        """Call `compute(chunk)` for the chunks of this rank, in order; leave the sum over all
        chunks of all ranks in the gradient buffer."""
        parts: dict[Node, np.ndarray] = {}
        for node in self._nodes:
            parts[node] = self._node(node, compute, last=node == self._nodes[-1])
        if self._ranks.size > 1:
            self._ranks.total(parts, self._tree, self._flat)
        self._release(*parts.values())
        if self._is_packed:
            ends = np.cumsum(self._sizes)[:-1]
            for part, values in zip(self._parts, np.split(self._flat, ends), strict=True):
                part[:] = values

    def _node(self, node: Node, compute: Callable[[int], None], last: bool) -> np.ndarray:
        """Compute the chunks of `node`; return the sum of their gradients, in a buffer that later
        chunks do not overwrite, unless it is the `last` one."""
        level, index = node
        if level == 0:
            compute(index)
            if self._is_packed:
                np.concatenate(self._parts, out=self._flat)
            return self._flat if last else self._copied()
        children = self._tree.children(node)
        if len(children) == 1:
            return self._node(children[0], compute, last)
        left = self._node(children[0], compute, last=False)
        right = self._node(children[1], compute, last=True)
        total = self._flat if last else left
        add([left, right], total)
        self._release(*(each for each in (left, right) if each is not total))
        return total

    def _copied(self) -> np.ndarray:
        copy = self._free.pop() if self._free else np.empty_like(self._flat)
        add([self._flat], copy)
        return copy

    def _release(self, *arrays: np.ndarray) -> None:
        self._free += [array for array in arrays if array is not self._flat]

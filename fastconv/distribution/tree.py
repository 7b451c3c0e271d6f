"""The order in which the gradients of the chunks of a batch are summed.

    level 2            (2, 0)
    level 1     (1, 0)        (1, 1)
    level 0   (0, 0) (0, 1) (0, 2) (0, 3)     the chunks

A node is the sum of its two children; a child without samples is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Node = tuple[int, int]  # (level, index): the chunks from index * 2^level to (index + 1) * 2^level
Value = TypeVar("Value")


class Tree:
    """The tree over the chunks of a batch of `count` samples, the same at any number of ranks.

    >>> tree = Tree(count=10, chunks=4)
    >>> tree.starts
    [0, 2, 5, 7, 10]
    >>> tree.cover(0, 3)
    [(1, 0), (0, 2)]
    """

    count: int
    chunks: int

    def __init__(self, count: int, chunks: int):
        self.count, self.chunks = count, chunks
        self.starts: list[int] = [count * chunk // chunks for chunk in range(chunks + 1)]
        self.root: Node = ((chunks - 1).bit_length(), 0)

    def chunks_of(self, node: Node) -> tuple[int, int]:
        """Return the first chunk of `node` and the one after its last."""
        level, index = node
        return min(index << level, self.chunks), min((index + 1) << level, self.chunks)

    def rows_of(self, node: Node) -> tuple[int, int]:
        """Return the first sample of `node` and the one after its last."""
        first, end = self.chunks_of(node)
        return self.starts[first], self.starts[end]

    def children(self, node: Node) -> list[Node]:
        """Return the children of `node` that have samples."""
        level, index = node
        both = [(level - 1, 2 * index), (level - 1, 2 * index + 1)]
        return [child for child in both if self._holds(child)]

    def _holds(self, node: Node) -> bool:
        first, end = self.rows_of(node)
        return first < end

    def cover(self, first: int, end: int) -> list[Node]:
        """Return the largest nodes that hold exactly the chunks from `first` up to `end`, without
        those that have no samples."""
        return self._cover(self.root, first, end)

    def _cover(self, node: Node, first: int, end: int) -> list[Node]:
        begin, stop = self.chunks_of(node)
        if not self._holds(node) or end <= begin or stop <= first:
            return []
        if first <= begin and stop <= end:
            return [node]
        return [part for child in self.children(node) for part in self._cover(child, first, end)]

    def total(
        self,
        parts: dict[Node, Value],
        add: Callable[[Value, Value], Value],
        node: Node | None = None,
    ) -> Value:
        """Return the sum of `parts`, the values of nodes that cover all chunks."""
        node = node or self.root
        if node in parts:
            return parts[node]
        values = [self.total(parts, add, child) for child in self.children(node)]
        return values[0] if len(values) == 1 else add(*values)

"""How Winograd's algorithm cuts images into tiles: the rule, written once more to compare with."""

from __future__ import annotations


def tile_sizes(size, tile, mixed):
    """The outputs of each tile of a dimension of `size` outputs; if `mixed`, smaller ones as well.

    >>> tile_sizes(14, 4, True), tile_sizes(13, 4, True), tile_sizes(3, 4, True)
    ([4, 4, 4, 2], [4, 4, 2, 3], [3])
    """
    whole, rest = divmod(size, tile)
    if not mixed or not rest:
        return [tile] * (whole + bool(rest))
    if rest == 1 and whole:
        return [tile] * (whole - 1) + [2, 3]
    return [tile] * whole + [max(rest, 2)]

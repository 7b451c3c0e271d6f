"""How Winograd's algorithm cuts images into tiles, as kernels/winograd_tiles.inc does."""

from __future__ import annotations

# The tiles of one image whose contributions are added up are in caches together, transformed.
_MOST_SPREAD_TILES = 64


def tile_sizes(size, tile, mixed):
    """The tiles that a dimension of `size` outputs is cut into; if `mixed`, smaller ones as well.

    >>> tile_sizes(14, 4, True), tile_sizes(13, 4, True), tile_sizes(3, 4, True)
    ([4, 4, 4, 2], [4, 4, 2, 3], [3])
    """
    whole, rest = divmod(size, tile)
    if not mixed or not rest:
        return [tile] * (whole + bool(rest))
    if rest == 1 and whole:
        return [tile] * (whole - 1) + [2, 3]
    return [tile] * whole + [max(rest, 2)]


def transformed_sides(size, tile, kernel):
    """The components in one dimension of each transformed tile, for stride 1.

    >>> transformed_sides(13, 4, 3)
    [6, 6, 4, 5]
    """
    return [outputs + kernel - 1 for outputs in tile_sizes(size, tile, tile == 4)]


def input_gradient_sides(geometry, tile):
    """The components of tiles in either dimension, for the gradient with respect to the input.

    The convolution has stride 1. Its gradient is computed in tiles of dx or, where
    `spreads_tiles`, of dy.
    """
    g, kernel = geometry, geometry.kernel_h
    size = (g.out_h, g.out_w) if spreads_tiles(g, tile) else (g.height, g.width)
    return tuple(transformed_sides(n, tile, kernel) for n in size)


def spreads_tiles(geometry, tile):
    """Is the gradient with respect to the input computed in tiles of dy rather than of dx?

    If these are fewer, which they are without padding, and reach every pixel of dx.
    """
    g, kernel = geometry, geometry.kernel_h
    if g.stride_h != 1:
        return False
    of_dx = [transformed_sides(n, tile, kernel) for n in (g.height, g.width)]
    of_dy = [transformed_sides(n, tile, kernel) for n in (g.out_h, g.out_w)]
    reached = g.height + g.pad_top < g.out_h + kernel and g.width + g.pad_left < g.out_w + kernel
    fewer = sum(of_dy[0]) * sum(of_dy[1]) < sum(of_dx[0]) * sum(of_dx[1])
    return reached and fewer and len(of_dy[0]) * len(of_dy[1]) <= _MOST_SPREAD_TILES

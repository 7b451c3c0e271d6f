"""Pooling 2x2 stride 2 and 3x3 stride 2: time, memory rate, ratio to a peer.

    python -m benchmarks.pooling
    python -m benchmarks.pooling --peer none --threads 1

The memory rate counts every byte that has to move once: input, output, and for max pooling one byte
per window that says where the maximum was. (What a peer keeps for its backward pass may be more.)
"""

from __future__ import annotations

import numpy as np

from benchmarks import command
from benchmarks.convolutions import torch_or_none
from benchmarks.timing import Protocol, alternate, geometric_mean, ratio
from fastconv.bench.tables import Table

# (N, H, W, C), pool, stride: the lecture's MNIST network, VGG16's first pool, AlexNet's first pool.
SHAPES = [((64, 26, 26, 32), 2, 2), ((4, 224, 224, 64), 2, 2), ((16, 55, 55, 96), 3, 2)]
KINDS = ("max", "average")
DIRECTIONS = ("forward", "backward")


def measure(
    *, threads: int = 1, peer: str | None = None, protocol: Protocol | None = None
) -> Table:
    """Every shape, kind and direction as one line of the table."""
    from benchmarks import single_ops
    from fastconv.bench import operations

    columns = ["input, pool/stride", "pooling", "pass", "ms", "GB/s"]
    table = Table(
        f"Pooling, float32, {threads} threads", columns + ([f"{peer} ms", "ratio"] if peer else [])
    )
    ratios, ours_total, peer_total = [], 0.0, 0.0
    for shape, pool, stride in SHAPES:
        x, dy = arrays(shape, pool, stride)
        for kind in KINDS:
            for direction in DIRECTIONS:
                what = f"{kind} {direction} {shape}"
                settings = (kind, direction, x, dy, pool, stride, threads)
                ours = operations.pooling(*settings)
                sides = {"fastconv": ours.call}
                if peer:
                    other = single_ops.torch_pooling(*settings)
                    single_ops.check_agreement(ours, other, what)
                    sides[peer] = other.call
                timings = alternate(sides, protocol)
                seconds = timings["fastconv"].median
                moved = operations.pooling_bytes(kind, x, dy)
                cells = [
                    "x".join(map(str, shape)) + f", {pool}/{stride}",
                    kind,
                    direction,
                    seconds * 1e3,
                    moved / seconds / 1e9,
                ]
                if peer:
                    ratios.append(ratio(timings[peer], timings["fastconv"]))
                    ours_total += seconds
                    peer_total += timings[peer].median
                    cells += [timings[peer].median * 1e3, ratios[-1]]
                table.add(*cells)
    if ratios:
        table.notes.append(
            f"geometric mean of the ratio: {geometric_mean(ratios):.2f} "
            f"(smallest {min(ratios):.2f}); in the sum: "
            f"{peer_total / ours_total:.2f}"
        )
    return table


def arrays(
    shape: tuple[int, int, int, int], pool: int, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Random input and output gradient. No ties, so that every library picks the same maximum."""
    rng = np.random.default_rng(3)
    n, height, width, channels = shape
    out = (n, (height - pool) // stride + 1, (width - pool) // stride + 1, channels)
    x = rng.permutation(int(np.prod(shape))).astype(np.float32).reshape(shape)
    return x / np.float32(x.size), rng.standard_normal(out, dtype=np.float32)


def main(arguments: list[str] | None = None) -> None:
    options = command.parse(command.parser(__doc__), arguments)
    measure(
        threads=options.threads, peer=torch_or_none(options.peer), protocol=options.protocol
    ).show()


if __name__ == "__main__":
    main()

"""What `python -m fastconv bench` measures: a few layers of real networks, and two networks.

GFLOP/s count the multiply-adds of the direct algorithm whatever runs, so that Winograd's, which
needs fewer, can exceed the peak. Times are medians.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

import numpy as np

from fastconv import layers, models, optimizers, runtime
from fastconv.bench import operations
from fastconv.bench.operations import Convolution
from fastconv.bench.peak import Peak
from fastconv.bench.tables import Table
from fastconv.bench.timing import Protocol, run_block
from fastconv.shapes import sample_sizes

CONVOLUTIONS = (
    #           name                 N    H    W    C    K  kernel s  p  groups
    Convolution("MNIST net, 2nd", 64, 13, 13, 32, 64, 3, 3, 1, 0, 1),
    Convolution("AlexNet, 2nd", 4, 27, 27, 96, 256, 5, 5, 1, 2, 1),
    Convolution("VGG16, conv3_2", 1, 56, 56, 256, 256, 3, 3, 1, 1, 1),
    Convolution("ResNet, first 7x7", 4, 224, 224, 3, 64, 7, 7, 2, 3, 1),
    Convolution("ResNet, 1x1", 4, 56, 56, 64, 256, 1, 1, 1, 0, 1),
    Convolution("MobileNet, depthwise", 4, 56, 56, 128, 128, 3, 3, 1, 1, 128),
)
# Inputs (N, H, W, C) of 2x2 pools with stride 2: the MNIST network's first, VGG16's second.
POOLS = ((64, 26, 26, 32), (4, 112, 112, 128))

PARTS = ("convolutions", "pooling", "networks")  # of `measure`, in order

_BATCH = 64
# A rate so small that the weights stay where they are however often the step is timed.
_LEARNING_RATE = 1e-6

_USUAL = Protocol(rounds=5, block=0.05, pause=0.0)
_QUICK = Protocol(rounds=1, block=0.01, pause=0.0)


def measure(threads: int, *, quick: bool = False) -> Iterator[Table]:
    """The tables of convolutions, pooling and networks on `threads` threads, as they get ready."""
    protocol = _QUICK if quick else _USUAL
    peak = Peak(threads)
    peak.measure(1 if quick else 3)
    with runtime.num_threads(threads):
        yield measure_convolutions(CONVOLUTIONS, peak, protocol)
        yield measure_pooling(POOLS, threads, protocol)
        yield measure_networks(protocol)


def measure_convolutions(rows: tuple[Convolution, ...], peak: Peak, protocol: Protocol) -> Table:
    """Every pass of every row, against the peak, on the peak's number of threads."""
    table = Table(
        f"Convolutions, float32, {runtime.isa()}, threads: {peak.num_threads}",
        ["layer", "batch", "pass", "algorithm", "ms", "GFLOP/s", "% of peak"],
    )
    for row in rows:
        arrays = row.arrays()
        for direction in operations.PASSES:
            side = operations.convolution(row, direction, arrays, peak.num_threads)
            seconds = _median(side.call, protocol)
            gflops = row.flops / seconds / 1e9
            chosen = operations.algorithm_of(row, direction)
            table.add(
                row.name, row.batch, direction, chosen, seconds * 1e3, gflops, peak.percent(gflops)
            )
    table.notes.append(
        f"multiply-add peak: {peak.gflops:.0f} GFLOP/s, measured in this run; Winograd's algorithm "
        "needs fewer multiply-adds than are counted here"
    )
    return table


def measure_pooling(
    inputs: tuple[tuple[int, int, int, int], ...], threads: int, protocol: Protocol
) -> Table:
    """Max and average pooling, forward and backward."""
    table = Table(
        f"Pooling 2x2, float32, threads: {threads}", ["input", "pooling", "pass", "ms", "GB/s"]
    )
    rng = np.random.default_rng(1)
    for shape in inputs:
        n, height, width, channels = shape
        x = rng.standard_normal(shape, dtype=np.float32)
        dy = rng.standard_normal((n, height // 2, width // 2, channels), dtype=np.float32)
        for kind in ("max", "average"):
            moved = operations.pooling_bytes(kind, x, dy)
            for direction in ("forward", "backward"):
                side = operations.pooling(kind, direction, x, dy, 2, 2, threads)
                seconds = _median(side.call, protocol)
                name = "x".join(map(str, shape))
                table.add(name, kind, direction, seconds * 1e3, moved / seconds / 1e9)
    return table


def measure_networks(protocol: Protocol) -> Table:
    """A training step of the MNIST network, and LeNet-5's inference of one image and of many."""
    table = Table(
        f"Networks, float32, threads: {runtime.get_num_threads()}",
        ["network", "", "batch", "ms", "images/s"],
    )
    rng = np.random.default_rng(1)

    def add(name: str, what: str, batch: int, call: Callable[[], object]) -> None:
        seconds = _median(call, protocol)
        table.add(name, what, batch, seconds * 1e3, f"{batch / seconds:,.0f}")

    network = mnist_network()
    rmsprop = optimizers.RMSprop(_LEARNING_RATE)
    network.compile(rmsprop, "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = rng.random((_BATCH, 28, 28, 1), dtype=np.float32)
    y = rng.integers(0, 10, _BATCH)
    add("MNIST net", "training step", _BATCH, lambda: network.train_on_batch(x, y))
    lenet = lenet5()
    for batch in (1, _BATCH):
        images = rng.random((batch, 32, 32, 1), dtype=np.float32)
        add("LeNet-5", "inference", batch, lambda images=images: lenet.predict_on_batch(images))
    table.notes.append("a training step: forward, cross-entropy, accuracy, backward, RMSprop")
    return table


def inputs_of(model: models.Model, batch: int) -> list[np.ndarray]:
    """Return a batch of random numbers for each input; ValueError for an input of open sizes."""
    rng = np.random.default_rng(1)
    shapes = [(batch, *sample_sizes(tensor.shape)) for tensor in model.inputs]
    return [rng.random(shape, dtype=np.float32) for shape in shapes]


def measure_model(
    model: models.Model, inputs: list[np.ndarray], threads: int, *, quick: bool = False
) -> Table:
    """The inference of a model on `threads` threads."""
    table = Table(
        f"Inference, float32, {runtime.isa()}, threads: {threads}",
        ["model", "input", "batch", "ms", "samples/s"],
    )
    x = inputs if len(inputs) > 1 else inputs[0]
    with runtime.num_threads(threads):
        seconds = _median(lambda: model.predict_on_batch(x), _QUICK if quick else _USUAL)
    batch = len(inputs[0])
    shapes = ", ".join("x".join(map(str, array.shape[1:])) for array in inputs)
    table.add(model.name, shapes, batch, seconds * 1e3, f"{batch / seconds:,.0f}")
    return table


def mnist_network() -> models.Sequential:
    """The network of the README's first example."""
    return models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def lenet5() -> models.Sequential:
    """LeNet-5 (LeCun et al., 1998), its output layer a softmax."""
    return models.Sequential(
        [
            layers.Input((32, 32, 1)),
            layers.Conv2D(6, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(120, 5, activation="tanh"),
            layers.Flatten(),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _median(call: Callable[[], object], protocol: Protocol) -> float:
    """The median over blocks of the median call of each, in seconds."""
    blocks = [statistics.median(run_block(call, protocol)) for _ in range(protocol.rounds)]
    return statistics.median(blocks)

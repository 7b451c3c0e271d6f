"""One epoch of the lecture's MNIST training: the same network, data, optimizer and batch size.

    python -m benchmarks.epoch
    python -m benchmarks.epoch --samples 6400 --rounds 1

60,000 images in batches of 64, newly shuffled each epoch, RMSprop at its default rate, loss and
accuracy counted as they are for the progress bar. fastconv runs `fit`; PyTorch runs the loop one
would write by hand over tensors in memory, without the overhead of a data loader.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from benchmarks import command, peers
from benchmarks.nets import NETS
from benchmarks.peers import EPSILON, RHO, Session
from benchmarks.timing import Protocol, alternate_blocks, ratio
from benchmarks.worker import Worker
from fastconv.bench.tables import Table

BATCH = 64
SAMPLES = 60_000
_LEARNING_RATE = 1e-3
# Trained on before anything is timed: plans, threads and caches are warm, weights hardly moved.
_WARM_UP = 8 * BATCH

NAMES = (peers.OURS, "torch")


def session(name: str, samples: int, threads: int) -> Session:
    """A call trains one epoch; the result is the mean loss and the accuracy of the last one."""
    from fastconv.datasets import mnist

    (x, labels), _ = mnist.load_data()
    x = x[:samples, ..., None].astype(np.float32) / np.float32(255)
    labels = labels[:samples].astype(np.int64)
    make = {peers.OURS: _fastconv_epoch, "torch": _torch_epoch}[name]
    return make(x, labels, threads)


def _fastconv_epoch(x: np.ndarray, labels: np.ndarray, threads: int) -> Session:
    from benchmarks.peers import fastconv_side
    from fastconv import optimizers, runtime
    from fastconv.utils import to_categorical

    runtime.set_num_threads(threads)
    net = NETS["mnist"]
    model = fastconv_side.model(net, net.weights())
    model.compile(
        optimizers.RMSprop(_LEARNING_RATE, rho=RHO, epsilon=EPSILON),
        "categorical_crossentropy",
        metrics=["accuracy"],
    )
    y = to_categorical(labels)
    latest: dict[str, list[float]] = {}

    def train(images, targets):
        history = model.fit(images, targets, batch_size=BATCH, epochs=1, verbose=0).history
        latest.update(history)

    train(x[:_WARM_UP], y[:_WARM_UP])
    return Session(
        lambda: train(x, y), lambda: np.array([latest["loss"][-1], latest["accuracy"][-1]])
    )


def _torch_epoch(x: np.ndarray, labels: np.ndarray, threads: int) -> Session:
    import torch

    from benchmarks.peers import torch_peer

    torch.set_num_threads(threads)
    net = NETS["mnist"]
    network = torch_peer.model(net, net.weights()).train()
    rmsprop = torch_peer.optimizer(network, _LEARNING_RATE)
    latest = [None]

    def train(images, targets):
        order = torch.randperm(len(images))
        total, correct = 0.0, 0
        for start in range(0, len(images), BATCH):
            rows = order[start : start + BATCH]
            target = targets[rows]
            rmsprop.zero_grad(set_to_none=True)
            logits = network(images[rows].contiguous(memory_format=torch.channels_last))
            loss = torch.nn.functional.cross_entropy(logits, target)
            loss.backward()
            rmsprop.step()
            total += loss.item() * len(rows)
            correct += int((logits.argmax(1) == target).sum())
        latest[0] = np.array([total / len(images), correct / len(images)])

    images, targets = torch_peer.images(x), torch.from_numpy(labels)
    train(images[:_WARM_UP], targets[:_WARM_UP])
    return Session(lambda: train(images, targets), lambda: latest[0])


def measure(
    *, names: list[str], samples: int = SAMPLES, threads: int = 1, protocol: Protocol | None = None
) -> Table:
    """Seconds per epoch, loss and accuracy after the last; epochs of the libraries take turns."""
    # A block is one epoch, and an epoch needs no other to warm up.
    protocol = replace(protocol or Protocol(), block=1e-3, warm_up=0.0)
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(session, name, samples, threads)) for name in names
        }
        timings = alternate_blocks({name: w.block for name, w in workers.items()}, protocol)
        results = {name: worker.result() for name, worker in workers.items()}
    made = Table(
        f"One epoch of MNIST training, {samples} images, batch {BATCH}, "
        f"{threads} threads, median of {protocol.rounds}",
        ["library", "s", "fastest, s", "fastconv is faster by", "loss", "accuracy"],
    )
    for name in names:
        faster = None if name == peers.OURS else ratio(timings[name], timings[peers.OURS])
        made.add(
            name,
            timings[name].median,
            timings[name].best,
            faster,
            float(results[name][0]),
            float(results[name][1]),
        )
    made.notes.append(f"loss and accuracy are those of training epoch {protocol.rounds}")
    return made


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="images of the epoch")
    parser.set_defaults(rounds=2)
    options = command.parse(parser, arguments)
    if not BATCH <= options.samples <= SAMPLES:
        parser.error(
            f"`--samples` must be between {BATCH} and {SAMPLES}, received {options.samples}"
        )
    try:
        chosen = peers.choose(options.peer, isa=options.isa)
    except ValueError as error:
        parser.error(str(error))
    names = [name for name in NAMES if name == peers.OURS or name in chosen]
    measure(
        names=names, samples=options.samples, threads=options.threads, protocol=options.protocol
    ).show()


if __name__ == "__main__":
    main()

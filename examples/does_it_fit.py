"""How much memory a network of the zoo takes: what `explain` predicts, and what a process measures.

    python examples/does_it_fit.py alexnet --batch 16
    python examples/does_it_fit.py vgg16 --batch 4

The measurement is of a second process that makes the network, trains it for three steps of random
pictures and asks the operating system (Linux) for the most memory that it ever held. The first
process only predicts, and touches no weights.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

import fastconv
from fastconv import zoo
from fastconv.parameters import undrawn_weights


def predict(name: str, batch: int) -> int:
    """Bytes that training will take, by `explain`; the pictures are the caller's."""
    with undrawn_weights():
        model = getattr(zoo, name)()
        pictures = 4 * batch * int(np.prod(model.input_shape[1:]))
        return fastconv.explain(model, batch).memory.training + pictures


def train(name: str, batch: int) -> None:
    """Train for three steps, and print the bytes that this took beyond the libraries."""
    zoo.lenet5().predict_on_batch(np.zeros((1, 32, 32, 1), np.float32))  # loads all of fastconv
    before = resident("VmRSS")
    model = getattr(zoo, name)()
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(1)
    x = rng.random((batch, *model.input_shape[1:]), dtype=np.float32)
    y = rng.integers(0, model.output_shape[-1], batch)
    for _ in range(3):
        model.train_on_batch(x, y)
    print(resident("VmHWM") - before)


def resident(field: str) -> int:
    """Bytes of memory that this process holds (VmRSS) or held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=zoo.__all__)
    parser.add_argument("--batch", type=int, default=1, metavar="N")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.train:
        train(options.name, options.batch)
        return
    predicted = predict(options.name, options.batch)
    command = [sys.executable, __file__, options.name, "--batch", str(options.batch), "--train"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured = int(done.stdout)
    print(f"training {options.name} on batches of {options.batch}")
    print(f"predicted {predicted / 1e6:8.1f} MB")
    print(f"measured  {measured / 1e6:8.1f} MB, the prediction is {predicted / measured:.1%} of it")


if __name__ == "__main__":
    main()

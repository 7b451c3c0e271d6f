"""The one source of randomness: initial weights, the order of the samples, dropout's seeds.

`fastconv.utils.set_random_seed` restarts it; everything that fastconv draws afterwards is then the
same in every run, whatever the number of threads.
"""

from __future__ import annotations

import numpy as np


class _State:
    generator = np.random.default_rng()


def set_seed(seed: int) -> None:
    """Restart the stream of random numbers from `seed`, an integer of at least 0."""
    _State.generator = np.random.default_rng(seed)


def generator() -> np.random.Generator:
    """The generator that everything unseeded draws from."""
    return _State.generator


def state() -> dict:
    """Where the stream is, as plain data."""
    return _State.generator.bit_generator.state


def restore(state: dict) -> None:
    """Go back, or forward, to where the stream was."""
    _State.generator.bit_generator.state = state


def draw_seed() -> int:
    """A fresh seed for something with a stream of its own, from the common stream."""
    return int(_State.generator.integers(2**63))

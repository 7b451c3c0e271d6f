"""The one source of randomness: initial weights, the order of the samples, dropout's seeds.

`fastconv.utils.set_random_seed` restarts it; everything that fastconv draws afterwards is then the
same in every run, whatever the number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


class _State:
    generator = np.random.default_rng()
    borrowed = threading.RLock()


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


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A stream of its own for the block, begun at `seed`; then the common stream goes on.

    The generator is the whole process's, since whoever draws may do so in a thread of its own:
    another thread that enters such a block waits until this one is over.
    """
    with _State.borrowed:
        before = _State.generator
        set_seed(seed)
        try:
            yield
        finally:
            _State.generator = before


def draw_seed() -> int:
    """A fresh seed for something with a stream of its own, from the common stream."""
    return int(_State.generator.integers(2**63))

"""The one source of randomness: initial weights, the order of the samples, dropout's seeds.

`fastconv.utils.set_random_seed` restarts it; everything that fastconv draws afterwards is then the
same in every run, whatever the number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from fastconv.common.arguments import normalize_int


class _State:
    generator = np.random.default_rng()
    borrowed = threading.RLock()


def set_seed(seed: int) -> None:
    """Restart the stream of random numbers from `seed`, an integer of at least 0."""
    _State.generator = np.random.default_rng(seed)


def generator() -> np.random.Generator:
    """The generator that everything unseeded draws from."""
    return _State.generator


def state() -> dict[str, Any]:
    """Where the stream is, as plain data."""
    return dict(_State.generator.bit_generator.state)


def check(state: Any) -> None:
    """ValueError unless `state` is one that `restore` can go to."""
    present = _State.generator.bit_generator
    trial = type(present)()
    try:
        trial.state = state
        taken = _same(trial.state, state)
    except Exception as error:  # NumPy has one for every kind of damage
        raise ValueError(f"the state of the random numbers is damaged: {error}") from None
    if not taken:
        raise ValueError(
            f"the state of the random numbers must be that of a {type(present).__name__}"
        )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(_same(each, other[key]) for key, each in one.items())
        )
    return type(one) is type(other) and bool(np.all(one == other))


def restore(state: dict) -> None:
    """Go back, or forward, to where the stream was."""
    _State.generator.bit_generator.state = state


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A stream of its own for the block, begun at `seed`; then the common stream goes on.

    The generator is the whole process's, since layers may draw in threads of their own:
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


class SeedGenerator:
    """A stream of random numbers.

    Args:
        seed: integer of at least 0 that determines the numbers; None for one that is drawn.
        name: shown by `repr`.

    Raises TypeError for a seed that is not an integer, ValueError for a negative one.
    """

    initial_seed: int
    name: str
    generator: np.random.Generator

    def __init__(self, seed: int | None = None, name: str | None = None):
        drawn = draw_seed() if seed is None else normalize_int(seed, "seed", minimum=0)
        self.initial_seed, self.name = drawn, name or "seed_generator"
        self.generator = np.random.default_rng(drawn)

    def next(self) -> int:
        """Return a seed that no earlier call returned."""
        return int(self.generator.integers(2**63))

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.initial_seed}

    def described(self) -> dict[str, Any]:
        """Return the generator as part of a configuration in Keras's files."""
        names = {"module": "keras.random", "class_name": "SeedGenerator", "registered_name": None}
        return names | {"config": self.get_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)

    def __repr__(self) -> str:
        return f"<SeedGenerator {self.name} seed={self.initial_seed}>"


def generator_of(seed: Any) -> np.random.Generator:
    """The generator of a `SeedGenerator`, one that begins at an integer, or the common one."""
    if isinstance(seed, np.random.Generator):
        return seed
    if seed is None:
        return generator()
    if isinstance(seed, SeedGenerator):
        return seed.generator
    return np.random.default_rng(normalize_int(seed, "seed", minimum=0))


_ELEMENT: ContextVar[list[int] | None] = ContextVar("element", default=None)


@contextmanager
def for_element(key: tuple[int, ...]) -> Iterator[None]:
    """Number the draws of the block, which computes an element of a data set, by `key` instead of
    in the order of calls: threads may compute elements in any order."""
    token = _ELEMENT.set([0, *key])
    try:
        yield
    finally:
        _ELEMENT.reset(token)


def element_draw() -> int | None:
    """Return the number of the next draw in the element that is computed; None outside of one."""
    element = _ELEMENT.get()
    if element is None:
        return None
    element[0] += 1
    return int(np.random.SeedSequence(element).generate_state(1, np.uint64)[0] >> 2)

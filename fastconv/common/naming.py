"""Names of layers that the user did not name, counted as in Keras: `conv2d`, `conv2d_1`."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

_used: Counter[str] = Counter()


def snake_case(class_name: str) -> str:
    """`MaxPooling2D` -> `max_pooling2d`, `ReLU` -> `re_lu`, as in Keras's files and summaries.

    >>> [snake_case(name) for name in ("Conv2D", "MaxPooling2D", "LeakyReLU", "RMSprop")]
    ['conv2d', 'max_pooling2d', 'leaky_re_lu', 'rm_sprop']
    """
    words = re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", class_name)
    return words.lower()


def is_builtin(thing: Any) -> bool:
    """Whether a class or function is fastconv's own."""
    return (thing.__module__ or "").partition(".")[0] == "fastconv"


def numbered(prefix: str, counter: Counter[str]) -> str:
    """`prefix` at first, then `prefix_1`, `prefix_2` ...; `counter` remembers.

    >>> seen = Counter()
    >>> [numbered("dense", seen) for _ in range(3)]
    ['dense', 'dense_1', 'dense_2']
    """
    count = counter[prefix]
    counter[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


def unique_name(class_name: str) -> str:
    """A name for a new object of the class, unlike all that this process has made before."""
    return numbered(snake_case(class_name), _used)


def reset() -> None:
    """Start counting again, so that the next convolution is `conv2d`."""
    _used.clear()

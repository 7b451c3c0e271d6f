"""Bytes and counts as people read them."""

from __future__ import annotations


def human_bytes(count: float) -> str:
    """`count` bytes in a unit of 1024, 1024^2 or 1024^3 bytes, as the lectures write them.

    >>> human_bytes(3 * 1024**2)
    '3.0 MB'
    """
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} GB"


def short_count(count: float) -> str:
    """`count` with three digits and a letter.

    >>> [short_count(n) for n in (0, 650, 18_496, 2_230_272)]
    ['0', '650', '18.5 k', '2.23 M']
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return f"{count:.0f}"


def human_count(count: float) -> str:
    """`count` with three digits and a word.

    >>> human_count(138357544), human_count(55744), human_count(320)
    ('138 million', '55.7 thousand', '320')
    """
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if count >= size:
            return f"{count / size:.3g} {word}"
    return f"{count:.0f}"

"""Arguments that are a padding or a shape; every size fits in 64 bits."""

from __future__ import annotations

from typing import Any

from fastconv.common.arguments import INT64_MAX, integer_part, plain
from fastconv.common.suggestions import did_you_mean

Shape = tuple[int | None, ...]  # of a tensor; None: a size that is not known yet
Sides = tuple[tuple[int, int], tuple[int, int]]  # ((top, bottom), (left, right))

_LARGEST_ITEM_BYTES = 8  # float64: a shape that passes here is addressable in either dtype
_PADDING_FORMS = '"valid", "same", an int, (ph, pw) or ((top, bottom), (left, right))'


def normalize_padding(padding: Any, name: str = "padding") -> str | Sides:
    """Return "valid", "same" or ((top, bottom), (left, right)) for any accepted form of `padding`.

    Raises ValueError for an unknown string (the message lists the forms), a negative number or a
    wrong number of parts, TypeError for a part that is not an integer.

    >>> normalize_padding("SAME"), normalize_padding(1), normalize_padding((1, 2))
    ('same', ((1, 1), (1, 1)), ((1, 1), (2, 2)))
    """
    value = plain(padding)
    if isinstance(value, str):
        return padding_word(value, name, padding)
    parts = value if isinstance(value, (tuple, list)) else (value, value)
    parts = [plain(part) for part in parts]
    if not any(isinstance(part, (tuple, list)) for part in parts):
        parts = [(part, part) for part in parts]  # one number is for both ends of its axis
    if [len(part) if isinstance(part, (tuple, list)) else 1 for part in parts] != [2, 2]:
        raise ValueError(f"`{name}` must be {_PADDING_FORMS}, received {padding!r}")
    (top, bottom), (left, right) = (
        [integer_part(end, name, padding, 0, _PADDING_FORMS) for end in part] for part in parts
    )
    return (top, bottom), (left, right)


def padding_word(word: str, name: str, received: Any) -> str:
    """Return "valid" or "same" in lower case; ValueError for another word, with the argument
    `received` in the message."""
    if word.lower() not in ("valid", "same"):
        raise ValueError(
            f"`{name}` must be {_PADDING_FORMS}, received {received!r}"
            f"{did_you_mean(received, ('valid', 'same'))}"
        )
    return word.lower()


def sample_sizes(shape: Shape) -> tuple[int, ...]:
    """Return the sizes after the batch axis; ValueError unless all are known.

    >>> sample_sizes((None, 28, 28, 1))
    (28, 28, 1)
    """
    sizes = tuple(size for size in shape[1:] if size is not None)
    if len(sizes) < len(shape) - 1:
        raise ValueError(f"all sizes after the batch axis must be known, received shape {shape}")
    return sizes


def channels_of(shape: Shape) -> int:
    """Return the last size; ValueError unless it is known.

    >>> channels_of((None, None, None, 3))
    3
    """
    return sample_sizes((None, shape[-1]))[0]


def normalize_shape(shape: Any, name: str, axes: str) -> tuple[int, ...]:
    """Return `shape` as a tuple of ints with one entry per name in `axes`, such as "N, H, W, C".

    The batch axis "N" may be 0. Raises ValueError for a wrong rank or an empty dimension, TypeError
    for an entry that is not an integer.

    >>> normalize_shape([8, 28, 28, 1], "input_shape", "N, H, W, C")
    (8, 28, 28, 1)
    """
    names = axes.split(", ")
    sizes = plain(shape)
    if not isinstance(sizes, (tuple, list)):
        raise TypeError(f"`{name}` must be a shape ({axes}), received {shape!r}")
    if len(sizes) != len(names):
        raise ValueError(
            f"`{name}` must have {len(names)} dimensions ({axes}), "
            f"received shape {tuple(sizes)} with {len(sizes)}"
        )
    wanted = f"a shape ({axes}) of integers"
    sizes = tuple(integer_part(size, name, shape, 0, wanted) for size in sizes)
    for axis, size in zip(names, sizes, strict=True):
        if size == 0 and axis != "N":
            raise ValueError(
                f"`{name}` ({axes}) must not be empty along {axis}, received shape {sizes}"
            )
    return sizes


def checked_product(sizes: Any, what: str) -> int:
    """Return the product of `sizes`; ValueError if `what` does not fit in a signed 64-bit integer.

    >>> checked_product((2, 3, 4), "the output")
    24
    >>> checked_product((2**40, 2**40), "the output")
    Traceback (most recent call last):
    ValueError: the output is too large: 1099511627776 x 1099511627776 does not fit in 64 bits
    """
    product = 1
    for size in sizes:
        product *= size
    if product > INT64_MAX:
        factors = " x ".join(map(str, sizes))
        raise ValueError(f"{what} is too large: {factors} does not fit in 64 bits")
    return product


def check_bytes(shape: tuple[int, ...], what: str) -> None:
    """Raise ValueError if an array of `shape` does not fit in 64 bits, in bytes of either dtype."""
    what = f"{what} (in bytes, {_LARGEST_ITEM_BYTES} per element)"
    checked_product((*shape, _LARGEST_ITEM_BYTES), what)

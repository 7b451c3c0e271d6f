"""Arguments that are integers: one, a pair, a padding, a shape.

NumPy's integers and arrays are accepted in every place of a Python integer or a sequence. Every
number fits in 64 bits.
"""

from __future__ import annotations

from typing import Any

from fastconv.common.arguments import as_integer
from fastconv.common.suggestions import did_you_mean

Shape = tuple[int | None, ...]  # of a tensor; None: a size that is not known yet
Sides = tuple[tuple[int, int], tuple[int, int]]  # ((top, bottom), (left, right))

INT64_MAX = 2**63 - 1

_LARGEST_ITEM_BYTES = 8  # float64: a shape that passes here is addressable in either dtype
_INT_OR_PAIR = "an integer or a pair of integers"
_PADDING_FORMS = '"valid", "same", an int, (ph, pw) or ((top, bottom), (left, right))'


def normalize_int(value: Any, name: str, *, minimum: int = 1) -> int:
    """Return `value` as a Python int of at least `minimum` that fits in 64 bits.

    Accepts any integer type (`np.int64(3)` too); a bool, a float (even 2.0), a string or a sequence
    raises TypeError; a number out of range raises ValueError.

    >>> normalize_int(3, "groups")
    3
    >>> normalize_int(0, "groups")
    Traceback (most recent call last):
    ValueError: `groups` must be positive, received 0
    """
    return _integer(_plain(value), name, value, minimum, "an integer")


def normalize_pair(value: Any, name: str, *, minimum: int = 1) -> tuple[int, int]:
    """Return an int-or-pair argument as (rows, columns), both at least `minimum`.

    Raises TypeError if a part is not an integer, ValueError if one is out of range or their count
    is not two.

    >>> normalize_pair(2, "strides"), normalize_pair([2, 1], "strides")
    ((2, 2), (2, 1))
    >>> normalize_pair((0, 1), "strides")
    Traceback (most recent call last):
    ValueError: `strides` must be positive, received (0, 1)
    """
    plain = _plain(value)
    if not isinstance(plain, (tuple, list)):
        plain = (plain, plain)
    elif len(plain) != 2:
        raise ValueError(f"`{name}` must be {_INT_OR_PAIR}, received {value!r} with {len(plain)}")
    rows, columns = (_integer(part, name, value, minimum, _INT_OR_PAIR) for part in plain)
    return rows, columns


def normalize_padding(padding: Any, name: str = "padding") -> str | Sides:
    """Return "valid", "same" or ((top, bottom), (left, right)) for any accepted form of `padding`.

    Raises ValueError for an unknown string (the message lists the forms), a negative number or a
    wrong number of parts, TypeError for a part that is not an integer.

    >>> normalize_padding("SAME"), normalize_padding(1), normalize_padding((1, 2))
    ('same', ((1, 1), (1, 1)), ((1, 1), (2, 2)))
    """
    plain = _plain(padding)
    if isinstance(plain, str):
        if plain.lower() not in ("valid", "same"):
            raise ValueError(
                f"`{name}` must be {_PADDING_FORMS}, received {padding!r}"
                f"{did_you_mean(padding, ('valid', 'same'))}"
            )
        return plain.lower()
    parts = plain if isinstance(plain, (tuple, list)) else (plain, plain)
    parts = [_plain(part) for part in parts]
    if not any(isinstance(part, (tuple, list)) for part in parts):
        parts = [(part, part) for part in parts]  # one number is for both ends of its axis
    if [len(part) if isinstance(part, (tuple, list)) else 1 for part in parts] != [2, 2]:
        raise ValueError(f"`{name}` must be {_PADDING_FORMS}, received {padding!r}")
    (top, bottom), (left, right) = (
        [_integer(end, name, padding, 0, _PADDING_FORMS) for end in part] for part in parts
    )
    return (top, bottom), (left, right)


def normalize_shape(shape: Any, name: str, axes: str) -> tuple[int, ...]:
    """Return `shape` as a tuple of ints with one entry per name in `axes`, such as "N, H, W, C".

    The batch axis "N" may be 0. Raises ValueError for a wrong rank or an empty dimension, TypeError
    for an entry that is not an integer.

    >>> normalize_shape([8, 28, 28, 1], "input_shape", "N, H, W, C")
    (8, 28, 28, 1)
    """
    names = axes.split(", ")
    plain = _plain(shape)
    if not isinstance(plain, (tuple, list)):
        raise TypeError(f"`{name}` must be a shape ({axes}), received {shape!r}")
    if len(plain) != len(names):
        raise ValueError(
            f"`{name}` must have {len(names)} dimensions ({axes}), "
            f"received shape {tuple(plain)} with {len(plain)}"
        )
    wanted = f"a shape ({axes}) of integers"
    sizes = tuple(_integer(size, name, shape, 0, wanted) for size in plain)
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


def _plain(value: Any) -> Any:
    """Convert NumPy scalars and arrays to Python objects, so that one rule checks both."""
    return value.tolist() if hasattr(value, "tolist") else value


def _integer(part: Any, name: str, received: Any, minimum: int, wanted: str) -> int:
    """Return one integer of an argument; `received` is the whole argument, for the message."""
    number = as_integer(part)
    if number is None:
        kind = type(part).__name__
        raise TypeError(f"`{name}` must be {wanted}, received {received!r} ({kind})")
    if number < minimum:
        bound = {0: "not be negative", 1: "be positive"}.get(minimum, f"be at least {minimum}")
        raise ValueError(f"`{name}` must {bound}, received {received!r}")
    if number > INT64_MAX:
        raise ValueError(f"`{name}` must fit in 64 bits, received {received!r}")
    return number

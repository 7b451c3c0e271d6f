"""Windows along one axis, and along both axes of an image: span, padding, output size."""

from __future__ import annotations

from typing import Any

from fastconv.common.arguments import INT64_MAX, normalize_int, normalize_pair
from fastconv.shapes.arguments import Sides, padding_word


def effective_kernel(kernel: int, dilation: int = 1) -> int:
    """Return the number of elements spanned by `kernel` taps: (kernel - 1) * dilation + 1.

    >>> effective_kernel(3, 2)
    5
    """
    span = (kernel - 1) * dilation + 1
    if span > INT64_MAX:
        raise ValueError(
            f"a kernel of {kernel} taps with `dilation_rate` {dilation} spans {span} elements, "
            "which does not fit in 64 bits"
        )
    return span


def same_padding(length: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Return the (before, after) padding of "same", for ceil(length / stride) windows.

    >>> same_padding(28, 3), same_padding(28, 3, 2)
    ((1, 1), (0, 1))
    """
    windows = -(-length // stride)
    total = max((windows - 1) * stride + effective_kernel(kernel, dilation) - length, 0)
    return total // 2, total - total // 2


def conv_output_length(
    length: int, kernel: int, stride: int = 1, padding: Any = "valid", dilation: int = 1
) -> int:
    """Return the window count of an axis; `padding` is "valid", "same", an int or (before, after).

    Raises ValueError if the window is larger than the padded axis, and as `normalize_int`.

    >>> conv_output_length(227, 11, stride=4)
    55
    >>> conv_output_length(7, 3, stride=3)
    2
    >>> conv_output_length(28, 3, stride=2, padding="same")
    14
    """
    length = normalize_int(length, "length")
    kernel, stride = normalize_int(kernel, "kernel"), normalize_int(stride, "stride")
    dilation = normalize_int(dilation, "dilation")
    sides = (
        padding_word(padding, "padding", padding)
        if isinstance(padding, str)
        else normalize_pair(padding, "padding", minimum=0)
    )
    before, after = _resolve_axis(length, kernel, stride, dilation, sides)
    span = effective_kernel(kernel, dilation)
    if span > before + length + after:
        raise ValueError(
            f"the effective kernel ({span}) is larger than the padded input "
            f"({before + length + after})"
        )
    return (before + length + after - span) // stride + 1


def _resolve_axis(
    length: int, kernel: int, stride: int, dilation: int, sides: str | tuple[int, int]
) -> tuple[int, int]:
    """Return (before, after) of one axis; the padded length fits in 64 bits."""
    if isinstance(sides, tuple):
        before, after = sides
    elif sides == "same":
        before, after = same_padding(length, kernel, stride, dilation)
    else:
        before, after = 0, 0
    if before + length + after > INT64_MAX:
        raise ValueError(
            f"`padding` ({before}, {after}) around {length} elements gives a padded length "
            "that does not fit in 64 bits"
        )
    return before, after


def resolve_window(
    size: tuple[int, int],
    window: tuple[int, int],
    strides: tuple[int, int],
    dilation: tuple[int, int],
    padding: str | Sides,
    window_name: str,
) -> tuple[tuple[int, int], Sides]:
    """Return ((out_h, out_w), ((top, bottom), (left, right))) for both axes."""
    spans = tuple(map(effective_kernel, window, dilation))
    sides = (padding, padding) if isinstance(padding, str) else padding
    (top, bottom), (left, right) = map(_resolve_axis, size, window, strides, dilation, sides)
    padded = (top + size[0] + bottom, left + size[1] + right)
    if spans[0] > padded[0] or spans[1] > padded[1]:
        raise ValueError(
            f"the {window_name} {spans} is larger than the padded input {padded}; "
            "use a smaller window, less dilation or more padding"
        )
    out_h, out_w = ((padded[axis] - spans[axis]) // strides[axis] + 1 for axis in (0, 1))
    return (out_h, out_w), ((top, bottom), (left, right))

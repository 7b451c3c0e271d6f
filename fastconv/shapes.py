"""The integer rules of convolution and pooling: output sizes and validity of arguments.

All functions are arithmetic on Python integers, without arrays: a layer can compute the shape of an
output without computing the output, and an invalid request is refused before memory is allocated.

A window of k taps slides over an axis of n elements with stride s. With dilation d, taps are d
elements apart, so the window spans k' = (k - 1) d + 1 elements; padding adds `before` and `after`
elements at the ends:

    before = 1        n = 7                  after = 1        k = 3, d = 1, s = 2
       .   [ a   b   c   d   e   f   g ]   .
      |--- y0 ---|
               |--- y1 ---|
                       |--- y2 ---|
                               |--- y3 ---|

    out = floor((before + n + after - k') / s) + 1      the window must fit at least once

`padding` is one of

    "valid"                          before = after = 0
    "same"                           out = ceil(n / s), total = max((out - 1) s + k' - n, 0),
                                     before = total // 2, after = total - before: an odd total
                                     puts the extra element at the end
    p                                p elements on all four sides
    (ph, pw)                         ph rows above and below, pw columns left and right
    ((top, bottom), (left, right))   each side separately

`conv2d_geometry` and `pool2d_geometry` convert the arguments of an operation into one validated
record of plain integers, which is the only input of the kernels. It satisfies the following
conditions:

- every size and every hyper-parameter is an integer that fits in 64 bits (a bool or a float is a
  TypeError);
- every dimension but the batch is at least 1;
- the bytes of the input, the padded image, the filters and the output fit in 64 bits, at 8 bytes
  per element;
- the rows of the padded image under one window fit in 64 bits as well, with room for a few more;
- a pooling window always covers at least one element of the image.

The record contains the numbers as given. `compact` returns the record that the kernels use:
strides, dilations and paddings beyond the size of the image are reduced to equivalent smaller ones.

The formulas are those of Keras (`same` is asymmetric when strides make it so) and of Dumoulin &
Visin, *A guide to convolution arithmetic for deep learning* (arXiv 1603.07285).
"""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

from fastconv._sparse import Axis
from fastconv.common.suggestions import did_you_mean

Sides = tuple[tuple[int, int], tuple[int, int]]  # ((top, bottom), (left, right))

PADDING_MODES = ("zeros", "edge", "reflect")

_INT32_MAX = 2**31 - 1  # positions in a pooling window: the index of a maximum has 32 bits
_INT64_MAX = 2**63 - 1
_LARGEST_ITEM_BYTES = 8  # float64: a shape that passes here is addressable in either dtype
_INT_OR_PAIR = "an integer or a pair of integers"
_PADDING_FORMS = '"valid", "same", an int, (ph, pw) or ((top, bottom), (left, right))'


# ----------------------------------------------------------------------------------------- records


class Conv2DGeometry(NamedTuple):
    """One 2-D convolution with all arguments resolved.

    x (N, H, W, C), w (KH, KW, C / groups, K), y (N, OH, OW, K).
    """

    batch: int
    height: int
    width: int
    channels: int
    kernel_h: int
    kernel_w: int
    filters: int
    out_h: int
    out_w: int
    stride_h: int
    stride_w: int
    pad_top: int
    pad_bottom: int
    pad_left: int
    pad_right: int
    dilation_h: int
    dilation_w: int
    groups: int
    padding_mode: str

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C)"""
        return (self.batch, self.height, self.width, self.channels)

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """(KH, KW, C / groups, K)"""
        return (self.kernel_h, self.kernel_w, self.channels // self.groups, self.filters)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, OH, OW, K)"""
        return (self.batch, self.out_h, self.out_w, self.filters)

    @property
    def padding(self) -> Sides:
        """((top, bottom), (left, right))"""
        return ((self.pad_top, self.pad_bottom), (self.pad_left, self.pad_right))

    def whole_windows(self, size: int) -> Conv2DGeometry:
        """Return the same convolution without the last outputs, which a pooling of ``size`` x
        ``size`` windows without overlap and without padding does not read.

        >>> conv2d_geometry((1, 13, 12, 1), (3, 3, 1, 8)).whole_windows(2).output_shape
        (1, 10, 10, 8)
        """
        return self._replace(out_h=self.out_h // size * size, out_w=self.out_w // size * size)

    def compact(self) -> Conv2DGeometry:
        """Return the same convolution with numbers beyond the size of the image replaced by
        equivalent smaller ones (`fastconv._sparse`); the record itself if it has none.

        >>> geometry = conv2d_geometry((1, 4, 4, 1), (3, 3, 1, 1), strides=2**62)
        >>> geometry.compact().stride_h
        7
        """
        rows = Axis(
            self.height, self.kernel_h, self.dilation_h,
            self.out_h, self.stride_h, self.pad_top, self.pad_bottom,
        )  # fmt: skip
        columns = Axis(
            self.width, self.kernel_w, self.dilation_w,
            self.out_w, self.stride_w, self.pad_left, self.pad_right,
        )  # fmt: skip
        if not (rows.is_sparse() or columns.is_sparse()):
            return self
        mirrored = self.padding_mode == "reflect"
        rows, columns = rows.compact(mirrored), columns.compact(mirrored)
        return self._replace(
            dilation_h=rows.dilation,
            stride_h=rows.stride,
            pad_top=rows.before,
            pad_bottom=rows.after,
            dilation_w=columns.dilation,
            stride_w=columns.stride,
            pad_left=columns.before,
            pad_right=columns.after,
        )


class Pool2DGeometry(NamedTuple):
    """One 2-D pooling with all arguments resolved: x (N, H, W, C), y (N, OH, OW, C)."""

    batch: int
    height: int
    width: int
    channels: int
    pool_h: int
    pool_w: int
    out_h: int
    out_w: int
    stride_h: int
    stride_w: int
    pad_top: int
    pad_bottom: int
    pad_left: int
    pad_right: int

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C)"""
        return (self.batch, self.height, self.width, self.channels)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, OH, OW, C)"""
        return (self.batch, self.out_h, self.out_w, self.channels)

    @property
    def padding(self) -> Sides:
        """((top, bottom), (left, right))"""
        return ((self.pad_top, self.pad_bottom), (self.pad_left, self.pad_right))

    def compact(self) -> Pool2DGeometry:
        """Return the same pooling with strides of at most the size of window plus image: larger
        ones also leave a single window on the image.

        >>> pool2d_geometry((1, 4, 4, 1), pool_size=2, strides=2**62).compact().stride_h
        6
        """
        return self._replace(
            stride_h=min(self.stride_h, self.pool_h + self.height),
            stride_w=min(self.stride_w, self.pool_w + self.width),
        )


# ---------------------------------------------------------------------- integers, pairs and shapes


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
    if product > _INT64_MAX:
        factors = " x ".join(map(str, sizes))
        raise ValueError(f"{what} is too large: {factors} does not fit in 64 bits")
    return product


def _plain(value: Any) -> Any:
    """Convert NumPy scalars and arrays to Python objects, so that one rule checks both."""
    return value.tolist() if hasattr(value, "tolist") else value


def _integer(part: Any, name: str, received: Any, minimum: int, wanted: str) -> int:
    """Return one integer of an argument; `received` is the whole argument, for the message."""
    try:
        if isinstance(part, bool):  # an int in Python, but always a mistake as a size
            raise TypeError
        number = operator.index(part)
    except TypeError:
        kind = type(part).__name__
        raise TypeError(f"`{name}` must be {wanted}, received {received!r} ({kind})") from None
    if number < minimum:
        bound = {0: "not be negative", 1: "be positive"}.get(minimum, f"be at least {minimum}")
        raise ValueError(f"`{name}` must {bound}, received {received!r}")
    if number > _INT64_MAX:
        raise ValueError(f"`{name}` must fit in 64 bits, received {received!r}")
    return number


def shared_slopes(sample: tuple[int, ...], alpha: tuple[int, ...]) -> int:
    """Return the number of neighbouring elements of a sample that share a slope of a PReLU.

    `alpha` is the shape of a sample with 1 along shared axes, which must be first or last.

    >>> shared_slopes((8, 8, 3), (1, 1, 3)), shared_slopes((8, 8, 3), (8, 8, 1))
    (1, 3)
    >>> shared_slopes((8, 8, 3), (8, 1, 3))
    Traceback (most recent call last):
    ValueError: slopes of shape (8, 1, 3) do not fit samples of shape (8, 8, 3): they must have \
the same sizes, or 1 along the first axes, the last axes or both
    """
    own = [axis for axis, size in enumerate(alpha) if size != 1]
    first, last = (own[0], own[-1] + 1) if own else (len(alpha), len(alpha))
    if len(sample) != len(alpha) or sample[first:last] != alpha[first:last]:
        raise ValueError(
            f"slopes of shape {alpha} do not fit samples of shape {sample}: they must have the "
            "same sizes, or 1 along the first axes, the last axes or both"
        )
    return math.prod(sample[last:]) if own else math.prod(sample)


# ---------------------------------------------------------------------------------------- one axis


def effective_kernel(kernel: int, dilation: int = 1) -> int:
    """Return the number of elements spanned by `kernel` taps: (kernel - 1) * dilation + 1.

    >>> effective_kernel(3, 2)
    5
    """
    span = (kernel - 1) * dilation + 1
    if span > _INT64_MAX:
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
    if isinstance(padding, str):
        sides = normalize_padding(padding)
    else:
        sides = normalize_pair(padding, "padding", minimum=0)
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
    if sides == "valid":
        sides = (0, 0)
    elif sides == "same":
        sides = same_padding(length, kernel, stride, dilation)
    before, after = sides
    if before + length + after > _INT64_MAX:
        raise ValueError(
            f"`padding` ({before}, {after}) around {length} elements gives a padded length "
            "that does not fit in 64 bits"
        )
    return before, after


def _resolve_window(
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
    out = tuple((padded[axis] - spans[axis]) // strides[axis] + 1 for axis in (0, 1))
    return out, ((top, bottom), (left, right))


def _check_bytes(shape: tuple[int, ...], what: str) -> None:
    what = f"{what} (in bytes, {_LARGEST_ITEM_BYTES} per element)"
    checked_product((*shape, _LARGEST_ITEM_BYTES), what)


# ---------------------------------------------------------------------------------- the operations


def conv2d_geometry(
    input_shape: Any,
    kernel_shape: Any,
    *,
    strides: Any = 1,
    padding: Any = "valid",
    padding_mode: str = "zeros",
    dilation_rate: Any = 1,
    groups: Any = 1,
    input_name: str = "input_shape",
    kernel_name: str = "kernel_shape",
) -> Conv2DGeometry:
    """Resolve a 2-D convolution of x (N, H, W, C) with w (KH, KW, C / groups, K).

    `strides` and `dilation_rate` are an int or a pair, `padding` any form in the module docstring.
    `padding_mode` is the content of the padding: "zeros", "edge" (the border repeated) or "reflect"
    (mirrored without repeating the border, so the padding must be smaller than the image). Filter k
    belongs to group k // (K / groups) and reads only the channels of that group. `input_name` and
    `kernel_name` are the names of the two shapes in error messages.

    Raises ValueError for arguments that do not describe a convolution and TypeError for numbers
    that are not integers.

    >>> geometry = conv2d_geometry((8, 28, 28, 1), (3, 3, 1, 32))
    >>> geometry.output_shape
    (8, 26, 26, 32)
    >>> geometry = conv2d_geometry((1, 224, 224, 3), (7, 7, 3, 64), strides=2, padding="same")
    >>> geometry.output_shape, geometry.padding
    ((1, 112, 112, 64), ((2, 3), (2, 3)))
    """
    batch, height, width, channels = normalize_shape(input_shape, input_name, "N, H, W, C")
    kernel = normalize_shape(kernel_shape, kernel_name, "KH, KW, C / groups, K")
    kernel_h, kernel_w, group_channels, filters = kernel
    stride_h, stride_w = normalize_pair(strides, "strides")
    dilation_h, dilation_w = normalize_pair(dilation_rate, "dilation_rate")
    groups = normalize_int(groups, "groups")
    sides = normalize_padding(padding)
    if not isinstance(padding_mode, str):
        raise TypeError(f"`padding_mode` must be a string, received {padding_mode!r}")
    if padding_mode not in PADDING_MODES:
        options = ", ".join(f'"{mode}"' for mode in PADDING_MODES)
        raise ValueError(
            f"`padding_mode` must be one of {options}, received {padding_mode!r}"
            f"{did_you_mean(padding_mode, PADDING_MODES)}"
        )

    if channels % groups:
        raise ValueError(
            f"the channels of `{input_name}` (={channels}) must be divisible by "
            f"`groups` (={groups})"
        )
    if filters % groups:
        raise ValueError(
            f"the filters of `{kernel_name}` (={filters}) must be divisible by `groups` (={groups})"
        )
    if group_channels * groups != channels:
        raise ValueError(
            f"`{kernel_name}` must have {channels // groups} input channels to match "
            f"`{input_name}` with {channels} channels in {groups} group(s), "
            f"received {group_channels} in shape {kernel}"
        )

    (out_h, out_w), ((top, bottom), (left, right)) = _resolve_window(
        (height, width),
        (kernel_h, kernel_w),
        (stride_h, stride_w),
        (dilation_h, dilation_w),
        sides,
        "effective kernel",
    )
    if padding_mode == "reflect" and (max(top, bottom) >= height or max(left, right) >= width):
        raise ValueError(
            '`padding` must be smaller than the image for `padding_mode` "reflect", received '
            f"{((top, bottom), (left, right))} for a height and width of {(height, width)}"
        )
    padded = (top + height + bottom, left + width + right)
    _check_bytes((batch, height, width, channels), f"the input `{input_name}`")
    _check_bytes((*padded, channels), "the padded image")
    _check_bytes(kernel, f"the kernel `{kernel_name}`")
    _check_bytes((batch, out_h, out_w, filters), "the output")
    geometry = Conv2DGeometry(
        batch=batch,
        height=height,
        width=width,
        channels=channels,
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        filters=filters,
        out_h=out_h,
        out_w=out_w,
        stride_h=stride_h,
        stride_w=stride_w,
        pad_top=top,
        pad_bottom=bottom,
        pad_left=left,
        pad_right=right,
        dilation_h=dilation_h,
        dilation_w=dilation_w,
        groups=groups,
        padding_mode=padding_mode,
    )
    compact = geometry.compact()
    rows = 4 * (effective_kernel(kernel_h, compact.dilation_h) + compact.stride_h + height)
    columns = compact.pad_left + width + compact.pad_right + compact.stride_w
    _check_bytes((rows, columns, max(channels, filters)), "a window of the padded image")
    return geometry


def pool2d_geometry(
    input_shape: Any,
    *,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    input_name: str = "input_shape",
) -> Pool2DGeometry:
    """Resolve a 2-D pooling of x (N, H, W, C) by windows of `pool_size`, `strides` apart.

    `pool_size` and `strides` are an int or a pair; `strides=None` means `pool_size`.

    Padding is excluded from a maximum or an average, so a window that covers only padding does not
    have a value: such a `padding` raises ValueError, as does a window larger than the padded input.
    Raises TypeError for numbers that are not integers.

    >>> pool2d_geometry((8, 13, 13, 64)).output_shape
    (8, 6, 6, 64)
    >>> pool2d_geometry((8, 13, 13, 64), padding="same").output_shape
    (8, 7, 7, 64)
    """
    batch, height, width, channels = normalize_shape(input_shape, input_name, "N, H, W, C")
    pool_h, pool_w = normalize_pair(pool_size, "pool_size")
    stride_h, stride_w = (pool_h, pool_w) if strides is None else normalize_pair(strides, "strides")
    if pool_h * pool_w > _INT32_MAX:
        raise ValueError(
            f"`pool_size` must have at most {_INT32_MAX} places in all, received {pool_size!r}"
        )
    sides = normalize_padding(padding)
    (out_h, out_w), ((top, bottom), (left, right)) = _resolve_window(
        (height, width), (pool_h, pool_w), (stride_h, stride_w), (1, 1), sides, "pool window"
    )
    # The windows are in order: it suffices that the first ends, and the last starts, in the image.
    last_row, last_column = (out_h - 1) * stride_h - top, (out_w - 1) * stride_w - left
    if top >= pool_h or left >= pool_w or last_row >= height or last_column >= width:
        raise ValueError(
            f"`padding` {((top, bottom), (left, right))} leaves a pool window of "
            f"{(pool_h, pool_w)} wholly in the padding of an image of {(height, width)}; "
            "every window must cover at least one pixel"
        )
    padded = (top + height + bottom, left + width + right)
    _check_bytes((batch, height, width, channels), f"the input `{input_name}`")
    _check_bytes((*padded, channels), "the padded image")
    _check_bytes((batch, out_h, out_w, channels), "the output")
    return Pool2DGeometry(
        batch=batch,
        height=height,
        width=width,
        channels=channels,
        pool_h=pool_h,
        pool_w=pool_w,
        out_h=out_h,
        out_w=out_w,
        stride_h=stride_h,
        stride_w=stride_w,
        pad_top=top,
        pad_bottom=bottom,
        pad_left=left,
        pad_right=right,
    )

"""2-D convolution and its two gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import runtime, shapes
from fastconv._ext import _algorithm, _conv
from fastconv.common.literals import (
    Algorithm,
    ConvolutionPass,
    FusedActivation,
    PaddingMode,
    WindowPadding,
)
from fastconv.ops import _validation as check
from fastconv.ops.activations import epilogue
from fastconv.ops.softmax import softmax_in_place


def conv2d(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    strides: Any = 1,
    padding: WindowPadding = "valid",
    padding_mode: PaddingMode = "zeros",
    dilation_rate: Any = 1,
    groups: int = 1,
    activation: FusedActivation | None = None,
    algorithm: Algorithm = "auto",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """Convolve images with filters: y = activation(sum over each window of x * w + b).

    Args:
        x: (N, H, W, C), float32 or float64. N may be 0.
        w: (KH, KW, C / groups, K), the dtype of `x`. It is not flipped (cross-correlation).
        b: (K,), the dtype of `x`, or None for no bias.
        strides: stride of the window, an int or (rows, columns).
        padding: "valid", "same", an int, (ph, pw) or ((top, bottom), (left, right)).
        padding_mode: values of the padding: "zeros", "edge" (the border repeated) or "reflect"
            (mirrored without repeating the border).
        dilation_rate: distance between the taps of a filter, an int or (rows, columns).
        groups: number of groups into which channels and filters are split; a filter reads only the
            channels of its group. `groups=C` is a depthwise convolution.
        activation: None, "linear", "relu", "leaky_relu" (slope 0.2), "sigmoid", "tanh" or "softmax"
            (over the filters).
        algorithm: "direct" sums the products of the definition, without an im2col buffer
            (Dukhan, *The Indirect Convolution Algorithm*, arXiv 1907.02129). "winograd4" and
            "winograd2" save up to four and 2.25 times the multiplications of 3x3 filters, the
            latter up to 2.8 times those of 5x5 filters, with stride and dilation 1 and one group
            (Lavin & Gray, arXiv 1509.09308); tiles are up to 4x4 and 2x2 outputs. With stride 2
            (tiles are not adapted to the image) they save up to 1.8 and 1.4 times the
            multiplications of 3x3 filters (Yepez & Ko, IEEE TVLSI 28, 2020). Their relative error
            (L2) is about 1e-6 instead of 1e-7; a NaN spreads over its tile. "auto" estimates which
            is fastest for the shape; in float64 it never selects Winograd.
        out: array for y: writable, C-contiguous, of y's shape and dtype, no overlap with inputs.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`. The result
            is bit-identical for any number.

    Returns:
        y (N, OH, OW, K), the dtype of `x`: `out` if given. The sizes are those of
        `fastconv.shapes.conv2d_geometry`.

    Raises:
        TypeError: an operand is not a float32 or float64 array, dtypes differ, or a number is not
            an integer.
        ValueError: shapes do not match, the window is larger than the padded image, an option is
            unknown, or `out` is invalid.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> w = np.ones((3, 3, 1, 1))
    >>> ops.conv2d(x, w)[0, :, :, 0].tolist()
    [[45.0, 54.0], [81.0, 90.0]]
    >>> ops.conv2d(x, w, strides=2, padding="same").shape
    (1, 2, 2, 1)
    """
    x = check.check_float(x, "x")
    w = check.check_float(w, "w", x, "x")
    if b is not None:
        b = check.check_float(b, "b", x, "x")
    applied = check.check_activation(activation)
    geometry = shapes.conv2d_geometry(
        x.shape,
        w.shape,
        strides=strides,
        padding=padding,
        padding_mode=padding_mode,
        dilation_rate=dilation_rate,
        groups=groups,
        input_name="x",
        kernel_name="w",
    )
    if b is not None:
        check.check_shape(b, "b", (geometry.filters,), "with one value per filter of `w`")
    threads = runtime.resolve_num_threads(num_threads)
    y = check.result(out, geometry.output_shape, x, {"x": x, "w": w, "b": b})
    if geometry.batch:
        fused, slope = epilogue(applied)
        x, w, b = check.operand(x), check.operand(w), None if b is None else check.operand(b)
        _conv.conv2d_forward(geometry, x, w, b, y, fused, slope, algorithm).run(threads)
        if applied == "softmax":
            softmax_in_place(y, threads)
    else:  # refuses the algorithms that a larger batch refuses
        _algorithm.choose_algorithm(geometry, "forward", x.dtype, algorithm)
    return y if out is None else out


def conv2d_backward_input(
    dy: np.ndarray,
    w: np.ndarray,
    *,
    input_shape: Any,
    strides: Any = 1,
    padding: WindowPadding = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    algorithm: Algorithm = "auto",
    out: np.ndarray | None = None,
    num_threads: int | None = None,
) -> np.ndarray:
    """The gradient of a convolution (without activation) with respect to its input.

    Args:
        dy: (N, OH, OW, K), float32 or float64, the gradient with respect to the output.
        w: (KH, KW, C / groups, K), the filters of the forward pass, the dtype of `dy`.
        input_shape: (N, H, W, C) of the forward pass, which strides make ambiguous.
        strides, padding, dilation_rate, groups: as in the forward pass, with zero padding.
        algorithm, num_threads: as for `conv2d`; also "scatter" (one group, column dilation 1): the
            sums of "direct" as a matrix product and a scatter, for few channels.
        out: array for dx: writable, C-contiguous, of dx's shape and dtype, no overlap with inputs.

    Returns:
        dx (N, H, W, C), the dtype of `dy`: `out` if given. Pixels that no window covers get 0.

    Raises:
        TypeError, ValueError: as `conv2d`; also ValueError if `dy` does not have the output shape.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> dy, w = np.ones((1, 2, 2, 1)), np.arange(1.0, 5.0).reshape(2, 2, 1, 1)
    >>> ops.conv2d_backward_input(dy, w, input_shape=(1, 3, 3, 1))[0, :, :, 0].tolist()
    [[1.0, 3.0, 2.0], [4.0, 10.0, 6.0], [3.0, 7.0, 4.0]]
    """
    dy = check.check_float(dy, "dy")
    w = check.check_float(w, "w", dy, "dy")
    geometry = shapes.conv2d_geometry(
        input_shape,
        w.shape,
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        groups=groups,
        kernel_name="w",
    )
    check.check_shape(dy, "dy", geometry.output_shape, "as the output of the forward pass")
    threads = runtime.resolve_num_threads(num_threads)
    dx = check.result(out, geometry.input_shape, dy, {"dy": dy, "w": w})
    if geometry.batch:
        dy, w = check.operand(dy), check.operand(w)
        _conv.conv2d_backward_input(geometry, dy, w, dx, algorithm).run(threads)
    else:  # refuses the algorithms that a larger batch refuses
        _algorithm.choose_algorithm(geometry, "backward_input", dy.dtype, algorithm)
    return dx if out is None else out


def conv2d_backward_kernel(
    x: np.ndarray,
    dy: np.ndarray,
    *,
    kernel_size: Any,
    strides: Any = 1,
    padding: WindowPadding = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    algorithm: Algorithm = "auto",
    num_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of a convolution (without activation) with respect to its filters and bias.

    Args:
        x: (N, H, W, C), float32 or float64, the input of the forward pass.
        dy: (N, OH, OW, K), the dtype of `x`, the gradient with respect to the output.
        kernel_size: an int or (KH, KW), which strides make ambiguous.
        strides, padding, dilation_rate, groups: as in the forward pass, with zero padding.
        algorithm, num_threads: as for `conv2d`.

    Returns:
        dw (KH, KW, C / groups, K) and db (K,), the dtype of `x`; zeros for an empty batch.

    Raises:
        TypeError, ValueError: as `conv2d`; also ValueError if `dy` does not have the output shape.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> x, dy = np.arange(9.0).reshape(1, 3, 3, 1), np.ones((1, 2, 2, 1))
    >>> dw, db = ops.conv2d_backward_kernel(x, dy, kernel_size=2)
    >>> dw[:, :, 0, 0].tolist(), db.tolist()
    ([[8.0, 12.0], [20.0, 24.0]], [4.0])
    """
    x = check.check_float(x, "x")
    dy = check.check_float(dy, "dy", x, "x")
    channels = shapes.normalize_shape(x.shape, "x", "N, H, W, C")[3]
    filters = shapes.normalize_shape(dy.shape, "dy", "N, OH, OW, K")[3]
    kernel_h, kernel_w = shapes.normalize_pair(kernel_size, "kernel_size")
    groups = shapes.normalize_int(groups, "groups")
    geometry = shapes.conv2d_geometry(
        x.shape,
        # At least one channel per group, so that too many groups raise the error about groups.
        (kernel_h, kernel_w, max(channels // groups, 1), filters),
        strides=strides,
        padding=padding,
        dilation_rate=dilation_rate,
        groups=groups,
        input_name="x",
        kernel_name="dy",
    )
    check.check_shape(dy, "dy", geometry.output_shape, "as the output of the forward pass")
    threads = runtime.resolve_num_threads(num_threads)
    dtype = x.dtype.newbyteorder("=")
    dw, db = np.zeros(geometry.kernel_shape, dtype), np.zeros(geometry.filters, dtype)
    x, dy = check.operand(x), check.operand(dy)
    if geometry.batch:
        _conv.conv2d_backward_kernel(geometry, x, dy, dw, db, algorithm).run(threads)
    else:  # refuses the algorithms that a larger batch refuses
        _algorithm.choose_algorithm(geometry, "backward_kernel", x.dtype, algorithm)
    return dw, db


def conv2d_algorithm(
    input_shape: Any,
    kernel_shape: Any,
    pass_name: ConvolutionPass = "forward",
    *,
    strides: Any = 1,
    padding: WindowPadding = "valid",
    padding_mode: PaddingMode = "zeros",
    dilation_rate: Any = 1,
    groups: int = 1,
    dtype: Any = np.float32,
    algorithm: Algorithm = "auto",
    num_threads: int | None = None,
) -> dict[str, Any]:
    """Return how `conv2d` or one of its gradients runs for a shape, without running it.

    Args:
        input_shape: (N, H, W, C) of the images.
        kernel_shape: (KH, KW, C / groups, K) of the filters.
        pass_name: "forward", "backward_input" or "backward_kernel".
        strides, padding, padding_mode, dilation_rate, groups, algorithm, num_threads: as for
            `conv2d`.
        dtype: float32 or float64.

    Returns:
        A dict: "algorithm"; "variant", "store" and "items", for direct sums once per entry of
        "problems"; "phases", each (items, items per chunk, threads); "scratch_bytes" per thread and
        "shared_bytes". Other entries depend on the algorithm. Entries that determine the order of a
        sum are the same for every number of threads.

    Raises:
        TypeError, ValueError: as `conv2d`; also ValueError for an unknown pass.
        MemoryError: arrays of these shapes do not fit in the address space.

    >>> from fastconv import ops
    >>> ops.conv2d_algorithm((1, 56, 56, 64), (3, 3, 64, 64), padding="same")["algorithm"]
    'winograd4'
    """
    if pass_name not in ("forward", "backward_input", "backward_kernel"):
        raise ValueError(
            "`pass_name` must be one of 'forward', 'backward_input', 'backward_kernel', "
            f"received {pass_name!r}"
        )
    geometry = shapes.conv2d_geometry(
        input_shape,
        kernel_shape,
        strides=strides,
        padding=padding,
        padding_mode=padding_mode,
        dilation_rate=dilation_rate,
        groups=groups,
    )
    x, w, y = (
        np.empty(shape, dtype)
        for shape in (geometry.input_shape, geometry.kernel_shape, geometry.output_shape)
    )
    if pass_name == "forward":
        op = _conv.conv2d_forward(geometry, x, w, None, y, algorithm=algorithm)
    elif pass_name == "backward_input":
        op = _conv.conv2d_backward_input(geometry, y, w, x, algorithm)
    else:
        op = _conv.conv2d_backward_kernel(geometry, x, y, w, None, algorithm)
    return op.describe(runtime.resolve_num_threads(num_threads))

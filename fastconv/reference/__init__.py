"""The definition of every operation in plain NumPy and float64, written to be read.

This is what the fast kernels are compared with, and the place to look up what an operation means.
Nothing here is fast on purpose; every function is the shortest form of its definition. Operands of
any numeric dtype are converted to float64, results are float64. Arguments mean what they mean in
`fastconv.ops`, whose functions have the same names; `**window` stands for those that place a window
on an image and go to `fastconv.shapes` as they are: `strides`, `padding`, and for a convolution
also `padding_mode`, `dilation_rate` and `groups`, for a pooling `pool_size`.

Arrays are channels-last:

    x  (N, H, W, C)              N images, H rows, W columns, C channels
    w  (KH, KW, C / groups, K)   K filters
    b  (K,)
    y  (N, OH, OW, K)            y[n, p, q, k] belongs to output pixel (p, q)

Convolution
-----------
Nothing is flipped: a filter lies on the image as it is stored, and every output value is the sum of
the pixels under the filter, each times the filter's value there:

    y[n, p, q, k] = b[k] + sum over i, j, c of  x'[n, p s + i d, q s + j d, c] * w[i, j, c, k]

with stride s, dilation d and x' the padded image. Exchange the sums: for one *tap* (i, j) the
pixels x'[:, p s + i d, q s + j d] of all p and q are one strided slice of the padded image, so that

    y = b + sum over taps of  slice(x', tap) @ w[tap]          (N, OH, OW, C) @ (C, K)

and since y is linear in x and in w, both gradients follow by moving the same product to the other
side, tap by tap:

    slice(dx', tap) += dy @ w[tap].T                           (N, OH, OW, K) @ (K, C)
    dw[tap]          = slice(x', tap).T @ dy                   (C, N OH OW) @ (N OH OW, K)

These three lines are `conv2d`, `conv2d_backward_input` and `conv2d_backward_kernel`. Pooling walks
over the taps of its window in the same way.

The other way of computing a convolution is *im2col*: every receptive field is stretched out into a
column, every filter into a row, and the convolution becomes one matrix product. Filters of 11x11x3
at stride 4 lie at (227 - 11) / 4 + 1 = 55 places along each side of an image of 227x227x3, so its
column matrix is 363 x 3025, and 96 filters make a product (96 x 363) @ (363 x 3025). It costs
memory (every pixel is copied once for each field that it lies in), and so the kernels do without.
`conv2d_im2col` computes it that way, and the tests hold the two ways against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastconv import shapes
from fastconv.reference.activations import (  # noqa: F401
    bounded_relu,
    bounded_relu_backward,
    elu,
    elu_backward,
    exponential,
    exponential_backward,
    gelu,
    gelu_backward,
    hard_sigmoid,
    hard_sigmoid_backward,
    hard_silu,
    hard_silu_backward,
    leaky_relu,
    leaky_relu_backward,
    log_softmax,
    log_softmax_backward,
    mish,
    mish_backward,
    relu,
    relu6,
    relu6_backward,
    relu_backward,
    selu,
    selu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    softmax,
    softmax_backward,
    softplus,
    softplus_backward,
    softsign,
    softsign_backward,
    tanh,
    tanh_backward,
)
from fastconv.reference.arrangement import (  # noqa: F401
    NUMPY_MODES,
    crop2d,
    crop2d_backward,
    pad2d,
    pad2d_backward,
    resize2d,
    resize2d_backward,
    transpose,
    upsample2d,
    upsample2d_backward,
    warp,
    warp_backward,
)
from fastconv.reference.normalization import (  # noqa: F401
    batch_norm,
    batch_norm_backward,
    batch_norm_inference,
    group_norm,
    group_norm_backward,
    layer_norm,
    layer_norm_backward,
    local_response_norm,
    local_response_norm_backward,
    prelu,
    prelu_backward,
    unit_norm,
    unit_norm_backward,
)
from fastconv.reference.recurrent import (  # noqa: F401
    gru,
    gru_backward,
    lstm,
    lstm_backward,
)

CROSS_ENTROPY_EPSILON = 1e-7  # Keras's clip of probabilities before their logarithm is taken


def _float64(*arrays: Any) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(array, dtype=np.float64) for array in arrays)


# ---------------------------------------------------------------------------- padding and windows


def pad_image(x: Any, padding: shapes.Sides, mode: str = "zeros") -> np.ndarray:
    """x (N, H, W, C) -> (N, top + H + bottom, left + W + right, C).

    `mode` "zeros" surrounds the image with zeros, "edge" repeats its border, "reflect" mirrors it
    without repeating the border.
    """
    (x,) = _float64(x)
    return np.pad(x, ((0, 0), *padding, (0, 0)), mode=NUMPY_MODES[mode])


def unpad_image(dx_padded: Any, padding: shapes.Sides, mode: str = "zeros") -> np.ndarray:
    """The gradient of `pad_image`: every padded pixel returns its share to the pixel it copied."""
    (dx,) = _float64(dx_padded)
    for axis, (before, after) in zip((1, 2), padding, strict=True):
        length = dx.shape[axis] - before - after
        if mode == "zeros":
            dx = dx.take(range(before, before + length), axis)
        else:
            copied_from = np.pad(np.arange(length), (before, after), mode=NUMPY_MODES[mode])
            shares = np.moveaxis(dx, axis, 0)
            dx = np.zeros((length, *shares.shape[1:]))
            np.add.at(dx, copied_from, shares)
            dx = np.moveaxis(dx, 0, axis)
    return dx


Tap = tuple[int, int, tuple[slice, slice, slice]]


def _taps(g: shapes.Conv2DGeometry | shapes.Pool2DGeometry) -> Iterator[Tap]:
    """For every tap (i, j) of the window: i, j and the pixels of the padded image that it meets."""
    if isinstance(g, shapes.Conv2DGeometry):
        window, dilation = (g.kernel_h, g.kernel_w), (g.dilation_h, g.dilation_w)
    else:
        window, dilation = (g.pool_h, g.pool_w), (1, 1)
    for i, j in np.ndindex(window):
        top, left = i * dilation[0], j * dilation[1]
        rows = slice(top, top + (g.out_h - 1) * g.stride_h + 1, g.stride_h)
        columns = slice(left, left + (g.out_w - 1) * g.stride_w + 1, g.stride_w)
        yield i, j, (slice(None), rows, columns)


def _split(array: np.ndarray, groups: int) -> np.ndarray:
    """(..., groups * c) -> (..., groups, c)"""
    return array.reshape(*array.shape[:-1], groups, array.shape[-1] // groups)


# ------------------------------------------------------------------------------------- convolution
#
# In the subscripts below n is the image, p and q the output pixel, g the group, and c and k the
# channel and the filter within the group. Without groups, g has the one value 0.


def conv2d(
    x: Any, w: Any, b: Any = None, *, activation: str | None = None, **window: Any
) -> np.ndarray:
    """x (N, H, W, C), w (KH, KW, C / groups, K), b (K,) -> y (N, OH, OW, K)

    >>> image = [[35, 19, 25, 6], [13, 22, 16, 53], [4, 3, 7, 10], [9, 8, 1, 3]]
    >>> x = np.reshape(image, (1, 4, 4, 1))
    >>> conv2d(x, np.ones((3, 3, 1, 1))).reshape(2, 2)
    array([[144., 161.],
           [ 83., 123.]])
    >>> conv2d(x, np.ones((3, 3, 1, 1)), padding="same").shape
    (1, 4, 4, 1)
    """
    x, w = _float64(x, w)
    g = shapes.conv2d_geometry(x.shape, w.shape, **window).compact()
    padded = pad_image(x, g.padding, g.padding_mode)
    w = _split(w, g.groups)
    y = np.zeros(g.output_shape)
    for i, j, pixels in _taps(g):
        field = _split(padded[pixels], g.groups)
        y += np.einsum("npqgc,cgk->npqgk", field, w[i, j], optimize=True).reshape(y.shape)
    return activate(y if b is None else y + _float64(b)[0], activation)


def conv2d_backward_input(dy: Any, w: Any, *, input_shape: Any, **window: Any) -> np.ndarray:
    """dy (N, OH, OW, K), w (KH, KW, C / groups, K) -> dx (N, H, W, C) = `input_shape`"""
    dy, w = _float64(dy, w)
    g = shapes.conv2d_geometry(input_shape, w.shape, **window).compact()
    dy, w = _split(dy, g.groups), _split(w, g.groups)
    dx_padded = np.zeros(_padded_shape(g))
    for i, j, pixels in _taps(g):
        share = np.einsum("npqgk,cgk->npqgc", dy, w[i, j], optimize=True)
        dx_padded[pixels] += share.reshape(g.batch, g.out_h, g.out_w, g.channels)
    return unpad_image(dx_padded, g.padding, g.padding_mode)


def conv2d_backward_kernel(
    x: Any, dy: Any, *, kernel_size: Any, groups: int = 1, **window: Any
) -> tuple[np.ndarray, np.ndarray]:
    """x (N, H, W, C), dy (N, OH, OW, K) -> dw (KH, KW, C / groups, K), db (K,)"""
    x, dy = _float64(x, dy)
    kernel_h, kernel_w = shapes.normalize_pair(kernel_size, "kernel_size")
    kernel_shape = (kernel_h, kernel_w, x.shape[-1] // groups, dy.shape[-1])
    g = shapes.conv2d_geometry(x.shape, kernel_shape, groups=groups, **window).compact()
    padded = pad_image(x, g.padding, g.padding_mode)
    dw = np.zeros(g.kernel_shape)
    for i, j, pixels in _taps(g):
        field = _split(padded[pixels], g.groups)
        products = np.einsum("npqgc,npqgk->cgk", field, _split(dy, g.groups), optimize=True)
        dw[i, j] = products.reshape(dw.shape[2:])
    return dw, dy.sum(axis=(0, 1, 2))


def _padded_shape(g: shapes.Conv2DGeometry | shapes.Pool2DGeometry) -> tuple[int, ...]:
    (top, bottom), (left, right) = g.padding
    return (g.batch, top + g.height + bottom, left + g.width + right, g.channels)


# -------------------------------------------------------------------- convolution by matrix product


def im2col(x: Any, kernel_size: Any, **window: Any) -> np.ndarray:
    """x (N, H, W, C) -> cols (KH * KW * C, N * OH * OW), one receptive field per column.

    Down a column runs the field in the order of a stored filter (row, column, channel); along a row
    run the places where the filter lies (image, row, column).

    >>> im2col(np.zeros((1, 227, 227, 3)), 11, strides=4).shape
    (363, 3025)
    """
    (x,) = _float64(x)
    g = _field_geometry(x.shape, kernel_size, **window)
    padded = pad_image(x, g.padding, g.padding_mode)
    fields = [padded[pixels].reshape(-1, g.channels).T for _, _, pixels in _taps(g)]
    return np.concatenate(fields)


def col2im(cols: Any, *, input_shape: Any, kernel_size: Any, **window: Any) -> np.ndarray:
    """cols (KH * KW * C, N * OH * OW) -> x (N, H, W, C): overlapping fields are added up.

    This is the transpose of `im2col`, not its inverse: a pixel that lies in m fields returns m
    times its value.

    >>> cols = im2col(np.ones((1, 3, 3, 1)), 2)
    >>> col2im(cols, input_shape=(1, 3, 3, 1), kernel_size=2).reshape(3, 3)
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    g = _field_geometry(input_shape, kernel_size, **window)
    fields = _float64(cols)[0].reshape(
        g.kernel_h, g.kernel_w, g.channels, g.batch, g.out_h, g.out_w
    )
    padded = np.zeros(_padded_shape(g))
    for i, j, pixels in _taps(g):
        padded[pixels] += np.moveaxis(fields[i, j], 0, -1)
    return unpad_image(padded, g.padding, g.padding_mode)


def conv2d_im2col(
    x: Any, w: Any, b: Any = None, *, activation: str | None = None, **window: Any
) -> np.ndarray:
    """The same result as `conv2d`, as one product of a filter matrix with a column matrix.

    With groups the product falls into one smaller product per group.
    """
    x, w = _float64(x, w)
    g = shapes.conv2d_geometry(x.shape, w.shape, **window).compact()
    padded = pad_image(x, g.padding, g.padding_mode)
    steps = {
        "strides": (g.stride_h, g.stride_w),
        "dilation_rate": (g.dilation_h, g.dilation_w),
    }
    products = []
    for images, filters in zip(
        np.split(padded, g.groups, axis=-1), np.split(w, g.groups, axis=-1), strict=True
    ):
        x_col = im2col(images, w.shape[:2], **steps)
        w_row = filters.reshape(-1, filters.shape[-1]).T
        products.append(w_row @ x_col)
    y = np.concatenate(products).T.reshape(g.output_shape)
    return activate(y if b is None else y + _float64(b)[0], activation)


def _field_geometry(input_shape: Any, kernel_size: Any, **window: Any) -> shapes.Conv2DGeometry:
    """Receptive fields do not depend on the filters that look at them: one filter stands in."""
    kernel_h, kernel_w = shapes.normalize_pair(kernel_size, "kernel_size")
    kernel_shape = (kernel_h, kernel_w, input_shape[-1], 1)
    return shapes.conv2d_geometry(input_shape, kernel_shape, **window).compact()


# ----------------------------------------------------------------------------------------- pooling


def max_pool2d(
    x: Any, *, return_argmax: bool = False, **window: Any
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """x (N, H, W, C) -> y (N, OH, OW, C), or (y, argmax); padding is never a maximum.

    `argmax` is the place i * pool_w + j in the window of its first largest value. A NaN counts as
    larger than any number, so that it is not lost.

    >>> image = [[12, 20, 30, 0], [8, 12, 2, 0], [34, 70, 37, 4], [112, 100, 25, 12]]
    >>> max_pool2d(np.reshape(image, (1, 4, 4, 1))).reshape(2, 2)
    array([[ 20.,  30.],
           [112.,  37.]])
    """
    (x,) = _float64(x)
    g = shapes.pool2d_geometry(x.shape, **window)
    padded, inside = pad_image(x, g.padding), pad_image(np.ones((1, *x.shape[1:])), g.padding) > 0
    y, argmax = np.zeros(g.output_shape), np.full(g.output_shape, -1)
    for i, j, pixels in _taps(g):
        value = padded[pixels]
        larger = (argmax < 0) | (value > y) | (np.isnan(value) & ~np.isnan(y))
        chosen = inside[pixels] & larger
        y, argmax = np.where(chosen, value, y), np.where(chosen, i * g.pool_w + j, argmax)
    return (y, argmax) if return_argmax else y


def max_pool2d_backward(dy: Any, argmax: Any, *, input_shape: Any, **window: Any) -> np.ndarray:
    """dy, argmax (N, OH, OW, C) -> dx (N, H, W, C): each dy goes to the pixel that won."""
    (dy,) = _float64(dy)
    g = shapes.pool2d_geometry(input_shape, **window)
    dx_padded = np.zeros(_padded_shape(g))
    for i, j, pixels in _taps(g):
        dx_padded[pixels] += np.where(np.asarray(argmax) == i * g.pool_w + j, dy, 0)
    return unpad_image(dx_padded, g.padding)


def avg_pool2d(x: Any, **window: Any) -> np.ndarray:
    """x (N, H, W, C) -> y (N, OH, OW, C), the mean of the pixels of the window in the image.

    >>> avg_pool2d(np.arange(16).reshape(1, 4, 4, 1)).reshape(2, 2)
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    (x,) = _float64(x)
    g = shapes.pool2d_geometry(x.shape, **window)
    padded = pad_image(x, g.padding)
    return sum(padded[pixels] for _, _, pixels in _taps(g)) / _pixels_in_image(g)


def avg_pool2d_backward(dy: Any, *, input_shape: Any, **window: Any) -> np.ndarray:
    """dy (N, OH, OW, C) -> dx (N, H, W, C): each dy is shared by the pixels of its window."""
    (dy,) = _float64(dy)
    g = shapes.pool2d_geometry(input_shape, **window)
    dx_padded = np.zeros(_padded_shape(g))
    for _, _, pixels in _taps(g):
        dx_padded[pixels] += dy / _pixels_in_image(g)
    return unpad_image(dx_padded, g.padding)


def _pixels_in_image(g: shapes.Pool2DGeometry) -> np.ndarray:
    """How many pixels of each window lie in the image: (1, OH, OW, 1)"""
    inside = pad_image(np.ones((1, g.height, g.width, 1)), g.padding)
    return np.sum([inside[pixels] for _, _, pixels in _taps(g)], axis=0)


# ------------------------------------------------------------------------------------------- dense


def dense(x: Any, w: Any, b: Any = None, *, activation: str | None = None) -> np.ndarray:
    """x (N, I), w (I, O), b (O,) -> y (N, O) = x @ w + b"""
    x, w = _float64(x, w)
    return activate(x @ w if b is None else x @ w + _float64(b)[0], activation)


def dense_backward_input(dy: Any, w: Any) -> np.ndarray:
    """dy (N, O), w (I, O) -> dx (N, I)"""
    dy, w = _float64(dy, w)
    return dy @ w.T


def dense_backward_kernel(x: Any, dy: Any) -> tuple[np.ndarray, np.ndarray]:
    """x (N, I), dy (N, O) -> dw (I, O), db (O,)"""
    x, dy = _float64(x, dy)
    return x.T @ dy, dy.sum(axis=0)


# ------------------------------------------------------------------------------------- activations


def activate(x: Any, activation: str | None) -> np.ndarray:
    """Apply an activation by name; None and "linear" change nothing."""
    functions = {
        "relu": relu,
        "leaky_relu": leaky_relu,
        "sigmoid": sigmoid,
        "tanh": tanh,
        "softmax": softmax,
    }
    return _float64(x)[0] if activation in (None, "linear") else functions[activation](x)


# ------------------------------------------------------------------------------------------ losses
#
# Each returns the loss of the batch, sum over samples of weight * loss / N, and its gradient.
# Targets are (N, C) weights of the classes, or (N,) integer labels.


def softmax_cross_entropy(
    logits: Any, targets: Any, *, sample_weight: Any = None
) -> tuple[float, np.ndarray]:
    """loss = -sum t log softmax(z), gradient = (softmax(z) sum(t) - t) / N, per unit of weight

    log softmax(z) = z - m - log sum exp(z - m) with m = max z is finite for any finite logits.
    """
    (z,) = _float64(logits)
    t = _one_hot(targets, z.shape)
    shifted = z - z.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    dz = np.exp(log_p) * t.sum(axis=-1, keepdims=True) - t
    return _batch_loss(-(t * log_p).sum(axis=-1), dz, sample_weight)


def cross_entropy(
    probabilities: Any, targets: Any, *, sample_weight: Any = None
) -> tuple[float, np.ndarray]:
    """loss = -sum t log q with q = p / sum(p), clipped to [1e-7, 1 - 1e-7] as Keras does

    The clip is flat outside its range, so no gradient passes there. With r = p / sum(p) and
    h = -t / r where r is in the range, else 0, the gradient is (h - sum(h r)) / sum(p).
    """
    (p,) = _float64(probabilities)
    t = _one_hot(targets, p.shape)
    total = p.sum(axis=-1, keepdims=True)
    r = p / total
    q = np.clip(r, CROSS_ENTROPY_EPSILON, 1 - CROSS_ENTROPY_EPSILON)
    h = np.where(r == q, -t / q, 0)
    dp = (h - (h * r).sum(axis=-1, keepdims=True)) / total
    return _batch_loss(-(t * np.log(q)).sum(axis=-1), dp, sample_weight)


def mean_squared_error(
    prediction: Any, targets: Any, *, sample_weight: Any = None
) -> tuple[float, np.ndarray]:
    """loss = mean over the last axis of (y - t)^2, gradient = 2 (y - t) / D; both (N, D)"""
    y, t = _float64(prediction, targets)
    return _batch_loss(((y - t) ** 2).mean(axis=-1), 2 * (y - t) / y.shape[-1], sample_weight)


def _one_hot(targets: Any, shape: tuple[int, int]) -> np.ndarray:
    targets = np.asarray(targets)
    return np.eye(shape[1])[targets] if targets.ndim == 1 else _float64(targets)[0]


def _batch_loss(
    losses: np.ndarray, gradients: np.ndarray, sample_weight: Any
) -> tuple[float, np.ndarray]:
    """Weigh the samples and divide by their number, not by the sum of the weights (as Keras)."""
    share = np.ones(len(losses)) if sample_weight is None else _float64(sample_weight)[0]
    share = share / max(len(losses), 1)
    return float((share * losses).sum()), share[:, None] * gradients


# --------------------------------------------------------------------------------- rounding errors


def gamma(n: int, dtype: Any) -> float:
    """n u / (1 - n u) with the unit roundoff u of `dtype`: 2^-24 for float32, 2^-53 for float64.

    The computed sum of n products, added in any order, fused or not, differs from the exact one by
    at most gamma(n) times the sum of the magnitudes of the products (Higham, *Accuracy and
    Stability of Numerical Algorithms*, section 3.1).

    >>> round(gamma(2**10, np.float32) * 2**14, 3)
    1.0
    """
    u = np.finfo(dtype).eps / 2
    return float(n * u / (1 - n * u))


def error_bound(operation: Any, *operands: Any, terms: int, dtype: Any, **options: Any) -> Any:
    """How far a result of `operation` computed in `dtype` may lie from the one computed here.

    `operation` is a function of this module whose results are sums of products of its operands (a
    convolution, a dense layer, one of their gradients), `terms` the number of products in the
    longest sum. With every operand replaced by its magnitude, the operation itself yields the sums
    of |x * w| that gamma(terms + 2) has to be multiplied by: one more term for the bias and one for
    the rounding of the result. Returns what `operation` returns, an array or a tuple of arrays.

    >>> x, w = np.ones((1, 4, 4, 2)), np.ones((3, 3, 2, 1))
    >>> bound = error_bound(conv2d, x, -w, terms=3 * 3 * 2, dtype=np.float32)
    >>> bound.shape, bool(np.all(bound == gamma(20, np.float32) * 18))
    ((1, 2, 2, 1), True)
    """
    magnitudes = operation(
        *(None if operand is None else np.abs(operand) for operand in operands), **options
    )
    factor = gamma(terms + 2, dtype)
    if isinstance(magnitudes, tuple):
        return tuple(factor * magnitude for magnitude in magnitudes)
    return factor * magnitudes

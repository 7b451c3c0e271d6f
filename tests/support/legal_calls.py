"""Every operation as a legal call without arguments, so that a test can spoil just one thing.

`conv2d()` works; `conv2d(strides=0)` must not. The arrays are small and shared: nothing may change
them.
"""

from __future__ import annotations

import numpy as np

from fastconv import ops

X = np.arange(1 * 6 * 5 * 4, dtype=np.float32).reshape(1, 6, 5, 4) / 8
W = np.arange(3 * 3 * 4 * 8, dtype=np.float32).reshape(3, 3, 4, 8) / 64
B = np.ones(8, np.float32)


def conv2d(x=X, w=W, b=B, **options):
    return ops.conv2d(x, w, b, **options)


def backward_input(dy=None, w=W, input_shape=X.shape, **options):
    dy = np.ones((1, 4, 3, 8), np.float32) if dy is None else dy
    return ops.conv2d_backward_input(dy, w, input_shape=input_shape, **options)


def backward_kernel(x=X, dy=None, kernel_size=3, **options):
    dy = np.ones((1, 4, 3, 8), np.float32) if dy is None else dy
    return ops.conv2d_backward_kernel(x, dy, kernel_size=kernel_size, **options)


def max_pool(x=X, **options):
    return ops.max_pool2d(x, **options)


def max_pool_backward(dy=None, argmax=None, input_shape=X.shape, **options):
    dy = np.ones((1, 3, 2, 4), np.float32) if dy is None else dy
    argmax = np.zeros((1, 3, 2, 4), np.uint8) if argmax is None else argmax
    return ops.max_pool2d_backward(dy, argmax, input_shape=input_shape, **options)


def avg_pool(x=X, **options):
    return ops.avg_pool2d(x, **options)


def avg_pool_backward(dy=None, input_shape=X.shape, **options):
    dy = np.ones((1, 3, 2, 4), np.float32) if dy is None else dy
    return ops.avg_pool2d_backward(dy, input_shape=input_shape, **options)


def im2col(x=X, kernel_size=3, **options):
    return ops.im2col(x, kernel_size, **options)


def col2im(cols=None, input_shape=X.shape, kernel_size=3, **options):
    cols = np.ones((36, 12), np.float32) if cols is None else cols
    return ops.col2im(cols, input_shape=input_shape, kernel_size=kernel_size, **options)


CONVOLUTIONS = (conv2d, backward_input, backward_kernel)
POOLINGS = (max_pool, max_pool_backward, avg_pool, avg_pool_backward)
COLUMNS = (im2col, col2im)
WINDOWED = (*CONVOLUTIONS, *POOLINGS, *COLUMNS)

for _array in (X, W, B):
    _array.flags.writeable = False

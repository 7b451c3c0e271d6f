"""The operations of a convolutional network as functions on NumPy arrays.

Every function checks its arguments, passes plain C-contiguous arrays to one kernel of the compiled
core, and returns the result. The layers of a model do not use these functions: a plan binds the
same kernels to its own buffers once and runs them many times. The functions serve single
computations, tests, and as documentation of the operations; `fastconv.reference` defines each of
them, under the same name, in a few lines of NumPy.

    convolution       conv2d                           (N, H, W, C), (KH, KW, C / groups, K)
                      conv2d_backward_input            -> (N, OH, OW, K) and back
                      conv2d_backward_kernel
    pooling           max_pool2d, max_pool2d_backward  (N, H, W, C) -> (N, OH, OW, C) and back
                      avg_pool2d, avg_pool2d_backward
    fully_connected   dense, dense_backward_input,     (N, I), (I, O) -> (N, O) and back
                      dense_backward_kernel
    activations       relu, leaky_relu, relu6, elu,    any shape; `*_backward` take the output y
                      selu, sigmoid, hard_sigmoid,
                      tanh, softplus, softsign,
                      exponential
    gates             bounded_relu, gelu, silu,        any shape; `*_backward` take the input x
                      hard_silu, mish, prelu
    softmax           softmax, log_softmax             (..., classes)
    normalization     batch_norm, group_norm,          (..., C), with gamma and beta (C,)
                      layer_norm, unit_norm,
                      local_response_norm
    losses            softmax_cross_entropy,           (N, C) -> float and gradient
                      cross_entropy,
                      mean_squared_error
    columns           im2col, col2im                   (N, H, W, C) <-> (KH KW C, N OH OW)
    arrangement       pad2d, crop2d, upsample2d,       (N, H, W, C) -> (N, H', W', C); each has a
                      resize2d, warp                   `*_backward`
                      transpose                        any shape

Common rules:

- Arrays are channels-last NumPy arrays of float32 or float64, the same dtype for all operands of a
  call. They are never converted: another dtype, or a mixture, is a TypeError. Subclasses such as
  `np.memmap` are accepted, lists and masked arrays are not.
- Any memory layout is accepted (views, negative strides, foreign byte order, read-only); an array
  that is not C-contiguous, aligned and native is copied first. The result does not depend on it.
- `out=` receives the result and is returned; it must be writable, C-contiguous, of exactly the
  right shape and dtype, and must not overlap an input. Elementwise functions may work in place.
- `num_threads=` applies to this call; results are bit-identical for any number of threads.
- An empty batch (N = 0) gives an empty result and zero weight gradients; any other empty dimension
  is a ValueError, except that elementwise functions take arrays of any shape.
- All arguments are checked before anything is computed or written.
"""

from __future__ import annotations

from fastconv.ops.activations import (
    elu,
    elu_backward,
    exponential,
    exponential_backward,
    hard_sigmoid,
    hard_sigmoid_backward,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu6,
    relu6_backward,
    relu_backward,
    selu,
    selu_backward,
    sigmoid,
    sigmoid_backward,
    softplus,
    softplus_backward,
    softsign,
    softsign_backward,
    tanh,
    tanh_backward,
)
from fastconv.ops.arrangement import (
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
from fastconv.ops.columns import col2im, im2col
from fastconv.ops.convolution import (
    conv2d,
    conv2d_algorithm,  # noqa: F401  (describes an operation: not in __all__, which lists them)
    conv2d_backward_input,
    conv2d_backward_kernel,
)
from fastconv.ops.fully_connected import dense, dense_backward_input, dense_backward_kernel
from fastconv.ops.gates import (
    bounded_relu,
    bounded_relu_backward,
    gelu,
    gelu_backward,
    hard_silu,
    hard_silu_backward,
    mish,
    mish_backward,
    prelu,
    prelu_backward,
    silu,
    silu_backward,
)
from fastconv.ops.losses import cross_entropy, mean_squared_error, softmax_cross_entropy
from fastconv.ops.normalization import (
    batch_norm,
    batch_norm_backward,
    batch_norm_inference,
    group_norm,
    group_norm_backward,
    layer_norm,
    layer_norm_backward,
    local_response_norm,
    local_response_norm_backward,
    unit_norm,
    unit_norm_backward,
)
from fastconv.ops.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from fastconv.ops.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_inference",
    "bounded_relu",
    "bounded_relu_backward",
    "col2im",
    "conv2d",
    "conv2d_backward_input",
    "conv2d_backward_kernel",
    "crop2d",
    "crop2d_backward",
    "cross_entropy",
    "dense",
    "dense_backward_input",
    "dense_backward_kernel",
    "elu",
    "elu_backward",
    "exponential",
    "exponential_backward",
    "gelu",
    "gelu_backward",
    "group_norm",
    "group_norm_backward",
    "hard_sigmoid",
    "hard_sigmoid_backward",
    "hard_silu",
    "hard_silu_backward",
    "im2col",
    "layer_norm",
    "layer_norm_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "local_response_norm",
    "local_response_norm_backward",
    "log_softmax",
    "log_softmax_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "mean_squared_error",
    "mish",
    "mish_backward",
    "pad2d",
    "pad2d_backward",
    "prelu",
    "prelu_backward",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_backward",
    "resize2d",
    "resize2d_backward",
    "selu",
    "selu_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "softplus",
    "softplus_backward",
    "softsign",
    "softsign_backward",
    "tanh",
    "tanh_backward",
    "transpose",
    "unit_norm",
    "unit_norm_backward",
    "upsample2d",
    "upsample2d_backward",
    "warp",
    "warp_backward",
]

"""The functions of `fastconv.ops` for networks: activations, convolutions, pooling, normalization.

Keras has these functions under `ops.nn` as well. All of them are in `fastconv.ops`.

>>> from fastconv import ops
>>> ops.nn.relu is ops.relu
True
"""

from __future__ import annotations

from typing import Any

from fastconv import ops

_NAMES = """
    average_pool batch_normalization binary_crossentropy categorical_crossentropy celu conv
    conv_transpose depthwise_conv elu gelu glu hard_shrink hard_sigmoid hard_silu hard_swish
    hard_tanh layer_normalization leaky_relu log_sigmoid log_softmax max_pool moments
    multi_hot normalize one_hot relu relu6 rms_normalization selu separable_conv sigmoid silu
    soft_shrink softmax softplus softsign sparse_categorical_crossentropy sparse_plus sparse_sigmoid
    sparsemax squareplus swish
    tanh_shrink threshold
"""
__all__ = _NAMES.split()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(ops, name)

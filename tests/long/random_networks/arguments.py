"""Random arguments of every kind of layer, which fit samples of a shape.

Each function returns the arguments of one kind of layer for samples of `shape`, or None if the
layer does not fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.long.random_networks.chooser import Chooser

ACTIVATIONS = [
    None, "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid",
    "softplus", "softsign", "hard_sigmoid", "hard_silu", "mish", "softmax", "log_softmax",
]  # fmt: skip


def weighted(c: Chooser, library: Any, bias: bool = True, kernel: str = "kernel") -> dict:
    """The arguments that layers with a kernel share."""
    made: dict[str, Any] = {}
    if c.chance(0.7):
        made["activation"] = c.one(ACTIVATIONS)
    if bias:
        made["use_bias"] = c.chance(0.8)
    if c.chance(0.2):
        made[f"{kernel}_regularizer"] = c.one(["l2", library.regularizers.L1L2(0.001, 0.002)])
    if c.chance(0.15):
        made[f"{kernel}_constraint"] = library.constraints.MaxNorm(c.one([0.5, 2.0]))
    if c.chance(0.1):
        made["activity_regularizer"] = library.regularizers.L2(0.001)
    return made


def window(c: Chooser, space: tuple[int, ...], largest: int = 3) -> Any:
    sizes = [c.number(1, min(largest, size)) for size in space]
    return sizes[0] if len(sizes) == 1 else tuple(sizes)


def strided(c: Chooser, space: tuple[int, ...], dilates: bool = True) -> dict:
    """kernel_size, strides, padding, dilation_rate that fit `space`."""
    made = {"kernel_size": window(c, space), "padding": c.one(["valid", "same"])}
    kernel = made["kernel_size"] if len(space) > 1 else (made["kernel_size"],)
    if c.chance(0.4):
        made["strides"] = c.number(1, 3)
    elif dilates and all((k - 1) * 2 + 1 <= n for k, n in zip(kernel, space, strict=True)):
        made["dilation_rate"] = c.number(1, 2)
    return made


def conv(c, library, shape):
    *space, channels = shape
    made = {"filters": c.number(1, 6)} | strided(c, tuple(space)) | weighted(c, library)
    if channels % 2 == 0 and c.chance(0.3):
        made |= {"groups": 2, "filters": 2 * c.number(1, 3)}
    return made


def conv_transpose(c, library, shape):
    space = shape[:-1]
    if max(space) > 12:
        return None
    made = {"filters": c.number(1, 4), "kernel_size": window(c, space), "strides": c.number(1, 2)}
    made["padding"] = c.one(["valid", "same"])
    return made | weighted(c, library)


def depthwise(c, library, shape):
    made = strided(c, tuple(shape[:-1])) | weighted(c, library, kernel="depthwise")
    return made | {"depth_multiplier": c.number(1, 2)}


def separable(c, library, shape):
    made = strided(c, tuple(shape[:-1])) | weighted(c, library, kernel="pointwise")
    return made | {"filters": c.number(1, 6), "depth_multiplier": c.number(1, 2)}


def pooling(c, library, shape):
    made = {"pool_size": window(c, shape[:-1]), "padding": c.one(["valid", "same"])}
    if c.chance(0.4):
        made["strides"] = c.number(1, 3)
    return made


def flatten(c, library, shape):
    return {} if np.prod(shape) <= 400 else None


def reshape(c, library, shape):
    return {"target_shape": (*shape[:-2], shape[-2] * shape[-1]) if len(shape) > 1 else (-1, 1)}


def permute(c, library, shape):
    return {"dims": tuple(int(axis) + 1 for axis in c.random.permutation(len(shape)))}


def margins(c, library, shape):
    axes = len(shape) - 1
    sides = [(c.number(0, 2), c.number(0, 2)) for _ in range(axes)]
    return {"padding": sides[0] if axes == 1 else tuple(sides)}


def cropping(c, library, shape):
    sides = [(c.number(0, (n - 1) // 2), c.number(0, (n - 1) // 2)) for n in shape[:-1]]
    return {"cropping": sides[0] if len(sides) == 1 else tuple(sides)}


def up_sampling(c, library, shape):
    if max(shape[:-1]) > 10:
        return None
    if len(shape) == 2:
        return {"size": c.number(1, 3)}
    return {"size": c.pair(1, 3), "interpolation": c.one(["nearest", "bilinear"])}


def rate(c, library, shape):
    return {"rate": c.one([0.1, 0.5])}


def batch_norm(c, library, shape):
    made = {"momentum": c.one([0.5, 0.9])} if c.chance(0.5) else {}
    for switch in ("center", "scale"):
        if c.chance(0.2):
            made[switch] = False
    return made


def layer_norm(c, library, shape):
    return {"epsilon": c.one([1e-3, 1e-2])}


def group_norm(c, library, shape):
    return {"groups": c.one([n for n in (1, 2, 3, -1) if n < 0 or shape[-1] % n == 0])}


def no_arguments(c, library, shape):
    return {}


def keepdims(c, library, shape):
    return {"keepdims": True} if c.chance(0.2) else {}


def resizing(c, library, shape):
    return {"height": c.number(3, 9), "width": c.number(3, 9),
            "interpolation": c.one(["bilinear", "nearest"])}  # fmt: skip


def middle(c, library, shape):
    return {"height": c.number(1, shape[0]), "width": c.number(1, shape[1])}


def activation(c, library, shape):
    return {"activation": c.one(ACTIVATIONS[1:])}


def relu(c, library, shape):
    return c.one([{}, {"max_value": 1.0}, {"negative_slope": 0.1}, {"threshold": 0.2}])


def prelu(c, library, shape):
    return {"shared_axes": list(range(1, len(shape)))} if len(shape) > 1 and c.chance(0.5) else {}


def scaling(c, library, shape):
    return {"scale": c.one([0.5, 2.0]), "offset": c.one([0.0, -1.0])}


def dense(c, library, shape):
    return {"units": c.number(1, 8)} | weighted(c, library)


VECTORS, SEQUENCES, IMAGES = 1, 2, 3
KINDS: dict[str, tuple[tuple[int, ...], Any]] = {
    "Dense": ((1, 2, 3), dense),
    "Activation": ((1, 2, 3), activation),
    "ReLU": ((1, 2, 3), relu),
    "LeakyReLU": ((1, 2, 3), no_arguments),
    "ELU": ((1, 2, 3), no_arguments),
    "PReLU": ((1, 2, 3), prelu),
    "Softmax": ((1, 2, 3), no_arguments),
    "BatchNormalization": ((1, 2, 3), batch_norm),
    "LayerNormalization": ((1, 2, 3), layer_norm),
    "GroupNormalization": ((2, 3), group_norm),
    "RMSNormalization": ((1, 2, 3), no_arguments),
    "Identity": ((1, 2, 3), no_arguments),
    "UnitNormalization": ((1, 2, 3), no_arguments),
    "Dropout": ((1, 2, 3), rate),
    "GaussianNoise": ((1, 2, 3), lambda c, library, shape: {"stddev": 0.1}),
    "GaussianDropout": ((1, 2, 3), rate),
    "Flatten": ((2, 3), flatten),
    "Reshape": ((1, 2, 3), reshape),
    "Permute": ((2, 3), permute),
    "RepeatVector": ((1,), lambda c, library, shape: {"n": c.number(1, 4)}),
    "Rescaling": ((1, 2, 3), scaling),
    "Conv1D": ((2,), conv),
    "Conv1DTranspose": ((2,), conv_transpose),
    "DepthwiseConv1D": ((2,), depthwise),
    "SeparableConv1D": ((2,), separable),
    "MaxPooling1D": ((2,), pooling),
    "AveragePooling1D": ((2,), pooling),
    "GlobalMaxPooling1D": ((2,), keepdims),
    "GlobalAveragePooling1D": ((2,), keepdims),
    "ZeroPadding1D": ((2,), margins),
    "Cropping1D": ((2,), cropping),
    "UpSampling1D": ((2,), up_sampling),
    "SpatialDropout1D": ((2,), rate),
    "Conv2D": ((3,), conv),
    "Conv2DTranspose": ((3,), conv_transpose),
    "DepthwiseConv2D": ((3,), depthwise),
    "SeparableConv2D": ((3,), separable),
    "MaxPooling2D": ((3,), pooling),
    "AveragePooling2D": ((3,), pooling),
    "GlobalMaxPooling2D": ((3,), keepdims),
    "GlobalAveragePooling2D": ((3,), keepdims),
    "ZeroPadding2D": ((3,), margins),
    "Cropping2D": ((3,), cropping),
    "UpSampling2D": ((3,), up_sampling),
    "SpatialDropout2D": ((3,), rate),
    "Resizing": ((3,), resizing),
    "CenterCrop": ((3,), middle),
    "RandomFlip": ((3,), no_arguments),
    "RandomTranslation": ((3,), lambda *_: {"height_factor": 0.1, "width_factor": 0.1}),
    "RandomRotation": ((3,), lambda *_: {"factor": 0.1}),
    "RandomZoom": ((3,), lambda *_: {"height_factor": 0.1}),
}  # RandomCrop is left out: outside of training Keras 3.15 returns the image uncropped

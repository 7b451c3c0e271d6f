"""The networks and shapes of `unknown_sizes.npz`, for Keras and for fastconv."""

from __future__ import annotations

from typing import Any

import numpy as np

# (layer, arguments, input shape, or a list of them)
SHAPES = [
    ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 2}, (None, None, 3)),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "same"}, (None, 32, 3)),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "dilation_rate": 2, "groups": 3}, (32, None, 3)),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal"}, (None, 3)),
    ("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2}, (None, None, 3)),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}, (None, None, 3)),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 3}, (None, None, 3)),
    ("MaxPooling2D", {}, (None, None, 3)),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (None, 9, 3)),
    ("MaxPooling1D", {"pool_size": 2}, (None, 3)),
    ("GlobalAveragePooling2D", {}, (None, None, 3)),
    ("GlobalMaxPooling2D", {"keepdims": True}, (None, None, 3)),
    ("GlobalAveragePooling1D", {}, (None, 3)),
    ("UpSampling2D", {"size": (2, 3)}, (None, 5, 3)),
    ("ZeroPadding2D", {"padding": 2}, (None, 32, 3)),
    ("Cropping2D", {"cropping": 2}, (None, 32, 3)),
    ("Resizing", {"height": 8, "width": 9}, (None, None, 3)),
    ("CenterCrop", {"height": 8, "width": 9}, (None, None, 3)),
    ("Rescaling", {"scale": 0.5}, (None, None, 3)),
    ("BatchNormalization", {}, (None, None, 3)),
    ("LayerNormalization", {}, (None, None, 3)),
    ("GroupNormalization", {"groups": 3}, (None, None, 3)),
    ("Dropout", {"rate": 0.5}, (None,)),
    ("SpatialDropout2D", {"rate": 0.5}, (None, None, 3)),
    ("PReLU", {"shared_axes": [1, 2]}, (None, None, 3)),
    ("ReLU", {}, (None,)),
    ("Softmax", {}, (None, None, 3)),
    ("Dense", {"units": 4}, (None, 3)),
    ("Flatten", {}, (None, None, 3)),
    ("Reshape", {"target_shape": (-1, 3)}, (None, None, 3)),
    ("Reshape", {"target_shape": (4, 4, 3)}, (None, None, 3)),
    ("Permute", {"dims": (2, 1)}, (None, 3)),
    ("RepeatVector", {"n": 3}, (None,)),
    ("Add", {}, [(None, None, 3), (None, None, 3)]),
    ("Multiply", {}, [(None, None, 3), (1, 1, 3)]),
    ("Maximum", {}, [(None, None, 3), (16, 16, 3)]),
    ("Concatenate", {}, [(None, None, 3), (None, None, 5)]),
    ("Concatenate", {}, [(None, None, 3), (16, 16, 5)]),
    ("Concatenate", {"axis": 1}, [(None, 3), (16, 3)]),
]

# The same for what has no weights without a size.
REFUSED = [
    ("Dense", {"units": 4}, (None,)),
    ("PReLU", {}, (None, None, 3)),
    ("BatchNormalization", {"axis": 1}, (None, None, 3)),
    ("LayerNormalization", {}, (None,)),
    ("Conv2D", {"filters": 4, "kernel_size": 3}, (8, 8, None)),
    ("Concatenate", {}, [(None, 8, 3), (None, 9, 3)]),
]

SIZES = [(8, 8), (12, 20), (16, 4)]


def unet(library: Any, sizes: tuple[int | None, int | None]) -> Any:
    """A small U-Net in `library`, Keras or fastconv, for images of `sizes`; weights by rule."""
    layers = library.layers
    image = layers.Input((*sizes, 2), name="image")
    fine = layers.Conv2D(4, 3, padding="same", activation="relu", name="fine")(image)
    x = layers.MaxPooling2D(2, name="down")(fine)
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="coarse")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Activation("relu", name="relu")(x)
    up = layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="up")(x)
    wide = layers.UpSampling2D(2, name="wide")(x)
    x = layers.Concatenate(name="joined")([fine, up, wide])
    mask = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x)
    label = layers.Dense(3, activation="softmax", name="label")(
        layers.GlobalAveragePooling2D(name="mean")(x)
    )
    model = library.models.Model(image, [mask, label], name="unet")
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=tuple(weight.shape)) * 0.3 for weight in model.weights]
    model.set_weights([np.abs(w) if w.ndim == 1 else w for w in weights])
    return model


def batch(number: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """(x, [mask, label]) of batch `number`, of images of its own size."""
    rng, (height, width) = np.random.default_rng(number), SIZES[number % len(SIZES)]
    x = rng.normal(size=(2 + number % 2, height, width, 2)).astype(np.float32)
    mask = rng.integers(0, 2, (len(x), height, width, 1)).astype(np.float32)
    return x, [mask, rng.integers(0, 3, len(x))]

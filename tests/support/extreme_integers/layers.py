"""Layers: legal arguments with every integer; networks of one layer are trained and written."""

from __future__ import annotations

import inspect
from functools import partial

import numpy as np

from fastconv import explain, layers, models
from fastconv.serialization import register_keras_serializable
from tests.support.extreme_integers.judge import judge
from tests.support.extreme_integers.replacements import replacements

_IMAGE, _SEQUENCE, _COLOURS = (6, 5, 4), (7, 4), (6, 5, 3)
_CONV2D = {"kernel_size": (3, 2), "strides": (1, 1), "dilation_rate": (1, 1)}
_CONV1D = {"kernel_size": (3,), "strides": (1,), "dilation_rate": (1,)}
_POOL2D, _POOL1D = {"pool_size": (2, 2), "strides": (1, 2)}, {"pool_size": (2,), "strides": (1,)}
_CONV3D = {"kernel_size": (2, 3, 2), "strides": (1, 1, 1), "dilation_rate": (1, 1, 1)}
_VOLUME, _POOL3D = (4, 5, 4, 4), {"pool_size": (2, 2, 2), "strides": (1, 2, 1)}
_SAME = {"padding": "same"}


@register_keras_serializable()
def doubled(x):
    """A function that files name."""
    return x * 2


# Per layer, legal arguments with every integer that it takes, and the shape of its samples.
LAYERS = {
    "ELU": [({}, _IMAGE)],
    "Activation": [({"activation": "relu"}, _IMAGE)],
    "Add": [({}, _IMAGE)],
    "ActivityRegularization": [({}, _IMAGE)],
    "AdaptiveAveragePooling1D": [({"output_size": 2}, _SEQUENCE)],
    "AdaptiveAveragePooling2D": [({"output_size": (2, 3)}, _IMAGE)],
    "AdaptiveAveragePooling3D": [({"output_size": (2, 3, 2)}, _VOLUME)],
    "AdaptiveMaxPooling1D": [({"output_size": 2}, _SEQUENCE)],
    "AdaptiveMaxPooling2D": [({"output_size": (2, 3)}, _IMAGE)],
    "AdaptiveMaxPooling3D": [({"output_size": (2, 3, 2)}, _VOLUME)],
    "AlphaDropout": [({"rate": 0.5, "noise_shape": (None, 1, 5, 4), "seed": 3}, _IMAGE)],
    "Average": [({}, _IMAGE)],
    "AveragePooling1D": [(_POOL1D, _SEQUENCE), (_POOL1D | _SAME, _SEQUENCE)],
    "AveragePooling2D": [(_POOL2D, _IMAGE), (_POOL2D | _SAME, _IMAGE)],
    "AveragePooling3D": [(_POOL3D, _VOLUME), (_POOL3D | _SAME, _VOLUME)],
    "BatchNormalization": [({"axis": -1}, _IMAGE)],
    "CenterCrop": [({"height": 3, "width": 4}, _IMAGE)],
    "Concatenate": [({"axis": -1}, _IMAGE)],
    "Conv1D": [
        ({"filters": 4, "groups": 2} | _CONV1D | {"padding": padding}, _SEQUENCE)
        for padding in ("valid", "same", "causal")
    ],
    "Conv1DTranspose": [
        ({"filters": 4} | _CONV1D | {"strides": (2,), "output_padding": (1,)}, _SEQUENCE),
        ({"filters": 4} | _CONV1D | _SAME, _SEQUENCE),
    ],
    "Conv2D": [
        ({"filters": 4, "groups": 2} | _CONV2D, _IMAGE),
        ({"filters": 4, "groups": 1} | _CONV2D | _SAME, _IMAGE),
    ],
    "Conv2DTranspose": [
        ({"filters": 4} | _CONV2D | {"strides": (2, 2), "output_padding": (1, 1)}, _IMAGE),
        ({"filters": 4} | _CONV2D | _SAME, _IMAGE),
    ],
    "Conv3D": [
        ({"filters": 4, "groups": 2} | _CONV3D, _VOLUME),
        ({"filters": 4, "groups": 1} | _CONV3D | _SAME, _VOLUME),
    ],
    "Conv3DTranspose": [
        (
            {"filters": 4} | _CONV3D | {"strides": (2, 2, 2), "output_padding": (1, 1, 1)},
            _VOLUME,
        ),
        ({"filters": 4} | _CONV3D | _SAME, _VOLUME),
    ],
    "Cropping1D": [({"cropping": (1, 2)}, _SEQUENCE)],
    "Cropping2D": [({"cropping": ((1, 0), (0, 2))}, _IMAGE)],
    "Cropping3D": [({"cropping": ((1, 0), (0, 2), (1, 1))}, _VOLUME)],
    "Dense": [({"units": 3}, _IMAGE)],
    "DepthwiseConv1D": [({"depth_multiplier": 2} | _CONV1D, _SEQUENCE)],
    "DepthwiseConv2D": [({"depth_multiplier": 2} | _CONV2D | _SAME, _IMAGE)],
    "Dot": [({"axes": (-1, -1)}, _IMAGE)],
    "Dropout": [({"rate": 0.5, "noise_shape": (None, 1, 5, 4), "seed": 3}, _IMAGE)],
    "Flatten": [({}, _IMAGE)],
    "GaussianDropout": [({"rate": 0.5, "seed": 3}, _IMAGE)],
    "GaussianNoise": [({"stddev": 0.5, "seed": 3}, _IMAGE)],
    "GlobalAveragePooling1D": [({}, _SEQUENCE)],
    "GlobalAveragePooling2D": [({}, _IMAGE)],
    "GlobalAveragePooling3D": [({}, _VOLUME)],
    "GlobalMaxPooling1D": [({}, _SEQUENCE)],
    "GlobalMaxPooling2D": [({}, _IMAGE)],
    "GlobalMaxPooling3D": [({}, _VOLUME)],
    "GroupNormalization": [({"groups": 2, "axis": -1}, _IMAGE)],
    "GRU": [({"units": 3}, _SEQUENCE)],
    "Identity": [({}, _IMAGE)],
    "InputLayer": [({"shape": (6, 5, 4)}, None), ({"batch_shape": (None, 6, 5, 4)}, None)],
    "LSTM": [({"units": 3}, _SEQUENCE)],
    "Lambda": [({"function": doubled}, _IMAGE)],
    "LayerNormalization": [({"axis": [-1, -2]}, _IMAGE)],
    "LeakyReLU": [({}, _IMAGE)],
    "LocalResponseNormalization": [({"depth_radius": 2}, _IMAGE)],
    "MaxPooling1D": [(_POOL1D, _SEQUENCE), (_POOL1D | _SAME, _SEQUENCE)],
    "MaxPooling2D": [(_POOL2D, _IMAGE), (_POOL2D | _SAME, _IMAGE)],
    "MaxPooling3D": [(_POOL3D, _VOLUME), (_POOL3D | _SAME, _VOLUME)],
    "Maximum": [({}, _IMAGE)],
    "Minimum": [({}, _IMAGE)],
    "Multiply": [({}, _IMAGE)],
    "Normalization": [({"axis": [-1, -2]}, _IMAGE)],
    "RMSNormalization": [({"axis": [-1, -2]}, _IMAGE)],
    "PReLU": [({"shared_axes": [1, 2]}, _IMAGE)],
    "Permute": [({"dims": (3, 1, 2)}, _IMAGE)],
    "AutoContrast": [({}, _IMAGE)],
    "CategoryEncoding": [({"num_tokens": 3, "output_mode": "one_hot"}, (4,))],
    "CutMix": [({"factor": 0.5, "seed": 3}, _IMAGE)],
    "Equalization": [({"bins": 16}, _IMAGE)],
    "MixUp": [({"alpha": 0.5, "seed": 3}, _IMAGE)],
    "RandAugment": [({"num_ops": 2, "seed": 3}, _COLOURS)],
    "RandomBrightness": [({"factor": 0.5, "seed": 3}, _IMAGE)],
    "RandomColorDegeneration": [({"factor": 0.5, "seed": 3}, _COLOURS)],
    "RandomColorJitter": [({"hue_factor": 0.5, "seed": 3}, _COLOURS)],
    "RandomContrast": [({"factor": 0.5, "seed": 3}, _IMAGE)],
    "RandomErasing": [({"factor": 0.5, "seed": 3}, _IMAGE)],
    "RandomGaussianBlur": [({"kernel_size": (3, 5), "seed": 3}, _IMAGE)],
    "RandomGrayscale": [({"factor": 0.5, "seed": 3}, _COLOURS)],
    "RandomHue": [({"factor": 0.5, "seed": 3}, _COLOURS)],
    "RandomInvert": [({"factor": 0.5, "seed": 3}, _IMAGE)],
    "RandomPosterization": [({"factor": (1, 6), "seed": 3}, _IMAGE)],
    "RandomSaturation": [({"factor": 0.5, "seed": 3}, _COLOURS)],
    "RandomSharpness": [({"factor": 0.5, "seed": 3}, _IMAGE)],
    "RandomShear": [({"x_factor": 0.5, "seed": 3}, _IMAGE)],
    "Solarization": [({"addition_factor": 0.5, "seed": 3}, _IMAGE)],
    "RandomCrop": [({"height": 3, "width": 4, "seed": 3}, _IMAGE)],
    "RandomFlip": [({"seed": 3}, _IMAGE)],
    "RandomRotation": [({"factor": 0.1, "seed": 3}, _IMAGE)],
    "RandomTranslation": [({"height_factor": 0.1, "width_factor": 0.1, "seed": 3}, _IMAGE)],
    "RandomZoom": [({"height_factor": 0.1, "seed": 3}, _IMAGE)],
    "ReLU": [({}, _IMAGE)],
    "RepeatVector": [({"n": 3}, (4,))],
    "Rescaling": [({"scale": 0.5}, _IMAGE)],
    "Reshape": [({"target_shape": (5, -1, 8)}, _IMAGE)],
    "Resizing": [
        ({"height": 3, "width": 4} | how, _IMAGE)
        for how in ({}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True})
    ],
    "SeparableConv1D": [({"filters": 4, "depth_multiplier": 2} | _CONV1D, _SEQUENCE)],
    "SeparableConv2D": [({"filters": 4, "depth_multiplier": 2} | _CONV2D | _SAME, _IMAGE)],
    "Softmax": [({"axis": [-1, -2]}, _IMAGE)],
    "SpatialDropout1D": [({"rate": 0.5, "seed": 3}, _SEQUENCE)],
    "SpatialDropout2D": [({"rate": 0.5, "seed": 3}, _IMAGE)],
    "SpatialDropout3D": [({"rate": 0.5, "seed": 3}, _VOLUME)],
    "Subtract": [({}, _IMAGE)],
    "TimeDistributed": [({"layer": layers.Dense(3)}, _SEQUENCE)],
    "UnitNormalization": [({"axis": [-1, -2]}, _IMAGE)],
    "UpSampling1D": [({"size": 2}, _SEQUENCE)],
    "UpSampling2D": [
        ({"size": (2, 3), "interpolation": how}, _IMAGE)
        for how in ("nearest", "bilinear", "bicubic")
    ],
    "UpSampling3D": [({"size": (2, 3, 2)}, _VOLUME)],
    "ZeroPadding1D": [({"padding": (1, 2)}, _SEQUENCE)],
    "ZeroPadding2D": [
        ({"padding": ((1, 0), (0, 2)), "padding_mode": mode}, _IMAGE)
        for mode in ("zeros", "edge", "reflect")
    ],
    "ZeroPadding3D": [({"padding": ((1, 0), (0, 2), (1, 1))}, _VOLUME)],
}
# Arguments of layers that hold no integers.
LAYER_WORDS = {
    "activation", "activity_regularizer", "addition_factor", "alpha", "antialias", "arguments",
    "beta", "bias", "function", "mask", "output_shape",
    "brightness_factor", "center", "contrast_factor", "crop_to_aspect_ratio", "data_format",
    "dropout", "go_backwards", "recurrent_activation", "recurrent_dropout", "reset_after",
    "return_sequences", "return_state", "seed", "stateful", "unit_forget_bias", "unroll",
    "zero_output_for_mask",
    "dtype", "epsilon", "factor", "fill_mode", "fill_value", "height_factor", "hue_factor",
    "interpolation", "invert", "keepdims", "l1", "l2", "layer", "lora_rank",
    "max_value", "mean", "mode",
    "momentum", "name", "negative_slope", "normalize", "offset", "optional", "output_mode",
    "pad_to_aspect_ratio", "padding", "padding_mode", "quantization_config", "ragged", "rate",
    "renorm", "renorm_clipping",
    "renorm_momentum", "rms_scaling", "saturation_factor", "scale", "sigma", "sparse", "stddev",
    "synchronized", "threshold", "threshold_factor", "trainable", "use_bias", "value_range",
    "variance", "width_factor", "x_factor", "y_factor",
}  # fmt: skip
LAYER_SUFFIXES = ("_initializer", "_regularizer", "_constraint")
# Given to all layers by the base class, or refused altogether.
LAYER_COMMON = {"common", "input_shape", "input_dim", "batch_size"}


def layer_cases(name: str) -> list:
    """(arguments, shape of samples), after a look at whether all integers are there."""
    parameters = set(inspect.signature(layers.CLASSES[name]).parameters)
    known = {key for arguments, _ in LAYERS[name] for key in arguments}
    for parameter in sorted(parameters - known - LAYER_WORDS - LAYER_COMMON):
        if not parameter.endswith(LAYER_SUFFIXES) and not (name == "InputLayer"):
            raise LookupError(f"layers.{name}: the tables say nothing of {parameter!r}")
    return LAYERS[name]


def check_layer(name: str, case: tuple) -> None:
    """Make, describe, train and write down a network of that layer alone."""
    arguments, sample = case
    layer = layers.CLASSES[name](**arguments)
    type(layer).from_config(layer.get_config())
    if sample is None:
        return
    begin = layers.Input(sample)
    end = layer([begin, begin] if layer.merges else begin)
    model = models.Model(begin, end)
    described = explain(model)
    described.to_dict()
    assert [layer.notes for layer in described.layers]
    x = np.random.default_rng(0).random((2, *sample), dtype=np.float32)
    y = model.predict(x, verbose=0)
    assert y.shape == (2, *end.shape[1:]), (y.shape, end.shape)
    assert np.isfinite(y).all()
    model.compile("sgd", "mse")
    assert np.isfinite(model.train_on_batch(x, y))
    models.Model.from_config(model.get_config())


def every_layer() -> None:
    for name in layers.CLASSES:
        for case in layer_cases(name):
            check_layer(name, case)
            arguments, sample = case
            for path, spoiled, extreme in replacements(arguments, name):
                judge(f"layers.{path} = {extreme!r}", partial(check_layer, name, (spoiled, sample)))

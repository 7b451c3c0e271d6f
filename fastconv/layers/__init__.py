"""The layers, with Keras's names, arguments and defaults.

    base            Layer: shapes, weights, calls, configuration
    input           Input; input_spec: InputSpec
    symbolic        symbolic tensors and calls of layers
    spatial         Spatial: images, sequences and volumes, channels last or first
    conv            Conv1D, Conv2D
    conv_transpose  Conv1DTranspose, Conv2DTranspose
    depthwise       DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
    volumes         Conv3D, Conv3DTranspose
    identity        Identity, ActivityRegularization
    pooling         MaxPooling, AveragePooling, GlobalMaxPooling, GlobalAveragePooling, 1D to 3D
    adaptive_pooling AdaptiveMaxPooling, AdaptiveAveragePooling, 1D to 3D
    dense           Dense
    recurrent       LSTM, GRU
    activated       Activated: layers with an argument `activation`
    activation      Activation, ReLU, LeakyReLU, PReLU, ELU, Softmax
    merging         Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate
    dot             Dot
    normalization   BatchNormalization, LayerNormalization, GroupNormalization, UnitNormalization,
                    RMSNormalization, LocalResponseNormalization
    function_layers  Lambda, a Python function
    reshaping       Flatten, Reshape, Permute, RepeatVector; ZeroPadding, Cropping, UpSampling
    standardization Normalization
    regularization  Dropout, AlphaDropout, SpatialDropout, GaussianNoise, GaussianDropout
    augmentation    Rescaling, Resizing, CenterCrop; RandomFlip, RandomTranslation, RandomRotation,
                    RandomZoom, RandomShear, RandomCrop
    color           RandomBrightness, RandomContrast, RandomHue, RandomSaturation,
                    RandomColorJitter, RandomColorDegeneration, RandomGrayscale, RandomSharpness,
                    RandomGaussianBlur, RandomPosterization, RandomInvert, Solarization,
                    AutoContrast, Equalization
    mixing          RandomErasing, MixUp, CutMix, RandAugment
    categories      CategoryEncoding
    custom          CustomLayer: custom layers in NumPy
    wrapping        TimeDistributed, Wrapper
    weight_spec     WeightSpec: initializer, regularizer and constraint of a weight

Arguments that Keras has and fastconv does not have raise an error; none is ignored. All models
compute in float32, on channels-last images for any `data_format` of the layers.
"""

from collections.abc import Callable
from typing import Any

from fastconv.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from fastconv.layers.adaptive_pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
)
from fastconv.layers.augmentation import (
    CenterCrop,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
    Rescaling,
    Resizing,
)
from fastconv.layers.base import Layer
from fastconv.layers.categories import CategoryEncoding
from fastconv.layers.color import (
    AutoContrast,
    Equalization,
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomGaussianBlur,
    RandomGrayscale,
    RandomHue,
    RandomInvert,
    RandomPosterization,
    RandomSaturation,
    RandomSharpness,
    Solarization,
)
from fastconv.layers.conv import Conv1D, Conv2D
from fastconv.layers.conv_transpose import Conv1DTranspose, Conv2DTranspose
from fastconv.layers.custom import CustomLayer
from fastconv.layers.dense import Dense
from fastconv.layers.depthwise import (
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from fastconv.layers.dot import Dot, dot
from fastconv.layers.function import FunctionLayer as _FunctionLayer  # noqa: F401  operators
from fastconv.layers.function_layers import Lambda
from fastconv.layers.identity import ActivityRegularization, Identity
from fastconv.layers.input import Input, InputLayer
from fastconv.layers.input_spec import InputSpec
from fastconv.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from fastconv.layers.mixing import CutMix, MixUp, RandAugment, RandomErasing
from fastconv.layers.normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    LocalResponseNormalization,
    RMSNormalization,
    UnitNormalization,
)
from fastconv.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from fastconv.layers.recurrent import GRU, LSTM
from fastconv.layers.regularization import (
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from fastconv.layers.reshaping import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    Flatten,
    Permute,
    RepeatVector,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from fastconv.layers.standardization import Normalization
from fastconv.layers.volumes import Conv3D, Conv3DTranspose
from fastconv.layers.wrapping import TimeDistributed, Wrapper
from fastconv.serialization import serializers

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "Activation",
    "ActivityRegularization",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "Add",
    "AlphaDropout",
    "AutoContrast",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "BatchNormalization",
    "CategoryEncoding",
    "CenterCrop",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "CustomLayer",
    "CutMix",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Dot",
    "Dropout",
    "Equalization",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "LocalResponseNormalization",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "MixUp",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Resizing",
    "SeparableConv1D",
    "SeparableConv2D",
    "Softmax",
    "Solarization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "Subtract",
    "TimeDistributed",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Wrapper",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]

# Classes that a file may refer to by name (`fastconv.serialization`).
_NOT_BUILT = ("CustomLayer", "InputSpec", "Layer", "Wrapper")
CLASSES = {
    name: globals()[name]
    for name in __all__
    if isinstance(globals()[name], type) and name not in _NOT_BUILT
}

# Keras's other names
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool3D = GlobalMaxPooling3D
Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution3D = Conv3D
Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D

serialize: Callable[..., Any]
deserialize: Callable[..., Any]
serialize, deserialize = serializers("layers")
__all__ += [
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "deserialize",
    "serialize",
]

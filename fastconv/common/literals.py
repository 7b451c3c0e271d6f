"""The values of arguments that take a few words or a name, for editors and type checkers.

At run time an argument is checked against the tables of its module, case-insensitively where Keras
is; a test compares these lists with the tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, SupportsIndex

import numpy as np

Algorithm = Literal["auto", "direct", "scatter", "winograd2", "winograd4"]
ConvolutionPass = Literal["forward", "backward_input", "backward_kernel"]
DataFormat = Literal["channels_last", "channels_first"]
FillMode = Literal["constant", "nearest", "reflect", "wrap"]
# Activations that `ops.conv2d` and `ops.dense` apply to their own output.
FusedActivation = Literal["linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax"]
Interpolation = Literal["nearest", "bilinear"]
Padding = Literal["valid", "same"]
# Also the sizes: (rows, columns) or ((before, after), ...).
WindowPadding = Padding | SupportsIndex | tuple[Any, ...] | list[Any]
CausalPadding = Literal["valid", "same", "causal"]  # "causal": Conv1D only
PaddingMode = Literal["zeros", "edge", "reflect"]
PadMode = Literal["constant", "reflect", "symmetric", "edge", "wrap"]
Reduction = Literal["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none"]
Resampling = Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area"]
Verbose = Literal["auto", 0, 1, 2]

ActivationName = Literal[
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
]
ConstraintName = Literal[
    "max_norm",
    "MaxNorm",
    "min_max_norm",
    "MinMaxNorm",
    "non_neg",
    "NonNeg",
    "unit_norm",
    "UnitNorm",
]
InitializerName = Literal[
    "Constant",
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "GlorotNormal",
    "GlorotUniform",
    "he_normal",
    "he_uniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "LecunNormal",
    "LecunUniform",
    "normal",
    "one",
    "Ones",
    "ones",
    "Orthogonal",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "RandomNormal",
    "RandomUniform",
    "truncated_normal",
    "TruncatedNormal",
    "uniform",
    "variance_scaling",
    "VarianceScaling",
    "zero",
    "Zeros",
    "zeros",
]
LossName = Literal[
    "BCE",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "cosine_similarity",
    "CosineSimilarity",
    "Dice",
    "dice",
    "Hinge",
    "hinge",
    "Huber",
    "huber",
    "kl_divergence",
    "KLD",
    "kld",
    "KLDivergence",
    "log_cosh",
    "LogCosh",
    "MAE",
    "mae",
    "MAPE",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "MSE",
    "mse",
    "MSLE",
    "msle",
    "Poisson",
    "poisson",
    "sparse_categorical_crossentropy",
    "SparseCategoricalCrossentropy",
    "squared_hinge",
    "SquaredHinge",
    "Tversky",
    "tversky",
]
OptimizerName = Literal[
    "Adadelta",
    "adadelta",
    "Adafactor",
    "adafactor",
    "Adagrad",
    "adagrad",
    "Adam",
    "adam",
    "Adamax",
    "adamax",
    "AdamW",
    "adamw",
    "Ftrl",
    "ftrl",
    "Lamb",
    "lamb",
    "Lars",
    "lars",
    "Lion",
    "lion",
    "Nadam",
    "nadam",
    "RMSprop",
    "rmsprop",
    "SGD",
    "sgd",
]
RegularizerName = Literal[
    "L1",
    "l1",
    "L1L2",
    "l1l2",
    "L2",
    "l2",
    "orthogonal_regularizer",
    "OrthogonalRegularizer",
]

# A name, a function or an object that is called (a layer, a loss ...), or a configuration.
ActivationLike = ActivationName | Callable[..., Any] | dict[str, Any] | None
ConstraintLike = ConstraintName | Callable[..., Any] | dict[str, Any] | None
InitializerLike = InitializerName | Callable[..., Any] | np.ndarray | dict[str, Any] | None
LossLike = LossName | Callable[..., Any] | dict[str, Any] | list[Any] | tuple[Any, ...] | None
RegularizerLike = RegularizerName | Callable[..., Any] | dict[str, Any] | None

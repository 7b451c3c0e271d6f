"""What training makes small: Keras's losses, with its names, formulas and numbers.

    probabilistic   cross-entropies (categorical, sparse, binary, focal), KLDivergence, Poisson
    robust          CategoricalGeneralizedCrossEntropy, Dice, Tversky
    regression      MeanSquaredError and its like, Huber, LogCosh, CosineSimilarity
    hinge           Hinge, SquaredHinge, and CategoricalHinge, the loss of a multi-class SVM
    traced          one's own: a class with `call`, or a function, in `fastconv.ops`
    custom          CustomLoss: one's own, value and gradient in NumPy
    functions       the same as functions of arrays: losses.mean_squared_error(y_true, y_pred)

A loss has one value per prediction vector (the last axis); the loss of a batch is

    sum over all prediction vectors of weight * value / number of prediction vectors

(not divided by the sum of the weights). One compiled operation gives values and gradients in one
pass (`_ext/_loss.pyx`), inside a model and when a loss is called on arrays.

>>> import numpy as np
>>> from fastconv import losses
>>> float(losses.MeanSquaredError()(np.zeros((2, 4)), np.full((2, 4), 3.0)))
9.0
>>> losses.mean_absolute_error([[1.0, 2.0]], [[1.5, 1.0]])
array([0.75], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.losses import functions
from fastconv.losses.base import Loss, check_labels, spread_weights
from fastconv.losses.custom import CustomLoss
from fastconv.losses.functions import *  # noqa: F403
from fastconv.losses.hinge import CategoricalHinge, Hinge, SquaredHinge
from fastconv.losses.probabilistic import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
)
from fastconv.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
)
from fastconv.losses.robust import CategoricalGeneralizedCrossEntropy, Dice, Tversky
from fastconv.losses.traced import FunctionLoss
from fastconv.serialization import find, named_object, serializers

CLASSES = {
    cls.__name__: cls
    for cls in (
        CategoricalCrossentropy,
        SparseCategoricalCrossentropy,
        BinaryCrossentropy,
        CategoricalFocalCrossentropy,
        BinaryFocalCrossentropy,
        KLDivergence,
        Poisson,
        MeanSquaredError,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredLogarithmicError,
        CosineSimilarity,
        Huber,
        LogCosh,
        Hinge,
        SquaredHinge,
        CategoricalHinge,
        CategoricalGeneralizedCrossEntropy,
        Dice,
        Tversky,
    )
}
serialize: Callable[..., Any]
deserialize: Callable[..., Any]
serialize, deserialize = serializers("losses")
_SHORT = {
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
    "mae": MeanAbsoluteError,
    "mse": MeanSquaredError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
}
ALIASES = {
    **_SHORT,
    **{name.upper(): cls for name, cls in _SHORT.items()},
    "kl_divergence": KLDivergence,
}


def get(identifier: Any) -> Loss | None:
    """The loss that a name ("mse", "categorical_crossentropy", a class name), a loss, its class, a
    function of (y_true, y_pred) in `fastconv.ops` or a serialized configuration stands for; None
    for None.

    Raises ValueError for an unknown name (the message lists all), TypeError for anything else.
    """
    if identifier is None:
        return None
    identifier = named_object(identifier)
    name = getattr(identifier, "__name__", None)
    if name in functions.__all__ and identifier is getattr(functions, name):
        identifier = name
    elif callable(identifier) and not isinstance(identifier, (Loss, type)):
        return FunctionLoss(identifier)
    return find(identifier, "losses", Loss, aliases=ALIASES)


__all__ = [
    "ALIASES",
    "CLASSES",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "CustomLoss",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "check_labels",
    "deserialize",
    "get",
    "serialize",
    "spread_weights",
]
__all__ += functions.__all__

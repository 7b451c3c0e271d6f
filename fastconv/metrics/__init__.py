"""Metrics: Keras's, with its names and values.

    base        Metric, Mean, Sum, MeanMetricWrapper
    accuracy    Accuracy in its forms: binary, categorical, sparse, top-k
    of_losses   MeanSquaredError, Hinge, CategoricalCrossentropy ... as metrics
    confusion   TruePositives and its like, Precision, Recall, AUC, ConfusionMatrix
    operating_points  SensitivityAtSpecificity, PrecisionAtRecall and their like
    correlation PearsonCorrelation, ConcordanceCorrelation
    functions   the same as functions of arrays, with one value per sample
    overlap     MeanIoU and its like, for segmentation
    scores      F1Score, FBetaScore, R2Score, RootMeanSquaredError

A metric accumulates batches (`update_state`), returns its value (`result`) and starts again
(`reset_state`). Sums are in float64.

>>> from fastconv import metrics
>>> accuracy = metrics.SparseCategoricalAccuracy()
>>> accuracy.update_state([1, 0], [[0.1, 0.9], [0.3, 0.7]])
>>> accuracy.result()
0.5
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastconv.metrics import functions
from fastconv.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from fastconv.metrics.base import Mean, MeanMetricWrapper, Metric, Sum
from fastconv.metrics.confusion import (
    AUC,
    ConfusionMatrix,
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from fastconv.metrics.correlation import (
    ConcordanceCorrelation,
    PearsonCorrelation,
    concordance_correlation,
    pearson_correlation,
)
from fastconv.metrics.functions import *  # noqa: F403
from fastconv.metrics.of_losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from fastconv.metrics.operating_points import (
    PrecisionAtRecall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
)
from fastconv.metrics.overlap import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from fastconv.metrics.scores import F1Score, FBetaScore, R2Score, RootMeanSquaredError
from fastconv.serialization import find, named_object, serializers

CLASSES = {
    cls.__name__: cls
    for cls in (
        Mean, Sum, Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy,
        TopKCategoricalAccuracy, SparseTopKCategoricalAccuracy, MeanSquaredError,
        RootMeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError,
        MeanSquaredLogarithmicError, CosineSimilarity, LogCoshError, Huber, R2Score, Hinge,
        SquaredHinge, CategoricalHinge, KLDivergence, Poisson, BinaryCrossentropy,
        CategoricalCrossentropy, SparseCategoricalCrossentropy, TruePositives, FalsePositives,
        TrueNegatives, FalseNegatives, Precision, Recall, AUC, F1Score, FBetaScore, ConfusionMatrix,
        IoU, BinaryIoU, MeanIoU, OneHotIoU, OneHotMeanIoU, PearsonCorrelation,
        ConcordanceCorrelation, SensitivityAtSpecificity, SpecificityAtSensitivity,
        PrecisionAtRecall, RecallAtPrecision,
    )
}  # fmt: skip
serialize: Callable[..., Any]
deserialize: Callable[..., Any]
serialize, deserialize = serializers("metrics")
_SHORT = {
    "bce": BinaryCrossentropy,
    "mae": MeanAbsoluteError,
    "mse": MeanSquaredError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
}
ALIASES = _SHORT | {name.upper(): cls for name, cls in _SHORT.items()}
_ACCURACY = ("accuracy", "acc")


def get(identifier: Any) -> Metric | str | None:
    """The metric that a name, a metric, its class, a function or a serialized configuration means;
    None for None.

    A function of (y_true, y_pred) gives values per sample, of which the metric is the mean.
    "accuracy" and "acc" come back as they are: which accuracy they mean depends on the shapes
    (`resolve`). Raises ValueError for an unknown name, TypeError for anything else.
    """
    identifier = named_object(identifier)
    if identifier is None or (isinstance(identifier, str) and identifier.lower() in _ACCURACY):
        return identifier
    described = identifier if isinstance(identifier, dict) else {}
    settings = described.get("config")
    if described.get("class_name") == "MeanMetricWrapper" and isinstance(settings, dict):
        return MeanMetricWrapper.from_config(settings)
    if callable(identifier) and not isinstance(identifier, (Metric, type)):
        return MeanMetricWrapper(identifier)
    metric = find(identifier, "metrics", Metric, aliases=ALIASES)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def resolve(
    metric: Metric | str, y_shape: Sequence[int | None], output_shape: Sequence[int | None]
) -> Metric:
    """The metric for labels and predictions of these shapes in a model.

    "accuracy" means: with one output, binary; labels with fewer axes than the predictions, or a
    last axis of 1 against more, class numbers; otherwise one-hot. The name stays as typed.
    """
    if isinstance(metric, Metric):
        return metric
    if output_shape[-1] == 1:
        return BinaryAccuracy(name=metric)
    if len(y_shape) < len(output_shape) or y_shape[-1] == 1:
        return SparseCategoricalAccuracy(name=metric)
    return CategoricalAccuracy(name=metric)


__all__ = [
    "ALIASES",
    "AUC",
    "CLASSES",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "ConfusionMatrix",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "Huber",
    "IoU",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "concordance_correlation",
    "deserialize",
    "get",
    "pearson_correlation",
    "resolve",
    "serialize",
]
__all__ += functions.__all__

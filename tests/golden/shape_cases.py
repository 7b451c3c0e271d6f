"""Shapes for `make_shapes`: which labels, predictions and weights are compared with Keras."""

from __future__ import annotations

import numpy as np

# (predictions, labels)
PAIRS = [
    ((3,), (3,)), ((4,), (4,)), ((3, 1), (3, 1)), ((3, 4), (3, 4)), ((1, 4), (1, 4)),
    ((3, 2, 4), (3, 2, 4)), ((3, 2, 2, 4), (3, 2, 2, 4)),
    # an axis of 1 more or less
    ((3, 1), (3,)), ((3, 2, 1), (3, 2)), ((3,), (3, 1)), ((3, 4), (3, 4, 1)),
    ((3, 2, 4), (3, 2, 4, 1)), ((1,), (1, 1)),
    # class numbers, or one target for a whole vector
    ((4,), ()), ((4,), (1,)), ((3, 4), (3,)), ((3, 4), (3, 1)), ((3, 2, 4), (3, 2)),
    ((3, 2, 4), (3, 2, 1)), ((3, 2, 2, 4), (3, 2, 2)), ((3, 2, 2, 4), (3, 2, 2, 1)),
    # what does not belong together, although much of it can be broadcast
    ((), ()), ((), (3,)), ((4,), (3,)), ((4,), (3, 4)), ((3, 4), ()), ((3, 4), (4,)),
    ((3, 4), (1, 4)), ((1, 4), (3, 4)), ((3, 4), (3, 2)), ((3, 2, 4), (3, 4)), ((3, 1), (3, 4)),
    ((3, 4), (3, 1, 1)), ((3, 2, 4), (3, 1, 4)), ((3, 2, 4), (3,)),
]  # fmt: skip
WEIGHTS = [
    None, (), (1,), (3,), (3, 1), (3, 2), (3, 2, 1), (3, 1, 1), (3, 2, 2), (3, 2, 2, 1), (1, 2),
    (2,), (4,), (3, 4),
]  # fmt: skip
FEW_WEIGHTS = [None, (), (3,), (3, 2)]  # for reductions of which the weights are the smaller part

# (class, arguments, kind of labels)
LOSSES = [
    ("MeanSquaredError", {}, "real"),
    ("MeanAbsoluteError", {}, "real"),
    ("MeanAbsolutePercentageError", {}, "real"),
    ("MeanSquaredLogarithmicError", {}, "real"),
    ("Huber", {"delta": 0.25}, "real"),
    ("LogCosh", {}, "real"),
    ("Hinge", {}, "binary"),
    ("SquaredHinge", {}, "binary"),
    ("CategoricalHinge", {}, "binary"),
    ("Poisson", {}, "real"),
    ("KLDivergence", {}, "real"),
    ("CosineSimilarity", {}, "real"),
    ("BinaryCrossentropy", {"label_smoothing": 0.25}, "binary"),
    ("BinaryFocalCrossentropy", {}, "binary"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.25}, "real"),
    ("CategoricalFocalCrossentropy", {"alpha": 0.5}, "real"),
    ("CategoricalFocalCrossentropy", {"alpha": [0.1, 0.2, 0.3, 0.4]}, "real"),
    ("SparseCategoricalCrossentropy", {}, "class"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, "class"),
]
METRICS = [
    ("MeanSquaredError", {}, "real"),
    ("RootMeanSquaredError", {}, "real"),
    ("CosineSimilarity", {}, "real"),
    ("Hinge", {}, "binary"),
    ("BinaryCrossentropy", {}, "binary"),
    ("CategoricalCrossentropy", {}, "real"),
    ("SparseCategoricalCrossentropy", {}, "class"),
    ("Accuracy", {}, "binary"),
    ("BinaryAccuracy", {}, "binary"),
    ("CategoricalAccuracy", {}, "binary"),
    ("SparseCategoricalAccuracy", {}, "class"),
    ("TopKCategoricalAccuracy", {"k": 2}, "binary"),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "class"),
    ("TruePositives", {}, "binary"),
    ("Precision", {}, "binary"),
    ("Recall", {"top_k": 2}, "binary"),
    ("AUC", {}, "binary"),
    ("F1Score", {}, "binary"),
    ("FBetaScore", {"average": "micro", "threshold": 0.5}, "binary"),
    ("R2Score", {}, "real"),
]


def predictions(shape: tuple[int, ...]) -> np.ndarray:
    """Probabilities, multiples of 1/64, all different along an axis."""
    count = np.arange(int(np.prod(shape)))
    return ((5 + 11 * count % 53) / 64).astype(np.float32).reshape(shape)


def labels(shape: tuple[int, ...], kind: str) -> np.ndarray:
    count = np.arange(int(np.prod(shape)))
    if kind == "class":
        return ((1 + 3 * count + count // 3) % 4).reshape(shape)
    if kind == "binary":
        return ((3 * count + count // 4) % 4 == 1).astype(np.float32).reshape(shape)
    return ((7 + 17 * count % 41) / 64).astype(np.float32).reshape(shape)


def weights(shape: tuple[int, ...]) -> np.ndarray:
    count = np.arange(int(np.prod(shape)))
    return ((2 + 3 * count) % 7 / 4).astype(np.float32).reshape(shape)

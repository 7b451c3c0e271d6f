"""Arguments that some metrics need, for one-hot labels and scores."""

from __future__ import annotations

from typing import Any


def metric_settings(num_classes: int) -> dict[str, dict[str, Any]]:
    """By the name of the class."""
    dense = {"sparse_y_true": False, "sparse_y_pred": False}
    targets = {"target_class_ids": [0, 2]}
    classes = {"num_classes": num_classes}
    return {
        "IoU": classes | targets | dense,
        "MeanIoU": classes | dense,
        "OneHotIoU": classes | targets,
        "OneHotMeanIoU": classes,
        "PrecisionAtRecall": {"recall": 0.5},
        "RecallAtPrecision": {"precision": 0.5},
        "SensitivityAtSpecificity": {"specificity": 0.5},
        "SpecificityAtSensitivity": {"sensitivity": 0.5},
    }

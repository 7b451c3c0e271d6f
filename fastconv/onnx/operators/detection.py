"""Operators at the end of detectors."""

from __future__ import annotations

import numpy as np

from fastconv.onnx.nodes import Node
from fastconv.onnx.registry import operator
from fastconv.onnx.tensor import Tensor


@operator("NonMaxSuppression", 10, 11)
def non_max_suppression(
    node: Node, boxes: Tensor, scores: Tensor, most: Tensor | None = None,
    overlap: Tensor | None = None, lowest: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The number of results depends on the values, so the operator computes with arrays only."""
    if not (boxes.is_constant and scores.is_constant):
        raise ValueError(
            "the number of boxes depends on the values: a model cannot hold this operator, which "
            "`fastconv.onnx.backend` can compute"
        )
    count = 0 if most is None else int(most.array.reshape(()))
    limit = 0.0 if overlap is None else float(overlap.array.reshape(()))
    least = -np.inf if lowest is None else float(lowest.array.reshape(()))
    corners = _corners(boxes.array, bool(node["center_point_box"]))
    found = [
        (image, label, box)
        for image, rows in enumerate(scores.array)
        for label, row in enumerate(rows)
        for box in _chosen(corners[image], row, count, limit, least)
    ]
    return Tensor.of(np.array(found, np.int64).reshape(-1, 3))


def _corners(boxes: np.ndarray, centred: bool) -> np.ndarray:
    """Return boxes as (low, high) corners (..., 2, 2)."""
    if centred:
        middle, size = boxes[..., :2], boxes[..., 2:]
        return np.stack([middle - size / 2, middle + size / 2], -2)
    pairs = boxes.reshape(*boxes.shape[:-1], 2, 2)
    return np.sort(pairs, -2)


def _chosen(
    corners: np.ndarray, scores: np.ndarray, count: int, limit: float, least: float
) -> list[int]:
    """Return the boxes of one class, best first: each overlaps those before it by at most `limit`
    (intersection over union)."""
    kept: list[int] = []
    for box in np.argsort(-scores, kind="stable"):
        if len(kept) >= count or scores[box] <= least:
            break
        if all(_overlap(corners[box], corners[other]) <= limit for other in kept):
            kept.append(int(box))
    return kept


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    shared = np.prod(np.maximum(np.minimum(a[1], b[1]) - np.maximum(a[0], b[0]), 0))
    union = np.prod(a[1] - a[0]) + np.prod(b[1] - b[0]) - shared
    return float(shared / union) if union > 0 else 0.0

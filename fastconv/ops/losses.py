"""Losses of a batch with their gradients.

Each function returns `(loss, gradient)`. The loss is the sum over the samples of weight times loss,
divided by the number of samples (not by the sum of the weights: Keras's reduction), as a Python
float accumulated in float64; the gradient is its derivative with respect to the first argument. The
loss of an empty batch is 0.0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import runtime, shapes
from fastconv._ext._elementwise import CrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from fastconv.ops import _validation as check


def softmax_cross_entropy(
    logits: np.ndarray,
    targets: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    num_threads: int | None = None,
) -> tuple[float, np.ndarray]:
    """Cross-entropy between targets and the softmax of logits: -sum(t log(softmax(z))) per sample.

    Softmax and logarithm are computed together, so the loss is finite for any finite logits.

    Args:
        logits: (N, C), float32 or float64. N may be 0.
        targets: (N, C), the dtype of `logits`, the weight of each class (one-hot, or smoothed); or
            (N,), any integer dtype, the index of the correct class.
        sample_weight: (N,), the dtype of `logits`, or None for 1.
        num_threads: number of threads; None for `fastconv.runtime.get_num_threads()`.

    Returns:
        loss, a float, and dlogits (N, C), the dtype of `logits`:
        `weight * (softmax(z) * sum(t) - t) / N`.

    Raises:
        TypeError: an array does not have the required dtype.
        ValueError: shapes do not match, or a label is outside [0, C).

    >>> import numpy as np
    >>> from fastconv import ops
    >>> loss, dlogits = ops.softmax_cross_entropy(np.zeros((1, 4)), np.array([2]))
    >>> round(loss, 6), dlogits.tolist()
    (1.386294, [[0.25, 0.25, -0.75, 0.25]])
    """
    return _class_loss(SoftmaxCrossEntropy, "logits", logits, targets, sample_weight, num_threads)


def cross_entropy(
    probabilities: np.ndarray,
    targets: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    num_threads: int | None = None,
) -> tuple[float, np.ndarray]:
    """Cross-entropy between targets and probabilities: -sum(t log(q)) per sample.

    q is p / sum(p), clipped to [1e-7, 1 - 1e-7]; the gradient is zero where it is clipped. For the
    output of a softmax, `softmax_cross_entropy` of its input is exact and faster.

    Args:
        probabilities: (N, C), float32 or float64, p. N may be 0.
        targets, sample_weight, num_threads: as for `softmax_cross_entropy`.

    Returns:
        loss, a float, and dprobabilities (N, C), the dtype of `probabilities`.

    Raises:
        TypeError, ValueError: as `softmax_cross_entropy`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> loss, dp = ops.cross_entropy(np.array([[0.25, 0.75]]), np.array([[1.0, 0.0]]))
    >>> round(loss, 6), dp.tolist()
    (1.386294, [[-3.0, 1.0]])
    """
    return _class_loss(
        CrossEntropy, "probabilities", probabilities, targets, sample_weight, num_threads
    )


def mean_squared_error(
    prediction: np.ndarray,
    targets: np.ndarray,
    *,
    sample_weight: np.ndarray | None = None,
    num_threads: int | None = None,
) -> tuple[float, np.ndarray]:
    """The mean of (y - t)^2 over the last axis, per sample.

    Args:
        prediction: (N, D), float32 or float64, y. N may be 0.
        targets: (N, D), the dtype of `prediction`, t.
        sample_weight, num_threads: as for `softmax_cross_entropy`.

    Returns:
        loss, a float, and dprediction (N, D), the dtype of `prediction`:
        `weight * 2 * (y - t) / (D * N)`.

    Raises:
        TypeError, ValueError: as `softmax_cross_entropy`.

    >>> import numpy as np
    >>> from fastconv import ops
    >>> loss, dy = ops.mean_squared_error(np.array([[3.0, 1.0]]), np.array([[1.0, 1.0]]))
    >>> loss, dy.tolist()
    (2.0, [[2.0, 0.0]])
    """
    prediction = check.check_float(prediction, "prediction")
    targets = check.check_float(targets, "targets", prediction, "prediction")
    rows, _ = shapes.normalize_shape(prediction.shape, "prediction", "N, D")
    check.check_shape(targets, "targets", prediction.shape, "to match `prediction`")
    weight = _sample_weight(sample_weight, rows, prediction, "prediction")
    return _run(MeanSquaredError, prediction, targets, weight, num_threads)


def _class_loss(
    op: Any, name: str, scores: Any, targets: Any, sample_weight: Any, num_threads: int | None
) -> tuple[float, np.ndarray]:
    scores = check.check_float(scores, name)
    targets = check.check_array(targets, "targets")
    labels = targets.dtype.kind in "iu"
    if not labels:
        targets = check.check_float(targets, "targets", scores, name)
    rows, classes = shapes.normalize_shape(scores.shape, name, "N, C")
    if labels:
        check.check_shape(targets, "targets", (rows,), f"with one label per row of `{name}`")
        wrong = (targets < 0) | (targets >= classes)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise ValueError(
                f"`targets` must hold labels in [0, {classes}), "
                f"received {targets[at]} at index {at}"
            )
        targets = targets.astype(np.int64, copy=False)
    else:
        check.check_shape(targets, "targets", (rows, classes), f"to match `{name}`")
    weight = _sample_weight(sample_weight, rows, scores, name)
    return _run(op, scores, targets, weight, num_threads)


def _sample_weight(sample_weight: Any, rows: int, like: np.ndarray, name: str) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weight = check.check_float(sample_weight, "sample_weight", like, name)
    check.check_shape(weight, "sample_weight", (rows,), f"with one weight per row of `{name}`")
    return check.operand(weight)


def _run(
    op: Any,
    values: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray | None,
    num_threads: int | None,
) -> tuple[float, np.ndarray]:
    threads = runtime.resolve_num_threads(num_threads)
    gradient = np.empty(values.shape, values.dtype.newbyteorder("="))
    rows = len(values)
    if not rows:
        return 0.0, gradient
    losses = np.empty(rows, np.float64)
    op(check.operand(values), check.operand(targets), gradient, losses, weight).run(threads)
    if weight is not None:
        losses *= weight
    return float(losses.sum()) / rows, gradient

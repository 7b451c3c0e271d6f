"""Any loss over rows of predictions, by kind: kernels/loss.inc and kernels/loss_kinds.inc."""

cimport cython
from libc.stdint cimport int64_t
import numpy as np

from fastconv._ext._core cimport operations, pointer
from fastconv._ext._kernels cimport (
    FC_LOSS_ABSOLUTE,
    FC_LOSS_BINARY,
    FC_LOSS_BINARY_FOCAL,
    FC_LOSS_BINARY_FOCAL_LOGITS,
    FC_LOSS_BINARY_LOGITS,
    FC_LOSS_CATEGORICAL_FOCAL,
    FC_LOSS_CATEGORICAL_FOCAL_LOGITS,
    FC_LOSS_CATEGORICAL_HINGE,
    FC_LOSS_COSINE,
    FC_LOSS_CROSS_ENTROPY,
    FC_LOSS_HINGE,
    FC_LOSS_HUBER,
    FC_LOSS_KL_DIVERGENCE,
    FC_LOSS_LOGARITHMIC,
    FC_LOSS_LOG_COSH,
    FC_LOSS_PERCENTAGE,
    FC_LOSS_POISSON,
    FC_LOSS_SOFTMAX_CROSS_ENTROPY,
    FC_LOSS_SQUARED,
    FC_LOSS_SQUARED_HINGE,
    fc_loss,
)
from fastconv._ext._operations cimport fc_loss_op
from fastconv._ext._program cimport Op, bind

_KINDS = {
    "squared": FC_LOSS_SQUARED,
    "absolute": FC_LOSS_ABSOLUTE,
    "percentage": FC_LOSS_PERCENTAGE,
    "logarithmic": FC_LOSS_LOGARITHMIC,
    "huber": FC_LOSS_HUBER,
    "log_cosh": FC_LOSS_LOG_COSH,
    "hinge": FC_LOSS_HINGE,
    "squared_hinge": FC_LOSS_SQUARED_HINGE,
    "poisson": FC_LOSS_POISSON,
    "kl_divergence": FC_LOSS_KL_DIVERGENCE,
    "binary": FC_LOSS_BINARY,
    "binary_logits": FC_LOSS_BINARY_LOGITS,
    "binary_focal": FC_LOSS_BINARY_FOCAL,
    "binary_focal_logits": FC_LOSS_BINARY_FOCAL_LOGITS,
    "categorical_hinge": FC_LOSS_CATEGORICAL_HINGE,
    "cosine": FC_LOSS_COSINE,
    "categorical_focal": FC_LOSS_CATEGORICAL_FOCAL,
    "categorical_focal_logits": FC_LOSS_CATEGORICAL_FOCAL_LOGITS,
    "softmax_cross_entropy": FC_LOSS_SOFTMAX_CROSS_ENTROPY,
    "cross_entropy": FC_LOSS_CROSS_ENTROPY,
}
_OF_LABELS = ("softmax_cross_entropy", "cross_entropy")


@cython.final
cdef class RowLoss(Op):
    """The loss of `kind` between prediction and targets, both (rows, classes); or labels
    (rows,) of int64.

    Writes the loss of each row (float64, unweighted) and, if their arrays are given, the gradient
    of the weighted mean over rows, and the softmax or sigmoid of the prediction.  `summed`: the sum
    instead of the mean, so that every value and gradient is `rows` times as large.  Rows with the
    label `ignore` do not count.
    """

    cdef readonly str kind
    cdef fc_loss_op c

    def __init__(
        self,
        str kind,
        prediction,
        targets,
        gradient,
        loss,
        sample_weight=None,
        probabilities=None,
        *,
        double a=0.0,
        double b=0.0,
        bint summed=False,
        ignore=None,
    ):
        if kind not in _KINDS:
            raise ValueError(f"unknown loss {kind!r}; expected one of {', '.join(_KINDS)}")
        if prediction.ndim != 2:
            raise ValueError(
                f"expected a prediction of shape (rows, classes), received {prediction.shape}"
            )
        labels = targets.ndim == 1 and kind in _OF_LABELS
        rows = prediction.shape[0]
        floating = (prediction, gradient, sample_weight, probabilities, None if labels else targets)
        wanted = {
            "targets": (
                targets,
                np.int64 if labels else prediction.dtype,
                (rows,) if labels else prediction.shape,
            ),
            "gradient": (gradient, prediction.dtype, prediction.shape),
            "probabilities": (probabilities, prediction.dtype, prediction.shape),
            "sample_weight": (sample_weight, prediction.dtype, (rows,)),
            "loss": (loss, np.float64, (rows,)),
        }
        for name, (array, dtype, shape) in wanted.items():
            if array is not None and (array.dtype != dtype or array.shape != shape):
                raise ValueError(
                    f"expected {name} {np.dtype(dtype)} {shape}, "
                    f"received {array.dtype} {array.shape}"
                )
        arrays = (prediction, targets, gradient, loss, sample_weight, probabilities)
        bind(self, &self.c.op, arrays, floating)
        cdef fc_loss *p = &self.c.problem
        p.prediction, p.sample_weight = pointer(prediction), pointer(sample_weight)
        p.gradient, p.probabilities = pointer(gradient), pointer(probabilities)
        p.labels = <int64_t *> pointer(targets) if labels else NULL
        p.targets = NULL if labels else pointer(targets)
        p.loss = <double *> pointer(loss)
        p.rows, p.classes = prediction.shape
        p.kind, p.a, p.b = _KINDS[kind], a, b
        p.ignores, p.ignore = ignore is not None, 0 if ignore is None else ignore
        self.kind, self.c.summed = kind, summed
        operations.prepare_loss(&self.c)

    def record(self):
        p = self.c.problem
        integers = (
            p.rows, p.classes, p.kind, self.c.summed, p.labels != NULL, p.ignores, p.ignore,
        )
        return "loss", self.arrays, (2, 3, 5), integers, (p.a, p.b)

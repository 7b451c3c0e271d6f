"""Any loss over rows of predictions, by kind: kernels/loss.inc and kernels/loss_kinds.inc."""

cimport cython
from libc.stdint cimport int64_t
import numpy as np

from fastconv._ext._core cimport pointer
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
    cdef fc_loss problem
    cdef bint summed, looks_at_targets, is_double

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
        bind(self, (prediction, targets, gradient, loss, sample_weight, probabilities), floating)
        self.is_double = self.table.target.element_size == 8
        cdef fc_loss *p = &self.problem
        p.prediction, p.sample_weight = pointer(prediction), pointer(sample_weight)
        p.gradient, p.probabilities = pointer(gradient), pointer(probabilities)
        p.labels = <int64_t *> pointer(targets) if labels else NULL
        p.targets = NULL if labels else pointer(targets)
        p.loss = <double *> pointer(loss)
        p.rows, p.classes = prediction.shape
        p.kind, p.a, p.b = _KINDS[kind], a, b
        p.ignores, p.ignore = ignore is not None, 0 if ignore is None else ignore
        self.kind, self.summed = kind, summed
        self.looks_at_targets = "hinge" in kind and kind != "categorical_hinge"
        self.work = 40.0 * p.rows * p.classes  # about one logarithm or exponential per element

    cdef void begin(self, char *workspace) noexcept nogil:
        """Sets the number of rows that count, and whether all targets are 0 or 1."""
        cdef fc_loss *p = &self.problem
        cdef int64_t i, count = p.rows
        cdef double t
        if p.ignores:
            count = 0
            for i in range(p.rows):
                count += p.labels[i] != p.ignore
        p.scale = 0.0 if count == 0 else <double> p.rows / count
        if self.summed:
            p.scale = p.rows
        if self.looks_at_targets:
            p.binary = True
            for i in range(p.rows * p.classes):
                t = (<double *> p.targets)[i] if self.is_double else (<float *> p.targets)[i]
                if t != 0.0 and t != 1.0:
                    p.binary = False
                    break

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.problem.rows

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.table.loss_row(&self.problem, item)

"""Activations, softmax, losses and dropout: single passes over stretches of fixed size."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
import numpy as np

from fastconv._ext._core cimport activation_code, pointer
from fastconv._ext._kernels cimport fc_loss
from fastconv._ext._program cimport Op, bind

cdef enum:
    STRETCH = 8192  # elements per item: 32 KiB of float32, an L1 cache


def _same_shapes(*named):
    (first, array), *rest = named
    for name, other in rest:
        if other is not None and other.shape != array.shape:
            raise ValueError(
                f"expected {name} of the shape of {first}, {array.shape}, received {other.shape}"
            )


cdef class _Elementwise(Op):
    cdef int64_t size

    cdef int _begin(self, arrays, named) except -1:
        bind(self, arrays)
        _same_shapes(*named)
        self.size = arrays[0].size
        self.work = 8.0 * self.size  # bytes moved
        return 0

    cdef void _stretch(self, int64_t begin, int64_t n) noexcept nogil:
        pass

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return (self.size + STRETCH - 1) // STRETCH

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self._stretch(item * STRETCH, min(<int64_t> STRETCH, self.size - item * STRETCH))


cdef class _Activation(_Elementwise):
    cdef int kind
    cdef double[3] parameters

    cdef int _describe(self, str kind, double slope, double max_value, double threshold) except -1:
        self.kind = activation_code(kind)
        self.parameters = [slope, max_value, threshold]
        return 0


@cython.final
cdef class ActivationForward(_Activation):
    """y = f(x); y may be x.

    `slope` is the slope of "leaky_relu", the factor of "elu" or the bound of "clipped_relu";
    "bounded_relu" uses all three.
    """

    cdef char *x
    cdef char *y

    def __init__(
        self, str kind, x, y, double slope=0.0, double max_value=0.0, double threshold=0.0
    ):
        self._begin((x, y), (("x", x), ("y", y)))
        self._describe(kind, slope, max_value, threshold)
        self.x, self.y = <char *> pointer(x), <char *> pointer(y)

    cdef void _stretch(self, int64_t begin, int64_t n) noexcept nogil:
        cdef int64_t at = begin * self.table.target.element_size
        self.table.activation_pass(self.kind, self.parameters, self.x + at, self.y + at, n)


@cython.final
cdef class ActivationBackward(_Activation):
    """dx = dy * f'(x); `saved` is x for kinds in `KEEPS_INPUT`, else y = f(x); dx may be dy."""

    cdef char *saved
    cdef char *dy
    cdef char *dx

    def __init__(
        self, str kind, saved, dy, dx, double slope=0.0, double max_value=0.0, double threshold=0.0
    ):
        self._begin((saved, dy, dx), (("saved", saved), ("dy", dy), ("dx", dx)))
        self._describe(kind, slope, max_value, threshold)
        self.saved = <char *> pointer(saved)
        self.dy, self.dx = <char *> pointer(dy), <char *> pointer(dx)

    cdef void _stretch(self, int64_t begin, int64_t n) noexcept nogil:
        cdef int64_t at = begin * self.table.target.element_size
        self.table.activation_backward_pass(
            self.kind, self.parameters, self.saved + at, self.dy + at, self.dx + at, n
        )


@cython.final
cdef class Dropout(_Elementwise):
    """y = x / (1 - rate) where kept, 0 where dropped; every run draws a new mask.  y may be x."""

    cdef char *x
    cdef char *y
    cdef readonly double rate
    cdef uint64_t seed
    cdef uint64_t draws

    def __init__(self, x, y, double rate, uint64_t seed):
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"`rate` must be in [0, 1), received {rate}")
        self._begin((x, y), (("x", x), ("y", y)))
        self.rate = rate
        self.seed = seed
        self.x, self.y = <char *> pointer(x), <char *> pointer(y)

    def get_state(self):
        """The number of masks drawn so far."""
        return self.draws

    def set_state(self, uint64_t draws):
        self.draws = draws

    cdef uint64_t key(self) noexcept nogil:
        return self.seed + self.draws * <uint64_t> 0xD1342543DE82EF95

    cdef void begin(self, char *workspace) noexcept nogil:
        self.draws += 1

    cdef void _stretch(self, int64_t begin, int64_t n) noexcept nogil:
        cdef int64_t at = begin * self.table.target.element_size
        self.table.dropout(self.x + at, self.y + at, begin, n, self.rate, self.key())


@cython.final
cdef class DropoutBackward(_Elementwise):
    """dx = dy under the mask of the last run of `forward`; dx may be dy."""

    cdef Dropout forward
    cdef char *dy
    cdef char *dx

    def __init__(self, Dropout forward not None, dy, dx):
        self._begin((dy, dx), (("dy", dy), ("dx", dx)))
        self.forward = forward
        self.dy, self.dx = <char *> pointer(dy), <char *> pointer(dx)

    cdef void _stretch(self, int64_t begin, int64_t n) noexcept nogil:
        cdef int64_t at = begin * self.table.target.element_size
        self.table.dropout(
            self.dy + at, self.dx + at, begin, n, self.forward.rate, self.forward.key()
        )


# ---- rows of classes ----


cdef class _Rows(Op):
    cdef int64_t rows, classes

    cdef int _begin(self, prediction) except -1:
        if prediction.ndim != 2:
            raise ValueError(
                f"expected an array of shape (rows, classes), received {prediction.shape}"
            )
        self.rows, self.classes = prediction.shape
        # An exponential and a division per element: about twenty operations.
        self.work = 20.0 * self.rows * self.classes
        return 0

    cdef void _row(self, int64_t row) noexcept nogil:
        pass

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.rows

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self._row(item)


@cython.final
cdef class SoftmaxForward(_Rows):
    """y = softmax(x) over the last axis of (rows, classes), or its logarithm; y may be x."""

    cdef char *x
    cdef char *y
    cdef void (*kernel)(const void *, void *, int64_t, int64_t) noexcept nogil

    def __init__(self, x, y, bint log=False):
        bind(self, (x, y))
        self._begin(x)
        _same_shapes(("x", x), ("y", y))
        self.x, self.y = <char *> pointer(x), <char *> pointer(y)
        self.kernel = self.table.log_softmax if log else self.table.softmax

    cdef void _row(self, int64_t row) noexcept nogil:
        cdef int64_t at = row * self.classes * self.table.target.element_size
        self.kernel(self.x + at, self.y + at, 1, self.classes)


@cython.final
cdef class SoftmaxBackward(_Rows):
    """dx = y * (dy - sum(y * dy)), or with `log` dy - exp(y) * sum(dy); dx may be dy."""

    cdef char *y
    cdef char *dy
    cdef char *dx
    cdef void (*kernel)(const void *, const void *, void *, int64_t, int64_t) noexcept nogil

    def __init__(self, y, dy, dx, bint log=False):
        bind(self, (y, dy, dx))
        self._begin(y)
        _same_shapes(("y", y), ("dy", dy), ("dx", dx))
        self.y, self.dy, self.dx = <char *> pointer(y), <char *> pointer(dy), <char *> pointer(dx)
        self.kernel = self.table.log_softmax_backward if log else self.table.softmax_backward

    cdef void _row(self, int64_t row) noexcept nogil:
        cdef int64_t at = row * self.classes * self.table.target.element_size
        self.kernel(self.y + at, self.dy + at, self.dx + at, 1, self.classes)


cdef class _Loss(_Rows):
    cdef fc_loss problem
    cdef void (*row)(const fc_loss *, int64_t) noexcept nogil

    cdef int _describe(
        self, prediction, targets, gradient, loss, sample_weight, probabilities, labels
    ) except -1:
        self._begin(prediction)
        floating = (prediction, gradient, sample_weight, probabilities)
        _same_shapes(
            ("prediction", prediction), ("gradient", gradient), ("probabilities", probabilities)
        )
        if loss.dtype != np.float64 or loss.shape != (self.rows,):
            raise ValueError(
                f"expected a loss array of float64 and shape {(self.rows,)}, "
                f"received {loss.dtype} and {loss.shape}"
            )
        if sample_weight is not None and sample_weight.shape != (self.rows,):
            raise ValueError(
                f"expected sample_weight of shape {(self.rows,)}, received {sample_weight.shape}"
            )
        cdef fc_loss *p = &self.problem
        if labels and targets.ndim == 1:
            if targets.dtype != np.int64 or targets.shape != (self.rows,):
                raise ValueError(
                    f"expected labels of int64 and shape {(self.rows,)}, "
                    f"received {targets.dtype} and {targets.shape}"
                )
            p.labels = <int64_t *> pointer(targets)
        else:
            _same_shapes(("prediction", prediction), ("targets", targets))
            floating = (*floating, targets)
            p.targets = pointer(targets)
        bind(self, (prediction, targets, gradient, loss, sample_weight, probabilities), floating)
        p.prediction, p.sample_weight = pointer(prediction), pointer(sample_weight)
        p.gradient, p.probabilities = pointer(gradient), pointer(probabilities)
        p.loss = <double *> pointer(loss)
        p.rows, p.classes = self.rows, self.classes
        p.scale = 1.0
        return 0

    cdef void _row(self, int64_t row) noexcept nogil:
        self.row(&self.problem, row)


@cython.final
cdef class SoftmaxCrossEntropy(_Loss):
    """Cross-entropy of softmax(logits) with targets (rows, classes) or labels (rows,) int64.

    Writes the loss of each row (float64, unweighted) and, if their arrays are given, the gradient
    of the weighted mean with respect to the logits, and the probabilities.  A label outside [0,
    classes) makes its row NaN.
    """

    def __init__(self, logits, targets, dlogits, loss, sample_weight=None, probabilities=None):
        self._describe(logits, targets, dlogits, loss, sample_weight, probabilities, True)
        self.row = self.table.softmax_cross_entropy_row


@cython.final
cdef class CrossEntropy(_Loss):
    """Cross-entropy of probabilities, divided by their sum and clipped to [1e-7, 1 - 1e-7]."""

    def __init__(self, probabilities, targets, dprobabilities, loss, sample_weight=None):
        self._describe(probabilities, targets, dprobabilities, loss, sample_weight, None, True)
        self.row = self.table.cross_entropy_row


@cython.final
cdef class MeanSquaredError(_Loss):
    """mean((prediction - targets)^2) over the last axis of (rows, outputs)."""

    def __init__(self, prediction, targets, dprediction, loss, sample_weight=None):
        self._describe(prediction, targets, dprediction, loss, sample_weight, None, False)
        self.row = self.table.mean_squared_error_row

"""Activations, softmax, losses and dropout: operations/elementwise.c and loss.c."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
import numpy as np

from fastconv._ext._core cimport activation_code, operations, pointer
from fastconv._ext._kernels cimport fc_loss
from fastconv._ext._operations cimport (
    fc_activation_op,
    fc_dropout_op,
    fc_loss_op,
    fc_softmax_op,
)
from fastconv._ext._program cimport Op, bind


def _same_shapes(*named):
    (first, array), *rest = named
    for name, other in rest:
        if other is not None and other.shape != array.shape:
            raise ValueError(
                f"expected {name} of the shape of {first}, {array.shape}, received {other.shape}"
            )


cdef class _Activation(Op):
    cdef fc_activation_op c

    cdef int _describe(
        self, str kind, double slope, double max_value, double threshold, tuple arrays
    ) except -1:
        bind(self, &self.c.stretch.op, arrays)
        self.c.stretch.size = arrays[0].size
        self.c.kind = activation_code(kind)
        self.c.parameters[0], self.c.parameters[1] = slope, max_value
        self.c.parameters[2] = threshold
        return 0


@cython.final
cdef class ActivationForward(_Activation):
    """y = f(x); y may be x.

    `slope` is the slope of "leaky_relu", the factor of "elu" or the bound of "clipped_relu";
    "bounded_relu" uses all three.
    """

    def __init__(
        self, str kind, x, y, double slope=0.0, double max_value=0.0, double threshold=0.0
    ):
        self._describe(kind, slope, max_value, threshold, (x, y))
        _same_shapes(("x", x), ("y", y))
        self.c.x, self.c.y = <char *> pointer(x), <char *> pointer(y)
        operations.prepare_activation(&self.c)

    def record(self):
        c = self.c
        reals = c.parameters[0], c.parameters[1], c.parameters[2]
        return "activation", self.arrays, (1,), (c.stretch.size, c.kind), reals


@cython.final
cdef class ActivationBackward(_Activation):
    """dx = dy * f'(x); `saved` is x for kinds in `KEEPS_INPUT`, else y = f(x); dx may be dy."""

    def __init__(
        self, str kind, saved, dy, dx, double slope=0.0, double max_value=0.0, double threshold=0.0
    ):
        self._describe(kind, slope, max_value, threshold, (saved, dy, dx))
        _same_shapes(("saved", saved), ("dy", dy), ("dx", dx))
        self.c.x, self.c.dy = <char *> pointer(saved), <char *> pointer(dy)
        self.c.y = <char *> pointer(dx)
        operations.prepare_activation_backward(&self.c)

    def record(self):
        c = self.c
        reals = c.parameters[0], c.parameters[1], c.parameters[2]
        return "activation_input", self.arrays, (2,), (c.stretch.size, c.kind), reals


@cython.final
cdef class Dropout(Op):
    """y = x / (1 - rate) where kept, 0 where dropped; every run draws a new mask.  y may be x."""

    cdef fc_dropout_op c

    def __init__(self, x, y, double rate, uint64_t seed):
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"`rate` must be in [0, 1), received {rate}")
        bind(self, &self.c.stretch.op, (x, y))
        _same_shapes(("x", x), ("y", y))
        self.c.stretch.size, self.c.rate, self.c.seed = x.size, rate, seed
        self.c.x, self.c.y = <char *> pointer(x), <char *> pointer(y)
        operations.prepare_dropout(&self.c)

    def record(self):
        return "dropout", self.arrays, (1,), (self.c.stretch.size, self.c.seed), (self.c.rate,)

    @property
    def rate(self):
        """Probability that an element is dropped."""
        return self.c.rate

    def get_state(self):
        """The number of masks drawn so far."""
        return self.c.draws

    def set_state(self, uint64_t draws, int64_t first=0):
        """Set the number of masks drawn so far; x begins at element `first` of the mask."""
        self.c.draws, self.c.first = draws, first


@cython.final
cdef class DropoutBackward(Op):
    """dx = dy under the mask of the last run of `forward`; dx may be dy."""

    cdef Dropout forward
    cdef fc_dropout_op c

    def __init__(self, Dropout forward not None, dy, dx):
        bind(self, &self.c.stretch.op, (dy, dx))
        _same_shapes(("dy", dy), ("dx", dx))
        self.forward, self.c.mask = forward, &forward.c
        self.c.stretch.size = dy.size
        self.c.x, self.c.y = <char *> pointer(dy), <char *> pointer(dx)
        operations.prepare_dropout_backward(&self.c)

    def record(self):
        mask = self.forward.c
        integers = self.c.stretch.size, mask.seed
        return "dropout_input", self.arrays, (1,), integers, (mask.rate,)


# ---- rows of classes ----


cdef tuple _rows_of(prediction):
    if prediction.ndim != 2:
        raise ValueError(f"expected an array of shape (rows, classes), received {prediction.shape}")
    return prediction.shape


@cython.final
cdef class SoftmaxForward(Op):
    """y = softmax(x) over the last axis of (rows, classes), or its logarithm; y may be x."""

    cdef fc_softmax_op c

    def __init__(self, x, y, bint log=False):
        bind(self, &self.c.op, (x, y))
        self.c.rows, self.c.classes = _rows_of(x)
        _same_shapes(("x", x), ("y", y))
        self.c.x, self.c.y, self.c.is_log = <char *> pointer(x), <char *> pointer(y), log
        operations.prepare_softmax(&self.c)

    def record(self):
        return "softmax", self.arrays, (1,), (self.c.rows, self.c.classes, self.c.is_log), ()


@cython.final
cdef class SoftmaxBackward(Op):
    """dx = y * (dy - sum(y * dy)), or with `log` dy - exp(y) * sum(dy); dx may be dy."""

    cdef fc_softmax_op c

    def __init__(self, y, dy, dx, bint log=False):
        bind(self, &self.c.op, (y, dy, dx))
        self.c.rows, self.c.classes = _rows_of(y)
        _same_shapes(("y", y), ("dy", dy), ("dx", dx))
        self.c.x, self.c.dy = <char *> pointer(y), <char *> pointer(dy)
        self.c.y, self.c.is_log = <char *> pointer(dx), log
        operations.prepare_softmax_backward(&self.c)

    def record(self):
        return "softmax_input", self.arrays, (2,), (self.c.rows, self.c.classes, self.c.is_log), ()


cdef class _Loss(Op):
    cdef fc_loss_op c

    cdef int _describe(
        self, prediction, targets, gradient, loss, sample_weight, probabilities, labels
    ) except -1:
        rows, classes = _rows_of(prediction)
        floating = (prediction, gradient, sample_weight, probabilities)
        _same_shapes(
            ("prediction", prediction), ("gradient", gradient), ("probabilities", probabilities)
        )
        if loss.dtype != np.float64 or loss.shape != (rows,):
            raise ValueError(
                f"expected a loss array of float64 and shape {(rows,)}, "
                f"received {loss.dtype} and {loss.shape}"
            )
        if sample_weight is not None and sample_weight.shape != (rows,):
            raise ValueError(
                f"expected sample_weight of shape {(rows,)}, received {sample_weight.shape}"
            )
        cdef fc_loss *p = &self.c.problem
        if labels and targets.ndim == 1:
            if targets.dtype != np.int64 or targets.shape != (rows,):
                raise ValueError(
                    f"expected labels of int64 and shape {(rows,)}, "
                    f"received {targets.dtype} and {targets.shape}"
                )
            p.labels = <int64_t *> pointer(targets)
        else:
            _same_shapes(("prediction", prediction), ("targets", targets))
            floating = (*floating, targets)
            p.targets = pointer(targets)
        arrays = (prediction, targets, gradient, loss, sample_weight, probabilities)
        bind(self, &self.c.op, arrays, floating)
        p.prediction, p.sample_weight = pointer(prediction), pointer(sample_weight)
        p.gradient, p.probabilities = pointer(gradient), pointer(probabilities)
        p.loss = <double *> pointer(loss)
        p.rows, p.classes = rows, classes
        return 0


@cython.final
cdef class SoftmaxCrossEntropy(_Loss):
    """Cross-entropy of softmax(logits) with targets (rows, classes) or labels (rows,) int64.

    Writes the loss of each row (float64, unweighted) and, if their arrays are given, the gradient
    of the weighted mean with respect to the logits, and the probabilities.  A label outside [0,
    classes) makes its row NaN.
    """

    def __init__(self, logits, targets, dlogits, loss, sample_weight=None, probabilities=None):
        self._describe(logits, targets, dlogits, loss, sample_weight, probabilities, True)
        operations.prepare_softmax_cross_entropy(&self.c)


@cython.final
cdef class CrossEntropy(_Loss):
    """Cross-entropy of probabilities, divided by their sum and clipped to [1e-7, 1 - 1e-7]."""

    def __init__(self, probabilities, targets, dprobabilities, loss, sample_weight=None):
        self._describe(probabilities, targets, dprobabilities, loss, sample_weight, None, True)
        operations.prepare_cross_entropy(&self.c)


@cython.final
cdef class MeanSquaredError(_Loss):
    """mean((prediction - targets)^2) over the last axis of (rows, outputs)."""

    def __init__(self, prediction, targets, dprediction, loss, sample_weight=None):
        self._describe(prediction, targets, dprediction, loss, sample_weight, None, False)
        operations.prepare_mean_squared_error(&self.c)

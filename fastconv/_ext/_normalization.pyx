"""Normalization, local response normalization and the ReLU with trained slopes:
passes that include reductions.

Batch and group normalization share one problem, (segments, rows, channels) with statistics over
rows and groups of channels; layer and unit normalization share another, with statistics per row.
"""

cimport cython
from libc.stdint cimport int64_t

from fastconv._ext._core cimport fused_activation_code, operations, pointer
from fastconv._ext._kernels cimport (
    fc_channel_norm,
    fc_prelu,
    fc_response_norm,
    fc_row_norm,
)
from fastconv._ext._operations cimport (
    fc_channel_norm_op,
    fc_frozen_norm_op,
    fc_prelu_op,
    fc_response_norm_op,
    fc_row_norm_op,
)
from fastconv._ext._program cimport FilterOp, Op, bind


def _expect(name, array, shape):
    if array is not None and array.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}, received {array.shape}")


cdef int _describe(
    fc_channel_norm *p, x, mean, variance, gamma, beta, double epsilon
) except -1:
    """x (segments, rows, channels); mean, variance (segments, groups); gamma, beta (channels,)"""
    segments, rows, channels = x.shape
    if mean.ndim != 2 or mean.shape[0] != segments or not mean.shape[1] or channels % mean.shape[1]:
        raise ValueError(
            f"expected a mean of shape (segments, groups) for an input {x.shape}, "
            f"received {mean.shape}"
        )
    _expect("variance", variance, mean.shape)
    _expect("gamma", gamma, (channels,))
    _expect("beta", beta, (channels,))
    p.segments, p.rows, p.channels = segments, rows, channels
    p.width = channels // mean.shape[1]
    p.epsilon = epsilon
    p.x, p.mean, p.variance = pointer(x), pointer(mean), pointer(variance)
    p.gamma, p.beta = pointer(gamma), pointer(beta)
    return 0


cdef tuple _norm_numbers(const fc_channel_norm *p):
    """The integers and reals of a record."""
    return (p.segments, p.rows, p.channels, p.width, p.activation), (p.epsilon, p.slope)


@cython.final
cdef class ChannelNormForward(Op):
    """y = act(gamma * z + beta), z = x normalized over each group; writes mean and variance."""

    cdef fc_channel_norm_op c

    def __init__(
        self, x, gamma, beta, y, mean, variance, double epsilon, str activation="linear",
        double slope=0.0
    ):
        bind(self, &self.c.op, (x, gamma, beta, y, mean, variance))
        _describe(&self.c.problem, x, mean, variance, gamma, beta, epsilon)
        _expect("y", y, x.shape)
        self.c.problem.y = pointer(y)
        self.c.problem.activation, self.c.problem.slope = fused_activation_code(activation), slope
        operations.prepare_channel_norm(&self.c)

    def record(self):
        return "channel_norm", self.arrays, (3, 4, 5), *_norm_numbers(&self.c.problem)


@cython.final
cdef class ChannelNormBackward(Op):
    """dx (may be dy), dgamma and dbeta, each unless None, from x and the mean and variance."""

    cdef fc_channel_norm_op c

    def __init__(
        self, x, dy, gamma, beta, mean, variance, dx, dgamma, dbeta, double epsilon,
        str activation="linear",
        double slope=0.0,
    ):
        bind(self, &self.c.op, (x, dy, gamma, beta, mean, variance, dx, dgamma, dbeta))
        if activation not in ("linear", "relu", "leaky_relu", "clipped_relu"):
            raise ValueError(
                f"activation {activation!r} cannot be undone here, "
                "only those of the ReLU family can"
            )
        _describe(&self.c.problem, x, mean, variance, gamma, beta, epsilon)
        _expect("dy", dy, x.shape)
        _expect("dx", dx, x.shape)
        _expect("dgamma", dgamma, (x.shape[2],))
        _expect("dbeta", dbeta, (x.shape[2],))
        self.c.problem.dy, self.c.problem.y = pointer(dy), pointer(dx)
        self.c.problem.dgamma, self.c.problem.dbeta = pointer(dgamma), pointer(dbeta)
        self.c.problem.activation, self.c.problem.slope = fused_activation_code(activation), slope
        operations.prepare_channel_norm_backward(&self.c)

    def record(self):
        return "channel_norm_input", self.arrays, (6, 7, 8), *_norm_numbers(&self.c.problem)


cdef class _Frozen(FilterOp):
    """Normalization with given statistics: packs scale and shift once per change of the weights."""

    cdef fc_frozen_norm_op c

    cdef int _freeze(self, x, gamma, beta, mean, variance, double epsilon) except -1:
        one = x.reshape(1, -1, x.shape[x.ndim - 1])
        _describe(
            &self.c.problem, one, mean.reshape(1, -1), variance.reshape(1, -1), gamma,
            beta, epsilon
        )
        if self.c.problem.width != 1:
            raise ValueError(
                f"expected a mean of shape {(x.shape[x.ndim - 1],)}, received {mean.shape}"
            )
        return 0


@cython.final
cdef class FrozenNormForward(_Frozen):
    """y = act(gamma * (x - mean) / sqrt(variance + epsilon) + beta), last axis; y may be x."""

    def __init__(
        self, x, gamma, beta, mean, variance, y, double epsilon, str activation="linear",
        double slope=0.0
    ):
        bind(self, &self.c.filters.op, (x, gamma, beta, mean, variance, y))
        self._freeze(x, gamma, beta, mean, variance, epsilon)
        _expect("y", y, x.shape)
        self.c.problem.y = pointer(y)
        self.c.problem.activation, self.c.problem.slope = fused_activation_code(activation), slope
        operations.prepare_frozen_norm(&self.c)

    def record(self):
        p = self.c.problem
        sizes = p.rows, p.channels, p.activation
        return "frozen_norm", self.arrays, (5,), sizes, (p.epsilon, p.slope)


@cython.final
cdef class FrozenNormBackward(_Frozen):
    """dx = dy * gamma / sqrt(variance + epsilon), for constant statistics; dx may be dy."""

    def __init__(self, dy, gamma, mean, variance, dx, double epsilon):
        bind(self, &self.c.filters.op, (dy, gamma, mean, variance, dx))
        self._freeze(dy, gamma, None, mean, variance, epsilon)
        _expect("dx", dx, dy.shape)
        self.c.problem.y = pointer(dx)
        self.c.problem.scale_only = True
        operations.prepare_frozen_norm(&self.c)

    def record(self):
        p = self.c.problem
        dy, gamma, mean, variance, dx = self.arrays
        arrays = dy, gamma, None, mean, variance, dx
        return "frozen_norm_input", arrays, (5,), (p.rows, p.channels), (p.epsilon,)


@cython.final
cdef class FoldNorm(_Frozen):
    """Filters and bias of a convolution with the normalization after it folded in.

    From w (..., K) and b (K,) or None: folded_w = w * scale and folded_b = b * scale + shift.
    """

    def __init__(self, w, b, gamma, beta, mean, variance, folded_w, folded_b, double epsilon):
        bind(self, &self.c.filters.op, (w, b, gamma, beta, mean, variance, folded_w, folded_b))
        self._freeze(w, gamma, beta, mean, variance, epsilon)
        _expect("b", b, (w.shape[w.ndim - 1],))
        _expect("folded_w", folded_w, w.shape)
        _expect("folded_b", folded_b, (w.shape[w.ndim - 1],))
        self.c.problem.bias, self.c.problem.shift = pointer(b), pointer(folded_b)
        self.c.problem.y = pointer(folded_w)
        self.c.problem.scale_only = True
        operations.prepare_folded_norm(&self.c)

    def record(self):
        p = self.c.problem
        w, b, *statistics, folded_w, folded_b = self.arrays
        arrays = w, *statistics, b, folded_w, folded_b
        return "folded_norm", arrays, (6, 7), (p.rows, p.channels), (p.epsilon,)


# ---- rows ----


cdef class _RowNorm(Op):
    cdef fc_row_norm_op c

    cdef int _rows(self, x, statistics, gamma, double epsilon, bint unit) except -1:
        rows, features = x.shape
        _expect("statistics", statistics, (rows, 2))
        _expect("gamma", gamma, (features,))
        cdef fc_row_norm *p = &self.c.problem
        p.rows, p.features, p.epsilon, p.unit = rows, features, epsilon, unit
        p.x, p.statistics, p.gamma = pointer(x), pointer(statistics), pointer(gamma)
        return 0


@cython.final
cdef class RowNormForward(_RowNorm):
    """y = gamma * z + beta, z = rows of x (rows, features) with mean 0 and variance 1,
    or of length 1 if `unit`.

    Writes mean and 1 / deviation (or 0 and 1 / length) of each row to `statistics`
    (rows, 2).  y may be x.
    """

    def __init__(self, x, gamma, beta, y, statistics, double epsilon, bint unit=False):
        bind(self, &self.c.op, (x, gamma, beta, y, statistics))
        self._rows(x, statistics, gamma, epsilon, unit)
        _expect("beta", beta, (x.shape[1],))
        _expect("y", y, x.shape)
        self.c.problem.beta, self.c.problem.y = pointer(beta), pointer(y)
        operations.prepare_row_norm(&self.c)

    def record(self):
        p = self.c.problem
        return "row_norm", self.arrays, (3, 4), (p.rows, p.features, p.unit), (p.epsilon,)


@cython.final
cdef class RowNormBackward(_RowNorm):
    """dx (may be dy), dgamma and dbeta, each unless None, from x and its statistics."""

    def __init__(
        self, x, dy, gamma, statistics, dx, dgamma, dbeta, double epsilon, bint unit=False
    ):
        bind(self, &self.c.op, (x, dy, gamma, statistics, dx, dgamma, dbeta))
        self._rows(x, statistics, gamma, epsilon, unit)
        _expect("dy", dy, x.shape)
        _expect("dx", dx, x.shape)
        _expect("dgamma", dgamma, (x.shape[1],))
        _expect("dbeta", dbeta, (x.shape[1],))
        self.c.problem.dy, self.c.problem.y = pointer(dy), pointer(dx)
        self.c.problem.dgamma, self.c.problem.dbeta = pointer(dgamma), pointer(dbeta)
        operations.prepare_row_norm_backward(&self.c)

    def record(self):
        p = self.c.problem
        sizes = p.rows, p.features, p.unit
        return "row_norm_input", self.arrays, (4, 5, 6), sizes, (p.epsilon,)


# ---- neighbouring channels ----


cdef class _ResponseNorm(Op):
    cdef fc_response_norm_op c

    cdef int _rows(self, x, int64_t radius, double bias, double alpha, double beta) except -1:
        cdef fc_response_norm *p = &self.c.problem
        p.rows, p.channels = x.shape
        # A radius of all channels covers every window.
        p.radius, p.bias, p.alpha, p.beta = min(radius, p.channels), bias, alpha, beta
        p.x = pointer(x)
        return 0


@cython.final
cdef class ResponseNormForward(_ResponseNorm):
    """y = x / (bias + alpha * sum of x^2 over channels at most `radius` away)^beta; y may be x."""

    def __init__(self, x, y, int64_t radius, double bias, double alpha, double beta):
        bind(self, &self.c.op, (x, y))
        self._rows(x, radius, bias, alpha, beta)
        _expect("y", y, x.shape)
        self.c.problem.y = pointer(y)
        operations.prepare_response_norm(&self.c)

    def record(self):
        p = self.c.problem
        reals = p.bias, p.alpha, p.beta
        return "response_norm", self.arrays, (1,), (p.rows, p.channels, p.radius), reals


@cython.final
cdef class ResponseNormBackward(_ResponseNorm):
    """dx from x and dy; dx may be dy."""

    def __init__(self, x, dy, dx, int64_t radius, double bias, double alpha, double beta):
        bind(self, &self.c.op, (x, dy, dx))
        self._rows(x, radius, bias, alpha, beta)
        _expect("dy", dy, x.shape)
        _expect("dx", dx, x.shape)
        self.c.problem.dy, self.c.problem.y = pointer(dy), pointer(dx)
        operations.prepare_response_norm_backward(&self.c)

    def record(self):
        p = self.c.problem
        reals = p.bias, p.alpha, p.beta
        return "response_norm_input", self.arrays, (2,), (p.rows, p.channels, p.radius), reals


# ---- trained slopes ----


cdef class _PReLU(Op):
    cdef fc_prelu_op c

    cdef int _describe(self, x, alpha) except -1:
        _expect("alpha", alpha, (x.shape[1],))
        self.c.problem.rows, self.c.problem.slopes, self.c.problem.inner = x.shape
        self.c.problem.x, self.c.problem.alpha = pointer(x), pointer(alpha)
        return 0


@cython.final
cdef class PReLUForward(_PReLU):
    """y = x where x > 0, else alpha * x; x (rows, slopes, inner), alpha (slopes,); y may be x."""

    def __init__(self, x, alpha, y):
        bind(self, &self.c.op, (x, alpha, y))
        self._describe(x, alpha)
        _expect("y", y, x.shape)
        self.c.problem.y = pointer(y)
        operations.prepare_prelu(&self.c)

    def record(self):
        p = self.c.problem
        return "prelu", self.arrays, (2,), (p.rows, p.slopes, p.inner), ()


@cython.final
cdef class PReLUBackward(_PReLU):
    """dx (may be dy) and dalpha, each unless None."""

    def __init__(self, x, dy, alpha, dx, dalpha):
        bind(self, &self.c.op, (x, dy, alpha, dx, dalpha))
        self._describe(x, alpha)
        _expect("dy", dy, x.shape)
        _expect("dx", dx, x.shape)
        _expect("dalpha", dalpha, alpha.shape)
        self.c.problem.dy, self.c.problem.y = pointer(dy), pointer(dx)
        self.c.problem.dalpha = pointer(dalpha)
        operations.prepare_prelu_backward(&self.c)

    def record(self):
        p = self.c.problem
        return "prelu_input", self.arrays, (3, 4), (p.rows, p.slopes, p.inner), ()

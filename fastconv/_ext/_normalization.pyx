"""Normalization, local response normalization and the ReLU with trained slopes:
passes that include reductions.

Batch and group normalization share one problem, (segments, rows, channels) with statistics over
rows and groups of channels; layer and unit normalization share another, with statistics per row.
"""

cimport cython
from libc.stdint cimport int64_t

from fastconv._ext._core cimport fused_activation_code, pointer, schedule
from fastconv._ext._kernels cimport (
    FC_LINEAR,
    fc_channel_norm,
    fc_prelu,
    fc_response_norm,
    fc_row_norm,
)
from fastconv._ext._program cimport FilterOp, Op, bind, round_up_64
from fastconv._ext._tables cimport fc_table


def _expect(name, array, shape):
    if array is not None and array.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}, received {array.shape}")


cdef int _describe(
    fc_channel_norm *p, const fc_table *table, x, mean, variance, gamma, beta, double epsilon
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
    schedule.plan_channel_norm(&table.target, p)
    return 0


@cython.final
cdef class ChannelNormForward(Op):
    """y = act(gamma * z + beta), z = x normalized over each group; writes mean and variance."""

    cdef fc_channel_norm problem

    def __init__(
        self, x, gamma, beta, y, mean, variance, double epsilon, str activation="linear",
        double slope=0.0
    ):
        bind(self, (x, gamma, beta, y, mean, variance))
        _describe(&self.problem, self.table, x, mean, variance, gamma, beta, epsilon)
        _expect("y", y, x.shape)
        self.problem.y = pointer(y)
        self.problem.activation, self.problem.slope = fused_activation_code(activation), slope
        self.shared_bytes = round_up_64(self.problem.workspace_bytes)
        self.phases = 3
        self.work = 16.0 * x.size

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if phase == 0:
            return self.problem.sum_items
        return self.problem.finish_items if phase == 1 else self.problem.pass_items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        if phase == 0:
            self.table.channel_moments_item(&self.problem, workspace, item)
        elif phase == 1:
            self.table.channel_moments_finish(&self.problem, workspace, item)
        else:
            self.table.channel_affine_item(&self.problem, workspace, item)


@cython.final
cdef class ChannelNormBackward(Op):
    """dx (may be dy), dgamma and dbeta, each unless None, from x and the mean and variance."""

    cdef fc_channel_norm problem

    def __init__(
        self, x, dy, gamma, beta, mean, variance, dx, dgamma, dbeta, double epsilon,
        str activation="linear",
        double slope=0.0,
    ):
        bind(self, (x, dy, gamma, beta, mean, variance, dx, dgamma, dbeta))
        if activation not in ("linear", "relu", "leaky_relu", "clipped_relu"):
            raise ValueError(
                f"activation {activation!r} cannot be undone here, "
                "only those of the ReLU family can"
            )
        _describe(&self.problem, self.table, x, mean, variance, gamma, beta, epsilon)
        _expect("dy", dy, x.shape)
        _expect("dx", dx, x.shape)
        _expect("dgamma", dgamma, (x.shape[2],))
        _expect("dbeta", dbeta, (x.shape[2],))
        self.problem.dy, self.problem.y = pointer(dy), pointer(dx)
        self.problem.dgamma, self.problem.dbeta = pointer(dgamma), pointer(dbeta)
        self.problem.activation, self.problem.slope = fused_activation_code(activation), slope
        self.shared_bytes = round_up_64(self.problem.workspace_bytes)
        self.phases = 5
        self.work = 24.0 * x.size

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        cdef fc_channel_norm *p = &self.problem
        if phase == 0:
            return 0 if p.activation == FC_LINEAR else p.segments * p.panels
        if phase == 1:
            return p.sum_items
        if phase == 2:
            return p.finish_items
        if phase == 3:
            return p.panels if p.dgamma or p.dbeta else 0
        return p.pass_items if p.y else 0

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        if phase == 0:
            self.table.channel_scale_item(&self.problem, workspace, item)
        elif phase == 1:
            self.table.channel_gradient_item(&self.problem, workspace, item)
        elif phase == 2:
            self.table.channel_gradient_finish(&self.problem, workspace, item)
        elif phase == 3:
            self.table.channel_gradient_parameters(&self.problem, workspace, item)
        else:
            self.table.channel_gradient_pass(&self.problem, workspace, item)


cdef class _Frozen(FilterOp):
    """Normalization with given statistics: packs scale and shift once per change of the weights."""

    cdef fc_channel_norm problem
    cdef char *coefficients

    cdef int _freeze(self, x, gamma, beta, mean, variance, double epsilon) except -1:
        one = x.reshape(1, -1, x.shape[x.ndim - 1])
        _describe(
            &self.problem, self.table, one, mean.reshape(1, -1), variance.reshape(1, -1), gamma,
            beta, epsilon
        )
        if self.problem.width != 1:
            raise ValueError(
                f"expected a mean of shape {(x.shape[x.ndim - 1],)}, received {mean.shape}"
            )
        self.need_filter_bytes(self.problem.workspace_bytes)
        return 0

    cdef void place_filters(self, char *memory) noexcept nogil:
        self.coefficients = memory

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if phase == 0:
            return 0 if self.is_packed else self.problem.panels
        return self.problem.pass_items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        if phase == 0:
            self.table.channel_scale_item(&self.problem, self.coefficients, item)
        else:
            self.table.channel_affine_item(&self.problem, self.coefficients, item)


@cython.final
cdef class FrozenNormForward(_Frozen):
    """y = act(gamma * (x - mean) / sqrt(variance + epsilon) + beta), last axis; y may be x."""

    def __init__(
        self, x, gamma, beta, mean, variance, y, double epsilon, str activation="linear",
        double slope=0.0
    ):
        bind(self, (x, gamma, beta, mean, variance, y))
        self._freeze(x, gamma, beta, mean, variance, epsilon)
        _expect("y", y, x.shape)
        self.problem.y = pointer(y)
        self.problem.activation, self.problem.slope = fused_activation_code(activation), slope
        self.work = 8.0 * x.size


@cython.final
cdef class FrozenNormBackward(_Frozen):
    """dx = dy * gamma / sqrt(variance + epsilon), for constant statistics; dx may be dy."""

    def __init__(self, dy, gamma, mean, variance, dx, double epsilon):
        bind(self, (dy, gamma, mean, variance, dx))
        self._freeze(dy, gamma, None, mean, variance, epsilon)
        _expect("dx", dx, dy.shape)
        self.problem.y = pointer(dx)
        self.problem.scale_only = True
        self.work = 8.0 * dy.size


@cython.final
cdef class FoldNorm(_Frozen):
    """Filters and bias of a convolution with the normalization after it folded in.

    From w (..., K) and b (K,) or None: folded_w = w * scale and folded_b = b * scale + shift.
    """

    def __init__(self, w, b, gamma, beta, mean, variance, folded_w, folded_b, double epsilon):
        bind(self, (w, b, gamma, beta, mean, variance, folded_w, folded_b))
        self._freeze(w, gamma, beta, mean, variance, epsilon)
        _expect("b", b, (w.shape[w.ndim - 1],))
        _expect("folded_w", folded_w, w.shape)
        _expect("folded_b", folded_b, (w.shape[w.ndim - 1],))
        self.problem.bias, self.problem.shift = pointer(b), pointer(folded_b)
        self.problem.y = pointer(folded_w)
        self.problem.scale_only = True
        self.work = 8.0 * w.size

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if self.is_packed:
            return 0
        return self.problem.panels if phase == 0 else self.problem.pass_items


# ---- rows ----


cdef class _RowNorm(Op):
    cdef fc_row_norm problem

    cdef int _rows(self, x, statistics, gamma, double epsilon, bint unit) except -1:
        rows, features = x.shape
        _expect("statistics", statistics, (rows, 2))
        _expect("gamma", gamma, (features,))
        cdef fc_row_norm *p = &self.problem
        p.rows, p.features, p.epsilon, p.unit = rows, features, epsilon, unit
        p.x, p.statistics, p.gamma = pointer(x), pointer(statistics), pointer(gamma)
        schedule.plan_row_norm(&self.table.target, p)
        self.work = 16.0 * x.size
        return 0


@cython.final
cdef class RowNormForward(_RowNorm):
    """y = gamma * z + beta, z = rows of x (rows, features) with mean 0 and variance 1,
    or of length 1 if `unit`.

    Writes mean and 1 / deviation (or 0 and 1 / length) of each row to `statistics`
    (rows, 2).  y may be x.
    """

    def __init__(self, x, gamma, beta, y, statistics, double epsilon, bint unit=False):
        bind(self, (x, gamma, beta, y, statistics))
        self._rows(x, statistics, gamma, epsilon, unit)
        _expect("beta", beta, (x.shape[1],))
        _expect("y", y, x.shape)
        self.problem.beta, self.problem.y = pointer(beta), pointer(y)

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.problem.items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.table.row_norm_item(&self.problem, item)


@cython.final
cdef class RowNormBackward(_RowNorm):
    """dx (may be dy), dgamma and dbeta, each unless None, from x and its statistics."""

    def __init__(
        self, x, dy, gamma, statistics, dx, dgamma, dbeta, double epsilon, bint unit=False
    ):
        bind(self, (x, dy, gamma, statistics, dx, dgamma, dbeta))
        self._rows(x, statistics, gamma, epsilon, unit)
        _expect("dy", dy, x.shape)
        _expect("dx", dx, x.shape)
        _expect("dgamma", dgamma, (x.shape[1],))
        _expect("dbeta", dbeta, (x.shape[1],))
        self.problem.dy, self.problem.y = pointer(dy), pointer(dx)
        self.problem.dgamma, self.problem.dbeta = pointer(dgamma), pointer(dbeta)
        self.shared_bytes = round_up_64(self.problem.workspace_bytes)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)
        self.phases = 2

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if phase == 0:
            return self.problem.splits
        return self.problem.reduce_items if self.problem.dgamma or self.problem.dbeta else 0

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        if phase == 0:
            self.table.row_norm_gradient_item(&self.problem, workspace, item, scratch)
        else:
            self.table.row_norm_gradient_reduce(&self.problem, workspace, item)


# ---- neighbouring channels ----


cdef class _ResponseNorm(Op):
    cdef fc_response_norm problem

    cdef int _rows(self, x, int64_t radius, double bias, double alpha, double beta) except -1:
        cdef fc_response_norm *p = &self.problem
        p.rows, p.channels = x.shape
        # A radius of all channels covers every window.
        p.radius, p.bias, p.alpha, p.beta = min(radius, p.channels), bias, alpha, beta
        p.x = pointer(x)
        schedule.plan_response_norm(&self.table.target, p)
        self.work = (8.0 + 2 * p.radius) * x.size
        return 0

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.problem.items


@cython.final
cdef class ResponseNormForward(_ResponseNorm):
    """y = x / (bias + alpha * sum of x^2 over channels at most `radius` away)^beta; y may be x."""

    def __init__(self, x, y, int64_t radius, double bias, double alpha, double beta):
        bind(self, (x, y))
        self._rows(x, radius, bias, alpha, beta)
        _expect("y", y, x.shape)
        self.problem.y = pointer(y)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.table.response_norm_item(&self.problem, item, scratch)


@cython.final
cdef class ResponseNormBackward(_ResponseNorm):
    """dx from x and dy; dx may be dy."""

    def __init__(self, x, dy, dx, int64_t radius, double bias, double alpha, double beta):
        bind(self, (x, dy, dx))
        self._rows(x, radius, bias, alpha, beta)
        _expect("dy", dy, x.shape)
        _expect("dx", dx, x.shape)
        self.problem.dy, self.problem.y = pointer(dy), pointer(dx)
        self.scratch_bytes = round_up_64(2 * self.problem.scratch_bytes)

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.table.response_norm_gradient_item(&self.problem, item, scratch)


# ---- trained slopes ----


cdef class _PReLU(Op):
    cdef fc_prelu problem

    cdef int _describe(self, x, alpha) except -1:
        _expect("alpha", alpha, (x.shape[1],))
        self.problem.rows, self.problem.slopes, self.problem.inner = x.shape
        self.problem.x, self.problem.alpha = pointer(x), pointer(alpha)
        schedule.plan_prelu(&self.table.target, &self.problem)
        self.work = 8.0 * x.size
        return 0


@cython.final
cdef class PReLUForward(_PReLU):
    """y = x where x > 0, else alpha * x; x (rows, slopes, inner), alpha (slopes,); y may be x."""

    def __init__(self, x, alpha, y):
        bind(self, (x, alpha, y))
        self._describe(x, alpha)
        _expect("y", y, x.shape)
        self.problem.y = pointer(y)

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.problem.items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.table.prelu_item(&self.problem, item)


@cython.final
cdef class PReLUBackward(_PReLU):
    """dx (may be dy) and dalpha, each unless None."""

    def __init__(self, x, dy, alpha, dx, dalpha):
        bind(self, (x, dy, alpha, dx, dalpha))
        self._describe(x, alpha)
        _expect("dy", dy, x.shape)
        _expect("dx", dx, x.shape)
        _expect("dalpha", dalpha, alpha.shape)
        self.problem.dy, self.problem.y = pointer(dy), pointer(dx)
        self.problem.dalpha = pointer(dalpha)
        self.shared_bytes = round_up_64(self.problem.workspace_bytes)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)
        self.phases = 2

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        if phase == 0:
            return self.problem.splits
        return self.problem.slopes if self.problem.dalpha else 0

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        if phase == 0:
            self.table.prelu_gradient_item(&self.problem, workspace, item, scratch)
        else:
            self.table.prelu_gradient_reduce(&self.problem, workspace, item)

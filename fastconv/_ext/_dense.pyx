"""Dense layers: forward, both gradients, and a gradient fused with its update.

x (N, I), w (I, O), b (O,), y and dy (N, O).
"""

cimport cython
from libc.stdint cimport int64_t

from fastconv._ext._core cimport fused_activation_code, pointer, schedule
from fastconv._ext._kernels cimport fc_dense, fc_target
from fastconv._ext._optim cimport Rule
from fastconv._ext._program cimport Op, bind, describe_activation_gradient, round_up_64

ctypedef void (*plan_function)(const fc_target *, fc_dense *) noexcept nogil
ctypedef void (*item_function)(const fc_dense *, int64_t, void *) noexcept nogil


cdef class _DenseOp(Op):
    """One pass of a dense layer."""

    cdef fc_dense problem
    cdef item_function item
    cdef plan_function plan

    cdef int _describe(self, x, w, y, b) except -1:
        """Check the shapes of one pass, given under their forward names."""
        rows, inputs = x.shape
        outputs = w.shape[1]
        if w.shape[0] != inputs or y.shape != (rows, outputs) or (
            b is not None and b.shape != (outputs,)
        ):
            raise ValueError(
                f"inconsistent shapes: input {x.shape}, weights {w.shape}, output {y.shape}, "
                f"bias {None if b is None else b.shape}"
            )
        self.problem.rows, self.problem.inputs, self.problem.outputs = rows, inputs, outputs
        # With few rows, reading the weights dominates.
        self.work = 2.0 * max(rows, 4) * inputs * outputs
        return 0

    cdef void fit(self, int threads) noexcept nogil:
        self.problem.threads = threads
        self.plan(&self.target, &self.problem)
        self.scratch_bytes = round_up_64(self.problem.scratch_bytes)

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.problem.items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.item(&self.problem, item, scratch)


@cython.final
cdef class DenseForward(_DenseOp):
    """y = activation(x w + b)"""

    def details(self):
        return {
            "variant": "narrow" if self.problem.narrow else "wide",
            "reduction_blocks": self.problem.blocks,
        }

    def __init__(self, x, w, b, y, str activation="linear", double slope=0.0):
        bind(self, (x, w, b, y))
        self._describe(x, w, y, b)
        self.problem.x, self.problem.w, self.problem.bias = pointer(x), pointer(w), pointer(b)
        self.problem.y = pointer(y)
        self.problem.activation = fused_activation_code(activation)
        self.problem.slope = slope
        self.plan = schedule.plan_dense_forward
        self.item = self.table.dense_forward_item
        self.fit(1)
        self.phases = 2 if self.problem.blocks > 1 else 1
        self.shared_bytes = round_up_64(self.problem.partial_size * self.table.target.element_size)

    cdef void begin(self, char *workspace) noexcept nogil:
        self.problem.partial = workspace

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return self.problem.sum_items if phase else self.problem.items

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        if phase:
            self.table.dense_sum_item(&self.problem, item)
        else:
            self.item(&self.problem, item, scratch)


@cython.final
cdef class DenseBackwardInput(_DenseOp):
    """dx = dy w'.

    `activation_gradient` = (kind, slope, x) names the activation with the output x:
    dx is then the gradient with respect to the activation's input.
    """

    def __init__(self, dy, w, dx, activation_gradient=None):
        bind(self, (dy, w, dx))
        self._describe(dx, w, dy, None)
        self.problem.dy, self.problem.w, self.problem.dx = pointer(dy), pointer(w), pointer(dx)
        describe_activation_gradient(
            self, &self.problem.activation_gradient, activation_gradient, dx
        )
        self.plan = schedule.plan_dense_backward_input
        self.item = self.table.dense_backward_input_item


@cython.final
cdef class DenseBackwardKernel(_DenseOp):
    """dw = x' dy, db = column sums of dy"""

    def __init__(self, x, dy, dw, db):
        bind(self, (x, dy, dw, db))
        self._describe(x, dw, dy, db)
        self.problem.x, self.problem.dy = pointer(x), pointer(dy)
        self.problem.dw, self.problem.db = pointer(dw), pointer(db)
        self.plan = schedule.plan_dense_backward_kernel
        self.item = self.table.dense_backward_kernel_item


@cython.final
cdef class DenseUpdate(_DenseOp):
    """Updates `rule.w` by `rule` with the gradient x' dy, which is never stored as a whole;
    db = column sums of dy.

    w gets the same bits as from `DenseBackwardKernel` followed by an `Update`.
    Raises ValueError for a rule without a gradient.
    """

    cdef Rule rule

    def __init__(self, x, dy, db, Rule rule):
        if not rule.needs_gradient:
            raise ValueError("expected a rule that takes a gradient")
        bind(self, (x, dy, db, *rule.arrays), (x, dy, db, rule.w))
        self.rule = rule
        self._describe(x, rule.w, dy, db)
        # For every weight, w and at least one slot are read and written.
        self.work = max(self.work, 16.0 * rule.w.size)
        self.problem.x, self.problem.dy, self.problem.db = pointer(x), pointer(dy), pointer(db)
        self.plan = schedule.plan_dense_update

    cdef void begin(self, char *workspace) noexcept nogil:
        self.rule.read_hyper()

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        self.table.dense_update_item(
            &self.problem, &self.rule.problem, self.rule.apply, item, scratch
        )

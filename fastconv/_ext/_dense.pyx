"""Dense layers: forward, both gradients, and a gradient fused with its update.

x (N, I), w (I, O), b (O,), y and dy (N, O).
"""

cimport cython

from fastconv._ext._core cimport fused_activation_code, operations, pointer
from fastconv._ext._operations cimport fc_dense_op
from fastconv._ext._optim cimport Rule
from fastconv._ext._program cimport Op, arrays_with_output, bind, describe_activation_gradient


cdef class _DenseOp(Op):
    """One pass of a dense layer (operations/dense.c)."""

    cdef fc_dense_op c

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
        self.c.problem.rows, self.c.problem.inputs, self.c.problem.outputs = rows, inputs, outputs
        return 0


@cython.final
cdef class DenseForward(_DenseOp):
    """y = activation(x w + b)"""

    def details(self):
        return {
            "variant": "narrow" if self.c.problem.narrow else "wide",
            "reduction_blocks": self.c.problem.blocks,
        }

    def __init__(self, x, w, b, y, str activation="linear", double slope=0.0):
        bind(self, &self.c.op, (x, w, b, y))
        self._describe(x, w, y, b)
        self.c.problem.x, self.c.problem.w, self.c.problem.bias = pointer(x), pointer(w), pointer(b)
        self.c.problem.y = pointer(y)
        self.c.problem.activation = fused_activation_code(activation)
        self.c.problem.slope = slope
        operations.prepare_dense_forward(&self.c)

    def record(self):
        p = self.c.problem
        return "dense", self.arrays, (3,), (p.rows, p.inputs, p.outputs, p.activation), (p.slope,)


@cython.final
cdef class DenseBackwardInput(_DenseOp):
    """dx = dy w'.

    `activation_gradient` = (kind, slope, x) names the activation with the output x:
    dx is then the gradient with respect to the activation's input.
    """

    def __init__(self, dy, w, dx, activation_gradient=None):
        bind(self, &self.c.op, (dy, w, dx))
        self._describe(dx, w, dy, None)
        self.c.problem.dy, self.c.problem.w = pointer(dy), pointer(w)
        self.c.problem.dx = pointer(dx)
        describe_activation_gradient(
            self, &self.c.problem.activation_gradient, activation_gradient, dx
        )
        operations.prepare_dense_backward_input(&self.c)

    def record(self):
        p = self.c.problem
        arrays = arrays_with_output(self, 3, &self.c.problem.activation_gradient)
        integers = p.rows, p.inputs, p.outputs, p.activation_gradient.kind
        return "dense_input", arrays, (2,), integers, (p.activation_gradient.slope,)


@cython.final
cdef class DenseBackwardKernel(_DenseOp):
    """dw = x' dy, db = column sums of dy"""

    def __init__(self, x, dy, dw, db):
        bind(self, &self.c.op, (x, dy, dw, db))
        self._describe(x, dw, dy, db)
        self.c.problem.x, self.c.problem.dy = pointer(x), pointer(dy)
        self.c.problem.dw, self.c.problem.db = pointer(dw), pointer(db)
        operations.prepare_dense_backward_kernel(&self.c)

    def record(self):
        p = self.c.problem
        return "dense_kernel", self.arrays, (2, 3), (p.rows, p.inputs, p.outputs), ()


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
        bind(self, &self.c.op, (x, dy, db, *rule.arrays), (x, dy, db, rule.w))
        self._describe(x, rule.w, dy, db)
        self.rule, self.c.rule = rule, &rule.c
        self.c.problem.x, self.c.problem.dy = pointer(x), pointer(dy)
        self.c.problem.db = pointer(db)
        operations.prepare_dense_update(&self.c)

    def record(self):
        p, rule = self.c.problem, self.rule
        sizes = p.rows, p.inputs, p.outputs, rule.number, rule.c.hyper_size
        return "dense_update", self.arrays, (2, *range(3, 7)), sizes, ()

"""Optimizer updates, one pass over memory each.  The rules are in kernels/optim.inc.

A `Rule` is an optimizer's update of some weights, without the gradient; an `Update` is a rule with
a gradient buffer.  For large dense layers the gradient is never in a buffer: see
`_dense.DenseUpdate`.
"""

cimport cython
import numpy as np

from fastconv._ext._core cimport current_table, element_kind, operations, pointer
from fastconv._ext._kernels cimport (
    FC_ADADELTA,
    FC_ADAGRAD,
    FC_ADAM,
    FC_ADAMAX,
    FC_MOVING_AVERAGE,
    FC_FTRL,
    FC_LION,
    FC_NADAM,
    FC_RMSPROP,
    FC_SGD,
    FC_UPDATE_SLOTS,
)
from fastconv._ext._operations cimport fc_update_op
from fastconv._ext._program cimport Op, bind

cdef enum:
    HYPER = 6

# rule -> (index in the kernel table, number of slots that it requires)
_RULES = {
    "sgd": (FC_SGD, 0),
    "rmsprop": (FC_RMSPROP, 1),
    "adam": (FC_ADAM, 2),
    "nadam": (FC_NADAM, 2),
    "adamax": (FC_ADAMAX, 2),
    "adagrad": (FC_ADAGRAD, 1),
    "adadelta": (FC_ADADELTA, 2),
    "lion": (FC_LION, 1),
    "ftrl": (FC_FTRL, 2),
    "average": (FC_MOVING_AVERAGE, 1),
}

RULES = {rule: number for rule, (number, _) in _RULES.items()}


@cython.final
cdef class Rule:
    """Updates w and `slots` by `rule`; `slots` has up to three arrays, or None for optional ones.

    `hyper` has up to six float64 elements.  Every run reads them again,
    so a schedule may change them between steps.
    """

    def __init__(self, str rule, w, slots, hyper):
        if rule not in _RULES:
            raise ValueError(f"unknown rule {rule!r}; expected one of {', '.join(_RULES)}")
        cdef int number
        number, needed = _RULES[rule]
        slots = tuple(slots) + (None,) * (FC_UPDATE_SLOTS - len(slots))
        if len(slots) > FC_UPDATE_SLOTS or any(slot is None for slot in slots[:needed]):
            raise ValueError(
                f"rule {rule!r} needs {needed} to {FC_UPDATE_SLOTS} slots, received {slots}"
            )
        if hyper.dtype != np.float64 or hyper.ndim != 1 or hyper.size > HYPER:
            raise ValueError(
                f"expected `hyper` to be up to {HYPER} numbers of float64, "
                f"received {hyper.dtype} of shape {hyper.shape}"
            )
        self.w, self.slots = w, slots
        self.arrays = (w, *slots, hyper)
        self.check_shape(*slots)
        self.c.hyper, self.c.hyper_size = <double *> pointer(hyper), hyper.size
        self.c.apply = current_table(element_kind((w, *slots))).update[number]
        self.number, self.needs_gradient = number, number != FC_MOVING_AVERAGE
        self.c.problem.w = pointer(w)
        for i in range(FC_UPDATE_SLOTS):
            self.c.problem.slot[<int> i] = pointer(slots[i])

    def check_shape(self, *arrays):
        """ValueError if an array does not have the shape of w."""
        for array in arrays:
            if array is not None and array.shape != self.w.shape:
                raise ValueError(
                    f"expected buffers of one shape, {self.w.shape}, received {array.shape}"
                )


@cython.final
cdef class Update(Op):
    """w changes by `rule` with gradient g, None for a rule without a gradient: see `Rule`."""

    cdef Rule rule
    cdef fc_update_op c

    def __init__(self, str rule, w, g, slots, hyper):
        self.rule = Rule(rule, w, slots, hyper)
        bind(self, &self.c.stretch.op, (w, g, *self.rule.arrays[1:]), (w, g, *slots))
        if (g is not None) != self.rule.needs_gradient:
            raise ValueError(f"rule {rule!r} needs {'a' if g is None else 'no'} gradient")
        self.rule.check_shape(g)
        self.rule.c.problem.g = pointer(g)
        self.c.rule = &self.rule.c
        self.c.stretch.size = w.size
        operations.prepare_update(&self.c)

    def record(self):
        w, g, *rest = self.arrays
        sizes = self.c.stretch.size, self.rule.number, self.rule.c.hyper_size
        return "update", (g, w, *rest), tuple(range(1, 5)), sizes, ()

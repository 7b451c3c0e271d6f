"""The algorithm of a convolution pass: by estimated cost, or forced.

schedule/algorithm.h lists the algorithms, with their conditions and costs; this module converts
names, and puts the reason why an algorithm does not apply into words.
"""

import numpy as np

from fastconv._ext._core cimport compiled_table, current_table, schedule
from fastconv._ext._kernels cimport (
    FC_APPLIES,
    FC_BACKWARD_INPUT,
    FC_BACKWARD_KERNEL,
    FC_COST_TERM_COUNT,
    FC_DIRECT,
    FC_FORWARD,
    FC_PAD_EDGE,
    FC_PAD_REFLECT,
    FC_PAD_ZEROS,
    FC_SCATTER,
    FC_WINOGRAD2,
    FC_WINOGRAD4,
    FC_WRONG_DILATION,
    FC_WRONG_GROUPS,
    FC_WRONG_KERNEL,
    FC_WRONG_STRIDES,
    fc_geometry,
)
from fastconv._ext._tables cimport fc_table

ALGORITHMS = ("auto", "direct", "scatter", "winograd2", "winograd4")
POLICIES = ("auto", "direct")

cdef dict _algorithms = {
    "direct": FC_DIRECT, "scatter": FC_SCATTER, "winograd2": FC_WINOGRAD2,
    "winograd4": FC_WINOGRAD4,
}
cdef dict _names = {code: name for name, code in _algorithms.items()}
cdef dict _passes = {
    "forward": FC_FORWARD, "backward_input": FC_BACKWARD_INPUT,
    "backward_kernel": FC_BACKWARD_KERNEL,
}
cdef dict _padding_modes = {"zeros": FC_PAD_ZEROS, "edge": FC_PAD_EDGE, "reflect": FC_PAD_REFLECT}
cdef str _policy = "auto"


cdef int algorithm_code(str name) except -1:
    return _algorithms[name]


cdef str algorithm_name(int code):
    return _names[code]


def policy():
    """The algorithms that `"auto"` may choose: all ("auto"), or direct sums only ("direct")."""
    return _policy


def set_policy(name):
    """Set the algorithms that `"auto"` may choose, for ops constructed from now on."""
    global _policy
    if name not in POLICIES:
        valid = ", ".join(map(repr, POLICIES))
        raise ValueError(f"`policy` must be one of {valid}, received {name!r}")
    _policy = name


cdef fc_geometry _sizes(g) except *:
    """Converts a `fastconv.shapes.Conv2DGeometry` to the struct that schedules take."""
    cdef fc_geometry to
    to.batch, to.height, to.width, to.channels = g.batch, g.height, g.width, g.channels
    to.kernel_h, to.kernel_w, to.filters = g.kernel_h, g.kernel_w, g.filters
    to.out_h, to.out_w = g.out_h, g.out_w
    to.stride_h, to.stride_w = g.stride_h, g.stride_w
    to.pad_top, to.pad_left = g.pad_top, g.pad_left
    to.dilation_h, to.dilation_w, to.groups = g.dilation_h, g.dilation_w, g.groups
    to.padding_mode = _padding_modes[g.padding_mode]
    return to


def _reason(g, int obstacle, str pass_name, str algorithm):
    """The reason why an algorithm does not apply, as text."""
    if obstacle == FC_WRONG_KERNEL:
        valid = "3x3 or 5x5" if algorithm == "winograd2" else "3x3"
        return f"the filters are {g.kernel_h}x{g.kernel_w}, not {valid}"
    if obstacle == FC_WRONG_STRIDES:
        or_two = " or (2, 2)" if g.kernel_h == 3 and pass_name != "backward_kernel" else ""
        return f"the strides are {(g.stride_h, g.stride_w)}, not (1, 1){or_two}"
    if obstacle == FC_WRONG_DILATION:
        if algorithm == "scatter":
            return f"the column dilation is {g.dilation_w}, not 1"
        return f"the dilation rate is {(g.dilation_h, g.dilation_w)}, not (1, 1)"
    if obstacle == FC_WRONG_GROUPS:
        return f"there are {g.groups} groups, not 1"
    return f"the padding mode is {g.padding_mode!r}, not 'zeros'"


cdef class ConvPass:
    """A pass of a convolution and the algorithm that runs it; the ops of `_conv` are
    constructed from one.

    `pass_name`: "forward", "backward_input" or "backward_kernel".  `frozen`: the filters do not
    change between runs (`FilterOp.freeze_weights`).  Raises ValueError for an unknown algorithm, or
    for a forced one that does not apply, with the reason.

    The cost estimate assumes float32 vectors for both dtypes.  In float64,
    where accuracy matters more than time, "auto" does not choose Winograd.
    """

    def __init__(self, geometry, str pass_name, dtype, algorithm="auto", bint frozen=False):
        cdef int code = _passes[pass_name], obstacle
        if algorithm not in ALGORITHMS or (algorithm == "scatter" and code != FC_BACKWARD_INPUT):
            apart = () if code == FC_BACKWARD_INPUT else ("scatter",)
            valid = ", ".join(repr(name) for name in ALGORITHMS if name not in apart)
            raise ValueError(
                f"unknown `algorithm` for {pass_name}: received {algorithm!r}, "
                f"expected one of {valid}"
            )
        if code != FC_FORWARD and geometry.padding_mode != "zeros":
            raise ValueError(
                f"gradients need `padding_mode` 'zeros', received {geometry.padding_mode!r}"
            )
        self.geometry = geometry.compact()
        self.sizes = _sizes(self.geometry)
        self.code, self.frozen = code, frozen
        cdef bint winograd = np.dtype(dtype).itemsize == 4 and _policy == "auto"
        if algorithm == "auto":
            chosen = schedule.choose_algorithm(
                &current_table(False).target, &self.sizes, code, frozen, winograd
            )
            self.algorithm = _names[chosen]
            return
        obstacle = schedule.obstacle(&self.sizes, code, _algorithms[algorithm])
        if obstacle != FC_APPLIES:
            reason = _reason(self.geometry, obstacle, pass_name, algorithm)
            raise ValueError(f"`algorithm` {algorithm!r} does not apply here: {reason}")
        self.algorithm = algorithm


def choose_algorithm(geometry, str pass_name, dtype, algorithm="auto", bint frozen=False):
    """The name of the algorithm that runs a pass: that of a `ConvPass` with these arguments."""
    return ConvPass(geometry, pass_name, dtype, algorithm, frozen).algorithm


def estimated_costs(geometry, str pass_name, bint frozen=False):
    """{algorithm: time in vector multiply-adds} of the algorithms that apply to a float32 pass."""
    cdef ConvPass chosen = ConvPass(geometry, pass_name, np.float32, "direct", frozen)
    return {
        name: schedule.cost(
            &current_table(False).target, &chosen.sizes, chosen.code, algorithm, frozen
        )
        for name, algorithm in _algorithms.items()
        if schedule.obstacle(&chosen.sizes, chosen.code, algorithm) == FC_APPLIES
    }


cdef extern from *:
    """
    #include "../schedule/cost.h"
    static const char *fc_term_name(int i)
    {
    #define FC_NAME(name) #name,
        static const char *const names[] = {FC_COST_TERMS(FC_NAME) 0};
    #undef FC_NAME
        return names[i];
    }
    """
    const char *fc_term_name(int)

COST_TERMS = tuple(fc_term_name(i).decode() for i in range(FC_COST_TERM_COUNT))


def cost_amounts(geometry, str pass_name, str algorithm, bint frozen=False, str isa=None):
    """The amount of each of `COST_TERMS` in a float32 pass, on any instruction set of this build.

    Their sum, weighted by the coefficients of schedule/cost_table.h,
    is the entry of `estimated_costs`.
    """
    cdef ConvPass chosen = ConvPass(geometry, pass_name, np.float32, algorithm, frozen)
    cdef const fc_table *table = current_table(False) if isa is None else compiled_table(isa)
    cdef double[FC_COST_TERM_COUNT] amounts
    schedule.cost_amounts(
        &table.target, &chosen.sizes, chosen.code, _algorithms[algorithm], frozen, amounts
    )
    return tuple(amounts[i] for i in range(FC_COST_TERM_COUNT))

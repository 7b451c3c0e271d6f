"""Chains of element-wise operations: one pass over memory (operations/chain.c)."""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
cimport numpy as cnp
import numpy as np

from fastconv._ext._core cimport activation_code, current_table, operations, pointer, target_of
from fastconv._ext._kernels cimport (
    FC_CHAIN_AXES,
    FC_CHAIN_CODE_COUNT,
    FC_CHAIN_SLOTS,
    FC_CHAIN_activation,
    FC_CHAIN_activation_gradient,
    FC_ELEMENT_BOOL,
    FC_ELEMENT_INT32,
    FC_ELEMENT_REAL,
    FC_SLOT_OUTPUT,
    FC_SLOT_PERIODIC,
    FC_SLOT_REGISTER,
    FC_SLOT_SINGLE,
    FC_SLOT_STRIDED,
    FC_SLOT_WHOLE,
    fc_chain,
    fc_chain_instruction,
    fc_chain_slot,
)
from fastconv._ext._operations cimport fc_chain_op
from fastconv._ext._program cimport Op

cdef extern from *:
    """
    #include "../schedule/chain.h"
    static const char *fc_chain_name(int i)
    {
    #define FC_NAME(name, operands, cost) #name,
        static const char *const names[] = {FC_CHAIN_CODES(FC_NAME) 0};
    #undef FC_NAME
        return names[i];
    }
    static int fc_chain_fact(int i, int which)
    {
    #define FC_FACTS(name, operands, cost) {operands, cost},
        static const short facts[][2] = {FC_CHAIN_CODES(FC_FACTS) {0, 0}};
    #undef FC_FACTS
        return facts[i][which];
    }
    """
    const char *fc_chain_name(int)
    int fc_chain_fact(int, int)

# Name of every instruction -> (code, number of operands, cost of an element).
INSTRUCTIONS = {
    fc_chain_name(i).decode(): (i, fc_chain_fact(i, 0), fc_chain_fact(i, 1))
    for i in range(FC_CHAIN_CODE_COUNT)
}
MOST_SLOTS = FC_CHAIN_SLOTS
MOST_AXES = FC_CHAIN_AXES


@cython.final
cdef class Chain(Op):
    """Runs `instructions` on every element.

    Slots are numbered: first the `inputs`, then the `outputs`, then `registers` intermediate
    values.  An instruction is (name, slot of the result, slots of the operands, activation,
    parameters); activation and parameters are those of "activation" and "activation_gradient",
    otherwise "" and ().

    An input is a number, or an array whose shape is broadcast to that of the outputs by the rules
    of NumPy: of their dtype, bool or int32.  The outputs have one shape, and are float32 or
    float64, all the same, or bool.  One output may be one of the inputs if that has the same shape
    and dtype and there is no other output.
    """

    cdef fc_chain_op c
    cdef fc_chain_instruction *instruction
    cdef fc_chain_slot *slot

    def __dealloc__(self):
        free(self.instruction)
        free(self.slot)

    def __init__(self, instructions, inputs, outputs, int registers, dtype=None):
        inputs, outputs, instructions = tuple(inputs), tuple(outputs), tuple(instructions)
        cdef int slots = len(inputs) + len(outputs) + registers
        if slots > FC_CHAIN_SLOTS:
            raise ValueError(f"a chain has at most {FC_CHAIN_SLOTS} slots, received {slots}")
        self.arrays = tuple(array for array in inputs + outputs if isinstance(array, np.ndarray))
        dtype = np.dtype(
            dtype or next((y.dtype for y in outputs if y.dtype.kind == "f"), np.float32)
        )
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"expected float32 or float64 arrays, received {dtype}")
        self.op = &self.c.op
        self.op.table = current_table(dtype == np.float64)
        self.op.target = target_of(self.op.table)
        self.slot = <fc_chain_slot *> calloc(max(slots, 1), sizeof(fc_chain_slot))
        self.instruction = <fc_chain_instruction *> calloc(
            max(len(instructions), 1), sizeof(fc_chain_instruction)
        )
        if self.slot == NULL or self.instruction == NULL:
            raise MemoryError(f"cannot allocate a chain of {len(instructions)} instructions")
        shape = outputs[0].shape
        shape, strides = _collapsed(shape, [x for x in inputs if isinstance(x, np.ndarray)])
        cdef fc_chain *p = &self.c.problem
        cdef int index, axis
        p.slot, p.instruction, self.c.slot = self.slot, self.instruction, self.slot
        p.slots, p.instructions = slots, len(instructions)
        p.axes, p.size = len(shape), outputs[0].size
        for axis in range(p.axes):
            p.shape[axis] = shape[axis]
        strides = iter(strides)
        for index, x in enumerate(inputs):
            if isinstance(x, np.ndarray):
                self._describe_input(index, x, next(strides), dtype)
            else:
                self.slot[index].place, self.slot[index].value = FC_SLOT_SINGLE, x
        for index, y in enumerate(outputs, len(inputs)):
            if y.shape != outputs[0].shape:
                raise ValueError(
                    f"expected outputs of one shape, received {outputs[0].shape} and {y.shape}"
                )
            self.slot[index].place, self.slot[index].data = FC_SLOT_OUTPUT, pointer(y)
            self.slot[index].type = _element_type(y, dtype, "output")
            if self.slot[index].type == FC_ELEMENT_INT32:
                raise TypeError("an output of a chain must be float or bool, received int32")
        cost = self._describe_instructions(instructions)
        self.op.work = <double> p.size * (4.0 * len(self.arrays) + cost)
        operations.prepare_chain(&self.c)

    def record(self):
        cdef fc_chain *p = &self.c.problem
        integers = [p.slots, p.instructions, p.axes, p.size, *(p.shape[a] for a in range(p.axes))]
        arrays, written, remaining = [], [], iter(self.arrays)
        for i in range(p.slots):
            slot = self.slot[i]
            integers += slot.place, slot.type, slot.period, *(slot.stride[a] for a in range(p.axes))
            arrays.append(next(remaining) if slot.data != NULL else None)
            if slot.place == FC_SLOT_OUTPUT:
                written.append(i)
        reals = [self.op.work, *(self.slot[i].value for i in range(p.slots))]
        for i in range(p.instructions):
            each = self.instruction[i]
            integers += each.code, each.kind, each.y, each.x[0], each.x[1], each.x[2]
            reals += each.parameters[0], each.parameters[1], each.parameters[2]
        return "chain", tuple(arrays), tuple(written), tuple(integers), tuple(reals)

    cdef int _describe_input(self, int index, x, strides, dtype) except -1:
        cdef fc_chain_slot *slot = self.slot + index
        cdef int axis
        slot.data, slot.type = pointer(x), _element_type(x, dtype, "input")
        for axis, stride in enumerate(strides):
            slot.stride[axis] = stride
        repeated = [
            axis
            for axis, stride in enumerate(strides)
            if stride == 0 and self.c.problem.shape[axis] != 1
        ]
        if x.size == 1:
            slot.place = FC_SLOT_SINGLE
        elif not repeated:
            slot.place = FC_SLOT_WHOLE
        elif max(repeated) < next(axis for axis, stride in enumerate(strides) if stride):
            slot.place, slot.period = FC_SLOT_PERIODIC, x.size
        else:
            slot.place = FC_SLOT_STRIDED
        return 0

    cdef double _describe_instructions(self, instructions) except -1:
        cdef double cost = 0
        cdef fc_chain_instruction *to
        cdef int index, place, code
        for index, (name, y, xs, activation, parameters) in enumerate(instructions):
            code, operands, each = INSTRUCTIONS[name]
            if len(xs) != operands:
                raise ValueError(f"{name!r} takes {operands} operands, received {len(xs)}")
            slots = self.c.problem.slots
            if not all(0 <= slot < slots for slot in (y, *xs)):
                raise ValueError(f"expected slots below {slots}, received {(y, *xs)}")
            to = self.instruction + index
            to.code, to.y = code, y
            for place in range(3):
                to.x[place] = xs[min(place, operands - 1)]
            if code in (FC_CHAIN_activation, FC_CHAIN_activation_gradient):
                to.kind = activation_code(activation)
                for place, value in enumerate(parameters):
                    to.parameters[place] = value
            cost += each
        return cost


cdef int _element_type(array, dtype, str what) except -1:
    if array.dtype == dtype:
        return FC_ELEMENT_REAL
    if array.dtype == np.bool_:
        return FC_ELEMENT_BOOL
    if array.dtype == np.int32:
        return FC_ELEMENT_INT32
    raise TypeError(
        f"an {what} of a chain in {dtype} must be {dtype}, bool or int32, received {array.dtype}"
    )


def _collapsed(shape, arrays):
    """(shape, strides of each array in elements), neighbouring axes joined where all allow it.

    The stride of an axis along which an array is broadcast is 0.  Raises ValueError for
    shapes that do not fit.
    """
    sizes = list(shape) or [1]
    strides = []
    for array in arrays:
        padded = (1,) * (len(sizes) - array.ndim) + array.shape
        if len(padded) != len(sizes) or any(n not in (1, size) for n, size in zip(padded, sizes)):
            raise ValueError(
                f"expected a shape that is broadcast to {tuple(shape)}, received {array.shape}"
            )
        steps, step = [], 1
        for n in reversed(padded):
            steps.insert(0, 0 if n == 1 else step)
            step *= n
        strides.append(steps)
    axis = len(sizes) - 2
    while axis >= 0:
        inner = sizes[axis + 1]
        joined = all(s[axis] == s[axis + 1] * inner or 1 in (sizes[axis], inner) for s in strides)
        if joined:
            for s in strides:
                s[axis] = s[axis + 1] or (s[axis] if inner == 1 else 0)
                del s[axis + 1]
            sizes[axis] *= inner
            del sizes[axis + 1]
        axis -= 1
    if len(sizes) > FC_CHAIN_AXES:
        raise ValueError(
            f"an input may be broadcast along at most {FC_CHAIN_AXES} axes, received {tuple(shape)}"
        )
    return sizes, strides

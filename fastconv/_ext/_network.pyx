"""Whole networks as data (network/network.h): their memory, and runs without a plan.

`fastconv.export` writes the words of a network; here they are built for an instruction set, to
learn how much memory it needs there, and run.
"""

from cython.parallel cimport parallel, threadid
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from fastconv._ext._algorithm cimport algorithm_name
from fastconv._ext._core cimport compiled_table, networks, pointer, schedule
from fastconv._ext._core import available_isas
from fastconv._ext._kernels cimport (
    FC_BACKWARD_INPUT,
    FC_BACKWARD_KERNEL,
    FC_FORWARD,
    fc_geometry,
)
from fastconv._ext._tables cimport fc_table

cdef extern from "team.h" nogil:
    int fc_team_size()

cdef extern from "../network/network.h" nogil:
    """
    static const char *fc_kernel_name(int i)
    {
    #define FC_NAME(type, name, arguments) #name,
        static const char *const names[] = {FC_KERNELS(FC_NAME) 0};
    #undef FC_NAME
        return names[i];
    }
    static const char *fc_record_name(int i)
    {
    #define FC_NAME(name) #name,
        static const char *const names[] = {FC_RECORDS(FC_NAME) 0};
    #undef FC_NAME
        return names[i];
    }
    """
    const char *fc_kernel_name(int)
    const char *fc_record_name(int)


def _names(which):
    names = []
    cdef const char *name
    while True:
        name = fc_kernel_name(len(names)) if which == "kernels" else fc_record_name(len(names))
        if name == NULL:
            return tuple(names)
        names.append(name.decode())


KERNELS = _names("kernels")
RECORD_KINDS = _names("records")
NETWORK_MAGIC = FC_NETWORK_MAGIC
NO_ARRAY = FC_NO_ARRAY
IN_VALUES, IN_WEIGHTS, IN_STATE = FC_IN_VALUES, FC_IN_WEIGHTS, FC_IN_STATE
BLOCKS = FC_BLOCKS           # a reference is BLOCKS * offset + IN_...
SETTINGS = FC_SETTINGS       # numbers of an optimizer
NETWORK_WORDS = FC_WORDS     # of a program, before those of its inputs and outputs
WORD_COUNT = FC_WORD_WORDS   # the position of the number of all words


_PASSES = {
    "convolution": FC_FORWARD,
    "convolution_input": FC_BACKWARD_INPUT,
    "convolution_kernel": FC_BACKWARD_KERNEL,
}


def network_algorithm(str kind, integers, str isa):
    """The algorithm of the record of a convolution on an instruction set; None if this build
    lacks it.

    `kind` and `integers` are those of the record.
    """
    cdef fc_geometry g
    (
        g.batch, g.height, g.width, g.channels, g.kernel_h, g.kernel_w, g.filters, g.out_h,
        g.out_w, g.stride_h, g.stride_w, g.pad_top, g.pad_left, g.dilation_h, g.dilation_w,
        g.groups, g.padding_mode, forced, frozen, *_,
    ) = integers
    if forced >= 0:
        return algorithm_name(forced)
    try:
        table = compiled_table(isa)
    except ValueError:
        return None
    return algorithm_name(
        schedule.choose_algorithm(&table.target, &g, _PASSES[kind], frozen, True)
    )


cdef void _run_parallel(void *context, fc_task task, void *argument, int size) noexcept nogil:
    with parallel(num_threads=size):
        task(argument, threadid(), fc_team_size())


cdef class Network:
    """A network built from the words and weights of a program, for one instruction set.

    `isa` is any of the build; `run` needs one that this machine has. A run of a program that
    trains changes `state`, which several networks may share; then `invalidate` the others. A
    network serves one thread at a time.
    """

    cdef readonly object words, weights, state
    cdef readonly str isa
    cdef readonly int64_t memory_bytes
    cdef char *memory

    def __dealloc__(self):
        free(self.memory)

    def __init__(
        self, words, weights, str isa, int threads=1, bint measured_only=False, state=None
    ):
        cdef const int64_t *program = <const int64_t *> pointer(words)
        cdef const fc_table *table = compiled_table(isa)
        cdef int64_t count = len(words), bytes = networks.head_bytes(program, count)
        cdef int64_t state_bytes = 0 if state is None else state.nbytes
        if bytes and weights.nbytes < program[FC_WORD_WEIGHTS]:
            raise ValueError(
                f"`weights` must have {program[FC_WORD_WEIGHTS]} bytes, received {weights.nbytes}"
            )
        if bytes and state_bytes < program[FC_WORD_STATE]:
            raise ValueError(
                f"`state` must have {program[FC_WORD_STATE]} bytes, received {state_bytes}"
            )
        if state is not None and not state.flags.writeable:
            raise ValueError("`state` must be writeable, received a read-only array")
        self.words, self.weights, self.state, self.isa = words, weights, state, isa
        for _ in range(1 if measured_only else 2):  # the first time for the size
            free(self.memory)
            self.memory = <char *> malloc(bytes + 64)
            if self.memory == NULL:
                raise MemoryError(f"cannot allocate a network of {bytes} bytes")
            status = networks.build(
                self._start(), program, count, pointer(weights), pointer(state), table, threads,
                &bytes,
            )
            if status != FC_NETWORK_OK:
                raise ValueError(f"`words` are not a network that this version can run: {status}")
        self.memory_bytes = bytes

    cdef char *_start(self) noexcept nogil:
        return <char *> ((<int64_t> self.memory + 63) & ~63)

    def run(self, inputs, outputs):
        """Compute the arrays `outputs` from the arrays `inputs`, of the sizes in the program."""
        if self.isa not in available_isas():
            raise RuntimeError(f"this machine does not have the instruction set {self.isa!r}")
        count = self.words[FC_WORD_INPUTS] + self.words[FC_WORD_OUTPUTS]
        ends = self.words[FC_WORDS : FC_WORDS + 2 * count]
        received = [array.nbytes for array in (*inputs, *outputs)]
        if len(inputs) != self.words[FC_WORD_INPUTS] or received != ends[1::2].tolist():
            raise ValueError(f"expected arrays of {ends[1::2].tolist()} bytes, received {received}")
        cdef const void **x = <const void **> malloc(8 * max(len(inputs), 1))
        cdef void **y = <void **> malloc(8 * max(len(outputs), 1))
        for i, array in enumerate(inputs):
            x[i] = pointer(array)
        for i, array in enumerate(outputs):
            y[i] = pointer(array)
        with nogil:
            networks.run(<fc_network *> self._start(), x, y, _run_parallel, NULL)
        free(x)
        free(y)

    def invalidate(self):
        """Pack the filters again at the next run, because `state` has changed."""
        networks.invalidate(<fc_network *> self._start())


def network_bytes(words, weights, str isa, int threads, state=None):
    """The memory that a network needs on an instruction set of this build, in bytes."""
    return Network(words, weights, isa, threads, True, state).memory_bytes

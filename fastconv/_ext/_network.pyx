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
from fastconv._ext._kernels cimport FC_FORWARD, fc_geometry
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
NETWORK_WORDS = FC_WORDS     # of a program, before those of its inputs and outputs
WORD_COUNT = FC_WORD_WORDS   # the position of the number of all words


def network_algorithm(integers, str isa):
    """The algorithm of a record "convolution" on an instruction set; None if this build lacks it.

    `integers` are those of the record.
    """
    cdef fc_geometry g
    (
        g.batch, g.height, g.width, g.channels, g.kernel_h, g.kernel_w, g.filters, g.out_h,
        g.out_w, g.stride_h, g.stride_w, g.pad_top, g.pad_left, g.dilation_h, g.dilation_w,
        g.groups, g.padding_mode, _, _, forced,
    ) = integers
    if forced >= 0:
        return algorithm_name(forced)
    try:
        table = compiled_table(isa)
    except ValueError:
        return None
    return algorithm_name(schedule.choose_algorithm(&table.target, &g, FC_FORWARD, True, True))


cdef void _run_parallel(void *context, fc_task task, void *argument, int size) noexcept nogil:
    with parallel(num_threads=size):
        task(argument, threadid(), fc_team_size())


cdef class Network:
    """A network built from the words and weights of a program, for one instruction set.

    `isa` is any of the build; `run` needs one that this machine has. A network serves one thread
    at a time.
    """

    cdef readonly object words, weights
    cdef readonly str isa
    cdef readonly int64_t memory_bytes
    cdef char *memory

    def __dealloc__(self):
        free(self.memory)

    def __init__(self, words, weights, str isa, int threads=1, bint measured_only=False):
        cdef const int64_t *program = <const int64_t *> pointer(words)
        cdef const fc_table *table = compiled_table(isa)
        cdef int64_t count = len(words), bytes = networks.head_bytes(program, count)
        if bytes and weights.nbytes < program[FC_WORD_WEIGHTS]:
            raise ValueError(
                f"`weights` must have {program[FC_WORD_WEIGHTS]} bytes, received {weights.nbytes}"
            )
        self.words, self.weights, self.isa = words, weights, isa
        for _ in range(1 if measured_only else 2):  # the first time for the size
            free(self.memory)
            self.memory = <char *> malloc(bytes + 64)
            if self.memory == NULL:
                raise MemoryError(f"cannot allocate a network of {bytes} bytes")
            status = networks.build(
                self._start(), program, count, pointer(weights), table, threads, &bytes
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


def network_bytes(words, weights, str isa, int threads):
    """The memory that a network needs on an instruction set of this build, in bytes."""
    return Network(words, weights, isa, threads, True).memory_bytes

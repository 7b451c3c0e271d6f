# Declarations of ops and programs, for the modules that define ops.
#
# Free functions instead of methods where possible: adding one does not change the
# layout of a class.
from libc.math cimport sqrt
from libc.stdint cimport int64_t

from fastconv._ext._kernels cimport fc_activation_gradient, fc_target
from fastconv._ext._tables cimport fc_table

# Units of work are floating-point operations, or bytes moved in cache; a core does about 100,000
# per microsecond.  The costs are times of small networks, measured with benchmarks.networks and
# benchmarks.scaling.
cdef enum:
    BARRIER_COST = 5000            # one barrier, per thread, in units of work
    PARALLEL_REGION_COST = 100000  # one parallel region, in units of work
    BRIEF_WORK = 300000            # most units of work of a brief phase of one thread: 3 us

# Up to this size and number of threads, every thread packs its own copy of the filters.
cdef enum:
    OWN_FILTERS_BYTES = 512 * 1024  # half of the L2 of common cores
    OWN_FILTERS_THREADS = 8         # with more threads, sharing the packing takes less time


# The number of threads t that minimizes the time work / t + t * BARRIER_COST,
# at most `num_threads`.
cdef inline int threads_for(int num_threads, double work) noexcept nogil:
    cdef double most = sqrt(work / BARRIER_COST)
    if most >= num_threads:
        return num_threads
    return <int> most if most > 1 else 1


cdef extern from "../schedule/red_zones.h" nogil:
    enum:
        FC_RED_ZONE
    void *fc_end_part(void *)


cdef inline int64_t round_up_64(int64_t n) noexcept nogil:
    return (n + 63) & ~(<int64_t> 63)


cdef class Workspace:
    cdef char *data
    cdef int64_t size
    cdef int require(self, int64_t size) except -1


# One operation of a network, bound to its arrays: one or more loops
# ("phases") over independent items.
cdef class Op:
    cdef readonly tuple arrays
    cdef const fc_table *table  # the kernels for the arrays' dtype
    cdef fc_target target   # read by the schedules of ops that have variants
    cdef double work        # floating-point operations or bytes, for threads_for
    cdef int phases
    cdef Workspace own_workspace
    # Scratch: `shared_bytes` for the op, and `scratch_bytes` for each thread,
    # for the item that it runs.
    cdef int64_t shared_bytes, scratch_bytes
    cdef int fitted         # number of threads that the items are partitioned for
    cdef int threads        # number of threads in the present run
    cdef void fit(self, int threads) noexcept nogil
    cdef void begin(self, char *workspace) noexcept nogil
    cdef int64_t phase_items(self, int phase) noexcept nogil
    cdef bint is_apart(self, int phase) noexcept nogil
    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil
    cdef void end(self) noexcept nogil


# Sets the arrays of an op, and its kernels: those for the dtype of `of_dtype`,
# which is `arrays` unless given.
cdef int bind(Op op, tuple arrays, tuple of_dtype=*) except -1

# Sets an activation gradient, (kind, slope, output) or None, that an op applies to a `gradient` of
# the shape of `output`.
cdef int describe_activation_gradient(Op op, fc_activation_gradient *to, given, gradient) except -1


# An op that packs its filters before it uses them.
cdef class FilterOp(Op):
    cdef Workspace filters
    cdef readonly int64_t filter_bytes  # size of the packed filters
    cdef int64_t filters_end  # end of the packed filters within that size
    cdef int64_t other_bytes
    cdef bint frozen, is_packed, packs_apart
    cdef int need_filter_bytes(self, int64_t bytes, int64_t other_bytes=*) except -1
    cdef void lay_out(self, int threads) noexcept nogil
    cdef char *own_filters(self, char **scratch) noexcept nogil
    cdef char *other_memory(self, char *workspace) noexcept nogil
    cdef void place_filters(self, char *memory) noexcept nogil

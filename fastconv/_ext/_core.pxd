# What the other extension modules share: the kernel table in use, the base class of ops, the thread count rule.
# Free functions rather than methods wherever possible: adding one does not change the layout of a class.
from libc.math cimport sqrt
from libc.stdint cimport int64_t
from fastconv._ext._kernels cimport fc_target, fc_undo
from fastconv._ext._tables cimport fc_schedule, fc_table

# The table for float32 or float64 of the selected instruction set.
cdef const fc_table *current_table(bint is_double) noexcept

# The facts of a table's target, with the variants that tests force or forbid.
cdef fc_target target_of(const fc_table *table) noexcept

# How passes are cut (schedule/schedule.h); `_core` links it for all modules.
cdef const fc_schedule *schedule

# float32 -> 0, float64 -> 1; anything else, or arrays that disagree, is an error.
cdef int element_kind(tuple arrays) except -1

# The data pointer of a C-contiguous array; NULL for None.
cdef void *pointer(array) except? NULL

# The number of an activation, and the same for one that ends a convolution or dense product.
cdef int activation_code(str name) except -1
cdef int fused_activation_code(str name) except -1

# Work is counted in floating-point operations or bytes moved in cache; a core does about 100,000 in a microsecond.
cdef enum:
    MEETING = 5000            # what it costs to meet at a barrier, for every thread that does
    PARALLEL_REGION = 100000  # what it costs to begin and end one
    BRIEF = 300000            # for a thread: three microseconds

# Packed filters of up to so many bytes stay in the L2 of every core, and up to so many threads pack them each for itself.
cdef enum:
    OWN_FILTERS_BYTES = 512 * 1024
    OWN_FILTERS_THREADS = 8


# Threads that repay themselves on so much work: with t of them, work / t + t * MEETING is least.
cdef inline int threads_for(int num_threads, double work) noexcept nogil:
    cdef double most = sqrt(work / MEETING)
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


# One operation of a network, bound to its arrays: some loops ("phases") over independent items.
cdef class Op:
    cdef readonly tuple arrays
    cdef fc_target target   # what its schedules plan by, for ops that have variants
    cdef double work        # floating-point operations or bytes, for threads_for
    cdef int phases
    cdef Workspace own_workspace
    # Scratch: `shared_bytes` for the op and `scratch_bytes` for each thread, which is how items find theirs.
    cdef int64_t shared_bytes, scratch_bytes
    cdef int fitted         # threads that its items are cut for
    cdef int threads        # that share its items in the present run
    cdef void fit(self, int threads) noexcept nogil
    cdef void begin(self, char *workspace) noexcept nogil
    cdef int64_t phase_items(self, int phase) noexcept nogil
    cdef bint is_apart(self, int phase) noexcept nogil
    cdef void phase_item(self, int phase, int64_t item, char *workspace, char *scratch) noexcept nogil
    cdef void end(self) noexcept nogil


# The activation, (kind, slope, output) or None, that an op undoes in a gradient of the shape of `gradient`.
cdef int describe_undo(Op op, fc_undo *to, undo, gradient) except -1


# An op whose filters are rearranged ("packed") before they are used.
cdef class FilterOp(Op):
    cdef const fc_table *table
    cdef Workspace filters
    cdef readonly int64_t filter_bytes  # of the packed filters
    cdef int64_t filters_end  # where they end within this memory
    cdef int64_t other_bytes
    cdef bint frozen, is_packed, packs_apart
    cdef int need_filter_bytes(self, int64_t bytes, int64_t other_bytes=*) except -1
    cdef void lay_out(self, int threads) noexcept nogil
    cdef char *other_memory(self, char *workspace) noexcept nogil
    cdef void place_filters(self, char *memory) noexcept nogil

"""Ops, and the one parallel region that runs a list of them.

An *op* is one operation of a network, bound to its arrays for its lifetime: a function of
`fastconv.ops` creates one, runs it once and drops it; a plan creates many and runs them
repeatedly.  An op consists of phases, loops over independent items; each phase needs the previous
one to be complete.

All parallelism is in `_run_team`: one parallel region for a whole list of ops, whose threads share
the items of each phase and synchronize at a barrier before the next (kernels/team.h).  An op too
small for a second thread runs on the first one alone.  Within the region nothing is allocated and
no Python object is accessed; scratch memory is a workspace that is allocated before.  The result
does not depend on which thread computes an item.
"""

cimport cython
from cython.parallel cimport parallel, threadid
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc

from fastconv._ext._core cimport (
    current_table,
    element_kind,
    fused_activation_code,
    pointer,
    target_of,
)
from fastconv._ext._kernels cimport fc_activation_gradient


@cython.final
cdef class Workspace:
    """Scratch memory that grows to the largest size required so far; 64-byte aligned."""

    def __dealloc__(self):
        free(self.data)

    cdef int require(self, int64_t size) except -1:
        if size < 0:
            raise MemoryError("cannot allocate a workspace of more than 2**63 bytes")
        if size <= self.size and not FC_RED_ZONE:
            return 0
        free(self.data)
        self.size = 0
        self.data = <char *> malloc(size + 64)
        if self.data == NULL:
            raise MemoryError(f"cannot allocate a workspace of {size} bytes")
        self.size = size
        return 0


cdef char *aligned(Workspace workspace) noexcept nogil:
    return <char *> ((<uintptr_t> workspace.data + 63) & ~(<uintptr_t> 63))


cdef extern from "team.h" nogil:
    ctypedef struct fc_adaptation:
        pass
    int fc_adapted_threads(fc_adaptation *, int)
    void fc_adapt(fc_adaptation *, int64_t, int64_t)
    int64_t fc_now_ns()
    ctypedef struct fc_team:
        int64_t waited, finished
    int64_t fc_team_bytes(int)
    void fc_team_init(fc_team *, int)
    int fc_team_size()
    void fc_team_wait(fc_team *, int, int)
    void fc_team_finish(fc_team *)
    bint fc_team_take(fc_team *, int64_t, int64_t, int64_t, int, int, int64_t *, int64_t *)
    void fc_team_reset_next(fc_team *, int64_t, int)


cdef extern from "float_mode.h" nogil:
    uint64_t fc_float_mode()
    void fc_set_float_mode(uint64_t)
    uint64_t fc_flushing(uint64_t)

cdef bint flushes = False


def flush_denormals():
    """Whether ops treat denormal numbers as zero."""
    return flushes


def set_flush_denormals(bint flush):
    """Set whether ops treat denormal numbers as zero, from the next run on."""
    global flushes
    flushes = flush


cdef class Op:
    """One operation, bound to its arrays."""

    def __cinit__(self):
        self.phases = 1

    cdef void fit(self, int threads) noexcept nogil:
        """Partition the phases into enough items for `threads` threads,
        and set the size of the scratch memory.

        This changes which thread computes an item, and never the order of a sum.
        """

    cdef void begin(self, char *workspace) noexcept nogil:
        """Called once per run, before any op runs; the op's `shared_bytes` begin at `workspace`."""

    cdef int64_t phase_items(self, int phase) noexcept nogil:
        return 0

    cdef bint is_apart(self, int phase) noexcept nogil:
        """Whether every thread runs all items of a phase, in its own scratch, without a barrier."""
        return False

    cdef void phase_item(
        self, int phase, int64_t item, char *workspace, char *scratch
    ) noexcept nogil:
        pass

    cdef void end(self) noexcept nogil:
        """Called by one thread after the last phase; others may already overwrite scratch."""

    def run(self, int num_threads):
        """Execute once on at most `num_threads` threads."""
        cdef void *op = <void *> self
        if self.own_workspace is None:
            self.own_workspace = Workspace()
        _run(&op, 1, self.own_workspace, num_threads, NULL)

    def details(self):
        """The entries of `describe` for this kind of op: algorithm, variant, store, partition."""
        return {}

    def describe(self, int num_threads=1):
        """How the op runs on `num_threads` threads, as a dict.

        "operation" is its class; the entries of `details` follow.  "phases" is the result of
        `split`; "scratch_bytes" is the scratch memory of each thread, "shared_bytes" that of all
        threads together, packed filters included.
        """
        return {
            "operation": type(self).__name__,
            **self.details(),
            "phases": self.split(num_threads),
            "scratch_bytes": self.scratch_bytes,
            "shared_bytes": self.shared_bytes,
        }

    def partition(self, int num_threads):
        """The result of `details` for exactly `num_threads` threads,
        even where the work does not pay for them.

        For tests of the schedules; the next run partitions again.
        """
        self.fit(num_threads)
        self.fitted = 0
        return self.details()

    def worth(self, int num_threads):
        """The number of threads, at most `num_threads`, that the work pays for."""
        return threads_for(num_threads, self.work)

    def split(self, int num_threads):
        """How `num_threads` threads share each phase: a list of (items, items taken
        at a time, threads).

        Every thread begins with its own stretch and then steals items from the others, unless the
        whole phase takes a few microseconds only: with items of equal length the busiest one of
        `threads` gets at most ceil(items / chunk / threads) * chunk of `items`.  A phase that every
        thread runs by itself is one such chunk.
        """
        _fit(self, num_threads)
        cdef int threads = _threads_of(self, num_threads)
        phases = [(self.phase_items(phase), self.is_apart(phase)) for phase in range(self.phases)]
        return [
            (items, items if apart else _chunk(items, threads), threads)
            for items, apart in phases
            if items
        ]


cdef int bind(Op op, tuple arrays, tuple of_dtype=None) except -1:
    op.arrays = arrays
    op.table = current_table(element_kind(arrays if of_dtype is None else of_dtype))
    op.target = target_of(op.table)
    return 0


cdef int describe_activation_gradient(Op op, fc_activation_gradient *to, given, gradient) except -1:
    to.output = NULL
    if given is None:
        return 0
    kind, slope, output = given
    if output.shape != gradient.shape or output.dtype != gradient.dtype:
        raise ValueError(
            f"expected the output of an activation of shape {gradient.shape} "
            f"and in {gradient.dtype}, "
            f"received {output.shape} in {output.dtype}"
        )
    to.kind, to.slope, to.output = fused_activation_code(kind), slope, pointer(output)
    op.arrays += (output,)
    return 0


cdef int64_t _chunk(int64_t items, int threads) noexcept nogil:
    """Number of items that a thread takes at a time: one of a few, more of many."""
    return 1 + items // (16 * threads)


cdef bint _is_brief(Op op, int64_t items, int threads) noexcept nogil:
    """Whether each thread runs only its own stretch: stealing would take as long as the items."""
    return items <= threads or op.work < threads * BRIEF_WORK


cdef int _threads_of(Op op, int size) noexcept nogil:
    cdef int64_t most = 0, items
    cdef int phase
    for phase in range(op.phases):
        items = op.phase_items(phase)
        if items > most and not op.is_apart(phase):
            most = items
    cdef int64_t threads = threads_for(size, op.work)
    return <int> max(1, min(threads, most))


cdef void _fit(Op op, int num_threads) noexcept nogil:
    cdef int threads = threads_for(num_threads, op.work)
    if op.fitted != threads:
        op.fitted = threads
        op.fit(threads)


cdef int _team_for(void **ops, int64_t count, int num_threads) noexcept nogil:
    """`num_threads`, or 1 if the work does not pay for a parallel region."""
    cdef double shared = 0
    cdef int64_t i
    for i in range(count):
        if threads_for(num_threads, (<Op> ops[i]).work) > 1:
            shared += (<Op> ops[i]).work
    return num_threads if shared > 2 * PARALLEL_REGION_COST else 1


cdef int _run(
    void **ops, int64_t count, Workspace workspace, int num_threads, fc_adaptation *adaptation
) except -1:
    """Runs ops in order on a team of threads, with one workspace for all.

    `adaptation` chooses how many of the `num_threads` threads are used; NULL: all.
    """
    if num_threads < 1:
        raise ValueError(f"`num_threads` must be at least 1, received {num_threads}")
    cdef int64_t bytes = 0, i, start = 0, now
    cdef int threads = 1, wanted
    num_threads = _team_for(ops, count, num_threads)
    if num_threads == 1:
        adaptation = NULL
    elif adaptation != NULL:
        num_threads = fc_adapted_threads(adaptation, num_threads)
        start = fc_now_ns()
    if FC_RED_ZONE and count > 1:  # each op by itself, so that the red zone follows its own memory
        for i in range(count):
            _run(ops + i, 1, workspace, num_threads, NULL)
        return 0
    for i in range(count):
        _fit(<Op> ops[i], num_threads)
        wanted = (<Op> ops[i]).threads = _threads_of(<Op> ops[i], num_threads)
        threads = max(threads, wanted)
        bytes = max(
            bytes, (<Op> ops[i]).shared_bytes + FC_RED_ZONE + _scratch_stride(<Op> ops[i]) * wanted
        )
    cdef int64_t team_bytes = round_up_64(fc_team_bytes(threads))
    workspace.require(team_bytes + bytes)
    cdef fc_team *team = <fc_team *> aligned(workspace)
    cdef char *memory = aligned(workspace) + team_bytes
    fc_team_init(team, threads)
    if FC_RED_ZONE:  # behind the shared scratch, and behind that of each thread
        for i in range(threads + 1):
            fc_end_part(memory + (<Op> ops[0]).shared_bytes + _scratch_stride(<Op> ops[0]) * i)
    with nogil:
        for i in range(count):
            (<Op> ops[i]).begin(memory)
        if threads == 1:
            _run_member(ops, count, memory, team, 0, 1)
        else:
            with parallel(num_threads=threads):
                _run_member(ops, count, memory, team, threadid(), fc_team_size())
        if adaptation != NULL:
            now = fc_now_ns()
            # Thread 0 also waits at the end of the parallel region.
            fc_adapt(adaptation, now - start, team.waited + (now - team.finished))
    return 0


cdef int64_t _scratch_stride(Op op) noexcept nogil:
    """Distance between the scratch of two threads, in bytes."""
    return op.scratch_bytes + FC_RED_ZONE


cdef void _run_member(
    void **ops, int64_t count, char *workspace, fc_team *team, int rank, int size
) noexcept nogil:
    """Runs the ops on one thread of the team in the set float mode, then restores its own."""
    cdef uint64_t mode
    if flushes:
        mode = fc_float_mode()
        fc_set_float_mode(fc_flushing(mode))
        _run_team(ops, count, workspace, team, rank, size)
        fc_set_float_mode(mode)
    else:
        _run_team(ops, count, workspace, team, rank, size)
    if rank == 0:
        fc_team_finish(team)


cdef void _run_team(
    void **ops, int64_t count, char *workspace, fc_team *team, int rank, int size
) noexcept nogil:
    """All threads of the team must take the same branches around a barrier.

    So these branches do not depend on anything that `end` changes:
    it runs on one thread while others begin the next op.
    """
    cdef int64_t i, loop = 0, items, chunk, item, stop = 0
    cdef int phase, threads
    cdef bint alone = False  # thread 0 has worked alone since the last barrier
    cdef char *scratch
    for i in range(count):
        threads = min((<Op> ops[i]).threads, size)
        scratch = (
            workspace + (<Op> ops[i]).shared_bytes + FC_RED_ZONE
            + _scratch_stride(<Op> ops[i]) * rank
        )
        if threads == 1:
            if rank == 0:
                for phase in range((<Op> ops[i]).phases):
                    for item in range((<Op> ops[i]).phase_items(phase)):
                        (<Op> ops[i]).phase_item(phase, item, workspace, scratch)
                (<Op> ops[i]).end()
            alone = True
            continue
        if alone:
            fc_team_wait(team, rank, size)
            alone = False
        for phase in range((<Op> ops[i]).phases):
            items = (<Op> ops[i]).phase_items(phase)
            if items == 0:
                continue
            if (<Op> ops[i]).is_apart(phase):
                if rank < threads:
                    for item in range(items):
                        (<Op> ops[i]).phase_item(phase, item, workspace, scratch)
                continue
            if _is_brief(<Op> ops[i], items, threads):
                if rank < threads:
                    for item in range(items * rank // threads, items * (rank + 1) // threads):
                        (<Op> ops[i]).phase_item(phase, item, workspace, scratch)
                fc_team_wait(team, rank, size)
                continue
            fc_team_reset_next(team, loop, rank)
            if rank < threads:
                chunk = _chunk(items, threads)
                item = 0
                while fc_team_take(team, loop, items, chunk, rank, threads, &item, &stop):
                    while item < stop:
                        (<Op> ops[i]).phase_item(phase, item, workspace, scratch)
                        item += 1
            fc_team_wait(team, rank, size)
            loop += 1
        if rank == 0:
            (<Op> ops[i]).end()


cdef class FilterOp(Op):
    """An op that packs its filters in phase 0.

    In training, the default, it packs at every run, into scratch memory that all ops of a program
    share.  With frozen weights, it packs at the next run only, into its own memory.

    Threads share the packing, unless the filters are small: then each thread packs all of
    them into its own scratch, which takes less time than fetching packed filters from the
    cache of another core.
    """

    def __cinit__(self):
        self.phases = 2

    cdef void place_filters(self, char *memory) noexcept nogil:
        """Set `memory` as the location of the packed filters."""

    cdef void begin(self, char *workspace) noexcept nogil:
        if not self.frozen:
            self.place_filters(workspace)
            if not self.packs_apart:
                fc_end_part(workspace + self.filters_end)

    cdef void end(self) noexcept nogil:
        if self.frozen:
            self.is_packed = True

    cdef bint is_apart(self, int phase) noexcept nogil:
        return phase == 0 and self.packs_apart

    cdef void lay_out(self, int threads) noexcept nogil:
        """Called at the end of `fit`.  With `packs_apart`, scratch begins with packed filters."""
        self.packs_apart = (
            not self.frozen and 1 < threads <= OWN_FILTERS_THREADS
            and self.filter_bytes <= OWN_FILTERS_BYTES and self.other_bytes == 0
        )
        if self.packs_apart:
            self.scratch_bytes += self.filter_bytes
        self.shared_bytes = self.other_bytes + (
            0 if self.frozen or self.packs_apart else self.filter_bytes
        )

    cdef int need_filter_bytes(self, int64_t bytes, int64_t other_bytes=0) except -1:
        """Set the sizes of the packed filters and of shared scratch at `other_memory`."""
        self.filters_end = max(bytes, 64)  # there may be no elements at all
        self.filter_bytes = round_up_64(self.filters_end + FC_RED_ZONE)
        self.other_bytes = round_up_64(other_bytes)
        self.shared_bytes = self.filter_bytes + self.other_bytes
        return 0

    cdef char *own_filters(self, char **scratch) noexcept nogil:
        """With `packs_apart`: the thread's own packed filters, behind which its scratch begins."""
        cdef char *filters = scratch[0]
        fc_end_part(filters + self.filters_end)
        scratch[0] += self.filter_bytes
        return filters

    cdef char *other_memory(self, char *workspace) noexcept nogil:
        return workspace if self.frozen else workspace + self.filter_bytes

    def freeze_weights(self, bint frozen):
        """Pack the filters at the next run only (True), or at every run (False)."""
        self.frozen = frozen
        self.is_packed = False
        self.filters = None
        self.fitted = 0
        self.shared_bytes = self.other_bytes if frozen else self.other_bytes + self.filter_bytes
        if frozen:
            self.filters = Workspace()
            self.filters.require(self.filter_bytes)
            self.place_filters(aligned(self.filters))
            fc_end_part(aligned(self.filters) + self.filters_end)

    def invalidate(self):
        """Pack frozen filters again at the next run, because they have changed."""
        self.is_packed = False


@cython.final
cdef class Program:
    """Ops that run in order, in a single call without the GIL, with one shared workspace."""

    cdef readonly tuple ops
    cdef void **pointers
    cdef int64_t count
    cdef Workspace workspace
    cdef fc_adaptation adaptation  # zero at first

    def __cinit__(self, ops):
        self.ops = tuple(ops)  # keeps the ops alive
        self.count = len(self.ops)
        self.workspace = Workspace()
        self.pointers = <void **> malloc(max(1, self.count) * sizeof(void *))
        if self.pointers == NULL:
            raise MemoryError(f"cannot allocate a program of {self.count} ops")
        for i, op in enumerate(self.ops):
            self.pointers[i] = <void *> (<Op?> op)

    def __dealloc__(self):
        free(self.pointers)

    def __len__(self):
        return self.count

    @property
    def workspace_bytes(self):
        """Size of the scratch memory in bytes, at the number of threads in use."""
        return self.workspace.size

    @property
    def filter_bytes(self):
        """Size of the packed filters that are kept between runs, in bytes."""
        return sum(
            op.filter_bytes
            for op in self.ops
            if isinstance(op, FilterOp) and (<FilterOp> op).frozen
        )

    def run(self, int num_threads):
        """Execute all ops once on at most `num_threads` threads: on fewer while other programs
        keep the cores busy and fewer are faster."""
        _run(self.pointers, self.count, self.workspace, num_threads, &self.adaptation)


def scratch_bytes(ops, int num_threads):
    """Scratch memory of a program of `ops` on `num_threads` threads, in bytes,
    computed without running it.

    It is the maximum over the ops, because they run one after the other.
    """
    cdef int64_t most = 0
    cdef Op op
    for op in ops:
        threads = max([threads for _, _, threads in op.split(num_threads)], default=1)
        most = max(most, op.shared_bytes + op.scratch_bytes * <int64_t> threads)
    return most

"""Ops, and the one parallel region that runs a list of them.

An *op* is one operation of a network, bound to its arrays for its lifetime: a function of
`fastconv.ops` creates one, runs it once and drops it; a plan creates many and runs them
repeatedly.  An op consists of phases, loops over independent items; each phase needs the previous
one to be complete.

Ops are written in C (operations/): a subclass of `Op` checks arguments, keeps the arrays alive and
describes itself; it holds the C struct of its op.  All parallelism is in `_run`: one parallel
region for a whole list of ops, whose threads call `fc_run_member` (operations/run.h).  Within the
region nothing is allocated and no Python object is accessed; scratch memory is a workspace that is
allocated before.
"""

cimport cython
from cython.parallel cimport parallel, threadid
from libc.stdint cimport int64_t, uintptr_t
from libc.stdlib cimport free, malloc

from fastconv._ext._core cimport (
    current_table,
    element_kind,
    fused_activation_code,
    fc_host,
    operations,
    pointer,
    set_host,
    target_of,
)
from fastconv._ext._kernels cimport fc_activation_gradient
from fastconv._ext._operations cimport fc_filter_op, fc_op, fc_run

cdef extern from "../schedule/red_zones.h" nogil:
    enum:
        FC_RED_ZONE

cdef extern from "team.h" nogil:
    ctypedef struct fc_adaptation:
        pass
    int fc_adapted_threads(fc_adaptation *, int)
    void fc_adapt(fc_adaptation *, int64_t, int64_t)
    int64_t fc_now_ns()
    int fc_team_size()


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

    def run(self, int num_threads):
        """Execute once on at most `num_threads` threads."""
        cdef fc_op *op = _bound(self)
        if self.own_workspace is None:
            self.own_workspace = Workspace()
        _run(&op, 1, self.own_workspace, num_threads, NULL)

    def details(self):
        """The entries of `describe` for this kind of op: algorithm, variant, store, partition."""
        return {}

    def record(self):
        """The op as data, for `fastconv.export`; None if it has no such form.

        (kind, arrays, positions of those that it writes, integers, reals) in the order in which
        network/records.c reads them.
        """
        return None

    def describe(self, int num_threads=1):
        """How the op runs on `num_threads` threads, as a dict.

        "operation" is its class; the entries of `details` follow.  "phases" is the result of
        `split`; "scratch_bytes" is the scratch memory of each thread, "shared_bytes" that of all
        threads together, packed filters included.
        """
        cdef fc_op *op = _bound(self)
        return {
            "operation": type(self).__name__,
            **self.details(),
            "phases": self.split(num_threads),
            "scratch_bytes": op.scratch_bytes,
            "shared_bytes": op.shared_bytes,
        }

    def partition(self, int num_threads):
        """The result of `details` for exactly `num_threads` threads,
        even where the work does not pay for them.

        For tests of the schedules; the next run partitions again.
        """
        cdef fc_op *op = _bound(self)
        if op.kind.fit != NULL:
            op.kind.fit(op, num_threads)
        op.fitted = 0
        return self.details()

    def worth(self, int num_threads):
        """The number of threads, at most `num_threads`, that the work pays for."""
        return operations.threads_for(num_threads, _bound(self).work)

    def split(self, int num_threads):
        """How `num_threads` threads share each phase: a list of (items, items taken
        at a time, threads).

        Every thread begins with its own stretch and then steals items from the others, unless the
        whole phase takes a few microseconds only: with items of equal length the busiest one of
        `threads` gets at most ceil(items / chunk / threads) * chunk of `items`.  A phase that every
        thread runs by itself is one such chunk.
        """
        cdef fc_op *op = _bound(self)
        operations.fit(op, num_threads)
        cdef int threads = operations.threads_of(op, num_threads), phase
        cdef int64_t items
        phases = []
        for phase in range(op.phases):
            items = op.kind.phase_items(op, phase)
            if items and op.kind.is_apart != NULL and op.kind.is_apart(op, phase):
                phases.append((items, items, threads))
            elif items:
                phases.append((items, operations.chunk(items, threads), threads))
        return phases


cdef fc_op *_bound(Op self) except NULL:
    """The C struct of an op; RuntimeError if the op was not constructed."""
    if self.op == NULL or self.op.kind == NULL:
        raise RuntimeError(f"this {type(self).__name__} was not constructed")
    return self.op


cdef int bind(Op self, fc_op *op, tuple arrays, tuple of_dtype=None) except -1:
    self.op, self.arrays = op, arrays
    op.table = current_table(element_kind(arrays if of_dtype is None else of_dtype))
    op.target = target_of(op.table)
    return 0


cdef int describe_activation_gradient(
    Op self, fc_activation_gradient *to, given, gradient
) except -1:
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
    self.arrays += (output,)
    return 0


cdef tuple arrays_with_output(Op self, int count, const fc_activation_gradient *gradient):
    output = self.arrays[count] if gradient.output != NULL else None
    return (*self.arrays[:count], output)


cdef int _run(
    fc_op **ops, int64_t count, Workspace workspace, int num_threads, fc_adaptation *adaptation
) except -1:
    """Runs ops in order on a team of threads, with one workspace for all.

    `adaptation` chooses how many of the `num_threads` threads are used; NULL: all.
    """
    cdef fc_run run
    cdef int64_t i, start = 0, now
    if num_threads < 1:
        raise ValueError(f"`num_threads` must be at least 1, received {num_threads}")
    num_threads = operations.team_for(ops, count, num_threads)
    if num_threads == 1:
        adaptation = NULL
    elif adaptation != NULL:
        num_threads = fc_adapted_threads(adaptation, num_threads)
        start = fc_now_ns()
    if FC_RED_ZONE and count > 1:  # each op by itself, so that the red zone follows its own memory
        for i in range(count):
            _run(ops + i, 1, workspace, num_threads, NULL)
        return 0
    workspace.require(operations.size_run(&run, ops, count, num_threads))
    run.flushes_denormals = flushes
    with nogil:
        operations.begin_run(&run, aligned(workspace))
        if run.threads == 1:
            operations.run_member(&run, 0, 1)
        else:
            _run_members(&run)
        if adaptation != NULL:
            now = fc_now_ns()
            # Thread 0 also waits at the end of the parallel region.
            fc_adapt(adaptation, now - start, run.team.waited + (now - run.team.finished))
    return 0


cdef void _run_members(const fc_run *run) noexcept nogil:
    with parallel(num_threads=run.threads):
        operations.run_member(run, threadid(), fc_team_size())


cdef int _flushes() noexcept nogil:
    return flushes


# The C interface runs on these threads, in this mode.
cdef fc_host _host
_host.flushes_denormals, _host.team = _flushes, _run_members
set_host(_host)


cdef fc_filter_op *_filters_of(FilterOp self) except NULL:
    return <fc_filter_op *> _bound(self)


cdef class FilterOp(Op):
    """An op that packs its filters in phase 0 (operations/filters.c)."""

    @property
    def filter_bytes(self):
        """Size of the packed filters, in bytes."""
        return _filters_of(self).filter_bytes

    def freeze_weights(self, bint frozen):
        """Pack the filters at the next run only (True), or at every run (False)."""
        cdef fc_filter_op *op = _filters_of(self)
        self.filters = None
        if frozen:
            self.filters = Workspace()
            self.filters.require(op.filter_bytes)
        operations.freeze_filters(op, aligned(self.filters) if frozen else NULL)

    def invalidate(self):
        """Pack frozen filters again at the next run, because they have changed."""
        _filters_of(self).is_packed = False


@cython.final
cdef class Program:
    """Ops that run in order, in a single call without the GIL, with one shared workspace: a new
    one, or that of `neighbour`, which never runs at the same time."""

    cdef readonly tuple ops
    cdef fc_op **pointers
    cdef int64_t count
    cdef Workspace workspace
    cdef fc_adaptation adaptation  # zero at first

    def __cinit__(self, ops, Program neighbour=None):
        self.ops = tuple(ops)  # keeps the ops alive
        self.count = len(self.ops)
        self.workspace = Workspace() if neighbour is None else neighbour.workspace
        self.pointers = <fc_op **> malloc(max(1, self.count) * sizeof(fc_op *))
        if self.pointers == NULL:
            raise MemoryError(f"cannot allocate a program of {self.count} ops")
        for i, op in enumerate(self.ops):
            self.pointers[i] = _bound(<Op?> op)

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
            if isinstance(op, FilterOp) and _filters_of(op).frozen
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
        most = max(most, op.op.shared_bytes + op.op.scratch_bytes * <int64_t> threads)
    return most

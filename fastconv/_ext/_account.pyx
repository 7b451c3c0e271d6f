"""Scratch memory of a list of ops, computed without running them."""
from libc.stdint cimport int64_t
from fastconv._ext._core cimport Op


def scratch_bytes(ops, int num_threads):
    """Scratch memory, in bytes, of a program of `ops` on `num_threads` threads: the maximum over the ops, because they run one
    after the other.
    """
    cdef int64_t most = 0
    cdef Op op
    for op in ops:
        threads = max([threads for _, _, threads in op.split(num_threads)], default=1)
        most = max(most, op.shared_bytes + op.scratch_bytes * <int64_t> threads)
    return most

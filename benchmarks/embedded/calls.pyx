# cython: language_level=3
"""Convolutions through `cimport fastconv`, called again and again without the GIL."""

from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cimport fastconv

fastconv.import_fastconv()


cdef class Conv2D:
    """conv2d(x, w) -> y with padding "same", described once.

    x (N, H, W, C), w (K, K, C, F) with odd K, and y (N, H, W, F): float32 and contiguous.
    """
    cdef fastconv.fastconv_op *op
    cdef fastconv.fastconv_arrays arrays
    cdef object keeps
    cdef void *block
    cdef void *workspace
    cdef int64_t workspace_bytes
    cdef int32_t threads

    def __cinit__(
        self, const float[:, :, :, ::1] x, const float[:, :, :, ::1] w, float[:, :, :, ::1] y,
        int threads
    ):
        cdef fastconv.fastconv_conv2d sizes
        cdef fastconv.fastconv_info info
        memset(&sizes, 0, sizeof(sizes))
        sizes.size = sizeof(sizes)
        sizes.batch, sizes.height, sizes.width = x.shape[0], x.shape[1], x.shape[2]
        sizes.channels, sizes.filters = x.shape[3], w.shape[3]
        sizes.kernel_h, sizes.kernel_w = w.shape[0], w.shape[1]
        sizes.pad_top = sizes.pad_bottom = w.shape[0] // 2
        sizes.pad_left = sizes.pad_right = w.shape[1] // 2
        _check(fastconv.create_conv2d(&sizes, &self.op))
        info.size = sizeof(info)
        _check(fastconv.query(self.op, threads, &info))
        self.block = malloc(info.workspace_bytes + 63)
        if self.block == NULL:
            raise MemoryError()
        self.workspace = <void *> ((<uintptr_t> self.block + 63) & ~(<uintptr_t> 63))
        self.workspace_bytes, self.threads = info.workspace_bytes, threads
        memset(&self.arrays, 0, sizeof(self.arrays))
        self.arrays.size = sizeof(self.arrays)
        self.arrays.x, self.arrays.w = &x[0, 0, 0, 0], &w[0, 0, 0, 0]
        self.arrays.y = &y[0, 0, 0, 0]
        self.keeps = x, w, y

    def __dealloc__(self):
        fastconv.destroy(self.op)
        free(self.block)

    def run(self, int64_t times):
        """Compute so many times."""
        cdef fastconv.fastconv_status status = fastconv.FASTCONV_OK
        with nogil:
            for _ in range(times):
                status = fastconv.run(
                    self.op, &self.arrays, self.workspace, self.workspace_bytes, self.threads
                )
                if status != fastconv.FASTCONV_OK:
                    break
        _check(status)


cdef int _check(fastconv.fastconv_status status) except -1:
    if status != fastconv.FASTCONV_OK:
        raise ValueError(fastconv.message(status).decode())
    return 0

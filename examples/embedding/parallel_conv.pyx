# cython: language_level=3, boundscheck=False, wraparound=False
"""Convolutions of fastconv in a `prange` loop: one image per iteration, without the GIL.

Compile it with `fastconv.get_include()` among the include folders, and with OpenMP.
"""

from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cimport fastconv

fastconv.import_fastconv()


def convolve(
    const float[:, :, :, ::1] x, const float[:, :, :, ::1] w, float[:, :, :, ::1] y,
    int threads=2
):
    """y = conv2d(x, w) without padding; x (N, H, W, C), w (KH, KW, C, K)."""
    cdef fastconv.fastconv_conv2d sizes
    memset(&sizes, 0, sizeof(sizes))
    sizes.size = sizeof(sizes)
    sizes.batch, sizes.height, sizes.width = 1, x.shape[1], x.shape[2]
    sizes.channels, sizes.filters = x.shape[3], w.shape[3]
    sizes.kernel_h, sizes.kernel_w = w.shape[0], w.shape[1]
    _each_image(&sizes, &x[0, 0, 0, 0], &w[0, 0, 0, 0], &y[0, 0, 0, 0], x.shape[0], threads)


def gradient(
    const float[:, :, :, ::1] dy, const float[:, :, :, ::1] w, float[:, :, :, ::1] dx,
    int threads=2
):
    """dx, the gradient of `convolve` with respect to x."""
    cdef fastconv.fastconv_conv2d sizes
    memset(&sizes, 0, sizeof(sizes))
    sizes.size = sizeof(sizes)
    sizes.pass_ = fastconv.FASTCONV_BACKWARD_INPUT
    sizes.batch, sizes.height, sizes.width = 1, dx.shape[1], dx.shape[2]
    sizes.channels, sizes.filters = dx.shape[3], w.shape[3]
    sizes.kernel_h, sizes.kernel_w = w.shape[0], w.shape[1]
    _each_image(&sizes, &dy[0, 0, 0, 0], &w[0, 0, 0, 0], &dx[0, 0, 0, 0], dx.shape[0], threads)


cdef int _check(fastconv.fastconv_status status) except -1:
    if status != fastconv.FASTCONV_OK:
        raise ValueError(fastconv.message(status).decode())
    return 0


cdef int _image(
    const fastconv.fastconv_op *op, const float *read, const float *w, float *write,
    char *workspace, int64_t bytes
) noexcept nogil:
    """Computes one image; 1 if that has failed, else 0."""
    cdef fastconv.fastconv_arrays arrays
    memset(&arrays, 0, sizeof(arrays))
    arrays.size = sizeof(arrays)
    arrays.x = arrays.dy = read
    arrays.y = arrays.dx = write
    arrays.w = w
    return fastconv.run(op, &arrays, workspace, bytes, 1) != fastconv.FASTCONV_OK


cdef int _each_image(
    const fastconv.fastconv_conv2d *sizes, const float *read, const float *w, float *write,
    Py_ssize_t images, int threads
) except -1:
    cdef fastconv.fastconv_op *op
    cdef fastconv.fastconv_info info
    cdef char *block = NULL
    cdef char *workspaces
    cdef Py_ssize_t i, read_size, write_size, stride
    cdef int failed = 0
    _check(fastconv.create_conv2d(sizes, &op))
    try:
        info.size = sizeof(info)
        _check(fastconv.query(op, 1, &info))
        write_size = info.output_shape[1] * info.output_shape[2] * info.output_shape[3]
        if sizes.pass_ == fastconv.FASTCONV_FORWARD:
            read_size = sizes.height * sizes.width * sizes.channels
        else:
            read_size = (sizes.height - sizes.kernel_h + 1) * (sizes.width - sizes.kernel_w + 1)
            read_size *= sizes.filters
        stride = (info.workspace_bytes + 63) // 64 * 64  # one workspace per thread
        block = <char *> malloc(threads * stride + 63)
        if block == NULL:
            raise MemoryError()
        workspaces = <char *> ((<uintptr_t> block + 63) & ~(<uintptr_t> 63))
        for i in prange(images, nogil=True, num_threads=threads):
            failed += _image(
                op, read + i * read_size, w, write + i * write_size,
                workspaces + threadid() * stride, info.workspace_bytes
            )
    finally:
        free(block)
        fastconv.destroy(op)
    if failed:
        raise ValueError(f"{failed} images could not be computed")
    return 0

# `cimport fastconv`: the operations of fastconv as functions that need no GIL.
#
# fastconv.h documents every struct and function.  Call `import_fastconv` once, with the GIL; until
# then the functions return FASTCONV_NULL_POINTER.  Compile with `fastconv.get_include()` among the
# include folders.
#
# Only numbers, pointers and opaque structs: a module that was built with an older fastconv runs
# with a newer one.
cdef extern from "stdint.h" nogil:
    ctypedef int int32_t
    ctypedef long long int64_t
    ctypedef unsigned int uint32_t

cdef extern from *:
    """
    #define FASTCONV_PYTHON
    #include "fastconv.h"
    static const fastconv_api *fastconv_functions;
    static inline int fastconv_import(void)
    {
        fastconv_functions = fastconv_get_api(FASTCONV_ABI);
        return fastconv_functions ? 0 : -1;
    }
    """
    int import_fastconv "fastconv_import"() except -1

cdef extern from "fastconv.h" nogil:
    ctypedef enum fastconv_status:
        FASTCONV_OK, FASTCONV_NULL_POINTER, FASTCONV_WRONG_STRUCT, FASTCONV_WRONG_SIZE
        FASTCONV_WRONG_OPTION, FASTCONV_TOO_LARGE, FASTCONV_NO_MEMORY, FASTCONV_SMALL_WORKSPACE
        FASTCONV_UNALIGNED, FASTCONV_NO_THREADS, FASTCONV_NO_FILTERS, FASTCONV_NO_FILE
        FASTCONV_DAMAGED, FASTCONV_NO_TRAINING
    enum:
        FASTCONV_FLOAT32, FASTCONV_FLOAT64, FASTCONV_INT64
        FASTCONV_INPUT, FASTCONV_OUTPUT, FASTCONV_LABELS
        FASTCONV_FORWARD, FASTCONV_BACKWARD_INPUT, FASTCONV_BACKWARD_KERNEL
        FASTCONV_LINEAR, FASTCONV_RELU, FASTCONV_LEAKY_RELU, FASTCONV_SIGMOID, FASTCONV_TANH
        FASTCONV_CLIPPED_RELU, FASTCONV_ELU, FASTCONV_SELU, FASTCONV_EXPONENTIAL
        FASTCONV_SOFTPLUS, FASTCONV_SOFTSIGN, FASTCONV_HARD_SIGMOID, FASTCONV_GELU
        FASTCONV_GELU_TANH, FASTCONV_SILU, FASTCONV_HARD_SILU, FASTCONV_MISH
        FASTCONV_AUTO, FASTCONV_NO_WINOGRAD, FASTCONV_DIRECT, FASTCONV_SCATTER
        FASTCONV_WINOGRAD2, FASTCONV_WINOGRAD4
        FASTCONV_MAX, FASTCONV_AVERAGE
        FASTCONV_SGD, FASTCONV_RMSPROP, FASTCONV_ADAM, FASTCONV_NADAM, FASTCONV_ADAMAX
        FASTCONV_ADAGRAD, FASTCONV_ADADELTA, FASTCONV_LION, FASTCONV_FTRL

    ctypedef struct fastconv_op:
        pass

    ctypedef struct fastconv_conv2d:
        size_t size
        int32_t dtype, has_bias, activation, constant_filters
        int32_t pass_ "pass"
        int64_t batch, height, width, channels, filters
        int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, groups
        int64_t pad_top, pad_bottom, pad_left, pad_right, algorithm
        double slope

    ctypedef struct fastconv_conv2d_transpose:
        size_t size
        int32_t dtype, has_bias, activation
        int32_t pass_ "pass"
        int64_t batch, height, width, channels, out_height, out_width, filters
        int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, groups
        int64_t pad_top, pad_bottom, pad_left, pad_right, algorithm
        double slope

    ctypedef struct fastconv_dense:
        size_t size
        int32_t dtype, has_bias, activation
        int32_t pass_ "pass"
        int64_t rows, inputs, outputs
        double slope

    ctypedef struct fastconv_pool2d:
        size_t size
        int32_t dtype, kind
        int32_t pass_ "pass"
        int64_t batch, height, width, channels, pool_h, pool_w, stride_h, stride_w
        int64_t pad_top, pad_bottom, pad_left, pad_right

    ctypedef struct fastconv_activation:
        size_t size
        int32_t dtype, activation
        int32_t pass_ "pass"
        int64_t count
        double slope

    ctypedef struct fastconv_softmax:
        size_t size
        int32_t dtype
        int32_t pass_ "pass"
        int64_t rows, classes

    ctypedef struct fastconv_cross_entropy:
        size_t size
        int32_t dtype
        int64_t rows, classes

    ctypedef struct fastconv_batch_norm:
        size_t size
        int32_t dtype, fixed_statistics, activation
        int32_t pass_ "pass"
        int64_t rows, channels
        double epsilon, slope

    ctypedef struct fastconv_update:
        size_t size
        int32_t dtype, rule
        int64_t count

    ctypedef struct fastconv_info:
        size_t size
        int64_t output_rank
        int64_t output_shape[4]
        int64_t packed_bytes, workspace_bytes
        int32_t threads

    ctypedef struct fastconv_arrays:
        size_t size
        const void *x
        const void *w
        const void *packed
        const void *bias
        const void *dy
        const void *gamma
        const void *beta
        void *y
        void *dx
        void *dw
        void *db
        void *argmax
        void *mean
        void *variance
        void *dgamma
        void *dbeta
        const int64_t *labels
        double *loss
        void *weights
        void *slots[3]
        double hyper[6]

    ctypedef void (*fastconv_task)(int64_t, void *) noexcept nogil
    ctypedef void (*fastconv_parallel_for)(fastconv_task, int64_t, void *, void *) noexcept nogil

    ctypedef struct fastconv_network:
        pass

    ctypedef struct fastconv_network_options:
        size_t size
        int32_t threads
        fastconv_parallel_for parallel_for
        void *context

    ctypedef struct fastconv_network_info:
        size_t size
        int32_t inputs, outputs, labels
        int64_t batch, train_batch, memory_bytes

    ctypedef struct fastconv_array_info:
        size_t size
        int32_t dtype, rank
        int64_t shape[8]

    ctypedef struct fastconv_api:
        const char *(*isa)() noexcept nogil
        const char *(*message)(fastconv_status) noexcept nogil
        fastconv_status (*create_conv2d)(const fastconv_conv2d *, fastconv_op **) noexcept nogil
        fastconv_status (*create_conv2d_transpose)(
            const fastconv_conv2d_transpose *, fastconv_op **
        ) noexcept nogil
        fastconv_status (*create_dense)(const fastconv_dense *, fastconv_op **) noexcept nogil
        fastconv_status (*create_pool2d)(const fastconv_pool2d *, fastconv_op **) noexcept nogil
        fastconv_status (*create_activation)(
            const fastconv_activation *, fastconv_op **
        ) noexcept nogil
        fastconv_status (*create_softmax)(const fastconv_softmax *, fastconv_op **) noexcept nogil
        fastconv_status (*create_cross_entropy)(
            const fastconv_cross_entropy *, fastconv_op **
        ) noexcept nogil
        fastconv_status (*create_batch_norm)(
            const fastconv_batch_norm *, fastconv_op **
        ) noexcept nogil
        fastconv_status (*create_update)(const fastconv_update *, fastconv_op **) noexcept nogil
        fastconv_status (*query)(const fastconv_op *, int32_t, fastconv_info *) noexcept nogil
        fastconv_status (*pack)(const fastconv_op *, const void *, void *) noexcept nogil
        fastconv_status (*run)(
            const fastconv_op *, const fastconv_arrays *, void *, int64_t, int32_t
        ) noexcept nogil
        fastconv_status (*run_with)(
            const fastconv_op *, const fastconv_arrays *, void *, int64_t, int32_t,
            fastconv_parallel_for, void *
        ) noexcept nogil
        void (*destroy)(fastconv_op *) noexcept nogil
        fastconv_status (*network_open)(
            const char *, const fastconv_network_options *, fastconv_network **
        ) noexcept nogil
        fastconv_status (*network_open_bytes)(
            const void *, int64_t, const fastconv_network_options *, fastconv_network
            **
        ) noexcept nogil
        fastconv_status (*network_query)(
            const fastconv_network *, fastconv_network_info *
        ) noexcept nogil
        fastconv_status (*network_array)(
            const fastconv_network *, int32_t, int32_t, fastconv_array_info *
        ) noexcept nogil
        fastconv_status (*network_forward)(
            fastconv_network *, const void **, void **, int64_t
        ) noexcept nogil
        fastconv_status (*network_train_step)(
            fastconv_network *, const void **, const void **, int64_t, double *
        ) noexcept nogil
        fastconv_status (*network_set_learning_rate)(
            fastconv_network *, double
        ) noexcept nogil
        fastconv_status (*network_save)(
            const fastconv_network *, const char *
        ) noexcept nogil
        void (*network_close)(fastconv_network *) noexcept nogil

    const fastconv_api *fastconv_functions


cdef inline fastconv_status create_conv2d(
    const fastconv_conv2d *description, fastconv_op **op
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.create_conv2d(description, op)


cdef inline fastconv_status create_conv2d_transpose(
    const fastconv_conv2d_transpose *description, fastconv_op **op
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.create_conv2d_transpose(description, op)


cdef inline fastconv_status create_dense(
    const fastconv_dense *description, fastconv_op **op
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.create_dense(description, op)


cdef inline fastconv_status create_pool2d(
    const fastconv_pool2d *description, fastconv_op **op
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.create_pool2d(description, op)


cdef inline fastconv_status create_activation(
    const fastconv_activation *description, fastconv_op **op
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.create_activation(description, op)


cdef inline fastconv_status create_softmax(
    const fastconv_softmax *description, fastconv_op **op
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.create_softmax(description, op)


cdef inline fastconv_status create_cross_entropy(
    const fastconv_cross_entropy *description, fastconv_op **op
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.create_cross_entropy(description, op)


cdef inline fastconv_status create_batch_norm(
    const fastconv_batch_norm *description, fastconv_op **op
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.create_batch_norm(description, op)


cdef inline fastconv_status create_update(
    const fastconv_update *description, fastconv_op **op
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.create_update(description, op)


cdef inline fastconv_status query(
    const fastconv_op *op, int32_t threads, fastconv_info *info
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.query(op, threads, info)


cdef inline fastconv_status pack(const fastconv_op *op, const void *w, void *packed) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.pack(op, w, packed)


cdef inline fastconv_status run(
    const fastconv_op *op, const fastconv_arrays *arrays, void *workspace, int64_t workspace_bytes,
    int32_t threads
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.run(op, arrays, workspace, workspace_bytes, threads)


cdef inline fastconv_status run_with(
    const fastconv_op *op, const fastconv_arrays *arrays, void *workspace, int64_t workspace_bytes,
    int32_t threads, fastconv_parallel_for parallel_for, void *context
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.run_with(
        op, arrays, workspace, workspace_bytes, threads, parallel_for, context
    )


cdef inline void destroy(fastconv_op *op) noexcept nogil:
    if fastconv_functions != NULL:
        fastconv_functions.destroy(op)


cdef inline const char *message(fastconv_status status) noexcept nogil:
    if fastconv_functions == NULL:
        return "call import_fastconv() first"
    return fastconv_functions.message(status)


cdef inline fastconv_status network_open(
    const char *path, const fastconv_network_options *options, fastconv_network **network
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.network_open(path, options, network)


cdef inline fastconv_status network_open_bytes(
    const void *bytes, int64_t count, const fastconv_network_options *options,
    fastconv_network **network
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.network_open_bytes(bytes, count, options, network)


cdef inline fastconv_status network_query(
    const fastconv_network *network, fastconv_network_info *info
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.network_query(network, info)


cdef inline fastconv_status network_array(
    const fastconv_network *network, int32_t which, int32_t index, fastconv_array_info *info
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.network_array(network, which, index, info)


cdef inline fastconv_status network_forward(
    fastconv_network *network, const void **x, void **y, int64_t n
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.network_forward(network, x, y, n)


cdef inline fastconv_status network_train_step(
    fastconv_network *network, const void **x, const void **labels, int64_t n, double *loss
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.network_train_step(network, x, labels, n, loss)


cdef inline fastconv_status network_set_learning_rate(
    fastconv_network *network, double rate
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.network_set_learning_rate(network, rate)


cdef inline fastconv_status network_save(
    const fastconv_network *network, const char *path
) noexcept nogil:
    if fastconv_functions == NULL:
        return FASTCONV_NULL_POINTER
    return fastconv_functions.network_save(network, path)


cdef inline void network_close(fastconv_network *network) noexcept nogil:
    if fastconv_functions != NULL:
        fastconv_functions.network_close(network)

/* fastconv.h: the operations and networks of fastconv for C and C++.
 *
 * An operation is described once, by a struct of its sizes, and can then be run any number of
 * times, by any number of threads at the same time:
 *
 *     const fastconv_api *fc = fastconv_get_api(FASTCONV_ABI);
 *     fastconv_conv2d sizes = {sizeof sizes};                  describe: all else is zero
 *     sizes.batch = 1, sizes.height = ...
 *     fastconv_op *conv;
 *     fc->create_conv2d(&sizes, &conv);                        allocates the description
 *     fastconv_info info = {sizeof info};
 *     fc->query(conv, 1, &info);                               output shape, bytes of memory
 *     fc->pack(conv, w, packed);                               optional: packs the filters once
 *     fc->run(conv, &arrays, workspace, info.workspace_bytes, 1);
 *     fc->destroy(conv);
 *
 * Images are (batch, height, width, channels), filters (kernel_h, kernel_w, channels / groups,
 * filters), all contiguous, the last axis fastest, of float or double as `dtype` says.  Arrays need
 * the alignment of their elements only; a workspace and packed filters need 64 bytes.  No byte
 * outside of the arrays is read or written.  An output may not overlap an input, unless a function
 * says so.
 *
 * `run` allocates nothing, does not change the fastconv_op, and is re-entrant: several threads may
 * run one op at the same time, each with a workspace of its own.  The results are the same bits for
 * every number of threads, and those of the functions of the Python module fastconv.ops.
 *
 * Nothing here aborts or prints.  Functions return FASTCONV_OK or the reason why they have done
 * nothing; `message` puts it into words.
 *
 * Where fastconv_get_api comes from: in a process with Python, define FASTCONV_PYTHON, include
 * Python.h first, and call it with the GIL held, once; it imports the capsule `fastconv._C_API`.
 * Without Python, link the C sources of fastconv. */
#ifndef FASTCONV_H
#define FASTCONV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FASTCONV_ABI 3

typedef enum {
    FASTCONV_OK = 0,
    FASTCONV_NULL_POINTER,   /* a required pointer is NULL */
    FASTCONV_WRONG_STRUCT,   /* the member `size` of a struct is not a size that is known here */
    FASTCONV_WRONG_SIZE,     /* a size is out of its range, or windows do not fit */
    FASTCONV_WRONG_OPTION,   /* an enumerator is unknown, or not possible in this combination */
    FASTCONV_TOO_LARGE,      /* an array would have 2**60 bytes or more */
    FASTCONV_NO_MEMORY,      /* the description could not be allocated */
    FASTCONV_SMALL_WORKSPACE,/* the workspace is smaller than `query` has said */
    FASTCONV_UNALIGNED,      /* workspace or packed filters are not aligned to 64 bytes */
    FASTCONV_NO_THREADS,     /* several threads, but the program provides none */
    FASTCONV_NO_FILTERS,     /* `pack` of an operation that packs nothing */
    FASTCONV_NO_FILE,        /* a file cannot be read or written */
    FASTCONV_DAMAGED,        /* not a network, or one of another version of fastconv */
    FASTCONV_NO_TRAINING     /* the network was exported without a training step */
} fastconv_status;

enum { FASTCONV_FLOAT32 = 0, FASTCONV_FLOAT64 = 1, FASTCONV_INT64 = 2 };
enum { FASTCONV_FORWARD = 0, FASTCONV_BACKWARD_INPUT = 1, FASTCONV_BACKWARD_KERNEL = 2 };

/* Those up to CLIPPED_RELU can be fused into a convolution or dense product.  Gradients of those
 * from GELU on are computed from the input of the activation, of all others from its output. */
enum {
    FASTCONV_LINEAR, FASTCONV_RELU, FASTCONV_LEAKY_RELU, FASTCONV_SIGMOID, FASTCONV_TANH,
    FASTCONV_CLIPPED_RELU, FASTCONV_ELU, FASTCONV_SELU, FASTCONV_EXPONENTIAL, FASTCONV_SOFTPLUS,
    FASTCONV_SOFTSIGN, FASTCONV_HARD_SIGMOID, FASTCONV_GELU, FASTCONV_GELU_TANH, FASTCONV_SILU,
    FASTCONV_HARD_SILU, FASTCONV_MISH
};

/* The algorithm of a convolution; others than AUTO have the names of fastconv.ops.
 *
 * AUTO is the fastest, and has the bits of fastconv.ops.conv2d.  NO_WINOGRAD is the fastest without
 * Winograd's algorithms, whose relative error is 1e-6 instead of 1e-7: in Python,
 * `runtime.set_algorithm_policy("direct")`, which is a setting of Python alone.  The others are
 * refused (WRONG_OPTION) where they do not apply. */
enum {
    FASTCONV_AUTO, FASTCONV_NO_WINOGRAD, FASTCONV_DIRECT, FASTCONV_SCATTER, FASTCONV_WINOGRAD2,
    FASTCONV_WINOGRAD4
};

/* Every struct begins with `size`, its sizeof.
 *
 * y[n,i,j,k] = act(bias[k] + sum of x[n, i*stride_h - pad_top + p*dilation_h, ..., c] *
 *                            w[p,q,c,k]),
 * with zeros outside of the image; and its gradients.  Depthwise: groups == channels.  Zero stands
 * for 1 in strides, dilations and groups. */
typedef struct {
    size_t size;
    int32_t dtype, pass;
    int64_t batch, height, width, channels, filters; /* of x and y */
    int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, groups;
    int64_t pad_top, pad_bottom, pad_left, pad_right;
    int32_t has_bias;   /* a bias is added, or (BACKWARD_KERNEL) db is computed */
    int32_t activation; /* FORWARD only, up to FASTCONV_CLIPPED_RELU */
    double slope;       /* of LEAKY_RELU; the bound of CLIPPED_RELU */
    /* Choose the algorithm for filters that are packed once.  Otherwise the algorithm, and so the
     * bits, are those of fastconv.ops.conv2d, which packs them in every call. */
    int32_t constant_filters;
    /* Since interface 3; of 64 bits because the struct of interface 2 ends in padding. */
    int64_t algorithm;
} fastconv_conv2d;

/* Transposed convolution: y = act(bias + transpose of a convolution (x)), and its gradients.
 *
 * The convolution that it transposes maps images of out_height x out_width pixels and `filters`
 * channels to images of height x width pixels and `channels` channels; kernel, strides, dilations,
 * paddings and groups are those of that convolution, and its windows must be height x width in
 * number.  w (kernel_h, kernel_w, filters / groups, channels), bias (filters,).  Since interface
 * 3. */
typedef struct {
    size_t size;
    int32_t dtype, pass;
    int64_t batch, height, width, channels;  /* of x */
    int64_t out_height, out_width, filters;  /* of y */
    int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, groups;
    int64_t pad_top, pad_bottom, pad_left, pad_right;
    int32_t has_bias;   /* as in fastconv_conv2d */
    int32_t activation;
    double slope;
    int64_t algorithm;
} fastconv_conv2d_transpose;

/* y (rows, outputs) = act(x (rows, inputs) w (inputs, outputs) + bias), and its gradients. */
typedef struct {
    size_t size;
    int32_t dtype, pass;
    int64_t rows, inputs, outputs;
    int32_t has_bias, activation;
    double slope;
} fastconv_dense;

enum { FASTCONV_MAX = 0, FASTCONV_AVERAGE = 1 };

/* Pooling; padding counts in no maximum or average.  Global pooling: windows of height x width.
 * pass: FORWARD or BACKWARD_INPUT.  MAX writes `argmax`, (batch, out_h, out_w, channels) of uint8_t
 * or, for windows of more than 256 pixels, of int32_t, if the pointer is not NULL; its gradient
 * reads it.  Zero stands for the window in strides. */
typedef struct {
    size_t size;
    int32_t dtype, pass;
    int64_t batch, height, width, channels, pool_h, pool_w, stride_h, stride_w;
    int64_t pad_top, pad_bottom, pad_left, pad_right;
    int32_t kind;
} fastconv_pool2d;

/* y = f(x) of `count` elements; y may be x.  BACKWARD_INPUT: dx = dy * f'(...), from x or y (see
 * the list of activations); dx may be dy.  slope: of LEAKY_RELU, the factor of ELU or the bound of
 * CLIPPED_RELU. */
typedef struct {
    size_t size;
    int32_t dtype, pass, activation;
    int64_t count;
    double slope;
} fastconv_activation;

/* Rows of classes.  FORWARD: y = softmax(x); BACKWARD_INPUT: dx from y and dy. */
typedef struct {
    size_t size;
    int32_t dtype, pass;
    int64_t rows, classes;
} fastconv_softmax;

/* The cross-entropy of softmax(x) with `labels` (rows,): loss (rows,) of double; dx, the gradient
 * of the mean, and y = softmax(x), each unless NULL.  A label outside [0, classes) makes its row
 * NaN. */
typedef struct {
    size_t size;
    int32_t dtype;
    int64_t rows, classes;
} fastconv_cross_entropy;

/* Batch normalization of x (rows, channels): y = act(gamma * (x - mean) / sqrt(variance + epsilon)
 * + beta).  FORWARD writes mean and variance (channels,) of the batch, unless `fixed_statistics`,
 * when it reads them.  BACKWARD_INPUT: dx, dgamma and dbeta, each unless NULL, of the statistics of
 * the batch.  gamma and beta may be NULL.  y may be x with fixed statistics. */
typedef struct {
    size_t size;
    int32_t dtype, pass;
    int64_t rows, channels;
    double epsilon;
    int32_t fixed_statistics, activation;
    double slope;
} fastconv_batch_norm;

/* `weights` change by the gradient dw, and so do the slots, arrays of the same size that are zero
 * before the first update; optional slots may be NULL.  `hyper` of a rule, and its slots:
 *
 *     rule      hyper                                        slots
 *     SGD       lr, momentum, Nesterov (0 or 1)              velocity (optional)
 *     RMSPROP   lr, rho, momentum, epsilon                   square, mean, velocity (2 optional)
 *     ADAM      alpha, beta1, beta2, epsilon                 m, v, largest v (1 optional)
 *     NADAM     a, beta1, beta2, epsilon, b, c               m, v
 *     ADAMAX    alpha, beta1, beta2, epsilon                 m, u
 *     ADAGRAD   lr, epsilon                                  a
 *     ADADELTA  lr, rho, epsilon                             a, d
 *     LION      lr, beta1, beta2                             m
 *     FTRL      lr, p, l1, l2, shrink                        a, z
 *
 * In step t = 1, 2, ..., ADAM has alpha = lr * sqrt(1 - beta2^t) / (1 - beta1^t), and ADAMAX has
 * alpha = lr / (1 - beta1^t).  kernels/optim.inc in the sources gives the formulas. */
enum {
    FASTCONV_SGD, FASTCONV_RMSPROP, FASTCONV_ADAM, FASTCONV_NADAM, FASTCONV_ADAMAX,
    FASTCONV_ADAGRAD, FASTCONV_ADADELTA, FASTCONV_LION, FASTCONV_FTRL
};
typedef struct {
    size_t size;
    int32_t dtype, rule;
    int64_t count;
} fastconv_update;

typedef struct {
    size_t size;
    int64_t output_rank, output_shape[4]; /* of y, dx or dw */
    int64_t packed_bytes;    /* of packed filters; 0: the operation packs nothing */
    int64_t workspace_bytes; /* for the number of threads that was asked about */
    int32_t threads;         /* number of threads that the work pays for */
} fastconv_info;

/* The arrays of one run, by the names of the formulas above; those that an operation does not use
 * are ignored.  packed: filters from `pack`, in place of w. */
typedef struct {
    size_t size;
    const void *x, *w, *packed, *bias, *dy, *gamma, *beta;
    void *y, *dx, *dw, *db, *argmax, *mean, *variance, *dgamma, *dbeta;
    const int64_t *labels;
    double *loss;
    void *weights, *slots[3]; /* of an update, changed in place */
    double hyper[6];
} fastconv_arrays;

typedef struct fastconv_op fastconv_op;

/* Calls task(i, task_context) for 0 <= i < count, on threads of the caller's, in any order, one
 * after the other or at the same time; returns when all calls have returned. */
typedef void (*fastconv_task)(int64_t i, void *task_context);
typedef void (*fastconv_parallel_for)(fastconv_task task, int64_t count, void *task_context,
                                      void *context);

/* A whole network, as `fastconv export --to network` writes it.  A network serves one call at a
 * time; several networks may be used at the same time. */
typedef struct fastconv_network fastconv_network;

/* How a network is run.  threads: the largest number, 0 for one: those of OpenMP in a process with
 * Python, or those of `parallel_for`, unless it is NULL. */
typedef struct {
    size_t size;
    int32_t threads;
    fastconv_parallel_for parallel_for;
    void *context;
} fastconv_network_options;

typedef struct {
    size_t size;
    int32_t inputs, outputs, labels; /* numbers of arrays; labels: 0 without a training step */
    int64_t batch;                   /* samples that `forward` computes at a time */
    int64_t train_batch;             /* samples of a training step; 0 without */
    int64_t memory_bytes;            /* that the network has allocated */
} fastconv_network_info;

enum { FASTCONV_INPUT = 0, FASTCONV_OUTPUT = 1, FASTCONV_LABELS = 2 };

/* An array of a network: the shape of one sample. */
typedef struct {
    size_t size;
    int32_t dtype, rank;
    int64_t shape[8];
} fastconv_array_info;

/* The functions.  The table only grows: `size` is its size in the library, and a member beyond it
 * does not exist. */
typedef struct {
    uint32_t abi;
    uint32_t size;
    const char *version;
    /* The name of the instruction set in use: "avx512", "avx2", "neon" or "scalar". */
    const char *(*isa)(void);
    /* A status in words, in English; never NULL. */
    const char *(*message)(fastconv_status);

    /* Describe an operation.  *op must be given to `destroy` in the end. */
    fastconv_status (*create_conv2d)(const fastconv_conv2d *, fastconv_op **op);
    fastconv_status (*create_dense)(const fastconv_dense *, fastconv_op **op);
    fastconv_status (*create_pool2d)(const fastconv_pool2d *, fastconv_op **op);
    fastconv_status (*create_activation)(const fastconv_activation *, fastconv_op **op);
    fastconv_status (*create_softmax)(const fastconv_softmax *, fastconv_op **op);
    fastconv_status (*create_cross_entropy)(const fastconv_cross_entropy *, fastconv_op **op);
    fastconv_status (*create_batch_norm)(const fastconv_batch_norm *, fastconv_op **op);
    fastconv_status (*create_update)(const fastconv_update *, fastconv_op **op);
    void (*destroy)(fastconv_op *); /* NULL: does nothing */

    /* Shape of the result, and sizes of memory for up to `threads` threads. */
    fastconv_status (*query)(const fastconv_op *, int32_t threads, fastconv_info *);
    /* Packs filters w into `packed` (packed_bytes, aligned to 64).  They fit this op only. */
    fastconv_status (*pack)(const fastconv_op *, const void *w, void *packed);
    /* Runs on up to `threads` threads: OpenMP's with Python; a C program has one (NO_THREADS). */
    fastconv_status (*run)(const fastconv_op *, const fastconv_arrays *, void *workspace,
                           int64_t workspace_bytes, int32_t threads);
    /* The same on the caller's threads; `context` is the last argument of parallel_for. */
    fastconv_status (*run_with)(const fastconv_op *, const fastconv_arrays *, void *workspace,
                                int64_t workspace_bytes, int32_t threads,
                                fastconv_parallel_for parallel_for, void *context);

    /* ---- since interface 2: networks ---- */

    /* Open a network from a file, or from its bytes, which are copied.  A file that is not one, or
     * that is damaged, is refused (NO_FILE, DAMAGED).  options: NULL for one thread.  *network must
     * be given to `network_close` in the end. */
    fastconv_status (*network_open)(const char *path, const fastconv_network_options *options,
                                    fastconv_network **network);
    fastconv_status (*network_open_bytes)(const void *bytes, int64_t count,
                                          const fastconv_network_options *options,
                                          fastconv_network **network);
    void (*network_close)(fastconv_network *); /* NULL: does nothing */
    fastconv_status (*network_query)(const fastconv_network *, fastconv_network_info *);
    /* which: FASTCONV_INPUT, OUTPUT or LABELS; index: from 0. */
    fastconv_status (*network_array)(const fastconv_network *, int32_t which, int32_t index,
                                     fastconv_array_info *);
    /* The outputs y of n >= 1 samples x, one array per output and input; allocates nothing.  They
     * are computed `batch` at a time, with the bits of `predict` for such batches. */
    fastconv_status (*network_forward)(fastconv_network *, const void *const *x, void *const *y,
                                       int64_t n);
    /* One step of training on n samples, which must be `train_batch`: forward, loss, backward,
     * update, with the bits of `train_on_batch`.  *loss is that before the update. */
    fastconv_status (*network_train_step)(fastconv_network *, const void *const *x,
                                          const void *const *labels, int64_t n, double *loss);
    /* The learning rate of the following steps. */
    fastconv_status (*network_set_learning_rate)(fastconv_network *, double rate);
    /* Writes the network with its present weights and the state of its optimizer; replaces the
     * file in one step. */
    fastconv_status (*network_save)(const fastconv_network *, const char *path);

    /* ---- since interface 3 ---- */

    fastconv_status (*create_conv2d_transpose)(const fastconv_conv2d_transpose *, fastconv_op **op);
} fastconv_api;

#if defined(FASTCONV_PYTHON)
/* NULL with a Python exception if fastconv cannot be imported or is too old for this header. */
static inline const fastconv_api *fastconv_get_api(uint32_t abi)
{
    const fastconv_api *api;
    PyObject *module = PyImport_ImportModule("fastconv"), *capsule;
    if (!module)
        return NULL;
    capsule = PyObject_GetAttrString(module, "_C_API");
    Py_DECREF(module);
    if (!capsule)
        return NULL;
    api = (const fastconv_api *)PyCapsule_GetPointer(capsule, "fastconv._C_API");
    Py_DECREF(capsule); /* the module keeps the table alive */
    if (api && api->abi < abi) {
        PyErr_Format(PyExc_ImportError,
                     "this program needs interface %u of fastconv, and fastconv %s has %u",
                     (unsigned)abi, api->version, (unsigned)api->abi);
        return NULL;
    }
    return api;
}
#else
/* The functions; NULL if the library is older than interface `abi`. */
const fastconv_api *fastconv_get_api(uint32_t abi);
#endif

#ifdef __cplusplus
}
#endif

#endif

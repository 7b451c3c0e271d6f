/* interface.h: what the files of the C interface (_ext/include/fastconv.h) share.
 *
 * describe.c and describe_conv.c check a description and make an op of it (operations/); place.c
 * copies the op into the workspace of a run and sets its arrays there, so the description never
 * changes and any number of threads may run it; run.c provides memory and runs; network_file.c
 * opens and runs whole networks; api.c holds the table of functions.  The host, which is the module
 * _core in a process with Python, provides threads and settings. */
#ifndef FASTCONV_INTERFACE_H
#define FASTCONV_INTERFACE_H

#include "../include/fastconv.h"
#include "../operations/operations.h"

#include <stddef.h>
#include <string.h>

enum { FC_MOST_INPUTS = 4 }; /* required arrays of one op */

typedef enum {
    FC_KIND_DIRECT, FC_KIND_SCATTER, FC_KIND_WINOGRAD, FC_KIND_FILTER_GRADIENT,
    FC_KIND_WINOGRAD_GRADIENT, FC_KIND_DENSE, FC_KIND_POOL, FC_KIND_ACTIVATION, FC_KIND_SOFTMAX,
    FC_KIND_CROSS_ENTROPY, FC_KIND_CHANNEL_NORM, FC_KIND_FROZEN_NORM, FC_KIND_UPDATE
} fc_interface_kind;

/* Every op begins with its fc_op, and those that pack filters with an fc_filter_op. */
typedef union {
    fc_op op;
    fc_filter_op filters;
    fc_direct_op direct;
    fc_scatter_op scatter;
    fc_winograd_op winograd;
    fc_filter_gradient_op filter_gradient;
    fc_winograd_gradient_op winograd_gradient;
    fc_dense_op dense;
    fc_pool_op pool;
    fc_activation_op activation;
    fc_softmax_op softmax;
    fc_loss_op loss;
    fc_channel_norm_op channel_norm;
    fc_frozen_norm_op frozen_norm;
    fc_update_op update;
} fc_any_op;

/* The ops that a transposed convolution runs after the convolution that it transposes; those whose
 * `kind` is NULL do not occur. */
typedef struct {
    int pass;                    /* of the transposed convolution: that of `any` is another one */
    int64_t repeated_bytes;      /* of the bias, repeated */
    fc_scale_shift_op shift;     /* FORWARD: adds the bias to y */
    fc_activation_op activation; /* FORWARD: of y */
    fc_reduce_op sums;           /* BACKWARD_KERNEL: the gradient of the bias */
} fc_transposed;

struct fastconv_op {
    fc_interface_kind kind;
    int pass, has_bias;
    int packs;             /* filters may be packed once */
    int gives_argmax;
    int output_rank;
    int64_t output_shape[4];
    fc_rule rule;          /* of an update */
    int is_transposed;
    fc_transposed transposed;
    fc_any_op any;
    fc_direct_part parts[]; /* of FC_KIND_DIRECT */
};

typedef struct {
    int (*isa)(void);               /* the instruction set for ops made from now on */
    int (*flushes_denormals)(void); /* whether they treat denormal numbers as zero */
    void (*team)(const fc_run *);   /* calls fc_run_member on `threads` threads */
} fc_host;

/* Copies a struct of the caller's, which begins with its size.  It may be that of an older header,
 * which lacks members: they become zero.  `least` bytes must be there; 0: it has fewer, or members
 * that this version does not have. */
static inline int fc_read_struct(void *to, size_t size, size_t least, const void *from)
{
    size_t given;
    memcpy(&given, from, sizeof given);
    if (given < least || given > size)
        return 0;
    memset(to, 0, size);
    memcpy(to, from, given);
    return 1;
}

/* Copies a result to a struct of the caller's, but for members that its header lacks. */
static inline int fc_write_struct(void *to, const void *from, size_t size, size_t least)
{
    size_t given;
    memcpy(&given, to, sizeof given);
    if (given < least || given > size)
        return 0;
    memcpy((char *)to + sizeof given, (const char *)from + sizeof given, given - sizeof given);
    return 1;
}

/* The copy of an op that a run works on, at the start of its workspace. */
typedef struct {
    fc_any_op any;
    fc_rule rule;
    int count;
    fc_op *list[3]; /* `count` ops: `any`, then those of `transposed` */
    fc_transposed transposed; /* undefined unless the op is one */
    fc_direct_part parts[];
} fc_copy;

/* Bytes of a copy, with the memory of its own, and the copy in `memory`. */
int64_t fc_copy_bytes(const fastconv_op *);
fc_copy *fc_copy_op(const fastconv_op *, void *memory);

/* Sets the arrays of a copy; NULL_POINTER or UNALIGNED if they do not suffice. */
fastconv_status fc_place(const fastconv_op *, const fastconv_arrays *, fc_copy *);

/* Runs all ops as tasks of the caller's, which need not run at the same time. */
void fc_run_tasks(const fc_run *, fastconv_parallel_for, void *context);

/* Must be called before the first use; without it there is one thread. */
void fc_set_host(const fc_host *);
const fc_host *fc_get_host(void);
const fastconv_api *fc_interface(void);

fastconv_status fc_create_conv2d(const fastconv_conv2d *, fastconv_op **);
fastconv_status fc_create_conv2d_transpose(const fastconv_conv2d_transpose *, fastconv_op **);
fastconv_status fc_create_dense(const fastconv_dense *, fastconv_op **);
fastconv_status fc_create_pool2d(const fastconv_pool2d *, fastconv_op **);
fastconv_status fc_create_activation(const fastconv_activation *, fastconv_op **);
fastconv_status fc_create_softmax(const fastconv_softmax *, fastconv_op **);
fastconv_status fc_create_cross_entropy(const fastconv_cross_entropy *, fastconv_op **);
fastconv_status fc_create_batch_norm(const fastconv_batch_norm *, fastconv_op **);
fastconv_status fc_create_update(const fastconv_update *, fastconv_op **);
void fc_destroy(fastconv_op *);

fastconv_status fc_network_open(const char *path, const fastconv_network_options *,
                                fastconv_network **);
fastconv_status fc_network_open_bytes(const void *bytes, int64_t count,
                                      const fastconv_network_options *, fastconv_network **);
void fc_network_close(fastconv_network *);
fastconv_status fc_network_query(const fastconv_network *, fastconv_network_info *);
fastconv_status fc_network_array(const fastconv_network *, int32_t which, int32_t index,
                                 fastconv_array_info *);
fastconv_status fc_network_forward(fastconv_network *, const void *const *x, void *const *y,
                                   int64_t n);
fastconv_status fc_network_train_step(fastconv_network *, const void *const *x,
                                      const void *const *labels, int64_t n, double *loss);
fastconv_status fc_network_set_learning_rate(fastconv_network *, double rate);
fastconv_status fc_network_save(const fastconv_network *, const char *path);

fastconv_status fc_query(const fastconv_op *, int32_t threads, fastconv_info *);
fastconv_status fc_pack(const fastconv_op *, const void *w, void *packed);
fastconv_status fc_run_op(const fastconv_op *, const fastconv_arrays *, void *workspace,
                          int64_t workspace_bytes, int32_t threads);
fastconv_status fc_run_with(const fastconv_op *, const fastconv_arrays *, void *workspace,
                            int64_t workspace_bytes, int32_t threads, fastconv_parallel_for,
                            void *context);

#endif

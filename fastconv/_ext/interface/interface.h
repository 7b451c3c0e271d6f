/* interface.h: what the files of the C interface (_ext/include/fastconv.h) share.
 *
 * describe.c checks a description and makes an op of it (operations/); run.c copies the op into the
 * workspace of a run and sets its arrays there, so the description never changes and any number of
 * threads may run it; api.c holds the table of functions.  The host, which is the module _core in a
 * process with Python, provides threads and settings. */
#ifndef FASTCONV_INTERFACE_H
#define FASTCONV_INTERFACE_H

#include "../include/fastconv.h"
#include "../operations/operations.h"

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

struct fastconv_op {
    fc_interface_kind kind;
    int pass, has_bias;
    int packs;             /* filters may be packed once */
    int gives_argmax;
    int output_rank;
    int64_t output_shape[4];
    fc_rule rule;          /* of an update */
    fc_any_op any;
    fc_direct_part parts[]; /* of FC_KIND_DIRECT */
};

typedef struct {
    int (*isa)(void);               /* the instruction set for ops made from now on */
    int (*flushes_denormals)(void); /* whether they treat denormal numbers as zero */
    void (*team)(const fc_run *);   /* calls fc_run_member on `threads` threads */
} fc_host;

/* Must be called before the first use; without it there is one thread. */
void fc_set_host(const fc_host *);
const fc_host *fc_get_host(void);
const fastconv_api *fc_interface(void);

fastconv_status fc_create_conv2d(const fastconv_conv2d *, fastconv_op **);
fastconv_status fc_create_dense(const fastconv_dense *, fastconv_op **);
fastconv_status fc_create_pool2d(const fastconv_pool2d *, fastconv_op **);
fastconv_status fc_create_activation(const fastconv_activation *, fastconv_op **);
fastconv_status fc_create_softmax(const fastconv_softmax *, fastconv_op **);
fastconv_status fc_create_cross_entropy(const fastconv_cross_entropy *, fastconv_op **);
fastconv_status fc_create_batch_norm(const fastconv_batch_norm *, fastconv_op **);
fastconv_status fc_create_update(const fastconv_update *, fastconv_op **);
void fc_destroy(fastconv_op *);

fastconv_status fc_query(const fastconv_op *, int32_t threads, fastconv_info *);
fastconv_status fc_pack(const fastconv_op *, const void *w, void *packed);
fastconv_status fc_run_op(const fastconv_op *, const fastconv_arrays *, void *workspace,
                          int64_t workspace_bytes, int32_t threads);
fastconv_status fc_run_with(const fastconv_op *, const fastconv_arrays *, void *workspace,
                            int64_t workspace_bytes, int32_t threads, fastconv_parallel_for,
                            void *context);

#endif

/* operations.h: the ops of which networks consist.
 *
 * A struct per kind of op: the problem that its kernels take (schedule/problems.h), and what the op
 * itself needs to divide it among threads.  To make one, its owner
 *
 *     1. fills the struct with zeros, and sets `table` and `target` of its fc_op (fc_bind),
 *     2. describes the problem: sizes and arrays, as problems.h lists them,
 *     3. calls the function fc_prepare_<kind> of the list below, which chooses the kernels, and
 *        sets the number of phases, the work and the sizes of scratch memory;
 *     4. runs it, alone or in a list of ops (run.h), as often as wanted.
 *
 * An op points to its arrays and owns nothing.  This folder is plain C11, compiled once with
 * baseline flags: it needs schedule/, a kernel table and the C library, and neither Python nor
 * OpenMP. */
#ifndef FASTCONV_OPERATIONS_H
#define FASTCONV_OPERATIONS_H

#include "run.h"

#include "../schedule/chain.h"

enum { FC_STRETCH = 8192 }; /* elements per item of element-wise ops: 32 KiB of float32, an L1 */

/* An op that packs its filters before it uses them (filters.h). */
typedef struct {
    fc_op op;
    int64_t filters_end;  /* bytes of the packed filters */
    int64_t filter_bytes; /* the same, as a size of memory */
    int64_t other_bytes;  /* of shared scratch beside the filters */
    int frozen, is_packed, packs_apart;
} fc_filter_op;

/* Single passes over `size` elements, in items of FC_STRETCH. */
typedef struct {
    fc_op op;
    int64_t size;
} fc_stretch_op;

/* ---- conv.c, conv_gradient.c ---- */

/* One of the forward-like problems of an op by direct sums. */
typedef struct {
    fc_conv problem;
    fc_filter_view view;
    int64_t first;  /* element of y that the problem's output begins with */
    int64_t packed; /* offset of the problem's packed filters, in bytes */
    int64_t items_end, packs_end; /* sums over this problem and those before it */
} fc_direct_part;

typedef struct {
    fc_filter_op filters;
    int count;
    fc_direct_part *parts; /* `count` of them */
} fc_direct_op;

typedef struct {
    fc_filter_op filters;
    fc_scatter problem;
    const void *w;
} fc_scatter_op;

typedef struct {
    fc_filter_op filters;
    fc_winograd problem;
    fc_filter_view view;
} fc_winograd_op;

typedef struct {
    fc_op op;
    fc_filter_gradient problem;
} fc_filter_gradient_op;

typedef struct {
    fc_op op;
    fc_winograd_gradient problem;
} fc_winograd_gradient_op;

/* ---- dot.c: ops on narrow elements, whose kernels are in `kernels` instead of `op.table` ---- */

typedef struct {
    fc_filter_op filters;
    fc_dot problem;
    fc_filter_view view;
    const fc_dot_table *kernels;
} fc_dot_op;

/* Between uint8 and float32, y = x / scale + zero_point rounded, or y = (x - zero_point) * scale;
 * between bfloat16 and float32, y = x, rounded. */
typedef struct {
    fc_stretch_op stretch;
    const char *x;
    char *y;
    double scale;
    int zero_point;
    const fc_dot_table *kernels;
} fc_quantize_op;

/* ---- update.c ---- */

/* The update of some weights by an optimizer, without the gradient. */
typedef struct {
    fc_update problem;
    fc_update_rule apply;
    const double *hyper; /* every run reads them again */
    int64_t hyper_size;
} fc_rule;

typedef struct {
    fc_stretch_op stretch;
    fc_rule *rule; /* with the gradient */
} fc_update_op;

typedef struct {
    fc_stretch_op stretch;
    const char *x;
    char *g; /* may be NULL */
    double *value, l1, l2, scale;
    double *parts; /* one per item, of its own: `end` reads them while the next op runs */
} fc_penalty_op;

typedef struct {
    fc_op op;
    fc_norms problem;
    int64_t blocks;
} fc_limit_op;

/* ---- dense.c ---- */

typedef void (*fc_dense_item)(const fc_dense *, int64_t item, void *scratch);
typedef void (*fc_dense_plan)(const fc_target *, fc_dense *);

typedef struct {
    fc_op op;
    fc_dense problem;
    fc_dense_plan plan;
    fc_dense_item item;
    fc_rule *rule; /* of a gradient fused with its update, else NULL */
} fc_dense_op;

/* ---- recurrent.c ---- */

typedef struct {
    fc_filter_op filters;
    fc_recurrent problem;
    const void *r; /* (units, gate_count, units): the recurrent weights */
} fc_recurrent_op;

/* ---- pool.c ---- */

typedef struct {
    fc_op op;
    fc_pool problem;
    void (*item)(const fc_pool *, int64_t item);
    int64_t items;
} fc_pool_op;

/* ---- elementwise.c ---- */

/* y = f(x), or y = dy * f'(x), where x is what the derivative is computed from. */
typedef struct {
    fc_stretch_op stretch;
    int kind;
    double parameters[3]; /* slope, max_value, threshold */
    const char *x, *dy;
    char *y;
} fc_activation_op;

/* y = x under the mask number `draws` of `mask`, which is the op itself or the forward op.  In a
 * part of a batch, x begins at element `first` of the batch. */
typedef struct fc_dropout_op {
    fc_stretch_op stretch;
    const char *x;
    char *y;
    double rate;
    uint64_t seed, draws;
    int64_t first;
    const struct fc_dropout_op *mask;
} fc_dropout_op;

/* y = softmax(x) of each row or its logarithm; backward, x is that result and y is dx. */
typedef struct {
    fc_op op;
    int64_t rows, classes;
    const char *x, *dy;
    char *y;
    int is_log;
} fc_softmax_op;

/* y = x + z or x * (1 + z), z normal with standard deviation `stddev`; `first` as for a mask. */
typedef struct {
    fc_stretch_op stretch;
    const char *x;
    char *y;
    double stddev;
    uint64_t seed, draws;
    int64_t first;
    int multiply;
} fc_gaussian_op;

/* ---- loss.c ---- */

typedef struct {
    fc_op op;
    fc_loss problem;
    void (*row)(const fc_loss *, int64_t row);
    int summed;           /* the sum over rows instead of the mean */
    int looks_at_targets; /* the kernel needs to learn whether all targets are 0 or 1 */
} fc_loss_op;

/* ---- normalization.c ---- */

typedef struct {
    fc_op op;
    fc_channel_norm problem;
} fc_channel_norm_op;

/* With given statistics: packs scale and shift. */
typedef struct {
    fc_filter_op filters;
    fc_channel_norm problem;
    char *coefficients;
} fc_frozen_norm_op;

typedef struct {
    fc_op op;
    fc_row_norm problem;
} fc_row_norm_op;

typedef struct {
    fc_op op;
    fc_response_norm problem;
} fc_response_norm_op;

typedef struct {
    fc_op op;
    fc_prelu problem;
} fc_prelu_op;

/* ---- merge.c ---- */

typedef struct {
    fc_stretch_op stretch;
    fc_merge problem;
    int index; /* of the array whose gradient this is */
    const char *dy;
    char *dx;
} fc_merge_op;

typedef struct {
    fc_stretch_op stretch;
    double factor;
    const char *x;
    char *y;
} fc_scale_op;

/* A whole and its pieces along one axis: a row of the whole is the concatenation of one row of
 * each piece.  A row comprises that axis and all axes after it; an item is a few rows. */
typedef struct {
    fc_op op;
    char *whole, **pieces; /* a piece that is NULL is neither read nor written */
    const int64_t *widths; /* bytes of a row of each piece */
    int count;
    int64_t rows, width, rows_per_item; /* width: bytes of a row of the whole */
} fc_pieces_op;

typedef struct {
    fc_op op;
    fc_broadcast problem;
} fc_broadcast_op;

/* ---- resample.c ---- */

typedef struct {
    fc_op op;
    fc_resample problem;
    int64_t rows;
} fc_resample_op;

typedef struct {
    fc_op op;
    fc_transpose problem;
    int64_t batch, tiles;
} fc_transpose_op;

typedef struct {
    fc_op op;
    fc_warp problem;
    int64_t batch, items;
} fc_warp_op;

/* ---- channels.c ---- */

/* y = x * factors[0] + factors[1], both of `channels` elements or NULL.  Few channels are
 * `repeated` to `period` elements, so that every vector is full, in memory of the op's owner. */
typedef struct {
    fc_op op;
    int64_t size, channels, period, rows_per_item;
    const char *x;
    char *y;
    const char *factors[2];
    char *repeated[2]; /* NULL: not repeated */
} fc_scale_shift_op;

typedef struct {
    fc_op op;
    int64_t rows, length;
    int rank, one; /* one: a row has one element of the mask */
    int64_t size[FC_AXES], stride[FC_AXES];
    const char *x, *mask;
    char *y;
} fc_masked_op;

/* x (batch, rows, channels) in blocks of rows: phase 0 reduces each block, phase 1 the blocks'
 * results.  The number of blocks depends on the shape alone. */
typedef struct {
    fc_op op;
    int64_t batch, rows, channels, block, blocks, row_bytes;
    const char *x;
    char *y;
    double scale;
    int32_t *argmax;
} fc_reduce_op;

/* ---- columns.c ---- */

/* im2col and col2im: x (batch, height, width, channels), columns (kernel_h, kernel_w, channels,
 * batch, out_h, out_w). */
typedef struct {
    fc_op op;
    fc_geometry geometry;
    void *x, *columns;
} fc_columns_op;

/* ---- chain.c ---- */

typedef struct {
    fc_op op;
    fc_chain problem;
    fc_chain_slot *slot; /* the same slots, to be written */
} fc_chain_op;

/* ---- the functions ---- */

/* X(type, name, arguments) for every function of this folder, as in schedule/schedule.h. */
#define FC_OPERATIONS(X) \
    /* run.c: the number of threads, at most `num_threads`, that the work pays for. */ \
    X(int, threads_for, (int num_threads, double work)) \
    /* Partitions an op for a team of `num_threads`, unless it is already. */ \
    X(void, fit, (fc_op *, int num_threads)) \
    /* The number of threads that will run it, and of items that one of them takes at a time. */ \
    X(int, threads_of, (const fc_op *, int num_threads)) \
    X(int64_t, chunk, (int64_t items, int threads)) \
    /* The running of a list of ops (run.h). */ \
    X(int, team_for, (fc_op *const *ops, int64_t count, int num_threads)) \
    X(int64_t, size_run, (fc_run *, fc_op *const *ops, int64_t count, int num_threads)) \
    X(void, begin_run, (fc_run *, void *workspace)) \
    X(void, run_member, (const fc_run *, int rank, int size)) \
    /* Runs one of `size` shares of a phase, for threads that need not run at the same time. */ \
    X(void, run_share, (const fc_run *, int64_t index, int phase, int rank, int size)) \
    /* filters.c: packs into `memory` at the next run only; NULL: into scratch at every run. */ \
    X(void, freeze_filters, (fc_filter_op *, char *memory)) \
    /* update.c: reads the present hyper-parameters; ops do so at the start of every run. */ \
    X(void, read_hyper, (fc_rule *)) \
    /* conv.c: the number of parts of an input gradient by direct sums. */ \
    X(int, input_parts, (const fc_geometry *)) \
    /* Describe the problems of an op by direct sums, whose `count` parts the caller provides. */ \
    X(void, describe_direct_forward, (fc_direct_op *, const fc_geometry *)) \
    X(void, describe_direct_input, (fc_direct_op *, const fc_geometry *)) \
    X(void, place_direct, \
      (fc_direct_op *, const void *x, const void *w, const void *bias, void *y)) \
    /* Make an op whose problem has been described ready to run. */ \
    X(void, prepare_direct, (fc_direct_op *)) \
    X(void, prepare_scatter, (fc_scatter_op *)) \
    X(void, prepare_winograd, (fc_winograd_op *)) \
    X(void, prepare_filter_gradient, (fc_filter_gradient_op *)) \
    X(void, prepare_dot, (fc_dot_op *)) \
    X(void, prepare_quantize, (fc_quantize_op *)) \
    X(void, prepare_dequantize, (fc_quantize_op *)) \
    X(void, prepare_quantized_max_pool, (fc_pool_op *, const fc_dot_table *)) \
    X(void, prepare_winograd_gradient, (fc_winograd_gradient_op *)) \
    X(void, prepare_dense_forward, (fc_dense_op *)) \
    X(void, prepare_dense_backward_input, (fc_dense_op *)) \
    X(void, prepare_dense_backward_kernel, (fc_dense_op *)) \
    X(void, prepare_dense_update, (fc_dense_op *)) \
    X(void, prepare_recurrent, (fc_recurrent_op *)) \
    X(void, prepare_recurrent_backward, (fc_recurrent_op *)) \
    X(void, prepare_max_pool, (fc_pool_op *)) \
    X(void, prepare_max_pool_backward, (fc_pool_op *)) \
    X(void, prepare_average_pool, (fc_pool_op *)) \
    X(void, prepare_average_pool_backward, (fc_pool_op *)) \
    X(void, prepare_activation, (fc_activation_op *)) \
    X(void, prepare_activation_backward, (fc_activation_op *)) \
    X(void, prepare_dropout, (fc_dropout_op *)) \
    X(void, prepare_dropout_backward, (fc_dropout_op *)) \
    X(void, prepare_softmax, (fc_softmax_op *)) \
    X(void, prepare_softmax_backward, (fc_softmax_op *)) \
    X(void, prepare_gaussian, (fc_gaussian_op *)) \
    X(void, prepare_softmax_cross_entropy, (fc_loss_op *)) \
    X(void, prepare_cross_entropy, (fc_loss_op *)) \
    X(void, prepare_mean_squared_error, (fc_loss_op *)) \
    X(void, prepare_loss, (fc_loss_op *)) \
    X(void, prepare_update, (fc_update_op *)) \
    X(void, prepare_penalty, (fc_penalty_op *)) \
    X(void, prepare_limit_norms, (fc_limit_op *)) \
    X(void, prepare_channel_norm, (fc_channel_norm_op *)) \
    X(void, prepare_channel_norm_backward, (fc_channel_norm_op *)) \
    X(void, prepare_frozen_norm, (fc_frozen_norm_op *)) \
    X(void, prepare_folded_norm, (fc_frozen_norm_op *)) \
    X(void, prepare_row_norm, (fc_row_norm_op *)) \
    X(void, prepare_row_norm_backward, (fc_row_norm_op *)) \
    X(void, prepare_response_norm, (fc_response_norm_op *)) \
    X(void, prepare_response_norm_backward, (fc_response_norm_op *)) \
    X(void, prepare_prelu, (fc_prelu_op *)) \
    X(void, prepare_prelu_backward, (fc_prelu_op *)) \
    X(void, prepare_merge, (fc_merge_op *)) \
    X(void, prepare_merge_backward, (fc_merge_op *)) \
    X(void, prepare_scale, (fc_scale_op *)) \
    X(void, prepare_concatenate, (fc_pieces_op *)) \
    X(void, prepare_split, (fc_pieces_op *)) \
    X(void, prepare_repeat, (fc_broadcast_op *)) \
    X(void, prepare_repeat_backward, (fc_broadcast_op *)) \
    X(void, prepare_resample, (fc_resample_op *)) \
    X(void, prepare_transpose, (fc_transpose_op *)) \
    X(void, prepare_warp, (fc_warp_op *)) \
    X(void, prepare_warp_backward, (fc_warp_op *)) \
    X(void, prepare_scale_shift, (fc_scale_shift_op *)) \
    X(void, prepare_masked, (fc_masked_op *)) \
    X(void, prepare_column_sums, (fc_reduce_op *)) \
    X(void, prepare_column_max, (fc_reduce_op *)) \
    X(void, prepare_column_max_backward, (fc_reduce_op *)) \
    X(void, prepare_im2col, (fc_columns_op *)) \
    X(void, prepare_col2im, (fc_columns_op *)) \
    X(void, prepare_chain, (fc_chain_op *))

#define FC_PROTOTYPE(type, name, arguments) type fc_##name arguments;
FC_OPERATIONS(FC_PROTOTYPE)
#undef FC_PROTOTYPE

/* The same functions as a table, for modules that do not link this folder. */
#define FC_MEMBER(type, name, arguments) type(*name) arguments;
typedef struct {
    FC_OPERATIONS(FC_MEMBER)
} fc_operation_table;
#undef FC_MEMBER

extern const fc_operation_table fc_operations;

#endif

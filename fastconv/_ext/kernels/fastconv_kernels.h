/* fastconv_kernels.h: the interface between the C kernels and the Cython modules that call them.
 *
 * Every kernel is single-threaded and re-entrant, allocates nothing and does not depend on Python.
 * A pass over a layer is a *problem* (schedule/problems.h).  A schedule (schedule/schedule.h)
 * partitions it into numbered, independent *items* (work items), the Cython modules distribute the
 * items over threads, and a kernel computes one item: it reads the decisions of the schedule and
 * makes none.  Every output element belongs to exactly one item, and the order of its sum depends
 * on the shape alone, so the result has the same bits at every thread count.
 *
 * Each instruction-set target compiles the same sources (the .inc files) with its own
 * simd_<target>.h, and exports only two tables of entry points, one for float32 and
 * one for float64. */
#ifndef FASTCONV_KERNELS_H
#define FASTCONV_KERNELS_H

#include <stddef.h>

#include "../schedule/chain.h"
#include "../schedule/problems.h"
#include "../schedule/target.h"

/* X(type, name, arguments) for every kernel except the update rules.  The struct below,
 * the tables of all targets and the Cython declarations are generated from this list. */
#define FC_KERNELS(X) \
    X(void, pack_item, (const fc_conv *, const fc_filter_view *, void *packed, int64_t item)) \
    X(void, conv_item, (const fc_conv *, int64_t item, void *scratch)) \
    X(void, filter_gradient_item, (const fc_filter_gradient *, int64_t item, void *scratch)) \
    X(void, filter_gradient_reduce, (const fc_filter_gradient *, int64_t item)) \
    X(void, winograd_pack_item, \
      (const fc_winograd *, const fc_filter_view *, void *packed, int64_t item, void *scratch)) \
    X(void, winograd_transform_item, (const fc_winograd *, int64_t item, void *scratch)) \
    X(void, winograd_item, \
      (const fc_winograd *, const fc_filter_view *, int64_t item, void *scratch)) \
    X(void, winograd_gradient_begin, (const fc_winograd_gradient *, void *workspace)) \
    X(void, winograd_gradient_split, \
      (const fc_winograd_gradient *, void *workspace, int64_t split, void *scratch)) \
    X(void, winograd_gradient_reduce, \
      (const fc_winograd_gradient *, void *workspace, int64_t item)) \
    X(void, winograd_gradient_transform, \
      (const fc_winograd_gradient *, void *workspace, int64_t block, int64_t item)) \
    X(void, winograd_gradient_product, \
      (const fc_winograd_gradient *, void *workspace, int64_t block, int64_t item, void *scratch)) \
    X(void, scatter_pack_item, (const fc_scatter *, const void *w, void *packed, int64_t item)) \
    X(void, scatter_item, (const fc_scatter *, int64_t item, void *scratch)) \
    X(void, dense_forward_item, (const fc_dense *, int64_t item, void *scratch)) \
    X(void, dense_sum_item, (const fc_dense *, int64_t item)) \
    X(void, dense_backward_input_item, (const fc_dense *, int64_t item, void *scratch)) \
    X(void, dense_backward_kernel_item, (const fc_dense *, int64_t item, void *scratch)) \
    X(void, dense_update_item, \
      (const fc_dense *, const fc_update *, fc_update_rule, int64_t item, void *scratch)) \
    X(void, recurrent_pack_item, \
      (const fc_recurrent *, const void *weights, int transposed, void *packed, int64_t panel)) \
    X(void, recurrent_item, (const fc_recurrent *, int64_t step, int64_t item)) \
    X(void, recurrent_gradient_item, (const fc_recurrent *, int64_t step, int64_t item)) \
    /* Forward, an item is a row of the output; pool_backward_items counts the items backward. */ \
    X(void, max_pool_item, (const fc_pool *, int64_t item)) \
    X(void, max_pool_backward_item, (const fc_pool *, int64_t item)) \
    X(void, average_pool_item, (const fc_pool *, int64_t item)) \
    X(void, average_pool_backward_item, (const fc_pool *, int64_t item)) \
    /* `saved` is y, or x for kinds that keep their input. */ \
    /* `parameters` has 3 elements: slope or bound, maximum, threshold. */ \
    X(void, activation_pass, \
      (int kind, const double *parameters, const void *x, void *y, int64_t n)) \
    X(void, activation_backward_pass, \
      (int kind, const double *parameters, const void *saved, const void *dy, void *dx, \
       int64_t n)) \
    X(void, softmax, (const void *x, void *y, int64_t rows, int64_t classes)) \
    X(void, softmax_backward, \
      (const void *y, const void *dy, void *dx, int64_t rows, int64_t classes)) \
    X(void, log_softmax, (const void *x, void *y, int64_t rows, int64_t classes)) \
    X(void, log_softmax_backward, \
      (const void *y, const void *dy, void *dx, int64_t rows, int64_t classes)) \
    X(void, softmax_cross_entropy_row, (const fc_loss *, int64_t row)) \
    X(void, cross_entropy_row, (const fc_loss *, int64_t row)) \
    X(void, mean_squared_error_row, (const fc_loss *, int64_t row)) \
    X(void, loss_row, (const fc_loss *, int64_t row)) \
    X(void, dropout, \
      (const void *x, void *y, int64_t begin, int64_t n, double rate, uint64_t key)) \
    X(void, channel_scale_item, (const fc_channel_norm *, void *workspace, int64_t item)) \
    X(void, channel_affine_item, (const fc_channel_norm *, void *workspace, int64_t item)) \
    X(void, channel_moments_item, (const fc_channel_norm *, void *workspace, int64_t item)) \
    X(void, channel_moments_finish, (const fc_channel_norm *, void *workspace, int64_t item)) \
    X(void, channel_gradient_item, (const fc_channel_norm *, void *workspace, int64_t item)) \
    X(void, channel_gradient_finish, (const fc_channel_norm *, void *workspace, int64_t item)) \
    X(void, channel_gradient_parameters, (const fc_channel_norm *, void *workspace, int64_t item)) \
    X(void, channel_gradient_pass, (const fc_channel_norm *, void *workspace, int64_t item)) \
    X(void, row_norm_item, (const fc_row_norm *, int64_t item)) \
    X(void, row_norm_gradient_item, \
      (const fc_row_norm *, void *workspace, int64_t item, void *scratch)) \
    X(void, row_norm_gradient_reduce, (const fc_row_norm *, const void *workspace, int64_t item)) \
    X(void, response_norm_item, (const fc_response_norm *, int64_t item, void *scratch)) \
    X(void, response_norm_gradient_item, (const fc_response_norm *, int64_t item, void *scratch)) \
    X(void, prelu_item, (const fc_prelu *, int64_t item)) \
    X(void, prelu_gradient_item, (const fc_prelu *, void *workspace, int64_t item, void *scratch)) \
    X(void, prelu_gradient_reduce, (const fc_prelu *, const void *workspace, int64_t slope)) \
    X(void, merge, (const fc_merge *, int64_t begin, int64_t n)) \
    X(void, merge_backward, \
      (const fc_merge *, int index, const void *dy, void *dx, int64_t begin, int64_t n)) \
    X(void, chain_item, (const fc_chain *, int64_t item, void *scratch)) \
    X(void, scale, (double factor, const void *x, void *y, int64_t n)) \
    X(void, broadcast_item, (const fc_broadcast *, int64_t item)) \
    X(int64_t, broadcast_backward_items, (const fc_broadcast *)) \
    X(void, broadcast_backward_item, (const fc_broadcast *, int64_t item)) \
    X(void, resample_item, (const fc_resample *, int64_t row)) \
    X(void, transpose_item, (const fc_transpose *, int64_t tile)) \
    X(void, warp_item, (const fc_warp *, int64_t row)) \
    X(void, warp_backward_item, (const fc_warp *, int64_t image)) \
    X(void, scale_shift, \
      (const void *x, const void *scale, const void *shift, void *y, int64_t n)) \
    X(void, masked_run, (const void *x, const void *m, int one, void *y, int64_t n)) \
    X(void, column_sums, (const void *x, int64_t rows, int64_t channels, double scale, void *y)) \
    X(void, column_max, (const void *x, int64_t rows, int64_t channels, void *best, void *where)) \
    X(void, join_max, \
      (const void *parts, int64_t blocks, int64_t block, int64_t channels, void *y, \
       int32_t *argmax)) \
    X(void, gaussian, \
      (const void *x, void *y, int64_t begin, int64_t n, double stddev, uint64_t key, \
       int multiply)) \
    X(double, penalty, (const void *x, void *g, int64_t n, double l1, double l2, double scale)) \
    X(void, limit_norms, (const fc_norms *, int64_t outer, int64_t begin, int64_t n)) \
    /* Runs independent fused multiply-adds; returns the number of floating-point operations. */ \
    X(double, fma_loop, (int64_t iterations))

#define FC_MEMBER(type, name, arguments) type(*name) arguments;
typedef struct {
    const char *isa;
    fc_target target;
    FC_KERNELS(FC_MEMBER)
    fc_update_rule update[FC_UPDATES];
} fc_table;
#undef FC_MEMBER

/* The kernels of narrow elements (dot.inc), of every target that has its own. */
#define FC_DOT_KERNELS(X) \
    X(void, dot_pack_item, \
      (const fc_dot *, const fc_filter_view *, void *packed, int64_t item)) \
    X(void, dot_item, (const fc_dot *, int64_t item, void *scratch)) \
    /* Between narrow elements and float32; bfloat16 without scale and zero point. */ \
    X(void, quantize, (const void *x, void *y, int64_t n, double scale, int zero_point)) \
    X(void, dequantize, (const void *x, void *y, int64_t n, double scale, int zero_point)) \
    X(void, quantized_max_pool_item, (const fc_pool *, int64_t item)) \
    /* Runs independent dot products; returns the number of additions and multiplications. */ \
    X(double, dot_loop, (int64_t iterations))

#define FC_MEMBER(type, name, arguments) type(*name) arguments;
typedef struct {
    const char *isa;
    fc_target target;
    FC_DOT_KERNELS(FC_MEMBER)
} fc_dot_table;
#undef FC_MEMBER

/* ---- dispatch.c ---- */

/* Levels: those up to FC_ISA_NEON have tables of float32 and float64 kernels; the others add
 * instructions to one of them, their base, for narrow elements. */
enum {
    FC_ISA_SCALAR, FC_ISA_AVX2, FC_ISA_AVX512, FC_ISA_NEON,
    FC_ISA_AVX_VNNI, FC_ISA_AVX512_VNNI, FC_ISA_NEON_DOTPROD, FC_ISA_AVX512_BF16, FC_ISA_COUNT
};
enum { FC_U8, FC_BF16, FC_NARROW_TYPES };

const char *fc_isa_name(int isa);
int fc_isa_base(int isa);      /* the level that `isa` adds to, or -1 */
int fc_isa_compiled(int isa);  /* the target is part of this build */
int fc_isa_supported(int isa); /* this CPU and this operating system can run it */
/* The kernels of a level, or of its base; NULL if not compiled. */
const fc_table *fc_get_table(int isa, int is_double);
const fc_dot_table *fc_get_dot_table(int isa, int type);

#endif

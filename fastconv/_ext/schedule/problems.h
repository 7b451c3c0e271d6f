/* problems.h: one struct per kind of pass over a layer.
 *
 * The first half of a struct describes the pass: arrays, sizes, strides, hyper-parameters.  The
 * second half, below "Filled in by", is its schedule (schedule.h).  Kernels take the whole struct.
 *
 * Sizes and strides are int64_t and count elements, not bytes, unless a name ends in _bytes.
 * Array pointers are void *: the kernel table determines the element type. */
#ifndef FASTCONV_PROBLEMS_H
#define FASTCONV_PROBLEMS_H

#include <stdint.h>

/* Activations (activation.inc).  Kinds up to FC_CAN_FUSE can be fused into the epilogue of a
 * convolution or dense product, kinds up to FC_ONE_PARAMETER into that of a convolution without a
 * backward pass.  The gradients of kinds from FC_KEEPS_INPUT on are computed from
 * the input, those of all others from the output. */
enum {
    FC_LINEAR, FC_RELU, FC_LEAKY_RELU, FC_SIGMOID, FC_TANH, FC_CLIPPED_RELU,
    FC_ELU, FC_SELU, FC_EXPONENTIAL, FC_SOFTPLUS, FC_SOFTSIGN, FC_HARD_SIGMOID,
    FC_GELU, FC_GELU_TANH, FC_SILU, FC_HARD_SILU, FC_MISH, FC_BOUNDED_RELU,
    FC_CAN_FUSE = FC_CLIPPED_RELU,
    FC_ONE_PARAMETER = FC_MISH,
    FC_KEEPS_INPUT = FC_GELU
};

/* Whether micro-kernels apply an activation while the sums are in registers.  An exponential takes
 * dozens of operations, too many to spend on the empty lanes of a layer with six filters: others
 * are applied to the output of an item while it is in cache. */
static inline int fc_in_registers(int activation)
{
    return activation <= FC_LEAKY_RELU || activation == FC_CLIPPED_RELU;
}

/* An activation gradient, fused into the operation that writes dx: dx is multiplied by the
 * derivative of the activation at `output`, the activation's output, which has the shape of dx.
 * output == NULL: none. */
typedef struct {
    const void *output;
    int kind; /* up to FC_CAN_FUSE */
    double slope;
} fc_activation_gradient;

enum { FC_POOL_NONE, FC_POOL_MAX, FC_POOL_AVERAGE };
enum { FC_PAD_ZEROS = 0, FC_PAD_EDGE = 1, FC_PAD_REFLECT = 2 };
enum { FC_FILL_CONSTANT = 0, FC_FILL_NEAREST = 1, FC_FILL_REFLECT = 2, FC_FILL_WRAP = 3 };
enum { FC_AXES = 8 };

/* y[n,oh,ow,k] = act(bias[k] + sum over kh,kw,c of
 *                    x[n, oh*sh - pt + kh*dh, ow*sw - pl + kw*dw, c] * w[kh,kw,c,k]
 *                  + residual[n,oh,ow,k])
 *
 * x is (batch, in_h, in_w, channels) and y (batch, out_h, out_w, filters), both addressed through
 * strides, so the same problem describes a forward pass, one group of a grouped one, a dense layer
 * (taps = 1) and one output phase of a gradient with respect to the input.  `channels` and
 * `filters` are those of one group.
 * Padding may be negative (a crop). */
typedef struct {
    const void *x, *w, *bias; /* w: packed panels; depthwise: the natural layout (taps, channels) */
    const void *residual; /* added before the activation, laid out as y; NULL: none */
    void *y;
    int64_t batch, in_h, in_w, channels, out_h, out_w, filters, groups;
    int64_t x_sn, x_sh, x_sw; /* strides of x; the groups are `channels` elements apart */
    int64_t y_sn, y_sh, y_sw; /* strides of y; the groups are `filters` elements apart */
    int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int padding_mode, activation;
    double slope; /* of the leaky ReLU */
    int depthwise; /* one input and one output channel per group: uses the vertical kernel */
    /* FC_POOL_*; if set, y holds pooled 2x2 windows; one group, out_h and out_w even,
     * y contiguous, no residual. */
    int pool;

    int threads;             /* threads to provide items for; no sum depends on it */

    /* Filled in by fc_plan_conv. */
    int copies_rows;         /* items first copy their padded input rows into scratch */
    int prefetches;          /* prefetch the next pixels during the computation */
    int streams;             /* write the output with non-temporal stores */
    int few_filters;         /* pixels in lanes instead of filters */
    int pools_registers;     /* the micro-kernel pools; pixels are listed window by window */
    int panels_outermost;    /* all pixels with a panel, then the next panel; else the reverse */
    int fetches_filters;     /* prefetch the next filters during the computation */
    int64_t taps, run;       /* the reduction: `taps` stretches of `run` contiguous elements */
    int64_t tap_block, run_block; /* part of the reduction in one pass over a chunk of pixels */
    int64_t rows_per_item, row_items, cols_per_item, col_items, panels, panels_per_item,
        panel_items, items;
    int64_t packed_size;     /* elements of the packed filters of all groups */
    int64_t scratch_bytes;   /* per thread */
} fc_conv;

/* A convolution of narrow elements (uint8, bfloat16) by dot products of 4 bytes:
 *
 *   y = narrow(limit(scale[k] * sum + bias[k] + residual_scale * residual))
 *
 * `conv` is the convolution with its x, y and bias, in elements of these arrays, without activation
 * and pooling.  limit(v) is v within [low, high].  uint8: the filters are int8, the
 * sum is that of (x - zero_point) * w, padding is zero_point, and narrow() rounds to even. */
typedef struct {
    fc_conv conv;
    const float *scale;    /* (filters,); NULL: 1 */
    const void *residual;  /* narrow, of the shape of y; may be NULL */
    float residual_scale, low, high;
    int zero_point;        /* of x */
    int lowest;            /* low rounded; filled in by fc_prepare_dot, for a narrow y */
    int wide;              /* y is float32 instead of narrow */
} fc_dot;

/* Layout of the filters of one convolution problem before packing: element
 * (kh, kw, c, k) of group g is
 *   w[base + g*sg + kh*skh + kw*skw + c*sc + k*sk]. */
typedef struct {
    const void *w;
    int64_t base, sg, skh, skw, sc, sk;
} fc_filter_view;

/* dw[kh,kw,c,k] = sum over n,oh,ow of
 *                 x[n, oh*sh - pt + kh*dh, ow*sw - pl + kw*dw, c] * dy[n,oh,ow,k], db = sum of dy.
 *
 * The reduction over pixels is partitioned into `splits` ranges of rows; each has its own
 * partial (dw, db) in `partial`, and the partials are added as a binary tree.  With one split,
 * `partial` is not used. */
typedef struct {
    const void *x, *dy;
    void *dw, *db, *partial; /* db may be NULL */
    int64_t batch, in_h, in_w, channels, out_h, out_w, filters, groups;
    int64_t x_sn, x_sh, x_sw, dy_sn, dy_sh, dy_sw;
    int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int depthwise;

    int threads;             /* threads to provide items for; no sum depends on it */

    /* Filled in by fc_plan_filter_gradient. */
    int merges_taps;         /* few channels: the run is (kh, kw, c), over copied padded rows */
    int whole;               /* an item is a split, or the part whose accumulators fit in L2 */
    int packs_dy;            /* with `whole`: blocks of dy and the accumulators are in panels */
    int one_row, packs_x;    /* 1x1 filters: a block is one row of pixels; x is copied for that */
    int64_t taps, run, taps_per_item, tap_items, run_per_item, run_items, panels, panels_per_item,
        panel_items;
    int64_t rows_per_block, rows_per_split, splits, items, reduce_elements, reduce_items;
    int64_t partial_size;    /* elements of `partial` */
    int64_t scratch_bytes;
} fc_filter_gradient;

/* Partition of a dimension of `size` outputs into `count` Winograd tiles: `whole` tiles of `tile`,
 * then possibly one of 2, then one of the remaining 2 or 3.  So every tile begins at an even
 * position, and a 2x2 pooling window is in one tile. */
typedef struct {
    int64_t size, count, whole;
    int tile;
} fc_tiling;

/* The forward convolution of fc_conv for one group by Winograd F(tile x tile, kernel x kernel),
 * (tile, kernel) one of (4, 3), (2, 3), (2, 5), the first with smaller tiles at the ends; x and y
 * are contiguous, padding is zeros.  The caller checks that the shape qualifies.
 *
 * `sampling`, for 3x3 filters:
 *   SAME    stride 1.
 *   DOWN    stride 2: y has every second pixel.  All tiles have one size.
 *   UP      the gradient of DOWN with respect to the input: x has zeros between its pixels
 *           (pads count them).  All tiles have one size.
 *   SPREAD  the transpose of SAME, its gradient with respect to the input: x, not y, is partitioned
 *           into tiles.  y covers at most the pixels that these contribute to, without their first
 *           pad_top rows and pad_left columns. */
enum { FC_WINO_SAME, FC_WINO_DOWN, FC_WINO_UP, FC_WINO_SPREAD };
enum { FC_WINO_LEVELS = 3 }; /* of components: 0 in all tiles, 1 and 2 only in larger ones */

typedef struct {
    const void *x, *w, *bias; /* w: packed filters */
    const void *residual;     /* added before the activation, laid out as y; NULL: none */
    void *y;
    int64_t batch, in_h, in_w, channels, out_h, out_w, filters, pad_top, pad_left;
    int tile, kernel, sampling, activation;
    double slope;
    int transposed; /* the filters are transposed, as in a gradient */
    /* FC_POOL_*; if set, y holds the pooled 2x2 windows, without incomplete ones, and there is no
     * residual. */
    int pool;
    int threads;
    /* Filled in by fc_plan_winograd. */
    int64_t components, matrices; /* per dimension: of a tile; of the transformed filters */
    fc_tiling rows, cols;
    int64_t tiles, tiles_per_item, tile_items, panels, panels_per_item, panel_items, items;
    int64_t packed_size, pack_channels, pack_chunks, pack_items, scratch_bytes;
    int nontemporal;          /* y is written with non-temporal stores */
    int fetches_filters;      /* prefetch the next filters during the products */
    int fetches_y;            /* prefetch y during the products, before it is written */
    int streams;              /* few tiles, many filters: an item transforms its own filters */
    int in_registers;         /* ... in registers (kernels/winograd_registers.inc) */
    void *v;                  /* if `streams`: the transformed input, `v_size` elements */
    int64_t v_size, transform_items, columns_per_item;
} fc_winograd;

/* The filter gradient of fc_winograd, F(kernel x kernel, tile x tile).  With own_sums, `splits`
 * splits and a reduction; otherwise two phases per block of tiles, with a shared workspace (reasons
 * in kernels/winograd_gradient.inc). */
typedef struct {
    const void *x, *dy;
    void *dw, *db;
    int64_t batch, in_h, in_w, channels, out_h, out_w, filters, pad_top, pad_left;
    int tile, kernel;
    int threads;
    /* Filled in by fc_plan_winograd_gradient; offsets and sizes in elements. */
    fc_tiling rows, cols;
    int64_t components, tiles, tiles_per_block, blocks, tiles_per_item, panels, channels_per_item,
        channel_items;
    int64_t transform_items, product_items, bias_parts; /* bias_parts: sums of dy, added into db */
    int64_t v_offset, y_offset, bias_offset, u_offset, part_size, workspace_size;
    int own_sums;
    int64_t splits, channel_parts, filter_parts, split_items; /* *_parts: of a split's dw */
    int64_t reduce_elements, reduce_items, scratch_bytes;
} fc_winograd_gradient;

/* The gradient with respect to the input as a product followed by a scatter: for few input
 * channels, or small images with much padding.  in_h, in_w and channels are the sizes of dx, out_h,
 * out_w and filters those of dy; one group, column dilation 1. w: packed panels of the transposed
 * filters, (filters) -> (kernel_h, kernel_w, channels). */
typedef struct {
    const void *dy, *w;
    void *dx;
    int64_t batch, in_h, in_w, channels, out_h, out_w, filters;
    int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, pad_top, pad_left;
    /* Filled in by fc_plan_scatter. */
    int64_t width, panels, rows_per_item, row_items, items, packed_size, pack_items, scratch_bytes;
} fc_scatter;

/* y (rows, outputs) from x (rows, inputs) and w (inputs, outputs), and the two gradients. */
typedef struct {
    const void *x, *w, *bias, *dy;
    void *y, *dx, *dw, *db;
    int64_t rows, inputs, outputs;
    int activation;
    double slope;
    fc_activation_gradient activation_gradient; /* used for dx only */
    int threads;
    /* [block][row][output], partial_size elements; for a forward pass of several blocks. */
    void *partial;
    /* Filled in by fc_plan_dense_*. */
    int64_t rows_per_item, row_items, cols_per_item, col_items, items, scratch_bytes;
    /* Forward only: blocks of the reduction, and items of the second phase,
     * which adds their sums. */
    int64_t inputs_per_block, blocks, partial_size, sum_items;
    int narrow; /* use the micro-kernel of convolutions, with rows as pixels */
} fc_dense;

/* The steps of a recurrent layer, LSTM with 4 gates or GRU with 3 (recurrent.inc): y, dy, cells,
 * before and part are (batch, steps, units), gates and inner (batch, steps, gate_count, units),
 * states (batch, units), bias (gate_count, units).  With `reverse`, the last step is first. */
enum { FC_MOST_GATES = 4 };
typedef struct {
    const void *h, *c;    /* the first states; NULL: zeros */
    const void *bias;     /* GRU: of the recurrent product; may be NULL */
    const void *dy;
    const void *dc_last;  /* gradient of the last c; NULL: zeros */
    void *gates;          /* x w + b, or, if `before` is kept, the gates and then their gradients */
    void *y;
    void *cells;          /* LSTM: c after every step; NULL forward: not kept */
    void *before;         /* h before every step, for the gradient; NULL forward: not kept */
    void *part;           /* GRU, beside `before`: h r + bias of n */
    void *inner;          /* GRU: gradients of h r + bias */
    void *dh, *dc;        /* gradients of the first states; may be NULL */
    int64_t batch, steps, units;
    int gate_count, reverse;
    const void *w;        /* packed recurrent weights */
    void *carry;          /* (batch, units) of a workspace: forward c, backward see recurrent.inc */
    /* Filled in by fc_plan_recurrent. */
    int64_t panels, rows_per_item, items, packed_size;
} fc_recurrent;

/* Pooling over windows of (pool_h, pool_w); argmax is uint8 or, for windows of more than 256
 * pixels, int32.  The activation gradient of max pooling has the pooled y as its output: a maximum
 * is an element of x, so x is not needed. */
typedef struct {
    const void *x, *dy;
    void *y, *dx, *argmax;
    int64_t batch, height, width, channels, pool_h, pool_w, out_h, out_w;
    int64_t stride_h, stride_w, pad_top, pad_left;
    int wide_argmax; /* argmax is int32 */
    fc_activation_gradient activation_gradient;
} fc_pool;

/* A linear map, separable by axis: the fields are defined in kernels/resample.inc. */
typedef struct {
    const void *x;
    void *y;
    int rank; /* number of axes of y before the run; at least 1 */
    int64_t size[FC_AXES], run;
    const int64_t *begin[FC_AXES], *offset[FC_AXES], *stretch;
    const double *weight[FC_AXES]; /* NULL: all ones */
    double fill;
} fc_resample;

typedef struct {
    const void *x;
    void *y;
    int64_t rows, columns, tile_rows, tile_columns;
} fc_transpose;

/* An affine map of positions per image, six coefficients each: kernels/warp.inc. */
typedef struct {
    const void *x, *dy;
    void *y, *dx;
    const double *transforms;
    int64_t in_h, in_w, channels, out_h, out_w;
    int bilinear, fill;
    double fill_value;
} fc_warp;

/* A loss over (rows, classes).  Exactly one of `targets` and `labels` is set. */
enum {
    FC_LOSS_SQUARED,
    FC_LOSS_ABSOLUTE,
    FC_LOSS_PERCENTAGE,
    FC_LOSS_LOGARITHMIC,
    FC_LOSS_HUBER,
    FC_LOSS_LOG_COSH,
    FC_LOSS_HINGE,
    FC_LOSS_SQUARED_HINGE,
    FC_LOSS_POISSON,
    FC_LOSS_KL_DIVERGENCE,
    FC_LOSS_BINARY,
    FC_LOSS_BINARY_LOGITS,
    FC_LOSS_BINARY_FOCAL,
    FC_LOSS_BINARY_FOCAL_LOGITS,
    FC_LOSS_CATEGORICAL_HINGE,
    FC_LOSS_COSINE,
    FC_LOSS_CATEGORICAL_FOCAL,
    FC_LOSS_CATEGORICAL_FOCAL_LOGITS,
    FC_LOSS_SOFTMAX_CROSS_ENTROPY,
    FC_LOSS_CROSS_ENTROPY,
};
typedef struct {
    const void *prediction, *targets, *sample_weight;
    const int64_t *labels;
    void *gradient, *probabilities; /* each may be NULL */
    double *loss;                   /* one value per row */
    int64_t rows, classes;
    double scale;       /* factor of every value and gradient: 1 for the mean over rows */
    int kind;           /* FC_LOSS_*; this and the fields below are for loss_row only */
    double a, b;        /* parameters of the kind: kernels/loss_kinds.inc */
    int binary;         /* all targets are 0 or 1: they are mapped to -1 and 1 */
    int ignores;        /* rows with the label `ignore` do not count */
    int64_t ignore;
} fc_loss;

/* y from `count` arrays of one size; see merge.inc. */
enum { FC_ADD, FC_SUBTRACT, FC_MULTIPLY, FC_AVERAGE, FC_MAXIMUM, FC_MINIMUM };
typedef struct {
    int kind, count;
    const void *const *x;
    void *y;
    int relu;
    fc_activation_gradient activation_gradient; /* y is the sum of several gradients */
} fc_merge;

/* Broadcast of x along some axes of y: sizes of y, and strides of x in elements, 0 along a
 * broadcast axis. */
enum { FC_BROADCAST_AXES = 8, FC_REDUCE_CHUNK = 64 /* elements summed at a time */ };
typedef struct {
    void *x, *y;
    int axes;
    int64_t size[FC_BROADCAST_AXES], stride[FC_BROADCAST_AXES];
} fc_broadcast;

/* An optimizer update of parameters w by gradients g; each rule in kernels/optim.inc documents its
 * slots and hyper-parameters. */
enum {
    FC_SGD, FC_RMSPROP, FC_ADAM, FC_NADAM, FC_ADAMAX, FC_ADAGRAD, FC_ADADELTA, FC_LION, FC_FTRL,
    FC_MOVING_AVERAGE, FC_UPDATES
};
enum { FC_UPDATE_SLOTS = 3 };
typedef struct {
    void *w, *slot[FC_UPDATE_SLOTS];
    const void *g;
    double h[6];
} fc_update;
typedef void (*fc_update_rule)(const fc_update *, int64_t begin, int64_t n);

/* Constraint on w (outer, reduced, inner): norms along the middle axis between `low` and `high`. */
typedef struct {
    void *w;
    int64_t outer, reduced, inner;
    double low, high, rate, epsilon;
} fc_norms;

/* Normalization by statistics of channels (channel_norm.inc): x, dy and y (or dx) are (segments,
 * rows, channels), mean and variance (segments, channels / width), gamma, beta, their gradients and
 * bias (channels); those but x may be NULL. */
typedef struct {
    const void *x, *dy, *gamma, *beta, *bias;
    void *y, *mean, *variance, *dgamma, *dbeta;
    void *shift; /* destination of the shift; NULL: the workspace */
    int64_t segments, rows, channels, width;
    double epsilon;
    int activation, scale_only; /* scale_only: y = scale * x */
    double slope;
    /* Filled in by fc_plan_channel_norm. */
    int64_t rows_per_split, splits, panels, sum_items, groups_per_item, group_items, finish_items,
        rows_per_item, row_items;
    int64_t pass_items, sums_bytes, workspace_bytes;
} fc_channel_norm;

/* Normalization of rows (row_norm.inc): x, dy and y (or dx) are (rows, features), statistics
 * (rows, 2), the others (features); gamma, beta, their gradients and dx may be NULL. */
typedef struct {
    const void *x, *dy, *gamma, *beta;
    void *y, *statistics, *dgamma, *dbeta;
    int64_t rows, features;
    double epsilon;
    int unit;
    /* Filled in by fc_plan_row_norm. */
    int64_t rows_per_item, items, rows_per_split, splits, features_per_item, reduce_items,
        workspace_bytes, scratch_bytes;
} fc_row_norm;

/* Normalization by neighbouring channels (response_norm.inc): x, dy and y (or dx) are
 * (rows, channels). */
typedef struct {
    const void *x, *dy;
    void *y;
    int64_t rows, channels, radius;
    double bias, alpha, beta;
    /* Filled in by fc_plan_response_norm; a gradient needs twice the scratch. */
    int64_t rows_per_item, items, scratch_bytes;
} fc_response_norm;

/* The ReLU with trained slopes (prelu.inc): x, dy and y (or dx, may be NULL) are
 * (rows, slopes, inner). */
typedef struct {
    const void *x, *dy, *alpha;
    void *y, *dalpha;
    int64_t rows, slopes, inner;
    /* Filled in by fc_plan_prelu. */
    int64_t rows_per_item, items, rows_per_split, splits, workspace_bytes, scratch_bytes;
} fc_prelu;

#endif

# C declarations of fastconv_kernels.h; schedule/problems.h documents every field.
from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from "fastconv_kernels.h" nogil:
    enum:
        FC_LINEAR, FC_RELU, FC_LEAKY_RELU, FC_SIGMOID, FC_TANH, FC_CLIPPED_RELU
        FC_ELU, FC_SELU, FC_EXPONENTIAL, FC_SOFTPLUS, FC_SOFTSIGN, FC_HARD_SIGMOID
        FC_GELU, FC_GELU_TANH, FC_SILU, FC_HARD_SILU, FC_MISH, FC_BOUNDED_RELU
        FC_CAN_FUSE, FC_ONE_PARAMETER, FC_KEEPS_INPUT
        FC_PAD_ZEROS, FC_PAD_EDGE, FC_PAD_REFLECT
        FC_POOL_NONE, FC_POOL_MAX, FC_POOL_AVERAGE
        FC_WINO_SAME, FC_WINO_DOWN, FC_WINO_UP, FC_WINO_SPREAD
        FC_FILL_CONSTANT, FC_FILL_NEAREST, FC_FILL_REFLECT, FC_FILL_WRAP
        FC_AXES
        FC_ISA_COUNT
        FC_SGD, FC_RMSPROP, FC_ADAM, FC_NADAM, FC_ADAMAX, FC_ADAGRAD, FC_ADADELTA, FC_LION, FC_FTRL,
        FC_MOVING_AVERAGE
        FC_UPDATES, FC_UPDATE_SLOTS

    ctypedef struct fc_activation_gradient:
        const void *output
        int kind
        double slope

    ctypedef struct fc_tiling:
        int64_t size, count, whole
        int tile

    ctypedef struct fc_conv:
        int threads
        const void *x
        const void *w
        const void *bias
        const void *residual
        void *y
        int64_t batch, in_h, in_w, channels, out_h, out_w, filters, groups
        int64_t x_sn, x_sh, x_sw, y_sn, y_sh, y_sw
        int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left
        int padding_mode, activation
        double slope
        int depthwise, pool
        int64_t items, packed_size, scratch_bytes
        int copies_rows, streams, few_filters, pools_registers, panels_outermost
        int64_t taps, run, tap_block, run_block, row_items, col_items, panel_items

    ctypedef struct fc_dot:
        fc_conv conv
        const float *scale
        const void *residual
        float residual_scale, low, high
        int zero_point, wide

    ctypedef struct fc_filter_view:
        const void *w
        int64_t base, sg, skh, skw, sc, sk

    ctypedef struct fc_filter_gradient:
        int threads
        const void *x
        const void *dy
        void *dw
        void *db
        void *partial
        int64_t batch, in_h, in_w, channels, out_h, out_w, filters, groups
        int64_t x_sn, x_sh, x_sw, dy_sn, dy_sh, dy_sw
        int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left
        int depthwise
        int64_t rows_per_block, rows_per_split, splits, items
        int64_t reduce_items, partial_size, scratch_bytes
        int merges_taps, whole, packs_dy, packs_x
        int64_t panel_items, tap_items, run_items

    ctypedef struct fc_winograd:
        int threads
        const void *x
        const void *w
        const void *bias
        const void *residual
        void *y
        int64_t batch, in_h, in_w, channels, out_h, out_w, filters, pad_top, pad_left
        int tile, kernel, sampling, activation, transposed, pool
        double slope
        void *v
        int64_t items, packed_size, pack_items, transform_items, v_size, scratch_bytes
        int streams, in_registers, nontemporal
        int64_t components, tile_items, panel_items
        fc_tiling rows, cols

    ctypedef struct fc_winograd_gradient:
        int threads
        const void *x
        const void *dy
        void *dw
        void *db
        int64_t batch, in_h, in_w, channels, out_h, out_w, filters, pad_top, pad_left
        int tile, kernel
        int64_t tiles_per_block, blocks, transform_items, product_items, workspace_size
        int own_sums
        int64_t splits, split_items, reduce_items, scratch_bytes
        int64_t components, channel_parts, filter_parts
        fc_tiling rows, cols

    ctypedef struct fc_scatter:
        const void *dy
        const void *w
        void *dx
        int64_t batch, in_h, in_w, channels, out_h, out_w, filters
        int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, pad_top, pad_left
        int64_t items, packed_size, pack_items, scratch_bytes
        int64_t row_items

    ctypedef struct fc_dense:
        int threads
        const void *x
        const void *w
        const void *bias
        const void *dy
        void *y
        void *dx
        void *dw
        void *db
        int64_t rows, inputs, outputs
        int activation
        double slope
        fc_activation_gradient activation_gradient
        void *partial
        int64_t items, scratch_bytes, blocks, partial_size, sum_items
        int narrow

    ctypedef struct fc_pool:
        const void *x
        const void *dy
        void *y
        void *dx
        void *argmax
        int64_t batch, height, width, channels, pool_h, pool_w, out_h, out_w
        int64_t stride_h, stride_w, pad_top, pad_left
        int wide_argmax
        fc_activation_gradient activation_gradient

    ctypedef struct fc_resample:
        const void *x
        void *y
        int rank
        int64_t size[8]  # FC_AXES
        int64_t run
        const int64_t *begin[8]
        const int64_t *offset[8]
        const int64_t *stretch
        const double *weight[8]
        double fill

    ctypedef struct fc_transpose:
        const void *x
        void *y
        int64_t rows, columns, tile_rows, tile_columns

    ctypedef struct fc_warp:
        const void *x
        const void *dy
        void *y
        void *dx
        const double *transforms
        int64_t in_h, in_w, channels, out_h, out_w
        int bilinear, fill
        double fill_value

    enum:
        FC_LOSS_SQUARED
        FC_LOSS_ABSOLUTE
        FC_LOSS_PERCENTAGE
        FC_LOSS_LOGARITHMIC
        FC_LOSS_HUBER
        FC_LOSS_LOG_COSH
        FC_LOSS_HINGE
        FC_LOSS_SQUARED_HINGE
        FC_LOSS_POISSON
        FC_LOSS_KL_DIVERGENCE
        FC_LOSS_BINARY
        FC_LOSS_BINARY_LOGITS
        FC_LOSS_BINARY_FOCAL
        FC_LOSS_BINARY_FOCAL_LOGITS
        FC_LOSS_CATEGORICAL_HINGE
        FC_LOSS_COSINE
        FC_LOSS_CATEGORICAL_FOCAL
        FC_LOSS_CATEGORICAL_FOCAL_LOGITS
        FC_LOSS_SOFTMAX_CROSS_ENTROPY
        FC_LOSS_CROSS_ENTROPY

    ctypedef struct fc_loss:
        const void *prediction
        const void *targets
        const void *sample_weight
        const int64_t *labels
        void *gradient
        void *probabilities
        double *loss
        int64_t rows, classes
        double scale
        int kind
        double a, b
        int binary, ignores
        int64_t ignore

    enum:
        FC_ADD
        FC_SUBTRACT
        FC_MULTIPLY
        FC_AVERAGE
        FC_MAXIMUM
        FC_MINIMUM
        FC_BROADCAST_AXES

    ctypedef struct fc_merge:
        int kind, count
        const void *const *x
        void *y
        bint relu
        fc_activation_gradient activation_gradient

    ctypedef struct fc_broadcast:
        void *x
        void *y
        int axes
        int64_t size[8]
        int64_t stride[8]

    ctypedef struct fc_update:
        void *w
        void *slot[3]
        const void *g
        double h[6]

    ctypedef void (*fc_update_rule)(const fc_update *, int64_t, int64_t) noexcept nogil

    ctypedef struct fc_norms:
        void *w
        int64_t outer, reduced, inner
        double low, high, rate, epsilon

    ctypedef struct fc_channel_norm:
        const void *x
        const void *dy
        const void *gamma
        const void *beta
        const void *bias
        void *y
        void *mean
        void *variance
        void *dgamma
        void *dbeta
        void *shift
        int64_t segments, rows, channels, width
        double epsilon
        int activation, scale_only
        double slope
        int64_t panels, sum_items, finish_items, pass_items, workspace_bytes

    ctypedef struct fc_row_norm:
        const void *x
        const void *dy
        const void *gamma
        const void *beta
        void *y
        void *statistics
        void *dgamma
        void *dbeta
        int64_t rows, features
        double epsilon
        int unit
        int64_t items, splits, reduce_items, workspace_bytes, scratch_bytes

    ctypedef struct fc_recurrent:
        const void *h
        const void *c
        const void *bias
        const void *dy
        const void *dc_last
        void *gates
        void *y
        void *cells
        void *before
        void *part
        void *inner
        void *dh
        void *dc
        int64_t batch, steps, units
        int gate_count, reverse
        int64_t panels, rows_per_item, items, packed_size

    ctypedef struct fc_response_norm:
        const void *x
        const void *dy
        void *y
        int64_t rows, channels, radius
        double bias, alpha, beta
        int64_t items, scratch_bytes

    ctypedef struct fc_prelu:
        const void *x
        const void *dy
        const void *alpha
        void *y
        void *dalpha
        int64_t rows, slopes, inner
        int64_t items, splits, workspace_bytes, scratch_bytes

    enum:
        FC_VARIANT_COUNT

    ctypedef struct fc_target:
        int element_size, lanes, panel_vectors, dot
        unsigned forced, forbidden

    enum:
        FC_U8
        FC_BF16
    const char *fc_isa_name(int)
    int fc_isa_base(int)
    int fc_isa_compiled(int)
    int fc_isa_supported(int)

cdef extern from "../schedule/chain.h" nogil:
    enum:
        FC_CHAIN_CODE_COUNT, FC_CHAIN_SLOTS, FC_CHAIN_BLOCK, FC_CHAIN_AXES
        FC_CHAIN_activation, FC_CHAIN_activation_gradient
        FC_SLOT_REGISTER, FC_SLOT_WHOLE, FC_SLOT_SINGLE, FC_SLOT_PERIODIC, FC_SLOT_STRIDED
        FC_SLOT_OUTPUT
        FC_ELEMENT_REAL, FC_ELEMENT_BOOL, FC_ELEMENT_INT32

    ctypedef struct fc_chain_instruction:
        int code
        int kind
        int y
        int x[3]
        double parameters[3]

    ctypedef struct fc_chain_slot:
        int place
        int type
        void *data
        double value
        int64_t scratch, period
        int64_t stride[8]

    ctypedef struct fc_chain:
        const fc_chain_instruction *instruction
        const fc_chain_slot *slot
        int instructions, slots, axes
        int64_t size, block, item
        int64_t shape[8]

cdef extern from "../schedule/algorithm.h" nogil:
    enum:
        FC_FORWARD, FC_BACKWARD_INPUT, FC_BACKWARD_KERNEL
    enum:
        FC_DIRECT, FC_SCATTER, FC_WINOGRAD4, FC_WINOGRAD2, FC_ALGORITHMS
    enum:
        FC_APPLIES, FC_WRONG_PASS, FC_WRONG_KERNEL, FC_WRONG_STRIDES, FC_WRONG_DILATION,
        FC_WRONG_GROUPS, FC_WRONG_PADDING_MODE

    ctypedef struct fc_geometry:
        int64_t batch, height, width, channels, kernel_h, kernel_w, filters, out_h, out_w
        int64_t stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups
        int padding_mode

    ctypedef struct fc_residue:
        int64_t first, count, apart, taps, first_tap, tap_step, dilation, pad, next

cdef extern from "../schedule/cost.h" nogil:
    enum:
        FC_COST_TERM_COUNT

cdef extern from "../schedule/layout.h" nogil:
    int fc_tile_extent(const fc_tiling *, int64_t)

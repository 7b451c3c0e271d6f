# The C side of the seam, as declared in fastconv_kernels.h; the meaning of every field is told there.
from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from "fastconv_kernels.h" nogil:
    enum:
        FC_LINEAR, FC_RELU, FC_LEAKY_RELU, FC_SIGMOID, FC_TANH, FC_CLIPPED_RELU
        FC_ELU, FC_SELU, FC_EXPONENTIAL, FC_SOFTPLUS, FC_SOFTSIGN, FC_HARD_SIGMOID
        FC_GELU, FC_GELU_TANH, FC_SILU, FC_HARD_SILU, FC_MISH, FC_BOUNDED_RELU
        FC_CAN_FUSE, FC_KEEPS_INPUT
        FC_PAD_ZEROS, FC_PAD_EDGE, FC_PAD_REFLECT
        FC_POOL_NONE, FC_POOL_MAX, FC_POOL_AVERAGE
        FC_WINO_SAME, FC_WINO_DOWN, FC_WINO_UP, FC_WINO_SPREAD
        FC_FILL_CONSTANT, FC_FILL_NEAREST, FC_FILL_REFLECT, FC_FILL_WRAP
        FC_AXES
        FC_ISA_COUNT
        FC_SGD, FC_RMSPROP, FC_ADAM, FC_NADAM, FC_ADAMAX, FC_ADAGRAD, FC_ADADELTA, FC_LION, FC_FTRL, FC_MOVING_AVERAGE
        FC_UPDATES, FC_UPDATE_SLOTS

    ctypedef struct fc_undo:
        const void *output
        int activation
        double slope

    ctypedef struct fc_conv:
        int threads
        const void *x
        const void *w
        const void *bias
        void *y
        int64_t batch, in_h, in_w, channels, out_h, out_w, filters, groups
        int64_t x_sn, x_sh, x_sw, y_sn, y_sh, y_sw
        int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left
        int padding_mode, activation
        double slope
        int depthwise, pool
        int64_t items, packed_size, scratch_bytes

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
        int64_t splits, items, reduce_items, partial_size, scratch_bytes

    ctypedef struct fc_winograd:
        int threads
        const void *x
        const void *w
        const void *bias
        void *y
        int64_t batch, in_h, in_w, channels, out_h, out_w, filters, pad_top, pad_left
        int tile, kernel, sampling, activation, transposed, pool
        double slope
        void *v
        int64_t items, packed_size, pack_items, transform_items, v_size, scratch_bytes

    ctypedef struct fc_winograd_gradient:
        int threads
        const void *x
        const void *dy
        void *dw
        void *db
        int64_t batch, in_h, in_w, channels, out_h, out_w, filters, pad_top, pad_left
        int tile, kernel
        int64_t blocks, transform_items, product_items, workspace_size
        int own_sums
        int64_t splits, split_items, reduce_items, scratch_bytes

    ctypedef struct fc_scatter:
        const void *dy
        const void *w
        void *dx
        int64_t batch, in_h, in_w, channels, out_h, out_w, filters
        int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, pad_top, pad_left
        int64_t items, packed_size, pack_items, scratch_bytes

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
        fc_undo undo
        void *partial
        int64_t items, scratch_bytes, blocks, partial_size, sum_items

    ctypedef struct fc_pool:
        const void *x
        const void *dy
        void *y
        void *dx
        void *argmax
        int64_t batch, height, width, channels, pool_h, pool_w, out_h, out_w
        int64_t stride_h, stride_w, pad_top, pad_left
        int wide_argmax
        fc_undo undo

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
        fc_undo undo

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

    ctypedef struct fc_table:
        const char *isa
        int element_size, lanes, panel
        void (*plan_conv)(fc_conv *) noexcept nogil
        int64_t (*pack_items)(const fc_conv *) noexcept nogil
        void (*pack_item)(const fc_conv *, const fc_filter_view *, void *, int64_t) noexcept nogil
        void (*conv_item)(const fc_conv *, int64_t, void *) noexcept nogil
        void (*plan_filter_gradient)(fc_filter_gradient *) noexcept nogil
        void (*filter_gradient_item)(const fc_filter_gradient *, int64_t, void *) noexcept nogil
        void (*filter_gradient_reduce)(const fc_filter_gradient *, int64_t) noexcept nogil
        void (*plan_winograd)(fc_winograd *) noexcept nogil
        void (*winograd_pack_item)(const fc_winograd *, const fc_filter_view *, void *, int64_t, void *) noexcept nogil
        void (*winograd_transform_item)(const fc_winograd *, int64_t, void *) noexcept nogil
        void (*winograd_item)(const fc_winograd *, const fc_filter_view *, int64_t, void *) noexcept nogil
        void (*plan_winograd_gradient)(fc_winograd_gradient *) noexcept nogil
        void (*winograd_gradient_begin)(const fc_winograd_gradient *, void *) noexcept nogil
        void (*winograd_gradient_split)(const fc_winograd_gradient *, void *, int64_t, void *) noexcept nogil
        void (*winograd_gradient_reduce)(const fc_winograd_gradient *, void *, int64_t) noexcept nogil
        void (*winograd_gradient_transform)(const fc_winograd_gradient *, void *, int64_t, int64_t) noexcept nogil
        void (*winograd_gradient_product)(const fc_winograd_gradient *, void *, int64_t, int64_t, void *) noexcept nogil
        void (*plan_scatter)(fc_scatter *) noexcept nogil
        void (*scatter_pack_item)(const fc_scatter *, const void *, void *, int64_t) noexcept nogil
        void (*scatter_item)(const fc_scatter *, int64_t, void *) noexcept nogil
        void (*plan_dense_forward)(fc_dense *) noexcept nogil
        void (*dense_forward_item)(const fc_dense *, int64_t, void *) noexcept nogil
        void (*dense_sum_item)(const fc_dense *, int64_t) noexcept nogil
        void (*plan_dense_backward_input)(fc_dense *) noexcept nogil
        void (*dense_backward_input_item)(const fc_dense *, int64_t, void *) noexcept nogil
        void (*plan_dense_backward_kernel)(fc_dense *) noexcept nogil
        void (*dense_backward_kernel_item)(const fc_dense *, int64_t, void *) noexcept nogil
        void (*plan_dense_update)(fc_dense *) noexcept nogil
        void (*dense_update_item)(const fc_dense *, const fc_update *, fc_update_rule, int64_t, void *) noexcept nogil
        int64_t (*pool_backward_items)(const fc_pool *) noexcept nogil
        void (*max_pool_item)(const fc_pool *, int64_t) noexcept nogil
        void (*max_pool_backward_item)(const fc_pool *, int64_t) noexcept nogil
        void (*average_pool_item)(const fc_pool *, int64_t) noexcept nogil
        void (*average_pool_backward_item)(const fc_pool *, int64_t) noexcept nogil
        void (*activation)(int, const double *, const void *, void *, int64_t) noexcept nogil
        void (*activation_backward)(int, const double *, const void *, const void *, void *, int64_t) noexcept nogil
        void (*softmax)(const void *, void *, int64_t, int64_t) noexcept nogil
        void (*softmax_backward)(const void *, const void *, void *, int64_t, int64_t) noexcept nogil
        void (*log_softmax)(const void *, void *, int64_t, int64_t) noexcept nogil
        void (*log_softmax_backward)(const void *, const void *, void *, int64_t, int64_t) noexcept nogil
        void (*softmax_cross_entropy_row)(const fc_loss *, int64_t) noexcept nogil
        void (*cross_entropy_row)(const fc_loss *, int64_t) noexcept nogil
        void (*mean_squared_error_row)(const fc_loss *, int64_t) noexcept nogil
        void (*loss_row)(const fc_loss *, int64_t) noexcept nogil
        void (*dropout)(const void *, void *, int64_t, int64_t, double, uint64_t) noexcept nogil
        void (*plan_channel_norm)(fc_channel_norm *) noexcept nogil
        void (*channel_scale_item)(const fc_channel_norm *, void *, int64_t) noexcept nogil
        void (*channel_affine_item)(const fc_channel_norm *, void *, int64_t) noexcept nogil
        void (*channel_moments_item)(const fc_channel_norm *, void *, int64_t) noexcept nogil
        void (*channel_moments_finish)(const fc_channel_norm *, void *, int64_t) noexcept nogil
        void (*channel_gradient_item)(const fc_channel_norm *, void *, int64_t) noexcept nogil
        void (*channel_gradient_finish)(const fc_channel_norm *, void *, int64_t) noexcept nogil
        void (*channel_gradient_parameters)(const fc_channel_norm *, void *, int64_t) noexcept nogil
        void (*channel_gradient_pass)(const fc_channel_norm *, void *, int64_t) noexcept nogil
        void (*plan_row_norm)(fc_row_norm *) noexcept nogil
        void (*row_norm_item)(const fc_row_norm *, int64_t) noexcept nogil
        void (*row_norm_gradient_item)(const fc_row_norm *, void *, int64_t, void *) noexcept nogil
        void (*row_norm_gradient_reduce)(const fc_row_norm *, const void *, int64_t) noexcept nogil
        void (*plan_response_norm)(fc_response_norm *) noexcept nogil
        void (*response_norm_item)(const fc_response_norm *, int64_t, void *) noexcept nogil
        void (*response_norm_gradient_item)(const fc_response_norm *, int64_t, void *) noexcept nogil
        void (*plan_prelu)(fc_prelu *) noexcept nogil
        void (*prelu_item)(const fc_prelu *, int64_t) noexcept nogil
        void (*prelu_gradient_item)(const fc_prelu *, void *, int64_t, void *) noexcept nogil
        void (*prelu_gradient_reduce)(const fc_prelu *, const void *, int64_t) noexcept nogil
        void (*merge)(const fc_merge *, int64_t, int64_t) noexcept nogil
        void (*merge_backward)(const fc_merge *, int, const void *, void *, int64_t, int64_t) noexcept nogil
        void (*scale)(double, const void *, void *, int64_t) noexcept nogil
        void (*broadcast_item)(const fc_broadcast *, int64_t) noexcept nogil
        int64_t (*broadcast_backward_items)(const fc_broadcast *) noexcept nogil
        void (*broadcast_backward_item)(const fc_broadcast *, int64_t) noexcept nogil
        void (*resample_item)(const fc_resample *, int64_t) noexcept nogil
        void (*transpose_item)(const fc_transpose *, int64_t) noexcept nogil
        void (*warp_item)(const fc_warp *, int64_t) noexcept nogil
        void (*warp_backward_item)(const fc_warp *, int64_t) noexcept nogil
        void (*scale_shift)(const void *, const void *, const void *, void *, int64_t) noexcept nogil
        void (*masked_run)(const void *, const void *, int, void *, int64_t) noexcept nogil
        void (*column_sums)(const void *, int64_t, int64_t, double, void *) noexcept nogil
        void (*column_max)(const void *, int64_t, int64_t, void *, void *) noexcept nogil
        void (*join_max)(const void *, int64_t, int64_t, int64_t, void *, int32_t *) noexcept nogil
        void (*gaussian)(const void *, void *, int64_t, int64_t, double, uint64_t, int) noexcept nogil
        fc_update_rule update[FC_UPDATES]
        double (*penalty)(const void *, void *, int64_t, double, double, double) noexcept nogil
        void (*limit_norms)(const fc_norms *, int64_t, int64_t, int64_t) noexcept nogil
        double (*fma_loop)(int64_t) noexcept nogil

    const char *fc_isa_name(int)
    int fc_isa_compiled(int)
    int fc_isa_supported(int)
    const fc_table *fc_get_table(int, int)

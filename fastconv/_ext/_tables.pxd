# Written by make_tables.py from the lists in schedule.h and fastconv_kernels.h.
from libc.stdint cimport int32_t, int64_t, uint64_t

from fastconv._ext._kernels cimport (
    FC_UPDATES,
    fc_broadcast,
    fc_chain,
    fc_channel_norm,
    fc_conv,
    fc_dense,
    fc_dot,
    fc_filter_gradient,
    fc_filter_view,
    fc_geometry,
    fc_loss,
    fc_merge,
    fc_norms,
    fc_pool,
    fc_prelu,
    fc_recurrent,
    fc_resample,
    fc_residue,
    fc_response_norm,
    fc_row_norm,
    fc_scatter,
    fc_target,
    fc_transpose,
    fc_update,
    fc_update_rule,
    fc_warp,
    fc_winograd,
    fc_winograd_gradient,
)

cdef extern from "../schedule/schedule.h" nogil:
    ctypedef struct fc_schedule:
        void (*plan_conv)(const fc_target *, fc_conv *) noexcept nogil
        int64_t (*pack_items)(const fc_conv *) noexcept nogil
        void (*plan_dot)(const fc_target *, fc_conv *) noexcept nogil
        void (*plan_filter_gradient)(const fc_target *, fc_filter_gradient *) noexcept nogil
        void (*plan_winograd)(const fc_target *, fc_winograd *) noexcept nogil
        void (*plan_winograd_gradient)(const fc_target *, fc_winograd_gradient *) noexcept nogil
        void (*plan_scatter)(const fc_target *, fc_scatter *) noexcept nogil
        void (*plan_dense_forward)(const fc_target *, fc_dense *) noexcept nogil
        void (*plan_dense_backward_input)(const fc_target *, fc_dense *) noexcept nogil
        void (*plan_dense_backward_kernel)(const fc_target *, fc_dense *) noexcept nogil
        void (*plan_dense_update)(const fc_target *, fc_dense *) noexcept nogil
        void (*plan_recurrent)(const fc_target *, fc_recurrent *) noexcept nogil
        int64_t (*pool_backward_items)(const fc_pool *) noexcept nogil
        void (*plan_channel_norm)(const fc_target *, fc_channel_norm *) noexcept nogil
        void (*plan_row_norm)(const fc_target *, fc_row_norm *) noexcept nogil
        void (*plan_response_norm)(const fc_target *, fc_response_norm *) noexcept nogil
        void (*plan_prelu)(const fc_target *, fc_prelu *) noexcept nogil
        int (*is_depthwise)(const fc_geometry *) noexcept nogil
        int64_t (*residue_end)(int64_t, int64_t) noexcept nogil
        fc_residue (*residue_from)(
            int64_t, int64_t, int64_t, int64_t, int64_t, int64_t
        ) noexcept nogil
        void (*describe_forward)(const fc_geometry *, fc_conv *, fc_filter_view *) noexcept nogil
        void (*describe_backward_input)(
            const fc_geometry *, int64_t, int64_t, fc_conv *, fc_filter_view *, int64_t *
        ) noexcept nogil
        void (*describe_backward_kernel)(const fc_geometry *, fc_filter_gradient *) noexcept nogil
        void (*describe_scatter)(const fc_geometry *, fc_scatter *) noexcept nogil
        void (*describe_winograd)(
            const fc_target *, const fc_geometry *, int, int, fc_winograd *, fc_filter_view *
        ) noexcept nogil
        void (*describe_winograd_gradient)(
            const fc_geometry *, int, fc_winograd_gradient *
        ) noexcept nogil
        int (*obstacle)(const fc_geometry *, int, int) noexcept nogil
        void (*cost_amounts)(
            const fc_target *, const fc_geometry *, int, int, int, double *
        ) noexcept nogil
        double (*cost)(const fc_target *, const fc_geometry *, int, int, int) noexcept nogil
        int (*choose_algorithm)(
            const fc_target *, const fc_geometry *, int, int, int
        ) noexcept nogil
    const fc_schedule fc_schedules

cdef extern from "fastconv_kernels.h" nogil:
    ctypedef struct fc_table:
        const char *isa
        fc_target target
        fc_update_rule update[FC_UPDATES]
        void (*pack_item)(
            const fc_conv *, const fc_filter_view *, void *packed, int64_t item
        ) noexcept nogil
        void (*conv_item)(const fc_conv *, int64_t item, void *scratch) noexcept nogil
        void (*filter_gradient_item)(
            const fc_filter_gradient *, int64_t item, void *scratch
        ) noexcept nogil
        void (*filter_gradient_reduce)(const fc_filter_gradient *, int64_t item) noexcept nogil
        void (*winograd_pack_item)(
            const fc_winograd *, const fc_filter_view *, void *packed, int64_t item, void *scratch
        ) noexcept nogil
        void (*winograd_transform_item)(
            const fc_winograd *, int64_t item, void *scratch
        ) noexcept nogil
        void (*winograd_item)(
            const fc_winograd *, const fc_filter_view *, int64_t item, void *scratch
        ) noexcept nogil
        void (*winograd_gradient_begin)(
            const fc_winograd_gradient *, void *workspace
        ) noexcept nogil
        void (*winograd_gradient_split)(
            const fc_winograd_gradient *, void *workspace, int64_t split, void *scratch
        ) noexcept nogil
        void (*winograd_gradient_reduce)(
            const fc_winograd_gradient *, void *workspace, int64_t item
        ) noexcept nogil
        void (*winograd_gradient_transform)(
            const fc_winograd_gradient *, void *workspace, int64_t block, int64_t item
        ) noexcept nogil
        void (*winograd_gradient_product)(
            const fc_winograd_gradient *, void *workspace, int64_t block, int64_t item, void
            *scratch
        ) noexcept nogil
        void (*scatter_pack_item)(
            const fc_scatter *, const void *w, void *packed, int64_t item
        ) noexcept nogil
        void (*scatter_item)(const fc_scatter *, int64_t item, void *scratch) noexcept nogil
        void (*dense_forward_item)(const fc_dense *, int64_t item, void *scratch) noexcept nogil
        void (*dense_sum_item)(const fc_dense *, int64_t item) noexcept nogil
        void (*dense_backward_input_item)(
            const fc_dense *, int64_t item, void *scratch
        ) noexcept nogil
        void (*dense_backward_kernel_item)(
            const fc_dense *, int64_t item, void *scratch
        ) noexcept nogil
        void (*dense_update_item)(
            const fc_dense *, const fc_update *, fc_update_rule, int64_t item, void *scratch
        ) noexcept nogil
        void (*recurrent_pack_item)(
            const fc_recurrent *, const void *weights, int transposed, void *packed, int64_t panel
        ) noexcept nogil
        void (*recurrent_item)(const fc_recurrent *, int64_t step, int64_t item) noexcept nogil
        void (*recurrent_gradient_item)(
            const fc_recurrent *, int64_t step, int64_t item
        ) noexcept nogil
        void (*max_pool_item)(const fc_pool *, int64_t item) noexcept nogil
        void (*max_pool_backward_item)(const fc_pool *, int64_t item) noexcept nogil
        void (*average_pool_item)(const fc_pool *, int64_t item) noexcept nogil
        void (*average_pool_backward_item)(const fc_pool *, int64_t item) noexcept nogil
        void (*activation_pass)(
            int kind, const double *parameters, const void *x, void *y, int64_t n
        ) noexcept nogil
        void (*activation_backward_pass)(
            int kind, const double *parameters, const void *saved, const void *dy, void *dx, int64_t
            n
        ) noexcept nogil
        void (*softmax)(const void *x, void *y, int64_t rows, int64_t classes) noexcept nogil
        void (*softmax_backward)(
            const void *y, const void *dy, void *dx, int64_t rows, int64_t classes
        ) noexcept nogil
        void (*log_softmax)(const void *x, void *y, int64_t rows, int64_t classes) noexcept nogil
        void (*log_softmax_backward)(
            const void *y, const void *dy, void *dx, int64_t rows, int64_t classes
        ) noexcept nogil
        void (*softmax_cross_entropy_row)(const fc_loss *, int64_t row) noexcept nogil
        void (*cross_entropy_row)(const fc_loss *, int64_t row) noexcept nogil
        void (*mean_squared_error_row)(const fc_loss *, int64_t row) noexcept nogil
        void (*loss_row)(const fc_loss *, int64_t row) noexcept nogil
        void (*dropout)(
            const void *x, void *y, int64_t begin, int64_t n, double rate, uint64_t key
        ) noexcept nogil
        void (*channel_scale_item)(
            const fc_channel_norm *, void *workspace, int64_t item
        ) noexcept nogil
        void (*channel_affine_item)(
            const fc_channel_norm *, void *workspace, int64_t item
        ) noexcept nogil
        void (*channel_moments_item)(
            const fc_channel_norm *, void *workspace, int64_t item
        ) noexcept nogil
        void (*channel_moments_finish)(
            const fc_channel_norm *, void *workspace, int64_t item
        ) noexcept nogil
        void (*channel_gradient_item)(
            const fc_channel_norm *, void *workspace, int64_t item
        ) noexcept nogil
        void (*channel_gradient_finish)(
            const fc_channel_norm *, void *workspace, int64_t item
        ) noexcept nogil
        void (*channel_gradient_parameters)(
            const fc_channel_norm *, void *workspace, int64_t item
        ) noexcept nogil
        void (*channel_gradient_pass)(
            const fc_channel_norm *, void *workspace, int64_t item
        ) noexcept nogil
        void (*row_norm_item)(const fc_row_norm *, int64_t item) noexcept nogil
        void (*row_norm_gradient_item)(
            const fc_row_norm *, void *workspace, int64_t item, void *scratch
        ) noexcept nogil
        void (*row_norm_gradient_reduce)(
            const fc_row_norm *, const void *workspace, int64_t item
        ) noexcept nogil
        void (*response_norm_item)(
            const fc_response_norm *, int64_t item, void *scratch
        ) noexcept nogil
        void (*response_norm_gradient_item)(
            const fc_response_norm *, int64_t item, void *scratch
        ) noexcept nogil
        void (*prelu_item)(const fc_prelu *, int64_t item) noexcept nogil
        void (*prelu_gradient_item)(
            const fc_prelu *, void *workspace, int64_t item, void *scratch
        ) noexcept nogil
        void (*prelu_gradient_reduce)(
            const fc_prelu *, const void *workspace, int64_t slope
        ) noexcept nogil
        void (*merge)(const fc_merge *, int64_t begin, int64_t n) noexcept nogil
        void (*merge_backward)(
            const fc_merge *, int index, const void *dy, void *dx, int64_t begin, int64_t n
        ) noexcept nogil
        void (*chain_item)(const fc_chain *, int64_t item, void *scratch) noexcept nogil
        void (*scale)(double factor, const void *x, void *y, int64_t n) noexcept nogil
        void (*broadcast_item)(const fc_broadcast *, int64_t item) noexcept nogil
        int64_t (*broadcast_backward_items)(const fc_broadcast *) noexcept nogil
        void (*broadcast_backward_item)(const fc_broadcast *, int64_t item) noexcept nogil
        void (*resample_item)(const fc_resample *, int64_t row) noexcept nogil
        void (*transpose_item)(const fc_transpose *, int64_t tile) noexcept nogil
        void (*warp_item)(const fc_warp *, int64_t row) noexcept nogil
        void (*warp_backward_item)(const fc_warp *, int64_t image) noexcept nogil
        void (*scale_shift)(
            const void *x, const void *scale, const void *shift, void *y, int64_t n
        ) noexcept nogil
        void (*masked_run)(const void *x, const void *m, int one, void *y, int64_t n) noexcept nogil
        void (*column_sums)(
            const void *x, int64_t rows, int64_t channels, double scale, void *y
        ) noexcept nogil
        void (*column_max)(
            const void *x, int64_t rows, int64_t channels, void *best, void *where
        ) noexcept nogil
        void (*join_max)(
            const void *parts, int64_t blocks, int64_t block, int64_t channels, void *y, int32_t
            *argmax
        ) noexcept nogil
        void (*gaussian)(
            const void *x, void *y, int64_t begin, int64_t n, double stddev, uint64_t key, int
            multiply
        ) noexcept nogil
        double (*penalty)(
            const void *x, void *g, int64_t n, double l1, double l2, double scale
        ) noexcept nogil
        void (*limit_norms)(
            const fc_norms *, int64_t outer, int64_t begin, int64_t n
        ) noexcept nogil
        double (*fma_loop)(int64_t iterations) noexcept nogil
    ctypedef struct fc_dot_table:
        const char *isa
        fc_target target
        void (*dot_pack_item)(
            const fc_dot *, const fc_filter_view *, void *packed, int64_t item
        ) noexcept nogil
        void (*dot_item)(const fc_dot *, int64_t item, void *scratch) noexcept nogil
        void (*quantize)(
            const void *x, void *y, int64_t n, double scale, int zero_point
        ) noexcept nogil
        void (*dequantize)(
            const void *x, void *y, int64_t n, double scale, int zero_point
        ) noexcept nogil
        void (*quantized_max_pool_item)(const fc_pool *, int64_t item) noexcept nogil
        double (*dot_loop)(int64_t iterations) noexcept nogil
    const fc_table *fc_get_table(int, int)
    const fc_dot_table *fc_get_dot_table(int, int)

# Written by make_tables.py from the list in operations.h.
from libc.stdint cimport int64_t

from fastconv._ext._kernels cimport fc_geometry
from fastconv._ext._operations cimport (
    fc_activation_op,
    fc_broadcast_op,
    fc_chain_op,
    fc_channel_norm_op,
    fc_columns_op,
    fc_dense_op,
    fc_direct_op,
    fc_dot_op,
    fc_dot_table,
    fc_dropout_op,
    fc_filter_gradient_op,
    fc_filter_op,
    fc_frozen_norm_op,
    fc_gaussian_op,
    fc_limit_op,
    fc_loss_op,
    fc_masked_op,
    fc_merge_op,
    fc_op,
    fc_penalty_op,
    fc_pieces_op,
    fc_pool_op,
    fc_prelu_op,
    fc_quantize_op,
    fc_recurrent_op,
    fc_reduce_op,
    fc_resample_op,
    fc_response_norm_op,
    fc_row_norm_op,
    fc_rule,
    fc_run,
    fc_scale_op,
    fc_scale_shift_op,
    fc_scatter_op,
    fc_softmax_op,
    fc_transpose_op,
    fc_update_op,
    fc_warp_op,
    fc_winograd_gradient_op,
    fc_winograd_op,
)

cdef extern from "../operations/operations.h" nogil:
    ctypedef struct fc_operation_table:
        int (*threads_for)(int num_threads, double work) noexcept nogil
        void (*fit)(fc_op *, int num_threads) noexcept nogil
        int (*threads_of)(const fc_op *, int num_threads) noexcept nogil
        int64_t (*chunk)(int64_t items, int threads) noexcept nogil
        int (*team_for)(fc_op *const *ops, int64_t count, int num_threads) noexcept nogil
        int64_t (*size_run)(
            fc_run *, fc_op *const *ops, int64_t count, int num_threads
        ) noexcept nogil
        void (*begin_run)(fc_run *, void *workspace) noexcept nogil
        void (*run_member)(const fc_run *, int rank, int size) noexcept nogil
        void (*run_share)(
            const fc_run *, int64_t index, int phase, int rank, int size
        ) noexcept nogil
        void (*freeze_filters)(fc_filter_op *, char *memory) noexcept nogil
        void (*read_hyper)(fc_rule *) noexcept nogil
        int (*input_parts)(const fc_geometry *) noexcept nogil
        void (*describe_direct_forward)(fc_direct_op *, const fc_geometry *) noexcept nogil
        void (*describe_direct_input)(fc_direct_op *, const fc_geometry *) noexcept nogil
        void (*place_direct)(
            fc_direct_op *, const void *x, const void *w, const void *bias, void *y
        ) noexcept nogil
        void (*prepare_direct)(fc_direct_op *) noexcept nogil
        void (*prepare_scatter)(fc_scatter_op *) noexcept nogil
        void (*prepare_winograd)(fc_winograd_op *) noexcept nogil
        void (*prepare_filter_gradient)(fc_filter_gradient_op *) noexcept nogil
        void (*prepare_dot)(fc_dot_op *) noexcept nogil
        void (*prepare_quantize)(fc_quantize_op *) noexcept nogil
        void (*prepare_dequantize)(fc_quantize_op *) noexcept nogil
        void (*prepare_quantized_max_pool)(fc_pool_op *, const fc_dot_table *) noexcept nogil
        void (*prepare_winograd_gradient)(fc_winograd_gradient_op *) noexcept nogil
        void (*prepare_dense_forward)(fc_dense_op *) noexcept nogil
        void (*prepare_dense_backward_input)(fc_dense_op *) noexcept nogil
        void (*prepare_dense_backward_kernel)(fc_dense_op *) noexcept nogil
        void (*prepare_dense_update)(fc_dense_op *) noexcept nogil
        void (*prepare_recurrent)(fc_recurrent_op *) noexcept nogil
        void (*prepare_recurrent_backward)(fc_recurrent_op *) noexcept nogil
        void (*prepare_max_pool)(fc_pool_op *) noexcept nogil
        void (*prepare_max_pool_backward)(fc_pool_op *) noexcept nogil
        void (*prepare_average_pool)(fc_pool_op *) noexcept nogil
        void (*prepare_average_pool_backward)(fc_pool_op *) noexcept nogil
        void (*prepare_activation)(fc_activation_op *) noexcept nogil
        void (*prepare_activation_backward)(fc_activation_op *) noexcept nogil
        void (*prepare_dropout)(fc_dropout_op *) noexcept nogil
        void (*prepare_dropout_backward)(fc_dropout_op *) noexcept nogil
        void (*prepare_softmax)(fc_softmax_op *) noexcept nogil
        void (*prepare_softmax_backward)(fc_softmax_op *) noexcept nogil
        void (*prepare_gaussian)(fc_gaussian_op *) noexcept nogil
        void (*prepare_softmax_cross_entropy)(fc_loss_op *) noexcept nogil
        void (*prepare_cross_entropy)(fc_loss_op *) noexcept nogil
        void (*prepare_mean_squared_error)(fc_loss_op *) noexcept nogil
        void (*prepare_loss)(fc_loss_op *) noexcept nogil
        void (*prepare_update)(fc_update_op *) noexcept nogil
        void (*prepare_penalty)(fc_penalty_op *) noexcept nogil
        void (*prepare_limit_norms)(fc_limit_op *) noexcept nogil
        void (*prepare_channel_norm)(fc_channel_norm_op *) noexcept nogil
        void (*prepare_channel_norm_backward)(fc_channel_norm_op *) noexcept nogil
        void (*prepare_frozen_norm)(fc_frozen_norm_op *) noexcept nogil
        void (*prepare_folded_norm)(fc_frozen_norm_op *) noexcept nogil
        void (*prepare_row_norm)(fc_row_norm_op *) noexcept nogil
        void (*prepare_row_norm_backward)(fc_row_norm_op *) noexcept nogil
        void (*prepare_response_norm)(fc_response_norm_op *) noexcept nogil
        void (*prepare_response_norm_backward)(fc_response_norm_op *) noexcept nogil
        void (*prepare_prelu)(fc_prelu_op *) noexcept nogil
        void (*prepare_prelu_backward)(fc_prelu_op *) noexcept nogil
        void (*prepare_merge)(fc_merge_op *) noexcept nogil
        void (*prepare_merge_backward)(fc_merge_op *) noexcept nogil
        void (*prepare_scale)(fc_scale_op *) noexcept nogil
        void (*prepare_concatenate)(fc_pieces_op *) noexcept nogil
        void (*prepare_split)(fc_pieces_op *) noexcept nogil
        void (*prepare_repeat)(fc_broadcast_op *) noexcept nogil
        void (*prepare_repeat_backward)(fc_broadcast_op *) noexcept nogil
        void (*prepare_resample)(fc_resample_op *) noexcept nogil
        void (*prepare_transpose)(fc_transpose_op *) noexcept nogil
        void (*prepare_warp)(fc_warp_op *) noexcept nogil
        void (*prepare_warp_backward)(fc_warp_op *) noexcept nogil
        void (*prepare_scale_shift)(fc_scale_shift_op *) noexcept nogil
        void (*prepare_masked)(fc_masked_op *) noexcept nogil
        void (*prepare_column_sums)(fc_reduce_op *) noexcept nogil
        void (*prepare_column_max)(fc_reduce_op *) noexcept nogil
        void (*prepare_column_max_backward)(fc_reduce_op *) noexcept nogil
        void (*prepare_im2col)(fc_columns_op *) noexcept nogil
        void (*prepare_col2im)(fc_columns_op *) noexcept nogil
        void (*prepare_chain)(fc_chain_op *) noexcept nogil
    const fc_operation_table fc_operations

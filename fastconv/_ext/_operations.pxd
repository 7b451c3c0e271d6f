# C declarations of operations/run.h and operations/operations.h, which document every field.
from libc.stdint cimport int32_t, int64_t, uint64_t

from fastconv._ext._kernels cimport (
    fc_broadcast,
    fc_chain,
    fc_chain_slot,
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
from fastconv._ext._tables cimport fc_dot_table, fc_table

cdef extern from "../operations/operations.h" nogil:
    ctypedef struct fc_op

    ctypedef struct fc_op_kind:
        void (*fit)(fc_op *, int) noexcept nogil
        int64_t (*phase_items)(const fc_op *, int) noexcept nogil
        int (*is_apart)(const fc_op *, int) noexcept nogil

    ctypedef struct fc_op:
        const fc_op_kind *kind
        const fc_table *table
        fc_target target
        double work
        int phases
        int64_t shared_bytes, scratch_bytes
        int fitted, threads

    ctypedef struct fc_team:
        int64_t waited, finished

    ctypedef struct fc_run:
        int threads
        fc_team *team
        int flushes_denormals

    ctypedef struct fc_filter_op:
        fc_op op
        int64_t filters_end, filter_bytes, other_bytes
        int frozen, is_packed, packs_apart

    ctypedef struct fc_direct_part:
        fc_conv problem

    ctypedef struct fc_direct_op:
        fc_filter_op filters
        int count
        fc_direct_part *parts

    ctypedef struct fc_scatter_op:
        fc_filter_op filters
        fc_scatter problem
        const void *w

    ctypedef struct fc_winograd_op:
        fc_filter_op filters
        fc_winograd problem
        fc_filter_view view

    ctypedef struct fc_filter_gradient_op:
        fc_op op
        fc_filter_gradient problem

    ctypedef struct fc_winograd_gradient_op:
        fc_op op
        fc_winograd_gradient problem

    ctypedef struct fc_rule:
        fc_update problem
        fc_update_rule apply
        const double *hyper
        int64_t hyper_size

    ctypedef struct fc_stretch_op:
        fc_op op
        int64_t size

    ctypedef struct fc_dot_op:
        fc_filter_op filters
        fc_dot problem
        fc_filter_view view
        const fc_dot_table *kernels

    ctypedef struct fc_quantize_op:
        fc_stretch_op stretch
        const char *x
        char *y
        double scale
        int zero_point
        const fc_dot_table *kernels

    ctypedef struct fc_update_op:
        fc_stretch_op stretch
        fc_rule *rule

    ctypedef struct fc_penalty_op:
        fc_stretch_op stretch
        const char *x
        char *g
        double *value
        double l1, l2, scale
        double *parts

    ctypedef struct fc_limit_op:
        fc_op op
        fc_norms problem

    ctypedef struct fc_dense_op:
        fc_op op
        fc_dense problem
        fc_rule *rule

    ctypedef struct fc_pool_op:
        fc_op op
        fc_pool problem

    ctypedef struct fc_activation_op:
        fc_stretch_op stretch
        int kind
        double parameters[3]
        const char *x
        const char *dy
        char *y

    ctypedef struct fc_dropout_op

    ctypedef struct fc_dropout_op:
        fc_stretch_op stretch
        const char *x
        char *y
        double rate
        uint64_t seed, draws
        int64_t first
        const fc_dropout_op *mask

    ctypedef struct fc_softmax_op:
        fc_op op
        int64_t rows, classes
        const char *x
        const char *dy
        char *y
        int is_log

    ctypedef struct fc_gaussian_op:
        fc_stretch_op stretch
        const char *x
        char *y
        double stddev
        uint64_t seed, draws
        int64_t first
        int multiply

    ctypedef struct fc_loss_op:
        fc_op op
        fc_loss problem
        int summed

    ctypedef struct fc_channel_norm_op:
        fc_op op
        fc_channel_norm problem

    ctypedef struct fc_frozen_norm_op:
        fc_filter_op filters
        fc_channel_norm problem

    ctypedef struct fc_row_norm_op:
        fc_op op
        fc_row_norm problem

    ctypedef struct fc_response_norm_op:
        fc_op op
        fc_response_norm problem

    ctypedef struct fc_prelu_op:
        fc_op op
        fc_prelu problem

    ctypedef struct fc_merge_op:
        fc_stretch_op stretch
        fc_merge problem
        int index
        const char *dy
        char *dx

    ctypedef struct fc_scale_op:
        fc_stretch_op stretch
        double factor
        const char *x
        char *y

    ctypedef struct fc_pieces_op:
        fc_op op
        char *whole
        char **pieces
        const int64_t *widths
        int count
        int64_t rows, width

    ctypedef struct fc_broadcast_op:
        fc_op op
        fc_broadcast problem

    ctypedef struct fc_recurrent_op:
        fc_filter_op filters
        fc_recurrent problem
        const void *r

    ctypedef struct fc_resample_op:
        fc_op op
        fc_resample problem

    ctypedef struct fc_transpose_op:
        fc_op op
        fc_transpose problem
        int64_t batch

    ctypedef struct fc_warp_op:
        fc_op op
        fc_warp problem
        int64_t batch

    ctypedef struct fc_scale_shift_op:
        fc_op op
        int64_t size, channels, period
        const char *x
        char *y
        const char *factors[2]
        char *repeated[2]

    ctypedef struct fc_masked_op:
        fc_op op
        int64_t rows, length
        int rank, one
        int64_t size[8]  # FC_AXES
        int64_t stride[8]
        const char *x
        const char *mask
        char *y

    ctypedef struct fc_reduce_op:
        fc_op op
        int64_t batch, rows, channels, block
        const char *x
        char *y
        double scale
        int32_t *argmax

    ctypedef struct fc_columns_op:
        fc_op op
        fc_geometry geometry
        void *x
        void *columns

    ctypedef struct fc_chain_op:
        fc_op op
        fc_chain problem
        fc_chain_slot *slot

/* schedule.h: how a pass is cut into items, which variant runs, and how much memory it needs.
 *
 * Deciding and computing are apart.  A schedule takes the geometry of one pass (the first half of a
 * problem struct in problems.h) and the facts of a target (target.h), and fills in the second half:
 * algorithm variant, blocks, items, sizes of packed filters and scratch.  Kernels (../kernels) read
 * those fields and decide nothing.  So a schedule can be read, tested and printed without running a
 * kernel, on any machine for any target.
 *
 *     geometry + fc_target  ->  fc_plan_conv, ...  ->  items, variant, scratch bytes  ->  kernels
 *
 * Two rules hold for all of them.  The order of every sum depends on the shape and the target
 * alone, never on the number of threads, so results have the same bits at every thread count.
 * `threads` only decides how many items share out the elements.  This folder is plain C11, compiled
 * once with baseline flags; it does no arithmetic on data. */
#ifndef FASTCONV_SCHEDULE_H
#define FASTCONV_SCHEDULE_H

#include "algorithm.h"
#include "cost.h"
#include "geometry.h"
#include "problems.h"
#include "target.h"

/* X(type, name, arguments) for every function of this folder.  The prototypes `fc_<name>`,
 * the table `fc_schedule` and its declaration for Cython follow from this list. */
#define FC_SCHEDULES(X) \
    X(void, plan_conv, (const fc_target *, fc_conv *)) \
    X(int64_t, pack_items, (const fc_conv *)) \
    X(void, plan_dot, (const fc_target *, fc_conv *)) \
    X(void, plan_filter_gradient, (const fc_target *, fc_filter_gradient *)) \
    X(void, plan_winograd, (const fc_target *, fc_winograd *)) \
    X(void, plan_winograd_gradient, (const fc_target *, fc_winograd_gradient *)) \
    X(void, plan_scatter, (const fc_target *, fc_scatter *)) \
    X(void, plan_dense_forward, (const fc_target *, fc_dense *)) \
    X(void, plan_dense_backward_input, (const fc_target *, fc_dense *)) \
    X(void, plan_dense_backward_kernel, (const fc_target *, fc_dense *)) \
    X(void, plan_dense_update, (const fc_target *, fc_dense *)) \
    X(void, plan_recurrent, (const fc_target *, fc_recurrent *)) \
    X(int64_t, pool_backward_items, (const fc_pool *)) \
    X(void, plan_channel_norm, (const fc_target *, fc_channel_norm *)) \
    X(void, plan_row_norm, (const fc_target *, fc_row_norm *)) \
    X(void, plan_response_norm, (const fc_target *, fc_response_norm *)) \
    X(void, plan_prelu, (const fc_target *, fc_prelu *)) \
    X(int, is_depthwise, (const fc_geometry *)) \
    X(int64_t, residue_end, (int64_t, int64_t)) \
    X(fc_residue, residue_from, (int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)) \
    X(void, describe_forward, (const fc_geometry *, fc_conv *, fc_filter_view *)) \
    X(void, describe_backward_input, \
      (const fc_geometry *, int64_t, int64_t, fc_conv *, fc_filter_view *, int64_t *)) \
    X(void, describe_backward_kernel, (const fc_geometry *, fc_filter_gradient *)) \
    X(void, describe_scatter, (const fc_geometry *, fc_scatter *)) \
    X(void, describe_winograd, \
      (const fc_target *, const fc_geometry *, int, int, fc_winograd *, fc_filter_view *)) \
    X(void, describe_winograd_gradient, (const fc_geometry *, int, fc_winograd_gradient *)) \
    X(int, obstacle, (const fc_geometry *, int, int)) \
    X(void, cost_amounts, (const fc_target *, const fc_geometry *, int, int, int, double *)) \
    X(double, cost, (const fc_target *, const fc_geometry *, int, int, int)) \
    X(int, choose_algorithm, (const fc_target *, const fc_geometry *, int, int, int))

#define FC_PROTOTYPE(type, name, arguments) type fc_##name arguments;
FC_SCHEDULES(FC_PROTOTYPE)
#undef FC_PROTOTYPE

/* The same functions as a table, for modules that do not link this folder. */
#define FC_MEMBER(type, name, arguments) type(*name) arguments;
typedef struct {
    FC_SCHEDULES(FC_MEMBER)
} fc_schedule;
#undef FC_MEMBER

extern const fc_schedule fc_schedules;

#endif

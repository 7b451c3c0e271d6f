/* normalization.c: schedules of normalization and of PReLU (kernels/channel_norm.inc, row_norm.inc,
 * response_norm.inc, prelu.inc).  They are passes over memory: an item is a stretch of rows that
 * fits in L1, and a sum over rows is cut into splits that depend on the shape alone. */
#include "layout.h"
#include "schedule.h"

void fc_plan_channel_norm(const fc_target *t, fc_channel_norm *p)
{
    const int64_t bytes = p->rows * p->channels * t->element_size,
                  panel = FC_NORM_PANEL_VECTORS * t->lanes;
    const int64_t splits = fc_clamp64(bytes / FC_NORM_SPLIT_BYTES, 1, FC_NORM_SPLITS);
    p->rows_per_split = fc_round_up(fc_ceil_div(p->rows, splits), FC_NORM_ROWS);
    p->splits = fc_ceil_div(p->rows, p->rows_per_split);
    p->panels = fc_ceil_div(p->channels, panel);
    p->sum_items = p->segments * p->splits * p->panels;
    p->groups_per_item = fc_max64(1, panel / p->width);
    p->group_items = fc_ceil_div(p->channels / p->width, p->groups_per_item);
    p->finish_items = p->segments * p->group_items;
    p->rows_per_item = fc_max64(1, FC_NORM_PASS_BYTES / (p->channels * t->element_size));
    p->row_items = fc_ceil_div(p->rows, p->rows_per_item);
    p->pass_items = p->segments * p->row_items;
    /* Two sums per split, and after them six numbers per channel. */
    const int64_t wide = p->segments * p->channels;
    p->sums_bytes = fc_round_up(2 * wide * p->splits * (int64_t)sizeof(double), 64) + FC_RED_ZONE;
    p->workspace_bytes = p->sums_bytes + 6 * wide * t->element_size;
}

void fc_plan_row_norm(const fc_target *t, fc_row_norm *p)
{
    const int64_t bytes = p->rows * p->features * t->element_size;
    p->rows_per_item = fc_max64(1, FC_NORM_PASS_BYTES / (p->features * t->element_size));
    p->items = fc_ceil_div(p->rows, p->rows_per_item);
    p->rows_per_split =
        fc_ceil_div(p->rows, fc_clamp64(bytes / FC_NORM_SPLIT_BYTES, 1, FC_NORM_SPLITS));
    p->splits = fc_ceil_div(p->rows, p->rows_per_split);
    p->features_per_item = FC_NORM_FEATURES;
    p->reduce_items = fc_ceil_div(p->features, p->features_per_item);
    p->workspace_bytes = 2 * p->splits * p->features * (int64_t)sizeof(double);
    p->scratch_bytes = 2 * p->features * t->element_size + FC_RED_ZONE;
}

void fc_plan_response_norm(const fc_target *t, fc_response_norm *p)
{
    p->rows_per_item = fc_max64(1, FC_NORM_PASS_BYTES / (p->channels * t->element_size));
    p->items = fc_ceil_div(p->rows, p->rows_per_item);
    p->scratch_bytes = (2 * p->radius + p->channels + t->lanes) * t->element_size + FC_RED_ZONE;
}

void fc_plan_prelu(const fc_target *t, fc_prelu *p)
{
    const int64_t bytes = p->rows * p->slopes * p->inner * t->element_size;
    p->rows_per_item =
        fc_ceil_div(p->rows, fc_clamp64(bytes / FC_NORM_PASS_BYTES, 1, FC_PRELU_ITEMS));
    p->items = fc_ceil_div(p->rows, p->rows_per_item);
    p->rows_per_split =
        fc_ceil_div(p->rows, fc_clamp64(bytes / FC_NORM_SPLIT_BYTES, 1, FC_NORM_SPLITS));
    p->splits = fc_ceil_div(p->rows, p->rows_per_split);
    p->workspace_bytes = p->splits * p->slopes * (int64_t)sizeof(double);
    p->scratch_bytes = p->slopes * t->element_size + FC_RED_ZONE;
}

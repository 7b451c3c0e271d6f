/* depthwise.c: schedules of depthwise convolution (kernels/depthwise.inc, depthwise_gradient.inc).
 *
 * An item is some rows of y.  Channels are shared out only in the filter gradient,
 * where splits may be too few. */
#include "depthwise.h"

#include "layout.h"
#include "partition.h"

/* Rows of an item, given the wished number: whole images, or pairs of rows,
 * which a block computes together. */
static int64_t item_rows(int64_t rows, int64_t out_h)
{
    if (4 * rows > 3 * out_h)
        return fc_max64(rows / out_h, 1) * out_h;
    return fc_max64(rows + rows % 2, 1);
}

void fc_plan_depthwise(const fc_target *t, fc_conv *p)
{
    p->taps = p->kernel_h * p->kernel_w;
    p->run = p->channels;
    p->packed_size = p->taps * p->channels;
    p->panels = p->panels_per_item = p->panel_items = 1;
    p->copies_rows = p->prefetches = p->few_filters = p->pools_registers = 0;

    const int64_t rows = p->batch * p->out_h;
    const double flops = 2.0 * (double)(rows * p->out_w * p->taps) * (double)p->channels;
    const int64_t wanted = fc_items_wanted(flops, p->threads);
    p->col_items = fc_ceil_div(p->out_w, FC_MAX_PIXELS);
    p->cols_per_item = fc_ceil_div(p->out_w, p->col_items);
    p->rows_per_item = fc_clamp64(rows * p->col_items / wanted, 1, rows);
    p->rows_per_item =
        fc_even_size(rows, item_rows(p->rows_per_item, p->out_h), p->col_items, p->threads);
    p->row_items = fc_ceil_div(rows, p->rows_per_item);
    p->items = p->row_items * p->col_items;

    const int64_t in_rows = (fc_min64(p->rows_per_item, p->out_h) - 1) * p->stride_h +
                            fc_extent(p->kernel_h, p->dilation_h);
    const int64_t in_cols =
        (p->cols_per_item - 1) * p->stride_w + fc_extent(p->kernel_w, p->dilation_w);
    p->scratch_bytes = fc_window_bytes(t, in_rows, in_cols, p->channels);
}

void fc_plan_depthwise_gradient(const fc_target *t, fc_filter_gradient *p)
{
    const int64_t kernel = p->kernel_h * p->kernel_w, rows = p->batch * p->out_h,
                  dw_size = (kernel + 1) * p->channels;
    const double flops = 2.0 * (double)(rows * p->out_w * kernel) * (double)p->channels;
    int64_t splits = fc_min64(FC_GRADIENT_ITEMS, (int64_t)(flops / FC_GRADIENT_ITEM_FLOPS));
    splits =
        fc_clamp64(fc_min64(splits, FC_MAX_PARTIAL_BYTES / (dw_size * t->element_size)), 1, rows);
    p->rows_per_split = item_rows(rows / splits, p->out_h);
    p->splits = fc_ceil_div(rows, p->rows_per_split);
    p->rows_per_block = fc_min64(p->rows_per_split, p->out_h);
    p->panels = fc_ceil_div(p->channels, fc_panel(t));
    p->panel_items = fc_clamp64(fc_ceil_div(2 * p->threads, p->splits), 1, p->panels);
    p->panels_per_item = fc_ceil_div(p->panels, p->panel_items);
    p->panel_items = fc_ceil_div(p->panels, p->panels_per_item);
    p->items = p->splits * p->panel_items;
    p->partial_size = p->splits > 1 ? p->splits * dw_size : 0;
    p->reduce_elements = fc_reduce_elements(dw_size, t->lanes, p->threads);
    p->reduce_items = p->splits > 1 ? fc_ceil_div(dw_size, p->reduce_elements) : 0;
    const int64_t in_rows =
        (p->rows_per_block - 1) * p->stride_h + fc_extent(p->kernel_h, p->dilation_h);
    const int64_t in_cols = (p->out_w - 1) * p->stride_w + fc_extent(p->kernel_w, p->dilation_w);
    p->scratch_bytes = fc_window_bytes(t, in_rows, in_cols, p->channels);
}

/* scatter.c: schedule of the input gradient as a product and a scatter (kernels/scatter.inc).
 *
 * An item is some rows of dx of one image: several times the rows that neighbouring items compute
 * twice, within the cache. */
#include "layout.h"
#include "schedule.h"

void fc_plan_scatter(const fc_target *t, fc_scatter *p)
{
    p->width = p->kernel_h * p->kernel_w * p->channels;
    p->panels = fc_ceil_div(p->width, fc_panel(t));
    p->packed_size = p->filters * fc_round_vectors(t, p->width);
    p->pack_items = p->panels * fc_ceil_div(p->filters, FC_SCATTER_PACK_FILTERS);
    const int64_t row_bytes = fc_scatter_columns(p) * p->channels * t->element_size;
    const int64_t rows = fc_max64(FC_SCATTER_ROWS_BYTES / row_bytes, 1);
    const int64_t extent = fc_extent(p->kernel_h, p->dilation_h);
    p->rows_per_item = fc_clamp64(fc_max64(fc_min64(rows, 8 * extent), p->stride_h), 1, p->in_h);
    p->row_items = fc_ceil_div(p->in_h, p->rows_per_item);
    p->rows_per_item = fc_ceil_div(p->in_h, p->row_items);
    p->row_items = fc_ceil_div(p->in_h, p->rows_per_item);
    p->items = p->batch * p->row_items;
    p->scratch_bytes = 192 + 2 * (int64_t)sizeof(void *) * FC_SCATTER_PIXELS +
                       t->element_size * FC_SCATTER_PIXELS * fc_round_vectors(t, p->width) +
                       p->rows_per_item * row_bytes + fc_panel(t) * t->element_size +
                       4 * FC_RED_ZONE;
}

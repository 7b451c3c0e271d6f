/* filter_gradient.c: schedule of the filter gradient by direct sums (kernels/filter_gradient.inc).
 *
 * The reduction over pixels is cut into splits of whole rows, each with a partial (dw, db); the
 * partials are added as a binary tree.  Within a split, pixels come in blocks that fit in L2.  With
 * many pixels an item is a whole split, which reads x and dy from memory once; otherwise items are
 * smaller parts of dw. */
#include "depthwise.h"
#include "layout.h"
#include "partition.h"
#include "schedule.h"

/* What one item adds to dw: panels, taps and, in `run`, channels. */
static void cut_dw(const fc_target *t, fc_filter_gradient *p, double flops)
{
    const int64_t kernel = p->kernel_h * p->kernel_w, rows = p->batch * p->out_h;
    const int many = flops >= (double)FC_GRADIENT_WHOLE_FLOPS * FC_GRADIENT_FEWEST_SPLITS &&
                     rows >= FC_GRADIENT_FEWEST_SPLITS;
    p->whole = fc_decide(t, FC_VARIANT_whole_splits, !p->merges_taps, many);
    p->packs_dy = fc_decide(t, FC_VARIANT_packed_dy, p->whole, p->dy_sw > fc_panel(t));
    p->one_row = p->whole && kernel == 1 && p->pad_top == 0 && p->pad_left == 0 &&
                 (p->out_h - 1) * p->stride_h < p->in_h && (p->out_w - 1) * p->stride_w < p->in_w;
    p->packs_x = p->one_row && (p->out_h != p->in_h || p->out_w != p->in_w);
    if (p->whole) { /* the part of dw that an item adds to stays in L2 */
        const int64_t tap_bytes = p->run * fc_min64(p->filters, fc_panel(t)) * t->element_size;
        p->panels_per_item =
            fc_clamp64(FC_GRADIENT_WHOLE_BYTES / (p->taps * tap_bytes), 1, p->panels);
        p->taps_per_item = fc_clamp64(FC_GRADIENT_WHOLE_BYTES / tap_bytes, 1, p->taps);
    } else {
        p->panels_per_item = 1;
        p->taps_per_item = 1;
    }
    p->panel_items = fc_ceil_div(p->panels, p->panels_per_item);
    p->tap_items = fc_ceil_div(p->taps, p->taps_per_item);
    p->taps_per_item = fc_ceil_div(p->taps, p->tap_items);
}

/* A block: whole rows of y whose x and dy fit in the cache together; within one image,
 * or whole images. */
static void cut_blocks(const fc_target *t, fc_filter_gradient *p)
{
    const int64_t rows = p->batch * p->out_h;
    /* Pixels of x that a row of y reads. */
    const int64_t read = fc_min64(p->in_w * p->stride_h, p->out_w * p->kernel_h * p->kernel_w);
    const int64_t row_elements =
        p->out_w * p->panels_per_item * fc_min64(p->filters, fc_panel(t)) + read * p->channels;
    p->rows_per_block =
        fc_clamp64(FC_GRADIENT_BLOCK_BYTES / (row_elements * t->element_size), 1, rows);
    if (p->whole) {
        const int64_t pixels = FC_GRADIENT_L1_BYTES / (fc_panel(t) * t->element_size + 64);
        p->rows_per_block = fc_clamp64((pixels + p->out_w / 2) / p->out_w, 1, p->rows_per_block);
    }
    if (p->rows_per_block < p->out_h)
        p->rows_per_block = fc_ceil_div(p->out_h, fc_ceil_div(p->out_h, p->rows_per_block));
}

/* Splits of the reduction; they depend on the shape alone, because they decide the
 * order of the sum. */
static void cut_splits(const fc_target *t, fc_filter_gradient *p, double flops, int64_t dw_size)
{
    const int64_t rows = p->batch * p->out_h, units = p->groups * p->panel_items * p->tap_items;
    int64_t splits =
        fc_ceil_div(p->whole ? FC_GRADIENT_WHOLE_SPLITS : FC_GRADIENT_ITEMS, units * p->run_items);
    splits = fc_min64(
        splits, (int64_t)(flops / (p->whole ? FC_GRADIENT_WHOLE_FLOPS : FC_GRADIENT_ITEM_FLOPS)));
    splits = fc_min64(splits, FC_MAX_PARTIAL_BYTES / (dw_size * t->element_size));
    splits = fc_min64(splits, rows * p->out_w / FC_GRADIENT_SPLIT_PIXELS);
    /* The nearest power of two suits 2, 4, ... threads. */
    if (p->merges_taps && splits < FC_GRADIENT_EVEN_SPLITS) {
        int64_t even = 1;
        while (3 * even <= 2 * splits)
            even *= 2;
        splits = even;
    }
    splits = fc_clamp64(splits, 1, rows);
    p->rows_per_split = fc_ceil_div(rows, splits);
    const int64_t unit =
        p->rows_per_split > p->out_h ? p->out_h : fc_min64(p->rows_per_block, p->rows_per_split);
    /* Whole images or whole blocks: no ragged ones. */
    p->rows_per_split = fc_round_up(p->rows_per_split, unit);
    p->splits = fc_ceil_div(rows, p->rows_per_split);
    p->rows_per_block = fc_min64(p->rows_per_block, p->rows_per_split);
}

/* Finer parts of dw where splits are fewer than the threads need. */
static void share_splits(fc_filter_gradient *p, int rows_of_tile)
{
    const int64_t wanted = fc_ceil_div(2 * p->threads, p->splits * p->groups);
    if (p->whole && wanted > p->panel_items * p->tap_items) {
        p->panels_per_item = 1;
        p->panel_items = p->panels;
        p->taps_per_item = fc_clamp64(p->taps * p->panels / wanted, 1, p->taps_per_item);
        p->tap_items = fc_ceil_div(p->taps, p->taps_per_item);
    }
    p->run_items = fc_clamp64(fc_ceil_div(wanted, p->panel_items * p->tap_items), p->run_items,
                              fc_max64(2 * p->run / rows_of_tile, p->run_items));
    p->run_per_item = fc_ceil_div(p->run, p->run_items);
    /* Two items per thread, or one, whichever divides better. */
    if (p->merges_taps && p->threads > FC_FEW_ITEMS)
        p->run_per_item = fc_even_size(p->run, fc_ceil_div(p->run, fc_ceil_div(p->run_items, 2)),
                                       p->splits * p->panel_items, p->threads);
    p->run_items = fc_ceil_div(p->run, p->run_per_item);
}

static int64_t scratch_bytes(const fc_target *t, const fc_filter_gradient *p)
{
    int64_t bytes = 64 + fc_list_bytes(t, p) + 4 * FC_RED_ZONE;
    if (p->merges_taps) {
        const int64_t in_cols = (p->out_w - 1) * p->stride_w + p->kernel_w;
        const int64_t images = fc_ceil_div(p->rows_per_block, p->out_h);
        const int64_t image_rows = fc_min64(p->rows_per_block, p->out_h);
        const int64_t in_rows =
            (image_rows - 1) * p->stride_h + fc_extent(p->kernel_h, p->dilation_h);
        bytes += images * in_rows * in_cols * p->channels * t->element_size;
    }
    if (p->packs_dy)
        bytes += (p->rows_per_block * p->out_w + p->taps_per_item * p->run * p->panels_per_item) *
                 fc_panel(t) * t->element_size;
    if (p->packs_x)
        bytes += p->rows_per_block * p->out_w * fc_packed_pixel(t, p) * t->element_size;
    return bytes;
}

void fc_plan_filter_gradient(const fc_target *t, fc_filter_gradient *p)
{
    if (p->depthwise) {
        fc_plan_depthwise_gradient(t, p);
        return;
    }
    const int64_t kernel = p->kernel_h * p->kernel_w, rows = p->batch * p->out_h;
    const int64_t dw_size = (kernel * p->channels + 1) * p->filters * p->groups;
    p->merges_taps = fc_decide(t, FC_VARIANT_merged_taps,
                               p->groups == 1 && p->dilation_w == 1 && p->x_sw == p->channels,
                               p->channels <= FC_MERGE_CHANNELS);
    p->taps = p->merges_taps ? 1 : kernel;
    p->run = p->merges_taps ? kernel * p->channels : p->channels;
    p->panels = fc_ceil_div(p->filters, fc_panel(t));
    const double flops = 2.0 * (double)rows * (double)p->out_w * (double)(p->taps * p->run) *
                         (double)p->filters * (double)p->groups;
    cut_dw(t, p, flops);
    cut_blocks(t, p);
    const int rows_of_tile = t->gradient_rows[fc_panel_vectors(t, p->filters, 0) - 1];
    const int64_t units = p->groups * p->panel_items * p->tap_items;
    p->run_items =
        p->merges_taps || p->whole
            ? 1
            : fc_clamp64(FC_GRADIENT_ITEMS / units, 1, fc_max64(p->run / (8 * rows_of_tile), 1));
    p->run_per_item = fc_ceil_div(p->run, p->run_items);
    p->run_items = fc_ceil_div(p->run, p->run_per_item);
    cut_splits(t, p, flops, dw_size);
    if (p->threads > 2)
        share_splits(p, rows_of_tile);
    p->items = p->splits * p->groups * p->panel_items * p->tap_items * p->run_items;
    p->partial_size = p->splits > 1 ? p->splits * dw_size : 0;
    p->reduce_elements = fc_reduce_elements(dw_size, t->lanes, p->threads);
    p->reduce_items = p->splits > 1 ? fc_ceil_div(dw_size, p->reduce_elements) : 0;
    p->scratch_bytes = scratch_bytes(t, p);
}

/* conv.c: schedules of convolution, forward and with respect to the input
 * (kernels/conv.inc, few_filters.inc, depthwise.inc).
 *
 * An item is a chunk of output pixels, one group and some panels of filters.  The size of a chunk
 * balances three demands: enough items for the threads, enough arithmetic in each item to pay for
 * handing it out, and input rows that fit in L2. */
#include "depthwise.h"
#include "layout.h"
#include "partition.h"
#include "schedule.h"

/* Decides whether y bypasses the caches.  A store that misses reads its line first, which takes
 * longer than the few multiply-adds of a short reduction.  The sums must be complete after one pass
 * and made of whole cache lines; it pays where the output is larger than the caches. */
static int streams_output(const fc_target *t, const fc_conv *p)
{
    const int64_t reduction = p->kernel_h * p->kernel_w * p->channels;
    const int64_t bytes = p->batch * p->out_h * p->out_w * p->filters * p->groups * t->element_size;
    const int whole_lines = (uintptr_t)p->y % 64 == 0 && p->y_sw * t->element_size % 64 == 0 &&
                            p->filters * t->element_size % 64 == 0;
    const int possible = whole_lines && !p->pool && fc_in_registers(p->activation) &&
                         reduction <= FC_STREAM_REDUCTION;
    return fc_decide(t, FC_VARIANT_nontemporal, possible, bytes > FC_STREAM_BYTES);
}

/* Decides whether pixels are in lanes: where they fill vectors better than filters do,
 * and most of the copied input is read. */
static int uses_few_filters(const fc_target *t, const fc_conv *p)
{
    const int possible = p->groups == 1 && p->filters < t->lanes &&
                         p->filters <= FC_FEW_FILTERS && !p->residual;
    const int preferred = p->stride_h * p->stride_w <= p->kernel_h * p->kernel_w &&
                          fc_ceil_div(p->cols_per_item, t->lanes) * p->filters <= p->cols_per_item;
    return fc_decide(t, FC_VARIANT_few_filters, possible, preferred);
}

/* Decides whether the micro-kernel ends with the pooling: its block must hold the four pixels of a
 * window, and one pass must complete the sums. */
static int pools_in_registers(const fc_target *t, const fc_conv *p)
{
    const int possible = p->pool && !p->few_filters && fc_in_registers(p->activation) &&
                         p->taps <= p->tap_block && p->run <= p->run_block &&
                         t->rows[t->panel_vectors - 1] >= 4;
    return fc_decide(t, FC_VARIANT_register_pooling, possible, 1);
}

/* The reduction as `taps` stretches of `run` contiguous elements,
 * and the block of it that one pass takes. */
static void cut_reduction(const fc_target *t, fc_conv *p)
{
    const int64_t kernel = p->kernel_h * p->kernel_w;
    p->copies_rows =
        fc_leaves_image(p->in_h, p->out_h, p->kernel_h, p->stride_h, p->dilation_h, p->pad_top) ||
        fc_leaves_image(p->in_w, p->out_w, p->kernel_w, p->stride_w, p->dilation_w, p->pad_left);
    const int contiguous = p->copies_rows || p->x_sw == p->channels;
    if (p->dilation_w == 1 && contiguous && kernel) {
        p->taps = p->kernel_h;
        p->run = p->kernel_w * p->channels;
    } else {
        p->taps = kernel;
        p->run = p->channels;
    }
    p->prefetches = p->taps == 1;
    p->panels = fc_ceil_div(p->filters, fc_panel(t));
    p->packed_size = p->groups * fc_packed_group_size(t, p);
    const int64_t block = fc_max64(FC_FILTER_BLOCK_BYTES / (fc_panel(t) * t->element_size), 1);
    p->run_block = fc_min64(fc_max64(p->run, 1), block);
    p->tap_block = p->run_block < p->run ? 1 : fc_max64(block / fc_max64(p->run, 1), 1);
}

/* Bytes of one input row under the columns of an item. */
static int64_t input_row_bytes(const fc_target *t, const fc_conv *p)
{
    const int64_t in_cols =
        (p->cols_per_item - 1) * p->stride_w + fc_extent(p->kernel_w, p->dilation_w);
    return in_cols * p->channels * t->element_size;
}

/* Pixels of an item, at least.  Smaller items would show ragged tiles and the cost of gathering,
 * and read filters more often; but the items must suffice for the threads, and even a single panel
 * of few pixels must be shared by all of them. */
static int64_t fewest_pixels(const fc_conv *p, int64_t filter_bytes)
{
    const int64_t panels = p->panels * p->groups, pixels = p->batch * p->out_h * p->out_w;
    int64_t fewest = 2 * FC_MAX_ROWS;
    if (p->threads > FC_FEW_ITEMS)
        fewest = FC_FEWEST_ROWS;
    else if (filter_bytes > FC_LARGE_FILTER_BYTES && panels >= FC_FEW_ITEMS)
        fewest = FC_LARGE_FILTER_PIXELS;
    else if (panels * (pixels / FC_WHOLE_TILE_PIXELS) >= 4 * FC_FEW_ITEMS)
        fewest = FC_WHOLE_TILE_PIXELS;
    if (p->threads > panels)
        fewest = fc_clamp64(pixels / (4 * p->threads), FC_FEWEST_ROWS, fewest);
    return fewest;
}

/* Items: chunks of pixels, and panels where chunks are too few. */
static void cut_items(const fc_target *t, fc_conv *p)
{
    const int64_t rows = p->batch * p->out_h;
    /* With few pixels, the time goes into reading the filters: at least 4 pixels count.
     * A dot product takes the time of one multiply-add. */
    const double flops = 2.0 * (double)fc_max64(rows * p->out_w, 4) *
                         (double)(p->kernel_h * p->kernel_w) * (double)p->channels *
                         (double)p->filters / (double)fc_max64(t->dot, 1);
    const int64_t wanted = fc_items_wanted(flops * (double)p->groups, p->threads);
    const int64_t rows_wanted = fc_clamp64(wanted / p->groups, 1, wanted);
    p->col_items = fc_ceil_div(p->out_w, FC_MAX_PIXELS);
    p->cols_per_item = fc_ceil_div(p->out_w, p->col_items);
    if (p->pool) /* whole windows */
        p->cols_per_item += p->cols_per_item % 2;
    p->col_items = fc_ceil_div(p->out_w, p->cols_per_item);
    const int64_t filter_bytes = fc_packed_group_size(t, p) * t->element_size;
    const int64_t pixels = fc_clamp64(rows * p->out_w / rows_wanted,
                                      fewest_pixels(p, filter_bytes), FC_MAX_PIXELS);
    p->rows_per_item = fc_clamp64(pixels / p->cols_per_item, 1, rows);
    const int64_t row_bytes = input_row_bytes(t, p);
    if (p->copies_rows && row_bytes > 0)
        p->rows_per_item =
            fc_clamp64(FC_INPUT_BLOCK_BYTES / (row_bytes * p->stride_h), 1, p->rows_per_item);
    p->row_items = fc_ceil_div(rows, p->rows_per_item);
    p->rows_per_item = fc_ceil_div(rows, p->row_items);
    p->row_items = fc_ceil_div(rows, p->rows_per_item);

    p->panel_items =
        fc_clamp64(fc_ceil_div(wanted, p->row_items * p->col_items * p->groups), 1, p->panels);
    p->panels_per_item = fc_ceil_div(p->panels, p->panel_items);
    p->panel_items = fc_ceil_div(p->panels, p->panels_per_item);
    p->rows_per_item =
        fc_even_size(rows, p->rows_per_item, p->col_items * p->panel_items * p->groups, p->threads);
    p->row_items = fc_ceil_div(rows, p->rows_per_item);
    if (p->pool) {
        p->row_items = fc_min64(p->row_items, rows / 2);
        p->rows_per_item = 2 * fc_ceil_div(rows / 2, p->row_items);
    }
    p->items = p->groups * p->row_items * p->col_items * p->panel_items;
    /* What is innermost is read once for every item of the other, from memory if it is large. */
    const int64_t input_bytes = p->batch * p->in_h * p->in_w * p->channels * t->element_size;
    p->panels_outermost =
        (p->row_items * p->col_items - 1) * filter_bytes > (p->panel_items - 1) * input_bytes;
    p->fetches_filters = filter_bytes > FC_FAR_FILTER_BYTES;
}

/* Scratch of one thread: pixel tables and taps, then what the variant adds. */
static int64_t scratch_bytes(const fc_target *t, const fc_conv *p)
{
    const int64_t dot_bytes = t->dot * t->element_size; /* that a last dot product reads too many */
    int64_t bytes = 64 + (int64_t)sizeof(void *) * 2 * p->rows_per_item * p->cols_per_item +
                    (int64_t)sizeof(int64_t) * (p->taps + 1) + 3 * FC_RED_ZONE;
    if (p->copies_rows) {
        const int64_t images = p->rows_per_item / p->out_h + 2;
        const int64_t in_rows = p->rows_per_item * p->stride_h +
                                images * (fc_extent(p->kernel_h, p->dilation_h) + p->stride_h);
        bytes += 64 + in_rows * input_row_bytes(t, p) + images * (FC_RED_ZONE + dot_bytes);
    }
    if (p->few_filters)
        bytes += fc_few_scratch_bytes(t, p);
    if (p->pool && !p->pools_registers)
        bytes +=
            64 + p->rows_per_item * p->cols_per_item * p->filters * t->element_size + FC_RED_ZONE;
    return bytes;
}

void fc_plan_conv(const fc_target *t, fc_conv *p)
{
    p->streams = streams_output(t, p);
    if (p->depthwise) {
        fc_plan_depthwise(t, p);
        return;
    }
    cut_reduction(t, p);
    cut_items(t, p);
    p->few_filters = uses_few_filters(t, p);
    p->pools_registers = pools_in_registers(t, p);
    p->scratch_bytes = scratch_bytes(t, p);
}

/* A run of whole dot products: its last one may read past the elements of the window, up to the end
 * of the copied rows, and multiplies them by zero. */
static void cut_dots(const fc_target *t, fc_conv *p)
{
    const int64_t kernel = p->kernel_h * p->kernel_w;
    p->copies_rows =
        fc_leaves_image(p->in_h, p->out_h, p->kernel_h, p->stride_h, p->dilation_h, p->pad_top) ||
        fc_leaves_image(p->in_w, p->out_w, p->kernel_w, p->stride_w, p->dilation_w, p->pad_left);
    const int in_a_row = p->dilation_w == 1 && (p->copies_rows || p->x_sw == p->channels);
    p->copies_rows |= (in_a_row ? p->kernel_w * p->channels : p->channels) % t->dot != 0;
    const int one_run = p->dilation_w == 1 && (p->copies_rows || p->x_sw == p->channels);
    p->taps = one_run ? p->kernel_h : kernel;
    p->run = fc_round_up(one_run ? p->kernel_w * p->channels : p->channels, t->dot);
    p->tap_block = p->taps;
    p->run_block = p->run;
    p->panels = fc_ceil_div(p->filters, fc_panel(t));
    p->packed_size = p->groups * fc_packed_dot_size(t, p);
}

/* Depthwise: an item is some rows of y; channels are in lanes, and not cut. */
static void cut_depthwise_dots(const fc_target *t, fc_conv *p)
{
    p->copies_rows =
        fc_leaves_image(p->in_h, p->out_h, p->kernel_h, p->stride_h, p->dilation_h, p->pad_top) ||
        fc_leaves_image(p->in_w, p->out_w, p->kernel_w, p->stride_w, p->dilation_w, p->pad_left);
    p->taps = p->kernel_h * p->kernel_w;
    p->run = p->channels;
    p->panels = p->panels_per_item = p->panel_items = p->col_items = 1;
    p->cols_per_item = p->out_w;
    p->packed_size = (p->taps + 1) * t->dot * fc_round_vectors(t, p->channels);
    const int64_t rows = p->batch * p->out_h;
    const double flops = 2.0 * (double)(rows * p->out_w * p->taps) * (double)p->channels;
    p->rows_per_item = fc_clamp64(rows / fc_items_wanted(flops, p->threads), 1, rows);
    p->rows_per_item =
        fc_clamp64(FC_INPUT_BLOCK_BYTES / fc_max64(input_row_bytes(t, p) * p->stride_h, 1), 1,
                   p->rows_per_item);
    p->rows_per_item = fc_even_size(rows, p->rows_per_item, 1, p->threads);
    p->row_items = fc_ceil_div(rows, p->rows_per_item);
    p->items = p->row_items;
}

void fc_plan_dot(const fc_target *t, fc_conv *p)
{
    p->streams = p->few_filters = p->pools_registers = 0;
    p->prefetches = !p->depthwise && p->kernel_h * p->kernel_w == 1;
    if (p->depthwise) {
        cut_depthwise_dots(t, p);
    } else {
        cut_dots(t, p);
        cut_items(t, p);
    }
    p->scratch_bytes = scratch_bytes(t, p);
}

int64_t fc_pack_items(const fc_conv *p)
{
    return p->depthwise ? 1 : p->groups * p->panels * p->kernel_h * p->kernel_w;
}

/* dense.c: schedules of dense layers (kernels/dense_forward.inc, dense_gradient.inc). */
#include "layout.h"
#include "partition.h"
#include "schedule.h"

static double dense_flops(int64_t rows, const fc_dense *p)
{
    return 2.0 * (double)rows * (double)p->inputs * (double)p->outputs;
}

void fc_plan_dense_forward(const fc_target *t, fc_dense *p)
{
    /* Where one panel holds all outputs, the micro-kernel of convolutions serves. */
    p->narrow =
        fc_decide(t, FC_VARIANT_narrow, p->outputs <= fc_panel(t), p->rows > FC_DENSE_FEW_ROWS);
    /* Blocks of the reduction depend on the shape alone, because they decide the
     * order of the sum. */
    const int64_t bytes = p->inputs * p->outputs * t->element_size;
    p->inputs_per_block = p->inputs;
    if (bytes >= FC_DENSE_SPLIT_BYTES && !p->narrow) {
        const int64_t least = FC_DENSE_BLOCK_INPUTS * p->rows;
        const int64_t inputs = fc_max64(fc_ceil_div(p->inputs, FC_DENSE_BLOCKS), least);
        p->inputs_per_block = fc_min64(fc_round_up(inputs, FC_DENSE_TOGETHER), p->inputs);
    }
    p->blocks = fc_max64(fc_ceil_div(p->inputs, fc_max64(p->inputs_per_block, 1)), 1);

    /* As many columns and rows as the cache of their sums allows; where that makes too few items,
     * first fewer columns, then fewer rows. */
    const int64_t rows = fc_max64(p->rows, 1);
    const int64_t wanted = fc_min64(fc_items_wanted(dense_flops(rows, p), p->threads),
                                    fc_max64(2 * p->threads, FC_FEW_ITEMS));
    const int64_t most_rows = fc_min64(rows, FC_DENSE_ROWS), fewest = fc_ceil_div(rows, most_rows);
    const int64_t most_cols = FC_DENSE_SUMS_BYTES / t->element_size / most_rows;
    const int64_t narrowest = p->rows > FC_DENSE_FEW_ROWS ? FC_DENSE_FEWEST_COLUMNS : t->lanes;
    int64_t col_items = fc_ceil_div(wanted, p->blocks * fewest);
    col_items = fc_clamp64(col_items, fc_ceil_div(p->outputs, most_cols),
                           fc_max64(p->outputs / narrowest, 1));
    p->cols_per_item = fc_round_vectors(t, fc_ceil_div(p->outputs, col_items));
    p->col_items = fc_ceil_div(p->outputs, p->cols_per_item);
    const int64_t row_items =
        fc_clamp64(fc_ceil_div(wanted, p->blocks * p->col_items), fewest, rows);
    p->rows_per_item = fc_round_up(fc_ceil_div(rows, row_items), FC_DENSE_TILE);
    p->rows_per_item =
        fc_even_size(rows, fc_min64(p->rows_per_item, rows), p->blocks * p->col_items, p->threads);
    p->row_items = fc_ceil_div(rows, p->rows_per_item);
    p->items = p->blocks * p->row_items * p->col_items;
    p->partial_size = p->blocks > 1 ? p->blocks * p->rows * fc_sums_row(t, p->outputs) : 0;
    p->sum_items = p->blocks > 1 ? fc_ceil_div(p->outputs, FC_DENSE_SUM_COLUMNS) : 0;
    const int64_t sums = p->blocks > 1 ? 0 : fc_sums_row(t, p->cols_per_item);
    p->scratch_bytes =
        64 + p->rows_per_item * (FC_DENSE_TOGETHER + sums) * t->element_size + 2 * FC_RED_ZONE;
    if (p->narrow)
        p->scratch_bytes = 64 + FC_DENSE_PANEL_INPUTS * fc_panel(t) * t->element_size +
                           2 * p->rows_per_item * (int64_t)sizeof(void *) + 3 * FC_RED_ZONE;
}

void fc_plan_dense_backward_input(const fc_target *t, fc_dense *p)
{
    (void)t; /* blocks of dot products have the same sizes on every target */
    const int64_t wanted = fc_items_wanted(dense_flops(p->rows, p), p->threads);
    p->rows_per_item = fc_min64(p->rows, FC_DOT_SHARED_ROWS);
    p->row_items = fc_ceil_div(p->rows, p->rows_per_item);
    p->cols_per_item = fc_ceil_div(p->inputs, fc_clamp64(wanted / p->row_items, 1, p->inputs));
    const int64_t blocks = fc_ceil_div(p->cols_per_item, FC_DOT_COLUMNS);
    p->cols_per_item = FC_DOT_COLUMNS * fc_even_size(fc_ceil_div(p->inputs, FC_DOT_COLUMNS), blocks,
                                                     p->row_items, p->threads);
    p->col_items = fc_ceil_div(p->inputs, p->cols_per_item);
    p->items = p->row_items * p->col_items;
    p->scratch_bytes = 0;
}

/* Cuts dw into items whose columns of dy, `bytes` of them, stay in L2 while rows of dw pass. */
static void cut_dense_gradient(const fc_target *t, fc_dense *p, int64_t bytes, int64_t most_panels)
{
    const int64_t width = fc_max64(bytes / (p->rows * t->element_size), 1);
    p->cols_per_item = fc_clamp64(width / fc_panel(t), 1, most_panels) * fc_panel(t);
    p->col_items = fc_ceil_div(p->outputs, p->cols_per_item);
    const int64_t wanted = fc_items_wanted(dense_flops(p->rows, p), p->threads);
    /* Rows of dw. */
    p->rows_per_item = fc_clamp64(p->inputs / fc_max64(wanted / p->col_items, 1), 1, p->inputs);
    p->rows_per_item = fc_even_size(p->inputs, p->rows_per_item, p->col_items, p->threads);
    p->row_items = fc_ceil_div(p->inputs, p->rows_per_item);
    p->items = p->row_items * p->col_items;
}

void fc_plan_dense_backward_kernel(const fc_target *t, fc_dense *p)
{
    cut_dense_gradient(t, p, FC_DENSE_GRADIENT_BYTES, FC_DENSE_GRADIENT_PANELS);
    p->scratch_bytes = 0;
}

void fc_plan_dense_update(const fc_target *t, fc_dense *p)
{
    /* Whole rows of w are read fastest. */
    cut_dense_gradient(t, p, FC_DENSE_UPDATE_BYTES, fc_ceil_div(p->outputs, fc_panel(t)));
    p->scratch_bytes = 64 + FC_MAX_ROWS * FC_DENSE_UPDATE_COLUMNS * t->element_size + FC_RED_ZONE;
}

/* channels.c: operations per channel: scale and shift; masks; sums and maxima over rows. */
#include "operations.h"

#include "../schedule/axis.h"

#include <string.h>

/* ---- scale and shift: with few channels, a first phase repeats the factors ---- */

static int64_t scale_shift_items(const fc_op *op, int phase)
{
    const fc_scale_shift_op *s = (const fc_scale_shift_op *)op;
    const int64_t length = s->period * s->rows_per_item;
    if (phase < op->phases - 1)
        return 1;
    return length ? fc_ceil_div(s->size, length) : 0;
}

static void repeat_factors(const fc_scale_shift_op *s)
{
    const int64_t bytes = s->channels * s->op.target.element_size;
    const int64_t end = s->period * s->op.target.element_size;
    for (int i = 0; i < 2; i++)
        for (int64_t at = 0; s->repeated[i] && at < end; at += bytes)
            memcpy(s->repeated[i] + at, s->factors[i], (size_t)bytes);
}

static void scale_shift_item(const fc_op *op, int phase, int64_t item, char *workspace,
                             char *scratch)
{
    (void)workspace, (void)scratch;
    const fc_scale_shift_op *s = (const fc_scale_shift_op *)op;
    if (phase < op->phases - 1) {
        repeat_factors(s);
        return;
    }
    const char *scale = s->repeated[0] ? s->repeated[0] : s->factors[0];
    const char *shift = s->repeated[1] ? s->repeated[1] : s->factors[1];
    const int64_t first = item * s->rows_per_item * s->period;
    const int64_t stop = fc_min64(s->size, first + s->rows_per_item * s->period);
    for (int64_t begin = first; begin < stop; begin += s->period) {
        const int64_t at = begin * op->target.element_size;
        op->table->scale_shift(s->x + at, scale, shift, s->y + at,
                               fc_min64(s->period, stop - begin));
    }
}

static const fc_op_kind scale_shift = {
    .phase_items = scale_shift_items,
    .phase_item = scale_shift_item,
};

void fc_prepare_scale_shift(fc_scale_shift_op *s)
{
    s->op.kind = &scale_shift;
    s->op.phases = s->repeated[0] || s->repeated[1] ? 2 : 1;
    s->rows_per_item = fc_max64(1, FC_STRETCH / fc_max64(s->period, 1));
    s->op.work = 8.0 * (double)s->size;
}

/* ---- masks ---- */

static int64_t masked_items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_masked_op *)op)->rows;
}

static void masked_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_masked_op *m = (const fc_masked_op *)op;
    const int64_t bytes = op->target.element_size;
    int64_t rest = item, at = 0;
    for (int a = m->rank - 1; a >= 0; a--) {
        at += rest % m->size[a] * m->stride[a];
        rest /= m->size[a];
    }
    op->table->masked_run(m->x + item * m->length * bytes, m->mask + at * bytes, m->one,
                          m->y + item * m->length * bytes, m->length);
}

static const fc_op_kind masked = {.phase_items = masked_items, .phase_item = masked_item};

void fc_prepare_masked(fc_masked_op *m)
{
    m->op.kind = &masked;
    m->op.phases = 1;
    m->op.work = 8.0 * (double)(m->rows * m->length);
}

/* ---- sums and maxima over rows ---- */

enum {
    BLOCK_ROWS = 64, /* fewest rows per block; the sums of a block's rows are summed next */
    BLOCKS = 512,    /* most blocks */
};

static int64_t reduce_items(const fc_op *op, int phase)
{
    const fc_reduce_op *r = (const fc_reduce_op *)op;
    return phase == 0 ? r->batch * r->blocks : r->batch;
}

/* The first of the rows of block `item`, and their number. */
static int64_t block_of(const fc_reduce_op *r, int64_t item, int64_t *rows)
{
    const int64_t first = item % r->blocks * r->block;
    *rows = fc_min64(r->block, r->rows - first);
    return item / r->blocks * r->rows + first;
}

static void sums_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)scratch;
    const fc_reduce_op *r = (const fc_reduce_op *)op;
    int64_t rows;
    if (phase == 0) {
        const char *x = r->x + block_of(r, item, &rows) * r->row_bytes;
        op->table->column_sums(x, rows, r->channels, 1.0, workspace + item * r->row_bytes);
    } else
        op->table->column_sums(workspace + item * r->blocks * r->row_bytes, r->blocks, r->channels,
                               r->scale, r->y + item * r->row_bytes);
}

static void max_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)scratch;
    const fc_reduce_op *r = (const fc_reduce_op *)op;
    int64_t rows;
    if (phase == 0) {
        const char *x = r->x + block_of(r, item, &rows) * r->row_bytes;
        char *part = workspace + 2 * item * r->row_bytes;
        op->table->column_max(x, rows, r->channels, part, part + r->row_bytes);
    } else
        op->table->join_max(workspace + 2 * item * r->blocks * r->row_bytes, r->blocks, r->block,
                            r->channels, r->y + item * r->row_bytes,
                            r->argmax ? r->argmax + item * r->channels : NULL);
}

/* y = x at the positions of the maxima, else 0: x is dy (batch, channels), y is dx. */
static void max_backward_item(const fc_op *op, int phase, int64_t item, char *workspace,
                              char *scratch)
{
    (void)workspace, (void)scratch;
    const fc_reduce_op *r = (const fc_reduce_op *)op;
    const int64_t size = op->target.element_size;
    int64_t rows;
    if (phase == 0) {
        char *dx = r->y + block_of(r, item, &rows) * r->row_bytes;
        memset(dx, 0, (size_t)(rows * r->row_bytes));
        return;
    }
    char *dx = r->y + item * r->rows * r->row_bytes;
    for (int64_t c = item * r->channels; c < (item + 1) * r->channels; c++)
        if (r->argmax[c] >= 0 && r->argmax[c] < r->rows) /* a file may hold others */
            memcpy(dx + r->argmax[c] * r->row_bytes + c % r->channels * size, r->x + c * size,
                   (size_t)size);
}

static const fc_op_kind sums = {.phase_items = reduce_items, .phase_item = sums_item};
static const fc_op_kind max = {.phase_items = reduce_items, .phase_item = max_item};
static const fc_op_kind max_backward = {
    .phase_items = reduce_items,
    .phase_item = max_backward_item,
};

/* The workspace holds `values` of every block and channel. */
static void prepare_reduce(fc_reduce_op *r, const fc_op_kind *kind, int64_t values)
{
    r->op.kind = kind;
    r->op.phases = 2;
    r->block = fc_max64(BLOCK_ROWS, fc_ceil_div(r->rows, BLOCKS));
    r->blocks = fc_ceil_div(r->rows, r->block);
    r->row_bytes = r->channels * r->op.target.element_size;
    r->op.shared_bytes = fc_round_up(values * r->batch * r->blocks * r->row_bytes, 64);
    r->op.work = 4.0 * (double)(r->batch * r->rows * r->channels);
}

void fc_prepare_column_sums(fc_reduce_op *r) { prepare_reduce(r, &sums, 1); }
void fc_prepare_column_max(fc_reduce_op *r) { prepare_reduce(r, &max, 2); }
void fc_prepare_column_max_backward(fc_reduce_op *r) { prepare_reduce(r, &max_backward, 0); }

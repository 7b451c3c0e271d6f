/* resample.c: linear maps along axes, transposition, affine maps of images. */
#include "operations.h"

#include "../schedule/axis.h"

/* ---- maps along axes: an item is one row of y ---- */

static int64_t resample_items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_resample_op *)op)->rows;
}

static void resample_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    op->table->resample_item(&((const fc_resample_op *)op)->problem, item);
}

static const fc_op_kind resample = {.phase_items = resample_items, .phase_item = resample_item};

/* The caller sets the work: x and y have any number of elements. */
void fc_prepare_resample(fc_resample_op *r)
{
    r->op.kind = &resample;
    r->op.phases = 1;
    r->rows = 1;
    for (int axis = 0; axis < r->problem.rank - 1; axis++)
        r->rows *= r->problem.size[axis];
}

/* ---- transposition ---- */

enum {
    TILE = 8192,     /* elements of one tile: 32 KiB of float32, an L1 cache */
    TILE_ROWS = 512, /* most rows of a tile; its columns are then whole cache lines */
};

static int64_t transpose_items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_transpose_op *)op)->tiles;
}

static void transpose_item(const fc_op *op, int phase, int64_t item, char *workspace,
                           char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    op->table->transpose_item(&((const fc_transpose_op *)op)->problem, item);
}

static const fc_op_kind transpose = {.phase_items = transpose_items, .phase_item = transpose_item};

void fc_prepare_transpose(fc_transpose_op *t)
{
    fc_transpose *p = &t->problem;
    t->op.kind = &transpose;
    t->op.phases = 1;
    p->tile_rows = fc_clamp64(p->rows, 1, TILE_ROWS);
    p->tile_columns = TILE / p->tile_rows;
    t->tiles =
        t->batch * fc_ceil_div(p->rows, p->tile_rows) * fc_ceil_div(p->columns, p->tile_columns);
    t->op.work = 8.0 * (double)(t->batch * p->rows * p->columns);
}

/* ---- affine maps: an item is one row of y, or one image of dx ---- */

static int64_t warp_items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_warp_op *)op)->items;
}

static void warp_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    op->table->warp_item(&((const fc_warp_op *)op)->problem, item);
}

static void warp_backward_item(const fc_op *op, int phase, int64_t item, char *workspace,
                               char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    op->table->warp_backward_item(&((const fc_warp_op *)op)->problem, item);
}

static const fc_op_kind warp = {.phase_items = warp_items, .phase_item = warp_item};
static const fc_op_kind warp_backward = {
    .phase_items = warp_items,
    .phase_item = warp_backward_item,
};

static void prepare_warp(fc_warp_op *w, const fc_op_kind *kind, int64_t items)
{
    const double pixels = (double)w->batch * (double)w->problem.out_h * (double)w->problem.out_w;
    w->op.kind = kind;
    w->op.phases = 1;
    w->items = items;
    w->op.work = (20.0 * (double)w->problem.channels + 60.0) * pixels;
}

void fc_prepare_warp(fc_warp_op *w) { prepare_warp(w, &warp, w->batch * w->problem.out_h); }
void fc_prepare_warp_backward(fc_warp_op *w) { prepare_warp(w, &warp_backward, w->batch); }

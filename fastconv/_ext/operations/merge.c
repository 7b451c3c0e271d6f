/* merge.c: sums, products, maxima and scaling of arrays, concatenation, broadcasts. */
#include "stretch.h"

#include <string.h>

static void merge_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_stretch s = fc_stretch_of(op, item);
    op->table->merge(&((const fc_merge_op *)op)->problem, s.begin, s.n);
}

static void merge_backward_item(const fc_op *op, int phase, int64_t item, char *workspace,
                                char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_merge_op *m = (const fc_merge_op *)op;
    const fc_stretch s = fc_stretch_of(op, item);
    op->table->merge_backward(&m->problem, m->index, m->dy, m->dx, s.begin, s.n);
}

static void scale_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_scale_op *a = (const fc_scale_op *)op;
    const fc_stretch s = fc_stretch_of(op, item);
    op->table->scale(a->factor, a->x + s.at, a->y + s.at, s.n);
}

static const fc_op_kind merge = {.phase_items = fc_stretch_items, .phase_item = merge_item};
static const fc_op_kind merge_backward = {
    .phase_items = fc_stretch_items,
    .phase_item = merge_backward_item,
};
static const fc_op_kind scale = {.phase_items = fc_stretch_items, .phase_item = scale_item};

/* The work is the bytes moved: 4 per element of each array. */

void fc_prepare_merge(fc_merge_op *m)
{
    fc_prepare_stretch(&m->stretch, &merge, 4.0 * (m->problem.count + 1));
}

void fc_prepare_merge_backward(fc_merge_op *m)
{
    fc_prepare_stretch(&m->stretch, &merge_backward, 4.0 * (m->problem.count + 3));
}

void fc_prepare_scale(fc_scale_op *a) { fc_prepare_stretch(&a->stretch, &scale, 8.0); }

/* ---- concatenation ---- */

static int64_t pieces_items(const fc_op *op, int phase)
{
    (void)phase;
    const fc_pieces_op *p = (const fc_pieces_op *)op;
    return fc_ceil_div(p->rows, p->rows_per_item);
}

static void concatenate_item(const fc_op *op, int phase, int64_t item, char *workspace,
                             char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_pieces_op *p = (const fc_pieces_op *)op;
    const int64_t first = item * p->rows_per_item;
    for (int64_t row = first; row < fc_min64(first + p->rows_per_item, p->rows); row++) {
        char *whole = p->whole + row * p->width;
        for (int i = 0; i < p->count; whole += p->widths[i++])
            if (p->pieces[i])
                memcpy(whole, p->pieces[i] + row * p->widths[i], (size_t)p->widths[i]);
    }
}

static void split_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_pieces_op *p = (const fc_pieces_op *)op;
    const int64_t first = item * p->rows_per_item;
    for (int64_t row = first; row < fc_min64(first + p->rows_per_item, p->rows); row++) {
        const char *whole = p->whole + row * p->width;
        for (int i = 0; i < p->count; whole += p->widths[i++])
            if (p->pieces[i])
                memcpy(p->pieces[i] + row * p->widths[i], whole, (size_t)p->widths[i]);
    }
}

static const fc_op_kind concatenate = {.phase_items = pieces_items, .phase_item = concatenate_item};
static const fc_op_kind split = {.phase_items = pieces_items, .phase_item = split_item};

static void prepare_pieces(fc_pieces_op *p, const fc_op_kind *kind)
{
    p->op.kind = kind;
    p->op.phases = 1;
    p->op.work = 2.0 * (double)(p->rows * p->width); /* bytes moved */
    p->rows_per_item = fc_max64(1, 4 * FC_STRETCH / fc_max64(1, p->width));
}

void fc_prepare_concatenate(fc_pieces_op *p) { prepare_pieces(p, &concatenate); }
void fc_prepare_split(fc_pieces_op *p) { prepare_pieces(p, &split); }

/* ---- broadcasts along axes of size 1 ---- */

static int64_t repeat_items(const fc_op *op, int phase)
{
    (void)phase;
    const fc_broadcast *p = &((const fc_broadcast_op *)op)->problem;
    int64_t items = 1;
    for (int axis = 0; axis < p->axes - 1; axis++)
        items *= p->size[axis];
    return items;
}

static void repeat_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    op->table->broadcast_item(&((const fc_broadcast_op *)op)->problem, item);
}

static int64_t repeat_backward_items(const fc_op *op, int phase)
{
    (void)phase;
    return op->table->broadcast_backward_items(&((const fc_broadcast_op *)op)->problem);
}

static void repeat_backward_item(const fc_op *op, int phase, int64_t item, char *workspace,
                                 char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    op->table->broadcast_backward_item(&((const fc_broadcast_op *)op)->problem, item);
}

static const fc_op_kind repeat = {.phase_items = repeat_items, .phase_item = repeat_item};
static const fc_op_kind repeat_backward = {
    .phase_items = repeat_backward_items,
    .phase_item = repeat_backward_item,
};

static void prepare_broadcast(fc_broadcast_op *b, const fc_op_kind *kind)
{
    b->op.kind = kind;
    b->op.phases = 1;
    b->op.work = 4.0; /* bytes moved per element of y */
    for (int axis = 0; axis < b->problem.axes; axis++)
        b->op.work *= (double)b->problem.size[axis];
}

void fc_prepare_repeat(fc_broadcast_op *b) { prepare_broadcast(b, &repeat); }
void fc_prepare_repeat_backward(fc_broadcast_op *b) { prepare_broadcast(b, &repeat_backward); }

/* recurrent.c: the steps of recurrent layers, one phase per step, and their gradient. */
#include "filters.h"

static void fit(fc_op *op, int threads)
{
    fc_recurrent_op *r = (fc_recurrent_op *)op;
    op->scratch_bytes = 0;
    fc_lay_out_filters(&r->filters, threads);
}

static void place_filters(fc_op *op, char *memory) { ((fc_recurrent_op *)op)->problem.w = memory; }

static void begin(fc_op *op, char *workspace)
{
    fc_recurrent_op *r = (fc_recurrent_op *)op;
    fc_filters_begin(op, workspace);
    r->problem.carry = fc_other_memory(&r->filters, workspace);
}

static int64_t items(const fc_op *op, int phase)
{
    const fc_recurrent_op *r = (const fc_recurrent_op *)op;
    if (phase == 0)
        return r->filters.is_packed ? 0 : r->problem.panels;
    return r->problem.items;
}

static void pack(const fc_recurrent_op *r, int transposed, int64_t panel)
{
    const fc_recurrent *p = &r->problem;
    r->filters.op.table->recurrent_pack_item(p, r->r, transposed, (void *)p->w, panel);
}

static void forward_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)workspace, (void)scratch;
    const fc_recurrent_op *r = (const fc_recurrent_op *)op;
    if (phase == 0)
        pack(r, 0, item);
    else
        op->table->recurrent_item(&r->problem, phase - 1, item);
}

static void backward_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)workspace, (void)scratch;
    const fc_recurrent_op *r = (const fc_recurrent_op *)op;
    if (phase == 0)
        pack(r, 1, item);
    else
        op->table->recurrent_gradient_item(&r->problem, phase - 1, item);
}

static const fc_op_kind forward = {
    .fit = fit,
    .begin = begin,
    .phase_items = items,
    .phase_item = forward_item,
    .end = fc_filters_end,
    .place_filters = place_filters,
};

static const fc_op_kind backward = {
    .fit = fit,
    .begin = begin,
    .phase_items = items,
    .phase_item = backward_item,
    .end = fc_filters_end,
    .place_filters = place_filters,
};

static void prepare(fc_recurrent_op *r, const fc_op_kind *kind, int steps_after)
{
    const fc_recurrent *p = &r->problem;
    fc_op *op = &r->filters.op;
    fc_plan_recurrent(&op->target, &r->problem);
    op->kind = kind;
    op->phases = (int)p->steps + 1 + steps_after;
    const int64_t size = op->target.element_size;
    fc_need_filters(&r->filters, p->packed_size * size, p->batch * p->units * size);
    /* Of one step, because every step ends with a barrier.  With few rows, reading the weights
     * dominates. */
    op->work = 2.0 * (double)fc_max64(p->batch, 4) * (double)p->units * (double)p->units *
               p->gate_count;
}

void fc_prepare_recurrent(fc_recurrent_op *r) { prepare(r, &forward, 0); }

void fc_prepare_recurrent_backward(fc_recurrent_op *r)
{
    prepare(r, &backward, r->problem.dh || r->problem.dc);
}

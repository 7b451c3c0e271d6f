/* dense.c: dense layers: forward, both gradients, and a gradient fused with its update. */
#include "operations.h"

#include "../schedule/axis.h"

static void fit(fc_op *op, int threads)
{
    fc_dense_op *d = (fc_dense_op *)op;
    d->problem.threads = threads;
    d->plan(&op->target, &d->problem);
    op->scratch_bytes = fc_round_up(d->problem.scratch_bytes, 64);
}

static int64_t items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_dense_op *)op)->problem.items;
}

static void item(const fc_op *op, int phase, int64_t index, char *workspace, char *scratch)
{
    (void)phase, (void)workspace;
    const fc_dense_op *d = (const fc_dense_op *)op;
    d->item(&d->problem, index, scratch);
}

static const fc_op_kind gradient = {.fit = fit, .phase_items = items, .phase_item = item};

static void prepare(fc_dense_op *d, const fc_op_kind *kind, fc_dense_plan plan, fc_dense_item run)
{
    const fc_dense *p = &d->problem;
    d->op.kind = kind;
    d->op.phases = 1;
    d->plan = plan;
    d->item = run;
    /* With few rows, reading the weights dominates. */
    d->op.work = 2.0 * (double)fc_max64(p->rows, 4) * (double)p->inputs * (double)p->outputs;
}

/* ---- forward: the products and, with several blocks of the reduction, their sums ---- */

static void forward_begin(fc_op *op, char *workspace)
{
    ((fc_dense_op *)op)->problem.partial = workspace;
}

static int64_t forward_items(const fc_op *op, int phase)
{
    const fc_dense *p = &((const fc_dense_op *)op)->problem;
    return phase ? p->sum_items : p->items;
}

static void forward_item(const fc_op *op, int phase, int64_t index, char *workspace,
                         char *scratch)
{
    (void)workspace;
    const fc_dense *p = &((const fc_dense_op *)op)->problem;
    if (phase)
        op->table->dense_sum_item(p, index);
    else
        op->table->dense_forward_item(p, index, scratch);
}

static const fc_op_kind forward = {
    .fit = fit,
    .begin = forward_begin,
    .phase_items = forward_items,
    .phase_item = forward_item,
};

void fc_prepare_dense_forward(fc_dense_op *d)
{
    prepare(d, &forward, fc_plan_dense_forward, d->op.table->dense_forward_item);
    fit(&d->op, 1);
    d->op.phases = d->problem.blocks > 1 ? 2 : 1;
    d->op.shared_bytes = fc_round_up(d->problem.partial_size * d->op.target.element_size, 64);
}

void fc_prepare_dense_backward_input(fc_dense_op *d)
{
    prepare(d, &gradient, fc_plan_dense_backward_input, d->op.table->dense_backward_input_item);
}

void fc_prepare_dense_backward_kernel(fc_dense_op *d)
{
    prepare(d, &gradient, fc_plan_dense_backward_kernel, d->op.table->dense_backward_kernel_item);
}

/* ---- the gradient of the weights with their update: it is never stored as a whole ---- */

static void update_begin(fc_op *op, char *workspace)
{
    (void)workspace;
    fc_read_hyper(((fc_dense_op *)op)->rule);
}

static void update_item(const fc_op *op, int phase, int64_t index, char *workspace, char *scratch)
{
    (void)phase, (void)workspace;
    const fc_dense_op *d = (const fc_dense_op *)op;
    op->table->dense_update_item(&d->problem, &d->rule->problem, d->rule->apply, index, scratch);
}

static const fc_op_kind update = {
    .fit = fit,
    .begin = update_begin,
    .phase_items = items,
    .phase_item = update_item,
};

void fc_prepare_dense_update(fc_dense_op *d)
{
    prepare(d, &update, fc_plan_dense_update, NULL);
    /* For every weight, w and at least one slot are read and written. */
    const double moved = 16.0 * (double)(d->problem.inputs * d->problem.outputs);
    if (d->op.work < moved)
        d->op.work = moved;
}

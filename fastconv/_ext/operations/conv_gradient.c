/* conv_gradient.c: convolutions, with respect to filters and bias. */
#include "operations.h"

#include "../schedule/axis.h"

/* ---- direct sums: the splits, then their reduction ---- */

static void direct_fit(fc_op *op, int threads)
{
    fc_filter_gradient *p = &((fc_filter_gradient_op *)op)->problem;
    p->threads = threads;
    fc_plan_filter_gradient(&op->target, p);
    op->scratch_bytes = fc_round_up(p->scratch_bytes, 64);
}

static void direct_begin(fc_op *op, char *workspace)
{
    ((fc_filter_gradient_op *)op)->problem.partial = workspace;
}

static int64_t direct_items(const fc_op *op, int phase)
{
    const fc_filter_gradient *p = &((const fc_filter_gradient_op *)op)->problem;
    return phase == 0 ? p->items : p->reduce_items;
}

static void direct_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)workspace;
    const fc_filter_gradient *p = &((const fc_filter_gradient_op *)op)->problem;
    if (phase == 0)
        op->table->filter_gradient_item(p, item, scratch);
    else
        op->table->filter_gradient_reduce(p, item);
}

static const fc_op_kind direct = {
    .fit = direct_fit,
    .begin = direct_begin,
    .phase_items = direct_items,
    .phase_item = direct_item,
};

void fc_prepare_filter_gradient(fc_filter_gradient_op *d)
{
    fc_op *op = &d->op;
    const fc_filter_gradient *p = &d->problem;
    op->kind = &direct;
    op->phases = 2;
    direct_fit(op, 1);
    op->shared_bytes = fc_round_up(p->partial_size * op->target.element_size, 64);
    op->work = 2.0 * (double)p->batch * (double)p->out_h * (double)p->out_w *
               (double)p->kernel_h * (double)p->kernel_w * (double)p->channels;
    if (!p->depthwise)
        op->work *= (double)(p->filters * p->groups);
}

/* ---- Winograd's algorithm ----
 *
 * With `own_sums`: the splits, then their reduction.  Otherwise one item that writes the zeros that
 * all others read (`begin` would be too early, because earlier ops use the same memory), then two
 * phases per block of tiles. */

static void winograd_fit(fc_op *op, int threads)
{
    fc_winograd_gradient *p = &((fc_winograd_gradient_op *)op)->problem;
    p->threads = threads;
    fc_plan_winograd_gradient(&op->target, p);
    op->shared_bytes = fc_round_up(p->workspace_size * op->target.element_size, 64);
    op->scratch_bytes = fc_round_up(p->scratch_bytes, 64);
}

static int64_t winograd_items(const fc_op *op, int phase)
{
    const fc_winograd_gradient *p = &((const fc_winograd_gradient_op *)op)->problem;
    if (p->own_sums)
        return phase ? p->reduce_items : p->split_items;
    if (phase == 0)
        return 1;
    return phase % 2 ? p->transform_items : p->product_items;
}

static void winograd_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    const fc_winograd_gradient *p = &((const fc_winograd_gradient_op *)op)->problem;
    const int64_t block = (phase - 1) / 2;
    if (p->own_sums) {
        if (phase == 0)
            op->table->winograd_gradient_split(p, workspace, item, scratch);
        else
            op->table->winograd_gradient_reduce(p, workspace, item);
    } else if (phase == 0)
        op->table->winograd_gradient_begin(p, workspace);
    else if (phase % 2)
        op->table->winograd_gradient_transform(p, workspace, block, item);
    else
        op->table->winograd_gradient_product(p, workspace, block, item, scratch);
}

static const fc_op_kind winograd = {
    .fit = winograd_fit,
    .phase_items = winograd_items,
    .phase_item = winograd_item,
};

void fc_prepare_winograd_gradient(fc_winograd_gradient_op *w)
{
    fc_op *op = &w->op;
    const fc_winograd_gradient *p = &w->problem;
    op->kind = &winograd;
    winograd_fit(op, 1);
    op->phases = p->own_sums ? 2 : (int)(2 * p->blocks + 1);
    op->work = 2.0 * (double)p->batch * (double)p->out_h * (double)p->out_w * p->kernel *
               p->kernel * (double)p->channels * (double)p->filters;
}

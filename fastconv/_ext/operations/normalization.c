/* normalization.c: normalization by channels, rows and neighbouring channels, and the ReLU with
 * trained slopes: passes that include reductions. */
#include "filters.h"

/* ---- statistics of channels: batch and group normalization ---- */

static int64_t channel_items(const fc_op *op, int phase)
{
    const fc_channel_norm *p = &((const fc_channel_norm_op *)op)->problem;
    if (phase == 0)
        return p->sum_items;
    return phase == 1 ? p->finish_items : p->pass_items;
}

static void channel_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)scratch;
    const fc_channel_norm *p = &((const fc_channel_norm_op *)op)->problem;
    if (phase == 0)
        op->table->channel_moments_item(p, workspace, item);
    else if (phase == 1)
        op->table->channel_moments_finish(p, workspace, item);
    else
        op->table->channel_affine_item(p, workspace, item);
}

static int64_t channel_gradient_items(const fc_op *op, int phase)
{
    const fc_channel_norm *p = &((const fc_channel_norm_op *)op)->problem;
    switch (phase) {
    case 0:
        return p->activation == FC_LINEAR ? 0 : p->segments * p->panels;
    case 1:
        return p->sum_items;
    case 2:
        return p->finish_items;
    case 3:
        return p->dgamma || p->dbeta ? p->panels : 0;
    default:
        return p->y ? p->pass_items : 0;
    }
}

static void channel_gradient_item(const fc_op *op, int phase, int64_t item, char *workspace,
                                  char *scratch)
{
    (void)scratch;
    const fc_channel_norm *p = &((const fc_channel_norm_op *)op)->problem;
    switch (phase) {
    case 0:
        op->table->channel_scale_item(p, workspace, item);
        break;
    case 1:
        op->table->channel_gradient_item(p, workspace, item);
        break;
    case 2:
        op->table->channel_gradient_finish(p, workspace, item);
        break;
    case 3:
        op->table->channel_gradient_parameters(p, workspace, item);
        break;
    default:
        op->table->channel_gradient_pass(p, workspace, item);
    }
}

static const fc_op_kind channel = {.phase_items = channel_items, .phase_item = channel_item};
static const fc_op_kind channel_gradient = {
    .phase_items = channel_gradient_items,
    .phase_item = channel_gradient_item,
};

/* Number of elements of x. */
static double channel_size(const fc_channel_norm *p)
{
    return (double)(p->segments * p->rows * p->channels);
}

static void prepare_channel(fc_channel_norm_op *c, const fc_op_kind *kind, int phases, double work)
{
    fc_plan_channel_norm(&c->op.target, &c->problem);
    c->op.kind = kind;
    c->op.phases = phases;
    c->op.shared_bytes = fc_round_up(c->problem.workspace_bytes, 64);
    c->op.work = work * channel_size(&c->problem);
}

void fc_prepare_channel_norm(fc_channel_norm_op *c) { prepare_channel(c, &channel, 3, 16.0); }

void fc_prepare_channel_norm_backward(fc_channel_norm_op *c)
{
    prepare_channel(c, &channel_gradient, 5, 24.0);
}

/* ---- with given statistics: scale and shift are packed once per change of the weights ---- */

static void frozen_place_filters(fc_op *op, char *memory)
{
    ((fc_frozen_norm_op *)op)->coefficients = memory;
}

static int64_t frozen_items(const fc_op *op, int phase)
{
    const fc_frozen_norm_op *f = (const fc_frozen_norm_op *)op;
    if (phase == 0)
        return f->filters.is_packed ? 0 : f->problem.panels;
    return f->problem.pass_items;
}

/* The folded filters are also kept until the weights change. */
static int64_t folded_items(const fc_op *op, int phase)
{
    return ((const fc_filter_op *)op)->is_packed ? 0 : frozen_items(op, phase);
}

static void frozen_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)workspace, (void)scratch;
    const fc_frozen_norm_op *f = (const fc_frozen_norm_op *)op;
    if (phase == 0)
        op->table->channel_scale_item(&f->problem, f->coefficients, item);
    else
        op->table->channel_affine_item(&f->problem, f->coefficients, item);
}

static const fc_op_kind frozen = {
    .begin = fc_filters_begin,
    .phase_items = frozen_items,
    .phase_item = frozen_item,
    .end = fc_filters_end,
    .place_filters = frozen_place_filters,
};
static const fc_op_kind folded = {
    .begin = fc_filters_begin,
    .phase_items = folded_items,
    .phase_item = frozen_item,
    .end = fc_filters_end,
    .place_filters = frozen_place_filters,
};

static void prepare_frozen(fc_frozen_norm_op *f, const fc_op_kind *kind)
{
    fc_op *op = &f->filters.op;
    fc_plan_channel_norm(&op->target, &f->problem);
    op->kind = kind;
    op->phases = 2;
    op->work = 8.0 * channel_size(&f->problem);
    fc_need_filters(&f->filters, f->problem.workspace_bytes, 0);
}

void fc_prepare_frozen_norm(fc_frozen_norm_op *f) { prepare_frozen(f, &frozen); }
void fc_prepare_folded_norm(fc_frozen_norm_op *f) { prepare_frozen(f, &folded); }

/* ---- rows: layer and unit normalization ---- */

static int64_t row_items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_row_norm_op *)op)->problem.items;
}

static void row_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    op->table->row_norm_item(&((const fc_row_norm_op *)op)->problem, item);
}

static int64_t row_gradient_items(const fc_op *op, int phase)
{
    const fc_row_norm *p = &((const fc_row_norm_op *)op)->problem;
    if (phase == 0)
        return p->splits;
    return p->dgamma || p->dbeta ? p->reduce_items : 0;
}

static void row_gradient_item(const fc_op *op, int phase, int64_t item, char *workspace,
                              char *scratch)
{
    const fc_row_norm *p = &((const fc_row_norm_op *)op)->problem;
    if (phase == 0)
        op->table->row_norm_gradient_item(p, workspace, item, scratch);
    else
        op->table->row_norm_gradient_reduce(p, workspace, item);
}

static const fc_op_kind row = {.phase_items = row_items, .phase_item = row_item};
static const fc_op_kind row_gradient = {
    .phase_items = row_gradient_items,
    .phase_item = row_gradient_item,
};

static void prepare_row(fc_row_norm_op *r, const fc_op_kind *kind, int phases)
{
    fc_plan_row_norm(&r->op.target, &r->problem);
    r->op.kind = kind;
    r->op.phases = phases;
    r->op.work = 16.0 * (double)(r->problem.rows * r->problem.features);
}

void fc_prepare_row_norm(fc_row_norm_op *r) { prepare_row(r, &row, 1); }

void fc_prepare_row_norm_backward(fc_row_norm_op *r)
{
    prepare_row(r, &row_gradient, 2);
    r->op.shared_bytes = fc_round_up(r->problem.workspace_bytes, 64);
    r->op.scratch_bytes = fc_round_up(r->problem.scratch_bytes, 64);
}

/* ---- neighbouring channels ---- */

static int64_t response_items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_response_norm_op *)op)->problem.items;
}

static void response_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace;
    op->table->response_norm_item(&((const fc_response_norm_op *)op)->problem, item, scratch);
}

static void response_gradient_item(const fc_op *op, int phase, int64_t item, char *workspace,
                                   char *scratch)
{
    (void)phase, (void)workspace;
    op->table->response_norm_gradient_item(&((const fc_response_norm_op *)op)->problem, item,
                                           scratch);
}

static const fc_op_kind response = {.phase_items = response_items, .phase_item = response_item};
static const fc_op_kind response_gradient = {
    .phase_items = response_items,
    .phase_item = response_gradient_item,
};

static void prepare_response(fc_response_norm_op *r, const fc_op_kind *kind, int64_t scratches)
{
    fc_response_norm *p = &r->problem;
    p->radius = fc_min64(p->radius, p->channels); /* which covers every window */
    fc_plan_response_norm(&r->op.target, p);
    r->op.kind = kind;
    r->op.phases = 1;
    r->op.scratch_bytes = fc_round_up(scratches * p->scratch_bytes, 64);
    r->op.work = (8.0 + 2 * (double)p->radius) * (double)(p->rows * p->channels);
}

void fc_prepare_response_norm(fc_response_norm_op *r) { prepare_response(r, &response, 1); }

void fc_prepare_response_norm_backward(fc_response_norm_op *r)
{
    prepare_response(r, &response_gradient, 2);
}

/* ---- trained slopes ---- */

static int64_t prelu_items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_prelu_op *)op)->problem.items;
}

static void prelu_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    op->table->prelu_item(&((const fc_prelu_op *)op)->problem, item);
}

static int64_t prelu_gradient_items(const fc_op *op, int phase)
{
    const fc_prelu *p = &((const fc_prelu_op *)op)->problem;
    if (phase == 0)
        return p->splits;
    return p->dalpha ? p->slopes : 0;
}

static void prelu_gradient_item(const fc_op *op, int phase, int64_t item, char *workspace,
                                char *scratch)
{
    const fc_prelu *p = &((const fc_prelu_op *)op)->problem;
    if (phase == 0)
        op->table->prelu_gradient_item(p, workspace, item, scratch);
    else
        op->table->prelu_gradient_reduce(p, workspace, item);
}

static const fc_op_kind prelu = {.phase_items = prelu_items, .phase_item = prelu_item};
static const fc_op_kind prelu_gradient = {
    .phase_items = prelu_gradient_items,
    .phase_item = prelu_gradient_item,
};

static void prepare_prelu(fc_prelu_op *r, const fc_op_kind *kind, int phases)
{
    const fc_prelu *p = &r->problem;
    fc_plan_prelu(&r->op.target, &r->problem);
    r->op.kind = kind;
    r->op.phases = phases;
    r->op.work = 8.0 * (double)(p->rows * p->slopes * p->inner);
}

void fc_prepare_prelu(fc_prelu_op *r) { prepare_prelu(r, &prelu, 1); }

void fc_prepare_prelu_backward(fc_prelu_op *r)
{
    prepare_prelu(r, &prelu_gradient, 2);
    r->op.shared_bytes = fc_round_up(r->problem.workspace_bytes, 64);
    r->op.scratch_bytes = fc_round_up(r->problem.scratch_bytes, 64);
}

/* update.c: optimizer updates, penalties on weights and activities, bounds on norms of weights. */
#include "stretch.h"

/* ---- optimizers ---- */

void fc_read_hyper(fc_rule *rule)
{
    for (int64_t i = 0; i < rule->hyper_size; i++)
        rule->problem.h[i] = rule->hyper[i];
}

static void update_begin(fc_op *op, char *workspace)
{
    (void)workspace;
    fc_read_hyper(((fc_update_op *)op)->rule);
}

static void update_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_rule *rule = ((const fc_update_op *)op)->rule;
    const fc_stretch s = fc_stretch_of(op, item);
    rule->apply(&rule->problem, s.begin, s.n);
}

static const fc_op_kind update = {
    .begin = update_begin,
    .phase_items = fc_stretch_items,
    .phase_item = update_item,
};

void fc_prepare_update(fc_update_op *u)
{
    fc_prepare_stretch(&u->stretch, &update, 16.0); /* bytes moved per element */
}

/* ---- penalties: value[0] = scale * (l1 sum|x| + l2 sum x^2), the gradient is added to g ---- */

static void penalty_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_penalty_op *p = (const fc_penalty_op *)op;
    const fc_stretch s = fc_stretch_of(op, item);
    p->parts[item] = op->table->penalty(p->x + s.at, p->g ? p->g + s.at : NULL, s.n, p->l1, p->l2,
                                        p->scale);
}

static void penalty_end(fc_op *op)
{
    const fc_penalty_op *p = (const fc_penalty_op *)op;
    double total = 0;
    for (int64_t item = 0; item < fc_stretch_items(op, 0); item++)
        total += p->parts[item];
    p->value[0] = p->scale * total;
}

static const fc_op_kind penalty = {
    .phase_items = fc_stretch_items,
    .phase_item = penalty_item,
    .end = penalty_end,
};

void fc_prepare_penalty(fc_penalty_op *p) { fc_prepare_stretch(&p->stretch, &penalty, 8.0); }

/* ---- norms ---- */

enum { COLUMNS = 64 }; /* per item */

static int64_t norms_items(const fc_op *op, int phase)
{
    (void)phase;
    const fc_limit_op *l = (const fc_limit_op *)op;
    return l->problem.outer * l->blocks;
}

static void norms_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_limit_op *l = (const fc_limit_op *)op;
    const int64_t begin = item % l->blocks * COLUMNS;
    op->table->limit_norms(&l->problem, item / l->blocks, begin,
                           fc_min64(COLUMNS, l->problem.inner - begin));
}

static const fc_op_kind norms = {.phase_items = norms_items, .phase_item = norms_item};

void fc_prepare_limit_norms(fc_limit_op *l)
{
    const fc_norms *p = &l->problem;
    l->op.kind = &norms;
    l->op.phases = 1;
    l->blocks = fc_ceil_div(p->inner, COLUMNS);
    l->op.work = 12.0 * (double)(p->outer * p->reduced * p->inner); /* bytes moved */
}

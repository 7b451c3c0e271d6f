/* loss.c: losses over rows of predictions; an item is one row. */
#include "operations.h"

static int64_t items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_loss_op *)op)->problem.rows;
}

static void item(const fc_op *op, int phase, int64_t index, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_loss_op *l = (const fc_loss_op *)op;
    l->row(&l->problem, index);
}

static const fc_op_kind simple = {.phase_items = items, .phase_item = item};

static void prepare(fc_loss_op *l, const fc_op_kind *kind, double work,
                    void (*row)(const fc_loss *, int64_t))
{
    l->op.kind = kind;
    l->op.phases = 1;
    l->op.work = work * (double)l->problem.rows * (double)l->problem.classes;
    l->row = row;
    l->problem.scale = 1;
}

void fc_prepare_softmax_cross_entropy(fc_loss_op *l)
{
    prepare(l, &simple, 20.0, l->op.table->softmax_cross_entropy_row);
}

void fc_prepare_cross_entropy(fc_loss_op *l)
{
    prepare(l, &simple, 20.0, l->op.table->cross_entropy_row);
}

void fc_prepare_mean_squared_error(fc_loss_op *l)
{
    prepare(l, &simple, 20.0, l->op.table->mean_squared_error_row);
}

/* ---- any loss, by kind ---- */

/* Whether all targets are 0 or 1. */
static int targets_are_binary(const fc_loss_op *l)
{
    const fc_loss *p = &l->problem;
    for (int64_t i = 0; i < p->rows * p->classes; i++) {
        const double t = l->op.target.element_size == 8 ? ((const double *)p->targets)[i]
                                                        : ((const float *)p->targets)[i];
        if (t != 0.0 && t != 1.0)
            return 0;
    }
    return 1;
}

/* Sets the number of rows that count, and looks at the targets. */
static void begin(fc_op *op, char *workspace)
{
    (void)workspace;
    fc_loss_op *l = (fc_loss_op *)op;
    fc_loss *p = &l->problem;
    int64_t count = p->rows;
    if (p->ignores) {
        count = 0;
        for (int64_t i = 0; i < p->rows; i++)
            count += p->labels[i] != p->ignore;
    }
    p->scale = count == 0 ? 0.0 : (double)p->rows / (double)count;
    if (l->summed)
        p->scale = (double)p->rows;
    if (l->looks_at_targets)
        p->binary = targets_are_binary(l);
}

static const fc_op_kind general = {.begin = begin, .phase_items = items, .phase_item = item};

void fc_prepare_loss(fc_loss_op *l)
{
    /* About one logarithm or exponential per element. */
    prepare(l, &general, 40.0, l->op.table->loss_row);
    const int kind = l->problem.kind;
    l->looks_at_targets = kind == FC_LOSS_HINGE || kind == FC_LOSS_SQUARED_HINGE;
}

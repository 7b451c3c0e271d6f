/* elementwise.c: activations, dropout, noise and softmax. */
#include "stretch.h"

/* ---- activations ---- */

static void forward_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_activation_op *a = (const fc_activation_op *)op;
    const fc_stretch s = fc_stretch_of(op, item);
    op->table->activation_pass(a->kind, a->parameters, a->x + s.at, a->y + s.at, s.n);
}

static void backward_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_activation_op *a = (const fc_activation_op *)op;
    const fc_stretch s = fc_stretch_of(op, item);
    op->table->activation_backward_pass(a->kind, a->parameters, a->x + s.at, a->dy + s.at,
                                        a->y + s.at, s.n);
}

static const fc_op_kind forward = {.phase_items = fc_stretch_items, .phase_item = forward_item};
static const fc_op_kind backward = {.phase_items = fc_stretch_items, .phase_item = backward_item};

void fc_prepare_activation(fc_activation_op *a)
{
    fc_prepare_stretch(&a->stretch, &forward, 8.0); /* bytes moved per element */
}

void fc_prepare_activation_backward(fc_activation_op *a)
{
    fc_prepare_stretch(&a->stretch, &backward, 8.0);
}

/* ---- dropout and noise: every draw has its own key ---- */

static uint64_t key_of(uint64_t seed, uint64_t draws) { return seed + draws * 0xD1342543DE82EF95u; }

static void dropout_begin(fc_op *op, char *workspace)
{
    (void)workspace;
    ((fc_dropout_op *)op)->draws++;
}

static void dropout_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_dropout_op *d = (const fc_dropout_op *)op;
    const fc_stretch s = fc_stretch_of(op, item);
    op->table->dropout(d->x + s.at, d->y + s.at, d->mask->first + s.begin, s.n, d->mask->rate,
                       key_of(d->mask->seed, d->mask->draws));
}

static const fc_op_kind dropout = {
    .begin = dropout_begin,
    .phase_items = fc_stretch_items,
    .phase_item = dropout_item,
};
static const fc_op_kind masked = {.phase_items = fc_stretch_items, .phase_item = dropout_item};

void fc_prepare_dropout(fc_dropout_op *d)
{
    fc_prepare_stretch(&d->stretch, &dropout, 8.0);
    d->mask = d;
}

void fc_prepare_dropout_backward(fc_dropout_op *d)
{
    fc_prepare_stretch(&d->stretch, &masked, 8.0);
}

static void gaussian_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_gaussian_op *g = (const fc_gaussian_op *)op;
    const fc_stretch s = fc_stretch_of(op, item);
    op->table->gaussian(g->x + s.at, g->y + s.at, g->first + s.begin, s.n, g->stddev,
                        key_of(g->seed, g->draws), g->multiply);
}

static const fc_op_kind gaussian = {.phase_items = fc_stretch_items, .phase_item = gaussian_item};

void fc_prepare_gaussian(fc_gaussian_op *g)
{
    /* A logarithm, a root, a sine and a cosine per two elements. */
    fc_prepare_stretch(&g->stretch, &gaussian, 60.0);
}

/* ---- rows of classes ---- */

static int64_t softmax_items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_softmax_op *)op)->rows;
}

static void softmax_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_softmax_op *s = (const fc_softmax_op *)op;
    const int64_t at = item * s->classes * op->target.element_size;
    (s->is_log ? op->table->log_softmax : op->table->softmax)(s->x + at, s->y + at, 1, s->classes);
}

static void softmax_backward_item(const fc_op *op, int phase, int64_t item, char *workspace,
                                  char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_softmax_op *s = (const fc_softmax_op *)op;
    const int64_t at = item * s->classes * op->target.element_size;
    (s->is_log ? op->table->log_softmax_backward : op->table->softmax_backward)(
        s->x + at, s->dy + at, s->y + at, 1, s->classes);
}

static const fc_op_kind softmax = {.phase_items = softmax_items, .phase_item = softmax_item};
static const fc_op_kind softmax_backward = {
    .phase_items = softmax_items,
    .phase_item = softmax_backward_item,
};

static void prepare_rows(fc_softmax_op *s, const fc_op_kind *kind)
{
    s->op.kind = kind;
    s->op.phases = 1;
    /* An exponential and a division per element: about twenty operations. */
    s->op.work = 20.0 * (double)s->rows * (double)s->classes;
}

void fc_prepare_softmax(fc_softmax_op *s) { prepare_rows(s, &softmax); }
void fc_prepare_softmax_backward(fc_softmax_op *s) { prepare_rows(s, &softmax_backward); }

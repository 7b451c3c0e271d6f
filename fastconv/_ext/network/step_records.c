/* step_records.c: builders of what only a training step has: random ops, the loss, penalties, and
 * the updates of an optimizer (builders.h). */
#include "builders.h"

#include "../schedule/axis.h"

#include <math.h>

/* ---- random numbers ---- */

/* Gives the draws of an op the numbers of the steps, plus `ahead`. */
static void number_draws(fc_builder *b, uint64_t *draws, uint64_t ahead)
{
    fc_random *random = fc_take(b, sizeof *random);
    if (!random)
        return;
    random->draws = draws;
    random->ahead = ahead;
    random->next = b->random;
    b->random = random;
}

static fc_dropout_op *new_dropout(fc_builder *b)
{
    fc_dropout_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->stretch.size = size_at(b, 0);
    if (b->integer_count > 1)
        op->seed = (uint64_t)b->integers[1];
    op->rate = fc_real(b, 0);
    if (b->integer_count < 2 || !(op->rate >= 0.0 && op->rate < 1.0))
        b->status = FC_NETWORK_DAMAGED;
    op->x = fc_read_array(b, 0, BYTES(op->stretch.size));
    op->y = fc_written_array(b, 1, BYTES(op->stretch.size));
    op->mask = op;
    return op;
}

fc_op *fc_build_dropout(fc_builder *b)
{
    fc_dropout_op *op = new_dropout(b);
    if (!op)
        return NULL;
    if (!b->status)
        fc_prepare_dropout(op);
    number_draws(b, &op->draws, 0);
    return &op->stretch.op;
}

/* The same numbers as the dropout of the forward pass, which counts one draw itself. */
fc_op *fc_build_dropout_input(fc_builder *b)
{
    fc_dropout_op *op = new_dropout(b);
    if (!op)
        return NULL;
    if (!b->status)
        fc_prepare_dropout_backward(op);
    number_draws(b, &op->draws, 1);
    return &op->stretch.op;
}

fc_op *fc_build_gaussian(fc_builder *b)
{
    fc_gaussian_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->stretch.size = size_at(b, 0);
    op->multiply = code_at(b, 1, 1);
    op->stddev = fc_real(b, 0);
    if (b->integer_count > 2)
        op->seed = (uint64_t)b->integers[2];
    else
        b->status = FC_NETWORK_DAMAGED;
    op->x = fc_read_array(b, 0, BYTES(op->stretch.size));
    op->y = fc_written_array(b, 1, BYTES(op->stretch.size));
    if (!b->status)
        fc_prepare_gaussian(op);
    number_draws(b, &op->draws, 0);
    return &op->stretch.op;
}

/* Integers: length and size in the mask of the last axis, then both of every other axis. */
fc_op *fc_build_masked(fc_builder *b)
{
    fc_masked_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->length = size_at(b, 0);
    op->one = code_at(b, 1, 1);
    op->rank = (int)fc_integer(b, 2, 0, FC_AXES);
    op->rows = 1;
    int64_t mask = op->one ? 1 : op->length; /* elements */
    for (int axis = op->rank - 1; axis >= 0; axis--) {
        op->size[axis] = size_at(b, 3 + 2 * axis);
        const int is_masked = code_at(b, 4 + 2 * axis, 1);
        op->stride[axis] = is_masked ? mask : 0;
        op->rows = fc_product(b, (const int64_t[]){op->rows, op->size[axis]}, 2);
        if (is_masked)
            mask = fc_product(b, (const int64_t[]){mask, op->size[axis]}, 2);
    }
    op->x = fc_read_array(b, 0, BYTES(op->rows, op->length));
    op->mask = fc_read_array(b, 1, BYTES(mask));
    op->y = fc_written_array(b, 2, BYTES(op->rows, op->length));
    if (!b->status)
        fc_prepare_masked(op);
    return &op->op;
}

/* ---- losses ---- */

/* Integers: rows, classes, kind, summed, whether the targets are labels, whether one is ignored,
 * and that one.  Arrays: prediction, targets, gradient, loss, weights, probabilities. */
fc_op *fc_build_loss(fc_builder *b)
{
    fc_loss_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_loss *p = &op->problem;
    p->rows = size_at(b, 0);
    p->classes = size_at(b, 1);
    p->kind = code_at(b, 2, FC_LOSS_CROSS_ENTROPY);
    op->summed = code_at(b, 3, 1);
    const int are_labels = code_at(b, 4, 1);
    p->ignores = code_at(b, 5, 1);
    p->ignore = fc_integer(b, 6, INT64_MIN, INT64_MAX);
    p->a = fc_real(b, 0);
    p->b = fc_real(b, 1);
    const int takes_labels =
        p->kind == FC_LOSS_SOFTMAX_CROSS_ENTROPY || p->kind == FC_LOSS_CROSS_ENTROPY;
    if ((are_labels && !takes_labels) || (p->ignores && !are_labels))
        b->status = FC_NETWORK_DAMAGED;
    const int64_t bytes = BYTES(p->rows, p->classes);
    p->prediction = fc_read_array(b, 0, bytes);
    if (are_labels)
        p->labels = fc_read_words(b, 1, p->rows);
    else
        p->targets = fc_read_array(b, 1, bytes);
    p->gradient = optional_written(b, 2, bytes);
    p->loss = fc_double_array(b, 3, p->rows);
    p->sample_weight = optional(b, 4, BYTES(p->rows));
    p->probabilities = optional_written(b, 5, bytes);
    if (!b->status)
        fc_prepare_loss(op);
    return &op->op;
}

/* The sum of all penalties, and of the mean of every loss times its weight. */
typedef struct {
    fc_op op;
    double **terms;       /* the penalties, then the losses */
    const int64_t *rows;  /* of each loss */
    const int64_t *weights; /* of each loss: doubles */
    int64_t penalties, losses;
    double *total;
} total_op;

/* In the order of numpy.sum. */
static double sum(const double *x, int64_t n)
{
    if (n < 8) {
        double total = 0;
        for (int64_t i = 0; i < n; i++)
            total += x[i];
        return total;
    }
    if (n > 128) {
        const int64_t half = n / 2 - n / 2 % 8;
        return sum(x, half) + sum(x + half, n - half);
    }
    double r[8];
    memcpy(r, x, sizeof r);
    int64_t i = 8;
    for (; i < n - n % 8; i += 8)
        for (int j = 0; j < 8; j++)
            r[j] += x[i + j];
    double total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; i++)
        total += x[i];
    return total;
}

static int64_t one_item(const fc_op *op, int phase)
{
    (void)op, (void)phase;
    return 1;
}

static void total_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)item, (void)workspace, (void)scratch;
    const total_op *t = (const total_op *)op;
    double total = 0;
    for (int64_t i = 0; i < t->penalties; i++)
        total += t->terms[i][0];
    for (int64_t i = 0; i < t->losses; i++) {
        double weight;
        memcpy(&weight, &t->weights[i], sizeof weight);
        total += sum(t->terms[t->penalties + i], t->rows[i]) / (double)t->rows[i] * weight;
    }
    t->total[0] = total;
}

static const fc_op_kind total_kind = {.phase_items = one_item, .phase_item = total_item};

/* Integers: number of penalties, then the rows of every loss.  Reals: the weight of every loss.
 * Arrays: penalties, losses, and the total; all of doubles. */
fc_op *fc_build_total_loss(fc_builder *b)
{
    total_op *t = new_op(b, sizeof *t);
    if (!t)
        return NULL;
    t->penalties = count_at(b, 0);
    t->losses = b->integer_count - 1;
    if (t->losses < 0 || b->real_count != t->losses ||
        b->array_count != t->penalties + t->losses + 1)
        b->status = FC_NETWORK_DAMAGED;
    t->terms = fc_take(b, (b->array_count - 1) * (int64_t)sizeof *t->terms);
    if (b->status)
        return NULL;
    t->rows = b->integers + 1;
    t->weights = b->reals;
    for (int64_t i = 0; i < b->array_count - 1; i++) {
        const int64_t at = i - t->penalties;
        t->terms[i] = fc_double_array(b, i, at < 0 ? 1 : size_at(b, 1 + at));
    }
    t->total = fc_double_array(b, b->array_count - 1, 1);
    t->op.kind = &total_kind;
    t->op.phases = 1;
    return &t->op;
}

/* Arrays: x, its gradient, the value, and the sums of all items; the last two of doubles. */
fc_op *fc_build_penalty(fc_builder *b)
{
    fc_penalty_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->stretch.size = size_at(b, 0);
    op->l1 = fc_real(b, 0);
    op->l2 = fc_real(b, 1);
    op->scale = fc_real(b, 2);
    op->x = fc_read_array(b, 0, BYTES(op->stretch.size));
    op->g = optional_written(b, 1, BYTES(op->stretch.size));
    op->value = fc_double_array(b, 2, 1);
    op->parts = fc_double_array(b, 3, fc_ceil_div(op->stretch.size, FC_STRETCH));
    if (!b->status)
        fc_prepare_penalty(op);
    return &op->stretch.op;
}

/* ---- the optimizer ---- */

enum { HYPER = 6 }; /* numbers of a rule */

/* The numbers of the next step: what `fastconv.optimizers` computes between two steps. */
typedef struct {
    fc_op op;
    int rule;
    double *settings; /* FC_SETTING_* */
    double *hyper, *decay, *averaging;
} step_op;

/* Nadam's momentum in step `t`. */
static double nadam_momentum(double beta, double t) { return beta * (1 - 0.5 * pow(0.96, t)); }

static void set_hyper(const step_op *s)
{
    const double rate = s->settings[FC_SETTING_RATE], t = s->settings[FC_SETTING_STEPS] + 1;
    const double *rule = s->settings + FC_SETTING_RULE;
    double *hyper = s->hyper;
    hyper[0] = rate;
    for (int i = 0; i < 4; i++)
        hyper[1 + i] = rule[i];
    switch (s->rule) {
    case FC_ADAM: {
        const double correction = sqrt(1 - pow(rule[1], t)) / (1 - pow(rule[0], t));
        hyper[0] = rate * correction;
        break;
    }
    case FC_ADAMAX:
        hyper[0] = rate / (1 - pow(rule[0], t));
        break;
    case FC_NADAM: {
        const double now = nadam_momentum(rule[0], t), following = nadam_momentum(rule[0], t + 1);
        const double product = s->settings[FC_SETTING_PRODUCT] * now;
        hyper[0] = rate * following / (1 - product * following);
        hyper[4] = rate * (1 - now) / (1 - product);
        hyper[5] = 1 / (1 - pow(rule[1], t));
        break;
    }
    case FC_FTRL: { /* constants: power, l1, l2, shrinkage, beta */
        const double least = rate > 1e-30 ? rate : 1e-30; /* the rule divides by it */
        hyper[0] = least;
        hyper[3] = rule[2] + rule[4] / (2 * least);
        break;
    }
    default:
        break;
    }
}

static void step_begin(fc_op *op, char *workspace)
{
    (void)workspace;
    const step_op *s = (const step_op *)op;
    const double *settings = s->settings;
    set_hyper(s);
    s->decay[0] = settings[FC_SETTING_DECAY] * settings[FC_SETTING_RATE];
    const uint64_t steps = fc_count_of(settings[FC_SETTING_STEPS]);
    const uint64_t every = fc_count_of(settings[FC_SETTING_AVERAGE_EVERY]);
    s->averaging[0] = steps ? settings[FC_SETTING_AVERAGE] : 0.0;
    s->averaging[1] = every && (steps + 1) % every == 0;
}

static void step_end(fc_op *op)
{
    const step_op *s = (const step_op *)op;
    double *settings = s->settings;
    settings[FC_SETTING_STEPS] += 1;
    settings[FC_SETTING_DRAWS] += 1;
    if (s->rule == FC_NADAM)
        settings[FC_SETTING_PRODUCT] *=
            nadam_momentum(settings[FC_SETTING_RULE], settings[FC_SETTING_STEPS]);
}

static int64_t no_items(const fc_op *op, int phase)
{
    (void)op, (void)phase;
    return 0;
}

static const fc_op_kind step_kind = {.begin = step_begin, .phase_items = no_items, .end = step_end};

/* Integers: the rule.  Arrays of doubles: the settings, and the numbers of the rule, of the weight
 * decay and of the moving average. */
fc_op *fc_build_step(fc_builder *b)
{
    step_op *s = new_op(b, sizeof *s);
    if (!s)
        return NULL;
    s->rule = code_at(b, 0, FC_MOVING_AVERAGE - 1);
    s->settings = fc_double_array(b, 0, FC_SETTINGS);
    s->hyper = fc_double_array(b, 1, HYPER);
    s->decay = fc_double_array(b, 2, 1);
    s->averaging = fc_double_array(b, 3, 2);
    s->op.kind = &step_kind;
    if (b->arrays && b->array_count && b->arrays[0] % FC_BLOCKS != FC_IN_STATE)
        b->status = FC_NETWORK_DAMAGED;
    b->settings = s->settings;
    return &s->op;
}

/* The rule with number `integer` of the integers, whose weights, slots and numbers, of which there
 * are as many as the next integer says, are the arrays from `first` on.  *has_gradient: whether it
 * takes one. */
static fc_rule *read_rule(fc_builder *b, int64_t integer, int64_t first, int64_t bytes)
{
    static const int slots[] = {[FC_SGD] = 0, [FC_RMSPROP] = 1, [FC_ADAM] = 2, [FC_NADAM] = 2,
                                [FC_ADAMAX] = 2, [FC_ADAGRAD] = 1, [FC_ADADELTA] = 2,
                                [FC_LION] = 1, [FC_FTRL] = 2, [FC_MOVING_AVERAGE] = 1};
    fc_rule *rule = fc_take(b, sizeof *rule);
    if (!rule)
        return NULL;
    const int number = code_at(b, integer, FC_UPDATES - 1);
    rule->hyper_size = fc_integer(b, integer + 1, 1, HYPER);
    rule->apply = b->table->update[number];
    rule->problem.w = fc_written_array(b, first, bytes);
    for (int i = 0; i < FC_UPDATE_SLOTS; i++)
        rule->problem.slot[i] = i < slots[number]
                                    ? fc_written_array(b, first + 1 + i, bytes)
                                    : optional_written(b, first + 1 + i, bytes);
    rule->hyper = fc_read_words(b, first + 1 + FC_UPDATE_SLOTS, rule->hyper_size);
    if (!rule->apply)
        b->status = FC_NETWORK_UNKNOWN_RECORD;
    return rule;
}

/* Integers: size, rule, numbers.  Arrays: the gradient, the weights, the slots, the numbers. */
fc_op *fc_build_update(fc_builder *b)
{
    fc_update_op *u = new_op(b, sizeof *u);
    if (!u)
        return NULL;
    u->stretch.size = size_at(b, 0);
    const int64_t bytes = BYTES(u->stretch.size);
    u->rule = read_rule(b, 1, 1, bytes);
    if (!u->rule)
        return NULL;
    if (code_at(b, 1, FC_UPDATES - 1) == FC_MOVING_AVERAGE)
        u->rule->problem.g = NULL;
    else
        u->rule->problem.g = fc_read_array(b, 0, bytes);
    if (!b->status)
        fc_prepare_update(u);
    return &u->stretch.op;
}

/* Integers: rows, inputs, outputs, rule, numbers.  Arrays: x, dy, db, then those of the rule. */
fc_op *fc_build_dense_update(fc_builder *b)
{
    fc_dense_op *d = new_op(b, sizeof *d);
    if (!d)
        return NULL;
    fc_dense *p = &d->problem;
    p->rows = size_at(b, 0);
    p->inputs = size_at(b, 1);
    p->outputs = size_at(b, 2);
    p->x = fc_read_array(b, 0, BYTES(p->rows, p->inputs));
    p->dy = fc_read_array(b, 1, BYTES(p->rows, p->outputs));
    p->db = optional_written(b, 2, BYTES(p->outputs));
    d->rule = read_rule(b, 3, 3, BYTES(p->inputs, p->outputs));
    if (code_at(b, 3, FC_UPDATES - 1) == FC_MOVING_AVERAGE)
        b->status = FC_NETWORK_DAMAGED;
    if (!b->status)
        fc_prepare_dense_update(d);
    return &d->op;
}

fc_op *fc_build_limit_norms(fc_builder *b)
{
    fc_limit_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_norms *p = &op->problem;
    p->outer = size_at(b, 0);
    p->reduced = size_at(b, 1);
    p->inner = size_at(b, 2);
    p->low = fc_real(b, 0);
    p->high = fc_real(b, 1);
    p->rate = fc_real(b, 2);
    p->epsilon = fc_real(b, 3);
    p->w = fc_written_array(b, 0, BYTES(p->outer, p->reduced, p->inner));
    if (!b->status)
        fc_prepare_limit_norms(op);
    return &op->op;
}

/* place.c: the copy of an op that a run works on, and its arrays. */
#include "interface.h"

#include "../schedule/axis.h"

#include <string.h>

static int64_t part_count(const fastconv_op *op)
{
    return op->kind == FC_KIND_DIRECT ? op->any.direct.count : 0;
}

int64_t fc_copy_bytes(const fastconv_op *op)
{
    return fc_round_up((int64_t)sizeof(fc_copy) +
                           part_count(op) * (int64_t)sizeof(fc_direct_part), 64) +
           fc_round_up(op->transposed.repeated_bytes, 64);
}

fc_copy *fc_copy_op(const fastconv_op *op, void *memory)
{
    fc_copy *c = memory;
    c->any = op->any;
    c->rule = op->rule;
    c->list[0] = &c->any.op;
    c->count = 1;
    if (op->kind == FC_KIND_DIRECT) {
        c->any.direct.parts = c->parts;
        memcpy(c->parts, op->parts, (size_t)part_count(op) * sizeof(fc_direct_part));
    }
    if (op->kind == FC_KIND_UPDATE)
        c->any.update.rule = &c->rule;
    if (op->is_transposed) {
        fc_transposed *t = &c->transposed;
        *t = op->transposed;
        if (t->repeated_bytes)
            t->shift.repeated[1] =
                (char *)memory + fc_copy_bytes(op) - fc_round_up(t->repeated_bytes, 64);
        fc_op *const others[] = {&t->shift.op, &t->activation.stretch.op, &t->sums.op};
        for (int i = 0; i < 3; i++)
            if (others[i]->kind)
                c->list[c->count++] = others[i];
    }
    for (int i = 0; i < c->count; i++)
        c->list[i]->fitted = 0; /* the partition depends on threads and the alignment of y */
    return c;
}

/* Places the arrays of a convolution. */
static fastconv_status place_conv(const fastconv_op *op, const fastconv_arrays *a, fc_copy *c)
{
    const int forward = op->pass == FASTCONV_FORWARD;
    const void *from = forward ? a->x : a->dy, *bias = op->has_bias ? a->bias : NULL;
    void *to = forward ? a->y : a->dx;
    const void *packed = op->packs ? a->packed : NULL;
    if (!from || !to || (!packed && !a->w) || (op->has_bias && !bias))
        return FASTCONV_NULL_POINTER;
    if ((uintptr_t)packed % 64)
        return FASTCONV_UNALIGNED;
    if (op->kind == FC_KIND_DIRECT)
        fc_place_direct(&c->any.direct, from, a->w, bias, to);
    else if (op->kind == FC_KIND_SCATTER) {
        c->any.scatter.problem.dy = from;
        c->any.scatter.problem.dx = to;
        c->any.scatter.w = a->w;
    } else {
        c->any.winograd.problem.x = from;
        c->any.winograd.problem.y = to;
        c->any.winograd.problem.bias = bias;
        c->any.winograd.view.w = a->w;
    }
    if (packed) {
        fc_freeze_filters(&c->any.filters, (char *)packed);
        c->any.filters.is_packed = 1;
    }
    return FASTCONV_OK;
}

static fastconv_status place_norm(fc_channel_norm *p, int pass, const fastconv_arrays *a)
{
    p->x = a->x;
    p->gamma = a->gamma;
    p->beta = a->beta;
    p->mean = a->mean;
    p->variance = a->variance;
    if (!a->x || !a->mean || !a->variance)
        return FASTCONV_NULL_POINTER;
    if (pass == FASTCONV_FORWARD) {
        p->y = a->y;
        return a->y ? FASTCONV_OK : FASTCONV_NULL_POINTER;
    }
    p->dy = a->dy;
    p->y = a->dx;
    p->dgamma = a->dgamma;
    p->dbeta = a->dbeta;
    return a->dy ? FASTCONV_OK : FASTCONV_NULL_POINTER;
}

static fastconv_status place_dense(const fastconv_op *op, const fastconv_arrays *a, fc_dense *p)
{
    p->x = a->x;
    p->w = a->w;
    p->dy = a->dy;
    p->y = a->y;
    p->dx = a->dx;
    p->dw = a->dw;
    p->bias = op->has_bias ? a->bias : NULL;
    p->db = op->has_bias ? a->db : NULL;
    int there;
    if (op->pass == FASTCONV_FORWARD)
        there = a->x && a->w && a->y && (!op->has_bias || a->bias);
    else if (op->pass == FASTCONV_BACKWARD_INPUT)
        there = a->dy && a->w && a->dx;
    else
        there = a->x && a->dy && a->dw && (!op->has_bias || a->db);
    return there ? FASTCONV_OK : FASTCONV_NULL_POINTER;
}

static fastconv_status place_update(const fastconv_op *op, const fastconv_arrays *a, fc_copy *c)
{
    fc_update *p = &c->rule.problem;
    p->w = a->weights;
    p->g = a->dw;
    for (int i = 0; i < FC_UPDATE_SLOTS; i++) {
        p->slot[i] = a->slots[i];
        if (i < op->pass && !a->slots[i])
            return FASTCONV_NULL_POINTER;
    }
    memcpy(p->h, a->hyper, sizeof p->h);
    return a->weights && a->dw ? FASTCONV_OK : FASTCONV_NULL_POINTER;
}

static fastconv_status place_plain(const fastconv_op *op, const fastconv_arrays *a, fc_copy *c)
{
    const int forward = op->pass == FASTCONV_FORWARD;
    switch (op->kind) {
    case FC_KIND_DIRECT:
    case FC_KIND_SCATTER:
    case FC_KIND_WINOGRAD:
        return place_conv(op, a, c);
    case FC_KIND_FILTER_GRADIENT:
        c->any.filter_gradient.problem.x = a->x;
        c->any.filter_gradient.problem.dy = a->dy;
        c->any.filter_gradient.problem.dw = a->dw;
        c->any.filter_gradient.problem.db = op->has_bias ? a->db : NULL;
        return a->x && a->dy && a->dw && (!op->has_bias || a->db) ? FASTCONV_OK
                                                                  : FASTCONV_NULL_POINTER;
    case FC_KIND_WINOGRAD_GRADIENT:
        c->any.winograd_gradient.problem.x = a->x;
        c->any.winograd_gradient.problem.dy = a->dy;
        c->any.winograd_gradient.problem.dw = a->dw;
        c->any.winograd_gradient.problem.db = op->has_bias ? a->db : NULL;
        return a->x && a->dy && a->dw && (!op->has_bias || a->db) ? FASTCONV_OK
                                                                  : FASTCONV_NULL_POINTER;
    case FC_KIND_DENSE:
        return place_dense(op, a, &c->any.dense.problem);
    case FC_KIND_POOL:
        c->any.pool.problem.x = a->x;
        c->any.pool.problem.y = a->y;
        c->any.pool.problem.dy = a->dy;
        c->any.pool.problem.dx = a->dx;
        c->any.pool.problem.argmax = op->gives_argmax ? a->argmax : NULL;
        if (forward)
            return a->x && a->y ? FASTCONV_OK : FASTCONV_NULL_POINTER;
        return a->dy && a->dx && (!op->gives_argmax || a->argmax) ? FASTCONV_OK
                                                                  : FASTCONV_NULL_POINTER;
    case FC_KIND_ACTIVATION: {
        const void *saved =
            forward || c->any.activation.kind >= FC_KEEPS_INPUT ? a->x : (const void *)a->y;
        c->any.activation.x = saved;
        c->any.activation.dy = a->dy;
        c->any.activation.y = forward ? a->y : a->dx;
        return saved && c->any.activation.y && (forward || a->dy) ? FASTCONV_OK
                                                                  : FASTCONV_NULL_POINTER;
    }
    case FC_KIND_SOFTMAX:
        c->any.softmax.x = forward ? a->x : (const void *)a->y;
        c->any.softmax.dy = a->dy;
        c->any.softmax.y = forward ? a->y : a->dx;
        return c->any.softmax.x && c->any.softmax.y && (forward || a->dy) ? FASTCONV_OK
                                                                          : FASTCONV_NULL_POINTER;
    case FC_KIND_CROSS_ENTROPY:
        c->any.loss.problem.prediction = a->x;
        c->any.loss.problem.labels = a->labels;
        c->any.loss.problem.gradient = a->dx;
        c->any.loss.problem.probabilities = a->y;
        c->any.loss.problem.loss = a->loss;
        return a->x && a->labels && a->loss ? FASTCONV_OK : FASTCONV_NULL_POINTER;
    case FC_KIND_CHANNEL_NORM:
        return place_norm(&c->any.channel_norm.problem, op->pass, a);
    case FC_KIND_FROZEN_NORM:
        return place_norm(&c->any.frozen_norm.problem, op->pass, a);
    case FC_KIND_UPDATE:
        return place_update(op, a, c);
    }
    return FASTCONV_WRONG_OPTION;
}

/* The convolution has x and y, or dx and dy, in exchanged roles. */
static fastconv_status place_transposed(const fastconv_op *op, const fastconv_arrays *a, fc_copy *c)
{
    fc_transposed *t = &c->transposed;
    fastconv_arrays of_conv = *a;
    if (t->pass == FASTCONV_FORWARD) {
        of_conv.dy = a->x;
        of_conv.dx = a->y;
    } else if (t->pass == FASTCONV_BACKWARD_INPUT) {
        of_conv.x = a->dy;
        of_conv.y = a->dx;
    } else {
        of_conv.x = a->dy;
        of_conv.dy = a->x;
    }
    if ((t->shift.op.kind && !a->bias) || (t->sums.op.kind && !a->db))
        return FASTCONV_NULL_POINTER;
    t->shift.x = t->shift.y = a->y;
    t->shift.factors[1] = a->bias;
    t->activation.x = t->activation.y = a->y;
    t->sums.x = a->dy;
    t->sums.y = a->db;
    return place_plain(op, &of_conv, c);
}

fastconv_status fc_place(const fastconv_op *op, const fastconv_arrays *a, fc_copy *c)
{
    return (op->is_transposed ? place_transposed : place_plain)(op, a, c);
}

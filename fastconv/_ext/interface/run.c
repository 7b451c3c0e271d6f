/* run.c: memory, packing and runs of the operations of the C interface. */
#include "interface.h"

#include "../schedule/axis.h"

#include <stdlib.h>
#include <string.h>

/* The copy of an op that a run works on, at the start of its workspace. */
typedef struct {
    fc_any_op any;
    fc_rule rule;
    fc_op *list[1];
    fc_direct_part parts[];
} copy_of_op;

static int64_t part_count(const fastconv_op *op)
{
    return op->kind == FC_KIND_DIRECT ? op->any.direct.count : 0;
}

static int64_t copy_bytes(const fastconv_op *op)
{
    return fc_round_up((int64_t)sizeof(copy_of_op) +
                           part_count(op) * (int64_t)sizeof(fc_direct_part), 64);
}

static copy_of_op *copy(const fastconv_op *op, void *memory)
{
    copy_of_op *c = memory;
    c->any = op->any;
    c->rule = op->rule;
    c->list[0] = &c->any.op;
    if (op->kind == FC_KIND_DIRECT) {
        c->any.direct.parts = c->parts;
        memcpy(c->parts, op->parts, (size_t)part_count(op) * sizeof(fc_direct_part));
    }
    if (op->kind == FC_KIND_UPDATE)
        c->any.update.rule = &c->rule;
    c->any.op.fitted = 0; /* the partition depends on threads and the alignment of y */
    return c;
}

/* Places the arrays of a convolution. */
static fastconv_status place_conv(const fastconv_op *op, const fastconv_arrays *a, copy_of_op *c)
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

static fastconv_status place_update(const fastconv_op *op, const fastconv_arrays *a, copy_of_op *c)
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

static fastconv_status place(const fastconv_op *op, const fastconv_arrays *a, copy_of_op *c)
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

/* Bytes of workspace with an output whose address ends like `y`. */
static int64_t run_bytes(const fastconv_op *op, void *memory, char *y, int threads, int *used)
{
    copy_of_op *c = copy(op, memory);
    fc_run run;
    if (op->kind == FC_KIND_DIRECT)
        fc_place_direct(&c->any.direct, NULL, NULL, NULL, y);
    else if (op->kind == FC_KIND_WINOGRAD)
        c->any.winograd.problem.y = y;
    const int64_t bytes = fc_size_run(&run, c->list, 1, fc_team_for(c->list, 1, threads));
    *used = run.threads;
    return bytes;
}

fastconv_status fc_query(const fastconv_op *op, int32_t threads, fastconv_info *info)
{
    if (!op || !info)
        return FASTCONV_NULL_POINTER;
    if (threads < 1)
        return FASTCONV_WRONG_SIZE;
    void *memory = malloc((size_t)copy_bytes(op));
    if (!memory)
        return FASTCONV_NO_MEMORY;
    int used, same;
    int64_t bytes = run_bytes(op, memory, (char *)64, threads, &used);
    bytes = fc_max64(bytes, run_bytes(op, memory, (char *)64 + 8, threads, &same));
    for (int fewer = 1; fewer < used; fewer++) /* a smaller team may pack apart */
        bytes = fc_max64(bytes, run_bytes(op, memory, (char *)64 + 8, fewer, &same));
    free(memory);
    fastconv_info known = {
        .output_rank = op->output_rank,
        .packed_bytes = op->packs ? op->any.filters.filter_bytes : 0,
        .workspace_bytes = copy_bytes(op) + bytes,
        .threads = used,
    };
    memcpy(known.output_shape, op->output_shape, sizeof op->output_shape);
    return fc_write_struct(info, &known, sizeof known, offsetof(fastconv_info, threads))
               ? FASTCONV_OK
               : FASTCONV_WRONG_STRUCT;
}

fastconv_status fc_pack(const fastconv_op *op, const void *w, void *packed)
{
    if (!op || !w || !packed)
        return FASTCONV_NULL_POINTER;
    if (!op->packs)
        return FASTCONV_NO_FILTERS;
    if ((uintptr_t)packed % 64)
        return FASTCONV_UNALIGNED;
    const int64_t scratch_at = copy_bytes(op);
    const int64_t bytes = fc_round_up(scratch_at + op->any.op.scratch_bytes + 64, 64);
    char *memory = aligned_alloc(64, (size_t)bytes);
    if (!memory)
        return FASTCONV_NO_MEMORY;
    copy_of_op *c = copy(op, memory);
    fc_op *run = &c->any.op;
    if (op->kind == FC_KIND_DIRECT)
        for (int i = 0; i < c->any.direct.count; i++)
            c->parts[i].view.w = w;
    else if (op->kind == FC_KIND_SCATTER)
        c->any.scatter.w = w;
    else
        c->any.winograd.view.w = w;
    fc_freeze_filters(&c->any.filters, packed);
    for (int64_t i = 0; i < run->kind->phase_items(run, 0); i++)
        run->kind->phase_item(run, 0, i, memory + scratch_at, memory + scratch_at);
    free(memory);
    return FASTCONV_OK;
}

/* Makes a run ready in `workspace`. */
static fastconv_status start(const fastconv_op *op, const fastconv_arrays *given, char *workspace,
                             int64_t bytes, int32_t threads, fc_run *run)
{
    fastconv_arrays arrays, *const a = &arrays;
    if (!op || !given || !workspace)
        return FASTCONV_NULL_POINTER;
    if (!fc_read_struct(a, sizeof *a, offsetof(fastconv_arrays, labels), given))
        return FASTCONV_WRONG_STRUCT;
    if (threads < 1)
        return FASTCONV_WRONG_SIZE;
    if ((uintptr_t)workspace % 64)
        return FASTCONV_UNALIGNED;
    const int64_t at = copy_bytes(op);
    if (bytes < at)
        return FASTCONV_SMALL_WORKSPACE;
    copy_of_op *c = copy(op, workspace);
    const fastconv_status status = place(op, a, c);
    if (status != FASTCONV_OK)
        return status;
    if (bytes < at + fc_size_run(run, c->list, 1, fc_team_for(c->list, 1, threads)))
        return FASTCONV_SMALL_WORKSPACE;
    run->flushes_denormals = fc_get_host()->flushes_denormals();
    fc_begin_run(run, workspace + at);
    return FASTCONV_OK;
}

fastconv_status fc_run_op(const fastconv_op *op, const fastconv_arrays *arrays, void *workspace,
                          int64_t workspace_bytes, int32_t threads)
{
    fc_run run;
    if (threads > 1 && !fc_get_host()->team)
        return FASTCONV_NO_THREADS;
    const fastconv_status status =
        start(op, arrays, workspace, workspace_bytes, threads, &run);
    if (status != FASTCONV_OK)
        return status;
    if (run.threads == 1)
        fc_run_member(&run, 0, 1);
    else
        fc_get_host()->team(&run);
    return FASTCONV_OK;
}

typedef struct {
    const fc_run *run;
    int phase;
} shared_phase;

static void run_share(int64_t i, void *context)
{
    const shared_phase *s = context;
    fc_run_share(s->run, 0, s->phase, (int)i, s->run->threads);
}

fastconv_status fc_run_with(const fastconv_op *op, const fastconv_arrays *arrays, void *workspace,
                            int64_t workspace_bytes, int32_t threads,
                            fastconv_parallel_for parallel_for, void *context)
{
    fc_run run;
    if (!parallel_for)
        return FASTCONV_NULL_POINTER;
    const fastconv_status status =
        start(op, arrays, workspace, workspace_bytes, threads, &run);
    if (status != FASTCONV_OK)
        return status;
    if (run.threads == 1) {
        fc_run_member(&run, 0, 1);
        return FASTCONV_OK;
    }
    fc_op *list = run.ops[0];
    for (int phase = 0; phase < list->phases; phase++) {
        shared_phase s = {&run, phase};
        parallel_for(run_share, run.threads, &s, context);
    }
    if (list->kind->end)
        list->kind->end(list);
    return FASTCONV_OK;
}

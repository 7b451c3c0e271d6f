/* run.c: memory, packing and runs of the operations of the C interface. */
#include "interface.h"

#include "../schedule/axis.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of workspace with an output whose address ends like `y`. */
static int64_t run_bytes(const fastconv_op *op, void *memory, char *y, int threads, int *used)
{
    fc_copy *c = fc_copy_op(op, memory);
    fc_run run;
    if (op->kind == FC_KIND_DIRECT)
        fc_place_direct(&c->any.direct, NULL, NULL, NULL, y);
    else if (op->kind == FC_KIND_WINOGRAD)
        c->any.winograd.problem.y = y;
    const int64_t bytes =
        fc_size_run(&run, c->list, c->count, fc_team_for(c->list, c->count, threads));
    *used = run.threads;
    return bytes;
}

fastconv_status fc_query(const fastconv_op *op, int32_t threads, fastconv_info *info)
{
    if (!op || !info)
        return FASTCONV_NULL_POINTER;
    if (threads < 1)
        return FASTCONV_WRONG_SIZE;
    void *memory = malloc((size_t)fc_copy_bytes(op));
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
        .workspace_bytes = fc_copy_bytes(op) + bytes,
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
    const int64_t scratch_at = fc_copy_bytes(op);
    const int64_t bytes = fc_round_up(scratch_at + op->any.op.scratch_bytes + 64, 64);
    char *memory = aligned_alloc(64, (size_t)bytes);
    if (!memory)
        return FASTCONV_NO_MEMORY;
    fc_copy *c = fc_copy_op(op, memory);
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
    const int64_t at = fc_copy_bytes(op);
    if (bytes < at)
        return FASTCONV_SMALL_WORKSPACE;
    fc_copy *c = fc_copy_op(op, workspace);
    const fastconv_status status = fc_place(op, a, c);
    if (status != FASTCONV_OK)
        return status;
    threads = fc_team_for(c->list, c->count, threads);
    if (bytes < at + fc_size_run(run, c->list, c->count, threads))
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
    int64_t op;
    int phase;
} shared_phase;

static void run_share(int64_t i, void *context)
{
    const shared_phase *s = context;
    fc_run_share(s->run, s->op, s->phase, (int)i, s->run->ops[s->op]->threads);
}

/* One loop per phase.  An op has as many tasks as it has threads, which may be fewer than the run
 * has: the workspace has scratch memory for these alone. */
void fc_run_tasks(const fc_run *run, fastconv_parallel_for parallel_for, void *context)
{
    for (int64_t op = 0; op < run->count; op++) {
        fc_op *each = run->ops[op];
        for (int phase = 0; phase < each->phases; phase++) {
            shared_phase s = {run, op, phase};
            parallel_for(run_share, each->threads, &s, context);
        }
        if (each->kind->end)
            each->kind->end(each);
    }
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
    fc_run_tasks(&run, parallel_for, context);
    return FASTCONV_OK;
}

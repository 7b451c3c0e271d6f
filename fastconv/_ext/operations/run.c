/* run.c: see run.h. */
#include "operations.h"

#include "../kernels/float_mode.h"
#include "../schedule/axis.h"

#include <math.h>

int fc_threads_for(int num_threads, double work)
{
    const double most = sqrt(work / FC_BARRIER_COST);
    if (most >= num_threads)
        return num_threads;
    return most > 1 ? (int)most : 1;
}

int64_t fc_chunk(int64_t items, int threads) { return 1 + items / (16 * threads); }

static int is_apart(const fc_op *op, int phase)
{
    return op->kind->is_apart && op->kind->is_apart(op, phase);
}

void fc_fit(fc_op *op, int num_threads)
{
    const int threads = fc_threads_for(num_threads, op->work);
    if (op->fitted != threads) {
        op->fitted = threads;
        if (op->kind->fit)
            op->kind->fit(op, threads);
    }
}

int fc_threads_of(const fc_op *op, int num_threads)
{
    int64_t most = 0;
    for (int phase = 0; phase < op->phases; phase++) {
        const int64_t items = op->kind->phase_items(op, phase);
        if (items > most && !is_apart(op, phase))
            most = items;
    }
    return (int)fc_max64(1, fc_min64(fc_threads_for(num_threads, op->work), most));
}

/* Whether each thread runs only its own stretch: stealing would take as long as the items. */
static int is_brief(const fc_op *op, int64_t items, int threads)
{
    return items <= threads || op->work < (double)threads * FC_BRIEF_WORK;
}

int fc_team_for(fc_op *const *ops, int64_t count, int num_threads)
{
    double shared = 0;
    for (int64_t i = 0; i < count; i++)
        if (fc_threads_for(num_threads, ops[i]->work) > 1)
            shared += ops[i]->work;
    return shared > 2 * FC_PARALLEL_REGION_COST ? num_threads : 1;
}

/* Distance between the scratch of two threads, in bytes. */
static int64_t scratch_stride(const fc_op *op) { return op->scratch_bytes + FC_RED_ZONE; }

int64_t fc_size_run(fc_run *run, fc_op *const *ops, int64_t count, int num_threads)
{
    int64_t bytes = 0;
    run->ops = ops;
    run->count = count;
    run->threads = 1;
    for (int64_t i = 0; i < count; i++) {
        fc_op *op = ops[i];
        fc_fit(op, num_threads);
        op->threads = fc_threads_of(op, num_threads);
        if (op->threads > run->threads)
            run->threads = op->threads;
        bytes = fc_max64(bytes,
                         op->shared_bytes + FC_RED_ZONE + scratch_stride(op) * op->threads);
    }
    return fc_round_up(fc_team_bytes(run->threads), 64) + bytes;
}

void fc_begin_run(fc_run *run, void *workspace)
{
    run->team = workspace;
    run->memory = (char *)workspace + fc_round_up(fc_team_bytes(run->threads), 64);
    fc_team_init(run->team, run->threads);
    if (FC_RED_ZONE && run->count) /* behind the shared scratch, and behind that of each thread */
        for (int i = 0; i <= run->threads; i++)
            fc_end_part(run->memory + run->ops[0]->shared_bytes + scratch_stride(run->ops[0]) * i);
    for (int64_t i = 0; i < run->count; i++)
        if (run->ops[i]->kind->begin)
            run->ops[i]->kind->begin(run->ops[i], run->memory);
}

static void run_items(const fc_op *op, int phase, int64_t begin, int64_t end, char *workspace,
                      char *scratch)
{
    for (int64_t item = begin; item < end; item++)
        op->kind->phase_item(op, phase, item, workspace, scratch);
}

/* All threads of the team must take the same branches around a barrier.  So these branches do not
 * depend on anything that `end` changes: it runs on one thread while others begin the next op. */
static void run_ops(const fc_run *run, int rank, int size)
{
    int64_t loop = 0;
    int alone = 0; /* thread 0 has worked alone since the last barrier */
    for (int64_t i = 0; i < run->count; i++) {
        fc_op *op = run->ops[i];
        const int threads = op->threads < size ? op->threads : size;
        char *scratch =
            run->memory + op->shared_bytes + FC_RED_ZONE + scratch_stride(op) * rank;
        if (threads == 1) {
            if (rank == 0) {
                for (int phase = 0; phase < op->phases; phase++)
                    run_items(op, phase, 0, op->kind->phase_items(op, phase), run->memory,
                              scratch);
                if (op->kind->end)
                    op->kind->end(op);
            }
            alone = 1;
            continue;
        }
        if (alone) {
            fc_team_wait(run->team, rank, size);
            alone = 0;
        }
        for (int phase = 0; phase < op->phases; phase++) {
            const int64_t items = op->kind->phase_items(op, phase);
            if (items == 0)
                continue;
            if (is_apart(op, phase)) {
                if (rank < threads)
                    run_items(op, phase, 0, items, run->memory, scratch);
                continue;
            }
            if (is_brief(op, items, threads)) {
                if (rank < threads)
                    run_items(op, phase, items * rank / threads, items * (rank + 1) / threads,
                              run->memory, scratch);
                fc_team_wait(run->team, rank, size);
                continue;
            }
            fc_team_reset_next(run->team, loop, rank);
            if (rank < threads) {
                const int64_t chunk = fc_chunk(items, threads);
                int64_t item, stop;
                while (fc_team_take(run->team, loop, items, chunk, rank, threads, &item, &stop))
                    run_items(op, phase, item, stop, run->memory, scratch);
            }
            fc_team_wait(run->team, rank, size);
            loop++;
        }
        if (rank == 0 && op->kind->end)
            op->kind->end(op);
    }
}

static void run_team(const fc_run *run, int rank, int size)
{
    run_ops(run, rank, size);
    if (rank == 0)
        fc_team_finish(run->team);
}

void fc_run_member(const fc_run *run, int rank, int size)
{
    const uint64_t mode = fc_float_mode();
    if (run->flushes_denormals)
        fc_set_float_mode(fc_flushing(mode));
    run_team(run, rank, size);
    if (run->flushes_denormals)
        fc_set_float_mode(mode);
}

void fc_run_share(const fc_run *run, int64_t index, int phase, int rank, int size)
{
    const fc_op *op = run->ops[index];
    const int64_t items = op->kind->phase_items(op, phase);
    const int whole = is_apart(op, phase);
    const uint64_t mode = fc_float_mode();
    if (run->flushes_denormals)
        fc_set_float_mode(fc_flushing(mode));
    run_items(op, phase, whole ? 0 : items * rank / size, whole ? items : items * (rank + 1) / size,
              run->memory,
              run->memory + op->shared_bytes + FC_RED_ZONE + scratch_stride(op) * rank);
    if (run->flushes_denormals)
        fc_set_float_mode(mode);
}

/* filters.c: ops that pack their filters in phase 0.
 *
 * In training an op packs at every run, into scratch memory that all ops of a program share.  With
 * frozen weights, it packs at the next run only, into memory of its own.
 *
 * Threads share the packing, unless the filters are small: then each thread packs all of them into
 * its own scratch, which takes less time than fetching packed filters from the cache of another
 * core. */
#include "filters.h"

void fc_filters_begin(fc_op *op, char *workspace)
{
    const fc_filter_op *f = (const fc_filter_op *)op;
    if (f->frozen)
        return;
    op->kind->place_filters(op, workspace);
    if (!f->packs_apart)
        fc_end_part(workspace + f->filters_end);
}

void fc_filters_end(fc_op *op)
{
    fc_filter_op *f = (fc_filter_op *)op;
    if (f->frozen)
        f->is_packed = 1;
}

int fc_filters_apart(const fc_op *op, int phase)
{
    return phase == 0 && ((const fc_filter_op *)op)->packs_apart;
}

void fc_lay_out_filters(fc_filter_op *f, int threads)
{
    f->packs_apart = !f->frozen && 1 < threads && threads <= FC_OWN_FILTERS_THREADS &&
                     f->filter_bytes <= FC_OWN_FILTERS_BYTES && f->other_bytes == 0;
    if (f->packs_apart)
        f->op.scratch_bytes += f->filter_bytes;
    f->op.shared_bytes =
        f->other_bytes + (f->frozen || f->packs_apart ? 0 : f->filter_bytes);
}

void fc_need_filters(fc_filter_op *f, int64_t bytes, int64_t other_bytes)
{
    f->filters_end = bytes > 64 ? bytes : 64; /* there may be no elements at all */
    f->filter_bytes = fc_round_up(f->filters_end + FC_RED_ZONE, 64);
    f->other_bytes = fc_round_up(other_bytes, 64);
    f->op.shared_bytes = f->filter_bytes + f->other_bytes;
}

char *fc_own_filters(const fc_filter_op *f, char **scratch)
{
    char *filters = *scratch;
    fc_end_part(filters + f->filters_end);
    *scratch += f->filter_bytes;
    return filters;
}

char *fc_other_memory(const fc_filter_op *f, char *workspace)
{
    return f->frozen ? workspace : workspace + f->filter_bytes;
}

void fc_freeze_filters(fc_filter_op *f, char *memory)
{
    f->frozen = memory != NULL;
    f->is_packed = 0;
    f->op.fitted = 0;
    f->op.shared_bytes = f->other_bytes + (f->frozen ? 0 : f->filter_bytes);
    if (memory) {
        f->op.kind->place_filters(&f->op, memory);
        fc_end_part(memory + f->filters_end);
    }
}

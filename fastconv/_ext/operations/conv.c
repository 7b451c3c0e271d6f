/* conv.c: convolutions, forward and with respect to the input, by direct sums, by a scatter and by
 * Winograd's algorithm.  Phase 0 packs the filters (filters.c), phase 1 computes. */
#include "filters.h"

/* ---- direct sums ---- */

static void direct_fit(fc_op *op, int threads)
{
    fc_direct_op *d = (fc_direct_op *)op;
    int64_t items = 0, packs = 0;
    op->scratch_bytes = 0;
    for (int i = 0; i < d->count; i++) {
        fc_conv *p = &d->parts[i].problem;
        p->threads = threads;
        fc_plan_conv(&op->target, p);
        d->parts[i].items_end = items += p->items;
        d->parts[i].packs_end = packs += fc_pack_items(p);
        op->scratch_bytes = fc_max64(op->scratch_bytes, fc_round_up(p->scratch_bytes, 64));
    }
    fc_lay_out_filters(&d->filters, threads);
}

static void direct_place_filters(fc_op *op, char *memory)
{
    fc_direct_op *d = (fc_direct_op *)op;
    for (int i = 0; i < d->count; i++)
        d->parts[i].problem.w = memory + d->parts[i].packed;
}

static int64_t direct_items(const fc_op *op, int phase)
{
    const fc_direct_op *d = (const fc_direct_op *)op;
    if (d->count == 0)
        return 0;
    const fc_direct_part *last = &d->parts[d->count - 1];
    if (phase == 0)
        return d->filters.is_packed ? 0 : last->packs_end;
    return last->items_end;
}

static void direct_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)workspace;
    const fc_direct_op *d = (const fc_direct_op *)op;
    const fc_direct_part *part = d->parts;
    if (phase == 0) {
        while (item >= part->packs_end)
            part++;
        item -= part > d->parts ? part[-1].packs_end : 0;
    } else {
        while (item >= part->items_end)
            part++;
        item -= part > d->parts ? part[-1].items_end : 0;
    }
    const fc_conv *p = &part->problem;
    fc_conv own;
    if (d->filters.packs_apart) {
        own = *p;
        own.w = fc_own_filters(&d->filters, &scratch) + part->packed;
        p = &own;
    }
    if (phase == 0)
        op->table->pack_item(p, &part->view, (void *)p->w, item);
    else
        op->table->conv_item(p, item, scratch);
}

static const fc_op_kind direct = {
    .fit = direct_fit,
    .begin = fc_filters_begin,
    .phase_items = direct_items,
    .is_apart = fc_filters_apart,
    .phase_item = direct_item,
    .end = fc_filters_end,
    .place_filters = direct_place_filters,
};

void fc_describe_direct_forward(fc_direct_op *d, const fc_geometry *g)
{
    fc_describe_forward(g, &d->parts[0].problem, &d->parts[0].view);
}

/* Describes one problem for every residue of the position in dx modulo the strides
 * (schedule/geometry.h): a forward problem over dy with flipped and transposed filters.  Returns
 * their number; with `parts` NULL it only counts them. */
static int input_residues(const fc_geometry *g, fc_direct_part *parts)
{
    int count = 0;
    const int64_t rows = fc_residue_end(g->height, g->stride_h);
    const int64_t columns = fc_residue_end(g->width, g->stride_w);
    for (int64_t row = 0; row < rows;
         row = fc_residue_from(row, g->height, g->kernel_h, g->stride_h, g->dilation_h, g->pad_top)
                   .next)
        for (int64_t column = 0; column < columns;
             column = fc_residue_from(column, g->width, g->kernel_w, g->stride_w, g->dilation_w,
                                      g->pad_left)
                          .next) {
            if (parts)
                fc_describe_backward_input(g, row, column, &parts[count].problem,
                                           &parts[count].view, &parts[count].first);
            count++;
        }
    return count;
}

int fc_input_parts(const fc_geometry *g) { return input_residues(g, NULL); }

void fc_describe_direct_input(fc_direct_op *d, const fc_geometry *g)
{
    input_residues(g, d->parts);
}

void fc_place_direct(fc_direct_op *d, const void *x, const void *w, const void *bias, void *y)
{
    for (int i = 0; i < d->count; i++) {
        fc_direct_part *part = &d->parts[i];
        part->problem.x = x;
        part->problem.bias = bias;
        part->problem.y = (char *)y + part->first * d->filters.op.target.element_size;
        part->view.w = w;
    }
}

void fc_prepare_direct(fc_direct_op *d)
{
    fc_op *op = &d->filters.op;
    int64_t bytes = 0;
    op->kind = &direct;
    op->phases = 2;
    op->work = 0;
    direct_fit(op, 1);
    for (int i = 0; i < d->count; i++) {
        const fc_conv *p = &d->parts[i].problem;
        d->parts[i].packed = bytes;
        bytes += fc_round_up(p->packed_size * op->target.element_size, 64);
        /* With few pixels, reading the filters dominates. */
        op->work += 2.0 * (double)fc_max64(p->batch * p->out_h * p->out_w, 4) *
                    (double)p->kernel_h * (double)p->kernel_w * (double)p->channels *
                    (p->depthwise ? 1.0 : (double)p->filters * (double)p->groups);
    }
    fc_need_filters(&d->filters, bytes, 0);
}

/* ---- a product and a scatter ---- */

static void scatter_fit(fc_op *op, int threads)
{
    fc_scatter_op *s = (fc_scatter_op *)op;
    fc_plan_scatter(&op->target, &s->problem);
    op->scratch_bytes = fc_round_up(s->problem.scratch_bytes, 64);
    fc_lay_out_filters(&s->filters, threads);
}

static void scatter_place_filters(fc_op *op, char *memory)
{
    ((fc_scatter_op *)op)->problem.w = memory;
}

static int64_t scatter_items(const fc_op *op, int phase)
{
    const fc_scatter_op *s = (const fc_scatter_op *)op;
    if (phase == 0)
        return s->filters.is_packed ? 0 : s->problem.pack_items;
    return s->problem.items;
}

static void scatter_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)workspace;
    const fc_scatter_op *s = (const fc_scatter_op *)op;
    const fc_scatter *p = &s->problem;
    fc_scatter own;
    if (s->filters.packs_apart) {
        own = *p;
        own.w = fc_own_filters(&s->filters, &scratch);
        p = &own;
    }
    if (phase == 0)
        op->table->scatter_pack_item(p, s->w, (void *)p->w, item);
    else
        op->table->scatter_item(p, item, scratch);
}

static const fc_op_kind scatter = {
    .fit = scatter_fit,
    .begin = fc_filters_begin,
    .phase_items = scatter_items,
    .is_apart = fc_filters_apart,
    .phase_item = scatter_item,
    .end = fc_filters_end,
    .place_filters = scatter_place_filters,
};

void fc_prepare_scatter(fc_scatter_op *s)
{
    fc_op *op = &s->filters.op;
    const fc_scatter *p = &s->problem;
    op->kind = &scatter;
    op->phases = 2;
    scatter_fit(op, 1);
    fc_need_filters(&s->filters, p->packed_size * op->target.element_size, 0);
    op->work = 2.0 * (double)p->batch * (double)p->out_h * (double)p->out_w *
               (double)p->kernel_h * (double)p->kernel_w * (double)p->channels *
               (double)p->filters;
}

/* ---- Winograd's algorithm ---- */

static void winograd_fit(fc_op *op, int threads)
{
    fc_winograd_op *w = (fc_winograd_op *)op;
    w->problem.threads = threads;
    fc_plan_winograd(&op->target, &w->problem);
    op->scratch_bytes = fc_round_up(w->problem.scratch_bytes, 64);
    fc_lay_out_filters(&w->filters, threads);
}

static void winograd_place_filters(fc_op *op, char *memory)
{
    ((fc_winograd_op *)op)->problem.w = memory;
}

static void winograd_begin(fc_op *op, char *workspace)
{
    fc_winograd_op *w = (fc_winograd_op *)op;
    fc_filters_begin(op, workspace);
    w->problem.v = fc_other_memory(&w->filters, workspace);
}

/* With streamed filters, phase 0 also transforms the input. */
static int64_t winograd_items(const fc_op *op, int phase)
{
    const fc_winograd_op *w = (const fc_winograd_op *)op;
    if (phase)
        return w->problem.items;
    return w->problem.transform_items + (w->filters.is_packed ? 0 : w->problem.pack_items);
}

static void winograd_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)workspace;
    const fc_winograd_op *w = (const fc_winograd_op *)op;
    const fc_winograd *p = &w->problem;
    fc_winograd own;
    if (w->filters.packs_apart) {
        own = *p;
        own.w = fc_own_filters(&w->filters, &scratch);
        p = &own;
    }
    if (phase)
        op->table->winograd_item(p, &w->view, item, scratch);
    else if (item < p->transform_items)
        op->table->winograd_transform_item(p, item, scratch);
    else
        op->table->winograd_pack_item(p, &w->view, (void *)p->w, item - p->transform_items,
                                      scratch);
}

static const fc_op_kind winograd = {
    .fit = winograd_fit,
    .begin = winograd_begin,
    .phase_items = winograd_items,
    .is_apart = fc_filters_apart,
    .phase_item = winograd_item,
    .end = fc_filters_end,
    .place_filters = winograd_place_filters,
};

void fc_prepare_winograd(fc_winograd_op *w)
{
    fc_op *op = &w->filters.op;
    const fc_winograd *p = &w->problem;
    const int64_t size = op->target.element_size;
    op->kind = &winograd;
    op->phases = 2;
    winograd_fit(op, 1);
    fc_need_filters(&w->filters, p->packed_size * size, p->v_size * size);
    const int64_t pixels = p->sampling == FC_WINO_UP ? p->in_h * p->in_w : p->out_h * p->out_w;
    op->work = 2.0 * (double)p->batch * (double)pixels * p->kernel * p->kernel *
               (double)p->channels * (double)p->filters;
}

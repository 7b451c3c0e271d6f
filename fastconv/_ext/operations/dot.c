/* dot.c: convolutions of narrow elements by dot products, and the passes between narrow elements
 * and float32. */
#include "filters.h"
#include "stretch.h"

/* ---- convolution: phase 0 packs the filters, phase 1 computes ---- */

static void dot_fit(fc_op *op, int threads)
{
    fc_dot_op *d = (fc_dot_op *)op;
    d->problem.conv.threads = threads;
    fc_plan_dot(&op->target, &d->problem.conv);
    op->scratch_bytes = fc_round_up(d->problem.conv.scratch_bytes, 64);
    fc_lay_out_filters(&d->filters, threads);
}

static void dot_place_filters(fc_op *op, char *memory)
{
    ((fc_dot_op *)op)->problem.conv.w = memory;
}

static int64_t dot_items(const fc_op *op, int phase)
{
    const fc_dot_op *d = (const fc_dot_op *)op;
    const fc_conv *p = &d->problem.conv;
    if (phase == 0)
        return d->filters.is_packed ? 0 : p->groups * p->panels;
    return p->items;
}

static void dot_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)workspace;
    const fc_dot_op *d = (const fc_dot_op *)op;
    const fc_dot *p = &d->problem;
    fc_dot own;
    if (d->filters.packs_apart) {
        own = *p;
        own.conv.w = fc_own_filters(&d->filters, &scratch);
        p = &own;
    }
    if (phase == 0)
        d->kernels->dot_pack_item(p, &d->view, (void *)p->conv.w, item);
    else
        d->kernels->dot_item(p, item, scratch);
}

static const fc_op_kind dot = {
    .fit = dot_fit,
    .begin = fc_filters_begin,
    .phase_items = dot_items,
    .is_apart = fc_filters_apart,
    .phase_item = dot_item,
    .end = fc_filters_end,
    .place_filters = dot_place_filters,
};

void fc_prepare_dot(fc_dot_op *d)
{
    fc_op *op = &d->filters.op;
    const fc_conv *p = &d->problem.conv;
    op->kind = &dot;
    op->phases = 2;
    const float magic = 12582912.0f; /* 1.5 * 2^23: the sum has no bits for a fraction */
    d->problem.lowest = d->problem.wide ? 0 : (int)(d->problem.low + magic - magic);
    dot_fit(op, 1);
    fc_need_filters(&d->filters, p->packed_size * op->target.element_size, 0);
    op->work = 2.0 * (double)fc_max64(p->batch * p->out_h * p->out_w, 4) * (double)p->kernel_h *
               (double)p->kernel_w * (double)p->channels *
               (p->depthwise ? 1.0 : (double)p->filters * (double)p->groups / op->target.dot);
}

/* ---- between narrow elements and float32 ---- */

static void quantize_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_quantize_op *q = (const fc_quantize_op *)op;
    const int64_t begin = item * FC_STRETCH;
    q->kernels->quantize(q->x + begin * (int64_t)sizeof(float),
                         q->y + begin * op->target.element_size,
                         fc_min64(FC_STRETCH, q->stretch.size - begin), q->scale, q->zero_point);
}

static void dequantize_item(const fc_op *op, int phase, int64_t item, char *workspace,
                            char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_quantize_op *q = (const fc_quantize_op *)op;
    const int64_t begin = item * FC_STRETCH;
    q->kernels->dequantize(q->x + begin * op->target.element_size,
                           q->y + begin * (int64_t)sizeof(float),
                           fc_min64(FC_STRETCH, q->stretch.size - begin), q->scale,
                           q->zero_point);
}

static const fc_op_kind quantizing = {.phase_items = fc_stretch_items, .phase_item = quantize_item};
static const fc_op_kind dequantizing = {.phase_items = fc_stretch_items,
                                        .phase_item = dequantize_item};

void fc_prepare_quantize(fc_quantize_op *q) { fc_prepare_stretch(&q->stretch, &quantizing, 5.0); }

void fc_prepare_dequantize(fc_quantize_op *q)
{
    fc_prepare_stretch(&q->stretch, &dequantizing, 5.0);
}

void fc_prepare_quantized_max_pool(fc_pool_op *pool, const fc_dot_table *kernels)
{
    fc_prepare_max_pool(pool);
    pool->op.work *= kernels->target.element_size / 4.0; /* narrow elements instead of floats */
    pool->item = kernels->quantized_max_pool_item;
}

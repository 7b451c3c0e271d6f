/* columns.c: im2col and col2im: images as matrices of receptive fields, and the transpose.
 *
 * An item of im2col is an image of one (kh, kw, c); an item of col2im is a row of x, summed in the
 * order (kh, kw).  These are definitions to compare with, so they move one element at a time. */
#include "operations.h"

#include "../schedule/axis.h"

/* Writes image `item` of the columns. */
#define DEFINE_GATHER(name, real) \
    static void name(const fc_columns_op *op, const real *x, real *columns, int64_t item) \
    { \
        const fc_geometry *g = &op->geometry; \
        const int64_t image = item % g->batch, c = item / g->batch % g->channels; \
        const int64_t tap = item / g->batch / g->channels; \
        const int64_t kh = tap / g->kernel_w, kw = tap % g->kernel_w; \
        const int64_t shift = kw * g->dilation_w - g->pad_left; \
        int64_t first, last; \
        fc_clip(g->out_w, g->stride_w, shift, g->width, &first, &last); \
        columns += item * g->out_h * g->out_w; \
        for (int64_t oh = 0; oh < g->out_h; oh++, columns += g->out_w) { \
            const int64_t h = oh * g->stride_h - g->pad_top + kh * g->dilation_h; \
            const int inside = h >= 0 && h < g->height; \
            const int64_t row = (image * g->height + h) * g->width; \
            for (int64_t ow = 0; ow < g->out_w; ow++) \
                columns[ow] = inside && ow >= first && ow < last \
                                  ? x[(row + ow * g->stride_w + shift) * g->channels + c] \
                                  : 0; \
        } \
    }
DEFINE_GATHER(gather_f32, float)
DEFINE_GATHER(gather_f64, double)

/* Writes row `item` of x. */
#define DEFINE_ADD_UP(name, real) \
    static void name(const fc_columns_op *op, const real *columns, real *x, int64_t item) \
    { \
        const fc_geometry *g = &op->geometry; \
        const int64_t image = item / g->height, h = item % g->height; \
        x += item * g->width * g->channels; \
        for (int64_t i = 0; i < g->width * g->channels; i++) \
            x[i] = 0; \
        for (int64_t kh = 0; kh < g->kernel_h; kh++) { \
            const int64_t up = h + g->pad_top - kh * g->dilation_h, oh = up / g->stride_h; \
            if (up < 0 || up % g->stride_h || oh >= g->out_h) \
                continue; \
            for (int64_t kw = 0; kw < g->kernel_w; kw++) { \
                const int64_t shift = kw * g->dilation_w - g->pad_left; \
                int64_t first, last; \
                fc_clip(g->out_w, g->stride_w, shift, g->width, &first, &last); \
                for (int64_t c = 0; c < g->channels; c++) { \
                    const int64_t place = (kh * g->kernel_w + kw) * g->channels + c; \
                    const real *field = \
                        columns + ((place * g->batch + image) * g->out_h + oh) * g->out_w; \
                    for (int64_t ow = first; ow < last; ow++) \
                        x[(ow * g->stride_w + shift) * g->channels + c] += field[ow]; \
                } \
            } \
        } \
    }
DEFINE_ADD_UP(add_up_f32, float)
DEFINE_ADD_UP(add_up_f64, double)

static int64_t gather_items(const fc_op *op, int phase)
{
    (void)phase;
    const fc_geometry *g = &((const fc_columns_op *)op)->geometry;
    return g->kernel_h * g->kernel_w * g->channels * g->batch;
}

static void gather_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_columns_op *c = (const fc_columns_op *)op;
    if (op->target.element_size == 8)
        gather_f64(c, c->x, c->columns, item);
    else
        gather_f32(c, c->x, c->columns, item);
}

static int64_t add_up_items(const fc_op *op, int phase)
{
    (void)phase;
    const fc_geometry *g = &((const fc_columns_op *)op)->geometry;
    return g->batch * g->height;
}

static void add_up_item(const fc_op *op, int phase, int64_t item, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_columns_op *c = (const fc_columns_op *)op;
    if (op->target.element_size == 8)
        add_up_f64(c, c->columns, c->x, item);
    else
        add_up_f32(c, c->columns, c->x, item);
}

static const fc_op_kind gather = {.phase_items = gather_items, .phase_item = gather_item};
static const fc_op_kind add_up = {.phase_items = add_up_items, .phase_item = add_up_item};

static void prepare(fc_columns_op *c, const fc_op_kind *kind)
{
    const fc_geometry *g = &c->geometry;
    c->op.kind = kind;
    c->op.phases = 1;
    c->op.work = 16.0 * (double)(gather_items(&c->op, 0) * g->out_h * g->out_w); /* bytes moved */
}

void fc_prepare_im2col(fc_columns_op *c) { prepare(c, &gather); }
void fc_prepare_col2im(fc_columns_op *c) { prepare(c, &add_up); }

/* gradient_records.c: builders of the operations of the backward pass (builders.h). */
#include "builders.h"

/* ---- convolution ---- */

/* The word after those of the algorithm: the number of parts by direct sums, which the program's
 * FC_WORD_PARTS has counted. */
static fc_op *build_direct_input(fc_builder *b, const fc_geometry *g, const void *dy,
                                 const void *w, void *dx)
{
    fc_direct_op *d = new_op(b, sizeof *d);
    if (!d)
        return NULL;
    d->count = fc_input_parts(g);
    if (d->count != code_at(b, AFTER_ALGORITHM, MOST))
        b->status = FC_NETWORK_DAMAGED;
    d->parts = fc_take(b, d->count * (int64_t)sizeof *d->parts);
    if (b->status)
        return NULL;
    fc_describe_direct_input(d, g);
    fc_place_direct(d, dy, w, NULL, dx);
    fc_prepare_direct(d);
    return &d->filters.op;
}

static fc_op *build_scatter(fc_builder *b, const fc_geometry *g, const void *dy, const void *w,
                            void *dx)
{
    fc_scatter_op *s = new_op(b, sizeof *s);
    if (!s)
        return NULL;
    fc_describe_scatter(g, &s->problem);
    s->problem.dy = dy;
    s->problem.dx = dx;
    s->w = w;
    fc_prepare_scatter(s);
    return &s->filters.op;
}

fc_op *fc_build_convolution_input(fc_builder *b)
{
    fc_geometry g;
    read_geometry(b, &g);
    if (g.padding_mode != FC_PAD_ZEROS)
        b->status = FC_NETWORK_DAMAGED;
    const int algorithm = read_algorithm(b, &g, FC_BACKWARD_INPUT);
    const void *dy = fc_read_array(b, 0, BYTES(g.batch, g.out_h, g.out_w, g.filters));
    const void *w =
        fc_read_array(b, 1, BYTES(g.kernel_h, g.kernel_w, g.channels / g.groups, g.filters));
    void *dx = fc_written_array(b, 2, BYTES(g.batch, g.height, g.width, g.channels));
    if (b->status)
        return NULL;
    if (algorithm == FC_DIRECT)
        return build_direct_input(b, &g, dy, w, dx);
    if (algorithm == FC_SCATTER)
        return build_scatter(b, &g, dy, w, dx);
    fc_winograd_op *d = new_op(b, sizeof *d);
    if (!d)
        return NULL;
    fc_describe_winograd(&b->table->target, &g, FC_BACKWARD_INPUT,
                         algorithm == FC_WINOGRAD4 ? 4 : 2, &d->problem, &d->view);
    d->view.w = w;
    d->problem.x = dy;
    d->problem.y = dx;
    fc_prepare_winograd(d);
    return &d->filters.op;
}

fc_op *fc_build_convolution_kernel(fc_builder *b)
{
    fc_geometry g;
    read_geometry(b, &g);
    if (g.padding_mode != FC_PAD_ZEROS)
        b->status = FC_NETWORK_DAMAGED;
    const int algorithm = read_algorithm(b, &g, FC_BACKWARD_KERNEL);
    const void *x = fc_read_array(b, 0, BYTES(g.batch, g.height, g.width, g.channels));
    const void *dy = fc_read_array(b, 1, BYTES(g.batch, g.out_h, g.out_w, g.filters));
    void *dw =
        fc_written_array(b, 2, BYTES(g.kernel_h, g.kernel_w, g.channels / g.groups, g.filters));
    void *db = optional_written(b, 3, BYTES(g.filters));
    if (b->status)
        return NULL;
    if (algorithm == FC_DIRECT) {
        fc_filter_gradient_op *d = new_op(b, sizeof *d);
        if (!d)
            return NULL;
        fc_describe_backward_kernel(&g, &d->problem);
        d->problem.x = x;
        d->problem.dy = dy;
        d->problem.dw = dw;
        d->problem.db = db;
        fc_prepare_filter_gradient(d);
        return &d->op;
    }
    fc_winograd_gradient_op *d = new_op(b, sizeof *d);
    if (!d)
        return NULL;
    fc_describe_winograd_gradient(&g, algorithm == FC_WINOGRAD4 ? 4 : 2, &d->problem);
    d->problem.x = x;
    d->problem.dy = dy;
    d->problem.dw = dw;
    d->problem.db = db;
    fc_prepare_winograd_gradient(d);
    return &d->op;
}

/* ---- dense, pooling ---- */

static fc_dense_op *new_dense(fc_builder *b)
{
    fc_dense_op *d = new_op(b, sizeof *d);
    if (!d)
        return NULL;
    d->problem.rows = size_at(b, 0);
    d->problem.inputs = size_at(b, 1);
    d->problem.outputs = size_at(b, 2);
    return d;
}

fc_op *fc_build_dense_input(fc_builder *b)
{
    fc_dense_op *d = new_dense(b);
    if (!d)
        return NULL;
    fc_dense *p = &d->problem;
    const int64_t bytes = BYTES(p->rows, p->inputs);
    p->dy = fc_read_array(b, 0, BYTES(p->rows, p->outputs));
    p->w = fc_read_array(b, 1, BYTES(p->inputs, p->outputs));
    p->dx = fc_written_array(b, 2, bytes);
    read_activation_gradient(b, &p->activation_gradient, 3, bytes, 3, 0);
    if (!b->status)
        fc_prepare_dense_backward_input(d);
    return &d->op;
}

fc_op *fc_build_dense_kernel(fc_builder *b)
{
    fc_dense_op *d = new_dense(b);
    if (!d)
        return NULL;
    fc_dense *p = &d->problem;
    p->x = fc_read_array(b, 0, BYTES(p->rows, p->inputs));
    p->dy = fc_read_array(b, 1, BYTES(p->rows, p->outputs));
    p->dw = fc_written_array(b, 2, BYTES(p->inputs, p->outputs));
    p->db = optional_written(b, 3, BYTES(p->outputs));
    if (!b->status)
        fc_prepare_dense_backward_kernel(d);
    return &d->op;
}

fc_op *fc_build_max_pool_input(fc_builder *b)
{
    fc_pool_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_pool *p = &op->problem;
    read_pool(b, p);
    const int64_t bytes = BYTES(p->batch, p->out_h, p->out_w, p->channels);
    p->dy = fc_read_array(b, 0, bytes);
    p->argmax = read_argmax(b, 1, p, 0);
    p->dx = fc_written_array(b, 2, BYTES(p->batch, p->height, p->width, p->channels));
    read_activation_gradient(b, &p->activation_gradient, 3, bytes, 12, 0);
    if (!b->status)
        fc_prepare_max_pool_backward(op);
    return &op->op;
}

fc_op *fc_build_average_pool_input(fc_builder *b)
{
    fc_pool_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_pool *p = &op->problem;
    read_pool(b, p);
    const int64_t bytes = BYTES(p->batch, p->height, p->width, p->channels);
    p->dy = fc_read_array(b, 0, BYTES(p->batch, p->out_h, p->out_w, p->channels));
    p->dx = fc_written_array(b, 1, bytes);
    read_activation_gradient(b, &p->activation_gradient, 2, bytes, 12, 0);
    if (!b->status)
        fc_prepare_average_pool_backward(op);
    return &op->op;
}

/* ---- element by element ---- */

fc_op *fc_build_activation_input(fc_builder *b)
{
    fc_activation_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->stretch.size = size_at(b, 0);
    op->kind = code_at(b, 1, MOST_ACTIVATION);
    for (int i = 0; i < 3; i++)
        op->parameters[i] = fc_real(b, i);
    op->x = fc_read_array(b, 0, BYTES(op->stretch.size));
    op->dy = fc_read_array(b, 1, BYTES(op->stretch.size));
    op->y = fc_written_array(b, 2, BYTES(op->stretch.size));
    if (!b->status)
        fc_prepare_activation_backward(op);
    return &op->stretch.op;
}

fc_op *fc_build_softmax_input(fc_builder *b)
{
    fc_softmax_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->rows = size_at(b, 0);
    op->classes = size_at(b, 1);
    op->is_log = code_at(b, 2, 1);
    op->x = fc_read_array(b, 0, BYTES(op->rows, op->classes));
    op->dy = fc_read_array(b, 1, BYTES(op->rows, op->classes));
    op->y = fc_written_array(b, 2, BYTES(op->rows, op->classes));
    if (!b->status)
        fc_prepare_softmax_backward(op);
    return &op->op;
}

/* Arrays: the merged ones, their result, dy and dx. */
fc_op *fc_build_merge_input(fc_builder *b)
{
    fc_merge_op *op = new_op(b, sizeof *op);
    const int64_t count = b->array_count - 3;
    const void **x = fc_take(b, (count > 0 ? count : 0) * (int64_t)sizeof *x);
    if (b->status || count < 1) {
        b->status = FC_NETWORK_DAMAGED;
        return NULL;
    }
    op->stretch.size = size_at(b, 0);
    op->problem.kind = (int)fc_integer(b, 1, FC_MULTIPLY, FC_MINIMUM);
    op->index = code_at(b, 2, count - 1);
    if (op->problem.kind == FC_AVERAGE)
        b->status = FC_NETWORK_DAMAGED;
    op->problem.count = (int)count;
    op->problem.x = x;
    const int64_t bytes = BYTES(op->stretch.size);
    for (int64_t i = 0; i < count; i++)
        x[i] = fc_read_array(b, i, bytes);
    /* The result is read only. */
    op->problem.y = (void *)(intptr_t)fc_read_array(b, count, bytes);
    op->dy = fc_read_array(b, count + 1, bytes);
    op->dx = fc_written_array(b, count + 2, bytes);
    if (!b->status)
        fc_prepare_merge_backward(op);
    return &op->stretch.op;
}

fc_op *fc_build_scale(fc_builder *b)
{
    fc_scale_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->stretch.size = size_at(b, 0);
    op->factor = fc_real(b, 0);
    op->x = fc_read_array(b, 0, BYTES(op->stretch.size));
    op->y = fc_written_array(b, 1, BYTES(op->stretch.size));
    if (!b->status)
        fc_prepare_scale(op);
    return &op->stretch.op;
}

/* As a concatenation, but the pieces are written; one may be left out. */
fc_op *fc_build_split(fc_builder *b)
{
    fc_pieces_op *op = new_op(b, sizeof *op);
    const int64_t count = b->array_count - 1;
    if (b->status || count < 1 || b->integer_count != count + 1) {
        b->status = FC_NETWORK_DAMAGED;
        return NULL;
    }
    op->pieces = fc_take(b, count * (int64_t)sizeof *op->pieces);
    if (!op->pieces)
        return NULL;
    op->rows = size_at(b, 0);
    op->count = (int)count;
    op->widths = b->integers + 1;
    for (int64_t i = 0; i < count; i++) {
        const int64_t width = size_at(b, i + 1);
        op->pieces[i] =
            optional_written(b, i, fc_product(b, (const int64_t[]){op->rows, width}, 2));
        op->width += width;
    }
    op->whole = (char *)(intptr_t)fc_read_array(
        b, count, fc_product(b, (const int64_t[]){op->rows, op->width}, 2));
    if (!b->status)
        fc_prepare_split(op);
    return &op->op;
}

fc_op *fc_build_repeat_input(fc_builder *b)
{
    fc_broadcast_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    int64_t x, y; /* elements */
    read_broadcast(b, &op->problem, &x, &y);
    op->problem.x = fc_written_array(b, 0, BYTES(x));
    op->problem.y = (void *)(intptr_t)fc_read_array(b, 1, BYTES(y));
    if (!b->status)
        fc_prepare_repeat_backward(op);
    return &op->op;
}

fc_op *fc_build_column_max_input(fc_builder *b)
{
    fc_reduce_op *op = new_reduce(b, 1.0);
    if (!op)
        return NULL;
    const int64_t outputs = fc_product(b, (const int64_t[]){op->batch, op->channels}, 2);
    op->x = fc_read_array(b, 0, BYTES(outputs));
    op->argmax =
        (int32_t *)(intptr_t)fc_read_array(b, 1, outputs * (int64_t)sizeof(int32_t));
    op->y = fc_written_array(b, 2, BYTES(op->batch, op->rows, op->channels));
    if (!b->status)
        fc_prepare_column_max_backward(op);
    return &op->op;
}

/* ---- normalization ---- */

/* The sizes of statistics over rows and groups of channels. */
static void read_channel_norm(fc_builder *b, fc_channel_norm *p, int64_t *x, int64_t *channels,
                              int64_t *statistics)
{
    p->segments = size_at(b, 0);
    p->rows = size_at(b, 1);
    p->channels = size_at(b, 2);
    p->width = size_at(b, 3);
    p->activation = code_at(b, 4, FC_CAN_FUSE);
    p->epsilon = fc_real(b, 0);
    p->slope = fc_real(b, 1);
    if (p->channels % p->width)
        b->status = FC_NETWORK_DAMAGED;
    *x = BYTES(p->segments, p->rows, p->channels);
    *channels = BYTES(p->channels);
    *statistics = BYTES(p->segments, p->channels / p->width);
}

fc_op *fc_build_channel_norm(fc_builder *b)
{
    fc_channel_norm_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_channel_norm *p = &op->problem;
    int64_t x, channels, statistics; /* bytes */
    read_channel_norm(b, p, &x, &channels, &statistics);
    p->x = fc_read_array(b, 0, x);
    p->gamma = optional(b, 1, channels);
    p->beta = optional(b, 2, channels);
    p->y = fc_written_array(b, 3, x);
    p->mean = fc_written_array(b, 4, statistics);
    p->variance = fc_written_array(b, 5, statistics);
    if (!b->status)
        fc_prepare_channel_norm(op);
    return &op->op;
}

fc_op *fc_build_channel_norm_input(fc_builder *b)
{
    fc_channel_norm_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_channel_norm *p = &op->problem;
    int64_t x, channels, statistics; /* bytes */
    read_channel_norm(b, p, &x, &channels, &statistics);
    p->x = fc_read_array(b, 0, x);
    p->dy = fc_read_array(b, 1, x);
    p->gamma = optional(b, 2, channels);
    p->beta = optional(b, 3, channels);
    p->mean = (void *)(intptr_t)fc_read_array(b, 4, statistics);
    p->variance = (void *)(intptr_t)fc_read_array(b, 5, statistics);
    p->y = optional_written(b, 6, x);
    p->dgamma = optional_written(b, 7, channels);
    p->dbeta = optional_written(b, 8, channels);
    if (!b->status)
        fc_prepare_channel_norm_backward(op);
    return &op->op;
}

/* Arrays: dy, gamma, beta (left out), mean, variance, dx. */
fc_op *fc_build_frozen_norm_input(fc_builder *b)
{
    fc_frozen_norm_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_channel_norm *p = &op->problem;
    read_norm(b, p, 1);
    p->scale_only = 1;
    p->y = fc_written_array(b, 5, BYTES(p->rows, p->channels));
    if (!b->status)
        fc_prepare_frozen_norm(op);
    return &op->filters.op;
}

fc_op *fc_build_row_norm_input(fc_builder *b)
{
    fc_row_norm_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_row_norm *p = &op->problem;
    p->rows = size_at(b, 0);
    p->features = size_at(b, 1);
    p->unit = code_at(b, 2, 1);
    p->epsilon = fc_real(b, 0);
    p->x = fc_read_array(b, 0, BYTES(p->rows, p->features));
    p->dy = fc_read_array(b, 1, BYTES(p->rows, p->features));
    p->gamma = optional(b, 2, BYTES(p->features));
    p->statistics = (void *)(intptr_t)fc_read_array(b, 3, BYTES(p->rows, 2));
    p->y = optional_written(b, 4, BYTES(p->rows, p->features));
    p->dgamma = optional_written(b, 5, BYTES(p->features));
    p->dbeta = optional_written(b, 6, BYTES(p->features));
    if (!b->status)
        fc_prepare_row_norm_backward(op);
    return &op->op;
}

fc_op *fc_build_response_norm_input(fc_builder *b)
{
    fc_response_norm_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_response_norm *p = &op->problem;
    p->rows = size_at(b, 0);
    p->channels = size_at(b, 1);
    p->radius = count_at(b, 2);
    p->bias = fc_real(b, 0);
    p->alpha = fc_real(b, 1);
    p->beta = fc_real(b, 2);
    p->x = fc_read_array(b, 0, BYTES(p->rows, p->channels));
    p->dy = fc_read_array(b, 1, BYTES(p->rows, p->channels));
    p->y = fc_written_array(b, 2, BYTES(p->rows, p->channels));
    if (!b->status)
        fc_prepare_response_norm_backward(op);
    return &op->op;
}

fc_op *fc_build_prelu_input(fc_builder *b)
{
    fc_prelu_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_prelu *p = &op->problem;
    p->rows = size_at(b, 0);
    p->slopes = size_at(b, 1);
    p->inner = size_at(b, 2);
    const int64_t bytes = BYTES(p->rows, p->slopes, p->inner);
    p->x = fc_read_array(b, 0, bytes);
    p->dy = fc_read_array(b, 1, bytes);
    p->alpha = fc_read_array(b, 2, BYTES(p->slopes));
    p->y = optional_written(b, 3, bytes);
    p->dalpha = optional_written(b, 4, BYTES(p->slopes));
    if (!b->status)
        fc_prepare_prelu_backward(op);
    return &op->op;
}

fc_op *fc_build_recurrent_input(fc_builder *b)
{
    fc_recurrent_op *op = new_recurrent(b);
    if (!op)
        return NULL;
    fc_recurrent *p = &op->problem;
    const int is_gru = p->gate_count == 3;
    const int64_t bytes = BYTES(p->batch, p->steps, p->units),
                  wide = BYTES(p->batch, p->steps, p->gate_count, p->units);
    p->gates = fc_written_array(b, 0, wide);
    p->dy = fc_read_array(b, 4, bytes);
    p->dc_last = optional(b, 5, BYTES(p->batch, p->units));
    p->cells = (void *)(intptr_t)optional(b, 6, bytes);
    p->before = (void *)(intptr_t)fc_read_array(b, 7, bytes);
    p->part = (void *)(intptr_t)optional(b, 8, bytes);
    p->inner = optional_written(b, 9, wide);
    p->dh = optional_written(b, 10, BYTES(p->batch, p->units));
    p->dc = optional_written(b, 11, BYTES(p->batch, p->units));
    if (is_gru ? !p->part || !p->inner : !p->cells)
        b->status = FC_NETWORK_DAMAGED;
    if (!b->status)
        fc_prepare_recurrent_backward(op);
    return &op->filters.op;
}

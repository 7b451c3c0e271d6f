/* describe.c: checks the descriptions of the C interface, and makes operations of them; those of
 * convolutions are in describe_conv.c. */
#include "describe.h"

#define SAME(a, b) _Static_assert((int)a == (int)b, "fastconv.h has the numbers of the kernels")
SAME(FASTCONV_MISH, FC_MISH);
SAME(FASTCONV_GELU, FC_KEEPS_INPUT);
SAME(FASTCONV_CLIPPED_RELU, FC_CAN_FUSE);
SAME(FASTCONV_FTRL, FC_FTRL);
SAME(FASTCONV_BACKWARD_INPUT, FC_BACKWARD_INPUT);
SAME(FASTCONV_BACKWARD_KERNEL, FC_BACKWARD_KERNEL);

fastconv_status fc_create_dense(const fastconv_dense *given, fastconv_op **to)
{
    BEGIN(fastconv_dense, given, to, offsetof(fastconv_dense, has_bias));
    if (p->pass < FASTCONV_FORWARD || p->pass > FASTCONV_BACKWARD_KERNEL ||
        p->activation < FASTCONV_LINEAR || p->activation > FASTCONV_CLIPPED_RELU ||
        (p->pass != FASTCONV_FORWARD && p->activation != FASTCONV_LINEAR) ||
        (p->pass == FASTCONV_BACKWARD_INPUT && p->has_bias))
        return FASTCONV_WRONG_OPTION;
    if (!is_size(p->rows) || !is_size(p->inputs) || !is_size(p->outputs))
        return FASTCONV_WRONG_SIZE;
    if (!fits(p->rows, p->inputs, 1, 1) || !fits(p->inputs, p->outputs, 1, 1) ||
        !fits(p->rows, p->outputs, 1, 1))
        return FASTCONV_TOO_LARGE;
    fastconv_op *op = make(FC_KIND_DENSE, p->pass, p->dtype, 0);
    if (!op)
        return FASTCONV_NO_MEMORY;
    fc_dense *d = &op->any.dense.problem;
    d->rows = p->rows;
    d->inputs = p->inputs;
    d->outputs = p->outputs;
    d->activation = p->activation;
    d->slope = p->slope;
    op->has_bias = p->has_bias != 0;
    if (p->pass == FASTCONV_FORWARD) {
        fc_prepare_dense_forward(&op->any.dense);
        set_shape(op, 2, p->rows, p->outputs, 0, 0);
    } else if (p->pass == FASTCONV_BACKWARD_INPUT) {
        fc_prepare_dense_backward_input(&op->any.dense);
        set_shape(op, 2, p->rows, p->inputs, 0, 0);
    } else {
        fc_prepare_dense_backward_kernel(&op->any.dense);
        set_shape(op, 2, p->inputs, p->outputs, 0, 0);
    }
    *to = op;
    return FASTCONV_OK;
}

fastconv_status fc_create_pool2d(const fastconv_pool2d *given, fastconv_op **to)
{
    BEGIN(fastconv_pool2d, given, to, offsetof(fastconv_pool2d, kind));
    if ((p->pass != FASTCONV_FORWARD && p->pass != FASTCONV_BACKWARD_INPUT) ||
        (p->kind != FASTCONV_MAX && p->kind != FASTCONV_AVERAGE))
        return FASTCONV_WRONG_OPTION;
    const int64_t stride_h = or_else(p->stride_h, p->pool_h);
    const int64_t stride_w = or_else(p->stride_w, p->pool_w);
    if (!is_size(p->batch) || !is_size(p->height) || !is_size(p->width) || !is_size(p->channels) ||
        !is_size(p->pool_h) || !is_size(p->pool_w) || !is_size(stride_h) || !is_size(stride_w) ||
        !is_padding(p->pad_top) || !is_padding(p->pad_bottom) || !is_padding(p->pad_left) ||
        !is_padding(p->pad_right) || p->pad_top >= p->pool_h || p->pad_left >= p->pool_w)
        return FASTCONV_WRONG_SIZE;
    const int64_t out_h = windows(p->height, p->pool_h, stride_h, p->pad_top, p->pad_bottom);
    const int64_t out_w = windows(p->width, p->pool_w, stride_w, p->pad_left, p->pad_right);
    if (out_h < 1 || out_w < 1 || (out_h - 1) * stride_h - p->pad_top >= p->height ||
        (out_w - 1) * stride_w - p->pad_left >= p->width)
        return FASTCONV_WRONG_SIZE; /* a window would cover padding only */
    if (!fits(p->batch, p->height, p->width, p->channels) ||
        !fits(p->batch, out_h, out_w, p->channels))
        return FASTCONV_TOO_LARGE;
    if (p->kind == FASTCONV_MAX && p->dtype == FASTCONV_FLOAT32 &&
        p->pool_h * p->pool_w > 1 << 24) /* indices are in lanes of the type */
        return FASTCONV_WRONG_SIZE;
    fastconv_op *op = make(FC_KIND_POOL, p->pass, p->dtype, 0);
    if (!op)
        return FASTCONV_NO_MEMORY;
    fc_pool *q = &op->any.pool.problem;
    q->batch = p->batch;
    q->height = p->height;
    q->width = p->width;
    q->channels = p->channels;
    q->pool_h = p->pool_h;
    q->pool_w = p->pool_w;
    q->out_h = out_h;
    q->out_w = out_w;
    q->stride_h = stride_h < p->pool_h + p->height ? stride_h : p->pool_h + p->height;
    q->stride_w = stride_w < p->pool_w + p->width ? stride_w : p->pool_w + p->width;
    q->pad_top = p->pad_top;
    q->pad_left = p->pad_left;
    q->wide_argmax = p->pool_h * p->pool_w > 256;
    op->gives_argmax = p->kind == FASTCONV_MAX;
    if (p->pass == FASTCONV_FORWARD) {
        (p->kind == FASTCONV_MAX ? fc_prepare_max_pool : fc_prepare_average_pool)(&op->any.pool);
        set_shape(op, 4, p->batch, out_h, out_w, p->channels);
    } else {
        (p->kind == FASTCONV_MAX ? fc_prepare_max_pool_backward
                                 : fc_prepare_average_pool_backward)(&op->any.pool);
        set_shape(op, 4, p->batch, p->height, p->width, p->channels);
    }
    *to = op;
    return FASTCONV_OK;
}

fastconv_status fc_create_activation(const fastconv_activation *given, fastconv_op **to)
{
    BEGIN(fastconv_activation, given, to, offsetof(fastconv_activation, slope));
    if ((p->pass != FASTCONV_FORWARD && p->pass != FASTCONV_BACKWARD_INPUT) ||
        p->activation < FASTCONV_LINEAR || p->activation > FASTCONV_MISH)
        return FASTCONV_WRONG_OPTION;
    if (p->count < 1)
        return FASTCONV_WRONG_SIZE;
    if (!fits(p->count, 1, 1, 1))
        return FASTCONV_TOO_LARGE;
    fastconv_op *op = make(FC_KIND_ACTIVATION, p->pass, p->dtype, 0);
    if (!op)
        return FASTCONV_NO_MEMORY;
    op->any.activation.stretch.size = p->count;
    op->any.activation.kind = p->activation;
    op->any.activation.parameters[0] = p->slope;
    (p->pass == FASTCONV_FORWARD ? fc_prepare_activation
                                 : fc_prepare_activation_backward)(&op->any.activation);
    set_shape(op, 1, p->count, 0, 0, 0);
    *to = op;
    return FASTCONV_OK;
}

fastconv_status fc_create_softmax(const fastconv_softmax *given, fastconv_op **to)
{
    BEGIN(fastconv_softmax, given, to, sizeof(fastconv_softmax));
    if (p->pass != FASTCONV_FORWARD && p->pass != FASTCONV_BACKWARD_INPUT)
        return FASTCONV_WRONG_OPTION;
    if (!is_size(p->rows) || !is_size(p->classes))
        return FASTCONV_WRONG_SIZE;
    if (!fits(p->rows, p->classes, 1, 1))
        return FASTCONV_TOO_LARGE;
    fastconv_op *op = make(FC_KIND_SOFTMAX, p->pass, p->dtype, 0);
    if (!op)
        return FASTCONV_NO_MEMORY;
    op->any.softmax.rows = p->rows;
    op->any.softmax.classes = p->classes;
    (p->pass == FASTCONV_FORWARD ? fc_prepare_softmax
                                 : fc_prepare_softmax_backward)(&op->any.softmax);
    set_shape(op, 2, p->rows, p->classes, 0, 0);
    *to = op;
    return FASTCONV_OK;
}

fastconv_status fc_create_cross_entropy(const fastconv_cross_entropy *given, fastconv_op **to)
{
    BEGIN(fastconv_cross_entropy, given, to, sizeof(fastconv_cross_entropy));
    if (!is_size(p->rows) || !is_size(p->classes))
        return FASTCONV_WRONG_SIZE;
    if (!fits(p->rows, p->classes, 1, 1))
        return FASTCONV_TOO_LARGE;
    fastconv_op *op = make(FC_KIND_CROSS_ENTROPY, FASTCONV_FORWARD, p->dtype, 0);
    if (!op)
        return FASTCONV_NO_MEMORY;
    op->any.loss.problem.rows = p->rows;
    op->any.loss.problem.classes = p->classes;
    fc_prepare_softmax_cross_entropy(&op->any.loss);
    set_shape(op, 1, p->rows, 0, 0, 0);
    *to = op;
    return FASTCONV_OK;
}

fastconv_status fc_create_batch_norm(const fastconv_batch_norm *given, fastconv_op **to)
{
    BEGIN(fastconv_batch_norm, given, to, offsetof(fastconv_batch_norm, fixed_statistics));
    const int forward = p->pass == FASTCONV_FORWARD;
    if ((!forward && p->pass != FASTCONV_BACKWARD_INPUT) || p->activation < FASTCONV_LINEAR ||
        p->activation > FASTCONV_CLIPPED_RELU ||
        (!forward && (p->activation != FASTCONV_LINEAR || p->fixed_statistics)))
        return FASTCONV_WRONG_OPTION;
    if (!is_size(p->rows) || !is_size(p->channels) || !(p->epsilon >= 0))
        return FASTCONV_WRONG_SIZE;
    if (!fits(p->rows, p->channels, 1, 1))
        return FASTCONV_TOO_LARGE;
    fastconv_op *op = make(p->fixed_statistics ? FC_KIND_FROZEN_NORM : FC_KIND_CHANNEL_NORM,
                           p->pass, p->dtype, 0);
    if (!op)
        return FASTCONV_NO_MEMORY;
    fc_channel_norm *n =
        p->fixed_statistics ? &op->any.frozen_norm.problem : &op->any.channel_norm.problem;
    n->segments = n->width = 1;
    n->rows = p->rows;
    n->channels = p->channels;
    n->epsilon = p->epsilon;
    n->activation = p->activation;
    n->slope = p->slope;
    if (!forward)
        n->y = n->dgamma = n->dbeta = some_array();
    if (p->fixed_statistics)
        fc_prepare_frozen_norm(&op->any.frozen_norm);
    else
        (forward ? fc_prepare_channel_norm
                 : fc_prepare_channel_norm_backward)(&op->any.channel_norm);
    set_shape(op, 2, p->rows, p->channels, 0, 0);
    *to = op;
    return FASTCONV_OK;
}

fastconv_status fc_create_update(const fastconv_update *given, fastconv_op **to)
{
    BEGIN(fastconv_update, given, to, sizeof(fastconv_update));
    if (p->rule < FASTCONV_SGD || p->rule > FASTCONV_FTRL)
        return FASTCONV_WRONG_OPTION;
    if (p->count < 1)
        return FASTCONV_WRONG_SIZE;
    if (!fits(p->count, 1, 1, 1))
        return FASTCONV_TOO_LARGE;
    fastconv_op *op = make(FC_KIND_UPDATE, FASTCONV_FORWARD, p->dtype, 0);
    if (!op)
        return FASTCONV_NO_MEMORY;
    op->rule.apply = op->any.op.table->update[p->rule];
    op->any.update.stretch.size = p->count;
    fc_prepare_update(&op->any.update);
    static const int needed[] = {0, 1, 2, 2, 2, 1, 2, 1, 2};
    op->packs = 0;
    op->pass = needed[p->rule]; /* the number of slots that the rule requires */
    set_shape(op, 1, p->count, 0, 0, 0);
    *to = op;
    return FASTCONV_OK;
}

void fc_destroy(fastconv_op *op) { free(op); }

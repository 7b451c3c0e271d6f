/* describe.c: checks the descriptions of the C interface, and makes operations of them. */
#include "interface.h"

#include <stdlib.h>
#include <string.h>

#define SAME(a, b) _Static_assert((int)a == (int)b, "fastconv.h has the numbers of the kernels")
SAME(FASTCONV_MISH, FC_MISH);
SAME(FASTCONV_GELU, FC_KEEPS_INPUT);
SAME(FASTCONV_CLIPPED_RELU, FC_CAN_FUSE);
SAME(FASTCONV_FTRL, FC_FTRL);
SAME(FASTCONV_BACKWARD_INPUT, FC_BACKWARD_INPUT);
SAME(FASTCONV_BACKWARD_KERNEL, FC_BACKWARD_KERNEL);

static const int64_t most = INT32_MAX; /* of one size, stride or padding */

static int is_size(int64_t n) { return n >= 1 && n <= most; }
static int is_padding(int64_t n) { return n >= 0 && n <= most; }
static int is_type(int32_t dtype) { return dtype == FASTCONV_FLOAT32 || dtype == FASTCONV_FLOAT64; }

/* Whether an array of these sizes has fewer than 2**60 bytes. */
static int fits(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (double)a * (double)b * (double)c * (double)d * 8 < 1152921504606846976.0;
}

/* An op with room for `parts`, its table chosen; NULL: no memory. */
static fastconv_op *make(fc_interface_kind kind, int pass, int32_t dtype, int parts)
{
    const size_t bytes = sizeof(fastconv_op) + (size_t)parts * sizeof(fc_direct_part);
    fastconv_op *op = calloc(1, bytes);
    if (!op)
        return NULL;
    op->kind = kind;
    op->pass = pass;
    op->any.op.table = fc_get_table(fc_get_host()->isa(), dtype == FASTCONV_FLOAT64);
    op->any.op.target = op->any.op.table->target;
    return op;
}

static void set_shape(fastconv_op *op, int rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    op->output_rank = rank;
    op->output_shape[0] = a;
    op->output_shape[1] = b;
    op->output_shape[2] = c;
    op->output_shape[3] = d;
}

/* Number of windows along an axis; less than 1 if none fits. */
static int64_t windows(int64_t size, int64_t extent, int64_t stride, int64_t before, int64_t after)
{
    const int64_t room = size + before + after - extent;
    return room < 0 ? 0 : room / stride + 1;
}

static int64_t or_else(int64_t n, int64_t other) { return n == 0 ? other : n; }

static fastconv_status conv_geometry(const fastconv_conv2d *p, fc_geometry *g)
{
    *g = (fc_geometry){
        .batch = p->batch, .height = p->height, .width = p->width, .channels = p->channels,
        .kernel_h = p->kernel_h, .kernel_w = p->kernel_w, .filters = p->filters,
        .stride_h = or_else(p->stride_h, 1), .stride_w = or_else(p->stride_w, 1),
        .dilation_h = or_else(p->dilation_h, 1), .dilation_w = or_else(p->dilation_w, 1),
        .groups = or_else(p->groups, 1), .pad_top = p->pad_top, .pad_left = p->pad_left,
    };
    if (!is_size(g->batch) || !is_size(g->height) || !is_size(g->width) || !is_size(g->channels) ||
        !is_size(g->kernel_h) || !is_size(g->kernel_w) || !is_size(g->filters) ||
        !is_size(g->stride_h) || !is_size(g->stride_w) || !is_size(g->dilation_h) ||
        !is_size(g->dilation_w) || !is_size(g->groups) || !is_padding(p->pad_top) ||
        !is_padding(p->pad_bottom) || !is_padding(p->pad_left) || !is_padding(p->pad_right) ||
        g->channels % g->groups || g->filters % g->groups)
        return FASTCONV_WRONG_SIZE;
    g->out_h = windows(g->height, (g->kernel_h - 1) * g->dilation_h + 1, g->stride_h, p->pad_top,
                       p->pad_bottom);
    g->out_w = windows(g->width, (g->kernel_w - 1) * g->dilation_w + 1, g->stride_w, p->pad_left,
                       p->pad_right);
    if (g->out_h < 1 || g->out_w < 1)
        return FASTCONV_WRONG_SIZE;
    if (!fits(g->batch, g->height + p->pad_top + p->pad_bottom,
              g->width + p->pad_left + p->pad_right, g->channels) ||
        !fits(g->batch, g->out_h, g->out_w, g->filters) ||
        !fits(g->kernel_h, g->kernel_w, g->channels, g->filters))
        return FASTCONV_TOO_LARGE;
    return FASTCONV_OK;
}

/* A pointer that stands for an aligned array until there is one: plans depend on the alignment. */
static void *some_array(void) { return (void *)64; }

static fastconv_op *make_conv(const fastconv_conv2d *p, const fc_geometry *g, int algorithm)
{
    const int pass = p->pass, tile = algorithm == FC_WINOGRAD4 ? 4 : 2;
    fastconv_op *op;
    if (algorithm == FC_DIRECT && pass != FASTCONV_BACKWARD_KERNEL) {
        const int count = pass == FASTCONV_FORWARD ? 1 : fc_input_parts(g);
        op = make(FC_KIND_DIRECT, pass, p->dtype, count);
        if (!op)
            return NULL;
        op->any.direct.count = count;
        op->any.direct.parts = op->parts;
        if (pass == FASTCONV_FORWARD) {
            fc_describe_direct_forward(&op->any.direct, g);
            op->parts[0].problem.activation = p->activation;
            op->parts[0].problem.slope = p->slope;
        } else
            fc_describe_direct_input(&op->any.direct, g);
        fc_place_direct(&op->any.direct, NULL, NULL, NULL, some_array());
        fc_prepare_direct(&op->any.direct);
        op->packs = 1;
    } else if (algorithm == FC_SCATTER) {
        op = make(FC_KIND_SCATTER, pass, p->dtype, 0);
        if (!op)
            return NULL;
        fc_describe_scatter(g, &op->any.scatter.problem);
        fc_prepare_scatter(&op->any.scatter);
        op->packs = 1;
    } else if (pass != FASTCONV_BACKWARD_KERNEL) {
        op = make(FC_KIND_WINOGRAD, pass, p->dtype, 0);
        if (!op)
            return NULL;
        fc_winograd *w = &op->any.winograd.problem;
        fc_describe_winograd(&op->any.op.target, g, pass, tile, w, &op->any.winograd.view);
        w->activation = pass == FASTCONV_FORWARD ? p->activation : FC_LINEAR;
        w->slope = p->slope;
        w->y = some_array();
        fc_prepare_winograd(&op->any.winograd);
        op->packs = !w->streams; /* else w is transformed where it is used */
    } else if (algorithm == FC_DIRECT) {
        op = make(FC_KIND_FILTER_GRADIENT, pass, p->dtype, 0);
        if (!op)
            return NULL;
        fc_describe_backward_kernel(g, &op->any.filter_gradient.problem);
        op->any.filter_gradient.problem.db = p->has_bias ? some_array() : NULL;
        fc_prepare_filter_gradient(&op->any.filter_gradient);
    } else {
        op = make(FC_KIND_WINOGRAD_GRADIENT, pass, p->dtype, 0);
        if (!op)
            return NULL;
        fc_describe_winograd_gradient(g, tile, &op->any.winograd_gradient.problem);
        op->any.winograd_gradient.problem.db = p->has_bias ? some_array() : NULL;
        fc_prepare_winograd_gradient(&op->any.winograd_gradient);
    }
    return op;
}

/* What every create_ function does first: p becomes a copy of the description, of which
 * `least` bytes must be there. */
#define BEGIN(type, given, to, least) \
    type known; \
    const type *const p = &known; \
    if (!(given) || !(to)) \
        return FASTCONV_NULL_POINTER; \
    *(to) = NULL; \
    if (!fc_read_struct(&known, sizeof known, least, given)) \
        return FASTCONV_WRONG_STRUCT; \
    if (!is_type(p->dtype)) \
        return FASTCONV_WRONG_OPTION

fastconv_status fc_create_conv2d(const fastconv_conv2d *given, fastconv_op **to)
{
    BEGIN(fastconv_conv2d, given, to, offsetof(fastconv_conv2d, has_bias));
    fc_geometry g;
    if (p->pass < FASTCONV_FORWARD || p->pass > FASTCONV_BACKWARD_KERNEL ||
        p->activation < FASTCONV_LINEAR || p->activation > FASTCONV_CLIPPED_RELU ||
        (p->pass != FASTCONV_FORWARD && p->activation != FASTCONV_LINEAR) ||
        (p->pass == FASTCONV_BACKWARD_INPUT && p->has_bias))
        return FASTCONV_WRONG_OPTION;
    const fastconv_status status = conv_geometry(p, &g);
    if (status != FASTCONV_OK)
        return status;
    const fc_table *float_table = fc_get_table(fc_get_host()->isa(), 0);
    const int algorithm =
        fc_choose_algorithm(&float_table->target, &g, p->pass,
                            p->pass == FASTCONV_FORWARD && p->constant_filters != 0,
                            p->dtype == FASTCONV_FLOAT32);
    fastconv_op *op = make_conv(p, &g, algorithm);
    if (!op)
        return FASTCONV_NO_MEMORY;
    op->has_bias = p->has_bias != 0;
    if (p->pass == FASTCONV_FORWARD)
        set_shape(op, 4, g.batch, g.out_h, g.out_w, g.filters);
    else if (p->pass == FASTCONV_BACKWARD_INPUT)
        set_shape(op, 4, g.batch, g.height, g.width, g.channels);
    else
        set_shape(op, 4, g.kernel_h, g.kernel_w, g.channels / g.groups, g.filters);
    *to = op;
    return FASTCONV_OK;
}

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

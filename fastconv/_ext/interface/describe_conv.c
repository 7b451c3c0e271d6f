/* describe_conv.c: descriptions of convolutions and of transposed convolutions. */
#include "describe.h"

#include "../schedule/axis.h"

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

/* Whether a bias and an activation are possible in a pass. */
static int is_epilogue(int32_t pass, int32_t has_bias, int32_t activation)
{
    return pass >= FASTCONV_FORWARD && pass <= FASTCONV_BACKWARD_KERNEL &&
           activation >= FASTCONV_LINEAR && activation <= FASTCONV_CLIPPED_RELU &&
           (pass == FASTCONV_FORWARD || activation == FASTCONV_LINEAR) &&
           (pass != FASTCONV_BACKWARD_INPUT || !has_bias);
}

/* The algorithm by cost, or the one that is forced; -1 if that does not apply. */
static int choose(const fastconv_conv2d *p, const fc_geometry *g)
{
    static const int forced[] = {[FASTCONV_DIRECT] = FC_DIRECT, [FASTCONV_SCATTER] = FC_SCATTER,
                                 [FASTCONV_WINOGRAD2] = FC_WINOGRAD2,
                                 [FASTCONV_WINOGRAD4] = FC_WINOGRAD4};
    if (p->algorithm < FASTCONV_AUTO || p->algorithm > FASTCONV_WINOGRAD4)
        return -1;
    if (p->algorithm >= FASTCONV_DIRECT)
        return fc_obstacle(g, p->pass, forced[p->algorithm]) == FC_APPLIES ? forced[p->algorithm]
                                                                           : -1;
    const fc_table *float_table = fc_get_table(fc_get_host()->isa(), 0);
    return fc_choose_algorithm(&float_table->target, g, p->pass,
                               p->pass == FASTCONV_FORWARD && p->constant_filters != 0,
                               p->dtype == FASTCONV_FLOAT32 && p->algorithm == FASTCONV_AUTO);
}

fastconv_status fc_create_conv2d(const fastconv_conv2d *given, fastconv_op **to)
{
    BEGIN(fastconv_conv2d, given, to, offsetof(fastconv_conv2d, has_bias));
    fc_geometry g;
    if (!is_epilogue(p->pass, p->has_bias, p->activation))
        return FASTCONV_WRONG_OPTION;
    const fastconv_status status = conv_geometry(p, &g);
    if (status != FASTCONV_OK)
        return status;
    const int algorithm = choose(p, &g);
    if (algorithm < 0)
        return FASTCONV_WRONG_OPTION;
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

/* ---- transposed convolutions ---- */

enum { PERIOD = 1024 }; /* elements that few biases are repeated to, so that every vector is full */

/* y = act(y + bias), of rows of `channels`. */
static void prepare_epilogue(const fastconv_conv2d_transpose *p, int64_t size, fastconv_op *op)
{
    fc_transposed *t = &op->transposed;
    if (p->has_bias) {
        t->shift.op.table = op->any.op.table;
        t->shift.op.target = op->any.op.target;
        t->shift.size = size;
        t->shift.channels = p->filters;
        t->shift.period = p->filters * fc_max64(1, PERIOD / p->filters);
        if (t->shift.period > p->filters) {
            t->shift.repeated[1] = some_array();
            t->repeated_bytes = t->shift.period * op->any.op.target.element_size;
        }
        fc_prepare_scale_shift(&t->shift);
    }
    if (p->activation != FASTCONV_LINEAR) {
        t->activation.stretch.op.table = op->any.op.table;
        t->activation.stretch.op.target = op->any.op.target;
        t->activation.stretch.size = size;
        t->activation.kind = p->activation;
        t->activation.parameters[0] = p->slope;
        fc_prepare_activation(&t->activation);
    }
}

/* db: sums of dy over all its pixels. */
static void prepare_bias_gradient(int64_t pixels, int64_t channels, fastconv_op *op)
{
    fc_reduce_op *sums = &op->transposed.sums;
    sums->op.table = op->any.op.table;
    sums->op.target = op->any.op.target;
    sums->batch = 1;
    sums->rows = pixels;
    sums->channels = channels;
    sums->scale = 1;
    fc_prepare_column_sums(sums);
}

fastconv_status fc_create_conv2d_transpose(const fastconv_conv2d_transpose *given, fastconv_op **to)
{
    BEGIN(fastconv_conv2d_transpose, given, to, sizeof(fastconv_conv2d_transpose));
    if (!is_epilogue(p->pass, p->has_bias, p->activation))
        return FASTCONV_WRONG_OPTION;
    static const int32_t passes[] = {[FASTCONV_FORWARD] = FASTCONV_BACKWARD_INPUT,
                                     [FASTCONV_BACKWARD_INPUT] = FASTCONV_FORWARD,
                                     [FASTCONV_BACKWARD_KERNEL] = FASTCONV_BACKWARD_KERNEL};
    const fastconv_conv2d conv = {
        .size = sizeof conv, .dtype = p->dtype, .pass = passes[p->pass], .batch = p->batch,
        .height = p->out_height, .width = p->out_width, .channels = p->filters,
        .filters = p->channels, .kernel_h = p->kernel_h, .kernel_w = p->kernel_w,
        .stride_h = p->stride_h, .stride_w = p->stride_w, .dilation_h = p->dilation_h,
        .dilation_w = p->dilation_w, .groups = p->groups, .pad_top = p->pad_top,
        .pad_bottom = p->pad_bottom, .pad_left = p->pad_left, .pad_right = p->pad_right,
        .algorithm = p->algorithm,
    };
    fc_geometry g;
    fastconv_status status = conv_geometry(&conv, &g);
    if (status == FASTCONV_OK && (g.out_h != p->height || g.out_w != p->width))
        status = FASTCONV_WRONG_SIZE;
    if (status == FASTCONV_OK)
        status = fc_create_conv2d(&conv, to);
    if (status != FASTCONV_OK)
        return status;
    fastconv_op *op = *to;
    const int64_t pixels = g.batch * g.height * g.width;
    op->is_transposed = 1;
    op->transposed.pass = p->pass;
    if (p->pass == FASTCONV_FORWARD)
        prepare_epilogue(p, pixels * p->filters, op);
    else if (p->has_bias)
        prepare_bias_gradient(pixels, p->filters, op);
    return FASTCONV_OK;
}

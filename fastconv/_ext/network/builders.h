/* builders.h: what the builders of records (records.c, gradient_records.c, step_records.c) share.
 *
 * A builder reads the words of a record in the order in which the method `record` of the op's
 * Cython class writes them, describes the op as that class does, and calls the same fc_prepare
 * function.  Once b->status is set, all reads return something harmless. */
#ifndef FASTCONV_BUILDERS_H
#define FASTCONV_BUILDERS_H

#include "network.h"

#include <string.h>

enum { MOST = 1 << 30, MOST_ACTIVATION = FC_BOUNDED_RELU };

static inline void *new_op(fc_builder *b, size_t bytes)
{
    fc_op *op = fc_take(b, (int64_t)bytes);
    if (op) {
        op->table = b->table;
        op->target = b->table->target;
    }
    return op;
}

/* The bytes of `count` sizes multiplied, as elements of the network's type. */
static inline int64_t bytes_of(fc_builder *b, const int64_t *sizes, int count)
{
    return fc_product(b, sizes, count) * b->table->target.element_size;
}

/* An array that may be left out. */
static inline const void *optional(fc_builder *b, int64_t index, int64_t bytes)
{
    return fc_has_array(b, index) ? fc_read_array(b, index, bytes) : NULL;
}

static inline void *optional_written(fc_builder *b, int64_t index, int64_t bytes)
{
    return fc_has_array(b, index) ? fc_written_array(b, index, bytes) : NULL;
}

#define BYTES(...) \
    bytes_of(b, (const int64_t[]){__VA_ARGS__}, \
             (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))

/* A size, and a number that may be 0. */
static inline int64_t size_at(fc_builder *b, int64_t index)
{
    return fc_integer(b, index, 1, MOST);
}
static inline int64_t count_at(fc_builder *b, int64_t index)
{
    return fc_integer(b, index, 0, MOST);
}
static inline int code_at(fc_builder *b, int64_t index, int64_t most)
{
    return (int)fc_integer(b, index, 0, most);
}

/* Whether every window of an axis begins within the padded image. */
static inline int fits(int64_t size, int64_t kernel, int64_t out, int64_t stride, int64_t pad)
{
    return (out - 1) * stride - pad < size && pad < kernel + size;
}

static inline void read_geometry(fc_builder *b, fc_geometry *g)
{
    int64_t *const sizes[] = {&g->batch,    &g->height,  &g->width,      &g->channels,
                              &g->kernel_h, &g->kernel_w, &g->filters,   &g->out_h,
                              &g->out_w,    &g->stride_h, &g->stride_w,  &g->pad_top,
                              &g->pad_left, &g->dilation_h, &g->dilation_w, &g->groups};
    const int count = (int)(sizeof sizes / sizeof *sizes);
    for (int i = 0; i < count; i++) /* paddings may be negative: a crop */
        *sizes[i] = fc_integer(b, i, i == 11 || i == 12 ? -MOST : 1, MOST);
    g->padding_mode = code_at(b, count, FC_PAD_REFLECT);
    if (!fits(g->height, g->kernel_h * g->dilation_h, g->out_h, g->stride_h, g->pad_top) ||
        !fits(g->width, g->kernel_w * g->dilation_w, g->out_w, g->stride_w, g->pad_left) ||
        g->groups < 1 || g->channels % g->groups || g->filters % g->groups)
        b->status = FC_NETWORK_DAMAGED;
}

/* The algorithm of a pass: the words after those of the geometry force one (or -1), and say whether
 * the filters stay the same between runs. */
static inline int read_algorithm(fc_builder *b, const fc_geometry *g, int pass)
{
    const fc_target *target = &b->table->target;
    int algorithm = (int)fc_integer(b, 17, -1, FC_ALGORITHMS - 1);
    const int frozen = code_at(b, 18, 1);
    if (b->status)
        return FC_DIRECT;
    if (algorithm < 0)
        algorithm =
            fc_choose_algorithm(target, g, pass, frozen, target->element_size == sizeof(float));
    if (fc_obstacle(g, pass, algorithm) != FC_APPLIES)
        b->status = FC_NETWORK_DAMAGED;
    return algorithm;
}
enum { AFTER_ALGORITHM = 19 };

/* The sizes of a pooling: its first twelve integers. */
static inline void read_pool(fc_builder *b, fc_pool *p)
{
    int64_t *const sizes[] = {&p->batch,  &p->height, &p->width, &p->channels,
                              &p->pool_h, &p->pool_w, &p->out_h, &p->out_w,
                              &p->stride_h, &p->stride_w, &p->pad_top, &p->pad_left};
    for (int i = 0; i < (int)(sizeof sizes / sizeof *sizes); i++)
        *sizes[i] = i < 10 ? size_at(b, i) : count_at(b, i);
    if (!fits(p->height, p->pool_h, p->out_h, p->stride_h, p->pad_top) ||
        !fits(p->width, p->pool_w, p->out_w, p->stride_w, p->pad_left))
        b->status = FC_NETWORK_DAMAGED;
    p->wide_argmax = p->pool_h * p->pool_w > 256;
}

/* The positions of maxima, which may be left out: uint8 or int32. */
static inline void *read_argmax(fc_builder *b, int64_t index, const fc_pool *p, int is_written)
{
    const int64_t bytes =
        fc_product(b, (const int64_t[]){p->batch, p->out_h, p->out_w, p->channels}, 4) *
        (p->wide_argmax ? 4 : 1);
    return is_written ? optional_written(b, index, bytes)
                      : (void *)(intptr_t)fc_read_array(b, index, bytes);
}

/* The activation that a gradient is multiplied with: array `array` of `bytes`, which may be left
 * out, the kind, and the slope. */
static inline void read_activation_gradient(fc_builder *b, fc_activation_gradient *g, int64_t array,
                                            int64_t bytes, int64_t integer, int64_t real)
{
    g->output = optional(b, array, bytes);
    g->kind = code_at(b, integer, FC_CAN_FUSE);
    g->slope = fc_real(b, real);
}

/* The sizes of a broadcast: the number of axes, then size and stride of each.  *x, *y become the
 * elements of the arrays. */
static inline void read_broadcast(fc_builder *b, fc_broadcast *p, int64_t *x, int64_t *y)
{
    p->axes = (int)fc_integer(b, 0, 1, FC_BROADCAST_AXES);
    *x = *y = 1;
    for (int axis = 0; axis < p->axes; axis++) {
        p->size[axis] = size_at(b, 1 + 2 * axis);
        p->stride[axis] = count_at(b, 2 + 2 * axis);
        *y = fc_product(b, (const int64_t[]){*y, p->size[axis]}, 2);
        *x += (p->size[axis] - 1) * p->stride[axis];
    }
}

/* Rows and channels, statistics, epsilon and gamma, beta of a normalization with given ones. */
static inline void read_norm(fc_builder *b, fc_channel_norm *p, int64_t first)
{
    p->segments = 1;
    p->width = 1;
    p->rows = size_at(b, 0);
    p->channels = size_at(b, 1);
    p->epsilon = fc_real(b, 0);
    const int64_t bytes = BYTES(p->channels);
    p->gamma = optional(b, first, bytes);
    p->beta = optional(b, first + 1, bytes);
    p->mean = (void *)(intptr_t)fc_read_array(b, first + 2, bytes);
    p->variance = (void *)(intptr_t)fc_read_array(b, first + 3, bytes);
    p->x = fc_read_array(b, 0, BYTES(p->rows, p->channels));
}

/* Sizes and statistics of a reduction over rows. */
static inline fc_reduce_op *new_reduce(fc_builder *b, double scale)
{
    fc_reduce_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->batch = size_at(b, 0);
    op->rows = size_at(b, 1);
    op->channels = size_at(b, 2);
    op->scale = scale;
    return op;
}

/* Sizes, recurrent weights and first states of a recurrent layer: the first arrays are its gates,
 * weights, h and c.  The gates are written only for a gradient. */
static inline fc_recurrent_op *new_recurrent(fc_builder *b)
{
    fc_recurrent_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_recurrent *p = &op->problem;
    p->batch = size_at(b, 0);
    p->steps = size_at(b, 1);
    p->units = size_at(b, 2);
    p->gate_count = (int)fc_integer(b, 3, 3, FC_MOST_GATES);
    p->reverse = code_at(b, 4, 1);
    op->r = fc_read_array(b, 1, BYTES(p->units, p->gate_count, p->units));
    p->h = optional(b, 2, BYTES(p->batch, p->units));
    p->c = optional(b, 3, BYTES(p->batch, p->units));
    return op;
}

#endif

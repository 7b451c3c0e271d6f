/* describe.h: what the files that check descriptions share (describe.c, describe_conv.c). */
#ifndef FASTCONV_DESCRIBE_H
#define FASTCONV_DESCRIBE_H

#include "interface.h"

#include <stdlib.h>

enum { MOST_SIZE = INT32_MAX }; /* of one size, stride or padding */

static inline int is_size(int64_t n) { return n >= 1 && n <= MOST_SIZE; }
static inline int is_padding(int64_t n) { return n >= 0 && n <= MOST_SIZE; }
static inline int is_type(int32_t dtype)
{
    return dtype == FASTCONV_FLOAT32 || dtype == FASTCONV_FLOAT64;
}

/* Whether an array of these sizes has fewer than 2**60 bytes. */
static inline int fits(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (double)a * (double)b * (double)c * (double)d * 8 < 1152921504606846976.0;
}

/* An op with room for `parts`, its table chosen; NULL: no memory. */
static inline fastconv_op *make(fc_interface_kind kind, int pass, int32_t dtype, int parts)
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

static inline void set_shape(fastconv_op *op, int rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    op->output_rank = rank;
    op->output_shape[0] = a;
    op->output_shape[1] = b;
    op->output_shape[2] = c;
    op->output_shape[3] = d;
}

/* Number of windows along an axis; less than 1 if none fits. */
static inline int64_t windows(int64_t size, int64_t extent, int64_t stride, int64_t before,
                              int64_t after)
{
    const int64_t room = size + before + after - extent;
    return room < 0 ? 0 : room / stride + 1;
}

static inline int64_t or_else(int64_t n, int64_t other) { return n == 0 ? other : n; }

/* A pointer that stands for an aligned array until there is one: plans depend on the alignment, and
 * passes on which outputs there are. */
static inline void *some_array(void) { return (void *)64; }

/* The beginning of every create_ function: p becomes a copy of the description, of which
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

#endif

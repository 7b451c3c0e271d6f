/* stretch.h: what the ops share that are single passes over the elements of arrays. */
#ifndef FASTCONV_STRETCH_H
#define FASTCONV_STRETCH_H

#include "operations.h"

#include "../schedule/axis.h"

/* A part of the elements, and its offset in bytes in arrays of the op's type. */
typedef struct {
    int64_t begin, n, at;
} fc_stretch;

static inline int64_t fc_stretch_items(const fc_op *op, int phase)
{
    (void)phase;
    return fc_ceil_div(((const fc_stretch_op *)op)->size, FC_STRETCH);
}

static inline fc_stretch fc_stretch_of(const fc_op *op, int64_t item)
{
    const int64_t begin = item * FC_STRETCH;
    const int64_t left = ((const fc_stretch_op *)op)->size - begin;
    return (fc_stretch){begin, fc_min64(FC_STRETCH, left), begin * op->target.element_size};
}

static inline void fc_prepare_stretch(fc_stretch_op *stretch, const fc_op_kind *kind, double work)
{
    stretch->op.kind = kind;
    stretch->op.phases = 1;
    stretch->op.work = work * (double)stretch->size;
}

#endif

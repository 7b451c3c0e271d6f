/* cost.h: the estimated time of a convolution pass by one algorithm.
 *
 *     cost = sum over terms of amount * coefficient
 *
 * An amount counts one kind of work, and follows from the geometry and the same partition that the
 * pass runs with (cost.c).  A coefficient is the time of one such unit, in vector multiply-adds of
 * the micro-kernel, memory traffic included; cost_table.h holds them, written by
 * benchmarks/fit_cost.py from measurements. */
#ifndef FASTCONV_COST_H
#define FASTCONV_COST_H

#include "geometry.h"
#include "target.h"

/* X(name) for every term. */
#define FC_COST_TERMS(X) \
    X(multiply_add)           /* vector multiply-adds of the micro-kernel: the unit */ \
    X(streamed_4)             /* the same with streamed filters, in tiles of 4x4 components */ \
    X(streamed_5)             /* ... of 5x5 components */ \
    X(streamed_6)             /* ... of 6x6 components */ \
    X(streamed_9)             /* ... of 9x9 components */ \
    X(filters_in_registers)   /* vectors of filters transformed in registers, for four tiles */ \
    X(split_element)          /* elements of x copied into a plane of few_filters.inc */ \
    X(scatter_vector)         /* whole vectors that a scatter adds to dx */ \
    X(scatter_tail)           /* last parts of stretches that a scatter adds to dx */ \
    X(read_filters)           /* vectors of packed filters read from memory */ \
    X(transpose_filters)      /* vectors of filters read from memory and transposed */ \
    X(transform_filters)      /* vectors of transformed filters written to and read from cache */ \
    X(transform_filters_far)  /* vectors of transformed filters written to and read from memory */ \
    X(transform_input)        /* vectors of components of an input tile, stride 1 */ \
    X(transform_output)       /* vectors of components of an output tile, stride 1 */ \
    X(transform_strided_x2)   /* vectors of components, tile of x or dx, stride 2, 2x2 outputs */ \
    X(transform_strided_x4)   /* ... tiles of 4x4 outputs */ \
    X(transform_strided_y2)   /* vectors of components, tile of y or dy, stride 2, 2x2 outputs */ \
    X(transform_strided_y4)   /* ... tiles of 4x4 outputs */ \
    X(transform_gradient_x)   /* vectors of components, tile of x, filter gradient, in L3 */ \
    X(transform_gradient_dy)  /* ... of a tile of dy */ \
    X(sum_filters)            /* vectors of transformed filter gradients, read, added, written */

#define FC_TERM(name) FC_COST_##name,
enum { FC_COST_TERMS(FC_TERM) FC_COST_TERM_COUNT };
#undef FC_TERM

/* Sets the amount of every term: FC_COST_TERM_COUNT numbers.  `frozen`: filters stay the same from
 * run to run, so that packing them costs nothing. */
void fc_cost_amounts(const fc_target *, const fc_geometry *, int pass, int algorithm, int frozen,
                     double *amounts);

/* The estimated time in vector multiply-adds of one thread. */
double fc_cost(const fc_target *, const fc_geometry *, int pass, int algorithm, int frozen);

#endif

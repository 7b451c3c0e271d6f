/* algorithm.h: which algorithm runs a convolution pass.
 *
 *     FC_DIRECT      any shape; sums in order, exact on small integers
 *     FC_SCATTER     backward_input only: the same sums as a product and a scatter; one group,
 *                    column dilation 1
 *     FC_WINOGRAD2   F(2x2, 3x3) or F(2x2, 5x5); stride 1, dilation 1, one group; 3x3 also with
 *                    stride 2, but for backward_kernel
 *     FC_WINOGRAD4   F(4x4, 3x3), with smaller tiles where 4 outputs do not fit; otherwise the same
 *
 * The choice depends on the shape, the target and whether filters are frozen, never on the number
 * of threads or the processor, because every bit of the result follows from it. */
#ifndef FASTCONV_ALGORITHM_H
#define FASTCONV_ALGORITHM_H

#include "geometry.h"
#include "target.h"

enum { FC_DIRECT, FC_SCATTER, FC_WINOGRAD4, FC_WINOGRAD2, FC_ALGORITHMS };

/* Why an algorithm does not apply to a pass. */
enum {
    FC_APPLIES,
    FC_WRONG_PASS,
    FC_WRONG_KERNEL,
    FC_WRONG_STRIDES,
    FC_WRONG_DILATION,
    FC_WRONG_GROUPS,
    FC_WRONG_PADDING_MODE
};
int fc_obstacle(const fc_geometry *, int pass, int algorithm);

/* The algorithm with the least cost; only direct sums and scatter unless `winograd`.  `frozen`:
 * filters stay the same from run to run. */
int fc_choose_algorithm(const fc_target *, const fc_geometry *, int pass, int frozen, int winograd);

#endif

/* cost_table.h: the coefficients of the cost estimate (cost.h), in vector multiply-adds.
 *
 * Written by `python -m benchmarks.fit_cost --fit` from all files of benchmarks/cost;
 * fixed, as a fit chooses no better.
 * Residual: |estimate / time - 1|, median and 90th percentile.  Regret: time of the chosen
 * algorithm / time of the fastest one, geometric mean and worst.
 *
 *   group                    cases  residual  90 %   regret  worst
 *   amd-epyc-zen4 avx512 1t    308      0.05  0.31    1.002   1.19
 *   amd-epyc-zen4 avx512 2t    308      0.10  0.53    1.002   1.10
 *   amd-epyc-zen4 avx2 1t      308      0.11  0.38    1.012   2.40 */
#ifndef FASTCONV_COST_TABLE_H
#define FASTCONV_COST_TABLE_H

#include "cost.h"

static const double fc_cost_table[FC_COST_TERM_COUNT] = {
    [FC_COST_multiply_add] = 1,
    [FC_COST_streamed_4] = 1.7,
    [FC_COST_streamed_5] = 1.5,
    [FC_COST_streamed_6] = 1.3,
    [FC_COST_streamed_9] = 1.5,
    [FC_COST_filters_in_registers] = 3,
    [FC_COST_split_element] = 6,
    [FC_COST_scatter_vector] = 8,
    [FC_COST_scatter_tail] = 15,
    [FC_COST_read_filters] = 14,
    [FC_COST_transpose_filters] = 24,
    [FC_COST_transform_filters] = 8,
    [FC_COST_transform_filters_far] = 40,
    [FC_COST_transform_input] = 9.4,
    [FC_COST_transform_output] = 8.5,
    [FC_COST_transform_strided_x2] = 13.2,
    [FC_COST_transform_strided_x4] = 13.6,
    [FC_COST_transform_strided_y2] = 6,
    [FC_COST_transform_strided_y4] = 6.8,
    [FC_COST_transform_gradient_x] = 16.45,
    [FC_COST_transform_gradient_dy] = 14.875,
    [FC_COST_sum_filters] = 12,
};

#endif

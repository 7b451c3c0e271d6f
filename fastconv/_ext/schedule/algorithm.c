/* algorithm.c: the obstacles of the algorithms, and the choice by cost. */
#include "algorithm.h"

#include "cost.h"

int fc_obstacle(const fc_geometry *g, int pass, int algorithm)
{
    switch (algorithm) {
    case FC_DIRECT:
        return FC_APPLIES;
    case FC_SCATTER:
        if (pass != FC_BACKWARD_INPUT)
            return FC_WRONG_PASS;
        return g->groups != 1       ? FC_WRONG_GROUPS
               : g->dilation_w != 1 ? FC_WRONG_DILATION
                                    : FC_APPLIES;
    default: /* Winograd */
        if (!(g->kernel_h == 3 && g->kernel_w == 3) &&
            !(algorithm == FC_WINOGRAD2 && g->kernel_h == 5 && g->kernel_w == 5))
            return FC_WRONG_KERNEL;
        if (!(g->stride_h == 1 && g->stride_w == 1) &&
            !(g->stride_h == 2 && g->stride_w == 2 && g->kernel_h == 3 &&
              pass != FC_BACKWARD_KERNEL))
            return FC_WRONG_STRIDES;
        if (g->dilation_h != 1 || g->dilation_w != 1)
            return FC_WRONG_DILATION;
        if (g->groups != 1)
            return FC_WRONG_GROUPS;
        return g->padding_mode != FC_PAD_ZEROS ? FC_WRONG_PADDING_MODE : FC_APPLIES;
    }
}

int fc_choose_algorithm(const fc_target *t, const fc_geometry *g, int pass, int frozen,
                        int winograd)
{
    int best = FC_DIRECT;
    double least = fc_cost(t, g, pass, FC_DIRECT, frozen);
    for (int algorithm = FC_SCATTER; algorithm < (winograd ? FC_ALGORITHMS : FC_WINOGRAD4);
         algorithm++) {
        if (fc_obstacle(g, pass, algorithm) != FC_APPLIES)
            continue;
        const double cost = fc_cost(t, g, pass, algorithm, frozen);
        if (cost < least) {
            least = cost;
            best = algorithm;
        }
    }
    return best;
}

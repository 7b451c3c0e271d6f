/* partition.c: see partition.h. */
#include "partition.h"

#include "axis.h"
#include "tuning.h"

int64_t fc_items_wanted(double flops, int threads)
{
    const double fine = flops / FC_SMALL_ITEM_FLOPS, coarse = flops / FC_ITEM_FLOPS;
    const double enough = threads > FC_FEW_ITEMS ? 2 * threads : FC_FEW_ITEMS;
    const double few = fine < enough ? fine : enough;
    return fc_clamp64(
        (int64_t)(few > coarse ? few : coarse < FC_MAX_ITEMS ? coarse : FC_MAX_ITEMS), 1,
        FC_MAX_ITEMS);
}

int64_t fc_even_size(int64_t units, int64_t size, int64_t others, int threads)
{
    if (threads <= FC_FEW_ITEMS)
        return size;
    int64_t best = size, least = 0;
    for (int64_t s = size; s >= 1 && s >= size / 3; s--) {
        const int64_t load = fc_ceil_div(fc_ceil_div(units, s) * others, threads) * s;
        if (s == size || 50 * load < 49 * least) { /* a smaller item must save more than 2 % */
            best = s;
            least = load;
        }
    }
    return best;
}

int64_t fc_reduce_elements(int64_t size, int lanes, int threads)
{
    if (threads <= FC_FEW_ITEMS)
        return FC_REDUCE_ELEMENTS;
    return fc_clamp64(fc_round_up(fc_ceil_div(size, threads), lanes), 4 * lanes,
                      FC_REDUCE_ELEMENTS);
}

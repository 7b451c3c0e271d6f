/* partition.h: how finely a loop is cut into work items.
 *
 * Teams of up to FC_FEW_ITEMS threads all get the same items; larger teams get items that divide
 * evenly among them. */
#ifndef FASTCONV_PARTITION_H
#define FASTCONV_PARTITION_H

#include <stdint.h>

/* Work items that a loop of `flops` floating-point operations should have. */
int64_t fc_items_wanted(double flops, int threads);

/* A size from a third of `size` up to `size` that gives the busiest thread the least when `units`
 * are cut into items of that size, each of which occurs `others` times. */
int64_t fc_even_size(int64_t units, int64_t size, int64_t others, int threads);

/* Elements of an item that adds up the partial sums of all splits; `lanes` of a vector. */
int64_t fc_reduce_elements(int64_t size, int lanes, int threads);

#endif

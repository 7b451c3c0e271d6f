/* pool.c: schedule of the pooling gradients (kernels/pool.inc).
 *
 * Where windows tile the image, an item is a row of windows and the rows of dx below it;
 * otherwise it is a row of dx. */
#include "layout.h"
#include "schedule.h"

int64_t fc_pool_backward_items(const fc_pool *p)
{
    return p->batch * (fc_windows_tile(p) ? p->out_h : p->height);
}

/* recurrent.c: schedule of recurrent layers (kernels/recurrent.inc). */
#include "layout.h"
#include "schedule.h"

void fc_plan_recurrent(const fc_target *t, fc_recurrent *p)
{
    p->panels = fc_ceil_div(p->units, t->lanes);
    p->rows_per_item = fc_min64(p->batch, FC_RECURRENT_ROWS);
    p->items = p->panels * fc_ceil_div(p->batch, p->rows_per_item);
    p->packed_size = p->panels * t->lanes * p->gate_count * p->units;
}

/* pool.c: max and average pooling.  Forward, an item is one row of y; backward, one row of dx or,
 * where windows tile the image, the rows under one row of windows. */
#include "operations.h"

#include "../schedule/axis.h"

static int64_t items(const fc_op *op, int phase)
{
    (void)phase;
    return ((const fc_pool_op *)op)->items;
}

static void item(const fc_op *op, int phase, int64_t index, char *workspace, char *scratch)
{
    (void)phase, (void)workspace, (void)scratch;
    const fc_pool_op *pool = (const fc_pool_op *)op;
    pool->item(&pool->problem, index);
}

static const fc_op_kind pooling = {.phase_items = items, .phase_item = item};

static void prepare(fc_pool_op *pool)
{
    const fc_pool *p = &pool->problem;
    const fc_target *target = &pool->op.target;
    pool->op.kind = &pooling;
    pool->op.phases = 1;
    /* Bytes moved, at least one vector per pixel. */
    const int64_t outputs = p->out_h * p->out_w;
    const int64_t pixels =
        fc_max64(p->height * p->width, outputs * p->pool_h * p->pool_w) + outputs;
    pool->op.work = 4.0 * (double)p->batch * (double)pixels *
                    (double)fc_max64(p->channels, target->lanes);
}

static void prepare_forward(fc_pool_op *pool)
{
    prepare(pool);
    pool->items = pool->problem.batch * pool->problem.out_h;
}

static void prepare_backward(fc_pool_op *pool)
{
    prepare(pool);
    pool->items = fc_pool_backward_items(&pool->problem);
}

void fc_prepare_max_pool(fc_pool_op *pool)
{
    prepare_forward(pool);
    pool->item = pool->op.table->max_pool_item;
}

void fc_prepare_max_pool_backward(fc_pool_op *pool)
{
    prepare_backward(pool);
    pool->item = pool->op.table->max_pool_backward_item;
}

void fc_prepare_average_pool(fc_pool_op *pool)
{
    prepare_forward(pool);
    pool->item = pool->op.table->average_pool_item;
}

void fc_prepare_average_pool_backward(fc_pool_op *pool)
{
    prepare_backward(pool);
    pool->item = pool->op.table->average_pool_backward_item;
}

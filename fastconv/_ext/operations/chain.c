/* chain.c: chains of element-wise operations: one pass over memory, in items of a few blocks. */
#include "operations.h"

#include "../schedule/axis.h"

enum { BLOCKS = 16 }; /* blocks per item: the operands that repeat are prepared once per item */

/* Chooses a multiple of the longest period as the block; inputs of other periods are gathered. */
static void choose_block(fc_chain_op *c)
{
    fc_chain *p = &c->problem;
    int64_t period = 1;
    for (int s = 0; s < p->slots; s++)
        if (c->slot[s].place == FC_SLOT_PERIODIC && c->slot[s].period <= FC_CHAIN_BLOCK)
            period = fc_max64(period, c->slot[s].period);
    p->block = FC_CHAIN_BLOCK / period * period;
    p->item = BLOCKS * p->block;
    for (int s = 0; s < p->slots; s++)
        if (c->slot[s].place == FC_SLOT_PERIODIC && p->block % c->slot[s].period)
            c->slot[s].place = FC_SLOT_STRIDED;
}

/* Gives every slot that is not an array its part of the scratch memory. */
static void lay_out(fc_chain_op *c)
{
    const int64_t element = c->op.target.element_size, least = c->op.target.lanes;
    const int64_t whole = fc_round_up(fc_max64(c->problem.block, least) * element, 64) / element;
    int64_t used = 0;
    for (int s = 0; s < c->problem.slots; s++) {
        fc_chain_slot *slot = &c->slot[s];
        slot->scratch = used;
        if (slot->place == FC_SLOT_SINGLE)
            used += fc_round_up(least * element, 64) / element;
        else if ((slot->place != FC_SLOT_WHOLE && slot->place != FC_SLOT_OUTPUT) ||
                 slot->type != FC_ELEMENT_REAL)
            used += whole;
    }
    c->op.scratch_bytes = fc_max64(used, 1) * element;
}

static int64_t items(const fc_op *op, int phase)
{
    (void)phase;
    const fc_chain *p = &((const fc_chain_op *)op)->problem;
    return fc_ceil_div(p->size, p->item);
}

static void item(const fc_op *op, int phase, int64_t index, char *workspace, char *scratch)
{
    (void)phase, (void)workspace;
    op->table->chain_item(&((const fc_chain_op *)op)->problem, index, scratch);
}

static const fc_op_kind chain = {.phase_items = items, .phase_item = item};

/* The caller sets the work. */
void fc_prepare_chain(fc_chain_op *c)
{
    c->op.kind = &chain;
    c->op.phases = 1;
    choose_block(c);
    lay_out(c);
}

/* records.c: builders of the operations of inference (builders.h). */
#include "builders.h"

#include "../schedule/axis.h"

/* ---- convolution ---- */

fc_op *fc_build_convolution(fc_builder *b)
{
    fc_geometry g;
    read_geometry(b, &g);
    const int algorithm = read_algorithm(b, &g, FC_FORWARD);
    const int activation = code_at(b, AFTER_ALGORITHM, FC_ONE_PARAMETER);
    const int pool = code_at(b, AFTER_ALGORITHM + 1, FC_POOL_AVERAGE);
    if (pool && (g.groups != 1 || g.out_h % 2 || g.out_w % 2 || activation > FC_CAN_FUSE))
        b->status = FC_NETWORK_DAMAGED;
    if (b->status)
        return NULL;
    const int side = pool ? 2 : 1;
    const void *x = fc_read_array(b, 0, BYTES(g.batch, g.height, g.width, g.channels));
    const void *w =
        fc_read_array(b, 1, BYTES(g.kernel_h, g.kernel_w, g.channels / g.groups, g.filters));
    const void *bias = optional(b, 2, BYTES(g.filters));
    const int64_t y_bytes = BYTES(g.batch, g.out_h / side, g.out_w / side, g.filters);
    void *y = fc_written_array(b, 3, y_bytes);
    const void *residual = optional(b, 4, y_bytes);
    if (residual && (pool || fc_is_depthwise(&g) || residual == y))
        b->status = FC_NETWORK_DAMAGED;
    if (b->status)
        return NULL;
    if (algorithm == FC_DIRECT) {
        fc_direct_op *d = new_op(b, sizeof *d);
        fc_direct_part *part = fc_take(b, sizeof *part);
        if (b->status)
            return NULL;
        d->count = 1;
        d->parts = part;
        fc_describe_direct_forward(d, &g);
        part->problem.activation = activation;
        part->problem.slope = fc_real(b, 0);
        part->problem.pool = pool;
        part->problem.residual = residual;
        fc_place_direct(d, x, w, bias, y);
        fc_prepare_direct(d);
        return &d->filters.op;
    }
    fc_winograd_op *d = new_op(b, sizeof *d);
    if (!d)
        return NULL;
    fc_describe_winograd(&b->table->target, &g, FC_FORWARD, algorithm == FC_WINOGRAD4 ? 4 : 2,
                         &d->problem, &d->view);
    d->view.w = w;
    d->problem.pool = pool;
    d->problem.activation = activation;
    d->problem.slope = fc_real(b, 0);
    d->problem.x = x;
    d->problem.bias = bias;
    d->problem.residual = residual;
    d->problem.y = y;
    fc_prepare_winograd(d);
    return &d->filters.op;
}

/* ---- dense, pooling ---- */

fc_op *fc_build_dense(fc_builder *b)
{
    fc_dense_op *d = new_op(b, sizeof *d);
    if (!d)
        return NULL;
    fc_dense *p = &d->problem;
    p->rows = size_at(b, 0);
    p->inputs = size_at(b, 1);
    p->outputs = size_at(b, 2);
    p->activation = code_at(b, 3, FC_CAN_FUSE);
    p->slope = fc_real(b, 0);
    p->x = fc_read_array(b, 0, BYTES(p->rows, p->inputs));
    p->w = fc_read_array(b, 1, BYTES(p->inputs, p->outputs));
    p->bias = optional(b, 2, BYTES(p->outputs));
    p->y = fc_written_array(b, 3, BYTES(p->rows, p->outputs));
    if (!b->status)
        fc_prepare_dense_forward(d);
    return &d->op;
}

static fc_op *build_pool(fc_builder *b, void (*prepare)(fc_pool_op *))
{
    fc_pool_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_pool *p = &op->problem;
    read_pool(b, p);
    p->x = fc_read_array(b, 0, BYTES(p->batch, p->height, p->width, p->channels));
    p->y = fc_written_array(b, 1, BYTES(p->batch, p->out_h, p->out_w, p->channels));
    p->argmax = read_argmax(b, 2, p, 1);
    if (!b->status)
        prepare(op);
    return &op->op;
}

fc_op *fc_build_max_pool(fc_builder *b) { return build_pool(b, fc_prepare_max_pool); }
fc_op *fc_build_average_pool(fc_builder *b) { return build_pool(b, fc_prepare_average_pool); }

/* ---- element by element ---- */

fc_op *fc_build_activation(fc_builder *b)
{
    fc_activation_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->stretch.size = size_at(b, 0);
    op->kind = code_at(b, 1, MOST_ACTIVATION);
    for (int i = 0; i < 3; i++)
        op->parameters[i] = fc_real(b, i);
    op->x = fc_read_array(b, 0, BYTES(op->stretch.size));
    op->y = fc_written_array(b, 1, BYTES(op->stretch.size));
    if (!b->status)
        fc_prepare_activation(op);
    return &op->stretch.op;
}

fc_op *fc_build_softmax(fc_builder *b)
{
    fc_softmax_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->rows = size_at(b, 0);
    op->classes = size_at(b, 1);
    op->is_log = code_at(b, 2, 1);
    op->x = fc_read_array(b, 0, BYTES(op->rows, op->classes));
    op->y = fc_written_array(b, 1, BYTES(op->rows, op->classes));
    if (!b->status)
        fc_prepare_softmax(op);
    return &op->op;
}

fc_op *fc_build_merge(fc_builder *b)
{
    fc_merge_op *op = new_op(b, sizeof *op);
    const int64_t count = b->array_count - 2; /* after them: y, the output of an activation */
    const void **x = fc_take(b, (count > 0 ? count : 0) * (int64_t)sizeof *x);
    if (b->status || count < 1) {
        b->status = FC_NETWORK_DAMAGED;
        return NULL;
    }
    op->stretch.size = size_at(b, 0);
    op->problem.kind = code_at(b, 1, FC_MINIMUM);
    op->problem.relu = code_at(b, 2, 1);
    op->problem.count = (int)count;
    op->problem.x = x;
    for (int64_t i = 0; i < count; i++)
        x[i] = fc_read_array(b, i, BYTES(op->stretch.size));
    op->problem.y = fc_written_array(b, count, BYTES(op->stretch.size));
    read_activation_gradient(b, &op->problem.activation_gradient, count + 1,
                             BYTES(op->stretch.size), 3, 0);
    if (!b->status)
        fc_prepare_merge(op);
    return &op->stretch.op;
}

/* ---- pieces ---- */

/* Integers: the rows, then the bytes of a row of each piece. Arrays: the pieces, then the whole. */
fc_op *fc_build_concatenate(fc_builder *b)
{
    fc_pieces_op *op = new_op(b, sizeof *op);
    const int64_t count = b->array_count - 1;
    if (b->status || count < 1 || b->integer_count != count + 1) {
        b->status = FC_NETWORK_DAMAGED;
        return NULL;
    }
    op->pieces = fc_take(b, count * (int64_t)sizeof *op->pieces);
    if (!op->pieces)
        return NULL;
    op->rows = size_at(b, 0);
    op->count = (int)count;
    op->widths = b->integers + 1;
    for (int64_t i = 0; i < count; i++) {
        const int64_t width = size_at(b, i + 1);
        const int64_t bytes = fc_product(b, (const int64_t[]){op->rows, width}, 2);
        op->pieces[i] = (char *)(intptr_t)fc_read_array(b, i, bytes);
        op->width += width;
    }
    op->whole =
        fc_written_array(b, count, fc_product(b, (const int64_t[]){op->rows, op->width}, 2));
    if (!b->status)
        fc_prepare_concatenate(op);
    return &op->op;
}

fc_op *fc_build_repeat(fc_builder *b)
{
    fc_broadcast_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_broadcast *p = &op->problem;
    int64_t x, y; /* elements */
    read_broadcast(b, p, &x, &y);
    p->x = (void *)(intptr_t)fc_read_array(b, 0, BYTES(x));
    p->y = fc_written_array(b, 1, BYTES(y));
    if (!b->status)
        fc_prepare_repeat(op);
    return &op->op;
}

/* ---- maps along axes ---- */

/* Whether the rows of a map, `begin`, are in order, and its entries read elements of x. */
static int is_map(const int64_t *begin, const int64_t *offset, int64_t size, int64_t entries,
                  int64_t *furthest)
{
    if (!begin || (entries && !offset) || begin[0] != 0 || begin[size] != entries)
        return 0;
    for (int64_t i = 0; i < size; i++)
        if (begin[i] > begin[i + 1])
            return 0;
    *furthest = 0;
    for (int64_t i = 0; i < entries; i++) {
        if (offset[i] < 0 || offset[i] > MOST)
            return 0;
        *furthest = fc_max64(*furthest, offset[i]);
    }
    return 1;
}

/* Whether the stretches of an axis (kernels/resample.inc) end within it, and copies read elements
 * up to offset *furthest, which they may raise. */
static int are_stretches(const int64_t *stretch, const int64_t *begin, const int64_t *offset,
                         int64_t size, int64_t run, int64_t *furthest)
{
    for (int64_t i = 0; i < size; i++) {
        if (stretch[i] > size - i || stretch[i] < i - size)
            return 0;
        if (stretch[i] > 0) {
            if (begin[i] == begin[i + 1])
                return 0;
            *furthest = fc_max64(*furthest, offset[begin[i]] + (stretch[i] - 1) * run);
        }
    }
    return 1;
}

/* Integers: rank, run, elements of x, then size and number of entries per axis.  Arrays: x,
 * stretches of the last axis, then begin, offset and weight per axis, and y. */
fc_op *fc_build_resample(fc_builder *b)
{
    fc_resample_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_resample *p = &op->problem;
    p->rank = (int)fc_integer(b, 0, 1, FC_AXES);
    p->run = fc_integer(b, 1, 1, MOST);
    p->fill = fc_real(b, 0);
    const int64_t elements = size_at(b, 2);
    int64_t written = p->run, furthest = 0, last = 0; /* offsets: in all axes, in the last one */
    for (int axis = 0; axis < p->rank; axis++) {
        const int64_t entries = count_at(b, 4 + 2 * axis), bytes = (int64_t)sizeof(int64_t);
        p->size[axis] = size_at(b, 3 + 2 * axis);
        written = fc_product(b, (const int64_t[]){written, p->size[axis]}, 2);
        p->begin[axis] = fc_constant_array(b, 2 + 3 * axis, (p->size[axis] + 1) * bytes);
        p->offset[axis] = fc_constant_array(b, 3 + 3 * axis, entries * bytes);
        p->weight[axis] = optional(b, 4 + 3 * axis, entries * bytes);
        furthest += last;
        if (b->status ||
            !is_map(p->begin[axis], p->offset[axis], p->size[axis], entries, &last)) {
            b->status = FC_NETWORK_DAMAGED;
            return NULL;
        }
    }
    const int end = p->rank - 1; /* the last axis */
    p->stretch = fc_constant_array(b, 1, p->size[end] * (int64_t)sizeof(int64_t));
    if (b->status || !are_stretches(p->stretch, p->begin[end], p->offset[end], p->size[end],
                                    p->run, &last)) {
        b->status = FC_NETWORK_DAMAGED;
        return NULL;
    }
    furthest += last;
    p->x = fc_read_array(b, 0, BYTES(elements));
    p->y = fc_written_array(b, 2 + 3 * p->rank, BYTES(written));
    if (written && furthest + p->run > elements)
        b->status = FC_NETWORK_DAMAGED;
    op->op.work = 4.0 * (double)(elements + written);
    if (!b->status)
        fc_prepare_resample(op);
    return &op->op;
}

fc_op *fc_build_transpose(fc_builder *b)
{
    fc_transpose_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->batch = size_at(b, 0);
    op->problem.rows = size_at(b, 1);
    op->problem.columns = size_at(b, 2);
    const int64_t bytes = BYTES(op->batch, op->problem.rows, op->problem.columns);
    op->problem.x = fc_read_array(b, 0, bytes);
    op->problem.y = fc_written_array(b, 1, bytes);
    if (!b->status)
        fc_prepare_transpose(op);
    return &op->op;
}

/* ---- channels ---- */

/* The last two arrays have the `period` elements of the repeated factors, if they are repeated. */
fc_op *fc_build_scale_shift(fc_builder *b)
{
    fc_scale_shift_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    op->size = size_at(b, 0);
    op->channels = fc_integer(b, 1, 1, MOST);
    op->period = fc_integer(b, 2, op->channels, MOST);
    if (op->period % op->channels || op->size % op->channels)
        b->status = FC_NETWORK_DAMAGED;
    op->x = fc_read_array(b, 0, BYTES(op->size));
    op->y = fc_written_array(b, 3, BYTES(op->size));
    for (int i = 0; i < 2; i++) {
        op->factors[i] = optional(b, 1 + i, BYTES(op->channels));
        op->repeated[i] = optional_written(b, 4 + i, BYTES(op->period));
        if (!op->repeated[i] != (!op->factors[i] || op->period == op->channels))
            b->status = FC_NETWORK_DAMAGED;
    }
    if (!b->status)
        fc_prepare_scale_shift(op);
    return &op->op;
}

/* Rows are reduced in at most 2^24 at a time, because their indices are elements of the type. */
enum { MOST_REDUCED = 1 << 24 };

static fc_op *build_reduce(fc_builder *b, void (*prepare)(fc_reduce_op *), double scale)
{
    fc_reduce_op *op = new_reduce(b, scale);
    if (!op)
        return NULL;
    const int64_t outputs = fc_product(b, (const int64_t[]){op->batch, op->channels}, 2);
    op->x = fc_read_array(b, 0, BYTES(op->batch, op->rows, op->channels));
    op->y = fc_written_array(b, 1, BYTES(outputs));
    op->argmax = optional_written(b, 2, outputs * (int64_t)sizeof(int32_t));
    if (!b->status)
        prepare(op);
    if (op->argmax && op->block >= MOST_REDUCED)
        b->status = FC_NETWORK_DAMAGED;
    return &op->op;
}

fc_op *fc_build_column_sums(fc_builder *b)
{
    return build_reduce(b, fc_prepare_column_sums, fc_real(b, 0));
}

fc_op *fc_build_column_max(fc_builder *b) { return build_reduce(b, fc_prepare_column_max, 1.0); }

/* ---- normalization ---- */

fc_op *fc_build_frozen_norm(fc_builder *b)
{
    fc_frozen_norm_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_channel_norm *p = &op->problem;
    read_norm(b, p, 1);
    p->activation = code_at(b, 2, FC_CAN_FUSE);
    p->slope = fc_real(b, 1);
    p->y = fc_written_array(b, 5, BYTES(p->rows, p->channels));
    if (!b->status)
        fc_prepare_frozen_norm(op);
    return &op->filters.op;
}

/* Arrays: filters, gamma, beta, mean, variance, bias, then the folded filters and bias. */
fc_op *fc_build_folded_norm(fc_builder *b)
{
    fc_frozen_norm_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_channel_norm *p = &op->problem;
    read_norm(b, p, 1);
    p->scale_only = 1;
    p->bias = optional(b, 5, BYTES(p->channels));
    p->y = fc_written_array(b, 6, BYTES(p->rows, p->channels));
    p->shift = fc_written_array(b, 7, BYTES(p->channels));
    if (!b->status)
        fc_prepare_folded_norm(op);
    return &op->filters.op;
}

fc_op *fc_build_row_norm(fc_builder *b)
{
    fc_row_norm_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_row_norm *p = &op->problem;
    p->rows = size_at(b, 0);
    p->features = size_at(b, 1);
    p->unit = code_at(b, 2, 1);
    p->epsilon = fc_real(b, 0);
    p->x = fc_read_array(b, 0, BYTES(p->rows, p->features));
    p->gamma = optional(b, 1, BYTES(p->features));
    p->beta = optional(b, 2, BYTES(p->features));
    p->y = fc_written_array(b, 3, BYTES(p->rows, p->features));
    p->statistics = fc_written_array(b, 4, BYTES(p->rows, 2));
    if (!b->status)
        fc_prepare_row_norm(op);
    return &op->op;
}

fc_op *fc_build_response_norm(fc_builder *b)
{
    fc_response_norm_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_response_norm *p = &op->problem;
    p->rows = size_at(b, 0);
    p->channels = size_at(b, 1);
    p->radius = count_at(b, 2);
    p->bias = fc_real(b, 0);
    p->alpha = fc_real(b, 1);
    p->beta = fc_real(b, 2);
    p->x = fc_read_array(b, 0, BYTES(p->rows, p->channels));
    p->y = fc_written_array(b, 1, BYTES(p->rows, p->channels));
    if (!b->status)
        fc_prepare_response_norm(op);
    return &op->op;
}

fc_op *fc_build_prelu(fc_builder *b)
{
    fc_prelu_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_prelu *p = &op->problem;
    p->rows = size_at(b, 0);
    p->slopes = size_at(b, 1);
    p->inner = size_at(b, 2);
    p->x = fc_read_array(b, 0, BYTES(p->rows, p->slopes, p->inner));
    p->alpha = fc_read_array(b, 1, BYTES(p->slopes));
    p->y = fc_written_array(b, 2, BYTES(p->rows, p->slopes, p->inner));
    if (!b->status)
        fc_prepare_prelu(op);
    return &op->op;
}

fc_op *fc_build_recurrent(fc_builder *b)
{
    fc_recurrent_op *op = new_recurrent(b);
    if (!op)
        return NULL;
    fc_recurrent *p = &op->problem;
    const int64_t bytes = BYTES(p->batch, p->steps, p->units),
                  wide = BYTES(p->batch, p->steps, p->gate_count, p->units);
    p->bias = optional(b, 4, BYTES(p->gate_count, p->units));
    p->y = fc_written_array(b, 5, bytes);
    p->cells = optional_written(b, 6, bytes);
    p->before = optional_written(b, 7, bytes);
    p->part = optional_written(b, 8, bytes);
    p->gates = p->before ? fc_written_array(b, 0, wide)
                         : (void *)(intptr_t)fc_read_array(b, 0, wide);
    if (p->before && !(p->gate_count == 4 ? p->cells : p->part))
        b->status = FC_NETWORK_DAMAGED;
    if (!b->status)
        fc_prepare_recurrent(op);
    return &op->filters.op;
}

/* ---- chains ---- */

/* The elements of a slot's array, of which a chain reads or writes `size`. */
static int64_t slot_elements(fc_builder *b, const fc_chain *p, const fc_chain_slot *slot)
{
    int64_t elements = 1;
    switch (slot->place) {
    case FC_SLOT_WHOLE:
    case FC_SLOT_OUTPUT:
        return p->size;
    case FC_SLOT_PERIODIC:
        if (slot->period < 1 || p->size % slot->period)
            b->status = FC_NETWORK_DAMAGED;
        return slot->period;
    case FC_SLOT_STRIDED:
        for (int axis = 0; axis < p->axes; axis++)
            elements += (p->shape[axis] - 1) * slot->stride[axis];
        return elements;
    default:
        return 1;
    }
}

static void read_slot(fc_builder *b, const fc_chain *p, fc_chain_slot *slot, int index, int64_t at)
{
    static const int64_t type_bytes[] = {0, 1, 4};
    slot->place = code_at(b, at, FC_SLOT_OUTPUT);
    slot->type = code_at(b, at + 1, FC_ELEMENT_INT32);
    slot->period = count_at(b, at + 2);
    for (int axis = 0; axis < p->axes; axis++)
        slot->stride[axis] = count_at(b, at + 3 + axis);
    slot->value = fc_real(b, 1 + index);
    const int64_t element =
        slot->type == FC_ELEMENT_REAL ? b->table->target.element_size : type_bytes[slot->type];
    const int64_t bytes =
        fc_product(b, (const int64_t[]){slot_elements(b, p, slot), element}, 2);
    if (slot->place == FC_SLOT_OUTPUT)
        slot->data = fc_written_array(b, index, bytes);
    else if (slot->place == FC_SLOT_SINGLE)
        slot->data = (void *)(intptr_t)optional(b, index, bytes);
    else if (slot->place != FC_SLOT_REGISTER)
        slot->data = (void *)(intptr_t)fc_read_array(b, index, bytes);
}

/* Integers: slots, instructions, axes, size and the shape; place, type, period and strides of every
 * slot; code, kind, result and operands of every instruction.  Reals: the work, the value of every
 * slot, the parameters of every instruction.  Arrays: that of every slot. */
fc_op *fc_build_chain(fc_builder *b)
{
    fc_chain_op *op = new_op(b, sizeof *op);
    if (!op)
        return NULL;
    fc_chain *p = &op->problem;
    p->slots = (int)fc_integer(b, 0, 1, FC_CHAIN_SLOTS);
    p->instructions = (int)fc_integer(b, 1, 0, b->integer_count);
    p->axes = (int)fc_integer(b, 2, 1, FC_CHAIN_AXES);
    p->size = size_at(b, 3);
    for (int axis = 0; axis < p->axes; axis++)
        p->shape[axis] = size_at(b, 4 + axis);
    if (fc_product(b, p->shape, p->axes) != p->size || b->status) {
        b->status = FC_NETWORK_DAMAGED;
        return NULL;
    }
    op->slot = fc_take(b, p->slots * (int64_t)sizeof *op->slot);
    fc_chain_instruction *to = fc_take(b, p->instructions * (int64_t)sizeof *to);
    if (b->status)
        return NULL;
    p->slot = op->slot;
    p->instruction = to;
    int64_t at = 4 + p->axes;
    for (int i = 0; i < p->slots; i++, at += 3 + p->axes)
        read_slot(b, p, &op->slot[i], i, at);
    for (int i = 0; i < p->instructions; i++, at += 6) {
        to[i].code = code_at(b, at, FC_CHAIN_CODE_COUNT - 1);
        to[i].kind = code_at(b, at + 1, MOST_ACTIVATION);
        to[i].y = code_at(b, at + 2, p->slots - 1);
        for (int x = 0; x < 3; x++) {
            to[i].x[x] = code_at(b, at + 3 + x, p->slots - 1);
            to[i].parameters[x] = fc_real(b, 1 + p->slots + 3 * i + x);
        }
        const int place = op->slot[to[i].y].place;
        if (place != FC_SLOT_REGISTER && place != FC_SLOT_OUTPUT)
            b->status = FC_NETWORK_DAMAGED;
    }
    op->op.work = fc_real(b, 0);
    if (!b->status)
        fc_prepare_chain(op);
    return &op->op;
}

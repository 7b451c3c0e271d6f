/* chain.h: a chain of element-wise operations, run in one pass over memory.
 *
 * A chain is a list of instructions over *slots*.  A slot holds one value per element of the
 * result: an input, an output or an intermediate value.  The kernel (kernels/chain.inc) runs all
 * instructions on one block of a few hundred elements before it goes on to the next block, so
 * intermediate values stay in the L1 cache and have the size of a block. */
#ifndef FASTCONV_CHAIN_H
#define FASTCONV_CHAIN_H

#include <stdint.h>

/* X(name, operands, cost) for every instruction; the cost of an element is in units of work
 * (bytes moved in cache).  Truth values are 0 and 1. */
#define FC_CHAIN_CODES(X) \
    X(copy, 1, 2) \
    X(negative, 1, 2) \
    X(absolute, 1, 2) \
    X(sign, 1, 2) \
    X(square_root, 1, 6) \
    X(exp, 1, 12) \
    X(log, 1, 12) \
    X(expm1, 1, 60) \
    X(log1p, 1, 60) \
    X(log2, 1, 60) \
    X(log10, 1, 60) \
    X(exp2, 1, 60) \
    X(sin, 1, 60) \
    X(cos, 1, 60) \
    X(tan, 1, 60) \
    X(asin, 1, 60) \
    X(acos, 1, 60) \
    X(atan, 1, 60) \
    X(sinh, 1, 60) \
    X(cosh, 1, 60) \
    X(asinh, 1, 60) \
    X(acosh, 1, 60) \
    X(atanh, 1, 60) \
    X(erf, 1, 60) \
    X(floor, 1, 10) \
    X(ceil, 1, 10) \
    X(rint, 1, 10) \
    X(trunc, 1, 10) \
    X(isnan, 1, 2) \
    X(isinf, 1, 2) \
    X(isfinite, 1, 2) \
    X(logical_not, 1, 2) \
    X(activation, 1, 12) \
    X(add, 2, 2) \
    X(subtract, 2, 2) \
    X(multiply, 2, 2) \
    X(divide, 2, 6) \
    X(maximum, 2, 2) \
    X(minimum, 2, 2) \
    X(power, 2, 100) \
    X(atan2, 2, 100) \
    X(floor_mod, 2, 100) \
    X(floor_divide, 2, 100) \
    X(greater, 2, 2) \
    X(greater_equal, 2, 3) \
    X(equal, 2, 2) \
    X(not_equal, 2, 2) \
    X(logical_and, 2, 3) \
    X(logical_or, 2, 3) \
    X(activation_gradient, 2, 12) /* saved value, gradient */ \
    X(where, 3, 2)                /* condition, value if it is not 0, value if it is 0 */ \
    /* Two or three of the above in one, with the same roundings. */ \
    X(add_relu, 2, 2) \
    X(multiply_add, 3, 3) \
    X(multiply_add_relu, 3, 3)

#define FC_CHAIN_CODE(name, operands, cost) FC_CHAIN_##name,
enum { FC_CHAIN_CODES(FC_CHAIN_CODE) FC_CHAIN_CODE_COUNT };
#undef FC_CHAIN_CODE

enum {
    FC_CHAIN_SLOTS = 96,  /* most slots of a chain */
    FC_CHAIN_BLOCK = 512, /* most elements of a block: a slot of float32 takes 2 KiB of L1 */
    FC_CHAIN_AXES = 8
};

/* Slot `y` = code(slots x[0], x[1], x[2]).  `kind` and `parameters` are those of an activation. */
typedef struct {
    int code, kind, y, x[3];
    double parameters[3];
} fc_chain_instruction;

/* Where the elements of a slot are. */
enum {
    FC_SLOT_REGISTER, /* an intermediate value */
    FC_SLOT_WHOLE,    /* an array of the shape of the result */
    FC_SLOT_SINGLE,   /* one element for the whole result: `data`, or `value` if that is NULL */
    FC_SLOT_PERIODIC, /* the last `period` elements repeat, and a block is a multiple of them */
    FC_SLOT_STRIDED,  /* any other broadcast array, read by `stride` */
    FC_SLOT_OUTPUT    /* an array of the shape of the result, written */
};

/* The type of the elements of an array; kernels compute in the element type of their table. */
enum { FC_ELEMENT_REAL, FC_ELEMENT_BOOL, FC_ELEMENT_INT32 };

typedef struct {
    int place, type;
    void *data;
    double value;
    int64_t scratch; /* first element of the slot in the scratch memory of the thread */
    int64_t period, stride[FC_CHAIN_AXES];
} fc_chain_slot;

/* The result has `size` elements in `axes` axes; an item is `item` elements,
 * a multiple of `block`. */
typedef struct {
    const fc_chain_instruction *instruction;
    const fc_chain_slot *slot;
    int instructions, slots, axes;
    int64_t size, block, item, shape[FC_CHAIN_AXES];
} fc_chain;

#endif

/* target.h: the facts of an instruction set that a schedule depends on, for one element type.
 *
 * Every kernel table carries one (`fc_table.target`).  A schedule reads nothing else of the
 * machine, so that a test can plan for any target on any machine. */
#ifndef FASTCONV_TARGET_H
#define FASTCONV_TARGET_H

/* X(name) for every variant that a schedule chooses by estimating speed,
 * where both choices are correct. */
#define FC_VARIANTS(X) \
    X(few_filters)      /* direct: pixels in lanes instead of filters */ \
    X(nontemporal)      /* direct, Winograd: the output bypasses the caches */ \
    X(register_pooling) /* direct: the micro-kernel ends with the pooling */ \
    X(merged_taps)      /* filter gradient: the taps are one run, over a copy of padded rows */ \
    X(whole_splits)     /* filter gradient: an item is a whole split */ \
    X(packed_dy)        /* ... and copies each block of dy into panels */ \
    X(streamed_filters) /* Winograd: filters are transformed where they are used */ \
    X(registers)        /* ... in registers, beside the sums of four tiles */ \
    X(added_tiles)      /* Winograd input gradient: tiles of dy, added up in dx */ \
    X(own_sums)         /* Winograd filter gradient: every split sums up by itself */ \
    X(narrow)           /* dense: the micro-kernel of convolutions, whose panel holds all outputs */

#define FC_INDEX(name) FC_INDEX_##name,
enum { FC_VARIANTS(FC_INDEX) FC_VARIANT_COUNT };
#undef FC_INDEX
#define FC_BIT(name) FC_VARIANT_##name = 1u << FC_INDEX_##name,
enum { FC_VARIANTS(FC_BIT) FC_ALL_VARIANTS = (1u << FC_VARIANT_COUNT) - 1 };
#undef FC_BIT

typedef struct {
    int element_size;     /* bytes of an element of x: 4 or 8, less in dot products */
    int lanes;            /* elements of a vector */
    int panel_vectors;    /* vectors of a full panel of filters: 2 or 4 */
    int rows[4];          /* rows of the forward micro-kernel, panel of 1, 2, 3, 4 vectors */
    int gradient_rows[4]; /* rows of the transposed micro-kernel beside the same panels */
    int lists_pixels;     /* the transposed micro-kernel reads a list of pixels, not of rows */
    int dot;              /* elements in a product of the micro-kernel (dot.inc); 0: single ones */
    /* Variants, as bits, that tests force or forbid where they are possible; 0 in kernel tables. */
    unsigned forced, forbidden;
} fc_target;

/* Chooses a variant that is correct if `possible` and fast if `preferred`. */
static inline int fc_decide(const fc_target *t, unsigned variant, int possible, int preferred)
{
    return possible && ((t->forced & variant) || (preferred && !(t->forbidden & variant)));
}

#endif

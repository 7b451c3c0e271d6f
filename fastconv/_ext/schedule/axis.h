/* axis.h: integer arithmetic on one axis of an image, shared by schedules and kernels.
 *
 * All functions are static, because this header is compiled under the flags of several
 * instruction sets. */
#ifndef FASTCONV_AXIS_H
#define FASTCONV_AXIS_H

#include <stdint.h>

static inline int64_t fc_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t fc_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t fc_max64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t fc_clamp64(int64_t a, int64_t low, int64_t high)
{
    return a < low ? low : a > high ? high : a;
}
static inline int64_t fc_round_up(int64_t n, int64_t multiple)
{
    return fc_ceil_div(n, multiple) * multiple;
}

/* Input elements that a dilated kernel spans. */
static inline int64_t fc_extent(int64_t kernel, int64_t dilation)
{
    return kernel ? (kernel - 1) * dilation + 1 : 0;
}

/* Tests whether any window leaves [0, size). */
static inline int fc_leaves_image(int64_t size, int64_t out, int64_t kernel, int64_t stride,
                                  int64_t dilation, int64_t pad)
{
    return kernel && (pad > 0 || (out - 1) * stride - pad + fc_extent(kernel, dilation) > size);
}

/* Outputs whose windows cover input i: *low <= o < *high. */
static inline void fc_covering(int64_t i, int64_t stride, int64_t pad, int64_t pool, int64_t out,
                               int64_t *low, int64_t *high)
{
    const int64_t first = i + pad - pool + 1; /* o * stride >= first and o * stride <= i + pad */
    *low = first <= 0 ? 0 : fc_ceil_div(first, stride);
    *high = fc_min64((i + pad) / stride + 1, out);
}

/* Outputs o whose input o*stride + shift lies in [0, size): *low <= o < *high. */
static inline void fc_clip(int64_t out, int64_t stride, int64_t shift, int64_t size, int64_t *low,
                           int64_t *high)
{
    *low = shift < 0 ? fc_min64(fc_ceil_div(-shift, stride), out) : 0;
    *high = shift >= size ? *low : fc_clamp64((size - 1 - shift) / stride + 1, *low, out);
}

#endif

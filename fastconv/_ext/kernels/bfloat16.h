/* bfloat16.h: one float32 as bfloat16, the upper half of a float32. */
#ifndef FASTCONV_BFLOAT16_H
#define FASTCONV_BFLOAT16_H

#include <stdint.h>
#include <string.h>

/* Rounds to even, as the instruction vcvtneps2bf16: a NaN stays one, and a denormal number becomes
 * zero. */
static inline uint16_t fc_narrowed(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    if ((bits & 0x7F800000u) == 0)
        return (uint16_t)(bits >> 16 & 0x8000u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

#endif

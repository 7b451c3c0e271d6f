/* float_mode.h: whether a thread computes with denormal numbers or takes them for zero.
 *
 * The mode belongs to a thread, in MXCSR (x86: flush-to-zero for results, denormals-are-zero for operands) or FPCR
 * (AArch64: FZ, both).  Whoever changes it puts it back, so that no other code on the thread ever notices. */
#ifndef FASTCONV_FLOAT_MODE_H
#define FASTCONV_FLOAT_MODE_H

#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
enum { FC_FLUSH_TO_ZERO = 0x8000, FC_DENORMALS_ARE_ZERO = 0x0040 };
#endif

static inline uint64_t fc_float_mode(void)
{
#if defined(__x86_64__)
    return _mm_getcsr();
#elif defined(__aarch64__)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
#else
    return 0;
#endif
}

static inline void fc_set_float_mode(uint64_t mode)
{
#if defined(__x86_64__)
    _mm_setcsr((unsigned)mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)mode;
#endif
}

/* `mode` with denormal numbers taken for zero; as it is where the machine has no such mode. */
static inline uint64_t fc_flushing(uint64_t mode)
{
#if defined(__x86_64__)
    return mode | FC_FLUSH_TO_ZERO | FC_DENORMALS_ARE_ZERO;
#elif defined(__aarch64__)
    return mode | (uint64_t)1 << 24;
#else
    return mode;
#endif
}

#endif

/* float_mode.h: the denormal mode of a thread: compute with denormal numbers,
 * or treat them as zero.
 *
 * The mode is thread state, in MXCSR (x86: flush-to-zero for results, denormals-are-zero for
 * operands) or FPCR (AArch64: FZ, both).  Code that changes it must restore it, so that other code
 * on the thread is not affected. */
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

/* `mode` with denormal numbers treated as zero; `mode` unchanged on machines
 * without such a mode. */
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

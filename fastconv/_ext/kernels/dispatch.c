/* dispatch.c: the targets in this build, and those that this machine can run.
 *
 * Compiled with the baseline flags only, so that it runs on every machine.  A target needs the
 * CPU's instructions *and* an operating system that saves the wide registers on a context switch:
 * CPUID reports the first, XCR0 the second (Intel SDM volume 1, section 14.3, "Detection of Intel
 * AVX Instructions", and 15.2 for AVX-512). */
#include "fastconv_kernels.h"

#define FC_DECLARE(isa) extern const fc_table fc_table_f32_##isa, fc_table_f64_##isa;
#ifdef FC_FLOAT_ONLY
#define FC_TABLES(isa) {&fc_table_f32_##isa, NULL}
#else
#define FC_TABLES(isa) {&fc_table_f32_##isa, &fc_table_f64_##isa}
#endif
FC_DECLARE(scalar)
#ifdef FASTCONV_HAVE_AVX2
FC_DECLARE(avx2)
#endif
#ifdef FASTCONV_HAVE_AVX512
FC_DECLARE(avx512)
#endif
#ifdef FASTCONV_HAVE_NEON
FC_DECLARE(neon)
#endif

static const fc_table *const tables[FC_ISA_COUNT][2] = {
    [FC_ISA_SCALAR] = FC_TABLES(scalar),
#ifdef FASTCONV_HAVE_AVX2
    [FC_ISA_AVX2] = FC_TABLES(avx2),
#endif
#ifdef FASTCONV_HAVE_AVX512
    [FC_ISA_AVX512] = FC_TABLES(avx512),
#endif
#ifdef FASTCONV_HAVE_NEON
    [FC_ISA_NEON] = FC_TABLES(neon),
#endif
};

const char *fc_isa_name(int isa)
{
    static const char *const names[FC_ISA_COUNT] = {
        [FC_ISA_SCALAR] = "scalar", [FC_ISA_AVX2] = "avx2", [FC_ISA_AVX512] = "avx512",
        [FC_ISA_NEON] = "neon"};
    return isa >= 0 && isa < FC_ISA_COUNT ? names[isa] : NULL;
}

const fc_table *fc_get_table(int isa, int is_double)
{
    return isa >= 0 && isa < FC_ISA_COUNT ? tables[isa][is_double != 0] : NULL;
}

int fc_isa_compiled(int isa) { return fc_get_table(isa, 0) != NULL; }

#if defined(__x86_64__)
#include <cpuid.h>

static int x86_supports(int isa)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
    if ((c & (fma | osxsave | avx)) != (fma | osxsave | avx))
        return 0;
    unsigned xcr0, high;
    __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    const unsigned ymm_state = 0x06, zmm_state = 0xE6;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    const unsigned avx2 = 1u << 5, f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    if ((xcr0 & ymm_state) != ymm_state || !(b & avx2))
        return 0;
    if (isa == FC_ISA_AVX2)
        return 1;
    return (xcr0 & zmm_state) == zmm_state && (b & (f | dq | bw | vl)) == (f | dq | bw | vl);
}
#endif

int fc_isa_supported(int isa)
{
    switch (isa) {
    case FC_ISA_SCALAR:
        return 1;
#if defined(__x86_64__)
    case FC_ISA_AVX2:
    case FC_ISA_AVX512:
        return x86_supports(isa);
#endif
#if defined(__aarch64__)
    case FC_ISA_NEON:
        return 1; /* part of the architecture */
#endif
    default:
        return 0;
    }
}

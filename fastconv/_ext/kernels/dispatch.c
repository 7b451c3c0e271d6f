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

#define FC_DECLARE_DOT(type, isa) extern const fc_dot_table fc_dot_table_##type##_##isa;
#ifdef FASTCONV_HAVE_DOT_SCALAR
FC_DECLARE_DOT(u8, scalar)
FC_DECLARE_DOT(bf16, scalar)
#endif
#ifdef FASTCONV_HAVE_DOT_AVX2
FC_DECLARE_DOT(u8, avx2)
FC_DECLARE_DOT(bf16, avx2)
#endif
#ifdef FASTCONV_HAVE_DOT_AVX512
FC_DECLARE_DOT(u8, avx512)
FC_DECLARE_DOT(bf16, avx512)
#endif
#ifdef FASTCONV_HAVE_DOT_NEON
FC_DECLARE_DOT(u8, neon)
FC_DECLARE_DOT(bf16, neon)
#endif
#ifdef FASTCONV_HAVE_DOT_AVX_VNNI
FC_DECLARE_DOT(u8, avx_vnni)
#endif
#ifdef FASTCONV_HAVE_DOT_AVX512_VNNI
FC_DECLARE_DOT(u8, avx512_vnni)
#endif
#ifdef FASTCONV_HAVE_DOT_NEON_DOTPROD
FC_DECLARE_DOT(u8, neon_dotprod)
#endif
#ifdef FASTCONV_HAVE_DOT_AVX512_BF16
FC_DECLARE_DOT(bf16, avx512_bf16)
#endif

static const fc_dot_table *const dot_tables[FC_ISA_COUNT][FC_NARROW_TYPES] = {
#ifdef FASTCONV_HAVE_DOT_SCALAR
    [FC_ISA_SCALAR] = {[FC_U8] = &fc_dot_table_u8_scalar, [FC_BF16] = &fc_dot_table_bf16_scalar},
#endif
#ifdef FASTCONV_HAVE_DOT_AVX2
    [FC_ISA_AVX2] = {[FC_U8] = &fc_dot_table_u8_avx2, [FC_BF16] = &fc_dot_table_bf16_avx2},
#endif
#ifdef FASTCONV_HAVE_DOT_AVX512
    [FC_ISA_AVX512] = {[FC_U8] = &fc_dot_table_u8_avx512, [FC_BF16] = &fc_dot_table_bf16_avx512},
#endif
#ifdef FASTCONV_HAVE_DOT_NEON
    [FC_ISA_NEON] = {[FC_U8] = &fc_dot_table_u8_neon, [FC_BF16] = &fc_dot_table_bf16_neon},
#endif
#ifdef FASTCONV_HAVE_DOT_AVX_VNNI
    [FC_ISA_AVX_VNNI] = {[FC_U8] = &fc_dot_table_u8_avx_vnni},
#endif
#ifdef FASTCONV_HAVE_DOT_AVX512_VNNI
    [FC_ISA_AVX512_VNNI] = {[FC_U8] = &fc_dot_table_u8_avx512_vnni},
#endif
#ifdef FASTCONV_HAVE_DOT_NEON_DOTPROD
    [FC_ISA_NEON_DOTPROD] = {[FC_U8] = &fc_dot_table_u8_neon_dotprod},
#endif
#ifdef FASTCONV_HAVE_DOT_AVX512_BF16
    [FC_ISA_AVX512_BF16] = {[FC_BF16] = &fc_dot_table_bf16_avx512_bf16},
#endif
};

const char *fc_isa_name(int isa)
{
    static const char *const names[FC_ISA_COUNT] = {
        [FC_ISA_SCALAR] = "scalar",
        [FC_ISA_AVX2] = "avx2",
        [FC_ISA_AVX512] = "avx512",
        [FC_ISA_NEON] = "neon",
        [FC_ISA_AVX_VNNI] = "avx_vnni",
        [FC_ISA_AVX512_VNNI] = "avx512_vnni",
        [FC_ISA_NEON_DOTPROD] = "neon_dotprod",
        [FC_ISA_AVX512_BF16] = "avx512_bf16",
    };
    return isa >= 0 && isa < FC_ISA_COUNT ? names[isa] : NULL;
}

int fc_isa_base(int isa)
{
    switch (isa) {
    case FC_ISA_AVX_VNNI:
        return FC_ISA_AVX2;
    case FC_ISA_AVX512_VNNI:
        return FC_ISA_AVX512;
    case FC_ISA_NEON_DOTPROD:
        return FC_ISA_NEON;
    case FC_ISA_AVX512_BF16:
        return FC_ISA_AVX512_VNNI;
    default:
        return -1;
    }
}

const fc_table *fc_get_table(int isa, int is_double)
{
    while (fc_isa_base(isa) >= 0)
        isa = fc_isa_base(isa);
    return isa >= 0 && isa < FC_ISA_COUNT ? tables[isa][is_double != 0] : NULL;
}

const fc_dot_table *fc_get_dot_table(int isa, int type)
{
    if (type < 0 || type >= FC_NARROW_TYPES)
        return NULL;
    for (; isa >= 0 && isa < FC_ISA_COUNT; isa = fc_isa_base(isa))
        if (dot_tables[isa][type])
            return dot_tables[isa][type];
    return NULL;
}

int fc_isa_compiled(int isa)
{
    if (isa < 0 || isa >= FC_ISA_COUNT)
        return 0;
    return tables[isa][0] != NULL || dot_tables[isa][FC_U8] != NULL ||
           dot_tables[isa][FC_BF16] != NULL;
}

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
    const unsigned vnni = 1u << 11, avx_vnni = 1u << 4; /* of ecx; of eax of subleaf 1 */
    const unsigned has_vnni = c & vnni;
    if (isa == FC_ISA_AVX_VNNI)
        return a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & avx_vnni);
    if ((xcr0 & zmm_state) != zmm_state || (b & (f | dq | bw | vl)) != (f | dq | bw | vl))
        return 0;
    if (isa == FC_ISA_AVX512 || !has_vnni)
        return isa == FC_ISA_AVX512;
    const unsigned bf16 = 1u << 5; /* of eax of subleaf 1 */
    return isa == FC_ISA_AVX512_VNNI ||
           (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & bf16));
}
#endif

#if defined(__aarch64__)
#if defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif
static int arm_supports_dotprod(void) { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
#elif defined(__APPLE__)
#include <sys/sysctl.h>
static int arm_supports_dotprod(void)
{
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, NULL, 0) == 0 && has;
}
#else
static int arm_supports_dotprod(void) { return 0; }
#endif
#endif

int fc_isa_supported(int isa)
{
    switch (isa) {
    case FC_ISA_SCALAR:
        return 1;
#if defined(__x86_64__)
    case FC_ISA_AVX2:
    case FC_ISA_AVX512:
    case FC_ISA_AVX_VNNI:
    case FC_ISA_AVX512_VNNI:
    case FC_ISA_AVX512_BF16:
        return x86_supports(isa);
#endif
#if defined(__aarch64__)
    case FC_ISA_NEON:
        return 1; /* part of the architecture */
    case FC_ISA_NEON_DOTPROD:
        return arm_supports_dotprod();
#endif
    default:
        return 0;
    }
}

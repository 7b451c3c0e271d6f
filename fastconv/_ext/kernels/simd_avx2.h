/* simd_avx2.h: 256-bit vectors, AVX2 and FMA.  See simd_scalar.h for the conventions. */
#include <immintrin.h>

static const int32_t FC(tail_bits)[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

/* 16 vector registers: 12 accumulators, two filter vectors, a broadcast,
 * one spare.  16 general registers: 11 row pointers. */
#define FC_PANEL_VECTORS 2
#define FC_ROWS_1 11
#define FC_ROWS_2 6
#define FC_GRADIENT_ROWS_1 8
#define FC_GRADIENT_ROWS_2 6
#define FC_LISTS_PIXELS 0
#define FC_STORES_PARTS 0
#define FC_DOT_ROWS 2
#define FC_DEPTHWISE_ROWS 1
#define FC_DEPTHWISE_COLUMNS 4
#define FC_DEPTHWISE_VECTORS 2

#if FC_DOUBLE
typedef double real;
typedef __m256d vec;
typedef __m256d mask;
#define VL 4
#define FC_V(name) _mm256_##name##_pd
#define FC_VECTOR_EXP 0
static inline __m256i FC(tail_mask)(int64_t n)
{
    return _mm256_loadu_si256((const __m256i *)(FC(tail_bits) + 8 - 2 * n));
}
static inline vec v_load_u8(const uint8_t *p)
{
    int32_t four;
    __builtin_memcpy(&four, p, 4);
    return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)));
}
static inline void v_store_u8(uint8_t *p, vec a)
{
    __m128i four = _mm256_cvttpd_epi32(a);
    four = _mm_packus_epi16(_mm_packus_epi32(four, four), four);
    const int32_t bytes = _mm_cvtsi128_si32(four);
    __builtin_memcpy(p, &bytes, 4);
}
static inline real v_sum(vec a)
{
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
#else
typedef float real;
typedef __m256 vec;
typedef __m256 mask;
#define VL 8
#define FC_V(name) _mm256_##name##_ps
#define FC_VECTOR_EXP 1
static inline __m256i FC(tail_mask)(int64_t n)
{
    return _mm256_loadu_si256((const __m256i *)(FC(tail_bits) + 8 - n));
}
static inline vec v_load_u8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline void v_store_u8(uint8_t *p, vec a)
{
    const __m256i eight = _mm256_cvttps_epi32(a);
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(words, words));
}
static inline real v_sum(vec a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline vec v_round(vec a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* 2^n for integral n in [-126, 127] */
static inline vec v_pow2(vec n)
{
    __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
}
#endif

static inline vec v_set1(real a) { return FC_V(set1)(a); }
static inline vec v_load(const real *p) { return FC_V(loadu)(p); }
static inline void v_store(real *p, vec a) { FC_V(storeu)(p, a); }
static inline void v_stream(real *p, vec a) { FC_V(stream)(p, a); }
static inline void v_stream_end(void) { _mm_sfence(); }
static inline vec v_load_n(const real *p, int64_t n) { return FC_V(maskload)(p, FC(tail_mask)(n)); }
static inline void v_store_n(real *p, vec a, int64_t n) { FC_V(maskstore)(p, FC(tail_mask)(n), a); }
static inline vec v_add(vec a, vec b) { return FC_V(add)(a, b); }
static inline vec v_sub(vec a, vec b) { return FC_V(sub)(a, b); }
static inline vec v_mul(vec a, vec b) { return FC_V(mul)(a, b); }
static inline vec v_div(vec a, vec b) { return FC_V(div)(a, b); }
static inline vec v_sqrt(vec a) { return FC_V(sqrt)(a); }
static inline vec v_fma(vec a, vec b, vec c) { return FC_V(fmadd)(a, b, c); }
static inline vec v_max(vec a, vec b) { return FC_V(max)(a, b); }
static inline vec v_min(vec a, vec b) { return FC_V(min)(a, b); }
static inline mask v_gt(vec a, vec b) { return FC_V(cmp)(a, b, _CMP_GT_OQ); }
static inline mask v_eq(vec a, vec b) { return FC_V(cmp)(a, b, _CMP_EQ_OQ); }
static inline mask v_not_le(vec a, vec b) { return FC_V(cmp)(a, b, _CMP_NLE_UQ); }
static inline mask v_ordered(vec a) { return FC_V(cmp)(a, a, _CMP_ORD_Q); }
static inline mask m_and(mask a, mask b) { return FC_V(and)(a, b); }
static inline vec v_select(mask m, vec a, vec b) { return FC_V(blendv)(b, a, m); }
static inline void v_zip(vec a, vec b, vec *low, vec *high)
{
#if FC_DOUBLE
    const vec first = _mm256_unpacklo_pd(a, b), last = _mm256_unpackhi_pd(a, b);
    *low = _mm256_permute2f128_pd(first, last, 0x20);
    *high = _mm256_permute2f128_pd(first, last, 0x31);
#else
    const vec first = _mm256_unpacklo_ps(a, b), last = _mm256_unpackhi_ps(a, b);
    *low = _mm256_permute2f128_ps(first, last, 0x20);
    *high = _mm256_permute2f128_ps(first, last, 0x31);
#endif
}
#undef FC_V

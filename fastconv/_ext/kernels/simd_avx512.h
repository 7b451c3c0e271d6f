/* simd_avx512.h: 512-bit vectors, AVX-512 F/BW/DQ/VL.  See simd_scalar.h for the conventions. */
#include <immintrin.h>

/* 32 vector registers: 24 accumulators, four filter vectors and the broadcasts.  For narrow panels,
 * the 16 general registers limit the rows: 11 pointers to rows, and 8 in filter gradients, whose
 * loop uses more registers. */
#define FC_PANEL_VECTORS 4
#define FC_ROWS_1 11
#define FC_ROWS_2 11
#define FC_ROWS_3 8
#define FC_ROWS_4 6
#define FC_GRADIENT_ROWS_1 8
#define FC_GRADIENT_ROWS_2 8
#define FC_LISTS_PIXELS 1
#define FC_STORES_PARTS 1
#define FC_DOT_ROWS 5
#define FC_DEPTHWISE_ROWS 2
#define FC_DEPTHWISE_COLUMNS 7
#define FC_DEPTHWISE_VECTORS 1

#if FC_DOUBLE
typedef double real;
typedef __m512d vec;
typedef __mmask8 mask;
#define VL 8
#define FC_V(name) _mm512_##name##_pd
#define FC_CMP _mm512_cmp_pd_mask
#define FC_VECTOR_EXP 0
static inline vec v_load_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_pd(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline void v_store_u8(uint8_t *p, vec a)
{
    _mm_storel_epi64((__m128i *)p, _mm256_cvtepi32_epi8(_mm512_cvttpd_epi32(a)));
}
#else
typedef float real;
typedef __m512 vec;
typedef __mmask16 mask;
#define VL 16
#define FC_V(name) _mm512_##name##_ps
#define FC_CMP _mm512_cmp_ps_mask
#define FC_VECTOR_EXP 1
static inline vec v_load_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline void v_store_u8(uint8_t *p, vec a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(a)));
}
static inline vec v_round(vec a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* 2^n for integral n in [-126, 127] */
static inline vec v_pow2(vec n)
{
    __m512i e = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(e, 23));
}
/* a * 2^n for integral n, rounded once */
#define FC_VECTOR_SCALE
static inline vec v_scale(vec a, vec n) { return _mm512_scalef_ps(a, n); }
#endif

static inline mask FC(tail_mask)(int64_t n) { return (mask)((1u << n) - 1u); }

static inline vec v_set1(real a) { return FC_V(set1)(a); }
static inline vec v_load(const real *p) { return FC_V(loadu)(p); }
static inline void v_store(real *p, vec a) { FC_V(storeu)(p, a); }
static inline void v_stream(real *p, vec a) { FC_V(stream)(p, a); }
static inline void v_stream_end(void) { _mm_sfence(); }
static inline vec v_load_n(const real *p, int64_t n)
{
    return FC_V(maskz_loadu)(FC(tail_mask)(n), p);
}
static inline void v_store_n(real *p, vec a, int64_t n)
{
    FC_V(mask_storeu)(p, FC(tail_mask)(n), a);
}
/* p[0 .. n] = lanes first .. first + n */
static inline void v_store_part(real *p, vec a, int first, int n)
{
    FC_V(mask_storeu)(p - first, (mask)(FC(tail_mask)(n) << first), a);
}
static inline vec v_add(vec a, vec b) { return FC_V(add)(a, b); }
static inline vec v_sub(vec a, vec b) { return FC_V(sub)(a, b); }
static inline vec v_mul(vec a, vec b) { return FC_V(mul)(a, b); }
static inline vec v_div(vec a, vec b) { return FC_V(div)(a, b); }
static inline vec v_sqrt(vec a) { return FC_V(sqrt)(a); }
static inline vec v_fma(vec a, vec b, vec c) { return FC_V(fmadd)(a, b, c); }
static inline vec v_max(vec a, vec b) { return FC_V(max)(a, b); }
static inline vec v_min(vec a, vec b) { return FC_V(min)(a, b); }
static inline mask v_gt(vec a, vec b) { return FC_CMP(a, b, _CMP_GT_OQ); }
static inline mask v_eq(vec a, vec b) { return FC_CMP(a, b, _CMP_EQ_OQ); }
static inline mask v_not_le(vec a, vec b) { return FC_CMP(a, b, _CMP_NLE_UQ); }
static inline mask v_ordered(vec a) { return FC_CMP(a, a, _CMP_ORD_Q); }
static inline mask m_and(mask a, mask b) { return (mask)(a & b); }
static inline vec v_select(mask m, vec a, vec b) { return FC_V(mask_blend)(m, b, a); }
static inline real v_sum(vec a) { return FC_V(reduce_add)(a); }
static inline void v_zip(vec a, vec b, vec *low, vec *high)
{
#if FC_DOUBLE
    const __m512i first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11),
                  last = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
#else
    const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i last =
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#endif
    *low = FC_V(permutex2var)(a, first, b);
    *high = FC_V(permutex2var)(a, last, b);
}
#undef FC_V
#undef FC_CMP

/* simd_bf16_avx512.h: dot products of two bfloat16 on AVX-512, by vdpbf16ps where the flags allow
 * it, else a product at a time.  See simd_bf16_scalar.h for the conventions. */
#define FC_INTEGER 0
#define FC_DEALS 0
typedef uint16_t narrow;
typedef float weight;
typedef uint16_t packed_weight;
typedef __m512 sums;

#ifdef __AVX512BF16__
#define FC_TILE_ROWS_1 11
#define FC_TILE_ROWS_2 11
#define FC_TILE_ROWS_3 8
#define FC_TILE_ROWS_4 6
typedef __m512i factor;
static inline factor d_broadcast(const narrow *x)
{
    int32_t pair;
    __builtin_memcpy(&pair, x, 4);
    return _mm512_set1_epi32(pair);
}
static inline factor d_filters(const void *w) { return _mm512_loadu_si512(w); }
/* In assembly language, because GCC 12 copies and spills the sums of the intrinsic. */
static inline sums d_dot(sums a, factor x, factor w)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(a) : "v"(x), "v"(w));
    return a;
}
#else
#define FC_TILE_ROWS_1 6
#define FC_TILE_ROWS_2 6
#define FC_TILE_ROWS_3 4
#define FC_TILE_ROWS_4 4
typedef struct {
    __m512 low, high;
} factor;
static inline factor FC(halves)(__m512i pairs)
{
    return (factor){
        _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)),
        _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xFFFF0000u)))};
}
static inline factor d_broadcast(const narrow *x)
{
    int32_t pair;
    __builtin_memcpy(&pair, x, 4);
    return FC(halves)(_mm512_set1_epi32(pair));
}
static inline factor d_filters(const void *w) { return FC(halves)(_mm512_loadu_si512(w)); }
static inline sums d_dot(sums a, factor x, factor w)
{
    return _mm512_fmadd_ps(x.low, w.low, _mm512_fmadd_ps(x.high, w.high, a));
}
#endif
static inline sums d_load(const void *w) { return _mm512_loadu_ps(w); }
static inline sums d_zero(void) { return _mm512_setzero_ps(); }
static inline vec d_real(sums a) { return a; }
static inline __mmask16 FC(first_lanes)(int64_t n) { return (__mmask16)((1u << n) - 1); }
static inline vec d_widen(const narrow *x, int64_t n)
{
    const __m256i halves = n == VL ? _mm256_loadu_si256((const __m256i *)x)
                                   : _mm256_maskz_loadu_epi16(FC(first_lanes)(n), x);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}
static inline sums d_elements(const narrow *x, int64_t n) { return d_widen(x, n); }
static inline sums d_add_products(sums a, sums x, sums w) { return _mm512_fmadd_ps(x, w, a); }
static inline packed_weight d_pack(weight w) { return fc_narrowed(w); }
static inline void d_narrow(narrow *x, vec a, int64_t n)
{
#ifdef __AVX512BF16__
    const __m256i elements = (__m256i)_mm512_cvtneps_pbh(a);
#else
    const __m512i bits = _mm512_castps_si512(a), upper = _mm512_srli_epi32(bits, 16);
    const __m512i even = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_srli_epi32(
        _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), even), 16);
    const __mmask16 is_nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    const __mmask16 is_small = _mm512_testn_epi32_mask(bits, _mm512_set1_epi32(0x7F800000));
    const __m512i result = _mm512_mask_or_epi32(rounded, is_nan, upper, _mm512_set1_epi32(0x40));
    const __m256i elements = _mm512_cvtepi32_epi16(
        _mm512_mask_and_epi32(result, is_small, upper, _mm512_set1_epi32(0x8000)));
#endif
    if (n == VL)
        _mm256_storeu_si256((__m256i *)x, elements);
    else
        _mm256_mask_storeu_epi16(x, FC(first_lanes)(n), elements);
}

/* simd_bf16_avx2.h: dot products of two bfloat16 on AVX2, a product at a time.  See
 * simd_bf16_scalar.h for the conventions. */
#define FC_INTEGER 0
#define FC_DEALS 0
typedef uint16_t narrow;
typedef float weight;
typedef uint16_t packed_weight;
typedef __m256 sums;
typedef struct {
    __m256 low, high;
} factor;

#define FC_TILE_ROWS_1 6
#define FC_TILE_ROWS_2 4

static inline factor FC(halves)(__m256i pairs)
{
    return (factor){
        _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)),
        _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xFFFF0000u)))};
}
static inline factor d_broadcast(const narrow *x)
{
    int32_t pair;
    __builtin_memcpy(&pair, x, 4);
    return FC(halves)(_mm256_set1_epi32(pair));
}
static inline factor d_filters(const void *w)
{
    return FC(halves)(_mm256_loadu_si256((const __m256i *)w));
}
static inline sums d_dot(sums a, factor x, factor w)
{
    return _mm256_fmadd_ps(x.low, w.low, _mm256_fmadd_ps(x.high, w.high, a));
}
static inline sums d_load(const void *w) { return _mm256_loadu_ps((const float *)w); }
static inline sums d_zero(void) { return _mm256_setzero_ps(); }
static inline vec d_real(sums a) { return a; }
static inline vec d_widen(const narrow *x, int64_t n)
{
    narrow lane[VL] = {0};
    if (n < VL) {
        for (int64_t i = 0; i < n; i++)
            lane[i] = x[i];
        x = lane;
    }
    const __m128i halves = _mm_loadu_si128((const __m128i *)x);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
static inline sums d_elements(const narrow *x, int64_t n) { return d_widen(x, n); }
static inline sums d_add_products(sums a, sums x, sums w) { return _mm256_fmadd_ps(x, w, a); }
static inline packed_weight d_pack(weight w) { return fc_narrowed(w); }
static inline void d_narrow(narrow *x, vec a, int64_t n)
{
    const __m256i bits = _mm256_castps_si256(a), upper = _mm256_srli_epi32(bits, 16);
    const __m256i even = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_srli_epi32(
        _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), even), 16);
    const __m256i nan = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    const __m256 is_nan = _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
    const __m256i is_small = _mm256_cmpeq_epi32(
        _mm256_and_si256(bits, _mm256_set1_epi32(0x7F800000)), _mm256_setzero_si256());
    const __m256i sign = _mm256_and_si256(upper, _mm256_set1_epi32(0x8000));
    const __m256i result = _mm256_blendv_epi8(
        _mm256_blendv_epi8(rounded, nan, _mm256_castps_si256(is_nan)), sign, is_small);
    const __m128i elements =
        _mm_packus_epi32(_mm256_castsi256_si128(result), _mm256_extracti128_si256(result, 1));
    if (n == VL) {
        _mm_storeu_si128((__m128i *)x, elements);
    } else {
        narrow lane[VL];
        _mm_storeu_si128((__m128i *)lane, elements);
        for (int64_t i = 0; i < n; i++)
            x[i] = lane[i];
    }
}

/* simd_dot_avx2.h: dot products of 4 bytes on AVX2, by vpdpbusd where the flags allow it, else by
 * products of 16 bits.  See simd_dot_scalar.h for the conventions. */
#define FC_INTEGER 1
typedef uint8_t narrow;
typedef int8_t weight;
typedef int8_t packed_weight;
typedef __m256i sums;
typedef __m256i bytes;

#define FC_DOT_SHIFT 0
#define FC_BYTES 32
#define FC_DEALS 1
#define FC_MASKED_BYTES 0

#ifdef __AVXVNNI__
#define FC_TILE_ROWS_1 11
#define FC_TILE_ROWS_2 6
typedef __m256i factor;
static inline factor d_broadcast(const narrow *x)
{
    int32_t four;
    __builtin_memcpy(&four, x, 4);
    return _mm256_set1_epi32(four);
}
static inline factor d_filters(const void *w) { return _mm256_loadu_si256((const __m256i *)w); }
/* In assembly language, because GCC 12 copies and spills the sums of the intrinsic. */
static inline sums d_dot(sums a, factor x, factor w)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(a) : "x"(x), "x"(w));
    return a;
}
static inline sums d_add_products(sums a, sums x, sums w)
{
    return _mm256_dpwssd_avx_epi32(a, x, w);
}
#else
#define FC_TILE_ROWS_1 6
#define FC_TILE_ROWS_2 4
typedef struct {
    __m256i even, odd; /* 16-bit lanes */
} factor;
static inline factor d_broadcast(const narrow *x)
{
    uint32_t four;
    __builtin_memcpy(&four, x, 4);
    const __m256i all = _mm256_set1_epi32((int32_t)four), low = _mm256_set1_epi32(0x00FF00FF);
    return (factor){_mm256_and_si256(all, low), _mm256_srli_epi16(all, 8)};
}
static inline factor d_filters(const void *w)
{
    const __m256i four = _mm256_loadu_si256((const __m256i *)w);
    return (factor){_mm256_srai_epi16(_mm256_slli_epi16(four, 8), 8), _mm256_srai_epi16(four, 8)};
}
static inline sums d_dot(sums a, factor x, factor w)
{
    a = _mm256_add_epi32(a, _mm256_madd_epi16(x.even, w.even));
    return _mm256_add_epi32(a, _mm256_madd_epi16(x.odd, w.odd));
}
static inline sums d_add_products(sums a, sums x, sums w)
{
    return _mm256_add_epi32(a, _mm256_madd_epi16(x, w));
}
#endif
static inline sums d_load(const void *w) { return _mm256_loadu_si256((const __m256i *)w); }
static inline packed_weight d_pack(weight w) { return w; }
static inline sums d_zero(void) { return _mm256_setzero_si256(); }
static inline vec d_real(sums a) { return _mm256_cvtepi32_ps(a); }
static inline sums d_elements(const narrow *x, int64_t n)
{
    int64_t eight = 0;
    if (n == VL)
        __builtin_memcpy(&eight, x, 8);
    else
        for (int64_t i = 0; i < n; i++)
            eight |= (int64_t)x[i] << 8 * i;
    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(eight));
}
static inline vec d_widen(const narrow *x, int64_t n) { return d_real(d_elements(x, n)); }
static inline void d_narrow(narrow *x, vec a, int64_t n)
{
    const __m256i eight = _mm256_cvtps_epi32(a);
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const int64_t elements = _mm_cvtsi128_si64(_mm_packus_epi16(words, words));
    if (n == VL)
        __builtin_memcpy(x, &elements, 8);
    else
        for (int64_t i = 0; i < n; i++)
            x[i] = (narrow)(elements >> 8 * i);
}
static inline bytes d_load_bytes(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline void d_store_bytes(void *p, bytes a) { _mm256_storeu_si256((__m256i *)p, a); }
static inline bytes d_max_bytes(bytes a, bytes b) { return _mm256_max_epu8(a, b); }
static inline void d_deal(vec a[2])
{
    const vec low = _mm256_permute2f128_ps(a[0], a[1], 0x20);
    a[1] = _mm256_permute2f128_ps(a[0], a[1], 0x31);
    a[0] = low;
}
static inline void d_widen_dealt(const narrow *x, vec a[2], int64_t n)
{
    uint8_t some[16] = {0};
    if (n < 16)
        __builtin_memcpy(some, x, (size_t)n);
    const __m128i all = _mm_loadu_si128((const __m128i *)(n < 16 ? some : x));
    const __m256i words = _mm256_cvtepu8_epi16(all), zero = _mm256_setzero_si256();
    a[0] = d_real(_mm256_unpacklo_epi16(words, zero));
    a[1] = d_real(_mm256_unpackhi_epi16(words, zero));
}
static inline bytes d_set_bytes(int value) { return _mm256_set1_epi8((char)value); }
static inline void d_narrow_dealt(narrow *x, const vec a[2], bytes low, int64_t n)
{
    const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(a[0]), _mm256_cvtps_epi32(a[1]));
    const __m128i some = _mm_packus_epi16(_mm256_castsi256_si128(words),
                                          _mm256_extracti128_si256(words, 1));
    const __m128i all = _mm_max_epu8(some, _mm256_castsi256_si128(low));
    if (n == 16) {
        _mm_storeu_si128((__m128i *)x, all);
    } else {
        uint8_t bytes16[16];
        _mm_storeu_si128((__m128i *)bytes16, all);
        __builtin_memcpy(x, bytes16, (size_t)n);
    }
}

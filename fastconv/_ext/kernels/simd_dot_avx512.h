/* simd_dot_avx512.h: dot products of 4 bytes on AVX-512, by vpdpbusd where the flags allow it, else
 * by products of 16 bits.  See simd_dot_scalar.h for the conventions. */
#define FC_INTEGER 1
typedef uint8_t narrow;
typedef int8_t weight;
typedef int8_t packed_weight;
typedef __m512i sums;
typedef __m512i bytes;

#define FC_DOT_SHIFT 0
#define FC_BYTES 64
#define FC_DEALS 1
#define FC_MASKED_BYTES 1

#ifdef __AVX512VNNI__
#define FC_TILE_ROWS_1 11
#define FC_TILE_ROWS_2 11
#define FC_TILE_ROWS_3 8
#define FC_TILE_ROWS_4 6
typedef __m512i factor;
static inline factor d_broadcast(const narrow *x)
{
    int32_t four;
    __builtin_memcpy(&four, x, 4);
    return _mm512_set1_epi32(four);
}
static inline factor d_filters(const void *w) { return _mm512_loadu_si512(w); }
/* In assembly language, because GCC 12 copies and spills the sums of the intrinsic. */
static inline sums d_dot(sums a, factor x, factor w)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(a) : "v"(x), "v"(w));
    return a;
}
static inline sums d_add_products(sums a, sums x, sums w) { return _mm512_dpwssd_epi32(a, x, w); }
#else
#define FC_TILE_ROWS_1 8
#define FC_TILE_ROWS_2 8
#define FC_TILE_ROWS_3 6
#define FC_TILE_ROWS_4 4
typedef struct {
    __m512i even, odd; /* 16-bit lanes */
} factor;
static inline factor d_broadcast(const narrow *x)
{
    int32_t four;
    __builtin_memcpy(&four, x, 4);
    const uint32_t low = 0x00FF00FF;
    return (factor){_mm512_set1_epi32((int32_t)((uint32_t)four & low)),
                    _mm512_set1_epi32((int32_t)((uint32_t)four >> 8 & low))};
}
static inline factor d_filters(const void *w)
{
    const __m512i four = _mm512_loadu_si512(w);
    return (factor){_mm512_srai_epi16(_mm512_slli_epi16(four, 8), 8), _mm512_srai_epi16(four, 8)};
}
static inline sums d_dot(sums a, factor x, factor w)
{
    a = _mm512_add_epi32(a, _mm512_madd_epi16(x.even, w.even));
    return _mm512_add_epi32(a, _mm512_madd_epi16(x.odd, w.odd));
}
static inline sums d_add_products(sums a, sums x, sums w)
{
    return _mm512_add_epi32(a, _mm512_madd_epi16(x, w));
}
#endif
static inline sums d_load(const void *w) { return _mm512_loadu_si512(w); }
static inline packed_weight d_pack(weight w) { return w; }
static inline sums d_zero(void) { return _mm512_setzero_si512(); }
static inline vec d_real(sums a) { return _mm512_cvtepi32_ps(a); }
static inline __mmask16 FC(first_lanes)(int64_t n) { return (__mmask16)((1u << n) - 1); }
static inline sums d_elements(const narrow *x, int64_t n)
{
    return _mm512_cvtepu8_epi32(n == VL ? _mm_loadu_si128((const __m128i *)x)
                                        : _mm_maskz_loadu_epi8(FC(first_lanes)(n), x));
}
static inline vec d_widen(const narrow *x, int64_t n) { return d_real(d_elements(x, n)); }
static inline void d_narrow(narrow *x, vec a, int64_t n)
{
    const __m128i elements = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a));
    if (n == VL)
        _mm_storeu_si128((__m128i *)x, elements);
    else
        _mm_mask_storeu_epi8(x, FC(first_lanes)(n), elements);
}
static inline bytes d_load_bytes(const void *p) { return _mm512_loadu_si512(p); }
static inline void d_store_bytes(void *p, bytes a) { _mm512_storeu_si512(p, a); }
static inline bytes d_max_bytes(bytes a, bytes b) { return _mm512_max_epu8(a, b); }
static inline __mmask64 FC(first_bytes)(int64_t n) { return ~(__mmask64)0 >> (64 - n); }
static inline bytes d_load_some(const void *p, int64_t n)
{
    return _mm512_maskz_loadu_epi8(FC(first_bytes)(n), p);
}
static inline void d_store_some(void *p, bytes a, int64_t n)
{
    _mm512_mask_storeu_epi8(p, FC(first_bytes)(n), a);
}
static inline void d_deal(vec a[4])
{
    const vec low01 = _mm512_shuffle_f32x4(a[0], a[1], 0x44);
    const vec low23 = _mm512_shuffle_f32x4(a[2], a[3], 0x44);
    const vec high01 = _mm512_shuffle_f32x4(a[0], a[1], 0xEE);
    const vec high23 = _mm512_shuffle_f32x4(a[2], a[3], 0xEE);
    a[0] = _mm512_shuffle_f32x4(low01, low23, 0x88);
    a[1] = _mm512_shuffle_f32x4(low01, low23, 0xDD);
    a[2] = _mm512_shuffle_f32x4(high01, high23, 0x88);
    a[3] = _mm512_shuffle_f32x4(high01, high23, 0xDD);
}
static inline void d_widen_dealt(const narrow *x, vec a[4], int64_t n)
{
    const __m512i all = n == 64 ? _mm512_loadu_si512(x) : d_load_some(x, n);
    const __m512i zero = _mm512_setzero_si512();
    const __m512i low = _mm512_unpacklo_epi8(all, zero), high = _mm512_unpackhi_epi8(all, zero);
    a[0] = d_real(_mm512_unpacklo_epi16(low, zero));
    a[1] = d_real(_mm512_unpackhi_epi16(low, zero));
    a[2] = d_real(_mm512_unpacklo_epi16(high, zero));
    a[3] = d_real(_mm512_unpackhi_epi16(high, zero));
}
static inline bytes d_set_bytes(int value) { return _mm512_set1_epi8((char)value); }
static inline void d_narrow_dealt(narrow *x, const vec a[4], bytes low, int64_t n)
{
    const __m512i ab = _mm512_packs_epi32(_mm512_cvtps_epi32(a[0]), _mm512_cvtps_epi32(a[1]));
    const __m512i cd = _mm512_packs_epi32(_mm512_cvtps_epi32(a[2]), _mm512_cvtps_epi32(a[3]));
    const __m512i all = _mm512_max_epu8(_mm512_packus_epi16(ab, cd), low);
    if (n == 64)
        _mm512_storeu_si512(x, all);
    else
        d_store_some(x, all, n);
}

/* simd_dot_neon.h: dot products of 4 bytes on aarch64, by sdot where the flags allow it, else by
 * products of 16 bits.  Both multiply signed by signed bytes, so 128 is subtracted from elements of
 * x.  See simd_dot_scalar.h for the conventions. */
#define FC_INTEGER 1
typedef uint8_t narrow;
typedef int8_t weight;
typedef int8_t packed_weight;
typedef int32x4_t sums;
typedef int8x16_t factor;
typedef uint8x16_t bytes;

#define FC_TILE_ROWS_1 12
#define FC_TILE_ROWS_2 10
#define FC_TILE_ROWS_3 8
#define FC_TILE_ROWS_4 6
#define FC_DOT_SHIFT 128
#define FC_BYTES 16
#define FC_DEALS 0
#define FC_MASKED_BYTES 0

static inline factor d_broadcast(const narrow *x)
{
    uint32_t four;
    __builtin_memcpy(&four, x, 4);
    return vreinterpretq_s8_u32(vdupq_n_u32(four ^ 0x80808080u));
}
static inline factor d_filters(const void *w) { return vld1q_s8((const int8_t *)w); }
#ifdef __ARM_FEATURE_DOTPROD
static inline sums d_dot(sums a, factor x, factor w) { return vdotq_s32(a, x, w); }
#else
static inline sums d_dot(sums a, factor x, factor w)
{
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(w)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(x, w));
    return vaddq_s32(a, vpaddq_s32(low, high));
}
#endif
static inline sums d_add_products(sums a, sums x, sums w) { return vmlaq_s32(a, x, w); }
static inline sums d_load(const void *w) { return vld1q_s32((const int32_t *)w); }
static inline packed_weight d_pack(weight w) { return w; }
static inline sums d_zero(void) { return vdupq_n_s32(0); }
static inline vec d_real(sums a) { return vcvtq_f32_s32(a); }
static inline sums d_elements(const narrow *x, int64_t n)
{
    uint32_t four = 0;
    if (n == VL)
        __builtin_memcpy(&four, x, 4);
    else
        for (int64_t i = 0; i < n; i++)
            four |= (uint32_t)x[i] << 8 * i;
    const uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)));
}
static inline vec d_widen(const narrow *x, int64_t n) { return d_real(d_elements(x, n)); }
static inline void d_narrow(narrow *x, vec a, int64_t n)
{
    const uint16x4_t words = vqmovn_u32(vcvtnq_u32_f32(a));
    const uint8x8_t eight = vqmovn_u16(vcombine_u16(words, words));
    const uint32_t elements = vget_lane_u32(vreinterpret_u32_u8(eight), 0);
    if (n == VL)
        __builtin_memcpy(x, &elements, 4);
    else
        for (int64_t i = 0; i < n; i++)
            x[i] = (narrow)(elements >> 8 * i);
}
static inline bytes d_load_bytes(const void *p) { return vld1q_u8((const uint8_t *)p); }
static inline void d_store_bytes(void *p, bytes a) { vst1q_u8((uint8_t *)p, a); }
static inline bytes d_max_bytes(bytes a, bytes b) { return vmaxq_u8(a, b); }

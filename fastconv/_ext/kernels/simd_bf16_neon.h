/* simd_bf16_neon.h: dot products of two bfloat16 on aarch64, a product at a time: bfdot rounds in
 * another way.  See simd_bf16_scalar.h for the conventions. */
#define FC_INTEGER 0
#define FC_DEALS 0
typedef uint16_t narrow;
typedef float weight;
typedef uint16_t packed_weight;
typedef float32x4_t sums;
typedef struct {
    float32x4_t low, high;
} factor;

#define FC_TILE_ROWS_1 6
#define FC_TILE_ROWS_2 6
#define FC_TILE_ROWS_3 4
#define FC_TILE_ROWS_4 4

static inline factor FC(halves)(uint32x4_t pairs)
{
    return (factor){vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16)),
                    vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xFFFF0000u)))};
}
static inline factor d_broadcast(const narrow *x)
{
    uint32_t pair;
    __builtin_memcpy(&pair, x, 4);
    return FC(halves)(vdupq_n_u32(pair));
}
static inline factor d_filters(const void *w)
{
    return FC(halves)(vreinterpretq_u32_u16(vld1q_u16((const uint16_t *)w)));
}
static inline sums d_dot(sums a, factor x, factor w)
{
    return vfmaq_f32(vfmaq_f32(a, x.high, w.high), x.low, w.low);
}
static inline sums d_load(const void *w) { return vld1q_f32((const float *)w); }
static inline sums d_zero(void) { return vdupq_n_f32(0); }
static inline vec d_real(sums a) { return a; }
static inline vec d_widen(const narrow *x, int64_t n)
{
    narrow lane[VL] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i] = x[i];
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(lane), 16));
}
static inline sums d_elements(const narrow *x, int64_t n) { return d_widen(x, n); }
static inline sums d_add_products(sums a, sums x, sums w) { return vfmaq_f32(a, x, w); }
static inline packed_weight d_pack(weight w) { return fc_narrowed(w); }
static inline void d_narrow(narrow *x, vec a, int64_t n)
{
    float lane[VL];
    vst1q_f32(lane, a);
    for (int64_t i = 0; i < n; i++)
        x[i] = fc_narrowed(lane[i]);
}

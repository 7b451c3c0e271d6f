/* simd_neon.h: 128-bit vectors of aarch64.  See simd_scalar.h for the conventions. */
#include <arm_neon.h>

/* 32 vector registers, as on AVX-512. */
#define FC_PANEL_VECTORS 4
#define FC_ROWS_1 12
#define FC_ROWS_2 10
#define FC_ROWS_3 8
#define FC_ROWS_4 6
#define FC_GRADIENT_ROWS_1 12
#define FC_GRADIENT_ROWS_2 10
#define FC_LISTS_PIXELS 0
#define FC_STORES_PARTS 0
#define FC_DOT_ROWS 5
#define FC_DEPTHWISE_ROWS 1
#define FC_DEPTHWISE_COLUMNS 7
#define FC_DEPTHWISE_VECTORS 2

#if FC_DOUBLE
typedef double real;
typedef float64x2_t vec;
typedef uint64x2_t mask;
#define VL 2
#define FC_V(name) name##_f64
#define FC_NOT(a) vreinterpretq_u64_u32(vmvnq_u32(vreinterpretq_u32_u64(a)))
#define FC_AND vandq_u64
#define FC_VECTOR_EXP 0
#else
typedef float real;
typedef float32x4_t vec;
typedef uint32x4_t mask;
#define VL 4
#define FC_V(name) name##_f32
#define FC_NOT vmvnq_u32
#define FC_AND vandq_u32
#define FC_VECTOR_EXP 1
static inline vec v_round(vec a) { return vrndnq_f32(a); }
/* 2^n for integral n in [-126, 127] */
static inline vec v_pow2(vec n)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
}
#endif

static inline vec v_set1(real a) { return FC_V(vdupq_n)(a); }
static inline vec v_load(const real *p) { return FC_V(vld1q)(p); }
static inline void v_store(real *p, vec a) { FC_V(vst1q)(p, a); }
static inline void v_stream(real *p, vec a) { v_store(p, a); }
static inline void v_stream_end(void) {}
static inline vec v_load_n(const real *p, int64_t n)
{
    real lane[VL] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i] = p[i];
    return v_load(lane);
}
static inline void v_store_n(real *p, vec a, int64_t n)
{
    real lane[VL];
    v_store(lane, a);
    for (int64_t i = 0; i < n; i++)
        p[i] = lane[i];
}
static inline vec v_load_u8(const uint8_t *p)
{
    real lane[VL];
    for (int i = 0; i < VL; i++)
        lane[i] = (real)p[i];
    return v_load(lane);
}
static inline void v_store_u8(uint8_t *p, vec a)
{
    real lane[VL];
    v_store(lane, a);
    for (int i = 0; i < VL; i++)
        p[i] = (uint8_t)lane[i];
}
static inline vec v_add(vec a, vec b) { return FC_V(vaddq)(a, b); }
static inline vec v_sub(vec a, vec b) { return FC_V(vsubq)(a, b); }
static inline vec v_mul(vec a, vec b) { return FC_V(vmulq)(a, b); }
static inline vec v_div(vec a, vec b) { return FC_V(vdivq)(a, b); }
static inline vec v_sqrt(vec a) { return FC_V(vsqrtq)(a); }
static inline vec v_fma(vec a, vec b, vec c) { return FC_V(vfmaq)(c, a, b); }
static inline mask v_gt(vec a, vec b) { return FC_V(vcgtq)(a, b); }
static inline mask v_eq(vec a, vec b) { return FC_V(vceqq)(a, b); }
static inline mask v_not_le(vec a, vec b) { return FC_NOT(FC_V(vcleq)(a, b)); }
static inline mask v_ordered(vec a) { return FC_V(vceqq)(a, a); }
static inline mask m_and(mask a, mask b) { return FC_AND(a, b); }
static inline vec v_select(mask m, vec a, vec b) { return FC_V(vbslq)(m, a, b); }
static inline vec v_max(vec a, vec b) { return v_select(v_gt(a, b), a, b); }
static inline vec v_min(vec a, vec b) { return v_select(v_gt(b, a), a, b); }
static inline real v_sum(vec a) { return FC_V(vaddvq)(a); }
static inline void v_zip(vec a, vec b, vec *low, vec *high)
{
    *low = FC_V(vzip1q)(a, b);
    *high = FC_V(vzip2q)(a, b);
}
#undef FC_V
#undef FC_NOT
#undef FC_AND

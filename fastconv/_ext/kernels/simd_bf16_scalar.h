/* simd_bf16_scalar.h: dot products of two bfloat16 in every lane, added to float32.
 *
 * Every simd_bf16_<target>.h defines the names in simd_dot_scalar.h, for `narrow` elements that are
 * the upper halves of float32.  All targets give the bits of the instruction vdpbf16ps, also those
 * that add a product at a time:
 *   d_dot(a, x, w)    a + x[1] * w[1], rounded to float32, then + x[0] * w[0], rounded.
 *   d_narrow          rounds to even; a NaN stays one, a denormal number becomes zero.
 * The float mode treats denormal numbers as zero (float_mode.h), as vdpbf16ps always does. */
#define FC_INTEGER 0
#define FC_DEALS 0
typedef uint16_t narrow;
typedef float weight;
typedef uint16_t packed_weight;
typedef float sums;
typedef struct {
    float low, high;
} factor;

#define FC_TILE_ROWS_1 4
#define FC_TILE_ROWS_2 4
#define FC_TILE_ROWS_3 2
#define FC_TILE_ROWS_4 2

static inline float FC(widened)(narrow x)
{
    const uint32_t bits = (uint32_t)x << 16;
    float value;
    __builtin_memcpy(&value, &bits, 4);
    return value;
}
static inline factor d_broadcast(const narrow *x)
{
    return (factor){FC(widened)(x[0]), FC(widened)(x[1])};
}
static inline factor d_filters(const void *w) { return d_broadcast((const narrow *)w); }
static inline sums d_dot(sums a, factor x, factor w)
{
    return fmaf(x.low, w.low, fmaf(x.high, w.high, a));
}
static inline sums d_load(const void *w) { return *(const float *)w; }
static inline sums d_zero(void) { return 0; }
static inline vec d_real(sums a) { return a; }
static inline vec d_widen(const narrow *x, int64_t n) { return n > 0 ? FC(widened)(*x) : 0.0f; }
static inline sums d_elements(const narrow *x, int64_t n) { return d_widen(x, n); }
static inline sums d_add_products(sums a, sums x, sums w) { return fmaf(x, w, a); }
static inline packed_weight d_pack(weight w) { return fc_narrowed(w); }
static inline void d_narrow(narrow *x, vec a, int64_t n)
{
    if (n > 0)
        *x = fc_narrowed(a);
}

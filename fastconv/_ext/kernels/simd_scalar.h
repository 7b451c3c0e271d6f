/* simd_scalar.h: the baseline target, whose vector is one element.
 * It runs on every machine with a C compiler.
 *
 * Every simd_<target>.h defines, for the element type that FC_DOUBLE selects, `real`, `vec`,
 * `mask`, VL lanes, and the register blocks of the micro-kernels:
 *   FC_PANEL_VECTORS      vectors in a full filter panel
 *   FC_ROWS_<n>           rows of accumulators beside a panel of n vectors
 *   FC_GRADIENT_ROWS_<n>  the same in filter gradients, for n < 3
 *   FC_LISTS_PIXELS       1: filter gradients list every pixel; 0: they list rows of pixels
 *   FC_STORES_PARTS       1: the target has v_store_part
 *   FC_DOT_ROWS           rows of a block of dot products
 *   FC_DEPTHWISE_*        rows (1 or 2), columns, and vectors of channels of a block of a depthwise
 *                         convolution; the vectors should fill a cache line
 * It also defines the operations below.  Conventions that kernels rely on:
 *   v_load_n / v_store_n access exactly n elements, 0 <= n <= VL; the other lanes read as zero.
 *   v_max(a, b) and v_min(a, b) return b if either operand is NaN.
 *   v_zip(a, b, &low, &high) interleaves the lanes of a and b; not defined for this one lane.
 *   v_store_part stores some lanes from the middle; only with FC_STORES_PARTS.
 *   v_load_u8 / v_store_u8 convert VL bytes to and from small integers in lanes.
 *   v_fma(a, b, c) = a*b + c, fused where the hardware fuses.
 *   v_stream stores to an aligned address, with a non-temporal store where the target has one;
 *     other threads may read the result after v_stream_end() and a barrier. */
#if FC_DOUBLE
typedef double real;
#define FC_SQRT __builtin_sqrt
#else
typedef float real;
#define FC_SQRT __builtin_sqrtf
#endif
typedef real vec;
typedef int mask;

#define VL 1
#define FC_PANEL_VECTORS 4
#define FC_ROWS_1 8
#define FC_ROWS_2 6
#define FC_ROWS_3 4
#define FC_ROWS_4 3
#define FC_GRADIENT_ROWS_1 8
#define FC_GRADIENT_ROWS_2 6
#define FC_LISTS_PIXELS 0
#define FC_STORES_PARTS 0
#define FC_DOT_ROWS 2
#define FC_DEPTHWISE_ROWS 1
#define FC_DEPTHWISE_COLUMNS 4
#define FC_DEPTHWISE_VECTORS 1
#define FC_VECTOR_EXP 0

static inline vec v_set1(real a) { return a; }
static inline vec v_load(const real *p) { return *p; }
static inline void v_store(real *p, vec a) { *p = a; }
static inline void v_stream(real *p, vec a) { *p = a; }
static inline void v_stream_end(void) {}
static inline vec v_load_n(const real *p, int64_t n) { return n > 0 ? *p : (real)0; }
static inline void v_store_n(real *p, vec a, int64_t n)
{
    if (n > 0)
        *p = a;
}
static inline vec v_add(vec a, vec b) { return a + b; }
static inline vec v_sub(vec a, vec b) { return a - b; }
static inline vec v_mul(vec a, vec b) { return a * b; }
static inline vec v_div(vec a, vec b) { return a / b; }
static inline vec v_sqrt(vec a) { return FC_SQRT(a); }
static inline vec v_fma(vec a, vec b, vec c) { return a * b + c; }
static inline vec v_max(vec a, vec b) { return a > b ? a : b; }
static inline vec v_min(vec a, vec b) { return a < b ? a : b; }
static inline mask v_gt(vec a, vec b) { return a > b; }
static inline mask v_eq(vec a, vec b) { return a == b; }
static inline mask v_not_le(vec a, vec b) { return !(a <= b); }
static inline mask v_ordered(vec a) { return a == a; }
static inline mask m_and(mask a, mask b) { return a & b; }
static inline vec v_select(mask m, vec a, vec b) { return m ? a : b; }
static inline real v_sum(vec a) { return a; }
static inline vec v_load_u8(const uint8_t *p) { return (real)*p; }
static inline void v_store_u8(uint8_t *p, vec a) { *p = (uint8_t)a; }

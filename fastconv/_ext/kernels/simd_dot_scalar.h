/* simd_dot_scalar.h: dot products of 4 bytes in every lane of a vector, uint8 by int8 into int32.
 *
 * Every simd_dot_<target>.h is read after the simd_<target>.h of float32, whose vectors have as
 * many lanes.  It defines, for one element type,
 *   FC_INTEGER       1: elements and sums are integers, 0: they are real numbers
 *   narrow           an element of x: uint8_t
 *   weight           an element of the filters, and packed_weight in their packed form
 *   sums             VL sums
 *   factor           one side of VL dot products
 *   FC_TILE_ROWS_<n> rows of sums beside a panel of n vectors
 *   FC_DOT_SHIFT     what d_broadcast subtracts from elements of x; sums of w times it are added to
 *                    the initial sums
 *   FC_BYTES         bytes of a `bytes`
 *   FC_MASKED_BYTES  1 if the header has d_load_some and d_store_some, the first n < FC_BYTES bytes
 *   FC_DEALS         1 if the lanes of a full panel are dealt: its columns are blocks of four, and
 *                    block i is in vector i % FC_PANEL_VECTORS, so that d_narrow_dealt interleaves
 *                    the vectors by packing instructions
 * and the operations below.  Conventions that kernels rely on:
 *   d_broadcast(x)     reads 4 bytes of x, and repeats them in every lane.
 *   d_filters(w)       reads 4 bytes for every lane.
 *   d_dot(a, x, w)     a plus the dot products of x and w, exactly, modulo 2^32.
 *   d_pack(w)          one weight as packed_weight.
 *   d_load(w)          reads VL initial sums of 4 bytes each.
 *   d_real(a)          the sums as float32, rounded to even.
 *   d_elements(x, n)   reads n <= VL elements, one in each lane.
 *   d_add_products(a, x, w)   a plus the products of the lanes of x and w, where x is a result of
 *                      d_elements and w are sums within the range of an element of w.
 *   d_widen(x, n)      reads n <= VL elements as float32.
 *   d_narrow(x, a, n)  stores n <= VL elements: a, within the range of narrow, rounded to even.
 *   d_deal(a)          deals the lanes of a panel, or undoes that: it is its own inverse.
 *   d_widen_dealt(x, a, n)        reads the n elements of a panel as dealt float32.
 *   d_narrow_dealt(x, a, low, n)  stores n elements of a dealt panel: a, at most 255, rounded to
 *                      even, at least low, a result of d_set_bytes. */
#define FC_INTEGER 1
typedef uint8_t narrow;
typedef int8_t weight;
typedef int8_t packed_weight;
typedef int32_t sums;
typedef uint32_t factor;
typedef uint8_t bytes;

#define FC_TILE_ROWS_1 8
#define FC_TILE_ROWS_2 6
#define FC_TILE_ROWS_3 4
#define FC_TILE_ROWS_4 3
#define FC_DOT_SHIFT 0
#define FC_BYTES 1
#define FC_DEALS 0
#define FC_MASKED_BYTES 0

static inline factor d_broadcast(const narrow *x)
{
    factor four;
    __builtin_memcpy(&four, x, 4);
    return four;
}
static inline factor d_filters(const void *w) { return d_broadcast((const narrow *)w); }
static inline sums d_dot(sums a, factor x, factor w)
{
    uint32_t sum = (uint32_t)a;
    for (int i = 0; i < 32; i += 8)
        sum += (uint32_t)((int32_t)(x >> i & 255) * (int8_t)(w >> i & 255));
    return (sums)sum;
}
static inline sums d_load(const void *w) { return (sums)d_broadcast((const narrow *)w); }
static inline packed_weight d_pack(weight w) { return w; }
static inline sums d_zero(void) { return 0; }
static inline vec d_real(sums a) { return (vec)a; }
static inline sums d_elements(const narrow *x, int64_t n) { return n > 0 ? *x : 0; }
static inline sums d_add_products(sums a, sums x, sums w) { return a + x * w; }
static inline vec d_widen(const narrow *x, int64_t n) { return n > 0 ? (vec)*x : 0.0f; }
static inline void d_narrow(narrow *x, vec a, int64_t n)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: the sum has no bits for a fraction */
    if (n > 0)
        *x = (narrow)(a + magic - magic);
}
static inline bytes d_load_bytes(const void *p) { return *(const uint8_t *)p; }
static inline void d_store_bytes(void *p, bytes a) { *(uint8_t *)p = a; }
static inline bytes d_max_bytes(bytes a, bytes b) { return a > b ? a : b; }

/* expansion.h: macros that expand the kernel sources to the functions of one target. */
#ifndef FASTCONV_EXPANSION_H
#define FASTCONV_EXPANSION_H

/* An exported network is compiled with a header, FC_USED, that defines FC_USES_<kernel> as 0 or 1:
 * the compiler then leaves out the kernels that the network does not need. */
#ifdef FC_USED
#include FC_USED
#define FC_PICK(name) (FC_USES_##name ? FC(name) : NULL)
#define FC_PICK_UPDATE(name) (FC_USES_updates ? FC(name) : NULL)
#else
#define FC_PICK(name) FC(name)
#define FC_PICK_UPDATE(name) FC(name)
#endif

#define FC_PASTE3(a, b, c) a##b##_##c
#define FC_EXPAND3(a, b, c) FC_PASTE3(a, b, c)
#define FC_STRING2(a) #a
#define FC_STRING(a) FC_STRING2(a)
#define FC_INLINE static inline __attribute__((always_inline))
#define FC_UNROLL _Pragma("GCC unroll 16")
/* Unrolls constant small counts fully, and limits the code size for variable ones. */
#define FC_UNROLL_FEW _Pragma("GCC unroll 4")

/* FC_UPTO(n)(X, NV) expands X(1, NV) X(2, NV) ... X(n, NV). */
#define FC_UPTO_1(X, NV) X(1, NV)
#define FC_UPTO_2(X, NV) FC_UPTO_1(X, NV) X(2, NV)
#define FC_UPTO_3(X, NV) FC_UPTO_2(X, NV) X(3, NV)
#define FC_UPTO_4(X, NV) FC_UPTO_3(X, NV) X(4, NV)
#define FC_UPTO_5(X, NV) FC_UPTO_4(X, NV) X(5, NV)
#define FC_UPTO_6(X, NV) FC_UPTO_5(X, NV) X(6, NV)
#define FC_UPTO_7(X, NV) FC_UPTO_6(X, NV) X(7, NV)
#define FC_UPTO_8(X, NV) FC_UPTO_7(X, NV) X(8, NV)
#define FC_UPTO_9(X, NV) FC_UPTO_8(X, NV) X(9, NV)
#define FC_UPTO_10(X, NV) FC_UPTO_9(X, NV) X(10, NV)
#define FC_UPTO_11(X, NV) FC_UPTO_10(X, NV) X(11, NV)
#define FC_UPTO_12(X, NV) FC_UPTO_11(X, NV) X(12, NV)
#define FC_UPTO_PASTE(n) FC_UPTO_##n
#define FC_UPTO(n) FC_UPTO_PASTE(n)

#endif

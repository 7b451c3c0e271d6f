/* bf16_avx2.c: the kernels of bfloat16, compiled for this target with its compiler flags. */
#define FC_ISA avx2
#define FC_NARROW bf16
#define FC_ISA_HEADER "simd_avx2.h"
#define FC_DOT_HEADER "simd_bf16_avx2.h"
#include "dot_target.inc"

/* bf16_avx512.c: the kernels of bfloat16, compiled for this target with its compiler flags. */
#define FC_ISA avx512
#define FC_NARROW bf16
#define FC_ISA_HEADER "simd_avx512.h"
#define FC_DOT_HEADER "simd_bf16_avx512.h"
#include "dot_target.inc"

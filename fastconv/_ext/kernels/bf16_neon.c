/* bf16_neon.c: the kernels of bfloat16, compiled for this target with its compiler flags. */
#define FC_ISA neon
#define FC_NARROW bf16
#define FC_ISA_HEADER "simd_neon.h"
#define FC_DOT_HEADER "simd_bf16_neon.h"
#include "dot_target.inc"

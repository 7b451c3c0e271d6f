/* bf16_scalar.c: the kernels of bfloat16, compiled for this target with its compiler flags. */
#define FC_ISA scalar
#define FC_NARROW bf16
#define FC_ISA_HEADER "simd_scalar.h"
#define FC_DOT_HEADER "simd_bf16_scalar.h"
#include "dot_target.inc"

/* dot_neon_dotprod.c: the kernels of uint8, compiled for this target with its compiler flags. */
#define FC_ISA neon_dotprod
#define FC_NARROW u8
#define FC_ISA_HEADER "simd_neon.h"
#define FC_DOT_HEADER "simd_dot_neon.h"
#include "dot_target.inc"

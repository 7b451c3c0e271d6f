/* dot_neon_dotprod.c: the kernels of narrow elements of this target, compiled with its flags. */
#define FC_ISA neon_dotprod
#define FC_ISA_HEADER "simd_neon.h"
#define FC_DOT_HEADER "simd_dot_neon.h"
#include "dot_target.inc"

/* dot_scalar.c: the kernels of narrow elements of this target, compiled with its flags. */
#define FC_ISA scalar
#define FC_ISA_HEADER "simd_scalar.h"
#define FC_DOT_HEADER "simd_dot_scalar.h"
#include "dot_target.inc"

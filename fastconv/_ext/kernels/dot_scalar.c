/* dot_scalar.c: the kernels of uint8, compiled for this target with its compiler flags. */
#define FC_ISA scalar
#define FC_NARROW u8
#define FC_ISA_HEADER "simd_scalar.h"
#define FC_DOT_HEADER "simd_dot_scalar.h"
#include "dot_target.inc"

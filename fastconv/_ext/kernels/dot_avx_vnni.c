/* dot_avx_vnni.c: the kernels of uint8, compiled for this target with its compiler flags. */
#define FC_ISA avx_vnni
#define FC_NARROW u8
#define FC_ISA_HEADER "simd_avx2.h"
#define FC_DOT_HEADER "simd_dot_avx2.h"
#include "dot_target.inc"

/* dot_avx512_vnni.c: the kernels of uint8, compiled for this target with its compiler flags. */
#define FC_ISA avx512_vnni
#define FC_NARROW u8
#define FC_ISA_HEADER "simd_avx512.h"
#define FC_DOT_HEADER "simd_dot_avx512.h"
#include "dot_target.inc"

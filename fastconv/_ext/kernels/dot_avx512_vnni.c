/* dot_avx512_vnni.c: the kernels of narrow elements of this target, compiled with its flags. */
#define FC_ISA avx512_vnni
#define FC_ISA_HEADER "simd_avx512.h"
#define FC_DOT_HEADER "simd_dot_avx512.h"
#include "dot_target.inc"

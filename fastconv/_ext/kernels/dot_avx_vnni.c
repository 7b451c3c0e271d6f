/* dot_avx_vnni.c: the kernels of narrow elements of this target, compiled with its flags. */
#define FC_ISA avx_vnni
#define FC_ISA_HEADER "simd_avx2.h"
#define FC_DOT_HEADER "simd_dot_avx2.h"
#include "dot_target.inc"

/* target_avx2.c: every kernel, compiled for this target with the target's compiler flags. */
#define FC_ISA avx2
#define FC_ISA_HEADER "simd_avx2.h"
#include "target.inc"

/* target_avx512.c: every kernel, compiled for this target with the target's compiler flags. */
#define FC_ISA avx512
#define FC_ISA_HEADER "simd_avx512.h"
#include "target.inc"

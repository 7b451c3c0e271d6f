/* target_neon.c: every kernel, compiled for this target with the target's compiler flags. */
#define FC_ISA neon
#define FC_ISA_HEADER "simd_neon.h"
#include "target.inc"

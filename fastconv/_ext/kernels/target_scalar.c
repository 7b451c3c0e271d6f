/* target_scalar.c: every kernel, compiled for this target with the target's compiler flags. */
#define FC_ISA scalar
#define FC_ISA_HEADER "simd_scalar.h"
#include "target.inc"

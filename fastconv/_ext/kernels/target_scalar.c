/* target_scalar.c: every kernel, compiled for this target.  The build gives this file the target's flags. */
#define FC_ISA scalar
#define FC_ISA_HEADER "simd_scalar.h"
#include "target.inc"

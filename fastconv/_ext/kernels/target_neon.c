/* target_neon.c: every kernel, compiled for this target.  The build gives this file the target's flags. */
#define FC_ISA neon
#define FC_ISA_HEADER "simd_neon.h"
#include "target.inc"

/* old_glibc.h: included before every source of a manylinux wheel.
 *
 * glibc 2.27, 2.29, 2.35 and 2.38 gave these functions a second symbol version, which no longer
 * calls a handler of errors that programs of System V could define.  The linker takes the newest
 * version, and the wheel would then need that glibc.  The older version computes the same
 * result. */
#if defined(__x86_64__)
#define FC_OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define FC_OLDEST "GLIBC_2.17"
#else
#error "the oldest version of glibc's symbols is not known for this machine"
#endif

__asm__(".symver exp,exp@" FC_OLDEST);
__asm__(".symver expf,expf@" FC_OLDEST);
__asm__(".symver exp2,exp2@" FC_OLDEST);
__asm__(".symver exp2f,exp2f@" FC_OLDEST);
__asm__(".symver fmod,fmod@" FC_OLDEST);
__asm__(".symver fmodf,fmodf@" FC_OLDEST);
__asm__(".symver hypot,hypot@" FC_OLDEST);
__asm__(".symver hypotf,hypotf@" FC_OLDEST);
__asm__(".symver log,log@" FC_OLDEST);
__asm__(".symver logf,logf@" FC_OLDEST);
__asm__(".symver log2,log2@" FC_OLDEST);
__asm__(".symver log2f,log2f@" FC_OLDEST);
__asm__(".symver pow,pow@" FC_OLDEST);
__asm__(".symver powf,powf@" FC_OLDEST);

/* red_zones.h: memory between the parts of scratch that no kernel may touch.
 *
 * A kernel cuts the scratch of its thread into parts: tables of pointers, gathered rows, sums.
 * AddressSanitizer guards the ends of what malloc returned and sees nothing between parts.  So in a
 * build with it (`make test-sanitizers`) FC_RED_ZONE poisoned bytes lie behind each part.  In all
 * other builds, and in exported networks (FC_USED), whose memory has a fixed size, a zone has no
 * bytes and these functions do nothing. */
#ifndef FASTCONV_RED_ZONES_H
#define FASTCONV_RED_ZONES_H

#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__) && !defined(FC_USED) /* GCC, and Clang from 19 on */
#include <sanitizer/asan_interface.h>

enum { FC_RED_ZONE = 512 }; /* bytes, a multiple of every alignment in use */

/* Every byte of some scratch may be touched again, whatever was there before. */
static inline void fc_open_scratch(void *scratch, int64_t bytes)
{
    __asan_unpoison_memory_region(scratch, (size_t)bytes);
}

/* Ends a part of scratch at `end`; returns where the next part may begin. */
static inline void *fc_end_part(void *end)
{
    __asan_poison_memory_region(end, FC_RED_ZONE);
    return (char *)end + FC_RED_ZONE;
}
#else
enum { FC_RED_ZONE = 0 };
static inline void fc_open_scratch(void *scratch, int64_t bytes) { (void)scratch, (void)bytes; }
static inline void *fc_end_part(void *end) { return end; }
#endif

#endif

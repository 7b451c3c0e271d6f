/* openmp_library.h: the limits of the OpenMP library that runs the parallel regions, and forks.
 *
 * Forks.  A forked child has one thread.  GCC's OpenMP library keeps the threads of a finished
 * parallel region for the next one, separately for each thread that begins regions; after a fork
 * it still expects them, and the first region of the child waits forever.  So the threads of the
 * calling thread end before the fork (omp_pause_resource_all, OpenMP 5.0), and the next region
 * starts new ones, in the parent and in the child.  The OpenMP libraries of LLVM and Intel restore
 * themselves in a child. */
#ifndef FASTCONV_OPENMP_LIBRARY_H
#define FASTCONV_OPENMP_LIBRARY_H

#include <limits.h>
#include <stdint.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* Number of threads that the OpenMP library allows a region of the calling thread: the value of
 * omp_set_num_threads, or the default, and at most OMP_THREAD_LIMIT. */
static inline int fc_openmp_threads(void)
{
#ifdef _OPENMP
    const int most = omp_get_max_threads(), limit = omp_get_thread_limit();
    return most < limit ? most : limit;
#else
    return INT_MAX;
#endif
}

#if defined(_OPENMP) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define FC_OPENMP_OF_GCC
#include <link.h>

/* Other packages bring OpenMP libraries of their own, so two functions may belong to two of them.
 * Weak: old versions lack the second function, those of LLVM and Intel alone have the third. */
extern void GOMP_parallel(void (*)(void *), void *, unsigned, unsigned);
extern void __kmpc_fork_call(void);
#pragma weak __kmpc_fork_call
#if __GNUC__ >= 9
#pragma weak omp_pause_resource_all
#define FC_PAUSE ((uintptr_t)&omp_pause_resource_all)
#else
#define FC_PAUSE 0
#endif

typedef struct {
    uintptr_t address, object; /* `object`: where the library with `address` is loaded */
    int is_found;
} fc_openmp_search;

static int fc_openmp_compare(struct dl_phdr_info *info, size_t size, void *argument)
{
    fc_openmp_search *const search = (fc_openmp_search *)argument;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && search->address >= begin &&
            search->address - begin < info->dlpi_phdr[i].p_memsz) {
            search->object = info->dlpi_addr;
            return search->is_found = 1;
        }
    }
    return 0;
}

/* Whether the library that runs the regions defines the function at `address`. */
static int fc_openmp_defines(uintptr_t address)
{
    fc_openmp_search regions = {(uintptr_t)&GOMP_parallel, 0, 0}, other = {address, 0, 0};
    if (!address)
        return 0;
    dl_iterate_phdr(fc_openmp_compare, &regions);
    dl_iterate_phdr(fc_openmp_compare, &other);
    return regions.is_found && other.is_found && regions.object == other.object;
}
#endif

/* To be called by a thread that is about to fork.  Returns whether regions of that thread work in
 * the child: 0 if the threads cannot be ended, as by versions of the library before GCC 9. */
static inline int fc_openmp_before_fork(void)
{
#ifdef FC_OPENMP_OF_GCC
    if (fc_openmp_defines((uintptr_t)&__kmpc_fork_call))
        return 1;
    if (!fc_openmp_defines(FC_PAUSE))
        return 0;
#if __GNUC__ >= 9
    return omp_pause_resource_all(omp_pause_hard) == 0;
#endif
#endif
    return 1;
}

#endif

/* team.h: how the threads of one parallel region work through a list of ops together.
 *
 * A network is many short loops with a dependency between each and the next.  A parallel region per loop costs microseconds
 * and, when other programs want the same cores, milliseconds: an OpenMP barrier spins long before it
 * lets go of a core.  So a whole program runs in one region, and its threads meet at this barrier, which spins for a few
 * microseconds (the usual wait) and then yields the core until the others arrive.
 *
 * Items of a loop are taken from a shared counter; there are three, used in turn: while the threads are at loop k on counter
 * k mod 3, nobody is at loop k - 2 any more (a barrier lies between), so counter (k + 1) mod 3 can be reset. */
#ifndef FASTCONV_TEAM_H
#define FASTCONV_TEAM_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { FC_TEAM_SPINS = 2000 }; /* some ten microseconds */

typedef struct {
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_int generation;
    struct {
        _Alignas(64) atomic_llong next;
    } counters[3];
} fc_team;

static inline void fc_team_init(fc_team *team)
{
    atomic_init(&team->arrived, 0);
    atomic_init(&team->generation, 0);
    for (int i = 0; i < 3; i++)
        atomic_init(&team->counters[i].next, 0);
}

/* Threads in the region this is called from. */
static inline int fc_team_size(void)
{
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}

/* Returns when all `size` threads have called it; what they wrote before is then visible to all. */
static inline void fc_team_wait(fc_team *team, int size)
{
    const int generation = atomic_load_explicit(&team->generation, memory_order_acquire);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) == size - 1) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->generation, generation + 1, memory_order_release);
        return;
    }
    for (int spins = 0; atomic_load_explicit(&team->generation, memory_order_acquire) == generation; spins++) {
        if (spins >= FC_TEAM_SPINS)
            sched_yield();
#if defined(__x86_64__)
        else
            _mm_pause();
#endif
    }
}

/* The first of the next `chunk` items of loop `loop`. */
static inline int64_t fc_team_take(fc_team *team, int64_t loop, int64_t chunk)
{
    return atomic_fetch_add_explicit(&team->counters[loop % 3].next, chunk, memory_order_relaxed);
}

static inline void fc_team_reset_next(fc_team *team, int64_t loop)
{
    atomic_store_explicit(&team->counters[(loop + 1) % 3].next, 0, memory_order_relaxed);
}

#endif

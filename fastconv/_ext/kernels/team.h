/* team.h: how the threads of one parallel region work through a list of ops together.
 *
 * A network is many short loops with a dependency between each and the next.  A parallel region per loop costs microseconds
 * and, when other programs want the same cores, milliseconds: an OpenMP barrier spins long before it
 * lets go of a core.  So a whole program runs in one region, and its threads meet at this barrier, which spins for a few
 * microseconds (the usual wait) and then yields the core until the others arrive.
 *
 * Of a loop's items each thread first takes those of its own stretch, in order, and then helps out with what others have
 * left.  Items are numbered image by image, so a thread meets the images that it computed in the loop before: their
 * pixels are in its own caches, which matters where cores do not share one.
 *
 * A thread has three counters of the items taken from its stretch, used in turn: while the threads are at loop k on counter
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
    _Alignas(64) atomic_llong taken[3]; /* a cache line for each thread */
} fc_team_counters;

typedef struct {
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_int generation;
    fc_team_counters threads[]; /* as many as the team has */
} fc_team;

static inline int64_t fc_team_bytes(int size)
{
    return (int64_t)sizeof(fc_team) + size * (int64_t)sizeof(fc_team_counters);
}

static inline void fc_team_init(fc_team *team, int size)
{
    atomic_init(&team->arrived, 0);
    atomic_init(&team->generation, 0);
    for (int r = 0; r < size; r++)
        for (int i = 0; i < 3; i++)
            atomic_init(&team->threads[r].taken[i], 0);
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

/* The next items, *begin <= i < *end, at most `chunk` of them, of a loop over `items` that `size` threads share; 0 when
 * all are taken. */
static inline int fc_team_take(fc_team *team, int64_t loop, int64_t items, int64_t chunk, int rank, int size,
                               int64_t *begin, int64_t *end)
{
    for (int i = 0; i < size; i++) {
        const int owner = rank + i < size ? rank + i : rank + i - size;
        const int64_t first = items * owner / size, last = items * (owner + 1) / size;
        atomic_llong *taken = &team->threads[owner].taken[loop % 3];
        if (i && first + atomic_load_explicit(taken, memory_order_relaxed) >= last)
            continue; /* a look costs less than a futile claim */
        *begin = first + atomic_fetch_add_explicit(taken, chunk, memory_order_relaxed);
        *end = *begin + chunk < last ? *begin + chunk : last;
        if (*begin < last)
            return 1;
    }
    return 0;
}

/* To be called by every thread when it comes to loop `loop`. */
static inline void fc_team_reset_next(fc_team *team, int64_t loop, int rank)
{
    atomic_store_explicit(&team->threads[rank].taken[(loop + 1) % 3], 0, memory_order_relaxed);
}

#endif

/* team.h: the barrier and the work stealing of one parallel region that runs a list of ops.
 *
 * A network is many short loops, each of which depends on the one before.  A parallel region per
 * loop costs microseconds, and milliseconds when other programs use the same cores.  So a whole
 * program runs in one region, whose threads synchronize at this barrier: a thread spins for a few
 * microseconds (the usual wait), then sleeps until all threads have arrived.
 *
 * A sleeping thread matters when other programs use the cores.  The operating system moves a
 * runnable thread to a core that is idle; a core on which a thread waits in a loop, even one that
 * yields, is not idle, and the thread that it waits for stays behind another program.
 *
 * The barrier has a generation, which the last thread to arrive increments.  A thread that gives up
 * spinning
 *     1. increments `sleepers`,
 *     2. asks the system to suspend it while `generation` is the old one (a futex: the system
 *        compares and suspends in one step, so a change in between is not missed),
 *     3. decrements `sleepers` once the generation has changed.
 * The last thread to arrive
 *     1. stores the next generation,
 *     2. wakes the sleepers if `sleepers` is not zero, which costs a system call.
 * Each side writes one variable and then reads the other one.  All four accesses are sequentially
 * consistent, so at least one side sees what the other has written: either the last thread sees the
 * sleeper and wakes it, or the sleeper sees the new generation and does not sleep.  With weaker
 * orders both reads could return old values, and the thread would sleep forever.
 *
 * Each thread first takes the items of its own stretch of a loop, in order, and then steals items
 * from the other stretches.  Items are numbered image by image, so a thread processes the images
 * that it processed in the previous loop: their pixels are in its own caches, which matters where
 * cores do not share one.
 *
 * A thread has three counters of the items taken from its stretch, used in rotation: while threads
 * run loop k on counter k mod 3, no thread is still in loop k - 2 (a barrier lies between), so
 * counter (k + 1) mod 3 can be reset. */
#ifndef FASTCONV_TEAM_H
#define FASTCONV_TEAM_H

#include "adaptation.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#if defined(__linux__)
#include <sys/syscall.h>
#else
#include <sched.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef FC_TEAM_SPINS
#define FC_TEAM_SPINS 2000 /* 40 to 100 microseconds on x86, of which a pause takes 20 to 50 ns */
#endif

#if defined(__linux__)
/* Of linux/futex.h, which the headers of musl lack; 128: threads of one process only. */
enum { FC_FUTEX_WAIT = 0 | 128, FC_FUTEX_WAKE = 1 | 128 };
extern long syscall(long, ...); /* unistd.h hides it from strict C11 */
#endif

typedef struct {
    _Alignas(64) atomic_llong taken[3]; /* one cache line per thread */
} fc_team_counters;

typedef struct {
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_int generation;
    atomic_int sleepers; /* on the same line: the thread that changes one reads the other */
    _Alignas(64) int64_t waited; /* ns that thread 0, which alone writes it, slept in barriers */
    int64_t finished;            /* time at which thread 0 had nothing left to do, in ns */
    fc_team_counters threads[];  /* one per thread of the team */
} fc_team;

static inline int64_t fc_team_bytes(int size)
{
    return (int64_t)sizeof(fc_team) + size * (int64_t)sizeof(fc_team_counters);
}

static inline void fc_team_init(fc_team *team, int size)
{
    atomic_init(&team->arrived, 0);
    atomic_init(&team->generation, 0);
    atomic_init(&team->sleepers, 0);
    team->waited = team->finished = 0;
    for (int r = 0; r < size; r++)
        for (int i = 0; i < 3; i++)
            atomic_init(&team->threads[r].taken[i], 0);
}

/* Number of threads in the enclosing parallel region. */
static inline int fc_team_size(void)
{
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}

/* Suspends the calling thread while *word == value.  May return early. */
static inline void fc_team_sleep(atomic_int *word, int value)
{
#if defined(__linux__)
    syscall(SYS_futex, word, FC_FUTEX_WAIT, value, (void *)0);
#else
    (void)word, (void)value;
    sched_yield();
#endif
}

/* Wakes all threads that sleep on `word`. */
static inline void fc_team_wake(atomic_int *word)
{
#if defined(__linux__)
    syscall(SYS_futex, word, FC_FUTEX_WAKE, INT_MAX);
#else
    (void)word;
#endif
}

/* Barrier: returns when all `size` threads have called it; their earlier writes are then visible
 * to all of them. */
static inline void fc_team_wait(fc_team *team, int rank, int size)
{
    const int generation = atomic_load_explicit(&team->generation, memory_order_acquire);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) == size - 1) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->generation, generation + 1, memory_order_seq_cst);
        if (atomic_load_explicit(&team->sleepers, memory_order_seq_cst))
            fc_team_wake(&team->generation);
        return;
    }
    for (int spins = 0; spins < FC_TEAM_SPINS; spins++) {
        if (atomic_load_explicit(&team->generation, memory_order_acquire) != generation)
            return;
#if defined(__x86_64__)
        _mm_pause();
#endif
    }
    const int64_t start = rank == 0 ? fc_now_ns() : 0;
    atomic_fetch_add_explicit(&team->sleepers, 1, memory_order_seq_cst);
    while (atomic_load_explicit(&team->generation, memory_order_seq_cst) == generation)
        fc_team_sleep(&team->generation, generation);
    atomic_fetch_sub_explicit(&team->sleepers, 1, memory_order_relaxed);
    if (rank == 0)
        team->waited += fc_now_ns() - start;
}

/* Thread 0 must call this when it has nothing left to do. */
static inline void fc_team_finish(fc_team *team) { team->finished = fc_now_ns(); }

/* Takes the next items, *begin <= i < *end, at most `chunk` of them, of a loop over `items` that
 * `size` threads share; returns 0 when all are taken. */
static inline int fc_team_take(fc_team *team, int64_t loop, int64_t items, int64_t chunk, int rank,
                               int size, int64_t *begin, int64_t *end)
{
    for (int i = 0; i < size; i++) {
        const int owner = rank + i < size ? rank + i : rank + i - size;
        const int64_t first = items * owner / size, last = items * (owner + 1) / size;
        atomic_llong *taken = &team->threads[owner].taken[loop % 3];
        if (i && first + atomic_load_explicit(taken, memory_order_relaxed) >= last)
            continue; /* a load is cheaper than a futile fetch-add */
        *begin = first + atomic_fetch_add_explicit(taken, chunk, memory_order_relaxed);
        *end = *begin + chunk < last ? *begin + chunk : last;
        if (*begin < last)
            return 1;
    }
    return 0;
}

/* Every thread must call this at the start of loop `loop`. */
static inline void fc_team_reset_next(fc_team *team, int64_t loop, int rank)
{
    atomic_store_explicit(&team->threads[rank].taken[(loop + 1) % 3], 0, memory_order_relaxed);
}

#endif

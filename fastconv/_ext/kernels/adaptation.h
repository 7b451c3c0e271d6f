/* adaptation.h: fewer threads for a program while other programs use the cores.
 *
 * Where other programs want the cores, a second thread may run only when the first one has long
 * waited for it; then one thread alone is faster.  A program does the same work at every run, so
 * the times of its runs can be compared.  They are averaged over windows of at least 20 ms and four
 * runs, or 100 ms.
 *
 *   - If thread 0 has waited for more than a quarter of a window, about half as many threads are
 *     tried during the next window.  They stay if they save an eighth of the time.  A smaller gain
 *     is not worth the risk that the other programs stop meanwhile.
 *   - With fewer threads than allowed, up to twice as many are tried in turn.  They stay if they
 *     save any time.
 *   - After a trial that has failed, the next one comes twice as late: after two windows at first,
 *     in the end after at least 16 of them and 0.6 s.
 *
 * On an idle machine threads wait little, and nothing is ever tried.  Results do not depend on the
 * number of threads. */
#ifndef FASTCONV_ADAPTATION_H
#define FASTCONV_ADAPTATION_H

#include <stdint.h>
#include <time.h>

enum {
    FC_WINDOW_NS = 20000000,
    FC_WINDOW_RUNS = 4,
    FC_LONG_WINDOW_NS = 100000000,
    FC_SHORTEST_PAUSE = 2,
    FC_LONGEST_PAUSE = 16,
    FC_LONGEST_PAUSE_NS = 600000000,
};

/* Zero before the first run. */
typedef struct {
    int most;            /* number of threads that the caller allows */
    int threads;         /* number of threads in use */
    int tried;           /* number of threads in the present window if that is a trial, or 0 */
    int pause;           /* number of windows between two trials */
    int windows;         /* number of windows since the last trial */
    int64_t mean;        /* ns per run with `threads`, in their last window */
    int64_t runs, elapsed, waited; /* of the present window, times in ns */
} fc_adaptation;

static inline int64_t fc_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Number of threads for the next run, at most `most`. */
static inline int fc_adapted_threads(fc_adaptation *a, int most)
{
    if (a->most != most)
        *a = (fc_adaptation){.most = most, .threads = most, .pause = FC_SHORTEST_PAUSE};
    return a->tried ? a->tried : a->threads;
}

static inline void fc_end_trial(fc_adaptation *a, int64_t mean)
{
    const int64_t needed = a->tried < a->threads ? a->mean - a->mean / 8 : a->mean;
    if (mean < needed) {
        a->threads = a->tried;
        a->mean = mean;
        a->pause = FC_SHORTEST_PAUSE;
    } else if (a->pause < FC_LONGEST_PAUSE || a->pause * a->elapsed < FC_LONGEST_PAUSE_NS)
        a->pause *= 2;
    a->windows = 0;
    a->tried = 0;
}

static inline void fc_begin_trial(fc_adaptation *a)
{
    if (a->threads > 1 && a->waited > a->elapsed / 4)
        a->tried = (a->threads + 1) / 2;
    else if (a->threads < a->most)
        a->tried = a->threads < a->most / 2 ? 2 * a->threads : a->most;
}

/* Accounts for a run that took `elapsed` ns, of which thread 0 waited `waited` for others. */
static inline void fc_adapt(fc_adaptation *a, int64_t elapsed, int64_t waited)
{
    a->runs++;
    a->elapsed += elapsed;
    a->waited += waited;
    if (a->elapsed < FC_WINDOW_NS ||
        (a->runs < FC_WINDOW_RUNS && a->elapsed < FC_LONG_WINDOW_NS))
        return;
    const int64_t mean = a->elapsed / a->runs;
    if (a->tried)
        fc_end_trial(a, mean);
    else {
        a->mean = mean;
        if (++a->windows >= a->pause)
            fc_begin_trial(a);
    }
    a->runs = a->elapsed = a->waited = 0;
}

#endif

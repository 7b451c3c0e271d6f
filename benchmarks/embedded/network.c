/* network.c: an exported network `net` on the threads of OpenMP, for a Python program to load. */
#include "net.h"

#include <omp.h>
#include <stddef.h>

int64_t arena_bytes(void) { return NET_ARENA_BYTES; }

/* weights: the content of net.bin, if there is one.  Returns NULL, or an error. */
const char *prepare(void *arena, const void *weights)
{
#ifdef NET_WEIGHTS_BYTES
    const int status = net_init(arena, weights);
#else
    const int status = net_init(arena);
    (void)weights;
#endif
    return status ? net_message(status) : NULL;
}

static void on_all_threads(void *context, void (*task)(void *, int, int), void *argument, int size)
{
    (void)context;
#pragma omp parallel num_threads(size)
    task(argument, omp_get_thread_num(), omp_get_num_threads());
}

void compute(void *arena, const float *x, float *y)
{
    net_run_parallel(arena, x, y, on_all_threads, NULL);
}

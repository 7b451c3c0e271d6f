/* openmp_on_pthreads.c: the part of GCC's OpenMP library that fastconv calls, on POSIX threads.
 *
 * ThreadSanitizer cannot see into libgomp, which is built without it and synchronizes by system
 * calls: it would report a race for every hand-over between threads.  Preloaded, this library
 * takes its place; creation and end of POSIX threads are events that ThreadSanitizer knows.
 * All other synchronization of a parallel region is fastconv's own (kernels/team.h), which
 * these runs check. */
#include <pthread.h>
#include <stdlib.h>

static __thread int rank, size = 1;

typedef struct {
    void (*body)(void *);
    void *data;
    int rank, size;
} member;

static void *run_member(void *argument)
{
    const member *const m = argument;
    rank = m->rank;
    size = m->size;
    m->body(m->data);
    rank = 0;
    size = 1;
    return NULL;
}

/* What `#pragma omp parallel num_threads(threads)` becomes. */
void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags)
{
    (void)flags;
    const int count = threads ? (int)threads : 1;
    member *const members = calloc((size_t)count, sizeof *members);
    pthread_t *const ids = calloc((size_t)count, sizeof *ids);
    if (!members || !ids)
        abort();
    for (int i = 0; i < count; i++)
        members[i] = (member){body, data, i, count};
    for (int i = 1; i < count; i++)
        if (pthread_create(&ids[i], NULL, run_member, &members[i]))
            abort();
    run_member(&members[0]);
    for (int i = 1; i < count; i++)
        pthread_join(ids[i], NULL);
    free(ids);
    free(members);
}

int omp_get_thread_num(void) { return rank; }
int omp_get_num_threads(void) { return size; }
int omp_get_max_threads(void) { return 1; }
int omp_get_thread_limit(void) { return 1; }

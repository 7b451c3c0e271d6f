/* team_barrier.c: threads that work for random times between barriers (kernels/team.h).
 *
 *     team_barrier THREADS GENERATIONS SEED
 *
 * Before each barrier a thread writes the generation into a plain variable of its own; after it,
 * the thread reads those of all others.  A barrier that opens early leaves an old value there, and
 * ThreadSanitizer sees the missing order; a wake-up that is lost leaves the program waiting.
 * Compiled with FC_TEAM_SPINS 0, every thread that does not arrive last goes to sleep. */
#include "team.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_THREADS = 16 };

static fc_team *team;
static int size;
static long generations;
static unsigned long seed;
static struct {
    _Alignas(64) long generation[2]; /* in turn: a fast thread is one generation ahead */
} seen[MOST_THREADS];
static atomic_int wrong;

static void delay(unsigned long *random)
{
    *random = *random * 6364136223846793005ul + 1442695040888963407ul;
    const unsigned draw = (unsigned)(*random >> 40);
    const struct timespec pause = {0, draw % 50000}; /* longer than the spins of a barrier */
    if (draw % 8 == 0)
        nanosleep(&pause, NULL);
    else if (draw % 8 < 4)
        for (volatile unsigned i = 0; i < draw % 3000;)
            i = i + 1;
}

static void *work(void *argument)
{
    const int rank = (int)(intptr_t)argument;
    unsigned long random = seed + (unsigned long)rank * 7919;
    for (long g = 1; g <= generations; g++) {
        delay(&random);
        seen[rank].generation[g % 2] = g;
        fc_team_wait(team, rank, size);
        for (int i = 0; i < size; i++)
            if (seen[i].generation[g % 2] != g)
                atomic_fetch_add(&wrong, 1);
    }
    return NULL;
}

int main(int count, char **values)
{
    if (count != 4)
        return 2;
    size = atoi(values[1]);
    generations = atol(values[2]);
    seed = strtoul(values[3], NULL, 10);
    if (size < 1 || size > MOST_THREADS)
        return 2;
    team = aligned_alloc(64, (size_t)fc_team_bytes(size));
    if (!team)
        return 2;
    fc_team_init(team, size);
    pthread_t threads[MOST_THREADS];
    for (intptr_t i = 0; i < size; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i))
            return 2;
    for (int i = 0; i < size; i++)
        pthread_join(threads[i], NULL);
    printf("%d generations, %d sleepers, %d wrong\n", atomic_load(&team->generation),
           atomic_load(&team->sleepers), atomic_load(&wrong));
    free(team);
    return 0;
}

/* first.c: prints the microseconds from exec to the end of the first inference of a network. */
#define _POSIX_C_SOURCE 200809L
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static _Alignas(64) char arena[NET_ARENA_BYTES];
static float x[NET_INPUT_SIZE], y[NET_OUTPUT_SIZE];

static double microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc < 2) { /* begin again, with the time */
        char start[40];
        snprintf(start, sizeof start, "%.3f", microseconds());
        execl(argv[0], argv[0], start, (char *)NULL);
        return 1;
    }
    if (net_init(arena))
        return 1;
    net_run(arena, x, y);
    printf("%.3f\n", microseconds() - atof(argv[1]));
    return 0;
}

/* adaptation.c: which numbers of threads a program chooses (kernels/adaptation.h), in virtual time.
 *
 *     adaptation MOST < phases
 *
 * A line of the input is a phase: its duration in ms, then for 1, 2, ... MOST threads the time of a
 * run in microseconds and the percentage of it that thread 0 waits.  For each phase the program
 * prints the share of time spent with each number of threads, in percent. */
#include "adaptation.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST = 64 };

int main(int count, char **values)
{
    const int most = count == 2 ? atoi(values[1]) : 0;
    if (most < 1 || most > MOST)
        return 2;
    fc_adaptation adaptation = {0};
    int64_t now = 0;
    long duration;
    while (scanf("%ld", &duration) == 1) {
        long run[MOST + 1], waited[MOST + 1];
        int64_t spent[MOST + 1] = {0};
        for (int i = 1; i <= most; i++)
            if (scanf("%ld %ld", &run[i], &waited[i]) != 2)
                return 2;
        const int64_t start = now, end = now + duration * 1000000;
        while (now < end) {
            const int threads = fc_adapted_threads(&adaptation, most);
            const int64_t elapsed = run[threads] * 1000;
            now += elapsed;
            spent[threads] += elapsed;
            fc_adapt(&adaptation, elapsed, elapsed * waited[threads] / 100);
        }
        for (int i = 1; i <= most; i++)
            printf("%ld%c", (long)(spent[i] * 100 / (now - start)), i < most ? ' ' : '\n');
    }
    return 0;
}

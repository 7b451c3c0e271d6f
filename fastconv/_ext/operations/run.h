/* run.h: what an operation is, and the loop that runs a list of them on a team of threads.
 *
 * An op is one operation of a network, bound to its arrays: one or more loops ("phases") over
 * independent items, each of which needs the previous one to be complete.  All ops begin with the
 * struct fc_op; a table of functions (fc_op_kind) says how they divide and compute.
 *
 *     fc_team_for     the number of threads that the work pays for: all of those allowed, or 1
 *     fc_size_run     partitions the ops for a number of threads; returns the bytes of workspace
 *     fc_begin_run    binds them to a workspace
 *     fc_run_member   runs all of them on one thread of the team, which must call it once
 *
 * The caller decides what the threads are: a parallel region of OpenMP (_program.pyx), threads of
 * its own, or the calling thread alone.  It may provide fewer threads than fc_size_run has asked
 * for, but all of those it provides must run at the same time, because they wait for each other at
 * a barrier (kernels/team.h).  No result depends on which thread computes an item.  Nothing here
 * allocates memory. */
#ifndef FASTCONV_RUN_H
#define FASTCONV_RUN_H

#include "../kernels/fastconv_kernels.h"
#include "../kernels/team.h"
#include "../schedule/red_zones.h"
#include "../schedule/schedule.h"

/* Units of work are floating-point operations, or bytes moved in cache; a core does about 100,000
 * per microsecond.  The costs are times of small networks, measured with benchmarks.networks and
 * benchmarks.scaling. */
enum {
    FC_BARRIER_COST = 5000,           /* one barrier, per thread, in units of work */
    FC_PARALLEL_REGION_COST = 100000, /* one parallel region, in units of work */
    FC_BRIEF_WORK = 300000,           /* most work of a brief phase of one thread: 3 us */
};

typedef struct fc_op fc_op;

/* The functions of one kind of op.  Only phase_items and phase_item must be there. */
typedef struct {
    /* Partitions the phases into enough items for `threads` threads, and sets the size of the
     * scratch memory.  This changes which thread computes an item, and never the order of a sum. */
    void (*fit)(fc_op *, int threads);
    /* Called once per run, before any op runs; the op's `shared_bytes` begin at `workspace`. */
    void (*begin)(fc_op *, char *workspace);
    int64_t (*phase_items)(const fc_op *, int phase);
    /* Whether every thread runs all items of a phase, in its own scratch, without a barrier. */
    int (*is_apart)(const fc_op *, int phase);
    void (*phase_item)(const fc_op *, int phase, int64_t item, char *workspace, char *scratch);
    /* Called by one thread after the last phase; others may already overwrite scratch. */
    void (*end)(fc_op *);
    /* Sets the location of the packed filters, for ops that pack any (filters.c). */
    void (*place_filters)(fc_op *, char *memory);
} fc_op_kind;

struct fc_op {
    const fc_op_kind *kind;
    const fc_table *table; /* the kernels for the arrays' element type */
    fc_target target;      /* read by the schedules of ops that have variants */
    double work;           /* floating-point operations or bytes */
    int phases;
    int64_t shared_bytes, scratch_bytes; /* scratch for the op, and for each thread */
    int fitted;            /* number of threads that the items are partitioned for */
    int threads;           /* number of threads in the present run */
};

/* One run of `count` ops. */
typedef struct {
    fc_op *const *ops;
    int64_t count;
    int threads;         /* number of threads that the run needs: at most those asked for */
    int flushes_denormals;
    fc_team *team;       /* at the start of the workspace */
    char *memory;        /* the scratch memory after it */
} fc_run;

#endif

/* filters.h: what the ops that pack filters share (filters.c). */
#ifndef FASTCONV_FILTERS_H
#define FASTCONV_FILTERS_H

#include "operations.h"

#include "../schedule/axis.h"

/* Up to this size and number of threads, every thread packs its own copy of the filters. */
enum {
    FC_OWN_FILTERS_BYTES = 512 * 1024, /* half of the L2 of common cores */
    FC_OWN_FILTERS_THREADS = 8,        /* with more threads, sharing the packing takes less time */
};

/* Members of fc_op_kind. */
void fc_filters_begin(fc_op *, char *workspace);
void fc_filters_end(fc_op *);
int fc_filters_apart(const fc_op *, int phase);

/* Must be called at the end of `fit`.  With `packs_apart`, scratch begins with packed filters. */
void fc_lay_out_filters(fc_filter_op *, int threads);

/* Sets the sizes of the packed filters and of shared scratch at fc_other_memory. */
void fc_need_filters(fc_filter_op *, int64_t bytes, int64_t other_bytes);

/* With `packs_apart`: the thread's own packed filters, behind which its scratch begins. */
char *fc_own_filters(const fc_filter_op *, char **scratch);
char *fc_other_memory(const fc_filter_op *, char *workspace);

#endif

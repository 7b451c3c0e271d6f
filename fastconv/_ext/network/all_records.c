/* all_records.c: networks of all kinds of records, for Python and for files.  An exported network
 * names its own builders instead, and does not link this. */
#include "network.h"

#define FC_BUILDER(name) fc_build_##name,
static const fc_build builders[FC_RECORD_KINDS] = {FC_RECORDS(FC_BUILDER)};

static int build(void *memory, const int64_t *program, int64_t words, const void *weights,
                 void *state, const fc_table *table, int threads, int64_t *bytes)
{
    return fc_network_build(memory, program, words, builders, weights, state, table, threads,
                            bytes);
}

const fc_network_functions fc_networks = {fc_network_head_bytes, build, fc_network_run,
                                           fc_network_invalidate};

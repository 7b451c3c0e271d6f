/* network.h: a whole network as data, which runs without Python.
 *
 * A *program* is an array of 64-bit words that `fastconv.export` writes: the sizes of the memory,
 * the arrays that are the network's inputs and outputs, and one *record* per operation, with the
 * sizes and numbers that describe it, and references to its arrays.  Nothing in it depends on an
 * instruction set: fc_network_build chooses algorithms and schedules on the machine that runs it,
 * as Python does, so the results have the same bits.
 *
 *     words                  FC_WORD_*, then (reference, bytes) of every input and output,
 *                            then the records
 *     record                 kind, number of arrays, of integers, of reals, then these
 *     reference              FC_IN_VALUES(offset) or FC_IN_WEIGHTS(offset), or FC_NO_ARRAY
 *
 * The memory of a network is one block that the caller provides:
 *
 *     | fc_network | ops, lists | values | packed filters | workspace of a run |
 *
 * The weights are read where they are, and never written.  Nothing here allocates memory, reads
 * files, or ends the process.  A program may come from a file: every reference and every size that
 * memory depends on is checked. */
#ifndef FASTCONV_NETWORK_H
#define FASTCONV_NETWORK_H

#include "../operations/operations.h"

#define FC_NETWORK_MAGIC INT64_C(0x01000074656e6366) /* the bytes "fcnet", 0, 0 and version 1 */

enum {
    FC_WORD_MAGIC,
    FC_WORD_WORDS,        /* of the program */
    FC_WORD_ELEMENT_SIZE, /* 4 or 8 bytes */
    FC_WORD_BATCH,
    FC_WORD_VALUES,       /* bytes */
    FC_WORD_WEIGHTS,      /* bytes */
    FC_WORD_INPUTS,       /* number */
    FC_WORD_OUTPUTS,      /* number */
    FC_WORD_RECORDS,      /* number */
    FC_WORDS
};

#define FC_IN_VALUES(offset) (2 * (int64_t)(offset))
#define FC_IN_WEIGHTS(offset) (2 * (int64_t)(offset) + 1)
#define FC_NO_ARRAY INT64_C(-1)

/* The kinds of records, by the names of their builders: X(name). */
#define FC_RECORDS(X) \
    X(convolution) X(dense) X(max_pool) X(average_pool) X(activation) X(softmax) X(merge) \
    X(concatenate) X(repeat) X(resample) X(transpose) X(scale_shift) X(column_sums) \
    X(column_max) X(frozen_norm) X(folded_norm) X(row_norm) X(response_norm) X(prelu) X(chain)

#define FC_RECORD(name) FC_RECORD_##name,
enum { FC_RECORDS(FC_RECORD) FC_RECORD_KINDS };
#undef FC_RECORD

typedef struct fc_builder fc_builder; /* the state of fc_network_build */
typedef fc_op *(*fc_build)(fc_builder *);

/* One builder per kind of record.  A program needs only those of its records, so that a linker can
 * leave out the others. */
#define FC_BUILD(name) fc_op *fc_build_##name(fc_builder *);
FC_RECORDS(FC_BUILD)
#undef FC_BUILD

enum { FC_NETWORK_OK, FC_NETWORK_DAMAGED, FC_NETWORK_UNKNOWN_RECORD, FC_NETWORK_NEEDS_MEMORY };

/* Calls task(argument, rank, size) for every rank from 0 to size - 1, on threads that run at the
 * same time, and returns when all have returned.  `size` may be smaller than asked for. */
typedef void (*fc_task)(void *argument, int rank, int size);
typedef void (*fc_parallel)(void *context, fc_task, void *argument, int size);

typedef struct {
    fc_run run;
    fc_op **ops;
    int64_t count, batch, bytes; /* bytes: of the whole memory */
    char *values, *workspace;
    const int64_t *ends;         /* (reference, bytes) of every input, then of every output */
    int inputs, outputs, threads;
} fc_network;

/* The bytes at the beginning of the memory that fc_network_build writes; 0 if the words are not
 * a program. */
int64_t fc_network_head_bytes(const int64_t *program, int64_t words);

/* Builds the ops of a program in `memory` (64-byte aligned, at least fc_network_head_bytes of it)
 * for at most `threads` threads; `builders` has FC_RECORD_KINDS entries, NULL for kinds that do not
 * occur.  *bytes becomes the size of the memory that running it needs. */
int fc_network_build(void *memory, const int64_t *program, int64_t words, const fc_build *builders,
                     const void *weights, const fc_table *, int threads, int64_t *bytes);

/* Runs a network once, on the calling thread or, unless `parallel` is NULL, on several. `x` and `y`
 * are one array per input and output, of the bytes in `ends`. */
void fc_network_run(fc_network *, const void *const *x, void *const *y, fc_parallel parallel,
                    void *context);

/* The same for programs of any records (all_records.c), by pointers that other modules can call. */
typedef struct {
    int64_t (*head_bytes)(const int64_t *program, int64_t words);
    int (*build)(void *memory, const int64_t *program, int64_t words, const void *weights,
                 const fc_table *, int threads, int64_t *bytes);
    void (*run)(fc_network *, const void *const *x, void *const *y, fc_parallel, void *context);
} fc_network_functions;
extern const fc_network_functions fc_networks;

/* ---- for builders (records.c) ---- */

struct fc_builder {
    const fc_table *table;
    char *head, *head_end;  /* memory for ops and lists */
    char *values;
    const char *weights;
    int64_t values_bytes, weights_bytes;
    int64_t filter_bytes;   /* of all ops so far */
    const int64_t *arrays, *integers, *reals; /* of the record */
    int64_t array_count, integer_count, real_count;
    int status;
};

/* Memory for an op or a list; NULL, and a status, if there is none left. */
void *fc_take(fc_builder *, int64_t bytes);
/* Whether number `index` of the arrays of the record is not left out. */
int fc_has_array(const fc_builder *, int64_t index);
/* That array, which must be there and have `bytes`; a written one must be in the values. */
const void *fc_read_array(fc_builder *, int64_t index, int64_t bytes);
void *fc_written_array(fc_builder *, int64_t index, int64_t bytes);
/* Number `index` of the integers, at least `least` and at most `most`; of the reals. */
int64_t fc_integer(fc_builder *, int64_t index, int64_t least, int64_t most);
double fc_real(fc_builder *, int64_t index);
/* The product of `count` sizes; a status if one is negative or the product is too large. */
int64_t fc_product(fc_builder *, const int64_t *sizes, int count);

#endif

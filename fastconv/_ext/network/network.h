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
 *     reference              4 * offset + FC_IN_VALUES, FC_IN_WEIGHTS or FC_IN_STATE;
 *                            or FC_NO_ARRAY
 *
 * Arrays are in three blocks.  The values are memory of a run.  The weights are read where they
 * are, and never written.  The state is written by programs that train, whose last records are the
 * updates of an optimizer: it holds trained weights, slots and moving averages, and is shared by
 * the programs for inference and for training of one network.
 *
 * The memory of a network is one block that the caller provides:
 *
 *     | fc_network | ops, lists | values | packed filters | workspace of a run |
 *
 * Nothing here allocates memory, reads files, or ends the process.  A program may come from a file:
 * every reference and every size that memory depends on is checked. */
#ifndef FASTCONV_NETWORK_H
#define FASTCONV_NETWORK_H

#include "../operations/operations.h"

#define FC_NETWORK_MAGIC INT64_C(0x03000074656e6366) /* the bytes "fcnet", 0, 0 and version 3 */

enum {
    FC_WORD_MAGIC,
    FC_WORD_WORDS,        /* of the program */
    FC_WORD_ELEMENT_SIZE, /* 4 or 8 bytes */
    FC_WORD_BATCH,
    FC_WORD_VALUES,       /* bytes */
    FC_WORD_WEIGHTS,      /* bytes */
    FC_WORD_STATE,        /* bytes */
    FC_WORD_TRAINS,       /* 1: the state changes, so filters are packed in every run */
    FC_WORD_PARTS,        /* number of parts of all convolution_input records */
    FC_WORD_INPUTS,       /* number */
    FC_WORD_OUTPUTS,      /* number */
    FC_WORD_RECORDS,      /* number */
    FC_WORDS
};

enum { FC_IN_VALUES, FC_IN_WEIGHTS, FC_IN_STATE, FC_BLOCKS = 4 };
#define FC_NO_ARRAY INT64_C(-1)

/* The kinds of records, by the names of their builders: X(name). */
#define FC_RECORDS(X) \
    X(convolution) X(dense) X(max_pool) X(average_pool) X(activation) X(softmax) X(merge) \
    X(concatenate) X(repeat) X(resample) X(transpose) X(scale_shift) X(column_sums) \
    X(column_max) X(frozen_norm) X(folded_norm) X(row_norm) X(response_norm) X(prelu) X(chain) \
    X(recurrent) \
    /* gradients */ \
    X(convolution_input) X(convolution_kernel) X(dense_input) X(dense_kernel) \
    X(max_pool_input) X(average_pool_input) X(activation_input) X(softmax_input) X(merge_input) \
    X(scale) X(split) X(repeat_input) X(column_max_input) X(channel_norm) X(channel_norm_input) \
    X(frozen_norm_input) X(row_norm_input) X(response_norm_input) X(prelu_input) \
    X(recurrent_input) \
    /* training */ \
    X(dropout) X(dropout_input) X(gaussian) X(masked) X(loss) X(total_loss) X(penalty) X(step) \
    X(update) X(dense_update) X(limit_norms)

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

/* The numbers of an optimizer, doubles in the state, which the record "step" names. */
enum {
    FC_SETTING_STEPS,         /* steps so far */
    FC_SETTING_RATE,          /* learning rate */
    FC_SETTING_DRAWS,         /* number of the next random draws */
    FC_SETTING_DECAY,         /* weight decay */
    FC_SETTING_AVERAGE,       /* momentum of the moving average of the weights */
    FC_SETTING_AVERAGE_EVERY, /* steps between its assignments to the weights; 0: never */
    FC_SETTING_PRODUCT,       /* Nadam: the product of the momenta of all steps */
    FC_SETTING_RULE,          /* up to five constants of the rule */
    FC_SETTINGS = FC_SETTING_RULE + 5
};

/* A setting that counts, as an integer; 0 if it is none. */
static inline uint64_t fc_count_of(double setting)
{
    return setting >= 0 && setting < 9007199254740992.0 ? (uint64_t)setting : 0;
}

/* An op whose random draws are numbered by the steps. */
typedef struct fc_random {
    uint64_t *draws;
    uint64_t ahead; /* added to the number of the draw */
    struct fc_random *next;
} fc_random;

typedef struct {
    fc_run run;
    fc_op **ops;
    int64_t count, batch, bytes; /* bytes: of the whole memory */
    char *values, *state, *workspace;
    const int64_t *ends;         /* (reference, bytes) of every input, then of every output */
    int inputs, outputs, threads;
    double *settings;            /* of a program that trains */
    int64_t unclear;             /* bytes of values that the first run sets to zero */
    fc_random *random;
} fc_network;

/* The bytes at the beginning of the memory that fc_network_build writes; 0 if the words are not
 * a program. */
int64_t fc_network_head_bytes(const int64_t *program, int64_t words);

/* Builds the ops of a program in `memory` (64-byte aligned, at least fc_network_head_bytes of it)
 * for at most `threads` threads; `builders` has FC_RECORD_KINDS entries, NULL for kinds that do not
 * occur.  *bytes becomes the size of the memory that running it needs. */
int fc_network_build(void *memory, const int64_t *program, int64_t words, const fc_build *builders,
                     const void *weights, void *state, const fc_table *, int threads,
                     int64_t *bytes);

/* Runs a network once, on the calling thread or, unless `parallel` is NULL, on several. `x` and `y`
 * are one array per input and output, of the bytes in `ends`. */
void fc_network_run(fc_network *, const void *const *x, void *const *y, fc_parallel parallel,
                    void *context);

/* The parts of a run around its ops, for callers with threads of another kind, which then run
 * n->run: copy the inputs and size the run for at most `threads`; copy the outputs. */
void fc_network_begin(fc_network *, const void *const *x, int threads);
void fc_network_end(fc_network *, void *const *y);

/* Packs the filters again at the next run, because the state has changed. */
void fc_network_invalidate(fc_network *);

/* The same for programs of any records (all_records.c), by pointers that other modules can call. */
typedef struct {
    int64_t (*head_bytes)(const int64_t *program, int64_t words);
    int (*build)(void *memory, const int64_t *program, int64_t words, const void *weights,
                 void *state, const fc_table *, int threads, int64_t *bytes);
    void (*run)(fc_network *, const void *const *x, void *const *y, fc_parallel, void *context);
    void (*invalidate)(fc_network *);
} fc_network_functions;
extern const fc_network_functions fc_networks;

/* ---- for builders (builders.h) ---- */

struct fc_builder {
    const fc_table *table;
    char *head, *head_end;  /* memory for ops and lists */
    char *blocks[FC_BLOCKS]; /* FC_IN_*; the weights are not written */
    int64_t block_bytes[FC_BLOCKS];
    double *settings;
    fc_random *random;
    const int64_t *arrays, *integers, *reals; /* of the record */
    int64_t array_count, integer_count, real_count;
    int status;
};

/* Memory for an op or a list; NULL, and a status, if there is none left. */
void *fc_take(fc_builder *, int64_t bytes);
/* Whether number `index` of the arrays of the record is not left out. */
int fc_has_array(const fc_builder *, int64_t index);
/* That array, which must be there and have `bytes`; a written one must not be in the weights, a
 * constant one, of which memory depends, must be. */
const void *fc_read_array(fc_builder *, int64_t index, int64_t bytes);
void *fc_written_array(fc_builder *, int64_t index, int64_t bytes);
const void *fc_constant_array(fc_builder *, int64_t index, int64_t bytes);
/* One of 64-bit numbers that is only read. */
const void *fc_read_words(fc_builder *, int64_t index, int64_t count);
/* An array of doubles, in the values or the state. */
double *fc_double_array(fc_builder *, int64_t index, int64_t count);
/* Number `index` of the integers, at least `least` and at most `most`; of the reals. */
int64_t fc_integer(fc_builder *, int64_t index, int64_t least, int64_t most);
double fc_real(fc_builder *, int64_t index);
/* The product of `count` sizes; a status if one is negative or the product is too large. */
int64_t fc_product(fc_builder *, const int64_t *sizes, int count);

#endif

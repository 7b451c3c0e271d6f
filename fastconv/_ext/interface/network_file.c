/* network_file.c: whole networks from files.
 *
 * A file, which `fastconv.export.network_file` writes, consists of little-endian 64-bit words, then
 * two blocks of bytes:
 *
 *     FILE_*                 magic, version and sizes
 *     two programs           number of words; then two times (inputs, outputs): the ends
 *     ends                   dtype, rank, eight sizes, for all inputs and outputs of both programs
 *     words                  of both programs (network/network.h): inference, then training
 *     weights, state         each at a multiple of 64 bytes
 *
 * The file is read into one block of memory, where training changes the state, so that saving it
 * means to write that block.  Nothing in a file is trusted: the programs are checked when they are
 * built, and everything else here. */
#include "../network/network.h"
#include "interface.h"

#include "../schedule/axis.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAGIC INT64_C(0x74656e7473616620) /* the bytes " fastnet" */

enum {
    FILE_MAGIC_WORD, FILE_VERSION, FILE_BYTES, FILE_WEIGHTS, FILE_WEIGHTS_BYTES, FILE_STATE,
    FILE_STATE_BYTES,
    FILE_PROGRAMS,                     /* words of the inference, of the training (0: none) */
    FILE_ENDS = FILE_PROGRAMS + 2,     /* inputs and outputs of the inference, of the training */
    FILE_HEAD = FILE_ENDS + 4,
    VERSION = 1,
    END_DTYPE = 0, END_RANK, END_SHAPE, END_WORDS = END_SHAPE + 8,
    MOST_ENDS = 1024,
    MOST_THREADS = 4096
};

typedef struct {
    const int64_t *words;
    int64_t count;
    const int64_t *ends; /* END_WORDS words of every input, then of every output */
    int inputs, outputs;
    fc_network *network; /* NULL: none */
} program;

struct fastconv_network {
    fastconv_network_options options;
    char *file;
    int64_t bytes, memory_bytes;
    program inference, training;
    char *padded;        /* inputs and outputs of a whole batch */
    const void **inputs; /* arrays of the present batch: inputs of either program */
    void **outputs;
};

/* ---- opening ---- */

static int64_t element_bytes(int64_t dtype) { return dtype == FASTCONV_FLOAT32 ? 4 : 8; }

/* The bytes of an input or output; 0 if its description is damaged. */
static int64_t end_bytes(const int64_t *end)
{
    int64_t bytes = element_bytes(end[END_DTYPE]);
    if (end[END_DTYPE] < 0 || end[END_DTYPE] > FASTCONV_INT64 || end[END_RANK] < 1 ||
        end[END_RANK] > END_WORDS - END_SHAPE)
        return 0;
    for (int64_t i = 0; i < end[END_RANK]; i++) {
        const int64_t size = end[END_SHAPE + i];
        if (size < 1 || bytes > INT64_MAX / size)
            return 0;
        bytes *= size;
    }
    return bytes;
}

/* Whether the ends of a built program have the sizes that the file describes, and its batch. */
static int ends_match(const program *p)
{
    const fc_network *n = p->network;
    if (n->inputs != p->inputs || n->outputs != p->outputs || n->batch < 1)
        return 0;
    for (int i = 0; i < p->inputs + p->outputs; i++)
        if (end_bytes(p->ends + i * END_WORDS) != n->ends[2 * i + 1])
            return 0;
    return 1;
}

/* Whether every end of a program begins with the batch. */
static int ends_have_batch(const program *p, int count)
{
    for (int i = 0; i < count; i++)
        if (p->ends[i * END_WORDS + END_SHAPE] != p->network->batch)
            return 0;
    return 1;
}

/* The bytes of an array of one sample. */
static int64_t sample_bytes(const program *p, int index)
{
    return p->network->ends[2 * index + 1] / p->network->batch;
}

/* Finds the parts of a file; nonzero if they fit into it. */
static int find_parts(fastconv_network *net)
{
    const int64_t *words = (const int64_t *)(void *)net->file, count = net->bytes / 8;
    if (count < FILE_HEAD || words[FILE_MAGIC_WORD] != FILE_MAGIC ||
        words[FILE_VERSION] != VERSION || words[FILE_BYTES] != net->bytes)
        return 0;
    for (int i = FILE_WEIGHTS; i < FILE_HEAD; i++)
        if (words[i] < 0 || words[i] > net->bytes)
            return 0;
    int64_t at = FILE_HEAD;
    program *const programs[] = {&net->inference, &net->training};
    for (int i = 0; i < 2; i++) {
        if (words[FILE_ENDS + 2 * i] > MOST_ENDS || words[FILE_ENDS + 2 * i + 1] > MOST_ENDS)
            return 0;
        programs[i]->inputs = (int)words[FILE_ENDS + 2 * i];
        programs[i]->outputs = (int)words[FILE_ENDS + 2 * i + 1];
        programs[i]->ends = words + at;
        at += (int64_t)END_WORDS * (programs[i]->inputs + programs[i]->outputs);
    }
    for (int i = 0; i < 2; i++) {
        programs[i]->words = words + at;
        programs[i]->count = words[FILE_PROGRAMS + i];
        at += programs[i]->count;
    }
    return 8 * at <= words[FILE_WEIGHTS] && words[FILE_WEIGHTS] % 64 == 0 &&
           words[FILE_WEIGHTS_BYTES] <= net->bytes - words[FILE_WEIGHTS] &&
           words[FILE_STATE] >= words[FILE_WEIGHTS] + words[FILE_WEIGHTS_BYTES] &&
           words[FILE_STATE] % 64 == 0 &&
           words[FILE_STATE_BYTES] <= net->bytes - words[FILE_STATE];
}

static fastconv_status of_build(int status)
{
    return status == FC_NETWORK_OK ? FASTCONV_OK
           : status == FC_NETWORK_NEEDS_MEMORY ? FASTCONV_NO_MEMORY
                                               : FASTCONV_DAMAGED;
}

/* Builds a program: the first time to learn the size of its memory. */
static fastconv_status build(fastconv_network *net, program *p)
{
    const int64_t *words = (const int64_t *)(void *)net->file;
    if (p->count < FC_WORDS || p->words[FC_WORD_WEIGHTS] > words[FILE_WEIGHTS_BYTES] ||
        p->words[FC_WORD_STATE] > words[FILE_STATE_BYTES])
        return FASTCONV_DAMAGED;
    int64_t bytes = fc_networks.head_bytes(p->words, p->count);
    if (bytes == 0)
        return FASTCONV_DAMAGED;
    const fc_table *table = fc_get_table(fc_get_host()->isa(), 0);
    for (int built = 0; built < 2; built++) {
        free(p->network);
        bytes = fc_round_up(bytes, 64);
        p->network = aligned_alloc(64, (size_t)bytes);
        if (!p->network)
            return FASTCONV_NO_MEMORY;
        const int64_t had = bytes;
        const fastconv_status status = of_build(fc_networks.build(
            p->network, p->words, p->count, net->file + words[FILE_WEIGHTS],
            net->file + words[FILE_STATE], table, net->options.threads, &bytes));
        if (status != FASTCONV_OK)
            return status;
        if (built)
            net->memory_bytes += had;
    }
    return ends_match(p) ? FASTCONV_OK : FASTCONV_DAMAGED;
}

/* Whether the training takes the samples of the inference, then labels, and gives the loss. */
static int trains_the_same(const fastconv_network *net)
{
    const program *a = &net->inference, *b = &net->training;
    if (b->inputs <= a->inputs || b->outputs != 1 || !b->network->settings ||
        b->ends[b->inputs * END_WORDS + END_DTYPE] != FASTCONV_FLOAT64 ||
        b->network->ends[2 * b->inputs + 1] != (int64_t)sizeof(double))
        return 0;
    for (int i = 0; i < a->inputs; i++)
        if (sample_bytes(a, i) != sample_bytes(b, i))
            return 0;
    return 1;
}

static fastconv_status prepare(fastconv_network *net)
{
    if (!find_parts(net))
        return FASTCONV_DAMAGED;
    program *a = &net->inference, *b = &net->training;
    fastconv_status status = build(net, a);
    if (status == FASTCONV_OK && b->count > 0)
        status = build(net, b);
    if (status != FASTCONV_OK)
        return status;
    if (!ends_have_batch(a, a->inputs + a->outputs) || a->inputs < 1 || a->network->settings)
        return FASTCONV_DAMAGED;
    if (b->network && (!ends_have_batch(b, b->inputs) || !trains_the_same(net)))
        return FASTCONV_DAMAGED;
    const int inputs = a->inputs > b->inputs ? a->inputs : b->inputs;
    int64_t bytes = 0;
    for (int i = 0; i < a->inputs + a->outputs; i++)
        bytes += fc_round_up(a->network->ends[2 * i + 1], 64);
    net->padded = aligned_alloc(64, (size_t)bytes);
    net->inputs = calloc((size_t)inputs, sizeof *net->inputs);
    net->outputs = calloc((size_t)a->outputs + 1, sizeof *net->outputs);
    net->memory_bytes += bytes + net->bytes;
    return net->padded && net->inputs && net->outputs ? FASTCONV_OK : FASTCONV_NO_MEMORY;
}

void fc_network_close(fastconv_network *net)
{
    if (!net)
        return;
    free(net->inference.network);
    free(net->training.network);
    free(net->padded);
    free(net->inputs);
    free(net->outputs);
    free(net->file);
    free(net);
}

/* A network with memory for a file of `bytes`, which the caller fills. */
static fastconv_status allocate(int64_t bytes, const fastconv_network_options *options,
                                fastconv_network **network)
{
    fastconv_network *net = calloc(1, sizeof *net);
    if (!net)
        return FASTCONV_NO_MEMORY;
    net->options = *options;
    net->bytes = bytes;
    net->file = aligned_alloc(64, (size_t)fc_round_up(bytes + 1, 64));
    *network = net;
    return net->file ? FASTCONV_OK : FASTCONV_NO_MEMORY;
}

/* *options becomes that of the caller, which may be NULL. */
static fastconv_status read_options(fastconv_network_options *options,
                                    const fastconv_network_options *given)
{
    memset(options, 0, sizeof *options);
    if (given && !fc_read_struct(options, sizeof *options,
                                 offsetof(fastconv_network_options, parallel_for), given))
        return FASTCONV_WRONG_STRUCT;
    if (options->threads == 0)
        options->threads = 1;
    if (options->threads < 0 || options->threads > MOST_THREADS)
        return FASTCONV_WRONG_SIZE;
    if (options->threads > 1 && !options->parallel_for && !fc_get_host()->team)
        return FASTCONV_NO_THREADS;
    return FASTCONV_OK;
}

/* The network, or nothing and the reason. */
static fastconv_status finish(fastconv_status status, fastconv_network *net,
                              fastconv_network **network)
{
    if (status == FASTCONV_OK)
        status = prepare(net);
    if (status != FASTCONV_OK) {
        fc_network_close(net);
        return status;
    }
    *network = net;
    return FASTCONV_OK;
}

fastconv_status fc_network_open_bytes(const void *bytes, int64_t count,
                                      const fastconv_network_options *given,
                                      fastconv_network **network)
{
    if (!bytes || !network)
        return FASTCONV_NULL_POINTER;
    fastconv_network_options options;
    fastconv_status status = read_options(&options, given);
    if (status != FASTCONV_OK)
        return status;
    if (count < 0)
        return FASTCONV_WRONG_SIZE;
    fastconv_network *net = NULL;
    status = allocate(count, &options, &net);
    if (status == FASTCONV_OK)
        memcpy(net->file, bytes, (size_t)count);
    return finish(status, net, network);
}

fastconv_status fc_network_open(const char *path, const fastconv_network_options *given,
                                fastconv_network **network)
{
    if (!path || !network)
        return FASTCONV_NULL_POINTER;
    fastconv_network_options options;
    fastconv_status status = read_options(&options, given);
    if (status != FASTCONV_OK)
        return status;
    FILE *file = fopen(path, "rb");
    if (!file)
        return FASTCONV_NO_FILE;
    fastconv_network *net = NULL;
    long bytes = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
    if (bytes < 0 || bytes == LONG_MAX || fseek(file, 0, SEEK_SET))
        status = FASTCONV_NO_FILE;
    if (status == FASTCONV_OK)
        status = allocate(bytes, &options, &net);
    if (status == FASTCONV_OK && fread(net->file, 1, (size_t)bytes, file) != (size_t)bytes)
        status = FASTCONV_NO_FILE;
    fclose(file);
    return finish(status, net, network);
}

/* ---- asking ---- */

fastconv_status fc_network_query(const fastconv_network *net, fastconv_network_info *info)
{
    if (!net || !info)
        return FASTCONV_NULL_POINTER;
    const program *a = &net->inference, *b = &net->training;
    const fastconv_network_info known = {
        .inputs = a->inputs,
        .outputs = a->outputs,
        .labels = b->network ? b->inputs - a->inputs : 0,
        .batch = a->network->batch,
        .train_batch = b->network ? b->network->batch : 0,
        .memory_bytes = net->memory_bytes,
    };
    return fc_write_struct(info, &known, sizeof known,
                           offsetof(fastconv_network_info, memory_bytes))
               ? FASTCONV_OK
               : FASTCONV_WRONG_STRUCT;
}

fastconv_status fc_network_array(const fastconv_network *net, int32_t which, int32_t index,
                                 fastconv_array_info *info)
{
    if (!net || !info)
        return FASTCONV_NULL_POINTER;
    const program *a = &net->inference, *b = &net->training;
    if (which == FASTCONV_LABELS && !b->network)
        return FASTCONV_NO_TRAINING;
    const int counts[] = {a->inputs, a->outputs, b->inputs - a->inputs};
    if (which < FASTCONV_INPUT || which > FASTCONV_LABELS)
        return FASTCONV_WRONG_OPTION;
    if (index < 0 || index >= counts[which])
        return FASTCONV_WRONG_SIZE;
    const int64_t *ends = which == FASTCONV_LABELS ? b->ends : a->ends;
    const int64_t *end = ends + (int64_t)END_WORDS * (index + (which ? a->inputs : 0));
    fastconv_array_info known = {
        .dtype = (int32_t)end[END_DTYPE],
        .rank = (int32_t)end[END_RANK] - 1, /* without the batch */
    };
    memcpy(known.shape, end + END_SHAPE + 1, (size_t)known.rank * sizeof *known.shape);
    return fc_write_struct(info, &known, sizeof known, sizeof known) ? FASTCONV_OK
                                                                     : FASTCONV_WRONG_STRUCT;
}

/* ---- running ---- */

static void run(fastconv_network *net, fc_network *n, void *const *outputs)
{
    n->run.flushes_denormals = fc_get_host()->flushes_denormals();
    fc_network_begin(n, net->inputs, net->options.threads);
    if (n->run.threads == 1)
        fc_run_member(&n->run, 0, 1);
    else if (net->options.parallel_for)
        fc_run_tasks(&n->run, net->options.parallel_for, net->options.context);
    else
        fc_get_host()->team(&n->run);
    fc_network_end(n, outputs);
}

/* Sets the arrays of the batch that begins at sample `first`.  Of fewer than `batch` samples, the
 * inputs are copied and filled up with zeros, and the outputs are memory of the network. */
static void set_arrays(fastconv_network *net, const void *const *x, void *const *y, int64_t first,
                       int64_t count)
{
    const program *p = &net->inference;
    char *padded = net->padded;
    for (int i = 0; i < p->inputs + p->outputs; i++) {
        const int64_t sample = sample_bytes(p, i), batch = p->network->ends[2 * i + 1];
        if (i < p->inputs) {
            const char *from = (const char *)x[i] + first * sample;
            net->inputs[i] = from;
            if (count < p->network->batch) {
                memcpy(padded, from, (size_t)(count * sample));
                memset(padded + count * sample, 0, (size_t)(batch - count * sample));
                net->inputs[i] = padded;
            }
        } else {
            char *to = (char *)y[i - p->inputs] + first * sample;
            net->outputs[i - p->inputs] = count < p->network->batch ? padded : to;
        }
        padded += fc_round_up(batch, 64);
    }
}

fastconv_status fc_network_forward(fastconv_network *net, const void *const *x, void *const *y,
                                   int64_t n)
{
    if (!net || !x || !y)
        return FASTCONV_NULL_POINTER;
    const program *p = &net->inference;
    for (int i = 0; i < p->inputs; i++)
        if (!x[i])
            return FASTCONV_NULL_POINTER;
    for (int i = 0; i < p->outputs; i++)
        if (!y[i])
            return FASTCONV_NULL_POINTER;
    if (n < 1)
        return FASTCONV_WRONG_SIZE;
    const int64_t batch = p->network->batch;
    for (int64_t first = 0; first < n; first += batch) {
        const int64_t count = fc_min64(batch, n - first);
        set_arrays(net, x, y, first, count);
        run(net, p->network, net->outputs);
        for (int i = 0; count < batch && i < p->outputs; i++) {
            const int64_t sample = sample_bytes(p, p->inputs + i);
            memcpy((char *)y[i] + first * sample, net->outputs[i], (size_t)(count * sample));
        }
    }
    return FASTCONV_OK;
}

fastconv_status fc_network_train_step(fastconv_network *net, const void *const *x,
                                      const void *const *labels, int64_t n, double *loss)
{
    if (!net || !x || !labels || !loss)
        return FASTCONV_NULL_POINTER;
    const program *p = &net->training;
    if (!p->network)
        return FASTCONV_NO_TRAINING;
    if (n != p->network->batch)
        return FASTCONV_WRONG_SIZE;
    const int samples = net->inference.inputs;
    for (int i = 0; i < p->inputs; i++) {
        net->inputs[i] = i < samples ? x[i] : labels[i - samples];
        if (!net->inputs[i])
            return FASTCONV_NULL_POINTER;
    }
    void *const outputs[] = {loss};
    run(net, p->network, outputs);
    fc_network_invalidate(net->inference.network);
    return FASTCONV_OK;
}

fastconv_status fc_network_set_learning_rate(fastconv_network *net, double rate)
{
    if (!net)
        return FASTCONV_NULL_POINTER;
    if (!net->training.network)
        return FASTCONV_NO_TRAINING;
    if (!(rate >= 0))
        return FASTCONV_WRONG_SIZE;
    net->training.network->settings[FC_SETTING_RATE] = rate;
    return FASTCONV_OK;
}

fastconv_status fc_network_save(const fastconv_network *net, const char *path)
{
    static const char suffix[] = ".part";
    if (!net || !path)
        return FASTCONV_NULL_POINTER;
    const size_t length = strlen(path);
    char *part = malloc(length + sizeof suffix);
    if (!part)
        return FASTCONV_NO_MEMORY;
    memcpy(part, path, length);
    memcpy(part + length, suffix, sizeof suffix);
    FILE *file = fopen(part, "wb");
    int written = file && fwrite(net->file, 1, (size_t)net->bytes, file) == (size_t)net->bytes;
    written = file && fclose(file) == 0 && written;
    written = written && rename(part, path) == 0;
    if (file && !written)
        remove(part);
    free(part);
    return written ? FASTCONV_OK : FASTCONV_NO_FILE;
}

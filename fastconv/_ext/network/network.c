/* network.c: see network.h. */
#include "network.h"

#include "../schedule/axis.h"

#include <string.h>

enum {
    RECORD_HEAD = 4,                 /* words before the arrays of a record */
    OP_BYTES = 1024,                 /* most bytes of an op, without its lists */
    PART_BYTES = 768,                /* most bytes of a part of a convolution's input gradient */
    LIST_BYTES = 2 * sizeof(int64_t) /* most bytes in the lists of an op per array */
};
_Static_assert(sizeof(fc_direct_op) <= 192 && sizeof(fc_direct_part) <= PART_BYTES &&
                   sizeof(fc_winograd_op) <= OP_BYTES && sizeof(fc_resample_op) <= OP_BYTES &&
                   sizeof(fc_pool_op) <= OP_BYTES && sizeof(fc_chain_op) <= OP_BYTES &&
                   sizeof(fc_filter_gradient_op) <= OP_BYTES &&
                   sizeof(fc_winograd_gradient_op) <= OP_BYTES,
               "an op and its parts must fit into OP_BYTES");
/* Sizes beyond these are damage. */
static const int64_t MOST_BYTES = INT64_C(1) << 46, MOST_PARTS = INT64_C(1) << 32;

void *fc_take(fc_builder *b, int64_t bytes)
{
    char *at = b->head;
    bytes = fc_round_up(bytes, 64);
    if (b->status || bytes > b->head_end - at) {
        b->status = b->status ? b->status : FC_NETWORK_DAMAGED;
        return NULL;
    }
    b->head += bytes;
    memset(at, 0, (size_t)bytes);
    return at;
}

static int64_t damaged(fc_builder *b)
{
    b->status = FC_NETWORK_DAMAGED;
    return 0;
}

/* `alignment`: of its elements. */
static char *array(fc_builder *b, int64_t reference, int64_t bytes, int64_t alignment)
{
    const int64_t block = reference % FC_BLOCKS, offset = reference / FC_BLOCKS;
    if (reference < 0 || bytes < 0 || block > FC_IN_STATE || bytes > b->block_bytes[block] ||
        offset > b->block_bytes[block] - bytes || offset % alignment) {
        damaged(b);
        return NULL;
    }
    return b->blocks[block] + offset;
}

static int64_t reference_at(const fc_builder *b, int64_t index)
{
    return index < b->array_count ? b->arrays[index] : FC_NO_ARRAY;
}

const void *fc_read_array(fc_builder *b, int64_t index, int64_t bytes)
{
    return array(b, reference_at(b, index), bytes, b->table->target.element_size);
}

void *fc_written_array(fc_builder *b, int64_t index, int64_t bytes)
{
    const int64_t reference = reference_at(b, index);
    if (reference % FC_BLOCKS == FC_IN_WEIGHTS)
        damaged(b);
    return array(b, reference, bytes, b->table->target.element_size);
}

const void *fc_constant_array(fc_builder *b, int64_t index, int64_t bytes)
{
    const int64_t reference = reference_at(b, index);
    if (reference % FC_BLOCKS != FC_IN_WEIGHTS)
        damaged(b);
    return array(b, reference, bytes, sizeof(int64_t));
}

const void *fc_read_words(fc_builder *b, int64_t index, int64_t count)
{
    return array(b, reference_at(b, index), count * (int64_t)sizeof(int64_t), sizeof(int64_t));
}

double *fc_double_array(fc_builder *b, int64_t index, int64_t count)
{
    const int64_t reference = reference_at(b, index);
    if (reference % FC_BLOCKS == FC_IN_WEIGHTS)
        damaged(b);
    return (double *)array(b, reference, count * (int64_t)sizeof(double), sizeof(double));
}

int fc_has_array(const fc_builder *b, int64_t index)
{
    return index < b->array_count && b->arrays[index] != FC_NO_ARRAY;
}

int64_t fc_integer(fc_builder *b, int64_t index, int64_t least, int64_t most)
{
    if (index >= b->integer_count || b->integers[index] < least || b->integers[index] > most) {
        damaged(b);
        return least;
    }
    return b->integers[index];
}

double fc_real(fc_builder *b, int64_t index)
{
    double value = 0;
    if (index >= b->real_count)
        damaged(b);
    else
        memcpy(&value, &b->reals[index], sizeof value);
    return value;
}

int64_t fc_product(fc_builder *b, const int64_t *sizes, int count)
{
    int64_t product = 1;
    for (int i = 0; i < count; i++) {
        if (sizes[i] < 0 || (sizes[i] && product > MOST_BYTES / sizes[i]))
            return damaged(b);
        product *= sizes[i];
    }
    return product;
}

/* Whether the first words are those of a program of `words` words. */
static int is_program(const int64_t *program, int64_t words)
{
    if (words < FC_WORDS || program[FC_WORD_MAGIC] != FC_NETWORK_MAGIC ||
        program[FC_WORD_WORDS] != words)
        return 0;
    for (int i = FC_WORD_BATCH; i < FC_WORDS; i++)
        if (program[i] < 0 || program[i] > MOST_BYTES)
            return 0;
    return program[FC_WORD_INPUTS] <= words && program[FC_WORD_OUTPUTS] <= words &&
           program[FC_WORD_RECORDS] <= words && program[FC_WORD_TRAINS] <= 1 &&
           program[FC_WORD_PARTS] <= MOST_PARTS &&
           (program[FC_WORD_ELEMENT_SIZE] == 4 || program[FC_WORD_ELEMENT_SIZE] == 8);
}

int64_t fc_network_head_bytes(const int64_t *program, int64_t words)
{
    if (!is_program(program, words))
        return 0;
    /* No record has more arrays than there are words. */
    const int64_t ops = OP_BYTES + 3 * 64 + (int64_t)sizeof(fc_op *);
    return fc_round_up((int64_t)sizeof(fc_network), 64) +
           fc_round_up(program[FC_WORD_RECORDS] * ops + 64 + words * LIST_BYTES, 64) +
           program[FC_WORD_PARTS] * PART_BYTES;
}

/* Reads the record at word `at` into the builder; returns the word after it, 0 if damaged. */
static int64_t next_record(fc_builder *b, const int64_t *program, int64_t words, int64_t at)
{
    if (words - at < RECORD_HEAD)
        return 0;
    const int64_t *counts = program + at + 1;
    for (int i = 0; i < 3; i++)
        if (counts[i] < 0 || counts[i] > words)
            return 0;
    const int64_t end = at + RECORD_HEAD + counts[0] + counts[1] + counts[2];
    if (end > words)
        return 0;
    b->arrays = counts + 3;
    b->integers = b->arrays + counts[0];
    b->reals = b->integers + counts[1];
    b->array_count = counts[0];
    b->integer_count = counts[1];
    b->real_count = counts[2];
    return end;
}

/* Gives each op that packs filters its own memory for them, which begins at `memory`. */
static int64_t place_filters(fc_network *n, char *memory)
{
    int64_t bytes = 0;
    for (int64_t i = 0; i < n->count; i++)
        if (n->ops[i]->kind->place_filters) {
            fc_filter_op *f = (fc_filter_op *)n->ops[i];
            fc_freeze_filters(f, memory + bytes);
            bytes += fc_round_up(f->filter_bytes, 64);
        }
    return bytes;
}

int fc_network_build(void *memory, const int64_t *program, int64_t words, const fc_build *builders,
                     const void *weights, void *state, const fc_table *table, int threads,
                     int64_t *bytes)
{
    const int64_t head = fc_network_head_bytes(program, words);
    *bytes = head;
    if (head == 0 || program[FC_WORD_ELEMENT_SIZE] != table->target.element_size)
        return FC_NETWORK_DAMAGED;
    fc_builder b = {.table = table, .head = memory, .head_end = (char *)memory + head,
                    .blocks = {(char *)memory + head, (char *)(intptr_t)weights, state},
                    .block_bytes = {program[FC_WORD_VALUES], program[FC_WORD_WEIGHTS],
                                    program[FC_WORD_STATE]}};
    fc_network *n = fc_take(&b, sizeof *n);
    n->ops = fc_take(&b, program[FC_WORD_RECORDS] * (int64_t)sizeof(fc_op *));
    n->batch = program[FC_WORD_BATCH];
    n->values = b.blocks[FC_IN_VALUES];
    n->state = state;
    n->ends = program + FC_WORDS;
    n->inputs = (int)program[FC_WORD_INPUTS];
    n->outputs = (int)program[FC_WORD_OUTPUTS];
    n->threads = threads;
    int64_t at = FC_WORDS + 2 * (program[FC_WORD_INPUTS] + program[FC_WORD_OUTPUTS]);
    if (at > words)
        return FC_NETWORK_DAMAGED;
    for (const int64_t *end = n->ends; end < program + at; end += 2)
        if (!array(&b, end[0], end[1], 1) || end[0] % FC_BLOCKS != FC_IN_VALUES)
            return FC_NETWORK_DAMAGED;
    for (int64_t i = 0; i < program[FC_WORD_RECORDS] && !b.status; i++) {
        const int64_t kind = at < words ? program[at] : -1;
        if ((at = next_record(&b, program, words, at)) == 0)
            return FC_NETWORK_DAMAGED;
        if (kind < 0 || kind >= FC_RECORD_KINDS || !builders[kind])
            return FC_NETWORK_UNKNOWN_RECORD;
        n->ops[n->count++] = builders[kind](&b);
    }
    if (b.status)
        return b.status;
    n->settings = b.settings;
    /* An update also runs over the gaps between the gradients of weights. */
    n->unclear = program[FC_WORD_TRAINS] ? program[FC_WORD_VALUES] : 0;
    n->random = b.random;
    if ((n->random || program[FC_WORD_TRAINS]) && !n->settings)
        return FC_NETWORK_DAMAGED;
    char *filters = n->values + fc_round_up(program[FC_WORD_VALUES], 64);
    n->workspace = filters + (program[FC_WORD_TRAINS] ? 0 : place_filters(n, filters));
    /* One thread may need more scratch memory than several, whose items are smaller. */
    threads = fc_team_for(n->ops, n->count, threads);
    n->threads = threads;
    const int64_t alone = fc_size_run(&n->run, n->ops, n->count, 1);
    const int64_t together = fc_size_run(&n->run, n->ops, n->count, threads);
    n->bytes = *bytes = n->workspace - (char *)memory + fc_max64(alone, together);
    return FC_NETWORK_OK;
}

static void run_member(void *run, int rank, int size) { fc_run_member(run, rank, size); }

void fc_network_begin(fc_network *n, const void *const *x, int threads)
{
    const int64_t *end = n->ends;
    memset(n->values, 0, (size_t)n->unclear);
    n->unclear = 0;
    for (int i = 0; i < n->inputs; i++, end += 2)
        memcpy(n->values + end[0] / FC_BLOCKS, x[i], (size_t)end[1]);
    for (fc_random *each = n->random; each; each = each->next)
        *each->draws = fc_count_of(n->settings[FC_SETTING_DRAWS]) + each->ahead;
    fc_size_run(&n->run, n->ops, n->count, threads < n->threads ? threads : n->threads);
    fc_begin_run(&n->run, n->workspace);
}

void fc_network_end(fc_network *n, void *const *y)
{
    const int64_t *end = n->ends + 2 * n->inputs;
    for (int i = 0; i < n->outputs; i++, end += 2)
        memcpy(y[i], n->values + end[0] / FC_BLOCKS, (size_t)end[1]);
}

void fc_network_run(fc_network *n, const void *const *x, void *const *y, fc_parallel parallel,
                    void *context)
{
    fc_network_begin(n, x, parallel ? n->threads : 1);
    if (parallel && n->run.threads > 1)
        parallel(context, run_member, &n->run, n->run.threads);
    else
        fc_run_member(&n->run, 0, 1);
    fc_network_end(n, y);
}

void fc_network_invalidate(fc_network *n)
{
    for (int64_t i = 0; i < n->count; i++)
        if (n->ops[i]->kind->place_filters)
            ((fc_filter_op *)n->ops[i])->is_packed = 0;
}

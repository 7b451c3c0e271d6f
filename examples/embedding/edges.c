/* edges.c: finds the edges of a picture by a convolution of fastconv, without Python.
 *
 *     edges picture.pgm
 *
 * reads a binary PGM file of 8 bits, convolves it with two Sobel filters (ReLU, padding "same"),
 * takes the maximum of every 2x2 pixels, and prints the results as exact hexadecimal numbers.
 * tests/test_embedding.py compares them with those of fastconv.ops, bit for bit. */
#include <stdio.h>
#include <stdlib.h>

#include "fastconv.h"

static const fastconv_api *fc;

static void check(fastconv_status status)
{
    if (status == FASTCONV_OK)
        return;
    fprintf(stderr, "edges: %s\n", fc->message(status));
    exit(1);
}

/* The start of a block of memory that is aligned to 64 bytes; *block must be given to free. */
static void *aligned(int64_t bytes, void **block)
{
    *block = malloc((size_t)bytes + 64);
    if (!*block) {
        fprintf(stderr, "edges: no memory\n");
        exit(1);
    }
    return (char *)*block + (64 - (uintptr_t)*block % 64) % 64;
}

/* Runs an operation once and frees it. */
static void run(fastconv_op *op, const fastconv_arrays *arrays)
{
    fastconv_info info = {sizeof info};
    void *block, *workspace;
    check(fc->query(op, 1, &info));
    workspace = aligned(info.workspace_bytes, &block);
    check(fc->run(op, arrays, workspace, info.workspace_bytes, 1));
    free(block);
    fc->destroy(op);
}

int main(int argc, char **argv)
{
    static const float sobel[3][3][1][2] = {
        {{{-1, -1}}, {{0, -2}}, {{1, -1}}},
        {{{-2, 0}}, {{0, 0}}, {{2, 0}}},
        {{{-1, 1}}, {{0, 2}}, {{1, 1}}},
    };
    fastconv_conv2d conv = {sizeof conv};
    fastconv_pool2d pool = {sizeof pool};
    fastconv_arrays arrays = {sizeof arrays};
    fastconv_op *op;
    float *x, *edges, *y;
    long width, height, i;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file || fscanf(file, "P5 %ld %ld 255", &width, &height) != 2 || width < 2 || height < 2 ||
        width > 10000 || height > 10000 || fgetc(file) == EOF) {
        fprintf(stderr, "usage: edges picture.pgm, at least 2x2 pixels of 8 bits\n");
        return 2;
    }
    fc = fastconv_get_api(FASTCONV_ABI);
    x = malloc((size_t)(width * height) * sizeof *x);
    edges = malloc((size_t)(width * height) * 2 * sizeof *edges);
    y = malloc((size_t)(width * height) * 2 * sizeof *y);
    if (!fc || !x || !edges || !y)
        return 1;
    for (i = 0; i < width * height; i++)
        x[i] = (float)fgetc(file) / 255;
    fclose(file);

    conv.batch = conv.channels = 1;
    conv.height = height;
    conv.width = width;
    conv.filters = 2;
    conv.kernel_h = conv.kernel_w = 3;
    conv.pad_top = conv.pad_bottom = conv.pad_left = conv.pad_right = 1;
    conv.activation = FASTCONV_RELU;
    arrays.x = x;
    arrays.w = sobel;
    arrays.y = edges;
    check(fc->create_conv2d(&conv, &op));
    run(op, &arrays);

    pool.batch = 1;
    pool.height = height;
    pool.width = width;
    pool.channels = 2;
    pool.pool_h = pool.pool_w = 2;
    arrays.x = edges;
    arrays.y = y;
    check(fc->create_pool2d(&pool, &op));
    run(op, &arrays);

    for (i = 0; i < (height / 2) * (width / 2) * 2; i++)
        printf("%a\n", y[i]);
    free(x);
    free(edges);
    free(y);
    return 0;
}

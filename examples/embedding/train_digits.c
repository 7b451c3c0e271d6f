/* train_digits.c: trains a network of fastconv on handwritten digits, without Python.
 *
 *     train_digits images labels epochs
 *
 * reads the files that digits.py writes, trains on the first 1437 digits in batches of 32, in their
 * order, and prints the mean loss of every epoch as an exact hexadecimal number, then how many of
 * the other 360 digits are recognized.  tests/test_export_training.py compares this with what
 * Python prints. */
#include <stdio.h>
#include <stdlib.h>

#include "digits.h"

enum { PIXELS = 64, TRAINING = 1437, TEST = 360, CLASSES = 10, MOST = 16 };

static float images[TRAINING + TEST][PIXELS];
static int64_t labels[TRAINING + TEST];
static _Alignas(64) char arena[DIGITS_ARENA_BYTES];

/* Reads `bytes` bytes after the header of an IDX file. */
static void read_idx(const char *name, long header, unsigned char *to, size_t bytes)
{
    FILE *file = fopen(name, "rb");
    if (!file || fseek(file, header, SEEK_SET) || fread(to, 1, bytes, file) != bytes) {
        fprintf(stderr, "train_digits: cannot read %s\n", name);
        exit(1);
    }
    fclose(file);
}

static void read_digits(const char *image_file, const char *label_file)
{
    static unsigned char pixels[sizeof images / sizeof(float)];
    static unsigned char classes[TRAINING + TEST];
    read_idx(image_file, 16, pixels, sizeof pixels);
    read_idx(label_file, 8, classes, sizeof classes);
    for (size_t i = 0; i < sizeof pixels; i++)
        images[i / PIXELS][i % PIXELS] = (float)pixels[i] / MOST;
    for (size_t i = 0; i < sizeof classes; i++)
        labels[i] = classes[i];
}

/* The number of test digits whose class has the largest output. */
static int recognized(void)
{
    static float y[DIGITS_OUTPUT_SIZE / CLASSES][CLASSES];
    const int batch = DIGITS_OUTPUT_SIZE / CLASSES;
    int count = 0;
    for (int first = TRAINING; first < TRAINING + TEST; first += batch) {
        digits_run(arena, images[first], y[0]);
        for (int i = 0; i < batch; i++) {
            int best = 0;
            for (int k = 1; k < CLASSES; k++)
                if (y[i][k] > y[i][best])
                    best = k;
            count += best == labels[first + i];
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: train_digits images labels epochs\n");
        return 1;
    }
    read_digits(argv[1], argv[2]);
    const int status = digits_init(arena);
    if (status) {
        fprintf(stderr, "train_digits: %s\n", digits_message(status));
        return 1;
    }
    for (int epoch = 0; epoch < atoi(argv[3]); epoch++) {
        const int steps = TRAINING / DIGITS_TRAIN_BATCH;
        double sum = 0;
        for (int step = 0; step < steps; step++) {
            const int first = step * DIGITS_TRAIN_BATCH;
            double loss;
            digits_train_step(arena, images[first], labels + first, &loss);
            sum += loss;
        }
        printf("loss %a\n", sum / steps);
    }
    printf("%d of %d\n", recognized(), TEST);
    return 0;
}

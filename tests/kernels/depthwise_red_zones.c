/* depthwise_red_zones.c: the depthwise kernels of the scalar target in scratch with red zones.
 *
 * Every kernel height and width from 1 to 5 at every stride from 1 to 3 and some sizes, forward and
 * with respect to the filters, each in scratch of exactly the size that its plan asks for.  It
 * compiles in a few seconds, so the ordinary tests build it with AddressSanitizer; all other
 * kernels and targets take minutes (tests/sanitizers).  Prints the number of problems.
 *
 *     K=fastconv/_ext/kernels
 *     gcc -O1 -std=gnu11 -fsanitize=address,undefined -fno-sanitize-recover=all -I$K \
 *         tests/kernels/depthwise_red_zones.c fastconv/_ext/schedule/[a-z]*.c -lm
 */
#include "../schedule/depthwise.h"
#include "../schedule/layout.h"
#include "fastconv_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FC_INLINE static inline __attribute__((always_inline))
#define FC_UNROLL _Pragma("GCC unroll 16")
#define FC_UNROLL_FEW _Pragma("GCC unroll 4")
#define FC_DOUBLE 0
#define FC(name) fc_f32_##name
#include "simd_names.h"

#include "simd_scalar.h"

static const fc_target FC(target) = {sizeof(real), VL, FC_PANEL_VECTORS,
                                     {FC_ROWS_1, FC_ROWS_2, FC_ROWS_3, FC_ROWS_4},
                                     {FC_GRADIENT_ROWS_1, FC_GRADIENT_ROWS_2, FC_ROWS_3, FC_ROWS_4},
                                     FC_LISTS_PIXELS, 0, 0};

#include "math.inc"

#include "activation.inc"
#define FC_PANEL (FC_PANEL_VECTORS * VL)
#include "depthwise.inc"
#include "depthwise_gradient.inc"

static void *zeros(int64_t elements)
{
    void *const memory = calloc((size_t)elements, sizeof(float));
    if (!memory)
        abort();
    return memory;
}

/* AddressSanitizer guards the ends of a block of exactly this size; the kernels want it aligned. */
static void *scratch_of(int64_t bytes)
{
    void *memory;
    if (posix_memalign(&memory, 64, (size_t)bytes))
        abort();
    return memory;
}

static void run(int64_t kh, int64_t kw, int64_t sh, int64_t sw, int64_t out_h, int64_t out_w,
                int64_t channels, int64_t pad)
{
    const int64_t height = (out_h - 1) * sh + kh - pad, width = (out_w - 1) * sw + kw - pad,
                  batch = 2;
    if (height < 1 || width < 1)
        return;
    float *x = zeros(batch * height * width * channels),
          *y = zeros(batch * out_h * out_w * channels);
    float *w = zeros(kh * kw * channels), *b = zeros(channels);

    fc_conv p = {.x = x, .w = w, .bias = b, .y = y, .batch = batch, .in_h = height, .in_w = width,
                 .channels = channels, .out_h = out_h, .out_w = out_w, .filters = channels,
                 .groups = 1, .x_sn = height * width * channels, .x_sh = width * channels,
                 .x_sw = channels, .y_sn = out_h * out_w * channels, .y_sh = out_w * channels,
                 .y_sw = channels, .kernel_h = kh, .kernel_w = kw, .stride_h = sh, .stride_w = sw,
                 .dilation_h = 1, .dilation_w = 1, .pad_top = pad, .pad_left = pad,
                 .activation = FC_RELU, .depthwise = 1, .threads = 1};
    fc_plan_depthwise(&FC(target), &p);
    void *scratch = scratch_of(p.scratch_bytes);
    for (int64_t item = 0; item < p.items; item++)
        fc_f32_depthwise_item(&p, item, scratch);
    fc_open_scratch(scratch, p.scratch_bytes);
    free(scratch);

    fc_filter_gradient g = {.x = x, .dy = y, .dw = w, .db = b, .batch = batch, .in_h = height,
                            .in_w = width, .channels = channels, .out_h = out_h, .out_w = out_w,
                            .filters = channels, .groups = 1, .x_sn = p.x_sn, .x_sh = p.x_sh,
                            .x_sw = p.x_sw, .dy_sn = p.y_sn, .dy_sh = p.y_sh, .dy_sw = p.y_sw,
                            .kernel_h = kh, .kernel_w = kw, .stride_h = sh, .stride_w = sw,
                            .dilation_h = 1, .dilation_w = 1, .pad_top = pad, .pad_left = pad,
                            .depthwise = 1, .threads = 1};
    fc_plan_depthwise_gradient(&FC(target), &g);
    g.partial = zeros(g.partial_size + 1);
    scratch = scratch_of(g.scratch_bytes);
    for (int64_t item = 0; item < g.items; item++)
        fc_f32_depthwise_gradient_item(&g, item, scratch);
    fc_open_scratch(scratch, g.scratch_bytes);
    free(scratch);
    free(g.partial);
    free(b);
    free(w);
    free(y);
    free(x);
}

int main(void)
{
    int problems = 0;
    const int64_t sizes[][2] = {{1, 2}, {1, 9}, {3, 17}, {4, 26}};
    for (int64_t kh = 1; kh <= 5; kh++)
        for (int64_t kw = 1; kw <= 5; kw++)
            for (int64_t sh = 1; sh <= 3; sh++)
                for (int64_t sw = 1; sw <= 3; sw++)
                    for (int i = 0; i < 4; i++, problems++)
                        run(kh, kw, sh, sw, sizes[i][0], sizes[i][1], 3 + i, i % 2);
    printf("%d problems\n", problems);
    return 0;
}

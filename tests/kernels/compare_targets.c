/* compare_targets.c: every kernel of one target against the scalar target, in plain C.
 *
 * The Python tests run every target of the machine they are on; this program is for the others: it
 * needs no Python, so it can be cross-compiled and run under an emulator.  Small-integer data
 * makes all sums exact: equality, no tolerance (Winograd's transforms have thirds in them:
 * relative 1e-5 for float32).
 *
 *     K=fastconv/_ext/kernels
 *     aarch64-linux-gnu-gcc -O2 -std=gnu11 -ffp-contract=off -DFASTCONV_HAVE_NEON -I$K \
 *         tests/kernels/compare_targets.c $K/target_scalar.c $K/target_neon.c $K/dispatch.c \
 *         fastconv/_ext/schedule/[a-z]*.c -lm -static -o compare
 *     qemu-aarch64 ./compare neon
 */
#include "../schedule/schedule.h"
#include "fastconv_kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long long state = 1;
static int failures, checks;

static double small_integer(void)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (double)((state >> 33) % 7) - 3.0;
}

static double at(const void *p, int64_t i, int size)
{
    return size == 8 ? ((const double *)p)[i] : ((const float *)p)[i];
}

static void *numbers(int64_t n, int size)
{
    char *p = malloc((size_t)(n * size + 64));
    for (int64_t i = 0; i < n; i++)
        if (size == 8)
            ((double *)p)[i] = small_integer();
        else
            ((float *)p)[i] = (float)small_integer();
    return p;
}

/* Scratch as other operations leave it, at worst: every float32 and float64 in it is denormal. */
static void *leftover(int64_t bytes)
{
    const int64_t words = (bytes + 64 + 3) / 4;
    uint32_t *p = malloc((size_t)words * 4);
    for (int64_t i = 0; i < words; i++)
        p[i] = 0x00012345;
    return p;
}

/* Whether an operand was denormal since the last call.  None of the data is, so it was left
 * over in scratch, in a lane whose result is not stored: right, but a hundred times as slow on
 * Intel processors. */
static int met_denormals(void)
{
#if defined(__x86_64__)
    const unsigned flag = 0x02, state_of_flags = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(state_of_flags & ~0x3fu);
    return (state_of_flags & flag) != 0;
#else
    return 0;
#endif
}

static void check(const char *what, const void *a, const void *b, int64_t n, int size,
                  double tolerance)
{
    const int denormals = met_denormals();
    double error = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        const double d = at(a, i, size) - at(b, i, size);
        error += d * d;
        norm += at(b, i, size) * at(b, i, size);
    }
    checks++;
    if (!(sqrt(error) <= tolerance * sqrt(norm))) {
        failures++;
        printf("FAILED %s (%d bytes): relative error %g\n", what, size, sqrt(error / norm));
    }
    if (denormals) {
        failures++;
        printf("FAILED %s (%d bytes): computes with left-over denormal numbers\n", what, size);
    }
}

/* Runs one problem on one target; the caller compares the outputs. */
static void run_conv(const fc_table *t, fc_conv p, const fc_filter_view *view)
{
    fc_plan_conv(&t->target, &p);
    void *packed = leftover(p.packed_size * t->target.element_size),
         *scratch = leftover(p.scratch_bytes);
    for (int64_t i = 0; i < fc_pack_items(&p); i++)
        t->pack_item(&p, view, packed, i);
    p.w = packed;
    for (int64_t i = 0; i < p.items; i++)
        t->conv_item(&p, i, scratch);
    free(packed);
    free(scratch);
}

static void run_filter_gradient(const fc_table *t, fc_filter_gradient p)
{
    fc_plan_filter_gradient(&t->target, &p);
    void *scratch = leftover(p.scratch_bytes);
    p.partial = leftover((p.partial_size + 1) * t->target.element_size);
    for (int64_t i = 0; i < p.items; i++)
        t->filter_gradient_item(&p, i, scratch);
    for (int64_t i = 0; i < p.reduce_items; i++)
        t->filter_gradient_reduce(&p, i);
    free(p.partial);
    free(scratch);
}

static void run_winograd(const fc_table *t, fc_winograd p, const fc_filter_view *view)
{
    fc_plan_winograd(&t->target, &p);
    void *packed = leftover(p.packed_size * t->target.element_size),
         *scratch = leftover(p.scratch_bytes);
    p.v = leftover(p.v_size * t->target.element_size);
    for (int64_t i = 0; i < p.pack_items; i++)
        t->winograd_pack_item(&p, view, packed, i, scratch);
    p.w = packed;
    for (int64_t i = 0; i < p.transform_items; i++)
        t->winograd_transform_item(&p, i, scratch);
    for (int64_t i = 0; i < p.items; i++)
        t->winograd_item(&p, view, i, scratch);
    free(p.v);
    free(packed);
    free(scratch);
}

static void compare_convolution(const fc_table *t, const fc_table *oracle, int64_t N, int64_t H,
                                int64_t C, int64_t K, int64_t k, int64_t stride, int64_t pad,
                                int64_t dilation, int depthwise)
{
    const int size = t->target.element_size;
    const int64_t extent = (k - 1) * dilation + 1, O = (H + 2 * pad - extent) / stride + 1;
    const int64_t nx = N * H * H * C, ny = N * O * O * K, nw = k * k * (depthwise ? 1 : C) * K;
    void *x = numbers(nx, size), *w = numbers(nw, size), *b = numbers(K, size),
         *dy = numbers(ny, size);
    void *y[2] = {numbers(ny, size), numbers(ny, size)},
         *dw[2] = {numbers(nw, size), numbers(nw, size)};
    void *db[2] = {numbers(K, size), numbers(K, size)};
    const fc_table *tables[2] = {t, oracle};
    for (int i = 0; i < 2; i++) {
        fc_conv p = {.x = x, .bias = b, .y = y[i], .batch = N, .in_h = H, .in_w = H, .channels = C,
                     .out_h = O, .out_w = O, .filters = K, .groups = 1, .x_sn = H * H * C,
                     .x_sh = H * C, .x_sw = C, .y_sn = O * O * K, .y_sh = O * K, .y_sw = K,
                     .kernel_h = k, .kernel_w = k, .stride_h = stride, .stride_w = stride,
                     .dilation_h = dilation, .dilation_w = dilation, .pad_top = pad,
                     .pad_left = pad, .activation = FC_RELU, .depthwise = depthwise};
        const int64_t c_w = depthwise ? 1 : C;
        fc_filter_view view = {
            .w = w, .sg = depthwise ? 1 : K, .skh = k * c_w * K, .skw = c_w * K, .sc = K, .sk = 1};
        run_conv(tables[i], p, &view);
        fc_filter_gradient g = {.x = x, .dy = dy, .dw = dw[i], .db = db[i], .batch = N, .in_h = H,
                                .in_w = H, .channels = C, .out_h = O, .out_w = O, .filters = K,
                                .groups = 1, .x_sn = H * H * C, .x_sh = H * C, .x_sw = C,
                                .dy_sn = O * O * K, .dy_sh = O * K, .dy_sw = K, .kernel_h = k,
                                .kernel_w = k, .stride_h = stride, .stride_w = stride,
                                .dilation_h = dilation, .dilation_w = dilation, .pad_top = pad,
                                .pad_left = pad, .depthwise = depthwise};
        run_filter_gradient(tables[i], g);
    }
    check("conv forward", y[0], y[1], ny, size, 0);
    check("conv filter gradient", dw[0], dw[1], nw, size, 0);
    check("conv bias gradient", db[0], db[1], K, size, 0);
    if (k == 3 && stride <= 2 && dilation == 1 && !depthwise)
        for (int tile = 2; tile <= 4; tile += 2) {
            fc_winograd p = {.x = x, .bias = b, .y = y[0], .batch = N, .in_h = H, .in_w = H,
                             .channels = C, .out_h = O, .out_w = O, .filters = K, .pad_top = pad,
                             .pad_left = pad, .tile = tile, .kernel = 3,
                             .sampling = stride == 2 ? FC_WINO_DOWN : FC_WINO_SAME,
                             .activation = FC_RELU};
            fc_filter_view view = {.w = w, .skh = 3 * C * K, .skw = C * K, .sc = K, .sk = 1};
            run_winograd(t, p, &view);
            check("winograd forward", y[0], y[1], ny, size, size == 8 ? 1e-13 : 1e-5);
            if (stride == 2) {
                fc_winograd up = {.x = dy, .batch = N, .in_h = O, .in_w = O, .channels = K,
                                  .out_h = H, .out_w = H, .filters = C, .pad_top = 2 - pad,
                                  .pad_left = 2 - pad, .tile = tile, .kernel = 3,
                                  .sampling = FC_WINO_UP, .transposed = 1};
                fc_filter_view flipped = {
                    .w = w, .base = 8 * C * K, .skh = -3 * C * K, .skw = -C * K, .sc = 1, .sk = K};
                void *dx[2] = {numbers(nx, size), numbers(nx, size)};
                for (int i = 0; i < 2; i++) {
                    up.y = dx[i];
                    run_winograd(tables[i], up, &flipped);
                }
                check("winograd input gradient", dx[0], dx[1], nx, size, size == 8 ? 1e-13 : 1e-5);
                free(dx[0]);
                free(dx[1]);
                continue;
            }
            fc_winograd same = {.x = dy, .batch = N, .in_h = O, .in_w = O, .channels = K,
                                .out_h = H, .out_w = H, .filters = C, .pad_top = 2 - pad,
                                .pad_left = 2 - pad, .tile = tile, .kernel = 3,
                                .sampling = FC_WINO_SAME, .transposed = 1};
            fc_winograd spread = same;
            spread.pad_top = spread.pad_left = pad;
            spread.sampling = FC_WINO_SPREAD;
            fc_filter_view flipped = {
                .w = w, .base = 8 * C * K, .skh = -3 * C * K, .skw = -C * K, .sc = 1, .sk = K};
            fc_filter_view as_they_are = {.w = w, .skh = 3 * C * K, .skw = C * K, .sc = 1, .sk = K};
            same.y = numbers(nx, size);
            spread.y = numbers(nx, size);
            run_winograd(oracle, same, &flipped);
            run_winograd(t, spread, &as_they_are);
            check("winograd input gradient, added up", spread.y, same.y, nx, size,
                  size == 8 ? 1e-13 : 1e-5);
            free(same.y);
            free(spread.y);
            fc_winograd_gradient g = {.x = x, .dy = dy, .dw = dw[0], .db = db[0], .batch = N,
                                      .in_h = H, .in_w = H, .channels = C, .out_h = O, .out_w = O,
                                      .filters = K, .pad_top = pad, .pad_left = pad, .tile = tile,
                                      .kernel = 3, .threads = 1};
            fc_plan_winograd_gradient(&t->target, &g);
            void *workspace = leftover(g.workspace_size * size);
            void *scratch = leftover(g.scratch_bytes);
            t->winograd_gradient_begin(&g, workspace);
            for (int64_t i = 0; g.own_sums && i < g.splits; i++)
                t->winograd_gradient_split(&g, workspace, i, scratch);
            for (int64_t i = 0; i < g.reduce_items; i++)
                t->winograd_gradient_reduce(&g, workspace, i);
            for (int64_t block = 0; !g.own_sums && block < g.blocks; block++) {
                for (int64_t i = 0; i < g.transform_items; i++)
                    t->winograd_gradient_transform(&g, workspace, block, i);
                for (int64_t i = 0; i < g.product_items + (block == g.blocks - 1); i++)
                    t->winograd_gradient_product(&g, workspace, block, i, scratch);
            }
            free(scratch);
            free(workspace);
            check("winograd filter gradient", dw[0], dw[1], nw, size, size == 8 ? 1e-13 : 1e-5);
            check("winograd bias gradient", db[0], db[1], K, size, 0);
        }
    void *all[] = {x, w, b, dy, y[0], y[1], dw[0], dw[1], db[0], db[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void compare_dense(const fc_table *t, const fc_table *oracle, int64_t rows, int64_t inputs,
                          int64_t outputs)
{
    const int size = t->target.element_size;
    void *x = numbers(rows * inputs, size), *w = numbers(inputs * outputs, size),
         *b = numbers(outputs, size);
    void *dy = numbers(rows * outputs, size), *y[2], *dx[2], *dw[2], *db[2], *updated[2];
    const fc_table *tables[2] = {t, oracle};
    for (int i = 0; i < 2; i++) {
        y[i] = numbers(rows * outputs, size), dx[i] = numbers(rows * inputs, size);
        dw[i] = numbers(inputs * outputs, size), db[i] = numbers(outputs, size);
        fc_dense p = {.x = x, .w = w, .bias = b, .dy = dy, .y = y[i], .dx = dx[i], .dw = dw[i],
                      .db = db[i], .rows = rows, .inputs = inputs, .outputs = outputs,
                      .activation = FC_LEAKY_RELU, .slope = 0.25};
        fc_dense q = p, r = p, s = p;
        updated[i] = numbers(inputs * outputs, size);
        memcpy(updated[i], w, (size_t)(inputs * outputs * size));
        const fc_update update = {.w = updated[i], .h = {0.125}};
        fc_plan_dense_forward(&tables[i]->target, &p);
        fc_plan_dense_backward_input(&tables[i]->target, &q);
        fc_plan_dense_backward_kernel(&tables[i]->target, &r);
        fc_plan_dense_update(&tables[i]->target, &s);
        void *scratch = leftover(p.scratch_bytes + s.scratch_bytes);
        p.partial = leftover(p.partial_size * size);
        for (int64_t item = 0; item < p.items; item++)
            tables[i]->dense_forward_item(&p, item, scratch);
        for (int64_t item = 0; item < p.sum_items; item++)
            tables[i]->dense_sum_item(&p, item);
        free(p.partial);
        for (int64_t item = 0; item < q.items; item++)
            tables[i]->dense_backward_input_item(&q, item, scratch);
        for (int64_t item = 0; item < r.items; item++)
            tables[i]->dense_backward_kernel_item(&r, item, scratch);
        for (int64_t item = 0; item < s.items; item++)
            tables[i]->dense_update_item(&s, &update, tables[i]->update[FC_SGD], item, scratch);
        free(scratch);
    }
    check("dense forward", y[0], y[1], rows * outputs, size, 0);
    check("dense backward input", dx[0], dx[1], rows * inputs, size, 0);
    check("dense backward kernel", dw[0], dw[1], inputs * outputs, size, 0);
    check("dense update", updated[0], updated[1], inputs * outputs, size, 0);
    check("dense bias gradient", db[0], db[1], outputs, size, 0);
}

static void compare_pool(const fc_table *t, const fc_table *oracle, int64_t H, int64_t C,
                         int64_t pool, int64_t stride)
{
    const int size = t->target.element_size;
    const int64_t N = 2, O = (H - pool) / stride + 1, nx = N * H * H * C, ny = N * O * O * C;
    void *x = numbers(nx, size), *dy = numbers(ny, size), *y[2], *dx[2], *average[2], *shared[2];
    unsigned char *argmax[2];
    const fc_table *tables[2] = {t, oracle};
    for (int i = 0; i < 2; i++) {
        y[i] = numbers(ny, size), dx[i] = numbers(nx, size), average[i] = numbers(ny, size),
        shared[i] = numbers(nx, size);
        argmax[i] = malloc((size_t)ny);
        fc_pool p = {.x = x, .dy = dy, .y = y[i], .dx = dx[i], .argmax = argmax[i], .batch = N,
                     .height = H, .width = H, .channels = C, .pool_h = pool, .pool_w = pool,
                     .out_h = O, .out_w = O, .stride_h = stride, .stride_w = stride};
        for (int64_t item = 0; item < N * O; item++)
            tables[i]->max_pool_item(&p, item);
        for (int64_t item = 0; item < fc_pool_backward_items(&p); item++)
            tables[i]->max_pool_backward_item(&p, item);
        p.y = average[i], p.dx = shared[i];
        for (int64_t item = 0; item < N * O; item++)
            tables[i]->average_pool_item(&p, item);
        for (int64_t item = 0; item < fc_pool_backward_items(&p); item++)
            tables[i]->average_pool_backward_item(&p, item);
    }
    check("max pool", y[0], y[1], ny, size, 0);
    check("max pool backward", dx[0], dx[1], nx, size, 0);
    check("average pool", average[0], average[1], ny, size, 0);
    check("average pool backward", shared[0], shared[1], nx, size, 0);
    checks++;
    if (memcmp(argmax[0], argmax[1], (size_t)ny)) {
        failures++;
        printf("FAILED argmax (%d bytes)\n", size);
    }
}

static void compare_activations(const fc_table *t, const fc_table *oracle)
{
    enum { N = 1003 };
    const int size = t->target.element_size;
    void *x = numbers(N, size), *a = numbers(N, size), *b = numbers(N, size);
    const double parameters[3] = {0.25, 2, 1};
    for (int kind = FC_LINEAR; kind <= FC_BOUNDED_RELU; kind++) {
        t->activation_pass(kind, parameters, x, a, N);
        oracle->activation_pass(kind, parameters, x, b, N);
        check("activation", a, b, N, size, 1e-6);
        t->activation_backward_pass(kind, parameters, kind >= FC_KEEPS_INPUT ? x : a, x, a, N);
        oracle->activation_backward_pass(kind, parameters, kind >= FC_KEEPS_INPUT ? x : b, x, b, N);
        check("activation backward", a, b, N, size, 1e-6);
    }
    t->log_softmax(x, a, 17, 59);
    oracle->log_softmax(x, b, 17, 59);
    check("log softmax", a, b, N, size, 1e-6);
    t->softmax(x, a, 17, 59);
    oracle->softmax(x, b, 17, 59);
    check("softmax", a, b, N, size, 1e-6);
}

/* Statistics are of integers, but divided and square-rooted: equal to rounding. */
static void compare_normalization(const fc_table *t, const fc_table *oracle)
{
    enum { SEGMENTS = 3, ROWS = 70, CHANNELS = 84, N = SEGMENTS * ROWS * CHANNELS };
    const int size = t->target.element_size;
    const double tolerance = size == 8 ? 1e-12 : 1e-5;
    const fc_table *tables[2] = {t, oracle};
    void *x = numbers(N, size), *dy = numbers(N, size), *gamma = numbers(CHANNELS, size),
         *beta = numbers(CHANNELS, size);
    void *y[2], *dx[2], *mean[2], *variance[2], *dgamma[2], *dbeta[2], *z[2], *dz[2], *r[2], *dr[2],
        *q[2], *dq[2], *da[2];
    for (int i = 0; i < 2; i++) {
        void **outputs[] = {y + i, dx + i, z + i, dz + i, r + i, dr + i, q + i, dq + i};
        for (size_t k = 0; k < sizeof outputs / sizeof *outputs; k++)
            *outputs[k] = numbers(N, size);
        mean[i] = numbers(SEGMENTS * CHANNELS, size),
        variance[i] = numbers(SEGMENTS * CHANNELS, size);
        dgamma[i] = numbers(CHANNELS, size), dbeta[i] = numbers(CHANNELS, size),
        da[i] = numbers(CHANNELS, size);
        const fc_table *k = tables[i];
        fc_channel_norm p = {.x = x, .gamma = gamma, .beta = beta, .y = y[i], .mean = mean[i],
                             .variance = variance[i], .segments = SEGMENTS, .rows = ROWS,
                             .channels = CHANNELS, .width = 4, .epsilon = 1e-3,
                             .activation = FC_RELU};
        fc_plan_channel_norm(&k->target, &p);
        void *workspace = leftover(p.workspace_bytes);
        for (int64_t j = 0; j < p.sum_items; j++)
            k->channel_moments_item(&p, workspace, j);
        for (int64_t j = 0; j < p.finish_items; j++)
            k->channel_moments_finish(&p, workspace, j);
        for (int64_t j = 0; j < p.pass_items; j++)
            k->channel_affine_item(&p, workspace, j);
        /* The gradient without the activation: rounding may turn its mask over. */
        p.dy = dy, p.y = dx[i], p.dgamma = dgamma[i], p.dbeta = dbeta[i], p.activation = FC_LINEAR;
        for (int64_t j = 0; j < p.sum_items; j++)
            k->channel_gradient_item(&p, workspace, j);
        for (int64_t j = 0; j < p.finish_items; j++)
            k->channel_gradient_finish(&p, workspace, j);
        for (int64_t j = 0; j < p.panels; j++)
            k->channel_gradient_parameters(&p, workspace, j);
        for (int64_t j = 0; j < p.pass_items; j++)
            k->channel_gradient_pass(&p, workspace, j);
        free(workspace);

        void *statistics = numbers(2 * SEGMENTS * ROWS, size);
        fc_row_norm rows = {.x = x, .gamma = gamma, .beta = beta, .y = z[i],
                            .statistics = statistics, .rows = SEGMENTS * ROWS, .features = CHANNELS,
                            .epsilon = 1e-3};
        fc_plan_row_norm(&k->target, &rows);
        for (int64_t j = 0; j < rows.items; j++)
            k->row_norm_item(&rows, j);
        rows.dy = dy, rows.y = dz[i];
        void *scratch = leftover(rows.scratch_bytes);
        for (int64_t j = 0; j < rows.splits; j++)
            k->row_norm_gradient_item(&rows, NULL, j, scratch);
        free(scratch);
        free(statistics);

        fc_response_norm response = {.x = x, .y = r[i], .rows = SEGMENTS * ROWS,
                                     .channels = CHANNELS, .radius = 2, .bias = 2, .alpha = 0.25,
                                     .beta = 0.75};
        fc_plan_response_norm(&k->target, &response);
        scratch = leftover(2 * response.scratch_bytes);
        for (int64_t j = 0; j < response.items; j++)
            k->response_norm_item(&response, j, scratch);
        response.dy = dy, response.y = dr[i];
        for (int64_t j = 0; j < response.items; j++)
            k->response_norm_gradient_item(&response, j, scratch);
        free(scratch);

        fc_prelu prelu = {.x = x, .alpha = gamma, .y = q[i], .dalpha = da[i],
                          .rows = SEGMENTS * ROWS, .slopes = CHANNELS, .inner = 1};
        fc_plan_prelu(&k->target, &prelu);
        for (int64_t j = 0; j < prelu.items; j++)
            k->prelu_item(&prelu, j);
        prelu.dy = dy, prelu.y = dq[i];
        workspace = leftover(prelu.workspace_bytes), scratch = leftover(prelu.scratch_bytes);
        for (int64_t j = 0; j < prelu.splits; j++)
            k->prelu_gradient_item(&prelu, workspace, j, scratch);
        for (int64_t j = 0; j < prelu.slopes; j++)
            k->prelu_gradient_reduce(&prelu, workspace, j);
        free(workspace);
        free(scratch);
    }
    const struct {
        const char *what;
        void **pair;
        int64_t n;
        double tolerance;
    } results[] = {
        {"channel norm", y, N, tolerance}, {"channel norm gradient", dx, N, tolerance},
        {"channel mean", mean, SEGMENTS * CHANNELS / 4, tolerance},
        {"channel variance", variance, SEGMENTS * CHANNELS / 4, tolerance},
        {"channel norm dgamma", dgamma, CHANNELS, tolerance},
        {"channel norm dbeta", dbeta, CHANNELS, 0},
        {"row norm", z, N, tolerance}, {"row norm gradient", dz, N, tolerance},
        {"response norm", r, N, tolerance}, {"response norm gradient", dr, N, tolerance},
        {"prelu", q, N, 0}, {"prelu gradient", dq, N, 0}, {"prelu dalpha", da, CHANNELS, 0},
    };
    for (size_t k = 0; k < sizeof results / sizeof *results; k++) {
        check(results[k].what, results[k].pair[0], results[k].pair[1], results[k].n, size,
              results[k].tolerance);
        free(results[k].pair[0]);
        free(results[k].pair[1]);
    }
    free(x), free(dy), free(gamma), free(beta);
}

int main(int count, char **words)
{
    const char *name = count > 1 ? words[1] : "scalar";
    int isa = 0;
    while (isa < FC_ISA_COUNT && strcmp(fc_isa_name(isa), name))
        isa++;
    if (isa == FC_ISA_COUNT || !fc_isa_compiled(isa) || !fc_isa_supported(isa)) {
        printf("target %s is not compiled in or does not run here\n", name);
        return 2;
    }
    static const int64_t widths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 70};
    for (int is_double = 0; is_double < 2; is_double++) {
        const fc_table *t = fc_get_table(isa, is_double),
                       *oracle = fc_get_table(FC_ISA_SCALAR, is_double);
        compare_dense(t, oracle, 2, 1030, 130); /* in blocks of the reduction */
        compare_dense(t, oracle, 5, 513, 4100);
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
            const int64_t c = widths[i], k = widths[(i * 7 + 3) % 16];
            compare_convolution(t, oracle, 2, 7, c, k, 3, 1, i % 3, 1, 0);
            compare_convolution(t, oracle, 1, 13, c, k, 3, 2, i % 3, 1, 0);
            compare_convolution(t, oracle, 1, 9, c, k, 1 + (int64_t)i % 5, 1 + (int64_t)i % 3, 1,
                                1 + (int64_t)i % 2, 0);
            compare_convolution(t, oracle, 2, 8, c, c, 3, 1 + (int64_t)i % 2, 1, 1, 1);
            compare_convolution(t, oracle, 2, 17, c, c, 3 + 2 * ((int64_t)i % 2),
                                1 + (int64_t)i / 2 % 2, 1, 1, 1);
            compare_dense(t, oracle, 1 + (int64_t)(i * 5) % 20, c * 3, k);
            compare_pool(t, oracle, 9, c, 2 + (int64_t)i % 2, 2);
        }
        compare_activations(t, oracle);
        compare_normalization(t, oracle);
    }
    printf("%s: %d checks, %d failed\n", name, checks, failures);
    return failures != 0;
}

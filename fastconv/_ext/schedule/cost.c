/* cost.c: the amounts of work of every algorithm; see cost.h. */
#include "cost.h"

#include "algorithm.h"
#include "cost_table.h"
#include "layout.h"
#include "schedule.h"

enum {
    /* Size of filters above which they come from memory, in bytes: 3 MiB, three times the 1 MiB of
     * L2 of a core of either server that was measured, where the time per filter stops growing
     * with their size. */
    CACHE_BYTES = 3 << 20,
    /* Rows of the transposed micro-kernel below which a product of the Winograd filter gradient
     * takes no less time: 8 channels, because fewer do not hide the latency of a multiply-add. */
    GRADIENT_ROWS = 8
};

static double vectors(int64_t n, int lanes) { return (double)fc_ceil_div(n, lanes); }

/* ---- direct and scatter ---- */

/* Multiply-adds per tap and channel of a row of `cols` outputs: filters in lanes,
 * or pixels in lanes where filters are few. */
static double row_products(const fc_geometry *g, int64_t cols, int64_t filters, int lanes)
{
    if (g->groups == 1 && filters < lanes && filters <= FC_FEW_FILTERS) {
        const double pixels_in_lanes = vectors(cols, lanes) * (double)filters;
        return pixels_in_lanes < (double)cols ? pixels_in_lanes : (double)cols;
    }
    return (double)cols * vectors(filters, lanes);
}

/* Filters that are not transformed, on their way from memory to the sums. */
static void add_filters(const fc_geometry *g, int lanes, int pass, int frozen, double *amounts)
{
    int64_t c = g->channels / g->groups, k = g->filters;
    if (pass == FC_BACKWARD_INPUT) {
        const int64_t swap = c;
        c = k;
        k = swap;
    }
    const double size = (double)(g->kernel_h * g->kernel_w) * (double)c * vectors(k, lanes);
    if (4 * size * lanes <= CACHE_BYTES)
        return;
    if (pass == FC_BACKWARD_INPUT)
        amounts[FC_COST_transpose_filters] += size;
    else if (frozen)
        amounts[FC_COST_read_filters] += size;
}

static void add_direct_backward_input(const fc_geometry *g, int lanes, double *amounts)
{
    const int64_t c = g->channels / g->groups;
    double rows = 0, taps_h = 0, taps_w = 0, split = 0;
    for (int64_t at = 0; at < fc_residue_end(g->height, g->stride_h);) {
        const fc_residue r =
            fc_residue_from(at, g->height, g->kernel_h, g->stride_h, g->dilation_h, g->pad_top);
        rows += (double)r.count;
        taps_h += (double)r.count * (double)r.taps;
        at = r.next;
    }
    for (int64_t at = 0; at < fc_residue_end(g->width, g->stride_w);) {
        const fc_residue r =
            fc_residue_from(at, g->width, g->kernel_w, g->stride_w, g->dilation_w, g->pad_left);
        const double row = row_products(g, r.count, c, lanes);
        taps_w += row * (double)r.taps;
        if (g->stride_w < g->width && row < (double)r.count)
            split += (double)r.count;
        at = r.next;
    }
    const double depth = (double)g->groups * (double)g->batch * (double)(g->filters / g->groups);
    amounts[FC_COST_multiply_add] += depth * taps_h * taps_w;
    amounts[FC_COST_split_element] += depth * rows * split;
}

static void add_direct(const fc_geometry *g, int lanes, int pass, double *amounts)
{
    if (fc_is_depthwise(g))
        return; /* no other algorithm applies */
    if (pass == FC_BACKWARD_INPUT) {
        add_direct_backward_input(g, lanes, amounts);
        return;
    }
    const int64_t c = g->channels / g->groups, k = g->filters / g->groups, cols = g->out_w;
    const double row =
        pass == FC_FORWARD ? row_products(g, cols, k, lanes) : (double)cols * vectors(k, lanes);
    const double depth = (double)g->groups * (double)(g->batch * g->out_h) * (double)c;
    amounts[FC_COST_multiply_add] += depth * row * (double)(g->kernel_h * g->kernel_w);
    if (row < (double)cols)
        amounts[FC_COST_split_element] +=
            depth * (double)cols * (double)(g->stride_h * g->stride_w);
}

static void add_scatter(const fc_geometry *g, int lanes, double *amounts)
{
    const double pixels = (double)g->batch * (double)(g->out_h * g->out_w);
    const double rows = pixels * (double)g->kernel_h;
    const int64_t stretch = g->kernel_w * g->channels;
    amounts[FC_COST_multiply_add] +=
        pixels * (double)g->filters * vectors(g->kernel_h * g->kernel_w * g->channels, lanes);
    amounts[FC_COST_scatter_vector] += rows * (double)(stretch / lanes);
    amounts[FC_COST_scatter_tail] += stretch % lanes ? rows : 0;
}

/* ---- Winograd ---- */

static int streamed_term(int64_t components)
{
    switch (components) {
    case 4:
        return FC_COST_streamed_4;
    case 5:
        return FC_COST_streamed_5;
    case 6:
        return FC_COST_streamed_6;
    default:
        return FC_COST_streamed_9;
    }
}

static void add_winograd(const fc_target *t, const fc_geometry *g, int pass, int tile, int frozen,
                         double *amounts)
{
    fc_winograd p = {.threads = 1};
    fc_filter_view view = {0};
    fc_describe_winograd(t, g, pass, tile, &p, &view);
    fc_plan_winograd(t, &p);
    const int lanes = t->lanes;
    const double k = vectors(p.filters, lanes), c = vectors(p.channels, lanes),
                 depth = (double)p.channels;
    const double side2 = (double)(p.components * p.components);
    int near = FC_COST_transform_input, far = FC_COST_transform_output;
    double components;
    if (fc_strides_by_one(p.sampling)) {
        components = (double)p.batch * (double)fc_components(&p.rows, p.kernel) *
                     (double)fc_components(&p.cols, p.kernel);
    } else { /* all tiles are alike, and several components share a matrix of filters */
        const int x = tile == 4 ? FC_COST_transform_strided_x4 : FC_COST_transform_strided_x2;
        const int y = tile == 4 ? FC_COST_transform_strided_y4 : FC_COST_transform_strided_y2;
        near = pass == FC_BACKWARD_INPUT ? y : x;
        far = pass == FC_BACKWARD_INPUT ? x : y;
        components = (double)p.tiles * side2;
    }
    amounts[near] += components * c;
    amounts[far] += components * k;
    if (p.in_registers) {
        amounts[FC_COST_multiply_add] += components * depth * k;
        amounts[FC_COST_filters_in_registers] +=
            (double)fc_ceil_div(p.tiles, FC_WINO_REGISTER_TILES) * side2 * depth * k;
        add_filters(g, lanes, pass, frozen, amounts);
        return;
    }
    if (p.streams) { /* each filter is transformed once, where it is used */
        amounts[streamed_term(p.components)] += components * depth * k;
        amounts[far] += side2 * depth * k;
        return;
    }
    amounts[FC_COST_multiply_add] += components * depth * k;
    const double size = (double)(p.matrices * p.matrices) * depth * k;
    const int beyond = 4 * size * lanes > CACHE_BYTES;
    if (!frozen)
        amounts[beyond ? FC_COST_transform_filters_far : FC_COST_transform_filters] += size;
    else if (beyond)
        amounts[FC_COST_read_filters] += size;
}

static void add_winograd_gradient(const fc_target *t, const fc_geometry *g, int tile,
                                  double *amounts)
{
    fc_winograd_gradient p = {.threads = 1};
    fc_describe_winograd_gradient(g, tile, &p);
    fc_plan_winograd_gradient(t, &p);
    const double k = vectors(p.filters, t->lanes),
                 depth = (double)fc_max64(p.channels, GRADIENT_ROWS);
    const double components = (double)p.batch * (double)fc_components(&p.rows, p.kernel) *
                              (double)fc_components(&p.cols, p.kernel);
    amounts[FC_COST_transform_gradient_x] += components * vectors(p.channels, t->lanes);
    amounts[FC_COST_transform_gradient_dy] += components * k;
    amounts[FC_COST_multiply_add] += components * depth * k;
    amounts[FC_COST_sum_filters] += (double)(p.components * p.components) * (double)p.channels * k;
}

/* ---- all algorithms ---- */

void fc_cost_amounts(const fc_target *t, const fc_geometry *geometry, int pass, int algorithm,
                     int frozen, double *amounts)
{
    fc_geometry cut = *geometry;
    cut.batch = fc_max64(cut.batch, 1); /* an empty batch has no items to plan */
    const int tile = algorithm == FC_WINOGRAD4 ? 4 : 2;
    for (int i = 0; i < FC_COST_TERM_COUNT; i++)
        amounts[i] = 0;
    switch (algorithm) {
    case FC_DIRECT:
        add_direct(&cut, t->lanes, pass, amounts);
        add_filters(&cut, t->lanes, pass, frozen, amounts);
        break;
    case FC_SCATTER:
        add_scatter(&cut, t->lanes, amounts);
        add_filters(&cut, t->lanes, pass, frozen, amounts);
        break;
    default:
        if (pass == FC_BACKWARD_KERNEL)
            add_winograd_gradient(t, &cut, tile, amounts);
        else
            add_winograd(t, &cut, pass, tile, frozen, amounts);
    }
}

double fc_cost(const fc_target *t, const fc_geometry *g, int pass, int algorithm, int frozen)
{
    double amounts[FC_COST_TERM_COUNT], cost = 0;
    fc_cost_amounts(t, g, pass, algorithm, frozen, amounts);
    for (int i = 0; i < FC_COST_TERM_COUNT; i++)
        cost += amounts[i] * fc_cost_table[i];
    return cost;
}

/* algorithm.c: obstacles and costs of the algorithms.
 *
 * A cost counts vector multiply-adds of the micro-kernel; what takes longer than they do is expressed in them.  The
 * coefficients were measured on AVX-512 servers against the micro-kernel, layer by layer. */
#include "algorithm.h"

#include "layout.h"
#include "schedule.h"

/* Winograd transforms, memory traffic included: multiply-adds per component of a tile and vector of channels. */
static const double transform_input = 9.4, transform_output = 8.5;
static const double strided_transform_x[2] = {13.2, 13.6}; /* stride 2, tiles of 2 and 4 outputs: side of x or dx */
static const double strided_transform_y[2] = {6.0, 6.8};   /* ... side of y or dy */
static const double gradient_transform = 1.75;             /* factor for planes of a filter gradient, which are in L3 */
static const double streamed_products[10] = {              /* factor of products with streamed filters, by side of a tile */
    [4] = 1.7, [5] = 1.5, [6] = 1.3, [9] = 1.5};

/* Costs of a vector of filters: multiply-adds. */
enum {
    CACHE_BYTES = 3 << 20,  /* size of filters above which they come from memory, in bytes */
    TRANSFORMED_CACHE = 8,  /* write and read of transformed filters, in cache */
    TRANSFORMED_MEMORY = 40, /* ... in memory */
    READ_MEMORY = 14,       /* read of frozen filters from memory */
    TRANSPOSE_MEMORY = 24,  /* read and transpose of filters from memory */
    SUM_FILTERS = 12,       /* update of the sums of a Winograd filter gradient */
    GRADIENT_ROWS = 8       /* channels, at least, that a product of that gradient costs */
};

/* Costs of a scatter: multiply-adds. */
enum {
    SCATTER_VECTOR = 8, /* addition of a vector to dx */
    SCATTER_TAIL = 15   /* addition of the last part of a stretch */
};

enum { SPLIT_PIXEL = 6 }; /* copy of an input element into a plane of few_filters.inc: multiply-adds */

static double vectors(int64_t n, int lanes) { return (double)fc_ceil_div(n, lanes); }

/* ---- direct and scatter ---- */

/* Multiply-adds per tap and channel of a row of `cols` outputs: filters in lanes, or pixels in lanes where filters are few. */
static double row_cost(const fc_geometry *g, int64_t cols, int64_t filters, int lanes)
{
    if (g->groups == 1 && filters < lanes && filters <= FC_FEW_FILTERS) {
        const double pixels_in_lanes = vectors(cols, lanes) * (double)filters;
        return pixels_in_lanes < (double)cols ? pixels_in_lanes : (double)cols;
    }
    return (double)cols * vectors(filters, lanes);
}

/* Filters that are not transformed, on their way from memory to the sums. */
static double filters_cost(const fc_geometry *g, int lanes, int pass, int frozen)
{
    int64_t c = g->channels / g->groups, k = g->filters;
    if (pass == FC_BACKWARD_INPUT) {
        const int64_t swap = c;
        c = k;
        k = swap;
    }
    const double size = (double)(g->kernel_h * g->kernel_w) * (double)c * vectors(k, lanes);
    if (4 * size * lanes <= CACHE_BYTES)
        return 0;
    if (pass == FC_BACKWARD_INPUT)
        return size * TRANSPOSE_MEMORY;
    return frozen ? size * READ_MEMORY : 0;
}

static double direct_backward_input_cost(const fc_geometry *g, int lanes)
{
    const int64_t c = g->channels / g->groups;
    double rows = 0, taps_h = 0, taps_w = 0, split = 0;
    for (int64_t at = 0; at < fc_residue_end(g->height, g->stride_h);) {
        const fc_residue r = fc_residue_from(at, g->height, g->kernel_h, g->stride_h, g->dilation_h, g->pad_top);
        rows += (double)r.count;
        taps_h += (double)r.count * (double)r.taps;
        at = r.next;
    }
    for (int64_t at = 0; at < fc_residue_end(g->width, g->stride_w);) {
        const fc_residue r = fc_residue_from(at, g->width, g->kernel_w, g->stride_w, g->dilation_w, g->pad_left);
        const double row = row_cost(g, r.count, c, lanes);
        taps_w += row * (double)r.taps;
        if (g->stride_w < g->width && row < (double)r.count)
            split += (double)r.count;
        at = r.next;
    }
    split *= SPLIT_PIXEL * rows;
    return (double)g->groups * (double)g->batch * (double)(g->filters / g->groups) * (taps_h * taps_w + split);
}

static double direct_cost(const fc_geometry *g, int lanes, int pass)
{
    if (fc_is_depthwise(g))
        return 0; /* no other algorithm applies */
    if (pass == FC_BACKWARD_INPUT)
        return direct_backward_input_cost(g, lanes);
    const int64_t c = g->channels / g->groups, k = g->filters / g->groups, cols = g->out_w;
    const double row = pass == FC_FORWARD ? row_cost(g, cols, k, lanes) : (double)cols * vectors(k, lanes);
    const double split = row < (double)cols ? SPLIT_PIXEL * (double)cols * (double)(g->stride_h * g->stride_w) : 0;
    return (double)g->groups * (double)(g->batch * g->out_h) * (double)c *
           (row * (double)(g->kernel_h * g->kernel_w) + split);
}

static double scatter_cost(const fc_geometry *g, int lanes)
{
    const double pixels = (double)g->batch * (double)(g->out_h * g->out_w);
    const double product = (double)g->filters * vectors(g->kernel_h * g->kernel_w * g->channels, lanes);
    const int64_t stretch = g->kernel_w * g->channels;
    const double adds = SCATTER_VECTOR * (double)(stretch / lanes) + (stretch % lanes ? SCATTER_TAIL : 0);
    return pixels * (product + (double)g->kernel_h * adds);
}

/* ---- Winograd ---- */

static double winograd_forward_cost(const fc_target *t, const fc_geometry *g, int pass, int tile, int frozen)
{
    fc_winograd p = {.threads = 1};
    fc_filter_view view = {0};
    fc_describe_winograd(t, g, pass, tile, &p, &view);
    fc_plan_winograd(t, &p);
    const int lanes = t->lanes, strided = !fc_strides_by_one(p.sampling);
    const double k = vectors(p.filters, lanes), side2 = (double)(p.components * p.components);
    double near = transform_input, far = transform_output, components;
    if (strided) { /* all tiles are alike, and several components share a matrix of filters */
        const int upwards = pass == FC_BACKWARD_INPUT;
        near = upwards ? strided_transform_y[tile == 4] : strided_transform_x[tile == 4];
        far = upwards ? strided_transform_x[tile == 4] : strided_transform_y[tile == 4];
        components = (double)p.tiles * side2;
    } else {
        components = (double)p.batch * (double)fc_components(&p.rows, p.kernel) * (double)fc_components(&p.cols, p.kernel);
    }
    const double c = vectors(p.channels, lanes), products = components * (double)p.channels * k;
    const double transforms = components * (near * c + far * k);
    if (p.streams) /* each filter is transformed once, where it is used */
        return transforms + streamed_products[p.components] * products + far * side2 * (double)p.channels * k;
    const double size = (double)(p.matrices * p.matrices) * (double)p.channels * k;
    const int beyond = 4 * size * lanes > CACHE_BYTES;
    const int per_vector = frozen ? (beyond ? READ_MEMORY : 0) : beyond ? TRANSFORMED_MEMORY : TRANSFORMED_CACHE;
    return transforms + products + size * per_vector;
}

static double winograd_gradient_cost(const fc_target *t, const fc_geometry *g, int tile)
{
    fc_winograd_gradient p = {.threads = 1};
    fc_describe_winograd_gradient(g, tile, &p);
    fc_plan_winograd_gradient(t, &p);
    const int lanes = t->lanes;
    const double k = vectors(p.filters, lanes), depth = (double)fc_max64(p.channels, GRADIENT_ROWS);
    const double components =
        (double)p.batch * (double)fc_components(&p.rows, p.kernel) * (double)fc_components(&p.cols, p.kernel);
    const double transforms = transform_input * vectors(p.channels, lanes) + transform_output * k;
    const double filters = (double)(p.components * p.components) * (double)p.channels * k;
    return components * (transforms * gradient_transform) + components * depth * k + SUM_FILTERS * filters;
}

/* ---- the choice ---- */

int fc_obstacle(const fc_geometry *g, int pass, int algorithm)
{
    switch (algorithm) {
    case FC_DIRECT:
        return FC_APPLIES;
    case FC_SCATTER:
        if (pass != FC_BACKWARD_INPUT)
            return FC_WRONG_PASS;
        return g->groups != 1 ? FC_WRONG_GROUPS : g->dilation_w != 1 ? FC_WRONG_DILATION : FC_APPLIES;
    default: /* Winograd */
        if (!(g->kernel_h == 3 && g->kernel_w == 3) &&
            !(algorithm == FC_WINOGRAD2 && g->kernel_h == 5 && g->kernel_w == 5))
            return FC_WRONG_KERNEL;
        if (!(g->stride_h == 1 && g->stride_w == 1) &&
            !(g->stride_h == 2 && g->stride_w == 2 && g->kernel_h == 3 && pass != FC_BACKWARD_KERNEL))
            return FC_WRONG_STRIDES;
        if (g->dilation_h != 1 || g->dilation_w != 1)
            return FC_WRONG_DILATION;
        if (g->groups != 1)
            return FC_WRONG_GROUPS;
        return g->padding_mode != FC_PAD_ZEROS ? FC_WRONG_PADDING_MODE : FC_APPLIES;
    }
}

double fc_cost(const fc_target *t, const fc_geometry *geometry, int pass, int algorithm, int frozen)
{
    fc_geometry cut = *geometry;
    cut.batch = fc_max64(cut.batch, 1); /* an empty batch has no items to plan */
    const fc_geometry *const g = &cut;
    const int tile = algorithm == FC_WINOGRAD4 ? 4 : 2;
    switch (algorithm) {
    case FC_DIRECT:
        return direct_cost(g, t->lanes, pass) + filters_cost(g, t->lanes, pass, frozen);
    case FC_SCATTER:
        return scatter_cost(g, t->lanes) + filters_cost(g, t->lanes, pass, frozen);
    default:
        if (pass == FC_BACKWARD_KERNEL)
            return winograd_gradient_cost(t, g, tile);
        return winograd_forward_cost(t, g, pass, tile, frozen);
    }
}

int fc_choose_algorithm(const fc_target *t, const fc_geometry *g, int pass, int frozen, int winograd)
{
    int best = FC_DIRECT;
    double least = fc_cost(t, g, pass, FC_DIRECT, frozen);
    for (int algorithm = FC_SCATTER; algorithm < (winograd ? FC_ALGORITHMS : FC_WINOGRAD4); algorithm++) {
        if (fc_obstacle(g, pass, algorithm) != FC_APPLIES)
            continue;
        const double cost = fc_cost(t, g, pass, algorithm, frozen);
        if (cost < least) {
            least = cost;
            best = algorithm;
        }
    }
    return best;
}

/* geometry.c: see geometry.h. */
#include "geometry.h"

#include "layout.h"

int fc_is_depthwise(const fc_geometry *g)
{
    return g->groups > 1 && g->groups == g->channels && g->groups == g->filters;
}

/* ---- residues of the input gradient ---- */

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int64_t fc_residue_end(int64_t size, int64_t stride) { return fc_min64(stride, size); }

/* Input position i is read by output o through tap k where i + pad = o*stride + k*dilation.  As k
 * grows, o falls, so taps are taken in reverse.  A stride of at least `size` leaves one position
 * per residue; neighbours without taps are one class. */
fc_residue fc_residue_from(int64_t at, int64_t size, int64_t kernel, int64_t stride,
                           int64_t dilation, int64_t pad)
{
    const int64_t common = greatest_common_divisor(stride, dilation), step = stride / common;
    const int64_t wanted = (at + pad) % stride;
    fc_residue r = {.first = at, .count = fc_ceil_div(size - at, stride), .apart = stride,
                    .tap_step = step, .dilation = 1, .next = at + 1};
    int64_t following = size; /* the next position with a tap */
    for (int64_t k = 0; k < fc_min64(step, kernel); k++) {
        if (k * dilation % stride == wanted) {
            r.first_tap = k;
            r.taps = fc_ceil_div(kernel - k, step);
            r.dilation = dilation / common;
            /* Rounded down, as the numerator may be negative. */
            const int64_t offset = at + pad - k * dilation;
            const int64_t base = offset >= 0 ? offset / stride : -fc_ceil_div(-offset, stride);
            r.pad = (r.taps - 1) * r.dilation - base;
            return r;
        }
        const int64_t first = ((k * dilation - pad) % stride + stride) % stride;
        if (first > at)
            following = fc_min64(following, first);
    }
    if (stride >= size) {
        r.count = following - at;
        r.apart = 1;
        r.next = following;
    }
    return r;
}

/* ---- direct ---- */

/* The sizes of a problem that reads x, and writes y or reads dy. */
#define DESCRIBE_SIZES(p, g) \
    do { \
        (p)->batch = (g)->batch; \
        (p)->in_h = (g)->height; \
        (p)->in_w = (g)->width; \
        (p)->channels = (g)->channels; \
        (p)->out_h = (g)->out_h; \
        (p)->out_w = (g)->out_w; \
        (p)->filters = (g)->filters; \
        (p)->pad_top = (g)->pad_top; \
        (p)->pad_left = (g)->pad_left; \
    } while (0)

/* The sizes of a problem that reads dy and writes dx: input and output exchanged. */
#define DESCRIBE_GRADIENT_SIZES(p, g) \
    do { \
        (p)->batch = (g)->batch; \
        (p)->in_h = (g)->out_h; \
        (p)->in_w = (g)->out_w; \
        (p)->channels = (g)->filters; \
        (p)->out_h = (g)->height; \
        (p)->out_w = (g)->width; \
        (p)->filters = (g)->channels; \
    } while (0)

/* Divides channels and filters among groups; those of a depthwise problem are one group. */
#define DESCRIBE_GROUPS(p, g) \
    do { \
        (p)->depthwise = fc_is_depthwise(g); \
        (p)->groups = (p)->depthwise ? 1 : (g)->groups; \
        (p)->channels /= (p)->groups; \
        (p)->filters /= (p)->groups; \
    } while (0)

/* The strides of the pixels of contiguous images with rows of `width` pixels and `height` rows. */
#define DESCRIBE_STRIDES(p, array, height, width, all_channels) \
    do { \
        (p)->array##_sw = (all_channels); \
        (p)->array##_sh = (width) * (p)->array##_sw; \
        (p)->array##_sn = (height) * (p)->array##_sh; \
    } while (0)

/* The windows of a direct problem that reads x: a forward pass, or its filter gradient. */
#define DESCRIBE_WINDOWS(p, g) \
    do { \
        DESCRIBE_SIZES(p, g); \
        DESCRIBE_GROUPS(p, g); \
        DESCRIBE_STRIDES(p, x, (g)->height, (g)->width, (g)->channels); \
        (p)->kernel_h = (g)->kernel_h; \
        (p)->kernel_w = (g)->kernel_w; \
        (p)->stride_h = (g)->stride_h; \
        (p)->stride_w = (g)->stride_w; \
        (p)->dilation_h = (g)->dilation_h; \
        (p)->dilation_w = (g)->dilation_w; \
    } while (0)

void fc_describe_forward(const fc_geometry *g, fc_conv *p, fc_filter_view *view)
{
    DESCRIBE_WINDOWS(p, g);
    DESCRIBE_STRIDES(p, y, g->out_h, g->out_w, g->filters);
    p->padding_mode = g->padding_mode;
    view->sk = 1;
    view->sc = g->filters;
    view->skw = g->channels / g->groups * g->filters;
    view->skh = g->kernel_w * view->skw;
    view->sg = p->depthwise ? 1 : p->filters;
}

void fc_describe_backward_input(const fc_geometry *g, int64_t row, int64_t column, fc_conv *p,
                                fc_filter_view *view, int64_t *first)
{
    fc_residue h =
        fc_residue_from(row, g->height, g->kernel_h, g->stride_h, g->dilation_h, g->pad_top);
    fc_residue w =
        fc_residue_from(column, g->width, g->kernel_w, g->stride_w, g->dilation_w, g->pad_left);
    if (!h.taps || !w.taps) /* no element of a filter reaches these pixels: zeros */
        h.taps = w.taps = 0;
    DESCRIBE_GRADIENT_SIZES(p, g);
    DESCRIBE_GROUPS(p, g);
    DESCRIBE_STRIDES(p, x, g->out_h, g->out_w, g->filters);
    p->out_h = h.count; /* of dx, the pixels of these residues */
    p->out_w = w.count;
    p->y_sw = w.apart * g->channels;
    p->y_sh = h.apart * g->width * g->channels;
    p->y_sn = g->height * g->width * g->channels;
    p->kernel_h = h.taps;
    p->kernel_w = w.taps;
    p->stride_h = p->stride_w = 1;
    p->dilation_h = h.dilation;
    p->dilation_w = w.dilation;
    p->pad_top = h.pad;
    p->pad_left = w.pad;
    *first = (h.first * g->width + w.first) * g->channels;
    const int64_t tap = g->channels / g->groups * g->filters;
    view->sc = 1;
    view->sk = g->filters;
    view->skw = -w.tap_step * tap;
    view->skh = -h.tap_step * g->kernel_w * tap;
    view->sg = p->depthwise ? 1 : p->channels;
    view->base = (h.first_tap * g->kernel_w + w.first_tap) * tap -
                 fc_max64(h.taps - 1, 0) * view->skh - fc_max64(w.taps - 1, 0) * view->skw;
}

void fc_describe_backward_kernel(const fc_geometry *g, fc_filter_gradient *p)
{
    DESCRIBE_WINDOWS(p, g);
    DESCRIBE_STRIDES(p, dy, g->out_h, g->out_w, g->filters);
}

void fc_describe_scatter(const fc_geometry *g, fc_scatter *p)
{
    DESCRIBE_SIZES(p, g);
    p->kernel_h = g->kernel_h;
    p->kernel_w = g->kernel_w;
    p->dilation_h = g->dilation_h;
    p->stride_h = g->stride_h;
    p->stride_w = g->stride_w;
}

/* ---- Winograd ---- */

/* Decides whether the input gradient is computed in tiles of dy, whose contributions to dx are
 * added up.  They must reach every pixel of dx.  It pays where they have fewer components than
 * tiles of dx (as without padding) and those of an image stay in cache. */
static int adds_tiles(const fc_target *t, const fc_geometry *g, int tile)
{
    const int mixed = tile == 4, kernel = (int)g->kernel_h;
    const fc_tiling dx_rows = fc_cut(g->height, tile, mixed),
                    dx_cols = fc_cut(g->width, tile, mixed);
    const fc_tiling dy_rows = fc_cut(g->out_h, tile, mixed),
                    dy_cols = fc_cut(g->out_w, tile, mixed);
    const int64_t of_dx = fc_components(&dx_rows, kernel) * fc_components(&dx_cols, kernel);
    const int64_t of_dy = fc_components(&dy_rows, kernel) * fc_components(&dy_cols, kernel);
    const int possible = g->stride_h == 1 && g->height + g->pad_top < g->out_h + kernel &&
                         g->width + g->pad_left < g->out_w + kernel;
    return fc_decide(t, FC_VARIANT_added_tiles, possible,
                     of_dy < of_dx && dy_rows.count * dy_cols.count <= FC_WINO_SPREAD_TILES);
}

void fc_describe_winograd(const fc_target *t, const fc_geometry *g, int pass, int tile,
                          fc_winograd *p, fc_filter_view *view)
{
    const int kernel = (int)g->kernel_h, strided = g->stride_h == 2;
    p->tile = tile;
    p->kernel = kernel;
    if (pass == FC_FORWARD) {
        DESCRIBE_SIZES(p, g);
        p->sampling = strided ? FC_WINO_DOWN : FC_WINO_SAME;
        view->sk = 1;
        view->sc = p->filters;
        view->skw = p->channels * p->filters;
    } else {
        DESCRIBE_GRADIENT_SIZES(p, g);
        p->transposed = 1;
        view->sc = 1;
        view->sk = p->channels;
        if (adds_tiles(t, g, tile)) {
            p->sampling = FC_WINO_SPREAD;
            p->pad_top = g->pad_top;
            p->pad_left = g->pad_left;
            view->skw = p->channels * p->filters;
        } else { /* filters are flipped */
            p->sampling = strided ? FC_WINO_UP : FC_WINO_SAME;
            p->pad_top = kernel - 1 - g->pad_top;
            p->pad_left = kernel - 1 - g->pad_left;
            view->skw = -p->channels * p->filters;
            view->base = (kernel * kernel - 1) * p->channels * p->filters;
        }
    }
    view->skh = kernel * view->skw;
}

void fc_describe_winograd_gradient(const fc_geometry *g, int tile, fc_winograd_gradient *p)
{
    DESCRIBE_SIZES(p, g);
    p->tile = tile;
    p->kernel = (int)g->kernel_h;
}

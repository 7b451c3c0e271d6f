/* layout.h: the layouts of packed filters and scratch memory.
 *
 * A schedule reserves them and a kernel fills them, so both take their sizes from here.
 * Sizes are in elements unless a name ends in _bytes. */
#ifndef FASTCONV_LAYOUT_H
#define FASTCONV_LAYOUT_H

#include "axis.h"
#include "problems.h"
#include "red_zones.h"
#include "target.h"
#include "tuning.h"

/* Filters of a full panel. */
static inline int64_t fc_panel(const fc_target *t) { return (int64_t)t->lanes * t->panel_vectors; }

/* `n` elements rounded up to whole vectors. */
static inline int64_t fc_round_vectors(const fc_target *t, int64_t n)
{
    return fc_round_up(n, t->lanes);
}

/* Vectors of panel number `panel` of `filters` output channels. */
static inline int fc_panel_vectors(const fc_target *t, int64_t filters, int64_t panel)
{
    const int64_t rest = filters - panel * fc_panel(t);
    return rest >= fc_panel(t) ? t->panel_vectors : (int)fc_ceil_div(rest, t->lanes);
}

/* The first multiple of 64 bytes from p on. */
static inline void *fc_align64(void *p) { return (void *)(((uintptr_t)p + 63) & ~(uintptr_t)63); }

/* The position of an axis that padding position i repeats, or -1 for a zero. */
static inline int64_t fc_padded_index(int64_t i, int64_t size, int mode)
{
    if (i >= 0 && i < size)
        return i;
    if (mode == FC_PAD_EDGE)
        return i < 0 ? 0 : size - 1;
    if (mode == FC_PAD_REFLECT)
        return i < 0 ? -i : 2 * (size - 1) - i;
    return -1;
}

/* ---- convolution ---- */

/* Packed filters of one group: full panels, then one panel as wide as the rest needs. */
static inline int64_t fc_packed_group_size(const fc_target *t, const fc_conv *p)
{
    const int64_t full = p->filters / fc_panel(t), rest = p->filters % fc_panel(t);
    return p->taps * p->run * (full * fc_panel(t) + fc_round_vectors(t, rest));
}

/* The same for dot products: every panel begins with a row of initial sums. */
static inline int64_t fc_packed_dot_size(const fc_target *t, const fc_conv *p)
{
    return (p->taps * p->run + t->dot) * fc_round_vectors(t, p->filters);
}

/* First row of chunk number i of y, counted over all images: chunks are as equal as possible,
 * and of whole pooling windows. */
static inline int64_t fc_first_row(const fc_conv *p, int64_t i)
{
    const int64_t together = p->pool ? 2 : 1;
    return p->batch * p->out_h / together * i / p->row_items * together;
}

/* The part of a convolution that an item computes. */
typedef struct {
    int64_t group, row, col, panel; /* numbers of its chunk of rows, of columns, of panels */
} fc_conv_part;

static inline fc_conv_part fc_part_of_item(const fc_conv *p, int64_t item)
{
    const int64_t pixels = p->row_items * p->col_items, all = pixels * p->panel_items;
    const int64_t at = item % all;
    const int64_t chunk = p->panels_outermost ? at % pixels : at / p->panel_items;
    return (fc_conv_part){.group = item / all,
                          .row = chunk / p->col_items,
                          .col = chunk % p->col_items,
                          .panel = p->panels_outermost ? at / pixels : at % p->panel_items};
}

/* Row of a plane of few_filters.inc: reads of whole vectors stay within it. */
static inline int64_t fc_plane_row(const fc_target *t, const fc_conv *p)
{
    return fc_round_vectors(t, p->cols_per_item) +
           fc_extent(p->kernel_w, p->dilation_w) / p->stride_w + 1;
}

static inline int64_t fc_few_scratch_bytes(const fc_target *t, const fc_conv *p)
{
    const int64_t rows = fc_min64(p->rows_per_item, p->out_h);
    const int64_t in_rows = (rows - 1) * p->stride_h + fc_extent(p->kernel_h, p->dilation_h);
    const int64_t terms = p->kernel_h * p->kernel_w * p->channels;
    const int64_t planes = p->channels * p->stride_w * in_rows * fc_plane_row(t, p);
    return fc_round_up(
        128 + (int64_t)sizeof(int64_t) * terms + t->element_size * planes + 2 * FC_RED_ZONE, 64);
}

/* Table of pointers to the pixels of depthwise windows, and the zeros that padding points to. */
static inline int64_t fc_window_bytes(const fc_target *t, int64_t rows, int64_t cols,
                                      int64_t channels)
{
    return 128 + channels * t->element_size + rows * cols * (int64_t)sizeof(void *) +
           2 * FC_RED_ZONE;
}

/* ---- filter gradient ---- */

/* Distance between the pixels of a copy of x: an odd number of cache lines,
 * which spreads them over the cache sets. */
static inline int64_t fc_packed_pixel(const fc_target *t, const fc_filter_gradient *p)
{
    const int64_t line = 64 / t->element_size;
    return (fc_ceil_div(p->channels, line) | 1) * line;
}

/* A stretch of pixels in the list that the transposed micro-kernel follows. */
typedef struct {
    int64_t x, dy; /* elements from the first pixel */
} fc_stretch;

/* List of the stretches of a block. */
static inline int64_t fc_list_bytes(const fc_target *t, const fc_filter_gradient *p)
{
    const int64_t stretches = p->rows_per_block * (t->lists_pixels ? p->out_w : 1);
    return fc_round_up(stretches * (int64_t)sizeof(fc_stretch), 64);
}

/* ---- Winograd ---- */

/* Components of a tile in each dimension. */
typedef struct {
    unsigned char rows, cols;
} fc_tile_sides;

/* Tests whether tiles have stride 1, and so sizes of their own. */
static inline int fc_strides_by_one(int sampling)
{
    return sampling == FC_WINO_SAME || sampling == FC_WINO_SPREAD;
}

/* Cuts `size` outputs into tiles; `mixed` allows tiles smaller than `tile`. */
static inline fc_tiling fc_cut(int64_t size, int tile, int mixed)
{
    fc_tiling t = {.size = size, .count = fc_max64(fc_ceil_div(size, tile), 1), .tile = tile};
    t.whole = t.count;
    if (mixed && size % tile)
        t.whole -= size % tile == 1 && t.count > 1 ? 2 : 1;
    return t;
}

/* First output of tile i. */
static inline int64_t fc_tile_start(const fc_tiling *t, int64_t i)
{
    return fc_min64(i, t->whole) * t->tile + (i > t->whole ? 2 : 0);
}

/* Outputs of tile i: m of its transform. */
static inline int fc_tile_extent(const fc_tiling *t, int64_t i)
{
    return i < t->whole       ? t->tile
           : i + 1 < t->count ? 2
                              : (int)fc_max64(t->size - fc_tile_start(t, i), 2);
}

/* Components, in one dimension, of all tiles together, for kernels of `kernel`
 * taps with stride 1. */
static inline int64_t fc_components(const fc_tiling *t, int kernel)
{
    int64_t sum = t->whole * (t->tile + kernel - 1);
    for (int64_t i = t->whole; i < t->count; i++)
        sum += fc_tile_extent(t, i) + kernel - 1;
    return sum;
}

static inline int fc_largest_tile(const fc_tiling *t)
{
    return fc_tile_extent(t, t->whole ? 0 : t->count - 1);
}

/* Distance between two matrices of transformed filters: one vector more than a matrix
 * holds, because the transform writes to all matrices in turn and a power of two would map
 * them to one cache set. */
static inline int64_t fc_filter_plane(const fc_target *t, const fc_winograd *p)
{
    return p->channels * fc_round_vectors(t, p->filters) + t->lanes;
}

/* Distance between two components of V when filters are streamed: one vector more than needed,
 * for the same reason. */
static inline int64_t fc_stream_row(const fc_target *t, const fc_winograd *p)
{
    return fc_round_vectors(t, p->channels) + t->lanes;
}

/* Columns of a panel of streamed filters. */
static inline int64_t fc_stream_width(const fc_target *t, const fc_winograd *p)
{
    return p->in_registers ? t->lanes : FC_WINO_STREAM_VECTORS * t->lanes;
}

/* Tiles of V where filters are transformed in registers: an even number. */
static inline int64_t fc_register_tiles(const fc_winograd *p)
{
    return fc_round_up(p->tiles, FC_WINO_REGISTER_PAIR);
}

/* Rows of one matrix's product for each tile: the components that share the matrix. */
static inline int64_t fc_most_rows(const fc_winograd *p)
{
    return (p->components - p->matrices + 1) * (p->components - p->matrices + 1);
}

/* Pointers to the rows of a product, and the sides of all its tiles. */
static inline int64_t fc_rows_bytes(const fc_winograd *p, int64_t tiles)
{
    return tiles *
               ((int64_t)sizeof(void *) * 2 * fc_most_rows(p) + (int64_t)sizeof(fc_tile_sides)) +
           3 * FC_RED_ZONE;
}

/* One tap of the filters of a gradient that are gathered before their transform:
 * one vector more than it holds, which keeps the taps out of one cache set. */
static inline int64_t fc_gathered_tap(const fc_target *t)
{
    return FC_WINO_PACK_CHANNELS * fc_panel(t) + t->lanes;
}

/* Those filters; the filters of a forward pass are read in place. */
static inline int64_t fc_gathered_bytes(const fc_target *t, const fc_winograd *p)
{
    return p->transposed
               ? p->kernel * p->kernel * fc_gathered_tap(t) * t->element_size + FC_RED_ZONE
               : 0;
}

/* ---- pooling ---- */

/* Tests whether windows tile the image: no two overlap and no pixel lies between them. */
static inline int fc_windows_tile(const fc_pool *p)
{
    return p->stride_h == p->pool_h && p->stride_w == p->pool_w;
}

/* ---- scatter ---- */

/* Columns of a row of dx under construction, padding included. */
static inline int64_t fc_scatter_columns(const fc_scatter *p)
{
    return fc_max64((p->out_w - 1) * p->stride_w + p->kernel_w, p->in_w + p->pad_left);
}

/* ---- dense ---- */

/* Distance between two rows of `columns` sums: one vector more, which spreads rows over
 * the cache sets. */
static inline int64_t fc_sums_row(const fc_target *t, int64_t columns)
{
    return columns + t->lanes;
}

#endif

/* winograd.c: schedules of Winograd convolution, forward and with respect to the input
 * (kernels/winograd.inc).
 *
 * An item is a block of tiles and some panels of filters.  Its transformed input and its products
 * fit in L2, unless the filters are so many that reading them again for every block would cost
 * more; then L3 holds the block.
 * With few tiles, filters stream instead: they are transformed where they are used, because the
 * transformed filters, several times as large as the filters, would pass through memory.  Beside
 * at most eight tiles this happens in registers; beside more, if the filters are many, a few
 * channels at a time, in cache. */
#include "layout.h"
#include "partition.h"
#include "schedule.h"

/* Whether the filters are transformed in registers: 24 sums are there, of 6 x 4 components. */
static int transforms_in_registers(const fc_target *t, const fc_winograd *p)
{
    const int possible = t->panel_vectors * t->rows[t->panel_vectors - 1] >= 24 &&
                         p->sampling == FC_WINO_SAME && !p->transposed && p->kernel == 3 &&
                         p->components == 6;
    return fc_decide(t, FC_VARIANT_registers, possible, p->tiles <= FC_WINO_FEW_TILES);
}

static void plan_in_registers(const fc_target *t, fc_winograd *p)
{
    const int64_t tiles = fc_register_tiles(p),
                  blocks = fc_ceil_div(p->channels, FC_WINO_REGISTER_CHANNELS);
    p->v_size = tiles * 36 * blocks * FC_WINO_REGISTER_CHANNELS;
    p->transform_items = tiles / FC_WINO_REGISTER_PAIR;
    p->columns_per_item = t->lanes;
    p->items = fc_ceil_div(p->filters, t->lanes);
    p->scratch_bytes =
        64 + FC_RED_ZONE +
        t->element_size * fc_max64(tiles * 36 * t->lanes, fc_round_vectors(t, p->channels));
}

static void plan_streamed(const fc_target *t, fc_winograd *p)
{
    const int64_t tiles = p->tiles;
    const int64_t components = p->components * p->components, matrices = p->matrices * p->matrices;
    /* The filters of a gradient lie transposed: packing them costs more than it saves,
     * so they are read in place. */
    p->packed_size =
        p->transposed ? 0 : p->kernel * p->kernel * p->channels * fc_round_vectors(t, p->filters);
    p->pack_channels = FC_WINO_STREAM_CHANNELS / 2;
    p->pack_items = p->transposed ? 0 : fc_ceil_div(p->channels, p->pack_channels);
    if (p->in_registers) {
        plan_in_registers(t, p);
        return;
    }
    p->v_size = tiles * components * fc_stream_row(t, p);
    p->transform_items = fc_ceil_div(tiles, FC_WINO_TRANSFORM_TILES);
    p->columns_per_item = fc_stream_width(t, p);
    while (p->threads > FC_FEW_ITEMS && p->columns_per_item > t->lanes &&
           p->columns_per_item * p->threads > p->filters)
        p->columns_per_item /= 2;
    p->items = fc_ceil_div(p->filters, p->columns_per_item);
    const int64_t width = p->columns_per_item;
    const int64_t products = tiles * components * width;
    const int64_t filters = matrices * (FC_WINO_STREAM_CHANNELS * width + t->lanes);
    p->scratch_bytes = 192 + fc_rows_bytes(p, tiles) + fc_gathered_bytes(t, p) + 2 * FC_RED_ZONE +
                       t->element_size * fc_max64(products + filters, fc_stream_row(t, p));
}

/* Components of a transformed tile and matrices of transformed filters, in each dimension. */
static void cut_tiles(fc_winograd *p)
{
    const int spreads = p->sampling == FC_WINO_SPREAD,
              side = p->sampling == FC_WINO_UP ? 2 * p->tile : p->tile;
    const int mixed = fc_strides_by_one(p->sampling) && p->tile == 4;
    p->rows = fc_cut(spreads ? p->in_h : p->out_h, side, mixed);
    p->cols = fc_cut(spreads ? p->in_w : p->out_w, side, mixed);
    if (fc_strides_by_one(p->sampling)) {
        p->components = p->matrices =
            fc_max64(fc_largest_tile(&p->rows), fc_largest_tile(&p->cols)) + p->kernel - 1;
    } else {
        p->components = 2 * p->tile + 1;
        p->matrices = p->tile + 2;
    }
    p->tiles = p->batch * p->rows.count * p->cols.count;
}

/* Decides whether y bypasses the caches: a store of a whole cache line need not read
 * the line first. */
static int writes_past_caches(const fc_target *t, const fc_winograd *p)
{
    const int possible = t->lanes * t->element_size == 64 && p->sampling != FC_WINO_SPREAD &&
                         p->activation <= FC_CAN_FUSE && p->filters % t->lanes == 0 &&
                         (uintptr_t)p->y % 64 == 0;
    const int64_t bytes = p->batch * p->out_h * p->out_w * p->filters * t->element_size;
    return fc_decide(t, FC_VARIANT_nontemporal, possible, bytes >= FC_STREAM_BYTES);
}

void fc_plan_winograd(const fc_target *t, fc_winograd *p)
{
    cut_tiles(p);
    const int64_t components = p->components * p->components, matrices = p->matrices * p->matrices,
                  tiles = p->tiles;
    p->panels = fc_ceil_div(p->filters, fc_panel(t));
    p->packed_size = matrices * fc_filter_plane(t, p);
    p->nontemporal = writes_past_caches(t, p);
    p->fetches_filters = p->packed_size * t->element_size > FC_FAR_FILTER_BYTES;
    p->in_registers = transforms_in_registers(t, p);
    p->streams = p->in_registers ||
                 fc_decide(t, FC_VARIANT_streamed_filters, 1,
                           p->packed_size * t->element_size > FC_WINO_RESIDENT_BYTES &&
                               tiles <= FC_WINO_STREAM_TILES);
    if (p->streams) {
        plan_streamed(t, p);
        return;
    }
    p->v_size = p->transform_items = 0;
    p->pack_channels =
        fc_clamp64(p->threads > FC_FEW_ITEMS ? p->channels * p->panels / p->threads : p->channels,
                   1, FC_WINO_PACK_CHANNELS);
    p->pack_chunks = fc_ceil_div(p->channels, p->pack_channels);
    p->pack_items = p->panels * p->pack_chunks;

    const int64_t width = fc_round_vectors(t, p->filters), depth = fc_round_vectors(t, p->channels);
    const int64_t tile_bytes =
        components * (depth + fc_min64(width, 4 * fc_panel(t))) * t->element_size;
    int64_t block = fc_clamp64(FC_WINO_BLOCK_BYTES / tile_bytes,
                               FC_WINO_MIN_TILES * matrices / components, FC_WINO_MAX_TILES);
    const double flops =
        2.0 * (double)(tiles * components) * (double)p->channels * (double)p->filters;
    const int64_t wanted = fc_items_wanted(flops, p->threads);
    const int64_t fewest =
        p->threads > FC_FEW_ITEMS ? 2 : p->threads > 1 ? fc_min64(12, fc_ceil_div(tiles, 2)) : 12;
    block = fc_clamp64(fc_ceil_div(tiles, wanted), fc_min64(fewest, tiles), fc_min64(block, tiles));
    /* Tiles whose contributions are added up belong to one item. */
    const int64_t together = p->sampling == FC_WINO_SPREAD ? p->rows.count * p->cols.count : 1,
                  units = tiles / together;
    p->tile_items = fc_ceil_div(units, fc_ceil_div(block, together));
    const int64_t units_per_item = fc_ceil_div(units, p->tile_items);
    p->tile_items = fc_ceil_div(units, units_per_item);
    p->panel_items = fc_clamp64(fc_ceil_div(fc_max64(FC_WINO_ITEMS, 2 * p->threads), p->tile_items),
                                1, p->panels);
    p->panels_per_item = fc_ceil_div(p->panels, p->panel_items);
    p->panel_items = fc_ceil_div(p->panels, p->panels_per_item);
    p->tiles_per_item = together * fc_even_size(units, units_per_item, p->panel_items, p->threads);
    p->tile_items = fc_ceil_div(tiles, p->tiles_per_item);
    p->items = p->tile_items * p->panel_items;
    p->fetches_y = p->tiles_per_item * tile_bytes <= FC_WINO_BLOCK_BYTES && !p->nontemporal;
    /* Filters between two output transforms. */
    const int64_t group = fc_min64(p->panels_per_item, 4) * fc_panel(t);
    p->scratch_bytes = 128 + fc_rows_bytes(p, p->tiles_per_item) + 3 * FC_RED_ZONE +
                       t->element_size * (depth + components * p->tiles_per_item * (depth + group));
    /* An item of packing needs no more. */
    p->scratch_bytes = fc_max64(p->scratch_bytes, 64 + fc_gathered_bytes(t, p));
}

/* winograd_gradient.c: schedule of the Winograd filter gradient (kernels/winograd_gradient.inc
 * explains both forms).
 *
 * Small filters: each split of the tiles sums up in the scratch of its thread (`own_sums`), and a
 * reduction adds the splits.  Large filters: all threads work on one sum, in blocks of tiles, with
 * a transform phase and a product phase per block. */
#include "layout.h"
#include "partition.h"
#include "schedule.h"

/* Parts of a split: as few as keep all threads busy, and about as many of the channels as of the
 * filters, because each part transforms all the tiles that it needs.  A panel that is not full
 * multiplies more slowly. */
static void cut_parts(const fc_target *t, fc_winograd_gradient *p)
{
    const int64_t width = fc_round_vectors(t, p->filters);
    const int64_t most_channels = fc_ceil_div(p->channels, FC_WINO_PART_ROWS),
                  most_filters = width / t->lanes;
    int64_t parts = fc_ceil_div(p->threads, p->splits), least = 0;
    if (p->splits * parts % p->threads) /* smaller parts divide more evenly */
        parts *= 2;
    p->channel_parts = p->filter_parts = 1;
    for (int64_t c = 1; c <= fc_min64(parts, most_channels); c++) {
        const int64_t k = fc_ceil_div(parts, c),
                      cost = 4 * c * k + c + k + (k * fc_panel(t) > width ? k : 0);
        if (k <= most_filters && (!least || cost < least)) {
            least = cost;
            p->channel_parts = c;
            p->filter_parts = k;
        }
    }
    if (!least) {
        p->channel_parts = most_channels;
        p->filter_parts = most_filters;
    }
}

/* Splits of the tiles: two blocks in each, or fewer where that would leave too few splits. */
static void cut_splits(const fc_target *t, fc_winograd_gradient *p, int64_t dw_size)
{
    const int64_t few = fc_clamp64(p->tiles / FC_WINO_GRADIENT_TILES, 1, FC_WINO_FEWEST_SPLITS);
    const int64_t most = fc_clamp64(FC_WINO_PARTIAL_BYTES / (dw_size * t->element_size),
                                    FC_WINO_SPLITS, FC_WINO_MOST_SPLITS);
    p->splits = fc_clamp64(p->tiles / (2 * FC_WINO_GRADIENT_TILES), few, most);
    const int64_t split = fc_ceil_div(p->tiles, p->splits);
    p->blocks = fc_ceil_div(split, FC_WINO_GRADIENT_TILES);
    p->tiles_per_block = fc_ceil_div(split, p->blocks);
    p->splits = fc_ceil_div(p->tiles, p->blocks * p->tiles_per_block);
}

/* Blocks of tiles whose V and Y stay in L3, unless taking the sums through memory for another block
 * would cost more. */
static void cut_blocks(const fc_target *t, fc_winograd_gradient *p, int64_t sums, int64_t tile_size)
{
    const int together = p->tiles * tile_size <= 2 * sums;
    p->splits = p->channel_parts = p->filter_parts = 1;
    p->tiles_per_block =
        together
            ? p->tiles
            : fc_clamp64(FC_WINO_GRADIENT_L3_BYTES / (tile_size * t->element_size), 64, p->tiles);
    p->blocks = fc_ceil_div(p->tiles, p->tiles_per_block);
    p->tiles_per_block = fc_ceil_div(p->tiles, p->blocks);
    p->blocks = fc_ceil_div(p->tiles, p->tiles_per_block);
}

void fc_plan_winograd_gradient(const fc_target *t, fc_winograd_gradient *p)
{
    p->rows = fc_cut(p->out_h, p->tile, p->tile == 4);
    p->cols = fc_cut(p->out_w, p->tile, p->tile == 4);
    p->tiles = p->batch * p->rows.count * p->cols.count;
    p->components = fc_max64(fc_largest_tile(&p->rows), fc_largest_tile(&p->cols)) + p->kernel - 1;
    const int64_t a2 = p->components * p->components, size = t->element_size;
    const int64_t row = fc_round_vectors(t, p->channels), width = fc_round_vectors(t, p->filters);
    const int64_t sums = a2 * p->channels * width, tile_size = a2 * (row + width);
    const int64_t dw_size = p->kernel * p->kernel * p->channels * p->filters + p->filters;
    p->panels = fc_ceil_div(p->filters, fc_panel(t));
    p->own_sums = fc_decide(t, FC_VARIANT_own_sums, 1, sums * size <= FC_WINO_OWN_SUMS_BYTES);
    if (p->own_sums) {
        cut_splits(t, p, dw_size);
        cut_parts(t, p);
    } else {
        cut_blocks(t, p, sums, tile_size);
    }
    p->tiles_per_item = fc_clamp64(p->tiles_per_block / 64, 1, 32);
    p->transform_items = fc_ceil_div(p->tiles_per_block, p->tiles_per_item);
    p->channels_per_item =
        fc_clamp64(p->channels * p->panels / (4 * p->threads), FC_MAX_ROWS, FC_WINO_PART_CHANNELS);
    p->channels_per_item = fc_even_size(p->channels, fc_min64(p->channels_per_item, p->channels),
                                        p->panels, p->threads);
    p->channel_items = fc_ceil_div(p->channels, p->channels_per_item);
    p->product_items = p->panels * p->channel_items;

    /* Layout of the memory of a block: zeros for pixels outside the image, V, Y, sums of dy, U. */
    const int64_t zone = FC_RED_ZONE / size;
    p->v_offset = fc_round_up(fc_max64(row, width), 64) + zone;
    p->y_offset = p->v_offset + a2 * (p->tiles_per_block * row + t->lanes) + zone;
    p->bias_offset = p->y_offset + a2 * (p->tiles_per_block * width + t->lanes) + zone;
    p->bias_parts = !p->db ? 0 : p->own_sums ? p->blocks : p->blocks * p->transform_items;
    p->u_offset = p->bias_offset + p->bias_parts * width + zone;
    if (p->own_sums) {
        p->workspace_size = p->splits > 1 ? p->splits * dw_size : 0;
        p->scratch_bytes = 64 + (p->u_offset + sums + a2 * t->lanes) * size + FC_RED_ZONE;
    } else {
        p->part_size = a2 * (p->channels_per_item * fc_panel(t) + t->lanes);
        p->workspace_size = p->u_offset + (p->blocks > 1 ? p->product_items * p->part_size : 0);
        p->scratch_bytes = 64 + (p->blocks > 1 ? 0 : p->part_size) * size + FC_RED_ZONE;
    }
    p->split_items = p->splits * p->channel_parts * p->filter_parts;
    p->reduce_elements = fc_reduce_elements(dw_size, t->lanes, p->threads);
    p->reduce_items = p->splits > 1 ? fc_ceil_div(dw_size, p->reduce_elements) : 0;
}

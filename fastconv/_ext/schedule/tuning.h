/* tuning.h: the sizes by which schedules cut work.
 *
 * Every constant has a unit and, in brackets, its source:
 *
 *   [L1] [L2] [L3]   a share of that cache of common x86-64 and AArch64 cores: 32 to 64 KiB of L1
 *                    and 512 KiB to 2 MiB of L2 per core, a few MiB of L3 per core
 *   [kernel]         the register blocks and layouts of kernels/
 *   [threads]        partition for many threads, counted with benchmarks.work_split
 *   [conv] [nets]    the fastest value of those tried with benchmarks.convolutions and with
 *                    benchmarks.networks on AVX-512 servers of both makers
 *
 * None depends on the processor in use or on the number of threads, because many of them determine
 * the order of a sum. */
#ifndef FASTCONV_TUNING_H
#define FASTCONV_TUNING_H

/* partition of loops */
enum {
    /* Floating-point operations of an item: microseconds, far above the cost of
     * taking it. [conv] */
    FC_ITEM_FLOPS = 400 * 1000,
    /* Floating-point operations of an item of a layer with at most FC_FEW_ITEMS items. [nets] */
    FC_SMALL_ITEM_FLOPS = 60 * 1000,
    /* Threads up to which all teams get the same items. [threads] */
    FC_FEW_ITEMS = 8,
    /* Items of a loop, at most. [threads] */
    FC_MAX_ITEMS = 512,
    /* Rows of the tallest micro-kernel of all targets. [kernel] */
    FC_MAX_ROWS = 12
};

/* conv */
enum {
    /* Bytes of packed filters in one pass: half of the smallest common L2. [L2] */
    FC_FILTER_BLOCK_BYTES = 256 * 1024,
    /* Bytes of gathered input rows of an item. [L2] */
    FC_INPUT_BLOCK_BYTES = 256 * 1024,
    /* Bytes of an output above which it bypasses the caches. [L3] */
    FC_STREAM_BYTES = 24 * 1024 * 1024,
    /* Products per output element up to which bypassing the caches pays. [conv] */
    FC_STREAM_REDUCTION = 256,
    /* Bytes of packed filters above which the next ones are prefetched: half of L2. [L2] */
    FC_FAR_FILTER_BYTES = 512 * 1024,
    /* Bytes of packed filters above which they come from memory. [L2] */
    FC_LARGE_FILTER_BYTES = 1024 * 1024,
    /* Pixels of an item beside such filters, at least: their reading then hides behind the
     * arithmetic. [nets] */
    FC_LARGE_FILTER_PIXELS = 64,
    /* Pixels of an item where items are many, at least: most calls of the micro-kernel then have
     * all of its rows. [conv] */
    FC_WHOLE_TILE_PIXELS = 48,
    /* Pixels of an item, at most: its pointer tables stay in L1. [L1] */
    FC_MAX_PIXELS = 384,
    /* Rows of a micro-kernel call, at least, where items are cut for many threads. [kernel] */
    FC_FEWEST_ROWS = 4
};

/* Filters up to which pixels may be in lanes; a macro, because few_filters.inc expands a function
 * for each number. [kernel] */
#define FC_FEW_FILTERS 8

/* filter gradient */
enum {
    /* Channels up to which all taps of a kernel are one run of the reduction. [conv] */
    FC_MERGE_CHANNELS = 16,
    /* Bytes of x and dy of a block. [L2] */
    FC_GRADIENT_BLOCK_BYTES = 512 * 1024,
    /* Bytes of the part of a block that one micro-kernel call reads. [L1] */
    FC_GRADIENT_L1_BYTES = 30 * 1024,
    /* Items wanted where an item is a part of a split. [threads] */
    FC_GRADIENT_ITEMS = 256,
    /* Splits wanted where an item is a whole split. [threads] */
    FC_GRADIENT_WHOLE_SPLITS = 32,
    /* Floating-point operations of a whole split, at least. [conv] */
    FC_GRADIENT_WHOLE_FLOPS = 8000 * 1000,
    /* Whole splits, at least; fewer are cut into parts. [threads] */
    FC_GRADIENT_FEWEST_SPLITS = 16,
    /* Bytes of the dw of a whole split. [L2] */
    FC_GRADIENT_WHOLE_BYTES = 320 * 1024,
    /* Splits of merged taps below which their number is a power of two. [threads] */
    FC_GRADIENT_EVEN_SPLITS = 64,
    /* Pixels of a split, at least: its partial dw is written, read and added. [conv] */
    FC_GRADIENT_SPLIT_PIXELS = 384,
    /* Floating-point operations of an item, at least, where splits make the items. [conv] */
    FC_GRADIENT_ITEM_FLOPS = 1000 * 1000,
    /* Bytes of the partial sums of all splits together, at most. [L3] */
    FC_MAX_PARTIAL_BYTES = 8 * 1024 * 1024,
    /* Elements of dw in an item of the final reduction, at most. [L1] */
    FC_REDUCE_ELEMENTS = 2048
};

/* winograd */
enum {
    /* Bytes of the transformed tiles and products of an item. [L2] */
    FC_WINO_BLOCK_BYTES = 448 * 1024,
    /* Tiles of a block, at least: fewer would read the filters too often. [conv] */
    FC_WINO_MIN_TILES = 48,
    /* Tiles of a block, at most. [conv] */
    FC_WINO_MAX_TILES = 96,
    /* Items wanted from sharing panels where tiles are few. [threads] */
    FC_WINO_ITEMS = 32,
    /* Channels of filters gathered before their transform, at most. [L1] */
    FC_WINO_PACK_CHANNELS = 16,
    /* Bytes of transformed filters above which the products are memory-bound. [conv] */
    FC_WINO_RESIDENT_BYTES = 4 * 1024 * 1024,
    /* Tiles up to which filters larger than that are transformed where they are used. [conv] */
    FC_WINO_STREAM_TILES = 128,
    /* Tiles of an item of the input transform before streamed filters. [threads] */
    FC_WINO_TRANSFORM_TILES = 4,
    /* Vectors of filters in an item of streamed filters. [kernel] */
    FC_WINO_STREAM_VECTORS = 2,
    /* Channels of streamed filters that are transformed at a time. [L2] */
    FC_WINO_STREAM_CHANNELS = 64,
    /* Tiles up to which streamed filters are transformed in registers, once for four. [conv] */
    FC_WINO_FEW_TILES = 8,
    /* Tiles beside a filter in registers. [kernel] */
    FC_WINO_REGISTER_TILES = 4,
    /* Tiles of an item of the input transform before it. [threads] */
    FC_WINO_REGISTER_PAIR = 2,
    /* Channels over which its sums stay in registers: their filters stay in L1. [L1] */
    FC_WINO_REGISTER_CHANNELS = 32,
    /* Bytes of the sums of a filter gradient that a thread keeps for itself, at most. [conv] */
    FC_WINO_OWN_SUMS_BYTES = 4000 * 1024,
    /* Tiles of a block of such a gradient. [L2] */
    FC_WINO_GRADIENT_TILES = 64,
    /* Splits of such a gradient, at least, where tiles suffice. [threads] */
    FC_WINO_FEWEST_SPLITS = 4,
    /* Splits where partial sums are large, at most. [threads] */
    FC_WINO_SPLITS = 8,
    /* Splits where partial sums are small, at most. [threads] */
    FC_WINO_MOST_SPLITS = 16,
    /* Bytes of the partial sums of all splits up to which they count as small. [L2] */
    FC_WINO_PARTIAL_BYTES = 1280 * 1024,
    /* Channels of a part of a split, at least. [kernel] */
    FC_WINO_PART_ROWS = 8,
    /* Bytes of the V and Y of a block of a large gradient. [L3] */
    FC_WINO_GRADIENT_L3_BYTES = 16 * 1024 * 1024,
    /* Tiles of an image whose contributions are added up in cache, at most. [L2] */
    FC_WINO_SPREAD_TILES = 64,
    /* Channels of a panel whose sums, of a large gradient, stay in cache. [L2] */
    FC_WINO_PART_CHANNELS = 64
};

/* scatter */
enum {
    /* Pixels of dy whose products stay in cache until they are scattered. [L2] */
    FC_SCATTER_PIXELS = 96,
    /* Bytes of the rows of dx under construction. [L2] */
    FC_SCATTER_ROWS_BYTES = 192 * 1024,
    /* Filters of an item of packing. [threads] */
    FC_SCATTER_PACK_FILTERS = 32
};

/* dense */
enum {
    /* Rows of x up to which x stays in registers and w streams past. [kernel] */
    FC_DENSE_FEW_ROWS = 2,
    /* Elements of a row of x, or vectors of a column of w, held in registers. [kernel] */
    FC_DENSE_TOGETHER = 8,
    /* Rows of x whose sums are held beside them. [kernel] */
    FC_DENSE_TILE = 4,
    /* Bytes of a row of w that are prefetched. [nets] */
    FC_DENSE_AHEAD = 1024,
    /* Rows of x that share a vector of w, at most: arithmetic then hides its load. [kernel] */
    FC_DENSE_ROWS = 64,
    /* Bytes of the sums of an item. [L2] */
    FC_DENSE_SUMS_BYTES = 256 * 1024,
    /* Columns of an item below which its rows are cut instead. [nets] */
    FC_DENSE_FEWEST_COLUMNS = 64,
    /* Inputs of a packed panel, at most: half of L2. [L2] */
    FC_DENSE_PANEL_INPUTS = 512,
    /* Bytes of the weights from which the reduction is cut into blocks. [L2] */
    FC_DENSE_SPLIT_BYTES = 512 * 1024,
    /* Blocks of the reduction wanted. [threads] */
    FC_DENSE_BLOCKS = 128,
    /* Inputs of a block per row of x, at least: its sums then cost little. [nets] */
    FC_DENSE_BLOCK_INPUTS = 32,
    /* Columns of an item that adds up blocks. [threads] */
    FC_DENSE_SUM_COLUMNS = 256,
    /* Bytes of the columns of dy of an item of dw. [L2] */
    FC_DENSE_GRADIENT_BYTES = 128 * 1024,
    /* Panels of an item of dw that goes to memory, at most. [nets] */
    FC_DENSE_GRADIENT_PANELS = 8,
    /* Bytes of the columns of dy of an item whose dw goes to an update rule. [L2] */
    FC_DENSE_UPDATE_BYTES = 256 * 1024,
    /* Columns of dw computed before the update rule takes them. [L1] */
    FC_DENSE_UPDATE_COLUMNS = 128,
    /* Columns of w and its slots that are prefetched. [nets] */
    FC_DENSE_UPDATE_AHEAD = 256,
    /* Rows summed in registers before they are added to dw. [nets] */
    FC_DENSE_GRADIENT_ROWS = 1024,
    /* Rows of dy that pass over a row of w while it is in L1. [L1] */
    FC_DOT_SHARED_ROWS = 192,
    /* Rows of w in a block of dot products. [kernel] */
    FC_DOT_COLUMNS = 4
};

/* recurrent */
enum {
    /* Sequences whose sums are in registers together. [kernel] */
    FC_RECURRENT_TILE = 4,
    /* Sequences of an item. [threads] */
    FC_RECURRENT_ROWS = 16
};

/* normalization */
enum {
    /* Bytes of the x of an item of a pass. [L1] */
    FC_NORM_PASS_BYTES = 32 * 1024,
    /* Bytes of the x of a split of a sum over rows, at least. [L2] */
    FC_NORM_SPLIT_BYTES = 256 * 1024,
    /* Splits, at most. [threads] */
    FC_NORM_SPLITS = 64,
    /* Rows of a block whose moments are summed about its own mean. [kernel] */
    FC_NORM_ROWS = 64,
    /* Vectors of channels whose moments are in registers. [kernel] */
    FC_NORM_PANEL_VECTORS = 4,
    /* Features of an item that adds up the gradients of gamma and beta. [threads] */
    FC_NORM_FEATURES = 512,
    /* Items of a PReLU pass, at most. [threads] */
    FC_PRELU_ITEMS = 4096
};

#endif

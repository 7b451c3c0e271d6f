/* tuning.h: the sizes by which schedules cut work, with their units.
 *
 * They follow the cache sizes of common x86-64 and AArch64 cores (32 to 64 KiB of L1, 512 KiB to 2 MiB of L2 per core, a few
 * MiB of L3 per core) and were measured on AVX-512 servers of both makers.  None depends on the processor in use or on the
 * number of threads, because many of them decide the order of a sum. */
#ifndef FASTCONV_TUNING_H
#define FASTCONV_TUNING_H

/* partition of loops */
enum {
    FC_ITEM_FLOPS = 400 * 1000,      /* operations of an item: some microseconds, well above the cost of handing it out */
    FC_SMALL_ITEM_FLOPS = 60 * 1000, /* operations of an item of a small layer, which has at most FC_FEW_ITEMS of them */
    FC_FEW_ITEMS = 8,                /* threads up to which all teams get the same items */
    FC_MAX_ITEMS = 512,              /* items of a loop, at most */
    FC_MAX_ROWS = 12                 /* rows of the tallest micro-kernel of all targets */
};

/* conv */
enum {
    FC_FILTER_BLOCK_BYTES = 256 * 1024, /* L2 for packed filters: half of the smallest common L2, 512 KiB */
    FC_INPUT_BLOCK_BYTES = 256 * 1024,  /* L2 for gathered input rows */
    FC_STREAM_BYTES = 24 * 1024 * 1024, /* size of an output above which it bypasses the caches */
    FC_STREAM_REDUCTION = 256,          /* products per output element up to which bypassing the caches pays */
    FC_MAX_PIXELS = 384,                /* pixels of an item: its pointer tables stay in L1 */
    FC_FEWEST_ROWS = 4                  /* rows of a micro-kernel call, at least, where items are cut for many threads */
};

/* filters up to which pixels may be in lanes; a macro, because few_filters.inc expands a function for each number */
#define FC_FEW_FILTERS 8

/* filter gradient */
enum {
    FC_MERGE_CHANNELS = 16,                 /* channels up to which the rows of a kernel are one stretch of the reduction */
    FC_GRADIENT_BLOCK_BYTES = 512 * 1024,   /* L2 for the x and dy of a block */
    FC_GRADIENT_L1_BYTES = 30 * 1024,       /* L1 for the part of a block that one micro-kernel call reads */
    FC_GRADIENT_ITEMS = 256,                /* items wanted where an item is a part of a split */
    FC_GRADIENT_WHOLE_SPLITS = 32,          /* splits wanted where an item is a whole split */
    FC_GRADIENT_WHOLE_FLOPS = 8000 * 1000,  /* operations of a whole split, at least */
    FC_GRADIENT_FEWEST_SPLITS = 16,         /* whole splits, at least; fewer are cut into parts */
    FC_GRADIENT_WHOLE_BYTES = 320 * 1024,   /* L2 for the dw of a whole split */
    FC_GRADIENT_EVEN_SPLITS = 64,           /* splits of merged taps below which their number is a power of two */
    FC_GRADIENT_SPLIT_PIXELS = 384,         /* pixels of a split, at least: its partial dw is written, read and added */
    FC_GRADIENT_ITEM_FLOPS = 1000 * 1000,   /* operations of an item, at least, while splits make the items */
    FC_MAX_PARTIAL_BYTES = 8 * 1024 * 1024, /* partial sums of all splits together, at most */
    FC_REDUCE_ELEMENTS = 2048               /* elements of dw in an item of the final reduction, at most */
};

/* winograd */
enum {
    FC_WINO_BLOCK_BYTES = 448 * 1024,          /* L2 for the transformed tiles and products of an item */
    FC_WINO_MIN_TILES = 48,                    /* tiles of a block, at least: fewer would reread the filters too often */
    FC_WINO_MAX_TILES = 96,                    /* tiles of a block, at most */
    FC_WINO_ITEMS = 32,                        /* items wanted by sharing out panels where tiles are few */
    FC_WINO_PACK_CHANNELS = 16,                /* channels of filters gathered before their transform, at most */
    FC_WINO_RESIDENT_BYTES = 4 * 1024 * 1024,  /* size of the transformed filters above which the products are memory-bound */
    FC_WINO_STREAM_TILES = 128,                /* tiles up to which filters larger than that are transformed where used */
    FC_WINO_TRANSFORM_TILES = 4,               /* tiles of an item of the input transform before streamed filters */
    FC_WINO_STREAM_VECTORS = 2,                /* vectors of filters in an item of streamed filters */
    FC_WINO_STREAM_CHANNELS = 64,              /* channels of streamed filters that are transformed at a time */
    FC_WINO_OWN_SUMS_BYTES = 4000 * 1024,      /* sums of a filter gradient that a thread keeps for itself, at most */
    FC_WINO_GRADIENT_TILES = 64,               /* tiles of a block of such a gradient */
    FC_WINO_FEWEST_SPLITS = 4,                 /* splits of such a gradient, at least, where tiles suffice */
    FC_WINO_SPLITS = 8,                        /* splits where partial sums are large, at most */
    FC_WINO_MOST_SPLITS = 16,                  /* splits where partial sums are small, at most */
    FC_WINO_PARTIAL_BYTES = 1280 * 1024,       /* partial sums of all splits up to which they count as small */
    FC_WINO_PART_ROWS = 8,                     /* channels of a part of a split, at least */
    FC_WINO_GRADIENT_L3_BYTES = 16 * 1024 * 1024, /* L3 for the V and Y of a block of a large gradient */
    FC_WINO_SPREAD_TILES = 64,                 /* tiles of an image whose contributions are added up in cache, at most */
    FC_WINO_PART_CHANNELS = 64                 /* channels of a panel whose sums, of a large gradient, stay in L2 */
};

/* scatter */
enum {
    FC_SCATTER_PIXELS = 96,             /* pixels of dy whose products stay in L1 and L2 until they are scattered */
    FC_SCATTER_ROWS_BYTES = 192 * 1024, /* L2 for the rows of dx under construction */
    FC_SCATTER_PACK_FILTERS = 32        /* filters of an item of packing */
};

/* dense */
enum {
    FC_DENSE_FEW_ROWS = 2,                /* rows of x up to which x stays in registers and w streams past */
    FC_DENSE_TOGETHER = 8,                /* elements of a row of x, or vectors of a column of w, held in registers */
    FC_DENSE_TILE = 4,                    /* rows of x whose sums are held beside them */
    FC_DENSE_AHEAD = 1024,                /* bytes of a row of w that are prefetched */
    FC_DENSE_ROWS = 64,                   /* rows of x that share a vector of w, at most: arithmetic then hides its load */
    FC_DENSE_SUMS_BYTES = 256 * 1024,     /* L2 for the sums of an item */
    FC_DENSE_FEWEST_COLUMNS = 64,         /* columns of an item below which its rows are cut instead */
    FC_DENSE_PANEL_INPUTS = 512,          /* inputs of a packed panel: half of L2 */
    FC_DENSE_SPLIT_BYTES = 512 * 1024,    /* size of the weights from which the reduction is cut into blocks */
    FC_DENSE_BLOCKS = 128,                /* blocks of the reduction wanted */
    FC_DENSE_BLOCK_INPUTS = 32,           /* inputs of a block per row of x, at least: its sums then cost little */
    FC_DENSE_SUM_COLUMNS = 256,           /* columns of an item that adds up blocks */
    FC_DENSE_GRADIENT_BYTES = 128 * 1024, /* L2 for the columns of dy of an item of dw */
    FC_DENSE_GRADIENT_PANELS = 8,         /* panels of an item of dw that goes to memory, at most */
    FC_DENSE_UPDATE_BYTES = 256 * 1024,   /* L2 for the columns of dy of an item whose dw goes to an update rule */
    FC_DENSE_UPDATE_COLUMNS = 128,        /* columns of dw computed before the update rule takes them */
    FC_DENSE_UPDATE_AHEAD = 256,          /* columns of w and its slots that are prefetched */
    FC_DENSE_GRADIENT_ROWS = 1024,        /* rows summed in registers before they are added to dw */
    FC_DOT_SHARED_ROWS = 192,             /* rows of dy that pass over a row of w while it is in L1 */
    FC_DOT_COLUMNS = 4                    /* rows of w in a block of dot products */
};

/* normalization */
enum {
    FC_NORM_PASS_BYTES = 32 * 1024,   /* L1 for the x of an item of a pass */
    FC_NORM_SPLIT_BYTES = 256 * 1024, /* x of a split of a sum over rows, at least */
    FC_NORM_SPLITS = 64,              /* splits, at most */
    FC_NORM_ROWS = 64,                /* rows of a block whose moments are summed about its own mean */
    FC_NORM_PANEL_VECTORS = 4,        /* vectors of channels whose moments are in registers */
    FC_NORM_FEATURES = 512,           /* features of an item that adds up the gradients of gamma and beta */
    FC_PRELU_ITEMS = 4096             /* items of a PReLU pass, at most */
};

#endif

/* tuning.h: the sizes that the kernels choose their blocks by, in one place with the reason for each.
 * They depend on the cache sizes of common x86-64 and aarch64 cores (32 to 64 KiB of L1, 512 KiB to 2 MiB of L2), never
 * on the number of threads. */
#ifndef FASTCONV_TUNING_H
#define FASTCONV_TUNING_H

/* conv */
enum {
    FC_FILTER_BLOCK_BYTES = 256 * 1024, /* of L2 for packed filters: half of the smallest common L2, 512 KiB */
    FC_INPUT_BLOCK_BYTES = 256 * 1024,  /* of L2 for gathered input rows */
    FC_STREAM_BYTES = 24 * 1024 * 1024, /* beyond, an output is written past the caches if */
    FC_STREAM_REDUCTION = 256,          /* its elements are sums of so few products (and FC_FILTER_BLOCK_BYTES hold them) */
    FC_MAX_PIXELS = 384,                /* in an item: px and py stay in L1 */
    FC_ITEM_FLOPS = 400 * 1000,         /* aimed at: some microseconds, well above the cost of handing out an item, */
    FC_SMALL_ITEM_FLOPS = 60 * 1000,    /* but a small layer is cut finer, as long as it makes no more than */
    FC_FEW_ITEMS = 8,                   /* so many: a network of a few microseconds wants its threads as well */
    FC_MAX_ITEMS = 512,
    FC_FEWEST_ROWS = 4                  /* of a micro-kernel call, for the sake of more threads than that */
};

/* filter_gradient */
enum {
    FC_MERGE_CHANNELS = 16,                /* up to this many channels kernel rows are merged */
    FC_GRADIENT_BLOCK_BYTES = 512 * 1024,  /* of L2 for the x and dy of a block, */
    FC_GRADIENT_L1_BYTES = 30 * 1024,      /* of L1 for what of them a call of the micro-kernel reads */
    FC_GRADIENT_ITEMS = 256,               /* aimed at */
    FC_GRADIENT_WHOLE_SPLITS = 32,         /* aimed at where a split is an item, ... */
    FC_GRADIENT_WHOLE_FLOPS = 8000 * 1000, /* each of which has at least so much to do, and which are at least */
    FC_GRADIENT_FEWEST_SPLITS = 16,        /* so many, while */
    FC_GRADIENT_WHOLE_BYTES = 320 * 1024,  /* of dw stay in L2 */
    FC_GRADIENT_EVEN_SPLITS = 64,          /* fewer splits of merged taps are a power of two of them */
    FC_GRADIENT_SPLIT_PIXELS = 384,        /* at least: a partial dw is written, read and added once per split */
    FC_GRADIENT_ITEM_FLOPS = 1000 * 1000,  /* at least, as long as splits are what makes items */
    FC_MAX_PARTIAL_BYTES = 8 * 1024 * 1024, /* for the partial sums of all splits */
    FC_REDUCE_ELEMENTS = 2048              /* at most, of dw in an item of the final reduction */
};

/* winograd */
enum {
    FC_WINO_BLOCK_BYTES = 448 * 1024,   /* of L2 for the transformed tiles and products of an item */
    FC_WINO_MIN_TILES = 48,             /* below, streaming the transformed filters would cost more than the products */
    FC_WINO_MAX_TILES = 96,
    FC_WINO_ITEMS = 32,                 /* aimed at by sharing out panels when tiles are few */
    FC_WINO_PACK_CHANNELS = 16,         /* at most: channels of filters gathered before they are transformed: on the stack */
    FC_WINO_RESIDENT_BYTES = 4 * 1024 * 1024, /* of transformed filters; beyond, memory is busier than arithmetic, so that */
    FC_WINO_STREAM_TILES = 128,         /* so few tiles make do without them: */
    FC_WINO_TRANSFORM_TILES = 4,        /* in an item of the transform that comes before, */
    FC_WINO_STREAM_VECTORS = 2,         /* of columns in an item, */
    FC_WINO_STREAM_CHANNELS = 64,       /* so many channels of a panel are transformed, used and forgotten */
    FC_WINO_OWN_SUMS_BYTES = 4000 * 1024, /* of the sums of a filter gradient that a thread keeps to itself */
    FC_WINO_GRADIENT_TILES = 64,        /* for which these sums are read and written once */
    FC_WINO_FEWEST_SPLITS = 4,          /* of such a gradient: each costs a dw of memory and a step of the final sum, */
    FC_WINO_SPLITS = 8,                 /* but threads want something to share: so many, and up to */
    FC_WINO_MOST_SPLITS = 16,           /* while their partial sums are no more than */
    FC_WINO_PARTIAL_BYTES = 1280 * 1024,
    FC_WINO_PART_ROWS = 8,              /* channels of a part of a split, at least */
    FC_WINO_GRADIENT_L3_BYTES = 16 * 1024 * 1024,
    FC_WINO_PART_CHANNELS = 64          /* of a panel: their sums, of a larger gradient, stay in L2 */
};

/* scatter */
enum {
    FC_SCATTER_PIXELS = 96,             /* of dy, whose products stay in L1/L2 until they are scattered */
    FC_SCATTER_ROWS_BYTES = 192 * 1024, /* of dx under construction */
    FC_SCATTER_PACK_FILTERS = 32        /* in an item of packing */
};

/* dense */
enum {
    FC_DENSE_FEW_ROWS = 2,      /* up to here x stays in registers, */
    FC_DENSE_TOGETHER = 8,      /* so many elements of it; with more rows, so many vectors of w, */
    FC_DENSE_TILE = 4,          /* beside the sums of so many rows of x at a time */
    FC_DENSE_AHEAD = 1024,      /* bytes of a row of w that are fetched before they are needed */
    FC_DENSE_ROWS = 64,         /* of x, at most, that share a vector of w: then arithmetic takes longer than reading it */
    FC_DENSE_SUMS_BYTES = 256 * 1024, /* of L2 for the sums of an item */
    FC_DENSE_FEWEST_COLUMNS = 64, /* of an item, before its rows become fewer */
    FC_DENSE_PANEL_INPUTS = 512, /* of a packed panel, which is half of L2 */
    FC_DENSE_SPLIT_BYTES = 512 * 1024, /* of weights from which on the reduction is cut into blocks, */
    FC_DENSE_BLOCKS = 128,      /* aimed at, */
    FC_DENSE_BLOCK_INPUTS = 32, /* each of so many inputs per row at least: its sums cost little beside its weights */
    FC_DENSE_SUM_COLUMNS = 256, /* in an item that adds up blocks */
    FC_DENSE_GRADIENT_BYTES = 128 * 1024, /* of L2 for the columns of dy that an item multiplies, */
    FC_DENSE_GRADIENT_PANELS = 8, /* at most, of dw that goes to memory; */
    FC_DENSE_UPDATE_BYTES = 256 * 1024, /* more where an update takes it at once, */
    FC_DENSE_UPDATE_COLUMNS = 128, /* so many columns of a few rows at a time, */
    FC_DENSE_UPDATE_AHEAD = 256, /* so many columns after w and the slots were asked for */
    FC_DENSE_GRADIENT_ROWS = 1024, /* summed in registers before they are added to dw */
    FC_DOT_SHARED_ROWS = 192,   /* of dy that pass over a row of w while it is in L1 */
    FC_DOT_COLUMNS = 4          /* rows of w in a block of dot products */
};

/* normalization: passes over memory, and sums over rows that are split */
enum {
    FC_NORM_PASS_BYTES = 32 * 1024,   /* of x in an item of a pass */
    FC_NORM_SPLIT_BYTES = 256 * 1024, /* of x in a split of a sum, at least */
    FC_NORM_SPLITS = 64
};

#endif

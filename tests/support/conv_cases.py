"""The table of convolutions: one list that the tests, the gradient checks and the benchmarks share.

A case is plain data (shapes and hyper-parameters) under a name that says what it stresses. `CASES`
holds, in this order:

    width-*      C and K around every vector width, plain, grouped and depthwise
    tile-*       runs of 1, 2, 3 ... output pixels: every remainder of a register tile
    kernel-*     1x1 to 11x11 filters, square and not
    stride-*     strides 1..4, unequal, larger than the kernel, larger than the image
    pad-*        every form of `padding`, the asymmetric ones above all
    dilation-*   taps that are apart, alone and together with strides
    groups-*     grouped convolutions
    depthwise-*  one input channel per group, with multipliers too
    pixel-*      images of one pixel, one row, one column
    mode-*       padding modes "edge" and "reflect" (forward pass only)
    long-*       long reductions: many channels, many pixels
    net-*        layers of real networks, some with fewer pixels
    random-*     drawn from a seeded generator

Nothing here or in `conv_case`, which says what a case is, imports fastconv.
"""

from __future__ import annotations

import random
from dataclasses import replace

from tests.support.conv_case import ConvCase

# Around 4 (NEON, SSE), 8 (AVX2 float32, AVX-512 float64), 16 (AVX-512 float32) and the register
# blocks of 2, 3 and 4 vectors built from them.
VECTOR_WIDTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 70)


# ------------------------------------------------------------------------------- the named families


def _width_cases():
    for index, width in enumerate(VECTOR_WIDTHS):
        batch = 1 + index % 5
        other = VECTOR_WIDTHS[(index * 8 + 5) % len(VECTOR_WIDTHS)]
        yield ConvCase(
            f"width-same-c{width}-k{other}", (batch, 6, 5, width), other, (3, 3), padding="same"
        )
        yield ConvCase(f"width-c5-k{width}", (1, 7, 9, 5), width, (3, 3))
        yield ConvCase(f"width-1x1-c{width}-k{width}", (batch, 3, 5, width), width, (1, 1))
        if width > 1:
            yield ConvCase(
                f"width-depthwise-c{width}",
                (1, 7, 6, width),
                width,
                (3, 3),
                padding="same",
                groups=width,
            )
    for width in (80, 96, 112, 127, 128, 130):
        yield ConvCase(f"width-c6-k{width}", (1, 5, 6, 6), width, (3, 3), padding=1)
        yield ConvCase(f"width-c{width}-k6", (1, 5, 6, width), 6, (3, 3), padding=1)


def _tile_cases():
    for columns in (*range(1, 19), 27, 28, 29, 41):
        yield ConvCase(f"tile-{columns}-k64", (1, 1, columns + 2, 4), 64, (1, 3))
        yield ConvCase(f"tile-{columns}-k19", (2, columns, 1, 17), 19, (1, 1))


def _kernel_cases():
    for k in range(1, 12):
        yield ConvCase(f"kernel-{k}x{k}-valid", (1, 12, 13, 3), 9, (k, k))
        yield ConvCase(f"kernel-{k}x{k}-same", (2, 9, 8, 6), 17, (k, k), padding="same")
    for kh, kw in (
        (1, 3),
        (3, 1),
        (1, 7),
        (7, 1),
        (2, 5),
        (5, 2),
        (1, 11),
        (11, 1),
        (4, 3),
        (9, 2),
    ):
        yield ConvCase(f"kernel-{kh}x{kw}-same", (1, 11, 12, 8), 16, (kh, kw), padding="same")
        yield ConvCase(
            f"kernel-{kh}x{kw}-stride2-pad1", (1, 14, 13, 2), 5, (kh, kw), strides=(2, 2), padding=1
        )


def _stride_cases():
    for stride in (1, 2, 3, 4):
        for padding in ("valid", "same", 2):
            for k, channels, filters in ((3, 16, 33), (5, 3, 8)):
                yield ConvCase(
                    f"stride-{stride}-k{k}-{padding}",
                    (2, 13, 14, channels),
                    filters,
                    (k, k),
                    strides=(stride, stride),
                    padding=padding,
                )
    # What Winograd takes as well, with channels around every vector width.
    for channels, filters in zip(
        (1, 3, 8, 17, 31, 64, 70), (65, 16, 33, 4, 32, 48, 7), strict=True
    ):
        yield ConvCase(
            f"stride-2-k3-width-{channels}-{filters}",
            (2, 11, 18, channels),
            filters,
            (3, 3),
            strides=(2, 2),
            padding=1,
        )
    for strides in ((1, 2), (2, 1), (1, 4), (3, 2), (4, 3)):
        tag = f"{strides[0]}x{strides[1]}"
        yield ConvCase(f"stride-{tag}-valid", (1, 12, 11, 9), 7, (3, 4), strides=strides)
        yield ConvCase(
            f"stride-{tag}-same", (3, 11, 9, 4), 32, (3, 3), strides=strides, padding="same"
        )
    # Pixels that no window touches: their input gradient must be zero, not left over.
    yield ConvCase("stride-beyond-kernel-1x1", (2, 9, 9, 17), 16, (1, 1), strides=(2, 2))
    yield ConvCase("stride-beyond-kernel-1x1-by-3", (1, 8, 10, 3), 48, (1, 1), strides=(3, 3))
    yield ConvCase("stride-beyond-kernel-2x2-by-3", (1, 11, 10, 8), 9, (2, 2), strides=(3, 3))
    yield ConvCase("stride-beyond-kernel-3x3-by-4", (2, 13, 12, 5), 31, (3, 3), strides=(4, 4))
    yield ConvCase(
        "stride-beyond-kernel-same", (1, 10, 13, 6), 15, (2, 3), strides=(5, 4), padding="same"
    )
    yield ConvCase("stride-beyond-image", (2, 4, 3, 7), 12, (2, 2), strides=(6, 7))
    yield ConvCase(
        "stride-beyond-image-same", (1, 3, 2, 5), 8, (3, 3), strides=(4, 4), padding="same"
    )
    yield ConvCase("stride-misses-every-pixel", (2, 1, 1, 5), 9, (1, 1), strides=(1, 2), padding=1)
    yield ConvCase(
        "stride-misses-every-pixel-grouped",
        (1, 1, 3, 6),
        8,
        (2, 1),
        strides=(4, 1),
        padding=2,
        groups=2,
    )
    yield ConvCase(
        "stride-tail-unequal", (1, 16, 9, 3), 6, (3, 2), strides=(4, 3), padding=((1, 0), (0, 2))
    )


def _padding_cases():
    forms = {
        "1": 1,
        "2": 2,
        "3": 3,
        "0x2": (0, 2),
        "2x1": (2, 1),
        "top": ((2, 0), (0, 0)),
        "bottom": ((0, 3), (0, 0)),
        "left": ((0, 0), (1, 0)),
        "right": ((0, 0), (0, 2)),
        "asymmetric": ((1, 2), (0, 3)),
        "asymmetric-wide": ((3, 0), (4, 1)),
    }
    for tag, padding in forms.items():
        yield ConvCase(f"pad-{tag}", (2, 7, 6, 5), 17, (3, 3), padding=padding)
        yield ConvCase(
            f"pad-{tag}-stride2", (1, 8, 9, 16), 8, (4, 3), strides=(2, 2), padding=padding
        )
    # Windows that see padding only: their output is the bias alone.
    yield ConvCase("pad-beyond-kernel", (1, 4, 5, 3), 9, (3, 3), padding=5)
    yield ConvCase("pad-beyond-kernel-1x1", (2, 3, 3, 8), 16, (1, 1), padding=2)
    yield ConvCase(
        "pad-beyond-kernel-stride3",
        (1, 5, 4, 6),
        7,
        (2, 2),
        strides=(3, 3),
        padding=((4, 5), (3, 6)),
    )
    yield ConvCase("pad-same-2x2", (1, 5, 6, 3), 33, (2, 2), padding="same")
    yield ConvCase(
        "pad-same-4x4-stride2", (2, 7, 10, 4), 10, (4, 4), strides=(2, 2), padding="same"
    )
    yield ConvCase(
        "pad-same-6x5-stride3", (1, 11, 13, 3), 15, (6, 5), strides=(3, 3), padding="same"
    )
    yield ConvCase("pad-kernel-beyond-image", (2, 3, 4, 9), 16, (7, 9), padding="same")


def _dilation_cases():
    for dilation in ((2, 2), (3, 3), (1, 4), (5, 1), (2, 3)):
        tag = f"{dilation[0]}x{dilation[1]}"
        yield ConvCase(f"dilation-{tag}-valid", (1, 13, 14, 6), 17, (3, 3), dilation_rate=dilation)
        yield ConvCase(
            f"dilation-{tag}-same", (2, 9, 8, 16), 9, (3, 3), padding="same", dilation_rate=dilation
        )
        yield ConvCase(
            f"dilation-{tag}-stride",
            (1, 14, 13, 3),
            8,
            (3, 2),
            strides=(2, 3),
            padding=((2, 1), (0, 3)),
            dilation_rate=dilation,
        )
    yield ConvCase(
        "dilation-equals-stride",
        (1, 12, 12, 8),
        16,
        (3, 3),
        strides=(2, 2),
        padding=2,
        dilation_rate=(2, 2),
    )
    yield ConvCase(
        "dilation-depthwise",
        (1, 10, 9, 17),
        17,
        (3, 3),
        padding="same",
        dilation_rate=(2, 2),
        groups=17,
    )
    yield ConvCase(
        "dilation-grouped", (2, 10, 9, 12), 18, (3, 3), padding=2, dilation_rate=(2, 3), groups=3
    )
    yield ConvCase("dilation-1x1", (1, 6, 5, 4), 9, (1, 1), dilation_rate=(3, 2))


def _group_cases():
    for groups, per_group, filters_per_group in (
        (2, 1, 3),
        (2, 8, 8),
        (2, 16, 16),
        (2, 17, 33),
        (3, 5, 7),
        (3, 16, 1),
        (4, 4, 4),
        (4, 9, 16),
        (5, 2, 2),
        (8, 8, 8),
        (7, 3, 5),
        (16, 2, 4),
        (32, 2, 2),
    ):
        channels, filters = groups * per_group, groups * filters_per_group
        tag = f"{groups}x{per_group}to{filters_per_group}"
        yield ConvCase(
            f"groups-{tag}", (2, 6, 7, channels), filters, (3, 3), padding="same", groups=groups
        )
        yield ConvCase(
            f"groups-{tag}-stride2",
            (1, 7, 8, channels),
            filters,
            (3, 2),
            strides=(2, 2),
            padding=((0, 1), (1, 1)),
            groups=groups,
        )
    yield ConvCase("groups-1x1", (3, 5, 4, 24), 36, (1, 1), groups=4)
    yield ConvCase("groups-5x5", (1, 8, 8, 6), 10, (5, 5), padding=2, groups=2)


def _depthwise_cases():
    for channels, multiplier in ((3, 2), (4, 4), (8, 2), (16, 3), (17, 2), (5, 8), (2, 33), (9, 1)):
        yield ConvCase(
            f"depthwise-c{channels}-times{multiplier}",
            (2, 6, 7, channels),
            channels * multiplier,
            (3, 3),
            padding="same",
            groups=channels,
        )
    for stride in (2, 3):
        for k in (3, 5):
            yield ConvCase(
                f"depthwise-{k}x{k}-stride{stride}",
                (2, 11, 12, 24),
                24,
                (k, k),
                strides=(stride, stride),
                padding="same",
                groups=24,
            )
    # Blocks of several rows and columns: whole ones, ragged ones, and the channels beside them.
    for k, stride in ((2, 1), (3, 1), (5, 1), (7, 1), (3, 2), (5, 2)):
        for size, channels in (((9, 15), 32), ((12, 31), 43)):
            yield ConvCase(
                f"depthwise-blocks-{k}x{k}-stride{stride}-c{channels}",
                (3, *size, channels),
                channels,
                (k, k),
                strides=(stride, stride),
                padding="same",
                groups=channels,
            )
    yield ConvCase("depthwise-7x7", (1, 9, 9, 33), 33, (7, 7), padding=3, groups=33)
    yield ConvCase("depthwise-1x1", (2, 4, 5, 16), 16, (1, 1), groups=16)
    yield ConvCase(
        "depthwise-asymmetric", (1, 8, 7, 20), 20, (3, 4), padding=((2, 0), (1, 3)), groups=20
    )
    yield ConvCase(
        "depthwise-stride-beyond-kernel", (1, 9, 10, 8), 8, (2, 2), strides=(3, 4), groups=8
    )


def _pixel_cases():
    yield ConvCase("pixel-1x1-c1-k1", (1, 1, 1, 1), 1, (1, 1))
    yield ConvCase("pixel-3x3-same", (1, 1, 1, 3), 5, (3, 3), padding="same")
    yield ConvCase("pixel-5x5-same-batch", (5, 1, 1, 16), 17, (5, 5), padding="same")
    yield ConvCase("pixel-1x1-wide", (4, 1, 1, 70), 65, (1, 1))
    yield ConvCase("pixel-4x4-padded", (2, 1, 1, 2), 8, (4, 4), padding=3)
    yield ConvCase("pixel-stride4", (3, 1, 1, 9), 4, (3, 3), strides=(4, 4), padding="same")
    yield ConvCase("pixel-dilated", (1, 1, 1, 4), 6, (3, 3), padding="same", dilation_rate=(3, 2))
    yield ConvCase("pixel-grouped", (2, 1, 1, 6), 9, (3, 3), padding="same", groups=3)
    yield ConvCase("pixel-depthwise", (1, 1, 1, 33), 33, (3, 3), padding="same", groups=33)
    yield ConvCase("pixel-one-output", (2, 5, 4, 7), 31, (5, 4))
    yield ConvCase("pixel-one-row", (1, 1, 17, 5), 8, (3, 3), padding="same")
    yield ConvCase("pixel-one-column", (2, 19, 1, 8), 5, (3, 3), padding="same")
    yield ConvCase("pixel-one-row-stride2", (1, 1, 15, 4), 16, (1, 3), strides=(2, 2))


def _mode_cases():
    for mode in ("edge", "reflect"):
        yield ConvCase(
            f"mode-{mode}-same", (2, 6, 7, 5), 17, (3, 3), padding="same", padding_mode=mode
        )
        yield ConvCase(f"mode-{mode}-2", (1, 5, 6, 16), 8, (5, 5), padding=2, padding_mode=mode)
        yield ConvCase(
            f"mode-{mode}-asymmetric",
            (1, 7, 5, 3),
            9,
            (3, 4),
            padding=((4, 1), (0, 3)),
            padding_mode=mode,
        )
        yield ConvCase(
            f"mode-{mode}-stride2",
            (2, 9, 8, 4),
            33,
            (3, 3),
            strides=(2, 2),
            padding="same",
            padding_mode=mode,
        )
        yield ConvCase(
            f"mode-{mode}-dilated",
            (1, 8, 9, 6),
            7,
            (3, 3),
            padding=((2, 3), (2, 1)),
            padding_mode=mode,
            dilation_rate=(2, 2),
        )
        yield ConvCase(
            f"mode-{mode}-grouped",
            (1, 6, 6, 12),
            15,
            (3, 3),
            padding=1,
            padding_mode=mode,
            groups=3,
        )
        yield ConvCase(
            f"mode-{mode}-depthwise",
            (1, 7, 6, 18),
            18,
            (3, 3),
            padding="same",
            padding_mode=mode,
            groups=18,
        )
        yield ConvCase(
            f"mode-{mode}-first-layer", (2, 10, 9, 1), 16, (7, 7), padding=3, padding_mode=mode
        )
        yield ConvCase(
            f"mode-{mode}-1x1", (1, 4, 4, 8), 9, (1, 1), padding=((1, 2), (0, 1)), padding_mode=mode
        )
    yield ConvCase(
        "mode-edge-one-pixel", (2, 1, 1, 3), 4, (5, 5), padding="same", padding_mode="edge"
    )
    yield ConvCase(
        "mode-edge-beyond-image", (1, 2, 3, 5), 8, (3, 3), padding=4, padding_mode="edge"
    )


def _long_cases():
    yield ConvCase("long-channels-1x1", (1, 2, 3, 1030), 17, (1, 1))
    yield ConvCase("long-channels-3x3", (1, 4, 3, 260), 20, (3, 3), padding=1)
    yield ConvCase("long-taps-11x11", (1, 11, 12, 40), 8, (11, 11))
    yield ConvCase("long-filters", (1, 2, 2, 4), 515, (2, 2), padding="same")
    yield ConvCase("long-pixels", (3, 40, 37, 2), 6, (3, 3), padding="same")
    yield ConvCase("long-batch", (67, 3, 3, 4), 5, (2, 2))
    yield ConvCase("long-rows", (1, 300, 3, 3), 4, (3, 3), padding=((1, 1), (0, 0)))
    yield ConvCase("long-columns", (1, 3, 700, 3), 4, (3, 3), padding="same")
    yield ConvCase("long-depthwise", (2, 30, 31, 20), 20, (3, 3), padding="same", groups=20)


def _network_cases():
    yield ConvCase("net-lenet-c1", (2, 28, 28, 1), 6, (5, 5), padding=2)
    yield ConvCase("net-lenet-c3", (2, 14, 14, 6), 16, (5, 5))
    yield ConvCase("net-lenet-c5", (5, 5, 5, 16), 120, (5, 5))
    yield ConvCase("net-mnist-1", (2, 28, 28, 1), 32, (3, 3))
    yield ConvCase("net-mnist-2", (1, 13, 13, 32), 64, (3, 3))
    yield ConvCase("net-mnist-3", (2, 5, 5, 64), 64, (3, 3))
    yield ConvCase("net-alexnet-c1", (1, 51, 51, 3), 96, (11, 11), strides=(4, 4))
    yield ConvCase("net-alexnet-c2", (1, 7, 7, 96), 64, (5, 5), padding=2, groups=2)
    yield ConvCase("net-vgg-3x3", (1, 9, 10, 64), 64, (3, 3), padding="same")
    yield ConvCase("net-resnet-stem", (1, 32, 32, 3), 64, (7, 7), strides=(2, 2), padding=3)
    yield ConvCase("net-resnet-down", (1, 10, 10, 48), 64, (3, 3), strides=(2, 2), padding=1)
    yield ConvCase("net-resnet-shortcut", (2, 10, 10, 48), 64, (1, 1), strides=(2, 2))
    yield ConvCase("net-bottleneck-1x1", (1, 7, 7, 160), 40, (1, 1))
    yield ConvCase("net-mobilenet-stem", (1, 24, 24, 3), 32, (3, 3), strides=(2, 2), padding="same")
    yield ConvCase(
        "net-mobilenet-depthwise",
        (1, 14, 14, 72),
        72,
        (3, 3),
        strides=(2, 2),
        padding="same",
        groups=72,
    )
    yield ConvCase("net-inception-1x7", (1, 9, 9, 40), 24, (1, 7), padding="same")
    yield ConvCase("net-resnext", (1, 8, 8, 64), 64, (3, 3), padding=1, groups=16)
    yield ConvCase(
        "net-deeplab-atrous", (1, 13, 13, 24), 24, (3, 3), padding="same", dilation_rate=(4, 4)
    )
    # Few tiles of many filters: Winograd's filters are not packed.
    yield ConvCase("net-streamed-3x3", (2, 9, 7, 180), 190, (3, 3), padding="same")
    # Large enough for a filter gradient that goes through whole splits of the pixels.
    yield ConvCase("net-large-down", (5, 41, 43, 40), 88, (3, 3), strides=(2, 2), padding="same")
    yield ConvCase("net-large-1x1", (3, 65, 67, 70), 75, (1, 1))
    yield ConvCase("net-large-grouped", (2, 60, 61, 48), 136, (3, 3), padding=1, groups=4)
    yield ConvCase("net-patch-embedding", (1, 24, 24, 3), 70, (8, 8), strides=(8, 8))


# ------------------------------------------------------------------------------------- random cases


def random_case(rng: random.Random, name: str, max_macs: int = 400_000) -> ConvCase:
    """A legal convolution whose hyper-parameters are drawn together, at most `max_macs` large."""
    while True:
        grouped = rng.random() < 0.3
        groups = rng.choice((2, 3, 4, 5, 8)) if grouped else 1
        channels = groups * rng.choice((1, 2, 3, 5, 9)) if grouped else rng.choice(VECTOR_WIDTHS)
        filters = groups * rng.choice((1, 2, 4, 7, 17)) if grouped else rng.choice(VECTOR_WIDTHS)
        if rng.random() < 0.1:
            groups, filters = channels, channels * rng.choice((1, 1, 1, 2, 3))
        kernel = (rng.randint(1, 6), rng.randint(1, 6))
        stride = (rng.randint(1, 4), rng.randint(1, 4))
        dilation = (rng.randint(1, 3), rng.randint(1, 3)) if rng.random() < 0.3 else (1, 1)
        padding = rng.choice(
            (
                "valid",
                "same",
                "same",
                rng.randint(0, 3),
                (rng.randint(0, 3), rng.randint(0, 3)),
                ((rng.randint(0, 4), rng.randint(0, 4)), (rng.randint(0, 4), rng.randint(0, 4))),
            )
        )
        shape = (rng.randint(1, 5), rng.randint(1, 15), rng.randint(1, 15), channels)
        case = ConvCase(name, shape, filters, kernel, stride, padding, "zeros", dilation, groups)
        if 0 not in case.output_shape and case.macs <= max_macs:
            return case


def _random_cases(count: int = 110, seed: int = 20240229):
    rng = random.Random(seed)
    for index in range(count):
        yield random_case(rng, f"random-{index:03}")


def _all_cases():
    for family in (
        _width_cases,
        _tile_cases,
        _kernel_cases,
        _stride_cases,
        _padding_cases,
        _dilation_cases,
        _group_cases,
        _depthwise_cases,
        _pixel_cases,
        _mode_cases,
        _long_cases,
        _network_cases,
        _random_cases,
    ):
        yield from family()


CASES: tuple[ConvCase, ...] = tuple(_all_cases())
GRADIENT_CASES: tuple[ConvCase, ...] = tuple(case for case in CASES if case.has_gradients)
BY_NAME: dict[str, ConvCase] = {case.name: case for case in CASES}


def sample(cases: tuple, every: int) -> tuple:
    """Each `every`-th case of each family: what the expensive checks run on."""
    seen: dict[str, int] = {}
    chosen = []
    for case in cases:
        family = case.name.split("-")[0]
        if seen.setdefault(family, 0) % every == 0:
            chosen.append(case)
        seen[family] += 1
    return tuple(chosen)


def enlarged(case: ConvCase, macs: int = 720_000, elements: int = 400_000) -> ConvCase:
    """The same case with a batch large enough to occupy several threads, within `elements`."""
    batch = case.input_shape[0]
    per_image = case.macs // batch
    largest = max(
        case.input_shape[1] * case.input_shape[2] * case.input_shape[3],
        case.output_shape[1] * case.output_shape[2] * case.output_shape[3],
    )
    batch = max(batch, min(-(-macs // per_image), elements // largest))
    return replace(
        case, name=f"{case.name}-times{batch}", input_shape=(batch, *case.input_shape[1:])
    )

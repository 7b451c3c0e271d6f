"""Random problems for every kernel of one instruction set, reproducible from a seed.

    python -m tests.sanitizers.random_problems --isa avx512 --seed 1 --threads 3

runs in any build; what it is for is a build with sanitizers (`make test-sanitizers`). Each problem
is named before it runs, so the last line tells which one a sanitizer stopped. Results must be
finite and the same bits on one thread and on several. The last line is a digest of all results: two
builds that print the same one compute the same bits.

    convolution   every kernel height and width from 1 to 5 at every pair of strides from 1 to 3:
                  dense, grouped and depthwise; all passes, all algorithms, fused pooling
    large         sizes that only some schedules begin with: streamed filters and outputs, splits
    columns       im2col and col2im of the same kernels and strides
    pool, dense   windows and matrices of random sizes
    rows          losses, softmax and other functions of (rows, classes) and of plain arrays
    networks      layers, losses and optimizers of every class, trained for two steps
"""

from __future__ import annotations

import argparse
import hashlib
import itertools

import numpy as np

from fastconv import layers, losses, models, optimizers, runtime, shapes, utils
from fastconv.ops import compiled

POISON = 0xFF  # four or eight of these bytes are NaN
ACTIVATIONS = ("linear", "relu", "leaky_relu", "sigmoid", "tanh", "clipped_relu")
PADDINGS = ("valid", "same", "random")


class Problems:
    """Runs one problem after the other and gathers the digest of their results."""

    def __init__(self, isa: str, seed: int, threads: int):
        runtime.set_isa(isa)
        self.threads = threads
        self.random = np.random.default_rng(seed)
        self.digest = hashlib.sha256()
        self.count = 0

    def number(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return int(self.random.integers(low, high + 1))

    def one_of(self, options):
        return options[self.number(0, len(options) - 1)]

    def normal(self, shape, dtype) -> np.ndarray:
        return self.random.standard_normal(shape).astype(dtype)

    def run(self, label: str, build, *results: np.ndarray, frozen: bool = False) -> None:
        """Runs `build(*results)`, an operation that writes `results`, on one thread and on several.

        `build` gets arrays full of NaN; those of the first run are the ones that are counted.
        """
        print(label, flush=True)
        outcomes = []
        for threads in (1, self.threads):
            arrays = [np.full_like(array, np.nan) for array in results]
            operation = build(*arrays)
            if frozen:
                operation.freeze_weights(True)
                operation.run(threads)
            operation.run(threads)
            outcomes.append(arrays)
        for one, several in zip(*outcomes, strict=True):
            assert np.isfinite(one).all(), f"{label}: not finite"
            assert one.tobytes() == several.tobytes(), f"{label}: depends on the threads"
            self.digest.update(one.tobytes())
        self.count += 1


# ------------------------------------------------------------------------------------ convolutions


def geometry_of(problems: Problems, kernel, strides, kind: str) -> shapes.Conv2DGeometry:
    """A random convolution with these kernel sizes and strides; `kind` is about its groups."""
    p = problems
    dilation = [p.number(1, 3) if p.number(0, 2) == 0 else 1 for _ in range(2)]
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if kind == "depthwise":
        groups = channels = filters = p.number(2, 40)
    elif kind == "grouped":
        groups = p.number(2, 4)
        channels, filters = groups * p.number(1, 9), groups * p.number(1, 20)
    else:
        groups, channels, filters = 1, p.number(1, 24), p.number(1, 70)
    padding = p.one_of(PADDINGS)
    if padding == "random":
        padding = tuple((p.number(0, e), p.number(0, e)) for e in extent)
    size = [e + p.number(0, 9) for e in extent]
    size[1] += p.one_of((0, 0, 20))
    return shapes.conv2d_geometry(
        (p.number(1, 3), *size, channels),
        (*kernel, channels // groups, filters),
        strides=tuple(strides),
        padding=padding,
        padding_mode="zeros",
        dilation_rate=tuple(dilation),
        groups=groups,
    )


def algorithms(geometry, pass_name: str, dtype) -> list[str]:
    """The algorithms that can run the pass."""
    able = []
    for name in compiled.ALGORITHMS[1:]:
        try:
            able.append(compiled.choose_algorithm(geometry, pass_name, dtype, name))
        except ValueError:
            continue
    return able


def run_passes(problems: Problems, g: shapes.Conv2DGeometry, dtype) -> None:
    """All passes of one convolution by all algorithms."""
    p = problems
    x_shape = (g.batch, g.height, g.width, g.channels)
    w_shape = (g.kernel_h, g.kernel_w, g.channels // g.groups, g.filters)
    y_shape = (g.batch, g.out_h, g.out_w, g.filters)
    x, w, dy = (p.normal(shape, dtype) for shape in (x_shape, w_shape, y_shape))
    b = p.normal(g.filters, dtype) if p.number(0, 2) else None
    activation, frozen = p.one_of(ACTIVATIONS), p.number(0, 3) == 0
    label = f"{dtype} {g}"
    for name in algorithms(g, "forward", dtype):
        p.run(
            f"forward {name} {activation} {label}",
            lambda y, name=name: compiled.conv2d_forward(g, x, w, b, y, activation, 0.25, name),
            dy,
            frozen=frozen,
        )
    if g.groups == 1 and min(g.out_h, g.out_w) > 1:
        pool = p.one_of(("max", "average"))
        pooled = np.empty((g.batch, g.out_h // 2, g.out_w // 2, g.filters), dtype)
        for name in algorithms(g.whole_windows(2), "forward", dtype):
            p.run(
                f"forward {name} {activation} {pool} pooling {label}",
                lambda y, name=name: compiled.conv2d_forward(
                    g, x, w, b, y, activation, 0.25, name, pool
                ),
                pooled,
            )
    for name in algorithms(g, "backward_input", dtype):
        p.run(
            f"backward_input {name} {label}",
            lambda dx, name=name: compiled.conv2d_backward_input(g, dy, w, dx, name),
            x,
            frozen=frozen,
        )
    for name in algorithms(g, "backward_kernel", dtype):
        p.run(
            f"backward_kernel {name} {label}",
            lambda dw, *db, name=name: compiled.conv2d_backward_kernel(
                g, x, dy, dw, *db or (None,), name
            ),
            *((w,) if b is None else (w, b)),
        )


KERNELS = tuple(itertools.product(range(1, 6), repeat=2))
STRIDES = tuple(itertools.product(range(1, 4), repeat=2))


def run_convolutions(problems: Problems, dtype) -> None:
    p = problems
    for kernel, strides in itertools.product(KERNELS, STRIDES):
        for kind in ("depthwise", p.one_of(("dense", "dense", "grouped"))):
            run_passes(p, geometry_of(p, kernel, strides, kind), dtype)


def run_columns(problems: Problems, dtype) -> None:
    p = problems
    for kernel, strides in itertools.product(KERNELS, STRIDES):
        g = geometry_of(p, kernel, strides, "dense")
        x = p.normal((g.batch, g.height, g.width, g.channels), dtype)
        fields = (g.kernel_h, g.kernel_w, g.channels, g.batch, g.out_h, g.out_w)
        dy = p.normal(fields, dtype)
        label = f"{np.dtype(dtype)} {g}"
        p.run(f"im2col {label}", lambda cols, g=g, x=x: compiled.Im2col(g, x, cols), dy)
        p.run(f"col2im {label}", lambda dx, g=g, dy=dy: compiled.Col2im(g, dx, dy), x)


def run_large(problems: Problems, dtype) -> None:
    """Sizes from which on filters stream, outputs pass the caches, and reductions have splits."""
    p = problems
    for batch, side, channels, filters, kernel, strides, groups in (
        (1, p.number(3, 9), p.number(170, 200), p.number(180, 260), 3, 1, 1),
        (1, p.number(5, 12), p.number(180, 200), p.number(180, 200), 3, 2, 1),
        (2, p.number(28, 34), p.number(20, 40), p.number(30, 140), 3, 1, 1),
        (3, p.number(40, 60), p.number(64, 90), p.number(64, 90), 1, p.number(1, 2), 1),
        (2, p.number(30, 40), p.number(1, 4), p.number(6, 40), 5, p.number(1, 2), 1),
        (1, p.number(200, 300), 3, 96 if np.dtype(dtype).itemsize == 4 else 48, 3, 1, 1),
        (5, p.number(20, 28), 64, 64, 3, p.number(1, 2), 64),
        (1, 400, 2, 2, (1, 3), 2, 2),
    ):
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        shape = (batch, side, side + p.number(0, 5), channels)
        g = shapes.conv2d_geometry(
            shape,
            (*kernel, channels // groups, filters),
            strides=strides,
            padding=p.one_of(("same", "valid")),
            groups=groups,
        )
        run_passes(p, g, dtype)


# ---------------------------------------------------------------------------- poolings, dense, rows


def run_pool(problems: Problems, dtype) -> None:
    p = problems
    for window in itertools.product((1, 2, 3, 5), repeat=2):
        for strides in STRIDES:
            g = shapes.pool2d_geometry(
                (p.number(1, 3), *(k + p.number(0, 9) for k in window), p.number(1, 40)),
                pool_size=window,
                strides=strides,
                padding=p.one_of(("valid", "same")),
            )
            x = p.normal((g.batch, g.height, g.width, g.channels), dtype)
            dy = p.normal((g.batch, g.out_h, g.out_w, g.channels), dtype)
            argmax = np.empty(dy.shape, np.uint8)
            y = np.empty_like(dy)
            label = f"{np.dtype(dtype)} {g}"
            p.run(
                f"max_pool {label}", lambda y, g=g, x=x: compiled.MaxPoolForward(g, x, y, None), y
            )
            compiled.MaxPoolForward(g, x, y, argmax).run(p.threads)
            gradient = p.one_of((None, ("relu", 0.0, y)))
            p.run(
                f"max_pool backward {label}",
                lambda dx, g=g, dy=dy, argmax=argmax, gradient=gradient: compiled.MaxPoolBackward(
                    g, dy, argmax, dx, gradient
                ),
                x,
            )
            p.run(
                f"average_pool {label}", lambda y, g=g, x=x: compiled.AveragePoolForward(g, x, y), y
            )
            p.run(
                f"average_pool backward {label}",
                lambda dx, g=g, dy=dy: compiled.AveragePoolBackward(g, dy, dx),
                x,
            )


def run_dense(problems: Problems, dtype) -> None:
    p = problems
    sizes = [(p.number(1, 40), p.number(1, 90), p.number(1, 140)) for _ in range(20)]
    sizes += [(p.number(1, 2), p.number(300, 600), p.number(300, 600)) for _ in range(2)]
    sizes += [(p.number(65, 80), p.number(500, 900), p.number(200, 400)), (1100, 9, 20)]
    for rows, inputs, outputs in sizes:
        x, w = p.normal((rows, inputs), dtype), p.normal((inputs, outputs), dtype)
        b, dy = p.normal(outputs, dtype), p.normal((rows, outputs), dtype)
        label = f"{np.dtype(dtype)} {rows}x{inputs}x{outputs}"
        activation = p.one_of(ACTIVATIONS)
        p.run(
            f"dense {label}",
            lambda y, o=(x, w, b), a=activation: compiled.DenseForward(*o, y, a),
            dy,
        )
        p.run(f"dense input {label}", lambda dx, o=(dy, w): compiled.DenseBackwardInput(*o, dx), x)
        p.run(
            f"dense kernel {label}",
            lambda dw, db, o=(x, dy): compiled.DenseBackwardKernel(*o, dw, db),
            w,
            b,
        )

        def update(changed, velocity, db, x=x, dy=dy, w=w):
            changed[...], velocity[...] = w, 0
            rule = compiled.Rule("sgd", changed, [velocity], np.array([0.1, 0.9, 0.0]))
            return compiled.DenseUpdate(x, dy, db, rule)

        p.run(f"dense update {label}", update, w, w, b)


def run_recurrent(problems: Problems, dtype) -> None:
    p = problems
    for _ in range(20):
        batch, steps, units = p.number(1, 20), p.number(1, 5), p.number(1, 140)
        gates = p.one_of((3, 4))
        whole, last = (batch, steps, units), (batch, units)
        x, dy = p.normal((batch, steps, gates * units), dtype), p.normal(whole, dtype)
        r, h = p.normal((units, gates * units), dtype) / 8, p.normal(last, dtype)
        c = p.normal(last, dtype) if gates == 4 else None
        bias = p.normal(gates * units, dtype) if gates == 3 else None
        reverse = bool(p.number(0, 1))
        label = f"{np.dtype(dtype)} {batch}x{steps}x{units}, {gates} gates"

        def forward(given, y, before, kept, o=(r, h, c, bias), x=x, reverse=reverse):
            given[...] = x
            cells, part = (kept, None) if o[2] is not None else (None, kept)
            return compiled.RecurrentForward(given, *o, y, cells, before, part, reverse)

        p.run(f"recurrent {label}", forward, x, dy, dy, dy)
        given, y, before, kept = (np.empty_like(array) for array in (x, dy, dy, dy))
        forward(given, y, before, kept).run(1)

        def backward(
            changed, inner, dh, dc, o=(given, before, kept, dy), r=r, h=h, c=c, reverse=reverse
        ):
            given, before, kept, dy = o
            changed[...], is_lstm = given, c is not None
            cells, part = (kept, None) if is_lstm else (None, kept)
            if is_lstm:
                inner[...] = 0
            else:
                dc[...] = 0
            return compiled.RecurrentBackward(
                changed, r, h, c, dy, h if is_lstm else None, cells, before, part,
                None if is_lstm else inner, dh, dc if is_lstm else None, reverse,
            )  # fmt: skip

        p.run(f"recurrent backward {label}", backward, x, x, h, h)


ROW_LOSSES = (
    compiled.MeanSquaredError,
    compiled.CrossEntropy,
    compiled.SoftmaxCrossEntropy,
)


def run_rows(problems: Problems, dtype) -> None:
    p = problems
    for _ in range(40):
        n = p.number(1, 30000 if p.number(0, 5) == 0 else 300)
        x, dy = p.normal(n, dtype), p.normal(n, dtype)
        for kind in sorted({*compiled.FUSIBLE, *compiled.KEEPS_INPUT}):
            label = f"{kind} {np.dtype(dtype)} {n}"
            p.run(label, lambda y, k=kind, x=x: compiled.ActivationForward(k, x, y, slope=0.25), x)
            p.run(
                f"{label} backward",
                lambda dx, k=kind, x=x, dy=dy: compiled.ActivationBackward(
                    k, x, dy, dx, slope=0.25
                ),
                x,
            )
        p.run(f"dropout {n}", lambda y, x=x: compiled.Dropout(x, y, 0.5, 7), x)
        rows, classes = p.number(1, 40), p.number(1, 40)
        logits = p.normal((rows, classes), dtype)
        probabilities = np.empty_like(logits)
        compiled.SoftmaxForward(logits, probabilities).run(1)
        label = f"{np.dtype(dtype)} {rows}x{classes}"
        p.run(f"softmax {label}", lambda y, x=logits: compiled.SoftmaxForward(x, y), logits)
        p.run(
            f"softmax backward {label}",
            lambda dx, y=probabilities, dy=logits: compiled.SoftmaxBackward(y, dy, dx),
            logits,
        )
        targets = np.eye(classes, dtype=dtype)[p.random.integers(classes, size=rows)]
        weight = p.random.uniform(0.5, 2, rows).astype(dtype)
        for loss in ROW_LOSSES:
            p.run(
                f"{loss.__name__} {label}",
                lambda gradient, values, loss=loss, o=(probabilities, targets), weight=weight: loss(
                    *o, gradient, values, weight
                ),
                logits,
                np.empty(rows),
            )


# ----------------------------------------------------------------------------------------- networks

IMAGE = {  # layers from images to images
    "Conv2D": lambda p: layers.Conv2D(
        p.number(1, 20),
        (p.number(1, 3), p.number(1, 3)),
        padding="same",
        activation=p.one_of(("relu", "tanh", "gelu")),
        kernel_regularizer=p.one_of((None, "l1", "l2", "l1_l2")),
        kernel_constraint=p.one_of((None, "max_norm", "unit_norm", "min_max_norm")),
    ),
    "strided Conv2D": lambda p: layers.Conv2D(p.number(1, 9), 3, strides=2, padding="same"),
    "Conv2DTranspose": lambda p: layers.Conv2DTranspose(p.number(1, 6), 3, strides=2),
    "DepthwiseConv2D": lambda p: layers.DepthwiseConv2D(
        (1, p.one_of((3, 5))), strides=p.number(1, 2), padding="same"
    ),
    "SeparableConv2D": lambda p: layers.SeparableConv2D(p.number(1, 9), 3, padding="same"),
    "MaxPooling2D": lambda p: layers.MaxPooling2D(2, padding="same"),
    "AveragePooling2D": lambda p: layers.AveragePooling2D(3, 2, padding="same"),
    "UpSampling2D": lambda p: layers.UpSampling2D(
        p.number(1, 2), interpolation=p.one_of(("nearest", "bilinear"))
    ),
    "Resizing": lambda p: layers.Resizing(p.number(3, 15), p.number(3, 15)),
    "CenterCrop": lambda p: layers.CenterCrop(3, 4),
    "ZeroPadding2D": lambda p: layers.ZeroPadding2D(p.number(1, 3)),
    "Cropping2D": lambda p: layers.Cropping2D(1),
    "Rescaling": lambda p: layers.Rescaling(0.5, 0.1),
    "BatchNormalization": lambda p: layers.BatchNormalization(),
    "LayerNormalization": lambda p: layers.LayerNormalization(),
    "GroupNormalization": lambda p: layers.GroupNormalization(-1),
    "RMSNormalization": lambda p: layers.RMSNormalization(),
    "AlphaDropout": lambda p: layers.AlphaDropout(0.3),
    "AdaptiveMaxPooling2D": lambda p: layers.AdaptiveMaxPooling2D(p.number(1, 5)),
    "AdaptiveAveragePooling2D": lambda p: layers.AdaptiveAveragePooling2D(p.number(1, 5)),
    "UnitNormalization": lambda p: layers.UnitNormalization(),
    "LocalResponseNormalization": lambda p: layers.LocalResponseNormalization(),
    "PReLU": lambda p: layers.PReLU(shared_axes=p.one_of((None, [1, 2]))),
    "LeakyReLU": lambda p: layers.LeakyReLU(),
    "ELU": lambda p: layers.ELU(),
    "Activation": lambda p: layers.Activation(p.one_of(("mish", "silu", "softplus", "selu"))),
    "Softmax": lambda p: layers.Softmax(),
    "Dropout": lambda p: layers.Dropout(0.3),
    "SpatialDropout2D": lambda p: layers.SpatialDropout2D(0.3),
    "GaussianNoise": lambda p: layers.GaussianNoise(0.1),
    "GaussianDropout": lambda p: layers.GaussianDropout(0.1),
    "RandomFlip": lambda p: layers.RandomFlip(),
    "RandomRotation": lambda p: layers.RandomRotation(0.2),
    "RandomZoom": lambda p: layers.RandomZoom(0.2, fill_mode="wrap"),
    "RandomTranslation": lambda p: layers.RandomTranslation(0.2, 0.2, fill_mode="nearest"),
    "Permute": lambda p: layers.Permute((2, 1, 3)),
}
MERGES = (
    layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum,
    layers.Concatenate,
)  # fmt: skip
TO_VECTOR = (layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
# Labels are one-hot, so losses of class numbers are left out.
LOSSES = sorted(
    set(losses.CLASSES) - {"SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy"}
)
OPTIMIZERS = sorted(optimizers.CLASSES)


def make_network(problems: Problems, names: list[str]) -> models.Model:
    """A network through the layers called `names`, with one fork that is merged again."""
    p = problems
    source = values = layers.Input((p.number(6, 14), p.number(6, 14), p.number(1, 9)))
    for name in names:
        if name in ("Cropping2D", "CenterCrop") and min(values.shape[1:3]) < 5:
            continue
        values = IMAGE[name](p)(values)
    fork = [layers.Conv2D(4, 1)(values), layers.Conv2D(4, 3, padding="same")(values)]
    values = p.one_of(TO_VECTOR)()(p.one_of(MERGES)()(fork))
    values = layers.Dense(p.number(3, 70), activation="relu")(values)
    return models.Model(
        source, layers.Dense(4, activation=p.one_of(("softmax", "sigmoid")))(values)
    )


def run_networks(problems: Problems, dtype) -> None:
    """Networks in which every layer, loss and optimizer takes part at least twice."""
    if dtype != np.float32:  # a model computes in float32
        return
    p = problems
    names = [name for _ in range(2) for name in p.random.permutation(sorted(IMAGE))]
    for number, first in enumerate(range(0, len(names), 2)):
        chosen = names[first : first + 2]
        loss, optimizer = LOSSES[number % len(LOSSES)], OPTIMIZERS[number % len(OPTIMIZERS)]
        seed, batch = p.number(0, 10**6), p.number(2, 5)
        print("network", *chosen, loss, optimizer, seed, flush=True)
        state, outcomes = p.random.bit_generator.state, []
        for threads in (1, p.threads):
            p.random.bit_generator.state = state
            utils.set_random_seed(seed)
            with runtime.num_threads(threads):
                model = make_network(p, chosen)
                x = p.normal((2 * batch + 1, *model.input_shape[1:]), dtype)
                y = np.eye(4, dtype=dtype)[p.random.integers(4, size=len(x))]
                model.compile(optimizers.get(optimizer.lower()), losses.get(loss))
                model.fit(x, y, batch_size=batch, verbose=0)
                outcomes.append(
                    [model.predict(x, batch_size=batch, verbose=0), *model.get_weights()]
                )
        for one, several in zip(*outcomes, strict=True):
            assert one.tobytes() == several.tobytes(), "depends on the threads"
            p.digest.update(one.tobytes())
        p.count += 1


FAMILIES = {
    "convolution": run_convolutions,
    "columns": run_columns,
    "large": run_large,
    "pool": run_pool,
    "dense": run_dense,
    "recurrent": run_recurrent,
    "rows": run_rows,
    "networks": run_networks,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--isa", default=runtime.isa(), choices=runtime.available_isas())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="of the second run of each problem")
    parser.add_argument("--family", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    options = parser.parse_args()
    for family in options.family:
        problems = Problems(options.isa, options.seed, options.threads)
        for dtype in (np.float32, np.float64):
            FAMILIES[family](problems, dtype)
        print(f"{family}: {problems.count} problems, digest {problems.digest.hexdigest()[:16]}")


if __name__ == "__main__":
    main()

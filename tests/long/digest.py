"""Prints digests of results: two builds that print the same lines compute the same bits.

    python -m tests.long.digest > before.txt
    ... change something that must not change a bit ...
    python -m tests.long.digest | diff before.txt -

One line per instruction set of this machine, part and dtype. The parts are every case of
`conv_cases` in all passes by every algorithm that takes it, pooling, dense products, all other
public operations, and training steps of networks of `fastconv.zoo` on small pictures. A digest is
the SHA-256 of all results in order; an operation that refuses its arguments adds
the class of its error.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import subprocess
import sys

import numpy as np


class Digest:
    """Hashes arrays, numbers and errors in the order in which they come."""

    def __init__(self):
        self.hash, self.count = hashlib.sha256(), 0

    def add(self, function, *arguments, **options):
        try:
            result = function(*arguments, **options)
        except (ValueError, TypeError) as error:
            result = type(error).__name__
        parts = result if isinstance(result, (tuple, list)) else [result]
        for part in parts:
            if part is not None and not isinstance(part, str):
                array = np.ascontiguousarray(part)
                self.hash.update(str((array.shape, array.dtype)).encode() + array.tobytes())
            else:
                self.hash.update(str(part).encode())
            self.count += 1
        return result


def normal(random, shape, dtype):
    return random.standard_normal(shape).astype(dtype)


def convolutions(digest, random, dtype):
    from fastconv import ops
    from tests.support.conv_cases import CASES

    for case in CASES:
        x, w = normal(random, case.input_shape, dtype), normal(random, case.kernel_shape, dtype)
        b = normal(random, case.filters, dtype)
        dy = normal(random, case.output_shape, dtype)
        for algorithm in ("auto", "direct", "winograd", "winograd2"):
            digest.add(
                ops.conv2d, x, w, b, activation="relu", algorithm=algorithm, **case.forward_options
            )
        if not case.has_gradients:
            continue
        for algorithm in ("auto", "direct", "winograd", "winograd2", "scatter"):
            options = {"algorithm": algorithm, **case.options}
            digest.add(ops.conv2d_backward_input, dy, w, input_shape=case.input_shape, **options)
            size = case.kernel_size
            digest.add(ops.conv2d_backward_kernel, x, dy, kernel_size=size, **options)


def poolings(digest, random, dtype):
    from fastconv import ops

    for shape in ((2, 9, 8, 3), (1, 12, 12, 16), (3, 7, 14, 33), (2, 16, 16, 64)):
        for pool in (1, 2, 3, (3, 2), (1, 4)):
            for strides in (None, 1, 2, (2, 3)):
                for padding in ("valid", "same"):
                    options = {"pool_size": pool, "strides": strides, "padding": padding}
                    x = normal(random, shape, dtype)
                    pair = digest.add(ops.max_pool2d, x, return_argmax=True, **options)
                    y = digest.add(ops.avg_pool2d, x, **options)
                    dy = normal(random, y.shape, dtype)
                    options["input_shape"] = shape
                    digest.add(ops.max_pool2d_backward, dy, pair[1], **options)
                    digest.add(ops.avg_pool2d_backward, dy, **options)


def products(digest, random, dtype):
    from fastconv import ops

    sizes = (1, 2, 3, 5, 8, 17, 33, 64, 130, 700)
    for rows in (1, 2, 3, 7, 32, 65):
        for inputs in sizes:
            for outputs in sizes[::2]:
                x, w = (
                    normal(random, (rows, inputs), dtype),
                    normal(random, (inputs, outputs), dtype),
                )
                dy = normal(random, (rows, outputs), dtype)
                digest.add(ops.dense, x, w, normal(random, outputs, dtype), activation="tanh")
                digest.add(ops.dense_backward_input, dy, w)
                digest.add(ops.dense_backward_kernel, x, dy)
    x, w = normal(random, (4, 9000), dtype), normal(random, (9000, 600), dtype)
    digest.add(ops.dense, x, w)
    digest.add(ops.dense, x[:1], w)


def others(digest, random, dtype):
    """Whatever takes images, by any number of arrays: most pairs of function and arrays are legal,
    and that the others are not is part of the digest."""
    from fastconv import ops, reference

    compiled = [name for name in sorted(ops.__all__) if hasattr(reference, name)]
    for shape in ((3, 6, 7, 5), (2, 8, 8, 16), (2, 5, 4, 33)):
        arrays = [normal(random, shape, dtype) for _ in range(3)]
        channels = [0.5 + random.random(shape[-1]).astype(dtype) for _ in range(5)]
        for name in compiled:
            function = getattr(ops, name)
            wanted = [
                p.name
                for p in inspect.signature(function).parameters.values()
                if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
            ]
            per_channel = ("gamma", "beta", "mean", "variance", "inv_std", "alpha")
            chosen, left, small = [], list(arrays), list(channels)
            for parameter in wanted:
                source = small if parameter in per_channel else left
                if not source:
                    break
                chosen.append(source.pop(0))
            if len(chosen) != len(wanted):
                continue
            for options in ({}, {"input_shape": shape}, {"padding": 2}, {"size": 2}, {"groups": 1}):
                digest.add(function, *chosen, **options)


def networks(digest, random, dtype):
    from fastconv import utils, zoo

    if dtype is not np.float32:
        return
    made = {
        "mnist_cnn": ((28, 28, 1), 16), "cifar_cnn": ((32, 32, 3), 16), "lenet5": (None, 16),
        "resnet18": ((64, 64, 3), 4), "resnet50": ((64, 64, 3), 2), "mobilenet": ((64, 64, 3), 4),
        "vgg16": ((32, 32, 3), 2),
    }  # fmt: skip
    for name, (shape, count) in made.items():
        utils.set_random_seed(7)
        options = {} if shape is None else {"input_shape": shape}
        model = getattr(zoo, name)(**options)
        x = normal(random, (count, *model.input_shape[1:]), dtype)
        labels = random.integers(0, model.output_shape[-1], count)
        model.compile("rmsprop", "sparse_categorical_crossentropy")
        digest.add(model.predict_on_batch, x)
        for _ in range(2):
            model.train_on_batch(x, labels)
        digest.add(model.get_weights)
        digest.add(model.predict_on_batch, x[:1])


PARTS = (convolutions, poolings, products, others, networks)


def digests_of_this_process():
    """The lines for the instruction set that `FASTCONV_ISA` names."""
    for part in PARTS:
        for dtype in (np.float32, np.float64):
            digest = Digest()
            part(digest, np.random.default_rng(2026), dtype)
            if digest.count:
                name = np.dtype(dtype).name
                print(os.environ["FASTCONV_ISA"], part.__name__, name, digest.count,
                      digest.hash.hexdigest(), flush=True)  # fmt: skip


def main():
    if "FASTCONV_ISA" in os.environ:
        digests_of_this_process()
        return
    from fastconv import runtime

    for isa in runtime.available_isas():
        environment = {**os.environ, "FASTCONV_ISA": isa}
        subprocess.run([sys.executable, "-m", "tests.long.digest"], env=environment, check=True)


if __name__ == "__main__":
    main()

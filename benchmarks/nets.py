"""The networks that are measured, defined once for every library.

A network is a chain of four kinds of layers, written down as data; `peers` turns the same data (and
the same weights) into a model of each library. All are classifiers that end in a softmax.

=========  ===================================================================================
mnist      the lecture's MNIST network: 3x3 convolutions 32, 64, 64 with 2x2 max pools, dense 64, 10
lenet5     LeNet-5 (LeCun et al., 1998) as the lecture tabulates it: 5x5, tanh, average pools
cifar      3x3 `same` convolutions 32 32, 64 64, 128 128, each pair pooled, dense 128, 10
alexnet    AlexNet (Krizhevsky et al., 2012) without groups and local normalization, 227x227
vgg16      VGG16 (Simonyan and Zisserman, arXiv 1409.1556, configuration D), 224x224
=========  ===================================================================================
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True)
class Conv:
    """``padding`` is "valid", or "same" with stride 1, where all libraries agree what it means."""

    filters: int
    kernel: int
    stride: int = 1
    padding: str = "valid"
    activation: str | None = "relu"

    @property
    def border(self) -> int:
        """Zeros on every side."""
        return self.kernel // 2 if self.padding == "same" else 0


@dataclass(frozen=True)
class Pool:
    kind: str = "max"
    size: int = 2
    stride: int = 2


@dataclass(frozen=True)
class Flatten:
    pass


@dataclass(frozen=True)
class Dense:
    """The last one has the activation "softmax"; libraries may train on its logits."""

    units: int
    activation: str | None = "relu"


Layer = Conv | Pool | Flatten | Dense


@dataclass(frozen=True)
class Net:
    """``inference`` and ``training`` are the batch sizes that are measured."""

    name: str
    title: str
    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    inference: tuple[int, ...]
    training: int

    @property
    def classes(self) -> int:
        return self.layers[-1].units

    def shapes(self) -> list[tuple[int, ...]]:
        """The output shape of every layer, without the batch."""
        shape: tuple[int, ...] = self.input_shape
        shapes = []
        for layer in self.layers:
            if isinstance(layer, Conv):
                height, width, _ = shape
                border = 2 * layer.border - layer.kernel
                shape = (
                    (height + border) // layer.stride + 1,
                    (width + border) // layer.stride + 1,
                    layer.filters,
                )
            elif isinstance(layer, Pool):
                height, width, channels = shape
                shape = (
                    (height - layer.size) // layer.stride + 1,
                    (width - layer.size) // layer.stride + 1,
                    channels,
                )
            elif isinstance(layer, Flatten):
                shape = (prod(shape),)
            else:
                shape = (layer.units,)
            shapes.append(shape)
        return shapes

    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Kernel and bias of every layer that has them, in order, in Keras's layout."""
        shapes: list[tuple[int, ...]] = []
        before: tuple[int, ...] = self.input_shape
        for layer, after in zip(self.layers, self.shapes(), strict=True):
            if isinstance(layer, Conv):
                shapes += [
                    (layer.kernel, layer.kernel, before[-1], layer.filters),
                    (layer.filters,),
                ]
            elif isinstance(layer, Dense):
                shapes += [(before[-1], layer.units), (layer.units,)]
            before = after
        return shapes

    @property
    def parameters(self) -> int:
        return sum(prod(shape) for shape in self.weight_shapes())

    def weights(self, seed: int = 1) -> list[np.ndarray]:
        """Random weights with He's spread, so that activations neither vanish nor explode."""
        rng = np.random.default_rng(seed)
        weights = []
        for shape in self.weight_shapes():
            w = rng.standard_normal(shape, dtype=np.float32)
            w *= np.float32(0.01 if len(shape) == 1 else (2 / prod(shape[:-1])) ** 0.5)
            weights.append(w)
        return weights

    def batch(self, size: int, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
        """``size`` random images (NHWC, float32, 0 to 1) and their labels."""
        rng = np.random.default_rng(seed)
        x = rng.random((size, *self.input_shape), dtype=np.float32)
        return x, rng.integers(0, self.classes, size)

    def kept_for_backward(self, batch: int) -> int:
        """Bytes that the backward pass of one step has to find: every layer's output, and one byte
        per window of a max pool. The input images are the caller's."""
        total = 0
        for layer, shape in zip(self.layers, self.shapes(), strict=True):
            if isinstance(layer, Flatten):
                continue
            total += 4 * prod(shape)
            if isinstance(layer, Pool) and layer.kind == "max":
                total += prod(shape)
        return batch * total

    def flops(self) -> float:
        """Floating-point operations of one image, forward, direct algorithm."""
        total, before = 0, self.input_shape
        for layer, after in zip(self.layers, self.shapes(), strict=True):
            if isinstance(layer, Conv):
                total += 2 * prod(after) * layer.kernel**2 * before[-1]
            elif isinstance(layer, Dense):
                total += 2 * before[-1] * layer.units
            before = after
        return float(total)


def _vgg_block(filters: int, convolutions: int) -> tuple[Layer, ...]:
    return (Conv(filters, 3, padding="same"),) * convolutions + (Pool(),)


_ALL = (
    Net(
        "mnist",
        "MNIST net",
        (28, 28, 1),
        (
            Conv(32, 3),
            Pool(),
            Conv(64, 3),
            Pool(),
            Conv(64, 3),
            Flatten(),
            Dense(64),
            Dense(10, "softmax"),
        ),
        (1, 64),
        64,
    ),
    Net(
        "lenet5",
        "LeNet-5",
        (32, 32, 1),
        (
            Conv(6, 5, activation="tanh"),
            Pool("average"),
            Conv(16, 5, activation="tanh"),
            Pool("average"),
            Conv(120, 5, activation="tanh"),
            Flatten(),
            Dense(84, "tanh"),
            Dense(10, "softmax"),
        ),
        (1, 64),
        64,
    ),
    Net(
        "cifar",
        "CIFAR net",
        (32, 32, 3),
        (
            *_vgg_block(32, 2),
            *_vgg_block(64, 2),
            *_vgg_block(128, 2),
            Flatten(),
            Dense(128),
            Dense(10, "softmax"),
        ),
        (1, 64),
        64,
    ),
    Net(
        "alexnet",
        "AlexNet",
        (227, 227, 3),
        (
            Conv(96, 11, stride=4),
            Pool(size=3),
            Conv(256, 5, padding="same"),
            Pool(size=3),
            Conv(384, 3, padding="same"),
            Conv(384, 3, padding="same"),
            Conv(256, 3, padding="same"),
            Pool(size=3),
            Flatten(),
            Dense(4096),
            Dense(4096),
            Dense(1000, "softmax"),
        ),
        (1, 16),
        16,
    ),
    Net(
        "vgg16",
        "VGG16",
        (224, 224, 3),
        (
            *_vgg_block(64, 2),
            *_vgg_block(128, 2),
            *_vgg_block(256, 3),
            *_vgg_block(512, 3),
            *_vgg_block(512, 3),
            Flatten(),
            Dense(4096),
            Dense(4096),
            Dense(1000, "softmax"),
        ),
        (1, 4),
        4,
    ),
)
NETS: dict[str, Net] = {net.name: net for net in _ALL}


def select(wanted: list[str] | None) -> list[Net]:
    """The networks named in ``wanted`` (all for None); ValueError names the unknown ones."""
    if wanted is None:
        return list(NETS.values())
    unknown = [name for name in wanted if name not in NETS]
    if unknown:
        raise ValueError(f"no network named {', '.join(unknown)}; there are: {', '.join(NETS)}")
    return [NETS[name] for name in wanted]


def add_option(parser: argparse.ArgumentParser, others: str = "") -> None:
    """`--nets NAME,...`, for `select`; `others` names networks of the caller's own."""
    parser.add_argument(
        "--nets",
        type=lambda text: text.split(","),
        default=None,
        metavar="NAME,...",
        help=f"among {', '.join(NETS)}{others}",
    )

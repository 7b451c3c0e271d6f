"""Networks that PyTorch and Keras export, beside what these compute; and one trained further.

    python -m tests.long.onnx_exports              torch, onnx, onnxscript; keras if it is there

LeNet, VGG, ResNet-18, MobileNet and U-Net, with random weights and statistics, go through both
exporters of PyTorch and through Keras's (which needs its backend torch). Prints the largest
distance of fastconv's results from the framework's, relative to the largest, and exits with 1 if
one is above 1e-4. Then trains the imported ResNet-18 and PyTorch's own by the same steps on the
same pictures, and prints both losses.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")

import torch
from torch import nn

from fastconv import models, optimizers
from fastconv.losses import SparseCategoricalCrossentropy
from fastconv.onnx.importing import imported

MOST = 1e-4


def conv(i: int, o: int, size: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(i, o, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(o))


def lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16 * 36, 120), nn.Tanh(), nn.Linear(120, 10),
    )  # fmt: skip


def vgg() -> nn.Module:
    parts, before = [], 3
    for width, count in ((32, 1), (64, 1), (128, 2), (128, 2)):
        for _ in range(count):
            parts += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        parts.append(nn.MaxPool2d(2))
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), nn.Dropout()]
    return nn.Sequential(*parts, nn.Linear(64, 10))


class Residual(nn.Module):
    def __init__(self, i: int, o: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(conv(i, o, 3, stride), nn.ReLU(), conv(o, o))
        self.short = conv(i, o, 1, stride) if stride > 1 or i != o else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.short(x))


def resnet() -> nn.Module:
    """ResNet-18 (He et al. 2015), with half as many channels."""
    parts = [conv(3, 32, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    before = 32
    for width in (32, 64, 128, 256):
        parts += [Residual(before, width, 1 + (width > 32)), Residual(width, width, 1)]
        before = width
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


class Inverted(nn.Module):
    def __init__(self, i: int, o: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(
            conv(i, 4 * i, 1), nn.ReLU6(), conv(4 * i, 4 * i, 3, stride, 4 * i), nn.Hardswish(),
            conv(4 * i, o, 1),
        )  # fmt: skip
        self.adds = stride == 1 and i == o

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.adds else self.body(x)


def mobilenet() -> nn.Module:
    parts = [conv(3, 16, 3, 2), nn.ReLU6(), Inverted(16, 24, 2), Inverted(24, 24, 1)]
    parts += [Inverted(24, 48, 2), Inverted(48, 48, 1), conv(48, 96, 1), nn.Hardswish()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 10))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([conv(3, 16), conv(16, 32), conv(32, 64)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(64, 32, 2, 2), nn.Upsample(scale_factor=2)])
        self.merge = nn.ModuleList([conv(64, 32), conv(48, 16)])
        self.last = nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = torch.relu(self.down[0](x))
        b = torch.relu(self.down[1](nn.functional.max_pool2d(a, 2)))
        c = torch.relu(self.down[2](nn.functional.max_pool2d(b, 2)))
        y = torch.relu(self.merge[0](torch.cat([self.up[0](c), b], 1)))
        y = torch.relu(self.merge[1](torch.cat([self.up[1](y), a], 1)))
        return torch.sigmoid(self.last(y))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "LeNet": lenet, "VGG": vgg, "ResNet-18": resnet, "MobileNet": mobilenet, "U-Net": UNet,
}  # fmt: skip


def randomized(make: Callable[[], nn.Module]) -> nn.Module:
    """The network for inference, with statistics as training leaves them."""
    torch.manual_seed(0)
    network = make().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network


def exported(network: nn.Module, x: torch.Tensor, dynamo: bool) -> bytes:
    """The file that PyTorch writes, for any batch."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            axes = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
        else:
            axes = {"dynamic_axes": {"x": {0: "batch"}}, "input_names": ["x"]}
        torch.onnx.export(network, (x,), file, dynamo=dynamo, verbose=False, **axes)
    return file.getvalue()


def distance(file: bytes, x: np.ndarray, expected: np.ndarray) -> float:
    found = imported(file)
    y = found.model.predict(x.transpose(found.inputs[0].order), verbose=0)
    y = y.transpose(np.argsort(found.outputs[0].order))
    return float(np.abs(y - expected).max() / np.abs(expected).max())


def of_torch() -> Iterator[tuple[str, float]]:
    x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    for name, make in NETWORKS.items():
        network = randomized(make)
        with torch.no_grad():
            expected = network(x).numpy()
        for dynamo in (False, True):
            kind = "torch.export" if dynamo else "TorchScript"
            yield f"{name}, {kind}", distance(exported(network, x, dynamo), x.numpy(), expected)


def of_keras() -> Iterator[tuple[str, float]]:
    import keras
    from keras import layers

    x = np.random.default_rng(0).random((3, 32, 32, 3)).astype(np.float32)
    for name, make in keras_networks(keras, layers).items():
        keras.utils.set_random_seed(0)
        model = make()
        weights = [w + np.random.default_rng(1).random(w.shape) * 0.1 for w in model.get_weights()]
        model.set_weights(weights)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "m.onnx")
            signature = [keras.InputSpec(shape=(None, 32, 32, 3), dtype="float32", name="x")]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.export(path, format="onnx", verbose=False, input_signature=signature)
            expected = model.predict(x, verbose=0)
            found = imported(path)
            y = found.model.predict(x.transpose(found.inputs[0].order), verbose=0)
            y = y.transpose(np.argsort(found.outputs[0].order))
        yield f"{name}, Keras", float(np.abs(y - expected).max() / np.abs(expected).max())


def keras_networks(keras, layers) -> dict[str, Callable]:
    def chain(*parts):
        return lambda: keras.Sequential([keras.Input((32, 32, 3)), *parts])

    def residual():
        x = given = keras.Input((32, 32, 3))
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(x)))
        for width, stride in ((16, 1), (32, 2)):
            y = layers.Conv2D(width, 3, stride, padding="same", use_bias=False)(x)
            y = layers.ReLU()(layers.BatchNormalization()(y))
            y = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(y))
            short = layers.Conv2D(width, 1, stride)(x) if stride > 1 else x
            x = layers.ReLU()(layers.Add()([y, short]))
        y = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
        return keras.Model(given, y)

    def unet():
        given = keras.Input((32, 32, 3))
        a = layers.Conv2D(8, 3, padding="same", activation="relu")(given)
        b = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D(2)(a))
        y = layers.Conv2DTranspose(8, 2, 2, activation="relu")(b)
        y = layers.Concatenate()([y, a, layers.UpSampling2D()(b)])
        return keras.Model(given, layers.Conv2D(2, 1, activation="sigmoid")(y))

    def mobile():
        parts = [layers.Conv2D(8, 3, 2, padding="same"), layers.BatchNormalization()]
        for width, stride in ((16, 1), (24, 2)):
            parts += [layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)]
            parts += [layers.BatchNormalization(), layers.ReLU(6.0)]
            parts += [layers.Conv2D(width, 1, use_bias=False), layers.BatchNormalization()]
        return chain(*parts, layers.GlobalAveragePooling2D(), layers.Dense(10))()

    def lenet():
        return chain(
            layers.Conv2D(6, 5, activation="tanh"), layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"), layers.AveragePooling2D(2), layers.Flatten(),
            layers.Dense(84, "tanh"), layers.Dense(10, "softmax"),
        )()  # fmt: skip

    def vgg():
        parts = []
        for width in (8, 16, 32):
            parts += [layers.Conv2D(width, 3, padding="same", activation="relu")] * 1
            parts += [layers.MaxPooling2D(2, 2)]
        return chain(*parts, layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10))()

    return {
        "LeNet": lenet, "VGG": vgg, "ResNet": residual, "MobileNet": mobile, "U-Net": unet,
    }  # fmt: skip


# --------------------------------------------------------------------------------- training further


def pictures(count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 32, 32, 3) of squares, bars and noise, and their classes."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 0.3, (count, 32, 32, 3)).astype(np.float32), np.arange(count) % 3
    for picture, kind in zip(x, y, strict=True):
        row, column = rng.integers(2, 18, 2)
        if kind == 0:
            picture[row : row + 10, column : column + 10] += 1
        elif kind == 1:
            picture[row : row + 3] += 1
    return x, y


def training_losses(steps: int = 24) -> list[tuple[float, float]]:
    """The losses of PyTorch and of the imported network, step by step, from the same weights."""
    x, y = pictures()
    network = fused(randomized(resnet))
    given = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    model = imported(exported(network, given, dynamo=False)).model
    return list(
        zip(_by_torch(network, given, y, steps), _by_fastconv(model, x, y, steps), strict=True)
    )


def fused(network: nn.Module) -> nn.Module:
    """The network with its normalizations in the convolutions, as PyTorch exports it."""
    for module in network.modules():
        if isinstance(module, nn.Sequential) and len(module) == 2:
            first, second = module
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[0] = nn.utils.fusion.fuse_conv_bn_eval(first, second)
                module[1] = nn.Identity()
    return network.requires_grad_(True)  # the new biases, too


def _by_torch(network: nn.Module, x: torch.Tensor, y: np.ndarray, steps: int) -> list[float]:
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    losses = []
    for step in range(steps):
        part = slice(step * 16 % len(x), step * 16 % len(x) + 16)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x[part]), torch.from_numpy(y[part]))
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def _by_fastconv(model: models.Model, x: np.ndarray, y: np.ndarray, steps: int) -> list[float]:
    loss = SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.SGD(0.01), loss)
    losses = []
    for step in range(steps):
        part = slice(step * 16 % len(x), step * 16 % len(x) + 16)
        model.reset_metrics()
        losses.append(float(np.ravel(model.train_on_batch(x[part], y[part]))[0]))
    return losses


def main() -> int:
    distances = []
    for rows in (of_torch, of_keras):
        try:
            for name, apart in rows():
                distances.append(apart)
                print(f"{name:26} {apart:.1e}", flush=True)
        except ImportError as error:
            print(f"left out: {error}")
    for step, (theirs, ours) in enumerate(training_losses()):
        if step % 4 == 0 or step == 23:
            print(f"step {step:3}: loss of PyTorch {theirs:.6f}, of fastconv {ours:.6f}")
    return int(not distances or max(distances) > MOST)


if __name__ == "__main__":
    sys.exit(main())

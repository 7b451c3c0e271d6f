"""PyTorch, eager, in channels_last memory format."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.model_nets import AnyNet, ModelNet
from benchmarks.nets import Conv, Dense, Pool
from benchmarks.peers import EPSILON, LEARNING_RATE, RHO, Session
from benchmarks.peers.chain import channels_first


def version() -> str:
    return f"PyTorch {torch.__version__}"


def model(net: AnyNet, weights: list[np.ndarray]) -> nn.Module:
    """The network up to its logits, in channels_last memory format."""
    if isinstance(net, ModelNet):
        from benchmarks.peers import onnx_file
        from benchmarks.peers.onnx_torch import OnnxModule

        return OnnxModule(onnx_file.build(net, weights, 1)).to(memory_format=torch.channels_last)
    modules: list[nn.Module] = []
    for layer, kernel, bias in channels_first(net, weights):
        if isinstance(layer, Conv):
            module = nn.Conv2d(
                kernel.shape[1], layer.filters, layer.kernel, layer.stride, layer.border
            )
        elif isinstance(layer, Dense):
            module = nn.Linear(kernel.shape[1], layer.units)
        elif isinstance(layer, Pool):
            make = nn.MaxPool2d if layer.kind == "max" else nn.AvgPool2d
            modules.append(make(layer.size, layer.stride))
            continue
        else:
            modules.append(nn.Flatten())
            continue
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(kernel))
            module.bias.copy_(torch.from_numpy(bias))
        modules.append(module)
        if layer.activation == "relu":
            modules.append(nn.ReLU(inplace=True))
        elif layer.activation == "tanh":
            modules.append(nn.Tanh())
    return nn.Sequential(*modules).to(memory_format=torch.channels_last)


def images(x: np.ndarray) -> torch.Tensor:
    """NHWC images as a channels_last tensor."""
    tensor = torch.from_numpy(x).permute(0, 3, 1, 2)
    return tensor.contiguous(memory_format=torch.channels_last)


def optimizer(network: nn.Module, learning_rate: float = LEARNING_RATE) -> torch.optim.Optimizer:
    """RMSprop; foreach handles all tensors in one call, which is the faster of PyTorch's forms."""
    return torch.optim.RMSprop(
        network.parameters(), lr=learning_rate, alpha=RHO, eps=EPSILON, foreach=True
    )


def inference(net: AnyNet, weights: list[np.ndarray], x: np.ndarray, threads: int) -> Session:
    torch.set_num_threads(threads)
    network, batch = model(net, weights).eval(), images(x)
    latest = [None]

    def call():
        with torch.inference_mode():
            latest[0] = torch.softmax(network(batch), dim=-1)

    return Session(call, lambda: latest[0].numpy())


def training(
    net: AnyNet, weights: list[np.ndarray], x: np.ndarray, labels: np.ndarray, threads: int
) -> Session:
    torch.set_num_threads(threads)
    network, batch, target = model(net, weights).train(), images(x), torch.from_numpy(labels)
    rmsprop = optimizer(network)
    latest = [None]

    def call():
        rmsprop.zero_grad(set_to_none=True)
        logits = network(batch).movedim(-1, 1)  # classes come last, those of pixels, too
        loss = nn.functional.cross_entropy(logits, target)
        loss.backward()
        rmsprop.step()
        latest[0] = loss.detach()

    return Session(call, lambda: np.asarray(latest[0].item()))

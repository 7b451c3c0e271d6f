"""An ONNX graph of NCHW images as a module of PyTorch, for the operators of the measured models.

The module holds the weights as PyTorch's own layers do, so it trains: batch normalizations use the
statistics of the batch in training mode. A final Softmax is left out, since losses take logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from onnx import ModelProto, NodeProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F


class OnnxModule(nn.Module):
    """`forward(images)` returns the logits. Raises ValueError for an operator without a rule."""

    def __init__(self, model: ModelProto):
        super().__init__()
        graph = model.graph
        self.constants: dict[str, Any] = {
            i.name: numpy_helper.to_array(i) for i in graph.initializer
        }
        for node in graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.input, self.output = graph.input[0].name, graph.output[0].name
        self.rules: list[tuple[Callable[..., Tensor], list[str], str]] = []
        self.layers = nn.ModuleList()
        for node in graph.node:
            if node.op_type != "Constant":
                inputs, output = list(node.input), node.output[0]
                self.rules.append((self._rule(node), inputs, output))

    def forward(self, images: Tensor) -> Tensor:
        values = {self.input: images}
        for rule, inputs, output in self.rules:
            values[output] = rule(*(values[name] for name in inputs if name in values))
        return values[self.output]

    def _rule(self, node: NodeProto) -> Callable[..., Tensor]:
        settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        known = self.constants | {"": None}  # an optional input that is left out has no name
        weights = [known[name] for name in node.input if name in known]
        make = _RULES.get(node.op_type)
        if make is None:
            raise ValueError(f"{node.op_type} has no equivalent here")
        made = make(settings, weights)
        if isinstance(made, nn.Module):
            self.layers.append(made)
        return made


def _parameter(layer: nn.Module, **values: np.ndarray) -> None:
    with torch.no_grad():
        for name, value in values.items():
            getattr(layer, name).copy_(torch.from_numpy(np.array(value)))


def _sides(settings: dict[str, Any]) -> tuple[int, int]:
    top, left, bottom, right = settings.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        raise ValueError(f"padding {settings['pads']} differs between the sides")
    return top, left


class _Uneven(nn.Module):
    """Zeros that differ between the sides, before a layer whose padding cannot."""

    def __init__(self, layer: nn.Module, pads: list[int]):
        super().__init__()
        top, left, bottom, right = pads
        self.layer, self.pads = layer, (left, right, top, bottom)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(F.pad(x, self.pads))


def _convolution(settings, weights):
    kernel, *bias = weights
    pads = settings.get("pads", [0, 0, 0, 0])
    uneven = pads[:2] != pads[2:]
    groups = settings.get("group", 1)
    layer = nn.Conv2d(
        kernel.shape[1] * groups,
        kernel.shape[0],
        kernel.shape[2:],
        settings.get("strides", (1, 1)),
        (0, 0) if uneven else tuple(pads[:2]),
        settings.get("dilations", (1, 1)),
        groups,
        bias=bool(bias),
    )
    _parameter(layer, weight=kernel, **({"bias": bias[0]} if bias else {}))
    return _Uneven(layer, pads) if uneven else layer


def _transposed(settings, weights):
    kernel, *bias = weights
    layer = nn.ConvTranspose2d(
        kernel.shape[0],
        kernel.shape[1],
        kernel.shape[2:],
        settings.get("strides", (1, 1)),
        _sides(settings),
        bias=bool(bias),
    )
    _parameter(layer, weight=kernel, **({"bias": bias[0]} if bias else {}))
    return layer


def _normalization(settings, weights):
    scale, shift, mean, variance = weights
    momentum = 1 - settings.get("momentum", 0.9)
    layer = nn.BatchNorm2d(len(scale), settings.get("epsilon", 1e-5), momentum)
    _parameter(layer, weight=scale, bias=shift, running_mean=mean, running_var=variance)
    return layer


def _product(settings, weights):
    kernel, *bias = weights
    if not settings.get("transB", 0):
        kernel = kernel.T
    layer = nn.Linear(kernel.shape[1], kernel.shape[0], bias=bool(bias))
    _parameter(layer, weight=kernel, **({"bias": bias[0]} if bias else {}))
    return layer


def _pad(settings, weights):
    pads, value, axes = (*weights, None, None)[:3]
    known = range(len(pads) // 2) if axes is None else axes.tolist()
    pairs = dict(zip(known, zip(*np.split(pads, 2), strict=True), strict=True))
    flat = [int(n) for axis in (3, 2, 1, 0) for n in pairs.get(axis, (0, 0))]
    return lambda x: F.pad(x, flat, value=0.0 if value is None else value.item())


def _clip(settings, weights):
    low, high = (float(value) for value in weights)
    return lambda x: torch.clamp(x, low, high)


def _with(weights, join: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Two values, the second of which may be a constant."""
    constant = torch.from_numpy(np.array(weights[0])) if weights else None
    return lambda x, other=constant: join(x, other)


_RULES: dict[str, Callable[[dict[str, Any], list[Any]], Callable[..., Tensor]]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "BatchNormalization": _normalization,
    "Gemm": _product,
    "MatMul": _product,
    "Pad": _pad,
    "Clip": _clip,
    "Relu": lambda settings, weights: nn.ReLU(inplace=False),
    "Sigmoid": lambda settings, weights: torch.sigmoid,
    "Identity": lambda settings, weights: lambda x: x,
    "Softmax": lambda settings, weights: lambda x: x,
    "Add": lambda settings, weights: _with(weights, torch.add),
    "Sub": lambda settings, weights: _with(weights, torch.sub),
    "Mul": lambda settings, weights: _with(weights, torch.mul),
    "Div": lambda settings, weights: _with(weights, torch.div),
    "Concat": lambda settings, weights: lambda *x: torch.cat(x, settings["axis"]),
    "Flatten": lambda settings, weights: lambda x: torch.flatten(x, settings.get("axis", 1)),
    "Reshape": lambda settings, weights: lambda x: x.reshape([len(x), *weights[0].tolist()[1:]]),
    "Transpose": lambda settings, weights: lambda x: x.permute(*settings["perm"]),
    "GlobalAveragePool": lambda settings, weights: nn.AdaptiveAvgPool2d(1),
    "MaxPool": lambda settings, weights: nn.MaxPool2d(
        settings["kernel_shape"], settings.get("strides"), _sides(settings)
    ),
    "AveragePool": lambda settings, weights: nn.AvgPool2d(
        settings["kernel_shape"], settings.get("strides"), _sides(settings)
    ),
    "ReduceMean": lambda settings, weights: (
        lambda x: x.mean(weights[0].tolist(), keepdim=bool(settings.get("keepdims", 1)))
    ),
}

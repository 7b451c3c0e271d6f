"""What a layer tells the plan: which operation it is, with which settings and weights.

A layer returns a list of these records (`Layer.nodes`), most of them one. A record says nothing
about batch sizes, buffers, passes or fusion: all of that is the plan's to decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv._ext._core import FUSIBLE, KEEPS_INPUT
from fastconv.parameters import Variable
from fastconv.regularizers import Regularizer
from fastconv.resampling import AxisMap

if TYPE_CHECKING:
    from fastconv.layers.custom import CustomLayer


@dataclass(frozen=True)
class Activation:
    """y = f(x) element by element; `kind` is one that the compiled core knows.

    `slope` is the slope of "leaky_relu", the alpha of "elu", the bound of "clipped_relu";
    "bounded_relu" has all three parameters.
    """

    kind: str
    slope: float = 0.0
    max_value: float = math.inf
    threshold: float = 0.0

    @property
    def fusible(self) -> bool:
        """Whether it can end a convolution or product."""
        return self.kind in FUSIBLE

    @property
    def keeps_input(self) -> bool:
        """Whether the gradient is computed from the input; otherwise from the output."""
        return self.kind in KEEPS_INPUT

    @property
    def parameters(self) -> tuple[float, float, float]:
        return self.slope, self.max_value, self.threshold


@dataclass(frozen=True)
class Convolution:
    """x (N,H,W,C) with kernel (KH,KW,C/groups,K) -> y (N,OH,OW,K).

    `kernel_shape` is that shape where the weight itself has another one (1-D, depthwise).
    `pooling` of 2x2 windows with stride 2 may follow within the operation, with one group.
    """

    kernel: Variable
    bias: Variable | None
    strides: tuple[int, int]
    padding: Any
    dilation_rate: tuple[int, int]
    groups: int
    activation: Activation | None = None
    normalization: BatchNormalization | None = None
    kernel_shape: tuple[int, int, int, int] | None = None
    pooling: Pooling | None = None


@dataclass(frozen=True)
class TransposedConvolution:
    """x (N,H,W,C) with kernel (KH,KW,K,C) -> y (N,OH,OW,K): what leads back from the output of a
    convolution of `size` (OH,OW) to its input, plus the bias.
    """

    kernel: Variable
    bias: Variable | None
    size: tuple[int, int]
    strides: tuple[int, int]
    padding: Any
    dilation_rate: tuple[int, int]
    kernel_shape: tuple[int, int, int, int]


@dataclass(frozen=True)
class Product:
    """x (..., I) with kernel (I, O) -> y (..., O)."""

    kernel: Variable
    bias: Variable | None
    activation: Activation | None = None
    normalization: BatchNormalization | None = None


@dataclass(frozen=True)
class BatchNormalization:
    """Over all axes but the last: by the statistics of the batch in training, else, and if it is
    `frozen`, by the moving ones. Outside of training a convolution or product takes it in.

    Of several calls of one layer, the one with the lowest `turn` is first to change the moving
    statistics.
    """

    gamma: Variable | None
    beta: Variable | None
    moving_mean: Variable
    moving_variance: Variable
    momentum: float
    epsilon: float
    frozen: bool = False
    activation: Activation | None = None
    turn: tuple[int, ...] = ()


@dataclass(frozen=True)
class GroupNormalization:
    """By the statistics of every sample's `groups` of channels."""

    gamma: Variable | None
    beta: Variable | None
    groups: int
    epsilon: float
    activation: Activation | None = None


@dataclass(frozen=True)
class RowNormalization:
    """By the statistics of the last `axes` axes together; or, if `unit`, to length 1."""

    gamma: Variable | None
    beta: Variable | None
    axes: int
    epsilon: float
    unit: bool = False


@dataclass(frozen=True)
class ResponseNormalization:
    """x / (bias + alpha * sum of x^2 over the channels at most `depth_radius` away)^beta."""

    depth_radius: int
    bias: float
    alpha: float
    beta: float


@dataclass(frozen=True)
class PReLU:
    """x where x > 0, else alpha * x; `inner` neighbouring elements share a slope, and so do the
    repetitions of all slopes."""

    alpha: Variable
    inner: int = 1


@dataclass(frozen=True)
class Pooling:
    """x (N,H,W,C) -> y (N,OH,OW,C); kind "max" or "average"."""

    kind: str
    pool_size: tuple[int, int]
    strides: tuple[int, int]
    padding: Any


@dataclass(frozen=True)
class Softmax:
    """Over the last axis, or its logarithm."""

    log: bool = False


@dataclass(frozen=True)
class Dropout:
    """While training: zero with probability `rate`, else x / (1 - rate). Otherwise y = x.

    Along the axes where `noise_shape` (without the batch, if that has its own draws) is 1, all
    elements share their fate.
    """

    rate: float
    seed: int
    noise_shape: tuple[int | None, ...] | None = None


@dataclass(frozen=True)
class GaussianNoise:
    """While training: x + z, or with `multiply` x * (1 + z), z normal with `stddev`."""

    stddev: float
    seed: int
    multiply: bool = False


@dataclass(frozen=True)
class Reshape:
    """The same elements in the same order as samples of `shape`; costs nothing.

    `source` is the shape that they had before, so that a way back can be seen to be one.
    """

    shape: tuple[int, ...]
    source: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Transpose:
    """Axis i of the output is axis axes[i] of the input; axes[0] = 0, the batch."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class AxisMaps:
    """What happens along every axis but the batch (`fastconv.resampling`), None for nothing.

    Elements that no element of the input reaches are `fill`.
    """

    maps: tuple[AxisMap | None, ...]
    fill: float = 0.0


@dataclass(frozen=True)
class GlobalPooling:
    """x (N,...,C) -> y (N,C) over all places; kind "max" or "average"."""

    kind: str


@dataclass(frozen=True)
class ScaleShift:
    """y = x * scale + shift with constants (C,) of the last axis."""

    scale: tuple[float, ...]
    shift: tuple[float, ...]


@dataclass(frozen=True)
class RandomWarp:
    """While training: every image x (N,H,W,C) seen through an affine map, y (N,*size,C).
    Otherwise: `still`, or nothing at all.

    `draw(generator, count)` returns the maps, (count, 6), as `fastconv.ops.warp` takes them.
    """

    draw: Callable[[np.random.Generator, int], np.ndarray]
    seed: int
    interpolation: str
    fill_mode: str
    fill_value: float
    size: tuple[int, int] | None = None
    still: AxisMaps | None = None


@dataclass(frozen=True)
class Merge:
    """Several x -> y element by element, from left to right; axes of size 1 are repeated.

    kind "add", "subtract" (of two), "multiply", "average", "maximum" or "minimum". An x of lower
    rank gets axes of size 1 behind the batch.
    """

    kind: str
    activation: Activation | None = None


@dataclass(frozen=True)
class Concatenate:
    """Several x -> y, one after the other along `axis`, which is not the batch (axis >= 1)."""

    axis: int


@dataclass(frozen=True)
class Custom:
    """What `layer`, a `fastconv.layers.CustomLayer`, computes in NumPy: samples of `shape`."""

    layer: CustomLayer
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ActivityPenalty:
    """y = x; while there is a loss, `regularizer(x) / N` is added to it."""

    regularizer: Regularizer


@dataclass(frozen=True)
class Loss:
    """The end of a training or test plan: predictions and targets -> one number per row.

    kind as in `_ext/_loss.pyx`, of which "softmax_cross_entropy" and "binary_logits" look at
    logits; or "custom". `sparse` targets are int64 class numbers (rows,), of which `ignore` does
    not count; others float32 (rows, C), where a row is one prediction vector over the last axis.
    `parameters` are up to two numbers; `summed` means the sum over the rows instead of their mean.
    `custom` has `row_values` and `row_gradients` in NumPy.
    """

    kind: str
    sparse: bool = False
    parameters: tuple[float, ...] = ()
    summed: bool = False
    ignore: int | None = None
    custom: Any = None


Node = (
    Activation
    | ActivityPenalty
    | AxisMaps
    | BatchNormalization
    | Concatenate
    | Convolution
    | Custom
    | Dropout
    | GaussianNoise
    | GlobalPooling
    | GroupNormalization
    | Merge
    | PReLU
    | Pooling
    | Product
    | RandomWarp
    | Reshape
    | ResponseNormalization
    | RowNormalization
    | ScaleShift
    | Softmax
    | Transpose
    | TransposedConvolution
)

# Nothing outside of training, or what they say that they are then (`still`).
TRAINING_ONLY = (Dropout, GaussianNoise, RandomWarp)


_STREAM_STEP = 0x9E3779B97F4A7C15  # odd, and no small multiple of the step from draw to draw


def of_call(node: Node, number: int, turn: tuple[int, ...]) -> Node:
    """`node` as call `number` of its layer, counted from 0, which comes at `turn` in its network.

    Every call draws random numbers of its own.
    """
    if isinstance(node, BatchNormalization):
        return replace(node, turn=turn)
    if number and isinstance(node, TRAINING_ONLY):
        return replace(node, seed=(node.seed + number * _STREAM_STEP) % 2**64)
    return node


# Activations whose argument's sign and size tell all about their derivative.
RELU_FAMILY = ("relu", "leaky_relu", "clipped_relu")


def has_room_for(node: Node, activation: Activation) -> bool:
    """Whether the operation of `node` can apply `activation` to what it writes."""
    if isinstance(node, Merge):
        return node.activation is None and activation.kind == "relu"
    if isinstance(node, (BatchNormalization, GroupNormalization)):
        return node.activation is None and activation.kind in RELU_FAMILY
    weighted = isinstance(node, (Convolution, Product))
    return weighted and node.activation is None and activation.fusible


def variables_of(node: Node) -> list[Variable]:
    """The weights of a node, trainable or not."""
    if isinstance(node, Custom):
        return list(node.layer.weights)
    values = (getattr(node, field.name) for field in fields(node))
    return [value for value in values if isinstance(value, Variable)]

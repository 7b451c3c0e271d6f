"""The operations that layers describe to the plan, with their settings and weights.

`Layer.operations` returns a list of these records, usually one. A record does not determine batch
sizes, buffers, passes or fusion: the plan does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np

from fastconv._ext._core import FUSIBLE, KEEPS_INPUT, ONE_PARAMETER
from fastconv.parameters import Variable
from fastconv.plan.functions import Elementwise, FunctionCall
from fastconv.plan.rules import Penalty
from fastconv.resampling import AxisMap
from fastconv.shapes import Conv2DGeometry, Pool2DGeometry


@dataclass(frozen=True)
class Activation:
    """y = f(x) element by element; `kind` is an activation of the compiled core.

    `slope` is the slope of "leaky_relu", the alpha of "elu", the bound of "clipped_relu";
    "bounded_relu" has all three parameters.
    """

    kind: str
    slope: float = 0.0
    max_value: float = math.inf
    threshold: float = 0.0

    @property
    def fusible(self) -> bool:
        """Whether it can be the epilogue of a convolution or dense operation."""
        return self.kind in FUSIBLE

    @property
    def has_one_parameter(self) -> bool:
        """Whether it can be the epilogue of a convolution without a backward pass."""
        return self.kind in ONE_PARAMETER

    @property
    def keeps_input(self) -> bool:
        """Whether the gradient is computed from the input; if not, from the output."""
        return self.kind in KEEPS_INPUT

    @property
    def parameters(self) -> tuple[float, float, float]:
        return self.slope, self.max_value, self.threshold


@dataclass(frozen=True)
class Convolution:
    """x (N,H,W,C) with kernel (KH,KW,C/groups,K) -> y (N,OH,OW,K).

    `geometry` is that of one sample. The weight may have another shape than the kernel (1-D,
    depthwise), with the same elements in the same order. `pooling`: 2x2 windows with stride 2,
    fused into the operation; only without groups. `adds`: a second value, as in an addition of the
    two, is added before the activation.
    """

    kernel: Variable
    bias: Variable | None
    geometry: Conv2DGeometry
    activation: Activation | None = None
    normalization: BatchNormalization | None = None
    pooling: Pooling | None = None
    adds: bool = False


@dataclass(frozen=True)
class TransposedConvolution:
    """x (N,H,W,C) with kernel (KH,KW,K,C) -> y (N,OH,OW,K): the transpose of a convolution, plus
    the bias.

    `geometry` is that of one sample of the convolution, from (OH,OW,K) to (H,W,C).
    """

    kernel: Variable
    bias: Variable | None
    geometry: Conv2DGeometry


@dataclass(frozen=True)
class Dense:
    """x (..., I) with kernel (I, O) -> y (..., O)."""

    kernel: Variable
    bias: Variable | None
    activation: Activation | None = None
    normalization: BatchNormalization | None = None


@dataclass(frozen=True)
class Recurrent:
    """x (N, T, I) with kernel (I, G H) and recurrent kernel (H, G H) -> h after every step,
    (N, T, H), of an LSTM (G = 4) or a GRU (G = 3) that begins with zeros.

    The bias has G H elements; that of a GRU may have twice as many, of which the second half is
    that of the product with h. If `reverse`, the steps are run from the last to the first.
    """

    kernel: Variable
    recurrent_kernel: Variable
    bias: Variable | None
    reverse: bool = False


@dataclass(frozen=True)
class BatchNormalization:
    """Normalizes over all axes but the last: by batch statistics in training, by the moving ones
    otherwise or if `frozen`. Outside of training it is folded into a convolution or dense
    operation.

    If a layer is called several times, calls update the moving statistics in ascending `turn`.
    `training`: see `MODAL`.
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
    training: bool | None = None

    @property
    def by_batch(self) -> bool:
        """Whether it normalizes by batch statistics, once `training` is set."""
        return bool(self.training) and not self.frozen


@dataclass(frozen=True)
class GroupNormalization:
    """Normalizes by the statistics of each of the `groups` of channels of each sample."""

    gamma: Variable | None
    beta: Variable | None
    groups: int
    epsilon: float
    activation: Activation | None = None


@dataclass(frozen=True)
class LayerNormalization:
    """Normalizes by the statistics of the last `axes` axes together; if `unit`, to length 1."""

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
    """x where x > 0, else alpha * x; `inner` neighbours share a slope, and the slopes repeat."""

    alpha: Variable
    inner: int = 1


@dataclass(frozen=True)
class Pooling:
    """x (N,H,W,C) -> y (N,OH,OW,C); kind "max" or "average"; `geometry` is that of one sample."""

    kind: str
    geometry: Pool2DGeometry


@dataclass(frozen=True)
class Softmax:
    """Softmax over the last axis, or its logarithm."""

    log: bool = False


@dataclass(frozen=True)
class Dropout:
    """In training: zero with probability `rate`, else x / (1 - rate). Otherwise y = x.

    Along the axes where `noise_shape` (without the batch axis, if each sample has its own draws) is
    1, all elements share one draw.
    """

    rate: float
    seed: int
    noise_shape: tuple[int | None, ...] | None = None
    training: bool | None = None


@dataclass(frozen=True)
class AlphaDropout(Dropout):
    """In training: `saturation` with probability `rate`, else x; then an affine map that restores
    the mean 0 and the variance 1 of such x. Otherwise y = x."""

    saturation: float = 0.0

    @property
    def affine(self) -> tuple[float, float]:
        """(scale, shift) of the map."""
        scale = ((1 - self.rate) * (1 + self.rate * self.saturation**2)) ** -0.5
        return scale, -scale * self.saturation * self.rate


@dataclass(frozen=True)
class GaussianNoise:
    """In training: x + z, or with `multiply` x * (1 + z), z normal with `stddev`."""

    stddev: float
    seed: int
    multiply: bool = False
    training: bool | None = None


@dataclass(frozen=True)
class Reshape:
    """The same elements in the same order as samples of `shape`; no operation.

    `source` is the shape before, by which `simplify` detects the inverse reshape.
    """

    shape: tuple[int, ...]
    source: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Transpose:
    """Axis i of the output is axis axes[i] of the input; axes[0] = 0, the batch."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class AxisMaps:
    """Linear maps along every axis but the batch (`fastconv.resampling`), None for the identity.

    Output elements without an input element are `fill`.
    """

    maps: tuple[AxisMap | None, ...]
    fill: float = 0.0


@dataclass(frozen=True)
class GlobalPooling:
    """x (N,...,C) -> y (N,C) over all positions; kind "max" or "average"."""

    kind: str


@dataclass(frozen=True)
class ScaleShift:
    """y = x * scale + shift with constants (C,) for the last axis."""

    scale: tuple[float, ...]
    shift: tuple[float, ...]


@dataclass(frozen=True)
class RandomWarp:
    """In training: an affine map of every image x (N,H,W,C), y (N,*size,C).
    Otherwise: `still`, or the identity.

    `draw(generator, count)` returns the maps, (count, 6), as `fastconv.ops.warp` takes them.
    """

    draw: Callable[[np.random.Generator, int], np.ndarray]
    seed: int
    interpolation: str
    fill_mode: str
    fill_value: float
    size: tuple[int, int] | None = None
    still: AxisMaps | None = None
    training: bool | None = None


@dataclass(frozen=True)
class Augmentation:
    """In training: images x (N,H,W,C) -> `apply(x, draw(generator, N))` of the same shape, in
    NumPy; without a gradient. Otherwise: the identity.

    `draw` returns, nested in tuples and lists, arrays with one row per image, or with one row for
    all, and values for all images. With `mixes`, an image depends on others of its batch.
    """

    draw: Callable[[np.random.Generator, int], Any]
    apply: Callable[[np.ndarray, Any], np.ndarray]
    seed: int
    training: bool | None = None
    mixes: bool = False


@dataclass(frozen=True)
class Merge:
    """Several x -> y element by element, from left to right; axes of size 1 are broadcast.

    kind "add", "subtract" (two inputs), "multiply", "average", "maximum" or "minimum". An x of
    lower rank gets axes of size 1 after the batch axis.
    """

    kind: str
    activation: Activation | None = None


@dataclass(frozen=True)
class Concatenate:
    """Several x -> y, concatenated along `axis`, which is not the batch axis (axis >= 1)."""

    axis: int


@dataclass(frozen=True)
class AddedLoss:
    """x and other inputs -> y = x; with a loss, the sums of the other inputs are added to it."""


class NumPyLayer(Protocol):
    """A layer in NumPy; `fastconv.layers.CustomLayer` defines the meaning of its methods."""

    name: str

    @property
    def weights(self) -> list[Variable]: ...

    def forward(self, x: np.ndarray, training: bool) -> tuple[np.ndarray, Any]: ...

    def backward(self, dy: np.ndarray, saved: Any) -> tuple[np.ndarray, list[Any]]: ...


@dataclass(frozen=True)
class Custom:
    """Calls `layer` in NumPy; output samples have `shape`. If `frozen`, its weights get no
    gradients."""

    layer: NumPyLayer
    shape: tuple[int, ...]
    frozen: bool = False


@dataclass(frozen=True)
class Weight:
    """No inputs -> y, the values of `variable`, without a batch."""

    variable: Variable


@dataclass(frozen=True)
class Drawn:
    """x -> y, random numbers that do not depend on the values of x.

    `draw(generator, shape)` returns them. `shape` is that of y; None stands for the batch of x.
    Equal numbers in every run if `fixed`.
    """

    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    shape: tuple[int | None, ...]
    dtype: str
    seed: int
    fixed: bool = False


@dataclass(frozen=True)
class ActivityPenalty:
    """y = x; with a loss, the penalty of x divided by the batch size N is added to it."""

    penalty: Penalty


@dataclass(frozen=True)
class Steps:
    """The real numbers that uint8 stands for: q for (q - zero_point) * scale."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Ranges:
    """Of an operation with weights in a quantized network: the number of its filters, and the real
    numbers of its input, of its output, and of the sum with another value that follows, if one
    does."""

    filters: int
    input: Steps
    output: Steps
    sum: Steps | None = None


# By the path of the kernel, which has one scale per output channel: see `quantized_kernel`.
Quantization = Mapping[str, Ranges]


@dataclass(frozen=True)
class Quantize:
    """float32 -> uint8."""

    steps: Steps


@dataclass(frozen=True)
class Dequantize:
    """uint8 -> float32."""

    steps: Steps


@dataclass(frozen=True)
class Quantized:
    """`operation`, without activation and pooling, on uint8; then the sum with a second input, if
    there is a `residual`, and the limits `low` and `high`. The output is uint8, or float32 without
    `output`."""

    operation: Convolution | Dense
    input: Steps
    output: Steps | None
    residual: Steps | None = None
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Narrow:
    """float32 -> bfloat16."""


@dataclass(frozen=True)
class Widen:
    """bfloat16 -> float32."""


@dataclass(frozen=True)
class InBFloat16:
    """`operation`, without activation and pooling, on bfloat16; with `adds`, the sum with a second
    input; then the limits `low` and `high`. The output is float32 if `wide`, else bfloat16."""

    operation: Convolution | Dense
    wide: bool
    adds: bool = False
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Loss:
    """The end of a training or test plan: predictions and targets -> one number per row.

    kind as in `_ext/_loss.pyx`, where "softmax_cross_entropy" and "binary_logits" take logits;
    "custom"; or "traced", with one value per sample (`fastconv.losses.traced`). `sparse` targets
    are int64 class numbers (rows,), of which `ignore` is not counted; others are float32 (rows, C),
    where a row is one prediction vector over the last axis. `parameters` are up to two numbers;
    `summed` reduces the rows by their sum instead of their mean. `custom` has `row_values` and
    `row_gradients` in NumPy.
    """

    kind: str
    sparse: bool = False
    parameters: tuple[float, ...] = ()
    summed: bool = False
    ignore: int | None = None
    custom: Any = None


Operation = (
    Activation
    | ActivityPenalty
    | AlphaDropout
    | Augmentation
    | AddedLoss
    | AxisMaps
    | BatchNormalization
    | Concatenate
    | Convolution
    | Custom
    | Drawn
    | Dropout
    | Elementwise
    | FunctionCall
    | GaussianNoise
    | GlobalPooling
    | GroupNormalization
    | InBFloat16
    | Merge
    | Narrow
    | PReLU
    | Pooling
    | Dense
    | Dequantize
    | Quantize
    | Quantized
    | RandomWarp
    | Recurrent
    | Reshape
    | ResponseNormalization
    | LayerNormalization
    | ScaleShift
    | Softmax
    | Transpose
    | TransposedConvolution
    | Weight
    | Widen
)

# Outside of training: the identity, or their attribute `still`.
TRAINING_ONLY = (Augmentation, Dropout, GaussianNoise, RandomWarp)

IMAGE_AUGMENTATION = (Augmentation, RandomWarp)

# Differ in training. Their attribute `training` says whether they run as in training; None leaves
# it to the mode of the plan.
MODAL = (*TRAINING_ONLY, BatchNormalization)


_STREAM_STEP = 0x9E3779B97F4A7C15  # odd, and not a small multiple of the step between draws


def of_call(
    operation: Operation, number: int, turn: tuple[int, ...], training: bool | None = None
) -> Operation:
    """Return `operation` for call `number` of its layer, counted from 0, at `turn` in its network.

    Every call has its own random numbers. `training` is that of the call, None if it has none.
    """
    if not isinstance(operation, MODAL):
        return operation
    if isinstance(operation, BatchNormalization):
        return replace(operation, turn=turn, training=training)
    seed = (operation.seed + number * _STREAM_STEP) % 2**64
    return replace(operation, seed=seed, training=training)


# Activations whose derivative depends only on the sign and size of the argument.
RELU_FAMILY = ("relu", "leaky_relu", "clipped_relu")


def accepts_epilogue(operation: Operation, activation: Activation) -> bool:
    """Return whether `operation` can apply `activation` to its output."""
    if isinstance(operation, Merge):
        return operation.activation is None and activation.kind == "relu"
    if isinstance(operation, (BatchNormalization, GroupNormalization)):
        return operation.activation is None and activation.kind in RELU_FAMILY
    weighted = isinstance(operation, (Convolution, Dense))
    return weighted and operation.activation is None and activation.fusible


def variables_of(operation: Operation) -> list[Variable]:
    """Return the weights of an operation, trainable or not."""
    if isinstance(operation, Custom):
        return list(operation.layer.weights)
    if isinstance(operation, (InBFloat16, Quantized)):
        return variables_of(operation.operation)
    if isinstance(operation, (Elementwise, FunctionCall)):
        return operation.variables
    values = (getattr(operation, field.name) for field in fields(operation))
    return [value for value in values if isinstance(value, Variable)]

"""What a layer tells the plan: which operation it is, with which settings and weights.

A layer returns a list of these records (`Layer.nodes`), most of them one. A record says nothing
about batch sizes, buffers, passes or fusion: all of that is the plan's to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastconv.parameters import Variable
from fastconv.regularizers import Regularizer


@dataclass(frozen=True)
class Activation:
    """y = f(x); kind "relu", "leaky_relu" (with `slope`), "sigmoid" or "tanh"."""

    kind: str
    slope: float = 0.0


@dataclass(frozen=True)
class Convolution:
    """x (N,H,W,C) with kernel (KH,KW,C/groups,K) -> y (N,OH,OW,K)."""

    kernel: Variable
    bias: Variable | None
    strides: tuple[int, int]
    padding: Any
    dilation_rate: tuple[int, int]
    groups: int
    activation: Activation | None = None


@dataclass(frozen=True)
class Product:
    """x (..., I) with kernel (I, O) -> y (..., O)."""

    kernel: Variable
    bias: Variable | None
    activation: Activation | None = None


@dataclass(frozen=True)
class Pooling:
    """x (N,H,W,C) -> y (N,OH,OW,C); kind "max" or "average"."""

    kind: str
    pool_size: tuple[int, int]
    strides: tuple[int, int]
    padding: Any


@dataclass(frozen=True)
class Softmax:
    """Over the last axis."""


@dataclass(frozen=True)
class Dropout:
    """While training: zero with probability `rate`, else x / (1 - rate). Otherwise y = x."""

    rate: float
    seed: int


@dataclass(frozen=True)
class Reshape:
    """The same elements in the same order as samples of `shape`; costs nothing."""

    shape: tuple[int, ...]


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
class ActivityPenalty:
    """y = x; while there is a loss, `regularizer(x) / N` is added to it."""

    regularizer: Regularizer


@dataclass(frozen=True)
class Loss:
    """The end of a training or test plan: predictions and targets -> one number per row.

    kind "softmax_cross_entropy" (predictions are logits), "cross_entropy" (probabilities) or
    "mean_squared_error". `sparse` targets are int64 class numbers (rows,), others float32
    (rows, C), where a row is one prediction vector over the last axis.
    """

    kind: str
    sparse: bool = False


Node = (
    Activation
    | ActivityPenalty
    | Concatenate
    | Convolution
    | Dropout
    | Merge
    | Pooling
    | Product
    | Reshape
    | Softmax
)


def has_room_for(node: Node, activation: Activation) -> bool:
    """Whether the operation of `node` can apply `activation` to what it writes."""
    if isinstance(node, Merge):
        return node.activation is None and activation.kind == "relu"
    return isinstance(node, (Convolution, Product)) and node.activation is None

"""Activations as layers; where possible the plan fuses them into the preceding layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fastconv.common.arguments import number
from fastconv.common.literals import (
    ActivationLike,
    ConstraintLike,
    InitializerLike,
    RegularizerLike,
)
from fastconv.constraints import Constraint
from fastconv.initializers import Initializer
from fastconv.layers.activated import Activated
from fastconv.layers.axes import OnAxes, positive_axes, with_axes_last
from fastconv.layers.base import Layer
from fastconv.layers.weight_spec import SpecField, WeightSpec, built, of_weight, spec_fields
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.regularizers import Regularizer
from fastconv.shapes import Shape, sample_sizes, shared_slopes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class Activation(Activated):
    """Applies an activation function elementwise (softmax: over the last axis).

    Args:
        activation: name or function of `fastconv.activations`, or None for "linear"; or a layer of
            this module without weights, such as `LeakyReLU(0.1)`.

    Raises ValueError for an unknown name, TypeError for any other function or layer.
    """

    is_activation = True

    def __init__(self, activation: ActivationLike, **common: Unpack[LayerOptions]):
        super().__init__(**common)
        self.activation = activation

    def operations(self, input_shape: Shape) -> list[Operation]:
        return self.following_operations(input_shape)


class ReLU(Layer):
    """min(x, max_value) where x > threshold, else negative_slope * (x - threshold).

    Args:
        max_value: upper bound, at least 0, or None for no bound.
        negative_slope: slope below the threshold, at least 0.
        threshold: at least 0.

    Raises ValueError for a value out of range, TypeError for a value that is not a number.
    """

    settings: tuple[str, ...] = ("max_value", "negative_slope", "threshold")

    is_activation = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(**common)
        self.max_value: float | None = (
            None if max_value is None else number(max_value, "max_value", 0)
        )
        self.negative_slope: float = number(negative_slope, "negative_slope", 0)
        self.threshold: float = number(threshold, "threshold", 0)

    def operations(self, input_shape: Shape) -> list[Operation]:
        slope, most, threshold = self.negative_slope, self.max_value, self.threshold
        if threshold == 0 and most is None:
            return _leaky(slope)
        if threshold == 0 and slope == 0 and most is not None:
            return [operations.Activation("clipped_relu", most)]
        return [
            operations.Activation(
                "bounded_relu", slope, math.inf if most is None else most, threshold
            )
        ]


class LeakyReLU(Layer):
    """x where x > 0, else negative_slope * x.

    Args:
        negative_slope: slope for x < 0, at least 0; by default 0.3 as in Keras (the function: 0.2).
        alpha: a former name of `negative_slope`; keyword only.

    Raises ValueError for a negative slope, for which y would not determine the sign of x, and for
    both names; TypeError for a value that is not a number.
    """

    settings: tuple[str, ...] = ("negative_slope",)

    is_activation = True

    def __init__(
        self,
        negative_slope: float = 0.3,
        *,
        alpha: float | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(**common)
        if alpha is not None:
            if negative_slope != 0.3:
                raise ValueError(
                    "only one of `negative_slope` and its former name `alpha` may be given, "
                    f"received {negative_slope!r} and {alpha!r}"
                )
            negative_slope = alpha
        self.negative_slope: float = number(negative_slope, "negative_slope", 0)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return _leaky(self.negative_slope)


class ELU(Layer):
    """x where x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2016, arXiv 1511.07289).

    Args:
        alpha: scale for x < 0, at least 0.

    Raises ValueError for a negative value, TypeError for a value that is not a number.
    """

    settings: tuple[str, ...] = ("alpha",)

    is_activation = True

    def __init__(self, alpha: float = 1.0, **common: Unpack[LayerOptions]):
        super().__init__(**common)
        self.alpha: float = number(alpha, "alpha", 0)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return [operations.Activation("elu", self.alpha)]


class PReLU(Layer):
    """x where x > 0, else alpha * x with trainable slopes alpha (He et al. 2015, arXiv 1502.01852).

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: see `fastconv.initializers`,
            `fastconv.regularizers`, `fastconv.constraints`.
        shared_axes: axis or list of axes (the batch is 0) along which the slopes are shared: [1, 2]
            for one slope per channel. The other axes must be contiguous.

    Weights: alpha, with the shape of a sample and 1 along the shared axes.

    Raises ValueError for axes that the input does not have, or that separate the others.
    """

    settings: tuple[str, ...] = (*of_weight("alpha"), "shared_axes")

    alpha_initializer: SpecField[Initializer]
    alpha_regularizer: SpecField[Regularizer | None]
    alpha_constraint: SpecField[Constraint | None]
    alpha_initializer, alpha_regularizer, alpha_constraint = spec_fields("alpha_spec")

    def __init__(
        self,
        alpha_initializer: InitializerLike = "zeros",
        alpha_regularizer: RegularizerLike = None,
        alpha_constraint: ConstraintLike = None,
        shared_axes: int | list[int] | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(**common)
        self.alpha_spec: WeightSpec = WeightSpec.of(
            "alpha", alpha_initializer, alpha_regularizer, alpha_constraint
        )
        if shared_axes is not None and not isinstance(shared_axes, (list, tuple)):
            shared_axes = [shared_axes]
        self.shared_axes: list[int] | None = None if shared_axes is None else list(shared_axes)
        self.alpha: Variable | None = None

    def alpha_shape(self, input_shape: Shape) -> tuple[int, ...]:
        shared = self.shared_axes or []
        if shared:
            shared = positive_axes(self, shared, len(input_shape), name="shared_axes")
        return tuple(
            1 if axis in shared else size for axis, size in enumerate(sample_sizes(input_shape), 1)
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shared_slopes(sample_sizes(input_shape), self.alpha_shape(input_shape))
        return tuple(input_shape)

    def build(self, input_shape: Shape) -> None:
        self.alpha = self.alpha_spec.create(self, self.alpha_shape(input_shape))
        super().build(input_shape)

    def operations(self, input_shape: Shape) -> list[Operation]:
        alpha = built(self.alpha)
        return [operations.PReLU(alpha, shared_slopes(sample_sizes(input_shape), alpha.shape))]


class Softmax(OnAxes):
    """exp(x) / sum(exp(x)) over one axis, or over several axes together.

    Args:
        axis: axis or list of axes; negative, or counted with the batch as 0.

    Raises ValueError for an axis that the input does not have, TypeError for a non-integer axis.
    """

    is_activation = True

    def __init__(self, axis: int | list[int] = -1, **common: Unpack[LayerOptions]):
        super().__init__(axis, **common)

    def operations(self, input_shape: Shape) -> list[Operation]:
        rank = len(input_shape)
        axes = self.axes_of(input_shape)
        inner: list[Operation] = [operations.Softmax()]
        if len(axes) > 1:
            sizes = dict(enumerate(sample_sizes(input_shape), start=1))
            others = tuple(size for axis, size in sizes.items() if axis not in axes)
            apart = (*others, *(sizes[axis] for axis in axes))
            joined = (*others, math.prod(sizes[axis] for axis in axes))
            inner = [operations.Reshape(joined, apart), *inner, operations.Reshape(apart, joined)]
        return with_axes_last(axes, rank, inner)


def _leaky(slope: float) -> list[Operation]:
    return [operations.Activation("leaky_relu", slope) if slope else operations.Activation("relu")]

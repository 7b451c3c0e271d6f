"""Normalization to mean 0 and variance 1, over the batch, a sample or a part of it.

    BatchNormalization          per channel, over the batch and all positions
    LayerNormalization          per position (or sample), over the channels (or the last axes)
    GroupNormalization          per sample and group of channels
    UnitNormalization           vectors of length 1
    RMSNormalization            vectors whose elements have the mean square 1
    LocalResponseNormalization  each channel by the power of its neighbours (AlexNet)

All of them operate on the last axes. Other axes are transposed before and after; between layers
with the same transposition the plan removes both (`fastconv.plan.simplify`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastconv.common.arguments import normalize_int, number
from fastconv.common.literals import ConstraintLike, InitializerLike, RegularizerLike
from fastconv.constraints import Constraint
from fastconv.initializers import Initializer
from fastconv.layers.axes import OnAxes, one_axis, with_axes_last
from fastconv.layers.base import Layer, check_options
from fastconv.layers.tracing import Tracer
from fastconv.layers.weight_spec import SpecField, WeightSpec, built, of_weight, spec_fields
from fastconv.ops.neural import layer_normalization
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.regularizers import Regularizer
from fastconv.resampling import crop_axis, pad_axis
from fastconv.shapes import Shape, conv2d_geometry, sample_sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class _Scaling(OnAxes):
    """Base class with gamma and beta in y = gamma * z + beta."""

    settings: tuple[str, ...] = (
        "epsilon", "center", "scale", *of_weight("gamma"), *of_weight("beta"),
    )  # fmt: skip

    gamma_initializer: SpecField[Initializer]
    gamma_regularizer: SpecField[Regularizer | None]
    gamma_constraint: SpecField[Constraint | None]
    gamma_initializer, gamma_regularizer, gamma_constraint = spec_fields("gamma_spec")
    beta_initializer: SpecField[Initializer]
    beta_regularizer: SpecField[Regularizer | None]
    beta_constraint: SpecField[Constraint | None]
    beta_initializer, beta_regularizer, beta_constraint = spec_fields("beta_spec")
    center: bool
    scale: bool
    rms_scaling: bool = False  # gamma alone, whatever the two are

    def __init__(
        self,
        axis: Any,
        epsilon: float,
        center: bool,
        scale: bool,
        gamma: tuple[InitializerLike, RegularizerLike, ConstraintLike],
        beta: tuple[InitializerLike, RegularizerLike, ConstraintLike],
        /,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(axis, **common)
        self.gamma_spec: WeightSpec = WeightSpec.of("gamma", *gamma)
        self.beta_spec: WeightSpec = WeightSpec.of("beta", *beta)
        self.epsilon: float = number(epsilon, "epsilon", 0, above=True)
        self.center, self.scale = bool(center), bool(scale)
        self.gamma: Variable | None = None
        self.beta: Variable | None = None

    def build(self, input_shape: Shape) -> None:
        sizes = sample_sizes(input_shape)
        shape = tuple(sizes[axis - 1] for axis in self.axes_of(input_shape))
        if self.scale or self.rms_scaling:
            self.gamma = self.gamma_spec.create(self, shape)
        if self.center and not self.rms_scaling:
            self.beta = self.beta_spec.create(self, shape)
        super().build(input_shape)


class BatchNormalization(_Scaling):
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, with statistics per channel.

    In training, these are the statistics of the batch (Ioffe & Szegedy 2015, arXiv 1502.03167),
    which update the moving ones: moving = moving * momentum + batch * (1 - momentum). Otherwise,
    and always if the layer is not `trainable`, they are the moving ones; the layer is then folded
    into the preceding convolution or product.

    Args:
        axis: axis of the channels.
        momentum: momentum of the moving statistics, 0 to 1.
        epsilon: constant added to the variance; positive.
        center, scale: whether to use beta and gamma.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer:
            see `fastconv.initializers`.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: see
            `fastconv.regularizers` and `fastconv.constraints`.
        renorm, renorm_clipping: must be off; `renorm_momentum` has no effect without them.
        synchronized: must be False.
        name, trainable, dtype, input_shape: see `Layer`.

    Weights: gamma, beta, moving_mean, moving_variance, each (channels,).

    Raises:
        ValueError: a number out of range, an axis that the input does not have, an unsupported
            option.
        TypeError: a non-integer axis.
    """

    settings: tuple[str, ...] = (
        "momentum", "moving_mean_initializer", "moving_variance_initializer", "renorm",
        "renorm_clipping", "renorm_momentum", "synchronized",
    )  # fmt: skip
    renorm: bool = False
    renorm_clipping: None = None
    synchronized: bool = False
    moving_mean_initializer: SpecField[Initializer] = SpecField[Initializer](
        "moving_mean_spec", "initializer"
    )
    moving_variance_initializer: SpecField[Initializer] = SpecField[Initializer](
        "moving_variance_spec", "initializer"
    )

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        moving_mean_initializer: InitializerLike = "zeros",
        moving_variance_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
        beta_constraint: ConstraintLike = None,
        gamma_constraint: ConstraintLike = None,
        renorm: bool = False,
        renorm_clipping: None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **common: Unpack[LayerOptions],
    ):
        check_options(
            "BatchNormalization",
            renorm=renorm or None,
            renorm_clipping=renorm_clipping,
            synchronized=synchronized or None,
        )
        super().__init__(
            one_axis(axis), epsilon, center, scale,
            (gamma_initializer, gamma_regularizer, gamma_constraint),
            (beta_initializer, beta_regularizer, beta_constraint),
            **common,
        )  # fmt: skip
        self.momentum: float = number(momentum, "momentum", 0, 1)
        self.renorm_momentum: float = number(renorm_momentum, "renorm_momentum")
        self.moving_mean_spec: WeightSpec = WeightSpec.of(
            "moving_mean", moving_mean_initializer, trainable=False
        )
        self.moving_variance_spec: WeightSpec = WeightSpec.of(
            "moving_variance", moving_variance_initializer, trainable=False
        )
        self.moving_mean: Variable | None = None
        self.moving_variance: Variable | None = None

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        (axis,) = self.axes_of(input_shape)
        channels = sample_sizes(input_shape)[axis - 1]
        self.moving_mean = self.moving_mean_spec.create(self, (channels,))
        self.moving_variance = self.moving_variance_spec.create(self, (channels,))

    def operations(self, input_shape: Shape) -> list[Operation]:
        normalization = operations.BatchNormalization(
            self.gamma, self.beta, built(self.moving_mean), built(self.moving_variance),
            self.momentum, self.epsilon, frozen=not self.trainable,
        )  # fmt: skip
        return with_axes_last(self.axes_of(input_shape), len(input_shape), [normalization])


class LayerNormalization(_Scaling):
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, with statistics per vector.

    A vector consists of the elements along `axis`, or along several axes together (Ba, Kiros &
    Hinton 2016, arXiv 1607.06450).

    Args:
        axis: axis or list of axes.
        epsilon: constant added to the variance; positive.
        center, scale: whether to use beta and gamma.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
        gamma_constraint: as for `BatchNormalization`.
        rms_scaling: whether to compute gamma * x / sqrt(variance + epsilon), without the mean and
            without beta, whatever `center` and `scale` are.
        name, trainable, dtype, input_shape: see `Layer`.

    Weights: gamma, beta, each with the sizes of the axes.

    Raises the errors of `BatchNormalization`.
    """

    settings: tuple[str, ...] = ("rms_scaling",)

    def __init__(
        self,
        axis: int | list[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
        beta_constraint: ConstraintLike = None,
        gamma_constraint: ConstraintLike = None,
        rms_scaling: bool = False,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(
            axis, epsilon, center, scale,
            (gamma_initializer, gamma_regularizer, gamma_constraint),
            (beta_initializer, beta_regularizer, beta_constraint),
            **common,
        )  # fmt: skip
        self.rms_scaling: bool = bool(rms_scaling)
        if self.rms_scaling:
            self._tracer = Tracer(self)

    def operations(self, input_shape: Shape) -> list[Operation]:
        axes = self.axes_of(input_shape)
        normalization = operations.LayerNormalization(
            self.gamma, self.beta, len(axes), self.epsilon
        )
        return with_axes_last(axes, len(input_shape), [normalization])

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if not self.rms_scaling:
            return super().call(inputs, training)
        axes = self.axes_of(inputs.shape)
        return layer_normalization(
            inputs, self.gamma, axis=axes, epsilon=self.epsilon, rms_scaling=True
        )


class GroupNormalization(_Scaling):
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, with statistics per sample and
    group of channels, over all positions (Wu & He 2018, arXiv 1803.08494).

    Args:
        groups: number of groups; a divisor of the channels, or -1 for one group per channel.
        axis: axis of the channels.
        epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer,
        gamma_regularizer, beta_constraint, gamma_constraint: as for `BatchNormalization`.
        name, trainable, dtype, input_shape: see `Layer`.

    Weights: gamma, beta, each (channels,).

    Raises the errors of `BatchNormalization`.
    """

    settings: tuple[str, ...] = ("groups",)

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
        beta_constraint: ConstraintLike = None,
        gamma_constraint: ConstraintLike = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(
            one_axis(axis), epsilon, center, scale,
            (gamma_initializer, gamma_regularizer, gamma_constraint),
            (beta_initializer, beta_regularizer, beta_constraint),
            **common,
        )  # fmt: skip
        self.groups: int = normalize_int(groups, "groups", minimum=-1)
        if self.groups == 0:
            raise ValueError("`groups` must be positive or -1, received 0")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.groups_of(input_shape)
        return super().compute_output_shape(input_shape)

    def groups_of(self, input_shape: Shape) -> int:
        """Return the number of groups; ValueError if it does not divide the channels."""
        (axis,) = self.axes_of(input_shape)
        channels = sample_sizes(input_shape)[axis - 1]
        groups = channels if self.groups == -1 else self.groups
        if channels % groups:
            raise ValueError(
                f"layer {self.name!r}: the channels (={channels}) must be a multiple of `groups` "
                f"(={groups})"
            )
        return groups

    def operations(self, input_shape: Shape) -> list[Operation]:
        normalization = operations.GroupNormalization(
            self.gamma, self.beta, self.groups_of(input_shape), self.epsilon
        )
        return with_axes_last(self.axes_of(input_shape), len(input_shape), [normalization])


class UnitNormalization(OnAxes):
    """x / max(|x|, 1e-12), where |x| is the Euclidean norm of the vectors along `axis`.

    Args:
        axis: axis or list of axes that form a vector.

    Raises ValueError for an axis that the input does not have, TypeError for a non-integer axis.
    """

    EPSILON = 1e-12

    def __init__(self, axis: int | list[int] = -1, **common: Unpack[LayerOptions]):
        super().__init__(axis, **common)

    def operations(self, input_shape: Shape) -> list[Operation]:
        axes = self.axes_of(input_shape)
        normalization = operations.LayerNormalization(
            None, None, len(axes), self.EPSILON, unit=True
        )
        return with_axes_last(axes, len(input_shape), [normalization])


class RMSNormalization(OnAxes):
    """scale * x / sqrt(mean of x^2 + epsilon), with the mean over the vectors along `axis`
    (Zhang & Sennrich 2019, arXiv 1910.07467).

    Args:
        axis: the last axis, or a list of the last axes, which form a vector.
        epsilon: positive.
        name, trainable, dtype, input_shape: see `Layer`.

    Weights: scale, with the sizes of the axes.

    Raises ValueError for a number out of range and axes that are not the last of the input,
    TypeError for a non-integer axis.
    """

    settings: tuple[str, ...] = ("epsilon",)

    def __init__(
        self, axis: int | list[int] = -1, epsilon: float = 1e-6, **common: Unpack[LayerOptions]
    ):
        super().__init__(axis, **common)
        self.epsilon: float = number(epsilon, "epsilon", 0, above=True)
        self.scale: Variable | None = None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        axes = self.axes_of(input_shape)
        if axes[-1] - axes[0] + 1 != len(axes) or axes[-1] != len(input_shape) - 1:
            raise ValueError(
                f"`axis` of layer {self.name!r} must be the last axis, or the last axes, of inputs "
                f"of shape {tuple(input_shape)}, received {self.axis}"
            )
        return tuple(input_shape)

    def build(self, input_shape: Shape) -> None:
        sizes = sample_sizes(input_shape)
        shape = tuple(sizes[axis - 1] for axis in self.axes_of(input_shape))
        self.scale = self.add_weight("scale", shape, "ones")
        super().build(input_shape)

    def operations(self, input_shape: Shape) -> list[Operation]:
        scale = built(self.scale)
        size = scale.size
        count = math.prod(sample_sizes(input_shape)) // size
        # A vector with one more element sqrt(size * epsilon) has the length
        # sqrt(size * (mean of x^2 + epsilon)).
        more, back = pad_axis(size, 0, 1), crop_axis(size + 1, 0, 1)
        geometry = conv2d_geometry((1, count, 1, size), (1, 1, 1, size), groups=size)
        return [
            operations.Reshape((count, 1, size)),
            operations.AxisMaps((None, None, more), math.sqrt(size * self.epsilon)),
            operations.LayerNormalization(None, None, 1, UnitNormalization.EPSILON, unit=True),
            operations.AxisMaps((None, None, back)),
            operations.ScaleShift((math.sqrt(size),) * size, (0.0,) * size),
            operations.Convolution(scale, None, geometry),
            operations.Reshape(sample_sizes(input_shape)),
        ]


class LocalResponseNormalization(Layer):
    """x / (bias + alpha * s)^beta, where s is the sum of squares over neighbouring channels.

    The sum includes the channels at most `depth_radius` away, at the same position (Krizhevsky,
    Sutskever & Hinton 2012, section 3.3: radius 2, bias 2, alpha 1e-4, beta 0.75). The defaults are
    those of `tf.nn.local_response_normalization`; Keras does not have this layer.

    Args:
        depth_radius: at least 0.
        bias: positive.
        alpha, beta: at least 0.
        name, trainable, dtype, input_shape: see `Layer`.

    Raises ValueError for a number out of range, TypeError for a value that is not a number.
    """

    settings: tuple[str, ...] = ("depth_radius", "bias", "alpha", "beta")

    module = "fastconv.layers"
    alpha: float
    beta: float

    def __init__(
        self,
        depth_radius: int = 5,
        bias: float = 1.0,
        alpha: float = 1.0,
        beta: float = 0.5,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(**common)
        self.depth_radius: int = normalize_int(depth_radius, "depth_radius", minimum=0)
        self.bias: float = number(bias, "bias", 0, above=True)
        self.alpha, self.beta = number(alpha, "alpha", 0), number(beta, "beta", 0)

    def operations(self, input_shape: Shape) -> list[Operation]:
        return [
            operations.ResponseNormalization(self.depth_radius, self.bias, self.alpha, self.beta)
        ]

"""Fully connected layer: every output is a weighted sum of all inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastconv.common.arguments import normalize_int
from fastconv.common.literals import (
    ActivationLike,
    ConstraintLike,
    InitializerLike,
    RegularizerLike,
)
from fastconv.layers.activated import Activated
from fastconv.layers.base import check_options
from fastconv.layers.weight_spec import BiasFields, KernelFields, WeightSpec, built, of_weight
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.shapes import Shape, sample_sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import BaseOptions


class Dense(KernelFields, BiasFields, Activated):
    """y = activation(x w + b) over the last axis of an input of rank 2 or higher.

    Args:
        units: size of the last axis of the output.
        activation: None, one of `fastconv.activations` by name or as a function, or a layer without
            weights that is an activation, such as `LeakyReLU(0.1)`.
        use_bias: whether to add a bias per unit.
        kernel_initializer, bias_initializer: see `fastconv.initializers`.
        kernel_regularizer, bias_regularizer, activity_regularizer: see `fastconv.regularizers`.
        kernel_constraint, bias_constraint: see `fastconv.constraints`.
        lora_rank, quantization_config: must be None.
        name, trainable, dtype, input_shape, input_dim: see `Layer`.

    Weights: kernel (inputs, units), bias (units,).

    Raises:
        ValueError: `units` is not positive, or an unknown or unsupported option.
        TypeError: `units` is not an integer.

    >>> from fastconv import layers
    >>> layers.Dense(10).compute_output_shape((None, 7, 64))
    (None, 7, 10)
    """

    settings: tuple[str, ...] = ("units", "use_bias", *of_weight("kernel"), *of_weight("bias"))

    def __init__(
        self,
        units: int,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        lora_rank: None = None,
        quantization_config: None = None,
        **common: Unpack[BaseOptions],
    ):
        super().__init__(activity_regularizer=activity_regularizer, **common)
        check_options("Dense", lora_rank=lora_rank, quantization_config=quantization_config)
        self.units: int = normalize_int(units, "units")
        self.activation = activation
        self.use_bias: bool = bool(use_bias)
        self.kernel_spec: WeightSpec = WeightSpec.of(
            "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
        )
        self.bias_spec: WeightSpec = WeightSpec.of(
            "bias", bias_initializer, bias_regularizer, bias_constraint
        )
        self.kernel: Variable | None = None
        self.bias: Variable | None = None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 2:
            raise ValueError(
                f"layer {self.name!r} takes inputs (batch, ..., features), "
                f"received shape {tuple(input_shape)}"
            )
        return (*input_shape[:-1], self.units)

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.kernel_spec.create(self, (sample_sizes(input_shape)[-1], self.units))
        if self.use_bias:
            self.bias = self.bias_spec.create(self, (self.units,))
        super().build(input_shape)

    def operations(self, input_shape: Shape) -> list[Operation]:
        following = self.following_operations(self.compute_output_shape(input_shape))
        return [operations.Dense(built(self.kernel), self.bias), *following]

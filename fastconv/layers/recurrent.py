"""Recurrent layers: LSTM and GRU, whose state passes from each step of a sequence to the next.

The product of the inputs of all steps is computed at once; one operation then runs the steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastconv.common.arguments import normalize_int
from fastconv.common.literals import ConstraintLike, InitializerLike, RegularizerLike
from fastconv.constraints import Constraint
from fastconv.initializers import Initializer
from fastconv.layers.base import Layer
from fastconv.layers.weight_spec import (
    BiasFields,
    KernelFields,
    SpecField,
    WeightSpec,
    built,
    of_weight,
    spec_fields,
)
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.operations import Operation
from fastconv.regularizers import Regularizer
from fastconv.resampling import crop_axis, flip_axis
from fastconv.shapes import Shape, sample_sizes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import BaseOptions

# Arguments of Keras that have one value here.
_ONLY: dict[str, Any] = {
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "seed": None,
    "return_state": False,
    "stateful": False,
    "unroll": False,
    "zero_output_for_mask": False,
}


class _UnitForget(Initializer):
    """An initializer for all gates but f, whose bias begins with ones."""

    def __init__(self, others: Initializer):
        self.others = others

    def __call__(self, shape: tuple[int, ...]) -> np.ndarray:
        units = shape[-1] // 4
        i, rest = self.others((units,)), self.others((2 * units,))
        return np.concatenate([i, np.ones(units, np.float32), rest])


class _Recurrent(KernelFields, BiasFields, Layer):
    """Base class of this file's layers: arguments, weights and the operation."""

    gates: ClassVar[int]
    weights_group = "cell"
    settings: tuple[str, ...] = (
        "units", "use_bias", "return_sequences", "go_backwards",
        *of_weight("kernel"), *of_weight("recurrent"), *of_weight("bias"),
    )  # fmt: skip
    recurrent_initializer: SpecField[Initializer]
    recurrent_regularizer: SpecField[Regularizer | None]
    recurrent_constraint: SpecField[Constraint | None]
    recurrent_initializer, recurrent_regularizer, recurrent_constraint = spec_fields(
        "recurrent_spec"
    )

    def configure(
        self,
        units: int,
        use_bias: bool,
        kernel: tuple[Any, Any, Any],
        recurrent: tuple[Any, Any, Any],
        bias: tuple[Any, Any, Any],
        *,
        return_sequences: bool,
        go_backwards: bool,
        only: dict[str, Any],
    ) -> None:
        """Set the arguments of both layers; `kernel`, `recurrent` and `bias` are (initializer,
        regularizer, constraint), `only` are arguments with one legal value each."""
        for name, value in only.items():
            if value != _ONLY[name]:
                raise ValueError(
                    f"`{name}` of {type(self).__name__} must be {_ONLY[name]!r}, received {value!r}"
                )
        self.units: int = normalize_int(units, "units")
        self.use_bias: bool = bool(use_bias)
        self.return_sequences: bool = bool(return_sequences)
        self.go_backwards: bool = bool(go_backwards)
        self.kernel_spec: WeightSpec = WeightSpec.of("kernel", *kernel)
        self.recurrent_spec: WeightSpec = WeightSpec.of("recurrent_kernel", *recurrent)
        self.bias_spec: WeightSpec = WeightSpec.of("bias", *bias)
        self.kernel: Variable | None = None
        self.recurrent_kernel: Variable | None = None
        self.bias: Variable | None = None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 3:
            raise ValueError(
                f"layer {self.name!r} takes inputs (batch, steps, features), "
                f"received shape {tuple(input_shape)}"
            )
        steps = input_shape[1:2] if self.return_sequences else ()
        return (input_shape[0], *steps, self.units)

    def build(self, input_shape: Shape) -> None:
        width = self.gates * self.units
        self.kernel = self.kernel_spec.create(self, (sample_sizes(input_shape)[-1], width))
        self.recurrent_kernel = self.recurrent_spec.create(self, (self.units, width))
        if self.use_bias:
            self.bias = self.make_bias(width)
        super().build(input_shape)

    def make_bias(self, width: int) -> Variable:
        return self.bias_spec.create(self, (width,))

    def operations(self, input_shape: Shape) -> list[Operation]:
        (steps, _), backwards = sample_sizes(input_shape), self.go_backwards
        recurrent = operations.Recurrent(
            built(self.kernel), built(self.recurrent_kernel), self.bias, backwards
        )
        if self.return_sequences:
            flip = [operations.AxisMaps((flip_axis(steps), None))] if backwards else []
            return [recurrent, *flip]
        last = crop_axis(steps, 0, steps - 1) if backwards else crop_axis(steps, steps - 1, 0)
        ends = operations.AxisMaps((last, None))
        return [recurrent, ends, operations.Reshape((self.units,), (1, self.units))]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | _ONLY


class LSTM(_Recurrent):
    """A long short-term memory (Hochreiter & Schmidhuber 1997) over sequences (batch, steps,
    features).

    i, f, o = sigmoid(x w + h r + b);  g = tanh(x w + h r + b);  c = f c + i g;  h = o tanh(c)

    Args:
        units: number of units, the size of h and c.
        use_bias: whether to add a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: see `fastconv.initializers`.
        unit_forget_bias: whether the bias of the gate f begins with ones.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: see
            `fastconv.regularizers`.
        kernel_constraint, recurrent_constraint, bias_constraint: see `fastconv.constraints`.
        return_sequences: whether to return h after every step instead of after the last.
        go_backwards: whether to run, and to return, the steps from the last to the first.
        activation, recurrent_activation: must be "tanh" and "sigmoid".
        dropout, recurrent_dropout, seed, return_state, stateful, unroll, zero_output_for_mask: must
            have their defaults.
        name, trainable, dtype, input_shape, input_dim: see `Layer`.

    Weights: kernel (features, 4 units), recurrent_kernel (units, 4 units), bias (4 units,), with
    the columns of the gates i, f, g and o in this order.

    Raises:
        ValueError: `units` is not positive, or an unsupported option.
        TypeError: `units` is not an integer.

    >>> from fastconv import layers
    >>> layers.LSTM(5, return_sequences=True).compute_output_shape((None, 7, 64))
    (None, 7, 5)
    """

    gates = 4
    settings = ("unit_forget_bias",)

    def __init__(
        self,
        units: int,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: RegularizerLike = None,
        recurrent_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **common: Unpack[BaseOptions],
    ):
        super().__init__(activity_regularizer=activity_regularizer, **common)
        self.configure(
            units,
            use_bias,
            (kernel_initializer, kernel_regularizer, kernel_constraint),
            (recurrent_initializer, recurrent_regularizer, recurrent_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
            return_sequences=return_sequences,
            go_backwards=go_backwards,
            only={
                "activation": activation,
                "recurrent_activation": recurrent_activation,
                "dropout": dropout,
                "recurrent_dropout": recurrent_dropout,
                "seed": seed,
                "return_state": return_state,
                "stateful": stateful,
                "unroll": unroll,
                "zero_output_for_mask": zero_output_for_mask,
            },
        )
        self.unit_forget_bias: bool = bool(unit_forget_bias)

    def make_bias(self, width: int) -> Variable:
        spec = self.bias_spec
        if self.unit_forget_bias:
            spec = WeightSpec(
                spec.name, _UnitForget(spec.initializer), spec.regularizer, spec.constraint
            )
        return spec.create(self, (width,))


class GRU(_Recurrent):
    """Gated recurrent units (Cho et al. 2014) over sequences (batch, steps, features).

    z, s = sigmoid(x w + b + h r + rb);  n = tanh(x w + b + s (h r + rb));  h = (1 - z) n + z h

    Args:
        units: number of units, the size of h.
        reset_after: must be True; `fastconv.ops.gru` computes the other variant.
        use_bias, kernel_initializer, recurrent_initializer, bias_initializer, kernel_regularizer,
            recurrent_regularizer, bias_regularizer, activity_regularizer, kernel_constraint,
            recurrent_constraint, bias_constraint, return_sequences, go_backwards, activation,
            recurrent_activation, dropout, recurrent_dropout, seed, return_state, stateful, unroll,
            zero_output_for_mask, name, trainable, dtype, input_shape, input_dim: see `LSTM`.

    Weights: kernel (features, 3 units), recurrent_kernel (units, 3 units), bias (2, 3 units), b and
    rb, with the columns of z, s and n in this order.

    Raises:
        ValueError: `units` is not positive, or an unsupported option.
        TypeError: `units` is not an integer.

    >>> from fastconv import layers
    >>> layers.GRU(5).compute_output_shape((None, 7, 64))
    (None, 5)
    """

    gates = 3
    settings = ("reset_after",)

    def __init__(
        self,
        units: int,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        recurrent_initializer: InitializerLike = "orthogonal",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        recurrent_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        recurrent_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        zero_output_for_mask: bool = False,
        **common: Unpack[BaseOptions],
    ):
        super().__init__(activity_regularizer=activity_regularizer, **common)
        self.configure(
            units,
            use_bias,
            (kernel_initializer, kernel_regularizer, kernel_constraint),
            (recurrent_initializer, recurrent_regularizer, recurrent_constraint),
            (bias_initializer, bias_regularizer, bias_constraint),
            return_sequences=return_sequences,
            go_backwards=go_backwards,
            only={
                "activation": activation,
                "recurrent_activation": recurrent_activation,
                "dropout": dropout,
                "recurrent_dropout": recurrent_dropout,
                "seed": seed,
                "return_state": return_state,
                "stateful": stateful,
                "unroll": unroll,
                "zero_output_for_mask": zero_output_for_mask,
            },
        )
        if not reset_after:
            raise ValueError(f"`reset_after` of GRU must be True, received {reset_after!r}")
        self.reset_after: bool = True

    def make_bias(self, width: int) -> Variable:
        return self.bias_spec.create(self, (2, width))

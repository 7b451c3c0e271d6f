"""How a weight of a layer is created and trained, as one value.

A layer holds a `WeightSpec` per weight and creates the weight from it:

    self.kernel_spec = WeightSpec.of(
        "kernel", kernel_initializer, kernel_regularizer, kernel_constraint
    )
    self.kernel = self.kernel_spec.create(self, shape)

The class declares the fields as public attributes, under the names of the arguments:

    kernel_initializer, kernel_regularizer, kernel_constraint = spec_fields("kernel_spec")
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from fastconv import constraints, initializers, regularizers
from fastconv.common.literals import ConstraintLike, RegularizerLike

if TYPE_CHECKING:
    from fastconv.constraints import Constraint
    from fastconv.initializers import Initializer
    from fastconv.layers.base import Layer
    from fastconv.parameters import Variable
    from fastconv.regularizers import Regularizer

T = TypeVar("T")


def built(weight: Variable | None) -> Variable:
    """Return a weight of a layer that is built."""
    assert weight is not None, "the layer is not built"
    return weight


@dataclass(frozen=True)
class WeightSpec:
    """The name of a weight, its initial values, and how training treats it."""

    name: str
    initializer: Initializer
    regularizer: Regularizer | None = None
    constraint: Constraint | None = None
    trainable: bool = True

    @classmethod
    def of(
        cls,
        name: str,
        initializer: Any,
        regularizer: RegularizerLike = None,
        constraint: ConstraintLike = None,
        *,
        trainable: bool = True,
    ) -> WeightSpec:
        """Return the spec of the arguments of a layer: names, configurations or objects.

        Raises ValueError for an unknown name, TypeError for any other object.

        >>> WeightSpec.of("kernel", "zeros", "l2").regularizer.get_config()
        {'l2': 0.01}
        """
        return cls(
            name,
            initializers.get(initializer),
            regularizers.get(regularizer),
            constraints.get(constraint),
            trainable,
        )

    def create(self, layer: Layer, shape: tuple[int, ...]) -> Variable:
        """Declare the weight of `shape` in `layer`."""
        return layer.add_weight(
            self.name,
            shape,
            self.initializer,
            trainable=self.trainable,
            regularizer=self.regularizer,
            constraint=self.constraint,
        )


class SpecField(Generic[T]):
    """An attribute of a layer that reads and replaces one field of a `WeightSpec` of the layer.

    It is not a property, because assignment to a property of a built layer is not checked
    (`fastconv.layers.changing`).
    """

    spec: str
    field: str

    def __init__(self, spec: str, field: str):
        self.spec, self.field = spec, field

    @overload
    def __get__(self, layer: None, owner: type) -> SpecField[T]: ...
    @overload
    def __get__(self, layer: Layer, owner: type) -> T: ...
    def __get__(self, layer: Layer | None, owner: type) -> SpecField[T] | T:
        return self if layer is None else getattr(getattr(layer, self.spec), self.field)

    def __set__(self, layer: Layer, value: T) -> None:
        setattr(layer, self.spec, replace(getattr(layer, self.spec), **{self.field: value}))


def of_weight(role: str) -> tuple[str, str, str]:
    """Return the names of the three arguments of the weight `role`.

    >>> of_weight("bias")
    ('bias_initializer', 'bias_regularizer', 'bias_constraint')
    """
    return f"{role}_initializer", f"{role}_regularizer", f"{role}_constraint"


def spec_fields(
    spec: str,
) -> tuple[SpecField[Initializer], SpecField[Regularizer | None], SpecField[Constraint | None]]:
    """Return the attributes of initializer, regularizer and constraint of the spec named `spec`."""
    return (
        SpecField(spec, "initializer"),
        SpecField(spec, "regularizer"),
        SpecField(spec, "constraint"),
    )


class KernelFields:
    """The arguments of the kernel of a layer, as attributes."""

    kernel_spec: WeightSpec
    kernel_initializer: SpecField[Initializer]
    kernel_regularizer: SpecField[Regularizer | None]
    kernel_constraint: SpecField[Constraint | None]
    kernel_initializer, kernel_regularizer, kernel_constraint = spec_fields("kernel_spec")


class BiasFields:
    """The arguments of the bias of a layer, as attributes."""

    bias_spec: WeightSpec
    bias_initializer: SpecField[Initializer]
    bias_regularizer: SpecField[Regularizer | None]
    bias_constraint: SpecField[Constraint | None]
    bias_initializer, bias_regularizer, bias_constraint = spec_fields("bias_spec")

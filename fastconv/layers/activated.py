"""Layers with a final activation: the values of `activation=`, and assignment to it.

A value is a function of `fastconv.activations`, one of the user's in `fastconv.ops`, or a layer
without weights (`is_activation`), such as `LeakyReLU(0.1)`, whose whole configuration Keras's files
contain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv import activations
from fastconv.common.changeable import plans_are_stale
from fastconv.layers.base import Layer
from fastconv.layers.tracing import Tracer
from fastconv.plan.operations import Operation
from fastconv.serialization import describe_function, deserialize, named_object, serialize
from fastconv.shapes import Shape


class Activated(Layer):
    """Base class of layers with an argument and attribute `activation`."""

    _activation: Callable[..., Any] | Layer

    @property
    def activation(self) -> Callable[..., Any] | Layer:
        """The activation of the output: a function of `fastconv.activations`, or a layer.

        Any value of the argument may be assigned at any time (None for linear); models that contain
        the layer use it from their next call on.
        """
        return self._activation

    @activation.setter
    def activation(self, value: Any) -> None:
        is_change = "_activation" in vars(self)
        self._activation = _found(value)
        if not isinstance(self._activation, Layer) and not activations.is_known(self._activation):
            self._tracer = self._tracer or Tracer(self)
        if is_change:
            plans_are_stale()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the result of the operations, then of an activation function of the user's."""
        y, function = super().call(inputs, training), self._activation
        own = not (isinstance(function, Layer) or activations.is_known(function))
        return function(y) if own else y

    def following_operations(self, shape: Shape) -> list[Operation]:
        """Return the operations of the activation for an output of `shape`, none for linear."""
        if isinstance(self._activation, Layer):
            self._activation.compute_output_shape(shape)  # raises if it does not match
            return self._activation.all_operations(shape)
        if not activations.is_known(self._activation):  # `call` applies it
            return []
        operation = activations.operation(self._activation, tuple(shape))
        return [] if operation is None else [operation]

    def get_config(self) -> dict[str, Any]:
        described = self._activation
        if isinstance(described, Layer):
            described = serialize(described)
        elif not activations.is_known(described):
            described = describe_function(described)
        else:
            described = activations.serialize(described)
        return super().get_config() | {"activation": described}


def _found(identifier: Any) -> Callable[..., Any] | Layer:
    """Return the function or layer of a name or a description, or `identifier` itself."""
    identifier = named_object(identifier)
    if isinstance(identifier, dict):
        identifier = deserialize(identifier, "layers")
    if isinstance(identifier, type) and issubclass(identifier, Layer):
        raise TypeError(
            f"`activation` must be a layer, not its class: received {identifier.__name__}, "
            f"write {identifier.__name__}()"
        )
    if not isinstance(identifier, Layer):
        own = callable(identifier) and not activations.is_known(identifier)
        return identifier if own else activations.get(identifier)
    if not identifier.is_activation:
        raise TypeError(
            "`activation` may be a layer without weights that is an activation (Activation, ELU, "
            f"LeakyReLU, ReLU, Softmax), received {identifier!r}; put any other layer behind this "
            "one"
        )
    return identifier

"""`Sequential`: a model that is a chain of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from fastconv.layers.base import Layer, sample_shape
from fastconv.layers.input import InputLayer
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models.configuration import sequential_config, sequential_from_config
from fastconv.models.model import Model
from fastconv.shapes import Shape


class Sequential(Model):
    """A chain of layers; the input of each is the output of the one before.

    The weights are created as soon as the input shape is known: from an `Input` as first entry,
    from `input_shape=` of the first layer, from `build`, or from the first data.

    Args:
        layers: the layers, in order, or a single one; `add` appends more. A model is a layer, too.
        trainable: whether training changes the weights of all layers.
        name: by default "sequential", "sequential_1", ...

    Raises:
        TypeError: an entry is not a layer.
        ValueError: the input shape of a layer does not match, or two layers have the same name.

    >>> from fastconv import layers, models
    >>> model = models.Sequential()
    >>> model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
    >>> model.add(layers.MaxPooling2D((2, 2)))
    >>> model.output_shape
    (None, 13, 13, 32)
    """

    module = "keras"
    class_name: str
    registered_name: None
    class_name, registered_name = "Sequential", None
    is_chain = True

    unused_hooks: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"call": "derive the class from Model, with a Sequential in an attribute"}
    )

    def __init__(
        self,
        layers: Iterable[Layer | SymbolicTensor] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ):
        self._begin(name)
        self._forms = None, None
        self._layers: list[Layer] = []
        if isinstance(layers, (Layer, SymbolicTensor)):
            layers = [layers]
        for layer in layers or []:
            self.add(layer)
        if not trainable:
            self.trainable = False

    def add(self, layer: Layer | SymbolicTensor) -> None:
        """Append `layer`. Raises the errors of the class; changes nothing then."""
        if isinstance(layer, SymbolicTensor):  # from `Input`
            layer = layer.call.layer
        if not isinstance(layer, Layer):
            hint = ""
            if isinstance(layer, type) and issubclass(layer, Layer):
                hint = f"; write {layer.__name__}(...)"
            elif isinstance(layer, str):
                hint = f"; fastconv.layers.Activation({layer!r}) is one"
            raise TypeError(f"`layer` must be a Layer, received {layer!r}{hint}")
        if isinstance(layer, InputLayer):
            if self.built or self._layers:
                raise ValueError(f"{layer.name!r} must be the first entry of {self.name!r}")
            self._ends = [layer.output], [layer.output]
            self._changed()
            return
        if any(layer.name == other.name and layer is not other for other in self._layers):
            raise ValueError(
                f"layer names must be unique, received {layer.name!r} twice in {self.name!r}"
            )
        if self._ends is not None:
            starts, (end,) = self._ends
            self._ends = starts, [self._one_output(layer, end)]
        elif not self._layers:
            shape = layer.input_shape_argument
            if isinstance(layer, Model) and layer.built and len(layer.inputs) == 1:
                shape = layer.input_shape[1:]
            if shape is not None:
                start = InputLayer(shape).output
                self._ends = [start], [self._one_output(layer, start)]
        self._layers.append(layer)
        self._changed()

    def _one_output(self, layer: Layer, x: SymbolicTensor) -> SymbolicTensor:
        y = layer(x)
        if not isinstance(y, SymbolicTensor):
            del layer.calls[-1]
            raise ValueError(
                f"layers of {self.name!r} must have one output, {layer.name!r} has {y}"
            )
        return y

    def pop(self) -> Layer:
        """Remove the last layer and return it; ValueError if there is none."""
        if not self._layers:
            raise ValueError(f"{self.name!r} has no layers to take off")
        layer = self._layers.pop()
        if self._ends is not None:
            starts, (end,) = self._ends
            layer.calls.remove(end.call)
            self._ends = starts, list(end.call.inputs)
        self._changed()
        return layer

    def build(self, input_shape: Shape | list[Shape] | None = None) -> None:
        """Create the weights for inputs of `input_shape` (None, ...), including the batch axis.

        Raises ValueError if the model is built for another shape, or no shape is known.
        """
        if isinstance(input_shape, list) and len(input_shape) == 1:
            (input_shape,) = input_shape
        if self.built:
            super().build(input_shape)
            return
        if input_shape is None:
            raise ValueError("`input_shape` must be given, since the model has no Input")
        start = InputLayer(sample_shape(tuple(input_shape)[1:]))
        shape = start.input_shape
        for layer in self._layers:  # check all before the first one is built
            shape = layer.compute_output_shape(shape)
        end = start.output
        for layer in self._layers:
            end = self._one_output(layer, end)
        self._ends = [start.output], [end]
        self._changed()

    @property
    def layers(self) -> list[Layer]:
        """The layers without the `Input`."""
        return list(self._layers)

    @property
    def all_layers(self) -> list[Layer]:
        """`layers`: there are no functions in a chain."""
        return self.layers

    @property
    def entries(self) -> list[Layer]:
        """The layers, preceded by the `Input` if there is one."""
        return [*([self._ends[0][0].call.layer] if self._ends is not None else []), *self._layers]

    def _why_not_built(self) -> str:
        return (
            f"{self.name!r} has no shapes and weights before it is built; give the first layer an "
            "`input_shape`, begin with an Input, or call build(input_shape)"
        )

    def get_config(self) -> dict[str, Any]:
        """Return the configuration of the model without its weights, in Keras's format."""
        return sequential_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sequential:
        """Return a new model from the result of `get_config`.

        Raises ValueError or TypeError for anything but the configuration of a supported model.
        """
        return sequential_from_config(cls, config)

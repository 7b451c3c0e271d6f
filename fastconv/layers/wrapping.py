"""Layers around another layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv import ops
from fastconv.layers.base import Layer
from fastconv.layers.tracing import Tracer
from fastconv.plan.operations import Operation
from fastconv.serialization import deserialize, model_class
from fastconv.shapes import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class Wrapper(Layer):
    """Base class of layers that have another layer, `layer`; a subclass defines `call`.

    Args:
        layer: the layer in it.
        name, trainable, dtype: see `Layer`.

    Raises TypeError for anything but a layer.
    """

    settings: tuple[str, ...] = ("layer",)

    def __init__(self, layer: Layer, **common: Unpack[LayerOptions]):
        super().__init__(**common)
        if not isinstance(layer, Layer):
            raise TypeError(f"`layer` must be a layer, received {str(layer)[:200]!r}")
        self.layer = layer

    def operations(self, input_shape: Shape) -> list[Operation]:
        raise TypeError(f"layer {self.name!r} is traced")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return the layer around the one that `layer` describes."""
        layer = config["layer"]
        if isinstance(layer, dict):
            model = model_class(layer)
            made = (
                deserialize(layer, "layers")
                if model is None
                else model.from_config(layer["config"])
            )
            config = config | {"layer": made}
        return super().from_config(config)


class TimeDistributed(Wrapper):
    """Calls one layer or model on every step of (batch, steps, ...), with the same weights: on all
    frames of a video, on all parts of a picture.

    A batch normalization in it takes the statistics of each step on its own, as in Keras.

    Args:
        layer: takes (batch, ...) and returns one tensor.
        name, trainable, dtype: see `Layer`.

    Raises TypeError for anything but a layer, ValueError for inputs of fewer than three axes or an
    unknown number of steps.

    >>> from fastconv import layers
    >>> video = layers.Input((10, 32, 32, 3))
    >>> layers.TimeDistributed(layers.Conv2D(8, 3))(video).shape
    (None, 10, 30, 30, 8)
    """

    def __init__(self, layer: Layer, **common: Unpack[LayerOptions]):
        super().__init__(layer, **common)
        self._tracer = Tracer(self)

    def _step_shape(self, shape: Any) -> tuple[int | None, ...]:
        known = isinstance(shape, (tuple, list)) and len(shape) > 2 and isinstance(shape[1], int)
        if not known:
            raise ValueError(
                f"layer {self.name!r} takes one input (batch, steps, ...) of at least 3 axes with "
                f"a known number of steps, received shape {shape}"
            )
        return (None, *shape[2:])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        _, *sizes = self.layer.compute_output_shape(self._step_shape(input_shape))
        return (None, input_shape[1], *sizes)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the results of the layer, one after another along the second axis."""
        self._step_shape(inputs.shape)
        count = inputs.shape[1]
        steps = [self.layer(inputs[:, step], training=training) for step in range(count)]
        return ops.stack(steps, axis=1)

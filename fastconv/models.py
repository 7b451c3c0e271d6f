"""Models: `Sequential`, a chain of layers, and `load_model`.

>>> from fastconv import layers, models
>>> model = models.Sequential()
>>> model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
>>> model.add(layers.MaxPooling2D((2, 2)))
>>> model.output_shape
(None, 13, 13, 32)
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fastconv import losses, metrics, optimizers
from fastconv.layers.base import (
    DTYPE_POLICY,
    InputLayer,
    Layer,
    Shape,
    assign_all,
    sample_shape,
)
from fastconv.naming import unique_name
from fastconv.parameters import Parameters, Variable
from fastconv.plan import Graph
from fastconv.serialization import deserialize, serialize
from fastconv.summary import print_summary
from fastconv.training import Trainer


class Sequential(Trainer):
    """A chain of layers, each of which takes what the one before gives.

    The weights exist as soon as the shape of the input is known: from an `Input` as first entry,
    from `input_shape=` of the first layer, from `build`, or from the first data.

    Args:
        layers: the layers, in order; more can be added with `add`.
        trainable: whether training changes the weights, for all layers at once.
        name: by default "sequential", "sequential_1", ...

    Raises:
        TypeError: an entry is no layer.
        ValueError: a layer does not fit the one before, two have the same name, or one belongs to
            another model already.
    """

    module = "keras"

    def __init__(
        self,
        layers: Iterable[Layer] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ):
        super().__init__()
        self.name = name or unique_name("Sequential")
        self._input: InputLayer | None = None
        self._layers: list[Layer] = []
        self._parameters: Parameters | None = None
        self.draw_weights = True  # False: new weights are left for whoever loads them
        self._lock = threading.RLock()
        for layer in layers or []:
            self.add(layer)
        if not trainable:
            self.trainable = False

    # Layers ---------------------------------------------------------------------------------------

    def add(self, layer: Layer) -> None:
        """Put `layer` at the end. Errors are those of the class; nothing is changed then."""
        if isinstance(layer, Sequential):
            raise TypeError("a model inside of a model is not supported; add its layers one by one")
        if not isinstance(layer, Layer):
            raise TypeError(f"`layer` must be a Layer, received {layer!r}")
        if isinstance(layer, InputLayer):
            if self._input is not None or self._layers:
                raise ValueError(f"{layer.name!r} must be the first entry of {self.name!r}")
            self._input = layer
            return
        if layer.in_model:
            raise ValueError(f"layer {layer.name!r} has been added to a model already")
        if layer.name in {other.name for other in self._layers}:
            raise ValueError(
                f"layer names must be unique, received {layer.name!r} twice in {self.name!r}"
            )
        if self._input is None and not self._layers and layer.input_shape_argument is not None:
            start = InputLayer(layer.input_shape_argument)
            self._build_layer(layer, start.output_shape)
            self._input = start
        elif self._input is not None:
            self._build_layer(layer, self.output_shape)
        layer.in_model = True
        self._layers.append(layer)
        self._changed()

    def pop(self) -> Layer:
        """Take the last layer off and return it; ValueError if there is none."""
        if not self._layers:
            raise ValueError(f"{self.name!r} has no layers to take off")
        layer = self._layers.pop()
        layer.in_model = False
        self._changed()
        return layer

    def _changed(self) -> None:
        self._parameters = None
        self._plans.clear()

    def _build_layer(self, layer: Layer, input_shape: Shape) -> None:
        layer.compute_output_shape(input_shape)  # raises if the layer does not fit
        if not layer.weights:  # not built yet, or nothing that another shape could contradict
            layer.build(input_shape)
        elif layer.input_shape != tuple(input_shape):
            raise ValueError(
                f"layer {layer.name!r} is built for inputs of shape {layer.input_shape}, "
                f"received {tuple(input_shape)}"
            )
        if self.draw_weights:
            for variable in layer.weights:
                variable.initialize()

    def build(self, input_shape: Shape | None = None) -> None:
        """Create the weights for inputs of `input_shape` (None, ...), with the batch.

        Raises ValueError if the model is built for another shape, or no shape is known.
        """
        if input_shape is None:
            if self._input is None:
                raise ValueError("`input_shape` must be given, since the model has no Input")
            return
        wanted = sample_shape(tuple(input_shape)[1:])
        if self._input is not None:
            if wanted != self.input_shape[1:]:
                raise ValueError(
                    f"{self.name!r} is built for inputs of shape {self.input_shape}, "
                    f"received {tuple(input_shape)}"
                )
            return
        start = InputLayer(wanted)
        shapes = [start.output_shape]
        for layer in self._layers:  # all must fit before the first one is built
            shapes.append(layer.compute_output_shape(shapes[-1]))
        for layer, shape in zip(self._layers, shapes, strict=False):
            self._build_layer(layer, shape)
        self._input = start
        self._changed()

    @property
    def built(self) -> bool:
        """Whether the shape of the input is known, and so the weights exist."""
        return self._input is not None

    @property
    def layers(self) -> list[Layer]:
        """The layers without the `Input`."""
        return list(self._layers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name or at this index; ValueError if there is none."""
        if (name is None) == (index is None):
            raise ValueError(f"give `name` or `index`, received {name!r} and {index!r}")
        if index is not None:
            if not -len(self._layers) <= index < len(self._layers):
                raise ValueError(f"`index` must be below {len(self._layers)}, received {index}")
            return self._layers[index]
        for layer in self._layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"{self.name!r} has no layer {name!r}; there are {[x.name for x in self._layers]}"
        )

    @property
    def input_shape(self) -> Shape:
        """(None, ...); ValueError before the model is built."""
        self._check_built("input shape")
        return self._input.output_shape

    @property
    def output_shape(self) -> Shape:
        """(None, ...); ValueError before the model is built."""
        self._check_built("output shape")
        return self._layers[-1].output_shape if self._layers else self._input.output_shape

    def _check_built(self, what: str) -> None:
        if not self.built:
            raise ValueError(
                f"{self.name!r} has no {what} before it is built; give the first layer an "
                "`input_shape`, begin with an Input, or call build(input_shape)"
            )

    def graph(self) -> Graph:
        """What the layers say to the plan."""
        graph = Graph()
        value = graph.input(self.input_shape[1:])
        for layer in self._layers:
            value = graph.apply(layer.all_nodes(layer.input_shape), value)
        graph.outputs = [value]
        return graph

    def summary(
        self,
        line_length: int | None = None,
        positions: tuple[float, ...] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        show_trainable: bool = False,
    ) -> None:
        """Print a table of the layers; see `fastconv.summary.print_summary`."""
        print_summary(self, line_length, positions, print_fn, show_trainable)

    def __call__(self, x: Any) -> np.ndarray:
        """The outputs for one batch `x`, computed at once; see `predict` for many samples."""
        return self.predict_on_batch(x)

    # Weights --------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Parameters:
        """The flat buffer that holds all weights; ValueError before the model is built."""
        self._check_built("weights")
        with self._lock:
            if self._parameters is None:
                self._parameters = Parameters(self.weights, draw=self.draw_weights)
            return self._parameters

    @property
    def weights(self) -> list[Variable]:
        return [variable for layer in self._layers for variable in layer.weights]

    @property
    def trainable_weights(self) -> list[Variable]:
        return [variable for variable in self.weights if variable.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        return [variable for variable in self.weights if not variable.trainable]

    @property
    def trainable(self) -> bool:
        """Whether any layer is trainable; setting it sets all. Takes effect at the next `fit`."""
        return any(layer.trainable for layer in self._layers) or not self._layers

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._layers:
            layer.trainable = value

    def count_params(self) -> int:
        """The number of weights, each element counted; ValueError before the model is built."""
        self._check_built("parameters to count")
        return sum(layer.count_params() for layer in self._layers)

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights, layer by layer, kernel before bias."""
        return [array for layer in self._layers for array in layer.get_weights()]

    def set_weights(self, weights: list[Any]) -> None:
        """Overwrite all weights by arrays in the order of `get_weights`.

        Raises ValueError if number or shapes differ, TypeError if they hold no numbers; nothing is
        changed then.
        """
        self._check_built("weights")
        assign_all(self.weights, weights, f"model {self.name!r}")

    # Files and configuration ----------------------------------------------------------------------

    def save(self, filepath: str | os.PathLike, overwrite: bool = True) -> None:
        """Write everything to one file: see `fastconv.saving.save_model`."""
        from fastconv.saving import save_model

        save_model(self, filepath, overwrite)

    def save_weights(self, filepath: str | os.PathLike, overwrite: bool = True) -> None:
        """Write the weights to a `.weights.h5` file: see `fastconv.saving.save_weights`."""
        from fastconv.saving import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | os.PathLike) -> None:
        """Read the weights from a `.weights.h5` or `.keras` file of the same layers: see
        `fastconv.saving.load_weights`."""
        from fastconv.saving import load_weights

        load_weights(self, filepath)

    def to_json(self, **options: Any) -> str:
        """The model without its weights as JSON; `options` are those of `json.dumps`."""
        return json.dumps(self._description(), **options)

    def _description(self) -> dict[str, Any]:
        """Everything but the weights, as Keras's files describe a model."""
        description = serialize(self)
        if self.built:
            description["build_config"] = {"input_shape": list(self.input_shape)}
        description["compile_config"] = self.get_compile_config() or {}
        return description

    def get_config(self) -> dict[str, Any]:
        """The model without its weights, as Keras's files describe it."""
        entries = [self._input, *self._layers] if self._input else self._layers
        described = []
        for layer in entries:
            entry = serialize(layer)
            if layer.input_shape is not None and not isinstance(layer, InputLayer):
                entry["build_config"] = {"input_shape": list(layer.input_shape)}
            described.append(entry)
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": DTYPE_POLICY,
            "layers": described,
        }
        if self._input:
            config["build_input_shape"] = list(self.input_shape)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], *, draw_weights: bool = True) -> Sequential:
        """A new model from what `get_config` returns.

        With `draw_weights` False no initial weights are drawn; the caller loads them and sets the
        model's `draw_weights` to True.

        Raises ValueError or TypeError for anything but a description of a supported model.
        """
        entries = config.get("layers") if isinstance(config, dict) else None
        if not isinstance(entries, list):
            raise ValueError("expected a configuration with a list of 'layers'")
        model = cls(name=config.get("name"))
        model.draw_weights = draw_weights
        for entry in entries:
            model.add(deserialize(entry, "layers"))
        if not model.built and config.get("build_input_shape") is not None:
            model.build(config["build_input_shape"])
        if not config.get("trainable", True):
            model.trainable = False
        return model

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` was given, as plain data; None before it was called."""
        if not self.compiled:
            return None
        loss = self.loss
        return {
            "optimizer": serialize(self.optimizer),
            "loss": serialize(loss) if isinstance(loss, losses.Loss) else loss,
            "loss_weights": None,
            "run_eagerly": False,
            "steps_per_execution": 1,
            "jit_compile": "auto",
        } | {
            argument: [m if isinstance(m, str) else serialize(m) for m in chosen] or None
            for argument, chosen in self._metrics.items()
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` says, with an optimizer that starts anew.

        Raises ValueError or TypeError for anything unsupported.
        """
        config = dict(config)
        for argument in ("metrics", "weighted_metrics"):
            if config.get(argument) is not None:
                config[argument] = [metrics.get(metric) for metric in config[argument]]
        loss = config.get("loss")
        config["loss"] = losses.get(loss) if isinstance(loss, dict) else loss
        config["optimizer"] = optimizers.get(config.get("optimizer"))
        self.compile(**config)


def load_model(
    filepath: str | os.PathLike,
    custom_objects: None = None,
    compile: bool = True,
) -> Sequential:
    """Read a model from a `.keras` file: see `fastconv.saving.load_model`."""
    from fastconv.saving import load_model

    return load_model(filepath, custom_objects, compile)


__all__ = ["Sequential", "load_model"]

"""Models as plain data and back, in the form of Keras's files.

A `Functional` lists its layers; each one lists its calls as `inbound_nodes`, and each call the
tensors that it took, as

    {"class_name": "__keras_tensor__",
     "config": {"shape": [null, 8], "dtype": "float32", "keras_history": ["dense", 0, 0]}}

The history is (name of a layer, which of its calls, which output of that); of calls, only those
within the model count. `input_layers` and `output_layers` are such histories, except that a call of
a `Functional` has one number more there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.layers.base import DTYPE_POLICY, Layer
from fastconv.layers.input import InputLayer
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.models.model import Model
from fastconv.models.sequential import Sequential
from fastconv.serialization import deserialize, serialize
from fastconv.structure import pack

_TENSOR = "__keras_tensor__"

# Classes of models by the names that files have for them, and where Keras says that they live.
CLASSES = {"Functional": Model, "Model": Model, "Sequential": Sequential}
MODULES = ("keras", "keras.models", "keras.src.models.functional", "keras.src.models.model")


def model_class(description: dict[str, Any]) -> type[Model] | None:
    """The class of model that `description` is about, None if it is not about a model."""
    if description.get("module") in MODULES:
        return CLASSES.get(description.get("class_name"))
    return None


def layer_from_config(description: Any) -> Layer:
    """The layer or model that `description` describes; errors are those of `deserialize`."""
    if isinstance(description, dict):
        cls = model_class(description)
        if cls is not None:
            return cls.from_config(description.get("config"))
    return deserialize(description, "layers")


def layer_config(layer: Layer) -> dict[str, Any]:
    """The description of one layer within a model."""
    description = serialize(layer)
    if isinstance(layer, InputLayer):
        return description
    if type(layer) is Model:  # the shapes are those of its inputs
        description["build_config"] = {"input_shape": None}
    elif layer.built:
        shape = layer.input_shape
        described = [list(each) for each in shape] if layer.merges else list(shape)
        description["build_config"] = {"input_shape": described}
    return description


# ------------------------------------------------------------------------------------- Sequential


def sequential_config(model: Sequential, entries: Sequence[Layer]) -> dict[str, Any]:
    config = {
        "name": model.name,
        "trainable": model.trainable,
        "dtype": DTYPE_POLICY,
        "layers": [layer_config(layer) for layer in entries],
    }
    if model.built:
        config["build_input_shape"] = list(model.input_shape)
    return config


# ------------------------------------------------------------------------------------- Functional


def functional_config(model: Model) -> dict[str, Any]:
    """What `Model.get_config` returns."""
    network = model.network
    numbers = {
        call: number
        for layer in network.layers
        for number, call in enumerate(network.calls_of(layer))
    }

    def history(tensor: SymbolicTensor) -> list[Any]:
        return [tensor.call.layer.name, numbers[tensor.call], tensor.index]

    def end(tensor: SymbolicTensor) -> list[Any]:
        name, number, index = history(tensor)
        return [name, number + (type(tensor.call.layer) is Model), index]

    described = []
    for layer in network.layers:
        calls = network.calls_of(layer)
        described.append(
            layer_config(layer)
            | {
                "name": layer.name,
                "inbound_nodes": [_call_config(call, history) for call in calls if call.inputs],
            }
        )
    inputs, outputs = model.input, model.output
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": described,
        "input_layers": pack(inputs, [end(tensor) for tensor in network.inputs]),
        "output_layers": pack(outputs, [end(tensor) for tensor in network.outputs]),
    }


def _call_config(call: Call, history: Any) -> dict[str, Any]:
    def described(tensor: SymbolicTensor) -> dict[str, Any]:
        config = {
            "shape": list(tensor.shape),
            "dtype": tensor.dtype,
            "keras_history": history(tensor),
        }
        return {"class_name": _TENSOR, "config": config}

    argument = call.argument
    if isinstance(argument, dict):
        argument = {key: described(tensor) for key, tensor in argument.items()}
    elif isinstance(argument, (list, tuple)):
        argument = [described(tensor) for tensor in argument]
    else:
        argument = described(argument)
    return {"args": [argument], "kwargs": {}}


def functional_from_config(config: dict[str, Any]) -> Model:
    """What `Model.from_config` returns."""
    try:
        entries = [(entry["name"], entry["inbound_nodes"], entry) for entry in config["layers"]]
        ends = config["input_layers"], config["output_layers"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected the configuration of a Functional model: no {error}") from error
    layers: dict[str, Layer] = {}
    waiting: dict[str, list[Any]] = {}
    for name, calls, entry in entries:
        if name in layers:
            raise ValueError(f"layer names must be unique within a model, received {name!r} twice")
        layers[name] = layer_from_config(entry)
        waiting[name] = list(calls)
    tensors = _Tensors(layers)
    # A call can be made when the calls are that it depends on. The layers stand in an order in
    # which that nearly always needs one round.
    while any(waiting.values()):
        progress = False
        for name, calls in waiting.items():
            while calls and (argument := tensors.argument(calls[0])) is not None:
                layers[name](argument)
                del calls[0]
                progress = True
        if not progress:
            stuck = [name for name, calls in waiting.items() if calls]
            raise ValueError(f"the calls of {stuck} depend on calls that do not exist")
    inputs, outputs = (tensors.ends(end) for end in ends)
    model = Model(inputs, outputs, name=config.get("name"))
    if not config.get("trainable", True):
        model.trainable = False
    return model


class _Tensors:
    """Finds tensors by their histories among the calls that have been made."""

    def __init__(self, layers: dict[str, Layer]):
        self._layers = layers

    def find(self, history: Any, offset: int = 0) -> SymbolicTensor | None:
        """The tensor with this history, None if its call has not been made; ValueError if there
        can be no such tensor."""
        if (
            not isinstance(history, list)
            or len(history) != 3
            or not all(isinstance(number, int) and number >= 0 for number in history[1:])
            or not isinstance(history[0], str)
            or history[0] not in self._layers
        ):
            raise ValueError(f"expected the history [layer, call, output] of a tensor: {history}")
        calls = self._layers[history[0]].calls
        number = history[1] - offset
        if not 0 <= number < len(calls):
            return None
        outputs = calls[number].outputs
        if history[2] >= len(outputs):
            raise ValueError(f"layer {history[0]!r} has {len(outputs)} outputs: {history}")
        return outputs[history[2]]

    def argument(self, call: Any) -> Any:
        """What a layer is called on, None if some of it does not exist yet."""
        call = call if isinstance(call, dict) else {}
        args, kwargs = call.get("args"), call.get("kwargs")
        if not isinstance(args, list) or len(args) != 1 or not _says_nothing(kwargs or {}):
            raise ValueError(
                f"expected the call of a layer on its inputs alone, received {str(call)[:200]}"
            )
        argument = args[0]
        if isinstance(argument, dict) and argument.get("class_name") == _TENSOR:
            return self._tensor(argument)
        if isinstance(argument, dict):
            tensors = {key: self._tensor(tensor) for key, tensor in argument.items()}
            return None if None in tensors.values() else tensors
        if isinstance(argument, list) and argument:
            tensors = [self._tensor(tensor) for tensor in argument]
            return None if None in tensors else tensors
        raise ValueError(f"expected tensors, received {str(argument)[:200]}")

    def _tensor(self, description: Any) -> SymbolicTensor | None:
        if not isinstance(description, dict) or description.get("class_name") != _TENSOR:
            raise ValueError(f"expected a tensor, received {str(description)[:200]}")
        return self.find(description.get("config", {}).get("keras_history"))

    def ends(self, described: Any) -> Any:
        """The inputs or outputs of the model, in the form in which they are described."""
        if isinstance(described, dict):
            return {key: self._end(history) for key, history in described.items()}
        if isinstance(described, list) and described and isinstance(described[0], list):
            return [self._end(history) for history in described]
        return self._end(described)

    def _end(self, history: Any) -> SymbolicTensor:
        layer = self._layers.get(history[0]) if isinstance(history, list) and history else None
        tensor = self.find(history, offset=int(type(layer) is Model))
        if tensor is None:
            raise ValueError(f"the model has no tensor with the history {history}")
        return tensor


def _says_nothing(kwargs: Any) -> bool:
    """Whether keyword arguments of a call are all None, as Keras writes the masks of models."""
    if isinstance(kwargs, dict):
        return all(map(_says_nothing, kwargs.values()))
    if isinstance(kwargs, list):
        return all(map(_says_nothing, kwargs))
    return kwargs is None

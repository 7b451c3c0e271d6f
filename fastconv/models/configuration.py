"""Converts models to plain data and back, in the format of Keras's files.

A `Functional` lists its layers; each layer lists its calls as `inbound_nodes`, and each call its
input tensors as

    {"class_name": "__keras_tensor__",
     "config": {"shape": [null, 8], "dtype": "float32", "keras_history": ["dense", 0, 0]}}

The history is (name of a layer, index of its call, index of the output); only calls within the
model are counted. `input_layers` and `output_layers` are histories, too; for a call of a
`Functional` they contain one more number. Layers shared with other models have more entries: see
`fastconv.models.sharing`.
"""

from __future__ import annotations

from typing import Any

from fastconv.common.naming import is_builtin
from fastconv.common.overriding import definer
from fastconv.common.tree import mapped, pack
from fastconv.layers.base import DTYPE_POLICY, Layer
from fastconv.layers.function import FunctionLayer, function_layer
from fastconv.layers.input import InputLayer
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.models import sharing
from fastconv.serialization import deserialize, model_class, serialize

_TENSOR = "__keras_tensor__"


def layer_from_config(description: Any, shared: sharing.Reading) -> Layer:
    """Return the layer or model of `description`: an existing one if it is in `shared`, else a new
    one. Raises the errors of `deserialize`."""
    layer = shared.find(description)
    if layer is None:
        cls = model_class(description) if isinstance(description, dict) else None
        function = function_layer(description) if isinstance(description, dict) else None
        if cls is not None:
            layer = cls.from_config(description.get("config"))
        elif function is not None:
            layer = function
        else:
            with sharing.apart():
                layer = deserialize(description, "layers")
        shared.add(description, layer)
    return layer


def layer_config(layer: Layer) -> dict[str, Any]:
    """Return the description of one layer within a model, without its entries on sharing."""
    if layer.is_model and not layer.is_traced:
        description = serialize(layer)
    else:
        with sharing.apart():
            description = serialize(layer)
    if isinstance(layer, (InputLayer, FunctionLayer)):
        return description
    if layer.is_traced:
        if layer.built:
            description["build_config"] = {"input_shape": layer.input_shape}
    elif _is_graph(layer):  # the shapes are those of its inputs
        description["build_config"] = {"input_shape": None}
    elif layer.built:
        shape = layer.input_shape
        described = [list(each) for each in shape] if layer.merges else list(shape)
        description["build_config"] = {"input_shape": described}
    return description


# ------------------------------------------------------------------------------------- Sequential


def sequential_config(model: Any) -> dict[str, Any]:
    """Implements `Sequential.get_config`."""
    with sharing.writing(model) as shared:
        layers = [layer_config(layer) | shared.entries(model, layer) for layer in model.entries]
    config = {
        "name": model.name,
        "trainable": model.trainable,
        "dtype": DTYPE_POLICY,
        "layers": layers,
    }
    if model.built:
        config["build_input_shape"] = list(model.input_shape)
    return config


def sequential_from_config(cls: Any, config: dict[str, Any]) -> Any:
    """Implements `Sequential.from_config`."""
    entries = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(entries, list):
        raise ValueError("expected a configuration with a list of 'layers'")
    model = cls(name=config.get("name"))
    with sharing.reading(config) as shared:
        for entry in entries:
            model.add(layer_from_config(entry, shared))
    if not model.built and config.get("build_input_shape") is not None:
        model.build(config["build_input_shape"])
    model.mark_trainable(config.get("trainable", True))
    return model


# ------------------------------------------------------------------------------------- Functional


def functional_config(model: Any) -> dict[str, Any]:
    """Implements `Model.get_config`."""
    with sharing.writing(model) as shared:
        return _functional_config(model, shared)


def _functional_config(model: Any, shared: sharing.Writing) -> dict[str, Any]:
    network = model.network
    numbers = {
        call: number
        for layer in network.layers
        for number, call in enumerate(
            network.calls_of(layer), start=shared.first_number(model, layer)
        )
    }

    def history(tensor: SymbolicTensor) -> list[Any]:
        return [tensor.call.layer.name, numbers[tensor.call], tensor.index]

    def end(tensor: SymbolicTensor) -> list[Any]:
        name, number, index = history(tensor)
        return [name, number + _is_graph(tensor.call.layer), index]

    described = []
    for layer in network.layers:
        calls = network.calls_of(layer)
        described.append(
            layer_config(layer)
            | shared.entries(model, layer)
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


def _is_graph(layer: Layer) -> bool:
    """Return whether `layer` is a `Functional` in Keras's terms, or of a subclass."""
    return getattr(layer, "is_chain", None) is False and not layer.is_traced


def _call_config(call: Call, history: Any) -> dict[str, Any]:
    def described(tensor: SymbolicTensor) -> dict[str, Any]:
        config = {
            "shape": list(tensor.shape),
            "dtype": tensor.dtype,
            "keras_history": history(tensor),
        }
        return {"class_name": _TENSOR, "config": config}

    if isinstance(call.layer, FunctionLayer):
        return call.layer.describe_call(lambda number: described(call.inputs[number]))

    def plain(value: Any) -> Any:
        return described(value) if isinstance(value, SymbolicTensor) else value

    if isinstance(call.layer, FunctionLayer):
        return call.layer.describe_call(lambda number: described(call.inputs[number]))
    return {"args": [mapped(plain, call.argument)], "kwargs": mapped(plain, call.keywords)}


def functional_from_config(config: dict[str, Any], cls: Any, plain_class: Any) -> Any:
    """Implements `from_config`; returns a `plain_class` if `cls` has its own constructor."""
    try:
        entries = [(entry["name"], entry["inbound_nodes"], entry) for entry in config["layers"]]
        ends = config["input_layers"], config["output_layers"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected the configuration of a Functional model: no {error}") from error
    users: dict[str, _User] = {}
    waiting: dict[str, list[Any]] = {}
    with sharing.reading(config) as shared:
        for name, calls, entry in entries:
            if name in users:
                raise ValueError(
                    f"layer names must be unique within a model, received {name!r} twice"
                )
            layer = layer_from_config(entry, shared)
            users[name] = _User(layer, sharing.first_number(entry))
            waiting[name] = list(calls)
    tensors = _Tensors(users)
    # A call can be made once the calls that it depends on are made. With the usual order of the
    # layers, one round nearly always suffices.
    while any(waiting.values()):
        progress = False
        for name, calls in waiting.items():
            layer = users[name].layer
            while calls and (arguments := tensors.arguments(calls[0], layer)) is not None:
                users[name].call(*arguments)
                del calls[0]
                progress = True
        if not progress:
            stuck = [name for name, calls in waiting.items() if calls]
            raise ValueError(f"the calls of {stuck} depend on calls that do not exist")
    inputs, outputs = (tensors.ends(end) for end in ends)
    made = cls if is_builtin(definer(cls, "__init__")) else plain_class
    model = made(inputs, outputs, name=config.get("name"))
    model.mark_trainable(config.get("trainable", True))
    return model


class _User:
    """A layer in one model: histories number its calls in this model from `first` on."""

    def __init__(self, layer: Layer, first: int):
        self.layer = layer
        begins = isinstance(layer, InputLayer)  # its one call belongs to all models
        self.calls: list[Call] = layer.calls[:1] if begins else []
        self.first = 0 if begins else first

    def call(self, args: list[Any], keywords: dict[str, Any]) -> None:
        if isinstance(self.layer, FunctionLayer):
            self.layer.call_with(keywords)
        else:
            self.layer(*args, **keywords)
        self.calls.append(self.layer.calls[-1])


class _Tensors:
    """Finds tensors by their histories among the calls made so far."""

    def __init__(self, users: dict[str, _User]):
        self._users = users

    def find(self, history: Any, offset: int = 0) -> SymbolicTensor | None:
        """Return the tensor with this history, None if its call is not made yet; ValueError if it
        cannot exist."""
        if (
            not isinstance(history, list)
            or len(history) != 3
            or not all(isinstance(number, int) and number >= 0 for number in history[1:])
            or not isinstance(history[0], str)
            or history[0] not in self._users
        ):
            raise ValueError(f"expected the history [layer, call, output] of a tensor: {history}")
        user = self._users[history[0]]
        calls, number = user.calls, history[1] - user.first - offset
        if not 0 <= number < len(calls):
            return None
        outputs = calls[number].outputs
        if history[2] >= len(outputs):
            raise ValueError(f"layer {history[0]!r} has {len(outputs)} outputs: {history}")
        return outputs[history[2]]

    def arguments(self, call: Any, layer: Layer) -> tuple[Any, dict[str, Any]] | None:
        """Return the arguments of a call of `layer`, None if a tensor in them does not exist."""
        if isinstance(layer, FunctionLayer):
            given = layer.read_call(call, self._tensor)
            return None if given is None else ([], given)
        call = call if isinstance(call, dict) else {}
        args, keywords = call.get("args"), call.get("kwargs") or {}
        if not isinstance(args, list) or not args or not isinstance(keywords, dict):
            raise ValueError(f"expected the call of a layer, received {str(call)[:200]}")
        known = layer.call_keywords
        for name, value in keywords.items():
            if name not in known and not _has_no_effect(value):
                raise ValueError(
                    f"layer {layer.name!r} must be called with {list(known)} alone, "
                    f"received {name}={str(value)[:100]} as well"
                )
        if keywords.get("training") not in (None, True, False):
            raise ValueError(f"expected a truth value, received {str(keywords['training'])[:100]}")
        missing, count = False, 0

        def found(value: Any) -> Any:
            nonlocal missing, count
            if not isinstance(value, dict) or value.get("class_name") != _TENSOR:
                return value
            tensor = self._tensor(value)
            count += 1
            missing = missing or tensor is None
            return tensor

        keywords = {name: value for name, value in keywords.items() if name in known}
        arguments = mapped(found, args), mapped(found, keywords)
        if not count:
            raise ValueError(f"expected tensors, received {str(args)[:200]}")
        return None if missing else arguments

    def _tensor(self, description: Any) -> SymbolicTensor | None:
        if not isinstance(description, dict) or description.get("class_name") != _TENSOR:
            raise ValueError(f"expected a tensor, received {str(description)[:200]}")
        config = description.get("config")
        return self.find(config.get("keras_history") if isinstance(config, dict) else None)

    def ends(self, described: Any) -> Any:
        """Return the inputs or outputs of the model, in the structure of `described`."""
        if isinstance(described, dict):
            return {key: self._end(history) for key, history in described.items()}
        if isinstance(described, list) and described and isinstance(described[0], list):
            return [self._end(history) for history in described]
        return self._end(described)

    def _end(self, history: Any) -> SymbolicTensor:
        user = self._users.get(history[0]) if isinstance(history, list) and history else None
        tensor = self.find(history, offset=int(user is not None and _is_graph(user.layer)))
        if tensor is None:
            raise ValueError(f"the model has no tensor with the history {history}")
        return tensor


def _has_no_effect(value: Any) -> bool:
    """Return whether the value of an argument that a layer does not have has no effect: None, as a
    mask without effect is."""
    if isinstance(value, dict):
        return all(map(_has_no_effect, value.values()))
    if isinstance(value, list):
        return all(map(_has_no_effect, value))
    return value is None

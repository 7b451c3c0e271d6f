"""Models as plain data and back, in the form of Keras's files.

A `Functional` lists its layers; each one lists its calls as `inbound_nodes`, and each call the
tensors that it took, as

    {"class_name": "__keras_tensor__",
     "config": {"shape": [null, 8], "dtype": "float32", "keras_history": ["dense", 0, 0]}}

The history is (name of a layer, which of its calls, which output of that); of calls, only those
within the model count. `input_layers` and `output_layers` are such histories, except that a call of
a `Functional` has one number more there. Layers that are shared with other models have more to say:
see `fastconv.models.sharing`.
"""

from __future__ import annotations

from typing import Any

from fastconv.layers.base import DTYPE_POLICY, Layer
from fastconv.layers.input import InputLayer
from fastconv.layers.symbolic import Call, SymbolicTensor
from fastconv.models import sharing
from fastconv.models.model import Model
from fastconv.models.sequential import Sequential
from fastconv.naming import is_builtin
from fastconv.overriding import definer
from fastconv.serialization import deserialize, own_class, serialize
from fastconv.structure import pack

_TENSOR = "__keras_tensor__"

# Classes of models by the names that files have for them, and where Keras says that they live.
CLASSES = {"Functional": Model, "Model": Model, "Sequential": Sequential}
MODULES = ("keras", "keras.models", "keras.src.models.functional", "keras.src.models.model")


def model_class(description: dict[str, Any]) -> type[Model] | None:
    """The class of model that `description` is about, None if it is not about a model.

    A class of a user is one that is registered or given in `custom_objects`.
    """
    own = own_class(description)
    if own is not None and issubclass(own, Model):
        return own
    module, name = description.get("module"), description.get("class_name")
    return CLASSES.get(name) if module in MODULES and isinstance(name, str) else None


def layer_from_config(description: Any, shared: sharing.Reading) -> Layer:
    """The layer or model that `description` describes, one of those that are `shared` if it was
    described before; errors are those of `deserialize`."""
    layer = shared.known(description)
    if layer is None:
        cls = model_class(description) if isinstance(description, dict) else None
        if cls is not None:
            layer = cls.from_config(description.get("config"))
        else:
            with sharing.apart():
                layer = deserialize(description, "layers")
        shared.remember(description, layer)
    return layer


def layer_config(layer: Layer) -> dict[str, Any]:
    """The description of one layer within a model, without what it shares with others."""
    if isinstance(layer, Model):
        description = serialize(layer)
    else:
        with sharing.apart():
            description = serialize(layer)
    if isinstance(layer, InputLayer):
        return description
    if _is_graph(layer):  # the shapes are those of its inputs
        description["build_config"] = {"input_shape": None}
    elif layer.built:
        shape = layer.input_shape
        described = [list(each) for each in shape] if layer.merges else list(shape)
        description["build_config"] = {"input_shape": described}
    return description


# ------------------------------------------------------------------------------------- Sequential


def sequential_config(model: Sequential) -> dict[str, Any]:
    """What `Sequential.get_config` returns."""
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


def sequential_from_config(cls: type[Sequential], config: dict[str, Any]) -> Sequential:
    """What `Sequential.from_config` returns."""
    entries = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(entries, list):
        raise ValueError("expected a configuration with a list of 'layers'")
    model = cls(name=config.get("name"))
    with sharing.reading(config) as shared:
        for entry in entries:
            model.add(layer_from_config(entry, shared))
    if not model.built and config.get("build_input_shape") is not None:
        model.build(config["build_input_shape"])
    model.say_trainable(config.get("trainable", True))
    return model


# ------------------------------------------------------------------------------------- Functional


def functional_config(model: Model) -> dict[str, Any]:
    """What `Model.get_config` returns."""
    with sharing.writing(model) as shared:
        return _functional_config(model, shared)


def _functional_config(model: Model, shared: sharing.Writing) -> dict[str, Any]:
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
    """Whether `layer` is what Keras calls a `Functional`, or of a class made from it."""
    return isinstance(layer, Model) and not isinstance(layer, Sequential)


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


def functional_from_config(config: dict[str, Any], cls: type[Model] = Model) -> Model:
    """What `from_config` of `cls` returns: a plain `Model` if its constructor is a user's own."""
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
    # A call can be made when the calls are that it depends on. The layers stand in an order in
    # which that nearly always needs one round.
    while any(waiting.values()):
        progress = False
        for name, calls in waiting.items():
            layer = users[name].layer
            while calls and (argument := tensors.argument(calls[0], layer)) is not None:
                users[name].call(argument)
                del calls[0]
                progress = True
        if not progress:
            stuck = [name for name, calls in waiting.items() if calls]
            raise ValueError(f"the calls of {stuck} depend on calls that do not exist")
    inputs, outputs = (tensors.ends(end) for end in ends)
    made = cls if is_builtin(definer(cls, "__init__")) else Model
    model = made(inputs, outputs, name=config.get("name"))
    model.say_trainable(config.get("trainable", True))
    return model


class _User:
    """A layer as one model uses it: histories number its calls in this model from `first` on."""

    def __init__(self, layer: Layer, first: int):
        self.layer = layer
        begins = isinstance(layer, InputLayer)  # whose one call belongs to all models
        self.calls: list[Call] = layer.calls[:1] if begins else []
        self.first = 0 if begins else first

    def call(self, argument: Any) -> None:
        self.layer(argument)
        self.calls.append(self.layer.calls[-1])


class _Tensors:
    """Finds tensors by their histories among the calls that have been made."""

    def __init__(self, users: dict[str, _User]):
        self._users = users

    def find(self, history: Any, offset: int = 0) -> SymbolicTensor | None:
        """The tensor with this history, None if its call has not been made; ValueError if there
        can be no such tensor."""
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

    def argument(self, call: Any, layer: Layer) -> Any:
        """What `layer` is called on, None if some of it does not exist yet."""
        call = call if isinstance(call, dict) else {}
        args, options = call.get("args"), call.get("kwargs") or {}
        if not isinstance(args, list) or len(args) != 1 or not isinstance(options, dict):
            raise ValueError(
                f"expected the call of a layer on its inputs alone, received {str(call)[:200]}"
            )
        for option, value in options.items():
            if not _says_nothing(layer, option, value):
                raise ValueError(
                    f"layer {layer.name!r} must be called on its inputs alone, "
                    f"received {option}={str(value)[:100]} as well"
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
        config = description.get("config")
        return self.find(config.get("keras_history") if isinstance(config, dict) else None)

    def ends(self, described: Any) -> Any:
        """The inputs or outputs of the model, in the form in which they are described."""
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


def _says_nothing(layer: Layer, option: str, value: Any) -> bool:
    """Whether a keyword argument of a call of `layer` leaves everything as it is.

    Masks do if they are None. Files of Keras tell `training` for the layers that have it, also if
    nobody has said anything; and whatever they tell, `fit` and `predict` of the whole model decide.
    """
    if option == "training":
        return value is None or value is False or (value is True and layer.training_by_default)
    if isinstance(value, dict):
        return all(_says_nothing(layer, k, v) for k, v in value.items())
    if isinstance(value, list):
        return all(_says_nothing(layer, "", each) for each in value)
    return value is None

"""Converts descriptions of models by Keras 2 to the format of Keras 3.

    a Sequential           a list of layers (up to 2.2), or a dict with "layers"
    a layer                class name without a module; `batch_input_shape` for the first one
    a call                 [["conv2d", 0, 0, {}], ...]: layer, call, output and keyword arguments
    an initializer ...     {"class_name": "Zeros", "config": {}}, also without a module
    an optimizer           `lr`, `decay`; names of classes such as "Custom>Adam"
    a metric               "MeanMetricWrapper" of a function given by name

All functions convert plain data to plain data, one entry at a time. Entries in Keras 3's format
remain unchanged, and so do invalid entries: the reader of Keras 3's format reports these.

Raises ValueError for an entry that Keras 3 computes differently, so that results never change
silently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.common.naming import snake_case

_MODELS = ("Sequential", "Functional", "Model")
_TENSOR = "__keras_tensor__"

# Layers with another name in TensorFlow 1.
_LAYERS = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
}

# Renamed arguments, by class.
_RENAMED = {
    "LeakyReLU": {"alpha": "negative_slope"},
    "InputLayer": {"batch_input_shape": "batch_shape"},
}

# Removed arguments, by class, with the values that had no effect.
_ANY = object()
_KERNEL = {f"kernel_{what}": (_ANY,) for what in ("initializer", "regularizer", "constraint")}
_WITHOUT_EFFECT: dict[str, dict[str, tuple[Any, ...]]] = {
    "BatchNormalization": {
        "fused": (_ANY,),
        "virtual_batch_size": (None,),
        "adjustment": (None,),
    },
    "Conv1DTranspose": {"groups": (1,)},
    "Conv2DTranspose": {"groups": (1,)},
    "DepthwiseConv1D": {"groups": (1,), **_KERNEL},
    "DepthwiseConv2D": {"groups": (1,), **_KERNEL},
    "SeparableConv1D": {"groups": (1,), **_KERNEL},
    "SeparableConv2D": {"groups": (1,), **_KERNEL},
    "RandomFlip": {"rng_type": (_ANY,)},  # the random generator, which differs between libraries
    "RandomRotation": {"rng_type": (_ANY,)},
    "RandomTranslation": {"rng_type": (_ANY,)},
    "RandomZoom": {"rng_type": (_ANY,)},
    "RandomCrop": {"rng_type": (_ANY,)},
    "SpatialDropout1D": {"noise_shape": (None,)},
    "SpatialDropout2D": {"noise_shape": (None,), "data_format": (None,)},
}
_ROLES = {"initializer": "initializers", "regularizer": "regularizers", "constraint": "constraints"}


def upgraded_model(description: Any, version: str | None) -> Any:
    """Return the description of a model, or of a layer within one, in Keras 3's format.

    `version` is that of the Keras that wrote it, None if unknown.
    """
    if version is None and isinstance(description, dict) and "module" in description:
        return description  # Keras 2 always writes its version in the JSON of a model
    return _upgraded(description, version)


def _upgraded(description: Any, version: str | None) -> Any:
    if not isinstance(description, dict) or not _of_keras(description):
        return description
    name, config = description.get("class_name"), description.get("config")
    if name not in _MODELS:
        return _upgraded_layer(description, version)
    if isinstance(config, list):
        config = {"name": None, "layers": config}
    if isinstance(config, dict) and isinstance(config.get("layers"), list):
        config = {**config, "layers": [_upgraded(each, version) for each in config["layers"]]}
        if name != "Sequential":
            config = _upgraded_calls(config)
    names = {"module": "keras", "registered_name": None}
    return _renamed(description) | names | {"config": config}


def _of_keras(description: dict[str, Any]) -> bool:
    """Return whether the class is not a registered custom class: 2.12 and later write modules."""
    module = description.get("module")
    return module is None or (isinstance(module, str) and module.split(".")[0] == "keras")


def output_names(description: Any) -> list[str]:
    """Return the names of the output layers of a converted model."""
    config = description.get("config") if isinstance(description, dict) else None
    ends = config.get("output_layers") if isinstance(config, dict) else None
    return [name for name, _, _ in _histories(ends)]


# ----------------------------------------------------------------------------------------- layers


def _upgraded_layer(description: dict[str, Any], version: str | None) -> dict[str, Any]:
    name, config = description.get("class_name"), description.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        return description
    name = _LAYERS.get(name, name)
    config = {key: _plain(value) for key, value in config.items() if key != "input_dtype"}
    for old, new in _RENAMED.get(name, {}).items():
        if old in config:
            config[new] = config.pop(old)
    for argument, values in _WITHOUT_EFFECT.get(name, {}).items():
        if argument in config and any(v is _ANY or v == config[argument] for v in values):
            del config[argument]
    shape = config.pop("batch_input_shape", None)
    if isinstance(shape, list):
        config["input_shape"] = shape[1:]
    shape = config.get("batch_shape")
    if isinstance(shape, list):  # fastconv's models take batches of any size
        config["batch_shape"] = [None, *shape[1:]]
    if isinstance(config.get("name"), str):
        config["name"] = without_slash(config["name"])
    if name == "BatchNormalization" and isinstance(config.get("axis"), list):
        (config["axis"],) = config["axis"] if len(config["axis"]) == 1 else (config["axis"],)
    for key, value in config.items():
        kind = _ROLES.get(key.rpartition("_")[2])
        if kind is not None:
            config[key] = _with_module(value, kind)
    if isinstance(config.get("activation"), dict) and _of_keras(config["activation"]):
        config["activation"] = _upgraded_layer(config["activation"], version)
    _check_activation(config, version)
    names = {"class_name": name} if "module" in description else _named(name, "layers")
    return _renamed(description) | names | {"config": config}


def _check_activation(config: dict[str, Any], version: str | None) -> None:
    """Raise ValueError for an activation whose formula differs in Keras 3."""
    old = not isinstance(version, str) or version.startswith(("1.", "2."))
    if old and config.get("activation") == "hard_sigmoid":
        raise ValueError(
            f"layer {config.get('name')!r} has the activation 'hard_sigmoid', which Keras "
            f"{version or 2} computes as clip(0.2 x + 0.5, 0, 1), and later versions and "
            "fastconv as clip(x / 6 + 0.5, 0, 1)"
        )


def _plain(value: Any) -> Any:
    """Return a NumPy number in Keras 2's format, {"type": "ndarray", "value": 0.3}, as a number."""
    if isinstance(value, dict) and value.keys() == {"type", "value"}:
        return value["value"]
    return value


def without_slash(name: str) -> str:
    """Return the name of a layer without slashes, which are not allowed."""
    return name.replace("/", "_")


def _renamed(description: dict[str, Any]) -> dict[str, Any]:
    name = description.get("name")
    return description | {"name": without_slash(name)} if isinstance(name, str) else description


def _named(name: str, kind: str) -> dict[str, Any]:
    """Return module and names of a class; "package>name" is a registered custom class."""
    registered = name if ">" in name else None
    return {
        "module": f"keras.{kind}",
        "class_name": name.rpartition(">")[2],
        "registered_name": registered,
    }


def _with_module(value: Any, kind: str) -> Any:
    """Return an initializer, regularizer or constraint with its module."""
    if not isinstance(value, dict) or "module" in value or "class_name" not in value:
        return value
    name, config = value["class_name"], value.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        return value
    if kind == "initializers":  # TensorFlow 1 wrote entries without effect on the values
        dropped = {"dtype": (_ANY,), "verify_shape": (False,)}
        config = {k: v for k, v in config.items() if k not in dropped}
    return value | _named(name, kind) | {"config": config}


# ------------------------------------------------------------------------------------------ calls


def _upgraded_calls(config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a functional model, with its calls in Keras 3's format."""
    layers = config["layers"]
    models = {
        layer.get("name"): layer["class_name"]
        for layer in layers
        if isinstance(layer, dict) and layer.get("class_name") in _MODELS
    }
    ends = [config.get("input_layers"), config.get("output_layers")]
    if not any(isinstance(node, list) for each in layers for node in _inbound(each)):
        return config | {  # calls in Keras 3's format, or none
            key: _mapped(end, lambda name, call, index: [without_slash(name), call, index])
            for key, end in zip(("input_layers", "output_layers"), ends, strict=True)
            if key in config
        }
    # Keras 2 counts the creation of an inner model as its first call, except for a Sequential that
    # was built by a call. Some output of every model's first actual call is used.
    used = [_histories(node) for each in layers for node in _inbound(each)]
    used += [_histories(end) for end in ends]
    first: dict[str, int] = {}
    for name, call, _ in (history for histories in used for history in histories):
        first[name] = min(call, first.get(name, call))

    def history(name: str, call: int, index: int) -> list[Any]:
        skipped = min(first.get(without_slash(name), 0), 1) if name in models else 0
        return [without_slash(name), call - skipped, index]

    def end(name: str, call: int, index: int) -> list[Any]:
        name, call, index = history(name, call, index)
        return [name, call + (models.get(name) in ("Functional", "Model")), index]

    return config | {
        "layers": [
            each | {"inbound_nodes": [_upgraded_call(node, history) for node in _inbound(each)]}
            if isinstance(each, dict)
            else each
            for each in layers
        ],
        "input_layers": _mapped(ends[0], end),
        "output_layers": _mapped(ends[1], end),
    }


def _inbound(layer: Any) -> list[Any]:
    nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
    return nodes if isinstance(nodes, list) else []


def _is_history(value: Any) -> bool:
    """Return whether `value` is [layer, call, output], optionally with keyword arguments."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(type(number) is int for number in value[1:3])
    )


def _histories(value: Any) -> list[tuple[str, int, int]]:
    """Return all histories in nested lists and dicts."""
    if _is_history(value):
        return [(without_slash(value[0]), value[1], value[2])]
    parts = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (list, dict)):
        return []
    return [history for part in parts for history in _histories(part)]


def _mapped(value: Any, function: Callable[[str, int, int], Any]) -> Any:
    """Return `value` with every history replaced by `function` of it."""
    if _is_history(value):
        return function(*value[:3])
    if isinstance(value, list):
        return [_mapped(each, function) for each in value]
    if isinstance(value, dict):
        return {key: _mapped(each, function) for key, each in value.items()}
    return value


def _upgraded_call(node: Any, history: Callable[[str, int, int], list[Any]]) -> Any:
    if not isinstance(node, (list, dict)) or not _histories(node) or _is_call(node):
        return node

    def tensor(*place: Any) -> dict[str, Any]:
        return {"class_name": _TENSOR, "config": {"keras_history": history(*place)}}

    options: dict[str, Any] = {}
    for each in node.values() if isinstance(node, dict) else node:
        if _is_history(each) and len(each) == 4 and isinstance(each[3], dict):
            options |= each[3]
    argument = _mapped(node, tensor)
    if isinstance(argument, list) and len(argument) == 1:
        (argument,) = argument
    return {"args": [argument], "kwargs": options}


def _is_call(node: Any) -> bool:
    return isinstance(node, dict) and "args" in node


# --------------------------------------------------------------------------------------- training

_LOSSES = {
    "cosine_proximity": "cosine_similarity",
    "huber_loss": "huber",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
}
_WRAPPERS = ("MeanMetricWrapper", "SumOverBatchSizeMetricWrapper")
# Arguments that only affect how the update runs, not its result.
_OPTIMIZER_WITHOUT_EFFECT = ("is_legacy_optimizer", "jit_compile")


def upgraded_training(training: dict[str, Any], outputs: list[str]) -> dict[str, Any]:
    """Return the arguments of `compile` in the format of `compile_from_config`.

    `outputs` are the names of the outputs, with which Keras 2 prefixed the names of metrics.
    """
    config = dict(training)
    if config.get("sample_weight_mode") in (None, []):
        config.pop("sample_weight_mode", None)
    config["optimizer"] = _upgraded_optimizer(config.pop("optimizer_config", None))
    config["loss"] = _each(_upgraded_loss, config.get("loss"))
    for key in ("metrics", "weighted_metrics"):
        given = _each(_upgraded_metric, config.get(key))
        if len(outputs) > 1 and isinstance(given, list) and len(given) == len(outputs):
            given = [_without_prefix(e, f"{o}_") for e, o in zip(given, outputs, strict=True)]
        config[key] = given
    return config


def _each(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply `function` to the leaves of nested lists and dicts, which include descriptions."""
    if isinstance(value, list):
        return [_each(function, each) for each in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _each(function, each) for key, each in value.items()}
    return function(value)


def _is_old_object(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and "module" not in value
        and isinstance(value.get("class_name"), str)
        and isinstance(value.get("config"), dict)
    )


def _upgraded_loss(loss: Any) -> Any:
    if isinstance(loss, str):
        return _LOSSES.get(loss, loss)
    if not _is_old_object(loss):
        return loss
    config = {key: value for key, value in loss["config"].items() if key != "fn"}
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    return loss | _named(loss["class_name"], "losses") | {"config": config}


def _upgraded_metric(metric: Any) -> Any:
    if isinstance(metric, str):
        return _LOSSES.get(metric, metric)
    if not _is_old_object(metric):
        return metric
    name, config = metric["class_name"], metric["config"]
    function = config.get("fn")
    if isinstance(function, str):
        known = _metric_of(_LOSSES.get(function, function))
        if name not in _WRAPPERS or known is not None:
            config = {key: value for key, value in config.items() if key != "fn"}
        name = known if name in _WRAPPERS and known is not None else name
        name = "MeanMetricWrapper" if name in _WRAPPERS else name  # of a user's function
    return metric | _named(name, "metrics") | {"config": config}


def _metric_of(function: str) -> str | None:
    """Return the class of the metric that is the mean of a function given by name."""
    from fastconv import metrics

    return next((name for name in metrics.CLASSES if snake_case(name) == function), None)


def _without_prefix(metrics: Any, prefix: str) -> Any:
    def shortened(metric: Any) -> Any:
        if not isinstance(metric, dict) or not isinstance(metric.get("config"), dict):
            return metric
        name = metric["config"].get("name")
        if not isinstance(name, str) or not name.startswith(prefix):
            return metric
        return metric | {"config": metric["config"] | {"name": name.removeprefix(prefix)}}

    return _each(shortened, metrics)


def _upgraded_optimizer(optimizer: Any) -> Any:
    if not _is_old_object(optimizer):
        return optimizer
    name = optimizer["class_name"].removeprefix("Custom>")
    old = optimizer["config"]
    config = {key: value for key, value in old.items() if key not in _OPTIMIZER_WITHOUT_EFFECT}
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    if "epsilon" in config and config["epsilon"] is None:
        del config["epsilon"]
    if name == "Nadam" and ("decay" in config or "schedule_decay" in config):
        raise ValueError(
            "Nadam of Keras before 2.11 has another schedule of the momentum than later versions "
            "and fastconv; load the model with compile=False"
        )
    decay = config.pop("decay", 0.0)
    if decay:  # learning_rate / (1 + decay * step)
        rate = {"initial_learning_rate": config.get("learning_rate"), "decay_rate": decay}
        config["learning_rate"] = {
            **_named("InverseTimeDecay", "optimizers.schedules"),
            "config": {**rate, "decay_steps": 1, "name": None},
        }
    elif _is_old_object(config.get("learning_rate")):
        schedule = config["learning_rate"]
        config["learning_rate"] = schedule | _named(schedule["class_name"], "optimizers.schedules")
    if name == "Adagrad":
        config.setdefault("initial_accumulator_value", 0.0)
    return optimizer | _named(name, "optimizers") | {"config": config}

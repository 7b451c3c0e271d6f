"""`clone_model`: the same network with new layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.common.keywords import explain_keywords
from fastconv.common.tree import flatten, mapped
from fastconv.layers import Input, InputLayer, Layer
from fastconv.layers.function import FunctionLayer
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models.model import Model
from fastconv.models.sequential import Sequential
from fastconv.serialization import custom_classes, named_objects


@explain_keywords
def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Model:
    """Return a model with the same layers and new weights, compiled as `model` is.

    A layer that occurs several times in `model` is one layer in the clone, too.

    Args:
        model: any model; with other arguments, one that is built.
        input_tensors: what the clone begins with, in the form of `model.input`; None for new
            inputs. The clone of a `Sequential` takes the result of `Input` only.
        clone_function: function of a layer that returns the layer of the clone, a new one or the
            same; None for an equal layer. It is not called for inputs and functions of
            `fastconv.ops`.
        call_function: `f(layer, *arguments, **keywords)`, called instead of the layers of the
            clone; not for a `Sequential`.
        recursive: whether to apply `clone_function` to the layers of inner models instead of to
            the models.

    Raises:
        TypeError: `model` is not a model, a function cannot be called, or `clone_function` does not
            return a layer.
        ValueError: tensors of another number, or a model that is not built.

    >>> from fastconv import layers, models
    >>> model = models.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dropout(0.5)])
    >>> def without_dropout(layer):
    ...     if isinstance(layer, layers.Dropout):
    ...         return layers.Activation("linear")
    ...     return type(layer).from_config(layer.get_config())
    >>> clone = models.clone_model(model, clone_function=without_dropout)
    >>> [type(layer).__name__ for layer in clone.layers]
    ['Dense', 'Activation']
    """
    if not isinstance(model, Model):
        raise TypeError(f"`model` must be a model, received {model!r}")
    for name, function in (("clone_function", clone_function), ("call_function", call_function)):
        if function is not None and not callable(function):
            raise TypeError(f"`{name}` must be a function, received {function!r}")
    clone = _clone(model, input_tensors, clone_function, call_function, recursive)
    with named_objects() as own:
        given = model.get_compile_config()
    if given is not None:
        with custom_classes(own):
            clone.compile_from_config(given)
    return clone


def _clone(
    model: Model, input_tensors: Any, clone_function: Any, call_function: Any, recursive: bool
) -> Model:
    if input_tensors is None and clone_function is None and call_function is None and not recursive:
        with named_objects() as own:
            config = model.get_config()
        with custom_classes(own):
            return type(model).from_config(config)
    if call_function is not None and model.is_chain:
        raise ValueError("`call_function` must be None for a Sequential, which has no calls")
    if not model.built:
        raise ValueError(f"{model.name!r} must be built to be cloned with these arguments")
    layer_of = _Layers(clone_function or _equal, call_function, recursive)
    inputs = _inputs(model, input_tensors)
    if model.is_chain:
        (start,) = inputs
        if not isinstance(start.call.layer, InputLayer):
            raise ValueError(f"`input_tensors` must be the result of Input, received {start!r}")
        return Sequential([start, *map(layer_of, model.layers)], name=model.name)
    of = dict(zip(model.inputs, inputs, strict=True))

    def replaced(value: Any) -> Any:
        return of[value] if isinstance(value, SymbolicTensor) else value

    for call in model.network.calls:
        if call.outputs[0] in of:
            continue
        layer = layer_of(call.layer)
        argument, keywords = mapped(replaced, call.argument), mapped(replaced, call.keywords)
        if call_function is None or isinstance(layer, FunctionLayer):
            outputs = layer(argument, **keywords)
        else:
            outputs = call_function(layer, argument, **keywords)
        of.update(zip(call.outputs, flatten(outputs), strict=True))
    return Model(mapped(replaced, model.input), mapped(replaced, model.output), name=model.name)


class _Layers:
    """The layers of the clone by those of the model."""

    def __init__(self, clone_function: Any, call_function: Any, recursive: bool):
        self._clone, self._call, self._recursive = clone_function, call_function, recursive
        self._of: dict[Layer, Layer] = {}

    def __call__(self, layer: Layer) -> Layer:
        if layer not in self._of:
            if isinstance(layer, FunctionLayer):
                new: Any = layer.again()
            elif self._recursive and isinstance(layer, Model):
                call = None if layer.is_chain else self._call
                new = clone_model(layer, None, self._clone, call, True)
            else:
                new = self._clone(layer)
            if not isinstance(new, Layer):
                raise TypeError(f"`clone_function` must return a layer, received {new!r}")
            self._of[layer] = new
        return self._of[layer]


def _equal(layer: Layer) -> Layer:
    if isinstance(layer, Model):
        return clone_model(layer)
    return type(layer).from_config(layer.get_config())


def _inputs(model: Model, tensors: Any) -> list[SymbolicTensor]:
    """Return one tensor for every input of `model`."""
    if tensors is None:
        return [Input(tensor.shape[1:], name=tensor.name) for tensor in model.inputs]
    inputs = flatten(tensors)
    if len(inputs) != len(model.inputs) or not all(isinstance(t, SymbolicTensor) for t in inputs):
        raise ValueError(
            f"`input_tensors` must be {len(model.inputs)} symbolic tensors, received {tensors!r}"
        )
    return inputs

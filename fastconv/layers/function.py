"""Functions of `fastconv.ops` on symbolic tensors: each call is a layer without weights.

    y = ops.sum(x * 2, axis=1)      layers `multiply` and `sum` of a model

Such a layer is called once, on the operands that are tensors. All other arguments belong to it: the
settings (`axis`), and the operands that are numbers, arrays or weights. In Keras's files a call has
the operands as its arguments, and the settings are the configuration.

A composite function is the graph of the functions that it calls; in the model it is one layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from fastconv.layers.base import Layer
from fastconv.layers.native import native_operations
from fastconv.layers.symbolic import Call, SymbolicTensor, placeholders
from fastconv.ops._function import FUNCTIONS, Function, Spec, as_array, find_symbolic, infer
from fastconv.parameters import Variable
from fastconv.plan import operations
from fastconv.plan.chain import Builder
from fastconv.plan.functions import Elementwise, FunctionCall, Slot, shape_of
from fastconv.plan.graph import Graph
from fastconv.shapes import Shape

_numbers = count()

# The calls of functions within the composite function that is being traced.
_inner: ContextVar[list[Call] | None] = ContextVar("_inner", default=None)


class FunctionLayer(Layer):
    """One call of a function.

    Args:
        function: of `fastconv.ops`.
        settings: its arguments that are not operands, by name.
        name: by default derived from the class in Keras's files.
    """

    merges = True

    def __init__(self, function: Function, settings: dict[str, Any], name: str | None = None):
        self.function = function  # before the name, which is that of the function's class
        super().__init__(name=name)
        self.options = settings
        self.given: Any = None  # the arguments of the call, `Slot`s for tensors

    @property
    def class_name(self) -> str:
        return self.function.class_name

    registered_name = class_name

    @property
    def module(self) -> str:
        return self.function.module

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **{n: _plain(v) for n, v in self.options.items()}}

    def operations(self, input_shape: Any) -> list[Any]:
        raise TypeError("a function is traced: see apply_to")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shapes of the results for inputs of the dtypes of the first call."""
        specs = self._specs_of(self._first_call("shape"), input_shape)
        return [s.shape for s in specs] if isinstance(specs, list) else specs.shape

    def output_shapes(self, call: Call, shapes: Sequence[Shape]) -> list[Shape]:
        """Return the shapes of the outputs of `call` for inputs of other shapes."""
        specs = self._specs_of(call, shapes)
        return [each.shape for each in (specs if isinstance(specs, list) else [specs])]

    def again(self) -> FunctionLayer:
        """Return a layer of the same function, with the same constants."""
        layer = FunctionLayer(self.function, self.options, self.name)
        layer.given = self.given
        return layer

    # Calls ----------------------------------------------------------------------------------------

    def call_with(self, given: dict[str, Any]) -> Any:
        """Call the layer with the operands and keys of the function, by name; return the outputs.

        A second call must have the same constants: they belong to the layer.
        """
        tensors: list[SymbolicTensor] = []

        def slot(value: Any) -> Any:
            if isinstance(value, SymbolicTensor):
                if value not in tensors:
                    tensors.append(value)
                return Slot(tensors.index(value))
            return _constant(value, self.function)

        self.given = self.function.mapped(slot, given)
        return self(tensors)

    def __call__(self, inputs: Any) -> Any:
        if self.given is None:
            raise ValueError(f"layer {self.name!r} must be called by its function")
        specs = self._specs([Spec(t.shape, np.dtype(t.dtype)) for t in inputs])
        several = isinstance(specs, list)
        listed = specs if several else [specs]
        self._input_shape = [tensor.shape for tensor in inputs]
        call = Call(
            self, list(inputs), inputs, [s.shape for s in listed], dtypes=[s.dtype for s in listed]
        )
        inner = _inner.get()
        if inner is not None:
            inner.append(call)
        return call.outputs if several else call.outputs[0]

    def _arguments(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return all arguments with one of `values` for every tensor."""

        def fill(value: Any) -> Any:
            return values[value.number] if isinstance(value, Slot) else value

        given = self.function.mapped(fill, self.given)
        return {n: given[n] if n in given else self.options[n] for n in self._names}

    @property
    def _names(self) -> list[str]:
        known = (*self.function.called, *self.function.settings)
        return [name for name in self.function.parameters if name in known]

    def _specs(self, inputs: list[Spec]) -> Any:
        if not self.function.composite:
            return infer(self.function, self._arguments(inputs))
        outputs = self._traced(inputs)[2]
        specs = [Spec(tensor.shape, np.dtype(tensor.dtype)) for tensor in outputs]
        return specs if self._is_several else specs[0]

    # Operations -----------------------------------------------------------------------------------

    def apply_to(
        self,
        graph: Graph,
        call: Call,
        values: Sequence[int],
        turn: tuple[int, ...] = (),
        training: bool | None = None,
    ) -> list[int]:
        """Add the function to `graph`, on one value per input of `call`; return one per output.

        Functions do not depend on `turn` and `training`.
        """
        if self.function.composite:
            inputs = [Spec(t.shape, np.dtype(t.dtype)) for t in call.inputs]
            begins, calls, outputs = self._traced(inputs)
            of = dict(zip(begins, values, strict=True))
            for inner in calls:
                arguments = [of[tensor] for tensor in inner.inputs]
                results = inner.layer.apply_to(graph, inner, arguments)
                of.update(zip(inner.outputs, results, strict=True))
            return [of[tensor] for tensor in outputs]
        arguments = self._arguments([Slot(n) for n in range(len(values))])
        if len(call.outputs) > 1 or isinstance(self._specs_of(call), list):
            return [
                graph.apply(
                    native_operations(self.function, call, self.options, index)
                    or [FunctionCall(self.function, arguments, index)],
                    *values,
                )
                for index in range(len(call.outputs))
            ]
        found = native_operations(self.function, call, self.options) or [
            self._elementwise(call, arguments) or FunctionCall(self.function, arguments)
        ]
        return [graph.apply(found, *values)]

    def _specs_of(self, call: Call, shapes: Sequence[Shape] | None = None) -> Any:
        """Return the results of `call`, for inputs of its own or of other `shapes`."""
        shapes = [tensor.shape for tensor in call.inputs] if shapes is None else shapes
        dtypes = [np.dtype(tensor.dtype) for tensor in call.inputs]
        return self._specs([Spec(tuple(s), d) for s, d in zip(shapes, dtypes, strict=True)])

    def _elementwise(self, call: Call, arguments: dict[str, Any]) -> Any:
        """Return the operation of an element-wise function; None if its dtypes are not those of
        chains: float32 and bool, and int32 operands for float32 results."""
        function, (output,) = self.function, call.outputs
        dtypes = {str(tensor.dtype) for tensor in call.inputs}
        allowed = {"float32", "bool"} | ({"int32"} if output.dtype == "float32" else set())
        if output.dtype not in ("float32", "bool") or not dtypes <= allowed:
            return None
        operands = [arguments[name] for name in function.operands]
        if function.name == "cast":
            define = _cast_to_bool if output.dtype == "bool" else _copied
        elif function.chain is not None:
            define = partial(function.chain, **{n: self.options[n] for n in function.settings})
        else:
            return None
        builder = Builder(sum(not isinstance(o, (int, float)) for o in operands))
        terms = iter(builder.inputs)
        numbers = (int, float)
        result = define(
            *(builder.constant(o) if isinstance(o, numbers) else next(terms) for o in operands)
        )
        if result.number < len(builder.inputs):  # as of x * 1: the chain must write its output
            result = result.apply("copy")
        chain = builder.chain([result])
        operands = tuple(o for o in operands if not isinstance(o, (int, float)))
        shapes = tuple(
            call.inputs[o.number].shape if isinstance(o, Slot) else shape_of(o) for o in operands
        )
        (only, *others) = chain.instructions or (None,)
        if not others and only is not None and only.name == "activation" and dtypes == {"float32"}:
            return operations.Activation(only.activation, *only.parameters)
        return Elementwise(chain, operands, shapes, output.shape, output.dtype == "bool")

    # Composite functions --------------------------------------------------------------------------

    def _traced(self, inputs: list[Spec]) -> tuple[list, list[Call], list]:
        """Return (inputs, calls, outputs) of the functions that a composite function calls."""
        known = vars(self).get("_trace")
        if known is not None and known[0] == inputs:
            return known[1]
        begins = placeholders([s.shape for s in inputs], [s.dtype for s in inputs])
        with _tracing() as calls:
            arguments = self.function.mapped(as_operand, self._arguments(begins))
            result = self.function.call(arguments)
        self._is_several = isinstance(result, (list, tuple))
        outputs = list(result) if self._is_several else [result]
        self._trace = inputs, (begins, calls, outputs)
        return self._trace[1]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in super().__getstate__().items() if k != "_trace"}

    # Files ----------------------------------------------------------------------------------------

    def describe_call(self, described: Callable[[int], Any]) -> dict[str, Any]:
        """Return the arguments of the call as files have them; `described` is an input in them."""

        def value(operand: Any) -> Any:
            if isinstance(operand, Slot):
                return described(operand.number)
            if isinstance(operand, Variable):
                raise ValueError(
                    f"layer {self.name!r} computes with the weight {operand.path} of another "
                    "layer, which no file can hold"
                )
            return _encoded(operand)

        given = self.function.mapped(value, self.given)
        args: list[Any] = []
        for name in self.function.called:
            if name in self.function.operands:
                args += given[name] if name == self.function.variadic else [given[name]]
            else:
                args.append(_encoded(given[name]))
        return {"args": args, "kwargs": {}}

    def read_call(self, description: Any, find: Callable[[Any], SymbolicTensor | None]) -> Any:
        """Return the arguments of a call, None if a tensor of them does not exist yet.

        `find` returns the tensor of a description. Raises ValueError for a malformed call.
        """
        try:
            args, kwargs = description["args"], description.get("kwargs") or {}
            variadic = self.function.variadic
            names = [name for name in self.function.called if name != variadic]
            named = dict(zip(names, args, strict=False)) | kwargs
            if variadic:
                named = {variadic: list(args)}
            unknown = [n for n in named if n not in self.function.called]
            if unknown or (len(args) > len(names) and not variadic):
                raise ValueError(f"expected arguments among {self.function.called}")
            for name in self.function.called:
                if name not in named:
                    named[name] = self.function.defaults[name]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"expected a call of {self.function.name!r}, received {str(description)[:200]}"
            ) from error
        missing = False

        def value(encoded: Any) -> Any:
            nonlocal missing
            if isinstance(encoded, dict) and encoded.get("class_name") == "__keras_tensor__":
                tensor = find(encoded)
                missing = missing or tensor is None
                return tensor
            return _decoded(encoded)

        given = {
            name: [value(each) for each in argument] if name in self.function.lists
            else value(argument)
            for name, argument in named.items()
        }  # fmt: skip
        return None if missing else given


def as_operand(value: Any) -> Any:
    """Return a constant operand of a composite function as an array, a tensor as it is."""
    return value if isinstance(value, SymbolicTensor) else as_array(value)


@contextmanager
def _tracing():
    calls: list[Call] = []
    token = _inner.set(calls)
    try:
        yield calls
    finally:
        _inner.reset(token)


def apply_function(function: Function, values: dict[str, Any]) -> Any:
    """Call `function` on symbolic tensors: add a layer to the graph, and return its outputs."""
    settings = {name: values[name] for name in function.settings}
    rest = [*settings.values(), *(values[name] for name in function.keys)]
    if find_symbolic(value for value in rest if not isinstance(value, Variable)) is not None:
        raise TypeError(
            f"{function.name}: only {', '.join(function.operands)} may be symbolic tensors"
        )
    inside = _inner.get() is not None
    name = f"{function.name}_inside_{next(_numbers)}" if inside else None
    layer = FunctionLayer(function, settings, name)
    return layer.call_with({name: values[name] for name in function.called})


SymbolicTensor._apply_function = staticmethod(apply_function)


def function_layer(description: dict[str, Any]) -> FunctionLayer | None:
    """Return the layer of a description in Keras's format; None if it is not one of a function.

    Raises ValueError for an unknown function and unknown settings.
    """
    module, class_name = description.get("module"), description.get("class_name")
    config = description.get("config")
    if not isinstance(module, str) or not module.startswith("keras.src.ops."):
        return None
    function = FUNCTIONS.get((module, class_name)) if isinstance(class_name, str) else None
    if function is None or module == "keras.src.ops.fastconv" or not isinstance(config, dict):
        raise ValueError(f"{module[:100]}.{str(class_name)[:100]} is not a supported function")
    config = {name: _decoded(value) for name, value in config.items()}
    name = config.pop("name", None)
    if "dtype" not in function.settings:
        config.pop("dtype", None)
    unknown = [key for key in config if key not in function.settings]
    missing = [n for n in function.settings if n not in config and n not in function.defaults]
    if unknown or missing:
        raise ValueError(
            f"the configuration of {class_name} must have {list(function.settings)}, received "
            f"{list(config)[:20]}"
        )
    settings = {n: config.get(n, function.defaults.get(n)) for n in function.settings}
    return FunctionLayer(function, settings, name)


# --------------------------------------------------------------------------------------- operations


def _copied(x: Any) -> Any:
    return x.apply("copy")


def _cast_to_bool(x: Any) -> Any:
    return x.apply("not_equal", 0.0)


# ---------------------------------------------------------------------------------------- constants


def _constant(value: Any, function: Function) -> Any:
    """Return an operand that is not a tensor as a number, an array or a weight."""
    if isinstance(value, (bool, int, float, Variable)) or value is None:
        return value
    array = as_array(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{function.name} takes tensors, arrays and numbers, received {type(value).__name__}"
        )
    array = np.ascontiguousarray(array).copy()
    array.flags.writeable = False
    return array


def _plain(value: Any) -> Any:
    """Return a setting as plain data."""
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (np.dtype, type)):
        return np.dtype(value).name
    return value


def _encoded(value: Any) -> Any:
    """Return a constant of a call as Keras's files have it."""
    if isinstance(value, slice):
        parts = {name: _plain(getattr(value, name)) for name in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, np.ndarray):
        config = {"value": value.tolist(), "dtype": value.dtype.name}
        return {"class_name": "__numpy__", "config": config}
    if isinstance(value, (list, tuple)):
        return [_encoded(each) for each in value]
    return _plain(value)


def _decoded(value: Any) -> Any:
    """Return what `_encoded` describes; a list is a tuple. ValueError for anything else."""
    if isinstance(value, list):
        return tuple(_decoded(each) for each in value)
    if not isinstance(value, dict):
        return value
    kind, config = value.get("class_name"), value.get("config")
    if kind == "__ellipsis__":
        return Ellipsis
    if kind == "__slice__" and isinstance(config, dict):
        parts = [config.get(name) for name in ("start", "stop", "step")]
        if all(part is None or type(part) is int for part in parts):
            return slice(*parts)
    if kind in ("__numpy__", "__tensor__") and isinstance(config, dict):
        dtype = np.dtype(str(config.get("dtype")))
        if dtype.kind in "fiub":
            return np.array(config.get("value"), dtype)
    raise ValueError(f"expected a number, a slice or an array, received {str(value)[:200]}")

"""The `call` of a user's layer, traced once on symbolic tensors into a network.

    class Block(Layer):
        def call(self, x, training=None):
            return self.second(self.first(x)) + x

Each structure of arguments, with the shapes of its inputs and the value of `training`, has its own
network; the plan flattens it, so the layer costs as much as the layers that it calls. Python runs
when the network is made, and not again: a condition on the values of a tensor is refused.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from fastconv.common.naming import is_builtin, numbered, snake_case
from fastconv.common.overriding import definer
from fastconv.common.tree import is_several, mapped
from fastconv.layers.arguments import Arguments, divide, named_parameters, parameters
from fastconv.layers.network import Network
from fastconv.layers.symbolic import Call, SymbolicTensor, placeholders
from fastconv.ops._function import weight_tensor
from fastconv.parameters import Variable
from fastconv.plan import Graph
from fastconv.plan.operations import AddedLoss, Drawn, Weight
from fastconv.serialization import class_name

_MOST_TRACES = 32  # that a layer remembers

# Names of the layers whose `call` or `build` runs, outermost first; None outside of them.
_scope: ContextVar[tuple[str, ...] | None] = ContextVar("_scope", default=None)


def scope() -> tuple[str, ...]:
    """Return the names of the layers in whose `call` or `build` this is, outermost first."""
    return _scope.get() or ()


# An input of the function that is traced, which has its batch size; None outside.
_batch: ContextVar[SymbolicTensor | None] = ContextVar("_batch", default=None)


@contextmanager
def inside(name: str, traced: bool) -> Iterator[None]:
    """The block is the `call` of the layer with this name, which is traced, or its `build`."""
    tokens = _scope.set((*scope(), name)), weight_tensor.set(_tensor_of if traced else None)
    try:
        yield
    finally:
        _scope.reset(tokens[0])
        weight_tensor.reset(tokens[1])


class _Maker:
    """Makes a tensor by an operation that belongs to no layer: a weight, or random numbers."""

    makes_tensors = True

    def __init__(self, name: str, operation: Weight | Drawn):
        self.name, self.calls = name, []
        self._operation = operation

    def apply_to(self, graph, call, values, turn, training) -> list[int]:
        return [graph.apply([self._operation], *values)]


def drawn(operation: Drawn) -> SymbolicTensor:
    """Return the numbers of `operation` in the function that is traced."""
    batch = _batch.get()
    assert batch is not None, "`is_traced` tells whether there is one"
    maker = _Maker("random", operation)
    return Call(maker, None, [batch], [operation.shape], dtypes=[operation.dtype]).outputs[0]


def is_traced() -> bool:
    """Return whether this is in a function that is traced."""
    return _batch.get() is not None and weight_tensor.get() is not None


def _tensor_of(variable: Variable) -> SymbolicTensor:
    maker = _Maker(variable.path, Weight(variable))
    return Call(maker, None, [], [variable.shape]).outputs[0]


class Trace:
    """A network made by a function on symbolic tensors; `form` is the structure of its result.

    The function appends to `losses`, which become part of the loss of a model.
    """

    form: Any

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Arguments,
        inputs: Sequence[SymbolicTensor],
        what: str,
        losses: Sequence[SymbolicTensor] = (),
    ):
        shapes, dtypes = [x.shape for x in inputs], [x.dtype for x in inputs]
        tensors = placeholders(shapes, dtypes)
        filled = arguments.filled(tensors)
        token = _batch.set(tensors[0])
        try:
            result = function(filled.first, **filled.keywords)
        finally:
            _batch.reset(token)
        self.form, outputs = divide(result, lambda each: each is not None)
        for output in outputs:
            if not isinstance(output, SymbolicTensor):
                raise TypeError(
                    f"{what} must return tensors that it computes from its inputs, received "
                    f"{type(output).__name__}"
                )
        if not outputs:
            raise TypeError(f"{what} must return a tensor, received {result!r:.100}")
        self._outputs = len(outputs)
        self.network: Network = Network(tensors, [*outputs, *losses], overrides=False)
        self.network.forget()

    def apply_to(
        self, graph: Graph, values: Sequence[int], turn: tuple[int, ...], training: bool | None
    ) -> list[int]:
        """Add the network to `graph`; see `Layer.apply_to`."""
        of = self.network.trace(graph, values, turn, training)
        results = [of[tensor] for tensor in self.network.outputs]
        outputs, losses = results[: self._outputs], results[self._outputs :]
        if losses:
            outputs[0] = graph.apply([AddedLoss()], outputs[0], *losses)
        return outputs

    @property
    def adds_losses(self) -> bool:
        return len(self.network.outputs) > self._outputs

    @property
    def specs(self) -> tuple[Any, list[Any], list[str]]:
        """The structure, shapes and dtypes of the outputs."""
        outputs = self.network.outputs[: self._outputs]
        return self.form, [x.shape for x in outputs], [x.dtype for x in outputs]


class Tracer:
    """The traces of the `call` of one layer."""

    def __init__(self, layer: Any):
        self._layer = layer
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._lock = threading.RLock()
        self.losses: list[SymbolicTensor] | None = None  # that `call` adds, while it runs
        self.specs: tuple[Any, list[Any], list[str]] | None = None  # of the last call
        self.takes_training: bool = "training" in parameters(layer.call)
        self.leaves_build_out = False  # because the class has said that it is built

    def __reduce__(self) -> tuple[Any, ...]:
        return Tracer, (self._layer,)  # a copy traces again

    @property
    def adds_losses(self) -> bool:
        """Whether `add_loss` was called in a trace."""
        return any(trace.adds_losses for trace in self._traces.values())

    def call(self, arguments: Arguments) -> Call:
        """Record a call of the layer on the symbolic tensors in `arguments`."""
        form, inputs = divide(arguments, _is_tensor)
        first = self.trace(form, inputs, arguments.keywords.get("training") or False)
        if self.takes_training:
            for training in (False, True):
                other = self.trace(form, inputs, training)
                if other.specs != first.specs:
                    raise ValueError(
                        f"layer {self._layer.name!r}: outputs must be alike in training and "
                        f"otherwise, received shapes {first.specs[1]} and {other.specs[1]}"
                    )
        _, shapes, dtypes = self.specs = first.specs
        call = Call(
            self._layer,
            arguments.first,
            inputs,
            shapes,
            keywords=arguments.keywords,
            dtypes=dtypes,
        )
        call.form = first.form
        return call

    def of_call(self, call: Call, training: bool | None) -> Trace:
        """Return the trace of a recorded call."""
        form, inputs = divide(Arguments(call.argument, call.keywords), _is_tensor)
        return self.trace(form, inputs, training)

    def trace(self, form: Any, inputs: Sequence[SymbolicTensor], training: bool | None) -> Trace:
        """Return the trace for arguments of this form."""
        first, keywords = form
        keywords = {name: value for name, value in keywords.items() if name != "training"}
        if self.takes_training and training is not None:
            keywords["training"] = training
        key = repr((first, keywords, [(x.shape, x.dtype) for x in inputs]))
        with self._lock:
            trace = self._traces.get(key)
            if trace is None:
                layer = self._layer
                self.losses = losses = []
                try:
                    with inside(layer.name, traced=True):
                        trace = Trace(
                            layer.call,
                            Arguments(first, keywords),
                            inputs,
                            f"layer {layer.name!r}: `call`",
                            losses,
                        )
                finally:
                    self.losses = None
            self._traces[key] = trace
            self._traces.move_to_end(key)
            if len(self._traces) > _MOST_TRACES:
                self._traces.popitem(last=False)
            return trace

    def build(self, arguments: Arguments) -> None:
        """Build the layer for the shapes of the inputs in `arguments`, as its `build` takes them:
        the shape of the first argument, or `x_shape` for each argument `x`."""
        defined = not is_builtin(definer(type(self._layer), "build"))
        if self.leaves_build_out or (self._layer.is_model and not defined):
            return
        shapes = {
            name: mapped(lambda x: x.shape if _is_tensor(x) else None, value)
            for name, value in ((None, arguments.first), *arguments.keywords.items())
        }
        names = named_parameters(self._layer.build)
        with inside(self._layer.name, traced=False):
            if len(names) < 2:
                self._layer.build(shapes[None])
            else:
                first = next(iter(parameters(self._layer.call)))
                by_name = {f"{name or first}_shape": shape for name, shape in shapes.items()}
                self._layer.build(**{name: by_name[name] for name in names if name in by_name})


def children(layer: Any) -> dict[str, Any]:
    """Return the layers in the attributes of `layer`, in the order of assignment, by their paths in
    Keras's files: the name of the attribute, and in a list or dict that of the class, numbered, or
    "container" for a list or dict in it."""
    found: dict[str, Any] = {}
    for name, value in vars(layer).items():
        if hasattr(value, "all_operations"):
            found[name] = value
        elif is_several(value) and name not in _NOT_CHILDREN:
            _find_in(value, name, found, ())
    return {path: each for path, each in found.items() if each is not layer}


def _find_in(several: Any, path: str, found: dict[str, Any], outer: tuple[int, ...]) -> None:
    """Add the layers in a list or dict to `found`; `outer` are the ids of those that contain it."""
    counter: Counter[str] = Counter()
    for each in several.values() if isinstance(several, dict) else several:
        if hasattr(each, "all_operations"):
            found[f"{path}/{numbered(snake_case(class_name(each)), counter)}"] = each
        elif is_several(each) and id(each) not in (*outer, id(several)):
            inner = f"{path}/{numbered('container', counter)}"
            _find_in(each, inner, found, (*outer, id(several)))


# Attributes of all layers, which may be long.
_NOT_CHILDREN = ("calls", "_variables", "_ends", "_forms", "_given")


def _is_tensor(value: Any) -> bool:
    return isinstance(value, SymbolicTensor)

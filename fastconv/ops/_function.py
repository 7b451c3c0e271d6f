"""Functions that compute on arrays, and on symbolic tensors become operations of a graph.

A function is written once, for NumPy arrays, and registered by a decorator:

    @function("numpy", "Sum", gradient=_sum_gradient, shape=_reduced)
    def sum(x, axis=None, keepdims=False):
        '''The sum along `axis`.'''
        return np.sum(x, axis=axis, keepdims=keepdims)

The public function converts its *operands* (here `x`) to arrays of a common dtype and calls the
definition. If an operand is symbolic, that is, if its class has a method `_apply_function`, it
calls that method with the `Function` and all arguments instead. So this package does not depend on
graphs, layers or plans.

- `gradient(dy, y, ...)`, with the arguments of the definition, returns the gradient with respect to
  the operand, or a tuple with one gradient per operand (None for an operand without one).
- `shape(...)` returns the shape of the result for operands that have only a `shape` and a `dtype`;
  without it, the definition is run on zeros.
- A `composite` function calls other functions of this package and needs neither: in a graph it is
  the graph of its calls.
- An `elementwise` function has a `chain` instead of both: the same computation in the instructions
  of the compiled core (`fastconv.plan.chain`), from which its gradient follows.

Dtypes are promoted as in Keras: Python numbers take the dtype of the arrays, lists of floats are
float32, integers with floats give the float dtype, and functions with real results turn integers
into float32.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, ParamSpec

import numpy as np

FLOAT = np.dtype(np.float32)

# The parameters of a definition, which are those of the public function for type checkers. Its
# result is Any: an array, or a symbolic tensor.
P = ParamSpec("P")

# Arguments that say how to compute an array or where to put it.
_EXECUTION = ("out", "num_threads")

# While a graph is traced: makes a tensor of a weight, so that functions of weights alone belong to
# the graph, too.
weight_tensor: ContextVar[Callable[[Any], Any] | None] = ContextVar("weight_tensor", default=None)

# (module, class) in Keras's files -> the function
FUNCTIONS: dict[tuple[str, str], Function] = {}


class Spec(NamedTuple):
    """Shape and dtype of an array without values; None for an unknown size."""

    shape: tuple[int | None, ...]
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)


class Function:
    """A function on arrays, with its gradient and shapes for graphs.

    Attributes:
        name: its name in `fastconv.ops`.
        module, class_name: of its class in Keras's files.
        parameters: the names of all arguments.
        settings: the names of the arguments that Keras's class takes when it is made.
        keys: the names of those that it takes when it is called, though they are not operands.
        operands: the arguments that are arrays, or, those in `lists`, lists of arrays. `variadic`
            is the one that takes the rest of the positional arguments.
        gradient, chain, shape, composite: see the module's description.
    """

    compute: Callable[..., Any]
    name: str
    module: str
    class_name: str
    gradient: Callable[..., Any] | None
    chain: Callable[..., Any] | None
    shape: Callable[..., Any] | None
    dtype: Any
    real: bool
    composite: bool

    def __init__(
        self,
        compute: Callable[..., Any],
        module: str,
        class_name: str,
        operands: str,
        *,
        gradient: Callable[..., Any] | None,
        chain: Callable[..., Any] | None,
        shape: Callable[..., Any] | None,
        dtype: Any,
        real: bool,
        promoted: str | None,
        keys: str,
        composite: bool,
    ):
        self.compute, self.name = compute, compute.__name__
        self.module, self.class_name = f"keras.src.ops.{module}", class_name
        self.signature: inspect.Signature = inspect.signature(compute)
        parameters = self.signature.parameters
        self.parameters: tuple[str, ...] = tuple(parameters)
        self.defaults: dict[str, Any] = {
            n: p.default for n, p in parameters.items() if p.default is not p.empty
        }
        self.lists: tuple[str, ...] = tuple(name[1:] for name in operands.split() if name[0] == "*")
        self.operands: tuple[str, ...] = tuple(operands.replace("*", "").split())
        self.keys: tuple[str, ...] = tuple(keys.split())
        self.settings: tuple[str, ...] = tuple(
            n for n in parameters if n not in (*self.operands, *self.keys, *_EXECUTION)
        )
        self.variadic: str | None = next(
            (n for n, p in parameters.items() if p.kind is p.VAR_POSITIONAL), None
        )
        self.promoted: tuple[str, ...] = (
            self.operands if promoted is None else tuple(promoted.split())
        )
        self.gradient, self.chain, self.shape = gradient, chain, shape
        self.dtype, self.real, self.composite = dtype, real, composite

    def __reduce__(self) -> tuple[Any, ...]:
        return find, (self.module, self.class_name)

    def __repr__(self) -> str:
        return f"<Function {self.name}>"

    def bind(self, arguments: Sequence[Any], keywords: dict[str, Any]) -> dict[str, Any]:
        """Return all arguments by name; TypeError as a call raises it."""
        bound = self.signature.bind(*arguments, **keywords)
        bound.apply_defaults()
        return bound.arguments

    @property
    def called(self) -> tuple[str, ...]:
        """The names of what Keras's class takes when it is called: the operands and `keys`."""
        return tuple(n for n in self.parameters if n in self.operands or n in self.keys)

    def check_symbolic(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a symbolic call, without those for arrays; ValueError if one of
        these is given."""
        for name in _EXECUTION:
            if values.get(name) is not None:
                raise ValueError(f"`{name}` of {self.name} belongs to arrays, not to a graph")
        return {name: value for name, value in values.items() if name not in _EXECUTION}

    def call(self, values: dict[str, Any]) -> Any:
        """Return the definition's result for arguments by name, with operands that are arrays."""
        values = dict(values)
        rest = values.pop(self.variadic, ()) if self.variadic else ()
        if not rest:
            return self.compute(**values)
        before = [values.pop(n) for n in self.parameters[: self.parameters.index(self.variadic)]]
        return self.compute(*before, *rest, **values)

    def on_arrays(self, values: dict[str, Any]) -> Any:
        """Return the result for operands that are arrays or what becomes one."""
        values = self.promote(values)
        with np.errstate(all="ignore"):
            return _as_arrays(self.call(values))

    def promote(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments with all operands as arrays of a common dtype."""
        dtype = common_dtype(self.leaves(values, self.promoted), self.real)

        def convert(value: Any) -> np.ndarray:
            return as_array(value) if dtype is None else np.asarray(as_array(value), dtype)

        others = [name for name in self.operands if name not in self.promoted]
        return self.mapped(convert, self.mapped(as_array, values, others), self.promoted)

    def leaves(self, values: dict[str, Any], names: Sequence[str]) -> list[Any]:
        """Return all arrays of the operands `names`: also those in lists, without None."""
        found: list[Any] = []
        for name in names:
            found += values[name] if name in self.lists else [values[name]]
        return [leaf for leaf in found if leaf is not None]

    def mapped(
        self,
        convert: Callable[[Any], Any],
        values: dict[str, Any],
        names: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Return the arguments with `convert` of every array of the operands `names`, by default of
        all; None stays."""
        values = dict(values)
        for name in self.operands if names is None else names:
            value = values[name]
            if name in self.lists:
                values[name] = [convert(each) for each in value]
            elif value is not None:
                values[name] = convert(value)
        return values


def find(module: str, class_name: str) -> Function:
    """Return the function of that class of Keras; KeyError without one."""
    return FUNCTIONS[module, class_name]


def function(
    module: str,
    class_name: str,
    operands: str = "x",
    *,
    gradient: Callable[..., Any] | None = None,
    shape: Callable[..., Any] | None = None,
    dtype: Any = None,
    real: bool = False,
    promoted: str | None = None,
    chain: Callable[..., Any] | None = None,
    strict: bool = False,
    keys: str = "",
    composite: bool = False,
) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """Return a decorator that registers the definition of a function and makes the public one.

    Args:
        module: of its class in Keras, without "keras.src.ops.".
        class_name: of its class in Keras.
        operands: names of the arguments that are arrays, separated by spaces; "*name" for a list of
            arrays.
        gradient, shape, chain: see the module's description.
        dtype: of the result, where `shape` is given: by default that of the operands; a tuple if
            there are several results; or a function of the arguments.
        real: whether integers become float32.
        promoted: the operands that get a common dtype; by default all.
        keys: names of arguments that are not operands, but that Keras's class is called with.
        composite: whether the definition calls other functions of this package only.
        strict: leave arrays as they are, for definitions that check their operands themselves.
    """

    def decorate(compute: Callable[P, Any]) -> Callable[P, Any]:
        record = Function(
            compute,
            module,
            class_name,
            operands,
            gradient=gradient,
            chain=chain,
            shape=shape,
            dtype=dtype,
            real=real,
            promoted=promoted,
            keys=keys,
            composite=composite,
        )
        FUNCTIONS[record.module, class_name] = record

        @functools.wraps(compute)
        def public(*arguments: Any, **keywords: Any) -> Any:
            symbolic = find_symbolic((*arguments, *keywords.values()))
            # A composite function computes with its operands, so its weights are tensors, too.
            convert = weight_tensor.get() if symbolic is None or composite else None
            if convert is not None:
                arguments, keywords = _with_tensors((arguments, keywords), convert)
                symbolic = find_symbolic((*arguments, *keywords.values()))
            if symbolic is not None:
                values = record.check_symbolic(record.bind(arguments, keywords))
                return symbolic._apply_function(record, values)
            if strict:
                return compute(*arguments, **keywords)
            return record.on_arrays(record.bind(arguments, keywords))

        public.__dict__["function"] = record
        return public

    return decorate


def elementwise(
    module: str,
    class_name: str,
    operands: str = "x",
    *,
    chain: Callable[..., Any],
    real: bool = False,
    promoted: str | None = None,
) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """`function` for a definition that computes element by element with broadcasting."""
    return function(
        module, class_name, operands, chain=chain, real=real, promoted=promoted, shape=_broadcast
    )


def activation(
    class_name: str, chain: Callable[..., Any], module: str = "nn"
) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """`elementwise` for a compiled function of one array, which checks its arguments itself."""
    return function(module, class_name, chain=chain, shape=_broadcast, strict=True)


def composite(
    module: str, class_name: str, operands: str = "x", **options: Any
) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """`function` for a definition that calls other functions of this package only."""
    return function(module, class_name, operands, composite=True, **options)


def find_symbolic(values: Iterable[Any]) -> Any:
    """Return the first symbolic tensor among `values` and in lists among them; None without."""
    for value in values:
        kind = type(value)
        if kind is np.ndarray:
            continue
        if kind in (list, tuple):
            found = find_symbolic(value)
            if found is not None:
                return found
        elif hasattr(kind, "_apply_function"):
            return value
    return None


def _with_tensors(value: Any, convert: Callable[[Any], Any]) -> Any:
    """Return arguments with `convert` of the weights in them."""
    if isinstance(value, dict):
        return {name: _with_tensors(each, convert) for name, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_with_tensors(each, convert) for each in value)
    return convert(value) if getattr(type(value), "is_weight", False) else value


def _as_arrays(result: Any) -> Any:
    """Return a result as an array, or a tuple or list of arrays."""
    if isinstance(result, (tuple, list)):
        return type(result)(_as_arrays(each) for each in result)
    return np.asarray(result)


# ------------------------------------------------------------------------------------------- dtypes


def as_array(value: Any) -> np.ndarray:
    """Return `value` as an array: floats of Python in float32, integers in int32."""
    if isinstance(value, np.ndarray):
        return value
    array = np.asarray(value)
    if hasattr(value, "dtype"):  # a scalar of NumPy, a variable
        return array
    if array.dtype == np.float64:
        return array.astype(np.float32)
    return array.astype(np.int32) if array.dtype == np.int64 and _fits(array) else array


def _fits(array: np.ndarray) -> bool:
    return not array.size or (array.max() < 2**31 and array.min() >= -(2**31))


def common_dtype(values: Sequence[Any], real: bool = False) -> np.dtype | None:
    """Return the dtype to which Keras promotes `values`; None if there are no numbers.

    >>> common_dtype([np.zeros(2, np.int64), 0.5])
    dtype('float32')
    """
    dtypes, weak = [], []
    for value in values:
        plain = isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)
        (weak if plain else dtypes).append(
            type(value) if plain else getattr(value, "dtype", None) or as_array(value).dtype
        )
    dtypes = [np.dtype(dtype) for dtype in dtypes]
    if not dtypes and not weak:
        return None
    if any(dtype.kind not in "fiub" for dtype in dtypes):
        raise TypeError(
            f"expected arrays of floats, integers or booleans, received {list(map(str, dtypes))}"
        )
    floats = [dtype for dtype in dtypes if dtype.kind == "f"]
    if floats:
        return np.result_type(*floats)
    if real or float in weak:
        return FLOAT
    if any(dtype.kind in "iu" for dtype in dtypes):
        return np.result_type(*dtypes)
    return np.dtype(np.int32 if int in weak else np.bool_)


# ------------------------------------------------------------------------------------------- shapes


def infer(record: Function, values: dict[str, Any]) -> Any:
    """Return the `Spec` of the result, or a list of them, for operands with `shape` and `dtype`."""
    if record.shape is None:
        return _from_zeros(record, values)
    shapes = record.shape(**values)
    several = isinstance(shapes, list)
    dtypes = _dtypes_of(record, values, len(shapes) if several else 1)
    specs = [
        Spec(tuple(shape), dtype)
        for shape, dtype in zip(shapes if several else [shapes], dtypes, strict=True)
    ]
    return specs if several else specs[0]


def _dtypes_of(record: Function, values: dict[str, Any], count: int) -> list[np.dtype]:
    """Return the dtypes of the results: element-wise functions determine them on one element."""
    if record.chain is not None:
        return [record.on_arrays(record.mapped(_smallest, values)).dtype]
    chosen: Any = record.dtype(**values) if callable(record.dtype) else record.dtype
    if chosen is None:
        chosen = common_dtype(record.leaves(values, record.promoted), record.real)
    return [np.dtype(each) for each in (chosen if isinstance(chosen, tuple) else (chosen,) * count)]


def _smallest(value: Any) -> Any:
    """Return one element of the dtype of a symbolic operand; numbers and arrays as they are."""
    if not hasattr(value, "shape"):
        return value
    return np.ones((1,) * len(value.shape), getattr(value, "dtype", FLOAT))


def _from_zeros(record: Function, values: dict[str, Any]) -> Any:
    """Run the definition on zeros of two sizes per unknown axis: the sizes of the result that
    differ are unknown."""
    runs = []
    for sizes in (_SIZES, _OTHER_SIZES):

        def zeros(value: Any, sizes=sizes) -> Any:
            if not hasattr(value, "shape"):
                return value
            shape = [sizes[axis % 8] if n is None else n for axis, n in enumerate(value.shape)]
            return np.broadcast_to(np.zeros((), value.dtype), shape)

        runs.append(record.on_arrays(record.mapped(zeros, values)))
    first, second = runs
    if isinstance(first, (tuple, list)):
        return [_compared(a, b) for a, b in zip(first, second, strict=True)]
    return _compared(first, second)


# Sizes that stand for unknown ones. The batch stays small, because the definition computes with it.
_SIZES = (2, 12, 12, 12, 12, 12, 12, 12)
_OTHER_SIZES = (3, 14, 14, 14, 14, 14, 14, 14)


def _compared(a: np.ndarray, b: np.ndarray) -> Spec:
    sizes = (n if n == m else None for n, m in zip(a.shape, b.shape, strict=True))
    return Spec(tuple(sizes), a.dtype)


def _broadcast(**values: Any) -> tuple[int | None, ...]:
    return broadcast_shapes(
        [value.shape for value in values.values() if getattr(value, "shape", None) is not None]
    )


def broadcast_shapes(shapes: Sequence[tuple[int | None, ...]]) -> tuple[int | None, ...]:
    """Return the shape to which all of `shapes` are broadcast; ValueError without one.

    >>> broadcast_shapes([(None, 1, 3), (4, 1)])
    (None, 4, 3)
    """
    rank = max(map(len, shapes), default=0)
    sizes: list[int | None] = []
    for axis in range(-rank, 0):
        there = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        known = there - {None}
        if len(known) > 1:
            raise ValueError(f"expected shapes that are broadcast to one, received {list(shapes)}")
        sizes.append(known.pop() if known else None if there else 1)
    return tuple(sizes)


def sum_to(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum the gradient of a broadcast operand to the operand's shape.

    >>> sum_to(np.ones((4, 2, 3)), (2, 1)).tolist()
    [[12.0], [12.0]]
    """
    if gradient.shape == shape:
        return gradient
    rank = gradient.ndim - len(shape)
    axes = (*range(rank), *(rank + a for a, n in enumerate(shape) if n == 1))
    return gradient.sum(axis=axes, keepdims=True).reshape(shape)

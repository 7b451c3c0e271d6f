"""The storage of weights: one flat buffer, of which every weight is a view.

An optimizer's update is one pass over memory, and a copy of all weights is one copy. The gradients
(a second buffer) and the optimizer's slots (one buffer each) have the same layout:

    values    | kernel 0 .... | bias 0 . | kernel 1 ............ | bias 1 . |
    gradient  | dkernel 0 ... | dbias 0  | dkernel 1 ........... | dbias 1  |
    velocity  | ...

The gradient of a large dense layer may be absent: its update can consume it as it is computed
(`fastconv.plan.updates`).

Every weight starts at a multiple of 64 bytes. The padding between two weights is zero in all
buffers, and every update rule leaves zeros with zero gradient at zero.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np

from fastconv import initializers
from fastconv.common.arrays import ALIGNMENT, aligned_zeros, real_array
from fastconv.ops._function import weight_tensor
from fastconv.ops.operators import Operators
from fastconv.shapes import checked_product

_ELEMENTS = ALIGNMENT // 4
_GAP = 1 << 14  # elements of other weights that a piece of the buffer may include at a place


class PenaltySource(Protocol):
    """A regularizer, which describes its penalty to the plan (`fastconv.plan.rules.Penalty`)."""

    def for_plan(self) -> Any: ...

    def __call__(self, x: np.ndarray) -> float: ...


class ProjectionSource(Protocol):
    """A constraint, which describes itself to the plan for weights of `ndim` dimensions
    (`fastconv.plan.rules.Projection`)."""

    def for_plan(self, ndim: int) -> Any: ...


class Variable(Operators):
    """One weight of a layer: a name, a shape, and values once they are initialized.

    Args:
        initializer: the values, or an initializer (`fastconv.initializers`), also by its name.
        shape: by default that of the values.
        dtype: None or "float32".
        trainable: whether training may change the values.
        name: "variable" by default.
        owner: the path of the layer.
        regularizer, constraint: apply in training.

    Raises:
        ValueError: another dtype, an initializer without a shape, or a size beyond 64 bits.
        TypeError: values that are not numeric.

    >>> from fastconv import Variable
    >>> rate = Variable([0.5, 0.25], name="rate")
    >>> rate.assign_add([1, 1])
    >>> rate.numpy()
    array([1.5 , 1.25], dtype=float32)

    Operators (`w * 2`, `w[0]`) give arrays; in a `call` that is traced, symbolic tensors.

    A variable has a shape and an initializer once its layer is built, values after `initialize` or
    `assign`, and a place in a model's flat buffer once the model's `Parameters` takes it over. The
    plan applies its regularizer and its constraint, if any. `numpy()`, `value` and
    `np.asarray(variable)` return a copy that later training does not change; only `assign` changes
    the values, so that the model is notified.
    """

    is_weight = True
    __array_priority__ = 100  # so that array + weight is the weight's own addition
    can_train: bool
    regularizer: PenaltySource | None
    constraint: ProjectionSource | None

    def __init__(
        self,
        initializer: Any,
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
        *,
        owner: str = "",
        regularizer: PenaltySource | None = None,
        constraint: ProjectionSource | None = None,
    ):
        if dtype not in (None, "float32", np.float32):
            raise ValueError(f"`dtype` must be None or 'float32', received {dtype!r}")
        self.name: str = name or "variable"
        self.path: str = f"{owner}/{self.name}" if owner else self.name
        if callable(initializer) or isinstance(initializer, str):
            if shape is None:
                raise ValueError(f"`shape` must be given with the initializer {initializer!r}")
            initializer = initializers.get(initializer)
        else:
            value = np.array(real_array(initializer, f"the value of {self.path}"), np.float32)
            initializer = initializers.Constant(value)
            shape = value.shape if shape is None else shape
        checked_product((*shape, 4), f"the bytes of weight {self.path}")
        self.shape: tuple[int, ...] = tuple(shape)
        self.size: int = math.prod(shape)
        self.dtype: np.dtype = np.dtype(np.float32)
        self.can_train = self._trainable = bool(trainable)
        self.owner_trains = True  # `trainable` of its layer; the weight itself may be fixed
        self.regularizer, self.constraint = regularizer, constraint
        self.parameters: Parameters | None = None
        self._initializer = initializer
        self._value: np.ndarray | None = None

    @property
    def trainable(self) -> bool:
        """Whether training changes the values; always False for a weight created with False."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.owner_trains: bool = bool(value)
        self._trainable = bool(value) and self.can_train

    @property
    def _live(self) -> np.ndarray:
        """The values themselves, writable, for plans and files. Code that writes to them must call
        `Parameters.touch`."""
        if self._value is None:
            self._value = self._drawn()
        return self._value

    def initialize(self) -> None:
        """Draw the initial values, unless the weight has values."""
        if self._value is None:
            self._value = self._drawn()

    def _drawn(self) -> np.ndarray:
        value = np.asarray(self._initializer(self.shape), np.float32)
        if value.shape != self.shape:
            raise ValueError(
                f"the initializer of {self.path} must return shape {self.shape}, "
                f"received {value.shape}"
            )
        return np.asarray(value, order="C")

    def move_to(self, view: np.ndarray, parameters: Parameters) -> None:
        """Copy the values into `view`, a part of `parameters`, and use it as storage from now on.

        A variable without values draws them first, or stays zero in `undrawn_weights`.
        """
        if self._value is not None or weights_are_drawn():
            np.copyto(view, self._live)
        self._value, self.parameters = view, parameters

    def assign(self, value: Any) -> None:
        """Overwrite the values; ValueError for another shape, TypeError if not numeric."""
        self._check_eager("assigned")
        array = real_array(value, f"the value of {self.path}")
        if array.shape != self.shape:
            raise ValueError(
                f"{self.path} must have shape {self.shape}, received shape {array.shape}"
            )
        if self._value is None:
            self._value = np.array(array, np.float32, order="C")
        else:
            self._value[...] = array
        if self.parameters is not None:
            self.parameters.touch()

    def assign_add(self, value: Any) -> None:
        """Add `value`, of the weight's shape or broadcast to it; errors as `assign`."""
        array = real_array(value, f"the value added to {self.path}")
        self.assign(self._live + np.asarray(array, np.float32))

    def assign_sub(self, value: Any) -> None:
        """Subtract `value`, of the weight's shape or broadcast to it; errors as `assign`."""
        array = real_array(value, f"the value subtracted from {self.path}")
        self.assign(self._live - np.asarray(array, np.float32))

    def numpy(self) -> np.ndarray:
        """Return a copy of the values, float32, which belongs to the caller."""
        self._check_eager("read")
        return self._live.copy()

    def _check_eager(self, what: str) -> None:
        """Raise TypeError in a `call` that is traced once, where values would be those of now."""
        if weight_tensor.get() is not None:
            raise TypeError(
                f"{self.path} cannot be {what} in a `call`, which is traced once on symbolic "
                "tensors; compute with it by operators and fastconv.ops, and assign it in a "
                "callback or a loop of your own"
            )

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __float__(self) -> float:
        return float(self.numpy())

    def __bool__(self) -> bool:
        return bool(self.numpy())

    @property
    def value(self) -> np.ndarray:
        """The same as `numpy()`."""
        return self.numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(
                f"{self.path} gives copies of its values only, so `copy` must be None or True, "
                "received False"
            )
        self._check_eager("read")
        return np.array(self._live, dtype)

    def __getstate__(self) -> dict[str, Any]:
        """For pickling and copying: the values alone, without the model's buffer."""
        value = None if self._value is None else self._value.copy()
        return vars(self) | {"_value": value, "parameters": None}

    def __repr__(self) -> str:
        return f"<Variable {self.path} shape={self.shape}>"


class TrainingLock:
    """Reserves weights and their gradients: for a `fit`, or for one step of a caller's own loop."""

    def __init__(self) -> None:
        self._lock, self._steps = threading.Lock(), threading.Lock()
        self._owner: int | None = None  # thread that holds it

    def acquire(self, blocking: bool = False) -> bool:
        """Take the lock for a `fit`; return False if it is held."""
        taken = self._lock.acquire(blocking)
        if taken:
            self._owner = threading.get_ident()
        return taken

    def release(self) -> None:
        self._owner = None
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire(blocking=True)

    def __exit__(self, *exception: object) -> None:
        self.release()

    def locked(self) -> bool:
        return self._lock.locked()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Reserve for a step that is not one of `fit`: a `with` block, in which steps of other
        threads wait. The thread of a running `fit` may take such a step; RuntimeError in another
        one."""
        if self._owner == threading.get_ident():
            yield
            return
        with self._steps:
            if not self.acquire():
                raise RuntimeError("these weights are being fitted already; wait for the fit")
            try:
                yield
            finally:
                self.release()


class Parameters:
    """Weights packed into one flat float32 buffer.

    Holds the weights of one model, or of several models that share layers. A weight is in one
    buffer at a time; when it moves to another one, the old one is `abandoned`, and models that use
    it must get the new one (`parameters_of`).

    `variables` has the order of the model; in the buffer, non-trainable weights come last.

    `version` counts the changes of the values, so that derived data (packed filters) can be
    detected as stale. It changes after the values.
    """

    def __init__(self, variables: Sequence[Variable]):
        self.variables: list[Variable] = list(variables)
        # Non-trainable weights (moving averages) come last, so the trainable ones are contiguous.
        self._layout = sorted(self.variables, key=lambda variable: not variable.can_train)
        self._places: dict[Variable, slice] = {}
        end = 0
        for variable in self._layout:
            start, end = end, end + -(-variable.size // _ELEMENTS) * _ELEMENTS
            self._places[variable] = slice(start, end)
        self.size = end
        self.version: int = 0
        self.abandoned = False
        self.training: TrainingLock = (
            TrainingLock()
        )  # held by the one `fit` that may change the values
        self.values: np.ndarray = self.new_buffer()
        self._gradient: np.ndarray | None = None
        old = {home for variable in self.variables if (home := variable.parameters) is not None}
        # One at a time, so that two copies of all weights never exist at once.
        for variable in self.variables:
            variable.move_to(self.view(self.values, variable), self)
        for home in old:
            home.abandoned = True

    def __reduce__(self) -> tuple[Any, ...]:
        return Parameters, (self.variables,)

    def new_buffer(self) -> np.ndarray:
        """Return a flat float32 buffer of zeros in the layout of `values`."""
        return aligned_zeros(self.size * 4).view(np.float32)

    @property
    def gradient(self) -> np.ndarray:
        """The flat gradient buffer; created on first use, resident only where it is written."""
        if self._gradient is None:
            self._gradient = self.new_buffer()
        return self._gradient

    def view(self, buffer: np.ndarray, variable: Variable) -> np.ndarray:
        """Return the part of `buffer` that belongs to `variable`, in its shape."""
        start = self._places[variable].start
        return buffer[start : start + variable.size].reshape(variable.shape)

    def trainable_slices(self, without: Set[Variable] = frozenset()) -> list[slice]:
        """Return the parts of the buffer that training changes, merged where they are adjacent.

        One part if every layer is trainable; frozen layers, and the weights in `without`, split it.
        """
        return self.slices_of({v for v in self.variables if v.trainable} - without)

    def slices_of(self, variables: Set[Variable]) -> list[slice]:
        """Return the parts of the buffer that hold `variables`, merged where they are adjacent."""
        slices: list[slice] = []
        for variable in self._layout:
            place = self._places[variable]
            if variable not in variables:
                continue
            if slices and slices[-1].stop == place.start:
                slices[-1] = slice(slices[-1].start, place.stop)
            else:
                slices.append(place)
        return slices

    def pieces_of(self, variables: Set[Variable], least: int) -> list[tuple[slice, list[Variable]]]:
        """Return the parts of the buffer that hold `variables`, in pieces of at least `least`
        elements where neighbours suffice, from the last one, each with its variables.

        A piece may include small weights between them.
        """
        pieces: list[tuple[slice, list[Variable]]] = []
        for variable in reversed(self._layout):
            place = self._places[variable]
            if variable not in variables:
                continue
            if pieces:
                part, members = pieces[-1]
                near = part.start - place.stop <= _GAP
                if near and part.stop - part.start < least:
                    pieces[-1] = slice(place.start, part.stop), [*members, variable]
                    continue
            pieces.append((place, [variable]))
        return pieces

    def touch(self) -> None:
        """Mark the values as changed."""
        self.version += 1


class PartOfParameters:
    """Some weights of a `Parameters`, for a model with a part of its layers; same interface.

    Buffers are those of the whole `Parameters`, or have its layout.
    """

    home: Parameters
    variables: list[Variable]

    def __init__(self, home: Parameters, variables: Sequence[Variable]):
        self.home, self.variables = home, list(variables)

    def __reduce__(self) -> tuple[Any, ...]:
        return parameters_of, (self.variables,)

    def trainable_slices(self, without: Set[Variable] = frozenset()) -> list[slice]:
        return self.home.slices_of({v for v in self.variables if v.trainable} - without)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.home, name)


AnyParameters = Parameters | PartOfParameters


def parameters_of(variables: Sequence[Variable]) -> AnyParameters:
    """Return the `Parameters` of `variables`; a new one if no existing one holds all of them.

    A new one also takes over the other weights of the old ones, so that each model on those again
    finds all of its weights in one buffer.

    Raises RuntimeError if the weights would have to move while a `fit` changes them.
    """
    homes = list(dict.fromkeys(v.parameters for v in variables if v.parameters is not None))
    if len(homes) == 1 and all(variable.parameters is not None for variable in variables):
        (home,) = homes
    else:
        if any(home.training.locked() for home in homes):
            raise RuntimeError(
                "layers that are being fitted cannot become part of another model; wait for the fit"
            )
        moving = [*variables, *(variable for home in homes for variable in home.variables)]
        home = Parameters(list(dict.fromkeys(moving)))
    return home if home.variables == list(variables) else PartOfParameters(home, variables)


_drawn: ContextVar[bool] = ContextVar("weights_are_drawn", default=True)


def weights_are_drawn() -> bool:
    """Return whether new weights get initial values."""
    return _drawn.get()


@contextmanager
def undrawn_weights() -> Iterator[None]:
    """In this block (in this thread) new weights are zero, because they are loaded next."""
    token = _drawn.set(False)
    try:
        yield
    finally:
        _drawn.reset(token)

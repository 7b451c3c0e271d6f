"""Where the weights of models live: one flat buffer, of which every weight is a view.

So an optimizer's update is one pass over memory, a copy of all weights is one copy, and the
gradients (a second buffer) and the optimizer's slots (one buffer each) have the same layout:

    values    | kernel 0 .... | bias 0 . | kernel 1 ............ | bias 1 . |
    gradient  | dkernel 0 ... | dbias 0  | dkernel 1 ........... | dbias 1  |
    velocity  | ...

The gradient of a large dense layer need not be there: its update may take it as it is computed
(`fastconv.plan.updates`).

Every weight starts at a multiple of 64 bytes. The few elements between two weights are zero in all
buffers, and every update rule leaves zeros with zero gradient at zero.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.live_memory import count_array, make_room
from fastconv.shapes import checked_product

if TYPE_CHECKING:
    from fastconv.constraints import Constraint
    from fastconv.initializers import Initializer
    from fastconv.regularizers import Regularizer

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
_ELEMENTS = ALIGNMENT // 4


class Variable:
    """One weight of a layer: a name, a shape, and the values once they are there.

    A variable has shape and initializer from the moment its layer is built, values when
    `initialize` or `assign` gives them, and a place in a model's flat buffer when the model's
    `Parameters` takes it in. Its regularizer and its constraint, if any, are for the plan.
    `numpy()`, `value` and `np.asarray(variable)` give a copy that later training does not change;
    `assign` is the one way to change the values, so that the model knows.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Initializer,
        owner: str,
        *,
        trainable: bool = True,
        regularizer: Regularizer | None = None,
        constraint: Constraint | None = None,
    ):
        checked_product((*shape, 4), f"the bytes of weight {owner}/{name}")
        self.name = name
        self.path = f"{owner}/{name}"
        self.shape = tuple(shape)
        self.size = math.prod(shape)
        self.dtype = np.dtype(np.float32)
        self.can_train = self._trainable = bool(trainable)
        self.owner_trains = True  # what its layer says, whether or not it can train itself
        self.regularizer, self.constraint = regularizer, constraint
        self.parameters: Parameters | None = None
        self._initializer = initializer
        self._value: np.ndarray | None = None

    @property
    def trainable(self) -> bool:
        """Whether training changes the values; never true for a weight made with False."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.owner_trains = bool(value)
        self._trainable = bool(value) and self.can_train

    @property
    def _live(self) -> np.ndarray:
        """The values themselves, writable, for plans and files. A writer calls `Parameters.touch`
        afterwards."""
        if self._value is None:
            self.initialize()
        return self._value

    def initialize(self) -> None:
        """Draw the initial values, unless there are values already."""
        if self._value is None:
            value = np.asarray(self._initializer(self.shape), np.float32)
            if value.shape != self.shape:
                raise ValueError(
                    f"the initializer of {self.path} must return shape {self.shape}, "
                    f"received {value.shape}"
                )
            self._value = np.ascontiguousarray(value)

    def move_to(self, view: np.ndarray, parameters: Parameters) -> None:
        """Copy the values into `view`, a part of `parameters`, and live there from now on.

        A variable without values draws them first, unless it is to stay zero (`undrawn_weights`).
        """
        if self._value is not None or weights_are_drawn():
            np.copyto(view, self._live)
        self._value, self.parameters = view, parameters

    def assign(self, value: Any) -> None:
        """Overwrite the values; ValueError if the shape differs, TypeError if not numbers."""
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

    def numpy(self) -> np.ndarray:
        """A copy of the values, float32, which belongs to the caller."""
        return self._live.copy()

    @property
    def value(self) -> np.ndarray:
        """The same as `numpy()`."""
        return self.numpy()

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if copy is False:
            raise ValueError(
                f"{self.path} gives copies of its values only, so `copy` must be None or True, "
                "received False"
            )
        return np.array(self._live, dtype)

    def __getstate__(self) -> dict[str, Any]:
        """For pickling and copying: the values by themselves, not the model's buffer."""
        value = None if self._value is None else self._value.copy()
        return vars(self) | {"_value": value, "parameters": None}

    def __repr__(self) -> str:
        return f"<Variable {self.path} shape={self.shape}>"


def real_array(value: Any, what: str) -> np.ndarray:
    """`value` as an array of integers or floats; TypeError naming `what` for anything else."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{what} must hold integers or floats, received dtype {array.dtype}")
    return array


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of `array` that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


def aligned_zeros(nbytes: int) -> np.ndarray:
    """`nbytes` zero bytes that start at a multiple of `ALIGNMENT`."""
    make_room(nbytes)
    raw = np.zeros(nbytes + ALIGNMENT, np.uint8)
    count_array(raw)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]


class Parameters:
    """Weights packed into one flat float32 buffer: their home.

    The weights of one model, or of several models that share layers. A weight has one home at a
    time; when it moves into another one, the old one is `abandoned`, and whoever has its buffer has
    to look for the new one (`parameters_of`).

    `variables` keeps the order of the model; the buffer has those that never train at its end.

    `version` counts the changes of the values, so that whoever keeps something derived from them
    (packed filters) can tell that it is out of date. It changes after the values did.
    """

    def __init__(self, variables: Sequence[Variable]):
        self.variables = list(variables)
        # In memory, those that never train (moving averages) come last: what trains is one piece.
        self._layout = sorted(self.variables, key=lambda variable: not variable.can_train)
        self._places: dict[Variable, slice] = {}
        end = 0
        for variable in self._layout:
            start, end = end, end + -(-variable.size // _ELEMENTS) * _ELEMENTS
            self._places[variable] = slice(start, end)
        self.size = end
        self.version = 0
        self.abandoned = False
        self.training = threading.Lock()  # held by the one `fit` that may change the values
        self.values = self.new_buffer()
        self._gradient: np.ndarray | None = None
        old = {variable.parameters for variable in self.variables} - {None}
        # One at a time, so that at no moment two copies of all the weights exist.
        for variable in self.variables:
            variable.move_to(self.view(self.values, variable), self)
        for home in old:
            home.abandoned = True

    def __reduce__(self) -> tuple[Any, ...]:
        return Parameters, (self.variables,)

    def new_buffer(self) -> np.ndarray:
        """A flat float32 buffer of zeros in the layout of `values`."""
        return aligned_zeros(self.size * 4).view(np.float32)

    @property
    def gradient(self) -> np.ndarray:
        """The flat gradient buffer; it exists from its first use on, and takes up memory where
        something is written to it."""
        if self._gradient is None:
            self._gradient = self.new_buffer()
        return self._gradient

    def view(self, buffer: np.ndarray, variable: Variable) -> np.ndarray:
        """The part of `buffer` that belongs to `variable`, in its shape."""
        start = self._places[variable].start
        return buffer[start : start + variable.size].reshape(variable.shape)

    def trainable_runs(self, without: Set[Variable] = frozenset()) -> list[slice]:
        """The parts of the buffer that training changes, joined where they touch.

        One part if every layer trains; frozen layers, and the weights that it is to be `without`,
        split it.
        """
        return self.runs_of({v for v in self.variables if v.trainable} - without)

    def runs_of(self, variables: Set[Variable]) -> list[slice]:
        """The parts of the buffer that hold `variables`, joined where they touch."""
        runs: list[slice] = []
        for variable in self._layout:
            place = self._places[variable]
            if variable not in variables:
                continue
            if runs and runs[-1].stop == place.start:
                runs[-1] = slice(runs[-1].start, place.stop)
            else:
                runs.append(place)
        return runs

    def touch(self) -> None:
        """Say that the values have changed."""
        self.version += 1


class PartOfParameters:
    """Some weights of a home, for a model that has not all of its layers; used like `Parameters`.

    Buffers are those of the whole home, or in its layout.
    """

    def __init__(self, home: Parameters, variables: Sequence[Variable]):
        self.home, self.variables = home, list(variables)

    def __reduce__(self) -> tuple[Any, ...]:
        return parameters_of, (self.variables,)

    def trainable_runs(self, without: Set[Variable] = frozenset()) -> list[slice]:
        return self.home.runs_of({v for v in self.variables if v.trainable} - without)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.home, name)


def parameters_of(variables: Sequence[Variable]) -> Parameters | PartOfParameters:
    """The home of `variables`, made if there is none that has all of them.

    A new home takes in the weights of the old ones as well, so that models over those find all of
    theirs in one place again.

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
    """Whether new weights get initial values."""
    return _drawn.get()


@contextmanager
def undrawn_weights() -> Iterator[None]:
    """In this block (of this thread) new weights are zero, for whoever is about to load them."""
    token = _drawn.set(False)
    try:
        yield
    finally:
        _drawn.reset(token)

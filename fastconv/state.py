"""What training changes, as plain data: how a run can be interrupted and go on to the same bits.

An object that changes while `fit` runs has three methods:

    state()             numbers, strings, None, NumPy arrays, and lists and dicts of such: copies,
                        which training does not change
    check_state(state)  ValueError unless `restore(state)` would succeed; changes nothing
    restore(state)      checks, then takes over what the object had that gave this state

    model                weights, optimizer, number of the next dropout mask, streams of the layers
    optimizer            iterations, learning rate, slots
    metrics              sums
    callbacks            patience so far, best value ...
    batches              seed of the order, position in the data
    `fastconv.common.randomness`   the generator of everything unseeded

An object made of others checks the states of all of them before it restores the first one, so a
state that does not fit changes nothing at all. `fastconv.training.training_run.TrainingRun` puts
everything together, `BackupAndRestore` writes it to a file.

`Stateful` implements the methods for objects whose state is a few attributes. A *kind* describes
the values that an attribute may have: a function of (value, what) that raises ValueError for any
other value and calls it `what`.
"""

from __future__ import annotations

import copy
import math
import numbers
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastconv.common.arguments import as_integer, is_text

Kind = Callable[[Any, str], None]

_DEEPEST = 32  # lists in lists of plain data

_short = reprlib.Repr()
_short.maxlevel, _short.maxother, _short.maxlist, _short.maxdict = 2, 80, 3, 3


class Stateful:
    """An object whose state is the attributes named in `stateful`.

    `stateful` is a tuple of names, or a dict that gives every name a kind. Override `state` and
    `restore` together for a state that is more than that, and `check_state` as well so that a
    state of another object is refused before anything changes.
    """

    stateful: tuple[str, ...] | Mapping[str, Kind] = ()

    def state(self) -> dict[str, Any]:
        """A copy of what changes while training, as plain data."""
        return {name: copy.deepcopy(getattr(self, name)) for name in self.kinds_of_state()}

    def kinds_of_state(self) -> Mapping[str, Kind]:
        """The attributes of the state with their kinds: those in `stateful`."""
        kinds = self.stateful
        return kinds if isinstance(kinds, Mapping) else dict.fromkeys(kinds, plain)

    def check_state(self, state: Any) -> None:
        """ValueError unless `state` is that of such an object; changes nothing."""
        if type(self).state is not Stateful.state:
            return  # a state of its own, which only `restore` of the same class can judge
        check_record(state, self.kinds_of_state(), f"the state of {type(self).__name__}")

    def restore(self, state: dict[str, Any]) -> None:
        """Take over `state`; ValueError if it is not the state of such an object, and then nothing
        is changed."""
        self.check_state(state)
        for name in self.kinds_of_state():
            setattr(self, name, copy.deepcopy(state[name]))


# --------------------------------------------------------------------------------------- kinds


def whole(value: Any, what: str) -> None:
    """An integer from 0 to 2^63 - 1."""
    _require(_in_range(value, 0, 2**63), what, "an integer from 0 to 2^63-1", value)


def seed(value: Any, what: str) -> None:
    """An integer from 0 to 2^64 - 1."""
    _require(_in_range(value, 0, 2**64), what, "an integer from 0 to 2^64-1", value)


def real(value: Any, what: str) -> None:
    """A number in the range of floats; NaN and infinities are such."""
    fits = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    if fits and as_integer(value) is not None:
        fits = _in_range(value, -(2**63), 2**63)
    _require(fits, what, "a number", value)


def boolean(value: Any, what: str) -> None:
    """True or False."""
    _require(isinstance(value, (bool, np.bool_)), what, "True or False", value)


def text(value: Any, what: str) -> None:
    """A string that UTF-8 can hold."""
    _require(is_text(value), what, "a string of Unicode characters", value)


def plain(value: Any, what: str) -> None:
    """Numbers, strings, None, arrays, and lists and dicts of such."""
    _check_plain(value, what, 0)


def _check_plain(value: Any, what: str, depth: int) -> None:
    _require(depth <= _DEEPEST, what, f"nested at most {_DEEPEST} deep", value)
    if isinstance(value, Mapping):
        for key, each in value.items():
            _require(isinstance(key, str), what, "made of dicts whose keys are strings", key)
            _check_plain(each, what, depth + 1)
    elif isinstance(value, (list, tuple)):
        for each in value:
            _check_plain(each, what, depth + 1)
    else:
        fits = value is None or isinstance(value, (np.ndarray, str, np.bool_, numbers.Real))
        _require(fits, what, "made of numbers, strings, None, arrays, lists and dicts", value)


def optional(kind: Kind) -> Kind:
    """None, or what `kind` takes."""

    def check(value: Any, what: str) -> None:
        if value is not None:
            kind(value, what)

    return check


def list_of(kind: Kind) -> Kind:
    """A list of what `kind` takes."""

    def check(value: Any, what: str) -> None:
        _require(isinstance(value, (list, tuple)), what, "a list", value)
        for index, each in enumerate(value):
            kind(each, f"{what}[{index}]")

    return check


def dict_of(kind: Kind) -> Kind:
    """A dict whose keys are strings, of what `kind` takes."""

    def check(value: Any, what: str) -> None:
        _require(isinstance(value, Mapping), what, "a dict", value)
        for key, each in value.items():
            text(key, f"a key of {what}")
            kind(each, f"{what}[{_shown(key)}]")

    return check


def array_of(shape: Sequence[int], dtype: Any = np.float32) -> Kind:
    """An array of this shape and dtype."""
    shape, dtype = tuple(shape), np.dtype(dtype)

    def check(value: Any, what: str) -> None:
        fits = isinstance(value, np.ndarray) and value.shape == shape and value.dtype == dtype
        _require(fits, what, f"a {dtype} array of shape {shape}", value)

    return check


def arrays_of(shapes: Sequence[Sequence[int]], dtype: Any = np.float32) -> Kind:
    """A list of arrays of these shapes."""
    kinds = [array_of(shape, dtype) for shape in shapes]

    def check(value: Any, what: str) -> None:
        fits = isinstance(value, (list, tuple)) and len(value) == len(kinds)
        _require(fits, what, f"a list of {len(kinds)} arrays", value)
        for index, (kind, each) in enumerate(zip(kinds, value, strict=True)):
            kind(each, f"{what}[{index}]")

    return check


def equal_to(wanted: Any) -> Kind:
    """The value `wanted`, plain data without arrays."""

    def check(value: Any, what: str) -> None:
        plain(value, what)
        _require(type(value) is type(wanted) and value == wanted, what, repr(wanted), value)

    return check


def record_of(kinds: Mapping[str, Kind]) -> Kind:
    """A dict with exactly the keys of `kinds`, whose values the kinds take."""
    return lambda value, what: check_record(value, kinds, what)


def check_record(value: Any, kinds: Mapping[str, Kind], what: str) -> None:
    """ValueError unless `value`, called `what`, is a dict with exactly the keys of `kinds`, whose
    values the kinds take."""
    _require(isinstance(value, Mapping), what, "a dict", value)
    if set(value) != set(kinds):
        raise ValueError(
            f"{what} must have {sorted(kinds)}, received {_shown(sorted(map(str, value)))}"
        )
    for name, kind in kinds.items():
        kind(value[name], f"{what}: `{name}`")


def _require(condition: bool, what: str, wanted: str, value: Any) -> None:
    if not condition:
        raise ValueError(f"{what} must be {wanted}, received {_shown(value)}")


def _shown(value: Any) -> str:
    """`value` in a few words, whatever it is."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    integer = as_integer(value)
    if integer is not None and abs(integer) >= 2**128:
        return f"an integer of {integer.bit_length()} bits"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return _short.repr(value)


def _in_range(value: Any, low: int, high: int) -> bool:
    """Return whether `value` is an integer with low <= value < high, and not an array."""
    integer = None if isinstance(value, np.ndarray) else as_integer(value)
    return integer is not None and low <= integer < high

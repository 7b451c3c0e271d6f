"""Unknown keyword arguments: errors that name the class or function and the right word.

Two ways in. Classes inherit from `NamedArguments`; functions are decorated with
`explain_keywords`. Both look at the names alone, before the call, so signatures and tracebacks stay
those of Python.

>>> from fastconv import layers
>>> layers.Conv2D(8, 3, pading="same")
Traceback (most recent call last):
TypeError: Conv2D() got an unexpected keyword argument 'pading'; did you mean 'padding'?
>>> layers.Dense(output_dim=10)
Traceback (most recent call last):
TypeError: Dense() got an unexpected keyword argument 'output_dim'; it is called 'units' now
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

from fastconv.common.naming import is_builtin
from fastconv.common.suggestions import did_you_mean

if TYPE_CHECKING:
    from typing_extensions import Self

# What arguments of Keras 1 and 2 are called now. Of several words, the first that is accepted.
OLD_NAMES: dict[str, tuple[str, ...]] = {
    "W_constraint": ("kernel_constraint",),
    "W_regularizer": ("kernel_regularizer",),
    "alpha": ("negative_slope",),
    "atrous_rate": ("dilation_rate",),
    "b_constraint": ("bias_constraint",),
    "b_regularizer": ("bias_regularizer",),
    "batch_input_shape": ("input_shape", "shape"),
    "beta_init": ("beta_initializer",),
    "bias": ("use_bias",),
    "border_mode": ("padding",),
    "dim_ordering": ("data_format",),
    "epsilon_std": ("stddev",),
    "filter_length": ("kernel_size",),
    "gamma_init": ("gamma_initializer",),
    "init": ("kernel_initializer", "alpha_initializer"),
    "input": ("inputs",),
    "input_dim": ("shape",),
    "lr": ("learning_rate",),
    "max_q_size": ("max_queue_size",),
    "nb_classes": ("num_classes",),
    "nb_col": ("kernel_size",),
    "nb_epoch": ("epochs",),
    "nb_epochs": ("epochs",),
    "nb_filter": ("filters",),
    "nb_row": ("kernel_size",),
    "nb_val_samples": ("validation_steps",),
    "nb_worker": ("workers",),
    "output": ("outputs",),
    "output_dim": ("units",),
    "p": ("rate",),
    "period": ("save_freq",),
    "pickle_safe": ("use_multiprocessing",),
    "pool_length": ("pool_size",),
    "samples_per_epoch": ("steps_per_epoch",),
    "sample_weight_mode": ("weighted_metrics",),
    "show_accuracy": ("metrics",),
    "sigma": ("stddev",),
    "stride": ("strides",),
    "subsample": ("strides",),
    "subsample_length": ("strides",),
    "val_samples": ("steps", "validation_steps"),
    "validation_batch": ("validation_batch_size",),
}

# What there is instead of arguments that have no successor.
# word -> (an argument by which to tell what is called, words for the message)
_INSTEAD = {
    "decay": (
        "learning_rate",
        "give a schedule of fastconv.optimizers.schedules as `learning_rate`, or `weight_decay`",
    ),
    "grayscale": ("color_mode", "give `color_mode='grayscale'`"),
    "mask": ("inputs", "there are no masks"),
    "save_format": ("filepath", "the suffix of `filepath` tells the format"),
    "weights": ("trainable", "call `set_weights` once the layer is built"),
}

_TAKES_MORE = 0x08  # inspect.CO_VARKEYWORDS: a function with **keywords
_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Checked:
    """Looks at the keywords before `__init__` does."""

    takes_any_keyword = False  # whether a class of fastconv uses keywords that it does not name

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        if keywords:
            accepted = accepted_by(cls)
            if accepted is not None and not accepted.issuperset(keywords):
                raise _unknown(cls.__name__, keywords, accepted)
        required = _required_by(cls)
        thing = super().__new__(cls)
        if not arguments and not keywords and required:  # a copy is made without any
            return thing
        missing = [name for name in required[len(arguments) :] if name not in keywords]
        if missing:
            raise _missing(cls.__name__, missing)
        cls._note_arguments(thing, arguments, keywords)
        return thing

    @classmethod
    def _note_arguments(
        cls, thing: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        """Called with the arguments of the constructor before it runs."""


class NamedArguments(_Checked):
    """Base of classes whose constructors explain a keyword that they do not have."""

    # `object` would ignore all arguments, as it sees a `__new__` and no `__init__`; and
    # `inspect.signature` takes the one of the two that is nearer.
    def __init__(self) -> None:
        super().__init__()


def explain_keywords(function: _Function) -> _Function:
    """`function`, with an error that suggests the right word for an unknown keyword."""
    accepted, _ = _names(function)

    @functools.wraps(function)
    def explained(*arguments: Any, **keywords: Any) -> Any:
        if not accepted.issuperset(keywords):
            raise _unknown(function.__name__, keywords, accepted)
        return function(*arguments, **keywords)

    return explained  # type: ignore[return-value]


def check_keywords(function: Callable[..., Any], keywords: Iterable[str]) -> None:
    """Raise TypeError, as `explain_keywords` does, if a method does not take `keywords`."""
    accepted, takes_more = _names(function)
    if not takes_more and not accepted.issuperset(keywords):
        raise _unknown(function.__name__, keywords, accepted)


@functools.cache
def accepted_by(cls: type) -> frozenset[str] | None:
    """The keywords that the constructor of `cls` takes; None if only calling it can tell.

    A constructor with **keywords gives them to that of the next class, as far as fastconv's own are
    concerned; those of a user may do anything with them.
    """
    names: set[str] = set()
    for base in cls.__mro__:
        init = vars(base).get("__init__")
        if init is None:
            continue
        if not isinstance(init, FunctionType):
            return None
        named, takes_more = _names(init)
        names |= named
        if not takes_more:
            return frozenset(names)
        if not is_builtin(base) or vars(base).get("takes_any_keyword"):
            return None
    return None


@functools.cache
def _required_by(cls: type) -> tuple[str, ...]:
    """The arguments that must be given to the constructor of `cls`, in order."""
    init = next(vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base))
    if not isinstance(init, FunctionType):
        return ()
    code = init.__code__
    return code.co_varnames[1 : code.co_argcount - len(init.__defaults__ or ())]


def _missing(name: str, missing: list[str]) -> TypeError:
    words = " and ".join(map(repr, missing))
    noun = "argument" if len(missing) == 1 else "arguments"
    return TypeError(f"{name}() missing {len(missing)} required positional {noun}: {words}")


def _names(function: Callable[..., Any]) -> tuple[frozenset[str], bool]:
    """(names of the arguments of a function, whether it takes others as well)"""
    code = function.__code__
    first = code.co_posonlyargcount
    names = code.co_varnames[first : code.co_argcount + code.co_kwonlyargcount]
    return frozenset(names) - {"self"}, bool(code.co_flags & _TAKES_MORE)


def _unknown(name: str, keywords: Iterable[str], accepted: frozenset[str]) -> TypeError:
    word = next(keyword for keyword in keywords if keyword not in accepted)
    return TypeError(f"{name}() got an unexpected keyword argument {word!r}{_hint(word, accepted)}")


def _hint(word: str, accepted: frozenset[str]) -> str:
    now = next((new for new in OLD_NAMES.get(word, ()) if new in accepted), None)
    if now is not None:
        return f"; it is called {now!r} now"
    sign, instead = _INSTEAD.get(word, (None, None))
    if sign in accepted:
        return f"; {instead}"
    return did_you_mean(word, accepted) or f"; there are {', '.join(sorted(accepted)) or 'none'}"

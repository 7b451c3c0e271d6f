"""A callback composed of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.callbacks.callback import METHODS, Callback
from fastconv.common.suggestions import did_you_mean_one_of


class LambdaCallback(Callback):
    """Calls the given functions in its hooks, with the arguments of the hook.

    Args:
        on_epoch_begin, on_epoch_end: functions of (epoch, logs).
        on_train_begin, on_train_end: functions of (logs).
        on_train_batch_begin, on_train_batch_end: functions of (batch, logs).
        others: any other hook of `Callback` by name.

    Raises TypeError for a name that is not a hook or a value that is not callable.

    >>> from fastconv.callbacks import LambdaCallback
    >>> printer = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    takes_any_keyword = True

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **others: Callable[..., Any],
    ):
        super().__init__()
        functions = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        } | others
        for hook, function in functions.items():
            if hook not in METHODS:
                raise TypeError(f"{hook!r} is no hook; {did_you_mean_one_of(hook, METHODS)}")
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"`{hook}` must be a function, received {function!r}")
            setattr(self, hook, function)

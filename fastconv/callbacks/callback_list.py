"""`CallbackList`: calls the callbacks of one `fit`, `evaluate` or `predict`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastconv.callbacks.callback import HOOKS, Callback
from fastconv.callbacks.history import History
from fastconv.callbacks.progbar_logger import ProgbarLogger
from fastconv.callbacks.progress import Progress


class CallbackList:
    """Calls each hook of the callbacks that define it.

    Args:
        callbacks: a callback, several, or None.
        model: the model that they get.
        params: their `params`: "verbose", "epochs" and "steps", of which `progress`, the display of
            the run, is made. It is silent if a `ProgbarLogger` among the callbacks replaces it.
        add_history: whether `history` is a `History`, appended unless the callbacks contain one.
        first: whether this is the first of several ranks; on the others `progress` is silent, and
            callbacks for the first one alone are left out.

    Raises TypeError if one of `callbacks` is not a `Callback`, ValueError for an invalid verbosity.
    """

    def __init__(
        self,
        callbacks: Callback | Iterable[Callback] | None,
        model: Any,
        params: dict[str, Any],
        add_history: bool = False,
        first: bool = True,
    ):
        if callbacks is None:
            callbacks = []
        elif isinstance(callbacks, (Callback, str)):
            callbacks = [callbacks]
        self.callbacks = list(callbacks)
        arguments: dict[str, Any] = {"verbose": 0} | params
        if not first:
            arguments["verbose"] = 0
            self.callbacks: list[Callback] = [
                each for each in self.callbacks if not getattr(each, "first_rank_only", False)
            ]
        self.progress = Progress(**arguments)
        self.history = self._first(History)
        if self.history is None and add_history:
            self.history: History = History()
            self.callbacks.append(self.history)
        params = params | {"verbose": self.progress.verbose}
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(
                    "`callbacks` must be instances of fastconv.callbacks.Callback, "
                    f"received {callback!r}"
                )
            callback.set_model(model)
            callback.set_params(params)
        if self._first(ProgbarLogger) is not None:
            self.progress: Progress = Progress(0)
        self.callbacks.sort(key=lambda callback: callback.runs_last)
        # A step may take less than a millisecond, so two calls per callback would be noticeable.
        self._hooks: dict[str, list[Any]] = {}
        for callback in self.callbacks:
            for hook in HOOKS:
                if _overrides(callback, hook):
                    self._hooks.setdefault(hook, []).append(getattr(callback, hook))

    def _first(self, cls: type) -> Any:
        return next((each for each in self.callbacks if isinstance(each, cls)), None)

    def wants(self, hook: str) -> bool:
        """Return whether any callback defines `hook`."""
        return hook in self._hooks

    def call(self, hook: str, *index: int, logs: dict[str, Any] | None = None) -> None:
        """Call `hook` of every callback that defines it, with the number of the epoch or batch."""
        for function in self._hooks.get(hook, ()):
            function(*index, {} if logs is None else logs)

    def of_batches(self, mode: str, every: int, done: int = 0) -> BatchHooks:
        """Return the hooks that are called once per `every` batches of "train", "test" or
        "predict", of which `done` are over."""
        return BatchHooks(self, mode, every, done)


class BatchHooks:
    """`on_{mode}_batch_begin` before, and `on_{mode}_batch_end` after every `every` batches and the
    last one: `steps_per_execution` of `compile`.

    They get the number of the first and the last batch of a group, as if all were whole.
    """

    def __init__(self, hooks: CallbackList, mode: str, every: int, done: int):
        self._call, self._every = hooks.call, every
        self._begin, self._end = f"on_{mode}_batch_begin", f"on_{mode}_batch_end"
        self._wants_begin, self.wants_end = hooks.wants(self._begin), hooks.wants(self._end)
        self._done = done  # number of batches up to the last call of the second hook

    def begin(self, batch: int) -> None:
        """Call the first hook if `batch` begins a group."""
        if self._wants_begin and batch % self._every == 0:
            self._call(self._begin, batch)

    def end(self, done: int, logs: Callable[[], dict[str, Any]], last: bool = False) -> None:
        """Call the second hook if `done` batches, or the `last` ones, end a group."""
        if self.wants_end and done > self._done and (last or done % self._every == 0):
            self._done = done
            self._call(self._end, -(-done // self._every) * self._every - 1, logs=logs())


def _overrides(callback: Callback, hook: str) -> bool:
    names = [hook, hook.replace("train_batch", "batch")]
    return any(
        name in vars(callback) or getattr(type(callback), name) is not getattr(Callback, name)
        for name in names
    )

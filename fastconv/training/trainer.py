"""`fit`, `evaluate` and `predict`.

A step borrows a plan for the batch size, loads the batch into it, runs it, and accumulates loss and
metrics from its small output arrays. All other code here runs once per epoch or per call.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np

from fastconv.callbacks import Callback, CallbackList, History, ProgbarLogger
from fastconv.common.arrays import aligned_zeros
from fastconv.common.keywords import explain_keywords
from fastconv.common.user_warnings import warn_user
from fastconv.plan import Arena, Plan, Updates
from fastconv.shapes import normalize_int
from fastconv.state import arrays_of, check_record, equal_to, list_of, plain, whole
from fastconv.training.compiled import Compiled
from fastconv.training.data import ArraySource, Source, split_validation
from fastconv.training.feed import Feed, make_feed
from fastconv.training.outputs import Outputs
from fastconv.training.progress import Progress
from fastconv.training.report import Report
from fastconv.training.run import TrainingRun
from fastconv.training.terminals import Terminals

# First number of the draws of `model(x)`, far from those of training.
_AUGMENTATIONS = 2**32


class Trainer(Compiled):
    """The training half of a model; `fastconv.models` contains the other, the layers.

    Uses `_lock`, `built`, `build`, `terminals`, `pack_outputs`, `parameters` and `graph()`.
    """

    def __init__(self):
        super().__init__()
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.history: History | None = None
        self._draws = self._augmentations = 0

    def _begin_work(self) -> None:
        super()._begin_work()
        self._fitting = threading.Lock()
        self.training_run: TrainingRun | None = None

    # fit ------------------------------------------------------------------------------------------

    @explain_keywords
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Callback | Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Iterable[int] = 1,
    ) -> History:
        """Train the model.

        Args:
            x: samples (count, ...), any integer or float dtype; for several inputs a list or dict
                of arrays; or an iterable of batches (x, y[, sample_weight]), prepared in the
                background; or an object with `len()` and `[index]`, such as a
                `fastconv.utils.PyDataset`.
            y: labels in the format of the loss, for several outputs a list or dict; None with an
                iterable.
            batch_size: samples per step, 32 by default; the last batch may be smaller.
            epochs: total number of epochs, including those before `initial_epoch`.
            verbose: "auto" or 1 progress bar, 2 one line per epoch, 0 silent.
            callbacks: see `fastconv.callbacks`.
            validation_split: fraction of the samples, taken from the end before shuffling, that is
                used for validation.
            validation_data: (x, y[, sample_weight]) or an iterable for validation after each epoch.
            shuffle: whether to shuffle the samples every epoch; ignored for iterables.
            class_weight: {class: weight} for the loss; absent classes have weight 1.
            sample_weight: weights for the loss, one per sample or one per prediction vector; for
                several outputs also a list or dict of arrays.
            initial_epoch: epoch at which to start, counted from 0.
            steps_per_epoch: steps per epoch; an epoch starts where the last one ended. By default
                one pass over the data. At the end of the data an epoch ends early, with a warning,
                and the next one starts with the first batch.
            validation_steps: number of validation batches; every validation starts with the first
                batch, unless the data is an iterator.
            validation_batch_size: by default `batch_size`.
            validation_freq: number of epochs between validations, or a list of the epochs to
                validate after (counted from 1).

        Returns:
            A `History`: the loss and metrics per epoch. The loss is the mean over the samples,
            measured while the weights change.

        Raises:
            ValueError: no samples, different lengths, shapes or labels that do not match the model,
                contradictory arguments.
            TypeError: data that is not numeric.
            RuntimeError: the model is not compiled, or another `fit` is running.

        After an exception or Ctrl-C, the weights are those of the last completed step.
        """
        self._check_compiled("fit")
        if not self._fitting.acquire(blocking=False):
            raise RuntimeError("this model is being fitted already; one fit at a time")
        try:
            if validation_split and validation_data is None:
                (x, y, sample_weight), validation_data = split_validation(
                    (x, y, sample_weight), validation_split, len(self.inputs) if self.built else 1
                )
            feed = make_feed(
                (x, y, sample_weight),
                batch_size=batch_size,
                steps=steps_per_epoch,
                steps_name="steps_per_epoch",
                shuffle=shuffle,
                class_weight=class_weight,
            )
            report = self._prepare(feed.source)
            validation = None
            if validation_data is not None:
                validation = self._validation_feed(
                    validation_data, validation_batch_size or batch_size, validation_steps
                )
            epochs = range(
                normalize_int(initial_epoch, "initial_epoch", minimum=0),
                normalize_int(epochs, "epochs"),
            )
            validated = _validated_epochs(validation_freq)
            history, callbacks = _with_history(callbacks)
            hooks, progress = self._hooks(callbacks, verbose, epochs.stop, feed.length)
            run = TrainingRun(self, report, hooks.callbacks, feed, validation, epochs.start)
            self.training_run = run
            try:
                with self._training_weights():
                    self._fit_epochs(run, epochs.stop, validated, hooks, progress)
            finally:
                progress.close()
            return history
        finally:
            self.training_run = None
            self._fitting.release()

    def _fit_epochs(self, run: TrainingRun, epochs, validated, hooks, progress) -> None:
        self.stop_training = False
        report, validation = run.report, run.validation
        report.reset()
        hooks.call("on_train_begin")
        while run.epoch < epochs and not run.finished:
            epoch = run.epoch
            progress.epoch(epoch)
            if not run.batch:
                report.reset()
                hooks.call("on_epoch_begin", epoch)
            if not self._epoch(run.feed, report, hooks, progress, "train", run):
                break
            steps, logs = run.batch, report.logs()
            if validation is not None and validated(epoch + 1):
                report.reset()
                validation.rewind()
                self.stop_evaluating = False
                hooks.call("on_test_begin")
                if self._epoch(validation, report, hooks, None, "test"):
                    validation_logs = report.logs()
                    logs |= {f"val_{name}": value for name, value in validation_logs.items()}
                    hooks.call("on_test_end", logs=validation_logs)
            run.logs = logs
            run.epoch_is_over()
            hooks.call("on_epoch_end", epoch, logs=logs)
            progress.end(steps, logs)
            run.finished = self.stop_training or run.feed.exhausted
        self.optimizer.finalize_variable_values(self.trainable_weights)
        hooks.call("on_train_end", logs=run.logs)

    def _epoch(
        self,
        feed: Feed,
        report: Report,
        hooks: CallbackList,
        progress: Progress | None,
        mode: str,
        run: TrainingRun | None = None,
    ) -> int:
        """Run one epoch in "train" or "test" mode from the position of `run`; return the steps."""
        source = feed.source
        begin, end = f"on_{mode}_batch_begin", f"on_{mode}_batch_end"
        wants_begin, wants_end = hooks.wants(begin), hooks.wants(end)
        trained = self._trained_parts()
        done = run.batch if run else 0
        if done and self.stop_training:  # saved between request and stop
            return done
        with closing(feed.epoch(done)) as items:
            for item in items:
                if wants_begin:
                    hooks.call(begin, done)
                with self._plan(source.size(item), mode, source.is_weighted(item), trained) as plan:
                    ys, weights = source.load(item, plan)
                    plan.run(self._draws)
                    if mode == "train":
                        self._draws += 1
                        self.optimizer.count_step()
                    report.add(plan, ys, weights)
                done += 1
                if run is not None:
                    run.batch = done
                if wants_end:
                    hooks.call(end, done - 1, logs=report.logs())
                if progress is not None and progress.due(done):
                    progress.draw(done, report.logs())
                if self.stop_training if mode == "train" else self.stop_evaluating:
                    break
        return done

    def _validation_feed(self, data: Any, batch_size: int | None, steps: int | None) -> Feed:
        if not isinstance(data, (tuple, list)):
            data, batch_size = (data,), None
        elif len(data) not in (2, 3):
            raise ValueError(
                "`validation_data` must be (x, y) or (x, y, sample_weight), "
                f"received {len(data)} parts"
            )
        feed = make_feed(data, batch_size=batch_size, steps=steps, steps_name="validation_steps")
        feed.source.prepare(self._terminals())
        self._check_not_empty(feed.source, "validation_data")
        return feed

    def state(self) -> dict[str, Any]:
        """Return an exact copy of all state that training changes in the model: see
        `fastconv.state`."""
        return copy.deepcopy(self._live_state())

    def _live_state(self) -> dict[str, Any]:
        """Return `state` without copying weights and slots, for a file that is written at once."""
        self._check_compiled("state")
        return {
            "weights": [variable._live for variable in self.weights],
            "optimizer": self.optimizer._live_state(),
            "layers": [
                {"class": type(layer).__name__, "state": layer.state()}
                for layer in self.leaf_layers()
            ],
            "draws": self._draws,
        }

    def check_state(self, state: Any) -> None:
        """Raise ValueError unless `state` belongs to an equal model with an equal optimizer;
        changes nothing."""
        self._check_compiled("restore")
        what = f"the state of {self.name!r}"
        kinds = {"weights": list_of(plain), "optimizer": plain, "layers": list_of(plain)}
        check_record(state, kinds | {"draws": whole}, what)
        layers, wanted = self.leaf_layers(), [variable.shape for variable in self.weights]
        received = [np.shape(value) for value in state["weights"]]
        if wanted != received or len(layers) != len(state["layers"]):
            raise ValueError(
                f"{what} must be that of a model with {len(layers)} "
                f"layers and weights of shapes {wanted}, received {len(state['layers'])} layers "
                f"and {received}"
            )
        arrays_of(wanted)(state["weights"], f"{what}: `weights`")
        for layer, each in zip(layers, state["layers"], strict=True):
            where = f"{what}: layer {layer.name!r}"
            check_record(each, {"class": equal_to(type(layer).__name__), "state": plain}, where)
            layer.check_state(each["state"])
        self.optimizer.check_state(state["optimizer"], self.parameters)

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the `state()` of an equal model; ValueError for a different one, without
        changing anything."""
        self.check_state(state)
        for layer, each in zip(self.leaf_layers(), state["layers"], strict=True):
            layer.restore(each["state"])
        self.optimizer.restore(state["optimizer"], self.parameters)
        self.set_weights(state["weights"])
        self._draws = state["draws"]
        self._plans.clear()  # they use the layers' old random streams

    # evaluate -------------------------------------------------------------------------------------

    @explain_keywords
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """Compute loss and metrics on data; other arguments as for `fit`.

        Args:
            steps: number of batches; data that ends earlier gives a warning.
            return_dict: whether to return a dict of names and values.

        Returns:
            [loss, losses of several outputs, metrics in the order of `compile`]; only the loss if
            there are no others. All are floats, except arrays of metrics with one number per class
            or threshold (`F1Score()`).

        Raises the errors of `fit`.
        """
        self._check_compiled("evaluate")
        feed = make_feed((x, y, sample_weight), batch_size=batch_size, steps=steps)
        report = self._prepare(feed.source)
        run, progress = self._hooks(callbacks, verbose, 1, feed.length)
        report.reset()
        self.stop_evaluating = False
        try:
            run.call("on_test_begin")
            done = self._epoch(feed, report, run, progress, "test")
            logs = report.logs()
            run.call("on_test_end", logs=logs)
            progress.end(done, logs)
        finally:
            progress.close()
        if return_dict:
            return logs
        return report.values()

    # predict --------------------------------------------------------------------------------------

    @explain_keywords
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
    ) -> Any:
        """Return the outputs for the samples `x`, float32 (count, ...). Thread-safe.

        Arguments and errors are those of `fit`; no samples give an empty array. Several outputs are
        returned as a list or dict, as the model was defined.
        """
        feed = make_feed((x,), batch_size=batch_size, steps=steps)
        source = feed.source
        self._build_for(source)
        terminals = self.terminals([])
        source.prepare(terminals)
        run, progress = self._hooks(callbacks, verbose, 1, feed.length)
        count = getattr(source, "count", None) if steps is None else None
        outputs = [Outputs(count, shape) for shape in terminals.outputs.values()]
        done = 0
        self.stop_predicting = False
        try:
            run.call("on_predict_begin")
            with closing(feed.epoch() if count != 0 else _nothing()) as items:
                for item in items:
                    run.call("on_predict_batch_begin", done)
                    with self._plan(source.size(item), "infer", False) as plan:
                        source.load(item, plan)
                        plan.run()
                        pairs = zip(outputs, plan.outputs, strict=True)
                        batch = self.pack_outputs([whole.add(part) for whole, part in pairs])
                    run.call("on_predict_batch_end", done, logs={"outputs": batch})
                    done += 1
                    if progress.due(done):
                        progress.draw(done, {})
                    if self.stop_predicting:
                        break
            run.call("on_predict_end")
            progress.end(done, {})
        finally:
            progress.close()
        return self.pack_outputs([each.result() for each in outputs])

    # single batches -------------------------------------------------------------------------------

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch `x` (N, ...), float32, with the least overhead.

        Raises ValueError or TypeError for data that does not match. Thread-safe.
        """
        return self._forward(x, "infer")

    def _augmented(self, x: Any) -> Any:
        """As `predict_on_batch`, with random image augmentation that differs in each call."""
        with self._lock:
            self._augmentations += 1
            draw = _AUGMENTATIONS + self._augmentations
        return self._forward(x, "augment", draw)

    def _forward(self, x: Any, mode: str, draw: int = 0) -> Any:
        if not self.built:
            self.build((None, *np.shape(x)[1:]))
        terminals = self.terminals([])
        xs = terminals.samples(x)
        if len(xs[0]) == 0:
            shapes = terminals.outputs.values()
            return self.pack_outputs([np.empty((0, *shape[1:]), np.float32) for shape in shapes])
        with self._plan(len(xs[0]), mode, False) as plan:
            for index, array in enumerate(xs):
                plan.inputs[index][...] = array
            plan.run(draw)
            return self.pack_outputs([output.copy() for output in plan.outputs])

    @explain_keywords
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """Run one training step on one batch.

        Returns the values of `evaluate` for this batch: loss and metrics before the update.
        `metrics` keep these values until the next call. Raises the errors of `fit`.
        """
        return self._on_batch("train", x, y, sample_weight, class_weight, return_dict)

    @explain_keywords
    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> float | list[float] | dict[str, float]:
        """Return loss and metrics of one batch; returns and raises as `train_on_batch`."""
        return self._on_batch("test", x, y, sample_weight, None, return_dict)

    def reset_metrics(self) -> None:
        """Reset loss and metrics to their state before any batch; `fit`, `evaluate` and the
        functions of one batch do so automatically."""
        if self._reported is not None:
            self._reported.reset()

    def _on_batch(self, mode, x, y, sample_weight, class_weight, return_dict):
        self._check_compiled(f"{mode}_on_batch")
        source = ArraySource(x, y, sample_weight, None, 1, False, class_weight)
        feed = Feed(source, None, "steps")
        report = self._prepare(feed.source)
        report.reset()
        run = CallbackList(None, self, {})
        if mode == "test":
            self._epoch(feed, report, run, None, mode)
        else:
            if not self._fitting.acquire(blocking=False):
                raise RuntimeError("this model is being fitted already; one step at a time")
            try:
                self.stop_training = False
                with self._training_weights():
                    self._epoch(feed, report, run, None, mode)
            finally:
                self._fitting.release()
        return report.logs() if return_dict else report.values()

    # Shared ---------------------------------------------------------------------------------------

    def _hooks(self, callbacks, verbose, epochs, steps) -> tuple[CallbackList, Progress]:
        """Return the callbacks of one run, and its display, silent if a callback replaces it."""
        progress = Progress(verbose, epochs, steps)
        params = {"verbose": progress.verbose, "epochs": epochs, "steps": steps}
        hooks = CallbackList(callbacks, self, params)
        if any(isinstance(callback, ProgbarLogger) for callback in hooks.callbacks):
            progress = Progress(0)
        return hooks, progress

    @staticmethod
    def _check_not_empty(source: Source, name: str) -> None:
        if getattr(source, "count", None) == 0:
            raise ValueError(f"`{name}` must hold at least one sample, received none")

    def _build_for(self, source: Source) -> None:
        if not self.built:
            self.build((None, *source.sample_shape()))

    def _terminals(self) -> Terminals:
        """Return inputs and outputs, with the losses of the outputs."""
        outputs = self.terminals([]).output_names
        return self.terminals(self._compilation.losses(outputs))

    def _prepare(self, source: Source) -> Report:
        """Match model, data and report; return the report."""
        self._build_for(source)
        terminals = self._terminals()
        source.prepare(terminals)
        self._check_not_empty(source, "x")
        if self._reported is None:
            outputs, shapes = terminals.output_names, list(terminals.outputs.values())
            self._reported = Report(self._compilation, outputs, source.y_shapes(), shapes)
        return self._reported

    @contextmanager
    def _training_weights(self) -> Iterator[None]:
        """Reserve the weights, which other models may share, for this model in the block;
        RuntimeError if another one is in `fit`, a warning if no weight is trainable."""
        if not any(variable.trainable for variable in self.parameters.variables):
            warn_user(
                f"{self.name!r} has no trainable weights: training changes none of them",
            )
        lock = self.parameters.training
        if not lock.acquire(blocking=False):
            raise RuntimeError(
                f"another model that shares layers with {self.name!r} is being fitted already"
            )
        try:
            self.optimizer.state_for(self.parameters)
            yield
        finally:
            lock.release()

    def _trained_parts(self) -> tuple[bool, ...]:
        """Return which weights belong to trainable layers: part of the key of a plan."""
        return tuple(variable.owner_trains for variable in self.parameters.variables)

    def _plan(self, count: int, mode: str, weighted: bool, trained: tuple = ()):
        """Lend a plan for `count` samples; a context manager."""
        self.parameters  # noqa: B018  (drops the plans if the weights have moved)
        key = (count, mode, weighted, trained)
        return self._plans.lend(key, lambda arena: self._make_plan(count, mode, weighted, arena))

    def _make_plan(
        self, count: int, mode: str, weighted: bool, arena: Arena = aligned_zeros
    ) -> Plan:
        graph, parameters = self.graph(), self.parameters
        options: dict[str, Any] = {"arena": arena}
        if mode in ("test", "train"):
            outputs = self.terminals([]).output_names
            options["losses"] = self._loss_nodes(graph, outputs)
            options["loss_weights"] = self._compilation.loss_weights(outputs)
            options["weighted"] = weighted
        if mode == "train":
            options["updates"] = Updates(self.optimizer, parameters)
        return Plan(graph, count, parameters, mode=mode, **options)


def _nothing() -> Iterator[Any]:
    """No batches."""
    yield from ()


def _with_history(callbacks: Any) -> tuple[History, list[Callback]]:
    """Return the callbacks with a History, appended unless they contain one."""
    callbacks = [callbacks] if isinstance(callbacks, (Callback, str)) else list(callbacks or [])
    for callback in callbacks:
        if isinstance(callback, History):
            return callback, callbacks
    history = History()
    return history, [*callbacks, history]


def _validated_epochs(frequency: int | Iterable[int]):
    """Return a function that returns whether an epoch, counted from 1, is validated."""
    if isinstance(frequency, (list, tuple, set, range)):
        epochs = {normalize_int(epoch, "validation_freq") for epoch in frequency}
        return lambda epoch: epoch in epochs
    every = normalize_int(frequency, "validation_freq")
    return lambda epoch: epoch % every == 0

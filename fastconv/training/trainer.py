"""`Trainer`: `compile`, `fit`, `evaluate` and `predict`.

A step borrows a plan for the batch size, loads the batch into it, runs it, and accumulates loss and
metrics from its small output arrays. All other code here runs once per epoch or per call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv import optimizers
from fastconv.callbacks import Callback, CallbackList, History
from fastconv.callbacks.progress import Progress
from fastconv.common.arguments import normalize_int
from fastconv.common.arrays import aligned_zeros, read_only
from fastconv.common.keywords import explain_keywords
from fastconv.common.literals import LossLike, OptimizerName, Verbose
from fastconv.common.tree import Names, flatten, pack
from fastconv.common.user_warnings import warn_user
from fastconv.distribution import DataParallel
from fastconv.distribution.data_parallel import active
from fastconv.layers.batch_axis import check_batch_size
from fastconv.metrics import Metric
from fastconv.parameters import AnyParameters, Variable
from fastconv.plan import Arena, Graph, Plan, PlanCache, Updates
from fastconv.serialization import SameName
from fastconv.shapes import Shape
from fastconv.training.chunked import ChunkedSteps
from fastconv.training.compile_config import CompileConfig
from fastconv.training.computed_loss import ComputedLoss
from fastconv.training.data import ArraySource, Source, split_validation
from fastconv.training.epoch_iterator import EpochIterator
from fastconv.training.io_spec import IOSpec, joined_outputs
from fastconv.training.metrics_tracker import MetricsTracker
from fastconv.training.own_loops import OwnLoops
from fastconv.training.own_steps import LossOfOutput, OwnSteps, RawSpec, StepLogs, batch_of
from fastconv.training.training_run import TrainingRun, validated_epochs

# Mode of a plan -> the argument `training` of its layers; False in all other modes
_TRAINING = {"train": True, "forward": True, "augment": None}


class Trainer(OwnLoops, OwnSteps):
    """The training half of a model; `fastconv.models` contains the other, the layers.

    The declarations below are what it uses of the other half.
    """

    compiled: bool

    if TYPE_CHECKING:
        name: str
        layers: Sequence[Any]
        built: bool
        adds_losses: bool
        inputs: list[Any]
        trainable_weights: list[Variable]
        parameters: AnyParameters
        io_spec: IOSpec

        builds_for_data: bool

        def build_for(self, input_shape: Any) -> None: ...
        def graph(
            self, training: bool | None = None, input_shapes: Sequence[Shape] | None = None
        ) -> Graph: ...
        def pack_outputs(self, values: list[Any]) -> Any: ...
        def renew_parameters(self) -> AnyParameters: ...
        def _next_draw(self) -> int: ...

    def __init__(self) -> None:
        self.compiled = False
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.history: History | None = None
        self._compile_config = CompileConfig()
        self._tracker: MetricsTracker | None = None  # of the data since `compile`
        self._computed_loss: ComputedLoss | None = None  # in place of losses of outputs
        self._loss_of_class: Any = None
        self._draws = 0  # number of training steps, which the random layers count
        self._begin_work()

    def _begin_work(self) -> None:
        """Set up attributes that are not part of the state."""
        self._plans = PlanCache()
        self._forget_losses()
        self._fitting = threading.Lock()
        self.training_run: TrainingRun | None = None

    # compile --------------------------------------------------------------------------------------

    @explain_keywords
    def compile(
        self,
        optimizer: OptimizerName | optimizers.Optimizer | dict[str, Any] = "rmsprop",
        loss: LossLike = None,
        loss_weights: Any = None,
        metrics: Iterable[Any] | None = None,
        weighted_metrics: Iterable[Any] | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int | str = 1,
        jit_compile: bool | str | None = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Configure the model for training.

        Args:
            optimizer: a name ("sgd", "rmsprop", "adam") or an `Optimizer`.
            loss: a name ("categorical_crossentropy", "sparse_categorical_crossentropy", "mse") or
                a `Loss`. With several outputs: one for all of them, a list in their order, or a
                dict by their names; None for an output that is not trained, or for a model that is
                trained by `add_loss` and regularizers alone, without labels.
            loss_weights: list or dict of factors of the losses in the total loss; by default 1.
            metrics: names ("accuracy"), metrics or functions of (y_true, y_pred), computed without
                sample weights. With several outputs: a list of lists, one per output, or a dict of
                lists.
            weighted_metrics: the same, computed with sample weights.
            steps_per_execution: number of batches per call of `on_train_batch_begin` and
                `on_train_batch_end`, and of those of "test" and "predict"; "auto" is 1.
            run_eagerly, jit_compile, auto_scale_loss: accepted without effect, since they do not
                change results: fastconv compiles no graphs, and does not use reduced precision, for
                which the loss would be scaled.

        Raises ValueError or TypeError for an unknown or unsupported argument, and for one that
        cannot be saved to a file: an unnamed function, or a custom class (also of a layer) whose
        `get_config` returns more than plain data. Two functions of one name give a warning.
        """
        config = CompileConfig(
            optimizers.get(optimizer),
            loss,
            loss_weights,
            metrics,
            weighted_metrics,
            steps_per_execution,
        )
        computed = None
        if self._defines("compute_loss"):
            if loss is None and metrics is None and weighted_metrics is None:
                computed = ComputedLoss(self)
            else:
                config.use_loss(LossOfOutput(self))
        try:
            config.check_storable(self)
        except SameName as error:  # such as a loss and a metric made by one function
            warn_user(f"{error}; before that, `save` needs `include_optimizer=False`")
        self._compile_config, self._tracker, self.compiled = config, None, True
        self._computed_loss = computed
        self._plans.clear()

    def _check_compiled(self, what: str, mode: str = "") -> optimizers.Optimizer:
        """Return the optimizer; RuntimeError before `compile`, ValueError if it is known that there
        is no loss, unless the class defines the step of `mode`."""
        optimizer = self._compile_config.optimizer
        if optimizer is None:
            raise RuntimeError(f"call compile() before {what}()")
        if not self._owns(mode) and self.built:
            self._check_loss(what)
        return optimizer

    def _check_loss(self, what: str) -> None:
        """Raise ValueError if neither `compile` nor a layer of the built model gives a loss."""
        config = self._compile_config
        if config.has_loss:
            return
        if not self.adds_losses:
            raise ValueError(
                f"{what}() needs a loss; give `loss` to compile(), or call `add_loss` in a layer"
            )
        if config.has_metrics:
            raise ValueError(
                f"{what}() without `loss` has no labels for metrics; give them none in compile()"
            )

    def get_compile_config(self) -> dict[str, Any] | None:
        """Return the arguments of `compile` as plain data; None before `compile`."""
        return self._compile_config.get_config() if self.compiled else None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with the arguments in `get_compile_config`'s format, with a new optimizer state.

        Ignores how Keras ran the model (`run_eagerly`), which does not affect results. Raises
        ValueError or TypeError for an unsupported value.
        """
        config = {key: value for key, value in config.items() if key != "run_eagerly"}
        arguments: dict[str, Any] = config | {"optimizer": optimizers.get(config.get("optimizer"))}
        self.compile(**arguments)

    @property
    def optimizer(self) -> optimizers.Optimizer | None:
        """The optimizer of `fit`; None before `compile`.

        An optimizer or a name may be assigned; its state is reset.
        """
        return self._compile_config.optimizer

    @optimizer.setter
    def optimizer(self, value: Any) -> None:
        if value is None and not self.compiled:
            return
        self._compile_config.optimizer = optimizers.get(value)
        self._plans.clear()

    @property
    def loss(self) -> Any:
        """The loss as given to `compile`.

        A class that defines `compute_loss` may assign one of its own; AttributeError otherwise.
        """
        given = self._compile_config.loss
        return self._loss_of_class if given is None else given

    @loss.setter
    def loss(self, value: Any) -> None:
        if self._defines("compute_loss"):
            self._loss_of_class = value
            return
        raise AttributeError(
            f"`loss` cannot be changed by itself; give it to compile(), received {value!r}"
        )

    @property
    def metrics(self) -> list[Metric]:
        """Loss and metrics; data determine which accuracy "accuracy" stands for. Then the metrics
        in the attributes of the model."""
        found: list[Metric] = list(self._tracker.metrics.values()) if self._tracker else []
        if self._computed_loss is not None:
            found = [self._computed_loss.mean]
        return [*found, *self.own_metrics()]

    @property
    def metrics_names(self) -> list[str]:
        """The names of loss and metrics, in the order of the values that `evaluate` returns; empty
        before `compile`."""
        return list(self.metrics_by_name)

    @property
    def metrics_by_name(self) -> dict[str, Metric]:
        """Loss and metrics by their names in logs and histories.

        Without data so far, "accuracy" may be any of the accuracies.
        """
        tracker = self._tracker or self._tracker_without_data()
        return tracker.metrics if tracker else {}

    def _tracker_without_data(self) -> MetricsTracker | None:
        """Return a tracker for labels of the shape of the outputs."""
        if not self._compile_config.has_loss:
            return None
        names, shapes = Names(layer.name for layer in self.layers[-1:]), [(None, 1)]
        if self.built:
            names, shapes = self.io_spec.output_names, self.io_spec.output_shapes
        if not names:
            return None
        return MetricsTracker(self._compile_config, names, [None] * len(names), shapes)

    def reset_metrics(self) -> None:
        """Reset loss and metrics to their state before any batch; `fit`, `evaluate` and the
        functions of one batch do so automatically."""
        if self._tracker is not None:
            self._tracker.reset()

    # fit ------------------------------------------------------------------------------------------

    @explain_keywords
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Verbose = "auto",
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
        distribute: DataParallel | str | None = None,
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
            distribute: "mpi" divides every batch over the processes that `mpirun` has started, as
                does a `fastconv.distribution.DataParallel`; by default that of `set_distribution`.

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
        self._check_compiled("fit", "train")
        with self._one_at_a_time("fit"):
            if validation_split and validation_data is None:
                (x, y, sample_weight), validation_data = split_validation(
                    (x, y, sample_weight), validation_split, len(self.inputs) if self.built else 1
                )
            batches = EpochIterator.over(
                (x, y, sample_weight),
                batch_size,
                steps_per_epoch,
                "steps_per_epoch",
                shuffle,
                class_weight,
            )
            tracker = self._prepare(batches.source, mode="train")
            validation = None
            if validation_data is not None:
                validation = EpochIterator.over_validation(
                    validation_data, validation_batch_size or batch_size, validation_steps
                )
                self._check_compiled("validation in fit", "test")
                self._validation_tracker = self._prepare(validation.source, "validation_data")
            first = normalize_int(initial_epoch, "initial_epoch", minimum=0)
            epochs = normalize_int(epochs, "epochs")
            validated = validated_epochs(validation_freq)
            params = {"verbose": verbose, "epochs": epochs, "steps": batches.length}
            steps = self._chunked_steps(distribute, "train", "test")
            hooks = CallbackList(
                callbacks, self, params, add_history=True, first=steps is None or steps.is_first
            )
            run = TrainingRun(self, tracker, hooks.callbacks, batches, validation, first)
            self.training_run = run
            try:
                with closing(hooks.progress), self._training_weights():
                    if steps is not None:
                        steps.begin(batches, run)
                    self._fit_epochs(run, epochs, validated, hooks, steps)
            finally:
                self.training_run = None
            return hooks.history

    def _fit_epochs(
        self,
        run: TrainingRun,
        epochs: int,
        validated: Callable[[int], bool],
        hooks: CallbackList,
        steps: ChunkedSteps | None,
    ) -> None:
        self.stop_training: bool = False
        tracker, progress = run.tracker, hooks.progress
        tracker.reset()
        hooks.call("on_train_begin")  # may restore the state of an interrupted run
        while run.epoch < epochs and not run.finished:
            epoch = run.epoch
            progress.epoch(epoch)
            if not run.batch:
                tracker.reset()
                hooks.call("on_epoch_begin", epoch)
            if not self._epoch("train", run.batches, tracker, hooks, progress, run, steps):
                break
            done, logs = run.batch, tracker.logs()
            if run.validation is not None and validated(epoch + 1):
                run.validation.rewind()
                validation_steps, validation_logs = self._test(
                    run.validation, self._validation_tracker, hooks, steps=steps
                )
                if validation_steps:
                    logs |= {f"val_{name}": value for name, value in validation_logs.items()}
            run.end_epoch(logs)
            hooks.call("on_epoch_end", epoch, logs=logs)
            progress.end(done, logs)
            run.finished = self.stop_training or run.batches.exhausted
        if steps is not None:
            steps.end()
        if self.built:
            trained = [variable for variable in self.parameters.variables if variable.trainable]
            self._check_compiled("fit", "train").finalize_variable_values(trained)
        hooks.call("on_train_end", logs=run.logs)

    def _test(
        self,
        batches: EpochIterator,
        tracker: MetricsTracker,
        hooks: CallbackList,
        progress: Progress | None = None,
        steps: ChunkedSteps | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Compute loss and metrics of one epoch; return the number of steps and the logs."""
        tracker.reset()
        self.stop_evaluating: bool = False
        hooks.call("on_test_begin")
        done = self._epoch("test", batches, tracker, hooks, progress, steps=steps)
        logs = tracker.logs()
        hooks.call("on_test_end", logs=logs)
        return done, logs

    def _epoch(
        self,
        mode: str,
        batches: EpochIterator,
        tracker: MetricsTracker,
        hooks: CallbackList,
        progress: Progress | None = None,
        run: TrainingRun | None = None,
        steps: ChunkedSteps | None = None,
    ) -> int:
        """Run one epoch in "train" or "test" mode from the position of `run`; return the steps."""
        trained = () if self._owns(mode) else self._trained_parts()
        step = steps or self._step
        done = run.batch if run else 0
        around = hooks.of_batches(mode, self._compile_config.steps_per_execution, done)
        if done and self.stop_training:  # saved between request and stop
            return done
        with closing(batches.epoch(done)) as items:
            for item in items:
                around.begin(done)
                step(mode, batches.source, item, tracker, trained)
                done += 1
                if run is not None:
                    run.batch = done
                around.end(done, tracker.logs)
                if progress is not None and progress.due(done):
                    progress.draw(done, tracker.logs())
                if self.stop_training if mode == "train" else self.stop_evaluating:
                    break
        around.end(done, tracker.logs, last=True)
        return done

    def _step(
        self,
        mode: str,
        source: Source,
        item: Any,
        tracker: Any,
        trained: tuple[bool, ...],
    ) -> None:
        """Run one batch in "train" or "test" mode, and accumulate its loss and metrics."""
        if self._owns(mode):
            step = f"{mode}_step"
            tracker.take(getattr(self, step)(batch_of(source, item)), step)
        else:
            self._plan_step(mode, source, item, tracker, trained)

    def _plan_step(self, mode, source, item, tracker, trained) -> None:
        count, weighted = source.size(item)
        with self._plan(count, mode, weighted, trained, source.shapes(item)) as plan:
            ys, weights = source.load(item, plan)
            source.spec.load_targets(ys, weights, plan)
            plan.run(self._draws)
            if mode == "train":
                self._draws += 1
                self._check_compiled("fit").count_step()
            tracker.update(plan, ys, weights)

    # evaluate -------------------------------------------------------------------------------------

    @explain_keywords
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any:  # float | list[float] | dict[str, float], by metrics and `return_dict`
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
        self._check_compiled("evaluate", "test")
        batches = EpochIterator.over((x, y, sample_weight), batch_size, steps)
        tracker = self._prepare(batches.source)
        params = {"verbose": verbose, "epochs": 1, "steps": batches.length}
        chunked = self._chunked_steps(None, "test")
        hooks = CallbackList(callbacks, self, params, first=chunked is None or chunked.is_first)
        if chunked is not None:
            chunked.begin(batches)
        with closing(hooks.progress) as progress:
            done, logs = self._test(batches, tracker, hooks, progress, chunked)
            progress.end(done, logs)
        return logs if return_dict else tracker.values()

    # predict --------------------------------------------------------------------------------------

    @explain_keywords
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        steps: int | None = None,
        callbacks: Callback | Iterable[Callback] | None = None,
    ) -> Any:
        """Return the outputs for the samples `x`, (count, ...). Thread-safe.

        They are float32, unless they are integers or truth values of `fastconv.ops`.

        Arguments and errors are those of `fit`; no samples give an empty array. Several outputs are
        returned as a list or dict, as the model was defined.
        """
        batches = EpochIterator.over((x,), batch_size, steps)
        source = batches.source
        if self._owns("predict"):
            return self._predict_by_steps(batches)
        spec = self._spec_for(source)
        source.prepare(spec)
        spec = source.spec  # with the sizes of `x`, if these are arrays
        params = {"verbose": verbose, "epochs": 1, "steps": batches.length}
        chunked = self._chunked_steps(None)
        hooks = CallbackList(callbacks, self, params, first=chunked is None or chunked.is_first)
        lend: Any = self._plan
        load: Any = source.load
        if chunked is not None:
            chunked.begin(batches)
            lend, load = chunked.plan, partial(chunked.load, source)
        around = hooks.of_batches("predict", self._compile_config.steps_per_execution)
        ended: list[list[Any]] = []  # outputs of batches since the last call of a hook

        def last_outputs() -> dict[str, Any]:
            outputs = [read_only(joined_outputs(parts)) for parts in zip(*ended, strict=True)]
            ended.clear()
            return {"outputs": self.pack_outputs(outputs)}

        count = source.count if steps is None else None
        # The outputs of all samples, filled batch by batch; if their number is not known, empty
        # arrays, followed by copies of the batches.
        specs = zip(spec.output_shapes, spec.output_dtypes, strict=True)
        sizes = [([size or 0 for size in shape[1:]], dtype) for shape, dtype in specs]
        whole = [np.empty((count or 0, *size), dtype) for size, dtype in sizes]
        copies = [whole]
        done = filled = 0
        self.stop_predicting: bool = False
        with closing(hooks.progress) as progress, closing(batches.epoch()) as items:
            hooks.call("on_predict_begin")
            for item in items:
                around.begin(done)
                size, _ = source.size(item)
                with lend(size, "infer", shapes=source.shapes(item)) as plan:
                    load(item, plan)
                    plan.run(self._next_draw() if plan.is_random else 0)
                    if count is None:
                        parts = [output.copy() for output in plan.outputs]
                        copies.append(parts)
                    else:
                        parts = [array[filled : filled + size] for array in whole]
                        for part, output in zip(parts, plan.outputs, strict=True):
                            part[...] = output
                        filled += size
                done += 1
                if around.wants_end:
                    ended.append(parts)
                    around.end(done, last_outputs)
                if progress.due(done):
                    progress.draw(done, {})
                if self.stop_predicting:
                    break
            around.end(done, last_outputs, last=True)
            hooks.call("on_predict_end")
            progress.end(done, {})
        if count is None:
            parts_of_outputs = zip(*(copies[1:] or copies), strict=True)
            return self.pack_outputs([joined_outputs(parts) for parts in parts_of_outputs])
        return self.pack_outputs([array[:filled] for array in whole])

    def _predict_by_steps(self, batches: EpochIterator) -> Any:
        """Return what `predict_step` of the class gives, batch after batch."""
        source = batches.source
        source.prepare(RawSpec())
        with closing(batches.epoch()) as items:
            parts = [self.predict_step(batch_of(source, item)) for item in items]
        if not parts:
            raise ValueError("`x` must hold at least one sample, received none")
        flat = zip(*(flatten(part) for part in parts), strict=True)
        return pack(parts[0], [np.concatenate(each) for each in flat])

    # single batches -------------------------------------------------------------------------------

    @explain_keywords
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:  # float | list[float] | dict[str, float], by metrics and `return_dict`
        """Run one training step on one batch.

        Returns the values of `evaluate` for this batch: loss and metrics before the update.
        `metrics` keep these values until the next call. Raises the errors of `fit`.
        """
        self._check_compiled("train_on_batch", "train")
        source = ArraySource(x, y, sample_weight, class_weight=class_weight)
        with self._one_at_a_time("step"):
            tracker = self._prepare(source, mode="train")
            with self._training_weights():
                return self._on_batch("train", source, tracker, return_dict)

    @explain_keywords
    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:  # float | list[float] | dict[str, float], by metrics and `return_dict`
        """Return loss and metrics of one batch; returns and raises as `train_on_batch`."""
        self._check_compiled("test_on_batch", "test")
        source = ArraySource(x, y, sample_weight)
        return self._on_batch("test", source, self._prepare(source), return_dict)

    def _on_batch(self, mode: str, source: ArraySource, tracker: MetricsTracker, as_dict: bool):
        tracker.reset()
        trained = () if self._owns(mode) else self._trained_parts()
        self._step(mode, source, slice(0, source.count), tracker, trained)
        return tracker.logs() if as_dict else tracker.values()

    # Shared ---------------------------------------------------------------------------------------

    def _spec_for(self, source: Source) -> IOSpec:
        """Return the inputs and outputs of the model, which is built for the data if necessary."""
        if not self.built:
            self.build_for(source.input_shape())
        return self.io_spec

    def _owns(self, mode: str) -> bool:
        """Return whether the class defines the step of this mode, or its loss."""
        if mode not in ("train", "test", "predict"):
            return False
        computes = self._computed_loss is not None and mode != "predict"
        return computes or self._defines(f"{mode}_step")

    def _prepare(self, source: Source, label: str = "x", mode: str = "test") -> Any:
        """Check samples and labels against the model; return the tracker of loss and metrics."""
        if self._owns(mode):
            if self.builds_for_data:
                self._spec_for(source)
            source.prepare(RawSpec())
            if self._computed_loss is not None:
                self._computed_loss.trace(mode, batch_of(source, source.first_item()))
            return StepLogs(self)
        return self._prepare_for_plan(source, label, mode)

    def _prepare_for_plan(
        self, source: Source, label: str = "x", mode: str = "test"
    ) -> MetricsTracker:
        config, spec = self._compile_config, self._spec_for(source)
        self._check_loss("fit" if mode == "train" else "evaluate")
        source.prepare(spec.with_losses(config.losses(spec.output_names)))
        if source.count == 0:
            raise ValueError(f"`{label}` must hold at least one sample, received none")
        if self._tracker is None:
            self._tracker = MetricsTracker(
                config, spec.output_names, source.y_shapes, spec.output_shapes
            )
        return self._tracker

    @contextmanager
    def _one_at_a_time(self, unit: str) -> Iterator[None]:
        """Raise RuntimeError if the model is being trained by another thread or callback."""
        if not self._fitting.acquire(blocking=False):
            raise RuntimeError(f"this model is being fitted already; one {unit} at a time")
        try:
            yield
        finally:
            self._fitting.release()

    @contextmanager
    def _training_weights(self) -> Iterator[None]:
        """Reserve the weights, which other models may share, for this model in the block;
        RuntimeError if another one is in `fit`, a warning if no weight is trainable."""
        if not self.built:  # a model of models, with a `train_step` of its own
            yield
            return
        parameters = self.parameters
        if not any(variable.trainable for variable in parameters.variables):
            warn_user(f"{self.name!r} has no trainable weights: training changes none of them")
        if not parameters.training.acquire(blocking=False):
            raise RuntimeError(
                f"another model that shares layers with {self.name!r} is being fitted already"
            )
        try:
            self._check_compiled("fit", "train").state_for(self.parameters)
            yield
        finally:
            parameters.training.release()

    def _chunked_steps(
        self, distribute: DataParallel | str | None, *modes: str
    ) -> ChunkedSteps | None:
        """Return the steps under the distribution that `distribute` means; None without one."""
        parallel = active(distribute)
        if parallel is None:
            return None
        for mode in modes:
            if self._owns(mode):
                own = f"{mode}_step" if self._defines(f"{mode}_step") else "compute_loss"
                raise ValueError(
                    f"a distribution divides the batches of plans; {type(self).__name__} defines "
                    f"{own}() itself, which cannot be divided"
                )
        return ChunkedSteps(self, parallel)

    def _trained_parts(self) -> tuple[bool, ...]:
        """Return which weights belong to trainable layers: part of the key of a plan."""
        return tuple(variable.owner_trains for variable in self.parameters.variables)

    def _plan(
        self,
        count: int,
        mode: str,
        weighted: bool = False,
        trained: tuple = (),
        shapes: tuple[Shape, ...] | None = None,
    ):
        """Lend a plan for `count` samples; a context manager. `shapes` are those of the inputs, if
        the model leaves sizes open."""
        self.renew_parameters()  # drops the plans if the weights have moved
        key = (count, mode, weighted, trained, shapes)
        return self._plans.lend(
            key, lambda arena: self._make_plan(count, mode, weighted, arena, shapes)
        )

    def _make_plan(
        self,
        count: int,
        mode: str,
        weighted: bool,
        arena: Arena = aligned_zeros,
        shapes: tuple[Shape, ...] | None = None,
        share: float | None = None,
        buckets: Sequence[Sequence[Variable]] = (),
    ) -> Plan:
        parameters, config = self.parameters, self._compile_config
        graph = self.graph(_TRAINING.get(mode, False), shapes)
        options: dict[str, Any] = {"arena": arena, "share": share, "buckets": buckets}
        if mode in ("test", "train"):
            outputs = self.io_spec.output_names
            options["losses"] = config.loss_operations(graph, outputs)
            options["loss_weights"] = config.loss_weights(outputs)
            options["weighted"] = weighted
        if mode == "train" and share is None:
            options["updates"] = Updates(self._check_compiled("fit"), parameters)
        plan = Plan(graph, count, parameters, mode=mode, **options)
        check_batch_size([output.shape for output in plan.outputs], count)
        return plan

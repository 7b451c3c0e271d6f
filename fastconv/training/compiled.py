"""The part of a model that `compile` sets: optimizer, losses, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fastconv import metrics, optimizers
from fastconv.common.keywords import explain_keywords
from fastconv.common.tree import Names
from fastconv.common.user_warnings import warn_user
from fastconv.plan import Graph, PlanCache, operations
from fastconv.serialization import named_objects, plain, serialize
from fastconv.training.compilation import Compilation
from fastconv.training.report import Report


class Compiled:
    """Base class of `Trainer`: the state that `compile` sets, and the plans, which depend on it."""

    def __init__(self):
        self._optimizer: optimizers.Optimizer | None = None
        self._loss: Any = None
        self.compiled = False
        self._compilation: Compilation | None = None
        self._reported: Report | None = None
        self._begin_work()

    def _begin_work(self) -> None:
        """Set up attributes that are not part of the state."""
        self._plans = PlanCache()

    @explain_keywords
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Iterable[Any] | None = None,
        weighted_metrics: Iterable[Any] | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str | None = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Configure the model for training.

        Args:
            optimizer: a name ("sgd", "rmsprop", "adam") or an `Optimizer`.
            loss: a name ("categorical_crossentropy", "sparse_categorical_crossentropy", "mse") or
                a `Loss`. With several outputs: one for all of them, a list in their order, or a
                dict by their names; None for an output that is not trained.
            loss_weights: list or dict of factors of the losses in the total loss; by default 1.
            metrics: names ("accuracy"), metrics or functions of (y_true, y_pred), computed without
                sample weights. With several outputs: a list of lists, one per output, or a dict of
                lists.
            weighted_metrics: the same, computed with sample weights.
            run_eagerly, steps_per_execution: as in Keras; only the defaults are supported.
            jit_compile, auto_scale_loss: accepted without effect: fastconv does not compile models
                and does not use reduced precision, for which the loss would be scaled.

        Raises ValueError or TypeError for an unknown or unsupported argument, and for one that
        cannot be saved to a file: an unnamed function, two functions of the same name, or a custom
        class (also of a layer) whose `get_config` returns more than plain data.
        """
        unsupported = {
            "run_eagerly": (bool(run_eagerly), False),
            "steps_per_execution": (steps_per_execution, 1),
        }
        for option, (value, supported) in unsupported.items():
            if value != supported:
                raise ValueError(f"`{option}` must be {supported!r}, received {value!r}")
        chosen = optimizers.get(optimizer)
        compilation = Compilation(loss, loss_weights, metrics, weighted_metrics)
        self._check_describable(chosen, compilation)
        self._compilation = compilation
        self._optimizer, self._loss = chosen, loss
        self.compiled = True
        self._reported = None
        self._plans.clear()

    @property
    def optimizer(self) -> optimizers.Optimizer | None:
        """The optimizer of `fit`; None before `compile`.

        An optimizer or a name may be assigned; its state is reset.
        """
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: Any) -> None:
        if value is None and not self.compiled:
            return
        self._optimizer = optimizers.get(value)
        self._plans.clear()

    @property
    def loss(self) -> Any:
        """The loss as given to `compile`; AttributeError on assignment."""
        return self._loss

    @loss.setter
    def loss(self, value: Any) -> None:
        raise AttributeError(
            f"`loss` cannot be changed by itself; give it to compile(), received {value!r}"
        )

    def get_compile_config(self) -> dict[str, Any] | None:
        """Return the arguments of `compile` as plain data; None before `compile`."""
        if not self.compiled:
            return None
        return _config(self.optimizer, self._compilation)

    def _check_describable(self, optimizer: optimizers.Optimizer, compilation: Compilation) -> None:
        """Raise ValueError or TypeError, before training, for objects that cannot be saved."""
        with named_objects():
            parts = {
                "the layers": self.get_config(),
                "what compile() was given": _config(optimizer, compilation),
            }
        for what, config in parts.items():
            try:
                json.dumps(config, default=plain)
            except (TypeError, ValueError) as error:
                raise type(error)(
                    f"{what} of {self.name!r} could not be saved to a file: {error}"
                ) from error

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with the arguments in `get_compile_config`'s format, with a new optimizer state.

        Ignores how Keras ran the model (`run_eagerly`, `steps_per_execution`), which does not
        affect results. Raises ValueError or TypeError for an unsupported value.
        """
        left_out = ("run_eagerly", "steps_per_execution")
        config = {key: value for key, value in config.items() if key not in left_out}
        self.compile(**(config | {"optimizer": optimizers.get(config.get("optimizer"))}))

    @property
    def metrics(self) -> list[metrics.Metric]:
        """Loss and metrics; data determine which accuracy "accuracy" stands for."""
        return list(self._reported.metrics.values()) if self._reported else []

    @property
    def metrics_names(self) -> list[str]:
        """The names of loss and metrics, in the order of the values that `evaluate` returns; empty
        before `compile`."""
        return list(self.metrics_by_name)

    @property
    def metrics_by_name(self) -> dict[str, metrics.Metric]:
        """Loss and metrics by their names in logs and histories.

        Without data so far, "accuracy" may be any of the accuracies.
        """
        report = self._reported or self._report_ahead()
        return report.metrics if report else {}

    def _report_ahead(self) -> Report | None:
        """Return a report for labels of the shape of the outputs."""
        if not self.compiled or not self._compilation.has_loss:
            return None
        names, shapes = Names(layer.name for layer in self.layers[-1:]), [(None, 1)]
        if self.built:
            terminals = self.terminals([])
            names, shapes = terminals.output_names, list(terminals.outputs.values())
        return Report(self._compilation, names, [None] * len(names), shapes) if names else None

    def _check_compiled(self, what: str) -> None:
        if not self.compiled:
            raise RuntimeError(f"call compile() before {what}()")
        if not self._compilation.has_loss:
            raise ValueError(f"{what}() needs a loss; give `loss` to compile()")

    def _loss_nodes(self, graph: Graph, outputs: Names) -> list[operations.Loss | None]:
        makers, found = graph.makers(), []
        for loss, value in zip(self._compilation.losses(outputs), graph.outputs, strict=True):
            maker = makers.get(value)
            after_softmax = maker is not None and maker.operation == operations.Softmax()
            if after_softmax and getattr(loss, "from_logits", False):
                warn_user(
                    "the loss has from_logits=True, but the model ends in a softmax, whose outputs "
                    "are no logits; the loss is computed from what goes into the softmax",
                )
            found.append(loss and loss.operation(after_softmax))
        return found


def _config(optimizer: optimizers.Optimizer, compilation: Compilation) -> dict[str, Any]:
    """Return the arguments of `compile` as plain data."""
    return {
        "optimizer": serialize(optimizer),
        **compilation.get_config(),
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": "auto",
    }

"""The part of a model that `compile` sets: optimizer, losses, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fastconv import metrics, optimizers
from fastconv.keywords import explain_keywords
from fastconv.plan import Graph, PlanCache, nodes
from fastconv.serialization import named_objects, plain, serialize
from fastconv.structure import Names
from fastconv.training.compilation import Compilation
from fastconv.training.report import Report
from fastconv.user_warnings import warn_user


class Compiled:
    """Base of `Trainer`, which uses what is set here; plans depend on it, and so live here."""

    def __init__(self):
        self._optimizer: optimizers.Optimizer | None = None
        self._loss: Any = None
        self.compiled = False
        self._compilation: Compilation | None = None
        self._reported: Report | None = None
        self._begin_work()

    def _begin_work(self) -> None:
        """Set up what is no part of the state, but serves while the model works."""
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
        """Say how the model is trained.

        Args:
            optimizer: a name ("sgd", "rmsprop", "adam") or an `Optimizer`.
            loss: a name ("categorical_crossentropy", "sparse_categorical_crossentropy", "mse") or
                a `Loss`. With several outputs: one for all of them, a list in their order, or a
                dict by their names; None for an output that is not trained.
            loss_weights: what the losses are multiplied by before they are added up, in the form of
                a list or a dict; by default 1.
            metrics: names ("accuracy"), metrics or functions of (y_true, y_pred), reported without
                regard to sample weights. With several outputs: a list of lists, one per output, or
                a dict of lists.
            weighted_metrics: the same, with regard to sample weights.
            run_eagerly, steps_per_execution: known from Keras; only the defaults.
            jit_compile, auto_scale_loss: accepted and without effect, as there is nothing to
                compile and no reduced precision whose loss would need scaling.

        Raises ValueError or TypeError for anything unknown or unsupported, and for what could not
        be saved to a file: a function without a name, two of one name, or a class of your own, also
        of a layer, whose `get_config` returns more than plain data.
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
        """What changes the weights in `fit`; None before `compile`.

        Another one, or a name, may be assigned. It begins anew.
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
        """The loss as `compile` was given it; AttributeError if it is assigned."""
        return self._loss

    @loss.setter
    def loss(self, value: Any) -> None:
        raise AttributeError(
            f"`loss` cannot be changed by itself; give it to compile(), received {value!r}"
        )

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` was given, as plain data; None before it was called."""
        if not self.compiled:
            return None
        return _config(self.optimizer, self._compilation)

    def _check_describable(self, optimizer: optimizers.Optimizer, compilation: Compilation) -> None:
        """ValueError or TypeError for what could not be saved: now, and not after an epoch."""
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
        """Compile as `get_compile_config` says, with an optimizer that starts anew.

        How Keras ran the model (`run_eagerly`, `steps_per_execution`) is left out: it has no effect
        on results. Raises ValueError or TypeError for anything unsupported.
        """
        left_out = ("run_eagerly", "steps_per_execution")
        config = {key: value for key, value in config.items() if key not in left_out}
        self.compile(**(config | {"optimizer": optimizers.get(config.get("optimizer"))}))

    @property
    def metrics(self) -> list[metrics.Metric]:
        """The loss and the metrics, once data has told which accuracy "accuracy" is."""
        return list(self._reported.metrics.values()) if self._reported else []

    @property
    def metrics_names(self) -> list[str]:
        """The names of loss and metrics, in the order in which `evaluate` returns their values;
        none before `compile`."""
        return list(self.metrics_by_name)

    @property
    def metrics_by_name(self) -> dict[str, metrics.Metric]:
        """Loss and metrics by the names that they have in logs and histories.

        Before there was data, "accuracy" is any accuracy.
        """
        report = self._reported or self._report_ahead()
        return report.metrics if report else {}

    def _report_ahead(self) -> Report | None:
        """A report for labels of the shape of the outputs."""
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

    def _loss_nodes(self, graph: Graph, outputs: Names) -> list[nodes.Loss | None]:
        makers, found = graph.makers(), []
        for loss, value in zip(self._compilation.losses(outputs), graph.outputs, strict=True):
            maker = makers.get(value)
            after_softmax = maker is not None and maker.node == nodes.Softmax()
            if after_softmax and getattr(loss, "from_logits", False):
                warn_user(
                    "the loss has from_logits=True, but the model ends in a softmax, whose outputs "
                    "are no logits; the loss is computed from what goes into the softmax",
                )
            found.append(loss and loss.node(after_softmax))
        return found


def _config(optimizer: optimizers.Optimizer, compilation: Compilation) -> dict[str, Any]:
    """What `compile` was given, as plain data."""
    return {
        "optimizer": serialize(optimizer),
        **compilation.get_config(),
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": "auto",
    }

"""`CompileConfig`: the arguments of `compile`, checked, and their assignment to outputs."""

from __future__ import annotations

import json
from typing import Any

from fastconv.common.arguments import normalize_int, number
from fastconv.common.tree import Names, check_keys, mapped
from fastconv.common.user_warnings import warn_user
from fastconv.losses import Loss
from fastconv.losses import get as loss_of
from fastconv.losses.traced import LossOfCall
from fastconv.metrics import get as metric_of
from fastconv.optimizers import Optimizer
from fastconv.plan import Graph, operations
from fastconv.serialization import describe_function, named_objects, plain, serialize

# How Keras runs a model: part of the configuration, without effect on results.
_EXECUTION = {"run_eagerly": False, "jit_compile": "auto"}


class CompileConfig:
    """Optimizer, losses, loss weights and metrics; raises the errors of `Trainer.compile`.

    Losses, weights and metrics may be given once for all outputs, as a list in their order, or as a
    dict by their names. Values are checked at once; they are assigned to outputs when the model is
    built.

    `optimizer` is None before `compile`; `loss` is the loss as given.
    """

    optimizer: Optimizer | None
    loss: Any

    def __init__(
        self,
        optimizer: Optimizer | None = None,
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        steps_per_execution: int | str = 1,
    ):
        if steps_per_execution == "auto":
            steps_per_execution = 1
        self.steps_per_execution: int = normalize_int(steps_per_execution, "steps_per_execution")
        for argument, given in {"metrics": metrics, "weighted_metrics": weighted_metrics}.items():
            if given is not None and not isinstance(given, (list, tuple, dict)):
                raise ValueError(f"`{argument}` must be a list or a dict, received {given!r}")
        self.optimizer, self.loss = optimizer, loss
        self._losses = mapped(_loss_in_plan, loss)
        self._loss_weights = mapped(lambda each: number(each, "loss_weights"), loss_weights)
        self._given_metrics = {"metrics": metrics, "weighted_metrics": weighted_metrics}
        self._metrics = {key: mapped(metric_of, each) for key, each in self._given_metrics.items()}

    def losses(self, outputs: Names) -> list[Loss | None]:
        """Return the loss of every output, None for one without.

        All are None without `loss`, in a model that calls `add_loss`. Raises ValueError if no other
        output has a loss, or if names or counts do not match the outputs.
        """
        if self._losses is None:
            return [None] * len(outputs)
        found = [_one(loss, outputs) for loss in _by_output(self._losses, outputs, "loss")]
        if not any(found):
            raise ValueError(f"at least one of the outputs {list(outputs)} must have a loss")
        return found

    @property
    def has_loss(self) -> bool:
        return self._losses is not None

    @property
    def has_metrics(self) -> bool:
        return any(self._given_metrics.values())

    def use_loss(self, loss: Loss) -> None:
        """Train by the `call` of `loss`, which belongs to the model, instead of that in `loss`."""
        self._losses = LossOfCall(loss)

    def given_loss(self) -> Loss:
        """Return the loss of a model with one output; ValueError for none or several."""
        loss = mapped(loss_of, self.loss)
        while isinstance(loss, list) and len(loss) == 1:
            (loss,) = loss
        if not isinstance(loss, Loss):
            raise ValueError(f"compute_loss() needs one loss in compile(), received {self.loss!r}")
        return loss

    def loss_weights(self, outputs: Names) -> list[float]:
        """Return the weight of every output's loss, 1 by default."""
        found = _by_output(self._loss_weights, outputs, "loss_weights")
        return [1.0 if weight is None else weight for weight in found]

    def metrics(self, outputs: Names, weighted: bool) -> list[list[Any]]:
        """Return the metrics of every output: the weighted or the unweighted ones."""
        argument = "weighted_metrics" if weighted else "metrics"
        given = self._metrics[argument]
        if len(outputs) == 1:
            return [_flat(given)]
        if isinstance(given, list) and len(given) not in (0, len(outputs)):
            outputs.check_list(argument)
            raise ValueError(
                f"`{argument}` must have an entry per output, {list(outputs)}, or be a dict by "
                f"their names; received {len(given)} entries"
            )
        return [_flat(each) for each in _by_output(given or None, outputs, argument)]

    def loss_operations(self, graph: Graph, outputs: Names) -> list[operations.Loss | None]:
        """Return the loss of every output as an operation for the plan of `graph`."""
        makers, found = graph.makers(), []
        for loss, value in zip(self.losses(outputs), graph.outputs, strict=True):
            maker = makers.get(value)
            after_softmax = maker is not None and maker.operation == operations.Softmax()
            if after_softmax and getattr(loss, "from_logits", False):
                warn_user(
                    "the loss has from_logits=True, but the model ends in a softmax, whose outputs "
                    "are no logits; the loss is computed from what goes into the softmax",
                )
            found.append(loss and loss.operation(after_softmax))
        return found

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data, in the format of Keras's files."""
        metrics = {k: mapped(_described, v) or None for k, v in self._given_metrics.items()}
        return {
            "optimizer": serialize(self.optimizer),
            "loss": mapped(_described, self.loss) or None,
            "loss_weights": self._loss_weights,
            **metrics,
            "steps_per_execution": self.steps_per_execution,
            **_EXECUTION,
        }

    def check_storable(self, model: Any) -> None:
        """Raise ValueError or TypeError, before training, if the layers of `model` or these
        arguments cannot be saved to a file."""
        with named_objects():
            parts = {
                "the layers": model.get_config(),
                "what compile() was given": self.get_config(),
            }
        for what, described in parts.items():
            try:
                json.dumps(described, default=plain)
            except (TypeError, ValueError) as error:
                raise type(error)(
                    f"{what} of {model.name!r} could not be saved to a file: {error}"
                ) from error


def _loss_in_plan(given: Any) -> Loss | None:
    loss = loss_of(given)
    return LossOfCall(loss) if loss is not None and loss.has_call else loss


def _by_output(given: Any, outputs: Names, argument: str) -> list[Any]:
    if isinstance(given, dict):
        check_keys(given, outputs, argument, optional=True)
        return [given.get(name) for name in outputs]
    if isinstance(given, list):
        outputs.check_list(argument)
        if len(given) != len(outputs):
            raise ValueError(
                f"`{argument}` must have {len(outputs)} entries, for {list(outputs)}, "
                f"received {len(given)}"
            )
        return list(given)
    return [given] * len(outputs)


def _one(loss: Any, outputs: Names) -> Loss | None:
    """Return `loss` itself, or the only element if it is a list."""
    while isinstance(loss, list) and len(loss) == 1:
        (loss,) = loss
    if isinstance(loss, (list, dict)):
        raise ValueError(
            f"`loss` must be one loss per output, {list(outputs)}, received {len(loss)} for one "
            "of them; give their sum as a CustomLoss"
        )
    return loss


def _flat(given: Any) -> list[Any]:
    """Return all elements of nested lists and dicts."""
    if isinstance(given, dict):
        given = list(given.values())
    if isinstance(given, list):
        return [each for part in given for each in _flat(part)]
    return [] if given is None else [given]


def _described(thing: Any) -> Any:
    if isinstance(thing, type):
        thing = thing()
    if hasattr(thing, "get_config"):
        return serialize(thing)
    return describe_function(thing) if callable(thing) else thing

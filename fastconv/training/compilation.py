"""The losses, loss weights and metrics given to `compile`, and their assignment to outputs.

Each may be given once for all outputs, as a list in their order, or as a dict by their names.
Values are checked at once; they are assigned to outputs when the model is built.
"""

from __future__ import annotations

from typing import Any

from fastconv import losses, metrics
from fastconv.common.arguments import number
from fastconv.common.tree import Names, check_keys, mapped
from fastconv.serialization import describe_function, serialize


class Compilation:
    """Losses, weights and metrics, checked; raises the errors of `Trainer.compile`."""

    def __init__(self, loss: Any, loss_weights: Any, plain: Any, weighted: Any):
        for argument, given in {"metrics": plain, "weighted_metrics": weighted}.items():
            if given is not None and not isinstance(given, (list, tuple, dict)):
                raise ValueError(f"`{argument}` must be a list or a dict, received {given!r}")
        self._given = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": plain,
            "weighted_metrics": weighted,
        }
        self.has_loss = loss is not None
        self._loss = mapped(losses.get, loss)
        self._loss_weights = mapped(lambda each: number(each, "loss_weights"), loss_weights)
        self._metrics = mapped(metrics.get, plain)
        self._weighted_metrics = mapped(metrics.get, weighted)

    def losses(self, outputs: Names) -> list[losses.Loss | None]:
        """Return the loss of every output, None for one without.

        Raises ValueError if no output has a loss, or if names or counts do not match the outputs.
        """
        found = [_one(loss, outputs) for loss in _by_output(self._loss, outputs, "loss")]
        if not any(found):
            raise ValueError(f"at least one of the outputs {list(outputs)} must have a loss")
        return found

    def loss_weights(self, outputs: Names) -> list[float]:
        """Return the weight of every output's loss, 1 by default."""
        found = _by_output(self._loss_weights, outputs, "loss_weights")
        return [1.0 if weight is None else weight for weight in found]

    def metrics(self, outputs: Names, weighted: bool) -> list[list[Any]]:
        """Return the metrics of every output: the weighted or the unweighted ones."""
        argument = "weighted_metrics" if weighted else "metrics"
        given = self._weighted_metrics if weighted else self._metrics
        if len(outputs) == 1:
            return [_flat(given)]
        if isinstance(given, list) and len(given) not in (0, len(outputs)):
            outputs.check_list(argument)
            raise ValueError(
                f"`{argument}` must have an entry per output, {list(outputs)}, or be a dict by "
                f"their names; received {len(given)} entries"
            )
        return [_flat(each) for each in _by_output(given or None, outputs, argument)]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain data."""
        config = {
            argument: mapped(_described, given) or None for argument, given in self._given.items()
        }
        config["loss_weights"] = self._loss_weights
        return config


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


def _one(loss: Any, outputs: Names) -> losses.Loss | None:
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

"""The base class of lowerings: an operation that records its passes on a tape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, overload

import numpy as np

from fastconv.parameters import Variable
from fastconv.plan.gradients import ActivationGradient, WeightGradients
from fastconv.plan.operations import Activation
from fastconv.plan.tape import Tape, Tensor


class Lowering(ABC):
    """Base class: an operation, the tape to record on, the gradients of the weights, and whether a
    backward pass follows."""

    penalty: np.ndarray | None = None  # one number that a run adds to the loss; None without
    share: float = 1.0  # part of the batch that the plan computes; set before `forward`
    # `backward` writes into dy: a dy that is also the gradient of other values is copied first.
    overwrites_dy: bool = True
    starts_gradients = False  # `backward` adds a gradient even without a loss after the operation
    merges = False  # has several inputs: `forward(*xs)`, `backward(dy, needs)` returns a list
    # `backward` multiplies by the derivative of `epilogue`, unless `epilogue_differentiated`.
    differentiates_epilogue = False

    # Set by the plan: the first before `forward`, the others before `backward`.
    may_overwrite = False  # x has no other reader, so the output may take its memory
    epilogue_differentiated = False  # dy is the gradient of the input of `epilogue`
    activation_gradient: ActivationGradient | None = None  # of the preceding operation, for dx
    operation: Any
    tape: Tape
    gradients: WeightGradients
    training: bool

    def __init__(self, operation: Any, tape: Tape, gradients: WeightGradients, training: bool):
        self.operation, self.tape, self.gradients, self.training = (
            operation,
            tape,
            gradients,
            training,
        )

    @property
    def epilogue(self) -> Activation | None:
        """The activation at the end of this operation; None without. `backward` applies its
        gradient only if `differentiates_epilogue`."""
        return getattr(self.operation, "activation", None)

    def can_fuse_gradient_of(self, maker: Lowering) -> bool:
        """Return whether `backward` can multiply dx by the derivative of the epilogue of `maker`,
        which makes x, at a lower cost than `maker` or a separate pass."""
        return False

    @property
    def keeps_dy(self) -> bool:
        """Whether an op at the end of the program reads dy once more. `backward` has kept dy
        then (`Tape.keep`), and no op may write into it."""
        return False

    @property
    def trainable(self) -> bool:
        """Whether the backward pass computes a weight gradient in this operation."""
        return False

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Record the forward step on `x`; return its output, which may be `x` itself if nothing is
        written or if `may_overwrite`."""

    @abstractmethod
    def backward(self, dy: Tensor, need_dx: Any) -> Any:
        """Record the gradients for the output gradient `dy`; return that of the input if needed.

        An operation that `merges` takes and returns a list, of a bool and of a tensor or None per
        input.
        """

    def updates(self) -> list[Any]:
        """Return ops that change weights outside the optimizer, such as moving averages.

        A training plan runs them after the backward pass, together with those of the optimizer, so
        that an interrupted step leaves all weights unchanged; other plans run them at the end, for
        operations whose `training` is True. Called once the tape is bound; the
        tensors that they read must have been kept (`Tape.keep`).
        """
        return []

    def moving_averages(self) -> list[tuple[Variable, Tensor, float]]:
        """Return (moving average, new value, momentum) of every moving average that `updates`
        changes."""
        return []

    @overload
    def gradient_of(self, variable: Variable) -> np.ndarray: ...

    @overload
    def gradient_of(self, variable: None) -> None: ...

    def gradient_of(self, variable: Variable | None) -> np.ndarray | None:
        """Return the array for the gradient of `variable`; in `backward` only."""
        return None if variable is None else self.gradients.of(variable)

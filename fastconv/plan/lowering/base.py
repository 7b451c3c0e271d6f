"""The base class of lowerings: a node that records its passes on a tape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from fastconv.parameters import Variable
from fastconv.plan.gradients import Undo, WeightGradients
from fastconv.plan.nodes import Activation
from fastconv.plan.tape import Tape, Tensor


class Lowering(ABC):
    """Base class: a node, the tape to record on, the gradients of the weights, and whether a
    backward pass follows."""

    penalty: np.ndarray | None = None  # one number that a run adds to the loss; None without
    starts_gradients = False  # `backward` adds a gradient even without a loss after the node
    merges = False  # has several inputs: `forward(*xs)`, `backward(dy, needs)` returns a list
    undoes_ending = False  # `backward` applies the gradient of `ending`, unless `ending_undone`

    # Set by the plan: the first before `forward`, the others before `backward`.
    may_overwrite = False  # x has no other reader, so the output may take its memory
    ending_undone = False  # dy is the gradient of the input of `ending`
    undo: Undo | None = None  # the preceding operation's ending, whose gradient dx must include

    def __init__(self, node: Any, tape: Tape, gradients: WeightGradients, training: bool):
        self.node, self.tape, self.gradients, self.training = node, tape, gradients, training

    @property
    def ending(self) -> Activation | None:
        """The activation at the end of this operation; None without. `backward` applies its
        gradient only if `undoes_ending`."""
        return getattr(self.node, "activation", None)

    def can_undo(self, maker: Lowering) -> bool:
        """Return whether `backward` can include the gradient of the ending of `maker`, which makes
        x, in dx at a lower cost than `maker` or a separate pass."""
        return False

    @property
    def overwrites_dy(self) -> bool:
        """Whether `backward` writes into dy. If so, a dy that is also the gradient of other values
        is copied first; if not, no copy is needed."""
        return True

    @property
    def keeps_dy(self) -> bool:
        """Whether an operation at the end of the program reads dy once more. `backward` has kept dy
        then (`Tape.keep`), and no operation may write into it."""
        return False

    @property
    def trainable(self) -> bool:
        """Whether the backward pass computes a weight gradient in this node."""
        return False

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Record the forward step on `x`; return its output, which may be `x` itself if nothing is
        written or if `may_overwrite`."""

    @abstractmethod
    def backward(self, dy: Tensor, need_dx: bool) -> Tensor | None:
        """Record the gradients for the output gradient `dy`; return that of the input if needed."""

    def updates(self) -> list[Any]:
        """Return operations that change weights outside the optimizer, such as moving averages.

        A training plan runs them after the backward pass, together with those of the optimizer, so
        that an interrupted step leaves all weights unchanged. Called once the tape is bound; the
        tensors that they read must have been kept (`Tape.keep`).
        """
        return []

    def gradient_of(self, variable: Variable | None) -> np.ndarray | None:
        """Return the array for the gradient of `variable`; in `backward` only."""
        return None if variable is None else self.gradients.of(variable)

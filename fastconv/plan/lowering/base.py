"""What every lowering is: a node that records its passes on a tape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from fastconv.parameters import Variable
from fastconv.plan.gradients import Undo, WeightGradients
from fastconv.plan.nodes import Activation
from fastconv.plan.tape import Tape, Tensor


class Lowering(ABC):
    """Base: a node, the tape to record on, the weights' gradients, and whether a backward pass
    follows."""

    penalty: np.ndarray | None = None  # one number that a run adds to the loss, if there is any
    starts_gradients = False  # `backward` has something to add even if no loss lies behind
    merges = False  # takes several inputs: `forward(*xs)`, `backward(dy, needs)` gives a list
    undoes_ending = False  # `backward` undoes `ending` in passing, unless somebody has done so

    # Set by the plan: the first before `forward`, the others before `backward`.
    may_overwrite = False  # nobody else will read x, so the output may take its memory
    ending_undone = False  # dy is the gradient of what goes into `ending`
    undo: Undo | None = None  # the ending of the operation before this one: dx is to be undone

    def __init__(self, node: Any, tape: Tape, gradients: WeightGradients, training: bool):
        self.node, self.tape, self.gradients, self.training = node, tape, gradients, training

    @property
    def ending(self) -> Activation | None:
        """The activation that gives the output, if there is one inside this operation. It is not
        the operation's to undo, if it does not choose to (`undoes_ending`)."""
        return getattr(self.node, "activation", None)

    def can_undo(self, maker: Lowering) -> bool:
        """Whether `backward` can undo the ending of `maker`, which gives x, in what it hands back,
        for less than it would take `maker` or a pass of its own."""
        return False

    @property
    def overwrites_dy(self) -> bool:
        """Whether `backward` writes into dy. If dy is the gradient of other values, too, it gets a
        copy then; otherwise it is spared one."""
        return True

    @property
    def keeps_dy(self) -> bool:
        """Whether an operation at the end of the program reads dy once more, so that `backward` has
        kept it (`Tape.keep`) and nobody may write into it."""
        return False

    @property
    def trainable(self) -> bool:
        """Whether the backward pass has a weight gradient to compute here."""
        return False

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Record the forward step on `x`; return its output, which may be `x` itself if nothing
        is written, or if `may_overwrite`."""

    @abstractmethod
    def backward(self, dy: Tensor, need_dx: bool) -> Tensor | None:
        """Record the gradients for the output's gradient `dy`; return the input's if needed."""

    def updates(self) -> list[Any]:
        """Operations that change weights which no optimizer changes, such as moving averages.

        A training plan runs them after the backward pass together with the optimizer's, so that a
        step which is interrupted leaves all weights as they were. Asked for once the tape is bound;
        tensors that they read must have been kept (`Tape.keep`).
        """
        return []

    def gradient_of(self, variable: Variable | None) -> np.ndarray | None:
        """Where the gradient of `variable` is to be written, in `backward` only."""
        return None if variable is None else self.gradients.of(variable)

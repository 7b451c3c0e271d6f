"""What every lowering is: a node that records its passes on a tape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from fastconv.parameters import Parameters, Variable
from fastconv.plan.tape import Tape, Tensor


class Lowering(ABC):
    """Base: a node, the tape to record on, the weights, and whether a backward pass follows."""

    penalty: np.ndarray | None = None  # one number that a run adds to the loss, if there is any

    def __init__(self, node: Any, tape: Tape, parameters: Parameters, training: bool):
        self.node, self.tape, self.parameters, self.training = node, tape, parameters, training

    @property
    def trainable(self) -> bool:
        """Whether the backward pass has a weight gradient to compute here."""
        return False

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Record the forward step on `x`; return its output."""

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
        """The part of the flat gradient buffer that belongs to `variable`."""
        if variable is None:
            return None
        return self.parameters.view(self.parameters.gradient, variable)

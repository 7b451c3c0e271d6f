"""Optimizers with steps along the gradient or its sign.

    SGD    w -= lr g;  with momentum  m = mu m - lr g,  w += m  (Nesterov: w += mu m - lr g)
    Lion   w -= lr sign(b1 m + (1 - b1) g),  then  m = b2 m + (1 - b2) g

Lion: Chen et al., arXiv 2302.06675.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv.common.arguments import number
from fastconv.optimizers.base import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.optimizers.options import OptimizerOptions


class SGD(Optimizer):
    """Gradient descent with plain or Nesterov momentum. Arguments as `Optimizer`, and:

    Args:
        momentum: from 0 (none) to 1.
        nesterov: whether to use Nesterov momentum.
    """

    rule = "sgd"
    settings: tuple[str, ...] = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        **common: Unpack[OptimizerOptions],
    ):
        self.momentum: float = number(momentum, "momentum", 0, 1)
        self.nesterov: bool = bool(nesterov)
        super().__init__(learning_rate, weight_decay, **common)

    def slots(self) -> list[tuple[str, ...]]:
        return [("momentum",)] if self.momentum else []

    def hyper(self, rate: float, step: int) -> list[float]:
        return [rate, self.momentum, self.nesterov]


class Lion(Optimizer):
    """Steps of equal size along the sign of a momentum. Arguments as `Optimizer`, and:

    Args:
        beta_1: share of the momentum in the direction, above 0.
        beta_2: decay of the momentum per step.
    """

    rule = "lion"
    settings: tuple[str, ...] = ("beta_1", "beta_2")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float | None = None,
        **common: Unpack[OptimizerOptions],
    ):
        self.beta_1: float = number(beta_1, "beta_1", 0, 1)
        if not self.beta_1:
            raise ValueError(f"`beta_1` must be above 0, received {beta_1!r}")
        self.beta_2: float = number(beta_2, "beta_2", 0, 1)
        super().__init__(learning_rate, weight_decay, **common)

    def slots(self) -> list[tuple[str, ...]]:
        return [("momentum",)]

    def hyper(self, rate: float, step: int) -> list[float]:
        return [rate, self.beta_1, self.beta_2]

"""Optimizers with momentum and steps relative to the size of past gradients, both bias-corrected.

    Adam      m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,
              w -= lr sqrt(1 - b2^t) / (1 - b1^t)  m / (sqrt(v) + eps)
              amsgrad: the largest v so far instead of v
    AdamW     the same with a weight decay of .004
    Nadam     u_t = b1 (1 - .5 * .96^t),  P = u_1 u_2 ... u_t,
              w -= lr (u_{t+1} m / (1 - P u_{t+1}) + (1 - u_t) g / (1 - P))
                   / (sqrt(v / (1 - b2^t)) + eps)
    Adamax    u = max(b2 u, |g|),  w -= lr m / ((1 - b1^t) (u + eps))

Adam and Adamax: Kingma & Ba, arXiv 1412.6980; amsgrad: Reddi, Kale & Kumar, arXiv 1904.09237;
weight decay decoupled from the gradient: Loshchilov & Hutter, arXiv 1711.05101; Nadam: Dozat 2016.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.arguments import number
from fastconv.optimizers.base import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.optimizers.options import OptimizerOptions


class Moments(Optimizer):
    """Base class: two moving averages and an epsilon."""

    settings: tuple[str, ...] = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        **common: Unpack[OptimizerOptions],
    ):
        self.beta_1: float = number(beta_1, "beta_1", 0, 1, below=True)
        self.beta_2: float = number(beta_2, "beta_2", 0, 1, below=True)
        self.epsilon: float = number(epsilon, "epsilon", 0)
        super().__init__(learning_rate, weight_decay, **common)

    def slots(self) -> list[tuple[str, ...]]:
        return [("momentum", "velocity")]


class Adam(Moments):
    """Momentum and mean square of the gradients. Arguments as `Optimizer`, and:

    Args:
        beta_1: decay of the moving average of the gradients per step, from 0 to below 1.
        beta_2: decay of the moving average of their squares.
        epsilon: added to the root.
        amsgrad: whether to divide by the largest mean square so far, not by the current one.
    """

    rule = "adam"
    rule_slots: tuple[str, ...] = ("momentum", "velocity", "velocity_hat")
    settings: tuple[str, ...] = (*Moments.settings, "amsgrad")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        **common: Unpack[OptimizerOptions],
    ):
        self.amsgrad: bool = bool(amsgrad)
        super().__init__(learning_rate, beta_1, beta_2, epsilon, weight_decay, **common)

    def slots(self) -> list[tuple[str, ...]]:
        return super().slots() + ([("velocity_hat",)] if self.amsgrad else [])

    def hyper(self, rate: float, step: int) -> list[float]:
        correction = math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        return [rate * correction, self.beta_1, self.beta_2, self.epsilon]


class AdamW(Adam):
    """`Adam` with a weight decay, by default .004; None is refused."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[OptimizerOptions],
    ):
        if weight_decay is None:
            raise ValueError("`weight_decay` of AdamW must be a number, received None")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, **common)


# Limits of the product over all steps, because a file may contain any number of steps.
_VANISHED = 1e-60  # below it, the product has no effect in float64
_SETTLED = 1_000_000  # after this step, every further factor is beta_1


class Nadam(Moments):
    """Adam with Nesterov momentum. Arguments as for `Adam`, without `amsgrad`."""

    rule = "nadam"

    def __init__(self, *arguments: Any, **common: Any):
        self._product = (0, 1.0)  # step, and the product of u up to it
        super().__init__(*arguments, **common)

    def _u(self, step: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96**step)

    def _product_at(self, step: int) -> float:
        """Return u_1 u_2 ... u_step; continues the product of the last call if it can."""
        done, product = self._product if self._product[0] <= step else (0, 1.0)
        for passed in range(done + 1, step + 1):
            product *= self._u(passed)
            if product < _VANISHED:  # 1 - product is 1 for any further factors
                break
            if passed > _SETTLED:  # all further factors are beta_1
                product *= self.beta_1 ** (step - passed)
                break
        self._product = (step, product)
        return product

    def hyper(self, rate: float, step: int) -> list[float]:
        now, following, product = self._u(step), self._u(step + 1), self._product_at(step)
        momentum = rate * following / (1 - product * following)
        gradient = rate * (1 - now) / (1 - product)
        second = 1 / (1 - self.beta_2**step)
        return [momentum, self.beta_1, self.beta_2, self.epsilon, gradient, second]

    def extra_variables(self) -> list[tuple[str, np.ndarray | np.generic]]:
        return [("u_product", np.float32(self._product_at(self.steps)))]


class Adamax(Moments):
    """Adam with the largest recent gradient instead of the mean square. Arguments as for `Adam`,
    without `amsgrad`."""

    rule = "adamax"

    def slots(self) -> list[tuple[str, ...]]:
        return [("momentum", "norm")]

    def hyper(self, rate: float, step: int) -> list[float]:
        return [rate / (1 - self.beta_1**step), self.beta_1, self.beta_2, self.epsilon]

"""Optimizers with steps relative to the size of past gradients, for each weight separately.

    RMSprop    v = rho v + (1 - rho) g^2,  w -= lr g / sqrt(v + eps)
               centered: v minus the square of the mean gradient under the root;
               with momentum: b = mu b + step,  w -= b
    Adagrad    a += g^2,  w -= lr g / sqrt(a + eps)
    Adadelta   a = rho a + (1 - rho) g^2,  delta = -sqrt(d + eps) / sqrt(a + eps) g,
               d = rho d + (1 - rho) delta^2,  w += lr delta
    Ftrl       a' = a + g^2,  z += g + 2 shrinkage w - (a'^p - a^p) / lr w,
               w = (clip(z, -l1, l1) - z) / (a'^p / lr + 2 l2 + beta / lr)

RMSprop: Tieleman & Hinton 2012; Adagrad: Duchi, Hazan & Singer, JMLR 12, 2011; Adadelta: Zeiler,
arXiv 1212.5701; Ftrl: McMahan et al., KDD 2013.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv.common.arguments import number
from fastconv.optimizers.base import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.optimizers.options import OptimizerOptions


class RMSprop(Optimizer):
    """Steps relative to the root of the mean square of recent gradients. As `Optimizer`, and:

    Args:
        rho: decay of the mean square per step, from 0 to 1.
        momentum: from 0 (none) to 1.
        epsilon: added under the root.
        centered: whether to use the variance of the gradients instead of their mean square.
    """

    rule = "rmsprop"
    rule_slots: tuple[str, ...] = ("velocity", "average_gradient", "momentum")
    settings: tuple[str, ...] = ("rho", "momentum", "epsilon", "centered")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        **common: Unpack[OptimizerOptions],
    ):
        self.rho: float = number(rho, "rho", 0, 1)
        self.momentum: float = number(momentum, "momentum", 0, 1)
        self.epsilon: float = number(epsilon, "epsilon", 0)
        self.centered: bool = bool(centered)
        super().__init__(learning_rate, weight_decay, **common)

    def slots(self) -> list[tuple[str, ...]]:
        optional = {"momentum": self.momentum, "average_gradient": self.centered}
        return [("velocity",), *((name,) for name, used in optional.items() if used)]

    def hyper(self, rate: float, step: int) -> list[float]:
        return [rate, self.rho, self.momentum, self.epsilon]


class Adagrad(Optimizer):
    """Steps relative to the root of the sum of all squared gradients. As `Optimizer`, and:

    Args:
        initial_accumulator_value: initial value of the sum.
        epsilon: added under the root.
    """

    rule = "adagrad"
    settings: tuple[str, ...] = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        **common: Unpack[OptimizerOptions],
    ):
        self.initial_accumulator_value: float = number(
            initial_accumulator_value, "initial_accumulator_value", 0
        )
        self.epsilon: float = number(epsilon, "epsilon", 0)
        super().__init__(learning_rate, weight_decay, **common)

    def slots(self) -> list[tuple[str, ...]]:
        return [("accumulator",)]

    def start_of(self, slot: str) -> float:
        return self.initial_accumulator_value if slot == "accumulator" else 0.0

    def hyper(self, rate: float, step: int) -> list[float]:
        return [rate, self.epsilon]


class Adadelta(Optimizer):
    """Steps in the units of the weights: past steps over past gradients. As `Optimizer`, and:

    Args:
        rho: decay of both mean squares per step, from 0 to 1.
        epsilon: added under both roots.
    """

    rule = "adadelta"
    settings: tuple[str, ...] = ("rho", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        **common: Unpack[OptimizerOptions],
    ):
        self.rho: float = number(rho, "rho", 0, 1)
        self.epsilon: float = number(epsilon, "epsilon", 0)
        super().__init__(learning_rate, weight_decay, **common)

    def slots(self) -> list[tuple[str, ...]]:
        return [("accumulated_grad", "accumulated_delta_var")]

    def hyper(self, rate: float, step: int) -> list[float]:
        return [rate, self.rho, self.epsilon]


class Ftrl(Optimizer):
    """Follow the regularized leader: for sparse linear models. As `Optimizer`, and:

    Args:
        learning_rate_power: exponent by which steps shrink, at most 0 (0: constant).
        initial_accumulator_value: initial value of the sum of the squared gradients.
        l1_regularization_strength, l2_regularization_strength: penalties on the weights.
        l2_shrinkage_regularization_strength: a penalty that is added to the gradient only.
        beta: beta / (2 learning_rate) is added to `l2_regularization_strength`.
    """

    rule = "ftrl"
    settings: tuple[str, ...] = (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )
    initial_accumulator_value: float
    l1_regularization_strength: float
    l2_regularization_strength: float
    l2_shrinkage_regularization_strength: float
    beta: float

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        weight_decay: float | None = None,
        **common: Unpack[OptimizerOptions],
    ):
        self.learning_rate_power: float = number(learning_rate_power, "learning_rate_power", high=0)
        values = (
            initial_accumulator_value,
            l1_regularization_strength,
            l2_regularization_strength,
            l2_shrinkage_regularization_strength,
            beta,
        )
        for name, value in zip(self.settings[1:], values, strict=True):
            setattr(self, name, number(value, name, 0))
        super().__init__(learning_rate, weight_decay, **common)

    def slots(self) -> list[tuple[str, ...]]:
        return [("accumulator", "linear")]

    def start_of(self, slot: str) -> float:
        return self.initial_accumulator_value if slot == "accumulator" else 0.0

    def hyper(self, rate: float, step: int) -> list[float]:
        rate = max(rate, 1e-30)  # the rule divides by it
        l2 = self.l2_regularization_strength + self.beta / (2 * rate)
        shrinkage = self.l2_shrinkage_regularization_strength
        return [rate, -self.learning_rate_power, self.l1_regularization_strength, l2, shrinkage]

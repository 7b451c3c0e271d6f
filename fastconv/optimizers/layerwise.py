"""Optimizers whose steps depend on the size of a whole weight, in NumPy.

    Lamb       u = m^ / (sqrt(v^) + eps), with the moments m^ and v^ of Adam,
               w -= lr |w| / |u| u             (without the ratio if one of the norms is 0)
    Lars       g = g + decay w,  r = trust |w| / (|g before| + decay |w|) for kernels, 1 for biases,
               m = mu m - lr r g,  w += m      (Nesterov: w += mu m - lr r g)
    Adafactor  v = r c / mean(r), where r and c are the moving averages of the means of
               g^2 + eps_1 over the last axis and over the one before (for fewer than two axes: v
               is the moving average itself), with the decay 1 - t^beta_2_decay,
               u = g / sqrt(v),  w -= max(eps_2, rms(w)) min(lr, 1 / sqrt(t)) u / max(1, rms(u) / d)

Lamb: You et al., arXiv 1904.00962; Lars: You, Gitman & Ginsburg, arXiv 1708.03888; Adafactor:
Shazeer & Stern, arXiv 1804.04235.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.common.arguments import number
from fastconv.optimizers.adam import Moments
from fastconv.optimizers.base import Optimizer
from fastconv.optimizers.slots import State
from fastconv.parameters import AnyParameters, Variable
from fastconv.plan.rules import UpdateRule

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.optimizers.options import OptimizerOptions


class Lamb(Moments):
    """Adam with steps relative to the norm of each weight, for large batches. As `Optimizer`, and:

    Args:
        beta_1, beta_2: decays of the moving averages of the gradients and of their squares.
        epsilon: added to the root.
    """

    in_numpy = True

    def hyper(self, rate: float, step: int) -> list[float]:
        return [rate, 1 - self.beta_1**step, 1 - self.beta_2**step]

    def step(self, state: State, variable: Variable, w: np.ndarray, gradient: np.ndarray) -> None:
        rate, first, second = (np.float32(value) for value in state.hyper[:3])
        m, v = state.slot("momentum", variable), state.slot("velocity", variable)
        m += (gradient - m) * np.float32(1 - self.beta_1)
        v += (gradient * gradient - v) * np.float32(1 - self.beta_2)
        update = (m / first) / (np.sqrt(v / second) + np.float32(self.epsilon))
        size, length = _norm(w), _norm(update)
        ratio = np.float32(size / length if size and length else 1.0)
        w -= ratio * rate * update


class Lars(Optimizer):
    """SGD with steps relative to the norm of each weight, for large batches. As `Optimizer`, and:

    Args:
        momentum: from 0 (none) to 1.
        nesterov: whether to use Nesterov momentum.
        trust_coefficient: length of a step relative to the weight, at a learning rate of 1;
            above 0.
        weight_decay: added to the gradient, times the weight. Weights with fewer than two axes
            (biases, gamma and beta of normalizations) have neither decay nor ratio.

    >>> from fastconv import optimizers
    >>> optimizers.Lars(2.0, weight_decay=1e-4).learning_rate
    2.0
    """

    in_numpy = True
    settings: tuple[str, ...] = ("momentum", "nesterov", "trust_coefficient")

    def __init__(
        self,
        learning_rate: Any = 1.0,
        momentum: float = 0.9,
        nesterov: bool = False,
        trust_coefficient: float = 0.001,
        weight_decay: float | None = None,
        **common: Unpack[OptimizerOptions],
    ):
        self.momentum: float = number(momentum, "momentum", 0, 1)
        self.nesterov: bool = bool(nesterov)
        self.trust_coefficient: float = number(
            trust_coefficient, "trust_coefficient", 0, above=True
        )
        super().__init__(learning_rate, weight_decay, **common)

    def slots(self) -> list[tuple[str, ...]]:
        return [("momentum",)]

    def hyper(self, rate: float, step: int) -> list[float]:
        return [rate]

    def for_plan(self, parameters: AnyParameters) -> UpdateRule:
        return replace(super().for_plan(parameters), decay=None)  # `step` includes it

    def step(self, state: State, variable: Variable, w: np.ndarray, gradient: np.ndarray) -> None:
        rate, m = float(state.hyper[0]), state.slot("momentum", variable)
        if w.ndim > 1:
            decay = (self.weight_decay or 0.0) if self.decays(variable) else 0.0
            size = _norm(w)
            length = _norm(gradient) + decay * size
            if size and length:
                rate *= self.trust_coefficient * size / length
            gradient = gradient + np.float32(decay) * w
        change = np.float32(rate) * gradient
        m *= np.float32(self.momentum)
        m -= change
        w += np.float32(self.momentum) * m - change if self.nesterov else m


class Adafactor(Optimizer):
    """Steps relative to the root of mean squares that are kept by row and column. As `Optimizer`,
    and:

    Args:
        beta_2_decay: exponent of the decay of the mean squares, at most 0.
        epsilon_1: added to the squares.
        epsilon_2: the smallest root of the mean square of a weight.
        clip_threshold: the largest root of the mean square of a step, before the rate; above 0.
        relative_step: must be True or False; the rate is at most 1 / sqrt(step) in either case, as
            in Keras.
    """

    in_numpy = True
    settings: tuple[str, ...] = (
        "beta_2_decay",
        "epsilon_1",
        "epsilon_2",
        "clip_threshold",
        "relative_step",
    )

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        weight_decay: float | None = None,
        **common: Unpack[OptimizerOptions],
    ):
        self.beta_2_decay: float = number(beta_2_decay, "beta_2_decay", high=0)
        self.epsilon_1: float = number(epsilon_1, "epsilon_1", 0)
        self.epsilon_2: float = number(epsilon_2, "epsilon_2", 0)
        self.clip_threshold: float = number(clip_threshold, "clip_threshold", 0, above=True)
        if not isinstance(relative_step, bool):
            raise TypeError(f"`relative_step` must be True or False, received {relative_step!r}")
        self.relative_step = relative_step
        super().__init__(learning_rate, weight_decay, **common)

    def slots(self) -> list[tuple[str, ...]]:
        return [("row", "column", "velocity")]

    def slot_shape(self, slot: str, variable: Variable) -> tuple[int, ...]:
        shape = variable.shape
        if slot not in ("row", "column"):
            return shape
        if len(shape) < 2:  # not used; Keras's files have them
            return ()
        return shape[:-1] if slot == "row" else (*shape[:-2], shape[-1])

    def hyper(self, rate: float, step: int) -> list[float]:
        return [min(rate, 1 / math.sqrt(step)), 1 - float(step) ** self.beta_2_decay]

    def step(self, state: State, variable: Variable, w: np.ndarray, gradient: np.ndarray) -> None:
        rate, decay = (np.float32(value) for value in state.hyper[:2])
        squares = gradient * gradient + np.float32(self.epsilon_1)
        v = state.slot("velocity", variable)
        if w.ndim < 2:
            v[...] = decay * v + (1 - decay) * squares
        else:
            row, column = state.slot("row", variable), state.slot("column", variable)
            row[...] = decay * row + (1 - decay) * squares.mean(axis=-1)
            column[...] = decay * column + (1 - decay) * squares.mean(axis=-2)
            share = row / row.mean(axis=-1, keepdims=True)
            v[...] = share[..., None] * column[..., None, :]
        update = gradient / np.sqrt(v)
        limit = max(1.0, _rms(update) / self.clip_threshold)
        w -= np.float32(max(self.epsilon_2, _rms(w)) * rate / limit) * update


def _norm(values: np.ndarray) -> float:
    return math.sqrt(float(np.square(values, dtype=np.float64).sum()))


def _rms(values: np.ndarray) -> float:
    return _norm(values) / math.sqrt(max(1, values.size))

"""The keyword arguments that all optimizers take, for editors and type checkers."""

from __future__ import annotations

from typing import TypedDict


class OptimizerOptions(TypedDict, total=False):
    """Keyword arguments of all optimizers; see `Optimizer`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: None
    gradient_accumulation_steps: int | None
    name: str | None

"""Limits of gradients between the backward pass and the update."""

from __future__ import annotations

import math

import numpy as np

from fastconv.parameters import AnyParameters


def clip_values(parameters: AnyParameters, limit: float) -> None:
    """Clip every element of the gradients to -limit..limit, in place."""
    for view in _gradients(parameters):
        np.clip(view, -limit, limit, out=view)


def clip_norms(parameters: AnyParameters, limit: float) -> None:
    """Scale the gradient of each weight so that its L2 norm is at most `limit`, in place."""
    for view in _gradients(parameters):
        _limit_norm([view], _square(view), limit)


def clip_global_norm(parameters: AnyParameters, limit: float) -> None:
    """Scale all gradients by one factor so that their L2 norm is at most `limit`, in place."""
    views = _gradients(parameters)
    _limit_norm(views, sum(_square(view) for view in views), limit)


def _gradients(parameters: AnyParameters) -> list[np.ndarray]:
    """Return the gradients of the trainable weights as flat views."""
    return [
        parameters.view(parameters.gradient, variable).reshape(-1)
        for variable in parameters.variables
        if variable.trainable
    ]


def _square(view: np.ndarray) -> float:
    """Return the sum of the squares in float64; not by a BLAS, whose sums depend on its number of
    threads."""
    return float(np.einsum("i,i", view, view, dtype=np.float64))


def _limit_norm(views: list[np.ndarray], square: float, limit: float) -> None:
    """Scale all `views` by one factor so that their norm, sqrt(`square`), is at most `limit`.

    A norm that is not finite makes the gradients NaN, so that the failure is visible.
    """
    norm = math.sqrt(square) if math.isfinite(square) else math.nan
    if not norm <= limit:
        for view in views:
            view *= np.float32(limit / norm)

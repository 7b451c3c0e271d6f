"""The keyword arguments that layers take beyond their own, for editors and type checkers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from fastconv.common.literals import RegularizerLike


class BaseOptions(TypedDict, total=False):
    """Keyword arguments of all layers; see `Layer`."""

    name: str | None
    trainable: bool
    dtype: Any
    input_shape: Sequence[int | None] | None
    input_dim: int | None


class LayerOptions(BaseOptions, total=False):
    """Keyword arguments of layers that do not name `activity_regularizer` themselves."""

    activity_regularizer: RegularizerLike

"""The types in which models compute and keep their weights: float32, and no other.

>>> from fastconv import mixed_precision
>>> mixed_precision.global_policy()
<DTypePolicy "float32">
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class DTypePolicy:
    """The policy "float32", which layers take as `dtype`.

    Raises ValueError for another name: models do not compute in lower precision.
    """

    def __init__(self, name: str = "float32"):
        if name != "float32":
            raise ValueError(
                f"`name` must be 'float32', in which models compute, received {name!r}"
            )
        self.name = name

    @property
    def compute_dtype(self) -> str:
        """The type of results."""
        return self.name

    @property
    def variable_dtype(self) -> str:
        """The type of weights."""
        return self.name

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


Policy = DTypePolicy


def dtype_policy() -> DTypePolicy:
    """Return the policy of new layers."""
    return DTypePolicy()


def set_dtype_policy(policy: str | DTypePolicy) -> None:
    """Raise ValueError unless `policy` is "float32"."""
    if not isinstance(policy, DTypePolicy):
        DTypePolicy(policy)


global_policy: Callable[[], DTypePolicy] = dtype_policy
set_global_policy: Callable[[str | DTypePolicy], None] = set_dtype_policy

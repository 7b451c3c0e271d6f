from numpy.typing import DTypeLike

from fastconv.shapes import Conv2DGeometry

ALGORITHMS: tuple[str, ...]
POLICIES: tuple[str, ...]

def policy() -> str: ...
def set_policy(name: str) -> None: ...

class ConvPass:
    geometry: Conv2DGeometry
    algorithm: str
    def __init__(
        self,
        geometry: Conv2DGeometry,
        pass_name: str,
        dtype: DTypeLike,
        algorithm: str = "auto",
        frozen: bool = False,
    ) -> None: ...

def choose_algorithm(
    geometry: Conv2DGeometry,
    pass_name: str,
    dtype: DTypeLike,
    algorithm: str = "auto",
    frozen: bool = False,
) -> str: ...
def estimated_costs(
    geometry: Conv2DGeometry, pass_name: str, frozen: bool = False
) -> dict[str, float]: ...

COST_TERMS: tuple[str, ...]

def cost_amounts(
    geometry: Conv2DGeometry,
    pass_name: str,
    algorithm: str,
    frozen: bool = False,
    isa: str | None = None,
) -> tuple[float, ...]: ...

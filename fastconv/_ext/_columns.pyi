import numpy as np

from fastconv._ext._program import Op
from fastconv.shapes import Conv2DGeometry

class _Columns(Op): ...

class Im2col(_Columns):
    def __init__(self, geometry: Conv2DGeometry, x: np.ndarray, cols: np.ndarray) -> None: ...

class Col2im(_Columns):
    def __init__(self, geometry: Conv2DGeometry, x: np.ndarray, cols: np.ndarray) -> None: ...

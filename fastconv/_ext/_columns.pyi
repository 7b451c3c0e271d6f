import numpy as np

from fastconv._ext._program import Op
from fastconv.shapes import Conv2DGeometry

class _Columns(Op):
    def __init__(self, geometry: Conv2DGeometry, x: np.ndarray, cols: np.ndarray) -> None: ...

class Im2col(_Columns): ...
class Col2im(_Columns): ...

"""The functions of `fastconv.ops` of arrays that NumPy has, too.

Keras has these functions under `ops.numpy` as well. All of them are in `fastconv.ops`.

>>> from fastconv import ops
>>> ops.numpy.sum is ops.sum
True
"""

from __future__ import annotations

from typing import Any

from fastconv import ops

_NAMES = """
    abs absolute add all amax amin any arange arccos arccosh arcsin arcsinh arctan arctan2
    arctanh argmax argmin argsort array average broadcast_to ceil clip concatenate cos cosh
    count_nonzero cumprod cumsum divide divide_no_nan dot einsum empty equal exp exp2
    expand_dims expm1 eye flip floor floor_divide full full_like get_item greater
    greater_equal hstack hypot identity isfinite isinf isnan less less_equal linspace log
    log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul max
    maximum mean min minimum mod moveaxis multiply ndim negative not_equal ones ones_like
    outer pad power prod ravel reciprocal repeat reshape roll round sign sin sinh size sort
    split sqrt square squeeze stack std subtract sum swapaxes take take_along_axis tan tanh
    tensordot tile transpose tril triu true_divide trunc var vstack where zeros zeros_like
"""
__all__ = _NAMES.split()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(ops, name)

"""Copies of models that compute in another type: `Model.astype`."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv.common.arguments import choice
from fastconv.plan.bfloat16 import round_kernels
from fastconv.plan.fusion import fuse

COMPUTE_DTYPES = ("float32", "bfloat16")
_NATIVE = "avx512_bf16"
_SLOWER = (
    "this machine has no instructions for bfloat16 (avx512_bf16): {} would compute in single "
    "steps, with the same results, and take longer than in float32"
)


def astype(model: Any, dtype: Any, allow_emulation: bool) -> Any:
    """Return a copy of `model`; see `Model.astype`."""
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    choice(name, "dtype", COMPUTE_DTYPES)
    if model.quantization is not None:
        raise ValueError(f"{model.name!r} is quantized: call `astype` on the float32 model")
    model.check_built()
    if name == "bfloat16":
        check_speed(model, allow_emulation)
    other = copy.deepcopy(model)
    if name == "bfloat16":
        round_kernels(fuse(other.graph(False), "infer"))
        other.parameters.touch()
        if other.compiled:  # without the slots of the optimizer
            optimizer = other.optimizer
            other.optimizer = type(optimizer).from_config(optimizer.get_config())
    other.set_compute_dtype(name)
    return other


def check_speed(model: Any, allow_emulation: bool) -> None:
    """Raise RuntimeError on a machine without instructions for bfloat16, or warn."""
    if runtime.bfloat16_isa() == _NATIVE:
        return
    slower = _SLOWER.format(repr(model.name))
    if not allow_emulation:
        raise RuntimeError(f"{slower}; pass allow_emulation=True to compute so")
    warnings.warn(slower, RuntimeWarning, stacklevel=4)

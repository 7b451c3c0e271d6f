"""One convolution or pooling pass as a call without arguments, by fastconv and by PyTorch.

Each function binds all arrays before anything is timed and returns a `Side`: the call, and a
function that gives its result in fastconv's layout, so that the two sides can be compared before
they are timed. fastconv's ops are the classes that a training plan binds: filters are packed (and
transformed, for Winograd) inside the timed call, as PyTorch reorders its own. PyTorch works on
channels_last tensors that share memory with the NHWC arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.shape_files import Convolution
from fastconv import shapes


class Side(NamedTuple):
    call: Callable[[], object]
    result: Callable[[], dict[str, np.ndarray]]


# ---------------------------------------------------------------------------------------- fastconv


def fastconv_convolution(
    row: Convolution,
    direction: str,
    arrays: dict[str, np.ndarray],
    threads: int,
    algorithm: str = "auto",
    *,
    frozen: bool = False,
) -> Side:
    """The pass ``direction`` of ``row``; ``frozen`` packs the filters of a forward pass once."""
    from fastconv._ext import _conv

    geometry = _geometry(row)
    x, w, b, dy = (arrays[name] for name in ("x", "w", "b", "dy"))
    if direction == "forward":
        y = np.zeros(row.output_shape, np.float32)
        op = _conv.Conv2DForward(geometry, x, w, b, y, algorithm=algorithm)
        op.freeze_weights(frozen)
        outputs = {"y": y}
    elif direction == "backward_input":
        dx = np.zeros_like(x)
        op = _conv.Conv2DBackwardInput(geometry, dy, w, dx, algorithm=algorithm)
        outputs = {"dx": dx}
    elif direction == "backward_kernel":
        dw, db = np.zeros_like(w), np.zeros_like(b)
        op = _conv.Conv2DBackwardKernel(geometry, x, dy, dw, db, algorithm=algorithm)
        outputs = {"dw": dw, "db": db}
    else:
        raise ValueError(f"no pass named {direction!r}")
    return Side(lambda: op.run(threads), lambda: outputs)


def fastconv_algorithm(row: Convolution, direction: str, algorithm: str = "auto") -> str:
    """What ``algorithm`` comes to for this pass: the choice that "auto" makes, or itself."""
    from fastconv._ext import _conv

    return _conv.choose_algorithm(_geometry(row), direction, np.float32, algorithm=algorithm)


def _geometry(row: Convolution) -> shapes.Conv2DGeometry:
    return shapes.conv2d_geometry(
        row.input_shape,
        row.kernel_shape,
        strides=row.stride,
        padding=row.padding,
        groups=row.groups,
    )


def fastconv_pooling(
    kind: str, direction: str, x: np.ndarray, dy: np.ndarray, pool: int, stride: int, threads: int
) -> Side:
    """Max or average pooling; the forward pass of max pooling records where the maxima are."""
    from fastconv._ext import _pool

    geometry = shapes.pool2d_geometry(x.shape, pool_size=pool, strides=stride)
    y, dx = np.zeros_like(dy), np.zeros_like(x)
    if kind == "max":
        argmax = np.zeros(dy.shape, np.uint8)
        forward = _pool.MaxPoolForward(geometry, x, y, argmax)
        backward = _pool.MaxPoolBackward(geometry, dy, argmax, dx)
    else:
        forward = _pool.AveragePoolForward(geometry, x, y)
        backward = _pool.AveragePoolBackward(geometry, dy, dx)
    forward.run(threads)  # the backward pass of max pooling reads what this recorded
    if direction == "forward":
        return Side(lambda: forward.run(threads), lambda: {"y": y})
    return Side(lambda: backward.run(threads), lambda: {"dx": dx})


# ----------------------------------------------------------------------------------------- PyTorch


def torch_convolution(
    row: Convolution, direction: str, arrays: dict[str, np.ndarray], threads: int
) -> Side:
    """The same pass by PyTorch; single gradients through the output mask of its backward op."""
    import torch

    torch.set_num_threads(threads)
    x, dy = (_channels_last(arrays[name]) for name in ("x", "dy"))
    b = torch.from_numpy(arrays["b"])
    w = torch.from_numpy(arrays["w"]).permute(3, 2, 0, 1)
    w = w.contiguous(memory_format=torch.channels_last)
    stride, padding = [row.stride] * 2, [row.padding] * 2
    if direction == "forward":
        latest = [None]

        def forward():
            with torch.no_grad():
                latest[0] = torch.conv2d(x, w, b, stride, padding, 1, row.groups)

        return Side(forward, lambda: {"y": _nhwc(latest[0])})
    mask = [True, False, False] if direction == "backward_input" else [False, True, True]
    latest = [None]

    def backward():
        with torch.no_grad():
            latest[0] = torch.ops.aten.convolution_backward(
                dy, x, w, [row.filters], stride, padding, [1, 1], False, [0, 0], row.groups, mask
            )

    def result():
        dx, dw, db = latest[0]
        if direction == "backward_input":
            return {"dx": _nhwc(dx)}
        return {"dw": dw.permute(2, 3, 1, 0).contiguous().numpy(), "db": db.numpy()}

    return Side(backward, result)


def torch_pooling(
    kind: str, direction: str, x: np.ndarray, dy: np.ndarray, pool: int, stride: int, threads: int
) -> Side:
    """The same pooling by PyTorch, through its autograd-free operators."""
    import torch

    torch.set_num_threads(threads)
    x, dy = _channels_last(x), _channels_last(dy)
    sizes = [pool, pool], [stride, stride], [0, 0]
    latest = [None]
    if kind == "max":
        _, indices = torch.ops.aten.max_pool2d_with_indices(x, *sizes, [1, 1], False)

        def forward():
            latest[0] = torch.ops.aten.max_pool2d_with_indices(x, *sizes, [1, 1], False)[0]

        def backward():
            latest[0] = torch.ops.aten.max_pool2d_with_indices_backward(
                dy, x, *sizes, [1, 1], False, indices
            )
    else:

        def forward():
            latest[0] = torch.ops.aten.avg_pool2d(x, *sizes, False, False, None)

        def backward():
            latest[0] = torch.ops.aten.avg_pool2d_backward(dy, x, *sizes, False, False, None)

    if direction == "forward":
        return Side(forward, lambda: {"y": _nhwc(latest[0])})
    return Side(backward, lambda: {"dx": _nhwc(latest[0])})


def _channels_last(array: np.ndarray):
    """The NHWC array as an NCHW tensor in channels_last memory format, without a copy."""
    import torch

    tensor = torch.from_numpy(array).permute(0, 3, 1, 2)
    # With one channel or one pixel the strides are ambiguous; PyTorch is told which are meant.
    return tensor.contiguous(memory_format=torch.channels_last)


def _nhwc(tensor) -> np.ndarray:
    return tensor.permute(0, 2, 3, 1).contiguous().numpy()


# -------------------------------------------------------------------------------------- comparison


def check_agreement(ours: Side, other: Side, what: str, tolerance: float = 1e-4) -> float:
    """Run both sides once; return the relative L2 difference, RuntimeError if above the tolerance.

    A comparison of times means something only between two correct results.
    """
    ours.call()
    other.call()
    worst = 0.0
    ours_result, other_result = ours.result(), other.result()
    for name, expected in other_result.items():
        actual = ours_result[name]
        if actual.shape != expected.shape:
            raise RuntimeError(f"{what}: {name} has shape {actual.shape}, peer {expected.shape}")
        scale = float(np.linalg.norm(expected.ravel())) or 1.0
        worst = max(worst, float(np.linalg.norm((actual - expected).ravel())) / scale)
    if not worst <= tolerance:
        raise RuntimeError(
            f"{what}: results differ by {worst:.1e} (relative L2), which is more "
            f"than {tolerance:.0e}"
        )
    return worst

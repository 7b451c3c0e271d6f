"""One convolution or pooling pass by PyTorch, the counterpart of `fastconv.bench.operations`.

Each function binds all arrays before anything is timed and returns a `Side`: the call, and a
function that gives its result in fastconv's layout, so that the two sides can be compared before
they are timed. PyTorch works on channels_last tensors that share memory with the NHWC arrays; it
reorders its filters inside the timed call, as fastconv packs (and transforms, for Winograd) its
own.
"""

from __future__ import annotations

import numpy as np

from fastconv.bench.operations import Convolution, Side


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
    stride, padding, dilation = [row.stride] * 2, list(row.paddings), [row.dilation] * 2
    if direction == "forward":
        latest = [None]

        def forward():
            with torch.no_grad():
                latest[0] = torch.conv2d(x, w, b, stride, padding, dilation, row.groups)

        return Side(forward, lambda: {"y": _nhwc(latest[0])})
    mask = [True, False, False] if direction == "backward_input" else [False, True, True]
    latest = [None]

    def backward():
        with torch.no_grad():
            latest[0] = torch.ops.aten.convolution_backward(
                dy, x, w, [row.filters], stride, padding, dilation, False, [0, 0], row.groups, mask
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

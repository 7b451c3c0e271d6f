"""Products of matrices and tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.ops._function import Spec, broadcast_shapes, composite, function, sum_to
from fastconv.ops.fully_connected import dense
from fastconv.ops.shaping import axes_of


def _product_shape(x1: Spec, x2: Spec) -> tuple:
    if not x1.shape or not x2.shape:
        raise ValueError(f"`x1` and `x2` must have axes, received {x1.shape} and {x2.shape}")
    a = x1.shape if x1.ndim > 1 else (1, *x1.shape)
    b = x2.shape if x2.ndim > 1 else (*x2.shape, 1)
    if None not in (a[-1], b[-2]) and a[-1] != b[-2]:
        raise ValueError(
            f"`x2` must have {a[-1]} rows for `x1` of shape {x1.shape}, received {x2.shape}"
        )
    whole = (*broadcast_shapes([a[:-2], b[:-2]]), a[-2], b[-1])
    rows = whole[:-2] + whole[-2:-1] * (x1.ndim > 1)
    return rows + whole[-1:] * (x2.ndim > 1)


def _product(x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """x1 @ x2; rows times one matrix by the compiled product."""
    if x2.ndim != 2 or x1.ndim < 2 or x1.dtype.kind != "f" or 0 in (*x1.shape, *x2.shape):
        return np.matmul(x1, x2)
    rows = dense(x1.reshape(-1, x1.shape[-1]), x2)
    return rows.reshape(*x1.shape[:-1], x2.shape[-1])


def _product_gradient(dy, y, x1, x2):
    a = x1 if x1.ndim > 1 else x1[None]
    b = x2 if x2.ndim > 1 else x2[:, None]
    dy = dy[..., None, :] if x1.ndim == 1 and x2.ndim > 1 else dy
    dy = dy[..., None] if x2.ndim == 1 else dy
    dy = dy.reshape(*dy.shape[:-1], 1, 1) if x1.ndim == x2.ndim == 1 else dy
    da = _product(dy, np.swapaxes(b, -1, -2))
    if b.ndim == 2 and a.ndim > 2:
        db = _product(a.reshape(-1, a.shape[-1]).T, dy.reshape(-1, dy.shape[-1]))
    else:
        db = _product(np.swapaxes(a, -1, -2), dy)
    return sum_to(da, a.shape).reshape(x1.shape), sum_to(db, b.shape).reshape(x2.shape)


@function("numpy", "Matmul", "x1 x2", gradient=_product_gradient, shape=_product_shape)
def matmul(x1: Any, x2: Any) -> np.ndarray:
    """The matrix product of the last two axes; axes before them are broadcast.

    >>> from fastconv import ops
    >>> ops.matmul([[1.0, 2.0]], [[3.0], [4.0]]).tolist()
    [[11.0]]
    """
    return _product(x1, x2)


@composite("numpy", "Tensordot", "x1 x2")
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> np.ndarray:
    """The sum of products over `axes`: the last axes of x1 with as many first ones of x2, or a pair
    of an axis (or a list) of x1 and one of x2.

    >>> from fastconv import ops
    >>> ops.tensordot([[1.0, 2.0]], [[3.0], [4.0]], axes=1).tolist()
    [[11.0]]
    """
    if isinstance(axes, int):
        axes = (range(len(x1.shape) - axes, len(x1.shape)), range(axes))
    pairs = [[one] if isinstance(one, int) else list(one) for one in axes]
    first, second = (axes_of(a, len(x.shape), "axes") for a, x in zip(pairs, (x1, x2), strict=True))
    letters = [chr(97 + i) for i in range(len(x1.shape) + len(x2.shape))]
    left, right = letters[: len(x1.shape)], letters[len(x1.shape) :]
    for a, b in zip(first, second, strict=True):
        right[b] = left[a]
    kept = [n for a, n in enumerate(left) if a not in first]
    kept += [n for b, n in enumerate(right) if b not in second]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", x1, x2)


@composite("numpy", "Dot", "x1 x2")
def dot(x1: Any, x2: Any) -> np.ndarray:
    """The sum of products over the last axis of x1 and the last but one of x2.

    >>> from fastconv import ops
    >>> ops.dot([1.0, 2.0], [3.0, 4.0]).tolist()
    11.0
    """
    if not x1.shape or not x2.shape:
        return x1 * x2
    return tensordot(x1, x2, (len(x1.shape) - 1, max(0, len(x2.shape) - 2)))


@composite("numpy", "Outer", "x1 x2")
def outer(x1: Any, x2: Any) -> np.ndarray:
    """The products of every element of x1 with every element of x2.

    >>> from fastconv import ops
    >>> ops.outer([1, 2], [3, 4]).tolist()
    [[3, 4], [6, 8]]
    """
    from fastconv.ops.shaping import reshape

    return reshape(x1, (-1, 1)) * reshape(x2, (1, -1))


def _parsed(subscripts: str, shapes: list[tuple]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result, with letters for an ellipsis."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(shapes) or len(shapes) > 2:
        raise ValueError(
            f"`subscripts` must describe the operands, one or two, received {subscripts!r} for "
            f"{len(shapes)}"
        )
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in subscripts]
    longest = ""
    for index, (letters, shape) in enumerate(zip(inputs, shapes, strict=True)):
        if "..." in letters:
            count = len(shape) - len(letters) + 3
            letters_there = "".join(free[max(0, 8 - count) : 8])
            longest = max(longest, letters_there, key=len)
            inputs[index] = letters.replace("...", letters_there)
        if len(inputs[index]) != len(shape):
            raise ValueError(f"`subscripts` {subscripts!r} do not fit an operand of shape {shape}")
        if len(set(inputs[index])) < len(inputs[index]):
            raise ValueError(
                f"`subscripts` must not repeat a letter within an operand, received {subscripts!r}"
            )
    if not arrow:
        once = sorted(c for c in set("".join(inputs)) if "".join(inputs).count(c) == 1)
        right = longest + "".join(c for c in once if c not in longest)
    return inputs, right.replace("...", longest)


def _einsum_shape(subscripts: str, operands: Any) -> tuple:
    inputs, output = _parsed(subscripts, [x.shape for x in operands])
    sizes: dict[str, Any] = {}
    for letters, x in zip(inputs, operands, strict=True):
        for letter, n in zip(letters, x.shape, strict=True):
            known = sizes.get(letter, 1)
            if known is not None and n is not None and 1 not in (known, n) and known != n:
                raise ValueError(
                    f"{letter!r} in {subscripts!r} must have one size, received {known} and {n}"
                )
            sizes[letter] = n if known == 1 else known
    return tuple(sizes[letter] for letter in output)


def _einsum_gradient(dy, y, subscripts, operands):
    """Each gradient is the product of dy and the other operand; a letter that occurs in neither is
    summed in the forward pass, and its gradient is repeated."""
    inputs, output = _parsed(subscripts, [x.shape for x in operands])
    gradients = []
    for index, (letters, x) in enumerate(zip(inputs, operands, strict=True)):
        others = [(inputs[k], operands[k]) for k in range(len(inputs)) if k != index]
        there = output + "".join(name for name, _ in others)
        known = "".join(c for c in letters if c in there)
        formula = f"{','.join([output, *(name for name, _ in others)])}->{known}"
        dx = np.einsum(formula, dy, *(array for _, array in others), optimize=True)
        dx = dx.reshape([dx.shape[known.index(c)] if c in known else 1 for c in letters])
        dx = sum_to(dx, tuple(min(n, m) for n, m in zip(dx.shape, x.shape, strict=True)))
        gradients.append(np.broadcast_to(dx, x.shape))
    return (gradients,)


@function("numpy", "Einsum", "*operands", gradient=_einsum_gradient, shape=_einsum_shape)
def einsum(subscripts: str, *operands: Any) -> np.ndarray:
    """Einstein's sum of one or two operands: "bij,bjk->bik" is a batch of matrix products.

    Raises ValueError for more operands, a letter that occurs twice in an operand, and subscripts
    that do not fit.

    >>> from fastconv import ops
    >>> ops.einsum("ij,j->i", [[1.0, 2.0]], [3.0, 4.0]).tolist()
    [11.0]
    """
    inputs, output = _parsed(subscripts, [x.shape for x in operands])
    return np.einsum(f"{','.join(inputs)}->{output}", *operands, optimize=True)

"""Arithmetic on sizes that are open until there is data.

Files compute shapes with operators: Shape, Gather, Mul, Concat, Reshape. Where the batch or the
size of an image is open, such a value is a `Varying` constant: one array for each of `CASES` sizes
of the inputs. An operator on constants runs once per case, and what is equal in all cases is known.

    Shape(x) of (None, 3, 8, 8)    (2, 3, 8, 8), (3, 3, 8, 8), (5, 3, 8, 8)
    Reshape(x, [Shape(x)[0], -1])  the first size differs, and equals the batch in all cases
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from fastconv.layers.function import FunctionLayer
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.onnx.tensor import Tensor

# By case: the batch, and a factor for other open sizes, which are multiples of 32.
_BATCHES = (2, 3, 5)
_FACTORS = (2, 3, 5)
CASES = len(_BATCHES)

_known: WeakKeyDictionary[SymbolicTensor, list[tuple[int, ...]]] = WeakKeyDictionary()


class Varying:
    """A constant that depends on open sizes: one array per case, of equal ranks and dtypes."""

    shape: tuple[int, ...]
    dtype: np.dtype

    def __init__(self, cases: Sequence[np.ndarray]):
        self.cases: list[np.ndarray] = [np.asarray(case) for case in cases]
        self.shape, self.dtype = self.cases[0].shape, self.cases[0].dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)


def joined(cases: Sequence[np.ndarray]) -> np.ndarray | Varying:
    """Return one array if all cases are equal, otherwise a `Varying`."""
    first = cases[0]
    if all(case.shape == first.shape and np.array_equal(case, first) for case in cases[1:]):
        return first
    return Varying(cases)


def case_shapes(x: Tensor) -> list[tuple[int, ...]]:
    """Return the shape of a tensor in the order of the file, in each case."""
    if isinstance(x.value, np.ndarray):
        return [tuple(x.value.shape[x.order.index(a)] for a in range(x.rank))] * CASES
    shapes = _case_shapes(x.value)
    return [tuple(shape[x.order.index(a)] for a in range(x.rank)) for shape in shapes]


def _case_shapes(tensor: SymbolicTensor) -> list[tuple[int, ...]]:
    """Walk back to the tensors whose sizes are known, without recursion, and forward again."""
    stack = [tensor]
    while stack:
        top = stack[-1]
        if top in _known:
            stack.pop()
            continue
        missing = [each for each in top.call.inputs if each not in _known]
        if missing:
            stack += missing
            continue
        for output, shapes in _results(top):
            _known[output] = shapes
        stack.pop()
    return _known[tensor]


def _results(tensor: SymbolicTensor):
    call = tensor.call
    if not call.inputs:
        yield tensor, [_chosen(tensor.shape, case) for case in range(CASES)]
        return
    found = []
    for case in range(CASES):
        shapes = [_known[each][case] for each in call.inputs]
        batch = None
        if not isinstance(call.layer, FunctionLayer):  # layers take any batch, and keep it
            batch = shapes[0][0]
            shapes = [(None, *shape[1:]) for shape in shapes]
        result = call.layer.compute_output_shape(shapes if call.layer.merges else shapes[0])
        listed = result if result and isinstance(result[0], (tuple, list)) else [result]
        if batch is not None:
            listed = [(batch, *shape[1:]) for shape in listed]
        found.append([_chosen(shape, case) for shape in listed])
    for index, output in enumerate(call.outputs):
        yield output, [case[index] for case in found]


def _chosen(shape: Sequence[int | None], case: int) -> tuple[int, ...]:
    return tuple(
        size if size is not None else _BATCHES[case] if axis == 0 else 32 * axis * _FACTORS[case]
        for axis, size in enumerate(shape)
    )


def batch_axis(x: Tensor) -> int | None:
    """Return the axis of the file that has the size of the batch, None without one.

    Recurrent networks put time first: (T, N, C).
    """
    columns = zip(*case_shapes(x), strict=True)
    return next((axis for axis, sizes in enumerate(columns) if sizes == _BATCHES), None)


def repeated_once(x: Tensor) -> Tensor:
    """Return a constant whose open axes repeat one element with size 1 there; any other as it is.

    A first state of zeros (batch, units) becomes (1, units), which is broadcast.
    """
    if not isinstance(x.value, Varying):
        return x
    cases = x.value.cases
    if len({case.ndim for case in cases}) > 1:
        return x
    open_axes = [a for a in range(x.rank) if len({case.shape[a] for case in cases}) > 1]
    key = tuple(slice(0, 1) if a in open_axes else slice(None) for a in range(x.rank))
    first = cases[0][key]
    if all(np.array_equal(case, np.broadcast_to(first, case.shape)) for case in cases):
        return Tensor.of(first)
    return x


def values_of(x: Tensor) -> list[list[int]]:
    """Return the integers of a constant in each case; ValueError for any other tensor."""
    if isinstance(x.value, Varying):
        return [[int(n) for n in case.reshape(-1)] for case in x.value.cases]
    return [x.integers()] * CASES


def new_shape(x: Tensor, wanted: Tensor, zero_copies: bool) -> list[int | None]:
    """Return the shape that a Reshape asks for: -1 for one size that follows from the others, None
    for one that is open in `x` at the same axis.

    Raises ValueError if open sizes are combined in other ways.
    """
    cases, before = values_of(wanted), case_shapes(x)
    if zero_copies:
        cases = [
            [before[k][a] if n == 0 and a < x.rank else n for a, n in enumerate(case)]
            for k, case in enumerate(cases)
        ]
    cases = [_without_rest(case, math.prod(before[k])) for k, case in enumerate(cases)]
    sizes: list[int | None] = []
    for axis, column in enumerate(zip(*cases, strict=True)):
        if len(set(column)) == 1:
            sizes.append(column[0])
        elif (
            axis < x.rank
            and x.shape[axis] is None
            and all(before[k][axis] == n for k, n in enumerate(column))
        ):
            sizes.append(None)
        else:
            sizes.append(-1)
    return _with_batch(x, sizes)


def _without_rest(shape: list[int], whole: int) -> list[int]:
    """Return a shape of `whole` elements with the size that follows for -1."""
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) != 1 or not known or whole % known:
        return shape
    return [whole // known if n == -1 else n for n in shape]


def _with_batch(x: Tensor, sizes: list[int | None]) -> list[int | None]:
    """A file for one sample may write its batch of 1 as a number: it stays open."""
    follows = [axis for axis, n in enumerate(sizes) if n == -1]
    if len(follows) > 1:
        raise ValueError(f"the new shape {sizes} has more than one size that is not known")
    if x.is_constant or x.shape[:1] != (None,) or not sizes:
        return sizes
    rest, known = x.shape[1:], [n for n in sizes[1:] if n not in (None, -1)]
    if sizes[0] == 1 and not follows and None not in rest:
        product = int(np.prod([n for n in rest if n is not None], dtype=object))
        if product == int(np.prod(known, dtype=object)):
            return [None, *sizes[1:]]
    if sizes[0] == 1 and follows:
        return [None, *sizes[1:]]
    return sizes

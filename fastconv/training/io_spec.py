"""`IOSpec`: the inputs and outputs of a model, and checks of data against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.common.arrays import real_array
from fastconv.common.tree import Names, arrange, check_keys, is_several
from fastconv.losses import Loss, spread_weights
from fastconv.plan import Plan
from fastconv.shapes import Shape, sample_sizes


class IOSpec:
    """Names and shapes of the inputs and outputs of a model, and its losses.

    `losses` has one entry per output, None for one without. Lists of arrays, here and in plans,
    have one entry per input or output.

    A model may leave sizes of its inputs open (None in `input_shapes`); it is `fixed` otherwise.
    `at` returns the same for the sizes of a batch, which are then `plan_shapes`, part of the key of
    a plan; `output_shapes_for` computes those of the outputs.
    """

    takes_any_data = False
    output_dtypes: list[str]
    input_names: Names
    input_shapes: list[Shape]
    output_names: Names
    output_shapes: list[Shape]
    losses: list[Loss | None]
    plan_shapes: tuple[Shape, ...] | None
    fixed: bool

    def __init__(
        self,
        input_names: Names,
        input_shapes: Sequence[Shape],
        output_names: Names,
        output_shapes: Sequence[Shape],
        losses: Sequence[Loss | None] | None = None,
        output_dtypes: Sequence[str] | None = None,
        output_shapes_for: Callable[[list[Shape]], list[Shape]] | None = None,
        plan_shapes: tuple[Shape, ...] | None = None,
    ):
        self.output_dtypes = list(output_dtypes or ["float32"] * len(output_names))
        self.input_names, self.input_shapes = input_names, list(input_shapes)
        self.output_names, self.output_shapes = output_names, list(output_shapes)
        self.losses = [None] * len(output_names) if losses is None else list(losses)
        for loss, shape in zip(self.losses, output_shapes, strict=True):
            if loss is not None:
                loss.check_axis(len(shape))
        self._labels = _labels("x", "input", input_names)  # of the inputs, in errors
        self._output_shapes_for, self.plan_shapes = output_shapes_for, plan_shapes
        self.fixed = not any(None in shape[1:] for shape in input_shapes)
        # The sizes of a sample of the only input: an array of these needs no further check.
        self._sizes = (len(input_shapes) == 1 and self.fixed and input_shapes[0][1:]) or None

    def with_losses(self, losses: Sequence[Loss | None]) -> IOSpec:
        """Return the same inputs and outputs with `losses`."""
        return IOSpec(
            self.input_names,
            self.input_shapes,
            self.output_names,
            self.output_shapes,
            losses,
            self.output_dtypes,
            self._output_shapes_for,
            self.plan_shapes,
        )

    def at(self, xs: Sequence[np.ndarray]) -> IOSpec:
        """Return the inputs and outputs for samples like `xs`, with all sizes known.

        Raises ValueError if the model cannot take these sizes.
        """
        if self.fixed:
            return self
        shapes: list[Shape] = [(None, *x.shape[1:]) for x in xs]
        assert self._output_shapes_for is not None, "a model with unknown sizes computes them"
        return IOSpec(
            self.input_names,
            shapes,
            self.output_names,
            self._output_shapes_for(shapes),
            self.losses,
            self.output_dtypes,
            plan_shapes=tuple(shapes),
        )

    @property
    def has_losses(self) -> bool:
        return any(loss is not None for loss in self.losses)

    def samples(self, x: Any) -> list[np.ndarray]:
        """Return the arrays of `x`, with the ranks of the inputs; raise ValueError or TypeError if
        they do not match."""
        if type(x) is np.ndarray and x.shape[1:] == self._sizes and x.dtype.kind in "iuf":
            return [x]
        names, shapes = self.input_names, self.input_shapes
        one = isinstance(x, (list, tuple)) and len(x) == len(names) == 1
        if one and np.ndim(x[0]) == len(shapes[0]):  # a list of one array, not of one sample
            x = x[0]
        fitted = [
            fit_samples(sample_array(value, label), shape, label)
            for value, shape, label in zip(
                arrange(x, names, "x"), shapes, self._labels, strict=True
            )
        ]
        if len(fitted) > 1:
            _check_lengths(list(zip(self._labels, fitted, strict=True)))
        return fitted

    def targets(self, y: Any, count: int) -> list[np.ndarray | None]:
        """Return the labels in `y`, checked against losses and shapes; None without a loss."""
        if y is None:
            raise ValueError("`y` must be given, received None")
        needed = [loss is not None for loss in self.losses]
        if len(self.losses) > 1 == sum(needed) and not is_several(y):
            y = [y]
        if isinstance(y, (list, tuple)) and len(self.losses) > len(y) == sum(needed):
            if len(y) > 1:
                self.output_names.check_list("y")
            given = iter(y)  # labels only for the outputs that have a loss
            y = {
                name: next(given) if need else None
                for name, need in zip(self.output_names, needed, strict=True)
            }
        elif isinstance(y, dict) and len(self.losses) > 1:
            check_keys(y, self.output_names, "y", optional=True)
            y = dict.fromkeys(self.output_names) | y
        elif isinstance(y, (list, tuple)) and len(y) == len(self.losses) == 1:
            a_list_of_one_array = np.ndim(y[0]) > 0 and len(y[0]) == count != 1
            y = y[0] if a_list_of_one_array else y
        arrays = arrange(y, self.output_names, "y")
        checked = []
        for array, loss, name, shape in zip(
            arrays, self.losses, self.output_names, self.output_shapes, strict=True
        ):
            if loss is None:
                checked.append(None if array is None else np.asarray(array))
                continue
            if array is None:
                raise ValueError(f"`y` must have labels for output {name!r}, received None")
            checked.append(loss.check_targets(np.asarray(array), shape))
        labels = _labels("y", "output", self.output_names)
        _check_lengths([("`x`", np.empty((count, 0))), *zip(labels, checked, strict=True)])
        return checked

    def weights(self, sample_weight: Any, count: int) -> list[np.ndarray | None]:
        """Return sample weights per output; a single array applies to all of them."""
        if sample_weight is None:
            return [None] * len(self.output_names)
        names = self.output_names
        if isinstance(sample_weight, dict):
            check_keys(sample_weight, names, "sample_weight", optional=True)
            each = [sample_weight.get(name) for name in names]
        elif isinstance(sample_weight, (list, tuple)) and len(names) > 1:
            each = arrange(sample_weight, names, "sample_weight")
        else:
            each = [sample_weight] * len(names)
        checked: list[np.ndarray | None] = []
        for weight, shape in zip(each, self.output_shapes, strict=True):
            if weight is not None:
                weight = real_array(weight, "`sample_weight`").astype(np.float32, copy=False)
                _check_lengths([("`x`", np.empty((count, 0))), ("`sample_weight`", weight)])
                spread_weights(weight, (count, *sample_sizes(shape)[:-1]))
            checked.append(weight)
        return checked

    def load_targets(
        self,
        ys: Sequence[np.ndarray | None],
        weights: Sequence[np.ndarray | None],
        plan: Plan,
    ) -> None:
        """Write checked labels and weights of a batch into the arrays of `plan`."""
        for index, loss in enumerate(self.losses):
            y = ys[index]
            targets: Any = plan.targets[index]
            if loss is None or y is None or targets is None:
                continue
            loss.rows(y, targets)
            into, weight = plan.sample_weights[index], weights[index]
            if weight is not None:
                rows = loss.rows_shape(len(weight), plan.outputs[index].shape)
                spread = spread_weights(weight, rows).reshape(-1)
                assert into is not None, "the plan was made without sample weights"
                into[...] = loss.mean_weights(spread, targets)
            elif into is not None:  # another output has weights
                into[...] = 1


def _labels(argument: str, kind: str, names: Names) -> list[str]:
    """Return how errors name the arrays of `argument`, one per input or output."""
    if len(names) == 1:
        return [f"`{argument}`"]
    return [f"`{argument}` for {kind} {name!r}" for name in names]


def sample_array(value: Any, label: str = "`x`") -> np.ndarray:
    """Return `value` as an array of numbers; a black-and-white image becomes 0 and 1.

    Raises TypeError, naming `label`, for any dtype other than integer, float or boolean.
    """
    array = np.asarray(value)
    return array.view(np.uint8) if array.dtype == bool else real_array(array, label)


def fit_samples(x: np.ndarray, input_shape: Shape, label: str = "`x`") -> np.ndarray:
    """Return `x` with the rank of the model's input; adds or drops a last axis of 1, as Keras does.

    Raises ValueError with both shapes if `x` does not match, with a hint if one is likely.
    """
    original, rank = x.shape, len(input_shape)
    if x.ndim != rank:
        if x.ndim == rank - 1 and input_shape[-1] == 1:
            x = x[..., None]
        elif x.ndim == rank + 1 and original[-1] == 1:
            x = x[..., 0]
    wanted = tuple(input_shape[1:])
    sizes = x.shape[1:]
    if x.ndim != rank or (sizes != wanted and not _sizes_match(sizes, wanted)):
        if _sizes_match(original, wanted):  # without a batch axis
            wanted = original
        hint = "" if None in wanted else _shape_hint(original, sample_sizes((None, *wanted)))
        raise ValueError(f"{label} must have shape {input_shape}, received {original}{hint}")
    return x


def _sizes_match(sizes: tuple[int, ...], wanted: Shape) -> bool:
    return len(sizes) == len(wanted) and all(
        b is None or a == b for a, b in zip(sizes, wanted, strict=True)
    )


def _shape_hint(received: tuple[int, ...], sample: tuple[int, ...]) -> str:
    """Return a likely explanation of a shape mismatch; empty without one.

    >>> _shape_hint((28, 28, 3), (28, 28, 3))
    '; one sample needs a batch axis as well: x[None]'
    """
    squeezed = sample[:-1] if sample[-1:] == (1,) else sample
    if received in (sample, squeezed):
        return "; one sample needs a batch axis as well: x[None]"
    if len(sample) < 2:
        return ""
    channels_first = (sample[-1], *sample[:-1])
    axes = (*range(1, len(sample)), 0)
    if received == channels_first:
        return f"; the channels come last: x.transpose{axes}[None]"
    if received[1:] == channels_first:
        return f"; the channels come last: x.transpose{(0, *(axis + 1 for axis in axes))}"
    if len(received) == len(sample) and len(sample) == 3 and received[-1:] == sample[-1:]:
        return "; one picture needs that size and a batch axis"
    return ""


def _check_lengths(named: list[tuple[str, np.ndarray | None]]) -> None:
    (first, array), *rest = named
    count = len(array) if array is not None and array.ndim else 0
    for name, other in rest:
        length = count if other is None else len(other) if other.ndim else 0
        if length != count:
            raise ValueError(
                f"{first} and {name} must have one length, received {count} and {length} samples"
            )


def joined_outputs(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the outputs of all batches as one array; ValueError if their sizes differ."""
    sizes = {part.shape[1:] for part in parts}
    if len(sizes) > 1:
        raise ValueError(
            "predict() returns one array, so the outputs of all batches must have one size, "
            f"received {sorted(sizes)}; call predict_on_batch() for each batch"
        )
    return parts[0] if len(parts) == 1 else np.concatenate(parts)

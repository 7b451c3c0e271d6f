"""Converts the state of an optimizer from Keras 2's order to that of Keras 3.

    Keras up to 2.3         [iterations,] slot a of every weight, slot b of every weight, ...
    tf.keras up to 2.10     the same: "Adam/iter:0", "Adam/dense/kernel/m:0"
    tf.keras 2.11 to 2.15   "iteration:0", slots a and b of the first weight, of the second, ...
    Keras 3                 iteration, learning rate, and the same

The weights are in the order of the layers; up to some version of Keras 2.0, of their names.

Keras up to 2.3 also stores unused slots: the momentum of SGD if it is 0, and one number per weight
in place of Adam's third slot. They are omitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fastconv.parameters import Variable

_PLACEHOLDERS = ((0,), (1,))


def possible_shapes(model: Any) -> set[tuple[int, ...]]:
    """Return the possible shapes of arrays of such a state."""
    return {(), *_PLACEHOLDERS, *(variable.shape for variable in model.weights)}


def reordered(
    model: Any,
    names: Sequence[str],
    arrays: Sequence[np.ndarray],
    stored_names: Mapping[Variable, str],
) -> list[Any]:
    """Return `arrays`, stored as `names`, in the order of `optimizer.variables` of a built model.

    `stored_names` are the names of the weights in the file if the weights may be in the order of
    their names, otherwise empty.

    Raises ValueError if the arrays are not the state of such an optimizer of such a model, or the
    order of the weights is ambiguous.
    """
    optimizer, rest = model.optimizer, list(arrays)
    if optimizer.all_slots() != optimizer.slots():
        raise ValueError("such a file holds no moving averages and no sums of gradients")
    iteration = rest.pop(0) if rest and rest[0].shape == () else np.int64(0)
    head = [iteration] if optimizer.scheduled else [iteration, np.float32(optimizer.learning_rate)]
    if not rest:  # written before the first training step
        return head
    weights = [variable for variable in model.parameters.variables if variable.trainable]
    groups = [len(group) for group in optimizer.slots()]
    used = sum(groups) * len(weights)
    unused = rest[used:]
    if not groups and len(unused) == len(weights):
        unused = []
    if len(rest) < used or any(array.shape not in _PLACEHOLDERS for array in unused):
        raise ValueError(f"{used} arrays are needed, it has {len(rest)}")
    by_weight: list[list[np.ndarray]] = [[] for _ in weights]  # the slots of each weight
    start = 0
    for size in groups:
        part = rest[start : start + size * len(weights)]
        start += len(part)
        for number, slots in enumerate(by_weight):
            newer = names[0] == "iteration:0"
            slots += part[number * size :][:size] if newer else part[number :: len(weights)]
    orders = [weights]
    if stored_names:
        by_name = sorted(weights, key=lambda variable: stored_names.get(variable, ""))
        orders += [by_name] if by_name != weights else []
    fitting = [
        order
        for order in orders
        if all(
            array.shape == weight.shape
            for weight, slots in zip(order, by_weight, strict=True)
            for array in slots
        )
    ]
    if not fitting or (groups and len(fitting) > 1):
        raise ValueError("its arrays are not those of the weights, or in an uncertain order")
    slots_of = dict(zip(fitting[0], by_weight, strict=True))
    state, first = [], 0
    for size in groups:
        state += [slot for weight in weights for slot in slots_of[weight][first : first + size]]
        first += size
    return [*head, *state]

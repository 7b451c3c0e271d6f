"""The inputs of symbolic tensors."""

from __future__ import annotations

from fastconv.layers.symbolic import SymbolicTensor


def get_source_inputs(tensor: SymbolicTensor) -> list[SymbolicTensor]:
    """Return the inputs, made by `Input`, on which `tensor` depends.

    Raises TypeError for another object.

    >>> from fastconv import layers, utils
    >>> image = layers.Input((8, 8, 3))
    >>> utils.get_source_inputs(layers.Flatten()(image)) == [image]
    True
    """
    if not isinstance(tensor, SymbolicTensor):
        raise TypeError(
            f"`tensor` must be what Input or a layer returns, received {type(tensor).__name__}"
        )
    found: list[SymbolicTensor] = []
    seen: set[SymbolicTensor] = set()
    pending = [tensor]
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        if not current.call.inputs:
            found.append(current)
        pending.extend(reversed(current.call.inputs))
    return found

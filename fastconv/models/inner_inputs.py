"""Models whose inputs are tensors between layers."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.layers.input import Input, InputLayer
from fastconv.layers.network import calls_between
from fastconv.layers.symbolic import SymbolicTensor


def from_inputs(
    inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]
) -> tuple[list[SymbolicTensor], list[SymbolicTensor]]:
    """Return (inputs, outputs), where all inputs come from `Input`.

    An input may also be a tensor between layers: it is replaced by an `Input` of its shape, and the
    layers after it are called again.
    """
    if all(isinstance(tensor.call.layer, InputLayer) for tensor in inputs):
        return list(inputs), list(outputs)
    new = {
        tensor: tensor
        if isinstance(tensor.call.layer, InputLayer)
        else Input(tensor.shape[1:], name=f"{tensor.name}CLONE")
        for tensor in inputs
    }
    calls, _ = calls_between(inputs, outputs)
    for call in calls:
        if call.inputs and not all(tensor in new for tensor in call.outputs):
            call.repeat(new.__getitem__)
            again = call.layer.calls[-1]
            for old, tensor in zip(call.outputs, again.outputs, strict=True):
                new.setdefault(old, tensor)
    return [new[tensor] for tensor in inputs], [new[tensor] for tensor in outputs]

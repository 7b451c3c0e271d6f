"""A network bound to a batch shape and a mode: see the package's essay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv.parameters import Parameters, aligned_zeros
from fastconv.plan import lowering, nodes
from fastconv.plan.penalties import weight_penalties
from fastconv.plan.program import make_program
from fastconv.plan.tape import Tape

MODES = ("infer", "test", "train")


class Plan:
    """Operations of a chain of nodes, bound to arrays, for one shape of input.

    Args:
        chain: what the layers say, in order (`fastconv.plan.nodes`).
        input_shape: (N, ...), every size given, N >= 1.
        parameters: the weights; every variable in `chain` lives there.
        mode: "infer" (forward), "test" (forward and loss) or "train" (forward, loss, backward and
            update).
        loss: what ends the chain in "test" and "train".
        weighted: whether every row of the loss has a weight of its own.
        updates: the operations that change the weights, last in "train" (behind those that the
            nodes have themselves: `Lowering.updates`).
        between: called after the gradients are there and before the updates run, if anything has
            to happen there; the program is then run in two parts.
        arena: returns the memory for everything between input and output, given its bytes.

    After construction these arrays are bound (None if the plan has no such thing): `input` (N, ...)
    and `targets`, `sample_weight` (one row per prediction vector) to be filled before each `run`,
    which may reuse their memory; `output` (N, ...) and `loss` (float64, one per row, not weighted)
    to be read after it.
    `peak_bytes` is the size of the arena.

    A plan serves one thread at a time.
    """

    def __init__(
        self,
        chain: Sequence[nodes.Node],
        input_shape: tuple[int, ...],
        parameters: Parameters,
        *,
        mode: str = "infer",
        loss: nodes.Loss | None = None,
        weighted: bool = False,
        updates: Sequence[Any] = (),
        between: Callable[[], None] | None = None,
        arena: Callable[[int], np.ndarray] = aligned_zeros,
    ):
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {MODES}, received {mode!r}")
        if (loss is None) != (mode == "infer"):
            raise ValueError(f"a loss belongs to the modes 'test' and 'train', received {mode!r}")
        training = mode == "train"
        tape = Tape()
        chain = fuse(chain, training)
        if loss is None:
            chain = [node for node in chain if not isinstance(node, nodes.ActivityPenalty)]
        # The softmax before a cross-entropy is part of it: exact where the probability rounds to
        # 0 or 1, and its gradient is a subtraction.
        cross_entropy = loss is not None and loss.kind == "softmax_cross_entropy"
        ends_in_softmax = cross_entropy and chain and isinstance(chain[-1], nodes.Softmax)
        if ends_in_softmax:
            chain = chain[:-1]
        lowered = [
            lowering.LOWERINGS[type(node)](node, tape, parameters, training) for node in chain
        ]
        _hand_relu_masks_to_pools(lowered)

        x = input_tensor = tape.input(input_shape)
        for step in lowered:
            x = step.forward(x)
        output = tape.tensor(x.shape) if ends_in_softmax else x
        tape.keep(output)
        targets = values = weight = None
        if loss is not None:
            targets, values, weight, gradient = lowering.lower_loss(
                loss, tape, x, output if ends_in_softmax else None, weighted, training
            )
        if training:
            _backward(lowered, gradient)

        self.mode = mode
        operations, self.peak_bytes = tape.bind(arena)
        self.input, self.output = input_tensor.array, output.array
        self.targets = targets and targets.array
        self.loss = values and values.array
        self.sample_weight = weight and weight.array

        self._parameters = parameters
        self._dropouts = [step.operation for step in lowered if isinstance(step, lowering.Dropout)]
        self._frozen = []
        if not training:  # the weights stay as they are from run to run, so they are packed once
            self._frozen = [op for op in operations if hasattr(op, "freeze_weights")]
            for op in self._frozen:
                op.freeze_weights(True)
        self._version = parameters.version
        self._penalties = [step.penalty for step in lowered if step.penalty is not None]
        if loss is not None:
            penalties, values = weight_penalties(parameters, training)
            operations.extend(penalties)
            self._penalties += values
        if training:
            updates = [*(op for step in lowered for op in step.updates()), *updates]
        self._between, self._updates = None, None
        if between is None:
            operations.extend(updates)
        elif updates:
            self._between, self._updates = between, make_program(updates)
        self._program = make_program(operations)

    @property
    def penalty(self) -> float:
        """What regularizers added to the loss of the last run."""
        return sum(float(value[0]) for value in self._penalties)

    @property
    def scratch_bytes(self) -> int:
        """Memory beside the arena: of the operations while they run, and of packed filters."""
        return self._program.workspace_bytes + self._program.filter_bytes

    def run(self, draw: int = 0) -> None:
        """Run everything once. `draw` numbers the draws of dropout: equal numbers, equal masks.

        The weights change in one go at the end, so an exception (Ctrl-C) finds them as they were
        before this step or as they are after it.
        """
        threads = runtime.get_num_threads()
        for dropout in self._dropouts:
            dropout.set_state(draw)
        if self.mode == "train":
            self._program.run(threads)
            if self._updates is not None:
                self._between()
                self._updates.run(threads)
            self._parameters.touch()
            return
        version = self._parameters.version
        if version != self._version:
            for op in self._frozen:
                op.invalidate()
            self._version = version
        self._program.run(threads)


def fuse(chain: Sequence[nodes.Node], training: bool) -> list[nodes.Node]:
    """The chain with every activation inside the operation before it, where that has room.

    Dropout outside of training is nothing at all, and leaves the chain first.
    """
    fused: list[nodes.Node] = []
    for node in chain:
        if isinstance(node, nodes.Dropout) and not (training and node.rate > 0):
            continue
        if (
            isinstance(node, nodes.Activation)
            and fused
            and isinstance(fused[-1], (nodes.Convolution, nodes.Product))
            and fused[-1].activation is None
        ):
            fused[-1] = replace(fused[-1], activation=node)
        else:
            fused.append(node)
    return fused


def _hand_relu_masks_to_pools(lowered: list[lowering.Lowering]) -> None:
    """Let a max-pooling undo the ReLU before it: that saves a pass over the larger array.

    Where the maximum of a window of ReLU outputs is positive, the gradient passes both to the
    element that was the maximum; where it is zero, the ReLU stops it, whichever element that was.
    """
    for step, after in pairwise(lowered):
        activation = getattr(step.node, "activation", None)
        if (
            activation is not None
            and activation.kind == "relu"
            and isinstance(after, lowering.Pooling)
            and after.node.kind == "max"
        ):
            step.mask_in_pool = after.mask_relu = True


def _backward(lowered: list[lowering.Lowering], gradient: Any) -> None:
    """Record the backward pass down to the first trainable node; nobody needs a gradient below."""
    trainable = [index for index, step in enumerate(lowered) if step.trainable]
    if not trainable:
        return
    first = trainable[0]
    for index in range(len(lowered) - 1, first - 1, -1):
        gradient = lowered[index].backward(gradient, need_dx=index > first)

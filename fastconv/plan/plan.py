"""A network bound to a batch size and a mode: see the package docstring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import runtime
from fastconv._ext import _merge
from fastconv._ext._program import Op, scratch_bytes
from fastconv.common.arrays import aligned_zeros, read_only
from fastconv.parameters import Parameters
from fastconv.plan import lowering, operations
from fastconv.plan.autodiff import Autodiff
from fastconv.plan.fusion import fuse, fuse_forward, fuse_losses
from fastconv.plan.graph import Graph
from fastconv.plan.penalties import weight_penalties
from fastconv.plan.program import make_program
from fastconv.plan.tape import Arena, Tape
from fastconv.plan.updates import Updates

MODES = ("infer", "augment", "test", "train")
_WITHOUT_LOSS = ("infer", "augment")


class Plan:
    """The ops of a graph, bound to arrays, for one batch size.

    Args:
        graph: the graph of the layers (`fastconv.plan.graph`).
        batch_size: N >= 1.
        parameters: the weights; holds every variable of `graph`.
        mode: "infer" (forward), "augment" (forward with random image augmentation), "test"
            (forward and loss) or "train" (forward, loss, backward and update).
        losses: in "test" and "train", the loss of every output, None for one without; at least one.
        loss_weights: factors of the gradients of the losses; by default 1.
        weighted: whether every row of the losses has its own weight.
        updates: the updates of the weights at the end of "train" (after those of the nodes,
            `Lowering.updates`); None to compute gradients only.
        arena: allocates the memory for everything between input and output, given its bytes.

    After construction these lists of arrays are bound: `inputs` (N, ...) and, per output, `targets`
    and `sample_weights` (one row per prediction vector), which the caller fills before each `run`
    (`run` may reuse their memory); `outputs` (N, ...) and `losses` (float64, one per row,
    unweighted), which the caller reads after it. Entries that an output does not have are None.
    `peak_bytes` is the size of the arena.

    A plan serves one thread at a time.
    """

    def __init__(
        self,
        graph: Graph,
        batch_size: int,
        parameters: Parameters,
        *,
        mode: str = "infer",
        losses: Sequence[operations.Loss | None] = (),
        loss_weights: Sequence[float] | None = None,
        weighted: bool = False,
        updates: Updates | None = None,
        arena: Arena = aligned_zeros,
    ):
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {MODES}, received {mode!r}")
        if any(losses) == (mode in _WITHOUT_LOSS):
            raise ValueError(f"a loss belongs to the modes 'test' and 'train', received {mode!r}")
        training = mode == "train"
        losses = list(losses) or [None] * len(graph.outputs)
        loss_weights = loss_weights or [1.0] * len(losses)
        tape = Tape()
        network = fuse(graph, mode)
        if not training:
            network = fuse_forward(network)
        network, seen, gives, losses = fuse_losses(network, losses)
        watched = [value for value, loss in zip(seen, losses, strict=True) if loss]
        joinable = updates.joinable(network) if updates else set()
        autodiff = Autodiff(network, tape, parameters, batch_size, training, watched, joinable)
        autodiff.forward()
        tensors, outputs, ends = autodiff.tensors, [], []
        targets, values, weights = [], [], []
        for index, (value, loss) in enumerate(zip(seen, losses, strict=True)):
            given = tape.tensor(tensors[value].shape) if gives[index] else None
            outputs.append(tape.keep(given or tensors[network.outputs[index]]))
            parts = (None, None, None, None)
            if loss is not None:
                parts = lowering.lower_loss(loss, tape, tensors[value], given, weighted, training)
            targets.append(parts[0])
            values.append(parts[1])
            weights.append(parts[2])
            if parts[3] is not None:
                ends.append((value, _scaled(tape, parts[3], loss_weights[index])))
        if training:
            autodiff.backward(ends)
            autodiff.weights.clear_others()

        self.mode = mode
        ops, self.peak_bytes = tape.bind(arena)
        self.inputs = [tensors[value].array for value in network.inputs]
        # Read-only: metrics, also those of users, read the outputs before the next run.
        self.outputs = [read_only(tensor.array) for tensor in outputs]
        self.targets, self.losses, self.sample_weights = (
            [tensor and tensor.array for tensor in part] for part in (targets, values, weights)
        )

        self._parameters, steps = parameters, autodiff.lowerings
        self._random = [step for step in steps if isinstance(step, lowering.Random)]
        self._frozen = []
        if not training:  # the weights do not change between runs, so they are packed once
            self._frozen = [op for op in ops if hasattr(op, "freeze_weights")]
            for op in self._frozen:
                op.freeze_weights(True)
        self._version = parameters.version
        self._penalties = [step.penalty for step in steps if step.penalty is not None]
        if mode not in _WITHOUT_LOSS:
            penalties, values = weight_penalties(parameters, training)
            ops.extend(penalties)
            self._penalties += values
        if training:
            in_turn = sorted(steps, key=lambda step: getattr(step.operation, "turn", ()))
            ops.extend(op for step in in_turn for op in step.updates())
        if updates:
            ops.extend(updates.ops(autodiff.weights.joined))
        self._program = make_program(ops)
        self._lasting_bytes = tape.lasting_bytes

    @property
    def penalty(self) -> float:
        """The sum of the penalties of regularizers in the loss of the last run."""
        return sum(float(value[0]) for value in self._penalties)

    @property
    def scratch_bytes(self) -> int:
        """Memory outside the arena, in bytes: workspaces of the ops and packed filters."""
        return self._program.workspace_bytes + self._program.filter_bytes

    @property
    def own_bytes(self) -> int:
        """All memory outside the arena, in bytes: `scratch_bytes` and persistent arrays."""
        return self.scratch_bytes + self._lasting_bytes

    def scratch_bytes_on(self, num_threads: int) -> int:
        """Return `scratch_bytes` for a run on `num_threads` threads."""
        ops = [op for op in self._program.ops if isinstance(op, Op)]
        return scratch_bytes(ops, num_threads) + self._program.filter_bytes

    def run(self, draw: int = 0) -> None:
        """Run all ops once. `draw` numbers the random draws: equal numbers, equal draws.

        The weights change in one go at the end, so after an exception (Ctrl-C) they are either the
        weights before this step or those after it.
        """
        threads = runtime.get_num_threads()
        for step in self._random:
            step.set_draw(draw)
        if self.mode == "train":
            self._program.run(threads)
            self._parameters.touch()
            return
        version = self._parameters.version
        if version != self._version:
            for op in self._frozen:
                op.invalidate()
            self._version = version
        self._program.run(threads)


def _scaled(tape: Tape, gradient: Any, factor: float) -> Any:
    if factor != 1:
        tape.emit(lambda: _merge.Scale(gradient.array, gradient.array, factor), gradient)
    return gradient

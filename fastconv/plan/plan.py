"""A network bound to a batch size and a mode: see the package docstring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import runtime
from fastconv._ext import _merge
from fastconv._ext._program import Op, scratch_bytes
from fastconv.common.arrays import aligned_zeros, read_only
from fastconv.parameters import AnyParameters, Variable
from fastconv.plan import operations
from fastconv.plan.autodiff import Autodiff
from fastconv.plan.bfloat16 import narrow
from fastconv.plan.fusion import Output, fuse, fuse_forward, fuse_losses
from fastconv.plan.graph import Graph
from fastconv.plan.lowering import LossTensors, Lowering, Part, Random, lower_loss
from fastconv.plan.lowering.loss import Targets
from fastconv.plan.operations import Loss
from fastconv.plan.penalties import weight_penalties
from fastconv.plan.program import make_program
from fastconv.plan.quantization import quantize
from fastconv.plan.tape import Arena, Tape, Tensor
from fastconv.plan.units import BucketEnds, unit_statistics
from fastconv.plan.updates import Updates

MODES = ("infer", "augment", "forward", "test", "train")
_WITHOUT_LOSS = ("infer", "augment", "forward")


class Plan:
    """The ops of a graph, bound to arrays, for one batch size.

    Args:
        graph: the graph of the layers (`fastconv.plan.graph`).
        batch_size: N >= 1.
        parameters: the weights; holds every variable of `graph`.
        mode: "infer" (forward), "augment" (forward with random image augmentation), "forward"
            (forward as in training), "test" (forward and loss) or "train" (forward, loss, backward
            and update).
        losses: in "test" and "train", the loss of every output, None for one without; at least one,
            unless operations of the graph add to the loss.
        loss_weights: factors of the gradients of the losses; by default 1.
        weighted: whether every row of the losses has its own weight.
        updates: the updates of the weights at the end of "train" (after those of the nodes,
            `Lowering.updates`); None to compute gradients only.
        arena: allocates the memory for everything between input and output, given its bytes.
        share: for a part of a larger batch, its share of the samples, which multiplies gradients
            and penalties; the run changes no weights and leaves out their penalties
            (`fastconv.plan.units`). None for a whole batch.
        buckets: in "train", weights whose gradients are complete together: a run calls
            `bucket_ends.function(i)` when those of `buckets[i]` are, in this order.

    After construction these lists of arrays are bound: `inputs` (N, ...) and, per output, `targets`
    and `sample_weights` (one row per prediction vector), which the caller fills before each `run`
    (`run` may reuse their memory); `outputs` (N, ...) and `losses` (float64, one per row,
    unweighted), which the caller reads after it. Entries that an output does not have are None.
    `peak_bytes` is the size of the arena.

    A plan serves one thread at a time.
    """

    peak_bytes: int
    loss_operations: list[Loss | None]
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]
    targets: list[np.ndarray | Targets | None]
    losses: list[np.ndarray | None]
    sample_weights: list[np.ndarray | None]

    def __init__(
        self,
        graph: Graph,
        batch_size: int,
        parameters: AnyParameters,
        *,
        mode: str = "infer",
        losses: Sequence[operations.Loss | None] = (),
        loss_weights: Sequence[float] | None = None,
        weighted: bool = False,
        updates: Updates | None = None,
        arena: Arena = aligned_zeros,
        share: float | None = None,
        buckets: Sequence[Sequence[Variable]] = (),
    ):
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {MODES}, received {mode!r}")
        if any(losses) and mode in _WITHOUT_LOSS:
            raise ValueError(f"a loss belongs to the modes 'test' and 'train', received {mode!r}")
        self.mode, training = mode, mode == "train"
        self._parameters, self._version = parameters, parameters.version
        network, ends = _fused(graph, mode, losses)
        tape = Tape()
        autodiff = Autodiff(
            network,
            tape,
            parameters,
            batch_size,
            training,
            watched=[end.read for end in ends if end.loss],
            joinable=updates.joinable(network) if updates else frozenset(),
        )
        for each in autodiff.lowerings:
            each.share = 1.0 if share is None else share
        autodiff.forward()
        factors = list(loss_weights or [1.0] * len(ends))
        if share is not None:
            factors = [
                factor * (1.0 if end.loss is not None and end.loss.summed else share)
                for end, factor in zip(ends, factors, strict=True)
            ]
        recorded = [
            _record_end(autodiff, tape, end, weighted, training, factor)
            for end, factor in zip(ends, factors, strict=True)
        ]
        if training:
            autodiff.backward(
                [
                    (end.read, tensors.gradient)
                    for end, (_, tensors) in zip(ends, recorded, strict=True)
                    if tensors.gradient is not None
                ]
            )
            autodiff.weights.clear_others()
        ops, self.peak_bytes = tape.bind(arena)
        self.bucket_ends: BucketEnds = BucketEnds()
        self.bucket_ends.insert_into(ops, buckets, autodiff.weights.completed)
        self._lasting_bytes = tape.lasting_bytes
        self._bind_arrays([autodiff.tensors[value] for value in network.inputs], recorded)
        self.loss_operations = [end.loss for end in ends]
        self._random = [each for each in autodiff.lowerings if isinstance(each, Random)]
        # Without training the weights do not change between runs, so they are packed once; neither
        # do they between the parts of a batch.
        keeps = not training or share is not None
        self._frozen = [op for op in ops if keeps and hasattr(op, "freeze_weights")]
        for op in self._frozen:
            op.freeze_weights(True)
        self._penalties = [each.penalty for each in autodiff.lowerings if each.penalty is not None]
        self.statistics: dict[Variable, float] = {}  # of a part: see `BatchEnd`
        if share is None:
            ops += self._closing_ops(autodiff, updates)
        else:
            ops += self._closing_ops_of_part(autodiff, share)
        self._program = make_program(ops)

    def _bind_arrays(
        self, inputs: Sequence[Tensor], recorded: Sequence[tuple[Tensor, LossTensors]]
    ) -> None:
        """Set the arrays that callers fill and read, once the tape is bound."""
        self.inputs = [tensor.array for tensor in inputs]
        # Read-only: metrics, also those of users, read the outputs before the next run.
        self.outputs = [read_only(output.array) for output, _ in recorded]
        of_losses = [tensors for _, tensors in recorded]
        self.targets = [each.targets and each.targets.array for each in of_losses]
        self.losses = [each.values and each.values.array for each in of_losses]
        self.sample_weights = [each.weights and each.weights.array for each in of_losses]

    def _closing_ops(self, autodiff: Autodiff, updates: Updates | None) -> list[Any]:
        """Return the ops after the last pass: penalties of weights, and all changes of weights."""
        ops: list[Any] = []
        if self.mode not in _WITHOUT_LOSS:
            ops, values = weight_penalties(self._parameters, self.mode == "train")
            self._penalties += values
        changes = [
            op
            for each in _in_turn(autodiff.lowerings)
            if self.mode == "train" or _as_in_training(each)
            for op in each.updates()
        ]
        self._changes_weights = bool(changes) or self.mode == "train"
        ops += changes
        if updates:
            ops += updates.ops(autodiff.weights.joined)
        return ops

    def _closing_ops_of_part(self, autodiff: Autodiff, share: float) -> list[Any]:
        """Return the ops after the last pass over a part of a batch."""
        self._changes_weights = False
        lowerings = _in_turn(autodiff.lowerings)
        if self.mode != "train":
            if any(each.updates() for each in lowerings if _as_in_training(each)):
                raise ValueError(
                    "a batch can be divided only if it leaves the weights unchanged outside of "
                    "training, received a network that calls a layer with training=True, whose "
                    "moving averages change"
                )
            return []
        ops, self.statistics = unit_statistics(lowerings, self._parameters, share)
        return ops

    @property
    def has_penalties(self) -> bool:
        """Whether the loss has penalties of regularizers."""
        return bool(self._penalties)

    @property
    def is_random(self) -> bool:
        """Whether a run draws random numbers, so that `draw` makes a difference."""
        return bool(self._random)

    @property
    def ops(self) -> tuple[Any, ...]:
        """The ops in the order in which they run."""
        return self._program.ops

    @property
    def penalty_arrays(self) -> tuple[np.ndarray, ...]:
        """The arrays of one number that hold `penalties`."""
        return tuple(self._penalties)

    @property
    def penalty(self) -> float:
        """The sum of the penalties of regularizers in the loss of the last run."""
        return sum(self.penalties)

    @property
    def penalties(self) -> list[float]:
        """The terms of `penalty`: outputs of layers first, then weights."""
        return [float(value[0]) for value in self._penalties]

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

    def run(self, draw: int = 0, part: Part | None = None) -> None:
        """Run all ops once. `draw` numbers the random draws: equal numbers, equal draws. `part` are
        the samples in their batch, whose draws are divided as it is.

        The weights change in one go at the end, so after an exception (Ctrl-C) they are either the
        weights before this step or those after it.
        """
        threads = runtime.get_num_threads()
        for step in self._random:
            step.set_draw(draw, part)
        version = self._parameters.version
        if version != self._version:
            for op in self._frozen:
                op.invalidate()
            self._version = version
        self._program.run(threads)
        if self._changes_weights:
            self._parameters.touch()


def _in_turn(lowerings: Sequence[Lowering]) -> list[Lowering]:
    """Return the lowerings in the order of their changes of weights."""
    return sorted(lowerings, key=lambda each: getattr(each.operation, "turn", ()))


def _as_in_training(lowering: Lowering) -> bool:
    """Return whether the call of the layer had training=True."""
    return bool(getattr(lowering.operation, "training", False))


def _fused(
    graph: Graph, mode: str, losses: Sequence[operations.Loss | None]
) -> tuple[Graph, list[Output]]:
    """Return the graph for `mode` with as few nodes as possible, and its outputs."""
    network = fuse(graph, mode)
    if graph.quantization is not None:
        if mode in ("forward", "train"):
            raise ValueError(
                "a quantized model cannot be trained or called as in training: train the float32 "
                "model, and quantize it again"
            )
        network = quantize(network, graph.quantization)
    if graph.compute_dtype == "bfloat16":
        if mode in ("forward", "train"):
            raise ValueError(
                "a model in bfloat16 cannot be trained or called as in training: train the float32 "
                "model, and call `astype` again"
            )
        network = narrow(network)
    if mode != "train":
        network = fuse_forward(network)
    return fuse_losses(network, losses or [None] * len(graph.outputs))


def _record_end(
    autodiff: Autodiff, tape: Tape, end: Output, weighted: bool, training: bool, factor: float
) -> tuple[Tensor, LossTensors]:
    """Record the loss of an output, with its gradient times `factor`; return the output and the
    tensors of the loss."""
    prediction = autodiff.tensors[end.read]
    given = tape.tensor(prediction.shape) if end.from_loss else None
    output = tape.keep(given or autodiff.tensors[end.value])
    if end.loss is None:
        return output, LossTensors()
    tensors = lower_loss(end.loss, tape, prediction, given, weighted, training)
    gradient = tensors.gradient
    if gradient is not None and factor != 1:
        tape.emit(lambda: _merge.Scale(gradient.array, gradient.array, factor), gradient)
    return output, tensors

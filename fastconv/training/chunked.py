"""Steps whose batch is divided into chunks, on one or several ranks (`fastconv.distribution`).

    rows        every rank loads and computes the rows of its own chunks
    gradient    a unit per chunk (`fastconv.plan.units`), summed in the order of the tree
    update      every rank applies the same one to all weights
    outputs     of all ranks, so every rank computes the metrics of the whole batch, and callbacks
                decide the same everywhere

Random layers number their draws by step and sample of the batch. The labels of a batch are those of
the whole batch on every rank.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence, Set
from typing import Any

import numpy as np

import fastconv
from fastconv import runtime
from fastconv.distribution import DataParallel
from fastconv.distribution.ranks import Ranks
from fastconv.distribution.tree import Tree
from fastconv.plan import BatchEnd, Part, Updates, gradient_pieces
from fastconv.training.data import ArraySource, Source
from fastconv.training.epoch_iterator import EpochIterator
from fastconv.training.training_run import TrainingRun
from fastconv.training.unit_sum import OnBucket, UnitSum

_BUCKET = 1 << 18  # gradients that are exchanged together, in elements
_MODES = ("infer", "test", "train", "end")
_MOST_BATCHES = 16  # batch sizes and modes whose arrays are kept
_SAMPLES = 64  # of the data, which the ranks compare


class ChunkedSteps:
    """The steps of a model under a `DataParallel`; the ranks call its methods in the same order."""

    model: Any
    parallel: DataParallel
    ranks: Ranks
    chunks: int

    def __init__(self, model: Any, parallel: DataParallel):
        self.model, self.parallel = model, parallel
        self.ranks, self.chunks = parallel.ranks, parallel.chunks
        settings = ("chunks", "reduction", "gradient_dtype", "overlap")
        self._facts = {name: getattr(parallel, name) for name in settings}
        self._batches: dict[Any, ChunkedBatch] = {}

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which alone writes files and shows the progress."""
        return self.ranks.rank == 0

    def begin(self, batches: EpochIterator, run: TrainingRun | None = None) -> None:
        """Check that all ranks have the same network and data, and give all the weights of rank 0;
        with `run`, its whole state."""
        ranks, model = self.ranks, self.model
        if ranks.size == 1:
            return
        ranks.check_equal(self._facts | _facts_of(model) | _facts_of_data(batches))
        if run is not None:
            run.ranks = ranks
            state = ranks.broadcast(run.state() if ranks.rank == 0 else None)
            if ranks.rank:
                run.restore(state)
            return
        values = ranks.broadcast(model.parameters.values)
        if not np.array_equal(values, model.parameters.values, equal_nan=True):
            model.parameters.values[:] = values
            model.parameters.touch()

    def end(self) -> None:
        """Raise RuntimeError if other ranks are still in a step, for example because a callback has
        stopped this one alone."""
        self.check_step("end", 0, 0, 0)

    def check_step(self, mode: str, count: int, number: int, checksum: int) -> None:
        """Raise RuntimeError unless all ranks are in the same step."""
        if not self.ranks.agree([_MODES.index(mode), count, number, checksum]):
            facts = {"kind of step": mode, "batch size": count, "number of the step": number}
            facts["checksum of the batch"] = checksum
            self.ranks.check_equal(facts, RuntimeError)

    def __call__(self, mode: str, source: Source, item: Any, tracker: Any, trained: tuple) -> None:
        """Run one batch in "train" or "test" mode, and accumulate its loss and metrics."""
        model = self.model
        count, weighted = source.size(item)
        weighted |= any(
            getattr(each, "ignore_class", None) is not None for each in source.spec.losses
        )
        batch: Any = self.plan(count, mode, weighted, trained, source.shapes(item))
        batch.reads_outputs = tracker.reads_outputs
        ys, weights = self.load(source, item, batch)
        source.spec.load_targets(ys, weights, batch)
        batch.run(model._draws)
        if mode == "train":
            model._draws += 1
            model.optimizer.count_step()
        tracker.update(batch, ys, weights)

    def plan(
        self, count: int, mode: str, weighted: bool = False, trained: tuple = (), shapes: Any = None
    ) -> ChunkedBatch:
        """Return the batch of `count` samples, with the interface of a plan."""
        self.model.renew_parameters()
        key = (self.model._plans.generation, count, mode, weighted, trained, shapes)
        if key not in self._batches:
            if len(self._batches) >= _MOST_BATCHES or any(k[0] != key[0] for k in self._batches):
                self._batches.clear()
            self._batches[key] = ChunkedBatch(self, *key[1:])
        return self._batches[key]

    def load(self, source: Source, item: Any, batch: ChunkedBatch) -> tuple[Any, Any]:
        """Set the data of `batch`; return labels and sample weights of all its samples."""
        batch.source, batch.item = source, item
        # Arrays were compared before the first step; what yields batches may differ in any of them.
        if not isinstance(source, ArraySource):
            xs, ys, weights = source.arrays(item)
            batch.checksum = _checksum([*(x[[0, -1]] for x in xs if x is not None), *ys, *weights])
        return source.labels(item)


class ChunkedBatch:
    """A batch whose chunks are computed by the plans of the model; has the arrays of a plan.

    After `run`, `losses` and `outputs` hold the rows of all ranks (`outputs` if `reads_outputs`).
    """

    reads_outputs = True
    source: Any = None
    item: Any = None
    checksum = 0
    mode: str
    outputs: list[Any]
    targets: list[Any]
    losses: list[Any]
    sample_weights: list[Any]

    def __init__(
        self,
        steps: ChunkedSteps,
        count: int,
        mode: str,
        weighted: bool,
        trained: tuple,
        shapes: Any,
    ):
        self._steps, self._ranks, self.mode = steps, steps.ranks, mode
        self._options = mode, weighted, trained, shapes
        self._tree = tree = Tree(count, steps.chunks)
        self._chunks = range(*self._ranks.owned(tree))
        self._buckets: list[Any] = []  # weights whose gradients are exchanged together
        self._penalties = np.zeros(count)  # of a chunk in the row of its first sample
        largest = max(np.diff(tree.starts).tolist())
        with self._lend(largest) as plan:
            self._allocate(plan, largest)
            statistics, self._has_penalties = plan.statistics, plan.has_penalties
            self.is_random: Any = plan.is_random
        model = steps.model
        parameters, self._end, self._sum = model.parameters, None, None
        if mode != "infer":
            updates = Updates(model.optimizer, parameters) if mode == "train" else None
            self._end = BatchEnd(parameters, statistics, updates)
            if mode == "train":
                self._sum = self._make_sum(statistics.keys())

    def __enter__(self) -> ChunkedBatch:
        return self

    def __exit__(self, *error: object) -> None:
        """For a `with` block, as for a plan that is lent."""

    def _lend(self, count: int) -> Any:
        """Lend a plan for a chunk of `count` samples."""
        mode, weighted, trained, shapes = self._options
        share = 1.0 if mode == "infer" else count / self._tree.count
        model = self._steps.model
        return model._plans.lend(
            (count, mode, weighted, trained, shapes, share, len(self._buckets)),
            lambda arena: model._make_plan(
                count, mode, weighted, arena, shapes, share, self._buckets
            ),
        )

    def _make_sum(self, averages: Set[Any]) -> UnitSum:
        """Return the sum of the gradients of the chunks; set the buckets of the plans."""
        parameters, ranks, parallel = (
            self._steps.model.parameters,
            self._ranks,
            self._steps.parallel,
        )
        least = _BUCKET if ranks.size > 1 else parameters.size
        pieces, rest = gradient_pieces(parameters, averages, least)
        parts = [part for part, _ in pieces]
        self._buckets = [weights for _, weights in pieces] if len(pieces) > 1 else []
        if not self._buckets:
            parts, rest = [], [*parts, *rest]
        helper = parallel.helper if self._buckets else None
        return UnitSum(
            parameters.gradient, parts, rest, self._tree, ranks, parallel.gradient_dtype, helper
        )

    def _allocate(self, plan: Any, count: int) -> None:
        """Make the arrays of the whole batch, like those of a plan for `count` samples."""

        def whole(array: Any) -> Any:
            if not isinstance(array, np.ndarray):  # None, or the targets of a traced loss
                return array and type(array)()
            rows = len(array) // count * self._tree.count
            return np.empty((rows, *array.shape[1:]), array.dtype)

        self.outputs, self.targets, self.losses, self.sample_weights = (
            [whole(array) for array in arrays]
            for arrays in (plan.outputs, plan.targets, plan.losses, plan.sample_weights)
        )
        self._operations = plan.loss_operations

    @property
    def penalty(self) -> float:
        """The penalties of activities and weights in the loss of the last run."""
        return float(self._penalties.sum()) + (self._end.penalty if self._end else 0.0)

    def run(self, draw: int = 0) -> None:
        """Compute all chunks on the ranks, and in training change the weights."""
        ranks, tree = self._ranks, self._tree
        self._steps.check_step(self.mode, tree.count, draw, self.checksum)
        if self._sum is not None:
            self._sum.run(lambda chunk, on_bucket: self._compute(chunk, draw, on_bucket))
        else:
            for chunk in self._chunks:
                self._compute(chunk, draw)
        for losses in self.losses:
            if losses is not None:
                ranks.share_rows(losses, tree)
        if self.mode == "infer" or self.reads_outputs:
            for output in self.outputs:
                ranks.share_rows(output, tree)
        if self._has_penalties:
            ranks.share_rows(self._penalties, tree)
        if self._end is not None:
            self._end.run()

    def _compute(self, chunk: int, draw: int, on_bucket: OnBucket | None = None) -> None:
        """Run the plan of a chunk, and copy its results into the arrays of the batch."""
        begin, end = self._tree.starts[chunk : chunk + 2]
        if begin == end:
            return
        with self._lend(end - begin) as plan:
            self.source.load(self.source.rows(self.item, begin, end), plan)
            for index, losses in enumerate(plan.losses):
                if losses is not None:
                    self._load_targets(plan, index, begin, end)
            plan.bucket_ends.function = on_bucket
            plan.run(draw, Part(begin, end, self._tree.count))
            for index, losses in enumerate(plan.losses):
                if losses is not None:
                    rows = self._rows(index, begin, end)
                    self.losses[index][rows] = losses * self._correction(index, rows)
            for whole, part in zip(self.outputs, plan.outputs, strict=True):
                whole[begin:end] = part
            self._penalties[begin] = plan.penalty

    def _rows(self, index: int, begin: int, end: int) -> slice:
        """Return the rows of an output's loss that belong to these samples."""
        each = len(self.losses[index]) // self._tree.count
        return slice(begin * each, end * each)

    def _load_targets(self, plan: Any, index: int, begin: int, end: int) -> None:
        rows, targets = self._rows(index, begin, end), self.targets[index]
        if isinstance(targets, np.ndarray):
            plan.targets[index][...] = targets[rows]
        else:
            plan.targets[index].value = targets.value[begin:end]
        weights = self.sample_weights[index]
        if weights is not None:
            counted = not self._operations[index].summed
            factor = self._correction(index, rows) if counted else 1.0
            plan.sample_weights[index][...] = weights[rows] * np.float32(factor)

    def _correction(self, index: int, rows: slice) -> float:
        """Return by how much the loss of a row in its chunk is too small for the whole batch: a
        plan multiplies by its number of rows for a sum, and divides by that of the counted ones."""
        loss = self._operations[index]
        if loss.summed:
            return len(self.losses[index]) / (rows.stop - rows.start)
        if loss.ignore is None:
            return 1.0
        counted = self.targets[index] != loss.ignore
        return float(counted[rows].mean() / counted.mean()) if counted.any() else 0.0


def _facts_of(model: Any) -> dict[str, Any]:
    """Return what must be equal on all ranks for equal results; NumPy draws random numbers."""
    weights = [(v.shape, v.trainable) for v in model.parameters.variables]
    config = model.get_compile_config() if model.compiled else None
    return {
        "version of fastconv": fastconv.__version__,
        "version of NumPy": np.__version__,
        "instruction set (FASTCONV_ISA)": runtime.isa(),
        "kernel variants": runtime.kernel_variants(),
        "algorithm policy": runtime.algorithm_policy(),
        "network": f"{len(weights)} weights, checksum {zlib.crc32(repr(weights).encode()):08x}",
        "arguments of compile()": repr(config),
    }


def _facts_of_data(batches: EpochIterator) -> dict[str, Any]:
    source, facts = batches.source, {}
    if isinstance(source, ArraySource):
        facts["shapes of the data"] = [(x.shape, x.dtype.str) for x in source.xs]
        facts["batch size"] = source.batch_size
        some = slice(None, None, max(1, source.count // _SAMPLES))
        facts["checksum of the samples"] = _checksum([x[some] for x in source.xs])
        facts["checksum of the labels"] = _checksum(source.ys)
        facts["checksum of the sample weights"] = _checksum(source.weights)
    return facts | {"number of batches": batches.length}


def _checksum(arrays: Sequence[Any]) -> int:
    result = 0
    for array in arrays:
        if array is not None:
            result = zlib.crc32(repr((array.shape, array.dtype.str)).encode(), result)
            result = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data, result)
    return result

"""How much memory a network takes: the recipe of the lectures, and what the plan really allocates.

The recipe counts every volume between two layers once, in float32; twice for training, since every
volume has a gradient; and the parameters. It is what one does on paper, and it errs to both sides:

- it leaves out buffer reuse: volumes whose lifetimes do not overlap share memory, so prediction
  needs two or three volumes at a time, and gradients live for a moment;
- it leaves out the gradients of the parameters, the optimizer's slots, packed filters, and the
  bytes in which max pooling stores the positions of the maxima.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from fastconv import runtime
from fastconv.models import Model
from fastconv.plan import Graph, Plan, gradient_bytes, operations

FLOAT = 4  # bytes


@dataclass(frozen=True)
class Memory:
    """Bytes: first what the recipe counts, then what is allocated.

    `slots` are what the optimizer keeps for every parameter: of the one that the model is compiled
    with, else of RMSprop, the default. `weights`, `gradients` and `slots` are a little more than
    the parameters, because every weight begins a cache line; the gradients are less where those of
    large dense layers are used up as they are computed.
    """

    activations: int  # all volumes, the input included
    parameters: int
    weights: int
    prediction_arena: int
    prediction_scratch: int
    training_arena: int
    training_scratch: int
    gradients: int
    slots: int

    @property
    def recipe_prediction(self) -> int:
        """All volumes and the parameters."""
        return self.activations + self.parameters

    @property
    def recipe_training(self) -> int:
        """All volumes twice, and the parameters."""
        return 2 * self.activations + self.parameters

    @property
    def prediction(self) -> int:
        """What predicting a batch allocates."""
        return self.weights + self.prediction_arena + self.prediction_scratch

    @property
    def training(self) -> int:
        """What a training step allocates."""
        flat = self.weights + self.gradients + self.slots
        return flat + self.training_arena + self.training_scratch

    def to_dict(self) -> dict[str, int]:
        """All of it by name."""
        sums = ("recipe_prediction", "recipe_training", "prediction", "training")
        return asdict(self) | {name: getattr(self, name) for name in sums}


def memory_of(model: Model, batch_size: int, activations: int) -> Memory:
    """The memory of a built model for batches of `batch_size`; `activations` are the bytes of all
    volumes.

    Plans are made for it, and dropped: their memory is asked for and never touched.
    """
    from fastconv.optimizers import RMSprop

    parameters, threads = model.parameters, runtime.get_num_threads()
    graph = model.graph()
    predicting = Plan(graph, batch_size, parameters)
    scratch = predicting.scratch_bytes_on(threads)
    arena = predicting.peak_bytes
    del predicting
    graph = replace(graph, quantization=None, compute_dtype="float32")  # training needs float32
    training = Plan(graph, batch_size, parameters, mode="train", losses=_losses(graph))
    weights = parameters.values.nbytes
    trained = bool(parameters.trainable_slices())
    optimizer = model.optimizer or RMSprop()
    slots = sum(len(group) for group in optimizer.all_slots())  # numbers per parameter
    return Memory(
        activations=activations,
        parameters=FLOAT * model.count_params(),
        weights=weights,
        prediction_arena=arena,
        prediction_scratch=scratch,
        training_arena=training.peak_bytes,
        training_scratch=training.scratch_bytes_on(threads),
        gradients=gradient_bytes(graph, optimizer, parameters) if trained else 0,
        slots=slots * weights if trained else 0,
    )


def _losses(graph: Graph) -> list[operations.Loss]:
    """For every output a loss that suits it; which one makes no noticeable difference."""
    from fastconv.losses import MeanSquaredError, SparseCategoricalCrossentropy

    makers = graph.makers()
    classifies = [
        value in makers and makers[value].operation == operations.Softmax()
        for value in graph.outputs
    ]
    return [
        SparseCategoricalCrossentropy().operation(True)
        if each
        else MeanSquaredError().operation(False)
        for each in classifies
    ]

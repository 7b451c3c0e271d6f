"""Training, evaluation and prediction, from data to reported values.

    trainer          Trainer: compile, fit, evaluate, predict
    compile_config   CompileConfig: the arguments of compile, assigned to outputs
    io_spec          IOSpec: inputs and outputs of a model, and checks of data against them
    data             sources of batches: arrays, iterables, sequences
    dataset          PyDataset: batches by index
    epoch_iterator   EpochIterator: batches, epoch by epoch
    prefetch         batches prepared in the background
    metrics_tracker  MetricsTracker: loss and metrics of an epoch
    training_run     TrainingRun: the progress and the state of one fit

`Trainer` is one half of a model; `fastconv.models` contains the other.
"""

from fastconv.training.trainer import Trainer

__all__ = ["Trainer"]

"""Training, evaluation and prediction, from data to reported values.

    trainer      fit, evaluate, predict
    compiled     compile, and the attributes that it sets
    compilation  the arguments of compile, assigned to outputs
    terminals    inputs and outputs of a model, and checks of data against them
    data         sources of batches: arrays, iterables, sequences
    dataset      PyDataset: batches by index
    feed         batches, epoch by epoch
    prefetch     batches prepared in the background
    outputs      the return value of predict
    report       loss and metrics of an epoch
    progress     the progress bar
    run          the progress and the state of one fit
    renaming     its state after outputs were renamed

`Trainer` is one half of a model; `fastconv.models` contains the other.
"""

from fastconv.training.trainer import Trainer

__all__ = ["Trainer"]

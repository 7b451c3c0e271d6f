"""Training and evaluation: from data to steps, and from steps to what is reported.

    trainer      fit, evaluate, predict
    compiled     compile, and what it sets
    compilation  what compile was given, and what of it belongs to which output
    terminals    inputs and outputs of a model, and how data fit them
    data         where batches come from: arrays, iterables, sequences
    dataset      PyDataset: batches by number
    feed         batches, epoch by epoch
    prefetch     batches made in the background
    outputs      what predict returns
    report       loss and metrics of an epoch
    progress     what is printed
    run          how far a fit has come
    renaming     its state after outputs got other names

`Trainer` is one half of a model; `fastconv.models` has the other.
"""

from fastconv.training.trainer import Trainer

__all__ = ["Trainer"]

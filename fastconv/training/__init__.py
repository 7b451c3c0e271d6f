"""Training and evaluation: from data to steps, and from steps to what is reported.

    data      where batches come from: arrays, iterables, sequences; epochs of them
    trainer   compile, fit, evaluate, predict
    progress  what they print

`Trainer` is one half of a model; `fastconv.models` has the other.
"""

from fastconv.training.trainer import Trainer

__all__ = ["Trainer"]

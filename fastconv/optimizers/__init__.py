"""Optimizers: Keras's, with its arguments, formulas and defaults; and Lars.

    sgd        SGD (momentum, Nesterov), Lion
    adaptive   RMSprop, Adagrad, Adadelta, Ftrl: steps relative to the size of past gradients
    adam       Adam, AdamW, Nadam, Adamax: that and momentum
    layerwise  Lamb, Lars, Adafactor: steps relative to the size of each weight
    schedules  learning rates that change from step to step
    base       Optimizer: the arguments that all share, and the description for the plan
    stepping   rate, count and rule of the next step
    slots      the state on a model's flat buffers
    storing    the forms in which an optimizer is stored
    clipping   limits of gradients

One step is: clip the gradients, `w -= lr * weight_decay * w`, the rule of the class, the moving
average of the weights, the constraints of the weights. Every rule is one compiled pass over the
flat buffers (`fastconv.parameters`). Numbers that depend on the step alone (a scheduled rate,
Adam's bias correction) are computed here, between the steps. An optimizer object serves one model
at a time.

>>> from fastconv import optimizers
>>> optimizers.get("rmsprop").learning_rate
0.001
>>> optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)).learning_rate
0.1
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.optimizers import schedules
from fastconv.optimizers.adam import Adam, Adamax, AdamW, Nadam
from fastconv.optimizers.adaptive import Adadelta, Adagrad, Ftrl, RMSprop
from fastconv.optimizers.base import Optimizer
from fastconv.optimizers.layerwise import Adafactor, Lamb, Lars
from fastconv.optimizers.sgd import SGD, Lion
from fastconv.serialization import find, serializers

CLASSES = {
    cls.__name__: cls
    for cls in (
        SGD,
        RMSprop,
        Adam,
        AdamW,
        Nadam,
        Adamax,
        Adagrad,
        Adadelta,
        Lion,
        Ftrl,
        Lamb,
        Lars,
        Adafactor,
    )
}

serialize: Callable[..., Any]
deserialize: Callable[..., Any]
serialize, deserialize = serializers("optimizers")


def get(identifier: Any) -> Optimizer:
    """Return the optimizer for a name ("rmsprop", any case), an optimizer, its class or a
    serialized configuration.

    Raises ValueError for an unknown name (the message lists all), TypeError for anything else.
    """
    aliases = {name.lower(): cls for name, cls in CLASSES.items()}
    if isinstance(identifier, str):
        identifier = identifier.lower()
    return find(identifier, "optimizers", Optimizer, aliases=aliases)


__all__ = [
    "CLASSES",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lars",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

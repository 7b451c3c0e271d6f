"""What training changes, as plain data: how a run can be interrupted and go on to the same bits.

Whatever changes while `fit` runs can say what it has become, and go back to it:

    state()          numbers, strings, None, NumPy arrays, and lists and dicts of such: copies,
                     which training does not change
    restore(state)   be as the object was that gave this state; copies what it keeps

    model (`Trainer`)    weights, optimizer, number of the next dropout mask, streams of the layers
    optimizer            iterations, learning rate, slots
    metrics              sums
    callbacks            patience so far, best value ...
    feed of batches      seed of the order, place in the data
    `fastconv._random`   the generator of everything unseeded

`fastconv.training.run.TrainingRun` puts these together, `BackupAndRestore` writes them to a file.
`Stateful` implements the two methods for objects whose state is a few attributes.
"""

from __future__ import annotations

import copy
from typing import Any


class Stateful:
    """An object whose state are the attributes named in `stateful`; extend for more."""

    stateful: tuple[str, ...] = ()

    def state(self) -> dict[str, Any]:
        """A copy of what changes while training, as plain data."""
        return {name: copy.deepcopy(getattr(self, name)) for name in self.stateful}

    def restore(self, state: dict[str, Any]) -> None:
        """Be as the object was that gave `state`; ValueError if that was no such object."""
        if sorted(state) != sorted(self.stateful):
            raise ValueError(
                f"the state of {type(self).__name__} must have {sorted(self.stateful)}, "
                f"received {sorted(state)}"
            )
        for name in self.stateful:
            setattr(self, name, copy.deepcopy(state[name]))

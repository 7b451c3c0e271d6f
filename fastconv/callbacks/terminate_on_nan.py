"""Stops training when the loss is NaN or infinite."""

from __future__ import annotations

import math
from typing import Any

from fastconv.callbacks.callback import Callback


class TerminateOnNaN(Callback):
    """Stops `fit` after the batch that makes the loss NaN or infinite.

    Args:
        raise_error: whether to raise a RuntimeError instead of stopping.
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"the loss must be finite, received {loss} at batch {batch}")
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True

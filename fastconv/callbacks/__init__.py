"""What happens beside the training: objects that `fit` calls at certain moments.

    backup           BackupAndRestore, for `fit`s that get interrupted
    callback         Callback, the base class, and the list that calls callbacks
    history          History, the record that `fit` returns
    lambda_callback  LambdaCallback, a callback made of functions
    monitor          the base of callbacks that watch one number
    early_stopping   EarlyStopping

Names and semantics are Keras's.
"""

from fastconv.callbacks.backup import BackupAndRestore
from fastconv.callbacks.callback import Callback, CallbackList
from fastconv.callbacks.early_stopping import EarlyStopping
from fastconv.callbacks.history import History
from fastconv.callbacks.lambda_callback import LambdaCallback

__all__ = [
    "BackupAndRestore",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
]

"""Callbacks: objects with hooks that `fit`, `evaluate` and `predict` call.

    callback          Callback, the base class
    callback_list     CallbackList, which calls the callbacks of one run
    history           History, the record that `fit` returns
    lambda_callback   LambdaCallback, a callback composed of functions
    progbar_logger    ProgbarLogger, the progress bar as a callback
    progress          the output of a run: bars and lines
    monitor           base class of callbacks that monitor one value
    early_stopping    EarlyStopping
    learning_rate     LearningRateScheduler, ReduceLROnPlateau
    terminate_on_nan  TerminateOnNaN
    frequency         number of batches between saves, for
    model_checkpoint  ModelCheckpoint
    backup            BackupAndRestore, for interrupted runs of `fit`
    swap_ema_weights  SwapEMAWeights
    csv_logger        CSVLogger
    remote_monitor    RemoteMonitor
    tensorboard       TensorBoard, which uses
    event_file        TensorBoard's file format

Names and semantics are Keras's.
"""

from fastconv.callbacks.backup import BackupAndRestore
from fastconv.callbacks.callback import Callback
from fastconv.callbacks.callback_list import CallbackList
from fastconv.callbacks.csv_logger import CSVLogger
from fastconv.callbacks.early_stopping import EarlyStopping
from fastconv.callbacks.history import History
from fastconv.callbacks.lambda_callback import LambdaCallback
from fastconv.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from fastconv.callbacks.model_checkpoint import ModelCheckpoint
from fastconv.callbacks.progbar_logger import ProgbarLogger
from fastconv.callbacks.remote_monitor import RemoteMonitor
from fastconv.callbacks.swap_ema_weights import SwapEMAWeights
from fastconv.callbacks.tensorboard import TensorBoard
from fastconv.callbacks.terminate_on_nan import TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]

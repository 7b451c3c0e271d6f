"""Writes logs for TensorBoard."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastconv.callbacks.callback import Callback
from fastconv.common.arguments import normalize_int
from fastconv.state import Kind, whole

if TYPE_CHECKING:
    from fastconv.callbacks.event_file import EventFile

_MAX_IMAGES = 3  # per weight, as in tf.summary.image


class TensorBoard(Callback):
    """Writes loss, metrics, learning rate and weights to event files; view them with
    `tensorboard --logdir logs`. Writing has no further dependencies.

    In `log_dir/train` and `log_dir/validation`: scalars "epoch_loss" and so on per epoch,
    "batch_loss" and so on per batch if `update_freq` is not "epoch",
    "evaluation_loss_vs_iterations" after every evaluation.

    Args:
        log_dir: directory used only for the logs.
        histogram_freq: number of epochs between histograms of the weights; 0 for none.
        write_graph: whether to write the model for TensorBoard's graph view.
        write_images: whether to write images of the weights together with the histograms.
        write_steps_per_second: whether to write the training speed.
        update_freq: "epoch", "batch", or a number of batches.
        profile_batch, embeddings_freq, embeddings_metadata: not supported; only the values
            that turn them off are accepted.

    Raises ValueError for any other value.
    """

    first_rank_only = True

    stateful: ClassVar[Mapping[str, Kind]] = MappingProxyType({"_batches": whole})

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: None = None,
    ):
        super().__init__()
        unsupported = {
            "profile_batch": profile_batch,
            "embeddings_freq": embeddings_freq,
            "embeddings_metadata": embeddings_metadata,
        }
        for option, value in unsupported.items():
            if value:
                raise ValueError(f"`{option}` is not supported, received {value!r}")
        self.log_dir: Path = Path(log_dir)
        self.histogram_freq: int = normalize_int(histogram_freq, "histogram_freq", minimum=0)
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq: Any = 1 if update_freq == "batch" else update_freq
        if update_freq != "epoch":
            self.update_freq = normalize_int(self.update_freq, "update_freq")
            # Only then is a hook needed at every batch.
            self.on_train_batch_begin = self._before_batch
            self.on_train_batch_end = self._after_batch
        self._files: dict[str, EventFile] = {}
        self._batches = 0
        self._epoch_iterations = 0
        self._epoch_start = self._batch_start = 0.0

    def _file(self, name: str) -> EventFile:
        from fastconv.callbacks.event_file import EventFile

        if name not in self._files:
            self._files[name] = EventFile(self.log_dir / name)
        return self._files[name]

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_files": {}}  # a copy writes its own files

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._close()

    def _close(self) -> None:
        for file in self._files.values():
            file.flush()
        self._files = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._batches = 0
        if self.write_graph:
            self._file("train").graph("keras", self.model.to_json(), 0)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._close()

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._start_clock()  # a resumed epoch is timed from here

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        step = self.model.optimizer.iterations
        for name, value in (logs or {}).items():
            self._file("validation").scalar(f"evaluation_{name}_vs_iterations", value, step)
        if self.model.training_run is None:
            self._close()

    def _before_batch(self, batch, logs=None):
        self._batches += 1
        self._batch_start = time.perf_counter()

    def _after_batch(self, batch, logs=None):
        if self._batches % self.update_freq:
            return
        values = dict(logs or {})
        if self.write_steps_per_second:
            values["steps_per_second"] = 1.0 / (time.perf_counter() - self._batch_start)
        for name, value in values.items():
            self._file("train").scalar(f"batch_{name}", value, self._batches)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._start_clock()

    def _start_clock(self) -> None:
        self._epoch_iterations = self.model.optimizer.iterations
        self._epoch_start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        training: dict[str, Any] = {}
        for name, value in (logs or {}).items():
            if name.startswith("val_"):
                self._file("validation").scalar(f"epoch_{name[4:]}", value, epoch)
            else:
                training[name] = value
        training["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.write_steps_per_second:
            steps = self.model.optimizer.iterations - self._epoch_iterations
            training["steps_per_second"] = steps / (time.perf_counter() - self._epoch_start)
        for name, value in training.items():
            self._file("train").scalar(f"epoch_{name}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        for file in self._files.values():
            file.flush()

    def _write_weights(self, epoch: int) -> None:
        for variable in self.model.weights:
            value = variable.numpy()
            if np.isfinite(value).all():
                self._file("train").histogram(f"{variable.path}/histogram", value, epoch)
            images = _images(value) if self.write_images else None
            if images is not None:
                pngs = [_png(image) for image in images[:_MAX_IMAGES]]
                tag, (height, width) = f"{variable.path}/image", images.shape[1:3]
                self._file("train").image(tag, height, width, pngs, epoch)


def _images(weight: np.ndarray) -> np.ndarray | None:
    """Return `weight` as images (count, height, width, 1, 3 or 4), uint8, in Keras's layout; None
    if it has too many axes."""
    weight = weight.squeeze()
    if weight.ndim == 1:
        weight = weight.reshape(1, -1, 1, 1)
    elif weight.ndim == 2:
        if weight.shape[0] > weight.shape[1]:
            weight = weight.T
        weight = weight[None, ..., None]
    elif weight.ndim == 3:
        weight = weight.transpose(2, 0, 1)[..., None]
    if weight.ndim != 4 or weight.shape[-1] not in (1, 3, 4):
        return None
    return (np.clip(np.nan_to_num(weight), 0, 1) * 255).astype(np.uint8)


def _png(image: np.ndarray) -> bytes:
    """Return an image (height, width, 1, 3 or 4), uint8, as PNG."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    height, width, channels = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in image)  # 0: filter type "none"
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

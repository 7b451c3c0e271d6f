"""Writes event files in TensorBoard's format.

A file is a sequence of records (TFRecord), each an `Event` in protobuf's wire format:

    8 bytes length, 4 bytes masked CRC-32C of it, the event, 4 bytes masked CRC-32C of the event

    Event    wall_time = 1 (double), step = 2, file_version = 3 (string), summary = 5
    Summary  value = 1: {tag = 1, tensor = 8, metadata = 9}
    tensor   dtype = 1, shape = 2, content = 4 (little-endian), strings = 8
    metadata plugin = 1: {name = 1}, data_class = 4

Sources: tensorflow/core/util/event.proto, framework/summary.proto and tensor.proto,
lib/io/record_writer.cc; CRC-32C: RFC 3720, appendix B.4; the wire format:
https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import math
import os
import socket
import struct
import time
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

_FLOAT, _DOUBLE, _STRING = 1, 2, 7  # tensorflow.DataType
_SCALAR, _TENSOR, _BLOBS = 1, 2, 3  # tensorflow.DataClass
_BUCKETS = 30  # of a histogram, as in tf.summary
_INTERVAL = 5.0  # maximum seconds that events stay in memory
_number = count()


class EventFile:
    """A new event file in `directory`, which is created if it does not exist.

    Events are buffered in memory and written every few seconds and by `flush`.
    """

    def __init__(self, directory: str | os.PathLike[str]):
        Path(directory).mkdir(parents=True, exist_ok=True)
        now = time.time()
        name = f"{int(now)}.{socket.gethostname()}.{os.getpid()}.{next(_number)}"
        self._path = Path(directory) / f"events.out.tfevents.{name}.v2"
        self._pending: list[bytes] = []
        self._flushed = -math.inf  # so that the file exists from the start
        self._write(_double(1, now) + _bytes(3, b"brain.Event:2"))

    def scalar(self, tag: str, value: Any, step: int) -> None:
        """Add a number per step; every element of an array, as "tag/index"."""
        if np.ndim(value):
            for index, element in enumerate(np.ravel(value)):
                self.scalar(f"{tag}/{index}", element, step)
            return
        tensor = _tensor(_FLOAT, (), _bytes(4, struct.pack("<f", value)))
        self._summary(tag, tensor, "scalars", _SCALAR, step)

    def histogram(self, tag: str, values: np.ndarray, step: int) -> None:
        """Add the histogram of `values`, which must be finite."""
        table = _histogram(np.asarray(values, np.float64).reshape(-1))
        tensor = _tensor(_DOUBLE, table.shape, _bytes(4, table.astype("<f8").tobytes()))
        self._summary(tag, tensor, "histograms", _TENSOR, step)

    def image(self, tag: str, height: int, width: int, pngs: list[bytes], step: int) -> None:
        """Add images of equal size."""
        strings = [str(width).encode(), str(height).encode(), *pngs]
        tensor = _tensor(_STRING, (len(strings),), b"".join(_bytes(8, text) for text in strings))
        self._summary(tag, tensor, "images", _BLOBS, step)

    def graph(self, tag: str, json: str, step: int) -> None:
        """Add a Keras model's configuration, which TensorBoard draws as a graph."""
        tensor = _tensor(_STRING, (), _bytes(8, json.encode()))
        self._summary(tag, tensor, "graph_keras_model", 0, step, b"1")

    def flush(self) -> None:
        """Write the buffered events."""
        with open(self._path, "ab") as file:
            file.write(b"".join(self._pending))
        self._pending, self._flushed = [], time.monotonic()

    def _summary(
        self, tag: str, tensor: bytes, plugin: str, data_class: int, step: int, content: bytes = b""
    ) -> None:
        plugin_data = _bytes(1, plugin.encode()) + (_bytes(2, content) if content else b"")
        metadata = _bytes(1, plugin_data) + (_integer(4, data_class) if data_class else b"")
        value = _bytes(1, tag.encode()) + _bytes(8, tensor) + _bytes(9, metadata)
        self._write(_double(1, time.time()) + _integer(2, step) + _bytes(5, _bytes(1, value)))

    def _write(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        self._pending.append(length + _masked_crc(length) + event + _masked_crc(event))
        if time.monotonic() - self._flushed > _INTERVAL:
            self.flush()


def _histogram(values: np.ndarray) -> np.ndarray:
    """(buckets, 3): left edge, right edge, number of values."""
    if values.size == 0:
        return np.zeros((_BUCKETS, 3))
    low, high = values.min(), values.max()
    if low == high:
        counts = np.zeros(_BUCKETS)
        counts[-1] = values.size
        edges = np.full(_BUCKETS + 1, low)
    else:
        counts, edges = np.histogram(values, _BUCKETS, (low, high))
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


# ------------------------------------------------------------------------------------- protobuf


def _varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _integer(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _tensor(dtype: int, shape: Iterable[int], content: bytes) -> bytes:
    dimensions = b"".join(_bytes(2, _integer(1, size)) for size in shape)
    return _integer(1, dtype) + _bytes(2, dimensions) + content


# ------------------------------------------------------------------------------------- checksums


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of `data`.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _masked_crc(data: bytes) -> Any:
    # Rotated and offset, because the checksum of data that contains its own checksum is degenerate.
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

"""The state behind the page: a network, its data, and the curve of its training.

Every public method answers one request with plain data for JSON. Arrays travel as base64 of 8-bit
numbers, with the values `low` and `high` that 0 and 255 stand for.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv import inspect
from fastconv.common.arguments import normalize_int
from fastconv.inspect.fields import Field
from fastconv.inspect.layer_calls import layer_calls
from fastconv.models import Model

BATCH = 32  # samples per training step
MOST_STEPS = 100  # per request
MOST_MAPS = 16  # shown per layer
MOST_VALUES = 128  # shown of a vector


@dataclass(frozen=True)
class Data:
    """Pictures (N, H, W, C), float32 from 0 to 1, with class numbers (N,), to train and test with.

    Attributes:
        x, y: what a session trains with.
        x_test, y_test: what it tests with.
        class_names: one per class.
        drawings: the test pictures as they would be drawn in the page: (N, height, width).
        margin: border of a drawing that stays empty, in pixels.
        prepare: turns a drawing, uint8 (height, width), into a sample (H, W, C) like those of `x`.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: Sequence[str]
    drawings: np.ndarray
    margin: int
    prepare: Callable[[np.ndarray], np.ndarray]


class Session:
    """A network that can be drawn to, looked into and trained.

    Args:
        networks: functions that return a new model, by name; the first is chosen at the start. A
            model takes samples like those of `data` and returns one probability per class.
        data: the pictures.
        seed: of the order of samples.

    >>> import numpy as np
    >>> from fastconv import play
    >>> x, y = np.zeros((4, 8, 8, 1), np.float32), np.arange(4)
    >>> data = play.Data(x, y, x, y, "abcd", x[..., 0], 0, lambda drawn: drawn[..., None] / 255)
    >>> session = play.Session(play.small_networks((8, 8, 1), 4), data)
    >>> len(session.train(steps=2)["losses"])
    2
    """

    def __init__(self, networks: Mapping[str, Callable[[], Model]], data: Data, seed: int = 0):
        self._networks, self._data = dict(networks), data
        self._random = np.random.default_rng(seed)
        self.network(next(iter(self._networks)))

    def network(self, name: str) -> dict[str, Any]:
        """Begin anew with the network `name`; return `state()`.

        Raises ValueError for a name that is not one of the networks.
        """
        if name not in list(self._networks):  # a list takes names that cannot be hashed
            raise ValueError(f"`name` must be one of {list(self._networks)}, received {name!r}")
        model = self._networks[name]()
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        self._name, self._model = name, model
        self._losses: list[float] = []
        self._accuracies: list[tuple[int, float]] = []
        self._test()
        self._order = np.empty(0, np.intp)
        self._fields = {call.name: call.output.fields.get(0, ()) for call in layer_calls(model)}
        return self.state()

    def state(self) -> dict[str, Any]:
        """The networks, the classes, the sizes, and the curves of the training so far.

        `losses` has one entry per step; `accuracies` are pairs of a step and the accuracy on the
        test pictures after it.
        """
        return {
            "networks": list(self._networks),
            "network": self._name,
            "classes": list(self._data.class_names),
            "drawing": list(self._data.drawings.shape[1:]),
            "margin": self._data.margin,
            "input": list(self._model.input_shape[1:]),
            "examples": len(self._data.x_test),
            "parameters": self._model.count_params(),
            "losses": self._losses,
            "accuracies": self._accuracies,
        }

    def train(self, steps: int) -> dict[str, Any]:
        """Train for `steps` batches of 32; return the loss of each and the last of `accuracies`.

        Raises ValueError unless `steps` is from 1 to 100.
        """
        steps = normalize_int(steps, "steps")
        if steps > MOST_STEPS:
            raise ValueError(f"`steps` must be at most {MOST_STEPS}, received {steps}")
        losses = []
        for _ in range(steps):
            batch = self._next_batch()
            result: Any = self._model.train_on_batch(self._data.x[batch], self._data.y[batch])
            losses.append(result[0])
        self._losses += _finite(losses)
        self._test()
        return {"losses": self._losses[-steps:], "accuracy": self._accuracies[-1]}

    def look(self, pixels: str) -> dict[str, Any]:
        """The prediction for a drawing, and the output and the filters of every layer.

        Args:
            pixels: base64 of the drawing's bytes, row by row, 0 for paper and 255 for ink.

        Raises ValueError for anything else.
        """
        sample = self._data.prepare(self._drawing(pixels))[None]
        outputs = inspect.layer_outputs(self._model, sample)
        layers = [
            self._layer(name, values[0])
            for name, values in outputs.items()
            if type(self._model.get_layer(name)).__name__ not in _SAME_NUMBERS
        ]
        return {
            "probabilities": _finite(self._model.predict_on_batch(sample)[0]),
            "input": _packed(sample[0].mean(axis=2), 0, 1),
            "layers": layers,
        }

    def example(self, index: int) -> dict[str, Any]:
        """The test picture `index`, of the size of a drawing, and its class.

        Raises ValueError for an index beyond the test pictures.
        """
        count = len(self._data.x_test)
        index = normalize_int(index, "index", minimum=0)
        if index >= count:
            raise ValueError(f"`index` must be at most {count - 1}, received {index}")
        label = self._data.class_names[int(self._data.y_test[index])]
        return {"pixels": _packed(self._data.drawings[index], 0, 1)["bytes"], "label": label}

    def _next_batch(self) -> np.ndarray:
        """Indices of samples; every epoch has another order."""
        if not len(self._order):
            self._order = self._random.permutation(len(self._data.x))
        batch, self._order = self._order[:BATCH], self._order[BATCH:]
        return batch

    def _test(self) -> None:
        result: Any = self._model.evaluate(self._data.x_test, self._data.y_test, verbose=0)
        self._accuracies.append((len(self._losses), float(result[1])))

    def _drawing(self, pixels: str) -> np.ndarray:
        height, width = self._data.drawings.shape[1:]
        try:
            raw = base64.b64decode(pixels, validate=True)
        except (binascii.Error, TypeError) as error:
            raise ValueError(f"`pixels` must be base64: {error}") from None
        if len(raw) != height * width:
            raise ValueError(
                f"`pixels` must be {height}x{width} = {height * width} bytes, received {len(raw)}"
            )
        return np.frombuffer(raw, np.uint8).reshape(height, width)

    def _layer(self, name: str, values: np.ndarray) -> dict[str, Any]:
        layer = self._model.get_layer(name)
        low, high = min(float(values.min()), 0.0), float(values.max())
        if low < 0:  # 0 in the middle
            low, high = min(low, -high), max(high, -low)
        shown: dict[str, Any] = {
            "name": name,
            "kind": type(layer).__name__,
            "shape": list(values.shape),
            "parameters": layer.count_params(),
        }
        if values.ndim != 3:
            return shown | {"values": _packed(values.reshape(-1)[:MOST_VALUES], low, high)}
        maps = np.moveaxis(values, 2, 0)[:MOST_MAPS]
        return shown | {
            "maps": _packed(maps, low, high),
            "field": _field(self._fields.get(name, ())),
            "filters": _filters(layer),
        }


_SAME_NUMBERS = ("Flatten", "Reshape", "Dropout", "SpatialDropout2D", "GaussianNoise")


def _finite(values: Any) -> list[float]:
    """A list that JSON can hold."""
    if not np.isfinite(values).all():
        raise ValueError("the network's numbers are no longer finite: begin with new weights")
    return [float(value) for value in values]


def _packed(values: np.ndarray, low: float, high: float) -> dict[str, Any]:
    scaled = (values - low) * (255 / ((high - low) or 1))
    raw = np.rint(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)
    return {"bytes": base64.b64encode(raw.tobytes()).decode(), "low": low, "high": high}


def _field(field: Field) -> list[dict[str, float]] | None:
    """Per rows and columns: element i of the layer depends on `size` pixels from `start + i jump`.

    None if elements of the layer do not depend on rows and columns in this way.
    """
    axes = [
        {"start": float(axis.start), "size": axis.elements, "jump": float(axis.jump)}
        for number, axis in enumerate(field[:2])
        if axis.along == number
    ]
    return axes if len(axes) == 2 else None


def _filters(layer: Any) -> dict[str, Any] | None:
    """The filters of a convolution, as (filters, channels, rows, columns), and their bias."""
    weights = layer.get_weights()
    if not weights or weights[0].ndim != 4:
        return None
    kernel = weights[0].transpose(3, 2, 0, 1)[:MOST_MAPS, :MOST_MAPS]
    limit = float(np.abs(kernel).max()) or 1.0
    bias = weights[1][:MOST_MAPS].tolist() if len(weights) > 1 else None
    return {"shape": list(kernel.shape), "bias": bias, **_packed(kernel, -limit, limit)}

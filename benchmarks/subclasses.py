"""Classes that define `call`, and chains of functions, beside built-in layers.

    python -m benchmarks.subclasses
    python -m benchmarks.subclasses --batch 1 --only block

Every row builds one network twice, of built-in layers and in the other way, gives both the same
weights, and times them in alternating blocks: `predict` of four batches and `fit` of one epoch of
four batches. A ratio above 1 means that the other way takes longer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks import command
from benchmarks.timing import Protocol, alternate, ratio
from fastconv.bench.tables import Table

if TYPE_CHECKING:
    from fastconv import models

BATCHES = 4
CLASSES = 10
SHAPE = (32, 32, 16)


class Case(NamedTuple):
    """Two ways of building a network for images of `SHAPE`, which return a built model."""

    name: str
    builtin: Callable[[], models.Model]
    other: Callable[[], models.Model]


def cases() -> list[Case]:
    from fastconv import layers, models, ops

    def network(body: Callable[[Any], Any]) -> models.Model:
        x = layers.Input(SHAPE)
        y = layers.GlobalAveragePooling2D()(body(x))
        return models.Model(x, layers.Dense(CLASSES, activation="softmax")(y))

    def of_functions(body: Callable[[Any], Any]) -> models.Model:
        return network(lambda x: body(layers.Conv2D(32, 3, padding="same")(x)))

    class Block(layers.Layer):
        """Two convolutions and a shortcut."""

        def __init__(self, filters: int):
            super().__init__()
            self.first = layers.Conv2D(filters, 3, padding="same", activation="relu")
            self.second = layers.Conv2D(filters, 3, padding="same")
            self.sum, self.last = layers.Add(), layers.ReLU()

        def call(self, x: Any) -> Any:
            return self.last(self.sum([self.second(self.first(x)), x]))

    def inlined(x: Any) -> Any:
        for _ in range(3):
            y = layers.Conv2D(SHAPE[-1], 3, padding="same", activation="relu")(x)
            y = layers.Conv2D(SHAPE[-1], 3, padding="same")(y)
            x = layers.ReLU()(layers.Add()([y, x]))
        return x

    def of_blocks(x: Any) -> Any:
        for _ in range(3):
            x = Block(SHAPE[-1])(x)
        return x

    def chain_of_layers() -> list[layers.Layer]:
        return [
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]

    class Net(models.Model):
        """The same layers, called by the class."""

        def __init__(self) -> None:
            super().__init__()
            self.parts = chain_of_layers()

        def call(self, x: Any) -> Any:
            for part in self.parts:
                x = part(x)
            return x

    def net() -> models.Model:
        model = Net()
        model.build((None, *SHAPE))
        return model

    def swish_of_functions(x: Any) -> Any:
        return x * ops.sigmoid(x)

    def scaled(x: Any) -> Any:
        return ops.relu(x * 0.5 + 0.25)

    def scaled_by_layers(x: Any) -> Any:
        return layers.ReLU()(layers.Rescaling(0.5, 0.25)(x))

    def excited(x: Any, multiply: Callable[[list[Any]], Any]) -> Any:
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        return multiply([x, layers.Conv2D(32, 1, activation="sigmoid")(gate)])

    return [
        Case("block", lambda: network(inlined), lambda: network(of_blocks)),
        Case("model", lambda: models.Sequential([layers.Input(SHAPE), *chain_of_layers()]), net),
        Case(
            "x * sigmoid(x)",
            lambda: of_functions(layers.Activation("swish")),
            lambda: of_functions(swish_of_functions),
        ),
        Case(
            "relu(0.5 x + 0.25)",
            lambda: of_functions(scaled_by_layers),
            lambda: of_functions(scaled),
        ),
        Case(
            "x * gate",
            lambda: of_functions(lambda x: excited(x, layers.Multiply())),
            lambda: of_functions(lambda x: excited(x, lambda pair: pair[0] * pair[1])),
        ),
        Case(
            "max(x, 0.1 x)",
            lambda: of_functions(layers.LeakyReLU(0.1)),
            lambda: of_functions(lambda x: ops.maximum(x, 0.1 * x)),
        ),
    ]


def measure(
    chosen: list[Case], batch: int, threads: int, protocol: Protocol | None = None
) -> Table:
    """Every case as one line of the table."""
    from fastconv import runtime

    runtime.set_num_threads(threads)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCHES * batch, *SHAPE), dtype=np.float32)
    y = rng.integers(0, CLASSES, len(x))
    table = Table(
        f"Other ways beside built-in layers, batches of {batch}, {threads} threads",
        ["network", "predict ms", "ratio", "fit ms", "ratio"],
    )
    for case in chosen:
        builtin, other = case.builtin(), case.other()
        other.set_weights(builtin.get_weights())
        predictions = [model.predict(x, batch_size=batch, verbose=0) for model in (builtin, other)]
        np.testing.assert_allclose(*predictions, rtol=1e-4, atol=1e-5, err_msg=case.name)
        sides = {"builtin": builtin, "other": other}
        for model in sides.values():
            model.compile("sgd", "sparse_categorical_crossentropy")
        cells: list[Any] = [case.name]
        for work in (_predict, _fit):
            calls = {name: work(model, x, y, batch) for name, model in sides.items()}
            timings = alternate(calls, protocol)
            cells += [timings["other"].median * 1e3, ratio(timings["other"], timings["builtin"])]
        table.add(*cells)
    return table


def _predict(model: models.Model, x: np.ndarray, y: np.ndarray, batch: int) -> Callable[[], Any]:
    return lambda: model.predict(x, batch_size=batch, verbose=0)


def _fit(model: models.Model, x: np.ndarray, y: np.ndarray, batch: int) -> Callable[[], Any]:
    return lambda: model.fit(x, y, batch_size=batch, verbose=0, shuffle=False)


def main(arguments: list[str] | None = None) -> None:
    parser = command.parser(__doc__, peers=False)
    parser.add_argument("--batch", type=int, default=64, help="samples per batch")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name contains it")
    options = command.parse(parser, arguments)
    chosen = [case for case in cases() if options.only in case.name]
    if not chosen:
        parser.error(f"no row contains {options.only!r}: {[case.name for case in cases()]}")
    measure(chosen, options.batch, options.threads, options.protocol).show()


if __name__ == "__main__":
    main()

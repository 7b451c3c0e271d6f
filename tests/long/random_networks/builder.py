"""Builds random networks from the classes of one library."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.long.random_networks.arguments import KINDS
from tests.long.random_networks.chooser import Chooser

MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")


class Builder:
    """Builds network number `seed` from the classes of `library`; notes the kinds it used."""

    def __init__(self, seed: int, library: Any):
        self.choose, self.library = Chooser(seed), library
        self.made: list[tuple[Any, tuple]] = []  # layers and the shape that they were first given
        self.kinds: Counter = Counter()
        self.count = 0

    def name(self, kind: str) -> dict[str, str]:
        """A name of its own for every third layer; the others are named by the library."""
        self.count += 1
        return {"name": f"{kind.lower()}_no_{self.count}"} if self.choose.chance(0.3) else {}

    def layer(self, shape: tuple[int, ...]) -> Any:
        """A new layer for samples of `shape`, or None if the one that was drawn does not fit."""
        c, library = self.choose, self.library
        kind = c.one([kind for kind, (ranks, _) in KINDS.items() if len(shape) in ranks])
        arguments = KINDS[kind][1](c, library, shape)
        if arguments is None:
            return None
        if c.chance(0.1):
            arguments["trainable"] = False
        layer = getattr(library.layers, kind)(**arguments, **self.name(kind))
        self.kinds[kind] += 1
        self.made.append((layer, shape))
        return layer

    def step(self, tensor: Any) -> Any:
        """`tensor` after one more layer: a new one, one that exists already, or a model."""
        c, shape = self.choose, tuple(tensor.shape[1:])
        same = [layer for layer, suits in self.made if suits == shape]
        if same and c.chance(0.2):
            self.kinds["(called again)"] += 1
            return c.one(same)(tensor)
        if c.chance(0.08):
            return self.model(shape)(tensor)
        layer = self.layer(shape)
        return tensor if layer is None else layer(tensor)

    def model(self, shape: tuple[int, ...]) -> Any:
        """A model of two or three layers, some of which exist already."""
        c, library = self.choose, self.library
        if c.chance(0.4):
            self.kinds["(inner Sequential)"] += 1
            inner = self.sequential(shape)
            self.made.append((inner, shape))
            return inner
        self.kinds["(inner Model)"] += 1
        start = end = library.layers.Input(shape)
        for _ in range(c.number(1, 3)):
            end = self.step(end)
        if end is start:
            end = library.layers.ReLU()(end)
        inner = library.models.Model(start, end, **self.name("Inner"))
        if c.chance(0.2):
            inner.trainable = False
        self.made.append((inner, shape))
        return inner

    def merge(self, tensors: list[Any]) -> Any:
        """Two of the tensors joined, if there are two that can be."""
        c, library = self.choose, self.library
        by_shape: dict[tuple, list[Any]] = {}
        for tensor in tensors:
            by_shape.setdefault(tuple(tensor.shape), []).append(tensor)
        pairs = [alike for alike in by_shape.values() if len(alike) > 1]
        if not pairs:
            return None
        alike, kind = c.one(pairs), c.one(MERGES)
        self.kinds[kind] += 1
        return getattr(library.layers, kind)(**self.name(kind))([alike[-2], alike[-1]])

    def network(self) -> Any:
        c, library = self.choose, self.library
        image = (c.number(5, 9), c.number(5, 9), c.number(1, 4))
        sequence, vector = (c.number(6, 12), c.number(1, 4)), (c.number(2, 8),)
        shapes = [image, image, sequence, vector]
        if c.chance(0.3):
            return self.sequential(c.one(shapes))
        inputs = [library.layers.Input(c.one(shapes)) for _ in range(1 + c.chance(0.3))]
        tensors = list(inputs)
        for _ in range(c.number(2, 8)):
            merged = self.merge(tensors) if c.chance(0.4) else None
            tensors.append(self.step(c.one(tensors[-2:])) if merged is None else merged)
        ends = [tensor for tensor in tensors[len(inputs) :] if all(tensor is not i for i in inputs)]
        outputs = [ends[-1]] if ends else [library.layers.ReLU()(inputs[0])]
        if len(ends) > 1 and ends[-2] is not ends[-1] and c.chance(0.3):
            outputs.append(ends[-2])
        return library.models.Model(
            inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0]
        )

    def sequential(self, shape: tuple[int, ...]) -> Any:
        c, library = self.choose, self.library
        self.kinds["(Sequential)"] += 1
        model = library.models.Sequential([library.layers.Input(shape)], **self.name("Chain"))
        for _ in range(c.number(1, 7)):
            layer = self.layer(tuple(model.output_shape[1:]) if model.layers else shape)
            if layer is not None:
                model.add(layer)
        if not model.layers:
            model.add(library.layers.ReLU())
        return model

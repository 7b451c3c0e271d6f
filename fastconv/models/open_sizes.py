"""Models of inputs with unknown sizes: a graph of the layers for each size of a batch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastconv.layers.network import Network
from fastconv.layers.unknown_sizes import is_unknown
from fastconv.shapes import Shape

_MOST_NETWORKS = 32  # sizes of images whose graphs a model keeps


class OpenSizes:
    """The part of `Model` for sizes that the data determine.

    The declarations below are what it uses of the other part.
    """

    if TYPE_CHECKING:
        name: str
        network: Network
        _lock: threading.RLock

    def _forget_sizes(self) -> None:
        self._networks: OrderedDict[Any, Network] = OrderedDict()  # by the shapes of the inputs

    def network_for(self, shapes: Sequence[Shape]) -> Network:
        """Return the graph of the layers for inputs of these shapes: that of the model, unless it
        has unknown sizes. Raises ValueError if a layer cannot take what comes from these shapes."""
        own, key = self.network, tuple(map(tuple, shapes))
        if any(None in shape[1:] for shape in key) or not is_unknown(
            [tensor.shape for tensor in own.inputs]
        ):
            return own
        with self._lock:
            network = self._networks.get(key)
            if network is None:
                try:
                    network = self._networks[key] = own.at(key)
                except ValueError as error:
                    sizes = ", ".join(map(str, key))
                    raise ValueError(
                        f"{self.name!r} cannot take inputs of shape {sizes}: {error}"
                    ) from error
            self._networks.move_to_end(key)
            if len(self._networks) > _MOST_NETWORKS:
                self._networks.popitem(last=False)
        return network

    def output_shapes_for(self, shapes: Sequence[Shape]) -> list[Shape]:
        """Return the shapes of the outputs for inputs of these shapes; errors as `network_for`."""
        return [tensor.shape for tensor in self.network_for(shapes).outputs]


def sizes_match(shapes: list[Shape], others: list[Shape]) -> bool:
    """Return whether all sizes are equal that are known in both."""
    if len(shapes) != len(others):
        return False
    return all(
        len(one) == len(other)
        and all(a == b or a is None or b is None for a, b in zip(one, other, strict=True))
        for one, other in zip(shapes, others, strict=True)
    )

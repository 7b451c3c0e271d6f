"""`Lambda`: a Python function as a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastconv.layers.base import Layer, check_options
from fastconv.layers.tracing import Tracer
from fastconv.plan.operations import Operation
from fastconv.serialization import describe_function, named_object
from fastconv.shapes import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fastconv.layers.options import LayerOptions


class Lambda(Layer):
    """Computes a function of symbolic tensors, in operators and functions of `fastconv.ops`.

    Args:
        function: takes the inputs, and `training` if it has such an argument; traced once.
        output_shape, mask: accepted as in Keras: the function determines the shape, and there are
            no masks.
        arguments: more arguments for the function, by name.

    A file names the function, as it does the user's classes: one without a name, a `lambda`, cannot
    be saved, since files never contain code.

    Raises TypeError for anything but a function.

    >>> from fastconv import layers
    >>> layers.Lambda(lambda x: x * 2 + 1)([[1.0, 2.0]])
    array([[3., 5.]], dtype=float32)
    """

    function: Callable[..., Any]
    arguments: dict[str, Any]

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **common: Unpack[LayerOptions],
    ):
        super().__init__(**common)
        if not callable(function):
            raise TypeError(f"`function` must be a function, received {str(function)[:200]!r}")
        check_options("Lambda", mask=mask)
        self.function, self.arguments = function, dict(arguments or {})
        self._tracer = Tracer(self)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        takes = "training" in inspect.signature(self.function).parameters
        given = {"training": training} if takes else {}
        return self.function(inputs, **self.arguments, **given)

    def operations(self, input_shape: Shape) -> list[Operation]:
        raise TypeError(f"layer {self.name!r} is traced")

    def why_not_in_files(self) -> str | None:
        name = getattr(self.function, "__name__", "<lambda>")
        if name != "<lambda>":
            return None
        return f"layer {self.name!r} computes a function without a name; define it by `def`"

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """Return the layer of a function that is registered or given in `custom_objects`.

        Raises ValueError for any other, and for code.
        """
        function = named_object(config.get("function"))
        if not callable(function) or isinstance(function, type):
            raise ValueError(
                "keras.layers.Lambda is not supported with code, which is never run, or a function "
                "that is neither registered nor given in `custom_objects`; received "
                f"{str(function)[:100]}"
            )
        return super().from_config(config | {"function": function})

    def get_config(self) -> dict[str, Any]:
        described = {"class_name": "__lambda__", "config": {}}
        if self.why_not_in_files() is None:
            described = describe_function(self.function)
        return super().get_config() | {"function": described, "arguments": self.arguments}

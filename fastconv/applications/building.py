"""What all networks of `fastconv.applications` have in common: input, top, pooling, weights.

A family of networks consists of a function from the input tensor to the last feature maps and one
from there to the classes. `build` connects them as the arguments demand and loads the weights;
`application` gives a network Keras's signature.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from fastconv import activations
from fastconv.applications.pretrained import find
from fastconv.layers import Dense, GlobalAveragePooling2D, GlobalMaxPooling2D, Input
from fastconv.layers.sources import get_source_inputs
from fastconv.layers.symbolic import SymbolicTensor
from fastconv.models import Model
from fastconv.parameters import undrawn_weights
from fastconv.shapes import normalize_int

Part = Callable[[SymbolicTensor], SymbolicTensor]

IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class Arguments:
    """The arguments that every network takes; see `fastconv.applications`."""

    include_top: bool
    weights: str | os.PathLike[str] | None
    input_tensor: SymbolicTensor | None
    input_shape: tuple[int | None, ...] | None
    pooling: str | None
    classes: int
    classifier_activation: Any
    name: str | None

    def __post_init__(self) -> None:
        if self.pooling not in (None, "avg", "max"):
            raise ValueError(f"`pooling` must be None, 'avg' or 'max', received {self.pooling!r}")
        normalize_int(self.classes, "classes")
        if self.input_tensor is not None and not isinstance(self.input_tensor, SymbolicTensor):
            raise TypeError(
                "`input_tensor` must be what Input or a layer returns, received "
                f"{type(self.input_tensor).__name__}"
            )
        if self.weights is None:
            return
        if not self.imagenet and not os.path.isfile(self.weights):
            raise ValueError(
                "`weights` must be None, 'imagenet' or the path of a weights file, received "
                f"{self.weights!r}"
            )
        if not self.include_top:
            return
        if self.imagenet and self.classes != IMAGENET_CLASSES:
            raise ValueError(
                f"`classes` must be {IMAGENET_CLASSES} with `weights='imagenet'` and the top, "
                f"received {self.classes!r}"
            )
        if activations.get(self.classifier_activation) not in _CLASSIFIERS:
            raise ValueError(
                "`classifier_activation` must be None or 'softmax' with trained weights, "
                f"received {self.classifier_activation!r}"
            )

    @property
    def imagenet(self) -> bool:
        """Whether the weights that Keras distributes are wanted."""
        return isinstance(self.weights, str) and self.weights == "imagenet"

    def size_in(self, sizes: Sequence[int]) -> int | None:
        """Return the height of the images if they are square and it is among `sizes`."""
        shape = self.input_shape
        if shape is None and self.input_tensor is not None:
            shape = self.input_tensor.shape[1:]
        if isinstance(shape, (tuple, list)) and len(shape) == 3 and shape[0] == shape[1]:
            return shape[0] if shape[0] in sizes else None
        return None


_CLASSIFIERS = (activations.linear, activations.softmax)


def image_shape(
    arguments: Arguments, default_size: int, min_size: int, any_size: bool
) -> tuple[int | None, int | None, int]:
    """Return (height, width, channels) of the images.

    Raises ValueError for other than three sizes, for images below `min_size`, and for a shape that
    the trained weights do not fit; with `any_size` their top fits images of every size.
    """
    shape, tensor = arguments.input_shape, arguments.input_tensor
    if tensor is not None:
        if shape is not None and tuple(shape) != tensor.shape[1:]:
            raise ValueError(
                f"`input_shape` must be that of `input_tensor`, {tensor.shape[1:]}, received "
                f"{shape}"
            )
        shape = tensor.shape[1:]
    if shape is None:
        return (default_size, default_size, 3) if arguments.include_top else (None, None, 3)
    if not isinstance(shape, (tuple, list)) or len(shape) != 3:
        raise ValueError(f"`input_shape` must be (height, width, channels), received {shape!r}")
    height, width, channels = (
        None if size is None else normalize_int(size, "a size of `input_shape`") for size in shape
    )
    if channels is None or any(size is not None and size < min_size for size in (height, width)):
        raise ValueError(
            f"`input_shape` must be at least {min_size} x {min_size} pixels with a number of "
            f"channels, received {tuple(shape)}"
        )
    fixed = arguments.include_top and not any_size
    if fixed and (height is None or width is None):
        raise ValueError(
            f"`input_shape` must give height and width for a network with its top, received "
            f"{tuple(shape)}"
        )
    if arguments.imagenet:
        only = (default_size, default_size, 3)
        if channels != 3 or (fixed and (height, width, channels) != only):
            wanted = f"{only}" if fixed else "(height, width, 3)"
            raise ValueError(
                f"`input_shape` must be {wanted} with `weights='imagenet'`, received {tuple(shape)}"
            )
    return height, width, channels


def build(
    arguments: Arguments,
    features: Part,
    top: Part,
    *,
    default_size: int,
    min_size: int = 32,
    any_size: bool = False,
    file: str,
    file_without_top: str,
    named_pooling: bool = True,
    name: Callable[[tuple[int | None, ...]], str] | None = None,
) -> Model:
    """Return the network, with its weights drawn or loaded.

    `features` and `top` make the layers; the images have `default_size` by default. `file` and
    `file_without_top` hold the trained weights. `named_pooling`: whether the pooling that
    `pooling=` asks for has a name of its own, as in some of Keras's networks. `name` returns the
    name of the network for the shape of its images, where that is the default.
    """
    shape = image_shape(arguments, default_size, min_size, any_size)
    path = arguments.weights
    if arguments.imagenet:
        path = find(
            file if arguments.include_top else file_without_top,
            "`weights='imagenet'`",
            "give `weights=None` for new weights, or the path of a weights file",
        )
    # Weights that a file replaces are not drawn.
    with nullcontext() if path is None else undrawn_weights():
        image = Input(shape) if arguments.input_tensor is None else arguments.input_tensor
        outputs = features(image)
        if arguments.include_top:
            outputs = top(outputs)
        elif arguments.pooling is not None:
            outputs = _pooled(outputs, arguments.pooling, named_pooling)
        called = arguments.name
        if called is None and name is not None:
            called = name(shape)
        sources = get_source_inputs(image)
        model = Model(sources[0] if len(sources) == 1 else sources, outputs, name=called)
    if path is not None:
        model.load_weights(path)
    return model


def _pooled(x: SymbolicTensor, pooling: str, named: bool) -> SymbolicTensor:
    layer = GlobalAveragePooling2D if pooling == "avg" else GlobalMaxPooling2D
    return layer(name=f"{pooling}_pool" if named else None)(x)


def pooled_classifier(arguments: Arguments, **dense: Any) -> Part:
    """Return the usual top: the mean of every feature map, then one dense layer."""

    def top(x: SymbolicTensor) -> SymbolicTensor:
        x = GlobalAveragePooling2D(name="avg_pool")(x)
        return classifier(arguments, **dense)(x)

    return top


def classifier(arguments: Arguments, **dense: Any) -> Dense:
    """Return the dense layer "predictions"."""
    return Dense(
        arguments.classes, activation=arguments.classifier_activation, name="predictions", **dense
    )


def application(
    module: str, function_name: str, model_name: str, doc: str, make: Callable[[Arguments], Model]
) -> Callable[..., Model]:
    """Return a function with the arguments that every network takes, and nothing else."""

    def function(
        include_top: bool = True,
        weights: str | os.PathLike[str] | None = "imagenet",
        input_tensor: SymbolicTensor | None = None,
        input_shape: tuple[int | None, ...] | None = None,
        pooling: str | None = None,
        classes: int = IMAGENET_CLASSES,
        classifier_activation: Any = "softmax",
        name: str = model_name,
    ) -> Model:
        return make(
            Arguments(
                include_top, weights, input_tensor, input_shape, pooling, classes,
                classifier_activation, name,
            )
        )  # fmt: skip

    function.__module__, function.__doc__ = module, doc
    function.__name__ = function.__qualname__ = function_name
    return function


def divisible(filters: float, divisor: int = 8, minimum: int | None = None) -> int:
    """Return `filters` rounded to a multiple of `divisor`, at least `minimum` (by default
    `divisor`) and at least nine tenths of `filters`.

    >>> [divisible(filters) for filters in (1, 17, 35.2, 36)]
    [8, 16, 32, 40]
    """
    rounded = max(minimum or divisor, int(filters + divisor / 2) // divisor * divisor)
    return int(rounded + divisor if rounded < 0.9 * filters else rounded)


def padding_before_stride(
    x: SymbolicTensor, kernel_size: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the zeros around `x` after which a convolution with stride 2 and padding "valid" has
    an output of half the size, rounded up.

    The larger part is below and to the right, independently of the size.
    """
    half = kernel_size // 2
    height, width = (half - (1 if size is None else 1 - size % 2) for size in x.shape[1:3])
    return (height, half), (width, half)

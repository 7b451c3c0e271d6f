"""LeNet-5: LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document
Recognition", Proceedings of the IEEE 86 (1998), section II.B and figure 2.

    layer   C1      S2      C3       S4     C5      F6    output
    window  5x5     2x2     5x5      2x2    5x5
    gives   28x28x6 14x14x6 10x10x16 5x5x16 1x1x120 84    10

What differs from the paper, as in most accounts of it: every filter of C3 sees all six maps of S2
(1998: a table of connections, to save time), pooling has no weights of its own (1998: a factor and
a bias per map), and a softmax stands where the paper compares with drawn digits.
"""

from __future__ import annotations

from fastconv.layers import Activation, AveragePooling2D, Conv2D
from fastconv.models import Sequential
from fastconv.zoo.common import chain, dense_top


def lenet5(
    input_shape: tuple[int, int, int] = (32, 32, 1),
    classes: int = 10,
    include_top: bool = True,
    name: str = "lenet5",
) -> Sequential:
    """LeNet-5 with tanh throughout, also after pooling, and average pooling.

    MNIST's digits are 28x28: give them a border of 2, as the paper does, so that the ends of their
    strokes can be in the middle of a filter of C3.

    61,706 parameters; 50,692 without the top, which gives (1, 1, 120).

    Raises ValueError or TypeError for a shape or a number of classes that cannot be.
    """
    features = [
        Conv2D(6, 5, activation="tanh", name="c1"),
        AveragePooling2D(2, name="s2"),
        Activation("tanh", name="s2_tanh"),
        Conv2D(16, 5, activation="tanh", name="c3"),
        AveragePooling2D(2, name="s4"),
        Activation("tanh", name="s4_tanh"),
        Conv2D(120, 5, activation="tanh", name="c5"),
    ]
    top = []
    if include_top:
        top = dense_top(classes, [84], activation="tanh", names=["f6", "predictions"])
    return chain(name, input_shape, features, top)

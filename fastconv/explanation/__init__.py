"""Where the numbers of a network come from: `fastconv.explain`.

    windows      one axis, one window: how often it fits, what it leaves over
    fields       how much of the input one element sees
    steps        what the operations of a layer mean for both, and for the work
    memory       bytes: the recipe on paper, and what the plan allocates
    measurement  seconds and GFLOP/s of every layer
    report       all of it as data; `table` and `picture` show it
    dense        the dense layer that a convolution saves one from

The arithmetic is in functions of plain numbers, one line each, so that each can be held against the
lecture that explains it.
"""

from fastconv.explanation.dense import DenseComparison, compare_with_dense
from fastconv.explanation.explain import explain
from fastconv.explanation.memory import Memory
from fastconv.explanation.report import Explanation, LayerReport, Receptive, Timing
from fastconv.explanation.windows import Window

__all__ = [
    "DenseComparison",
    "Explanation",
    "LayerReport",
    "Memory",
    "Receptive",
    "Timing",
    "Window",
    "compare_with_dense",
    "explain",
]

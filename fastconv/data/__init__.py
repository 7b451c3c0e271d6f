"""Pipelines of samples and batches: `Dataset`, with the methods of `tf.data.Dataset`.

dataset     Dataset: sources, and the methods that return transformed data sets
nodes       one class per source and transformation
elements    elements: arrays, or tuples and dicts of them
"""

from fastconv.data.dataset import (
    AUTOTUNE,
    INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY,
    Dataset,
)
from fastconv.data.elements import TensorSpec

__all__ = [
    "AUTOTUNE",
    "INFINITE_CARDINALITY",
    "UNKNOWN_CARDINALITY",
    "Dataset",
    "TensorSpec",
]

"""The writers, one small function per operation of a plan; importing this package registers them.

layers         convolutions, products, normalizations, poolings, merges, arrangements
activations    activations, softmax
chains         chains of element-wise instructions
recurrent      LSTM and GRU
custom         layers that compute in NumPy
calls          calls of functions of `fastconv.ops`, with one writer per function:
functions      shapes, parts, padding, reductions, products
indexing       elements by position, order, classes as vectors
integers       element-wise functions of integers
windows        convolutions, poolings, resampling
"""

from fastconv.onnx.writers import (  # noqa: F401
    activations,
    chains,
    custom,
    functions,
    indexing,
    integers,
    layers,
    recurrent,
    windows,
)

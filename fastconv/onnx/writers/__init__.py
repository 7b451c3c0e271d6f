"""The writers, one small function per operation of a plan; importing this package registers them.

layers         convolutions, products, normalizations, poolings, merges, arrangements
activations    activations, softmax
chains         chains of element-wise instructions
functions      functions of `fastconv.ops`
recurrent      LSTM and GRU
"""

from fastconv.onnx.writers import activations, chains, functions, layers, recurrent  # noqa: F401

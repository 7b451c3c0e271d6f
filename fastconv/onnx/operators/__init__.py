"""The operators, one file per family; importing this package registers them.

constants      Constant, Shape, Size, Range, ConstantOfShape, EyeLike
elementwise    arithmetic, comparisons, logic, casts
activations    Relu to Mish, Softmax, PRelu, Clip
convolution    Conv, ConvTranspose
pooling        MaxPool, AveragePool, LpPool, global pools
normalization  BatchNormalization, InstanceNormalization, LRN, ...
arrangement    Reshape, Transpose, Concat, Slice, Pad, DepthToSpace, ...
products       Gemm, MatMul
reductions     Reduce*, ArgMax
resizing       Resize, Upsample
indexing       TopK, OneHot, CumSum, Trilu
quantization   QuantizeLinear, QLinearConv, ...
recurrent      LSTM, GRU
detection      NonMaxSuppression
"""

from fastconv.onnx.operators import (  # noqa: F401
    activations,
    arrangement,
    constants,
    convolution,
    detection,
    elementwise,
    indexing,
    normalization,
    pooling,
    products,
    quantization,
    recurrent,
    reductions,
    resizing,
)

"""The compiled operations as objects, bound to their arrays: what a plan runs.

An operation is made for arrays of given shapes and runs as often as its user likes:

    op = compiled.MaxPoolForward(geometry, x, y, argmax)
    op.run(num_threads)     reads x, writes y and argmax
    op.describe()           what was decided for these shapes: variant, items, scratch bytes

    convolution     conv2d_forward, conv2d_backward_input, conv2d_backward_kernel: each makes the
                    operation of the algorithm that is given or chosen (`choose_algorithm` by
                    `estimated_costs`, sums of `cost_amounts`); `residues` are the problems of a
                    strided gradient
    pooling         MaxPool*, AveragePool*
    dense layers    Dense*
    recurrent       RecurrentForward, RecurrentBackward: the steps of LSTM and GRU
    activations     Activation*, Softmax*, Dropout*, PReLU*
    normalization   ChannelNorm*, FrozenNorm*, FoldNorm, RowNorm*, ResponseNorm*
    losses          SoftmaxCrossEntropy, CrossEntropy, MeanSquaredError, RowLoss
    chains          Chain runs a list of element-wise instructions (`INSTRUCTIONS`) in one pass
    merging         Merge*, Scale, Concatenate, Split, Repeat*
    arrangement     Resample, Transpose, Warp*, Im2col, Col2im
    channels        ScaleShift, Masked, ColumnSums, ColumnMax*, Gaussian
    training        Rule and Update (optimizers), Penalty, LimitNorms
    networks        Network is a program of records, as `fastconv.export` writes it: `RECORD_KINDS`,
                    `KERNELS`, `network_bytes`, `network_algorithm`
    programs        Program runs a list of operations in one parallel region; `scratch_bytes` tells
                    the scratch memory that such a list needs

Arrays must be C-contiguous and of one dtype, float32 or float64; otherwise constructors raise
TypeError or ValueError. They convert and copy nothing, and leave further checks to the functions of
`fastconv.ops`. An operation keeps its arrays alive.

Importing this module loads the compiled core, which then chooses its instruction set.
"""

from __future__ import annotations

from fastconv._ext._algorithm import (
    ALGORITHMS,
    COST_TERMS,
    choose_algorithm,
    cost_amounts,
    estimated_costs,
)
from fastconv._ext._chain import INSTRUCTIONS, MOST_AXES, MOST_SLOTS, Chain
from fastconv._ext._channels import (
    ColumnMax,
    ColumnMaxBackward,
    ColumnSums,
    Gaussian,
    Masked,
    ScaleShift,
)
from fastconv._ext._columns import Col2im, Im2col
from fastconv._ext._conv import (
    conv2d_backward_input,
    conv2d_backward_kernel,
    conv2d_forward,
    residues,
)
from fastconv._ext._core import FUSIBLE, KEEPS_INPUT, ONE_PARAMETER
from fastconv._ext._dense import (
    DenseBackwardInput,
    DenseBackwardKernel,
    DenseForward,
    DenseUpdate,
)
from fastconv._ext._elementwise import (
    ActivationBackward,
    ActivationForward,
    CrossEntropy,
    Dropout,
    DropoutBackward,
    MeanSquaredError,
    SoftmaxBackward,
    SoftmaxCrossEntropy,
    SoftmaxForward,
)
from fastconv._ext._loss import RowLoss
from fastconv._ext._merge import (
    Concatenate,
    Merge,
    MergeBackward,
    Repeat,
    RepeatBackward,
    Scale,
    Split,
)
from fastconv._ext._network import (
    BLOCKS,
    IN_STATE,
    IN_VALUES,
    IN_WEIGHTS,
    KERNELS,
    NETWORK_MAGIC,
    NETWORK_WORDS,
    NO_ARRAY,
    RECORD_KINDS,
    SETTINGS,
    WORD_COUNT,
    Network,
    network_algorithm,
    network_bytes,
)
from fastconv._ext._normalization import (
    ChannelNormBackward,
    ChannelNormForward,
    FoldNorm,
    FrozenNormBackward,
    FrozenNormForward,
    PReLUBackward,
    PReLUForward,
    ResponseNormBackward,
    ResponseNormForward,
    RowNormBackward,
    RowNormForward,
)
from fastconv._ext._optim import RULES, Rule, Update
from fastconv._ext._penalty import LimitNorms, Penalty
from fastconv._ext._pool import (
    AveragePoolBackward,
    AveragePoolForward,
    MaxPoolBackward,
    MaxPoolForward,
)
from fastconv._ext._program import Op, Program, scratch_bytes
from fastconv._ext._recurrent import RecurrentBackward, RecurrentForward
from fastconv._ext._resample import Resample, Transpose, Warp, WarpBackward

__all__ = [
    "ALGORITHMS",
    "BLOCKS",
    "COST_TERMS",
    "FUSIBLE",
    "INSTRUCTIONS",
    "IN_STATE",
    "IN_VALUES",
    "IN_WEIGHTS",
    "KEEPS_INPUT",
    "KERNELS",
    "MOST_AXES",
    "MOST_SLOTS",
    "NETWORK_MAGIC",
    "NETWORK_WORDS",
    "NO_ARRAY",
    "ONE_PARAMETER",
    "RECORD_KINDS",
    "RULES",
    "SETTINGS",
    "WORD_COUNT",
    "ActivationBackward",
    "ActivationForward",
    "AveragePoolBackward",
    "AveragePoolForward",
    "Chain",
    "ChannelNormBackward",
    "ChannelNormForward",
    "Col2im",
    "ColumnMax",
    "ColumnMaxBackward",
    "ColumnSums",
    "Concatenate",
    "CrossEntropy",
    "DenseBackwardInput",
    "DenseBackwardKernel",
    "DenseForward",
    "DenseUpdate",
    "Dropout",
    "DropoutBackward",
    "FoldNorm",
    "FrozenNormBackward",
    "FrozenNormForward",
    "Gaussian",
    "Im2col",
    "LimitNorms",
    "Masked",
    "MaxPoolBackward",
    "MaxPoolForward",
    "MeanSquaredError",
    "Merge",
    "MergeBackward",
    "Network",
    "Op",
    "PReLUBackward",
    "PReLUForward",
    "Penalty",
    "Program",
    "RecurrentBackward",
    "RecurrentForward",
    "Repeat",
    "RepeatBackward",
    "Resample",
    "ResponseNormBackward",
    "ResponseNormForward",
    "RowLoss",
    "RowNormBackward",
    "RowNormForward",
    "Rule",
    "Scale",
    "ScaleShift",
    "SoftmaxBackward",
    "SoftmaxCrossEntropy",
    "SoftmaxForward",
    "Split",
    "Transpose",
    "Update",
    "Warp",
    "WarpBackward",
    "choose_algorithm",
    "conv2d_backward_input",
    "conv2d_backward_kernel",
    "conv2d_forward",
    "cost_amounts",
    "estimated_costs",
    "network_algorithm",
    "network_bytes",
    "residues",
    "scratch_bytes",
]

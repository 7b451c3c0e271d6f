"""Lowers an operation to ops of the compiled core: one class per kind of operation.

    forward(x) -> y                 records the forward step, keeps what backward reads
    backward(dy, need_dx) -> dx     records the gradients: into the gradient buffer for trainable
                                    weights, into a new tensor for the input if it is needed
    updates() -> ops                change non-trainable weights at the end of a training step

    An operation with several inputs takes forward(*xs); its backward(dy, needs) returns a list.

    The gradient of an activation inside an operation is applied before `backward`, by the op that
    writes dy (`gradients.ActivationGradient`).

Both passes record on a tape (`plan.tape`); x, y, dy, dx are tensors whose memory is not yet placed.
A `dy` belongs to the one operation that receives it, which may overwrite it.

A recorded step is a function that makes an op: an `Op` of the compiled core, or any object
with `run_python()`, which the plan calls in order (`plan.program`).

    base         Lowering
    weighted     convolution and dense
    transposed   transposed convolution
    recurrent    LSTM and GRU
    arrangement  transposition, padding, cropping, resizing, scaling
    random       dropout, noise, image augmentation
    pooling, activation, normalization, reshape
    merging      several inputs, one output
    quantized    convolution and dense on 8-bit integers
    bfloat16     convolution and dense on bfloat16
    custom       layers in NumPy
    elementwise  chains of element-wise functions
    function_call  functions in NumPy
    weight       a weight as a value
    penalty      of an activity regularizer
    loss         the end of a training or test plan
"""

from __future__ import annotations

from fastconv.plan import functions, operations
from fastconv.plan.lowering.activation import Activation, Softmax
from fastconv.plan.lowering.arrangement import AxisMaps, ScaleShift, Transpose
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.lowering.bfloat16 import InBFloat16, Narrow, Widen
from fastconv.plan.lowering.custom import Custom
from fastconv.plan.lowering.elementwise import Elementwise
from fastconv.plan.lowering.function_call import FunctionCall
from fastconv.plan.lowering.loss import LossTensors, loss_op, lower_loss
from fastconv.plan.lowering.merging import Concatenate, Merge
from fastconv.plan.lowering.normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    PReLU,
    ResponseNormalization,
)
from fastconv.plan.lowering.penalty import ActivityPenalty, AddedLoss
from fastconv.plan.lowering.pooling import GlobalPooling, Pooling
from fastconv.plan.lowering.quantized import Dequantize, Quantize, Quantized
from fastconv.plan.lowering.random import (
    AlphaDropout,
    Augmentation,
    Drawn,
    Dropout,
    GaussianNoise,
    Part,
    Random,
    RandomWarp,
)
from fastconv.plan.lowering.recurrent import Recurrent
from fastconv.plan.lowering.reshape import Reshape
from fastconv.plan.lowering.transposed import TransposedConvolution
from fastconv.plan.lowering.weight import Weight
from fastconv.plan.lowering.weighted import Convolution, Dense

LOWERINGS: dict[type, type[Lowering]] = {
    operations.LayerNormalization: LayerNormalization,
    operations.ResponseNormalization: ResponseNormalization,
    operations.PReLU: PReLU,
    operations.GroupNormalization: GroupNormalization,
    operations.BatchNormalization: BatchNormalization,
    operations.Activation: Activation,
    operations.ActivityPenalty: ActivityPenalty,
    operations.AlphaDropout: AlphaDropout,
    operations.Augmentation: Augmentation,
    operations.AddedLoss: AddedLoss,
    operations.AxisMaps: AxisMaps,
    operations.Concatenate: Concatenate,
    operations.Convolution: Convolution,
    operations.Custom: Custom,
    operations.Drawn: Drawn,
    operations.Dropout: Dropout,
    operations.GaussianNoise: GaussianNoise,
    operations.GlobalPooling: GlobalPooling,
    operations.InBFloat16: InBFloat16,
    operations.Merge: Merge,
    operations.Narrow: Narrow,
    operations.Pooling: Pooling,
    operations.Dense: Dense,
    operations.Dequantize: Dequantize,
    operations.Quantize: Quantize,
    operations.Quantized: Quantized,
    operations.RandomWarp: RandomWarp,
    operations.Recurrent: Recurrent,
    operations.Reshape: Reshape,
    operations.ScaleShift: ScaleShift,
    operations.Softmax: Softmax,
    operations.Transpose: Transpose,
    functions.Elementwise: Elementwise,
    functions.FunctionCall: FunctionCall,
    operations.TransposedConvolution: TransposedConvolution,
    operations.Weight: Weight,
    operations.Widen: Widen,
}

__all__ = [
    "LOWERINGS",
    "LossTensors",
    "Lowering",
    "Part",
    "Random",
    "Reshape",
    "loss_op",
    "lower_loss",
]

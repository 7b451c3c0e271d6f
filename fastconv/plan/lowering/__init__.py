"""Lowers a node to operations of the compiled core: one class per kind of node.

    forward(x) -> y                 records the forward step, keeps what backward reads
    backward(dy, need_dx) -> dx     records the gradients: into the gradient buffer for trainable
                                    weights, into a new tensor for the input if it is needed
    updates() -> operations         change non-trainable weights at the end of a training step

    A node with several inputs takes forward(*xs); its backward(dy, needs) returns a list.

    The gradient of an activation inside a node is applied before `backward`, by the operation
    that writes dy (`gradients.Undo`).

Both passes record on a tape (`plan.tape`); x, y, dy, dx are tensors whose memory is not yet placed.
A `dy` belongs to the one node that receives it, which may overwrite it.

A recorded step is a function that makes an operation: an `Op` of the compiled core, or any object
with `run_python()`, which the plan calls in order (`plan.program`).

    base         Lowering
    weighted     convolution and product
    transposed   transposed convolution
    arrangement  transposition, padding, cropping, resizing, scaling
    random       dropout, noise, image augmentation
    pooling, activation, normalization, reshape
    merging      several inputs, one output
    custom       layers in NumPy
    penalty      of an activity regularizer
    loss         the end of a training or test plan
"""

from __future__ import annotations

from fastconv.plan import nodes
from fastconv.plan.lowering.activation import Activation, Softmax
from fastconv.plan.lowering.arrangement import AxisMaps, ScaleShift, Transpose
from fastconv.plan.lowering.base import Lowering
from fastconv.plan.lowering.custom import Custom
from fastconv.plan.lowering.loss import loss_operation, lower_loss
from fastconv.plan.lowering.merging import Concatenate, Merge
from fastconv.plan.lowering.normalization import (
    BatchNormalization,
    GroupNormalization,
    PReLU,
    ResponseNormalization,
    RowNormalization,
)
from fastconv.plan.lowering.penalty import ActivityPenalty
from fastconv.plan.lowering.pooling import GlobalPooling, Pooling
from fastconv.plan.lowering.random import Dropout, GaussianNoise, Random, RandomWarp
from fastconv.plan.lowering.reshape import Reshape
from fastconv.plan.lowering.transposed import TransposedConvolution
from fastconv.plan.lowering.weighted import Convolution, Product

LOWERINGS: dict[type, type[Lowering]] = {
    nodes.RowNormalization: RowNormalization,
    nodes.ResponseNormalization: ResponseNormalization,
    nodes.PReLU: PReLU,
    nodes.GroupNormalization: GroupNormalization,
    nodes.BatchNormalization: BatchNormalization,
    nodes.Activation: Activation,
    nodes.ActivityPenalty: ActivityPenalty,
    nodes.AxisMaps: AxisMaps,
    nodes.Concatenate: Concatenate,
    nodes.Convolution: Convolution,
    nodes.Custom: Custom,
    nodes.Dropout: Dropout,
    nodes.GaussianNoise: GaussianNoise,
    nodes.GlobalPooling: GlobalPooling,
    nodes.Merge: Merge,
    nodes.Pooling: Pooling,
    nodes.Product: Product,
    nodes.RandomWarp: RandomWarp,
    nodes.Reshape: Reshape,
    nodes.ScaleShift: ScaleShift,
    nodes.Softmax: Softmax,
    nodes.Transpose: Transpose,
    nodes.TransposedConvolution: TransposedConvolution,
}

__all__ = ["LOWERINGS", "Lowering", "Random", "Reshape", "loss_operation", "lower_loss"]

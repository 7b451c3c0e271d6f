"""Looks into models: their sizes, work and memory, the outputs of their layers, their gradients.

`explain(model)` finds the formula behind every number of a network:

    windows        one window on one axis: how often it fits, which elements it leaves over
    fields         receptive fields: the part of an input that one element depends on
    steps          each operation of a layer: its effect on shapes and fields, its multiply-adds
    layer_calls    the calls of a model's layers, followed from the inputs to the outputs
    memory         bytes: the recipe on paper, and the plan's allocations
    measurement    seconds and GFLOP/s of every layer
    scaling        the time of a training step on several ranks, from `step_times`
    report         all of it as data
    table  picture  units    the report for terminals and as a picture
    explanation    the report that prints and draws itself
    dense          a convolution beside the dense layer with as many units

The arithmetic is in functions of plain numbers, one line each, so that each can be compared with
the lecture that explains it.

`layer_outputs` and `gradients` run a model on samples, as in prediction, and leave it unchanged:

    layer_outputs(model, x)                  the output of every layer: feature maps
    gradients(model, x, target)              of a class's score with respect to the samples
    gradients(model, x, target, wrt=layer)   ... or to a feature map (Grad-CAM)
    Derivative(...)                          the same for many batches: activation maximisation
"""

from fastconv.inspect.dense import DenseComparison, compare_with_dense
from fastconv.inspect.explain import explain
from fastconv.inspect.explanation import Explanation
from fastconv.inspect.gradients import Derivative, Gradients, gradients
from fastconv.inspect.layer_outputs import layer_outputs
from fastconv.inspect.memory import Memory
from fastconv.inspect.report import LayerReport, ModelReport, Receptive, Timing
from fastconv.inspect.scaling import Link, Scaling, StepTimes
from fastconv.inspect.windows import Window

__all__ = [
    "DenseComparison",
    "Derivative",
    "Explanation",
    "Gradients",
    "LayerReport",
    "Link",
    "Memory",
    "ModelReport",
    "Receptive",
    "Scaling",
    "StepTimes",
    "Timing",
    "Window",
    "compare_with_dense",
    "explain",
    "gradients",
    "layer_outputs",
]

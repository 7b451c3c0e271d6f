"""One layer in both directions, as a training plan lowers it, with any gradient."""

from __future__ import annotations

import numpy as np

from fastconv.parameters import Parameters
from fastconv.plan.fusion import fuse
from fastconv.plan.gradients import WeightGradients
from fastconv.plan.graph import Graph
from fastconv.plan.lowering import LOWERINGS
from fastconv.plan.program import make_program
from fastconv.plan.tape import Tape


def build(layer, input_shape):
    """`layer` with its weights drawn, for samples of `input_shape`."""
    shape = (None, *input_shape)
    layer.compute_output_shape(shape)
    if not layer.built:
        layer.build(shape)
    return layer


def passes(layer, x, dy, threads=1):
    """(y, dx, {name of weight: its gradient}) of `sum(dy * y)`; the layer's updates are run too."""
    build(layer, x.shape[1:])
    parameters = Parameters(layer.weights)
    parameters.gradient[...] = np.nan
    tape = Tape()
    graph, weights = Graph(), WeightGradients(parameters, tape)
    graph.outputs = [graph.apply(layer.nodes(layer.input_shape), graph.input(x.shape[1:]))]
    chain = [application.node for application in fuse(graph, "train").applications]
    lowered = [LOWERINGS[type(node)](node, tape, weights, True) for node in chain]
    source = tape.input(x.shape)
    y = source
    for step in lowered:
        y = step.forward(y)
    gradient = tape.input(dy.shape)
    output = tape.keep(y)
    dx = gradient
    for step in reversed(lowered):
        dx = step.backward(dx, need_dx=True)
    tape.keep(dx)
    operations, _ = tape.bind()
    operations += [op for step in lowered for op in step.updates()]
    source.array[...], gradient.array[...] = x, dy
    make_program(operations).run(threads)
    gradients = {v.name: parameters.view(parameters.gradient, v).copy() for v in layer.weights}
    return output.array.copy(), dx.array.copy(), gradients

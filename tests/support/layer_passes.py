"""One layer in both directions, as a training plan lowers it, with any gradient."""

from __future__ import annotations

import numpy as np

from fastconv.parameters import Parameters
from fastconv.plan.autodiff import Autodiff
from fastconv.plan.fusion import fuse
from fastconv.plan.graph import Graph
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
    tape, graph = Tape(), Graph()
    graph.outputs = [graph.apply(layer.operations(layer.input_shape), graph.input(x.shape[1:]))]
    graph = fuse(graph, "train")
    autodiff = Autodiff(graph, tape, parameters, len(x), True, watched=graph.outputs)
    autodiff.forward()
    source, output = (autodiff.tensors[v] for v in (*graph.inputs, *graph.outputs))
    gradient = tape.input(dy.shape)
    tape.keep(output)
    (dx,) = autodiff.backward([(*graph.outputs, gradient)], graph.inputs)
    tape.keep(dx)
    operations, _ = tape.bind()
    operations += [op for each in autodiff.lowerings for op in each.updates()]
    source.array[...], gradient.array[...] = x, dy
    make_program(operations).run(threads)
    gradients = {v.name: parameters.view(parameters.gradient, v).copy() for v in layer.weights}
    return output.array.copy(), dx.array.copy(), gradients

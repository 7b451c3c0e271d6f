"""One layer, its output and its gradients, computed by a plan."""

from __future__ import annotations

from fastconv import layers
from fastconv.parameters import Parameters
from fastconv.plan import Differential, Graph


def differential(layer: layers.Layer, x_shape: tuple[int, ...]) -> Differential:
    """`layer`, bound to batches of `x_shape` (with the batch); its parameters are `weights`."""
    sample = (None, *x_shape[1:])
    layer.compute_output_shape(sample)
    if not layer.built:
        layer.build(sample)
    graph = Graph()
    graph.outputs = [graph.apply(layer.operations(sample), graph.input(x_shape[1:]))]
    parameters = Parameters(layer.weights)
    made = Differential(graph, x_shape[0], parameters)
    made.weights = parameters
    return made


def values_and_gradients(layer, x, dy, draw=0):
    """(y, dx, [dw of every weight]) of `layer` at `x` for the gradient `dy` of its output."""
    made = differential(layer, x.shape)
    made.inputs[0][...] = x
    made.output_gradients[0][...] = dy
    made.run(draw)
    gradient = made.weights.gradient
    dws = [made.weights.view(gradient, variable).copy() for variable in layer.weights]
    return made.outputs[0].copy(), made.input_gradients[0].copy(), dws

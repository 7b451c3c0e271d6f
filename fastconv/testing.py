"""Checks of layers, for those who write their own.

>>> from fastconv import layers, testing
>>> testing.check_layer(layers.Conv2D(4, 3, activation="tanh"), (6, 6, 2))
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from fastconv.layers.base import Layer
from fastconv.parameters import Parameters
from fastconv.plan import Differential, Graph, Plan

# Central differences in float32: a large step suffers from curvature, a small one from rounding, so
# it is enough to agree with one of them.
_STEPS = (1e-2, 1e-3)
_DIRECTIONS = 3
_BEND = 0.02  # by how much of the largest slope a slope may change within a step


def check_layer(
    layer: Layer,
    input_shape: Sequence[int],
    *,
    batch_size: int = 3,
    seed: int = 0,
    rtol: float = 2e-2,
    data: np.ndarray | None = None,
) -> None:
    """Check what every layer promises: shapes, gradients and the way through a configuration.

    - The output has the shape that `compute_output_shape` says, for several batch sizes, in
      training and outside of it, and each sample's output outside of training does not depend on
      the other samples of the batch.
    - The gradients with respect to the input and all trainable weights agree with central
      differences along random directions, at the same draw of what is random.
    - The configuration is plain data (JSON); the layer made of it has the same configuration, and
      with the same weights computes the same.

    Args:
        layer: not part of a model; built here if it is not.
        input_shape: of one sample, without the batch.
        batch_size: samples in the batch on which gradients are checked.
        seed: of the inputs, the directions, and the values given to the weights of constant
            initializers, which are often too special (all zero) to show an error.
        rtol: largest error of a directional derivative, as a part of the Euclidean norm of the
            terms that it is the sum of.
        data: inputs (batch_size, ...) for layers that do not take any numbers.

    Raises:
        AssertionError: a promise is broken; the message says which and by how much.
        ValueError: as the layer itself, for an input that it does not take.
    """
    sample = (None, *input_shape)
    where = f"layer {layer.name!r} ({type(layer).__name__})"
    expected = layer.compute_output_shape(sample)
    if not layer.built:
        layer.build(sample)
    rng = np.random.default_rng(seed)
    parameters = Parameters(layer.weights)
    for variable in layer.weights:
        spread = rng.uniform(0.5, 1.5, variable.shape)
        values = variable.numpy()
        variable.assign(np.where(values == 0, spread * 0.1, values * spread))
    x = rng.standard_normal((batch_size, *input_shape)) if data is None else data
    x = np.ascontiguousarray(x, np.float32)
    _check_shapes(layer, x, expected, parameters, where)
    _check_gradients(layer, x, parameters, rng, rtol, where)
    _check_configuration(layer, x, parameters, where)


def _graph(layer: Layer, shape: tuple[int, ...]) -> Graph:
    graph = Graph()
    graph.outputs = [graph.apply(layer.operations((None, *shape)), graph.input(shape))]
    return graph


def _predict(layer: Layer, x: np.ndarray, parameters: Parameters) -> np.ndarray:
    plan = Plan(_graph(layer, x.shape[1:]), len(x), parameters)
    plan.inputs[0][...] = x
    plan.run()
    return plan.outputs[0].copy()


def _check_shapes(layer, x, expected, parameters, where) -> None:
    assert isinstance(expected, tuple) and expected[0] is None, (
        f"{where}: compute_output_shape must return a tuple that begins with None, the batch; "
        f"received {expected!r}"
    )
    whole = _predict(layer, x, parameters)
    for part in (slice(0, 1), slice(0, len(x))):
        y = _predict(layer, x[part], parameters)
        count = len(x[part])
        assert y.shape == (count, *expected[1:]), (
            f"{where}: compute_output_shape says {expected}, but {count} samples give an output of "
            f"shape {y.shape}"
        )
        scale = np.abs(whole).max() + 1e-6
        error = np.abs(y - whole[part]).max() / scale
        assert error <= 1e-4, (
            f"{where}: the output of a sample depends on the other samples of its batch, "
            f"by {error:.1e} of the largest value"
        )


def _check_gradients(layer, x, parameters, rng, rtol, where) -> None:
    made = Differential(_graph(layer, x.shape[1:]), len(x), parameters)

    def run(change=0.0, dy=0.0):
        made.inputs[0][...] = x + change
        made.output_gradients[0][...] = dy
        made.run(draw=1)
        return made.outputs[0].astype(np.float64)

    assert made.input_gradients[0] is not None, (
        f"{where}: there is no gradient with respect to the input"
    )
    y = run()

    def compare(what, gradient, run_with):
        for _ in range(_DIRECTIONS):
            direction = rng.standard_normal(gradient.shape)
            found = []
            for step in _STEPS:
                above, below = run_with(step * direction), run_with(-step * direction)
                change = (above - below) / (2 * step)
                # Where the two sides differ there is a kink (of a ReLU, a maximum) on the way.
                bend = np.abs(above + below - 2 * y) / step
                smooth = bend <= _BEND * (np.abs(change).max() + 1e-3)
                dy = rng.standard_normal(y.shape).astype(np.float32) * smooth
                run(dy=dy)
                assert np.isfinite(gradient).all(), (
                    f"{where}: the gradient with respect to {what} is not finite"
                )
                says, gives = float((gradient * direction).sum()), float((change * dy).sum())
                terms = float(np.sqrt((change**2 * dy**2).sum())) + 1e-3
                found.append((abs(says - gives) / terms, says, gives))
            error, says, gives = min(found)
            assert error <= rtol, (
                f"{where}: the gradient with respect to {what} is wrong: along a random direction "
                f"it says {says:.6g}, while central differences give {gives:.6g}"
            )

    compare("the input", made.input_gradients[0], run)
    for variable in layer.weights:
        if variable.trainable:
            gradient = parameters.view(parameters.gradient, variable)
            start = variable.numpy()

            def run_with(change, variable=variable, start=start):
                variable.assign(start + change)
                result = run()
                variable.assign(start)
                return result

            compare(f"the weight {variable.name!r}", gradient, run_with)


def _check_configuration(layer, x, parameters, where) -> None:
    config = layer.get_config()
    try:
        text = json.dumps(config)
    except TypeError as error:
        raise AssertionError(f"{where}: get_config must return plain data: {error}") from error
    try:
        copy = type(layer).from_config(json.loads(text))
    except Exception as error:
        raise AssertionError(
            f"{where}: from_config does not take what get_config returns: {error}"
        ) from error
    config, again = json.loads(text), json.loads(json.dumps(copy.get_config()))
    differing = [key for key in {*config, *again} if config.get(key) != again.get(key)]
    assert not differing, (
        f"{where}: from_config(get_config()) has another configuration: "
        + ", ".join(f"{key} was {config.get(key)!r}, is {again.get(key)!r}" for key in differing)
    )
    copy.build((None, *x.shape[1:]))
    shapes = [[weight.shape for weight in one.weights] for one in (layer, copy)]
    assert shapes[0] == shapes[1], (
        f"{where}: from_config(get_config()) has weights of shapes {shapes[1]} instead of "
        f"{shapes[0]}"
    )
    copied = Parameters(copy.weights)
    copy.set_weights(layer.get_weights())
    before, after = _predict(layer, x, parameters), _predict(copy, x, copied)
    assert np.array_equal(before, after, equal_nan=True), (
        f"{where}: from_config(get_config()) with the same weights computes something else"
    )

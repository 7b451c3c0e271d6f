"""Seconds and GFLOP/s of every layer by itself.

Each layer is bound to random inputs of the batch's size as a network of its own, as it is in
prediction and as it is in training, and run again and again for a fraction of a second. In a whole
network a layer finds its input in the caches or not, and a ReLU may run inside of a neighbour; so
the sum over the layers is near the time of the network, and not equal to it.

The backward pass is the difference of two measurements, forward and backward together less forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fastconv import runtime
from fastconv.bench.peak import Peak
from fastconv.bench.timing import Protocol, run_block
from fastconv.inspect.layer_calls import LayerCall
from fastconv.inspect.report import LayerReport, Timing
from fastconv.parameters import parameters_of
from fastconv.plan import Differential, Graph, Plan

_PROTOCOL = Protocol(rounds=1, block=0.05, pause=0.0, warm_up=0.4)


def measured(
    reports: Sequence[LayerReport], calls: Sequence[LayerCall], batch_size: int
) -> tuple[list[LayerReport], float]:
    """The reports with timings, and the machine's peak in GFLOP/s."""
    peak = Peak(runtime.get_num_threads())
    seconds = []
    for call in calls:
        peak.measure(1)  # now and then, since a shared machine changes its clock
        seconds.append(None if call.work.arranges else _seconds(call, batch_size))
    timed = []
    for report, pair in zip(reports, seconds, strict=True):
        if pair is not None:
            flops = 2.0 * report.multiply_adds * batch_size
            # Backward: one product for the gradient of the input, one for that of the weights.
            products = {"forward": 1, "backward": 2 if report.parameters else 1}
            timings = {
                name: _timing(time, times * flops, peak)
                for (name, times), time in zip(products.items(), pair, strict=True)
            }
            report = replace(report, timings=timings)
        timed.append(report)
    return timed, peak.gflops


def _timing(seconds: float, flops: float, peak: Peak) -> Timing:
    if not flops:
        return Timing(seconds, None, None)
    gflops = flops / seconds / 1e9
    return Timing(seconds, gflops, peak.percent(gflops))


def _seconds(call: LayerCall, batch_size: int) -> tuple[float, float]:
    """(forward, backward)"""
    graph = Graph()
    values = [graph.input(value.shape) for value in call.inputs]
    graph.outputs = [graph.apply(call.layer.all_operations(call.input_shape), *values)]
    parameters = parameters_of(call.layer.weights)
    rng = np.random.default_rng(1)
    predicting = Plan(graph, batch_size, parameters)
    _fill(predicting.inputs, rng)
    forward = _shortest(predicting)
    training = Differential(graph, batch_size, parameters)
    _fill([*training.inputs, *training.output_gradients], rng)
    both = _shortest(training)
    # Dropout and the like cost something in training only, and measurements have their noise.
    return forward, max(both - forward, 1e-9)


def _shortest(plan: Plan | Differential) -> float:
    return min(run_block(plan.run, _PROTOCOL))


def _fill(arrays: Sequence[np.ndarray], rng: np.random.Generator) -> None:
    for array in arrays:
        array[...] = rng.standard_normal(array.shape, dtype=np.float32)

"""The small networks under pytest-benchmark: inference at batch 1 and 64, and a training step.

AlexNet and VGG16 take seconds and gigabytes; `benchmarks.networks` measures them.
"""

from __future__ import annotations

import pytest

from benchmarks import peers
from benchmarks.nets import NETS
from fastconv import runtime

SMALL = ("mnist", "lenet5", "cifar")


@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("name", SMALL)
def test_inference(benchmark, name, batch):
    session = peers.session(peers.OURS, "inference", name, batch, runtime.get_num_threads())
    benchmark.group = f"inference, batch {batch}"
    benchmark(session.call)


@pytest.mark.parametrize("name", SMALL)
def test_training_step(benchmark, name):
    batch = NETS[name].training
    session = peers.session(peers.OURS, "training", name, batch, runtime.get_num_threads())
    benchmark.group = f"training step, batch {batch}"
    benchmark(session.call)

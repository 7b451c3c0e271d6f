"""A hundred steps of training follow real Keras's loss: same weights at first, same batches.

The tolerance is 1e-3 relative, at every step. It does not bound the error of one step: differences
of rounding (1e-7) grow while a network trains, mostly where they choose another maximum of a window
or another side of a ReLU. The settings in golden/curve_networks.py keep that growth small; what
remains, the second test measures as the distance of Keras in float32 from Keras in float64.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import layers, models, optimizers
from tests.golden import curve_networks
from tests.golden.golden_file import load

CASES, CURVES = load("training_curves.npz")
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])


@each_case
def test_losses_follow_keras(case):
    losses = curve_networks.losses(layers, models, optimizers, case["network"], case["optimizer"])
    assert losses[-10:].mean() < 0.9 * losses[:10].mean()
    for dtype in ("float32", "float64"):
        golden = CURVES[f"{case['name']}/{dtype}"]
        assert losses.shape == golden.shape == (100,)
        np.testing.assert_allclose(losses, golden, rtol=1e-3, err_msg=f"Keras in {dtype}")


@each_case
def test_keras_follows_itself(case):
    single, double = (CURVES[f"{case['name']}/{dtype}"] for dtype in ("float32", "float64"))
    np.testing.assert_allclose(single, double, rtol=2e-4)

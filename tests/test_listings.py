"""Programs as courses and books have them compute with fastconv what they compute with Keras."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.golden.golden_file import load
from tests.golden.listing_results import FOLDER, NAMES, run

CASES, ARRAYS = load("listings.npz")
OF = {case["name"]: case for case in CASES}


def test_every_listing_has_results_of_keras():
    assert sorted(OF) == NAMES
    assert len(NAMES) >= 11


@pytest.mark.parametrize("name", NAMES)
def test_a_listing_computes_what_it_computes_with_keras(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = FOLDER / f"{name}.py"
    plain, numbers = run(path, path.read_text(encoding="utf-8"))
    assert json.loads(json.dumps(plain)) == OF[name]["results"]
    assert sorted(numbers) == OF[name]["numbers"]
    for key, value in numbers.items():
        expected = ARRAYS[f"{name}/{key}"]
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4, err_msg=f"{name}: {key}")

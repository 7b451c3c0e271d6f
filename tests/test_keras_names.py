"""Every public name of Keras that is missing is explained in `docs/keras.md`."""

from __future__ import annotations

import pytest

from fastconv import constraints
from tests.long import keras_names
from tests.long.keras_names import KERAS, explained, is_explained


def test_explanations_are_read():
    patterns = explained()
    assert {"layers.Bidirectional", "device", "ops.fft*"} <= set(patterns)
    assert is_explained("ops.fft2", patterns)
    assert not is_explained("layers.Conv2D", patterns)


def test_the_list_knows_what_is_there_and_what_is_not(monkeypatch):
    assert "layers.Bidirectional" in keras_names.missing_names("layers")
    assert "layers.Conv2D" not in keras_names.missing_names("layers")
    monkeypatch.delattr(constraints, "unit_norm")
    assert keras_names.missing_names("constraints") == ["constraints.unit_norm"]
    assert keras_names.found("applications.nasnet") is None
    monkeypatch.setitem(KERAS, "models", {"save_model": ["model", "compression"]})
    assert keras_names.missing_arguments("models") == ["models.save_model(compression)"]


@pytest.mark.parametrize("path", [path or "keras" for path in KERAS])
def test_every_missing_name_is_explained(path):
    path = "" if path == "keras" else path
    missing = [*keras_names.missing_names(path), *keras_names.missing_arguments(path)]
    patterns = explained()
    unexplained = [name for name in missing if not is_explained(name, patterns)]
    assert not unexplained, (
        f"{unexplained} are names of Keras that are neither there nor in a table of docs/keras.md "
        f"below {keras_names.HEADING!r}"
    )


def test_every_pattern_explains_missing_names_and_no_others():
    missing, there = set(), set()
    for path, names in KERAS.items():
        start = f"{path}." if path else ""
        absent = {*keras_names.missing_names(path), *keras_names.missing_arguments(path)}
        missing |= absent
        there |= {f"{start}{name}" for name in names} - absent
    idle = [each for each in explained() if not any(is_explained(m, [each]) for m in missing)]
    assert not idle, f"patterns of docs/keras.md for names that are all there: {idle}"
    wide = [(each, name) for each in explained() for name in there if is_explained(name, [each])]
    assert not wide, f"patterns that match names that are there: {wide}"

"""The reference in docs/api lists every public name once; docstrings get a readable form."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from docs.readable import readable

PAGES = Path(__file__).resolve().parents[1] / "docs" / "api"
ENTRIES = [
    entry
    for page in sorted(PAGES.rglob("*.md"))
    for entry in re.findall(r"^::: (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE)
]
MODULES = [
    "activations",
    "applications",
    "callbacks",
    "constraints",
    "data",
    "datasets.cifar10",
    "datasets.cifar100",
    "datasets.digits",
    "datasets.fashion_mnist",
    "datasets.mnist",
    "distribution",
    "errors",
    "export",
    "filters",
    "initializers",
    "inspect",
    "layers",
    "losses",
    "metrics",
    "models",
    "onnx",
    "ops",
    "ops.image",
    "optimizers",
    "optimizers.schedules",
    "preprocessing.image",
    "random",
    "regularizers",
    "runtime",
    "saving",
    "sklearn",
    "testing",
    "tree",
    "utils",
    "viz",
    "zoo",
]
SECOND_NAMES = re.compile(
    r"layers\.(.*Convolution|.*AvgPool|(Global)?MaxPool)[12]D"
)  # api/index.md
HIDDEN = {
    "losses.check_labels",
    "losses.spread_weights",
    "layers.serialize",
    "layers.deserialize",
    "metrics.resolve",
    "metrics.MeanMetricWrapper",
    "saving.load_model",  # described as models.load_model
    "saving.save_model",
}


@pytest.fixture(scope="module")
def described() -> set[int]:
    pairs = (entry.rpartition(".") for entry in ENTRIES)
    return {id(getattr(import_module(home), name)) for home, _, name in pairs}


def public(name: str) -> dict[str, object]:
    module = import_module(f"fastconv.{name}")
    names = getattr(module, "__all__", None) or [
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]
    return {f"fastconv.{name}.{key}": getattr(module, key) for key in names}


def test_no_name_is_described_twice():
    assert [entry for entry, count in Counter(ENTRIES).items() if count > 1] == []


def test_every_entry_exists():
    for entry in ENTRIES:
        module, _, name = entry.rpartition(".")
        assert hasattr(import_module(module), name), entry


@pytest.mark.parametrize("module", MODULES)
def test_every_public_class_and_function_is_described(module, described):
    missing = [
        name
        for name, value in public(module).items()
        if not isinstance(value, ModuleType)
        and (inspect.isclass(value) or inspect.isfunction(value))
        and not SECOND_NAMES.fullmatch(name.removeprefix("fastconv."))
        and name.removeprefix("fastconv.") not in HIDDEN
        and id(value) not in described
    ]
    assert missing == []


def test_examples_are_fenced():
    text = readable("Adds.\n\n>>> add(1, 2)\n3\n\nMore.", set())
    assert text == "Adds.\n\n```pycon\n>>> add(1, 2)\n3\n```\n\nMore."


def test_arguments_stand_in_one_row_each():
    text = readable("Args:\n    a, b: sizes,\n        positive.\n    c: other.", {"a", "b", "c"})
    assert text == (
        "Args:\n    a: sizes,\n        positive.\n    b: sizes,\n        positive.\n    c: other."
    )


def test_arguments_that_are_passed_on_do_not_look_required():
    text = readable("Args:\n    a: size.\n    name, dtype: see `Layer`.\n\nMore.", {"a", "common"})
    assert text == "Args:\n    a: size.\n\nAlso `name`, `dtype`: see `Layer`.\n\nMore."


def test_sentences_of_errors_become_entries():
    text = readable("Adds. Raises ValueError for a\nsize, TypeError if it is text.\n\nMore.", set())
    assert text == (
        "Adds.\n\nMore.\n\nRaises:\n    ValueError: for a size.\n    TypeError: if it is text.\n\n"
    )


def test_a_sentence_without_an_error_stays():
    text = "Raises the window by one row. Raises what `apply` raises."
    assert readable(text, set()) == text

"""The examples in the docstrings of the public modules run and print what they say."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import fastconv
from fastconv import runtime

# Compiled modules have no public docstrings, and a `__main__` module would run a program.
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fastconv.__path__, "fastconv.")
    if "_ext" not in module.name and not module.name.endswith("__main__")
)
MUST_HAVE_EXAMPLES = {
    "fastconv.errors",
    "fastconv.ops.activations",
    "fastconv.ops.bfloat16",
    "fastconv.ops.columns",
    "fastconv.ops.convolution",
    "fastconv.ops.fully_connected",
    "fastconv.ops.losses",
    "fastconv.ops.pooling",
    "fastconv.ops.quantized",
    "fastconv.reference",
    "fastconv.reference.bfloat16",
    "fastconv.reference.quantized",
    "fastconv.runtime",
    "fastconv.shapes.arguments",
    "fastconv.shapes.convolution",
    "fastconv.shapes.pooling",
    "fastconv.shapes.windows",
}


def test_the_modules_are_found():
    assert set(MODULES) >= MUST_HAVE_EXAMPLES


@pytest.mark.parametrize("name", MODULES)
def test_every_example_prints_what_it_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example that saves a file does not leave it in the checkout
    module = import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    with runtime.num_threads(runtime.get_num_threads()):
        for test in finder.find(module, name):
            runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)
    if name in MUST_HAVE_EXAMPLES:
        assert runner.tries > 0, f"{name} shows no example"

"""Every public operation documents itself with an example that runs, and has a definition."""

from __future__ import annotations

import doctest
import inspect
from operator import attrgetter

import pytest

from fastconv import errors, ops, reference

# Arguments that say how to compute or where to put the result, not what the result is.
EXECUTION_ONLY = {"algorithm", "out", "num_threads"}


FUNCTIONS = [
    *(name for name in ops.__all__ if name != "image"),
    *(f"image.{name}" for name in ops.image.__all__),
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_runs(name):
    function = attrgetter(name)(ops)
    examples = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert examples, f"{name} has no docstring"
    assert examples[0].examples, f"{name} has no example"
    report = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(examples[0], out=report.append)
    assert runner.failures == 0, "".join(report)


# The compiled operations; the others are defined in NumPy themselves.
COMPILED = {
    f"fastconv.ops.{module}"
    for module in (
        "activations", "arrangement", "columns", "convolution", "fully_connected", "gates",
        "losses", "normalization", "pooling", "softmax",
    )
}  # fmt: skip


def is_compiled(name: str) -> bool:
    function = attrgetter(name)(ops)
    return function.__module__ in COMPILED and function.__name__ == name


KERNELS = [name for name in FUNCTIONS if is_compiled(name)]


@pytest.mark.parametrize("name", KERNELS)
def test_the_definition_takes_the_same_arguments(name):
    operation = inspect.signature(getattr(ops, name)).parameters
    definition = inspect.signature(getattr(reference, name)).parameters
    wanted = [argument for argument in operation if argument not in EXECUTION_ONLY]
    if "window" not in definition:  # **window takes the arguments that place a window
        assert sorted(definition) == sorted(wanted)
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert [n for n, p in operation.items() if p.kind is positional] == [
        n for n, p in definition.items() if p.kind is positional
    ]


def test_the_example_of_the_errors_runs():
    result = doctest.testmod(errors)
    assert (result.failed, result.attempted) == (0, 2)

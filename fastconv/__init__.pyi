"""The names of the package for type checkers: `__init__` imports them when they are first used."""

from fastconv import (
    activations,
    applications,
    backend,
    bench,
    callbacks,
    cli,
    config,
    constraints,
    data,
    datasets,
    distribution,
    errors,
    filters,
    initializers,
    inspect,
    layers,
    losses,
    metrics,
    mixed_precision,
    models,
    onnx,
    ops,
    optimizers,
    parameters,
    plan,
    play,
    preprocessing,
    random,
    reference,
    regularizers,
    runtime,
    saving,
    serialization,
    shapes,
    sklearn,
    state,
    testing,
    training,
    tree,
    utils,
    viz,
    zoo,
)
from fastconv.errors import FormatError
from fastconv.initializers import Initializer
from fastconv.inspect.explain import explain
from fastconv.layers import Input, InputSpec, Layer
from fastconv.layers.symbolic import KerasTensor
from fastconv.losses import Loss
from fastconv.metrics import Metric
from fastconv.mixed_precision import DTypePolicy
from fastconv.models import Model, Sequential
from fastconv.optimizers import Optimizer
from fastconv.parameters import Variable
from fastconv.regularizers import Regularizer

__version__: str

def get_cmake_dir() -> str: ...
def get_include() -> str: ...
def version() -> str: ...

__all__ = [
    "DTypePolicy",
    "FormatError",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "applications",
    "backend",
    "bench",
    "callbacks",
    "cli",
    "config",
    "constraints",
    "data",
    "datasets",
    "distribution",
    "errors",
    "explain",
    "filters",
    "get_cmake_dir",
    "get_include",
    "initializers",
    "inspect",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "onnx",
    "ops",
    "optimizers",
    "parameters",
    "plan",
    "play",
    "preprocessing",
    "random",
    "reference",
    "regularizers",
    "runtime",
    "saving",
    "serialization",
    "shapes",
    "sklearn",
    "state",
    "testing",
    "training",
    "tree",
    "utils",
    "version",
    "viz",
    "zoo",
]

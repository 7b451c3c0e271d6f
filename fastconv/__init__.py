"""fastconv trains and runs convolutional networks on CPUs.

Keras's names and semantics on top, Cython and C kernels below:

    from fastconv import layers, models
    from fastconv.datasets import mnist
    from fastconv.utils import to_categorical

Submodules are imported when they are first used, so that `import fastconv` itself costs next to
nothing; the first operation loads the compiled core, which then chooses its instruction set.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

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

# Names that live in a submodule and are so common that they are offered here as well.
_SHORTCUTS = {
    "FormatError": "fastconv.errors",
    "explain": "fastconv.inspect",
    "DTypePolicy": "fastconv.mixed_precision",
    "Initializer": "fastconv.initializers",
    "Input": "fastconv.layers",
    "InputSpec": "fastconv.layers",
    "KerasTensor": "fastconv.layers.symbolic",
    "Layer": "fastconv.layers",
    "Loss": "fastconv.losses",
    "Metric": "fastconv.metrics",
    "Optimizer": "fastconv.optimizers",
    "Regularizer": "fastconv.regularizers",
    "Variable": "fastconv.parameters",
    "Model": "fastconv.models",
    "Sequential": "fastconv.models",
}


def version() -> str:
    """Return the version of fastconv."""
    return __version__


def get_include() -> str:
    """Return the folder of `fastconv.h`, the interface for C, C++ and Cython.

    >>> import os, fastconv
    >>> os.listdir(fastconv.get_include())
    ['fastconv.h']
    """
    return f"{__path__[0]}/_ext/include"


def get_cmake_dir() -> str:
    """Return the folder of the package `fastconv` for CMake, and of a file for pkg-config.

    In a project of CMake that is configured with `-Dfastconv_DIR=` this folder,
    `find_package(fastconv)` gives the target `fastconv::fastconv`: the C library without Python,
    compiled with the project, and `fastconv.h`.

    >>> import os, fastconv
    >>> sorted(os.listdir(fastconv.get_cmake_dir()))
    ['CMakeLists.txt', 'fastconv.pc', 'fastconvConfig.cmake', 'fastconvConfigVersion.cmake']
    """
    return f"{__path__[0]}/_ext/cmake"


def __getattr__(name: str) -> Any:
    if name == "_C_API":  # imported by fastconv.h
        value = import_module("fastconv.runtime").c_interface()
        globals()[name] = value
        return value
    if name in _SHORTCUTS:
        value = getattr(import_module(_SHORTCUTS[name]), name)
        globals()[name] = value
        return value
    if not name.startswith("_"):
        from importlib.util import find_spec

        if find_spec(f"fastconv.{name}") is not None:
            return import_module(f"fastconv.{name}")
    raise AttributeError(f"module 'fastconv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

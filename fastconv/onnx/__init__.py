"""Models of other frameworks: ONNX files are read, run, trained further and written.

    model = onnx.load("resnet18.onnx")      a `fastconv.Model`: its layers are those of fastconv
    model.compile("sgd", "mse"); model.fit(...)
    onnx.save(model, "tuned.onnx")          or model.export("tuned.onnx", format="onnx")

    registry    the operators by name and version, one small function each, in `operators`
    nodes       the nodes of a file, checked against onnx's schemas
    files       bytes to graphs; weights in other files
    tensor      a value, in the order of axes of the file and in that of memory
    running     a graph node by node: constants are computed, all else becomes layers
    importing   `load`
    exporting   `save`
    writing     the nodes and weights of a file; `writers` has one small function per operation
    backend     onnx's own interface for test programs

The package `onnx` (`pip install 'fastconv[onnx]'`) parses and checks files and has the schemas of
the operators; it is needed to import this package, and nothing else of fastconv imports it.
"""

from __future__ import annotations

try:
    import onnx as _onnx  # noqa: F401
except ImportError as error:
    raise ImportError(
        "fastconv.onnx needs the package onnx: pip install 'fastconv[onnx]'", name="onnx"
    ) from error

from fastconv.onnx import backend
from fastconv.onnx.exporting import save
from fastconv.onnx.importing import load

__all__ = ["backend", "load", "save"]

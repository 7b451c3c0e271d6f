"""`fastconv export`: a model as an ONNX file."""

from __future__ import annotations

import argparse

from fastconv.cli import models
from fastconv.cli.errors import InputError, checked_input

HELP = "write a model as an ONNX file"
DESCRIPTION = "Writes a trained model as an ONNX file, for other programs; needs the package onnx."
EXAMPLES = [
    "fastconv export digits.keras digits.onnx",
    "fastconv export digits.keras digits.onnx --opset 22",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a .keras or .onnx file")
    parser.add_argument("file", metavar="FILE", help="the .onnx file to write")
    parser.add_argument("--opset", type=int, metavar="N", help="version of the operators")


def run(options: argparse.Namespace) -> None:
    if not options.file.endswith(".onnx"):
        raise InputError(f"FILE must end in .onnx, received {options.file!r}")
    model = models.load(options.model)
    with checked_input(options.model):
        model.export(options.file, format="onnx", opset_version=options.opset)

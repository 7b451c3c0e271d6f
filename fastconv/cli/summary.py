"""`fastconv summary`: the layers of a model."""

from __future__ import annotations

import argparse

from fastconv.cli import models

HELP = "show the layers, shapes and parameters of a model"
DESCRIPTION = "Shows the layers of a model with their output shapes and numbers of parameters."
EXAMPLES = [
    "fastconv summary vgg16",
    "fastconv summary lenet5 --size 64 --classes 5",
    "fastconv summary digits.keras --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    models.add_model(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    model = models.chosen(options, drawn=False)
    if not options.json:
        model.summary()
        return
    import json

    layers = [
        {
            "name": layer.name,
            "type": type(layer).__name__,
            "output_shape": layer.output_shape[1:],
            "parameters": layer.count_params(),
        }
        for layer in model.layers
    ]
    described = {
        "name": model.name,
        "input_shape": model.input_shape[1:],
        "output_shape": model.output_shape[1:],
        "parameters": model.count_params(),
        "layers": layers,
    }
    print(json.dumps(described, indent=2))

"""`fastconv evaluate`: how good a model is on labelled pictures."""

from __future__ import annotations

import argparse

from fastconv.cli import data, models
from fastconv.cli.classes import check_classes
from fastconv.cli.errors import check_at_least, checked_input
from fastconv.cli.pictures import picture_shape
from fastconv.cli.threads import add_threads, chosen_threads

HELP = "measure loss and accuracy of a model on a data set"
DESCRIPTION = (
    "Measures loss and accuracy of a trained model: on the test part of a data set, or on all\n"
    "pictures of a folder of class folders."
)
EXAMPLES = [
    "fastconv evaluate digits.keras",
    "fastconv evaluate lenet5.keras --data mnist --json",
    "fastconv evaluate pets.keras --data photos/test",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a .keras file")
    data.add_data(parser)
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="(default: 64)")
    add_threads(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    check_at_least(options, "batch_size")
    with chosen_threads(options):
        model = models.load(options.model)
        shape = picture_shape(model.input_shape, options.model)
        pictures = data.load(options)
        check_classes(model, options.model, pictures)
        model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        with checked_input(pictures.name):
            arguments = pictures.all_or_test(shape, options.batch_size)
            # Bad pictures of a folder are found while it is read.
            result = model.evaluate(**arguments, verbose=0, return_dict=True)
    assert isinstance(result, dict)
    if options.json:
        import json

        print(json.dumps({"model": options.model, "data": pictures.name, **result}))
        return
    print(f"{pictures.name}: accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f}")

"""`fastconv visualize`: figures of a model, of its response to an image, and of its errors."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fastconv.cli import data, models, pictures
from fastconv.cli.classes import check_classes, class_count, read_names
from fastconv.cli.errors import InputError, check_folder, checked_input
from fastconv.cli.threads import add_threads, chosen_threads

HELP = "draw a model, what it sees in a picture, and its mistakes"
DESCRIPTION = (
    "Draws into a folder: the layers of a model, their costs, its first filters and the cone of\n"
    "pixels that its last feature maps see; with --picture also what it sees in that picture;\n"
    "with --data also its confusions and worst mistakes. A drawing that does not fit the model\n"
    "is left out, and said so. Needs matplotlib: pip install 'fastconv[viz]'."
)
EXAMPLES = [
    "fastconv visualize lenet5 --out lenet5/",
    "fastconv visualize digits.keras --picture seven.png --out seven/",
    "fastconv visualize digits.keras --data digits --out test/",
]

Drawing = tuple[str, Callable[[], Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    models.add_model(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the drawings")
    parser.add_argument("--picture", metavar="FILE", help="a picture to look at with the model")
    pictures.add_invert(parser)
    data.add_data(parser, default=None)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    import sys

    check_folder("--out", options.out)
    with chosen_threads(options):
        with checked_input():
            from fastconv import viz
            from fastconv.viz.style import new_figure

            new_figure(1.0)  # fails at once without matplotlib
        model = models.chosen(options)
        drawings = list(_of_the_model(viz, model))
        if options.picture:
            drawings += _of_a_picture(viz, model, options)
        if options.data:
            drawings += _of_data(viz, model, options)
        folder = Path(options.out)
        with checked_input(options.out):
            folder.mkdir(parents=True, exist_ok=True)
        for name, draw in drawings:
            try:
                figure = draw()
            except ValueError as error:
                print(f"fastconv visualize: no {name}: {error}", file=sys.stderr)
                continue
            figure.savefig(folder / f"{name}.png", metadata={"Software": None})
            print(folder / f"{name}.png")


def _of_the_model(viz: Any, model: Any) -> Iterator[Drawing]:
    yield "model_graph", lambda: viz.model_graph(model)
    yield "costs", lambda: viz.costs(model)
    yield "filters", lambda: viz.filters(model)
    yield "receptive_field", lambda: viz.receptive_field(model)


def _of_a_picture(viz: Any, model: Any, options: argparse.Namespace) -> Iterator[Drawing]:
    shape = pictures.picture_shape(model.input_shape, options.model)
    names = read_names(options.model, None, class_count(model, options.model))
    if not Path(options.picture).is_file():
        raise InputError(f"{options.picture}: no such file")
    with checked_input(options.picture):
        image = pictures.read(options.picture, shape, options.invert)
    predicted = int(model.predict_on_batch(image[None])[0].argmax())
    first = next((layer for layer in model.layers if _gives_maps(layer)), None)
    if first is not None:
        yield "feature_maps", lambda: viz.feature_maps(model, image, first.name)
    yield "activations", lambda: viz.activations(model, image)
    yield "grad_cam", lambda: viz.grad_cam(model, image, class_name=names[predicted])
    yield "occlusion", lambda: viz.occlusion(model, image, class_name=names[predicted])


def _gives_maps(layer: Any) -> bool:
    return bool(layer.weights) and len(layer.output_shape) == 4


def _of_data(viz: Any, model: Any, options: argparse.Namespace) -> Iterator[Drawing]:
    shape = pictures.picture_shape(model.input_shape, options.model)
    labelled = data.load(options)
    check_classes(model, options.model, labelled)
    with checked_input(labelled.name):
        x, y = labelled.arrays(shape)
    chances = model.predict(x, batch_size=64, verbose=0)
    names = read_names(options.model, None, class_count(model, options.model))
    yield "confusion_matrix", lambda: viz.confusion_matrix(y, chances, names)
    yield "worst_mistakes", lambda: viz.worst_mistakes(x, y, chances, names)

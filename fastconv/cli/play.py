"""`fastconv play`: a page in the browser to draw to, look into and train a network."""

from __future__ import annotations

import argparse
from typing import Any

from fastconv.cli import data, models
from fastconv.cli.classes import check_classes
from fastconv.cli.errors import InputError, checked_input
from fastconv.cli.pictures import fitted, picture_shape
from fastconv.cli.threads import add_threads, chosen_threads

HELP = "draw in the browser and watch a network look at it"
DESCRIPTION = (
    "Opens a page in the browser: draw a picture and see the feature maps, filters, receptive\n"
    "fields and probabilities of a network change; train it and watch. The page is served to\n"
    "this machine alone, until Ctrl-C, and loads nothing from a network."
)
EXAMPLES = [
    "fastconv play",
    "fastconv play --data mnist",
    "fastconv play digits.keras",
    "fastconv play lenet5 --no-browser --port 8000",
]

DATA_SETS = ("digits", "mnist", "fashion_mnist")
MARGINS = {"mnist": 4}  # pixels: its digits are 20x20 in the middle of 28x28
LARGEST = 64  # pixels: the largest feature maps that a page shows well
TESTED = 1000  # pictures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="a .keras or .onnx file, or a network of the zoo"
    )
    parser.add_argument(
        "--data", choices=DATA_SETS, default="digits", help="what to train with (default: digits)"
    )
    parser.add_argument(
        "--port", type=int, default=8765, metavar="N", help="0 for any (default: 8765)"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    add_threads(parser)
    parser.set_defaults(limit=None)


def run(options: argparse.Namespace) -> None:
    import threading
    import webbrowser

    from fastconv.play import Server

    if not 0 <= options.port <= 65535:
        raise InputError(f"--port must be from 0 to 65535, received {options.port}")
    with chosen_threads(options):
        session = _session(options)
        try:
            server = Server(session, options.port)
        except OSError as error:
            raise InputError(
                f"--port {options.port}: {error.strerror}; --port 0 takes any that is free"
            ) from error
        with server:
            print(f"{server.url} (Ctrl-C ends it)", flush=True)
            if not options.no_browser:
                # In a thread, since a browser in the terminal returns only when it is closed.
                threading.Thread(target=webbrowser.open, args=[server.url], daemon=True).start()
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("stopped")


def _session(options: argparse.Namespace) -> Any:
    from fastconv.play import Data, Session, small_networks

    labelled = data.load(options)
    shape, makers = labelled.shape, {}
    if options.model:
        first: Any = _model(options.model, labelled)
        shape = picture_shape(first.input_shape, options.model)
        if max(shape) > LARGEST:
            raise InputError(
                f"{options.model}: must take pictures of at most {LARGEST}x{LARGEST}, takes "
                f"{shape[0]}x{shape[1]}"
            )
        check_classes(first, options.model, labelled)
        makers[options.model] = lambda: _model(options.model, labelled)
    with checked_input(options.data):
        training = labelled.training(shape, 1, 0.0, 0)
        x_test, y_test = labelled.arrays(shape)
        drawings, _ = labelled.arrays(labelled.shape)
    count = len(labelled.class_names)
    names = [*labelled.class_names]
    if options.model:
        names += [f"class {index}" for index in range(count, first.output_shape[1])]
    return Session(
        makers | small_networks(shape, len(names)),
        Data(
            x=training["x"],
            y=training["y"],
            x_test=x_test[:TESTED],
            y_test=y_test[:TESTED],
            class_names=names,
            drawings=drawings[:TESTED, :, :, 0],
            margin=MARGINS.get(options.data, 0),
            prepare=lambda drawn: fitted(drawn[None, :, :, None], shape)[0].astype("float32") / 255,
        ),
    )


def _model(name: str, labelled: data.Data) -> Any:
    """The model of a file, or a new one of the zoo for the pictures of the data."""
    if models.is_file(name):
        return models.load(name)
    shape = models.shape_for(name, labelled.shape, None)
    return models.build(name, shape, len(labelled.class_names))

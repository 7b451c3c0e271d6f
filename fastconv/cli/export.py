"""`fastconv export`: a model for other programs, as an ONNX file or as C sources."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from fastconv.cli import models
from fastconv.cli.errors import (
    InputError,
    check_at_least,
    check_folder,
    check_writable,
    checked_input,
)

if TYPE_CHECKING:
    from fastconv.models import Model

HELP = "write a model as an ONNX file, as C sources, or as a file for C programs"
DESCRIPTION = (
    "Writes a model for other programs. `--to onnx` writes an ONNX file and needs the package "
    "onnx. `--to c` writes a folder of C sources that compute what `fastconv predict` computes, "
    "with the same bits: NAME.h, NAME.c, the parts of fastconv that the network needs, a Makefile "
    "and a CMakeLists.txt. `--to network` writes one file, which programs open by fastconv.h. "
    "`--train` adds a training step with the loss and the optimizer of the model, which computes "
    "what `fastconv train` computes."
)
EXAMPLES = [
    "fastconv export digits.keras --to onnx --out digits.onnx",
    "fastconv export digits.keras --to c --out digits",
    "fastconv export lenet5 --to c --out lenet --name lenet --max-threads 4",
    "fastconv export digits.keras --to c --out digits --train 32",
    "fastconv export digits.keras --to network --out digits.network",
]
# Format -> the options that belong to it, as they are written.
FORMATS = {
    "onnx": ["--opset"],
    "c": ["--name", "--batch", "--max-threads", "--train"],
    "network": ["--batch", "--train"],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    models.add_model(parser)
    parser.add_argument("--to", choices=FORMATS, required=True, help="the format")
    parser.add_argument(
        "--out", metavar="PATH", required=True, help="the file, or with `--to c` the folder"
    )
    parser.add_argument("--opset", type=int, metavar="N", help="onnx: version of the operators")
    parser.add_argument("--name", help="c: the beginning of all names; by default the model's")
    parser.add_argument("--batch", type=int, metavar="N", help="c, network: samples of one call, 1")
    parser.add_argument("--max-threads", type=int, metavar="N", help="c: threads of one call, 1")
    parser.add_argument(
        "--train", type=int, metavar="N", nargs="?", const=32,
        help="c, network: also a training step on batches of N samples, 32",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    for written in sorted({each for own in FORMATS.values() for each in own}):
        given = getattr(options, written.strip("-").replace("-", "_")) is not None
        if given and written not in FORMATS[options.to]:
            others = [f"`--to {other}`" for other, own in FORMATS.items() if written in own]
            raise InputError(f"{written} belongs to {' and '.join(others)}")
    {"onnx": _to_onnx, "c": _to_c, "network": _to_network}[options.to](options)


def _to_onnx(options: argparse.Namespace) -> None:
    if not options.out.endswith(".onnx"):
        raise InputError(f"--out must end in .onnx, received {options.out!r}")
    model = models.chosen(options)
    with checked_input(options.model):
        model.export(options.out, format="onnx", opset_version=options.opset)


def _to_c(options: argparse.Namespace) -> None:
    from fastconv.export import c_network

    check_at_least(options, "batch", "max_threads", "train")
    check_folder("--out", options.out)
    model = models.chosen(options)
    _check_training(options, model)
    name = options.name or re.sub(r"\W", "_", model.name, flags=re.ASCII)
    with checked_input(options.model):
        folder = c_network(
            model,
            options.out,
            name=name,
            batch_size=options.batch or 1,
            threads=options.max_threads or 1,
            train_batch_size=options.train,
        )
    step = f", {name}_train_step(arena, x, labels, &loss)" if options.train else ""
    print(f"{folder}/{name}.h: int {name}_init(void *arena), {name}_run(arena, x, y){step}")


def _to_network(options: argparse.Namespace) -> None:
    from fastconv.export import network_file

    check_at_least(options, "batch", "train")
    check_writable("--out", options.out)
    model = models.chosen(options)
    _check_training(options, model)
    with checked_input(options.model):
        path = network_file(
            model, options.out, batch_size=options.batch or 1, train_batch_size=options.train
        )
    print(f"{path}: for network_open() of fastconv.h")


def _check_training(options: argparse.Namespace, model: Model) -> None:
    if options.train and model.optimizer is None:
        raise InputError(f"--train: {options.model} was saved without an optimizer")

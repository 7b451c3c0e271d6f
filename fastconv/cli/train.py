"""`fastconv train`: train a network on a data set or on folders of pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastconv.cli import data, models
from fastconv.cli.classes import check_classes, write_names
from fastconv.cli.errors import (
    InputError,
    check_at_least,
    check_folder,
    check_writable,
    checked_input,
)
from fastconv.cli.pictures import picture_shape
from fastconv.cli.threads import add_threads, chosen_threads, divided

HELP = "train a network on a data set or a folder of pictures"
DESCRIPTION = (
    "Trains a network: one of the zoo with new weights, or one from a file, which goes on.\n"
    "Without arguments: a small network on the embedded digits, in seconds, offline.\n"
    "Pictures keep their proportions; what is left over of the network's input is black."
)
EXAMPLES = [
    "fastconv train --save digits.keras",
    "fastconv train --data mnist --model lenet5 --epochs 8 --save lenet5.keras",
    "fastconv train --data photos/ --model resnet18 --size 64 --early-stopping 3 --save pets.keras",
    "fastconv train --data photos/ --model pets.keras --learning-rate 1e-4 --save pets.keras",
]

_BACKUP_EVERY = 20  # batches
_LOSS = "sparse_categorical_crossentropy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    data.add_data(parser)
    parser.add_argument(
        "--model",
        default="mnist_cnn",
        metavar="MODEL",
        help="a network of the zoo (default: mnist_cnn) or a .keras file",
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help="height and width that the network takes (default: its usual ones, or less for "
        "small pictures)",
    )
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="(default: 64)")
    parser.add_argument(
        "--optimizer", metavar="NAME", help="sgd, rmsprop, adam, ... (default: adam, or the file's)"
    )
    parser.add_argument(
        "--learning-rate", type=float, metavar="RATE", help="(default: the optimizer's)"
    )
    parser.add_argument(
        "--validation-split",
        type=float,
        default=0.1,
        metavar="PART",
        help="part of the training pictures to validate on (default: 0.1)",
    )
    parser.add_argument(
        "--early-stopping",
        type=int,
        metavar="N",
        help="stop after N epochs without a smaller loss, and keep the best weights",
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="save the best model so far here")
    parser.add_argument("--csv", metavar="FILE", help="write a line per epoch here")
    parser.add_argument("--tensorboard", metavar="DIR", help="write TensorBoard's event files here")
    parser.add_argument(
        "--backup",
        metavar="DIR",
        help=f"the same command continues from here if interrupted (saved every {_BACKUP_EVERY} "
        "batches)",
    )
    parser.add_argument("--save", metavar="FILE", help="save the trained model (.keras) here")
    parser.add_argument(
        "--distribute",
        choices=["mpi"],
        help="divide every batch over the processes that mpirun has started",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed trains the same bits")
    add_threads(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress, only the result")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(options: argparse.Namespace) -> None:
    with divided(options) as is_first, chosen_threads(options):
        with checked_input():
            _check(options)
        pictures = data.load(options)
        model, shape = _model(options, pictures)
        with checked_input(pictures.name):
            arguments = pictures.training(
                shape, options.batch_size, options.validation_split, options.seed or 0
            )
        callbacks = _callbacks(options, validated=bool(options.validation_split))
        silent = options.quiet or options.json or not is_first
        say = (lambda *_: None) if silent else print
        say(f"{options.model}: {model.count_params():,} parameters, input {_times(shape)}")
        classes = f"{len(pictures.class_names)} classes"
        say(f"{pictures.name}: {classes}, pictures {_times(pictures.shape)}")
        if options.backup and any(Path(options.backup).glob("*.safetensors")):
            say(f"continues from the backup in {options.backup}")
        try:
            history = model.fit(
                **arguments,
                epochs=options.epochs,
                callbacks=callbacks,
                verbose=0 if silent else "auto",
            ).history
        except KeyboardInterrupt:
            if options.backup:
                say(f"\nthe same command continues from the backup in {options.backup}")
            raise
        _check_finite(history)
        test = pictures.testing(shape, options.batch_size)
        tested = model.evaluate(**test, verbose=0, return_dict=True) if test else None
        if options.save and is_first:
            model.save(options.save)
            write_names(options.save, pictures.class_names)
    if is_first:
        _report(options, model, pictures, history, tested)


def _check(options: argparse.Namespace) -> None:
    """What can be refused before anything is read."""
    from fastconv import optimizers
    from fastconv.utils import set_random_seed

    check_at_least(options, "epochs", "batch_size", "early_stopping")
    if not 0 <= options.validation_split < 1:
        raise InputError(
            f"--validation-split must be at least 0 and below 1, "
            f"received {options.validation_split}"
        )
    for name in ("save", "checkpoint"):
        path = getattr(options, name)
        if path is not None and not path.endswith(".keras"):
            raise InputError(f"--{name} must end in .keras, received {path!r}")
    for name in ("save", "checkpoint", "csv"):
        check_writable(f"--{name}", getattr(options, name))
    for name in ("backup", "tensorboard"):
        check_folder(f"--{name}", getattr(options, name))
    if options.optimizer is not None:
        optimizers.get(options.optimizer)
    if options.seed is not None:
        set_random_seed(options.seed)


def _model(options: argparse.Namespace, pictures: data.Data) -> tuple[Any, tuple[int, int, int]]:
    """The compiled model and the shape of the pictures that it takes."""
    from fastconv import optimizers

    if models.is_file(options.model):
        if options.size is not None:
            raise InputError("--size is for networks of the zoo; a file has its own")
        model = models.load(options.model)
        shape = picture_shape(model.input_shape, options.model)
    else:
        shape = models.shape_for(options.model, pictures.shape, options.size)
        model = models.build(options.model, shape, len(pictures.class_names))
    check_classes(model, options.model, pictures)
    config = model.get_compile_config()
    goes_on = config is not None and config["loss"] == _LOSS
    if options.optimizer or not goes_on:
        with checked_input():
            optimizer = optimizers.get(options.optimizer or "adam")
        model.compile(optimizer=optimizer, loss=_LOSS, metrics=["accuracy"])
    if options.learning_rate is not None:
        with checked_input():
            assert model.optimizer is not None
            model.optimizer.learning_rate = options.learning_rate
    return model, shape


def _callbacks(options: argparse.Namespace, validated: bool) -> list[Any]:
    from fastconv import callbacks

    monitor = "val_loss" if validated else "loss"
    chosen: list[Any] = [callbacks.TerminateOnNaN()]
    if options.early_stopping is not None:
        chosen.append(
            callbacks.EarlyStopping(
                monitor, patience=options.early_stopping, restore_best_weights=True
            )
        )
    if options.checkpoint:
        chosen.append(callbacks.ModelCheckpoint(options.checkpoint, monitor, save_best_only=True))
    if options.csv:
        chosen.append(callbacks.CSVLogger(options.csv))
    if options.tensorboard:
        chosen.append(callbacks.TensorBoard(options.tensorboard))
    if options.backup:
        chosen.append(callbacks.BackupAndRestore(options.backup, _BACKUP_EVERY))
    return chosen


def _check_finite(history: dict[str, list[float]]) -> None:
    """A model whose loss is NaN or infinite has learned nothing and is not saved."""
    import math

    if history["loss"] and not math.isfinite(history["loss"][-1]):
        raise RuntimeError(f"the loss became {history['loss'][-1]}; try a smaller --learning-rate")


def _report(options, model, pictures, history, tested) -> None:
    if options.json:
        import json

        result = {
            "model": options.model,
            "parameters": model.count_params(),
            "data": pictures.name,
            "classes": list(pictures.class_names),
            "epochs": len(history["loss"]),
            "history": history,
            "test": tested,
            "saved": options.save,
        }
        print(json.dumps(result, indent=2))
        return
    if tested:
        print(f"test: accuracy {tested['accuracy']:.4f}, loss {tested['loss']:.4f}")
    if options.save:
        print(f"saved to {options.save}; try: fastconv predict {options.save} PICTURE")


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))

"""Losses, metrics, callbacks, optimizers and all other public objects with integer parameters."""

from __future__ import annotations

import inspect
import os
import tempfile
import warnings
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from io import StringIO

import numpy as np

from fastconv import (
    activations,
    callbacks,
    constraints,
    explain,
    filters,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    parameters,
    utils,
    zoo,
)
from fastconv.optimizers import schedules
from tests.support.extreme_integers.judge import judge
from tests.support.extreme_integers.operations import X
from tests.support.extreme_integers.replacements import replacements

# Public modules of which every function and class with an integer parameter is in `OTHERS`.
MODULES = (
    "activations", "callbacks", "constraints", "filters", "initializers", "losses", "metrics",
    "optimizers", "optimizers.schedules", "utils", "zoo",
)  # fmt: skip

_SCORES = np.random.default_rng(2).random((6, 4)).astype(np.float32)
_LABELS = np.array([0, 1, 2, 3, 1, 2])
_ONE_HOT = np.eye(4, dtype=np.float32)[_LABELS]
_SEED = {"seed": 3}


def _loss(arguments, name, labels=_ONE_HOT):
    assert np.isfinite(getattr(losses, name)(**arguments)(labels, _SCORES))


def _metric(arguments, name, labels=_ONE_HOT):
    metric = getattr(metrics, name)(**arguments)
    metric.update_state(labels, _SCORES)
    assert np.all(np.isfinite(metric.result()))


def _metric_function(arguments, name, labels=_ONE_HOT):
    assert np.isfinite(getattr(metrics, name)(labels, _SCORES, **arguments)).all()


def _initializer(arguments, name):
    assert np.isfinite(getattr(initializers, name)(**arguments)((3, 4))).all()


def _constraint(arguments, name):
    assert np.isfinite(getattr(constraints, name)(**arguments)(np.ones((3, 4), np.float32))).all()


def _filter(arguments, name):
    assert np.isfinite(getattr(filters, name)(**arguments)).all()


def _schedule(arguments, name):
    schedule = getattr(schedules, name)(**arguments)
    assert all(np.isfinite(schedule(step)) for step in (0, 1, 7))


def _small_model(optimizer="sgd"):
    model = models.Sequential([layers.Input((4,)), layers.Dense(4)])
    model.compile(optimizer, "mse")
    return model


def _callback(arguments, name):
    callback = getattr(callbacks, name)(**arguments)
    with tempfile.TemporaryDirectory() as directory:
        for folder in ("log_dir", "backup_dir", "filepath"):
            if hasattr(callback, folder):
                made = f"{directory}/m.keras" if folder == "filepath" else directory
                callback = getattr(callbacks, name)(**arguments | {folder: made})
        x = _SCORES
        _small_model().fit(
            x, x, epochs=2, verbose=0, validation_data=(x, x), batch_size=2, callbacks=[callback]
        )


def _tenth(epoch):
    return 0.1


def _optimizer(arguments, name):
    optimizer = getattr(optimizers, name)(**arguments)
    history = _small_model(optimizer).fit(_SCORES, _SCORES, epochs=2, batch_size=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def _network(arguments, name):
    with parameters.undrawn_weights():
        getattr(zoo, name)(**arguments)


def _activation(arguments, name):
    assert np.isfinite(getattr(activations, name)(X, **arguments)).all()


def _method(arguments, name):
    model, x = _small_model(), _SCORES
    # An epoch of the largest numbers would never end.
    stop = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: model.stop_training_if(epoch))
    model.stop_training_if = lambda epoch: setattr(model, "stop_training", True)
    given = {
        "fit": {"x": x, "y": x, "validation_data": (x, x), "callbacks": [stop]},
        "evaluate": {"x": x, "y": x},
        "predict": {"x": x},
    }[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(model, name)(**{"verbose": 0} | given | arguments)


def _to_categorical(arguments, name):
    utils.to_categorical(_LABELS, **arguments)


def _normalize(arguments, name):
    utils.normalize(X, **arguments)


def _progbar(arguments, name):
    bar = utils.Progbar(**arguments)
    bar.update(arguments["target"], [("loss", 1.0)])
    assert bar.values == {"loss": 1.0}


def _split_dataset(arguments, name):
    left, right = utils.split_dataset(np.arange(6), shuffle=True, **arguments)
    assert len(left) + len(right) <= 6


def _set_random_seed(arguments, name):
    utils.set_random_seed(**arguments)


def _data_set(arguments, name):
    class Batches(utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return _SCORES[index : index + 2], _SCORES[index : index + 2]

    _small_model().fit(Batches(**arguments), verbose=0)


def _explained(arguments, name):
    str(explain(_small_model(), **arguments))


def _images(arguments, name):
    if find_spec("PIL") is None:
        return
    with tempfile.TemporaryDirectory() as directory:
        for label in "ab":
            os.mkdir(f"{directory}/{label}")
            pixels = np.zeros((4, 5, 3), np.uint8)
            for index in range(2):
                utils.save_img(f"{directory}/{label}/{index}.png", pixels)
        if name == "load_img":
            utils.load_img(f"{directory}/a/0.png", **arguments)
            return
        for images, _ in utils.image_dataset_from_directory(directory, **arguments):
            assert np.isfinite(images).all()


_FITTING = {
    "batch_size": 2, "epochs": 2, "initial_epoch": 0, "steps_per_epoch": 2, "validation_steps": 2,
    "validation_batch_size": 2, "validation_freq": 1, "verbose": 0,
}  # fmt: skip

# name -> (the arguments with every integer, what is done with them)
OTHERS = {
    "activations.softmax": [({"axis": -1}, _activation), ({"axis": (1, 2)}, _activation)],
    "activations.glu": [({"axis": -1}, _activation)],
    "activations.sparsemax": [({"axis": -1}, _activation)],
    "activations.log_softmax": [({"axis": (1, 2)}, _activation)],
    "callbacks.BackupAndRestore": [({"backup_dir": "b", "save_freq": 2}, _callback)],
    "callbacks.EarlyStopping": [
        ({"patience": 1, "start_from_epoch": 0}, _callback),
    ],
    "callbacks.LearningRateScheduler": [({"schedule": _tenth, "verbose": 0}, _callback)],
    "callbacks.ModelCheckpoint": [
        ({"filepath": "m.keras", "save_freq": 2}, _callback),
    ],
    "callbacks.ReduceLROnPlateau": [({"patience": 1, "cooldown": 1}, _callback)],
    "callbacks.TensorBoard": [
        ({"log_dir": "logs", "histogram_freq": 1, "update_freq": 2}, _callback),
    ],
    **{
        f"constraints.{name}": [({"axis": 0}, _constraint), ({"axis": [0, 1]}, _constraint)]
        for name in ("MaxNorm", "MinMaxNorm", "UnitNorm")
    },
    "filters.box_blur": [({"size": 3}, _filter)],
    "filters.gabor": [({"wavelength": 4.0, "size": 5}, _filter)],
    "filters.gabor_bank": [({"orientations": 3, "size": 5}, _filter)],
    "filters.gaussian_blur": [({"size": 5}, _filter)],
    "filters.identity": [({"size": 3}, _filter)],
    **{
        f"initializers.{name}": [(_SEED, _initializer)]
        for name in (
            "GlorotNormal",
            "GlorotUniform",
            "HeNormal",
            "HeUniform",
            "LecunNormal",
            "LecunUniform",
            "Orthogonal",
            "RandomNormal",
            "RandomUniform",
            "TruncatedNormal",
            "VarianceScaling",
        )
    },
    **{
        f"losses.{name}": [({"axis": -1}, _loss)]
        for name in (
            "BinaryCrossentropy",
            "BinaryFocalCrossentropy",
            "CategoricalCrossentropy",
            "CategoricalFocalCrossentropy",
            "CosineSimilarity",
        )
    },
    "losses.SparseCategoricalCrossentropy": [
        ({"ignore_class": 1, "axis": -1}, partial(_loss, labels=_LABELS)),
    ],
    "metrics.AUC": [
        ({"num_thresholds": 20}, _metric),
        ({"num_labels": 4, "multi_label": True}, _metric),
    ],
    "metrics.ConfusionMatrix": [({"num_classes": 4}, partial(_metric, labels=_LABELS))],
    "metrics.BinaryIoU": [({"target_class_ids": [0]}, partial(_metric, labels=_ONE_HOT))],
    "metrics.IoU": [
        (
            {"num_classes": 4, "target_class_ids": [0, 2], "ignore_class": 1, "axis": -1}
            | {"sparse_y_pred": False},
            partial(_metric, labels=_LABELS),
        )
    ],
    "metrics.MeanIoU": [
        (
            {"num_classes": 4, "ignore_class": 1, "axis": -1} | {"sparse_y_pred": False},
            partial(_metric, labels=_LABELS),
        )
    ],
    "metrics.OneHotIoU": [
        ({"num_classes": 4, "target_class_ids": [0, 2], "ignore_class": 1, "axis": -1}, _metric)
    ],
    "metrics.OneHotMeanIoU": [({"num_classes": 4, "ignore_class": 1, "axis": -1}, _metric)],
    **{
        f"metrics.{name}": [({"axis": -1}, use)]
        for name, use in {
            "ConcordanceCorrelation": _metric,
            "PearsonCorrelation": _metric,
            "concordance_correlation": _metric_function,
            "pearson_correlation": _metric_function,
        }.items()
    },
    **{
        f"metrics.{name}": [({limited: 0.5, "num_thresholds": 20, "class_id": 1}, _metric)]
        for name, limited in {
            "PrecisionAtRecall": "recall",
            "RecallAtPrecision": "precision",
            "SensitivityAtSpecificity": "specificity",
            "SpecificityAtSensitivity": "sensitivity",
        }.items()
    },
    "metrics.Precision": [({"top_k": 2, "class_id": 1}, _metric)],
    "metrics.R2Score": [({"num_regressors": 1}, _metric)],
    "metrics.Recall": [({"top_k": 2, "class_id": 1}, _metric)],
    "metrics.SparseTopKCategoricalAccuracy": [({"k": 2}, partial(_metric, labels=_LABELS))],
    "metrics.TopKCategoricalAccuracy": [({"k": 2}, _metric)],
    "metrics.sparse_top_k_categorical_accuracy": [
        ({"k": 2}, partial(_metric_function, labels=_LABELS))
    ],
    "metrics.top_k_categorical_accuracy": [({"k": 2}, _metric_function)],
    "optimizers.Adam": [
        (
            {"gradient_accumulation_steps": 2, "ema_overwrite_frequency": 2, "use_ema": True},
            _optimizer,
        ),
    ],
    "optimizers.schedules.CosineDecay": [
        (
            {
                "initial_learning_rate": 0.1,
                "decay_steps": 5,
                "warmup_steps": 3,
                "warmup_target": 1.0,
            },
            _schedule,
        ),
    ],
    "optimizers.schedules.CosineDecayRestarts": [
        ({"initial_learning_rate": 0.1, "first_decay_steps": 5}, _schedule),
    ],
    **{
        f"optimizers.schedules.{name}": [
            ({"initial_learning_rate": 0.1, "decay_steps": 5, **more}, _schedule)
        ]
        for name, more in {
            "ExponentialDecay": {"decay_rate": 0.5},
            "InverseTimeDecay": {"decay_rate": 0.5},
            "PolynomialDecay": {},
        }.items()
    },
    "optimizers.schedules.PiecewiseConstantDecay": [
        ({"boundaries": [2, 5], "values": [1.0, 0.5, 0.25]}, _schedule),
    ],
    "utils.Progbar": [({"target": 3, "width": 5, "verbose": 1}, _progbar)],
    "utils.PyDataset": [({"workers": 1, "max_queue_size": 2}, _data_set)],
    "utils.image_dataset_from_directory": [
        ({"batch_size": 2, "image_size": (4, 5), "seed": 3}, _images),
    ],
    "utils.load_img": [({"target_size": (3, 4)}, _images)],
    "utils.normalize": [({"axis": -1}, _normalize)],
    "utils.set_random_seed": [({"seed": 3}, _set_random_seed)],
    "utils.split_dataset": [({"left_size": 3, "right_size": 2, "seed": 3}, _split_dataset)],
    "utils.to_categorical": [({"num_classes": 5}, _to_categorical)],
    "zoo.alexnet": [({"classes": 10, "groups": 1}, _network)],
    "zoo.lenet5": [({"input_shape": (32, 32, 1), "classes": 10}, _network)],
    **{  # their `input_shape` goes where that of lenet5 goes
        f"zoo.{name}": [({"classes": 10}, _network)]
        for name in (
            "cifar_cnn",
            "mnist_cnn",
            "mobilenet",
            "resnet18",
            "resnet50",
            "vgg16",
            "vgg19",
            "zfnet",
        )
    },
    "Model.fit": [(_FITTING, _method)],
    "Model.evaluate": [({"batch_size": 2, "steps": 2, "verbose": 0}, _method)],
    "Model.predict": [({"batch_size": 2, "steps": 2, "verbose": 0}, _method)],
    "explain": [({"batch_size": 2}, _explained)],
}


# Helpers in these modules, a base class, another name, and what only functions make.
NOT_PUBLIC = {
    "compute_fans", "check_labels", "spread_weights", "resolve", "normalize_int", "Optimizer",
    "Sequence", "ImageDataset",
}  # fmt: skip


def others_missing() -> list[str]:
    """What has an integer parameter, by its annotation, and is not in `OTHERS`."""
    missing = []
    for module_name in MODULES:
        module = import_module(f"fastconv.{module_name}")
        for name in getattr(module, "__all__", vars(module)):
            thing = getattr(module, name)
            if name.startswith("_") or not getattr(thing, "__module__", "").startswith("fastconv"):
                continue
            if not callable(thing) or name in NOT_PUBLIC or f"{module_name}.{name}" in OTHERS:
                continue
            if isinstance(thing, type) and thing.__name__ != name:  # a second name of a class
                continue
            try:
                parameters = inspect.signature(thing).parameters.values()
            except ValueError:
                continue
            if any("int" in str(p.annotation).replace("Constraint", "") for p in parameters):
                missing.append(f"{module_name}.{name}")
    return missing


def others() -> None:
    for name, cases in OTHERS.items():
        last = name.rpartition(".")[2]
        for arguments, use in cases:
            with redirect_stdout(StringIO()):
                use(arguments, last)
            for path, spoiled, extreme in replacements(arguments, name):
                judge(f"{path} = {extreme!r}", partial(use, spoiled, last))

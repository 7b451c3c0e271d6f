"""Every integer that an operation, a layer or another public object takes, made extreme one by one.

The tables hold one legal call of each: every integer in its arguments, however deep in tuples, is
replaced in turn by each of `EXTREMES`. What is then raised must be a documented error; what is
computed must be right.

Run as a program (`python extreme_integers.py operations`), it works through one table with little
memory and prints a line for each thing that goes wrong. A call that does not come back in time ends
the program with a traceback of where it was.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import resource
import sys
import tempfile
import time
import warnings
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from io import StringIO

import numpy as np

EXTREMES = (
    0, -1, -(2**63), 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64, 10**30,
    True, 2.0,
)  # fmt: skip
LARGE = (2**31, 2**40, 2**62 - 1)
MEMORY = 3 << 30  # bytes of address space: nothing legal here needs more
SECONDS = 30  # until a call counts as hanging, however busy the machine is
DOCUMENTED = (TypeError, ValueError, MemoryError)

X = np.random.default_rng(0).standard_normal((2, 6, 5, 4)).astype(np.float32)
FILTERS = np.random.default_rng(1).standard_normal((3, 3, 4, 8)).astype(np.float32)
ROWS = X.reshape(-1, 4)

# ---------------------------------------------------------------------------------- operations

# Parameters of operations that hold no integers: arrays, words, switches and real numbers.
NOT_INTEGERS = {
    "activation", "algorithm", "alpha", "approximate", "argmax", "b", "beta", "bias", "cols", "dy",
    "epsilon", "fill_mode", "fill_value", "gamma", "interpolation", "logits", "max_value", "mean",
    "negative_slope", "out", "padding_mode", "prediction", "probabilities", "return_argmax",
    "sample_weight", "targets", "threshold", "transforms", "value", "variance", "w", "x", "y",
}  # fmt: skip

_WINDOW = {"strides": (1, 2), "padding": ((1, 0), (0, 1)), "dilation_rate": (2, 1)}
_POOL = {"pool_size": (2, 3), "strides": (2, 1), "padding": ((1, 0), (0, 1))}
_RADIUS = {"depth_radius": 2}
_TURNS = np.tile(np.array([1, 0, 0.5, 0, 1, 0.25], np.float32), (2, 1))
_GRADIENT = np.ones((2, 3, 2, 8), np.float32)
_POOLED = np.ones((2, 3, 4, 4), np.float32)
_MEANS, _VARIANCES = np.zeros(4, np.float32), np.ones(4, np.float32)
_SLOPES = np.full((1, 1, 4), 0.25, np.float32)

# The integers of an operation, and arrays other than x, y, dy = X.
OPERATIONS = {
    "avg_pool2d": _POOL,
    "avg_pool2d_backward": {"dy": _POOLED, "input_shape": X.shape, **_POOL},
    "batch_norm_inference": {"mean": _MEANS, "variance": _VARIANCES},
    "col2im": {
        "cols": np.ones((36, 12), np.float32), "input_shape": X.shape,
        "kernel_size": (3, 3), **_WINDOW,
    },
    "conv2d": {"w": FILTERS, "groups": 1, **_WINDOW},
    "conv2d_backward_input": {
        "dy": _GRADIENT, "w": FILTERS, "input_shape": X.shape, "groups": 1, **_WINDOW,
    },
    "conv2d_backward_kernel": {"dy": _GRADIENT, "kernel_size": (3, 3), "groups": 1, **_WINDOW},
    "crop2d": {"cropping": ((1, 0), (0, 2))},
    "crop2d_backward": {"cropping": ((1, 0), (0, 2))},
    "cross_entropy": {"probabilities": np.abs(ROWS), "targets": np.abs(ROWS)},
    "dense": {"x": ROWS, "w": FILTERS[0, 0]},
    "dense_backward_input": {"dy": ROWS, "w": FILTERS[0, 0, :, :4]},
    "dense_backward_kernel": {"x": ROWS, "dy": ROWS},
    "group_norm": {"groups": 2},
    "group_norm_backward": {"groups": 2},
    "im2col": {"kernel_size": (3, 3), **_WINDOW},
    "layer_norm": {"axes": 2},
    "layer_norm_backward": {"axes": 2},
    "local_response_norm": _RADIUS,
    "local_response_norm_backward": _RADIUS,
    "max_pool2d": _POOL,
    "max_pool2d_backward": {
        "dy": _POOLED, "argmax": np.full(_POOLED.shape, 4, np.uint8),
        "input_shape": X.shape, **_POOL,
    },
    "mean_squared_error": {"prediction": ROWS, "targets": ROWS},
    "pad2d": {"padding": ((1, 0), (0, 2))},
    "pad2d_backward": {"padding": ((1, 0), (0, 2))},
    "prelu": {"alpha": _SLOPES},
    "prelu_backward": {"alpha": _SLOPES},
    "resize2d": {"size": (3, 7)},
    "resize2d_backward": {"input_shape": (2, 3, 7, 4)},
    "softmax_cross_entropy": {"logits": ROWS, "targets": np.abs(ROWS)},
    "transpose": {"axes": (0, 3, 1, 2)},
    "upsample2d": {"size": (2, 3)},
    "upsample2d_backward": {"size": (2, 5)},
    "warp": {"transforms": _TURNS, "size": (3, 7)},
    "warp_backward": {"transforms": _TURNS, "input_shape": (2, 3, 7, 4)},
}  # fmt: skip


def operation_arguments(name: str) -> dict:
    """A legal call of an operation with every integer that it takes."""
    from fastconv import ops

    arguments = dict(OPERATIONS.get(name, {}))
    for parameter in inspect.signature(getattr(ops, name)).parameters:
        if parameter in ("x", "y", "dy"):
            arguments.setdefault(parameter, X)
        elif parameter == "num_threads":
            arguments["num_threads"] = 1
        elif parameter not in NOT_INTEGERS and parameter not in arguments:
            raise LookupError(f"ops.{name}: the tables say nothing of {parameter!r}")
    return arguments


def check_operation(name: str, arguments: dict) -> None:
    """Call an operation; AssertionError if its result is wrong."""
    from fastconv import ops, reference

    result = getattr(ops, name)(**arguments)
    definition = {key: value for key, value in arguments.items() if key != "num_threads"}
    expected = getattr(reference, name)(**definition)
    for got, wanted in zip(_parts(result), _parts(expected), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def _parts(result):
    return result if isinstance(result, tuple) else (result,)


# -------------------------------------------------------------------------------------- layers

_IMAGE, _SEQUENCE = (6, 5, 4), (7, 4)
_CONV2D = {"kernel_size": (3, 2), "strides": (1, 1), "dilation_rate": (1, 1)}
_CONV1D = {"kernel_size": (3,), "strides": (1,), "dilation_rate": (1,)}
_POOL2D, _POOL1D = {"pool_size": (2, 2), "strides": (1, 2)}, {"pool_size": (2,), "strides": (1,)}
_SAME = {"padding": "same"}

# Per layer, legal arguments with every integer that it takes, and the shape of its samples.
LAYERS = {
    "ELU": [({}, _IMAGE)],
    "Activation": [({"activation": "relu"}, _IMAGE)],
    "Add": [({}, _IMAGE)],
    "Average": [({}, _IMAGE)],
    "AveragePooling1D": [(_POOL1D, _SEQUENCE), (_POOL1D | _SAME, _SEQUENCE)],
    "AveragePooling2D": [(_POOL2D, _IMAGE), (_POOL2D | _SAME, _IMAGE)],
    "BatchNormalization": [({"axis": -1}, _IMAGE)],
    "CenterCrop": [({"height": 3, "width": 4}, _IMAGE)],
    "Concatenate": [({"axis": -1}, _IMAGE)],
    "Conv1D": [
        ({"filters": 4, "groups": 2} | _CONV1D | {"padding": padding}, _SEQUENCE)
        for padding in ("valid", "same", "causal")
    ],
    "Conv1DTranspose": [
        ({"filters": 4} | _CONV1D | {"strides": (2,), "output_padding": (1,)}, _SEQUENCE),
        ({"filters": 4} | _CONV1D | _SAME, _SEQUENCE),
    ],
    "Conv2D": [
        ({"filters": 4, "groups": 2} | _CONV2D, _IMAGE),
        ({"filters": 4, "groups": 1} | _CONV2D | _SAME, _IMAGE),
    ],
    "Conv2DTranspose": [
        ({"filters": 4} | _CONV2D | {"strides": (2, 2), "output_padding": (1, 1)}, _IMAGE),
        ({"filters": 4} | _CONV2D | _SAME, _IMAGE),
    ],
    "Cropping1D": [({"cropping": (1, 2)}, _SEQUENCE)],
    "Cropping2D": [({"cropping": ((1, 0), (0, 2))}, _IMAGE)],
    "Dense": [({"units": 3}, _IMAGE)],
    "DepthwiseConv1D": [({"depth_multiplier": 2} | _CONV1D, _SEQUENCE)],
    "DepthwiseConv2D": [({"depth_multiplier": 2} | _CONV2D | _SAME, _IMAGE)],
    "Dropout": [({"rate": 0.5, "noise_shape": (None, 1, 5, 4), "seed": 3}, _IMAGE)],
    "Flatten": [({}, _IMAGE)],
    "GaussianDropout": [({"rate": 0.5, "seed": 3}, _IMAGE)],
    "GaussianNoise": [({"stddev": 0.5, "seed": 3}, _IMAGE)],
    "GlobalAveragePooling1D": [({}, _SEQUENCE)],
    "GlobalAveragePooling2D": [({}, _IMAGE)],
    "GlobalMaxPooling1D": [({}, _SEQUENCE)],
    "GlobalMaxPooling2D": [({}, _IMAGE)],
    "GroupNormalization": [({"groups": 2, "axis": -1}, _IMAGE)],
    "InputLayer": [({"shape": (6, 5, 4)}, None), ({"batch_shape": (None, 6, 5, 4)}, None)],
    "LayerNormalization": [({"axis": [-1, -2]}, _IMAGE)],
    "LeakyReLU": [({}, _IMAGE)],
    "LocalResponseNormalization": [({"depth_radius": 2}, _IMAGE)],
    "MaxPooling1D": [(_POOL1D, _SEQUENCE), (_POOL1D | _SAME, _SEQUENCE)],
    "MaxPooling2D": [(_POOL2D, _IMAGE), (_POOL2D | _SAME, _IMAGE)],
    "Maximum": [({}, _IMAGE)],
    "Minimum": [({}, _IMAGE)],
    "Multiply": [({}, _IMAGE)],
    "PReLU": [({"shared_axes": [1, 2]}, _IMAGE)],
    "Permute": [({"dims": (3, 1, 2)}, _IMAGE)],
    "RandomCrop": [({"height": 3, "width": 4, "seed": 3}, _IMAGE)],
    "RandomFlip": [({"seed": 3}, _IMAGE)],
    "RandomRotation": [({"factor": 0.1, "seed": 3}, _IMAGE)],
    "RandomTranslation": [({"height_factor": 0.1, "width_factor": 0.1, "seed": 3}, _IMAGE)],
    "RandomZoom": [({"height_factor": 0.1, "seed": 3}, _IMAGE)],
    "ReLU": [({}, _IMAGE)],
    "RepeatVector": [({"n": 3}, (4,))],
    "Rescaling": [({"scale": 0.5}, _IMAGE)],
    "Reshape": [({"target_shape": (5, -1, 8)}, _IMAGE)],
    "Resizing": [
        ({"height": 3, "width": 4} | how, _IMAGE)
        for how in ({}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True})
    ],
    "SeparableConv1D": [({"filters": 4, "depth_multiplier": 2} | _CONV1D, _SEQUENCE)],
    "SeparableConv2D": [({"filters": 4, "depth_multiplier": 2} | _CONV2D | _SAME, _IMAGE)],
    "Softmax": [({"axis": [-1, -2]}, _IMAGE)],
    "SpatialDropout1D": [({"rate": 0.5, "seed": 3}, _SEQUENCE)],
    "SpatialDropout2D": [({"rate": 0.5, "seed": 3}, _IMAGE)],
    "Subtract": [({}, _IMAGE)],
    "UnitNormalization": [({"axis": [-1, -2]}, _IMAGE)],
    "UpSampling1D": [({"size": 2}, _SEQUENCE)],
    "UpSampling2D": [
        ({"size": (2, 3), "interpolation": how}, _IMAGE) for how in ("nearest", "bilinear")
    ],
    "ZeroPadding1D": [({"padding": (1, 2)}, _SEQUENCE)],
    "ZeroPadding2D": [
        ({"padding": ((1, 0), (0, 2)), "padding_mode": mode}, _IMAGE)
        for mode in ("zeros", "edge", "reflect")
    ],
}
# Arguments of layers that hold no integers.
LAYER_WORDS = {
    "activation", "activity_regularizer", "alpha", "antialias", "beta", "bias", "center",
    "crop_to_aspect_ratio", "data_format", "dtype", "epsilon", "factor", "fill_mode", "fill_value",
    "height_factor", "interpolation", "keepdims", "lora_rank", "max_value", "mode", "momentum",
    "name", "negative_slope", "offset", "optional", "pad_to_aspect_ratio", "padding",
    "padding_mode", "quantization_config", "ragged", "rate", "renorm", "renorm_clipping",
    "renorm_momentum", "rms_scaling", "scale", "sparse", "stddev", "synchronized", "threshold",
    "trainable", "use_bias", "width_factor",
}  # fmt: skip
LAYER_SUFFIXES = ("_initializer", "_regularizer", "_constraint")
# Given to all layers by the base class, or refused altogether.
LAYER_COMMON = {"common", "input_shape", "input_dim", "batch_size"}


def layer_cases(name: str) -> list:
    """(arguments, shape of samples), after a look at whether all integers are there."""
    from fastconv import layers

    parameters = set(inspect.signature(layers.CLASSES[name]).parameters)
    known = {key for arguments, _ in LAYERS[name] for key in arguments}
    for parameter in sorted(parameters - known - LAYER_WORDS - LAYER_COMMON):
        if not parameter.endswith(LAYER_SUFFIXES) and not (name == "InputLayer"):
            raise LookupError(f"layers.{name}: the tables say nothing of {parameter!r}")
    return LAYERS[name]


def check_layer(name: str, case: tuple) -> None:
    """Make, describe, train and write down a network of that layer alone."""
    from fastconv import explain, layers, models

    arguments, sample = case
    layer = layers.CLASSES[name](**arguments)
    type(layer).from_config(layer.get_config())
    if sample is None:
        return
    begin = layers.Input(sample)
    end = layer([begin, begin] if layer.merges else begin)
    model = models.Model(begin, end)
    described = explain(model)
    described.to_dict()
    assert [layer.notes for layer in described.layers]
    x = np.random.default_rng(0).random((2, *sample), dtype=np.float32)
    y = model.predict(x, verbose=0)
    assert y.shape == (2, *end.shape[1:]), (y.shape, end.shape)
    assert np.isfinite(y).all()
    model.compile("sgd", "mse")
    assert np.isfinite(model.train_on_batch(x, y))
    models.Model.from_config(model.get_config())


# ------------------------------------------------------------------------------ everything else

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
    from fastconv import losses

    assert np.isfinite(getattr(losses, name)(**arguments)(labels, _SCORES))


def _metric(arguments, name, labels=_ONE_HOT):
    from fastconv import metrics

    metric = getattr(metrics, name)(**arguments)
    metric.update_state(labels, _SCORES)
    assert np.all(np.isfinite(metric.result()))


def _initializer(arguments, name):
    from fastconv import initializers

    assert np.isfinite(getattr(initializers, name)(**arguments)((3, 4))).all()


def _constraint(arguments, name):
    from fastconv import constraints

    assert np.isfinite(getattr(constraints, name)(**arguments)(np.ones((3, 4), np.float32))).all()


def _filter(arguments, name):
    from fastconv import filters

    assert np.isfinite(getattr(filters, name)(**arguments)).all()


def _schedule(arguments, name):
    from fastconv.optimizers import schedules

    schedule = getattr(schedules, name)(**arguments)
    assert all(np.isfinite(schedule(step)) for step in (0, 1, 7))


def _small_model(optimizer="sgd"):
    from fastconv import layers, models

    model = models.Sequential([layers.Input((4,)), layers.Dense(4)])
    model.compile(optimizer, "mse")
    return model


def _callback(arguments, name):
    from fastconv import callbacks

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
    from fastconv import optimizers

    optimizer = getattr(optimizers, name)(**arguments)
    history = _small_model(optimizer).fit(_SCORES, _SCORES, epochs=2, batch_size=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def _network(arguments, name):
    from fastconv import parameters, zoo

    with parameters.undrawn_weights():
        getattr(zoo, name)(**arguments)


def _activation(arguments, name):
    from fastconv import activations

    assert np.isfinite(getattr(activations, name)(X, **arguments)).all()


def _method(arguments, name):
    from fastconv import callbacks

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
    from fastconv import utils

    utils.to_categorical(_LABELS, **arguments)


def _normalize(arguments, name):
    from fastconv import utils

    utils.normalize(X, **arguments)


def _set_random_seed(arguments, name):
    from fastconv import utils

    utils.set_random_seed(**arguments)


def _data_set(arguments, name):
    from fastconv import utils

    class Batches(utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return _SCORES[index : index + 2], _SCORES[index : index + 2]

    _small_model().fit(Batches(**arguments), verbose=0)


def _explained(arguments, name):
    from fastconv import explain

    str(explain(_small_model(), **arguments))


def _images(arguments, name):
    from fastconv import utils

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
    "metrics.Precision": [({"top_k": 2, "class_id": 1}, _metric)],
    "metrics.R2Score": [({"num_regressors": 1}, _metric)],
    "metrics.Recall": [({"top_k": 2, "class_id": 1}, _metric)],
    "metrics.SparseTopKCategoricalAccuracy": [({"k": 2}, partial(_metric, labels=_LABELS))],
    "metrics.TopKCategoricalAccuracy": [({"k": 2}, _metric)],
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
    "utils.PyDataset": [({"workers": 1, "max_queue_size": 2}, _data_set)],
    "utils.image_dataset_from_directory": [
        ({"batch_size": 2, "image_size": (4, 5), "seed": 3}, _images),
    ],
    "utils.load_img": [({"target_size": (3, 4)}, _images)],
    "utils.normalize": [({"axis": -1}, _normalize)],
    "utils.set_random_seed": [({"seed": 3}, _set_random_seed)],
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


# Helpers in these modules, a base class and another name.
NOT_PUBLIC = {
    "compute_fans", "check_labels", "spread_weights", "resolve", "normalize_int", "Optimizer",
    "Sequence",
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
            try:
                parameters = inspect.signature(thing).parameters.values()
            except ValueError:
                continue
            if any("int" in str(p.annotation).replace("Constraint", "") for p in parameters):
                missing.append(f"{module_name}.{name}")
    return missing


# ------------------------------------------------------------------------------------- program


def replacements(value, path: str, extremes=EXTREMES):
    """(path, the same with one integer replaced, that number), for every integer and extreme."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (tuple, list)):
        parts = enumerate(value)
    else:
        if isinstance(value, int) and not isinstance(value, bool):
            yield from ((path, extreme, extreme) for extreme in extremes)
        return
    for key, part in parts:
        for where, replaced, extreme in replacements(part, f"{path}[{key!r}]", extremes):
            if isinstance(value, dict):
                yield where, {**value, key: replaced}, extreme
            else:
                yield where, type(value)((*value[:key], replaced, *value[key + 1 :])), extreme


def judge(what: str, check) -> int:
    """Run `check()`: 0 if it passes or raises a documented error, 1 after a line that says why.

    More than the memory may be asked for, and is refused with its size.
    """
    _watch()
    print(f"trying {what}", file=sys.stderr, flush=True)
    try:
        with redirect_stdout(StringIO()):
            check()
    except DOCUMENTED as error:
        return 0 if str(error) else _complain(what, error)
    except BaseException as error:
        return _complain(what, error)
    return 0


_watched_since = 0.0


def _watch() -> None:
    """End the program `SECONDS` from now, unless called again; begun anew once a second at most,
    because that takes a thread."""
    global _watched_since
    if time.monotonic() - _watched_since > 1:
        faulthandler.dump_traceback_later(SECONDS, exit=True, file=sys.__stderr__)
        _watched_since = time.monotonic()


def _complain(what: str, error: BaseException) -> int:
    print(f"{what}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    return 1


def operations() -> None:
    from fastconv import ops

    for name in ops.__all__:
        arguments = operation_arguments(name)
        check_operation(name, arguments)
        for path, spoiled, extreme in replacements(arguments, name):
            judge(f"ops.{path} = {extreme!r}", partial(check_operation, name, spoiled))


def pairs() -> None:
    """Two integers of an operation at once: a large stride needs a large padding to matter."""
    for name in OPERATIONS:
        arguments = operation_arguments(name)
        for path, spoiled, extreme in replacements(arguments, name, LARGE):
            for other, both, second in replacements(spoiled, name, LARGE):
                if other > path:
                    what = f"ops.{path} = {extreme!r}, {other} = {second!r}"
                    judge(what, partial(check_operation, name, both))


def layers() -> None:
    from fastconv import layers

    for name in layers.CLASSES:
        for case in layer_cases(name):
            check_layer(name, case)
            arguments, sample = case
            for path, spoiled, extreme in replacements(arguments, name):
                judge(f"layers.{path} = {extreme!r}", partial(check_layer, name, (spoiled, sample)))


def others() -> None:
    for name, cases in OTHERS.items():
        last = name.rpartition(".")[2]
        for arguments, use in cases:
            with redirect_stdout(StringIO()):
                use(arguments, last)
            for path, spoiled, extreme in replacements(arguments, name):
                judge(f"{path} = {extreme!r}", partial(use, spoiled, last))


TABLES = {"operations": operations, "pairs": pairs, "layers": layers, "others": others}

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    TABLES[sys.argv[1]]()
    faulthandler.cancel_dump_traceback_later()

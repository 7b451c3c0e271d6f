"""Unknown words as values of arguments get the nearest known one."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import (
    activations,
    callbacks,
    constraints,
    filters,
    initializers,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    regularizers,
    utils,
)
from fastconv.common.suggestions import nearest


def model():
    made = models.Sequential([layers.Input((3,)), layers.Dense(2, name="logits")])
    made.compile("sgd", "mse")
    return made


IMAGE, KERNEL = np.zeros((1, 4, 4, 1), np.float32), np.zeros((3, 3, 1, 1), np.float32)

CALLS = {
    "relu": [lambda: layers.Dense(3, "rellu"), lambda: layers.Activation("ReLU")],
    "hard_sigmoid": [lambda: activations.get("hard-sigmoid")],
    "he_normal": [
        lambda: layers.Dense(3, kernel_initializer="he_norml"),
        lambda: initializers.get("HeNormall"),
    ],
    "l2": [lambda: layers.Dense(3, kernel_regularizer="L_2"), lambda: regularizers.get("l22")],
    "max_norm": [lambda: layers.Dense(3, kernel_constraint="maxnorm")],
    "non_neg": [lambda: constraints.get("nonneg")],
    "adam": [lambda: optimizers.get("addam"), lambda: model().compile("Adamm")],
    "categorical_crossentropy": [lambda: model().compile("sgd", "categorical_crossentropi")],
    "sparse_categorical_crossentropy": [lambda: losses.get("sparse_crossentropy")],
    "accuracy": [lambda: model().compile("sgd", "mse", metrics=["acuracy"])],
    "top_k_categorical_accuracy": [lambda: metrics.get("top_k")],
    "micro": [lambda: metrics.F1Score(average="mikro")],
    "interpolation": [lambda: metrics.AUC(summation_method="interpolate")],
    "same": [
        lambda: layers.Conv2D(3, 3, padding="smae"),
        lambda: layers.MaxPooling2D(padding="sam"),
        lambda: ops.conv2d(IMAGE, KERNEL, padding="saem"),
    ],
    "channels_last": [
        lambda: layers.Conv2D(3, 3, data_format="channel_last"),
        lambda: utils.img_to_array(np.zeros((2, 2)), "chanels_last"),
    ],
    "channels_first": [lambda: layers.Flatten(data_format="channel_first")],
    "bilinear": [
        lambda: layers.UpSampling2D(2, interpolation="bilinar"),
        lambda: layers.RandomZoom(0.1, interpolation="billinear"),
    ],
    "constant": [lambda: layers.RandomRotation(0.1, fill_mode="const")],
    "horizontal": [lambda: layers.RandomFlip("horizontl")],
    "fan_avg": [lambda: initializers.VarianceScaling(mode="fan_average")],
    "sum_over_batch_size": [lambda: losses.Huber(reduction="sum_over_batch")],
    "min": [lambda: callbacks.EarlyStopping(mode="mn")],
    "grayscale": [lambda: utils.load_img("a.png", color_mode="greyscale")],
    "convolution": [lambda: filters.apply(IMAGE[0], KERNEL[..., 0, 0], operation="convolve")],
    "logits": [lambda: model().get_layer("logit")],
}


@pytest.mark.parametrize(
    ("word", "call"), [(word, call) for word, calls in CALLS.items() for call in calls]
)
def test_the_nearest_word_is_suggested(word, call):
    with pytest.raises(ValueError, match=f"; did you mean '{word}'\\?(;|$)"):
        call()


def test_the_nearest_number_to_watch_is_suggested():
    stop = callbacks.EarlyStopping("val_acc")
    stop.set_model(model())
    with pytest.warns(UserWarning, match="there are loss, val_accuracy; did you mean 'val_acc"):
        stop.on_epoch_end(0, {"loss": 1.0, "val_accuracy": 0.5})


def test_nothing_is_suggested_for_what_is_like_nothing():
    for call in (lambda: layers.Dense(3, "zzz"), lambda: optimizers.get("a" * 10**6)):
        with pytest.raises(ValueError, match="must be one of") as raised:
            call()
        assert "did you mean" not in str(raised.value)
    assert nearest("x", [None, "abc"]) is None

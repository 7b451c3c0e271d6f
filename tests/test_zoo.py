"""The networks of the zoo: layer by layer against the published tables, and that they learn."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from fastconv import layers, models, zoo
from fastconv.parameters import undrawn_weights
from fastconv.utils import set_random_seed


@pytest.fixture(autouse=True)
def fresh():
    set_random_seed(1)


def undrawn(network: str, **options):
    with undrawn_weights():
        return getattr(zoo, network)(**options)


def table(model, *, without: tuple[type, ...] = ()) -> list[tuple]:
    """(name, output shape, parameters) of every layer that is no instance of `without`."""
    return [
        (layer.name, layer.output_shape[1:], layer.count_params())
        for layer in model.layers
        if not isinstance(layer, without)
    ]


# Tables as published ------------------------------------------------------------------------------

MNIST_CNN = [  # the lecture's summary
    ("conv2d_1", (26, 26, 32), 320),
    ("max_pooling2d_1", (13, 13, 32), 0),
    ("conv2d_2", (11, 11, 64), 18496),
    ("max_pooling2d_2", (5, 5, 64), 0),
    ("conv2d_3", (3, 3, 64), 36928),
    ("flatten", (576,), 0),
    ("dense_1", (64,), 36928),
    ("dense_2", (10,), 650),
]

LENET5 = [  # LeCun et al. 1998, figure 2; parameters with all connections in C3
    ("c1", (28, 28, 6), 156),
    ("s2", (14, 14, 6), 0),
    ("c3", (10, 10, 16), 2416),
    ("s4", (5, 5, 16), 0),
    ("c5", (1, 1, 120), 48120),
    ("flatten", (120,), 0),
    ("f6", (84,), 10164),
    ("predictions", (10,), 850),
]

ALEXNET = [  # Krizhevsky et al. 2012, as the lecture tabulates it
    ("conv1", (55, 55, 96), 34944),
    ("pool1", (27, 27, 96), 0),
    ("conv2", (27, 27, 256), 614656),
    ("pool2", (13, 13, 256), 0),
    ("conv3", (13, 13, 384), 885120),
    ("conv4", (13, 13, 384), 1327488),
    ("conv5", (13, 13, 256), 884992),
    ("pool3", (6, 6, 256), 0),
    ("flatten", (9216,), 0),
    ("fc1", (4096,), 37752832),
    ("fc2", (4096,), 16781312),
    ("predictions", (1000,), 4097000),
]

ZFNET = [  # Zeiler and Fergus 2013, figure 3
    ("conv1", (110, 110, 96), 14208),
    ("pool1", (55, 55, 96), 0),
    ("conv2", (26, 26, 256), 614656),
    ("pool2", (13, 13, 256), 0),
    ("conv3", (13, 13, 384), 885120),
    ("conv4", (13, 13, 384), 1327488),
    ("conv5", (13, 13, 256), 884992),
    ("pool5", (6, 6, 256), 0),
    ("flatten", (9216,), 0),
    ("fc6", (4096,), 37752832),
    ("fc7", (4096,), 16781312),
    ("predictions", (1000,), 4097000),
]

CIFAR_CNN = [
    ("block1_conv1", (32, 32, 32), 896),
    ("block1_conv2", (32, 32, 32), 9248),
    ("block1_pool", (16, 16, 32), 0),
    ("block2_conv1", (16, 16, 64), 18496),
    ("block2_conv2", (16, 16, 64), 36928),
    ("block2_pool", (8, 8, 64), 0),
    ("block3_conv1", (8, 8, 128), 73856),
    ("block3_conv2", (8, 8, 128), 147584),
    ("block3_pool", (4, 4, 128), 0),
    ("flatten", (2048,), 0),
    ("dense", (128,), 262272),
    ("predictions", (10,), 1290),
]


def vgg_table(convolutions: tuple[int, ...]) -> list[tuple]:
    """Table 1 of arXiv 1409.1556: the convolutions of every block, and what follows."""
    rows, size, channels = [], 224, 3
    for block, (count, filters) in enumerate(
        zip(convolutions, (64, 128, 256, 512, 512), strict=True), 1
    ):
        for index in range(1, count + 1):
            shape = (size, size, filters)
            rows.append((f"block{block}_conv{index}", shape, 9 * channels * filters + filters))
            channels = filters
        size //= 2
        rows.append((f"block{block}_pool", (size, size, filters), 0))
    return [
        *rows,
        ("flatten", (25088,), 0),
        ("fc1", (4096,), 102764544),
        ("fc2", (4096,), 16781312),
        ("predictions", (1000,), 4097000),
    ]


TABLES = {
    "mnist_cnn": (MNIST_CNN, 93322),
    "lenet5": (LENET5, 61706),
    "alexnet": (ALEXNET, 62378344),
    "zfnet": (ZFNET, 62357608),
    "cifar_cnn": (CIFAR_CNN, 550570),
    "vgg16": (vgg_table((2, 2, 3, 3, 3)), 138357544),
    "vgg19": (vgg_table((2, 2, 4, 4, 4)), 143667240),
}


@pytest.mark.parametrize("name", TABLES)
def test_layers_are_those_of_the_published_table(name):
    rows, total = TABLES[name]
    model = undrawn(name)
    assert table(model, without=(layers.Activation, layers.ZeroPadding2D)) == rows
    assert model.count_params() == total
    assert model.name == name


WITHOUT_TOP = {
    "mnist_cnn": ((3, 3, 64), 55744),
    "lenet5": ((1, 1, 120), 50692),
    "alexnet": ((6, 6, 256), 3747200),
    "zfnet": ((6, 6, 256), 3726464),
    "cifar_cnn": ((4, 4, 128), 287008),
    "vgg16": ((7, 7, 512), 14714688),
    "vgg19": ((7, 7, 512), 20024384),
}


@pytest.mark.parametrize("name", WITHOUT_TOP)
def test_without_top_the_features_remain(name):
    model = undrawn(name, include_top=False)
    assert (model.output_shape[1:], model.count_params()) == WITHOUT_TOP[name]
    assert not any(isinstance(layer, (layers.Flatten, layers.Dense)) for layer in model.layers)


# What leaves room for a choice --------------------------------------------------------------------


def test_every_network_says_what_it_was_published_with():
    for name in zoo.__all__:
        parameters = inspect.signature(getattr(zoo, name)).parameters
        assert list(parameters)[:3] == ["input_shape", "classes", "include_top"], name
        assert len(parameters["input_shape"].default) == 3


def test_alexnet_of_two_groups_has_the_60_million_parameters_of_the_paper():
    model = undrawn("alexnet", groups=2)
    assert [layer.name for layer in model.layers if getattr(layer, "groups", 1) == 2] == [
        "conv2",
        "conv4",
        "conv5",
    ]
    assert model.count_params() == 60965224
    # Half of the channels: 5*5*48*256 + 256 and so on.
    assert [model.get_layer(f"conv{i}").count_params() for i in (2, 4, 5)] == [
        307456,
        663936,
        442624,
    ]


@pytest.mark.parametrize("name", ["alexnet", "zfnet", "vgg16", "vgg19"])
def test_dropout_comes_before_both_large_dense_layers(name):
    names = [type(layer).__name__ for layer in undrawn(name, dropout=0.5).layers]
    assert names[-6:] == ["Flatten", "Dropout", "Dense", "Dropout", "Dense", "Dense"]
    assert "Dropout" not in [type(layer).__name__ for layer in undrawn(name).layers]


@pytest.mark.parametrize("name", TABLES)
def test_classes_and_name_are_taken(name):
    model = undrawn(name, classes=7, name="mine")
    assert (model.output_shape, model.name) == ((None, 7), "mine")


def test_other_sizes_and_channels_are_taken():
    assert undrawn("vgg16", input_shape=(64, 48, 1), include_top=False).output_shape == (
        None,
        2,
        1,
        512,
    )


@pytest.mark.parametrize("name", TABLES)
def test_bad_arguments_are_named(name):
    make = getattr(zoo, name)
    with pytest.raises(ValueError, match=r"`input_shape` must be \(height, width, channels\)"):
        make(input_shape=(28, 28))
    with pytest.raises(ValueError, match="`classes` must be"):
        make(classes=0)
    with pytest.raises(ValueError, match="layer '.*' on input .*(window|kernel)"):
        make(input_shape=(2, 2, 3))


def test_undrawn_weights_are_zero_and_others_are_not():
    with undrawn_weights():
        assert not zoo.lenet5().parameters.values.any()
    assert zoo.lenet5().parameters.values.any()


def test_saved_networks_are_equal_when_loaded(tmp_path):
    model = zoo.lenet5()
    model.save(tmp_path / "lenet5.keras")
    loaded = models.load_model(tmp_path / "lenet5.keras")
    x = np.random.default_rng(1).random((2, 32, 32, 1), np.float32)
    assert np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


# Learning -----------------------------------------------------------------------------------------

PICTURES = {
    "mnist_cnn": (28, 28, 1),
    "lenet5": (32, 32, 1),
    "cifar_cnn": (32, 32, 3),
}


def digits(shape: tuple[int, int, int], count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` of the embedded digits, enlarged and repeated over the channels."""
    from fastconv.datasets import digits as data

    (x, y), _ = data.load_data()
    x = np.asarray(x[:count], np.float32).reshape(count, 8, 8) / 16
    rows = np.arange(shape[0]) * 8 // shape[0]
    columns = np.arange(shape[1]) * 8 // shape[1]
    x = x[:, rows][:, :, columns, None]
    return np.repeat(x, shape[2], axis=3), np.asarray(y[:count])


@pytest.mark.parametrize("name", PICTURES)
def test_loss_falls_on_a_real_batch(name):
    x, y = digits(PICTURES[name], 32)
    model = getattr(zoo, name)()
    model.compile("adam", "sparse_categorical_crossentropy")
    losses = [model.train_on_batch(x, y) for _ in range(25)]
    assert losses[-1] < 0.7 * losses[0]

"""The networks of the zoo: layer by layer against the published tables, and that they learn."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import fastconv
from fastconv import layers, models, zoo
from fastconv.parameters import undrawn_weights
from fastconv.utils import set_random_seed
from tests.golden.golden_file import load
from tests.golden.zoo_weights import pictures, weights


@pytest.fixture(autouse=True)
def fresh():
    set_random_seed(1)


def undrawn(network: str, **options):
    with undrawn_weights():
        return getattr(zoo, network)(**options)


def table(model, *, without: tuple[type, ...] = ()) -> list[tuple]:
    """(name, output shape, parameters) of every layer that is not an instance of `without`."""
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
    """Table 1 of arXiv 1409.1556: the convolutions of every block and the dense layers."""
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


KERAS, KERAS_ARRAYS = load("zoo.npz")


def of_keras(what: str) -> list:
    return [pytest.param(case, id=case["name"]) for case in KERAS if case["what"] == what]


@pytest.mark.parametrize("case", of_keras("table"))
def test_layers_are_those_of_keras(case):
    model = undrawn(case["name"])
    found = [list(row) for row in table(model, without=(layers.InputLayer,))]
    wanted = [[name, tuple(shape), parameters] for name, shape, parameters in case["layers"]]
    if case["name"] == "mobilenet":  # Keras numbers layers without a name
        wanted[-5][0] = "global_average_pooling2d"
    assert found == wanted


@pytest.mark.parametrize("case", of_keras("output"))
def test_equal_weights_give_keras_outputs(case):
    model = undrawn(case["name"], **case["options"])
    shapes = [(weight.name, weight.shape) for weight in model.weights]
    model.set_weights(weights(shapes, case["gamma"]))
    y = model.predict(pictures(case["options"]["input_shape"]), verbose=0)
    # Fifty layers deep: a thousand times the rounding of one number.
    np.testing.assert_allclose(y, KERAS_ARRAYS[case["array"]], rtol=2e-4)


def resnet18_stage(filters: int) -> int:
    """Parameters of a stage: four 3x3 convolutions, a projection, and their normalizations."""
    if filters == 64:
        return 4 * (9 * 64 * 64 + 4 * 64)
    before = filters // 2
    first = 9 * before * filters + 3 * 9 * filters * filters + 4 * 4 * filters
    return first + before * filters + 4 * filters


@pytest.mark.parametrize(
    "shape, stem, sizes",
    [
        ((224, 224, 3), 9408 + 256, (56, 28, 14, 7)),
        ((32, 32, 3), 1728 + 256, (32, 16, 8, 4)),
    ],
)
def test_resnet18_is_table_1_of_the_paper(shape, stem, sizes):
    model = undrawn("resnet18", input_shape=shape)
    for stage, (size, filters) in enumerate(zip(sizes, (64, 128, 256, 512), strict=True), 2):
        rows = [row for row in table(model) if row[0].startswith(f"conv{stage}_")]
        assert rows[-1][:2] == (f"conv{stage}_block2_out", (size, size, filters))
        assert sum(row[2] for row in rows) == resnet18_stage(filters), stage
        convolutions = [row[0][-6:] for row in rows if row[0].endswith("_conv")]
        assert sorted(convolutions) == sorted(["1_conv", "2_conv"] * 2 + ["0_conv"] * (stage > 2))
    begin = [row for row in table(model) if row[0].startswith("conv1_")]
    assert sum(row[2] for row in begin) == stem
    assert table(model)[-2:] == [("avg_pool", (512,), 0), ("predictions", (1000,), 513000)]


def test_published_parameters_of_residual_networks():
    def trained(*arguments, **options):
        return sum(weight.size for weight in undrawn(*arguments, **options).trainable_weights)

    assert trained("resnet18") == 11689512
    assert trained("resnet18", input_shape=(32, 32, 3), classes=10) == 11173962
    assert trained("resnet50") == 25583592
    assert trained("resnet50", use_bias=False) == 25557032


def test_stem_follows_the_size_unless_it_is_given():
    def first(**options):
        return undrawn("resnet18", **options).get_layer("conv1_conv").kernel_size

    assert first(input_shape=(64, 64, 3)) == (7, 7)
    assert first(input_shape=(64, 63, 3)) == (3, 3)
    assert first(input_shape=(224, 224, 3), stem="3x3") == (3, 3)
    assert first(input_shape=(32, 32, 3), stem="7x7") == (7, 7)
    with pytest.raises(ValueError, match="`stem` must be None or one of .* received '5x5'"):
        zoo.resnet18(stem="5x5")


# Table 4 and the text of arXiv 1704.04861: millions of parameters and of multiply-adds by width.
@pytest.mark.parametrize(
    "alpha, parameters, multiply_adds",
    [
        (1.0, 4.2, 569),
        (0.75, 2.6, 325),
        (0.5, 1.3, 149),
        (0.25, 0.5, 41),
    ],
)
def test_mobilenet_of_a_width_costs_what_the_paper_says(alpha, parameters, multiply_adds):
    with undrawn_weights():
        explanation = fastconv.explain(zoo.mobilenet(alpha=alpha))
    trained = undrawn("mobilenet", alpha=alpha).trainable_weights
    assert sum(weight.size for weight in trained) / 1e6 == pytest.approx(parameters, abs=0.06)
    assert explanation.multiply_adds / 1e6 == pytest.approx(multiply_adds, abs=0.6)


def test_mobilenet_refuses_widths_that_are_none():
    for alpha in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="`alpha` must be finite and above 0"):
            zoo.mobilenet(alpha=alpha)
    for alpha in ("1", None):
        with pytest.raises(TypeError, match="`alpha` must be a number"):
            zoo.mobilenet(alpha=alpha)
    with pytest.raises(ValueError, match="`filters of a layer with `alpha` 0.01`"):
        zoo.mobilenet(alpha=0.01)


def test_alexnet_of_the_paper_normalizes_behind_the_first_two_convolutions():
    model = undrawn("alexnet", normalization=True)
    names = [layer.name for layer in model.layers]
    assert names[:6] == ["conv1", "norm1", "pool1", "conv2", "norm2", "pool2"]
    norm = model.get_layer("norm1")
    assert (norm.depth_radius, norm.bias, norm.alpha, norm.beta) == (2, 2.0, 1e-4, 0.75)
    assert model.count_params() == 62378344


WITHOUT_TOP = {
    "mnist_cnn": ((3, 3, 64), 55744),
    "lenet5": ((1, 1, 120), 50692),
    "alexnet": ((6, 6, 256), 3747200),
    "zfnet": ((6, 6, 256), 3726464),
    "cifar_cnn": ((4, 4, 128), 287008),
    "vgg16": ((7, 7, 512), 14714688),
    "vgg19": ((7, 7, 512), 20024384),
    "resnet18": ((7, 7, 512), 11186112),
    "resnet50": ((7, 7, 2048), 23587712),
    "mobilenet": ((7, 7, 1024), 3228864),
}


@pytest.mark.parametrize("name", WITHOUT_TOP)
def test_without_top_the_features_remain(name):
    model = undrawn(name, include_top=False)
    assert (model.output_shape[1:], model.count_params()) == WITHOUT_TOP[name]
    assert not any(
        isinstance(layer, (layers.Flatten, layers.Dense, layers.Reshape)) for layer in model.layers
    )


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


@pytest.mark.parametrize("name", zoo.__all__)
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


@pytest.mark.parametrize("name", zoo.__all__)
def test_bad_arguments_are_named(name):
    make = getattr(zoo, name)
    with pytest.raises(ValueError, match=r"`input_shape` must be \(height, width, channels\)"):
        make(input_shape=(28, 28))
    with pytest.raises(ValueError, match="`classes` must be"):
        make(classes=0)


@pytest.mark.parametrize("name", TABLES)
def test_pictures_that_are_too_small_are_refused(name):
    make = getattr(zoo, name)
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
    "mobilenet": (32, 32, 3),
    "resnet18": (16, 16, 3),
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
    model = getattr(zoo, name)(input_shape=PICTURES[name], classes=10)
    model.compile("adam", "sparse_categorical_crossentropy")
    losses = [model.train_on_batch(x, y) for _ in range(10 if name == "resnet18" else 25)]
    assert losses[-1] < 0.7 * losses[0]

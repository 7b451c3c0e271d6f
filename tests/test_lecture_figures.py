"""Every figure that the lecture notes give, computed by the library.

test_dense_*        what fully connected layers cost
test_window_*       how often a window fits, with stride and padding
test_pooling_*      the examples in numbers
test_alexnet_*, test_lenet5_*, test_vgg16_*, test_mnist_*     the networks
test_im2col_*       the convolution as one matrix product
test_receptive_*    what the last neurons see of the input
test_memory_*       the recipe for memory
"""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

import fastconv
from fastconv import filters, layers, models, ops, zoo
from fastconv.inspect import Window, compare_with_dense
from fastconv.parameters import undrawn_weights


def one_layer(input_shape, layer) -> fastconv.inspect.LayerReport:
    with undrawn_weights():
        model = models.Sequential([layers.Input(input_shape), layer])
        return fastconv.explain(model).layers[-1]


def explained(name: str, batch_size: int = 1, **options) -> fastconv.inspect.Explanation:
    with undrawn_weights():
        return fastconv.explain(getattr(zoo, name)(**options), batch_size)


# Dense layers -------------------------------------------------------------------------------------


def test_dense_layer_of_256_on_128x128x3_has_12_5_million_parameters_and_the_convolution_7168():
    both = compare_with_dense((128, 128, 3), 256)
    assert (both.dense, both.convolution) == (12583168, 7168)
    assert one_layer((128 * 128 * 3,), layers.Dense(256)).parameters == both.dense
    convolution = one_layer((128, 128, 3), layers.Conv2D(256, 3))
    assert convolution.parameters == both.convolution
    assert convolution.output_shape == (126, 126, 256)


@pytest.mark.parametrize(
    "shape, weights", [((32, 32, 3), 3072), ((200, 200, 3), 120000), ((224, 224, 3), 150528)]
)
def test_dense_neuron_has_a_weight_per_number_of_the_image(shape, weights):
    dense = layers.Dense(1, use_bias=False)
    assert one_layer((prod(shape),), dense).parameters == weights


def test_dense_layer_in_place_of_six_5x5_filters_has_14_million_parameters_against_456():
    filters_of_five = one_layer((32, 32, 3), layers.Conv2D(6, 5))
    assert filters_of_five.output_shape == (28, 28, 6)
    assert filters_of_five.parameters == 456
    dense = one_layer((32 * 32 * 3,), layers.Dense(28 * 28 * 6, use_bias=False))
    assert dense.parameters == 14450688


@pytest.mark.parametrize("channels, window, weights", [(3, 3, 27), (3, 5, 75), (20, 3, 180)])
def test_dense_along_the_depth_a_neuron_has_so_many_weights(channels, window, weights):
    one = layers.Conv2D(1, window, use_bias=False)
    assert one_layer((24, 24, channels), one).parameters == weights
    with_bias = one_layer((24, 24, channels), layers.Conv2D(1, window))
    assert with_bias.parameters == weights + 1


# Windows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "length, kernel, outputs",
    [(28, 3, 26), (13, 3, 11), (5, 3, 3), (28, 5, 24), (32, 5, 28), (128, 3, 126)],
)
def test_window_without_padding_fits_so_often(length, kernel, outputs):
    report = one_layer((length, length, 1), layers.Conv2D(1, kernel))
    assert report.output_shape == (outputs, outputs, 1)
    assert report.output_formulas == (f"floor(({length} + 2*0 - {kernel})/1) + 1 = {outputs}",)


def test_window_5x5_has_576_places_on_28x28():
    assert prod(one_layer((28, 28, 1), layers.Conv2D(1, 5)).output_shape) == 24 * 24 == 576


@pytest.mark.parametrize("stride, places, outputs", [(1, 5, 5), (2, 3, 3), (3, 7 / 3, 2)])
def test_window_of_3_on_7_pixels_at_strides_1_2_and_3(stride, places, outputs):
    window = Window(7, 3, stride)
    assert window.places == pytest.approx(places)
    assert window.outputs == outputs
    x = np.zeros((1, 7, 7, 1), np.float32)
    w = np.zeros((3, 3, 1, 1), np.float32)
    assert ops.conv2d(x, w, strides=stride).shape == (1, outputs, outputs, 1)


def test_window_at_stride_3_leaves_the_last_column_over():
    report = one_layer((7, 7, 1), layers.Conv2D(1, 3, strides=3))
    assert report.unseen == [("rows", [6]), ("columns", [6])]
    assert report.notes == [
        "(7 - 3)/3 + 1 = 2.33: no window covers row and column 6 (counted from 0)"
    ]
    # And indeed nothing depends on it.
    x = np.random.default_rng(1).random((1, 7, 7, 1), np.float32)
    w = np.ones((3, 3, 1, 1), np.float32)
    y = ops.conv2d(x, w, strides=3)
    x[:, 6], x[:, :, 6] = 99, 99
    assert np.array_equal(ops.conv2d(x, w, strides=3), y)


def test_window_3x3_with_a_border_of_1_keeps_7x7():
    assert Window(7, 3, before=1, after=1).formula == "floor((7 + 2*1 - 3)/1) + 1 = 7"
    assert one_layer((7, 7, 1), layers.Conv2D(1, 3, padding="same")).output_shape == (7, 7, 1)


def test_window_5x5_again_and_again_shrinks_32_to_28_to_24():
    model = models.Sequential(
        [layers.Input((32, 32, 3)), layers.Conv2D(6, 5), layers.Conv2D(10, 5)]
    )
    assert [layer.output_shape[1] for layer in model.layers] == [28, 24]


def test_window_5x5_on_a_border_of_2_keeps_32x32():
    padded = layers.ZeroPadding2D(2)
    assert padded.compute_output_shape((None, 32, 32, 3)) == (None, 36, 36, 3)
    model = models.Sequential([layers.Input((32, 32, 3)), padded, layers.Conv2D(3, 5)])
    assert model.output_shape == (None, 32, 32, 3)


def test_window_at_stride_2_halves_width_and_height():
    assert one_layer((28, 28, 1), layers.Conv2D(1, 2, strides=2)).output_shape == (14, 14, 1)


ZERO_PADDING = np.array(  # the notes' picture of 4x4 pixels
    [[35, 19, 25, 6], [13, 22, 16, 53], [4, 3, 7, 10], [9, 8, 1, 3]], np.float32
)


def test_window_3x3_on_4x4_gives_2x2_or_with_padding_4x4():
    x = ZERO_PADDING[None, :, :, None]
    assert layers.ZeroPadding2D(1).compute_output_shape((None, 4, 4, 1)) == (None, 6, 6, 1)
    w = np.ones((3, 3, 1, 1), np.float32)
    valid, same = ops.conv2d(x, w), ops.conv2d(x, w, padding="same")
    assert (valid.shape, same.shape) == ((1, 2, 2, 1), (1, 4, 4, 1))
    assert np.array_equal(same[:, 1:3, 1:3], valid)
    assert valid[0, 0, 0, 0] == 35 + 19 + 25 + 13 + 22 + 16 + 4 + 3 + 7
    assert same[0, 0, 0, 0] == 35 + 19 + 13 + 22


def test_window_over_three_channels_sums_them_into_one_map():
    # 5x5x3 under a 3x3x3 filter: one map of 3x3 (one of the notes has 4x4 there).
    report = one_layer((5, 5, 3), layers.Conv2D(1, 3))
    assert (report.output_shape, report.parameters) == ((3, 3, 1), 28)


def test_window_of_the_curve_detector_answers_6600_to_its_curve():
    patch = np.where(filters.curve_detector() > 0, 50, 0)
    patch[0, 5], patch[1, 4] = 0, 20  # a mouse is not all of one grey: 30 * (4 * 50 + 20)
    assert filters.apply(patch, filters.curve_detector(), padding="valid").item() == 6600


# Pooling ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image, pooled",
    [
        (
            [[12, 20, 30, 0], [8, 12, 2, 0], [34, 70, 37, 4], [112, 100, 25, 12]],
            [[20, 30], [112, 37]],
        ),
        ([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]], [[6, 8], [3, 4]]),
    ],
)
def test_pooling_2x2_of_the_two_examples(image, pooled):
    x = np.array(image, np.float32)[None, :, :, None]
    assert ops.max_pool2d(x)[0, :, :, 0].tolist() == pooled


def test_pooling_2x2_discards_75_percent_and_has_no_parameters():
    report = one_layer((28, 28, 12), layers.MaxPooling2D(2))
    assert (report.output_shape, report.parameters) == ((14, 14, 12), 0)
    assert prod(report.output_shape) / (28 * 28 * 12) == 0.25


def test_pooling_in_the_cifar_example_from_input_to_scores():
    model = models.Sequential(
        [
            layers.Input((32, 32, 3)),
            layers.Conv2D(12, 5),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    shapes = [layer.output_shape[1:] for layer in model.layers]
    assert shapes == [(28, 28, 12), (28, 28, 12), (14, 14, 12), (14 * 14 * 12,), (10,)]


# The networks -------------------------------------------------------------------------------------


def test_mnist_every_number_of_the_summary_with_its_formula():
    explanation = explained("mnist_cnn")
    found = [(x.output_shape, x.output_formulas, x.parameter_formula) for x in explanation.layers]
    assert found == [
        ((26, 26, 32), ("floor((28 + 2*0 - 3)/1) + 1 = 26",), "3*3*1*32 + 32 = 320"),
        ((13, 13, 32), ("floor((26 + 2*0 - 2)/2) + 1 = 13",), "0"),
        ((11, 11, 64), ("floor((13 + 2*0 - 3)/1) + 1 = 11",), "3*3*32*64 + 64 = 18,496"),
        ((5, 5, 64), ("floor((11 + 2*0 - 2)/2) + 1 = 5",), "0"),
        ((3, 3, 64), ("floor((5 + 2*0 - 3)/1) + 1 = 3",), "3*3*64*64 + 64 = 36,928"),
        ((576,), ("3*3*64 = 576",), "0"),
        ((64,), (), "576*64 + 64 = 36,928"),
        ((10,), (), "64*10 + 10 = 650"),
    ]
    assert explanation.parameters == 93322
    assert explained("mnist_cnn", include_top=False).parameters == 55744


def test_mnist_weights_are_the_pairs_of_maps_times_the_window():
    model = zoo.mnist_cnn()
    for name, pairs, weights in (("conv2d_2", 2048, 18432), ("conv2d_3", 4096, 36864)):
        kernel = model.get_layer(name).kernel
        assert kernel.shape[2] * kernel.shape[3] == pairs
        assert kernel.size == 9 * pairs == weights


def test_lenet5_windows_and_parameters_that_the_slide_asks_for():
    explanation = explained("lenet5")
    assert [explanation[name].windows[0][0].kernel for name in ("c1", "s2", "c3", "s4", "c5")] == [
        5, 2, 5, 2, 5,
    ]  # fmt: skip
    assert explanation["c1"].parameter_formula == "5*5*1*6 + 6 = 156"
    assert explanation["c5"].parameter_formula == "5*5*16*120 + 120 = 48,120"
    assert explanation["f6"].parameter_formula == "120*84 + 84 = 10,164"
    sizes = [explanation[name].output_shape for name in ("c1", "s2", "c3", "s4", "c5")]
    assert sizes == [(28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (1, 1, 120)]
    assert explanation.parameters == 61706


def test_lenet5_is_tanh_throughout_and_a_softmax_at_the_end():
    model = zoo.lenet5()
    found = [layer.activation.__name__ for layer in model.layers if hasattr(layer, "activation")]
    assert found == ["tanh"] * 6 + ["softmax"]
    assert model.get_layer("s2").strides == (2, 2)


ALEXNET = {
    "conv1": ((55, 55, 96), 34848, 96, 34944),
    "pool1": ((27, 27, 96), 0, 0, 0),
    "conv2": ((27, 27, 256), 614400, 256, 614656),
    "pool2": ((13, 13, 256), 0, 0, 0),
    "conv3": ((13, 13, 384), 884736, 384, 885120),
    "conv4": ((13, 13, 384), 1327104, 384, 1327488),
    "conv5": ((13, 13, 256), 884736, 256, 884992),
    "pool3": ((6, 6, 256), 0, 0, 0),
    "fc1": ((4096,), 37748736, 4096, 37752832),
    "fc2": ((4096,), 16777216, 4096, 16781312),
    "predictions": ((1000,), 4096000, 1000, 4097000),
}


def test_alexnet_tensor_sizes_weights_biases_and_parameters():
    with undrawn_weights():
        model = zoo.alexnet()
    for name, (shape, weights, biases, parameters) in ALEXNET.items():
        layer = model.get_layer(name)
        sizes = [variable.size for variable in layer.weights] or [0, 0]
        assert (layer.output_shape[1:], *sizes) == (shape, weights, biases), name
        assert layer.count_params() == parameters, name
    assert model.count_params() == 62378344
    assert sum(row[3] for name, row in ALEXNET.items() if "conv" in name) == 3747200


def test_alexnet_first_layer_has_96_maps_of_55x55():
    report = explained("alexnet")["conv1"]
    assert report.output_formulas == ("floor((227 + 2*0 - 11)/4) + 1 = 55",)
    assert report.parameter_formula == "11*11*3*96 + 96 = 34,944"


def test_vgg16_filters_of_the_five_blocks():
    explanation = explained("vgg16")
    blocks = {x.name[:6]: x.output_shape[-1] for x in explanation.layers if "block" in x.name}
    assert list(blocks.values()) == [64, 128, 256, 512, 512]
    assert explanation.parameters == 138357544


def test_vgg16_memory_and_work_are_in_the_first_layers_parameters_in_the_dense_ones():
    reports = [x for x in explained("vgg16").layers if "pool" not in x.name]
    first = [x for x in reports if x.name.startswith(("block1", "block2"))]
    dense = [x for x in reports if x.kind == "Dense"]
    activations = sum(x.activation_bytes for x in reports)
    assert sum(x.activation_bytes for x in first) > 0.7 * activations
    work = sum(x.multiply_adds for x in reports)
    assert sum(x.multiply_adds for x in first) > 0.3 * work
    assert sum(x.multiply_adds for x in dense) < 0.01 * work
    assert sum(x.parameters for x in dense) > 0.89 * sum(x.parameters for x in reports)


# im2col -------------------------------------------------------------------------------------------


def test_im2col_of_alexnets_first_layer_is_363_x_3025_and_the_product_96_x_3025():
    rng = np.random.default_rng(1)
    x = rng.random((1, 227, 227, 3), np.float32)
    w = rng.standard_normal((11, 11, 3, 96), np.float32)
    columns = ops.im2col(x, 11, strides=4)
    assert columns.shape == (11 * 11 * 3, 55 * 55) == (363, 3025)
    rows = w.reshape(363, 96).T
    assert rows.shape == (96, 363)
    product = rows @ columns
    assert product.shape == (96, 3025)
    y = product.T.reshape(1, 55, 55, 96)
    direct = ops.conv2d(x, w, strides=4)
    assert np.abs(y - direct).max() <= 1e-5 * np.abs(direct).max()


# Receptive fields ---------------------------------------------------------------------------------


def receptive_sizes(model, start: str | None) -> tuple[int, ...]:
    """What a neuron of the model's last layer sees in the layer `start`, or in the input."""
    first = model.inputs[0] if start is None else model.get_layer(start).output
    part = models.Model(first, model.outputs[0])
    return fastconv.explain(part).layers[-1].receptive.sizes


def test_receptive_fields_with_pooling_from_the_bottom_up():
    model = zoo.mnist_cnn(include_top=False)
    upwards = ["max_pooling2d_2", "conv2d_2", "max_pooling2d_1", "conv2d_1", None]
    sizes = [receptive_sizes(model, name)[0] for name in upwards]
    assert sizes == [3, 6, 8, 16, 18]
    assert fastconv.explain(model)["conv2d_3"].receptive.formula == "18x18 = 324 of 784 = 41.3 %"


def test_receptive_fields_without_pooling():
    model = models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, name="conv2d_1"),
            layers.Conv2D(64, 3, name="conv2d_2"),
            layers.Conv2D(64, 3, name="conv2d_3"),
        ]
    )
    assert [layer.output_shape[1] for layer in model.layers] == [26, 24, 22]
    assert [receptive_sizes(model, name)[0] for name in ("conv2d_2", "conv2d_1", None)] == [3, 5, 7]
    report = fastconv.explain(model)["conv2d_3"].receptive
    assert (report.formula, report.share) == ("7x7 = 49 of 784 = 6.25 %", 0.0625)


# Memory -------------------------------------------------------------------------------------------


def test_memory_recipe_volumes_times_4_twice_and_the_parameters():
    memory = explained("mnist_cnn", batch_size=64).memory
    volumes = 28 * 28 + 26 * 26 * 32 + 13 * 13 * 32 + 11 * 11 * 64 + 5 * 5 * 64 + 3 * 3 * 64 + 74
    assert memory.activations == 64 * 4 * volumes
    assert memory.parameters == 4 * 93322
    assert memory.recipe_training == 2 * memory.activations + memory.parameters


def test_memory_shrinks_with_the_batch_and_with_strides():
    assert explained("mnist_cnn", 32).memory.training < explained("mnist_cnn", 64).memory.training

    def activations(stride):
        model = models.Sequential([layers.Input((64, 64, 3)), layers.Conv2D(32, 3, strides=stride)])
        return fastconv.explain(model).memory.activations - 4 * 64 * 64 * 3

    assert activations(2) * 4 == pytest.approx(activations(1), rel=0.05)

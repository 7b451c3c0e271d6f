"""`fastconv.explain`: receptive fields against what really depends on what, memory against what is
allocated, formulas of layers that the lectures do not have, and the three ways to look at it."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import fastconv
from fastconv import layers, models, ops, zoo
from fastconv.bench.timing import Protocol
from fastconv.inspect import Window, compare_with_dense
from fastconv.inspect.report import Receptive
from fastconv.parameters import undrawn_weights


def chain(input_shape, *parts):
    return models.Sequential([layers.Input(input_shape), *parts])


# Receptive fields ---------------------------------------------------------------------------------


def seen_extent(model, channel_axis: int) -> tuple[int, ...]:
    """The largest stretch, per axis of the input's space, that one output really depends on.

    All weights are 1 and the inputs are the pixels, one by one, so that nothing cancels.
    """
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    shape = model.input_shape[1:]
    pixels = np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape)
    background = model.predict(np.zeros((1, *shape), np.float32), verbose=0)
    changed = model.predict(pixels, verbose=0) != background
    depends = changed.reshape(*shape, -1)  # (input..., outputs)
    depends = depends.any(axis=channel_axis)
    extents = []
    for axis in range(len(shape) - 1):
        along = np.moveaxis(depends, axis, 0).reshape(depends.shape[axis], -1, depends.shape[-1])
        along = along.any(axis=1)  # (size, outputs)
        first, last = along.argmax(axis=0), len(along) - 1 - along[::-1].argmax(axis=0)
        extents.append(int(np.where(along.any(axis=0), last - first + 1, 0).max()))
    return tuple(extents)


def residual():
    x = layers.Input((15, 15, 1))
    y = layers.Conv2D(2, 3, padding="same")(x)
    z = layers.Conv2D(2, 3, padding="same")(y)
    z = layers.Conv2D(2, 3, padding="same")(z)
    return models.Model(x, layers.add([y, z]))


def branches():
    x = layers.Input((14, 14, 1))
    a = layers.Conv2D(2, 1, strides=2)(x)
    b = layers.Conv2D(2, 5, strides=2, padding="same")(x)
    y = layers.Concatenate()([a, b])
    return models.Model(x, layers.Conv2D(1, 2)(y))


def nested():
    inner = chain((11, 11, 2), layers.Conv2D(2, 3), layers.MaxPooling2D(2))
    return chain((13, 13, 1), layers.Conv2D(2, 3), inner, layers.Conv2D(1, 2))


NETWORKS = {
    "windows": lambda: chain((13, 13, 1), layers.Conv2D(2, 3), layers.Conv2D(2, (2, 4))),
    "strides": lambda: chain(
        (21, 19, 1), layers.Conv2D(2, 3, strides=2), layers.Conv2D(2, 3, strides=(2, 1))
    ),
    "dilation": lambda: chain(
        (15, 15, 1), layers.Conv2D(1, 3, dilation_rate=2), layers.Conv2D(1, 3, dilation_rate=3)
    ),
    "padding": lambda: chain(
        (15, 15, 1), layers.Conv2D(1, 3, padding="same"), layers.Conv2D(1, 5, padding="same")
    ),
    "pooling": lambda: chain(
        (22, 22, 1), layers.Conv2D(2, 3), layers.MaxPooling2D(2), layers.Conv2D(2, 3),
        layers.AveragePooling2D(3, strides=2),
    ),
    "zero padding and cropping": lambda: chain(
        (12, 12, 1), layers.ZeroPadding2D(((1, 2), (0, 3))), layers.Conv2D(1, 4),
        layers.Cropping2D(1), layers.Conv2D(1, 2),
    ),
    "up-sampling": lambda: chain(
        (8, 8, 1), layers.UpSampling2D(2), layers.Conv2D(1, 3), layers.Conv2D(1, 3)
    ),
    "transposed": lambda: chain(
        (9, 9, 1), layers.Conv2DTranspose(1, 4, strides=2, padding="same"), layers.Conv2D(1, 3)
    ),
    "depthwise and separable": lambda: chain(
        (13, 13, 2), layers.DepthwiseConv2D(3), layers.SeparableConv2D(2, 5)
    ),
    "channels first": lambda: chain(
        (1, 12, 14),
        layers.Conv2D(2, 3, strides=2, data_format="channels_first"),
        layers.MaxPooling2D(2, data_format="channels_first"),
    ),
    "sequence": lambda: chain(
        (30, 2), layers.Conv1D(2, 3, dilation_rate=2), layers.MaxPooling1D(2), layers.Conv1D(1, 3)
    ),
    "causal": lambda: chain((30, 1), layers.Conv1D(2, 3, dilation_rate=2, padding="causal")),
    "dense behind pooling that leaves a row over": lambda: chain(
        (11, 9, 1), layers.Conv2D(1, 2), layers.MaxPooling2D(3), layers.Flatten(), layers.Dense(2)
    ),
    "dense on every pixel": lambda: chain((6, 6, 2), layers.Conv2D(2, 3), layers.Dense(3)),
    "global pooling": lambda: chain(
        (9, 9, 1), layers.Conv2D(2, 3, strides=2), layers.GlobalAveragePooling2D()
    ),
    "residual": residual,
    "branches": branches,
    "nested": nested,
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_receptive_field_is_what_outputs_really_depend_on(name):
    model = NETWORKS[name]()
    receptive = fastconv.explain(model).layers[-1].receptive
    seen = zip(receptive.sizes, receptive.input_sizes, strict=True)
    channel_axis = 0 if name == "channels first" else len(model.input_shape) - 2
    assert tuple(map(min, seen)) == seen_extent(model, channel_axis)


def test_largest_field_over_the_paths_counts():
    explanation = fastconv.explain(residual())
    sizes = [layer.receptive.sizes for layer in explanation.layers]
    assert sizes == [(3, 3), (5, 5), (7, 7), (7, 7)]


def test_several_inputs_each_have_a_field():
    a, b = layers.Input((8, 8, 1), name="a"), layers.Input((32, 32, 1), name="b")
    x = layers.Conv2D(1, 3)(a)
    y = layers.Conv2D(1, 3)(layers.Conv2D(1, 3)(b))
    both = layers.Concatenate()([layers.Flatten()(x), layers.Flatten()(y)])
    explanation = fastconv.explain(models.Model([a, b], both))
    assert {layer.receptive.input_name for layer in explanation.layers} == {"a", "b"}
    # Of `a` 9 pixels of 64 are more than 25 of 1024 of `b`.
    last = explanation.layers[-1].receptive
    assert (last.input_name, last.formula) == ("a", "3x3 = 9 of 64 = 14.1 %")


def test_field_beyond_the_border_says_how_much_of_it_is_image():
    assert Receptive((9, 3), (5, 5), "x").formula == "9x3, 15 of 25 = 60 %"
    with undrawn_weights():
        explanation = fastconv.explain(zoo.vgg16(include_top=False))
    # Araujo, Norris and Sim 2019: 212 pixels.
    assert explanation["block5_pool"].receptive.sizes == (212, 212)


def test_a_layer_of_ones_own_may_look_at_everything():
    class Mine(layers.CustomLayer):
        def forward(self, x, training):
            return x[:, ::2], None

        def backward(self, dy, saved):
            raise NotImplementedError

        def compute_output_shape(self, input_shape):
            return (None, (input_shape[1] + 1) // 2, *input_shape[2:])

    report = fastconv.explain(chain((9, 9, 1), layers.Conv2D(1, 2), Mine())).layers[-1]
    assert report.output_shape == (4, 8, 1)
    assert report.receptive.formula == "9x9 = 81 of 81 = 100 %"


# Windows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "window, outputs, unseen",
    [
        (Window(7, 3), 5, []),
        (Window(7, 2, stride=3), 2, [2, 5, 6]),  # a stride beyond the window leaves gaps
        (Window(7, 3, stride=3, before=1, after=1), 3, []),
        (Window(9, 2, dilation=4, stride=5), 1, [1, 2, 3, 5, 6, 7, 8]),
        (Window(11, 2, stride=2), 5, [10]),
    ],
)
def test_window_outputs_and_what_it_leaves_over(window, outputs, unseen):
    assert (window.outputs, window.unseen) == (outputs, unseen)


def test_formulas_of_other_windows():
    model = chain(
        (20, 16, 3),
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.Conv2D(4, 3, dilation_rate=2),
        layers.Conv2DTranspose(2, 3, strides=2),
        layers.Conv2DTranspose(2, 3, strides=2, padding="same"),
    )
    formulas = [layer.output_formulas for layer in fastconv.explain(model).layers]
    assert formulas == [
        ("rows: floor((20 + 0+1 - 3)/2) + 1 = 10", "columns: floor((16 + 0+1 - 3)/2) + 1 = 8"),
        (
            "rows: floor((10 + 2*0 - ((3-1)*2+1))/1) + 1 = 6",
            "columns: floor((8 + 2*0 - ((3-1)*2+1))/1) + 1 = 4",
        ),
        ("(6 - 1)*2 + 3 - 0 = 13", "(4 - 1)*2 + 3 - 0 = 9"),
        ("(13 - 1)*2 + 3 - 1 = 26", "(9 - 1)*2 + 3 - 1 = 18"),
    ]
    for formulas_of, shape in zip(formulas, (x.output_shape for x in model.layers), strict=True):
        assert [int(text.split("=")[-1]) for text in formulas_of] == list(shape[1:3])


# Parameters and work ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape, layer, parameters, multiply_adds",
    [
        ((8, 8, 4), layers.Conv2D(6, 3, groups=2), "3*3*2*6 + 6 = 114", "6*6 * 3*3*2 * 6 = 3,888"),
        ((8, 8, 4), layers.Conv2D(6, 1, use_bias=False), "1*1*4*6 = 24", "8*8 * 1*1*4 * 6 = 1,536"),
        ((8, 8, 4), layers.DepthwiseConv2D(3), "3*3*4*1 + 4 = 40", "6*6 * 3*3*1 * 4 = 1,296"),
        ((9, 4), layers.Conv1D(5, 3), "3*4*5 + 5 = 65", "7 * 3*4 * 5 = 420"),
        ((9, 4), layers.Dense(5), "4*5 + 5 = 25", "9 * 4*5 = 180"),
        (
            (4, 4, 3),
            layers.Conv2DTranspose(2, 3),
            "3*3*2*3 + 2 = 56",
            "4*4 * 3*3*3 * 2 = 864",
        ),
        ((8, 8, 4), layers.MaxPooling2D(2), "0", None),
    ],
)  # fmt: skip
def test_parameters_and_multiply_adds_of(shape, layer, parameters, multiply_adds):
    report = fastconv.explain(chain(shape, layer)).layers[-1]
    assert report.parameter_formula == parameters
    assert report.multiply_add_formulas == ((multiply_adds,) if multiply_adds else ())
    assert report.parameters == layer.count_params()
    total = int(multiply_adds.split("=")[-1].replace(",", "")) if multiply_adds else 0
    assert report.multiply_adds == total


def test_separable_convolution_is_two_products():
    report = fastconv.explain(chain((8, 8, 4), layers.SeparableConv2D(6, 3))).layers[-1]
    assert report.multiply_add_formulas == ("6*6 * 3*3*1 * 4 = 1,296", "6*6 * 1*1*4 * 6 = 864")
    assert report.multiply_adds == 1296 + 864


def test_shared_layers_count_once():
    shared = layers.Dense(4)
    x = layers.Input((4,))
    explanation = fastconv.explain(models.Model(x, shared(shared(x))))
    assert [layer.shared for layer in explanation.layers] == [False, True]
    assert explanation.parameters == 20
    assert explanation.multiply_adds == 32
    assert [layer.parameter_bytes for layer in explanation.layers] == [80, 0]


def test_layers_of_inner_models_are_listed_by_path():
    inner = chain((6,), layers.Dense(3, name="a"))
    inner.name = "inner"
    outer = chain((6,), inner, layers.Dense(2, name="b"))
    assert [layer.name for layer in fastconv.explain(outer).layers] == ["inner/a", "b"]


# Memory -------------------------------------------------------------------------------------------


def allocated(model, batch_size: int) -> tuple[int, int]:
    """(arena, scratch) of a training step that has been run."""
    rng = np.random.default_rng(1)
    x = rng.random((batch_size, *model.input_shape[1:]), np.float32)
    y = rng.integers(0, model.output_shape[-1], batch_size)
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    model.train_on_batch(x, y)
    with model._plan(batch_size, "train", False, model._trained_parts()) as plan:
        return plan.peak_bytes, plan.scratch_bytes


@pytest.mark.parametrize("name", ["mnist_cnn", "lenet5", "cifar_cnn"])
def test_predicted_memory_is_what_a_training_step_allocates(name):
    model = getattr(zoo, name)()
    memory = fastconv.explain(model, 16).memory
    arena, scratch = allocated(model, 16)
    # The step may know more weights for its rows than the plan of the prediction: some bytes.
    assert memory.training_arena == pytest.approx(arena, rel=0.01)
    # ... and the team of threads has a page of its own.
    assert scratch - 16384 <= memory.training_scratch <= scratch
    slots = sum(
        buffer.nbytes for buffer in model.optimizer.state_for(model.parameters).buffers.values()
    )
    assert memory.slots == slots
    assert memory.gradients == model.parameters.gradient.nbytes


def test_predicted_memory_is_what_prediction_allocates():
    model = zoo.mnist_cnn()
    memory = fastconv.explain(model, 8).memory
    model.predict_on_batch(np.zeros((8, 28, 28, 1), np.float32))
    with model._plan(8, "infer", False) as plan:
        assert memory.prediction_arena == plan.peak_bytes
        assert 0 <= plan.scratch_bytes - memory.prediction_scratch <= 16384


def test_slots_are_those_of_the_optimizer():
    model = zoo.lenet5()
    one = fastconv.explain(model).memory
    assert one.slots == one.weights  # RMSprop
    for optimizer, slots in (("sgd", 0), ("adam", 2)):
        model.compile(optimizer, "sparse_categorical_crossentropy")
        assert fastconv.explain(model).memory.slots == slots * one.weights


def test_frozen_models_need_no_gradients():
    model = zoo.lenet5()
    model.trainable = False
    memory = fastconv.explain(model).memory
    assert (memory.gradients, memory.slots) == (0, 0)


def test_reshaping_costs_no_volume():
    model = chain((4, 4, 2), layers.Conv2D(3, 3), layers.Flatten(), layers.Dropout(0.5))
    explanation = fastconv.explain(model, 2)
    assert [layer.activation_bytes for layer in explanation.layers] == [96, 0, 96]
    assert explanation.memory.activations == 2 * 4 * 32 + 96 + 96


def test_large_networks_can_be_explained_without_their_memory():
    with undrawn_weights():
        explanation = fastconv.explain(zoo.vgg19(), 64)
    assert explanation.memory.training > 2**31
    assert explanation.multiply_adds == 19632062464


# Ways to look at it -------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """Measurements of two milliseconds."""
    from fastconv.inspect import measurement

    monkeypatch.setattr(measurement, "_PROTOCOL", Protocol(rounds=1, block=0.002, pause=0.0))


def test_explaining_changes_nothing_in_the_model(quick):
    model = zoo.lenet5()
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    before = model.get_weights()
    fastconv.explain(model, 2, measure=True)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert model.optimizer.iterations == 0


def test_dict_holds_everything_and_is_json():
    explanation = fastconv.explain(zoo.lenet5(), 4)
    data = json.loads(json.dumps(explanation.to_dict()))
    assert data["parameters"] == 61706
    assert data["memory"]["training"] == explanation.memory.training
    assert data["memory"]["recipe_training"] == explanation.memory.recipe_training
    assert [layer["name"] for layer in data["layers"]][:2] == ["c1", "s2"]
    assert data["layers"][0]["receptive_field"]["formula"] == "5x5 = 25 of 1,024 = 2.44 %"
    assert data["inputs"] == {name: [32, 32, 1] for name in explanation.inputs}


def test_table_shows_formulas_totals_and_memory(capsys):
    explanation = fastconv.explain(zoo.mnist_cnn())
    explanation.show()
    printed = capsys.readouterr().out
    for text in (printed, str(explanation)):
        assert "floor((28 + 2*0 - 3)/1) + 1 = 26" in text
        assert "3*3*32*64 + 64 = 18,496" in text
        assert "18x18 = 324 of 784 = 41.3 %" in text
        assert "max_pooling2d_2: (11 - 2)/2 + 1 = 5.50" in text
        assert "93,322" in text
        assert "allocated, in all" in text
    assert "\x1b" not in str(explanation)


def test_measured_times_have_rates_where_there_are_products(quick):
    explanation = fastconv.explain(zoo.lenet5(), 2, measure=True)
    assert explanation.peak_gflops > 0
    for layer in explanation.layers:
        if layer.name == "flatten":
            assert not layer.timings
            continue
        for timing in layer.timings.values():
            assert timing.seconds > 0
            assert (timing.gflops is None) == (layer.multiply_adds == 0)
    forward = explanation["c1"].timings["forward"]
    assert forward.percent_of_peak == pytest.approx(100 * forward.gflops / explanation.peak_gflops)
    assert forward.gflops == pytest.approx(
        2 * 2 * explanation["c1"].multiply_adds / forward.seconds / 1e9
    )
    assert "% of peak" in str(explanation)
    json.dumps(explanation.to_dict())


def test_figure_has_a_row_per_layer_and_four_columns(tmp_path):
    pytest.importorskip("matplotlib")
    explanation = fastconv.explain(zoo.mnist_cnn(), 64)
    figure = explanation.figure()
    assert [ax.get_title() for ax in figure.axes] == [
        "parameters\n93.3 k",
        "multiply-adds\n2.79 M",
        "output\n9.0 MB",
        "sees of\nthe input",
    ]
    assert len(figure.axes[0].get_yticklabels()) == len(explanation.layers)
    assert "41.3 %" in [text.get_text() for text in figure.axes[3].texts]
    figure.savefig(tmp_path / "explained.png")
    assert (tmp_path / "explained.png").stat().st_size > 10000


def test_figure_without_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'fastconv\[viz\]'"):
        fastconv.explain(zoo.mnist_cnn()).figure()


# Bad input ----------------------------------------------------------------------------------------


def test_what_cannot_be_explained_is_refused():
    with pytest.raises(TypeError, match="`model` must be a Model, received str"):
        fastconv.explain("vgg16")
    with pytest.raises(ValueError, match="before it is built"):
        fastconv.explain(models.Sequential([layers.Dense(3)]))
    with pytest.raises(ValueError, match="`batch_size` must be"):
        fastconv.explain(zoo.lenet5(), 0)
    with pytest.raises(KeyError, match="no layer 'c9'"):
        fastconv.explain(zoo.lenet5())["c9"]


def test_dense_comparison_refuses_what_is_no_image():
    with pytest.raises(ValueError, match=r"must be \(height, width, channels\)"):
        compare_with_dense((128, 128), 256)
    with pytest.raises(ValueError, match="`units`"):
        compare_with_dense((128, 128, 3), 0)


def test_functions_of_symbolic_tensors_are_explained_with_the_other_layers():
    x = layers.Input((6, 5, 4))
    y = layers.Conv2D(3, 3)(x)
    explained = fastconv.explain(models.Model(x, ops.relu(y) * 2 + y))
    assert [layer.output_shape[-1] for layer in explained.layers] == [3] * len(explained.layers)
    assert len(explained.layers) >= 3
    assert explained.layers[0].multiply_adds == 4 * 3 * 9 * 4 * 3

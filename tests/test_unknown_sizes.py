"""Inputs with sizes that are not known before there are data: `Input((None, None, 3))`."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

import fastconv
from fastconv import applications, inspect, layers, models, utils
from tests.golden.golden_file import HERE, load
from tests.golden.unknown_size_cases import REFUSED, SHAPES, SIZES, batch, unet

CASES, ARRAYS = load("unknown_sizes.npz")
EXPECTED = [case["shape"] for case in CASES if case["group"] == "shape"]
RNG = np.random.default_rng(0)


@pytest.fixture
def model():
    return unet(fastconv, (None, None))


def called(name, arguments, shapes):
    layer = getattr(layers, name)(**arguments)
    several = isinstance(shapes, list)
    inputs = [layers.Input(shape) for shape in shapes] if several else layers.Input(shapes)
    return layer, layer(inputs)


@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_shapes_of_layers_are_those_of_keras(number):
    name, arguments, shapes = SHAPES[number]
    layer, output = called(name, arguments, shapes)
    assert list(output.shape) == EXPECTED[number] == list(layer.output_shape)
    several = isinstance(shapes, list)
    given = [(None, *shape) for shape in shapes] if several else (None, *shapes)
    assert list(layer.compute_output_shape(given)) == EXPECTED[number]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_layers_that_need_a_size_say_so(number):
    name, arguments, shapes = REFUSED[number]
    with pytest.raises(ValueError, match="must have known sizes, and has shape .*None|equal sizes"):
        called(name, arguments, shapes)


def test_dense_after_flatten_names_the_weight():
    image = layers.Input((None, None, 3))
    with pytest.raises(
        ValueError, match=r"weight d/kernel must have known sizes, and has shape \(None, 10\) for "
    ):
        layers.Dense(10, name="d")(layers.Flatten()(image))


def test_weights_of_users_need_their_sizes():
    class Scale(layers.CustomLayer):
        def build(self, input_shape):
            self.scale = self.add_weight("scale", input_shape[1:], "ones")
            super().build(input_shape)

        def forward(self, x, training):
            return x * self.scale.numpy(), x

        def backward(self, dy, saved):
            return dy * self.scale.numpy(), [(dy * saved).sum(axis=0)]

    with pytest.raises(ValueError, match=r"scale must have known sizes, received shape \(None, 3"):
        Scale()(layers.Input((None, 3)))


def test_layers_of_users_get_the_sizes_of_the_data():
    class Halves(layers.CustomLayer):
        """Computes with sizes that are numbers, though the model leaves them open."""

        def compute_output_shape(self, input_shape):
            return (None, input_shape[1] // 2, *input_shape[2:])

        def forward(self, x, training):
            return x[:, : x.shape[1] // 2], x.shape

        def backward(self, dy, saved):
            dx = np.zeros(saved, np.float32)
            dx[:, : dy.shape[1]] = dy
            return dx, []

    model = models.Sequential([layers.Input((None, 3)), Halves(), layers.Dense(2)])
    assert model.output_shape == (None, None, 2)
    assert model.predict(np.zeros((2, 7, 3)), verbose=0).shape == (2, 3, 2)


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_outputs_are_those_of_keras_and_of_a_model_of_that_size(model, number):
    x, _ = batch(number)
    found = model.predict(x, verbose=0)
    fixed = unet(fastconv, SIZES[number]).predict(x, verbose=0)
    for index, (output, same) in enumerate(zip(found, fixed, strict=True)):
        np.testing.assert_array_equal(output, same)
        expected = ARRAYS[f"output/{number}/{index}"]
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-6)


def test_training_on_batches_of_several_sizes_is_that_of_keras(model):
    own, generated = unet(fastconv, (None, None)), unet(fastconv, (None, None))
    losses = ["binary_crossentropy", "sparse_categorical_crossentropy"]
    for each in (model, own, generated):
        each.compile(fastconv.optimizers.Adam(0.01), losses)
    expected = CASES[-1]["losses"]
    for number in range(len(expected)):
        x, y = batch(number)
        assert model.train_on_batch(x, y)[0] == pytest.approx(expected[number], rel=1e-4)
        found = own.value_and_gradients(x, y)
        own.optimizer.apply(found.gradients, own.trainable_variables)
    generated.fit((batch(number) for number in range(len(expected))), verbose=0)
    for index, weight in enumerate(model.get_weights()):
        np.testing.assert_allclose(weight, ARRAYS[f"trained/{index}"], rtol=1e-3, atol=1e-4)
    for other in (own, generated):
        for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["unet.keras", "unet.h5"])
def test_files_of_keras_load_and_files_for_keras_keep_the_sizes_open(name, model, tmp_path):
    with zipfile.ZipFile(HERE / "unknown_sizes.zip") as archive:
        archive.extract(name, tmp_path)
    loaded = models.load_model(tmp_path / name)
    assert loaded.input_shape == (None, None, None, 2)
    loaded.save(tmp_path / f"again_{name}")
    again = models.load_model(tmp_path / f"again_{name}")
    assert again.get_config() == model.get_config() == loaded.get_config()
    for number in range(2):
        x, _ = batch(number)
        for one, two, three in zip(*(m(x) for m in (model, loaded, again)), strict=True):
            np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(two, three)
    assert again.layers[0].get_config()["batch_shape"] == [None, None, None, 2]


def test_the_summary_shows_what_is_open(model):
    lines = []
    model.summary(print_fn=lines.append, line_length=120)
    text = "\n".join(lines)
    assert "(None, None, None, 14)" in text and "(None, None, None, 1)" in text
    assert model.output_shape == [(None, None, None, 1), (None, 3)]
    model.predict(batch(0)[0], verbose=0)
    model.get_layer("fine")(np.zeros((1, 4, 4, 2)))
    again = []
    model.summary(print_fn=again.append, line_length=120)
    assert again == lines  # data do not change what a layer says of itself


def test_sizes_that_do_not_fit_name_the_layer_and_the_sizes(model):
    message = (
        r"'unet' cannot take inputs of shape \(None, 7, 8, 2\): layer 'joined' takes .*"
        r"\(None, 7, 8, 4\), \(None, 6, 8, 4\)"
    )
    with pytest.raises(ValueError, match=message):
        model.predict(np.zeros((1, 7, 8, 2)), verbose=0)
    valid = models.Sequential([layers.Input((None, 3)), layers.Conv1D(2, 5, name="c")])
    with pytest.raises(ValueError, match=r"layer 'c' on input \(None, 4, 3\)"):
        valid(np.zeros((1, 4, 3)))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 8, 8, 3)), r"must have shape \(None, None, None, 2\), received \(1, 8, 8, 3"),
        (np.zeros((8, 8, 2)), "one sample needs a batch axis as well"),
        (np.zeros((1, 8, 8)), r"received \(1, 8, 8\)"),
    ],
)
def test_data_of_other_channels_or_ranks_are_refused(model, x, message):
    with pytest.raises(ValueError, match=message):
        model.predict(x, verbose=0)


def test_predictions_of_several_sizes_in_one_call(model):
    def batches():
        for number in range(3):
            yield batch(number)[0]

    label = models.Model(model.input, model.outputs[1])
    found = label.predict(batches(), verbose=0)
    expected = np.concatenate([label.predict_on_batch(x) for x in batches()])
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"must have one size, received \[\(8, 8, 1\), \(12, 20"):
        model.predict(batches(), verbose=0)
    assert label.predict(np.zeros((0, 8, 8, 2)), verbose=0).shape == (0, 3)
    assert model.predict(np.zeros((0, 8, 8, 2)), verbose=0)[0].shape == (0, 8, 8, 1)


def test_evaluation_of_several_sizes(model):
    model.compile("sgd", ["binary_crossentropy", "sparse_categorical_crossentropy"])
    single = [model.evaluate(*batch(number), verbose=0)[0] for number in range(2)]
    counts = [len(batch(number)[0]) for number in range(2)]
    both = model.evaluate((batch(number) for number in range(2)), verbose=0)[0]
    assert both == pytest.approx(np.average(single, weights=counts), rel=1e-6)
    x, (mask, label) = batch(1)
    weights = RNG.uniform(size=x.shape[:3])
    fixed = unet(fastconv, SIZES[1])
    for each in (model, fixed):
        each.compile("sgd", ["binary_crossentropy", None])
    options = {"sample_weight": [weights, None], "verbose": 0}
    assert model.evaluate(x, [mask, label], **options) == fixed.evaluate(
        x, [mask, label], **options
    )


def test_labels_of_another_size_are_refused(model):
    model.compile("sgd", ["binary_crossentropy", None])
    x, (mask, _) = batch(0)
    with pytest.raises(ValueError, match=r"shape of the predictions, \(None, 8, 8, 1\), received"):
        model.fit(x, [mask[:, :4], None], verbose=0)


def test_models_of_open_sizes_inside_of_others(model):
    x, _ = batch(1)
    expected = model.predict(x, verbose=0)
    fixed = layers.Input((*SIZES[1], 2))
    outer = models.Model(fixed, model(fixed))
    assert outer.output_shape == [(None, *SIZES[1], 1), (None, 3)]
    open_sizes = layers.Input((None, None, 2))
    second = models.Model(open_sizes, model(open_sizes))
    assert second.output_shape == model.output_shape
    for each in (outer, second, pickle.loads(pickle.dumps(second)), models.clone_model(model)):
        if each.get_weights()[0].any():
            each.set_weights(model.get_weights())
        for one, two in zip(each.predict(x, verbose=0), expected, strict=True):
            np.testing.assert_array_equal(one, two)
    inner = unet(fastconv, (8, 8))  # a model of one size takes it from an open one
    wrapped = models.Model(open_sizes, inner(open_sizes))
    assert wrapped.predict(batch(0)[0], verbose=0)[1].shape == (2, 3)
    with pytest.raises(ValueError, match=r"is built for inputs of shape \(None, 8, 8, 2\)"):
        wrapped.predict(x, verbose=0)


def test_a_chain_with_a_random_layer_draws_as_one_of_fixed_size():
    def chain(sizes):
        utils.set_random_seed(4)
        model = models.Sequential(
            [
                layers.Input((*sizes, 2)),
                layers.RandomFlip(),
                layers.Conv2D(4, 3),
                layers.Dropout(0.5),
                layers.GlobalMaxPooling2D(),
                layers.Dense(2),
            ]
        )
        model.compile("sgd", "mse")
        return model

    free, fixed = chain((None, None)), chain((9, 7))
    x, y = RNG.normal(size=(6, 9, 7, 2)), RNG.normal(size=(6, 2))
    np.testing.assert_array_equal(free(x), fixed(x))
    np.testing.assert_array_equal(free(x, training=True), fixed(x, training=True))
    for each in (free, fixed):
        each.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for one, two in zip(free.get_weights(), fixed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert free.predict(RNG.normal(size=(1, 30, 20, 2)), verbose=0).shape == (1, 2)


def test_plans_of_many_sizes_stay_bounded():
    model = models.Sequential([layers.Input((None, 1)), layers.Conv1D(2, 1)])
    for steps in range(99, 0, -1):
        assert model.predict_on_batch(np.zeros((1, steps, 1))).shape == (1, steps, 2)
    assert len(model._plans) == 64 and len(model._networks) == 32
    again = model.predict_on_batch(np.ones((1, 99, 1)))  # dropped since
    np.testing.assert_array_equal(again[:, :1], model.predict_on_batch(np.ones((1, 1, 1))))


def test_gradients_and_outputs_of_layers(model):
    x, _ = batch(1)
    fixed = unet(fastconv, SIZES[1])
    found = inspect.layer_outputs(model, x)
    for name, output in inspect.layer_outputs(fixed, x).items():
        np.testing.assert_array_equal(found[name], output)
    for options in ({"output": "label"}, {"output": "mask", "wrt": "coarse"}):
        one, two = (inspect.gradients(each, x, 0, **options) for each in (model, fixed))
        np.testing.assert_array_equal(one.gradient, two.gradient)
    with pytest.raises(ValueError, match="must be known, received shape"):
        inspect.explain(model)


def test_networks_of_applications_take_images_of_every_size():
    base = applications.MobileNetV2(weights=None, include_top=False, alpha=0.35)
    assert base.input_shape == (None, None, None, 3)
    assert base.output_shape == (None, None, None, 1280)
    assert base.predict(np.zeros((1, 64, 96, 3)), verbose=0).shape == (1, 2, 3, 1280)


@pytest.mark.parametrize("shape", [(), (0, 3), (None, -1), "3", (None, 2.5)])
def test_other_shapes_are_refused(shape):
    with pytest.raises((ValueError, TypeError), match="`input_shape` "):
        layers.Input(shape)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv2D(3, 3), (2, 8, 8, 4)),
        (layers.Conv2D(3, 3), (2, None, 8, 4)),
        (layers.GlobalMaxPooling2D(), (2, 8, 8, 4)),
        (layers.Flatten(), (2, 3, 4)),
        (layers.Reshape((12,)), (2, 3, 4)),
        (layers.Add(), [(2, 4), (2, 4)]),
        (layers.Dot(-1), [(2, 4), (2, 4)]),
        (layers.AdaptiveMaxPooling2D(2), (2, 8, 8, 3)),
    ],
)
def test_a_known_batch_stays_in_the_output_shape(layer, shape):
    assert layer.compute_output_shape(shape)[0] == 2
    none = [(None, *s[1:]) for s in shape] if isinstance(shape, list) else (None, *shape[1:])
    assert layer.compute_output_shape(none)[0] is None

"""Sequential: building, names, summary, weights, configuration; and the lecture's listing."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from fastconv import layers, models
from fastconv.common import naming
from fastconv.utils import set_random_seed


@pytest.fixture(autouse=True)
def fresh():
    set_random_seed(1)
    naming.reset()


def lecture_network():
    model = models.Sequential()
    model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    return model


SUMMARY = """\
Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ conv2d (Conv2D)                 │ (None, 26, 26, 32)     │           320 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ max_pooling2d (MaxPooling2D)    │ (None, 13, 13, 32)     │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ conv2d_1 (Conv2D)               │ (None, 11, 11, 64)     │        18,496 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ max_pooling2d_1 (MaxPooling2D)  │ (None, 5, 5, 64)       │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ conv2d_2 (Conv2D)               │ (None, 3, 3, 64)       │        36,928 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ flatten (Flatten)               │ (None, 576)            │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense (Dense)                   │ (None, 64)             │        36,928 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense_1 (Dense)                 │ (None, 10)             │           650 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 93,322 (364.54 KB)
 Trainable params: 93,322 (364.54 KB)
 Non-trainable params: 0 (0.00 B)
"""


def test_the_lecture_network_summary(capsys, monkeypatch):
    """The listing adds layers, prints, adds more and prints again."""
    monkeypatch.setenv("COLUMNS", "80")
    model = lecture_network()
    model.summary()
    assert " Total params: 55,744 (217.75 KB)" in capsys.readouterr().out
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    model.summary()
    assert capsys.readouterr().out == SUMMARY
    assert model.count_params() == 93322


def test_summary_before_building_and_after_training(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    model, text = models.Sequential([layers.Dense(3)]), []
    model.summary(print_fn=text.append)
    assert "│ dense (Dense)                   │ ?                      │   0 (unbuilt) │" in text[0]
    model.compile("adam", "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0)
    model.layers[0].trainable = False
    model.summary(print_fn=text.append, show_trainable=True)
    assert "│ N" in text[1].replace(" ", "").replace("│", "│ ") or " N " in text[1]
    assert " Non-trainable params: 9 (36.00 B)" in text[1]
    with pytest.raises(ValueError, match="`line_length` 8 leaves columns"):
        model.summary(line_length=8)


def test_ways_to_tell_the_input_shape():
    stack = [layers.Flatten(), layers.Dense(2)]
    first = models.Sequential([layers.Input((3, 4)), *stack])
    second = models.Sequential([layers.Flatten(input_shape=(3, 4)), layers.Dense(2)])
    third = models.Sequential([layers.Flatten(), layers.Dense(2)])
    assert not third.built
    third.build((None, 3, 4))
    fourth = models.Sequential([layers.Flatten(), layers.Dense(2)])
    fourth.predict(np.zeros((1, 3, 4)), verbose=0)
    fifth = models.Sequential([layers.Dense(2, input_dim=12)])
    for model in (first, second, third, fourth):
        assert model.built
        assert model.input_shape == (None, 3, 4)
        assert model.output_shape == (None, 2)
    assert fifth.input_shape == (None, 12)


@pytest.mark.parametrize("use", ["input_shape", "output_shape", "parameters"])
def test_an_unbuilt_model_says_how_to_build_it(use):
    model = models.Sequential([layers.Dense(2)], name="m")
    with pytest.raises(ValueError, match=r"'m' has no .* before it is built; give the first layer"):
        getattr(model, use)
    with pytest.raises(ValueError, match="before it is built"):
        model.count_params()
    with pytest.raises(ValueError, match="`input_shape` must be given"):
        model.build()


def test_refusals_of_add():
    model = models.Sequential([layers.Dense(2, name="a")], name="m")
    with pytest.raises(TypeError, match="`layer` must be a Layer, received 'relu'"):
        model.add("relu")
    with pytest.raises(ValueError, match="names must be unique, received 'a' twice in 'm'"):
        model.add(layers.Dense(3, name="a"))
    with pytest.raises(ValueError, match="must be the first entry of 'm'"):
        model.add(layers.Input((3,)))
    two = layers.Input((3,))
    with pytest.raises(ValueError, match="'m' must have one output, 'pair' has"):
        models.Sequential(
            [layers.Input((3,)), models.Model(two, [two, two], name="pair")], name="m"
        )
    assert len(model.layers) == 1


def test_build_is_all_or_nothing():
    model = models.Sequential([layers.Conv2D(2, 3), layers.MaxPooling2D(4)])
    with pytest.raises(ValueError, match="larger than the padded input"):
        model.build((None, 5, 5, 1))
    assert not model.built
    assert not model.layers[0].built
    model.build((None, 6, 6, 1))
    with pytest.raises(ValueError, match="is built for inputs of shape"):
        model.build((None, 7, 7, 1))
    model.build((None, 6, 6, 1))  # the same again is fine


def test_added_layers_keep_the_weights_before_them():
    model = models.Sequential([layers.Input((4,)), layers.Dense(3)])
    x = np.ones((2, 4), np.float32)
    first = model.predict(x, verbose=0)
    model.add(layers.ReLU())
    np.testing.assert_array_equal(model.predict(x, verbose=0), np.maximum(first, 0))
    last = model.pop()
    np.testing.assert_array_equal(model.predict(x, verbose=0), first)
    models.Sequential([layers.Input((4,)), last])  # free for another model
    with pytest.raises(ValueError, match="has no layers to take off"):
        models.Sequential().pop()


def test_training_does_not_go_on_with_other_layers():
    model = models.Sequential([layers.Input((4,)), layers.Dense(3)])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    model.add(layers.Dense(3))
    with pytest.raises(ValueError, match="has begun to train other weights; call compile"):
        model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)


def test_get_layer_finds_by_name_and_by_index():
    model = lecture_network()
    assert model.get_layer("conv2d_1") is model.get_layer(index=2) is model.layers[2]
    with pytest.raises(ValueError, match="has no layer 'x'; there are"):
        model.get_layer("x")
    with pytest.raises(ValueError, match="`index` must be below 5, received 5"):
        model.get_layer(index=5)
    with pytest.raises(ValueError, match="give `name` or `index`"):
        model.get_layer()


def test_weights_round_trip_and_refusals():
    model = lecture_network()
    weights = model.get_weights()
    assert [w.shape for w in weights] == [
        (3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,), (3, 3, 64, 64), (64,),
    ]  # fmt: skip
    weights[0][...] = 7  # a copy
    assert model.get_weights()[0].max() < 7
    model.set_weights(weights)
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])
    with pytest.raises(ValueError, match="must hold 6 arrays, received 1"):
        model.set_weights(weights[:1])
    bad = [np.zeros_like(w) for w in weights]
    bad[5] = np.zeros(65)
    with pytest.raises(ValueError, match=r"`weights\[5\]` for conv2d_2/bias must have shape"):
        model.set_weights(bad)
    bad[5] = np.array(["x"] * 64)
    with pytest.raises(TypeError, match=r"`weights\[5\]` must hold integers or floats"):
        model.set_weights(bad)
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])


def test_config_makes_an_equal_model():
    model = lecture_network()
    model.add(layers.Dropout(0.1))
    config = json.loads(json.dumps(model.get_config()))
    copy = models.Sequential.from_config(config)
    assert copy.get_config() == model.get_config()
    assert [e["class_name"] for e in config["layers"]][:2] == ["InputLayer", "Conv2D"]
    unbuilt = models.Sequential([layers.Dense(2)])
    assert models.Sequential.from_config(unbuilt.get_config()).get_config() == unbuilt.get_config()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "a list of 'layers'"),
        ({"layers": [3]}, "with 'class_name' and 'config', received 3"),
        (
            {"layers": [{"module": "keras.layers", "class_name": "SimpleRNN", "config": {}}]},
            "keras.layers.SimpleRNN is not supported; of layers, there are",
        ),
        (
            {"layers": [{"module": "keras.layers", "class_name": "Lambda", "config": {}}]},
            "keras.layers.Lambda is not supported with code, which is never run",
        ),
        (
            {"layers": [{"module": "os", "class_name": "Dense", "config": {"units": 1}}]},
            "os.Dense is not supported",
        ),
    ],
)
def test_from_config_makes_known_layers_only(config, message):
    with pytest.raises(ValueError, match=message):
        models.Sequential.from_config(config)


def test_the_same_seed_gives_the_same_weights():
    first = lecture_network().get_weights()
    set_random_seed(1)
    second = lecture_network().get_weights()
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(first[0]).max() > 0


@pytest.mark.parametrize("batch_size", [1, 3, 7, 32])
def test_predictions_do_not_depend_on_the_batch(batch_size):
    model = models.Sequential([layers.Input((6, 6, 2)), layers.Conv2D(4, 3), layers.Flatten()])
    x = np.random.default_rng(0).standard_normal((7, 6, 6, 2)).astype(np.float32)
    whole = model(x)
    np.testing.assert_allclose(model.predict(x, batch_size, verbose=0), whole, rtol=1e-6, atol=1e-6)


def test_sixteen_threads_predict_the_same_bits():
    model = lecture_network()
    x = np.random.default_rng(0).standard_normal((20, 28, 28, 1)).astype(np.float32)
    results = [None] * 16

    def work(index):
        for _ in range(3):
            results[index] = model.predict(x, batch_size=8, verbose=0)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, results[0])


def test_frozen_layers_do_not_change():
    model = models.Sequential(
        [layers.Input((4,)), layers.Dense(5), layers.Dense(6), layers.Dense(2)]
    )
    model.layers[1].trainable = False
    assert [v.path for v in model.non_trainable_weights] == ["dense_1/kernel", "dense_1/bias"]
    before = model.get_weights()
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 2)), epochs=2, verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [True, True, False, False, True, True]
    model.trainable = False
    before = model.get_weights()
    with pytest.warns(UserWarning, match="has no trainable weights"):
        model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_no_layer_gets_a_hint():
    assert [type(layer) for layer in models.Sequential(layers.Dense(2)).layers] == [layers.Dense]
    x = layers.Input((3,))
    for make, message in (
        (lambda: models.Sequential([layers.Dense]), r"received <class .*; write Dense\(\.\.\.\)$"),
        (lambda: models.Sequential(["relu"]), r"fastconv.layers.Activation\('relu'\) is one$"),
        (lambda: models.Model(x, layers.Dense(3)), "received Dense; call it on a tensor"),
        (lambda: models.Model(x, "dense"), "received str; a model is made of tensors"),
    ):
        with pytest.raises(TypeError, match=message):
            make()


class Chain(models.Sequential):
    """Built like its base."""


class Net(models.Model):
    """Built like its base."""


def chain():
    return Chain([layers.Input((3,)), layers.Dense(2)])


def net():
    x = layers.Input((3,))
    return Net(x, layers.Dense(2)(x))


@pytest.mark.parametrize("make", [chain, net])
@pytest.mark.parametrize("nested", [False, True])
def test_a_subclass_comes_back_from_files_and_clones(make, nested, tmp_path):
    model = inner = make()
    cls, x = type(model), np.ones((2, 3), np.float32)
    if nested:
        start = layers.Input((3,))
        model = models.Model(start, layers.ReLU()(inner(start)))

    def the_one(found):
        return found.layers[1] if nested else found

    assert type(the_one(models.clone_model(model))) is cls
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = models.load_model(path, custom_objects={cls.__name__: cls})
    assert type(the_one(loaded)) is cls
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    again = models.model_from_json(model.to_json(), {cls.__name__: cls})
    assert type(the_one(again)) is cls
    if not nested:
        with pytest.raises(ValueError, match=f"the class in `custom_objects`, {{'{cls.__name__}"):
            models.load_model(path)

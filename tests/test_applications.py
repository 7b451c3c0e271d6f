"""`fastconv.applications` against `keras.applications`: layers, weights, outputs, files."""

from __future__ import annotations

import inspect
import json
import lzma
import re
import zipfile

import h5py
import numpy as np
import pytest

from fastconv import activations, applications, layers, models
from fastconv.common.naming import snake_case
from fastconv.parameters import undrawn_weights
from tests.golden.application_cases import (
    FILES,
    NETWORKS,
    OUTPUTS,
    VARIANTS,
    images,
    patterned,
)
from tests.golden.golden_file import HERE, load
from tests.golden.zoo_weights import pictures, weights

GOLDEN = json.loads(lzma.decompress((HERE / "applications.json.xz").read_bytes()))
OUTPUT_CASES, OUTPUT_ARRAYS = load("applications.npz")


def undrawn(network: str, **options):
    with undrawn_weights():
        return getattr(applications, network)(weights=None, **options)


def named(case: dict) -> str:
    return f"{case['network']}-{case['options']}"


def described(layer) -> list:
    """Name (None if counted), class, and weights of a layer, as the golden file has them."""
    kind = type(layer).__name__
    if kind == "Activation" and layer.activation is activations.hard_sigmoid:
        kind = "ReLU"  # of Keras's network, between operations that are not layers
    counted = re.fullmatch(rf"{snake_case(kind)}(_\d+)?", layer.name) or layer.name_is_counted
    shapes = [[weight.name, list(weight.shape)] for weight in layer.weights]
    return [None if counted else layer.name, kind, shapes]


def test_golden_file_has_every_network():
    described = {case["network"] for case in GOLDEN}
    offered = {name for name in applications.__all__ if callable(getattr(applications, name))}
    assert described == set(NETWORKS) == offered
    assert len(GOLDEN) == 2 * len(NETWORKS) + len(VARIANTS)


@pytest.mark.parametrize("case", GOLDEN, ids=named)
def test_layers_and_weights_are_those_of_keras(case):
    model = undrawn(case["network"], **case["options"])
    assert model.name == case["name"]
    assert list(model.output_shape) == case["output"]
    assert [described(layer) for layer in model.layers] == case["layers"]
    assert model.count_params() == case["parameters"]


# Outputs and files --------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(len(OUTPUTS)), ids=[case[0] for case in OUTPUTS])
def test_outputs_are_those_of_keras(index):
    case, (network, options, gamma) = OUTPUT_CASES[index], OUTPUTS[index]
    assert (case["network"], case["gamma"]) == (network, gamma)
    model = undrawn(network, **case["options"])
    model.set_weights(weights([(w.name, w.shape) for w in model.weights], gamma))
    expected = OUTPUT_ARRAYS[f"{index}"]
    computed = model.predict(images(network, options), verbose=0)
    largest = np.abs(expected).max()
    assert np.ptp(expected, axis=0).max() > 0.03 * largest  # the images make a difference
    np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-4 * largest)


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
@pytest.mark.parametrize("network, options", FILES, ids=[case[0] for case in FILES])
def test_files_of_keras_load(network, options, suffix, tmp_path):
    with zipfile.ZipFile(HERE / "applications.zip") as archive:
        path = archive.extract(f"{network}{suffix}", tmp_path)
    model = getattr(applications, network)(weights=path, **options)
    wanted = patterned(variable.shape for variable in model.weights)
    for variable, values in zip(model.weights, wanted, strict=True):
        np.testing.assert_array_equal(variable.numpy(), values, err_msg=variable.path)


def old_name(network: str, name: str) -> str:
    """The name of a layer in the files of the first versions of Keras's networks."""
    if network == "MobileNetV3Small":
        for new, old in (
            ("squeeze_excite_conv", "squeeze_excite/Conv"), ("_bn", "/BatchNorm"),
            ("logits", "Logits"), ("expanded_conv_", "expanded_conv/"), ("conv", "Conv"),
        ):  # fmt: skip
            name = name.replace(new, old)
        return re.sub(r"expanded_Conv/(\d+)_", r"expanded_Conv_\1/", name)
    if network == "DenseNet121":
        return {"conv1_conv": "conv1/conv", "conv1_bn": "conv1/bn", "predictions": "fc1000"}.get(
            name, name
        )
    assert network == "MobileNetV2"
    return "Logits" if name == "predictions" else name


@pytest.mark.parametrize("network", ["MobileNetV2", "MobileNetV3Small", "DenseNet121"])
def test_files_with_former_names_load(network, tmp_path):
    options = {"input_shape": (32, 32, 3), "classes": 2}
    if network != "DenseNet121":
        options["alpha"] = 0.35
    model = undrawn(network, **options)
    values = iter(patterned(variable.shape for variable in model.weights))
    names, path = [], tmp_path / "distributed.h5"
    with h5py.File(path, "w") as file:
        for layer in model.layers:
            names.append(old_name(network, layer.name))
            group = file.create_group(names[-1])
            paths = [f"{names[-1]}/{variable.name}:0" for variable in layer.weights]
            group.attrs["weight_names"] = np.array(paths, "S")
            for each in paths:
                group[each] = next(values)
        file.attrs["layer_names"] = np.array(names, "S")
    model.load_weights(path)
    for variable, expected in zip(
        model.weights, patterned(variable.shape for variable in model.weights), strict=True
    ):
        np.testing.assert_array_equal(variable.numpy(), expected, err_msg=variable.path)


# Arguments ----------------------------------------------------------------------------------------


def test_trained_weights_are_searched_and_never_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTCONV_DATA", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = "mobilenet_2_5_128_tf_no_top.h5"
    options = {"alpha": 0.25, "input_shape": (128, 128, 3), "include_top": False}
    with pytest.raises(FileNotFoundError, match="never downloads") as error:
        applications.MobileNet(**options)
    folders = [tmp_path / "models", tmp_path / "cache/fastconv/models", tmp_path / "keras/models"]
    for part in (file, *map(str, folders)):
        assert part in str(error.value)
    model = undrawn("MobileNet", **options)
    model.set_weights(patterned(variable.shape for variable in model.weights))
    for folder in folders:
        folder.mkdir(parents=True)
        model.save(tmp_path / "whole.h5")
        (tmp_path / "whole.h5").rename(folder / file)
        loaded = applications.MobileNet(**options)
        np.testing.assert_array_equal(loaded.weights[-1].numpy(), model.weights[-1].numpy())
        (folder / file).unlink()


FILE_NAMES = {
    ("VGG19", True): "vgg19_weights_tf_dim_ordering_tf_kernels.h5",
    ("ResNet50V2", False): "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ("MobileNet", True): "mobilenet_1_0_224_tf.h5",
    ("MobileNetV2", False): "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    ("MobileNetV3Large", True): "weights_mobilenet_v3_large_224_1.0_float.h5",
    ("MobileNetV3Small", False): "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
    ("DenseNet169", True): "densenet169_weights_tf_dim_ordering_tf_kernels.h5",
    ("InceptionV3", False): "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ("Xception", True): "xception_weights_tf_dim_ordering_tf_kernels.h5",
    ("EfficientNetB3", False): "efficientnetb3_notop.h5",
    ("EfficientNetV2S", True): "efficientnetv2-s.h5",
}


@pytest.mark.parametrize("network, include_top", FILE_NAMES)
def test_names_of_files_are_those_that_keras_distributes(
    network, include_top, tmp_path, monkeypatch
):
    for variable in ("FASTCONV_DATA", "KERAS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        getattr(applications, network)(include_top=include_top)
    assert repr(FILE_NAMES[network, include_top]) in str(error.value)


@pytest.mark.parametrize(
    "network, options, error, message",
    [
        ("VGG16", {"pooling": "mean"}, ValueError, "`pooling` must be None, 'avg' or 'max'"),
        ("VGG16", {"classes": 0}, ValueError, "`classes` must be positive"),
        ("VGG16", {"weights": "nowhere.h5"}, ValueError, "`weights` must be None, 'imagenet' or"),
        ("VGG16", {"weights": "imagenet", "classes": 10}, ValueError, "`classes` must be 1000"),
        ("VGG16", {"weights": "imagenet", "classifier_activation": "relu"}, ValueError,
         "`classifier_activation` must be None or 'softmax'"),
        ("VGG16", {"weights": "imagenet", "input_shape": (32, 32, 3)}, ValueError,
         r"must be \(224, 224, 3\) with `weights='imagenet'`"),
        ("VGG16", {"weights": "imagenet", "include_top": False, "input_shape": (32, 32, 1)},
         ValueError, r"must be \(height, width, 3\) with"),
        ("VGG16", {"input_shape": (31, 32, 3)}, ValueError, "at least 32 x 32 pixels"),
        ("Xception", {"input_shape": (70, 71, 3)}, ValueError, "at least 71 x 71 pixels"),
        ("VGG16", {"input_shape": (None, 32, 3)}, ValueError, "must give height and width"),
        ("VGG16", {"input_shape": (32, 32)}, ValueError, r"must be \(height, width, channels\)"),
        ("VGG16", {"input_shape": (32, 32.5, 3)}, TypeError, "a size of `input_shape`"),
        ("VGG16", {"input_tensor": np.zeros((1, 32, 32, 3))}, TypeError, "`input_tensor` must be"),
        ("MobileNet", {"alpha": 0}, ValueError, "`alpha` must be"),
        ("MobileNet", {"alpha": 0.3, "weights": "imagenet"}, ValueError, "`alpha` must be one of"),
        ("MobileNetV2", {"alpha": 2, "weights": "imagenet"}, ValueError, "`alpha` must be one of"),
        ("MobileNetV3Small", {"alpha": 0.75, "minimalistic": True, "weights": "imagenet"},
         ValueError, "`alpha` must be 1, or 0.75"),
    ],
)  # fmt: skip
def test_impossible_arguments_are_refused(network, options, error, message):
    with pytest.raises(error, match=message):
        getattr(applications, network)(**{"weights": None, **options})


def test_input_tensor_is_the_image():
    image = layers.Input((20, 20, 3))
    enlarged = layers.UpSampling2D(2)(image)
    with undrawn_weights():
        model = applications.MobileNet(
            input_tensor=enlarged, alpha=0.25, weights=None, include_top=False, pooling="avg"
        )
    assert model.inputs == [image]
    assert model.predict(np.zeros((2, 20, 20, 3)), verbose=0).shape == (2, 256)
    with pytest.raises(ValueError, match="`input_shape` must be that of `input_tensor`"):
        applications.VGG16(weights=None, input_tensor=enlarged, input_shape=(32, 32, 3))


def test_signatures_are_those_of_keras():
    common = "include_top weights input_tensor input_shape pooling classes classifier_activation"
    for network in NETWORKS:
        parameters = inspect.signature(getattr(applications, network)).parameters
        assert parameters["weights"].default == "imagenet"
        if not network.startswith(("MobileNet", "EfficientNetV2")):
            assert list(parameters) == [*common.split(), "name"]
        assert set(parameters) >= {*common.split(), "name"}
    first = list(inspect.signature(applications.MobileNetV3Large).parameters)
    assert first == [
        "input_shape",
        "alpha",
        "minimalistic",
        "include_top",
        "weights",
        "input_tensor",
        "classes",
        "pooling",
        "dropout_rate",
        "classifier_activation",
        "include_preprocessing",
        "name",
    ]


def test_features_of_a_frozen_network_train_a_classifier():
    base = applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    base.trainable = False
    model = models.Sequential([base, layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    before = base.get_weights()
    x, y = pictures((32, 32, 3)), np.array([0, 1, 0])
    losses = model.fit(x, y, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for old, new in zip(before, base.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    base.trainable = True
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    assert any(not np.array_equal(a, b) for a, b in zip(before, base.get_weights(), strict=True))


# Pixels and classes -------------------------------------------------------------------------------

MODES = {"caffe": "vgg16 vgg19 resnet resnet50", "torch": "densenet", "none": "efficientnet",
         "tf": "resnet_v2 mobilenet mobilenet_v2 inception_v3 xception"}  # fmt: skip


@pytest.mark.parametrize("data_format", [None, "channels_last", "channels_first"])
@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_pixels_are_scaled_by_the_formula(mode, data_format):
    pixels = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3).astype(np.uint8)
    x = pixels.astype(np.float64)
    expected = {
        "caffe": x[..., ::-1] - [103.939, 116.779, 123.68],
        "tf": x / 127.5 - 1,
        "torch": (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
    }[mode]
    if data_format == "channels_first":
        pixels, expected = np.moveaxis(pixels, -1, 1), np.moveaxis(expected, -1, 1)
    before = pixels.copy()
    scaled = applications.imagenet_utils.preprocess_input(pixels, data_format, mode)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected, rtol=0, atol=2e-5)
    one = applications.imagenet_utils.preprocess_input(pixels[0].astype(float), data_format, mode)
    assert one.dtype == np.float64
    np.testing.assert_allclose(one, expected[0], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_pixels_are_scaled_inside_of_a_model(mode, data_format, tmp_path):
    preprocess = applications.imagenet_utils.preprocess_input
    x = np.random.default_rng(6).uniform(0, 255, (2, 4, 5, 3)).astype(np.float32)
    x = np.moveaxis(x, -1, 1) if data_format == "channels_first" else x
    image = layers.Input(x.shape[1:])
    model = models.Model(image, preprocess(image, data_format, mode))
    expected = preprocess(x, data_format, mode)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=0, atol=3e-5)
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, rtol=0, atol=3e-5)
    if mode != "tf":
        with pytest.raises(ValueError, match="images with 3 channels"):
            preprocess(layers.Input((4, 5, 1)), data_format, mode)


@pytest.mark.parametrize("mode", MODES)
def test_each_module_scales_as_its_networks_expect(mode):
    from importlib import import_module

    x = np.arange(27.0).reshape(1, 3, 3, 3)
    for name in MODES[mode].split():
        module = import_module(f"fastconv.applications.{name}")
        assert module.decode_predictions is applications.imagenet_utils.decode_predictions
        if mode == "none":
            assert module.preprocess_input(x) is x
        else:
            expected = applications.imagenet_utils.preprocess_input(x, mode=mode)
            np.testing.assert_array_equal(module.preprocess_input(x), expected)


def test_wrong_pixels_are_refused():
    preprocess = applications.imagenet_utils.preprocess_input
    with pytest.raises(ValueError, match="`mode` must be one of"):
        preprocess(np.zeros((1, 2, 2, 3)), mode="keras")
    with pytest.raises(ValueError, match="`data_format` must be"):
        preprocess(np.zeros((1, 2, 2, 3)), data_format="last")
    for shape in ((2, 2, 4), (3, 3), (1, 1, 2, 2, 3)):
        with pytest.raises(ValueError, match="images with 3 channels"):
            preprocess(np.zeros(shape))
    with pytest.raises(TypeError, match="must hold integers or floats"):
        preprocess(np.array(["a"]))


def test_predictions_are_decoded(tmp_path, monkeypatch):
    decode = applications.imagenet_utils.decode_predictions
    scores = np.zeros((2, 1000), np.float32)
    scores[0, [7, 3, 999]] = 0.5, 0.3, 0.2
    scores[1, 4] = 1
    for variable in ("FASTCONV_DATA", "KERAS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(FileNotFoundError, match="imagenet_class_index.json"):
        decode(scores)
    entries = {str(k): [f"n{k:08}", f"class {k}"] for k in range(1000)}
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "imagenet_class_index.json"
    path.write_text(json.dumps(entries))
    first, second = decode(scores, top=3)
    assert [(name, round(score, 4)) for _, name, score in first] == [
        ("class 7", 0.5), ("class 3", 0.3), ("class 999", 0.2)
    ]  # fmt: skip
    assert second[0] == ("n00000004", "class 4", 1.0)
    assert len(decode(scores)[0]) == 5
    with pytest.raises(ValueError, match=r"shape \(images, 1000\)"):
        decode(scores[:, :10])
    with pytest.raises(ValueError, match="one column per class"):
        decode(scores[:, :10], class_index=path)
    for wrong in ("[]x", "[1, 2]", '{"0": ["a"]}', '{"1": ["a", "b"]}', '{"0": [1, 2]}', "3"):
        path.write_text(wrong)
        with pytest.raises(ValueError, match="must be a class index"):
            decode(scores, class_index=path)

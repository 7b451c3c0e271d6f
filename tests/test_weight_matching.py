"""Weights of a file go where names say, whatever is frozen, in whatever order or process."""

from __future__ import annotations

import zipfile

import h5py
import numpy as np
import pytest

from fastconv import FormatError, layers, models
from fastconv.saving import safetensors_file
from fastconv.utils import set_random_seed
from tests.golden.golden_file import HERE
from tests.golden.sharing_networks import frozen_inside

SUFFIXES = [".weights.h5", ".keras", ".h5", ".safetensors"]
X = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)


def save(model, path):
    whole = path.suffix == ".keras" or (path.suffix == ".h5" and ".weights" not in path.name)
    (model.save if whole else model.save_weights)(path)


def filled(model, seed=3):
    """`model` with weights that suit as variances, too."""
    rng = np.random.default_rng(seed)
    shapes = [weight.shape for weight in model.get_weights()]
    model.set_weights([rng.integers(1, 33, shape).astype(np.float32) / 16 for shape in shapes])
    return model


def predicted(model):
    return model.predict(X, verbose=0)


# -------------------------------------------------------------------------------- frozen layers


def chains(*frozen):
    """A chain inside of another, with those of its layers frozen that have these indices."""
    inner = models.Sequential([
        layers.Input((6,)), layers.Dense(6), layers.BatchNormalization(),
        layers.BatchNormalization(), layers.Dense(6),
    ])  # fmt: skip
    for index in frozen:
        inner.layers[index].trainable = False
    return filled(models.Sequential([layers.Input((6,)), inner, layers.Dense(6)]), len(frozen))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "written, read", [((0, 1, 2, 3), ()), ((), (0, 1, 2, 3)), ((0,), (3,)), ((1, 3), (0, 2))]
)
def test_what_is_frozen_does_not_matter(tmp_path, suffix, written, read):
    model, other = chains(*written), chains(*read)
    save(model, tmp_path / f"model{suffix}")
    other.load_weights(tmp_path / f"model{suffix}")
    np.testing.assert_array_equal(predicted(other), predicted(model))


@pytest.mark.parametrize("thawed", [False, True])
def test_what_keras_froze_does_not_matter(tmp_path, thawed):
    """Keras itself exchanges the weights if they are thawed."""
    with zipfile.ZipFile(HERE / "sharing.zip") as archive:
        path = archive.extract("frozen_inside.h5", tmp_path)
        with archive.open("frozen_inside.npz") as file, np.load(file) as arrays:
            x, expected = arrays["x0"], arrays["y0"]
    model = frozen_inside(layers, models.Model, models.Sequential)
    if thawed:
        model.trainable = True
    model.load_weights(path)
    for each in (model, models.load_model(path)):
        np.testing.assert_allclose(each.predict(x, verbose=0), expected, rtol=1e-4)


def parts(names, same=False):
    """A model of models, each with one layer of the given name, all alike."""
    x = y = layers.Input((6,))
    for number, name in enumerate(names):
        inner = models.Sequential([layers.Input((6,)), layers.Dense(6, name=name)])
        inner.trainable = number != 0
        y = inner(y)
    middle = models.Model(x, y)
    return filled(models.Sequential([layers.Input((6,)), middle]))


def test_equal_names_in_several_inner_models(tmp_path):
    model, other = parts(["d", "d", "d"]), parts(["d", "d", "d"])
    other.trainable = True
    filled(other, 9)
    model.save(tmp_path / "model.h5")
    other.load_weights(tmp_path / "model.h5")
    np.testing.assert_array_equal(predicted(other), predicted(model))


def test_names_that_tell_nothing_about_layers_that_are_alike(tmp_path):
    model, other = parts(["a", "b"]), parts(["c", "d"])
    model.save(tmp_path / "model.h5")
    before = other.get_weights()
    with pytest.raises(FormatError, match=r"nothing tells which is which; expected \['c', 'd'\]"):
        other.load_weights(tmp_path / "model.h5")
    for now, then in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


# -------------------------------------------------------------------------------- other orders


def named(*names, shapes=6):
    return filled(
        models.Sequential(
            [layers.Input((6,)), *(layers.Dense(shapes, name=name) for name in names)]
        ),
        len(names),
    )


def kernels(model):
    return {layer.name: layer.get_weights()[0] for layer in model.layers}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_layers_in_another_order(tmp_path, suffix):
    model, other = named("first", "second", "third"), named("third", "first", "second")
    filled(other, 8)
    save(model, tmp_path / f"model{suffix}")
    other.load_weights(tmp_path / f"model{suffix}")
    for name, kernel in kernels(model).items():
        np.testing.assert_array_equal(kernels(other)[name], kernel)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_models_in_another_order(tmp_path, suffix):
    def both(names):
        inner = [
            models.Sequential([layers.Input((6,)), layers.Dense(6), layers.ReLU()], name=name)
            for name in names
        ]
        return filled(models.Sequential([layers.Input((6,)), *inner]), len(names[0]))

    model, other = both(["encoder", "judge"]), both(["judge", "encoder"])
    save(model, tmp_path / f"model{suffix}")
    other.load_weights(tmp_path / f"model{suffix}")
    for name in ("encoder", "judge"):
        np.testing.assert_array_equal(
            other.get_layer(name).get_weights()[0], model.get_layer(name).get_weights()[0]
        )


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_an_order_that_contradicts_names(tmp_path, suffix):
    model, other = named("first", "second"), named("second", "other")
    before = other.get_weights()
    save(model, tmp_path / f"model{suffix}")
    with pytest.raises(FormatError, match=r"the layers \['second'\] stand in another order"):
        other.load_weights(tmp_path / f"model{suffix}")
    for now, then in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_layers_of_other_names_in_the_same_order(tmp_path, suffix):
    model, other = named("first", "second"), named("one", "two")
    save(model, tmp_path / f"model{suffix}")
    other.load_weights(tmp_path / f"model{suffix}")
    np.testing.assert_array_equal(predicted(other), predicted(model))


# ------------------------------------------------------------------- the state of the optimizer


def trained(*names, frozen=()):
    model = named(*names)
    for name in frozen:
        model.get_layer(name).trainable = False
    model.compile("adam", "mse")
    model.fit(X, np.ones_like(X), verbose=0)
    return model


WITH_OPTIMIZER = pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])


@WITH_OPTIMIZER
@pytest.mark.parametrize(
    "written, read",
    [
        (trained, lambda: trained("b", "a", "c")),
        (lambda *names: trained(*names, frozen="a"), lambda: trained(*"abc", frozen="b")),
        (lambda *names: trained(*names, frozen="a"), lambda: trained(*"abc", frozen="c")),
    ],
    ids=["another order", "others frozen", "others at the end"],
)
def test_the_state_of_the_optimizer_of_other_weights(tmp_path, suffix, written, read):
    model, other = written("a", "b", "c"), read()
    path = tmp_path / f"model{suffix}"
    save(model, path)
    before = other.get_weights()
    with pytest.raises(FormatError, match="must belong to the weights that are trained in"):
        other.load_weights(path)
    for now, then in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    with pytest.warns(UserWarning, match="skipped the optimizer, which does not fit"):
        other.load_weights(path, skip_mismatch=True)
    for name, kernel in kernels(model).items():
        np.testing.assert_array_equal(kernels(other)[name], kernel)


@pytest.mark.parametrize(
    "value, message",
    [
        ("abc", "must be integers"),
        (0.5, "must be integers"),
        (7, "must be integers"),
        ([0.0, 1.0], "must be integers"),
        ([], "must belong to the weights"),
        ([-1, 0, 1, 2], "must belong to the weights"),
        ([2**31 - 1] * 6, "must belong to the weights"),
    ],
)
@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_hostile_notes_of_what_was_trained(tmp_path, suffix, value, message):
    model, path = trained("a", "b", "c"), tmp_path / f"model{suffix}"
    save(model, path)
    with h5py.File(path, "r+") as h5:
        group = h5["optimizer/vars" if suffix == ".weights.h5" else "optimizer_weights"]
        assert list(group.attrs["trained"]) == [0, 1, 2, 3, 4, 5]
        group.attrs["trained"] = np.array(value, np.int64) if value == [] else value
    before = model.get_weights()
    with pytest.raises(FormatError, match=message):
        model.load_weights(path)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@WITH_OPTIMIZER
def test_the_state_of_the_optimizer_of_the_same_weights(tmp_path, suffix):
    model, other = (trained("a", "b", "c", frozen="b") for _ in range(2))
    filled(other, 8)
    save(model, tmp_path / f"model{suffix}")
    other.load_weights(tmp_path / f"model{suffix}")
    for each in (model, other):
        each.fit(X, np.ones_like(X), verbose=0)
    np.testing.assert_array_equal(predicted(other), predicted(model))


# ------------------------------------------------------------------ networks that are built again


def again(seed):
    """A network, and what is made before in the order of its code is later in its layers."""
    set_random_seed(seed)
    x = layers.Input((6,))
    last, first = layers.Dense(6), layers.Dense(6)
    inner = models.Sequential([layers.Input((6,)), layers.BatchNormalization(), layers.Dense(6)])
    return filled(models.Model(x, last(layers.PReLU()(inner(first(x))))), seed)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_network_that_is_built_twice(tmp_path, suffix):
    model, other = again(1), again(2)
    assert {v.path for v in model.weights}.isdisjoint(v.path for v in other.weights)
    save(model, tmp_path / f"model{suffix}")
    other.load_weights(tmp_path / f"model{suffix}")
    np.testing.assert_array_equal(predicted(other), predicted(model))


def test_safetensors_of_a_model_that_was_loaded(tmp_path):
    model = again(1)
    model.save(tmp_path / "model.keras")
    loaded, other = models.load_model(tmp_path / "model.keras"), again(2)
    loaded.save_weights(tmp_path / "model.safetensors")
    other.load_weights(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(predicted(other), predicted(model))


def test_paths_without_counters(tmp_path):
    again(1).save_weights(tmp_path / "model.safetensors")
    with (tmp_path / "model.safetensors").open("rb") as file:
        names = list(safetensors_file.Reader(file, "").entries)
    assert [name for name in names if "bias" not in name] == [
        "dense/kernel",
        "sequential/batch_normalization/gamma",
        "sequential/batch_normalization/beta",
        "sequential/batch_normalization/moving_mean",
        "sequential/batch_normalization/moving_variance",
        "sequential/dense/kernel",
        "p_re_lu/alpha",
        "dense_1/kernel",
    ]


def test_a_typed_name_that_looks_like_a_counted_one_of_another_class(tmp_path):
    def make():
        return models.Sequential(
            [layers.Input((6,)), layers.BatchNormalization(name="dense"), layers.Dense(6)]
        )

    model, other = filled(make(), 1), filled(make(), 2)
    model.save_weights(tmp_path / "model.safetensors")
    other.load_weights(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(predicted(other), predicted(model))


def test_safetensors_with_counted_names_of_an_older_version():
    """`counted_names.safetensors` was written in a process with other layers before, by a version
    that wrote the names as they were."""
    x = layers.Input((3,))
    last, first = layers.Dense(3), layers.Dense(3)
    inner = models.Sequential(
        [layers.Input((3,)), layers.BatchNormalization(), layers.Dense(3, name="named")]
    )
    model = models.Model(x, last(inner(first(x))))
    model.load_weights(HERE / "counted_names.safetensors")
    found = model.predict(np.array([[0.5, -1, 2]], np.float32), verbose=0)
    np.testing.assert_allclose(found, [[11.68278027, 17.75229263, 13.46040631]], rtol=1e-6)
    with pytest.raises(FormatError, match="missing are .*'other/bias'"):
        named("other").load_weights(HERE / "counted_names.safetensors")


def test_safetensors_of_others_may_have_the_names_at_hand(tmp_path):
    model = again(1)
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        safetensors_file.write(file, {v.path: 2 * v.numpy() for v in model.weights}, {})
    before = model.get_weights()
    model.load_weights(path)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, 2 * then)


def test_newer_safetensors_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        safetensors_file.write(file, {}, {"format": "fastconv-weights-3"})
    with pytest.raises(FormatError, match="'fastconv-weights-3' is newer than known; upgrade"):
        again(1).load_weights(path)


# ------------------------------------------------------------------------------------- by name


def network(units):
    neck = layers.Dense(6, name="neck")
    head = layers.Dense(units, name="head" if units == 2 else "new")
    return filled(
        models.Sequential([layers.Input((6,)), layers.Dense(6), layers.Dense(6), neck, head])
    )


def test_by_name_finds_layers_that_nobody_named(tmp_path):
    """As if both were the first networks of their processes."""
    model, other = network(2), network(3)
    filled(other, 9)
    before = other.get_weights()
    model.save(tmp_path / "model.h5")
    other.load_weights(tmp_path / "model.h5", by_name=True)
    for index in range(6):
        np.testing.assert_array_equal(other.get_weights()[index], model.get_weights()[index])
    np.testing.assert_array_equal(other.get_weights()[6], before[6])


def test_by_name_takes_typed_names_as_they_are(tmp_path):
    model = named("dense_1", "dense_2")
    model.save(tmp_path / "model.h5")
    other = named("dense_2")
    other.load_weights(tmp_path / "model.h5", by_name=True)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[2])


def test_by_name_with_no_name_in_common(tmp_path):
    named("a", "b").save(tmp_path / "model.h5")
    with pytest.raises(FormatError, match=r"must hold some of the layers \['c'\], received .*'a'"):
        named("c").load_weights(tmp_path / "model.h5", by_name=True)

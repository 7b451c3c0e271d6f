"""Networks as plain C: the same bits as `predict`, without Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastconv import applications, export, layers, models, runtime, zoo
from fastconv.ops import compiled

ROOT = Path(__file__).parents[1]


def every_kind():
    """A network with an operation of every kind that inference has."""
    x = layers.Input((20, 20, 3))
    y = layers.Conv2D(16, 3, padding="same", activation="relu")(x)  # Winograd in float32
    y = layers.BatchNormalization()(y)
    z = layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(y)
    z = layers.BatchNormalization()(z)
    z = layers.PReLU(shared_axes=(1, 2))(z)
    y = layers.Add()([layers.MaxPooling2D(2)(y), z])
    y = layers.Activation("relu")(y)
    branches = layers.Conv2D(6, 1)(y), layers.AveragePooling2D(3, 1, padding="same")(y)
    y = layers.Concatenate()(branches)
    y = layers.UpSampling2D(2, interpolation="bilinear")(y)
    y = layers.ZeroPadding2D(1)(layers.Permute((2, 1, 3))(y))
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(y)
    y = layers.Multiply()([y, layers.Conv2D(22, 1, activation="sigmoid")(squeezed)])
    y = layers.Rescaling(0.5, offset=0.1)(y)
    y = layers.LocalResponseNormalization()(layers.LayerNormalization()(y))
    y = layers.GlobalMaxPooling2D()(y) * 0.25 + 0.5
    hidden = layers.Dense(32, activation="gelu")(y)
    turned = layers.Permute((2, 1))(layers.Reshape((16, 2))(hidden))
    turned = layers.LSTM(5, return_sequences=True, go_backwards=True)(turned)
    turned = layers.GRU(16, return_sequences=True)(turned)
    return models.Model(x, [layers.Dense(10, activation="softmax")(hidden), turned])


NETWORKS = {
    "every_kind": every_kind,
    "lenet5": zoo.lenet5,
    "cifar": zoo.cifar_cnn,
    "mobilenet": lambda: zoo.mobilenet((32, 32, 3), classes=10),
    "resnet18": lambda: zoo.resnet18((64, 64, 3), classes=10),
    "efficientnet": lambda: applications.EfficientNetB0(
        weights=None, input_shape=(64, 64, 3), classes=5
    ),
    "densenet": lambda: applications.DenseNet121(weights=None, input_shape=(64, 64, 3), classes=5),
}


def with_statistics(model):
    """`model` with random weights everywhere, also in its normalizations."""
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=v.shape, scale=0.1).astype(np.float32) for v in model.weights]
    given = [
        np.abs(w + e) if "variance" in v.path else w + e
        for w, e, v in zip(model.get_weights(), noise, model.weights, strict=True)
    ]
    model.set_weights(given)
    return model


def run(program, isa, x, threads=1):
    network = compiled.Network(program.words, program.weights, isa, threads)
    outputs = [np.empty(shape, dtype) for shape, dtype in program.outputs]
    network.run([x], outputs)
    network.run([x], outputs)  # with packed filters
    return outputs


@pytest.mark.parametrize("name", NETWORKS)
def test_a_program_has_the_bits_of_predict(name, isa):
    model = with_statistics(NETWORKS[name]())
    program = export.make_program(model, 2)
    x = np.random.default_rng(1).random(program.inputs[0].shape, np.float32)
    expected = model.predict_on_batch(x)
    expected = expected if isinstance(expected, list) else [expected]
    for threads in (1, 2, 3):
        for y, z in zip(run(program, isa, x, threads), expected, strict=True):
            np.testing.assert_array_equal(y, z)


def test_the_networks_above_have_records_of_every_kind():
    programs = [export.make_program(make(), 1) for make in (every_kind, zoo.lenet5)]
    kinds = {record.kind for program in programs for record in program.records}
    gradients = compiled.RECORD_KINDS.index("convolution_input")
    assert kinds == set(compiled.RECORD_KINDS[:gradients])


# ---- damaged programs ----


def mutations(words, count, seed):
    rng = np.random.default_rng(seed)
    values = [0, -1, 1, 3, 2**31, -(2**40), 2**62]
    for _ in range(count):
        damaged = words.copy()
        position = rng.integers(len(words))
        damaged[position] = rng.choice([*values, words[position] + 1, words[position] << 1])
        yield damaged[: rng.integers(len(words))] if rng.random() < 0.1 else damaged


MUTATED = """
import numpy as np
from fastconv import export
from fastconv.ops import compiled
from tests.test_export import every_kind, mutations, with_statistics
program = export.make_program(with_statistics(every_kind()), 1)
refused = 0
for words in mutations(program.words, {count}, {seed}):
    try:
        network = compiled.Network(words, program.weights, {isa!r})
        network.run([np.zeros(program.inputs[0].shape, np.float32)],
                    [np.zeros(shape, np.float32) for shape, _ in program.outputs])
    except (ValueError, MemoryError):
        refused += 1
print(refused)
"""


def test_damaged_programs_are_refused_or_harmless():
    code = MUTATED.format(count=400, seed=0, isa=runtime.isa())
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


def test_words_that_are_no_program():
    with pytest.raises(ValueError, match="not a network"):
        compiled.Network(np.zeros(40, np.int64), np.zeros(64, np.uint8), runtime.isa())


# ---- C ----

MAIN = r"""
#include "net.h"
#include <stdio.h>
#include <string.h>

static _Alignas(64) char arena[NET_ARENA_BYTES];

static void read_floats(const char *name, float *to, int count)
{
    FILE *file = fopen(name, "rb");
    if (!file || fread(to, sizeof *to, count, file) != (size_t)count)
        printf("cannot read %s\n", name);
    fclose(file);
}

static void one_after_the_other(void *context, void (*task)(void *, int, int), void *argument,
                                int size)
{
    (void)size;
    ++*(int *)context;
    task(argument, 0, 1); /* fewer threads than asked for are allowed */
}

int main(void)
{
    static float x[NET_INPUT_SIZE], y[NET_OUTPUT_0_SIZE], z[NET_OUTPUT_1_SIZE];
    float *const outputs[] = {y, z};
    int calls = 0;
    read_floats("x.bin", x, NET_INPUT_SIZE);
    const int status = net_init(arena);
    if (status) {
        printf("%s\n", net_message(status));
        return 1;
    }
    net_run(arena, x, outputs);
    net_run_parallel(arena, x, outputs, one_after_the_other, &calls);
    printf("%s\n", net_isa(arena));
    FILE *file = fopen("y.bin", "wb");
    fwrite(y, sizeof *y, NET_OUTPUT_0_SIZE, file);
    fwrite(z, sizeof *z, NET_OUTPUT_1_SIZE, file);
    return fclose(file);
}
"""

needs_make = pytest.mark.skipif(
    not (shutil.which("make") and shutil.which("cc")), reason="needs make and cc"
)


def sh(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of `every_kind`, with an input, and the model."""
    model = with_statistics(every_kind())
    folder = export.c_network(model, tmp_path_factory.mktemp("net") / "net", threads=4)
    x = np.random.default_rng(1).random((1, 20, 20, 3), np.float32)
    x.tofile(folder / "x.bin")
    return folder, model, x


@pytest.fixture(scope="module")
def built(exported):
    """The same with its library, for the instruction set of this machine and the scalar one."""
    targets = " ".join(dict.fromkeys(("scalar", runtime.isa())))
    sh("make", "-j2", f"TARGETS={targets}", "CFLAGS=-Wall -Werror", cwd=exported[0])
    return exported


@needs_make
def test_a_c_program_has_the_bits_of_predict(built):
    folder, model, x = built
    (folder / "main.c").write_text(MAIN)
    sh("cc", "-Wall", "-Wextra", "-Werror", "main.c", "libnet.a", "-lm", "-Wl,--gc-sections",
       "-o", "main", cwd=folder)  # fmt: skip
    assert sh("./main", cwd=folder).split() == [runtime.isa()]
    y, z = model.predict_on_batch(x)
    computed = np.fromfile(folder / "y.bin", np.float32)
    np.testing.assert_array_equal(computed, np.concatenate([y.ravel(), z.ravel()]))
    undefined = sh("nm", "-u", "--defined-only", "main", cwd=folder)
    assert "malloc" not in undefined and "GOMP" not in undefined


@needs_make
def test_kernels_that_a_network_does_not_need_are_left_out(built):
    folder, _, _ = built
    names = set(
        re.findall(r"fc_f\d+_(\w+)_scalar", sh("nm", "kernels/target_scalar.o", cwd=folder))
    )
    assert {"conv_item", "dense_forward_item", "merge"} <= names
    assert not names & {"filter_gradient_item", "adam", "loss_row", "warp_item"}


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("cc")), reason="needs cmake and cc")
def test_a_cmake_project_can_use_it(exported, tmp_path):
    folder, _, _ = exported
    (tmp_path / "main.c").write_text(MAIN)
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.13)\nproject(user C)\nadd_subdirectory({folder} net)\n"
        "add_executable(main main.c)\ntarget_link_libraries(main net)\n"
    )
    sh("cmake", "-S", ".", "-B", "build", cwd=tmp_path)
    listed = sh("cmake", "--build", "build", "--target", "help", cwd=tmp_path)
    assert "net" in listed and "main" in listed


CONSUMER = """
cmake_minimum_required(VERSION 3.13)
project(user C)
find_package(net REQUIRED)
add_executable(main main.c)
target_link_libraries(main net::net)
"""


@pytest.mark.skipif(
    not (shutil.which("cmake") and shutil.which("cc") and shutil.which("pkg-config")),
    reason="needs cmake, cc and pkg-config",
)
def test_an_installed_network_is_found_by_cmake_and_pkg_config(exported, tmp_path):
    folder, model, x = exported
    prefix, user = tmp_path / "prefix", tmp_path / "user"
    user.mkdir()
    sh("cmake", "-S", folder, "-B", "build", "-DCMAKE_INSTALL_LIBDIR=lib",
       "-DFASTCONV_TARGETS=none", cwd=tmp_path)  # fmt: skip
    sh("cmake", "--build", "build", "-j2", cwd=tmp_path)
    sh("cmake", "--install", "build", "--prefix", prefix, cwd=tmp_path)
    (user / "main.c").write_text(MAIN)
    (user / "CMakeLists.txt").write_text(CONSUMER)
    x.tofile(user / "x.bin")
    sh("cmake", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}", cwd=user)
    sh("cmake", "--build", "build", cwd=user)
    assert sh("build/main", cwd=user).split() == ["scalar"]
    y, z = run(export.make_program(model, 1), "scalar", x)
    expected = np.concatenate([y.ravel(), z.ravel()])
    np.testing.assert_array_equal(np.fromfile(user / "y.bin", np.float32), expected)

    environment = os.environ | {"PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "net"], env=environment, text=True,
        capture_output=True, check=True,
    ).stdout.split()  # fmt: skip
    sh("cc", "main.c", *flags, "-o", "main", cwd=user)
    assert sh("./main", cwd=user).split() == ["scalar"]


def test_large_weights_are_a_file_of_their_own(tmp_path):
    model = models.Sequential([layers.Input((1700,)), layers.Dense(1600)])
    folder = export.c_network(model, tmp_path, name="wide")
    assert (folder / "wide.bin").stat().st_size >= 1700 * 1600 * 4
    assert "wide_init(void *arena, const void *weights)" in (folder / "wide.h").read_text()
    assert (folder / "wide.c").stat().st_size < 20_000


# ---- refusals ----


def test_what_cannot_be_exported_is_refused_by_name(tmp_path):
    class Sorted(layers.CustomLayer):
        def forward(self, x):
            return np.sort(x)

        def backward(self, dy, saved):
            return dy, []

    python = models.Sequential([layers.Input((4,)), Sorted()])
    with pytest.raises(ValueError, match="cannot be exported: only Python computes layer 'sorted'"):
        export.c_network(python, tmp_path)
    dense = models.Sequential([layers.Input((4,)), layers.Dense(2)])
    for arguments, message in [
        ({"name": "2d"}, "`name` must be an identifier of C, received '2d'"),
        ({"threads": 0}, "`threads` must be positive, received 0"),
        ({"batch_size": 0}, "`batch_size` must be positive, received 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            export.c_network(dense, tmp_path, **arguments)


def test_the_command(tmp_path, capsys):
    from fastconv import cli

    assert cli.main(["export", "lenet5", "--to", "c", "--out", str(tmp_path / "c")]) == 0
    assert "lenet5_init" in capsys.readouterr().out
    assert (tmp_path / "c" / "lenet5.c").exists()
    assert cli.main(["export", "lenet5", "--to", "c", "--out", "x", "--batch", "0"]) == 2
    assert "must be at least 1, received 0" in capsys.readouterr().err

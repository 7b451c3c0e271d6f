"""Networks as files, opened by the functions of fastconv.h; and structs of other versions of it."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import sysconfig

import numpy as np
import pytest

import fastconv
from fastconv import cli, export
from tests.support.c_interface import (
    NUMBERS,
    STRUCTS,
    P,
    api,
    backwards,
    create,
    function,
    message,
)
from tests.test_embedding import CHECKOUT
from tests.test_export import needs_make
from tests.test_export_training import classifier, every_kind

BATCH, TRAIN_BATCH = 3, 6


def struct(name, **members):
    return STRUCTS[name](size=ctypes.sizeof(STRUCTS[name]), **members)


def pointers(arrays):
    return (P * len(arrays))(*[array.ctypes.data for array in arrays])


class Network:
    """A network of fastconv.h; ValueError with the message of a status."""

    def __init__(self, source, threads=1, runner=None):
        options = struct("network_options", threads=threads)
        if runner:
            options.parallel_for = ctypes.cast(runner, P)
        self.pointer = P()
        ends = ctypes.byref(options), ctypes.byref(self.pointer)
        if isinstance(source, bytes):
            self.check("open_bytes", source, ctypes.c_int64(len(source)), *ends)
        else:
            self.check("open", str(source).encode(), *ends)

    def check(self, name, *arguments):
        call = ctypes.CFUNCTYPE(ctypes.c_int)(getattr(api(), f"network_{name}"))
        call.argtypes = None
        status = call(*arguments)
        if status:
            raise ValueError(message(status))

    def __del__(self):
        ctypes.CFUNCTYPE(None, P)(api().network_close)(self.pointer)

    @property
    def info(self):
        info = struct("network_info")
        self.check("query", self.pointer, ctypes.byref(info))
        return info

    def array(self, which, index=0):
        info = struct("array_info")
        self.check("array", self.pointer, NUMBERS[which], index, ctypes.byref(info))
        return (np.float32, np.float64, np.int64)[info.dtype], tuple(info.shape[: info.rank])

    def forward(self, x):
        arrays = []
        for index in range(self.info.outputs):
            dtype, shape = self.array("OUTPUT", index)
            arrays.append(np.full((len(x), *shape), np.nan, dtype))
        outputs = pointers(arrays)
        self.check("forward", self.pointer, pointers([x]), outputs, ctypes.c_int64(len(x)))
        return arrays

    def train_step(self, x, *labels):
        loss = ctypes.c_double()
        arrays = pointers([x]), pointers(labels)
        count = ctypes.c_int64(len(x))
        self.check("train_step", self.pointer, *arrays, count, ctypes.byref(loss))
        return loss.value


def batch_of(network, count, seed=0):
    rng = np.random.default_rng(seed)
    arrays = [rng.random((count, *network.array("INPUT")[1]), np.float32)]
    for index in range(network.info.labels):
        dtype, shape = network.array("LABELS", index)
        size = (count, *shape)
        arrays.append(rng.integers(0, 5, size) if dtype == np.int64 else rng.random(size, dtype))
    return arrays


@pytest.fixture(scope="module")
def content():
    """A file of `every_kind`, as bytes, in `BATCH`es."""
    return bytes_of(every_kind())


def bytes_of(model, tmp=None, **arguments):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        options = {"batch_size": BATCH, "train_batch_size": TRAIN_BATCH} | arguments
        return export.network_file(model, f"{folder}/net", **options).read_bytes()


RUNNERS = [(1, None), (2, None), (3, backwards), (16, backwards)]


@pytest.mark.parametrize(("threads", "runner"), RUNNERS)
def test_forward_and_training_have_the_bits_of_python(threads, runner, tmp_path):
    model = every_kind()
    path = export.network_file(
        model, tmp_path / "net", batch_size=BATCH, train_batch_size=TRAIN_BATCH
    )
    network = Network(path, threads, runner)
    for step in range(3):
        x, *labels = batch_of(network, TRAIN_BATCH, step)
        expected = model.train_on_batch(x, labels)[0]
        assert network.train_step(x, *labels) * TRAIN_BATCH / TRAIN_BATCH == expected
        if step == 1:  # a saved network continues
            network.check("save", network.pointer, str(tmp_path / "saved").encode())
            network = Network(tmp_path / "saved", threads, runner)
    assert {each.name for each in tmp_path.iterdir()} == {"net", "saved"}
    samples = batch_of(network, 2 * BATCH + 1, 9)[0]
    padded = np.concatenate([samples, np.zeros_like(samples[: BATCH - 1])])
    parts = [model.predict_on_batch(padded[i : i + BATCH]) for i in range(0, len(padded), BATCH)]
    for y, *z in zip(network.forward(samples), *parts, strict=True):
        np.testing.assert_array_equal(y, np.concatenate(z)[: len(samples)])


def test_the_description(content):
    network = Network(content)
    info = network.info
    assert (info.inputs, info.outputs, info.labels) == (1, 2, 2)
    assert (info.batch, info.train_batch) == (BATCH, TRAIN_BATCH)
    assert info.memory_bytes > len(content)
    assert network.array("INPUT") == (np.float32, (20, 20, 3))
    assert network.array("OUTPUT", 1) == (np.float32, (2, 16))
    assert network.array("LABELS") == (np.int64, ())
    with pytest.raises(ValueError, match="out of range"):
        network.array("OUTPUT", 2)


def test_the_learning_rate():
    model = classifier()
    network = Network(bytes_of(model))
    x, labels = batch_of(network, TRAIN_BATCH)
    network.check("set_learning_rate", network.pointer, ctypes.c_double(0.25))
    model.optimizer.learning_rate = 0.25
    for _ in range(2):
        network.train_step(x, labels)
        model.train_on_batch(x, labels)
    np.testing.assert_array_equal(network.forward(x[:BATCH])[0], model.predict_on_batch(x[:BATCH]))


def test_refusals(content, tmp_path):
    network = Network(content)
    x, *labels = batch_of(network, TRAIN_BATCH - 1)
    with pytest.raises(ValueError, match="a size, stride or padding"):
        network.train_step(x, *labels)
    with pytest.raises(ValueError, match="a pointer .* is NULL"):
        network.check("forward", network.pointer, None, None, ctypes.c_int64(1))
    with pytest.raises(ValueError, match="a size"):
        network.check("set_learning_rate", network.pointer, ctypes.c_double(np.nan))
    with pytest.raises(ValueError, match="a file cannot be read or written"):
        Network(tmp_path / "none")
    with pytest.raises(ValueError, match="a file cannot be read or written"):
        network.check("save", network.pointer, str(tmp_path / "none/net").encode())
    untrained = Network(bytes_of(classifier(), train_batch_size=None))
    with pytest.raises(ValueError, match="without a training step"):
        untrained.train_step(x, *labels)
    with pytest.raises(ValueError, match="without a training step"):
        untrained.array("LABELS")
    with pytest.raises(ValueError, match="a size"):
        Network(content, threads=-1)


@pytest.mark.parametrize("length", [0, 7, 8, 103, 104, 5000])
def test_a_file_that_ends_early_is_refused(content, length):
    with pytest.raises(ValueError, match="not a network that this version"):
        Network(content[:length])


def test_a_file_of_another_version_is_refused(content):
    words = np.frombuffer(content, np.uint8).copy()
    words[8] += 1
    with pytest.raises(ValueError, match="not a network that this version"):
        Network(words.tobytes())


MUTATED = """
import numpy as np
from tests.test_export_training import every_kind
from tests.test_network_files import Network, batch_of, bytes_of
content = np.frombuffer(bytes_of(every_kind()), np.uint8)
good = Network(content.tobytes())
samples, batch = batch_of(good, 2)[0], batch_of(good, good.info.train_batch)
count, train = good.info.outputs, good.info.train_batch
head = int(content.view(np.int64)[3])
rng = np.random.default_rng({seed})
refused = 0
for _ in range({count}):
    damaged = content.copy()
    for _ in range(rng.integers(1, 4)):
        words = damaged.view(np.int64)
        at = rng.integers(head // 8 if rng.random() < 0.8 else len(words))
        values = [0, -1, 1, 2**31, 2**62, int(words[at]) + 1, int(words[at]) * 2]
        words[at] = (int(rng.choice(np.array(values, object))) + 2**63) % 2**64 - 2**63
    try:
        network = Network(damaged.tobytes())
        shapes = [network.array("INPUT"), *(network.array("OUTPUT", i) for i in range(count))]
        same = shapes == [good.array("INPUT"), *(good.array("OUTPUT", i) for i in range(count))]
        if same and network.info.inputs == 1 and network.info.outputs == count:
            network.forward(samples)
        labels = [network.array("LABELS", i) for i in range(network.info.labels)]
        if same and labels == [good.array("LABELS", i) for i in range(good.info.labels)]:
            if network.info.train_batch == train:
                network.train_step(*batch)
    except ValueError:
        refused += 1
print(refused)
"""


def test_damaged_files_are_refused_or_harmless():
    code = MUTATED.format(count=150, seed=0)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40


def test_the_command(tmp_path, capsys):
    path = str(tmp_path / "net.network")
    assert cli.main(["export", "lenet5", "--to", "network", "--out", path, "--batch", "4"]) == 0
    assert "network_open()" in capsys.readouterr().out
    assert Network(path).info.batch == 4
    assert cli.main(["export", "lenet5", "--to", "network", "--out", path, "--name", "x"]) == 2
    assert "--name belongs to `--to c`" in capsys.readouterr().err


# ---- structs and tables of other versions ----


def test_a_struct_of_an_older_header_is_accepted():
    """It lacks the last members, which have their defaults; nothing behind it is read."""
    kind = STRUCTS["conv2d"]
    older = kind(size=kind.has_bias.offset, has_bias=7, activation=99)
    older.batch = older.channels = older.filters = 1
    older.height = older.width = 4
    older.kernel_h = older.kernel_w = 3
    op = P()
    status = function("create_conv2d", P, P)(ctypes.byref(older), ctypes.byref(op))
    assert message(status) == "done"
    info = struct("info", threads=77)
    info.size = type(info).threads.offset
    assert function("query", P, ctypes.c_int32, P)(op, 1, ctypes.byref(info)) == 0
    assert tuple(info.output_shape) == (1, 2, 2, 1) and info.threads == 77
    ctypes.CFUNCTYPE(None, P)(api().destroy)(op)


@pytest.mark.parametrize("kind", ["conv2d", "dense", "pool2d", "softmax", "batch_norm", "update"])
def test_a_struct_of_a_newer_header_is_refused(kind):
    status, op = create(kind, size=ctypes.sizeof(STRUCTS[kind]) + 8)
    assert status == NUMBERS["WRONG_STRUCT"] and not op.value
    status, _ = create(kind, size=8)
    assert status == NUMBERS["WRONG_STRUCT"]


NEWER = """
#include <Python.h>
#define FASTCONV_PYTHON
#include "fastconv.h"
int newer(void) { return fastconv_get_api(FASTCONV_ABI + 1) != NULL; }
int same(void) { return fastconv_get_api(FASTCONV_ABI) != NULL; }
"""


@needs_make
def test_a_program_of_a_newer_header_is_refused(tmp_path):
    (tmp_path / "newer.c").write_text(NEWER)
    include = [f"-I{sysconfig.get_paths()['include']}", f"-I{fastconv.get_include()}"]
    command = ["cc", "-shared", "-fPIC", "newer.c", *include, "-o", "newer.so"]
    subprocess.run(command, cwd=tmp_path, check=True)
    library = ctypes.PyDLL(str(tmp_path / "newer.so"))
    assert library.same() == 1
    number = api().abi
    expected = f"needs interface {number + 1} of fastconv, and fastconv .* has {number}"
    with pytest.raises(ImportError, match=expected):
        library.newer()

"""CIFAR-10, CIFAR-100 and Fashion-MNIST, from small files of the right form, whole and damaged.

The archives themselves (170 MB each) are not here; what is published about them is their format,
their length and their SHA-256 sum.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from fastconv import FormatError
from fastconv.datasets import _cifar, _files, cifar10, cifar100, fashion_mnist, mnist
from tests.support.data_files import write_mnist

TEN = "cifar-10-batches-bin"
HUNDRED = "cifar-100-binary"


def records(count: int, classes: tuple[int, ...], seed: int):
    """Random records as bytes, and the images and labels they stand for."""
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    labels = np.stack([rng.integers(0, n, count) for n in classes], axis=1).astype(np.uint8)
    data = b"".join(
        label.tobytes() + image.tobytes() for label, image in zip(labels, planes, strict=True)
    )
    return data, planes.transpose(0, 2, 3, 1), labels


def tar_bytes(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def ten_members(prefix: str = "") -> dict:
    names = [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
    members = {f"{prefix}{TEN}/{n}": records(3, (10,), i)[0] for i, n in enumerate(names)}
    folder = tarfile.TarInfo()
    folder.type = tarfile.DIRTYPE
    return {f"{prefix}{TEN}": folder} | members | {f"{prefix}{TEN}/readme.html": b"<p>"}


def write_ten(folder: Path, members: dict | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = gzip.compress(tar_bytes(ten_members() if members is None else members))
    (folder / "cifar-10-binary.tar.gz").write_bytes(content)
    return folder


@pytest.mark.parametrize("prefix", ["", "./"])
def test_cifar10_reads_images_and_labels_of_the_archive(tmp_path, prefix):
    (x_train, y_train), (x_test, y_test) = cifar10.load_data(
        write_ten(tmp_path, ten_members(prefix))
    )
    expected = [records(3, (10,), seed) for seed in range(6)]
    np.testing.assert_array_equal(
        x_train, np.concatenate([images for _, images, _ in expected[:5]])
    )
    np.testing.assert_array_equal(y_train, np.concatenate([labels for *_, labels in expected[:5]]))
    np.testing.assert_array_equal(x_test, expected[5][1])
    np.testing.assert_array_equal(y_test, expected[5][2])
    assert (y_train.shape, y_test.shape) == ((15, 1), (3, 1))
    for array in (x_train, y_train, x_test, y_test):
        assert array.dtype == np.uint8
        assert array.flags.c_contiguous and array.flags.writeable
    assert len(cifar10.CLASS_NAMES) == 10


@pytest.mark.parametrize(("label_mode", "column"), [("coarse", 0), ("fine", 1)])
def test_cifar100_reads_coarse_and_fine_labels(tmp_path, label_mode, column):
    train, test = records(5, (20, 100), 1), records(2, (20, 100), 2)
    archive = tar_bytes({f"{HUNDRED}/train.bin": train[0], f"{HUNDRED}/test.bin": test[0]})
    (tmp_path / "cifar-100-binary.tar").write_bytes(archive)  # unzipped is as good
    loaded = cifar100.load_data(label_mode, tmp_path)
    for (x, y), (_, images, labels) in zip(loaded, (train, test), strict=True):
        np.testing.assert_array_equal(x, images)
        np.testing.assert_array_equal(y, labels[:, column : column + 1])
        assert (x.dtype, y.dtype) == (np.uint8, np.uint8)


def test_cifar100_has_two_label_modes():
    with pytest.raises(ValueError, match="`label_mode` must be 'fine' or 'coarse', received 'all'"):
        cifar100.load_data("all")


def test_a_folder_without_the_archive(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds cifar-10-binary.tar \(each may end in .gz"):
        cifar10.load_data(tmp_path)


def test_the_archive_is_found_in_the_usual_places(home, tmp_path, monkeypatch):
    write_ten(tmp_path / "named")
    monkeypatch.setenv("FASTCONV_DATA", str(tmp_path / "named"))
    assert cifar10.load_data()[0][0].shape == (15, 32, 32, 3)
    monkeypatch.delenv("FASTCONV_DATA")
    write_ten(home / ".cache/fastconv/cifar10")
    assert cifar10.load_data()[1][0].shape == (3, 32, 32, 3)


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, "/etc/passwd"
    return info


FIRST = f"{TEN}/data_batch_1.bin"
WRONG_MEMBERS = {
    "missing": (lambda m: m.pop(FIRST), rf"must hold {FIRST}, which it does not"),
    "part of a record": (lambda m: m.update({FIRST: m[FIRST][:-1]}), r"3073 bytes, received 9218"),
    "empty": (lambda m: m.update({FIRST: b""}), r"must hold 1 to \d+ bytes, claims 0"),
    "label": (
        lambda m: m.update({FIRST: m[FIRST] + b"\x0a" + m[FIRST][1:3073]}),
        r"labels must be from 0 to 9, received 10 in record 3",
    ),
    "symbolic link": (lambda m: m.update({FIRST: link(tarfile.SYMTYPE)}), r"must be a plain file"),
    "hard link": (lambda m: m.update({FIRST: link(tarfile.LNKTYPE)}), r"must be a plain file"),
    "fifo": (lambda m: m.update({FIRST: link(tarfile.FIFOTYPE)}), r"must be a plain file"),
    "twice": (lambda m: m.update({f"./{FIRST}": m[FIRST]}), r"once, received it twice"),
}


@pytest.mark.parametrize("what", WRONG_MEMBERS)
def test_archives_with_wrong_members(tmp_path, what):
    change, message = WRONG_MEMBERS[what]
    members = ten_members()
    change(members)
    folder = write_ten(tmp_path, members)
    with pytest.raises(FormatError, match=message) as caught:
        cifar10.load_data(folder)
    assert str(folder / "cifar-10-binary.tar.gz") in str(caught.value)


def test_nothing_is_written_whatever_the_names_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = {"../escaped": b"x", str(tmp_path / "absolute"): b"x"} | ten_members()
    cifar10.load_data(write_ten(tmp_path / "data", members))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_truncation_at_any_offset(tmp_path):
    members = {name: data[:3073] for name, data in ten_members().items() if FIRST in name}
    for content in (tar_bytes(members), gzip.compress(tar_bytes(members))):
        path = tmp_path / "archive"
        for end in [*range(0, 1100, 7), *range(1100, len(content) - 1, 501)]:
            path.write_bytes(content[:end])
            if end >= 512 * 8 and content[:2] != b"\x1f\x8b":
                continue  # only the empty blocks at the end of a plain archive are cut
            with pytest.raises(FormatError, match=re.escape(str(path))):
                _cifar.read(path, [FIRST], (10,))


def test_any_damaged_byte_of_a_gzipped_archive_is_noticed(tmp_path):
    content = write_ten(tmp_path).joinpath("cifar-10-binary.tar.gz").read_bytes()
    path = tmp_path / "damaged"
    for index in range(10, len(content), len(content) // 60):
        path.write_bytes(content[:index] + bytes([content[index] ^ 0x41]) + content[index + 1 :])
        with pytest.raises(FormatError):
            _cifar.read(path, (*cifar10._TRAIN, cifar10._TEST), (10,))


def test_damaged_headers_are_format_errors_or_harmless(tmp_path):
    content = bytearray(tar_bytes(ten_members()))
    rng = np.random.default_rng(0)
    path = tmp_path / "archive"
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        for index in rng.integers(0, 1024, 3):
            damaged[index] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            _cifar.read(path, [FIRST], (10,))
        except FormatError:
            refused += 1
    assert refused > 100


def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(_cifar, "MAX_BYTES", 1 << 20)
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(tar_bytes({"zeros": bytes(3 << 20)})))
    with pytest.raises(FormatError, match="must unpack to at most 1048576 bytes"):
        _cifar.read(path, [FIRST], (10,))
    huge = tarfile.TarInfo(FIRST)
    huge.size = 10**18
    path.write_bytes(huge.tobuf() + bytes(1024))
    with pytest.raises(FormatError, match=r"must hold 1 to 1048576 bytes, claims 10{18}"):
        _cifar.read(path, [FIRST], (10,))


def test_bytes_after_the_end_are_refused(tmp_path):
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(gzip.compress(tar_bytes({FIRST: records(1, (10,), 0)[0]})) + b"more")
    with pytest.raises(FormatError, match="bytes follow"):
        _cifar.read(path, [FIRST], (10,))


# ---- Fashion-MNIST ----


def test_fashion_mnist_has_the_form_of_mnist(tmp_path):
    folder = write_mnist(tmp_path)
    for a, b in zip(fashion_mnist.load_data(folder), mnist.load_data(folder), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    assert len(fashion_mnist.CLASS_NAMES) == 10


def test_mnist_is_not_taken_for_fashion_mnist(home, tmp_path, monkeypatch):
    write_mnist(tmp_path / "named", seed=1)
    monkeypatch.setenv("FASTCONV_DATA", str(tmp_path / "named"))
    clothes = write_mnist(tmp_path / "named/fashion-mnist", seed=2)
    expected = fashion_mnist.load_data(clothes)[0][0]
    np.testing.assert_array_equal(fashion_mnist.load_data()[0][0], expected)
    assert (mnist.load_data()[0][0] != expected).any()


# ---- offline ----


@pytest.mark.parametrize(
    ("module", "data", "archive"),
    [
        (cifar10, "_CIFAR10", "cifar-10-binary.tar.gz"),
        (cifar100, "_CIFAR100", "cifar-100-binary.tar.gz"),
        (fashion_mnist, "_FASHION_MNIST", "t10k-labels-idx1-ubyte.gz"),
    ],
)
def test_without_a_network_the_error_says_what_to_put_where(
    home,
    tmp_path,
    monkeypatch,
    module,
    data,
    archive,
):
    known = getattr(module, data)
    monkeypatch.setattr(module, data, known._replace(urls=("http://127.0.0.1:1/",)))
    monkeypatch.setattr(_files, "__file__", str(tmp_path / "a/b/c.py"))
    with pytest.raises(ConnectionError, match=re.escape(archive)) as caught:
        module.load_data()
    assert str(home / ".cache/fastconv" / known.name) in str(caught.value)


def test_the_known_sums_are_sums():
    for data in (cifar10._CIFAR10, cifar100._CIFAR100, fashion_mnist._FASHION_MNIST):
        assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in data.files)
        assert all(file.as_sent for file in data.files)

"""The data sets: the embedded digits, MNIST on disk, the search for files and the download."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from fastconv import FormatError
from fastconv.datasets import _files, digits, idx, mnist
from fastconv.datasets._files import DataSet, RemoteFile
from tests.support.data_files import idx_bytes, write_mnist

# ---- the real data ----


def test_digits_are_the_ones_of_the_source():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert (x_train.shape, y_train.shape) == ((1437, 8, 8), (1437,))
    assert (x_test.shape, y_test.shape) == ((360, 8, 8), (360,))
    assert {a.dtype.name for a in (x_train, y_train, x_test, y_test)} == {"uint8"}
    images, labels = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    # The first row of the source, and the class counts its documentation gives.
    assert images[0].reshape(-1)[:16].tolist() == [
        0,
        0,
        5,
        13,
        9,
        1,
        0,
        0,
        0,
        0,
        13,
        15,
        10,
        15,
        5,
        0,
    ]
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert images.max() == 16


def test_digits_can_be_changed_without_changing_the_next_load():
    (x_train, _), _ = digits.load_data()
    x_train[:] = 0
    assert digits.load_data()[0][0].any()


def test_mnist_of_the_checkout(home):
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert (x_train.shape, y_train.shape) == ((60000, 28, 28), (60000,))
    assert (x_test.shape, y_test.shape) == ((10000, 28, 28), (10000,))
    arrays = (x_train, y_train, x_test, y_test)
    assert {a.dtype.name for a in arrays} == {"uint8"}
    for array, file in zip(arrays, mnist._MNIST.files, strict=True):
        assert hashlib.sha256(idx_bytes(array)).hexdigest() == file.sha256
        assert len(idx_bytes(array)) == file.max_bytes


# ---- where MNIST is looked for ----


def first_image(data) -> np.ndarray:
    return data[0][0][0]


def test_the_order_of_the_search(home, tmp_path, monkeypatch):
    cache = write_mnist(home / ".cache/fastconv/mnist", seed=1)
    named = write_mnist(tmp_path / "named", seed=2)
    below = write_mnist(tmp_path / "below/mnist", seed=3)
    expected = {folder: first_image(mnist.load_data(folder)) for folder in (cache, named, below)}

    assert len(mnist.load_data()[0][0]) == 60000  # the checkout before the cache
    monkeypatch.setattr(_files, "__file__", str(tmp_path / "a/b/c.py"))  # no checkout around it
    np.testing.assert_array_equal(first_image(mnist.load_data()), expected[cache])
    monkeypatch.setenv("FASTCONV_DATA", str(named))
    np.testing.assert_array_equal(first_image(mnist.load_data()), expected[named])
    monkeypatch.setenv("FASTCONV_DATA", str(below.parent))
    np.testing.assert_array_equal(first_image(mnist.load_data()), expected[below])


def test_a_folder_counts_only_when_all_files_are_there(home, tmp_path, monkeypatch):
    incomplete = write_mnist(tmp_path / "incomplete")
    (incomplete / "t10k-labels-idx1-ubyte.gz").unlink()
    monkeypatch.setenv("FASTCONV_DATA", str(incomplete))
    assert len(mnist.load_data()[0][0]) == 60000
    with pytest.raises(FileNotFoundError, match="must be a folder that holds train-images-idx3-ub"):
        mnist.load_data(incomplete)


def test_the_cache_follows_the_xdg_variable(home, tmp_path, monkeypatch):
    assert _files.cache_folder() == home / ".cache/fastconv"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/invalid")
    assert _files.cache_folder() == home / ".cache/fastconv"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert _files.cache_folder() == tmp_path / "elsewhere/fastconv"


def test_plain_and_gzipped_files_are_equal(tmp_path):
    zipped = mnist.load_data(write_mnist(tmp_path / "zipped"))
    plain = mnist.load_data(write_mnist(tmp_path / "plain", compress=None))
    for a, b in zip(zipped, plain, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-labels-idx1-ubyte", np.zeros(2, "u1"), r"one label for each of the 3 images .* 2"),
        (
            "train-labels-idx1-ubyte",
            np.array([0, 10, 1], "u1"),
            r"from 0 to 9, received 10 at index 1",
        ),
        (
            "t10k-images-idx3-ubyte",
            np.zeros((3, 28, 27), "u1"),
            r"must be 28x28, received \(28, 27\)",
        ),
        ("t10k-images-idx3-ubyte", np.zeros((3, 784), "u1"), r"must have 3 dimensions, received 2"),
    ],
)
def test_files_that_are_not_mnist(tmp_path, name, array, message):
    folder = write_mnist(tmp_path, compress=None)
    (folder / name).write_bytes(idx_bytes(array))
    with pytest.raises(FormatError, match=rf"{re.escape(str(folder / name))}: .*{message}"):
        mnist.load_data(folder)


def test_elements_that_are_not_bytes(tmp_path):
    folder = write_mnist(tmp_path, compress=None)
    header = struct.pack(">4B3I", 0, 0, 9, 3, 3, 28, 28)
    (folder / "train-images-idx3-ubyte").write_bytes(header + bytes(3 * 28 * 28))
    with pytest.raises(FormatError, match="elements must be unsigned bytes, received int8"):
        mnist.load_data(folder)


# ---- the download, from a server on this machine ----


class Handler(BaseHTTPRequestHandler):
    def __init__(self, files: dict[str, bytes | tuple[int, bytes]], *args) -> None:
        self.files = files
        super().__init__(*args)

    def do_GET(self) -> None:
        content = self.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        length, body = content if isinstance(content, tuple) else (len(content), content)
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        """Keeps the test's output quiet."""


@pytest.fixture
def serve():
    """Call with {path: content, or (declared length, content)}; returns the server's address."""
    servers = []

    def start(files):
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, files))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


FILES = {"one": b"first file" * 1000, "two": b"second"}


def data_set(*urls: str) -> DataSet:
    files = (
        RemoteFile(name, hashlib.sha256(content).hexdigest(), len(content))
        for name, content in FILES.items()
    )
    return DataSet("example", tuple(files), urls)


def offered(folder: str = "", **replaced) -> dict:
    content = {name: gzip.compress(data) for name, data in FILES.items()} | replaced
    return {f"{folder}/{name}.gz": data for name, data in content.items()}


def test_download_once_and_find_it_again(home, serve):
    data = data_set(serve(offered()))
    paths = _files.find_or_download(data)
    assert [path.parent for path in paths] == [home / ".cache/fastconv/example"] * 2
    assert [gzip.decompress(path.read_bytes()) for path in paths] == list(FILES.values())
    assert sorted(path.name for path in paths[0].parent.iterdir()) == ["one.gz", "two.gz"]
    assert _files.find_or_download(data._replace(urls=())) == paths


def test_a_sum_may_be_that_of_the_gzipped_file(home, serve):
    sent = gzip.compress(b"content")
    known = RemoteFile("one", hashlib.sha256(sent).hexdigest(), len(sent), as_sent=True)
    data = DataSet("example", (known,), (serve({"/one.gz": sent}),))
    assert _files.find_or_download(data)[0].read_bytes() == sent
    for received, message in (
        (gzip.compress(b"content", compresslevel=1) + b"\0" * 9, "more than"),
        (gzip.compress(b"context"), "SHA-256 must be"),
        (sent[:-1], "ended early"),
    ):
        data = DataSet("other", (known,), (serve({"/one.gz": received}),))
        with pytest.raises(ConnectionError, match=message):
            _files.find_or_download(data)


BAD = {
    "missing": (None, "HTTP Error 404"),
    "damaged": (b"no gzip", "not the gzip file expected"),
    "other content": (gzip.compress(b"third"), "SHA-256 must be"),
    "too long": (gzip.compress(bytes(10**6)), "more than 6 bytes"),
    "cut": (gzip.compress(b"second")[:-3], "ended early"),
    "trailing bytes": (gzip.compress(b"second") + b"x", "bytes follow"),
    "connection lost": ((1000, gzip.compress(b"second")[:9]), "ended early|IncompleteRead"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_source_that_delivers_something_else_is_refused(home, serve, what):
    content, message = BAD[what]
    address = serve(offered(two=content))
    with pytest.raises(ConnectionError, match=message) as caught:
        _files.find_or_download(data_set(address))
    cache = home / ".cache/fastconv/example"
    assert str(cache) in str(caught.value)
    assert [path.name for path in cache.iterdir()] == ["one.gz"]  # whole, verified, kept


@pytest.mark.parametrize("what", BAD)
def test_the_next_source_is_tried(home, serve, what):
    address = serve(offered("/bad", two=BAD[what][0]) | offered("/good"))
    paths = _files.find_or_download(data_set(f"{address}/bad/", f"{address}/good"))
    assert [gzip.decompress(path.read_bytes()) for path in paths] == list(FILES.values())


def test_without_a_network_the_error_says_where_to_put_the_files(home, tmp_path, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        address = f"http://127.0.0.1:{server.server_port}"  # no server listens there any more
    monkeypatch.setattr(mnist, "_MNIST", mnist._MNIST._replace(urls=(address,)))
    monkeypatch.setattr(_files, "__file__", str(tmp_path / "a/b/c.py"))
    with pytest.raises(ConnectionError) as caught:
        mnist.load_data()
    message = str(caught.value)
    assert "train-images-idx3-ubyte.gz" in message
    assert str(home / ".cache/fastconv/mnist") in message
    assert "FASTCONV_DATA" in message
    assert "\n" not in message


def test_a_terminal_sees_progress(home, serve, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    _files.find_or_download(data_set(serve(offered())))
    assert "downloading one" in capsys.readouterr().err


def test_a_pipe_sees_none(home, serve, capsys):
    _files.find_or_download(data_set(serve(offered())))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_cache_that_cannot_be_written_is_an_oserror_of_its_own(home, serve):
    home.mkdir()
    (home / ".cache").write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"\.cache") as caught:
        _files.find_or_download(data_set(serve(offered())))
    assert not isinstance(caught.value, ConnectionError)


def test_the_sources_offer_what_the_reader_expects():
    for url in mnist.URLS:
        assert re.fullmatch(r"https://.+/", url)
    assert max(file.max_bytes for file in mnist._MNIST.files) < idx.MAX_BYTES

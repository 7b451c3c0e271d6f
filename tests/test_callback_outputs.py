"""Callbacks that report: tables, servers, TensorBoard, the terminal."""

from __future__ import annotations

import json
import struct
import threading
import urllib.parse
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from fastconv import callbacks, layers, models
from fastconv.callbacks.event_file import EventFile, crc32c

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(12, 1)
Y = 2 * X


def fit(*chosen, epochs=2, **options):
    model = models.Sequential([
        layers.Input((1,)), layers.Dense(3, name="first"), layers.Dense(1, name="last"),
    ])  # fmt: skip
    model.compile("sgd", "mse")
    options = {"batch_size": 4, "verbose": 0} | options
    return model, model.fit(X, Y, epochs=epochs, callbacks=list(chosen), **options)


# ------------------------------------------------------------------------------------ CSVLogger


def test_the_table_is_that_of_keras(tmp_path):
    path = tmp_path / "log.csv"
    _, history = fit(callbacks.CSVLogger(path), validation_data=(X, Y), validation_freq=2)
    loss, (val_loss,) = history.history["loss"], history.history["val_loss"]
    expected = f"epoch,loss,val_loss\r\n0,{loss[0]},NA\r\n1,{loss[1]},{val_loss}\r\n"
    assert path.read_bytes().decode() == expected
    _, history = fit(callbacks.CSVLogger(path, append=True), epochs=1, validation_data=(X, Y))
    row = f"0,{history.history['loss'][0]},{history.history['val_loss'][0]}\r\n"
    assert path.read_bytes().decode() == expected + row


def test_a_table_has_columns_of_validation_only_where_there_is_some(tmp_path):
    """Keras writes them in any case, all of them NA."""
    path = tmp_path / "log.csv"
    rate = callbacks.LearningRateScheduler(lambda epoch: 0.25)
    _, history = fit(rate, callbacks.CSVLogger(path, separator=";"), epochs=1)
    row = f"0;0.25;{history.history['loss'][0]}\r\n"
    assert path.read_bytes().decode() == "epoch;learning_rate;loss\r\n" + row
    options = {"validation_data": (X, Y), "validation_freq": [2]}
    fit(callbacks.CSVLogger(path), epochs=1, **options)
    assert path.read_text().splitlines()[0] == "epoch,loss,val_loss"


def test_a_table_that_is_continued_keeps_its_columns(tmp_path):
    path = tmp_path / "log.csv"
    _, first = fit(callbacks.CSVLogger(path), epochs=1, validation_data=(X, Y))
    _, second = fit(callbacks.CSVLogger(path, append=True), epochs=1)
    rows = path.read_text().splitlines()
    assert rows[1] == f"0,{first.history['loss'][0]},{first.history['val_loss'][0]}"
    assert rows[2] == f"0,{second.history['loss'][0]},NA"
    for other in (b"something else\r\n", b"\xff\x00\r\n"):
        path.write_bytes(other)
        _, history = fit(callbacks.CSVLogger(path, append=True), epochs=1)
        assert path.read_bytes() == other + f"0,{history.history['loss'][0]}\r\n".encode()


def test_arrays_in_the_logs(tmp_path):
    class Add(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs |= {"array": np.array([1, 2]), "scalar": np.array(3), "text": "a,b"}

    fit(Add(), callbacks.CSVLogger(tmp_path / "log"), epochs=1)
    row = (tmp_path / "log").read_text().splitlines()[1].split(",", 3)
    assert row[0] == "0" and '"""[1, 2]"""' in ",".join(row) and row[3].endswith(',3,"a,b"')


@pytest.mark.parametrize("append", [False, True])
def test_a_table_goes_on_where_training_does(tmp_path, append):
    class Interrupt(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == interrupted:
                raise KeyboardInterrupt

    path = tmp_path / "log.csv"

    def run():
        path.touch()
        backup = callbacks.BackupAndRestore(tmp_path / "backup", save_freq=4)
        fit(callbacks.CSVLogger(path, append=append), backup, Interrupt(), epochs=5)

    interrupted = None
    path.write_text("epoch,loss,val_loss\n" if append else "")
    run()
    epochs = [row.split(",")[0] for row in path.read_text().splitlines()]
    path.write_text("epoch,loss,val_loss\n" if append else "")
    interrupted = 3
    with pytest.raises(KeyboardInterrupt):
        run()
    interrupted = None
    run()
    assert [row.split(",")[0] for row in path.read_text().splitlines()] == epochs
    assert epochs == ["epoch", "0", "1", "2", "3", "4"]


def test_a_table_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="`separator` must be one character, received ''"):
        callbacks.CSVLogger("log", separator="")
    with pytest.raises(FileNotFoundError):
        fit(callbacks.CSVLogger(tmp_path / "none" / "log"))


# --------------------------------------------------------------------------------- RemoteMonitor


@pytest.fixture
def server():
    """(address, list of what has been received: path, headers, body)."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, dict(self.headers), body.decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def test_a_server_is_told(server):
    address, received = server
    _, history = fit(callbacks.RemoteMonitor(address, headers={"X-Run": "7"}))
    path, headers, body = received[1]
    assert path == "/publish/epoch/end/" and headers["X-Run"] == "7"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    expected = {"epoch": 1, "loss": history.history["loss"][1]}
    assert json.loads(urllib.parse.parse_qs(body)["data"][0]) == expected
    fit(callbacks.RemoteMonitor(address, path="/x", send_as_json=True), epochs=1)
    path, headers, body = received[2]
    assert path == "/x" and headers["Content-Type"] == "application/json"
    assert json.loads(body)["epoch"] == 0


def test_a_server_is_told_arrays(server):
    address, received = server
    monitor = callbacks.RemoteMonitor(address, send_as_json=True)
    monitor.on_epoch_end(3, {"f1_score": np.array([0.5, 1.0]), "loss": np.float32(2)})
    assert json.loads(received[0][2]) == {"epoch": 3, "f1_score": [0.5, 1.0], "loss": 2.0}


def test_a_server_that_is_not_there():
    with pytest.warns(UserWarning, match="Could not reach RemoteMonitor root server at http"):
        _, history = fit(callbacks.RemoteMonitor("http://127.0.0.1:9"), epochs=1)
    assert history.epoch == [0]
    with pytest.raises(ValueError, match="`root` must begin with http:// or https://"):
        callbacks.RemoteMonitor("file:///etc/passwd")


# ----------------------------------------------------------------------------------- TensorBoard


def records(directory):
    """The events of the one file in `directory`, their checksums verified."""
    (path,) = directory.iterdir()
    assert path.name.startswith("events.out.tfevents.")
    data, found = path.read_bytes(), []

    def check(part, stored):
        crc = crc32c(part)
        assert stored == struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    while data:
        length = struct.unpack("<Q", data[:8])[0]
        check(data[:8], data[8:12])
        check(data[12 : 12 + length], data[12 + length : 16 + length])
        found.append(parse(data[12 : 12 + length]))
        data = data[16 + length :]
    return found


def parse(message):
    """{field: values} of a protobuf message; what is nested stays bytes."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            value = varint()
        else:
            length = {1: 8, 2: None, 5: 4}[key & 7]
            length = varint() if length is None else length
            value = message[at : at + length]
            at += length
        fields.setdefault(key >> 3, []).append(value)
    return fields


def scalars(events):
    """{tag: {step: value}} of the scalars."""
    found = {}
    for event in events:
        for summary in event.get(5, ()):
            (value,) = parse(summary)[1]
            value = parse(value)
            plugin = parse(parse(value[9][0])[1][0])[1][0]
            if plugin == b"scalars":
                number = struct.unpack("<f", parse(value[8][0])[4][0])[0]
                found.setdefault(value[1][0].decode(), {})[event[2][0]] = number
    return found


def test_scalars_are_written_for_tensorboard(tmp_path):
    _, history = fit(
        callbacks.TensorBoard(tmp_path, update_freq=2, write_steps_per_second=True),
        validation_data=(X, Y),
    )
    events = records(tmp_path / "train")
    assert events[0][3] == [b"brain.Event:2"]
    train = scalars(events)
    assert sorted(train) == [
        "batch_loss", "batch_steps_per_second", "epoch_learning_rate", "epoch_loss",
        "epoch_steps_per_second",
    ]  # fmt: skip
    assert sorted(train["batch_loss"]) == [2, 4, 6]
    expected = dict(enumerate(np.float32(history.history["loss"]).tolist()))
    assert train["epoch_loss"] == expected
    assert train["batch_loss"][6] == expected[1]
    np.testing.assert_allclose(list(train["epoch_learning_rate"].values()), 0.01)
    validation = scalars(records(tmp_path / "validation"))
    expected = np.float32(history.history["val_loss"]).tolist()
    assert validation == {
        "epoch_loss": {0: expected[0], 1: expected[1]},
        "evaluation_loss_vs_iterations": {3: expected[0], 6: expected[1]},
    }


def test_weights_are_written_for_tensorboard(tmp_path):
    model, _ = fit(callbacks.TensorBoard(tmp_path, histogram_freq=2, write_images=True), epochs=3)
    tensors = {}
    for event in records(tmp_path / "train"):
        for summary in event.get(5, ()):
            value = parse(parse(summary)[1][0])
            tensors.setdefault(value[1][0].decode(), []).append(parse(value[8][0]))
    names = ["first/kernel", "first/bias", "last/kernel", "last/bias"]
    for name, weight in zip(names, model.get_weights(), strict=True):
        assert len(tensors[f"{name}/histogram"]) == 2  # epochs 0 and 2
        table = np.frombuffer(tensors[f"{name}/histogram"][1][4][0], "<f8").reshape(30, 3)
        assert table[0, 0] == weight.min() and table[-1, 1] == weight.max()
        assert table[:, 2].sum() == weight.size
        if weight.size == 1:  # as in Keras, no picture of a single number
            continue
        width, height, png = tensors[f"{name}/image"][1][8]
        assert int(width) * int(height) == weight.size
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        pixels = zlib.decompress(png[41 : png.index(b"IEND") - 8])
        expected = (np.clip(np.sort(weight.ravel()), 0, 1) * 255).astype(np.uint8)
        rows = np.frombuffer(pixels, np.uint8).reshape(int(height), -1)[:, 1:]
        np.testing.assert_array_equal(np.sort(rows.ravel()), expected)
    graph = json.loads(tensors["keras"][0][8][0])
    assert [entry["class_name"] for entry in graph["config"]["layers"][1:]] == ["Dense", "Dense"]


def test_tensorboard_itself_reads_the_files(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", exc_type=ImportError
    )
    _, history = fit(callbacks.TensorBoard(tmp_path, histogram_freq=1, write_images=True))
    read = accumulator.EventAccumulator(str(tmp_path / "train")).Reload()
    loss = [
        float(event.tensor_proto.float_val[0])
        if event.tensor_proto.float_val
        else struct.unpack("<f", event.tensor_proto.tensor_content)[0]
        for event in read.Tensors("epoch_loss")
    ]
    np.testing.assert_array_equal(loss, np.float32(history.history["loss"]))
    assert "first/kernel/histogram" in read.Tags()["tensors"]


def test_weights_that_are_no_numbers(tmp_path):
    file = EventFile(tmp_path)
    file.histogram("empty", np.zeros(0), 0)
    file.histogram("equal", np.full(4, 2.0), 0)
    file.flush()
    tables = []
    for event in records(tmp_path)[1:]:
        tensor = parse(parse(parse(event[5][0])[1][0])[8][0])
        tables.append(np.frombuffer(tensor[4][0], "<f8").reshape(30, 3))
    assert not tables[0].any()
    assert (tables[1][:, :2] == 2).all() and tables[1][-1, 2] == 4 == tables[1][:, 2].sum()


def test_what_tensorboard_cannot_be_given():
    for option in ("profile_batch", "embeddings_freq"):
        with pytest.raises(ValueError, match=f"`{option}` is not supported, received 2"):
            callbacks.TensorBoard(**{option: 2})
    with pytest.raises(ValueError, match="`histogram_freq`"):
        callbacks.TensorBoard(histogram_freq=-1)
    with pytest.raises(TypeError, match="`update_freq`"):
        callbacks.TensorBoard(update_freq="often")


# --------------------------------------------------------------------------------- ProgbarLogger


def test_the_bar_is_printed_once(capsys):
    model, _ = fit(verbose=2)
    alone = capsys.readouterr().out
    fit(callbacks.ProgbarLogger(), verbose=2, validation_data=(X, Y))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(alone.splitlines()) == 4
    assert lines[0] == "Epoch 1/2" and lines[3].startswith("3/3 - 0s - ")
    assert " - loss: " in lines[3] and " - val_loss: " in lines[3]
    model.evaluate(X, Y, verbose=2, callbacks=callbacks.ProgbarLogger())
    assert capsys.readouterr().out.startswith("1/1 - 0s - ")
    model.predict(X, batch_size=4, verbose=2, callbacks=[callbacks.ProgbarLogger()])
    assert capsys.readouterr().out.startswith("3/3 - 0s - ")
    model.predict(X, verbose=0, callbacks=[callbacks.ProgbarLogger()])
    assert capsys.readouterr().out == ""

"""`fastconv play`: the session, its answers over HTTP, the refusals, and the command."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import subprocess
import sys
import threading
from argparse import Namespace

import numpy as np
import pytest

from fastconv import inspect, layers, models, play, utils
from fastconv.cli import play as command
from fastconv.datasets import digits
from tests.support.command_line import digit_model, refused


def data() -> play.Data:
    """The embedded digits."""
    (x, y), (x_test, y_test) = digits.load_data()
    x, x_test = (part[..., None] / np.float32(16) for part in (x, x_test))
    return play.Data(
        x, y, x_test, y_test, "0123456789", x_test[..., 0], 0,
        lambda drawn: drawn[..., None] / np.float32(255),
    )  # fmt: skip


@pytest.fixture
def session() -> play.Session:
    utils.set_random_seed(1)
    return play.Session(play.small_networks((8, 8, 1), 10), data())


def unpacked(packed: dict, shape: tuple[int, ...]) -> np.ndarray:
    raw = np.frombuffer(base64.b64decode(packed["bytes"]), np.uint8).reshape(shape)
    return packed["low"] + raw / 255 * (packed["high"] - packed["low"])


def encoded(image: np.ndarray) -> str:
    return base64.b64encode(np.rint(image * 255).astype(np.uint8).tobytes()).decode()


SEVEN = np.zeros((8, 8))
SEVEN[0, 1:7] = SEVEN[1:3, 6] = SEVEN[3:5, 5] = SEVEN[5:, 4] = 1

# ----------------------------------------------------------------------------------------- session


def test_training_lowers_the_loss_and_is_tested():
    utils.set_random_seed(1)
    session = play.Session(play.small_networks((8, 8, 1), 10), data())
    losses = [loss for _ in range(4) for loss in session.train(100)["losses"]]
    assert len(losses) == 400 and np.mean(losses[-20:]) < 0.3 * losses[0]
    state = session.state()
    assert state["losses"] == losses
    steps, accuracies = zip(*state["accuracies"], strict=True)
    assert steps == (0, 100, 200, 300, 400)
    assert accuracies[0] < 0.4 and accuracies[-1] > 0.8
    chances = session.look(encoded(SEVEN))["probabilities"]
    assert int(np.argmax(chances)) == 7


def test_every_epoch_sees_every_sample_once(session):
    count = len(session._data.x)
    for _ in range(2):
        seen = np.concatenate([session._next_batch() for _ in range(-(-count // 32))])
        assert sorted(seen) == list(range(count))


@pytest.mark.parametrize("name", play.NETWORKS)
def test_a_look_shows_the_outputs_of_every_layer(session, name):
    session.network(name)
    seen = session.look(encoded(SEVEN))
    model, sample = session._model, SEVEN[None, ..., None].astype(np.float32)
    np.testing.assert_allclose(seen["probabilities"], model.predict_on_batch(sample)[0])
    np.testing.assert_allclose(unpacked(seen["input"], (8, 8)), SEVEN)
    outputs = inspect.layer_outputs(model, sample)
    shown = {layer["name"]: layer for layer in seen["layers"]}
    assert list(shown) == [layer.name for layer in model.layers if layer.name != "flatten"]
    for layer in shown.values():
        wanted = outputs[layer["name"]][0]
        assert layer["shape"] == list(wanted.shape)
        if wanted.ndim == 3:
            found = unpacked(layer["maps"], (wanted.shape[2], *wanted.shape[:2]))
            found = np.moveaxis(found, 0, 2)
        else:
            found = unpacked(layer["values"], wanted.shape)
        np.testing.assert_allclose(found, wanted, atol=np.abs(wanted).max() / 200)


def test_fields_are_where_gradients_are(session):
    """The pixels that an element of the second convolution depends on, found by differentiating."""
    shown = {layer["name"]: layer for layer in session.look(encoded(SEVEN))["layers"]}
    rng = np.random.default_rng(0)
    for place in ((0, 0), (1, 2), (3, 3)):
        x = rng.random((64, 8, 8, 1), np.float32)
        target = np.zeros((64, 4, 4, 16), np.float32)
        target[(slice(None), *place)] = rng.normal(size=16)
        slope = inspect.gradients(session._model, x, target, output="conv_2").gradient
        for axis, field in enumerate(shown["conv_2"]["field"]):
            used = np.flatnonzero(np.abs(slope).max(axis=(0, 2 - axis, 3)) > 1e-6)
            first = int(field["start"] + field["jump"] * place[axis])
            assert used.min() == max(first, 0)
            assert used.max() == min(first + field["size"], 8) - 1


def test_filters_are_those_of_the_layer(session):
    (layer,) = (x for x in session.look(encoded(SEVEN))["layers"] if x["name"] == "conv_2")
    kernel, bias = session._model.get_layer("conv_2").get_weights()
    found = unpacked(layer["filters"], tuple(layer["filters"]["shape"]))
    np.testing.assert_allclose(found, kernel.transpose(3, 2, 0, 1), atol=0.01)
    np.testing.assert_allclose(layer["filters"]["bias"], bias)


def test_signed_values_have_zero_in_the_middle():
    def tanh() -> models.Model:
        return models.Sequential(
            [
                layers.Input((8, 8, 1)),
                layers.Conv2D(4, 3, activation="tanh", name="maps"),
                layers.Flatten(),
                layers.Dense(10, activation="softmax"),
            ]
        )

    maps = play.Session({"tanh": tanh}, data()).look(encoded(SEVEN))["layers"][0]["maps"]
    assert maps["low"] == -maps["high"] < 0


def test_examples_are_the_test_pictures(session):
    (_, _), (images, labels) = digits.load_data()
    found = session.example(5)
    assert found["label"] == str(labels[5])
    pixels = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8).reshape(8, 8)
    np.testing.assert_array_equal(pixels, np.rint(images[5] * (255 / 16)))


def test_a_network_chosen_again_begins_anew(session):
    session.train(3)
    state = session.network("dense")
    assert (state["network"], state["losses"]) == ("dense", [])
    assert [step for step, _ in state["accuracies"]] == [0]


def test_numbers_that_are_not_finite_are_refused(session):
    weights = [np.full_like(each, np.nan) for each in session._model.get_weights()]
    session._model.set_weights(weights)
    with pytest.raises(ValueError, match="no longer finite: begin with new weights"):
        session.look(encoded(SEVEN))


# -------------------------------------------------------------------------------------------- HTTP


@pytest.fixture
def server(session):
    with play.Server(session) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(server, method, path, body=None, **headers) -> tuple[int, dict, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    if body is not None:
        headers = {"Content-Type": "application/json"} | headers
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def test_it_listens_on_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


@pytest.mark.parametrize(
    "path, kind, begin",
    [("/", "text/html", b"<!doctype"), ("/page.css", "text/css", b":root"),
     ("/page.js", "text/javascript", b"//")],
)  # fmt: skip
def test_the_page_is_served_and_may_load_nothing_from_elsewhere(server, path, kind, begin):
    status, headers, body = asked(server, "GET", path)
    assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    assert body.startswith(begin)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert b"http" not in body.replace(b"http://www.w3.org/2000/svg", b"")


def test_the_session_answers_over_http(server):
    status, _, body = asked(server, "GET", "/api/state")
    assert status == 200 and json.loads(body)["network"] == "two convolutions with pooling"
    status, _, body = asked(server, "POST", "/api/train", '{"steps": 2}')
    assert status == 200 and len(json.loads(body)["losses"]) == 2
    status, _, body = asked(server, "POST", "/api/look", json.dumps({"pixels": encoded(SEVEN)}))
    assert status == 200 and len(json.loads(body)["probabilities"]) == 10
    status, _, body = asked(server, "POST", "/api/network", '{"name": "dense"}')
    assert status == 200 and json.loads(body)["parameters"] == 2410


def test_requests_at_the_same_time_are_answered_one_after_the_other(server):
    statuses = []

    def train() -> None:
        statuses.append(asked(server, "POST", "/api/train", '{"steps": 3}')[0])

    threads = [threading.Thread(target=train) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    assert len(server.session.state()["losses"]) == 24


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": "localhost.evil.example:80"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("request_", [("GET", "/"), ("GET", "/api/state"), ("POST", "/api/train")])
def test_requests_of_other_sites_are_refused(server, headers, request_):
    status, _, body = asked(server, *request_, '{"steps": 1}', **headers)
    assert status == 403
    assert json.loads(body) == {"error": f"requests must come from {server.url}"}
    assert not server.session.state()["losses"]


def test_requests_of_the_page_itself_are_accepted(server):
    for host in server.hosts:
        status, *_ = asked(
            server, "POST", "/api/train", '{"steps": 1}',
            Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin",
        )  # fmt: skip
        assert status == 200


@pytest.mark.parametrize(
    "path, body, status, message",
    [
        ("/api/delete", "{}", 404, "there is no /api/delete"),
        ("/api/_test", "{}", 404, "there is no /api/_test"),
        ("train", '{"steps": 1}', 404, "there is no train"),
        ("/api/train", "{", 400, "the body is not JSON"),
        ("/api/train", "[" * 100_000, 400, "the body is not JSON"),
        ("/api/train", "[1]", 400, "the body must be an object"),
        ("/api/train", "{}", 400, "missing a required argument: 'steps'"),
        ("/api/train", '{"stops": 1}', 400, "missing a required argument: 'steps'"),
        ("/api/train", '{"steps": 0}', 400, "`steps` must be positive, received 0"),
        ("/api/train", '{"steps": 101}', 400, "`steps` must be at most 100, received 101"),
        ("/api/train", '{"steps": "1"}', 400, "`steps` must be an integer, received '1'"),
        ("/api/network", '{"name": "x"}', 400, "`name` must be one of ['two convolutions"),
        ("/api/network", '{"name": ["x"]}', 400, "`name` must be one of ['two convolutions"),
        ("/api/look", '{"pixels": "AAAA"}', 400, "`pixels` must be 8x8 = 64 bytes, received 3"),
        ("/api/look", '{"pixels": "!"}', 400, "`pixels` must be base64"),
        ("/api/look", '{"pixels": 1}', 400, "`pixels` must be base64"),
        ("/api/example", '{"index": 360}', 400, "`index` must be at most 359, received 360"),
        ("/api/example", '{"index": -1}', 400, "`index` must not be negative, received -1"),
    ],
)
def test_requests_that_do_not_fit_are_refused(server, path, body, status, message):
    found, _, answer = asked(server, "POST", path, body)
    assert found == status
    assert json.loads(answer)["error"].startswith(message)


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json", "Content-Length": "-1"}, 411),
        ({"Content-Type": "application/json", "Content-Length": "1048577"}, 413),
        ({"Content-Type": "application/json", "Content-Length": "9" * 5000}, 413),
        ({"Content-Type": "application/json", "Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_bodies_of_another_type_or_size_are_refused(server, headers, status):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.putrequest("POST", "/api/train")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == status and answer.getheader("Connection") == "close"
    connection.close()


def test_a_browser_that_goes_away_is_no_error(server, capfd):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.putrequest("POST", "/api/train")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "100")
    connection.endheaders()
    connection.sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # reset instead of end
    connection.close()
    assert asked(server, "GET", "/api/state")[0] == 200
    assert capfd.readouterr().err == ""


# ----------------------------------------------------------------------------------------- command


def options(**given) -> Namespace:
    return Namespace(**{"model": None, "data": "digits", "limit": None} | given)


def test_the_command_plays_with_the_networks_of_the_package():
    state = command._session(options()).state()
    assert state["networks"] == list(play.NETWORKS)
    assert (state["drawing"], state["input"], state["margin"]) == ([8, 8], [8, 8, 1], 0)
    assert state["examples"] == 360


def test_a_model_of_a_file_keeps_its_weights(tmp_path):
    utils.set_random_seed(0)
    path, model = f"{tmp_path}/m.keras", digit_model(size=28, channels=3)
    model.save(path)
    session = command._session(options(model=path))
    state = session.state()
    assert state["network"] == path and state["input"] == [28, 28, 3]
    drawing = np.zeros((8, 8), np.uint8)
    drawing[0, 0] = 255  # becomes 3x3 pixels below a border of 2
    sample = np.zeros((1, 28, 28, 3), np.float32)
    sample[:, 2:5, 2:5] = 1
    seen = session.look(base64.b64encode(drawing.tobytes()).decode())
    np.testing.assert_allclose(seen["probabilities"], model.predict_on_batch(sample)[0])


def test_a_network_of_the_zoo_is_made_for_the_data():
    session = command._session(options(model="lenet5"))
    assert session.state()["input"] == [32, 32, 1]
    assert session.look(encoded(SEVEN))["layers"][0]["name"] == "c1"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--port", "-1"], "--port must be from 0 to 65535, received -1"),
        (["--data", "cifar10"], "unknown --data 'cifar10'"),
        (["nothing"], "must be a .keras file or a network of the zoo, received 'nothing'"),
        (["none.keras"], "none.keras: no such file"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(capsys, arguments, message):
    assert message in refused(capsys, "play", "--no-browser", *arguments)


def test_a_large_network_is_refused(tmp_path, capsys):
    path = tmp_path / "large.keras"
    digit_model(size=65).save(path)
    assert "at most 64x64, takes 65x65" in refused(capsys, "play", "--no-browser", path)


def test_a_taken_port_is_refused(server, capsys):
    error = refused(capsys, "play", "--no-browser", "--port", server.server_port)
    assert f"--port {server.server_port}: Address already in use; --port 0 takes any" in error


def test_ctrl_c_ends_the_command():
    process = subprocess.Popen(
        [sys.executable, "-m", "fastconv", "play", "--no-browser", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("http://127.0.0.1:")
    port = int(line.split("/")[2].split(":")[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/api/state")
    assert connection.getresponse().status == 200  # and the connection stays open
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    connection.close()
    assert (process.returncode, out, err) == (0, "stopped\n", "")

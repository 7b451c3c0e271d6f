"""What fit, evaluate and predict print: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import re
import sys

from fastconv.callbacks.progress import Progress
from tests.support.linear_model import X, Y, linear

LINE = r"4/4 ━{20} \d+s \d+(us|ms|s)/step - accuracy: \d\.\d{4} - loss: \d\.\d{4}"
VALIDATION = r" - val_accuracy: \d\.\d{4} - val_loss: \d\.\d{4}"


def test_what_is_printed_off_a_terminal(capsys):
    """One line per epoch, no colours, nothing redrawn."""
    model = linear(metrics=["accuracy"])
    model.fit(X, Y, batch_size=5, epochs=2, validation_data=(X, Y))
    lines = capsys.readouterr().out.split("\n")
    assert [lines[0], lines[2], lines[4]] == ["Epoch 1/2", "Epoch 2/2", ""]
    assert re.fullmatch(LINE + VALIDATION, lines[1])
    model.fit(X, Y, batch_size=5, verbose=1)
    assert re.fullmatch(LINE + "\n", capsys.readouterr().out)
    model.evaluate(X, Y, batch_size=5)
    assert re.fullmatch(LINE + "\n", capsys.readouterr().out)
    model.predict(X, batch_size=5)
    assert re.fullmatch(r"4/4 ━{20} \d+s \d+(us|ms|s)/step\n", capsys.readouterr().out)
    model.fit(X, Y, batch_size=5, verbose=2)
    assert re.fullmatch(r"4/4 - \d+s - \d+(us|ms|s)/step - accuracy: .* - loss: .*\n",
                        capsys.readouterr().out)  # fmt: skip
    model.fit(X, Y, batch_size=5, verbose=0)
    model.predict(X, verbose=0)
    assert capsys.readouterr().out == ""


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_what_is_drawn_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    progress = Progress("auto", steps=100)
    progress.epoch(0)
    for done in range(1, 101):
        if progress.due(done):
            progress.draw(done, {"loss": 0.25})
    progress.end(100, {"loss": 0.0001})
    drawings = re.sub(r"\x1b\[\d+m", "", terminal.getvalue()).split("\r")
    assert len(drawings) == 3  # the first, then none within 0.05 s, and the last
    assert re.fullmatch(r"  1/100 ━{20} \d+s \S+/step - loss: 0\.2500", drawings[1])
    assert re.fullmatch(r"100/100 ━{20} 0s \S+/step - loss: 1\.0000e-04 *\n", drawings[2])


def test_a_bar_of_unknown_length(monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    progress = Progress(1)
    progress.draw(7, {})
    progress.end(9, {})
    drawings = re.sub(r"\x1b\[\d+m", "", terminal.getvalue()).split("\r")
    assert drawings[1].startswith("      7/Unknown 0s")
    assert drawings[2].startswith("9/9 ━")


def test_the_bar_is_plain_where_its_character_is_unknown(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    linear().fit(X, Y, batch_size=5)
    sys.stdout.flush()
    assert raw.getvalue().startswith(b"4/4 -------------------- 0s")


def test_lines_fit_into_a_narrow_terminal_and_numbers_stay_whole(monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    logs = {"accuracy": 0.91, "loss": 0.25, "val_accuracy": 0.9, "val_loss": 0.3}
    progress = Progress(1, steps=10)
    progress.draw(5, logs)
    progress.end(10, logs)
    shown = re.sub(r"\x1b\[\d+m", "", terminal.getvalue())
    lines = [line.split("\r")[-1].rstrip() for line in shown.split("\n")]
    assert max(map(len, lines)) < 60
    numbers = re.findall(r"(\w+): (0\.\d{4})\b", " ".join(lines))
    assert numbers == [(name, f"{value:.4f}") for name, value in logs.items()]


def test_metrics_of_validation_begin_a_line_in_a_terminal_of_80_columns(monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    logs = {"accuracy": 0.91, "loss": 0.25, "val_accuracy": 0.9, "val_loss": 0.3}
    Progress(1, steps=10).end(10, logs)
    first, second, _ = re.sub(r"\x1b\[\d+m|\r", "", terminal.getvalue()).split("\n")
    assert first.startswith("10/10 " + "━" * 20)
    assert first.endswith("accuracy: 0.9100 - loss: 0.2500")
    assert second == "    val_accuracy: 0.9000 - val_loss: 0.3000"


def test_no_color_leaves_out_the_colours(monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    progress = Progress(1, steps=2)
    progress.draw(1, {})
    progress.end(2, {})
    assert "2/2" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()

"""The command line: what it prints, what it refuses, and that it stands on the package alone."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fastconv
from fastconv import cli, layers, models, runtime
from fastconv.bench import operations, results, suite, tables
from fastconv.bench.peak import Peak
from fastconv.bench.timing import Protocol
from fastconv.cli import doctor
from tests.support.command_line import digit_model, refused

PACKAGE = Path(fastconv.__file__).resolve().parent
SHORTEST = Protocol(rounds=1, block=1e-4, pause=0.0, warm_up=0.0)


@pytest.fixture
def small(monkeypatch):
    """The suite with tiny layers instead of real ones."""
    rows = (operations.Convolution("tiny", 2, 8, 8, 3, 5, 3, 3, 1, 1, 1),)
    monkeypatch.setattr(suite, "CONVOLUTIONS", rows)
    monkeypatch.setattr(suite, "POOLS", ((2, 8, 8, 3),))
    monkeypatch.setattr(suite, "_QUICK", SHORTEST)


def alone(tmp_path, *arguments) -> str:
    """What Python prints where it finds the package and no checkout around it."""
    (tmp_path / "fastconv").symlink_to(PACKAGE)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", ["info", "config"])
def test_info_prints_the_configuration_and_the_extras(command, capsys):
    assert cli.main([command]) == 0
    printed = capsys.readouterr().out
    runtime.show_config()
    assert printed.startswith(capsys.readouterr().out)
    assert "extra data          installed\n" in printed


def test_info_as_json(capsys):
    assert cli.main(["info", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["fastconv"] == fastconv.__version__
    assert printed["extras"]["data"] is True


def test_info_names_a_missing_extra(monkeypatch, capsys):
    monkeypatch.setitem(cli.info.EXTRAS, "data", "no_such_module")
    assert cli.main(["info"]) == 0
    assert "missing: pip install 'fastconv[data]'" in capsys.readouterr().out


def test_info_as_a_module(tmp_path):
    assert f"instruction set     {runtime.isa()}" in alone(tmp_path, "-m", "fastconv", "info")


def test_without_a_command_help_is_shown(capsys):
    assert cli.main([]) == 0
    assert "COMMAND" in capsys.readouterr().out


def test_the_doctor_names_every_instruction_set_and_tests_the_kernels(capsys):
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for isa in runtime.compiled_isas():
        assert re.search(rf"^  {isa} +(not )?used: ", printed, re.MULTILINE)
    assert printed.count("\npassed ") == len(doctor.CHECKS)


@pytest.mark.parametrize("line", ["doctor", "filters --list"])
def test_a_terminal_gets_lines_of_its_width_and_a_file_gets_whole_ones(line, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", {})
    assert cli.main(line.split()) == 0
    whole = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert cli.main(line.split()) == 0
    wrapped = capsys.readouterr().out
    assert wrapped.split() == whole.split()
    assert len(wrapped.splitlines()) > len(whole.splitlines())
    for printed in wrapped.splitlines():
        assert len(printed) < 60 or " " not in printed[24:]  # a long word stays whole


def test_the_doctor_reports_a_test_that_fails(capsys, monkeypatch):
    def broken():
        raise RuntimeError("the results differ")

    monkeypatch.setitem(doctor.CHECKS, "sums", broken)
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr()
    assert "FAILED             sums: the results differ\n" in printed.out
    assert "1 of 5 tests failed: sums" in printed.err


def test_a_table_is_divided_where_the_terminal_is_narrow(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes standard output for a terminal
    table = tables.Table("Times", ["layer", "first", "second", "third"])
    table.add("convolution", 123456, 234567, 345678)
    table.show()
    printed = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert all(number in printed for number in ("123456", "234567", "345678"))
    assert max(map(len, printed.split("\n"))) <= 30
    assert "…" not in printed


def test_version_prints_name_and_number(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"fastconv {fastconv.__version__}\n"


def test_help_needs_neither_numpy_nor_the_core(tmp_path):
    program = (
        "import sys, fastconv.cli\n"
        "try: fastconv.cli.main(['bench', '--help'])\n"
        "except SystemExit: print(*sorted(sys.modules))"
    )
    *lines, loaded = alone(tmp_path, "-c", program).splitlines()
    assert any("--threads" in line for line in lines)
    assert not {"numpy", "rich", "fastconv._ext._core"} & set(loaded.split())


def test_the_suite_needs_nothing_outside_of_the_package(tmp_path):
    program = "import sys, fastconv.bench.suite; print(*sorted(sys.modules))"
    loaded = alone(tmp_path, "-c", program).split()
    assert "fastconv.bench.suite" in loaded
    assert not [name for name in loaded if name.split(".")[0] in ("benchmarks", "pytest", "rich")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["race"], "unknown command 'race'; there are train, evaluate, predict"),
        (["trian"], "fastconv: unknown command 'trian'; did you mean 'train'? (see fastconv --h"),
        (["--verson"], "fastconv: unknown option '--verson'; did you mean '--version'?"),
        (["bench", "--threads", "0"], "--threads must be an integer from 1 to 1024, received 0"),
        (["bench", "--threads", "two"], "--threads: must be a whole number, received 'two'"),
        (["bench", "--threads"], "fastconv bench: --threads: needs a value (see fastconv bench"),
        (["info", "--quick"], "fastconv info: unknown option '--quick' (see fastconv info --help)"),
        (["info", "-q"], "fastconv info: unknown option '-q' (see fastconv info --help)"),
        (["info", "now"], "fastconv info: unknown argument 'now' (see fastconv info --help)"),
        (["train", "--lr", "0.1"], "unknown option '--lr'; did you mean '--learning-rate'?"),
        (["train", "--nb-epoch=3"], "unknown option '--nb-epoch'; did you mean '--epochs'?"),
        (["train", "--batchsize", "3"], "'--batchsize'; did you mean '--batch-size'? (see fastco"),
        (["train", "--learning-rate", "x"], "--learning-rate: must be a number, received 'x'"),
        (["train", "--optimizer", "addam"], "fastconv train: --optimizer must be one of"),
        (["train", "--optimizer", "addam"], "received 'addam'; did you mean 'adam'?"),
        (["train", "--learning-rate", "-1"], "train: --learning-rate must be finite and at least"),
        (["train", "--seed", "-1"], "fastconv train: --seed must be an integer from 0"),
        (["train", "--limit", "1"], "--validation-split 0.1 of 1 pictures leaves 0 to train on"),
        (["visualize", "lenet5", "--output", "x"], "'--output'; did you mean '--out'?"),
        (["filters", "sobel", "a.png"], "unknown filter 'sobel'; did you mean 'sobel_"),
        (["filters", "box_blur", "a.png", "a.txt"], "OUTPUT must end in one of .bmp, .gif,"),
        (["filters", "box_blur", "--show", "valeus"], "--show 'valeus'; did you mean 'values'?"),
        (["summary", "lenet5", "--size", "0"], "--size must be at least 1, received 0"),
        (["summary", "lenet5", "--channels", "0"], "--channels must be at least 1, received 0"),
        (
            ["evaluate", "lenet5"],
            "lenet5: has no trained weights; see fastconv train --m",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(arguments, message, capsys):
    assert message in refused(capsys, *arguments)


def test_what_a_path_is_instead_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("no picture")
    Path("empty").mkdir()
    Path("flat").mkdir()
    Path("flat/a.png").write_bytes(b"")
    Path("digits.keras").write_bytes(b"")
    for arguments, message in (
        ("train --data empty", "empty: no class folders; --data must hold a folder of that class"),
        ("train --data flat", "flat: no class folders; move the pictures of each class into a fo"),
        ("train --data text.txt", "text.txt is a file"),
        ("train --backup text.txt", "--backup text.txt: must be a folder, and is a file"),
        ("train --tensorboard text.txt", "--tensorboard text.txt: must be a folder, and is a fil"),
        ("train --save empty.keras/x.keras", "the folder empty.keras does not exist"),
        ("visualize lenet5 --out text.txt", "--out text.txt: must be a folder, and is a file"),
        ("explain lenet5 --picture no/x.png", "--picture no/x.png: the folder no does not exist"),
        ("evaluate empty", "empty: is a folder; a model is a .keras file"),
        ("summary digit.keras", "a .keras file; did you mean 'digits.keras'?"),
        (
            "filters box_blur text.txt x.png",
            "text.txt: not a readable picture: begins as none of",
        ),
        ("filters box_blur flat/a.png no/x.png", "OUTPUT no/x.png: the folder no does not exist"),
    ):
        assert message in refused(capsys, *arguments.split())


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_has_examples_that_parse(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert "examples:\n  fastconv " in printed or command == "predict"
    for example in cli.COMMANDS[command].EXAMPLES:
        assert example in printed.replace(" \\\n      ", " ")
        arguments = shlex.split(example.split("| ")[-1].split(" > ")[0])
        assert arguments[:2] == ["fastconv", command]
        cli._parser().parse_args(arguments[1:])


def command(arguments: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "fastconv", *arguments.split()],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_reader_who_goes_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with command("filters --list", stdout=writing) as process:
        os.close(writing)
        assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 141


def test_ctrl_c_ends_in_one_line(tmp_path):
    model = digit_model()
    model.compile(loss="sparse_categorical_crossentropy")
    model.save(tmp_path / "m.keras")
    arguments = f"train --model {tmp_path / 'm.keras'} --epochs 100000"
    with command(arguments, stdout=subprocess.PIPE) as process:
        while "Epoch 1/" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (said, process.returncode) == ("fastconv train: interrupted\n", 130)


def test_a_failure_of_the_work_is_one_line_or_a_traceback(monkeypatch, capsys):
    def fail(options):
        raise MemoryError("no room\nfor 12 bytes")

    monkeypatch.setattr(cli.info, "run", fail)
    assert refused(capsys, "info", code=1) == "fastconv info: failed: no room for 12 bytes\n"
    with pytest.raises(MemoryError):
        cli.main(["info", "--traceback"])


def test_bench_prints_every_part(small, capsys):
    before = runtime.get_num_threads()
    assert cli.main(["bench", "--quick", "--threads", "1"]) == 0
    printed = capsys.readouterr().out
    assert f"Convolutions, float32, {runtime.isa()}, threads: 1" in printed
    assert "Pooling 2x2, float32, threads: 1" in printed
    assert "Networks, float32, threads: 1" in printed
    assert "multiply-add peak: " in printed
    assert all(direction in printed for direction in operations.PASSES)
    assert "training step" in printed and "LeNet-5" in printed
    assert runtime.get_num_threads() == before


def test_bench_measures_a_model(small, capsys, tmp_path):
    digit_model().save(tmp_path / "m.keras")
    arguments = ["bench", str(tmp_path / "m.keras"), "--batch-size", "3", "--quick", "--json"]
    assert cli.main([*arguments, "--threads", "1,2"]) == 0
    document = results.checked(json.loads(capsys.readouterr().out), "the output")
    assert [table["threads"] for table in document["tables"]] == [1, 2]
    for table in document["tables"]:
        (row,) = table["rows"]
        assert (table["part"], row[1:3]) == ("model", ["8x8x1", 3])
        assert row[3] > 0


def test_bench_refuses_models_that_it_cannot_feed(capsys, tmp_path):
    x = layers.Input((None, None, 1))
    models.Model(x, layers.Conv2D(2, 3)(x)).save(tmp_path / "m.keras")
    assert "must be known" in refused(capsys, "bench", str(tmp_path / "m.keras"))
    assert "--batch-size is for a MODEL" in refused(capsys, "bench", "--batch-size", "2")


def test_bench_as_json(small, capsys):
    assert cli.main(["bench", "--quick", "--json"]) == 0
    document = results.checked(json.loads(capsys.readouterr().out), "the output")
    assert [row[0] for row in document["tables"][0]["rows"]] == ["tiny"] * 3
    assert [table["part"] for table in document["tables"]] == list(suite.PARTS)
    assert document["machine"]["instruction_set"] == runtime.isa()
    assert document["versions"]["fastconv"] == fastconv.__version__


def test_bench_on_several_numbers_of_threads(small, capsys):
    assert cli.main(["bench", "--quick", "--json", "--threads", "1,2"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    assert [table["threads"] for table in tables] == [1, 1, 1, 2, 2, 2]


def test_bench_compares_with_an_earlier_result(small, capsys, tmp_path):
    path = tmp_path / "old.json"
    cli.main(["bench", "--quick", "--json", "--threads", "1"])
    document = json.loads(capsys.readouterr().out)
    arguments = ["bench", "--quick", "--threads", "1", "--compare", str(path), "--tolerance", "50"]

    def compared(factor):
        """(exit code, report) after all old times are multiplied by `factor`."""
        changed = json.loads(json.dumps(document))
        for table in changed["tables"]:
            for row in table["rows"]:
                row[table["columns"].index("ms")] *= factor
        path.write_text(json.dumps(changed))
        return cli.main(arguments), capsys.readouterr().err

    assert compared(1e6)[0] == 0
    code, report = compared(1e-6)
    assert code == cli.bench.SLOWER == 3
    count = len(results.times(document))
    assert f"{count} measurements take" in report
    assert f"{count} are slower by more than 50 %" in report


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "--compare: "),
        ("[]", 'must be an object with "format": 1'),
        ('{"format": 1, "kind": "bench"}', "'date' must be of type str"),
    ],
)
def test_bench_refuses_a_file_that_is_no_result(small, capsys, tmp_path, text, message):
    path = tmp_path / "old.json"
    path.write_text(text)
    assert cli.main(["bench", "--quick", "--compare", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_results_of_other_measurements_cannot_be_compared():
    old = {"tables": [{"title": "a", "columns": ["layer", "ms"], "rows": [["x", 1.0]]}]}
    new = {"tables": [{"title": "b", "columns": ["layer", "ms"], "rows": [["x", 2.0]]}]}
    assert results.compared(old, old)[0].ratio == 1
    with pytest.raises(ValueError, match="no measurement in common"):
        results.compared(old, new)


def test_bench_uses_the_default_number_of_threads(small, capsys):
    with runtime.num_threads(2):
        assert cli.main(["bench", "--quick"]) == 0
    assert "threads: 2" in capsys.readouterr().out


def test_one_row_per_layer_and_pass():
    rows = (operations.Convolution("tiny", 1, 6, 6, 2, 4, 3, 3, 1, 0, 2),)
    table = suite.measure_convolutions(rows, Peak(1), SHORTEST)
    assert [row[2] for row in table.rows] == list(operations.PASSES)
    for *_, milliseconds, gflops, percent in table.rows:
        # Two operations per multiply-add: 4x4 pixels, 3x3 taps, 1 channel in each group, 4 filters.
        assert gflops * milliseconds * 1e6 == pytest.approx(2 * 16 * 9 * 4)
        assert percent > 0


def test_the_suite_measures_layers_that_exist():
    names = [row.name for row in suite.CONVOLUTIONS]
    assert len(set(names)) == len(names)
    for row in suite.CONVOLUTIONS:
        assert row.geometry.output_shape == row.output_shape, row.name
    assert suite.mnist_network().count_params() == 93_322
    assert suite.lenet5().count_params() == 61_706


def test_table_and_its_markdown():
    table = tables.Table("Title", ["layer", "ms"])
    table.add("conv", 0.01234)
    table.add("pool", None)
    assert "| conv | 0.012 |\n| pool | - |" in table.markdown()
    with pytest.raises(ValueError, match="a row needs 2 cells, received 1"):
        table.add("conv")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (1234.56, "1235"),
        (45.67, "45.7"),
        (1.234, "1.23"),
        (0.01234, "0.012"),
        (0.0, "0.00"),
        (float("nan"), "nan"),
        (7, "7"),
        ("text", "text"),
        (None, "-"),
    ],
)
def test_cells_have_about_three_digits(cell, shown):
    assert tables.text(cell) == shown


def test_an_unknown_pass_is_named():
    row = operations.Convolution("tiny", 1, 6, 6, 2, 4, 3, 3, 1, 0, 1)
    with pytest.raises(ValueError, match=r"`direction` must be one of \('forward', .*'sideways'"):
        operations.convolution(row, "sideways", row.arrays(), 1)
    with pytest.raises(ValueError, match="`num_threads` must be at least 1, received 0"):
        Peak(0)

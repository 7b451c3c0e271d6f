"""The command line: what it prints, what it refuses, and that it stands on the package alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastconv
from fastconv import cli, runtime
from fastconv.bench import operations, suite, tables
from fastconv.bench.peak import Peak
from fastconv.bench.timing import Protocol

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


def test_config_prints_the_configuration(capsys):
    assert cli.main(["config"]) == 0
    printed = capsys.readouterr().out
    runtime.show_config()
    assert printed == capsys.readouterr().out


def test_config_as_a_module(tmp_path):
    assert f"instruction set     {runtime.isa()}" in alone(tmp_path, "-m", "fastconv", "config")


def test_version(capsys):
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
        ([], "arguments are required: command"),
        (["race"], "invalid choice: 'race'"),
        (["bench", "--threads", "0"], "--threads must be an integer from 1 to 1024, received 0"),
        (["bench", "--threads", "two"], "invalid int value: 'two'"),
        (["config", "--quick"], "unrecognized arguments: --quick"),
    ],
)
def test_refusals(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


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

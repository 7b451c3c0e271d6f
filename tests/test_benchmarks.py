"""The measuring instruments: shapes, networks, medians, splits, pages. Nothing here is timed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import (
    busy,
    convolutions,
    embedding,
    fit_cost,
    memory,
    nets,
    page,
    peers,
    quantized,
    report,
    scaling,
    shape_files,
    timing,
    weight,
    work_split,
)
from benchmarks.model_nets import MODEL_NETS
from fastconv.bench import operations, processor, results
from fastconv.bench.tables import Table


@pytest.mark.parametrize("name", shape_files.names())
def test_shape_file_agrees_with_the_geometry(name):
    rows = shape_files.read(name)
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        geometry = row.geometry
        output_shape = (geometry.batch, geometry.out_h, geometry.out_w, geometry.filters)
        assert output_shape == row.output_shape, row.name


def test_held_out_shapes_are_many_and_not_fitted_to():
    rows = shape_files.read(shape_files.HELD_OUT)
    assert len(rows) >= 150
    assert {row.dilation for row in rows} > {1, 2}
    assert any(row.paddings == (0, 3) and row.kernel_w == 7 for row in rows)
    fitted = {row[2:] for row in fit_cost.rows((0,))}
    assert not [row.name for row in rows if row[2:] in fitted]  # at any batch size


def test_shape_file_errors_name_what_there_is():
    with pytest.raises(ValueError, match="no shape file 'lenet'; there are: .*peers"):
        shape_files.read("lenet")
    with pytest.raises(ValueError, match="no row named nothing; there are: lenet_c1"):
        shape_files.select(shape_files.read("peers"), ["lenet_c1", "nothing"])


@pytest.mark.parametrize("direction", operations.PASSES)
def test_a_forced_algorithm_is_the_one_reported(direction):
    (row,) = shape_files.select(shape_files.read("peers"), ["mnist_c3"])
    for algorithm in ("direct", "winograd2", "winograd4"):
        assert operations.algorithm_of(row, direction, algorithm) == algorithm
    assert operations.algorithm_of(row, direction) in convolutions.ALGORITHMS


def test_networks_have_their_published_numbers_of_parameters():
    parameters = {name: net.parameters for name, net in nets.NETS.items()}
    assert parameters == {
        "mnist": 93_322,
        "lenet5": 61_706,
        "cifar": 550_570,
        "alexnet": 62_378_344,
        "vgg16": 138_357_544,
    }


def test_models_have_their_known_numbers_of_parameters():
    parameters = {name: net.model().count_params() for name, net in MODEL_NETS.items()}
    assert parameters == {
        "resnet18": 11_699_112,
        "resnet50": 25_636_712,
        "mobilenet": 4_253_864,
        "mobilenet_v2": 3_538_984,
        "efficientnet": 5_330_571,
        "densenet": 8_062_504,
        "squeezenet": 1_235_496,
        "unet": 1_929_858,
    }


@pytest.mark.parametrize("name", ["squeezenet", "mobilenet"])
def test_other_libraries_are_given_models_of_channels_first_images(name):
    onnx_file = pytest.importorskip("benchmarks.peers.onnx_file")
    graph = onnx_file.build(MODEL_NETS[name], [], 2).graph
    sizes = [n.dim_value for n in graph.input[0].type.tensor_type.shape.dim]
    assert (graph.input[0].name, sizes) == (onnx_file.INPUT, [2, 3, 224, 224])
    assert graph.output[0].name == onnx_file.OUTPUT
    assert graph.node[0].op_type == "Conv"


def test_a_library_of_chains_is_not_given_a_model():
    with pytest.raises(ValueError, match="ncnn is given chains of layers only, and U-Net is none"):
        peers.session("ncnn", "inference", "unet", 1, 1)


def test_kept_for_backward_counts_outputs_and_one_byte_per_window():
    tiny = nets.Net("tiny", "", (4, 4, 1), (nets.Conv(3, 3), nets.Pool(), nets.Flatten()), (1,), 1)
    assert tiny.shapes() == [(2, 2, 3), (1, 1, 3), (3,)]
    assert tiny.kept_for_backward(batch=5) == 5 * (4 * 12 + 4 * 3 + 3)


def test_fastconv_builds_the_networks_as_described():
    from benchmarks.peers import fastconv_side

    for name in ("mnist", "lenet5", "cifar"):
        net = nets.NETS[name]
        model = fastconv_side.model(net, net.weights())
        shape, shapes = (None, *net.input_shape), []
        for layer in model.layers:
            shape = layer.compute_output_shape(shape)
            shapes.append(shape[1:])
        assert shapes == net.shapes(), name


def test_a_comparison_of_quantized_networks_has_a_row_per_batch_size():
    quick = timing.Protocol(1, 0.001, 0.0)
    (row,) = quantized.measure(["cifar"], names=[], threads=1, protocol=quick)
    assert (row.batch, row.ratio) == (64, None)
    assert 0 < row.errors[peers.OURS] < 0.05
    with pytest.raises(ValueError, match="'ncnn' (is not installed|does not quantize here)"):
        peers.choose(["ncnn"], quantizing=True)


def test_unknown_peers_and_networks_are_refused():
    with pytest.raises(ValueError, match="no peer named 'caffe'; there are: torch"):
        peers.choose(["caffe"])
    with pytest.raises(ValueError, match="no network named zfnet; there are: mnist"):
        nets.select(["zfnet"])


def test_blocks_alternate_and_rotate():
    order = []
    sides = {name: lambda protocol, name=name: order.append(name) or [1.0] for name in "abc"}
    timing.alternate_blocks(sides, timing.Protocol(rounds=3))
    assert "".join(order) == "abcbcacab"


def test_median_of_blocks_and_ratio_within_rounds():
    blocks = {"ours": iter([[1.0, 9.0, 1.0], [2.0], [4.0]]), "peer": iter([[3.0], [4.0], [20.0]])}
    sides = {name: lambda protocol, name=name: next(blocks[name]) for name in blocks}
    timings = timing.alternate_blocks(sides, timing.Protocol(rounds=3))
    assert timings["ours"].blocks == (1.0, 2.0, 4.0)
    assert timings["ours"].median == 2.0
    assert timings["ours"].best == 1.0
    assert timing.ratio(timings["peer"], timings["ours"]) == 3.0


def test_a_block_counts_every_call():
    calls = []
    times = timing.run_block(lambda: calls.append(1), timing.Protocol(1, 1e-3, 0.0, warm_up=0.0))
    assert len(times) == len(calls) >= 1
    assert all(np.isfinite(times))


@pytest.mark.parametrize(
    ("count", "threads", "cpus", "factor"),
    [(0, 2, 2, 1), (1, 2, 2, 1.5), (4, 2, 2, 3), (2, 2, 8, 1), (8, 4, 8, 1.5), (2, 4, 2, 1.5)],
)
def test_a_fair_share_of_the_cores(count, threads, cpus, factor):
    assert busy.fair_factor(count, threads, cpus) == factor


def test_busy_processes_end_with_their_block():
    with busy.busy_processes(1) as [process]:
        assert process.poll() is None
    assert process.poll() is not None


def test_protocol_refuses_nonsense():
    with pytest.raises(ValueError, match="`rounds` must be at least 1, received 0"):
        timing.Protocol(rounds=0)
    with pytest.raises(ValueError, match="`block` must be positive"):
        timing.Protocol(block=0.0)


COMMANDS = (
    "convolutions", "pooling", "networks", "scaling", "busy", "epoch", "memory", "report", "peak",
    "weight",
    "subclasses", "embedding", "quantized",
)  # fmt: skip


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs cc")
def test_calls_from_cython_compute_what_python_computes():
    """The measurement compares the results."""
    pytest.importorskip("Cython")
    words = ["--only", "call", "tiny", "--rounds", "1", "--block", "0.001", "--pause", "0"]
    code = f"from benchmarks import embedding; embedding.main({words})"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ["call", *embedding.TINY])


def test_a_bound_is_a_most_or_a_least():
    assert embedding.Row("size", 401.0, "kB", 400.0).missed
    assert not embedding.Row("size", 400.0, "kB", 400.0).missed
    assert embedding.Row("ratio", 2.9, "times", 3.0, at_least=True).missed
    assert not embedding.Row("import", 1e9, "ms").missed


def test_the_instruction_set_is_chosen_before_the_core_is_loaded():
    """`--isa` is an option, and options are read after the imports."""
    imports = "; ".join(f"import benchmarks.{command}" for command in COMMANDS)
    code = f"import sys; {imports}; print('fastconv._ext._core' in sys.modules)"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_thread_counts_are_powers_of_two_and_the_most():
    assert scaling.thread_counts(1) == [1]
    assert scaling.thread_counts(8) == [1, 2, 4, 8]
    assert scaling.thread_counts(6) == [1, 2, 4, 6]


def test_results_replace_those_of_the_last_run():
    whole = page.PAGE.read_text(encoding="utf-8")
    once = page.replaced(whole, page.BODY, "<one run>")
    twice = page.replaced(once, page.BODY, "<another run>")
    assert "<another run>" in twice
    assert "<one run>" not in twice
    assert twice.split(page.BODY[0])[0] == whole.split(page.BODY[0])[0]
    with pytest.raises(ValueError, match="the page must hold the lines"):
        page.replaced("no markers", page.BODY, "results")


def result(title: str, part: str, rows: list[list[object]], **versions: str) -> dict:
    """A document with one table of the times of two libraries."""
    table = Table(
        title, ["network, batch", "fastconv ms", "torch ms", "ratio to the fastest"], rows
    )
    return results.document("peers", [(part, 2, table)], versions)


def test_a_part_that_is_measured_again_replaces_its_tables():
    first = result("One training step", "networks", [["A, 1", 1.0, 2.0, 2.0]], torch="1")
    second = result("Pooling", "pooling", [["B", 1.0, 1.0, 1.0]], torch="2")
    both = report.merged(first, second)
    assert [table["part"] for table in both["tables"]] == ["pooling", "networks"]
    assert both["versions"]["torch"] == "2"
    again = result("One training step", "networks", [["A, 1", 1.0, 3.0, 3.0]])
    assert report.merged(both, again)["tables"][1]["rows"] == [["A, 1", 1.0, 3.0, 3.0]]
    assert report.merged(None, first) == first
    first["machine"]["processor"] = "another"
    with pytest.raises(ValueError, match="the results of another, this is"):
        report.merged(first, second)


def test_a_document_is_written_with_a_line_for_each_row():
    document = result("One training step", "networks", [["A, 1", 1.0, 2.0, 2.0], ["B", 3, 4, 1]])
    text = report.as_text(document)
    assert json.loads(text) == document
    assert '["A, 1", 1.0, 2.0, 2.0]' in text


def test_the_page_shows_machines_side_by_side():
    one = result("One training step, median", "networks", [["A, 1", 1.0, 2.0, 2.0]])
    two = result("One training step, median", "networks", [["A, 1", 4.0, 20.0, 5.0]])
    one["machine"]["processor"], two["machine"]["processor"] = "X", "Y"
    found = {"x": one, "y": two}
    _, x, y = filter(None, page.summary(found).splitlines())
    assert x.endswith("cores of X: a training step of PyTorch and Keras 2.0 to 2.0")
    assert y.endswith("cores of Y: a training step of PyTorch and Keras 5.0 to 5.0")
    assert "| A, 1 | 1.00 | 2.00 | 4.00 | 5.00 |" in page.body(found)
    assert page.body(found).count("<details") == 2
    drawn = page.chart(found)
    assert drawn.count("5.0 ×") == 1 and "of X<" in drawn and "of Y<" in drawn


@pytest.mark.parametrize("path", sorted(page.RESULTS.glob("*/*.json")), ids=lambda p: p.parent.name)
def test_results_have_the_format_of_the_schema(path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((page.RESULTS / "schema.json").read_text())
    document = json.loads(path.read_text())
    jsonschema.validate(document, schema)
    results.checked(document, path.name)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"tables": [{"title": 1}]}, schema)


def test_a_new_result_has_the_format_of_the_schema():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((page.RESULTS / "schema.json").read_text())
    jsonschema.validate(result("a", "networks", [["A, 1", 1.0, None, 2.0]]), schema)


def test_sizes_count_a_library_and_all_that_it_requires():
    own, required = weight.sizes("fastconv")
    assert own > 5e6  # the compiled core alone
    assert required > 20e6  # NumPy alone
    closure = weight._closure({"matplotlib"})
    assert {"matplotlib", "numpy", "pillow"} <= closure
    assert "pytest" not in closure


def test_imports_run_in_turns_and_once_more_for_the_cache(tmp_path):
    path = tmp_path / "runs"
    programs = [f"open({str(path)!r}, 'a').write({letter!r})" for letter in "ab"]
    assert len(weight.import_seconds(programs, 2)) == 2
    assert path.read_text() == "ababab"


SERVER = (
    "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n"
    "model name\t: Intel(R) Xeon(R) Platinum 8488C CPU @ 2.40GHz\n\nmodel\t\t: 1"
)


@pytest.mark.parametrize(
    ("cpuinfo", "name", "file"),
    [
        (
            SERVER,
            "Intel(R) Xeon(R) Platinum 8488C CPU @ 2.40GHz (Sapphire Rapids)",
            "intel-xeon-platinum-8488c-sapphire-rapids",
        ),
        (
            "vendor_id : AuthenticAMD\ncpu family : 26\nmodel : 2\nmodel name : AMD EPYC",
            "AMD EPYC (Zen 5)",
            "amd-epyc-zen5",
        ),
        (
            "vendor_id : AuthenticAMD\ncpu family : 99\nmodel : 5\nmodel name : AMD Next",
            "AMD Next (family 99 model 5)",
            "amd-next-family-99-model-5",
        ),
        ("processor : 0\nCPU implementer : 0x41", "aarch64", "aarch64"),
    ],
)
def test_a_processor_is_named_with_its_microarchitecture(cpuinfo, name, file, monkeypatch):
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert processor.processor(cpuinfo) == name
    assert processor.file_name(cpuinfo) == file


# ---- the work split ----


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("chunk", [1, 2, 5])
@pytest.mark.parametrize("items", [1, 2, 6, 7, 29, 30])
def test_largest_share_is_that_of_threads_in_turn(items, chunk, threads):
    done = [0] * threads
    for start in range(0, items, chunk):  # the thread with the fewest items is ready first
        first = done.index(min(done))
        done[first] += min(chunk, items - start)
    assert work_split.largest_share(items, chunk, threads) == max(done)


@pytest.mark.parametrize("kind", ["inference", "training"])
@pytest.mark.parametrize("name", ["mnist", "lenet5", "cifar"])
def test_split_of_every_operation(name, kind):
    made = work_split.step(nets.NETS[name], 4, kind)
    assert made.unevenness(1) == (1.0, 1.0)
    for threads in (2, 5, 32, 128):
        uneven, speed_up = made.unevenness(threads)
        assert uneven >= 1.0
        assert 1.0 <= speed_up <= threads
        for op, phases in zip(made.ops, made.phases(threads), strict=True):
            for phase in phases:
                assert 1 <= phase.threads <= phase.worth <= threads, op
                assert phase.mean <= phase.longest <= phase.cost, op


def test_split_of_operations_that_are_too_small():
    """At one image the end of LeNet-5 is not worth two threads, and that is not uneven."""
    made = work_split.step(nets.NETS["lenet5"], 1, "inference")
    *_, last_product, softmax = made.phases(32)
    for phase in (*last_product, *softmax):
        assert phase.worth == 1
        assert phase.longest == phase.mean


def test_split_refuses_phases_it_does_not_know():
    op = work_split.step(nets.NETS["lenet5"], 1, "inference").ops[0]
    with pytest.raises(ValueError, match="DirectForward has 3 phases, expected 2"):
        work_split.phase_costs(op, [(1, 1, 1)] * 3)


def test_the_tables_of_work_splits_have_a_row_per_mode():
    shares, speed, worst = work_split.measure([nets.NETS["lenet5"]], batch=2, at=4)
    assert [row[:2] for row in shares.rows] == [
        ("LeNet-5, 2", "inference"),
        ("LeNet-5, 2", "training"),
    ]
    assert len(speed.rows) == 2
    assert shares.notes[0].startswith("above 1.15 at 4 threads and batch 2: ")
    assert all(float(row[-1]) >= 2 for row in worst.rows)


# ---- memory ----


def test_account_of_a_training_step():
    session = peers.session(peers.OURS, "training", "lenet5", 2, 1)
    session.call()
    account = session.account()
    assert account["parameters"] == account["gradients"] == account["slots"]
    assert account["parameters"] >= 4 * nets.NETS["lenet5"].parameters
    assert account["arena"] >= nets.NETS["lenet5"].kept_for_backward(2)
    assert account["scratch"] > 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="read from Linux's /proc")
def test_peak_of_a_training_process():
    found = memory.process_peak(peers.OURS, nets.NETS["cifar"], 1)
    assert found["batch"] == 64 * (4 * 32 * 32 * 3 + 8)
    counted = sum(found["account"].values()) + found["batch"]
    assert counted == pytest.approx(found["peak"] - found["before"] - found["code"], rel=0.05)

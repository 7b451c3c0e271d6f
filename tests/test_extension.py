"""Operations of the extension as a plan uses them: bound once, run often, chained in a program."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import ops, runtime, shapes
from fastconv.ops import compiled
from tests.support.conv_cases import BY_NAME
from tests.support.oracle import assert_equal, assert_same_bits, generator

ALGORITHMS = ("direct", "winograd2", "winograd4")


def bound_convolution(algorithm="direct"):
    """(op, x, w, b, y) of a small 3x3 layer."""
    rng = generator("bound")
    x = rng.standard_normal((2, 9, 8, 12), np.float32)
    w = rng.standard_normal((3, 3, 12, 20), np.float32)
    b = rng.standard_normal(20, np.float32)
    y = np.full((2, 7, 6, 20), np.nan, np.float32)
    geometry = shapes.conv2d_geometry(x.shape, w.shape)
    return compiled.conv2d_forward(geometry, x, w, b, y, "relu", 0.0, algorithm), x, w, b, y


def expected_of(x, w, b, algorithm):
    return ops.conv2d(x, w, b, activation="relu", algorithm=algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_op_sees_what_its_arrays_hold_at_each_run(isa, algorithm):
    op, x, w, b, y = bound_convolution(algorithm)
    for change in (None, x, w, b):
        if change is not None:
            change *= -0.5
        op.run(2)
        assert_same_bits(y, expected_of(x, w, b, algorithm))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_frozen_filters_are_packed_once(isa, algorithm):
    """Inference packs the filters at the first run; `invalidate` says that they have changed."""
    op, x, w, b, y = bound_convolution(algorithm)
    op.freeze_weights(True)
    op.run(1)
    before = expected_of(x, w, b, algorithm)
    assert_same_bits(y, before)
    w *= 2
    op.run(1)
    assert_same_bits(y, before)  # still the packed copy
    op.invalidate()
    op.run(1)
    after = expected_of(x, w, b, algorithm)
    assert_same_bits(y, after)
    assert (before != after).any()
    op.freeze_weights(False)
    w *= 2
    op.run(1)
    assert_same_bits(y, expected_of(x, w, b, algorithm))


def test_an_op_keeps_its_arrays_alive():
    op, x, w, b, y = bound_convolution()
    expected = expected_of(x, w, b, "direct")
    y_again = y.view()
    assert any(array is y for array in op.arrays)
    del x, w, b, y
    gc.collect()
    clutter = [np.full(2000, np.nan, np.float32) for _ in range(200)]  # reuse what was freed
    op.run(1)
    assert_same_bits(y_again, expected)
    assert len(clutter) == 200


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_algorithm_is_visible(algorithm):
    assert bound_convolution(algorithm)[0].algorithm == algorithm
    assert bound_convolution("auto")[0].algorithm in ALGORITHMS


def test_a_program_runs_its_ops_in_order(isa, dtype):
    """Convolution, pooling, dense layer, softmax: one call, the same bits as one by one."""
    rng = generator("program")
    x = rng.standard_normal((4, 10, 10, 3)).astype(dtype)
    w1, b1 = rng.standard_normal((3, 3, 3, 18)).astype(dtype), np.ones(18, dtype)
    w2, b2 = rng.standard_normal((288, 7)).astype(dtype), np.ones(7, dtype)
    y1, p = np.empty((4, 8, 8, 18), dtype), np.empty((4, 4, 4, 18), dtype)
    logits, y = np.empty((4, 7), dtype), np.empty((4, 7), dtype)
    parts = [
        compiled.conv2d_forward(shapes.conv2d_geometry(x.shape, w1.shape), x, w1, b1, y1, "relu"),
        compiled.MaxPoolForward(shapes.pool2d_geometry(y1.shape), y1, p, None),
        compiled.DenseForward(p.reshape(4, 288), w2, b2, logits),
        compiled.SoftmaxForward(logits, y),
    ]
    program = compiled.Program(parts)
    assert len(program) == 4
    assert list(program.ops) == parts
    for threads in (1, 2, 7):
        y[:] = np.nan
        program.run(threads)
        hidden = ops.max_pool2d(ops.conv2d(x, w1, b1, activation="relu"))
        assert_same_bits(y, ops.softmax(ops.dense(hidden.reshape(4, 288), w2, b2)), threads)
        x *= -1


def test_a_program_runs_its_ops_in_order_and_may_be_empty():
    x = np.arange(-4, 4, dtype=np.float32)
    y, z = np.empty_like(x), np.empty_like(x)
    steps = (
        compiled.ActivationForward("relu", x, y),
        compiled.ActivationForward("tanh", y, z),
    )
    program = compiled.Program(steps)
    assert len(program) == 2
    assert program.ops == steps
    program.run(1)
    assert_same_bits(z, ops.tanh(ops.relu(x)))
    compiled.Program([]).run(2)
    with pytest.raises(TypeError):
        compiled.Program([x])
    with pytest.raises(ValueError, match="num_threads"):
        program.run(0)


def test_an_op_runs_without_the_interpreter_lock():
    """Another Python thread makes progress while an op runs, so the lock is free meanwhile."""
    case = BY_NAME["net-vgg-3x3"]
    x = np.ones((200, *case.input_shape[1:]), np.float32)
    w = np.ones(case.kernel_shape, np.float32)
    y = np.empty((200, *case.output_shape[1:]), np.float32)
    geometry = shapes.conv2d_geometry(x.shape, w.shape, **case.forward_options)
    op = compiled.conv2d_forward(geometry, x, w, None, y, algorithm="direct")
    running, ticks = threading.Event(), []

    def count():
        while running.is_set():
            ticks.append(None)
            time.sleep(0)  # hands the lock back

    running.set()
    counter = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # no thread is made to give the lock up
    try:
        counter.start()
        before = len(ticks)
        op.run(1)
        after = len(ticks)
    finally:
        running.clear()
        sys.setswitchinterval(interval)
    counter.join(timeout=60)
    assert not counter.is_alive()
    assert after > before


def test_an_op_uses_the_instruction_set_it_was_made_with():
    """`set_isa` is for what is constructed afterwards."""
    names = runtime.available_isas()
    before = runtime.isa()
    try:
        runtime.set_isa(names[-1])
        op, x, w, b, y = bound_convolution()
        expected = expected_of(x, w, b, "direct")
        runtime.set_isa(names[0])
        op.run(1)
        assert_same_bits(y, expected)
    finally:
        runtime.set_isa(before)


def test_backward_kernel_without_a_bias(isa, dtype):
    rng = generator("no bias")
    x, dy = (rng.standard_normal(s).astype(dtype) for s in ((2, 7, 7, 5), (2, 5, 5, 9)))
    geometry = shapes.conv2d_geometry(x.shape, (3, 3, 5, 9))
    dw = np.full((3, 3, 5, 9), np.nan, dtype)
    for algorithm in ALGORITHMS:
        compiled.conv2d_backward_kernel(geometry, x, dy, dw, None, algorithm).run(1)
        expected, _ = ops.conv2d_backward_kernel(x, dy, kernel_size=3, algorithm=algorithm)
        assert_same_bits(dw, expected, algorithm)
    dw = np.full((7, 9), np.nan, dtype)
    x, dy = x.reshape(70, 7), dy.reshape(50, 9)[:50]
    compiled.DenseBackwardKernel(x[:50], dy, dw, None).run(1)
    assert_equal(dw, ops.dense_backward_kernel(x[:50], dy)[0])


# ----------------------------------------------------------------------------- the choice at import


def import_with(isa: str) -> subprocess.CompletedProcess:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(fastconv.__file__).parents[1])!r})\n"
        "import numpy as np\n"
        "from fastconv import ops, runtime\n"
        "ops.conv2d(np.ones((1, 4, 4, 1), 'f4'), np.ones((3, 3, 1, 1), 'f4'))\n"
        "print(runtime.isa())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FASTCONV_ISA": isa},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", runtime.available_isas())
def test_the_environment_forces_a_target(name):
    child = import_with(name)
    assert child.stdout.strip() == name, child.stderr


def test_the_environment_must_name_a_target():
    child = import_with("mmx")
    assert child.returncode == 1
    last = child.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError: FASTCONV_ISA") and "'mmx'" in last
    assert all(name in last for name in runtime.available_isas())


@pytest.mark.parametrize("name", sorted({"avx512", "avx2", "neon"} - {*runtime.available_isas()}))
def test_a_forced_target_that_is_lacking_is_an_error_and_no_signal(name):
    child = import_with(name)
    assert child.returncode == 1
    last = child.stderr.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: FASTCONV_ISA") and repr(name) in last


def test_the_default_target_is_the_best_one():
    child = import_with("")
    assert child.stdout.strip() == runtime.available_isas()[0], child.stderr

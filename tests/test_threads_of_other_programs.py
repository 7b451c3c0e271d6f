"""Threads in other people's processes: forks, threadpoolctl, joblib.

Each program runs in a process of its own and counts the threads that the system lists.  A thread
that has ended may stay in that list for a while, so no program counts after one has ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fastconv import runtime

CHECKOUT = Path(__file__).resolve().parents[1]

needs_openmp = pytest.mark.skipif(
    not runtime.openmp_enabled(), reason="this build has no OpenMP: all runs on one thread"
)
needs_threadpoolctl = pytest.mark.skipif(
    find_spec("threadpoolctl") is None, reason="threadpoolctl is not installed"
)
needs_joblib = pytest.mark.skipif(find_spec("joblib") is None, reason="joblib is not installed")
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="needs a list of the threads of a process"
)

WORK = """
import os, threading
import numpy as np
from fastconv import ops, runtime

rng = np.random.default_rng(0)
x = rng.standard_normal((8, 32, 32, 16)).astype(np.float32)
w = rng.standard_normal((3, 3, 16, 32)).astype(np.float32)

def tasks():
    return len(os.listdir("/proc/self/task"))

def started(**arguments):
    '''Number of threads that an operation starts.'''
    before = tasks()
    ops.conv2d(x, w, **arguments)
    return tasks() - before
"""


def python(program: str, folder: Path | None = None, **environment: str) -> list[str]:
    """The lines that a program prints after WORK; a hang is a failure.

    `folder` is for programs that worker processes import.
    """
    variables = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "ignore"}
    variables["OPENBLAS_NUM_THREADS"] = "1"
    variables.pop("OMP_NUM_THREADS", None)
    command = ["-c", WORK + program]
    if folder is not None:
        (folder / "program.py").write_text(WORK + program)
        command = [str(folder / "program.py")]
    result = subprocess.run(
        [sys.executable, *command],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


# ------------------------------------------------------------------------------------------- forks


@needs_openmp
def test_a_forked_child_computes_on_as_many_threads_as_its_parent():
    printed = python("""
runtime.set_num_threads(3)
expected = ops.conv2d(x, w)        # the OpenMP threads exist from now on
print(tasks(), flush=True)
child = os.fork()
if child == 0:
    alone = tasks()
    same = np.array_equal(ops.conv2d(x, w), expected)
    print(alone, tasks(), same, runtime.get_num_threads(), flush=True)
    grandchild = os.fork()
    if grandchild == 0:
        same = np.array_equal(ops.conv2d(x, w), expected)
        print(tasks(), same, flush=True)
        os._exit(0)
    os.waitpid(grandchild, 0)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(status, np.array_equal(ops.conv2d(x, w), expected))
""")
    assert printed == ["3", "1 3 True 3", "3 True", "0 True"]


@needs_openmp
def test_other_threads_go_on_computing_while_one_forks():
    printed = python("""
runtime.set_num_threads(2)
expected = ops.conv2d(x, w)
forked, results = threading.Event(), []
def compute():
    while not forked.is_set() or len(results) < 20:
        results.append(np.array_equal(ops.conv2d(x, w), expected))
thread = threading.Thread(target=compute)
thread.start()
statuses = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(ops.conv2d(x, w), expected) else 1)
    statuses.append(os.waitpid(child, 0)[1])
forked.set()
thread.join()
print(statuses == [0] * 10, all(results))
""")
    assert printed == ["True True"]


@needs_openmp
def test_a_fork_without_preparation_leaves_one_thread():
    """As by a program in C: the function of the C library runs no hook before the fork."""
    printed = python("""
import ctypes
runtime.set_num_threads(2)
expected = ops.conv2d(x, w)
child = ctypes.PyDLL(None).fork()
if child == 0:
    ctypes.pythonapi.PyOS_AfterFork_Child()
    same = np.array_equal(ops.conv2d(x, w, num_threads=2), expected)
    print(tasks(), same, runtime.get_num_threads(), runtime.config()["threads limited by"],
          flush=True)
    grandchild = os.fork()
    if grandchild == 0:
        print(np.array_equal(ops.conv2d(x, w), expected), runtime.get_num_threads(), flush=True)
        os._exit(0)
    os.waitpid(grandchild, 0)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(status, runtime.get_num_threads())
""")
    reason = "this process was forked, and its OpenMP library cannot be restarted"
    assert printed == [f"1 True 1 {reason}", "True 1", "0 2"]


def test_a_fork_before_the_core_is_loaded_limits_nothing():
    program = """
import os
from fastconv import runtime
runtime.set_num_threads(2)
child = os.fork()
if child == 0:
    print(runtime.get_num_threads(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, timeout=120
    )
    assert result.stdout == "2\n", result.stderr


# ----------------------------------------------------------------------------------- threadpoolctl


@needs_openmp
@needs_threadpoolctl
def test_threadpoolctl_lists_the_library_and_limits_the_threads():
    printed = python("""
from threadpoolctl import threadpool_info, threadpool_limits
runtime.set_num_threads(3)
expected = ops.conv2d(x, w)
found = [library for library in threadpool_info() if library["user_api"] == "openmp"]
print(len(found), found[0]["prefix"] in ("libgomp", "libomp", "libiomp"))
with threadpool_limits(limits=1):
    print(runtime.get_num_threads(), runtime.config()["threads limited by"])
    print(np.array_equal(ops.conv2d(x, w), expected))
    with runtime.num_threads(2):
        print(runtime.get_num_threads())
    print(runtime.resolve_num_threads(2))
print(runtime.get_num_threads())
with threadpool_limits(limits=1, user_api="blas"):
    print(runtime.get_num_threads())
with threadpool_limits(limits={found[0]["prefix"]: 1}):
    print(runtime.get_num_threads())
""")
    limited = "1 a limit that was set in the OpenMP library"
    assert printed == ["1 True", limited, "True", "1", "2", "3", "3", "1"]


@needs_openmp
@needs_threadpoolctl
def test_a_limit_counts_in_the_thread_that_sets_it():
    printed = python("""
from threadpoolctl import threadpool_limits
runtime.set_num_threads(2)
ready, limited = threading.Event(), threading.Event()
def work():
    with threadpool_limits(limits=1):
        print(started())
        ready.set()
        limited.wait()
    print(started())
thread = threading.Thread(target=work)
thread.start()
ready.wait()
print(started())
limited.set()
thread.join()
""")
    assert printed == ["0", "1", "1"]


@needs_openmp
@pytest.mark.parametrize(
    ("variable", "number"), [("OMP_NUM_THREADS", "None"), ("OMP_THREAD_LIMIT", "2")]
)
def test_variables_of_the_environment_limit_the_threads(variable, number):
    printed = python(f"print(started(num_threads={number}))", None, **{variable: "1"})
    assert printed == ["0"]


# ------------------------------------------------------------------------------------------ joblib


@needs_joblib
def test_limits_of_joblib_are_honoured(tmp_path):
    """Its worker processes get the limit in OMP_NUM_THREADS."""
    printed = python(
        """
from joblib import Parallel, delayed, parallel_config

def work():
    return runtime.get_num_threads(), runtime.config()["threads limited by"]

if __name__ == "__main__":
    with parallel_config(backend="loky", inner_max_num_threads=1):
        print(*Parallel(n_jobs=2)(delayed(work)() for _ in range(2)), sep="\\n")
""",
        tmp_path,
    )
    assert printed == ["(1, 'the environment variable OMP_NUM_THREADS=1')"] * 2


@needs_openmp
@needs_joblib
def test_forked_workers_of_joblib_compute_and_never_hang(tmp_path):
    printed = python(
        """
from joblib import Parallel, delayed

def work():
    return float(ops.conv2d(x, w).sum()), runtime.get_num_threads()

if __name__ == "__main__":
    runtime.set_num_threads(2)
    expected = work()
    found = Parallel(n_jobs=2, backend="multiprocessing")(delayed(work)() for _ in range(4))
    print(found == [expected] * 4)
""",
        tmp_path,
    )
    assert printed == ["True"]

"""Extremes that whole programs meet: arrays beyond 32 bits, too little memory, other processes.

What bends the surroundings (a limit on memory, a fork) happens in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import ops

ROOT = Path(fastconv.__file__).parents[1]


def run_python(program: str, *, script: Path | None = None) -> list[str]:
    """The lines that a program prints; `script` is where to write it, for children by `spawn`."""
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    command = ["-c", path + program]
    if script is not None:
        script.write_text(path + program)
        command = [str(script)]
    child = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120)
    assert child.returncode == 0, child.stderr
    return child.stdout.splitlines()


# -------------------------------------------------------------------------------------------- size


def free_memory() -> int:
    """Bytes that the system can still give, 0 where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(s.split()[1]) * 1024 for s in lines if s.startswith("MemAvailable")), 0)


# Memory that was never written to is one page of zeros, mapped again and again: the images below
# have 8 GiB of addresses and use hardly any memory.
needs_addresses = pytest.mark.skipif(free_memory() < 2**32, reason="needs some free memory")
POOL = 2**10
WIDTH = POOL * (2**16 + 1)  # of 16 channels: a row has more than 2^32 bytes, an image 2^31 elements


@pytest.fixture
def wide_image():
    """Zeros but for the first pixel of the second row and the last pixel of either row."""
    x = np.zeros((1, 2, WIDTH, 16), np.float32)
    assert x.size > 2**31 and x.strides[1] > 2**32
    x[0, 0, -1, 15], x[0, 1, -1, 15], x[0, 1, 0, 0] = 3, 5, 7
    return x


@needs_addresses
@pytest.mark.parametrize("pool, weight", [(ops.max_pool2d, 1), (ops.avg_pool2d, 1 / POOL)])
def test_pooling_of_more_than_2_to_the_31_elements(wide_image, pool, weight):
    y = pool(wide_image, pool_size=(1, POOL))
    expected = np.zeros((1, 2, 2**16 + 1, 16), np.float32)
    expected[0, 0, -1, 15], expected[0, 1, -1, 15], expected[0, 1, 0, 0] = 3, 5, 7
    np.testing.assert_array_equal(y, expected * np.float32(weight))


# Two taps, at the first and at the last pixel of each stretch of POOL; the last of all is the last.
FAR_APART = {"strides": (1, POOL), "dilation_rate": (1, POOL - 1), "algorithm": "direct"}


@needs_addresses
def test_convolution_of_more_than_2_to_the_31_elements(wide_image):
    w = np.zeros((1, 2, 16, 2), np.float32)
    w[0, 0, :, 0] = w[0, 1, :, 1] = 1  # a filter for either tap
    y = ops.conv2d(wide_image, w, **FAR_APART)
    expected = np.zeros((1, 2, 2**16 + 1, 2), np.float32)
    expected[0, 1, 0, 0], expected[0, :, -1, 1] = 7, (3, 5)
    np.testing.assert_array_equal(y, expected)


@needs_addresses
def test_filter_gradient_from_more_than_2_to_the_31_elements(wide_image):
    dy = np.ones((1, 2, 2**16 + 1, 2), np.float32)
    dy[0, 1, :, 1] = 2
    dw, db = ops.conv2d_backward_kernel(wide_image, dy, kernel_size=(1, 2), **FAR_APART)
    expected = np.zeros((1, 2, 16, 2), np.float32)
    expected[0, 0, 0], expected[0, 1, 15] = (7, 14), (8, 13)
    np.testing.assert_array_equal(dw, expected)
    np.testing.assert_array_equal(db, [2 * (2**16 + 1), 3 * (2**16 + 1)])


# ------------------------------------------------------------------------------------------ memory

LIMITED = """
import re, resource
import numpy as np
from fastconv import layers, models, ops, runtime
from fastconv.utils import set_random_seed
runtime.set_num_threads(1)

def allow(more):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, -1))

def refused(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except MemoryError as error:  # says the bytes, or the shape of an array of bytes
        stated = max(map(int, re.findall("[0-9]+", str(error))))
        print("MemoryError", stated > 2**25)
    else:
        print("went through")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process by RLIMIT_AS and /proc")
class TestTooLittleMemory:
    """A MemoryError states the bytes, and the next call works."""

    def test_workspace_of_an_operation(self):
        printed = run_python(
            LIMITED
            + """
x, w = np.ones((1, 8, 8, 1024), np.float32), np.ones((3, 3, 1024, 1024), np.float32)
for _ in range(2):
    allow(2**24)
    refused(ops.conv2d, x, w, algorithm="direct")  # it packs the filters
    print((ops.conv2d(x, w[..., :64], algorithm="direct") == 9 * 1024).all())
    allow(2**27)
    print((ops.conv2d(x, w, algorithm="direct") == 9 * 1024).all())
"""
        )
        assert printed == ["MemoryError True", "True", "True"] * 2

    def test_a_batch_that_does_not_fit_in_memory_changes_nothing(self):
        """A batch that does not fit leaves weights, optimizer and locks as they were."""
        printed = run_python(
            LIMITED
            + """
set_random_seed(1)
model = models.Sequential([
    layers.Input((16, 16, 1)), layers.Conv2D(64, 3), layers.Conv2D(64, 3), layers.Flatten(),
    layers.Dense(2)])
model.compile("adam", "mse")
x, y = np.ones((8000, 16, 16, 1), np.float32), np.ones((8000, 2), np.float32)
few = slice(0, 16)
model.fit(x[few], y[few], verbose=0)
before, expected = model.get_weights(), model.predict(x[few], verbose=0)
allow(2**28)
refused(model.predict, x, batch_size=8000, verbose=0)
refused(model.fit, x, y, batch_size=8000, verbose=0)
refused(model.evaluate, x, y, batch_size=8000, verbose=0)
print(all(map(np.array_equal, before, model.get_weights())), int(model.optimizer.iterations))
print(np.array_equal(model.predict(x[few], verbose=0), expected))
print(len(model.fit(x[few], y[few], verbose=0).history["loss"]), int(model.optimizer.iterations))
"""
        )
        assert printed == ["MemoryError True"] * 3 + ["True 1", "True", "1 2"]


# --------------------------------------------------------------------------------------- processes


def test_spawned_and_forked_children_go_on_with_a_trained_model(tmp_path):
    """What a child predicts after it was trained on has the bits that it has in the parent."""
    program = """
import multiprocessing, os, warnings
import numpy as np
from fastconv import layers, models, runtime

def make(weights=None):
    model = models.Sequential([layers.Input((16, 16, 8)), layers.Conv2D(32, 3), layers.Flatten(),
                               layers.Dense(3)])
    model.compile("sgd", "mse")
    if weights:
        model.set_weights(weights)
    return model

x = np.random.default_rng(0).standard_normal((64, 16, 16, 8)).astype(np.float32)

def work(weights, queue):
    model = make(weights)
    first = model.predict(x, verbose=0)
    model.fit(x, np.zeros((64, 3)), shuffle=False, verbose=0)
    queue.put((runtime.get_num_threads(), first, model.predict(x, verbose=0)))

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    runtime.set_num_threads(2)
    model = make()
    model.fit(x, np.zeros((64, 3)), verbose=0)
    weights, first = model.get_weights(), model.predict(x, verbose=0)
    model.fit(x, np.zeros((64, 3)), shuffle=False, verbose=0)
    second = model.predict(x, verbose=0)
    for method in ("spawn", "fork"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        child = context.Process(target=work, args=(weights, queue))
        child.start()
        threads, *found = queue.get(timeout=60)
        child.join()
        print(method, child.exitcode, all(map(np.array_equal, found, (first, second))),
              threads if method == "fork" else "")
"""
    printed = run_python(program, script=tmp_path / "children.py")
    assert printed == ["spawn 0 True ", "fork 0 True 2"]


COMPANIONS = {
    "torch": """
import torch
convolution, image = torch.nn.Conv2d(3, 64, 3), torch.ones(4, 3, 64, 64)
def work():
    return convolution(image).detach().numpy()
""",
    "sklearn": """
from sklearn.cluster import KMeans
table = np.random.default_rng(0).standard_normal((5000, 8))
def work():
    return KMeans(8, n_init=1, random_state=0).fit(table).cluster_centers_
""",
}


@pytest.mark.parametrize("library", COMPANIONS)
@pytest.mark.parametrize("first", [True, False])
def test_other_libraries_with_openmp_in_the_same_process(library, first):
    """In turn, at the same time and after a fork: both compute what they compute alone."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    ours = """
import os, threading, warnings
import numpy as np
from fastconv import layers, models, runtime
runtime.set_num_threads(2)
warnings.simplefilter("ignore")
model = models.Sequential([layers.Input((16, 16, 8)), layers.Conv2D(32, 3), layers.Flatten(),
                           layers.Dense(3)])
model.compile("sgd", "mse")
x = np.random.default_rng(0).standard_normal((64, 16, 16, 8)).astype(np.float32)
model.fit(x, np.zeros((64, 3)), verbose=0)
expected = model.predict(x, verbose=0)
def same():
    return all(np.array_equal(model.predict(x, verbose=0), expected) for _ in range(5))
"""
    theirs = f"import numpy as np\n{COMPANIONS[library]}\nresult = work()\n"
    printed = run_python(
        (theirs + ours if first else ours + theirs)
        + """
print(same(), np.allclose(work(), result), same())
thread = threading.Thread(target=work)
thread.start()
print(same())
thread.join()
child = os.fork()
if child == 0:
    os._exit(0 if same() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    assert printed == ["True True True", "True", "0"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_affinity_is_never_set():
    printed = run_python("""
import os
before = os.sched_getaffinity(0)
import numpy as np
from fastconv import layers, models, runtime
model = models.Sequential([layers.Input((16, 16, 8)), layers.Conv2D(32, 3), layers.Flatten(),
                           layers.Dense(3)])
model.compile("sgd", "mse")
x = np.ones((64, 16, 16, 8), np.float32)
runtime.set_num_threads(3)
model.fit(x, np.zeros((64, 3)), verbose=0)
tasks = [int(task) for task in os.listdir("/proc/self/task")]
print(len(tasks) >= 3 or not runtime.openmp_enabled())
print(all(os.sched_getaffinity(task) == before for task in tasks))
""")
    assert printed == ["True", "True"]

"""Installs a wheel for an interpreter, in an environment of its own, and runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from wheels.commands import run, say, stop
from wheels.exported import exported
from wheels.interpreters import Interpreter
from wheels.platforms import CHECKOUT, WORK, Platform

BESIDE = ("pytest", "hypothesis")

# The tests of one interpreter of a wheel: operations against the reference, networks against golden
# values, training, files.
THOROUGH = (
    "reference_gradients", "golden", "activation_functions", "models", "training",
    "winograd_gradient", "ops_dense", "ops_normalization", "optimizer_kernels", "saving",
    "free_threading",
)  # fmt: skip
# The others run the same machine code: what can differ is how Python calls it.
SHORT = ("golden", "ops_dense", "saving", "free_threading")
# Emulated vectors are three orders of magnitude slower; wheels/kernels.py compares all kernels.
EMULATED = ("reference_gradients", "winograd_gradient", "activation_functions", "ops_dense")
EMULATED_SHORT = ("ops_dense", "winograd_gradient")

# A network on the embedded digits: what it has learned, and its weights as a digest. It leaves the
# network and a prediction for wheels/exported.py.
DEMO = """
import hashlib, sys
import numpy as np
import fastconv
from fastconv import layers, models, runtime, utils
from fastconv.datasets import digits

assert fastconv.__file__.startswith(sys.argv[1]), fastconv.__file__
runtime.set_num_threads(2)
utils.set_random_seed(1)
(x, y), (test_x, test_y) = digits.load_data()
count = int(sys.argv[2])
x, test_x = (a[..., None].astype(np.float32) / 16 for a in (x[:count], test_x))
model = models.Sequential([
    layers.Input((8, 8, 1)),
    layers.Conv2D(32, 3, padding="same", activation="relu"),
    layers.Conv2D(64, 3, activation="relu"),
    layers.MaxPooling2D(2),
    layers.Flatten(),
    layers.Dense(10, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y[:count], epochs=8, batch_size=32, verbose=0)
accuracy = model.evaluate(test_x[:count], test_y[:count], verbose=0)[1]
digest = hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()[:16]
model.save("net.keras")
test_x[:1].tofile("x.bin")
model.predict(test_x[:1], verbose=0).tofile("expected.bin")
print(runtime.isa(), runtime.openmp_enabled(), f"{accuracy:.3f}", digest)
"""


def proved(wheel: Path, platform: Platform, python: Interpreter, *, thorough: bool) -> None:
    """Install, import, train, test; ends the program where one of them fails.

    thorough: whether to run many tests
    """
    place = WORK / "prove" / f"{wheel.stem}-{python.version}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    started = time.monotonic()
    command, env, site = installed(wheel, platform, python, place)
    suite = tests(place)
    images = 64 if python.is_emulated else 1000
    said = run(*command, "-c", DEMO, site, images, cwd=suite, env=env).strip()
    isa, openmp, accuracy, _ = said.split()
    if openmp != "True" or isa == "scalar" or float(accuracy) < (0 if python.is_emulated else 0.8):
        stop(f"{wheel.name} on {python.version}: the demo printed {said!r}")
    if thorough:
        emulator = python.command[:1] if python.is_emulated else ()
        said += f"; C program on {exported(command, env, platform, emulator, suite)}: same bits"
    if python.is_emulated:
        chosen = EMULATED if thorough else EMULATED_SHORT
    else:
        chosen = THOROUGH if thorough else SHORT
    names = [f"tests/test_{name}.py" for name in chosen]
    words = [*command, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *names]
    if python.is_emulated:
        words += ["-k", "not scalar"]
    elif not python.is_installed:  # this test gives a process of its own another PYTHONPATH
        words += ["-k", "not killed_while_saving"]
    result = subprocess.run(words, cwd=suite, env=env, capture_output=True, text=True)
    if result.returncode != 0:
        stop(f"{wheel.name} on {python.version}:\n{result.stdout[-4000:]}{result.stderr[-2000:]}")
    last = result.stdout.strip().splitlines()[-1]
    seconds = time.monotonic() - started
    print(
        f"{platform.name} {python.version} ({python.description}): {said}; {last}; "
        f"{seconds:.0f} s in all",
        flush=True,
    )


def installed(
    wheel: Path, platform: Platform, python: Interpreter, place: Path
) -> tuple[list[str], dict[str, str], str]:
    """The command of a Python with the wheel, its environment, and where the packages are."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "FASTCONV"))}
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "-q")
    say(f"installing {wheel.name} for {python.version} ({python.description})")
    if python.is_installed:
        run(*python.command, "-m", "venv", place / "venv")
        command = [str(place / "venv/bin/python")]
        run(*command, *pip, wheel, *BESIDE, env=clean)
        return command, clean, str(place / "venv")
    site = place / "site"
    names = [f"musllinux_1_{minor}_{platform.machine}" for minor in (1, 2)]
    if platform.libc == "glibc":
        names = [f"manylinux_2_{minor}_{platform.machine}" for minor in range(5, 36)]
        names += [f"manylinux2014_{platform.machine}"]
    # pip knows the ABI from the version, but not whether there is a GIL.
    abi = ("--abi", f"cp{python.version.replace('.', '')}") if python.version.endswith("t") else ()
    run(
        sys.executable, *pip, "--target", site, "--only-binary=:all:", "--implementation", "cp",
        "--python-version", python.version.rstrip("t"), *abi,
        *(word for name in names for word in ("--platform", name)), wheel, *BESIDE,
    )  # fmt: skip
    env = clean | python.environment | {"PYTHONPATH": str(site), "PYTHONNOUSERSITE": "1"}
    return list(python.command), env, str(site)


def tests(place: Path) -> Path:
    """A copy of the tests, away from the package in the checkout."""
    suite = place / "suite"
    shutil.copytree(
        CHECKOUT / "tests", suite / "tests", ignore=shutil.ignore_patterns("__pycache__")
    )
    (suite / "pytest.ini").write_text(
        "[pytest]\npythonpath = .\naddopts = --import-mode=importlib\nfilterwarnings = error\n"
    )
    return suite

"""The number of threads of the kernels, and their instruction set.

Threads.  Every parallel operation uses `get_num_threads()` threads unless its own `num_threads`
argument is given.  The default is the smallest of three limits of the environment:

- the number of CPUs on which this process may run (its affinity mask, as set by `taskset` or a
  batch scheduler);
- the CPU quota of its control group (of a container), rounded down to whole CPUs but at least 1:
  the operating system would stop threads beyond the quota while others wait for them;
- the first number in `OMP_NUM_THREADS`.

The setting applies to the whole process.  It is an upper bound: a plan uses fewer threads while
other programs keep the cores busy and fewer are faster.  Results do not depend on the number: they
are bit-identical for every number of threads.

Limits of other libraries.  When the OpenMP library's own number of threads is changed for the
calling thread, by `threadpoolctl` or by a call of `omp_set_num_threads`, operations use at most
that many threads as well.

Forked processes.  A child created by `os.fork` or `multiprocessing` computes on as many threads as
its parent.  GCC's OpenMP library does not survive a fork by itself, so its threads end before the
fork and are started again afterwards.  Where that is not possible (another package's OpenMP library
of before GCC 9 runs the threads, or a program in C forks the interpreter), the child computes on
one thread.

Instruction sets.  The best kernel set that both CPU and operating system support is selected when
the compiled core is loaded; the environment variable `FASTCONV_ISA` forces another one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any, ClassVar, NamedTuple

from fastconv.common.arguments import as_integer, choice

__all__ = [
    "MAX_THREADS",
    "algorithm_policy",
    "available_isas",
    "bfloat16_isa",
    "c_interface",
    "compiled_isas",
    "config",
    "dot_isa",
    "dot_isas",
    "flush_denormals",
    "get_num_threads",
    "isa",
    "kernel_variants",
    "num_threads",
    "openmp_enabled",
    "peak_gflops",
    "plan_cache_bytes",
    "set_algorithm_policy",
    "set_dot_isa",
    "set_flush_denormals",
    "set_isa",
    "set_kernel_variants",
    "set_num_threads",
    "set_plan_cache_bytes",
    "show_config",
]

# More threads than this never help, and an OpenMP library that cannot start a thread ends the
# whole process; a mistyped number must raise an error instead.
MAX_THREADS = 1024


class _Limit(NamedTuple):
    threads: int
    reason: str


class _State:
    """The process-wide setting; `chosen` is None until a number is set."""

    chosen: _Limit | None = None
    default: _Limit | None = None
    prepared: ClassVar[set[int]] = set()  # threads that are about to fork, see _before_fork
    serial: bool = False  # forked without preparation
    plan_cache_bytes: int = 256 * 2**20
    plan_cache_listeners: tuple[Callable[[], None], ...] = ()


def _loaded_core() -> Any:
    """Return the compiled core if something has used it, or None."""
    return sys.modules.get("fastconv._ext._core")


def _before_fork() -> None:
    """End the OpenMP threads of this thread, which a forked child would wait for forever."""
    core = _loaded_core()
    # In a child that was forked without preparation, ending them would wait for them as well.
    if not _State.serial and (core is None or core.before_fork()):
        _State.prepared.add(get_ident())


def _after_fork_in_parent() -> None:
    _State.prepared.discard(get_ident())


def _after_fork_in_child() -> None:
    _State.serial = get_ident() not in _State.prepared and _loaded_core() is not None
    _State.prepared.clear()
    _State.default = None  # the child may have less


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


# ---------------------------------------------------------------------------------------------
# Threads


def get_num_threads() -> int:
    """Return the default number of threads of operations.

    >>> from fastconv import runtime
    >>> runtime.get_num_threads() >= 1
    True
    """
    return _effective().threads


def set_num_threads(n: int) -> None:
    """Set the number of threads for all operations of this process.

    Args:
        n: from 1 to `MAX_THREADS` (1024); more than the number of CPUs is allowed, but slower.

    Raises:
        TypeError: `n` is not an integer (True and False are not accepted).
        ValueError: `n` is out of range.

    >>> from fastconv import runtime
    >>> runtime.set_num_threads(1)
    >>> runtime.get_num_threads()
    1
    """
    _State.chosen = _choice(n)


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Compute on `n` threads in a `with` block, then restore the previous setting.

    The setting belongs to the process, not to the Python thread that enters the block.

    Raises:
        TypeError, ValueError: as `set_num_threads`, before anything is changed.

    >>> from fastconv import runtime
    >>> with runtime.num_threads(1):
    ...     runtime.get_num_threads()
    1
    """
    choice = _choice(n)
    previous = _State.chosen
    _State.chosen = choice
    try:
        yield
    finally:
        _State.chosen = previous


def resolve_num_threads(num_threads: int | None) -> int:
    """Return the number of threads of one call from its argument `num_threads` (None: the default).

    Raises:
        TypeError, ValueError: as `set_num_threads`, naming `num_threads`.
    """
    if num_threads is None:
        return get_num_threads()
    n = _checked(num_threads, "num_threads")
    return 1 if _State.serial else n


def _checked(n: int, name: str) -> int:
    message = f"`{name}` must be an integer from 1 to {MAX_THREADS}, received {n!r}"
    value = as_integer(n)
    if value is None:
        raise TypeError(message)
    if not 1 <= value <= MAX_THREADS:
        raise ValueError(message)
    return value


def _choice(n: int) -> _Limit:
    return _Limit(_checked(n, "n"), "set by the program")


def _effective() -> _Limit:
    if _State.serial:
        return _Limit(1, "this process was forked, and its OpenMP library cannot be restarted")
    limit = _State.chosen
    if limit is None:
        if _State.default is None:
            _State.default = min(_limits(), key=lambda limit: limit.threads)
        limit = _State.default
    core = _loaded_core()
    if core is not None:
        threads = core.openmp_limit(limit.threads)
        if threads != limit.threads:
            return _Limit(threads, "a limit that was set in the OpenMP library")
    return limit


def _limits() -> list[_Limit]:
    """Return all limits of the environment on the default number of threads."""
    limits = [_affinity_limit()]
    limits += [limit for limit in (_cgroup_limit(Path("/")), _openmp_limit()) if limit]
    limits.append(_Limit(MAX_THREADS, "the largest number of threads fastconv uses"))
    return limits


def _affinity_limit() -> _Limit:
    if hasattr(os, "sched_getaffinity"):
        return _Limit(len(os.sched_getaffinity(0)), "the CPUs this process may run on")
    return _Limit(os.cpu_count() or 1, "the CPUs of this machine")


def _openmp_limit() -> _Limit | None:
    """Return the limit in `OMP_NUM_THREADS`: a number, or a comma-separated one per level."""
    value = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    # A value that is not a positive number is ignored, as in OpenMP libraries.
    if value.isascii() and value.isdecimal() and int(value) > 0:
        return _Limit(int(value), f"the environment variable OMP_NUM_THREADS={value}")
    return None


# ---------------------------------------------------------------------------------------------
# Control groups (Linux): https://docs.kernel.org/admin-guide/cgroup-v2.html, "CPU Interface Files"


def _cgroup_limit(root: Path) -> _Limit | None:
    """Return the tightest CPU quota among this process's control groups and their ancestors.

    `/proc/self/cgroup` names the group in each hierarchy, `/proc/self/mountinfo` its mount point.
    Version 2 stores "quota period" in `cpu.max`, version 1 uses two files.
    """
    quotas = []
    for version, group, mount in _cgroup_folders(root):
        for folder in [group, *group.parents]:
            cpus = _quota_v2(folder) if version == 2 else _quota_v1(folder)
            if cpus is not None:
                quotas.append(cpus)
            if folder == mount:
                break
    if not quotas:
        return None
    cpus = min(quotas)
    return _Limit(max(1, int(cpus)), f"the control group's quota of {cpus:g} CPUs")


def _cgroup_folders(root: Path) -> Iterator[tuple[int, Path, Path]]:
    """Yield (version, directory of this process's group, its mount point) of each hierarchy."""
    mounts = {}  # version: (path of the mounted hierarchy, mount point)
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            mounts[2] = fields[3], fields[4]
        elif kind[0] == "cgroup" and "cpu" in kind[2].split(","):
            mounts[1] = fields[3], fields[4]
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        version = 2 if number == "0" and not controllers else 1
        if version not in mounts or (version == 1 and "cpu" not in controllers.split(",")):
            continue
        visible, point = mounts[version]
        mount = root / point.lstrip("/")
        # In a container the path may be that of the host, above the mounted part: then the group is
        # the mount point itself.
        inside = path == visible or path.startswith(visible.rstrip("/") + "/")
        below = path[len(visible) :].lstrip("/") if inside else ""
        yield version, (mount / below if ".." not in below.split("/") else mount), mount


def _quota_v2(folder: Path) -> float | None:
    fields = " ".join(_lines(folder / "cpu.max")).split()
    return _cpus(*fields) if len(fields) == 2 else None


def _quota_v1(folder: Path) -> float | None:
    quota = _lines(folder / "cpu.cfs_quota_us")
    period = _lines(folder / "cpu.cfs_period_us")
    return _cpus(quota[0], period[0]) if quota and period else None


def _cpus(quota: str, period: str) -> float | None:
    """Return quota / period (both in microseconds); unlimited is "max" (version 2) or -1 (1)."""
    try:
        microseconds, per = int(quota), int(period)
    except ValueError:
        return None
    return microseconds / per if microseconds > 0 and per > 0 else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


# ---------------------------------------------------------------------------------------------
# Instruction sets and the whole configuration


def isa() -> str:
    """Return the instruction set of the active kernels: "scalar", "avx2", "avx512" or "neon".

    Raises:
        ValueError: the environment variable FASTCONV_ISA is none of those.
        RuntimeError: this build or this machine does not support it.

    >>> from fastconv import runtime
    >>> runtime.isa() in runtime.available_isas()
    True
    """
    return _core().isa()


def available_isas() -> tuple[str, ...]:
    """Return the instruction sets that are compiled in and supported by this machine, best first.

    >>> from fastconv import runtime
    >>> runtime.available_isas()[-1]
    'scalar'
    """
    return _core().available_isas()


def compiled_isas() -> tuple[str, ...]:
    """Return the instruction sets that are compiled in, best first, also those that this machine
    does not support.

    >>> from fastconv import runtime
    >>> set(runtime.available_isas()) <= set(runtime.compiled_isas())
    True
    """
    return _core().compiled_isas()


def set_isa(name: str) -> None:
    """Use the kernels of another instruction set for the whole process.

    The setting applies to every operation that begins later. Models that are already bound to a
    batch size keep their kernels until they are compiled again. Results of different instruction
    sets differ by rounding.

    Raises:
        ValueError: `name` is not the name of an instruction set.
        RuntimeError: this build or this machine does not support it.

    >>> from fastconv import runtime
    >>> before = runtime.isa()
    >>> runtime.set_isa("scalar")
    >>> runtime.isa()
    'scalar'
    >>> runtime.set_isa(before)
    """
    _core().set_isa(name)


def bfloat16_isa() -> str:
    """Return the instruction set of the kernels of bfloat16.

    "avx512_bf16" has an instruction for the dot product. The others add one product at a time, with
    the same bits, and take longer than float32.

    >>> from fastconv import runtime
    >>> runtime.bfloat16_isa() in runtime.dot_isas()
    True
    """
    return _core().bfloat16_isa()


def dot_isa() -> str:
    """Return the instruction set of the kernels of narrow elements: an element of `dot_isas()`.

    >>> from fastconv import runtime
    >>> runtime.dot_isa() in runtime.dot_isas()
    True
    """
    return _core().dot_isa()


def dot_isas() -> tuple[str, ...]:
    """Return the instruction sets of kernels of narrow elements (8-bit integers and bfloat16) that
    are compiled in and supported by this machine, best first.

    They are those of `available_isas()`, and those that add dot products to one of them:
    "avx512_vnni" to "avx512", "avx_vnni" to "avx2", "neon_dotprod" to "neon", and "avx512_bf16" to
    "avx512_vnni". `FASTCONV_ISA` and `set_isa` accept their names, too; the name of one of
    `available_isas()` selects the best that adds to it.

    >>> from fastconv import runtime
    >>> runtime.dot_isas()[-1]
    'scalar'
    """
    return _core().dot_isas()


def set_dot_isa(name: str) -> None:
    """Use the kernels of narrow elements of another instruction set for the whole process.

    The setting applies to every operation that begins later, and does not change a bit of a result:
    it is for tests and measurements.

    Raises:
        ValueError: `name` is not the name of an instruction set.
        RuntimeError: this build or this machine does not support it.

    >>> from fastconv import runtime
    >>> before = runtime.dot_isa()
    >>> runtime.set_dot_isa("scalar")
    >>> runtime.set_dot_isa(before)
    """
    _core().set_dot_isa(name)


def kernel_variants() -> tuple[str, ...]:
    """Return the names of the variants of kernels that `set_kernel_variants` accepts.

    >>> from fastconv import runtime
    >>> "few_filters" in runtime.kernel_variants()
    True
    """
    return _core().VARIANTS


def set_kernel_variants(forced: Iterable[str] = (), forbidden: Iterable[str] = ()) -> None:
    """Use the variants of kernels in `forced` where they apply, and none of those in `forbidden`.

    For tests and measurements: without arguments, and by default, the estimated time decides. The
    setting applies to the whole process, from the next operation on; `describe()` of an operation
    tells its variant.

    Raises ValueError for a name that is not in `kernel_variants()`.

    >>> from fastconv import runtime
    >>> runtime.set_kernel_variants(forbidden=["few_filters"])
    >>> runtime.set_kernel_variants()
    """
    _core().set_variants(tuple(forced), tuple(forbidden))


def openmp_enabled() -> bool:
    """Return whether this build runs on several threads: whether it was compiled with OpenMP.

    >>> from fastconv import runtime
    >>> runtime.openmp_enabled() in (True, False)
    True
    """
    return _core().openmp_enabled()


def peak_gflops(
    num_threads: int | None = None, seconds: float = 0.05, dtype: str = "float32"
) -> float:
    """Measure the multiply-add peak of the machine: the upper bound of every direct kernel.

    Independent fused multiply-adds in registers run for at least `seconds` with the instruction set
    in use, two operations each, in float32, or dot products of four 8-bit integers or of two
    bfloat16, eight or four each.

    Args:
        num_threads: number of threads; None for `get_num_threads()`.
        seconds: duration of the measurement.
        dtype: "float32", "uint8" or "bfloat16".

    Returns:
        10^9 operations per second.

    Raises:
        TypeError, ValueError: as `set_num_threads`, naming `num_threads`, or `dtype` is none of
            the three.

    >>> from fastconv import runtime
    >>> runtime.peak_gflops(1, seconds=0.001) > 0
    True
    """
    threads = resolve_num_threads(num_threads)
    if choice(dtype, "dtype", ("float32", "uint8", "bfloat16")) == "float32":
        return _core().fma_peak(threads, seconds)
    return _core().dot_peak(threads, seconds, dtype)


def algorithm_policy() -> str:
    """Return the process-wide policy for `algorithm="auto"`: "auto" or "direct".

    >>> from fastconv import runtime
    >>> runtime.algorithm_policy()
    'auto'
    """
    from fastconv._ext import _algorithm

    return _algorithm.policy()


def set_algorithm_policy(policy: str) -> None:
    """Exclude Winograd's algorithm for the whole process ("direct"), or allow it again ("auto").

    Winograd's convolutions are two to three times as fast as direct ones on 3x3 filters, up to 1.6
    times with stride 2; their relative error (L2) is about 1e-6 instead of 1e-7, and a NaN spreads
    over a whole tile. The policy applies to every later `algorithm="auto"`, including those of
    models; models that are already bound to a batch shape keep their algorithms until they are
    compiled again.

    Raises ValueError for any other policy.

    >>> from fastconv import runtime
    >>> runtime.set_algorithm_policy("direct")
    >>> runtime.set_algorithm_policy("auto")
    """
    from fastconv._ext import _algorithm

    _algorithm.set_policy(policy)


def c_interface() -> object:
    """Return the table of functions of `fastconv.h` as a capsule named "fastconv._C_API".

    >>> from fastconv import runtime
    >>> type(runtime.c_interface()).__name__
    'PyCapsule'
    """
    from fastconv._ext import _core, _program  # the second one provides threads

    assert _program
    return _core.c_interface()


def flush_denormals() -> bool:
    """Return whether denormal numbers are treated as zero; see `set_flush_denormals`."""
    from fastconv._ext import _program

    return _program.flush_denormals()


def set_flush_denormals(flush: bool) -> None:
    """Treat numbers below 1.2e-38 (float64: 2.2e-308) as zero in the whole process, or (the
    default) compute with them.

    On many processors an operation on denormal numbers takes dozens of cycles; they occur where
    activations or gradients vanish. Only fastconv's own work is affected: the mode is set in its
    threads while an operation runs and restored afterwards, also in the calling thread.

    Raises TypeError if `flush` is not a bool.

    >>> import numpy as np
    >>> from fastconv import ops, runtime
    >>> runtime.set_flush_denormals(True)
    >>> ops.dense(np.float32([[1e-30]]), np.float32([[1e-9]])).tolist()
    [[0.0]]
    >>> runtime.set_flush_denormals(False)
    """
    if not isinstance(flush, bool):
        raise TypeError(f"`flush` must be True or False, received {flush!r}")
    from fastconv._ext import _program

    _program.set_flush_denormals(flush)


def plan_cache_bytes() -> int:
    """Return the limit on the memory of the plans of all models, in bytes, above which idle ones
    are dropped; see `set_plan_cache_bytes`. By default 256 MiB.

    >>> from fastconv import runtime
    >>> runtime.plan_cache_bytes()
    268435456
    """
    return _State.plan_cache_bytes


def set_plan_cache_bytes(n: int) -> None:
    """Set the limit on the memory of the plans of all models of this process, in bytes.

    A model builds a plan for every batch size: the order of the operations, the memory between
    them, and packed filters. Idle plans are kept, so that the smaller last batch of an epoch does
    not rebuild its plan; above `n` bytes the least recently used ones are dropped. The plan that a
    model used last is always kept, and running plans are never dropped. If memory is short, all
    idle plans are dropped.

    Args:
        n: at least 0; with 0 every model keeps one plan.

    Raises:
        TypeError: `n` is not an integer.
        ValueError: `n` is negative.

    >>> from fastconv import runtime
    >>> before = runtime.plan_cache_bytes()
    >>> runtime.set_plan_cache_bytes(2**30)
    >>> runtime.plan_cache_bytes()
    1073741824
    >>> runtime.set_plan_cache_bytes(before)
    """
    message = f"`n` must be an integer of at least 0, received {n!r}"
    value = as_integer(n)
    if value is None:
        raise TypeError(message)
    if value < 0:
        raise ValueError(message)
    _State.plan_cache_bytes = value
    for changed in _State.plan_cache_listeners:
        changed()


def on_plan_cache_bytes(changed: Callable[[], None]) -> None:
    """Register `changed`, called whenever the limit is set: this module does not import plans."""
    _State.plan_cache_listeners = (changed,)


def _core() -> Any:
    try:
        from fastconv._ext import _core as core
    except ModuleNotFoundError as error:
        raise ImportError(
            "fastconv's extension modules have not been built here: run `make` in the checkout, or "
            f"`pip install .` ({error})"
        ) from error
    return core


def config() -> dict[str, Any]:
    """Return the content of `show_config` as a dictionary."""
    import platform

    import numpy

    import fastconv

    core = _core()
    threads = _effective()
    forced = os.environ.get("FASTCONV_ISA")
    return {
        "fastconv": fastconv.__version__,
        "instruction set": core.isa() + (f" (FASTCONV_ISA={forced})" if forced else ""),
        "for 8-bit integers": core.dot_isa(),
        "for bfloat16": core.bfloat16_isa(),
        "available": ", ".join(core.available_isas()),
        "compiled": ", ".join(core.compiled_isas()),
        "compiler": core.compiler(),
        "OpenMP": "yes" if core.openmp_enabled() else "no: everything runs on one thread",
        "threads": threads.threads,
        "threads limited by": threads.reason,
        "numpy": numpy.__version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
    }


def show_config() -> None:
    """Print the version, the instruction sets, and the number of threads with its source.

    >>> from fastconv import runtime
    >>> runtime.show_config()  # doctest: +ELLIPSIS
    fastconv            ...
    """
    for name, value in config().items():
        print(f"{name:<19} {value}")

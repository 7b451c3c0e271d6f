"""How many threads the kernels use, and which instruction set.

Threads.  Every parallel operation uses `get_num_threads()` threads unless its own `num_threads`
argument says otherwise.  The default is the smallest of three limits that the surroundings set:

- the CPUs this process may run on (its affinity mask, as set by `taskset` or a batch scheduler);
- the CPU time its control group may use (the quota of a container), whole CPUs rounded down but
  at least 1: threads beyond the quota would be stopped by the kernel while others wait for them;
- the first number in `OMP_NUM_THREADS`.

The setting holds for the whole process.  Results do not depend on it: they are the same bits at
every number of threads.

Forked processes.  A child made by `fork` has one thread, while the OpenMP library inside it still
believes in the parent's; waiting for those would hang forever.  So a forked child always computes
on one thread.  Children started with the `spawn` or `forkserver` method are not limited.

Instruction sets.  The best kernel set that both CPU and operating system support is chosen when
the compiled core is loaded; the environment variable `FASTCONV_ISA` forces another one.
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "MAX_THREADS",
    "algorithm_policy",
    "available_isas",
    "config",
    "flush_denormals",
    "get_num_threads",
    "isa",
    "num_threads",
    "plan_cache_bytes",
    "set_algorithm_policy",
    "set_flush_denormals",
    "set_num_threads",
    "set_plan_cache_bytes",
    "show_config",
]

# More threads than this never help, and an OpenMP library that cannot start a thread ends the
# whole process; a mistyped number must be an error instead.
MAX_THREADS = 1024


class _Limit(NamedTuple):
    threads: int
    reason: str


class _State:
    """The process-wide setting; `chosen` is None while nobody has set a number."""

    chosen: _Limit | None = None
    default: _Limit | None = None
    forked: bool = False
    plan_cache_bytes: int = 256 * 2**20
    plan_cache_changed: Callable[[], None] | None = None


def _mark_forked() -> None:
    _State.forked = True


os.register_at_fork(after_in_child=_mark_forked)


# ---------------------------------------------------------------------------------------------
# Threads


def get_num_threads() -> int:
    """The number of threads that operations use by default.

    >>> from fastconv import runtime
    >>> runtime.get_num_threads() >= 1
    True
    """
    return _effective().threads


def set_num_threads(n: int) -> None:
    """Sets the number of threads for all operations of this process from now on.

    Args:
        n: from 1 to `MAX_THREADS` (1024); more than there are CPUs is allowed, and slower.

    Raises:
        TypeError: `n` is not an integer (True and False are not taken for one).
        ValueError: `n` is out of range.

    >>> from fastconv import runtime
    >>> runtime.set_num_threads(1)
    >>> runtime.get_num_threads()
    1
    """
    _State.chosen = _choice(n)


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """A `with` block that computes on `n` threads and restores the previous setting.

    The setting belongs to the process, not to the Python thread that enters the block.

    Raises:
        TypeError, ValueError: as `set_num_threads` does, before anything has changed.

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
    """The threads one call runs on, from its own `num_threads` argument (None: the default).

    Raises:
        TypeError, ValueError: as `set_num_threads` does, naming `num_threads`.
    """
    if num_threads is None:
        return get_num_threads()
    n = _checked(num_threads, "num_threads")
    return 1 if _State.forked else n


def _checked(n: int, name: str) -> int:
    message = f"`{name}` must be an integer from 1 to {MAX_THREADS}, received {n!r}"
    if isinstance(n, bool):
        raise TypeError(message)
    try:
        value = operator.index(n)
    except TypeError:
        raise TypeError(message) from None
    if not 1 <= value <= MAX_THREADS:
        raise ValueError(message)
    return value


def _choice(n: int) -> _Limit:
    return _Limit(_checked(n, "n"), "set by the program")


def _effective() -> _Limit:
    if _State.forked:
        return _Limit(1, "this process was forked: a forked child computes on one thread")
    if _State.chosen is not None:
        return _State.chosen
    if _State.default is None:
        _State.default = min(_limits(), key=lambda limit: limit.threads)
    return _State.default


def _limits() -> list[_Limit]:
    """Every limit the surroundings set on the default number of threads."""
    limits = [_affinity_limit()]
    limits += [limit for limit in (_cgroup_limit(Path("/")), _openmp_limit()) if limit]
    limits.append(_Limit(MAX_THREADS, "the largest number of threads fastconv uses"))
    return limits


def _affinity_limit() -> _Limit:
    if hasattr(os, "sched_getaffinity"):
        return _Limit(len(os.sched_getaffinity(0)), "the CPUs this process may run on")
    return _Limit(os.cpu_count() or 1, "the CPUs of this machine")


def _openmp_limit() -> _Limit | None:
    """`OMP_NUM_THREADS`: a number, or one per nesting level separated by commas."""
    value = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    # What is not a positive number is left unheeded, as OpenMP libraries do.
    if value.isascii() and value.isdecimal() and int(value) > 0:
        return _Limit(int(value), f"the environment variable OMP_NUM_THREADS={value}")
    return None


# ---------------------------------------------------------------------------------------------
# Control groups (Linux): https://docs.kernel.org/admin-guide/cgroup-v2.html, "CPU Interface Files"


def _cgroup_limit(root: Path) -> _Limit | None:
    """The tightest CPU quota among this process's control groups and their ancestors.

    `/proc/self/cgroup` names the group in each hierarchy, `/proc/self/mountinfo` tells where the
    hierarchy is visible.  Version 2 keeps "quota period" in `cpu.max`, version 1 two files.
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
    """(version, folder of this process's group, mount point above it) of each hierarchy."""
    mounts = {}  # version: (path of the hierarchy that is mounted, mount point)
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
        # In a container the path may be the host's, above what is mounted: then the mount point is
        # the group itself.
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
    """CPUs out of microseconds per period; no limit is written "max" (version 2) or -1 (1)."""
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
    """The instruction set of the kernels in use: "scalar", "avx2", "avx512" or "neon".

    Raises:
        ValueError: the environment variable FASTCONV_ISA names none of those.
        RuntimeError: it names one that this build or this machine does not have.

    >>> from fastconv import runtime
    >>> runtime.isa() in runtime.available_isas()
    True
    """
    return _core().isa()


def available_isas() -> tuple[str, ...]:
    """The instruction sets that were compiled in and that this machine runs, best first.

    >>> from fastconv import runtime
    >>> runtime.available_isas()[-1]
    'scalar'
    """
    return _core().available_isas()


def algorithm_policy() -> str:
    """What `algorithm="auto"` may choose: "auto" or "direct".

    >>> from fastconv import runtime
    >>> runtime.algorithm_policy()
    'auto'
    """
    from fastconv._ext import _conv

    return _conv.policy()


def set_algorithm_policy(policy: str) -> None:
    """Rule Winograd's algorithm out for the whole process ("direct"), or allow it again ("auto").

    Winograd's convolutions are two to three times as fast as direct ones on 3x3 filters, up to 1.6
    times with stride 2; their relative error (L2) is some 1e-6 instead of 1e-7, and a NaN spreads
    over a whole tile. The policy binds every `algorithm="auto"` from now on, those of models
    included; models that are already bound to a batch shape keep what they have until they are
    compiled again.

    Raises ValueError for another policy.

    >>> from fastconv import runtime
    >>> runtime.set_algorithm_policy("direct")
    >>> runtime.set_algorithm_policy("auto")
    """
    from fastconv._ext import _conv

    _conv.set_policy(policy)


def flush_denormals() -> bool:
    """Whether denormal numbers are taken for zero; see `set_flush_denormals`."""
    return _core().flush_denormals()


def set_flush_denormals(flush: bool) -> None:
    """Take numbers below 1.2e-38 (float64: 2.2e-308) for zero in the whole process, or, as from the
    start, compute with them.

    Denormal numbers cost many processors dozens of cycles each; they turn up where activations or
    gradients die out. Only fastconv's own work is affected: the mode is set in its threads for as
    long as an operation runs and restored afterwards, in the calling thread, too.

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
    _core().set_flush_denormals(flush)


def plan_cache_bytes() -> int:
    """How many bytes the plans of all models may take before idle ones are dropped; see
    `set_plan_cache_bytes`. 256 MiB from the start.

    >>> from fastconv import runtime
    >>> runtime.plan_cache_bytes()
    268435456
    """
    return _State.plan_cache_bytes


def set_plan_cache_bytes(n: int) -> None:
    """Sets how many bytes of plans all models of this process keep, from now on.

    A model makes a plan for every batch size that it meets: the order of the operations, the memory
    between them, and packed filters. Plans that are not running are kept, so that the last, smaller
    batch of an epoch does not make anything anew; above `n` bytes the least recently used ones are
    dropped. The plan that a model used last always stays, and plans that are running are not
    counted out. When memory is short, all plans that are not running are dropped.

    Args:
        n: at least 0; 0 leaves every model one plan.

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
    if isinstance(n, bool):
        raise TypeError(message)
    try:
        value = operator.index(n)
    except TypeError:
        raise TypeError(message) from None
    if value < 0:
        raise ValueError(message)
    _State.plan_cache_bytes = value
    if _State.plan_cache_changed is not None:
        _State.plan_cache_changed()


def on_plan_cache_bytes(changed: Callable[[], None]) -> None:
    """`changed` is called whenever the limit is set: the plans are in a room above this one."""
    _State.plan_cache_changed = changed


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
    """What `show_config` prints, as a dictionary."""
    import platform

    import numpy

    import fastconv

    core = _core()
    threads = _effective()
    forced = os.environ.get("FASTCONV_ISA")
    return {
        "fastconv": fastconv.__version__,
        "instruction set": core.isa() + (f" (FASTCONV_ISA={forced})" if forced else ""),
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
    """Prints the version, the instruction sets, the threads and where their number comes from.

    >>> from fastconv import runtime
    >>> runtime.show_config()  # doctest: +ELLIPSIS
    fastconv            ...
    """
    for name, value in config().items():
        print(f"{name:<19} {value}")

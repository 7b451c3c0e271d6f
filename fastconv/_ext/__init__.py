"""The compiled core: Cython modules that own the parallel loops, over single-threaded C kernels.

    _core         the selected instruction set; arrays and names converted for the kernels
    _program      ops, programs, and the parallel region that runs them
    _algorithm    the algorithm of a convolution pass
    _conv, ...    one family of ops each

Nothing here checks what a user may get wrong; `fastconv.ops` and `fastconv.plan` do, and they (with
`fastconv.runtime`, which asks for instruction sets) are the only ones to import these modules.

Importing this package loads the core, and with it the OpenMP library, which reads its settings from
the environment at that moment and never again.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader, PathFinder
from importlib.util import spec_from_file_location

# GCC's OpenMP library lets a thread with nothing to do spin 300,000 times before it sleeps.  Where
# other processes want the CPUs, threads that spin keep away the very thread they wait for: measured
# on two CPUs with two busy processes beside, three runs of each in turn, a training step of the
# MNIST network took 16 to 52 ms with that, 9 to 18 ms with 10,000 spins.  On idle CPUs there was no
# difference (a convolution of 0.9 ms either way).  A setting of the user takes precedence.
_SPINS = "10000"
_SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


class _Modules(MetaPathFinder):
    """Finds the modules of this package in the file of `_core`, which contains all of them.

    The interpreter calls the function of a file that is named for the module (PEP 489).
    """

    @staticmethod
    def find_spec(name, path=None, target=None):
        if not name.startswith(f"{__name__}._"):
            return None
        core = PathFinder.find_spec(f"{__name__}._core", __path__)
        if core is None or core.origin is None:
            return None
        loader = ExtensionFileLoader(name, core.origin)
        return spec_from_file_location(name, core.origin, loader=loader)


def _load_core() -> None:
    if any(name in os.environ for name in _SETTINGS):
        import_module("fastconv._ext._core")
        return
    os.environ["GOMP_SPINCOUNT"] = _SPINS
    try:
        import_module("fastconv._ext._core")
    finally:
        del os.environ["GOMP_SPINCOUNT"]  # it is for this process alone, not for its children


sys.meta_path.append(_Modules())
_load_core()

"""The C sources of fastconv that an exported network is compiled with.

The kernels of an instruction set are one file with one table of all of them. A header that defines
FC_USES_<kernel> as 0 or 1 (`kernels/kernels.inc`) leaves out of the table, and so of the program,
the kernels that no record of the network needs.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from fastconv.export.program import Record
from fastconv.ops import compiled

SOURCES = Path(compiled.__file__).parents[1] / "_ext"
_FOLDERS = ("kernels", "schedule", "operations", "network")
_SUFFIXES = (".h", ".inc", ".c")

# Instruction set -> the preprocessor condition of its processors, and the compiler's flags.
TARGETS = {
    "scalar": ("1", ""),
    "avx2": ("defined(__x86_64__)", "-mavx2 -mfma"),
    "avx512": (
        "defined(__x86_64__)",
        "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma",
    ),
    "neon": ("defined(__aarch64__)", ""),
}

_ARCHITECTURES = {"x86_64": ("scalar", "avx2", "avx512"), "other": ("scalar", "neon")}

_WINOGRAD = ("winograd_pack_item", "winograd_transform_item", "winograd_item")
_NORM = ("channel_scale_item", "channel_affine_item")
_KERNELS = {
    "convolution": ("pack_item", "conv_item"),
    "dense": ("dense_forward_item", "dense_sum_item"),
    "max_pool": ("max_pool_item",),
    "average_pool": ("average_pool_item",),
    "activation": ("activation_pass",),
    "softmax": ("softmax", "log_softmax"),
    "merge": ("merge",),
    "concatenate": (),
    "repeat": ("broadcast_item",),
    "resample": ("resample_item",),
    "transpose": ("transpose_item",),
    "scale_shift": ("scale_shift",),
    "column_sums": ("column_sums",),
    "column_max": ("column_max", "join_max"),
    "frozen_norm": _NORM,
    "folded_norm": _NORM,
    "row_norm": ("row_norm_item",),
    "response_norm": ("response_norm_item",),
    "prelu": ("prelu_item",),
    "chain": ("chain_item",),
}


def copy_sources(folder: Path) -> list[str]:
    """Copy the C sources to `folder`; return the names of those to compile, relative to it."""
    compiled_files = []
    for part in _FOLDERS:
        (folder / part).mkdir(parents=True, exist_ok=True)
        for source in sorted((SOURCES / part).iterdir()):
            if source.suffix in _SUFFIXES:
                shutil.copyfile(source, folder / part / source.name)
            if source.suffix == ".c" and not source.name.startswith("target_"):
                compiled_files.append(f"{part}/{source.name}")
    return compiled_files


def used_kernels(records: Iterable[Record]) -> dict[str, set[str]]:
    """The names of the kernels that `records` need, for the architectures "x86_64" and "other".

    Winograd's are among them where the choice of an algorithm on some instruction set of the
    architecture is Winograd's, or where this build cannot tell, because it does not have that set.
    """
    records = list(records)
    kernels = {kernel for record in records for kernel in _KERNELS[record.kind]}
    geometries = [record.integers for record in records if record.kind == "convolution"]
    used = {}
    for architecture, isas in _ARCHITECTURES.items():
        algorithms = {compiled.network_algorithm(g, isa) for g in geometries for isa in isas}
        used[architecture] = kernels | set(_WINOGRAD if algorithms - {"direct"} else ())
    return used


def used_header(records: Iterable[Record]) -> str:
    """The text of the header that defines FC_USES_<kernel> for every kernel."""
    lines = ["/* The kernels that the network needs. */", "#if defined(__x86_64__)"]
    for architecture, kernels in used_kernels(records).items():
        lines += [] if architecture == "x86_64" else ["#else"]
        lines += [f"#define FC_USES_{name} {int(name in kernels)}" for name in compiled.KERNELS]
    return "\n".join([*lines, "#endif", "#define FC_USES_updates 0", ""])

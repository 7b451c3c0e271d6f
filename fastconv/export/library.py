"""The C sources of fastconv that an exported network is compiled with.

The kernels of an instruction set are one file with one table of all of them. A header that defines
FC_USES_<kernel> as 0 or 1 (`kernels/kernels.inc`) leaves out of the table, and so of the program,
the kernels that no record of the network needs.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from fastconv.export.program import Record
from fastconv.ops import compiled

SOURCES = Path(compiled.__file__).parents[1] / "_ext"
ARCHIVE = SOURCES / "sources.tar.bz2"  # these folders and more, in an installed package: setup.py
_FOLDERS = ("kernels", "schedule", "operations", "network")
_SUFFIXES = (".h", ".inc", ".c")

_SHARED = json.loads((SOURCES / "kernels/flags.json").read_text())
# The flags that results and speed depend on, which are those of this build.
FLAGS = ["-std=gnu11", "-O2", *_SHARED["arithmetic"]]
KERNEL_FLAGS = " ".join(_SHARED["kernels"])
# Instruction set -> the compiler's flags
TARGETS = {isa: " ".join(target["flags"]) for isa, target in _SHARED["targets"].items()}

_ARCHITECTURES = {"x86_64": ("scalar", "avx2", "avx512"), "other": ("scalar", "neon")}

_DIRECT = ("pack_item", "conv_item")
_WINOGRAD = ("winograd_pack_item", "winograd_transform_item", "winograd_item")
_WINOGRAD_GRADIENT = tuple(
    f"winograd_gradient_{name}" for name in ("begin", "split", "reduce", "transform", "product")
)
# Kind of a convolution's record -> algorithm -> kernels
_CONVOLUTIONS = {
    "convolution": {"direct": _DIRECT, "winograd": _WINOGRAD},
    "convolution_input": {
        "direct": _DIRECT,
        "scatter": ("scatter_pack_item", "scatter_item"),
        "winograd": _WINOGRAD,
    },
    "convolution_kernel": {
        "direct": ("filter_gradient_item", "filter_gradient_reduce"),
        "winograd": _WINOGRAD_GRADIENT,
    },
}
_NORM = ("channel_scale_item", "channel_affine_item")
_NORM_GRADIENT = tuple(
    f"channel_gradient_{name}" for name in ("item", "finish", "parameters", "pass")
)
_KERNELS = {
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
    "recurrent": ("recurrent_pack_item", "recurrent_item"),
    "dense_input": ("dense_backward_input_item",),
    "dense_kernel": ("dense_backward_kernel_item",),
    "max_pool_input": ("max_pool_backward_item",),
    "average_pool_input": ("average_pool_backward_item",),
    "activation_input": ("activation_backward_pass",),
    "softmax_input": ("softmax_backward", "log_softmax_backward"),
    "merge_input": ("merge_backward",),
    "scale": ("scale",),
    "split": (),
    "repeat_input": ("broadcast_backward_items", "broadcast_backward_item"),
    "column_max_input": (),
    "channel_norm": ("channel_moments_item", "channel_moments_finish", "channel_affine_item"),
    "channel_norm_input": ("channel_scale_item", *_NORM_GRADIENT),
    "frozen_norm_input": _NORM,
    "row_norm_input": ("row_norm_gradient_item", "row_norm_gradient_reduce"),
    "response_norm_input": ("response_norm_gradient_item",),
    "prelu_input": ("prelu_gradient_item", "prelu_gradient_reduce"),
    "recurrent_input": ("recurrent_pack_item", "recurrent_gradient_item"),
    "dropout": ("dropout",),
    "dropout_input": ("dropout",),
    "gaussian": ("gaussian",),
    "masked": ("masked_run",),
    "loss": ("loss_row",),
    "total_loss": (),
    "penalty": ("penalty",),
    "step": (),
    "update": ("updates",),
    "dense_update": ("dense_update_item", "updates"),
    "limit_norms": ("limit_norms",),
}


def copy_sources(folder: Path) -> list[str]:
    """Copy the C sources to `folder`; return the names of those to compile, relative to it."""
    compiled_files = []
    for name, content in _sources():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if path.suffix == ".c" and not path.name.startswith("target_"):
            compiled_files.append(name)
    return compiled_files


def _sources() -> Iterator[tuple[str, bytes]]:
    """Name, relative to `_ext`, and content of every C file, by folder and then by name."""
    if ARCHIVE.exists():
        with tarfile.open(ARCHIVE) as archive:
            for member in archive:
                if not _is_needed(member.name):
                    continue
                file = archive.extractfile(member)
                assert file is not None  # the archive holds files only
                yield member.name, file.read()
        return
    for part in _FOLDERS:
        for path in sorted((SOURCES / part).iterdir()):
            if path.suffix in _SUFFIXES and _is_needed(f"{part}/{path.name}"):
                yield f"{part}/{path.name}", path.read_bytes()


def _is_needed(name: str) -> bool:
    """Whether a network may need the file: none needs the kernels of narrow elements."""
    folder, _, file = name.partition("/")
    narrow = ("dot", "bf16", "bfloat16", "simd_dot", "simd_bf16")
    return folder in _FOLDERS and not file.startswith(narrow)


def used_kernels(records: Iterable[Record]) -> dict[str, set[str]]:
    """The names of the kernels that `records` need, for the architectures "x86_64" and "other";
    "updates" are all rules of optimizers.

    Those of a convolution are the kernels of the algorithm that each instruction set of the
    architecture chooses, or of all algorithms, where this build does not have that set.
    """
    records = list(records)
    others = {record.kind for record in records} - _CONVOLUTIONS.keys()
    kernels = {kernel for kind in others for kernel in _KERNELS[kind]}
    convolutions = [record for record in records if record.kind in _CONVOLUTIONS]
    return {
        architecture: kernels.union(
            *(_of_convolution(record, isa) for record in convolutions for isa in isas)
        )
        for architecture, isas in _ARCHITECTURES.items()
    }


def _of_convolution(record: Record, isa: str) -> Iterable[str]:
    algorithm = compiled.network_algorithm(record.kind, record.integers, isa)
    by_algorithm = _CONVOLUTIONS[record.kind]
    if algorithm is None:
        return [kernel for kernels in by_algorithm.values() for kernel in kernels]
    return by_algorithm[algorithm.rstrip("24")]


def used_header(records: Iterable[Record]) -> str:
    """The text of the header that defines FC_USES_<kernel> for every kernel."""
    lines = ["/* The kernels that the network needs. */", "#if defined(__x86_64__)"]
    for architecture, kernels in used_kernels(records).items():
        lines += [] if architecture == "x86_64" else ["#else"]
        names = (*compiled.KERNELS, "updates")
        lines += [f"#define FC_USES_{name} {int(name in kernels)}" for name in names]
    return "\n".join([*lines, "#endif", ""])

"""The options that all benchmark commands share.

Importing this module loads neither fastconv's compiled core nor a peer: the instruction set that a
run is held to is passed on in environment variables, and every library reads its own when it is
loaded.
"""

from __future__ import annotations

import argparse
import os

from fastconv.bench.timing import Protocol

# What makes the libraries keep to AVX2. ONNX Runtime, MNN, ncnn and TensorFlow's own kernels know
# no such switch and are left out of a held-down run (`peers.PEERS`).
AVX2 = {
    "FASTCONV_ISA": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}


def parser(description: str | None, *, peers: bool = True) -> argparse.ArgumentParser:
    """A parser with the common options; ``peers=False`` leaves out the choice of peers."""
    made = argparse.ArgumentParser(
        description=(description or "").split("\n\n")[0].replace("\n", " "),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument(
        "--threads", type=_positive, default=available_cpus(), help="threads of every side"
    )
    made.add_argument(
        "--isa",
        choices=("best", "avx2"),
        default="best",
        help="avx2 holds fastconv, PyTorch and OpenVINO to AVX2 and leaves out the "
        "peers that cannot be held",
    )
    made.add_argument("--rounds", type=_positive, default=5, help="blocks per side")
    made.add_argument("--block", type=float, default=0.2, help="seconds per block")
    made.add_argument("--pause", type=float, default=0.08, help="seconds of rest before a block")
    if peers:
        made.add_argument(
            "--peer",
            type=_names,
            default=None,
            metavar="NAME,...",
            help="peers to measure, `none` for none; all installed if not given",
        )
    return made


def parse(made: argparse.ArgumentParser, arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse, and set the environment of the libraries that will be imported."""
    options = made.parse_args(arguments)
    options.protocol = Protocol(options.rounds, options.block, options.pause)
    if options.isa == "avx2":
        os.environ.update(AVX2)
    # Read by the OpenMP and Eigen pools of the peers; fastconv is told the number directly.
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return options


def available_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {number}")
    return number


def _names(text: str) -> list[str]:
    return [] if text == "none" else [name.strip() for name in text.split(",") if name.strip()]

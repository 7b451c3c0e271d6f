"""`fastconv info`: versions of the installation, and properties of the machine."""

from __future__ import annotations

import argparse

HELP = "show version, instruction sets, threads and installed extras"
DESCRIPTION = (
    "Shows the version, the instruction sets, the number of threads and what limits it,\n"
    "and which optional packages are installed."
)
EXAMPLES = ["fastconv info", "fastconv info --json"]

# extra of the package -> the module that it brings
EXTRAS = {
    "completion": "argcomplete",
    "data": "PIL",
    "mpi": "mpi4py",
    "onnx": "onnx",
    "sklearn": "sklearn",
    "viz": "matplotlib",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> None:
    import json
    from importlib.util import find_spec

    from fastconv import runtime

    extras = {name: find_spec(module) is not None for name, module in EXTRAS.items()}
    if options.json:
        print(json.dumps(runtime.config() | {"extras": extras}, indent=2))
        return
    runtime.show_config()
    for name, installed in extras.items():
        state = "installed" if installed else f"missing: pip install 'fastconv[{name}]'"
        print(f"{f'extra {name}':<19} {state}")

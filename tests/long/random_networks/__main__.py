"""The program: compares `--count` networks and prints a report."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from collections import Counter
from types import SimpleNamespace
from typing import Any

from tests.long import random_networks
from tests.long.random_networks.arguments import KINDS
from tests.long.random_networks.builder import MERGES
from tests.long.random_networks.comparison import Comparison


def library(name: str) -> Any:
    """The modules of Keras or fastconv that networks are made of."""
    if name == "keras":
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        return keras
    from fastconv import constraints, layers, models, optimizers, regularizers, utils

    return SimpleNamespace(
        constraints=constraints, layers=layers, models=models, optimizers=optimizers,
        regularizers=regularizers, utils=utils,
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=random_networks.__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400, help="networks (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the first (default %(default)s)")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    keras, ours = library("keras"), library("fastconv")
    kinds, passed, failed, compared, left = Counter(), Counter(), Counter(), 0, 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        with tempfile.TemporaryDirectory() as folder:
            comparison = Comparison(seed, keras, ours)
            used = comparison.run(folder)
        if used is None:
            left += 1
            continue
        compared += 1
        kinds += used
        passed += comparison.passed
        for what, how, message in comparison.rows:
            failed[f"{what} {how}"] += 1
            print(f"network {seed}: {what}: {how}: {message}", flush=True)
        keras.backend.clear_session()
    print(f"\n{compared} networks compared, {left} that Keras itself refuses to build or run")
    print("layers:", ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    missing = sorted({*KINDS, *MERGES} - set(kinds))
    print("kinds that took no part:", ", ".join(missing) or "none")
    for heading, counter in (("agreed", passed), ("failed", failed)):
        counts = ", ".join(f"{what} {count}" for what, count in sorted(counter.items()))
        print(f"{heading}:", counts or "none")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The recipes of docs/searches.md, run on two real workers of joblib and of Dask."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.test_guide import CHECKOUT, blocks

RECIPES = [program for _, program, _ in blocks(CHECKOUT / "docs" / "searches.md")]
needs_joblib = pytest.mark.skipif(
    find_spec("sklearn") is None, reason="needs scikit-learn: pip install 'fastconv[sklearn]'"
)
needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="needs Dask: pip install dask distributed"
)


def printed(folder: Path, program: str) -> list[str]:
    """The lines that a script prints."""
    script = folder / "script.py"
    script.write_text(program)
    variables = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    variables.pop("OMP_NUM_THREADS", None)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


SCORES = """
    alone = search(jobs=1)
    for name in ("mean_test_score", "std_test_score"):
        assert (alone.cv_results_[name] == found.cv_results_[name]).all()
"""


@needs_joblib
def test_a_search_on_two_processes_finds_the_same(tmp_path):
    recipe = RECIPES[0].replace("print(search(jobs=2).best_params_)", "found = search(jobs=2)")
    assert recipe != RECIPES[0]
    printed(tmp_path, recipe + SCORES)
    assert "learning_rate" in printed(tmp_path, RECIPES[0])[0]


@needs_joblib
@needs_dask
def test_a_search_on_two_workers_of_dask_finds_the_same(tmp_path):
    recipe = RECIPES[1].replace(
        "print(search(jobs=2).best_params_)",
        """found = search(jobs=2)
        processes = get_client().run(lambda: (runtime.get_num_threads(), os.getpid()))
        print(sorted(threads for threads, _ in processes.values()))
        print(len({process for _, process in processes.values()} - {os.getpid()}))""",
    )
    assert recipe != RECIPES[1]
    imports = "import os\nfrom dask.distributed import get_client\nfrom fastconv import runtime\n"
    definitions = RECIPES[0][: RECIPES[0].index("if __name__")]
    assert printed(tmp_path, imports + definitions + recipe + SCORES)[-2:] == ["[1, 1]", "2"]


@needs_dask
def test_predictions_of_blocks_are_those_of_the_whole_array(tmp_path):
    imports = "from dask.distributed import Client, LocalCluster\n"
    check = """
        found = probabilities.compute()
        assert probabilities.dtype == found.dtype and probabilities.shape == found.shape
    expected = [model.predict(images.blocks[block].compute(), verbose=0) for block in range(4)]
    assert np.array_equal(found, np.concatenate(expected))
"""
    assert printed(tmp_path, imports + RECIPES[2].rstrip() + check) == ["(1000,)"]

"""Write what the programs of `tests/listings` compute with Keras into `listings.npz`.

Run by hand, never by the tests, in an environment with Keras 3.15, TensorFlow and TensorBoard::

    python -m tests.golden.make_listings
"""

from __future__ import annotations

import os
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tests.golden.golden_file import save
from tests.golden.listing_results import FOLDER, NAMES, run, text_for_keras


def main() -> None:
    cases, arrays = [], {}
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            plain, numbers = run(FOLDER / f"{name}.py", text_for_keras(name))
            os.chdir(FOLDER)
        cases.append({"name": name, "results": plain, "numbers": sorted(numbers)})
        arrays |= {f"{name}/{key}": array for key, array in numbers.items()}
        print(name)
    save("listings.npz", cases, arrays)


if __name__ == "__main__":
    main()

"""Makes the modules that lie beside the tests importable by their own names, as pytest does."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

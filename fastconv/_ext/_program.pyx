"""The program of a plan: see `Program` in `_core`."""

from fastconv._ext._core import Program

__all__ = ["Program"]

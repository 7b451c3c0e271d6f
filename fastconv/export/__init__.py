"""Networks for programs without Python.

`c_network` writes a folder that a C compiler turns into a library: the network as data, its
weights, and those C sources of fastconv that it needs, with a Makefile and a CMake file.

    program     a plan for inference as words and weights (`_ext/network/network.h`)
    library     the C sources of fastconv, and which of its kernels a network needs
    c_source    the files that belong to one network: NAME.h, NAME.c, NAME.bin
    folder      the whole folder, with build files

The exported network does what a plan does: it chooses algorithms and schedules on the machine that
runs it, packs its filters at the first run, and computes the same bits as `model.predict` on the
same instruction set, at any number of threads.
"""

from fastconv.export.folder import c_network
from fastconv.export.program import Program, make_program

__all__ = ["Program", "c_network", "make_program"]

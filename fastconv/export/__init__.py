"""Networks for programs without Python.

`network_file` writes a file that the functions of `fastconv.h` run.
`c_network` writes a folder that a C compiler turns into a library: the network as data, its
weights, and those C sources of fastconv that it needs, with a Makefile and a CMake file.

    program     plans as words, weights and state (`_ext/network/network.h`)
    training    the plan of a training step, and the numbers of the optimizer
    library     the C sources of fastconv, and which of its kernels a network needs
    c_source    the files that belong to one network: NAME.h, NAME.c, NAME.bin
    folder      the whole folder, with build files
    network_file  a network as one file, for programs that use `fastconv.h`

The exported network does what a plan does: it chooses algorithms and schedules on the machine that
runs it, packs its filters at the first run, and computes the same bits as `model.predict` on the
same instruction set, at any number of threads; its training step does what `train_on_batch` does.
"""

from fastconv.export.folder import c_network
from fastconv.export.network_file import network_file
from fastconv.export.program import Program, make_program
from fastconv.export.training import TrainedPrograms, make_trained_programs

__all__ = [
    "Program",
    "TrainedPrograms",
    "c_network",
    "make_program",
    "make_trained_programs",
    "network_file",
]

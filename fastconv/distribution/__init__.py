"""Training on several processes, also on several machines: every process, a *rank*, computes a part
of each batch, and all have the same weights.

    mpirun -n 4 python train.py        with `model.fit(..., distribute="mpi")` in train.py

    batch     | chunk 0 | chunk 1 | chunk 2 | chunk 3 | ...            `chunks` of them, always
    ranks     |------ rank 0 -----|------ rank 1 -----|
    units     g0        g1        g2        g3                         a gradient per chunk
    sum        \\------ + ------/   \\------ + ------/                   in a fixed binary tree
                        \\---------- + ----------/

What a chunk computes does not depend on the rank that computes it, and the order of the sum does
not depend on the number of ranks; so neither do the bits of the result.

    tree            the order of the sum
    ranks           the processes: what they exchange
    exchange        the sum over the ranks, also during the computation
    bfloat16        a number format of half the size, for the exchange
    data_parallel   `DataParallel`, the settings
"""

from fastconv.distribution.data_parallel import DataParallel, distribution, set_distribution

__all__ = ["DataParallel", "distribution", "set_distribution"]

"""How fast fastconv is, and how that compares with the other CPU libraries installed.

Run from a checkout, with fastconv installed; a peer is measured if it can be imported::

    python -m benchmarks.convolutions --shapes peers   single convolutions, all three passes
    python -m benchmarks.pooling                       pooling, forward and backward
    python -m benchmarks.networks                      whole networks, inference, training step
    python -m benchmarks.scaling                       the networks at 1, 2, ... threads
    python -m benchmarks.busy                          the MNIST network beside busy processes
    python -m benchmarks.work_split                    how evenly threads share the work, up to 128
    python -m benchmarks.epoch                         one epoch of MNIST training
    python -m benchmarks.memory                        peak memory of a training process
    python -m benchmarks.weight                        installed size and import time
    python -m benchmarks.report                        all of these, into benchmarks/results/,
                                                       and docs/benchmarks.md from all results
    python -m benchmarks.fit_cost                      the algorithms, and the estimate that chooses
    pytest benchmarks/ --benchmark-only                ours alone, with pytest-benchmark

How the numbers are made comparable (`timing`): the sides take turns in blocks of a fraction of a
second, each block after a pause and a warm-up, because the worker threads of some libraries go on
spinning for a while after a call and would take a core from the next one. Quoted are medians, and
the median over rounds of the ratio within a round, so that a machine that slows down for a while
slows both sides. Throughput is stated as a percentage of the multiply-add peak measured in the same
run, never of a figure from a data sheet.

Dependencies point downwards; `fastconv.bench` is part of the package, because `python -m fastconv
bench` measures the user's machine with it:

    report -> page                                    all commands, as JSON; the page of all results
    convolutions pooling | networks scaling busy epoch memory weight work_split    the commands
    fit_cost -> cost_table -> cost_model -> cost_samples    the choice of algorithms, fitted
    single_ops           | peers                      an operation, a network, as a call to be timed
    shape_files          | nets, worker               what is measured; a library in its own process
    timing  command                                   sides that take turns, options
    fastconv.bench                                    clocks, peak, tables, our own operations

Nothing timed is part of the test suite, and no library but fastconv is required.
"""

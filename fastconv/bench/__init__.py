"""Measurements of fastconv on this machine: `python -m fastconv bench`.

    suite                      the fixed list of things to measure, as tables
    operations                 one pass of a convolution or pooling, bound to arrays, as a call
    results                    measurements as JSON, and their comparison
    timing    peak    tables   clocks; the processor's multiply-add peak; output

Together with `fastconv.ops` and `fastconv.plan` this package uses the compiled operations
themselves: what is timed is their run, without the checks that a function call begins with.

The comparisons with other libraries (`benchmarks/` of the repository) are built on the same
modules, and nothing here depends on them.
"""

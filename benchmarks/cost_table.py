"""Writes ``schedule/cost_table.h``, the coefficients of the cost estimate, from all measurements.

The coefficients in use are `FIXED`, or the fit to the measurements where that is None. The rule for
replacing them: a fit is adopted if its regret is smaller in the geometric mean and in the worst
case, over all groups of samples, since another choice of algorithms changes bits of results.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import cost_model
from benchmarks.cost_model import Quality, Samples
from fastconv.bench import operations

TARGET = Path(__file__).resolve().parents[1] / "fastconv/_ext/schedule/cost_table.h"

# In multiply-adds of a vector, each measured by itself against the micro-kernel, on AVX-512 servers
# of both makers. None: the fit is in use.
FIXED: dict[str, float] | None = {
    "multiply_add": 1,
    "streamed_4": 1.7,
    "streamed_5": 1.5,
    "streamed_6": 1.3,
    "streamed_9": 1.5,
    "filters_in_registers": 3,
    "split_element": 6,
    "scatter_vector": 8,
    "scatter_tail": 15,
    "read_filters": 14,
    "transpose_filters": 24,
    "transform_filters": 8,
    "transform_filters_far": 40,
    "transform_input": 9.4,
    "transform_output": 8.5,
    "transform_strided_x2": 13.2,
    "transform_strided_x4": 13.6,
    "transform_strided_y2": 6,
    "transform_strided_y4": 6.8,
    "transform_gradient_x": 16.45,
    "transform_gradient_dy": 14.875,
    "sum_filters": 12,
}


def fitted(samples: Samples) -> list[float]:
    """The fit to all samples, to three digits; it starts from `FIXED`, or from ones."""
    names = operations.cost_terms()
    start = [1.0 if FIXED is None else FIXED[name] for name in names]
    return [float(f"{value:.3g}") for value in cost_model.fit(samples, start)]


def coefficients(samples: Samples) -> list[float]:
    """The coefficients in use, in the order of `operations.cost_terms`."""
    if FIXED is None:
        return fitted(samples)
    return [FIXED[name] for name in operations.cost_terms()]


def is_better(found: Sequence[Quality], present: Sequence[Quality]) -> bool:
    """Whether the regret is smaller in the geometric mean of all groups and in the worst case."""

    def total(qualities):
        cases = np.array([q.cases for q in qualities])
        mean = np.exp(np.log([q.regret for q in qualities]) @ cases / cases.sum())
        return round(float(mean), 4), round(max(q.worst for q in qualities), 3)

    return all(a < b for a, b in zip(total(found), total(present), strict=True))


def lines(qualities: Sequence[Quality]) -> list[str]:
    """A table of residuals and regret, one line per group."""
    width = max((len(q.group) for q in qualities), default=5)
    return [
        f"{'group':<{width}}  cases  residual  90 %   regret  worst",
        *(
            f"{q.group:<{width}}  {q.cases:5}  {q.residual:8.2f}  {q.tail:4.2f}  "
            f"{q.regret:7.3f}  {q.worst:5.2f}"
            for q in qualities
        ),
    ]


def text(samples: Samples) -> str:
    """What the header must hold."""
    used = coefficients(samples)
    origin = "fixed, as a fit chooses no better" if FIXED else "fitted to all samples"
    quality = "\n".join(f" *   {line}" for line in lines(cost_model.quality(used, samples)))
    values = "\n".join(
        f"    [FC_COST_{name}] = {value:g},"
        for name, value in zip(operations.cost_terms(), used, strict=True)
    )
    return f"""\
/* cost_table.h: the coefficients of the cost estimate (cost.h), in vector multiply-adds.
 *
 * Written by `python -m benchmarks.fit_cost --fit` from all files of benchmarks/cost;
 * {origin}.
 * Residual: |estimate / time - 1|, median and 90th percentile.  Regret: time of the chosen
 * algorithm / time of the fastest one, geometric mean and worst.
 *
{quality} */
#ifndef FASTCONV_COST_TABLE_H
#define FASTCONV_COST_TABLE_H

#include "cost.h"

static const double fc_cost_table[FC_COST_TERM_COUNT] = {{
{values}
}};

#endif
"""

"""The plan: how a graph of layers becomes one program over arrays.

Running a network layer by layer from Python costs more than the arithmetic if the network is
small. So layers only *describe* themselves (`nodes`), and a plan binds that description once to a
batch shape and a mode, after which one call runs everything without entering Python:

    layers ----> graph ----> fusion ----> lowering ----> tape ----> arena ----> Program
                 nodes       fewer        forward and     who uses   where       operations on
                 and values  nodes        backward steps  what when  it lies     fixed arrays

- *Fusion.* ReLU and its like run inside the convolution or product before them, and so does a 2x2
  pooling after the convolution if no gradient will ask what was pooled; softmax inside the
  cross-entropy after it.
- *Activations undone on the way* (`gradients`). Where a value is the output of an activation, who
  writes its gradient last multiplies it by the derivative: the pooling or product that is the only
  consumer, or the sum of the gradients of several. A pass of its own remains after convolutions.
- *No way there and back.* Transpositions and reshapes that undo each other do not happen
  (`simplify`).
- *No work for nobody.* Gradients are computed only where a trainable weight lies below. What
  is random does not exist outside of training, and neither do nodes that lead to no output.
- *Sums of gradients* (`gradients`). A value with several consumers, a weight that is used several
  times: what their consumers hand back is added up. What goes through an addition is shared, not
  copied.
- *No gradient that nobody reads.* The update of a large dense layer takes its gradient block by
  block, as it is computed; it never is in memory as a whole (`updates`).
- *No memory for nobody.* Every array lives from its first to its last use, and arrays that do not
  live at the same time share memory (`arena`). A steady-state step allocates nothing.
- *Weights are not part of a plan*: they live in the flat buffer of `fastconv.parameters`, which all
  plans of a model point into. Plans that do not train keep packed copies and renew them when the
  buffer's version says so.

Plans are kept by batch shape and mode (`PlanCache`), up to a number of bytes, so the last, smaller
batch of an epoch does not build anything anew.

Together with `fastconv.ops` this package is the only importer of `fastconv._ext`.
"""

from fastconv.plan.cache import PlanCache
from fastconv.plan.differential import Differential
from fastconv.plan.fusion import fuse
from fastconv.plan.graph import Graph
from fastconv.plan.plan import MODES, Plan
from fastconv.plan.tape import Arena
from fastconv.plan.updates import Updates, gradient_bytes

__all__ = [
    "MODES",
    "Arena",
    "Differential",
    "Graph",
    "Plan",
    "PlanCache",
    "Updates",
    "fuse",
    "gradient_bytes",
]

"""The plan: compiles a graph of layers into one program over arrays.

In a small network, calling every layer from Python costs more than the arithmetic. Layers therefore
only *describe* themselves (`operations`). A plan binds that description once to a batch shape and a
mode; after that, one call runs the whole program without entering Python:

    layers ----> graph ----> fusion ----> lowering ----> tape ----> arena ----> Program
                 nodes       fewer        forward and     lifetimes  memory      ops on
                 and values  nodes        backward steps  of arrays  offsets     fixed arrays

- *Fusion.* ReLU and similar activations run inside the preceding convolution or dense op. A 2x2
  pooling also runs inside the convolution if no gradient needs its input. Softmax runs inside the
  cross-entropy that follows it.
- *Fused activation gradients* (`gradients`). Where a value is the output of an activation, the last
  op that writes its gradient also multiplies it by the derivative: the pooling or dense op that is
  the only consumer, or the sum of several gradients. If the only consumer is a
  convolution, the multiplication remains a separate pass.
- *Cancelled arrangements* (`simplify`). Transpositions and reshapes that invert each other are
  removed.
- *Dead code elimination.* Gradients are computed only for values that depend on a trainable weight.
  Random nodes are removed outside of training, nodes that do not lead to an output always.
- *Sums of gradients* (`gradients`). The gradient of a value with several consumers, or of a weight
  with several uses, is the sum of their contributions. The gradient of an addition is shared by its
  inputs, not copied.
- *Update without a stored gradient* (`updates`). The update of a large dense layer consumes its
  gradient block by block as it is computed; the whole gradient is never in memory.
- *Buffer reuse* (`arena`). Every array is live from its first to its last use, and arrays whose
  lifetimes do not overlap share memory. A steady-state step allocates nothing.
- *Weights are not part of a plan.* They are stored in the flat buffer of `fastconv.parameters`, to
  which all plans of a model point. Plans that do not train keep packed copies and renew them when
  the version of the buffer changes.

`PlanCache` keeps plans by batch shape and mode, up to a limit in bytes, so the smaller last batch
of an epoch does not rebuild its plan.

Words with one meaning each:

    operation   what a layer describes: its kind, settings and weights
    node        one use of an operation in a graph: from values to a value
    lowering    the translation of a node to steps: forward, backward, updates
    step        a function on a tape that makes an op
    op          a compiled operation, or one in Python, bound to its arrays
    program     ops in order
    plan        the program and the arrays of a graph, for one batch size and mode
    run         one execution of a plan

The package imports no layer, loss, optimizer, regularizer or constraint. These describe themselves:
`Layer.operations`, `Loss.operation`, and `for_plan` (`rules`) of the others.
"""

from fastconv.plan.cache import PlanCache
from fastconv.plan.differential import Differential
from fastconv.plan.freezing import frozen
from fastconv.plan.fusion import fuse
from fastconv.plan.graph import Graph
from fastconv.plan.lowering import Part
from fastconv.plan.plan import MODES, Plan
from fastconv.plan.tape import Arena
from fastconv.plan.units import BatchEnd, add, gradient_pieces
from fastconv.plan.updates import Updates, gradient_bytes

__all__ = [
    "MODES",
    "Arena",
    "BatchEnd",
    "Differential",
    "Graph",
    "Part",
    "Plan",
    "PlanCache",
    "Updates",
    "add",
    "frozen",
    "fuse",
    "gradient_bytes",
    "gradient_pieces",
]

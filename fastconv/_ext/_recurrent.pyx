"""The steps of recurrent layers, LSTM and GRU, after the product of the inputs.

gates (N, T, G H), r (H, G H), y (N, T, H), states (N, H), for N sequences of T steps, H units and
G gates: 4 of an LSTM (i, f, g, o), 3 of a GRU (z, s, n).
"""

cimport cython

from fastconv._ext._core cimport operations, pointer
from fastconv._ext._kernels cimport fc_recurrent
from fastconv._ext._operations cimport fc_recurrent_op
from fastconv._ext._program cimport FilterOp, bind


def _expect(name, array, shape):
    if array is not None and array.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}, received {array.shape}")


cdef class _Recurrent(FilterOp):
    cdef fc_recurrent_op c

    cdef int _describe(self, gates, r, h, c, cells, before, part, bint reverse) except -1:
        """Check the arrays that both passes have; the rows of `gates` are (gate, unit)."""
        cdef fc_recurrent *p = &self.c.problem
        batch, steps, width = gates.shape
        units = r.shape[0]
        if r.ndim != 2 or width not in (3 * units, 4 * units) or r.shape[1] != width:
            raise ValueError(
                f"expected gates (N, T, G H) and weights (H, G H) with G = 3 or 4, received "
                f"{gates.shape} and {r.shape}"
            )
        p.batch, p.steps, p.units = batch, steps, units
        p.gate_count, p.reverse = width // units, reverse
        for name, state in (("h", h), ("c", c)):
            _expect(name, state, (batch, units))
        for name, array in (("cells", cells), ("before", before), ("part", part)):
            _expect(name, array, (batch, steps, units))
        kept = cells if p.gate_count == 4 else part
        if before is not None and kept is None:
            raise ValueError("an LSTM that keeps `before` must keep `cells`, a GRU `part`")
        p.gates, p.h, p.c, p.cells = pointer(gates), pointer(h), pointer(c), pointer(cells)
        p.before, p.part, self.c.r = pointer(before), pointer(part), pointer(r)
        return 0

    cdef tuple _numbers(self):
        p = self.c.problem
        return (p.batch, p.steps, p.units, p.gate_count, p.reverse), ()

    def details(self):
        p = self.c.problem
        return {
            "variant": "lstm" if p.gate_count == 4 else "gru",
            "steps": p.steps,
            "items": {"panels": p.panels, "sequences": p.items // p.panels},
        }


@cython.final
cdef class RecurrentForward(_Recurrent):
    """y = h after every step, from the states h and c before the first one, zeros if None.

    If `before` (N, T, H) is given, the op keeps what its gradient needs: there h before every step,
    in `cells` c after every step, in `part` (GRU) the product that s multiplies, in `gates` the
    gates.  `bias` (G H,) is that of h r.
    """

    def __init__(
        self, gates, r, h, c, bias, y, cells=None, before=None, part=None, bint reverse=False
    ):
        bind(self, &self.c.filters.op, (gates, r, h, c, bias, y, cells, before, part))
        self._describe(gates, r, h, c, cells, before, part, reverse)
        _expect("bias", bias, (r.shape[1],))
        _expect("y", y, (*gates.shape[:2], r.shape[0]))
        self.c.problem.bias, self.c.problem.y = pointer(bias), pointer(y)
        operations.prepare_recurrent(&self.c)

    def record(self):
        written = [5, 6, 7, 8]
        if self.arrays[7] is not None:
            written.append(0)
        return "recurrent", self.arrays, tuple(written), *self._numbers()


@cython.final
cdef class RecurrentBackward(_Recurrent):
    """The gradients from dy and, unless None, `dc_last`, that of the last c.

    `gates` are those that the forward op keeps, and become the gradient of x w + b.  `inner`
    (N, T, G H) receives that of h r + b, which an LSTM has in `gates`; dh and dc those of the
    first states, unless None.
    """

    def __init__(
        self, gates, r, h, c, dy, dc_last, cells, before, part, inner=None, dh=None, dc=None,
        bint reverse=False,
    ):
        arrays = gates, r, h, c, dy, dc_last, cells, before, part, inner, dh, dc
        bind(self, &self.c.filters.op, arrays)
        if before is None:
            raise ValueError("a gradient needs `before`, which the forward op keeps")
        self._describe(gates, r, h, c, cells, before, part, reverse)
        if inner is None and self.c.problem.gate_count == 3:
            raise ValueError("the gradient of a GRU needs `inner`")
        _expect("dy", dy, (*gates.shape[:2], r.shape[0]))
        _expect("inner", inner, gates.shape)
        for name, state in (("dc_last", dc_last), ("dh", dh), ("dc", dc)):
            _expect(name, state, (gates.shape[0], r.shape[0]))
        self.c.problem.dy, self.c.problem.dc_last = pointer(dy), pointer(dc_last)
        self.c.problem.inner = pointer(inner)
        self.c.problem.dh, self.c.problem.dc = pointer(dh), pointer(dc)
        operations.prepare_recurrent_backward(&self.c)

    def record(self):
        return "recurrent_input", self.arrays, (0, 9, 10, 11), *self._numbers()

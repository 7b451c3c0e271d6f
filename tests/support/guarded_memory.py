"""Arrays between pages that cannot be touched, and a program that runs every operation on them.

A guarded array lies in pages of its own:

    | no access |  poison poison ... | array |  no access |      at="end"
    | no access |  array | ... poison poison |  no access |      at="start"

so that a kernel which reads or writes one byte beyond the array, on the guarded side, dies of a
signal. The rest of the array's own pages is filled with 0xFF bytes, which is NaN in float32 and in
float64: a kernel that reads there and lets the value take part in any sum gives itself away in the
result, and one that writes there destroys the pattern.

Run as a program (`python -m tests.support.guarded_memory avx2 conv`), it puts every operand and
every result of the operations of one family into such arrays, on one instruction set, and compares
the results with those in ordinary memory. It names each check before making it, so that after a
crash the last line tells which operation it was.
"""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np

POISON = 0xFF
PLACEMENTS = ("end", "start")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_PROT_NONE = 0


class Guarded:
    """`array` of the given shape and dtype, against a guard page at its "end" or its "start"."""

    def __init__(self, shape, dtype, at: str, content=None):
        dtype = np.dtype(dtype)
        count = int(np.prod(shape))
        size = count * dtype.itemsize
        page = mmap.PAGESIZE
        inner = max(-(-size // page), 1) * page
        self._map = mmap.mmap(-1, inner + 2 * page)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        for guard in (address, address + page + inner):
            if _libc.mprotect(guard, page, _PROT_NONE):
                raise OSError(ctypes.get_errno(), "mprotect failed")
        offset = page + (inner - size if at == "end" else 0)
        pages = np.frombuffer(self._map, np.uint8, inner, page)
        pages[:] = POISON
        self.array = np.frombuffer(self._map, dtype, count, offset).reshape(shape)
        begin = offset - page
        self._surroundings = (pages[:begin], pages[begin + size :])
        if content is not None:
            self.array[...] = content

    def surroundings_intact(self) -> bool:
        return all((part == POISON).all() for part in self._surroundings)


def check(label: str, build, inputs: dict, outputs: dict) -> None:
    """Run `build(**arrays)` in ordinary memory and between guard pages: same bits, nothing touched.

    `inputs` are arrays; `outputs` are arrays too, whose values are those before the run (results
    that are only written start as NaN, so that a kernel which adds to them is found out).
    """
    plain = {name: array.copy() for name, array in outputs.items()}
    build(**inputs, **plain).run(1)
    for at in PLACEMENTS:
        print(label, at, flush=True)
        guarded = {
            name: Guarded(array.shape, array.dtype, at, array)
            for name, array in (*inputs.items(), *outputs.items())
        }
        build(**{name: item.array for name, item in guarded.items()}).run(1)
        for name, item in guarded.items():
            assert item.surroundings_intact(), f"{label} {at}: wrote outside `{name}`"
            expected = plain[name] if name in plain else inputs[name]
            assert item.array.tobytes() == expected.tobytes(), f"{label} {at}: `{name}` differs"
    for name in outputs:
        if outputs[name].dtype.kind == "f":
            assert not np.isnan(plain[name]).any(), f"{label}: `{name}` has NaN"


def blank(shape, dtype) -> np.ndarray:
    """A result that has not been computed: NaN, or -1 for positions."""
    array = np.empty(shape, dtype)
    array.view(np.uint8).fill(POISON)
    return array


# ------------------------------------------------------------------------------- families of checks


def algorithms(geometry, pass_name: str, dtype) -> list[str]:
    """Every algorithm that can run the pass."""
    from fastconv.ops import compiled

    applicable = []
    for name in compiled.ALGORITHMS:
        try:
            compiled.choose_algorithm(geometry, pass_name, np.dtype(dtype), name)
        except ValueError:
            continue
        if name != "auto":
            applicable.append(name)
    return applicable


def run_conv(dtype) -> None:
    from fastconv import shapes
    from fastconv.ops import compiled
    from tests.support.conv_cases import CASES

    rng = np.random.default_rng(1)
    for case in CASES:
        g = shapes.conv2d_geometry(case.input_shape, case.kernel_shape, **case.forward_options)
        x, w, b, dy = (
            rng.standard_normal(shape).astype(dtype)
            for shape in (case.input_shape, case.kernel_shape, (case.filters,), case.output_shape)
        )
        label = f"{case.name} {np.dtype(dtype)}"
        for name in algorithms(g, "forward", dtype):
            check(
                f"forward {name} {label}",
                lambda x, w, b, y, g=g, name=name: compiled.conv2d_forward(
                    g, x, w, b, y, "relu", 0.0, name
                ),
                {"x": x, "w": w, "b": b},
                {"y": blank(dy.shape, dtype)},
            )
        if not case.has_gradients:
            continue
        for name in algorithms(g, "backward_input", dtype):
            check(
                f"backward_input {name} {label}",
                lambda dy, w, dx, g=g, name=name: compiled.conv2d_backward_input(
                    g, dy, w, dx, name
                ),
                {"dy": dy, "w": w},
                {"dx": blank(x.shape, dtype)},
            )
        for name in algorithms(g, "backward_kernel", dtype):
            check(
                f"backward_kernel {name} {label}",
                lambda x, dy, dw, db, g=g, name=name: compiled.conv2d_backward_kernel(
                    g, x, dy, dw, db, name
                ),
                {"x": x, "dy": dy},
                {"dw": blank(w.shape, dtype), "db": blank(b.shape, dtype)},
            )


def run_pool(dtype) -> None:
    from fastconv import shapes
    from fastconv.ops import compiled
    from tests.support.pool_cases import CASES

    rng = np.random.default_rng(2)
    for case in CASES:
        geometry = shapes.pool2d_geometry(case.input_shape, **case.options)
        label = f"{case.name} {np.dtype(dtype)}"
        x = rng.standard_normal(case.input_shape).astype(dtype)
        dy = rng.standard_normal(case.output_shape).astype(dtype)
        position = np.int32 if case.pool_size[0] * case.pool_size[1] > 256 else np.uint8
        y, argmax = np.empty_like(dy), np.empty(dy.shape, position)
        compiled.MaxPoolForward(geometry, x, y, argmax).run(1)
        check(
            f"max_pool {label}",
            lambda x, y, argmax, g=geometry: compiled.MaxPoolForward(g, x, y, argmax),
            {"x": x},
            {"y": blank(dy.shape, dtype), "argmax": blank(dy.shape, position)},
        )
        check(
            f"max_pool without positions {label}",
            lambda x, y, g=geometry: compiled.MaxPoolForward(g, x, y, None),
            {"x": x},
            {"y": blank(dy.shape, dtype)},
        )
        check(
            f"max_pool_backward {label}",
            lambda dy, argmax, dx, g=geometry: compiled.MaxPoolBackward(g, dy, argmax, dx),
            {"dy": dy, "argmax": argmax},
            {"dx": blank(x.shape, dtype)},
        )
        check(
            f"max_pool_backward of relu {label}",
            lambda dy, argmax, y, dx, g=geometry: compiled.MaxPoolBackward(
                g, dy, argmax, dx, ("relu", 0.0, y)
            ),
            {"dy": dy, "argmax": argmax, "y": y},
            {"dx": blank(x.shape, dtype)},
        )
        check(
            f"average_pool {label}",
            lambda x, y, g=geometry: compiled.AveragePoolForward(g, x, y),
            {"x": x},
            {"y": blank(dy.shape, dtype)},
        )
        check(
            f"average_pool_backward {label}",
            lambda dy, dx, g=geometry: compiled.AveragePoolBackward(g, dy, dx),
            {"dy": dy},
            {"dx": blank(x.shape, dtype)},
        )
        check(
            f"average_pool_backward of tanh {label}",
            lambda dy, x, dx, g=geometry: compiled.AveragePoolBackward(g, dy, dx, ("tanh", 0.0, x)),
            {"dy": dy, "x": x},
            {"dx": blank(x.shape, dtype)},
        )


DENSE_SIZES = (
    (1, 1, 1),
    (1, 7, 70),
    (2, 33, 17),
    (3, 64, 10),
    (5, 5, 5),
    (4, 70, 1),
    (7, 31, 48),
    (13, 9, 65),
    (6, 300, 16),
    (29, 17, 33),
    (64, 47, 8),
    (1, 1025, 9),
    (33, 3, 130),
)


def run_dense(dtype) -> None:
    from fastconv.ops import compiled

    rng = np.random.default_rng(3)
    for rows, inputs, outputs in DENSE_SIZES:
        label = f"{rows}x{inputs}x{outputs} {np.dtype(dtype)}"
        x, w, b, dy = (
            rng.standard_normal(shape).astype(dtype)
            for shape in ((rows, inputs), (inputs, outputs), (outputs,), (rows, outputs))
        )
        check(
            f"dense {label}",
            lambda x, w, b, y: compiled.DenseForward(x, w, b, y, "relu"),
            {"x": x, "w": w, "b": b},
            {"y": blank(dy.shape, dtype)},
        )
        check(
            f"dense_backward_input {label}",
            compiled.DenseBackwardInput,
            {"dy": dy, "w": w},
            {"dx": blank(x.shape, dtype)},
        )
        check(
            f"dense_backward_input of relu {label}",
            lambda dy, w, x, dx: compiled.DenseBackwardInput(dy, w, dx, ("relu", 0.0, x)),
            {"dy": dy, "w": w, "x": x},
            {"dx": blank(x.shape, dtype)},
        )
        check(
            f"dense_backward_kernel {label}",
            compiled.DenseBackwardKernel,
            {"x": x, "dy": dy},
            {"dw": blank(w.shape, dtype), "db": blank(b.shape, dtype)},
        )
        check(
            f"dense_update {label}",
            lambda x, dy, w, velocity, db: compiled.DenseUpdate(
                x, dy, db, compiled.Rule("sgd", w, [velocity], np.array([0.1, 0.9, 0.0]))
            ),
            {"x": x, "dy": dy},
            {"w": w, "velocity": w[::-1].copy(), "db": blank(b.shape, dtype)},
        )


ROWS_AND_CLASSES = (
    (1, 1),
    (1, 2),
    (3, 7),
    (2, 8),
    (5, 9),
    (4, 10),
    (3, 16),
    (2, 17),
    (7, 33),
    (2, 64),
    (1, 70),
    (2, 1000),
)


def run_elementwise(dtype) -> None:
    from fastconv.ops import compiled as ext

    rng = np.random.default_rng(4)
    for size in (*range(1, 40), 63, 64, 65, 70, 127, 129, 1023, 5000):
        label = f"{size} {np.dtype(dtype)}"
        x, dy = rng.standard_normal((2, size)).astype(dtype)
        for kind in ("relu", "leaky_relu", "sigmoid", "tanh"):
            check(
                f"{kind} {label}",
                lambda x, y, kind=kind: ext.ActivationForward(kind, x, y, slope=0.25),
                {"x": x},
                {"y": blank(size, dtype)},
            )
            check(
                f"{kind} backward {label}",
                lambda y, dy, dx, kind=kind: ext.ActivationBackward(kind, y, dy, dx, slope=0.25),
                {"y": x, "dy": dy},
                {"dx": blank(size, dtype)},
            )
        check(
            f"dropout {label}",
            lambda x, y: ext.Dropout(x, y, 0.5, 7),
            {"x": x},
            {"y": blank(size, dtype)},
        )
    for rows, classes in ROWS_AND_CLASSES:
        label = f"{rows}x{classes} {np.dtype(dtype)}"
        shape = (rows, classes)
        logits, dy = rng.standard_normal((2, *shape)).astype(dtype)
        probabilities = np.empty_like(logits)
        ext.SoftmaxForward(logits, probabilities).run(1)
        one_hot = np.eye(classes, dtype=dtype)[rng.integers(classes, size=rows)]
        labels = rng.integers(classes, size=rows)
        weight = rng.uniform(0.5, 2, rows).astype(dtype)
        results = {"gradient": blank(shape, dtype), "loss": blank(rows, np.float64)}
        check(f"softmax {label}", ext.SoftmaxForward, {"x": logits}, {"y": blank(shape, dtype)})
        check(
            f"softmax backward {label}",
            ext.SoftmaxBackward,
            {"y": probabilities, "dy": dy},
            {"dx": blank(shape, dtype)},
        )
        for targets in (one_hot, labels):
            check(
                f"softmax_cross_entropy {targets.ndim}-d {label}",
                lambda logits, targets, weight, gradient, loss, p: ext.SoftmaxCrossEntropy(
                    logits, targets, gradient, loss, weight, p
                ),
                {"logits": logits, "targets": targets, "weight": weight},
                {**results, "p": blank(shape, dtype)},
            )
            check(
                f"cross_entropy {targets.ndim}-d {label}",
                lambda p, targets, weight, gradient, loss: ext.CrossEntropy(
                    p, targets, gradient, loss, weight
                ),
                {"p": probabilities, "targets": targets, "weight": weight},
                results,
            )
        check(
            f"mean_squared_error {label}",
            lambda prediction, targets, weight, gradient, loss: ext.MeanSquaredError(
                prediction, targets, gradient, loss, weight
            ),
            {"prediction": logits, "targets": dy, "weight": weight},
            results,
        )


def run_optim(dtype) -> None:
    from fastconv.ops import compiled as ext

    rng = np.random.default_rng(5)
    for size in (*range(1, 34), 63, 65, 127, 1000, 4099):
        label = f"{size} {np.dtype(dtype)}"
        g, w, first = rng.standard_normal((3, size)).astype(dtype)
        second, third = rng.uniform(1, 2, (2, size)).astype(dtype)  # a variance above any mean
        third *= 0.1
        hyper = np.array([0.1, 0.9, 0.5, 1e-7, 0.2, 1.5])
        for rule, slots in {
            "sgd": {},
            "rmsprop": {"v": second, "mean": third, "momentum": first},
            "adam": {"m": first, "v": second, "largest": second},
            "nadam": {"m": first, "v": second},
            "adamax": {"m": first, "v": second},
            "adagrad": {"v": second},
            "adadelta": {"v": second, "moved": second},
            "lion": {"m": first},
            "ftrl": {"v": second, "m": first},
            "average": {"m": first},
        }.items():
            check(
                f"{rule} {label}",
                lambda g, w, hyper, rule=rule, **slots: ext.Update(
                    rule, w, None if rule == "average" else g, list(slots.values()), hyper
                ),
                {"g": g},
                {"w": w, "hyper": hyper, **slots},
            )


def run_recurrent(dtype) -> None:
    """LSTM and GRU: tails of vectors, of tiles of sequences and of panels of units."""
    from fastconv.ops import compiled

    generator = np.random.default_rng(6)
    absent = dict.fromkeys(("h", "c", "bias", "cells", "before", "part"))
    for batch, steps, units, gates in (
        (1, 2, 1, 4), (3, 3, 17, 4), (9, 2, 33, 4), (5, 1, 130, 4),
        (1, 2, 1, 3), (3, 3, 17, 3), (9, 2, 33, 3), (5, 1, 130, 3),
    ):  # fmt: skip

        def normal(*shape, generator=generator):
            return generator.standard_normal(shape).astype(dtype)

        whole, last = (batch, steps, units), (batch, units)
        inputs = {"r": normal(units, gates * units), "h": normal(*last)}
        inputs |= {"c": normal(*last)} if gates == 4 else {"bias": normal(gates * units)}
        given = normal(batch, steps, gates * units)
        kept = ("before", "cells" if gates == 4 else "part")
        results = {"gates": given} | {name: blank(whole, dtype) for name in ("y", *kept)}
        label = f"recurrent {np.dtype(dtype)} {batch}x{steps}x{units}, {gates} gates"

        def forward(**arrays):
            return compiled.RecurrentForward(**absent | arrays)

        check(label, forward, inputs, results)
        check(f"{label}, inference", forward, inputs, {"gates": given, "y": blank(whole, dtype)})
        run = {name: array.copy() for name, array in results.items()}
        forward(**inputs, **run).run(1)
        inputs |= {name: run[name] for name in kept} | {"dy": normal(*whole)}
        inputs.pop("bias", None)
        changed = {"gates": run["gates"], "dh": blank(last, dtype)}
        if gates == 4:
            inputs["dc_last"], changed["dc"] = normal(*last), blank(last, dtype)
        else:
            changed["inner"] = blank(given.shape, dtype)

        def backward(**arrays):
            names = ("c", "dc_last", "cells", "before", "part")
            return compiled.RecurrentBackward(**dict.fromkeys(names) | arrays)

        check(f"{label}, backward", backward, inputs, changed)


FAMILIES = {
    "conv": run_conv,
    "pool": run_pool,
    "dense": run_dense,
    "recurrent": run_recurrent,
    "elementwise": run_elementwise,
    "optim": run_optim,
}


def main(isa: str, family: str) -> None:
    from fastconv import runtime

    runtime.set_isa(isa)
    for dtype in (np.float32, np.float64):
        FAMILIES[family](dtype)
    print("finished")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The files of one exported network: NAME.h, NAME.c and, for large weights, NAME.bin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from fastconv.export.program import Program, Record
from fastconv.ops import compiled

_LINE = 96


def header(name: str, program: Program, threads: int, arena_bytes: int, external: bool) -> str:
    """The text of NAME.h: sizes and functions."""
    upper = name.upper()
    weights_argument = ", const void *weights" if external else ""
    weights_define = (
        f"#define {upper}_WEIGHTS_BYTES {program.weights.nbytes} /* of {name}.bin */\n"
        if external
        else ""
    )
    weights_words = (
        f" * `weights` is the content of {name}.bin, aligned to 64 bytes, which must stay where\n"
        " * it is as long as the network runs.\n"
        if external
        else ""
    )
    return f"""/* {name}.h: a neural network in plain C, written by fastconv.
 *
 * The caller provides all memory: {name}_init prepares an arena, {name}_run computes in it.
 * Nothing is allocated or read from files, and several arenas may run at the same time. */
#ifndef FASTCONV_NETWORK_{upper}_H
#define FASTCONV_NETWORK_{upper}_H

#ifdef __cplusplus
extern "C" {{
#endif

{_ends(upper, "INPUT", program.inputs)}
{_ends(upper, "OUTPUT", program.outputs)}
#define {upper}_ARENA_BYTES {arena_bytes} /* enough for {upper}_THREADS threads */
#define {upper}_THREADS {threads}
{weights_define}
/* Prepares `arena`: {upper}_ARENA_BYTES bytes, aligned to 64.
{weights_words} * Returns 0, or what {name}_message explains. */
int {name}_init(void *arena{weights_argument});

/* Computes y from x on the calling thread; the first run also packs the filters.
 * An arena runs one call at a time. */
void {name}_run(void *arena, {_parameters(program)});

/* The same on up to {upper}_THREADS threads, with the same bits.  `parallel` must call
 * task(argument, rank, size) for every rank from 0 to size - 1, at the same time, and return when
 * all have returned; `context` is handed on to it.  With OpenMP:
 *
 *     #pragma omp parallel num_threads(size)
 *     task(argument, omp_get_thread_num(), omp_get_num_threads()); */
typedef void (*{name}_parallel)(void *context, void (*task)(void *argument, int rank, int size),
                                void *argument, int size);
void {name}_run_parallel(void *arena, {_parameters(program)}, {name}_parallel parallel,
                         void *context);

/* The instruction set that an initialized arena uses: "avx512", "avx2", "neon" or "scalar". */
const char *{name}_isa(const void *arena);

/* What a result of {name}_init means, in English. */
const char *{name}_message(int status);

#ifdef __cplusplus
}}
#endif
#endif
"""


def source(name: str, program: Program, arena_bytes: int, external: bool) -> Iterator[str]:
    """The text of NAME.c, in pieces."""
    kinds = sorted({record.kind for record in program.records}, key=compiled.RECORD_KINDS.index)
    builders = "\n".join(f"    [FC_RECORD_{kind}] = fc_build_{kind}," for kind in kinds)
    yield f"""/* {name}.c: see {name}.h; network/network.h explains the words of the program. */
#include "{name}.h"

#include "network/network.h"

static const fc_build builders[FC_RECORD_KINDS] = {{
{builders}
}};

"""
    yield from _program(program)
    if not external:
        yield from _weights(program.weights)
    argument = ", const void *weights" if external else ""
    upper, count = name.upper(), len(program.words)
    inputs, outputs = _list(program.inputs, "x"), _list(program.outputs, "y")
    yield f"""int {name}_init(void *arena{argument})
{{
    int isa = FC_ISA_COUNT - 1;
    while (isa > FC_ISA_SCALAR && !(fc_isa_compiled(isa) && fc_isa_supported(isa)))
        isa--;
    int64_t bytes = fc_network_head_bytes(program, {count});
    if (bytes > {upper}_ARENA_BYTES)
        return FC_NETWORK_NEEDS_MEMORY;
    const int status = fc_network_build(arena, program, {count}, builders, weights,
                                        fc_get_table(isa, 0), {upper}_THREADS, &bytes);
    return status ? status : bytes > {upper}_ARENA_BYTES ? FC_NETWORK_NEEDS_MEMORY : 0;
}}

void {name}_run_parallel(void *arena, {_parameters(program)}, {name}_parallel parallel,
                         void *context)
{{
    const void *const inputs[] = {{{inputs}}};
    void *const outputs[] = {{{outputs}}};
    fc_network_run(arena, inputs, outputs, parallel, context);
}}

void {name}_run(void *arena, {_parameters(program)})
{{
    {name}_run_parallel(arena, x, y, 0, 0);
}}

const char *{name}_isa(const void *arena)
{{
    const fc_network *network = arena;
    return network->count ? network->ops[0]->table->isa : "none";
}}

const char *{name}_message(int status)
{{
    switch (status) {{
    case FC_NETWORK_OK:
        return "the network is ready";
    case FC_NETWORK_NEEDS_MEMORY:
        return "the arena is too small for this processor";
    default:
        return "the program does not fit the library it was compiled with";
    }}
}}
"""


def _ends(upper: str, which: str, shapes: tuple[tuple[int, ...], ...]) -> str:
    """Defines for the sizes of all inputs, or of all outputs."""
    lines = []
    for index, shape in enumerate(shapes):
        number = f"_{index}" if len(shapes) > 1 else ""
        sizes = " x ".join(map(str, shape))
        lines.append(
            f"#define {upper}_{which}{number}_SIZE {int(np.prod(shape))} /* floats: {sizes} */"
        )
    return "\n".join(lines)


def _parameters(program: Program) -> str:
    inputs, outputs = len(program.inputs), len(program.outputs)
    x = "const float *x" if inputs == 1 else f"const float *const x[{inputs}]"
    y = "float *y" if outputs == 1 else f"float *const y[{outputs}]"
    return f"{x}, {y}"


def _list(ends: tuple[tuple[int, ...], ...], letter: str) -> str:
    if len(ends) == 1:
        return letter
    return ", ".join(f"{letter}[{index}]" for index in range(len(ends)))


def _program(program: Program) -> Iterator[str]:
    words = program.words.tolist()
    ends = 2 * (len(program.inputs) + len(program.outputs))
    at = compiled.NETWORK_WORDS
    yield "static const int64_t program[] = {\n"
    yield from _numbers(words[:at])
    yield "    /* inputs and outputs: where, bytes */\n"
    yield from _numbers(words[at : at + ends])
    at += ends
    for number, record in enumerate(program.records):
        end = at + 4 + len(record.arrays) + len(record.integers) + len(record.reals)
        yield f"    /* {number}: {_comment(record)} */\n"
        yield from _numbers(words[at:end])
        at = end
    yield "};\n\n"


def _comment(record: Record) -> str:
    shapes = [" x ".join(map(str, a.shape)) for a in record.arrays if a is not None]
    return f"{record.kind}: {', '.join(shapes[:4])}"


def _weights(weights: np.ndarray) -> Iterator[str]:
    words = np.frombuffer(weights.tobytes(), "<u4")
    yield "/* Four bytes at a time, as on a little-endian machine. */\n"
    yield f"_Alignas(64) static const uint32_t weights[{max(words.size, 1)}] = {{\n"
    for begin in range(0, words.size, 8):
        yield "    " + ", ".join(f"0x{word:08x}" for word in words[begin : begin + 8]) + ",\n"
    yield "};\n\n" if words.size else "    0,\n};\n\n"


def _numbers(numbers: Iterable[int]) -> Iterator[str]:
    line = "   "
    for number in numbers:
        text = f" {number}," if abs(number) < 2**31 else f" INT64_C({number}),"
        if len(line) + len(text) > _LINE:
            yield line + "\n"
            line = "   "
        line += text
    if line.strip():
        yield line + "\n"

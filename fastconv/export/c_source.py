"""The files of one exported network: NAME.h, NAME.c and, for large weights, NAME.bin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from fastconv.common.arrays import ALIGNMENT
from fastconv.export.program import End, Program, Record
from fastconv.ops import compiled

_LINE = 96
_C_TYPES = {"float32": ("float", "floats"), "int64": ("int64_t", "int64_t")}


@dataclass(frozen=True)
class Exported:
    """A network and what its files say of it.

    Attributes:
        name: the beginning of all names in C.
        inference, training: the programs; `training` is None for a network without.
        threads: the largest number of threads.
        inference_bytes, training_bytes: the memory of both, multiples of 64.
        external: whether weights and state are in a file of their own.
    """

    name: str
    inference: Program
    training: Program | None
    threads: int
    inference_bytes: int
    training_bytes: int
    external: bool

    @property
    def upper(self) -> str:
        return self.name.upper()

    @property
    def programs(self) -> list[Program]:
        return [self.inference, *([self.training] if self.training else [])]

    @property
    def state_bytes(self) -> int:
        return self.inference.state.nbytes

    @property
    def constant_bytes(self) -> int:
        """The size of NAME.bin: the weights, then the state."""
        return self.inference.weights.nbytes + self.state_bytes

    @property
    def arena_bytes(self) -> int:
        return self.state_bytes + self.inference_bytes + self.training_bytes

    @property
    def train_batch(self) -> int:
        assert self.training is not None, "the network has no training step"
        return int(self.training.inputs[0].shape[0])


def header(net: Exported) -> str:
    """The text of NAME.h: sizes and functions."""
    name, upper = net.name, net.upper
    weights_argument = ", const void *weights" if net.external else ""
    weights_define = (
        f"#define {upper}_WEIGHTS_BYTES {net.constant_bytes} /* of {name}.bin */\n"
        if net.external
        else ""
    )
    weights_words = (
        f" * `weights` is the content of {name}.bin, aligned to 64 bytes, which must stay where\n"
        " * it is as long as the network runs.\n"
        if net.external
        else ""
    )
    parameters = _parameters(net.inference)
    return f"""/* {name}.h: a neural network in plain C, written by fastconv.
 *
 * The caller provides all memory: {name}_init prepares an arena, {name}_run computes in it.
 * Nothing is allocated or read from files, and several arenas may run at the same time. */
#ifndef FASTCONV_NETWORK_{upper}_H
#define FASTCONV_NETWORK_{upper}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

{_ends(upper, "INPUT", net.inference.inputs)}
{_ends(upper, "OUTPUT", net.inference.outputs)}
#define {upper}_ARENA_BYTES {net.arena_bytes} /* enough for {upper}_THREADS threads */
#define {upper}_THREADS {net.threads}
{weights_define}
/* Prepares `arena`: {upper}_ARENA_BYTES bytes, aligned to 64.
{weights_words} * Returns 0, or what {name}_message explains. */
int {name}_init(void *arena{weights_argument});

/* Computes y from x on the calling thread; the first run also packs the filters.
 * An arena runs one call at a time. */
void {name}_run(void *arena, {parameters});

/* The same on up to {upper}_THREADS threads, with the same bits.  `parallel` must call
 * task(argument, rank, size) for every rank from 0 to size - 1, at the same time, and return when
 * all have returned; `context` is handed on to it.  With OpenMP:
 *
 *     #pragma omp parallel num_threads(size)
 *     task(argument, omp_get_thread_num(), omp_get_num_threads()); */
typedef void (*{name}_parallel)(void *context, void (*task)(void *argument, int rank, int size),
                                void *argument, int size);
void {name}_run_parallel(void *arena, {parameters}, {name}_parallel parallel,
                         void *context);
{_training_header(net) if net.training else ""}
/* The instruction set that an initialized arena uses: "avx512", "avx2", "neon" or "scalar". */
const char *{name}_isa(const void *arena);

/* What a result of {name}_init means, in English. */
const char *{name}_message(int status);

#ifdef __cplusplus
}}
#endif
#endif
"""


def _training_header(net: Exported) -> str:
    """The part of NAME.h for a network that can be trained."""
    name, upper, training = net.name, net.upper, net.training
    assert training is not None
    xs, labels = _training_ends(net)
    parameters = _training_parameters(net)
    return f"""
/* ---- training ---- */

#define {upper}_TRAIN_BATCH {net.train_batch} /* samples of a step */
{_ends(upper, "TRAIN_INPUT", xs)}
{_ends(upper, "LABELS", labels)}
#define {upper}_STATE_BYTES {net.state_bytes}

/* One step of training on {upper}_TRAIN_BATCH samples: forward, loss, backward, and the update of
 * the weights, which the next {name}_run uses.  *loss becomes the loss before the update.  The
 * weights have the bits of a step of `fit` in Python. */
void {name}_train_step(void *arena, {parameters}, double *loss);
void {name}_train_step_parallel(void *arena, {parameters}, double *loss,
                                {name}_parallel parallel, void *context);

/* Sets the learning rate of the following steps. */
void {name}_set_learning_rate(void *arena, double rate);

/* What training changes, {upper}_STATE_BYTES bytes: weights, slots of the optimizer, its numbers.
 * Written to a file and given to {name}_set_state, they continue a training. */
const void *{name}_state(const void *arena);
void {name}_set_state(void *arena, const void *state);
"""


def source(net: Exported) -> Iterator[str]:
    """The text of NAME.c, in pieces."""
    name = net.name
    records = [record for program in net.programs for record in program.records]
    kinds = sorted({record.kind for record in records}, key=compiled.RECORD_KINDS.index)
    builders = "\n".join(f"    [FC_RECORD_{kind}] = fc_build_{kind}," for kind in kinds)
    yield f"""/* {name}.c: see {name}.h; network/network.h explains the words of the program. */
#include "{name}.h"

#include "network/network.h"
{"" if not net.training else chr(10) + "#include <string.h>" + chr(10)}
static const fc_build builders[FC_RECORD_KINDS] = {{
{builders}
}};

"""
    yield from _program("program", net.inference)
    if net.training:
        yield from _program("training", net.training)
    if not net.external:
        yield from _constants("weights", net.inference.weights)
        if net.training:
            yield from _constants("initial_state", net.inference.state)
    yield _functions(net)
    if net.training:
        yield _training_functions(net)


def _functions(net: Exported) -> str:
    name, upper = net.name, net.upper
    argument = ", const void *weights" if net.external else ""
    inputs, outputs = _list(len(net.inference.inputs), "x"), _list(len(net.inference.outputs), "y")
    count, at = len(net.inference.words), net.state_bytes
    state = "arena" if net.training else "0"
    first, second = "", ""
    if net.training:
        initial = f"(const char *)weights + {net.inference.weights.nbytes}"
        first = f"    memcpy(arena, {initial if net.external else 'initial_state'}, {at});\n"
        training = len(net.training.words)
        second = f"""    if (status == 0)
        status = build(TRAINING(arena), {net.training_bytes}, training, {training}, weights, arena);
"""
    return f"""{_places(net)}
static int build(void *memory, int64_t memory_bytes, const int64_t *words, int64_t count,
                 const void *constants, void *state)
{{
    int isa = FC_ISA_COUNT - 1;
    while (isa > FC_ISA_SCALAR && !(fc_isa_compiled(isa) && fc_isa_supported(isa)))
        isa--;
    int64_t bytes = fc_network_head_bytes(words, count);
    if (bytes > memory_bytes)
        return FC_NETWORK_NEEDS_MEMORY;
    const int status = fc_network_build(memory, words, count, builders, constants, state,
                                        fc_get_table(isa, 0), {upper}_THREADS, &bytes);
    return status ? status : bytes > memory_bytes ? FC_NETWORK_NEEDS_MEMORY : 0;
}}

int {name}_init(void *arena{argument})
{{
{first}    int status =
        build(INFERENCE(arena), {net.inference_bytes}, program, {count}, weights, {state});
{second}    return status;
}}

void {name}_run_parallel(void *arena, {_parameters(net.inference)}, {name}_parallel parallel,
                         void *context)
{{
    const void *const inputs[] = {{{inputs}}};
    void *const outputs[] = {{{outputs}}};
    fc_network_run(INFERENCE(arena), inputs, outputs, parallel, context);
}}

void {name}_run(void *arena, {_parameters(net.inference)})
{{
    {name}_run_parallel(arena, x, y, 0, 0);
}}

const char *{name}_isa(const void *arena)
{{
    const fc_network *network = INFERENCE((void *)(intptr_t)arena);
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


def _places(net: Exported) -> str:
    """The parts of the arena."""
    lines = [
        "/* The arena: the state, the network, the training step. */"
        if net.training
        else "/* The arena holds the network. */",
        f"#define INFERENCE(arena) ((fc_network *)((char *)(arena) + {net.state_bytes}))",
    ]
    if net.training:
        at = net.state_bytes + net.inference_bytes
        lines.append(f"#define TRAINING(arena) ((fc_network *)((char *)(arena) + {at}))")
    return "\n".join([*lines, ""])


def _training_functions(net: Exported) -> str:
    name, parameters = net.name, _training_parameters(net)
    xs, labels = _training_ends(net)
    inputs = f"{_list(len(xs), 'x')}, {_list(len(labels), 'labels')}"
    return f"""
void {name}_train_step_parallel(void *arena, {parameters}, double *loss,
                                {name}_parallel parallel, void *context)
{{
    const void *const inputs[] = {{{inputs}}};
    void *const outputs[] = {{loss}};
    fc_network_run(TRAINING(arena), inputs, outputs, parallel, context);
    fc_network_invalidate(INFERENCE(arena));
}}

void {name}_train_step(void *arena, {parameters}, double *loss)
{{
    {name}_train_step_parallel(arena, x, labels, loss, 0, 0);
}}

void {name}_set_learning_rate(void *arena, double rate)
{{
    TRAINING(arena)->settings[FC_SETTING_RATE] = rate;
}}

const void *{name}_state(const void *arena) {{ return arena; }}

void {name}_set_state(void *arena, const void *state)
{{
    memcpy(arena, state, {net.state_bytes});
    fc_network_invalidate(INFERENCE(arena));
}}
"""


def _training_ends(net: Exported) -> tuple[tuple[End, ...], tuple[End, ...]]:
    """The samples and the labels of a step."""
    assert net.training is not None
    count = len(net.inference.inputs)
    return net.training.inputs[:count], net.training.inputs[count:]


def _training_parameters(net: Exported) -> str:
    xs, labels = _training_ends(net)
    return f"{_pointer(xs, 'x', 'const ')}, {_pointer(labels, 'labels', 'const ')}"


def _ends(upper: str, which: str, ends: tuple[End, ...]) -> str:
    """Defines for the sizes of all inputs, or of all outputs."""
    lines = []
    for index, (shape, dtype) in enumerate(ends):
        number = f"_{index}" if len(ends) > 1 else ""
        sizes = " x ".join(map(str, shape))
        elements = _C_TYPES[dtype.name][1]
        size = int(np.prod(shape))
        lines.append(f"#define {upper}_{which}{number}_SIZE {size} /* {elements}: {sizes} */")
    return "\n".join(lines)


def _parameters(program: Program) -> str:
    return f"{_pointer(program.inputs, 'x', 'const ')}, {_pointer(program.outputs, 'y', '')}"


def _pointer(ends: tuple[End, ...], letter: str, const: str) -> str:
    """The declaration of a parameter for one array, or for a list of them."""
    names = {_C_TYPES[end.dtype.name][0] for end in ends}
    name = names.pop() if len(names) == 1 else "void"
    if len(ends) == 1:
        return f"{const}{name} *{letter}"
    return f"{const}{name} *const {letter}[{len(ends)}]"


def _list(count: int, letter: str) -> str:
    if count == 1:
        return letter
    return ", ".join(f"{letter}[{index}]" for index in range(count))


def _program(name: str, program: Program) -> Iterator[str]:
    words = program.words.tolist()
    ends = 2 * (len(program.inputs) + len(program.outputs))
    at = compiled.NETWORK_WORDS
    yield f"static const int64_t {name}[] = {{\n"
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


def _constants(name: str, content: np.ndarray) -> Iterator[str]:
    words = np.frombuffer(content.tobytes(), "<u4")
    yield "/* Four bytes at a time, as on a little-endian machine. */\n"
    size = max(words.size, 1)
    yield f"_Alignas({ALIGNMENT}) static const uint32_t {name}[{size}] = {{\n"
    for begin in range(0, words.size, 8):
        yield "    " + ", ".join(f"0x{word:08x}" for word in words[begin : begin + 8]) + ",\n"
    yield "};\n\n" if words.size else "    0,\n};\n\n"


def _numbers(numbers: Iterable[int]) -> Iterator[str]:
    line = "   "
    for number in numbers:
        text = f" {number}," if abs(number) < 2**31 else _wide(number)
        if len(line) + len(text) > _LINE:
            yield line + "\n"
            line = "   "
        line += text
    if line.strip():
        yield line + "\n"


def _wide(number: int) -> str:
    # The smallest integer has no literal in C.
    return " INT64_MIN," if number == -(2**63) else f" INT64_C({number}),"

"""Chains: several element-wise operations as one list of instructions, with their gradients.

    relu(x * s + b)        inputs 0, 1, 2 = x, s, b
                           3 = multiply(0, 1)
                           4 = add(3, 2)
                           5 = activation(4)         outputs (5,)

A value is the number of an input or of an instruction. The compiled core (`_ext/_chain.pyx`) runs a
chain in one pass over memory: a block of all inputs, instruction by instruction, and then the next
block. The gradient of a chain is a chain, too: it computes the forward values again instead of
keeping them, except for the output, which is in memory.

Functions on arrays describe themselves by a function on `Term`s: `lambda x1, x2: x1 + x2`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastconv._ext._core import KEEPS_INPUT

_CONSTANT = "constant"

# Instructions whose derivative is 0 wherever it is defined.
_FLAT = frozenset(
    {
        "ceil", "equal", "floor", "floor_divide", "greater", "greater_equal", "isfinite", "isinf",
        "isnan", "logical_and", "logical_not", "logical_or", "not_equal", "rint", "sign", "trunc",
    }
)  # fmt: skip


class Instruction(NamedTuple):
    """`name` of `operands`, which are values; `activation` and `parameters` are those of an
    activation. A constant has no operand and its value as parameter."""

    name: str
    operands: tuple[int, ...]
    activation: str = ""
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True)
class Chain:
    """Instructions on the values 0 .. `inputs` - 1; instruction i has the value `inputs` + i."""

    inputs: int
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]

    def inlined(self, terms: Sequence[Term]) -> list[Term]:
        """Return the outputs as terms in the builder of `terms`, which replace the inputs."""
        values = list(terms)
        for instruction in self.instructions:
            values.append(terms[0].builder.add(instruction, values))
        return [values[output] for output in self.outputs]

    def gradient(self, wanted: Sequence[int]) -> Chain:
        """Return the chain of the gradients with respect to the inputs in `wanted`.

        This chain has one output. The inputs of the new one are those of this chain, the gradient
        of the output, and the output itself. The new one has an output per entry of `wanted`.
        """
        builder = Builder(self.inputs + 2)
        (output,) = self.outputs
        values = list(builder.inputs[: self.inputs])
        for number, instruction in enumerate(self.instructions, self.inputs):
            term = builder.add(instruction, values)
            values.append(builder.inputs[-1] if number == output else term)
        gradients: dict[int, Term] = {output: builder.inputs[-2]}
        for number in reversed(range(self.inputs, len(values))):
            gradient = gradients.get(number)
            if gradient is None:
                continue
            instruction = self.instructions[number - self.inputs]
            operands = [values[operand] for operand in instruction.operands]
            parts = _derivatives(instruction, operands, values[number], gradient)
            for operand, part in zip(instruction.operands, parts, strict=True):
                if part is not None:
                    known = gradients.get(operand)
                    gradients[operand] = part if known is None else known + part
        zero = builder.constant(0.0)
        return builder.chain([gradients.get(number, zero) for number in wanted])

    def depends(self) -> set[int]:
        """Return the inputs on which the output depends with a gradient."""
        (output,) = self.outputs
        reached = {output}
        for number in reversed(range(self.inputs, self.inputs + len(self.instructions))):
            instruction = self.instructions[number - self.inputs]
            if number in reached and instruction.name not in _FLAT:
                is_choice = instruction.name == "where"
                reached.update(instruction.operands[is_choice:])
        return {number for number in reached if number < self.inputs}

    def assigned(self) -> Assignment:
        """Return the chain as the compiled core takes it: values assigned to slots."""
        return _assign(self)

    def contracted(self) -> Chain:
        """Return the chain with sequences of instructions replaced by single ones of equal results:
        an intermediate value that is used once need not be stored."""
        return _contracted(self)


class Assignment(NamedTuple):
    """`instructions` on slots: first the inputs of the chain, then `constants`, then the distinct
    outputs that are not inputs (`written`), then `registers` intermediate values."""

    instructions: list[tuple[str, int, tuple[int, ...], str, tuple[float, ...]]]
    constants: list[float]
    written: list[int]
    registers: int


class Builder:
    """Collects instructions; equal ones are one."""

    def __init__(self, inputs: int):
        self.inputs: list[Term] = [Term(self, number) for number in range(inputs)]
        self._instructions: list[Instruction] = []
        self._numbers: dict[Instruction, int] = {}

    def apply(
        self,
        name: str,
        *operands: Term,
        activation: str = "",
        parameters: tuple[float, ...] = (),
    ) -> Term:
        """Return the value of an instruction."""
        numbers = tuple(term.number for term in operands)
        instruction = Instruction(name, numbers, activation, parameters)
        number = self._numbers.get(instruction)
        if number is None:
            number = len(self.inputs) + len(self._instructions)
            self._instructions.append(instruction)
            self._numbers[instruction] = number
        return Term(self, number)

    def add(self, instruction: Instruction, values: Sequence[Term]) -> Term:
        """Return the value of an instruction of another chain, on `values` of this one."""
        operands = (values[operand] for operand in instruction.operands)
        return self.apply(
            instruction.name,
            *operands,
            activation=instruction.activation,
            parameters=instruction.parameters,
        )

    def constant(self, value: float) -> Term:
        return self.apply(_CONSTANT, parameters=(float(value),))

    def instruction(self, number: int) -> Instruction | None:
        """Return the instruction that makes a value; None for an input."""
        index = number - len(self.inputs)
        return self._instructions[index] if index >= 0 else None

    def value_of(self, number: int) -> float | None:
        """Return a constant's value; None for other values."""
        instruction = self.instruction(number)
        if instruction is None or instruction.name != _CONSTANT:
            return None
        return instruction.parameters[0]

    def chain(self, outputs: Sequence[Term]) -> Chain:
        """Return the chain of `outputs`, without instructions that they do not need."""
        count = len(self.inputs)
        needed = {term.number for term in outputs}
        for index in reversed(range(len(self._instructions))):
            if count + index in needed:
                needed.update(self._instructions[index].operands)
        numbers = {number: number for number in range(count)}
        kept: list[Instruction] = []
        for index, instruction in enumerate(self._instructions):
            if count + index in needed:
                operands = tuple(numbers[operand] for operand in instruction.operands)
                numbers[count + index] = count + len(kept)
                kept.append(instruction._replace(operands=operands))
        return Chain(count, tuple(kept), tuple(numbers[term.number] for term in outputs))


class Term:
    """A value of a chain that is being built: operators and `apply` add instructions."""

    builder: Builder
    number: int

    def __init__(self, builder: Builder, number: int):
        self.builder, self.number = builder, number

    @property
    def value(self) -> float | None:
        """The number that it is; None if it is not a constant."""
        return self.builder.value_of(self.number)

    @property
    def made(self) -> Instruction | None:
        """The instruction that makes it; None for an input."""
        return self.builder.instruction(self.number)

    def slope_of(self, other: Term) -> float | None:
        """Return c if the value is c * other with a constant 0 < c < 1, else None."""
        if self.made is None or self.made.name != "multiply":
            return None
        for one, two in (self.made.operands, self.made.operands[::-1]):
            slope = self.builder.value_of(one)
            if two == other.number and slope is not None and 0 < slope < 1:
                return slope
        return None

    def apply(self, name: str, *others: Any) -> Term:
        """Return an instruction on this value and `others`, which may be numbers."""
        return self.builder.apply(name, self, *map(self._term, others))

    def activation(self, kind: str, *parameters: float) -> Term:
        """Return an activation of the compiled core."""
        full = (*parameters, *(0.0, math.inf, 0.0)[len(parameters) :])
        return self.builder.apply("activation", self, activation=kind, parameters=full)

    def power(self, exponent: Any) -> Term:
        """Return self ** exponent; common constant exponents need no logarithm."""
        exponent = self._term(exponent)
        if exponent.value == 2:
            return self * self
        if exponent.value == 3:
            return self * self * self
        if exponent.value == 1:
            return self
        if exponent.value == 0.5:
            return self.apply("square_root")
        if exponent.value == -1:
            return 1 / self
        return self.apply("power", exponent)

    def where(self, x1: Any, x2: Any) -> Term:
        """Return x1 where self is not 0, else x2."""
        return self.apply("where", x1, x2)

    def _term(self, other: Any) -> Term:
        return other if isinstance(other, Term) else self.builder.constant(other)

    def __add__(self, other: Any) -> Term:
        return self.apply("add", other)

    def __radd__(self, other: Any) -> Term:
        return self._term(other) + self

    def __sub__(self, other: Any) -> Term:
        return self.apply("subtract", other)

    def __rsub__(self, other: Any) -> Term:
        return self._term(other) - self

    def __mul__(self, other: Any) -> Term:
        other = self._term(other)
        if other.value == 1:
            return self
        return other if self.value == 1 else self.apply("multiply", other)

    def __rmul__(self, other: Any) -> Term:
        return self._term(other) * self

    def __truediv__(self, other: Any) -> Term:
        return self.apply("divide", other)

    def __rtruediv__(self, other: Any) -> Term:
        return self._term(other) / self

    def __neg__(self) -> Term:
        return self.apply("negative")


def build(function: Callable[..., Term], inputs: int, *others: Any, **options: Any) -> Chain:
    """Return the chain of `function`, called on one term per input, `others` and `options`."""
    builder = Builder(inputs)
    return builder.chain([function(*builder.inputs, *others, **options)])


# ------------------------------------------------------------------------------------- derivatives


def _derivatives(
    instruction: Instruction, x: Sequence[Term], y: Term, dy: Term
) -> Sequence[Term | None]:
    """Return the gradient with respect to each operand `x` for the gradient `dy` of the result
    `y`; None for zero."""
    name = instruction.name
    if name in _FLAT or name == _CONSTANT:
        return [None] * len(x)
    if name == "activation":
        kind = instruction.activation
        saved = x[0] if kind in KEEPS_INPUT else y
        return [
            dy.builder.apply(
                "activation_gradient",
                saved,
                dy,
                activation=kind,
                parameters=instruction.parameters,
            )
        ]
    if name not in _DERIVATIVES:
        raise ValueError(f"the instruction {name!r} has no derivative")
    if name in _TOGETHER:
        for one, other, order in ((x[0], x[1], 1), (x[1], x[0], -1)):
            gradient = _TOGETHER[name](one, other, order, dy)
            if gradient is not None:
                return [gradient, None][::order]
    return _DERIVATIVES[name](*x, y, dy)


def _of_silu(a: Term, b: Term, order: int, g: Term) -> Term | None:
    """Return the gradient of a b if b = sigmoid(a)."""
    made = b.made
    if made is None or made.activation != "sigmoid" or made.name != "activation":
        return None
    if made.operands != (a.number,):
        return None
    return g.builder.apply(
        "activation_gradient", a, g, activation="silu", parameters=made.parameters
    )


def _of_leaky(a: Term, b: Term, order: int, g: Term) -> Term | None:
    """Return the gradient of max(a, b) if b = c a with 0 < c < 1. The one that comes first gets the
    gradient at 0."""
    slope = b.slope_of(a)
    if slope is None:
        return None
    if order > 0:
        return a.apply("greater_equal", 0.0).where(g, g * slope)
    return g.builder.constant(0.0).apply("greater_equal", a).where(g * slope, g)


# Gradients of functions of one value that is both operands, the second by another instruction.
_TOGETHER = {"multiply": _of_silu, "maximum": _of_leaky}


_DERIVATIVES: dict[str, Callable[..., Sequence[Term | None]]] = {
    "copy": lambda a, y, g: [g],
    "negative": lambda a, y, g: [-g],
    "absolute": lambda a, y, g: [g * a.apply("sign")],
    "square_root": lambda a, y, g: [0.5 * g / y],
    "exp": lambda a, y, g: [g * y],
    "log": lambda a, y, g: [g / a],
    "expm1": lambda a, y, g: [g * (y + 1)],
    "log1p": lambda a, y, g: [g / (a + 1)],
    "log2": lambda a, y, g: [g / (a * math.log(2))],
    "log10": lambda a, y, g: [g / (a * math.log(10))],
    "exp2": lambda a, y, g: [g * y * math.log(2)],
    "sin": lambda a, y, g: [g * a.apply("cos")],
    "cos": lambda a, y, g: [-(g * a.apply("sin"))],
    "tan": lambda a, y, g: [g * (y * y + 1)],
    "asin": lambda a, y, g: [g / (1 - a * a).apply("square_root")],
    "acos": lambda a, y, g: [-(g / (1 - a * a).apply("square_root"))],
    "atan": lambda a, y, g: [g / (a * a + 1)],
    "sinh": lambda a, y, g: [g * a.apply("cosh")],
    "cosh": lambda a, y, g: [g * a.apply("sinh")],
    "asinh": lambda a, y, g: [g / (a * a + 1).apply("square_root")],
    "acosh": lambda a, y, g: [g / (a * a - 1).apply("square_root")],
    "atanh": lambda a, y, g: [g / (1 - a * a)],
    "erf": lambda a, y, g: [g * (2 / math.sqrt(math.pi)) * (-(a * a)).apply("exp")],
    "add": lambda a, b, y, g: [g, g],
    "subtract": lambda a, b, y, g: [g, -g],
    "multiply": lambda a, b, y, g: [g * b, g * a],
    "divide": lambda a, b, y, g: [g / b, -(g * y) / b],
    # Of equal values, the first gets the gradient.
    "maximum": lambda a, b, y, g: _chosen(a.apply("greater_equal", b), g),
    "minimum": lambda a, b, y, g: _chosen(b.apply("greater_equal", a), g),
    "power": lambda a, b, y, g: [g * b * a.power(b - 1 if b.value is None else b.value - 1),
                                 g * y * _log_or_zero(a)],
    "atan2": lambda a, b, y, g: [g * b / (a * a + b * b), -(g * a) / (a * a + b * b)],
    "floor_mod": lambda a, b, y, g: [g, -(g * a.apply("floor_divide", b))],
    "where": lambda c, a, b, y, g: [None, *_chosen(c, g)],
}  # fmt: skip


def _chosen(condition: Term, gradient: Term) -> list[Term]:
    """Return `gradient` for the operand that `condition` chooses, and 0 for the other."""
    return [condition.where(gradient, 0.0), condition.where(0.0, gradient)]


def _log_or_zero(a: Term) -> Term:
    """Return log(a), and 0 where a <= 0: a power of 0 does not grow with its exponent."""
    positive = a.apply("greater", 0.0)
    return positive.where(positive.where(a, 1.0).apply("log"), 0.0)


# ------------------------------------------------------------------------------------------- slots


def _contracted(chain: Chain) -> Chain:
    """Implements `Chain.contracted`."""
    uses = Counter(o for instruction in chain.instructions for o in instruction.operands)
    uses.update(chain.outputs)
    builder = Builder(chain.inputs)
    values = list(builder.inputs)

    def made_once(operand: int, name: str) -> Instruction | None:
        """Return the instruction that makes an operand, if it has that name and no other use."""
        made = builder.instruction(values[operand].number)
        return made if made and made.name == name and uses[operand] == 1 else None

    for instruction in chain.instructions:
        name, operands = instruction.name, instruction.operands
        term = None
        if name == "add":
            for operand, other in (operands, operands[::-1]):
                product = made_once(operand, "multiply")
                if product and term is None:
                    factors = (Term(builder, number) for number in product.operands)
                    term = builder.apply("multiply_add", *factors, values[other])
        elif name == "activation" and instruction.activation == "relu":
            for inner in ("add", "multiply_add"):
                total = made_once(operands[0], inner)
                if total:
                    terms = (Term(builder, number) for number in total.operands)
                    term = builder.apply(f"{inner}_relu", *terms)
        elif name == "maximum":
            for operand, other in (operands, operands[::-1]):
                slope = values[other].slope_of(values[operand])
                if slope is not None:
                    term = values[operand].activation("leaky_relu", slope)
        values.append(builder.add(instruction, values) if term is None else term)
    return builder.chain([values[output] for output in chain.outputs])


def _assign(chain: Chain) -> Assignment:
    """Assign values to slots; the register of a value is free after its last use."""
    first = chain.inputs
    constants: list[float] = []
    slots = {number: number for number in range(first)}
    for number, instruction in enumerate(chain.instructions, first):
        if instruction.name == _CONSTANT:
            slots[number] = first + len(constants)
            constants.append(instruction.parameters[0])
    written = list(dict.fromkeys(number for number in chain.outputs if number not in slots))
    beyond = first + len(constants)
    slots.update({number: beyond + index for index, number in enumerate(written)})
    beyond += len(written)
    last: dict[int, int] = {}
    for number, instruction in enumerate(chain.instructions, first):
        last.update(dict.fromkeys(instruction.operands, number))
    free: list[int] = []
    registers = 0
    instructions = []
    for number, instruction in enumerate(chain.instructions, first):
        if instruction.name == _CONSTANT:
            continue
        operands = tuple(slots[operand] for operand in instruction.operands)
        ended = {slots[o] for o in instruction.operands if last[o] == number and slots[o] >= beyond}
        # The gradient of an activation may write its result before it has read the saved value.
        early = set() if instruction.name == "activation_gradient" else ended
        free.extend(early)
        if number not in slots:
            if not free:
                free.append(beyond + registers)
                registers += 1
            slots[number] = free.pop()
        free.extend(ended - early)
        instructions.append(
            (instruction.name, slots[number], operands, instruction.activation,
             instruction.parameters)
        )  # fmt: skip
    return Assignment(instructions, constants, written, registers)

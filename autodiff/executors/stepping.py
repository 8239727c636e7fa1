"""NumPy's executor an instruction at a time: what a program's arrays hold on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..program.instructions import Code, Instruction, Operand
from ..program.program import Program
from .numpy import CALLER, NumpyExecutor, blocks


def steps(program: Program, x: Array, seed: Array | None = None) -> Iterator[tuple[int, Array]]:
    """Run a program and give, after each instruction, its number and a copy of what it wrote.

    An instruction of a loop comes up once in every block.

    Args:
        program: laid out.
        x: (n,), where to run.
        seed: V (n, k) of a jvp, U (k, m) of a vjp; None where the program takes none.
    """
    code = program.code
    memory = np.zeros(program.elements, code.dtype)
    result = np.zeros(0 if code.result is None else code.result.buffer.size, code.dtype)
    for start, stop, count in blocks(code):
        for block in range(count):
            for number in range(start, stop):
                one = _at(code.instructions[number], block)
                alone = NumpyExecutor(Code(code.dtype, [one]), program.elements)
                alone.memory[:] = memory
                with np.errstate(all="ignore"):
                    alone.run(x, seed, result)
                memory = alone.memory
                yield number, _seen(one.out, result if one.out.buffer.place in CALLER else memory)


def _at(instruction: Instruction, block: int) -> Instruction:
    """The instruction as it is in a block of a loop."""

    def move(one: Operand) -> Operand:
        return Operand(one.buffer, one.shape, one.strides, one.offset + block * one.step)

    return replace(instruction, inputs=tuple(map(move, instruction.inputs)), out=move(instruction.out))


def _seen(operand: Operand, array: Array) -> Array:
    """A copy of what an operand has of a flat array."""
    flat = array.reshape(-1)
    offset = operand.offset + (0 if operand.buffer.place in CALLER else operand.buffer.offset)
    strides = tuple(stride * flat.itemsize for stride in operand.strides)
    return np.ndarray(operand.shape, flat.dtype, flat, offset * flat.itemsize, strides).copy()

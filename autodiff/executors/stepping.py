"""NumPy's executor an instruction at a time: what a program's arrays hold on the way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array
from ..program.instructions import Code, Operand
from ..program.program import Program
from .numpy import CALLER, NumpyExecutor


def steps(program: Program, x: Array, seed: Array | None = None) -> Iterator[tuple[int, Array]]:
    """Run a program and give, after each instruction, its number and a copy of what it wrote.

    An instruction of a loop comes up in every turn, one of a segment in every call.

    Args:
        program: laid out.
        x: (n,), where to run.
        seed: V (n, k) of a jvp, U (k, m) of a vjp; None where the program takes none.
    """
    code = program.code
    memory = np.zeros(program.elements, code.dtype)
    result = np.zeros(0 if code.result is None else code.result.buffer.size, code.dtype)
    for block in code.blocks():
        for turn in range(block.count):
            for number in range(block.start, block.stop):
                one = block.instruction(code.instructions[number], turn)
                alone = NumpyExecutor(Code(code.dtype, [one]), program.elements)
                alone.memory[:] = memory
                with np.errstate(all="ignore"):
                    alone.run(x, seed, result)
                memory = alone.memory
                yield number, _seen(one.out, result if one.out.buffer.place in CALLER else memory)


def _seen(operand: Operand, array: Array) -> Array:
    """A copy of what an operand has of a flat array."""
    flat = array.reshape(-1)
    offset = operand.offset + (0 if operand.buffer.place in CALLER else operand.buffer.offset)
    strides = tuple(stride * flat.itemsize for stride in operand.strides)
    return np.ndarray(operand.shape, flat.dtype, flat, offset * flat.itemsize, strides).copy()

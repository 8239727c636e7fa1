"""Splitting a program into what depends on its seed and what comes before: a linear map made once, applied often."""

from __future__ import annotations

from dataclasses import replace

from ..arrays import Array
from .instructions import Buffer, Code, Instruction, Operand


def split(code: Code) -> tuple[Code, Code]:
    """The instructions that can be run before the seed is known, and the others; both without a layout.

    An array belongs to one part as a whole: what writes into an array that depends on the seed, or into the result,
    is in the second part. That part still names the first one's arrays; see :func:`resolved`.

    Args:
        code: without loops and calls, its memory not laid out.
    """
    assert not code.control, "a program with loops or calls is not split"
    late = {id(one.out.buffer) for one in code.instructions if one.out.buffer.place == "result"}
    while True:
        found = {id(one.out.buffer) for one in code.instructions if any(_late(operand, late) for operand in one.inputs)}
        if found <= late:
            break
        late |= found
    parts: tuple[list[Instruction], list[Instruction]] = ([], [])
    for one in code.instructions:
        parts[id(one.out.buffer) in late].append(one)
    return Code(code.dtype, parts[0], value=code.value), Code(code.dtype, parts[1], result=code.result)


def _late(operand: Operand, late: set[int]) -> bool:
    return operand.buffer.place == "seed" or id(operand.buffer) in late


def resolved(code: Code, before: Code, memory: Array) -> Code:
    """The second part with the arrays of the first as constants.

    Args:
        code: the second part.
        before: the first, laid out with a place of its own for every array.
        memory: the block that it has been run in; the program points to it.
    """
    own = {id(one.out.buffer) for one in before.instructions}
    kept = Buffer("fixed", memory.size, memory)

    def look(one: Operand) -> Operand:
        if id(one.buffer) not in own:
            return one
        return Operand(kept, one.shape, one.strides, one.offset + one.buffer.offset, one.step)

    instructions = [replace(one, inputs=tuple(map(look, one.inputs))) for one in code.instructions]
    return Code(code.dtype, instructions, result=code.result)

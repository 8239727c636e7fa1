"""A program: instructions over one block of memory, and what can be read off them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..arrays import Array
from ..primitives.table import PRIMITIVES
from .count import Work
from .instructions import Code, Instruction, Operand
from .layout import place
from .steps import Step, steps


@dataclass(slots=True)
class Program:
    """What an engine writes and an executor runs.

    Attributes:
        code: the instructions.
        elements: of the block of working memory.
        names: of the layers, for printing.
        params: the flat vector of parameters, whose arrays are printed by their layers' numbers.
    """

    code: Code
    elements: int
    names: tuple[str, ...] = ()
    params: Array | None = None

    @classmethod
    def of(cls, code: Code, names: tuple[str, ...] = (), reuse: bool = True, params: Array | None = None) -> Program:
        """The program of some code, with its memory laid out; ``reuse=False`` gives every array its own place."""
        return cls(code, place(code, reuse), names, params)

    @property
    def nbytes(self) -> int:
        """Bytes of working memory."""
        return self.elements * self.code.dtype.itemsize

    @property
    def work(self) -> Work:
        """Exact counts of one run: every instruction as often as it is run."""
        return code_work(self.code)

    def steps(self, executor: str = "numpy") -> list[Step]:
        """What a machine's model predicts the time of a run by an executor from; see :mod:`.steps`."""
        return steps(self.code, executor)

    def __len__(self) -> int:
        return len(self.code.instructions)

    def __str__(self) -> str:
        from .printing import listing

        return listing(self)

    def __repr__(self) -> str:
        return f"<Program of {len(self)} instructions: {self.work.fma:,} multiply-adds, {self.nbytes:,} bytes>"


def turns(code: Code) -> list[int]:
    """How often each instruction is run."""
    times = [0] * len(code.instructions)
    for block in code.blocks():
        for number in range(block.start, block.stop):
            times[number] += block.count
    return times


def code_work(code: Code) -> Work:
    """Exact counts of one run of some code; its memory need not be laid out."""
    fma = elementwise = transcendental = elements = 0
    times = turns(code)
    for one, turn in zip(code.instructions, times, strict=True):
        elements += turn * (_touched(one.out) + sum(_touched(operand) for operand in one.inputs))
        if one.kind == "matmul":
            fma += turn * multiply_adds(one)
        elif one.kind == "map" and one.ufunc in PRIMITIVES and PRIMITIVES[one.ufunc].transcendental:
            transcendental += turn * one.out.size
        else:
            elementwise += turn * (one.inputs[0].size if one.kind in ("reduce", "scatter") else one.out.size)
    return Work(fma, elementwise, transcendental, elements, sum(times))


def multiply_adds(one: Instruction) -> int:
    """Of a matrix product; 0 for anything else."""
    return one.out.size * one.inputs[0].shape[-1] if one.kind == "matmul" else 0


def _touched(operand: Operand) -> int:
    """The elements that an operand really has, repeated ones once."""
    if 0 not in operand.strides:
        return operand.size
    return math.prod([size for size, stride in zip(operand.shape, operand.strides, strict=True) if stride])

"""What a program is made of: memory, operands in it, and instructions that read operands and write one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ..arrays import Array
from .views import Shape

Place = Literal["memory", "x", "seed", "result", "value", "fixed", "argument"]


#: ufuncs whose results are exact or exactly rounded, so that an executor's own loops give NumPy's bits
EXACT = ("positive", "add", "subtract", "multiply", "heaviside")


@dataclass(slots=True, eq=False)
class Buffer:
    """Memory that operands lie in.

    Attributes:
        place: ``memory`` for working memory, which the layout gives a place; ``x``, ``seed`` and ``result`` for the
            caller's arrays; ``value`` for f(x), which outlives the run; ``fixed`` for parameters and constants;
            ``argument`` for what a segment is called with, another buffer in every call.
        size: elements.
        array: the numbers of a fixed buffer, one flat array that the program keeps alive.
        offset: in elements, where the layout has put it.
    """

    place: Place
    size: int
    array: Array | None = None
    offset: int = 0


@dataclass(slots=True, eq=False)
class Operand:
    """An array in a buffer: shape, strides and offset in elements, and how far a loop's next block moves it."""

    buffer: Buffer
    shape: Shape
    strides: Shape
    offset: int = 0
    step: int = 0

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for operands that are the same elements in the same order."""
        return (id(self.buffer), self.shape, self.strides, self.offset, self.step)


Kind = Literal["map", "reduce", "matmul", "select", "gather", "scatter", "call"]


@dataclass(slots=True, eq=False)
class Instruction:
    """One call.

    Attributes:
        kind: what it does to its operands, NumPy's calls being the definition::

            map      ufunc(*inputs, out=out)            inputs are broadcast to out's shape already
            reduce   ufunc.reduce(input, axis, out=out) over one axis
            matmul   np.matmul(a, b, out=out)           a, b, out of equal rank, leading axes broadcast already
            select   out = a where mask != 0 else b     inputs mask, a, b of out's shape
            gather   out = input[index]                 along the last axis of both; index (out.shape[-1],)
            scatter  out[index] += input                along the last axis of both, one after the other
            call     ufunc(*inputs, out)                a function of Python that fills out

        ufunc: NumPy's, or another package's; None where it is no ufunc's call.
        inputs: what is read; ``out`` may be among them, the same elements in the same order.
        out: what is written.
        layer: the number of the layer that it belongs to, -1 for none.
        axis: of a reduction.
        index: of a gather or a scatter.
    """

    kind: Kind
    ufunc: np.ufunc | None
    inputs: tuple[Operand, ...]
    out: Operand
    layer: int = -1
    axis: int = 0
    index: Any = None


@dataclass(slots=True)
class Block:
    """Instructions ``start`` to ``stop - 1``, run as often as they are told: the only control that there is.

    Attributes:
        start, stop: a loop stands in its place; a segment stands where it is first called.
        count: a loop's turns; in turn t an operand is t steps further on.
        bound: of a call, for each of the segment's arguments the buffer that it stands for.
        at: the instruction before which it is run, ``start`` if it stands there.
    """

    start: int
    stop: int
    count: int = 1
    bound: tuple[tuple[Buffer, Buffer], ...] = ()
    at: int = -1

    def __post_init__(self) -> None:
        if self.at < 0:
            self.at = self.start

    def instruction(self, one: Instruction, turn: int) -> Instruction:
        """An instruction as it is in a turn, its arguments replaced by what they stand for."""
        actual = {id(argument): buffer for argument, buffer in self.bound}

        def find(operand: Operand) -> Operand:
            buffer, offset = operand.buffer, operand.offset + turn * operand.step
            return Operand(actual.get(id(buffer), buffer), operand.shape, operand.strides, offset)

        return replace(one, inputs=tuple(map(find, one.inputs)), out=find(one.out))


@dataclass(slots=True, eq=False)
class Code:
    """A program before its memory is laid out.

    Attributes:
        dtype: of every operand, float64 or float32.
        instructions: in the order of execution.
        control: loops and calls, in the order of execution; what stands in none of them is run once.
        result: what the run fills, in the caller's array.
        value: f(x), kept until the next run; None where the program does not have it.
    """

    dtype: np.dtype[Any]
    instructions: list[Instruction] = field(default_factory=list)
    control: list[Block] = field(default_factory=list)
    result: Operand | None = None
    value: Operand | None = None

    def blocks(self) -> Iterator[Block]:
        """All that is run, in order: loops, calls, and the instructions between them as blocks of one turn."""
        position = 0
        for block in self.control:
            if position < block.at:
                yield Block(position, block.at)
            yield block
            position = max(block.at, block.stop)
        if position < len(self.instructions):
            yield Block(position, len(self.instructions))

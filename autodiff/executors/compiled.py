"""The compiled executor: NumPy's inner loops, called by their addresses from one Numba function.

Nothing is compiled for a program: it becomes a tape of addresses, sizes and strides, which the function reads.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, aligned_empty
from ..errors import UnsupportedError
from ..program.instructions import Block, Buffer, Code, Operand
from . import kernel
from .loops import INSIDE, available
from .lowering import Lowering, Row
from .numpy import LATE

BASE = {"x": 0, "seed": 1, "result": 2, "absolute": 3}
Late = tuple[int, Operand]  #: where an operand's address stands
OPCODE = {
    "call": kernel.CALL,
    "select": kernel.SELECT,
    "gather": kernel.GATHER,
    "scatter": kernel.SCATTER,
    "positive": kernel.MOVE,
    "add": kernel.ADD,
    "subtract": kernel.SUBTRACT,
    "multiply": kernel.MULTIPLY,
    "heaviside": kernel.HEAVISIDE,
}


class CompiledExecutor:
    """Runs a program by NumPy's inner loops; results are those of :class:`NumpyExecutor` to the bit
    (but for the two cases that :func:`.lockstep.lockstep` names).

    Args:
        code: laid out, so that buffers of working memory and of f(x) have their offsets.
        elements: of the block of memory that these buffers lie in.

    Raises:
        UnsupportedError: it cannot run here, see :func:`.loops.available`, or a ufunc's loop cannot be called.
    """

    def __init__(self, code: Code, elements: int) -> None:
        reason = available()
        if reason:
            raise UnsupportedError(reason)
        self.dtype = code.dtype
        self.memory = aligned_empty(elements, code.dtype)
        self._value: Array | None = None
        if code.value is not None:
            size, value = code.dtype.itemsize, code.value
            steps = tuple(size * stride for stride in value.strides)
            offset = size * (value.buffer.offset + value.offset)
            self._value = np.ndarray(value.shape, code.dtype, self.memory.data, offset, steps)
        writer = _Writer(code, self.memory)
        self._alive = writer.lowering.alive, code  # the arrays that the tape points to
        self._tape = writer.tape
        self._address = self._tape.ctypes.data

    @property
    def value(self) -> Array | None:
        """f(x) of the latest run, a view; None where the program does not keep it."""
        return self._value

    def run(self, x: Array, seed: Array | None, out: Array) -> None:
        """Run at ``x`` (n,) and ``seed`` and fill ``out``: C-contiguous arrays of the program's dtype."""
        kernel.execute(self._address, id(x), 0 if seed is None else id(seed), id(out))


class _Writer:
    """Writes a program's tape, whose parts :mod:`.kernel` describes."""

    def __init__(self, code: Code, memory: Array) -> None:
        self.size = code.dtype.itemsize
        self.lowering = Lowering(code.dtype)
        self.memory = memory.ctypes.data
        self.fixed: dict[int, int] = {}
        rows = [self.lowering.rows(instruction) for instruction in code.instructions]
        segments = list(code.blocks())
        outer = max((len(row.outer) for some in rows for row in some), default=0)
        most = max((len(row.operands) for some in rows for row in some), default=0)
        first = kernel.HEADER + outer + most
        self.words = [0] * (first + kernel.SEGMENT * len(segments))
        self.words[: kernel.BASES] = len(segments), first, kernel.HEADER, INSIDE
        self.words[kernel.COPY] = kernel.HEADER + outer
        self.own = [kernel.COPY]  # where a position stands that is to become an address
        written: dict[int, tuple[int, int, list[Late]]] = {}  # segments, which may be called again
        for number, block in enumerate(segments):
            if not block.bound or block.start not in written:  # only segments come up again
                late: list[Late] = []
                begin = len(self.words)
                for some in rows[block.start : block.stop]:
                    for row in some:
                        self._row(row, block.count, late)
                written[block.start] = begin, len(self.words), late
            begin, end, late = written[block.start]
            patches = len(self.words)
            for place, operand in late:
                self.words += [place, *self._patch(operand, block)]
            at = first + kernel.SEGMENT * number
            self.words[at : at + kernel.SEGMENT] = begin, end, block.count, patches, len(self.words)
        self.tape = np.array(self.words, np.int64)
        self.tape[self.own] = self.tape.ctypes.data + 8 * self.tape[self.own]

    def _row(self, row: Row, count: int, late: list[Late]) -> None:
        units = [8 if isinstance(one, int) else self.size for one in row.operands]
        at, operands = len(self.words), len(row.operands)
        inner = row.strides if len(row.strides) == operands else ()
        strides = [unit * step for unit, step in zip(units, inner, strict=True)] if inner else self._scaled(row.strides)
        dimensions = at + kernel.ROW
        places = dimensions, dimensions + len(row.dimensions), dimensions + len(row.dimensions) + len(strides)
        axes = places[2] + operands
        opcode = OPCODE[row.opcode] + (self.size == 4 and row.opcode != "call")
        end = axes + (1 + operands) * len(row.outer)
        self.own += [at + kernel.DATA, at + kernel.DIMENSIONS, at + kernel.STRIDES]
        plain = row.opcode == "call" and not row.outer
        self.words += [end, opcode, *row.loop, places[2], places[0], places[1], operands, len(row.outer), axes, plain]
        self.words += [*row.dimensions, *strides]
        for one in row.operands:
            if isinstance(one, int):
                self.words.append(one)
                continue
            if one.buffer.place in LATE or (count > 1 and one.step):
                late.append((len(self.words), one))
            self.words.append(self._address(one.buffer) + self.size * one.offset)
        for axis in row.outer:
            self.words += [axis.size, *self._scaled(axis.strides)]

    def _scaled(self, strides: tuple[int, ...]) -> list[int]:
        return [self.size * step for step in strides]

    def _patch(self, operand: Operand, block: Block) -> tuple[int, int, int]:
        """Base, offset and step of an operand that is known in the run only, or moves."""
        buffer = next((actual for argument, actual in block.bound if argument is operand.buffer), operand.buffer)
        step = self.size * operand.step if block.count > 1 else 0
        return BASE.get(buffer.place, BASE["absolute"]), self._address(buffer) + self.size * operand.offset, step

    def _address(self, buffer: Buffer) -> int:
        """Where a buffer lies, or how far from its base."""
        if buffer.place in ("memory", "value"):
            return self.memory + self.size * buffer.offset
        if buffer.array is None:
            return 0
        if id(buffer) not in self.fixed:
            self.fixed[id(buffer)] = buffer.array.ctypes.data
        return self.fixed[id(buffer)]

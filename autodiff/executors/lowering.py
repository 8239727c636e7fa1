"""A program as calls of inner loops: which axis a loop walks, which ones are walked around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from ..arrays import Array
from ..errors import UnsupportedError
from ..program.instructions import EXACT, Buffer, Instruction, Operand
from ..program.views import Shape, innermost, remembered, walked
from .loops import inner_loop, sensitive

Opcode = Literal["call", "select", "gather", "scatter", "positive", "add", "subtract", "multiply", "heaviside"]
CALL_COST = 8.0  #: ns of a call of an inner loop
ELEMENT_COST = {True: 0.3, False: 1.0}  #: ns of an element of a cheap ufunc, contiguous and not
#: by our own loops, runs of 4 to 64 take a third of the time that calls take
OWN: dict[np.ufunc, Opcode] = {getattr(np, name): cast(Opcode, name) for name in EXACT}
INSIDE = 3  #: axes that these walk by themselves
LONG = 512  #: elements of a dense run from which NumPy's loops, with the processor's widest registers, are no slower
#: positions of an index up to which each is a row of its own, if so many elements stand at each, side by side
FEW_POSITIONS, MANY_EACH = 128, 64
LARGE = 1 << 12  #: elements from which it matters in which order the memory is walked
LINE_COST = 3.0  #: ns of a cache line that comes from the second level or beyond
PER_LINE, SETS, WAYS = 8, 64, 8  #: elements of a line; of a first-level cache
PAIRWISE = 8  #: elements from which NumPy sums in pairs


class Axis(NamedTuple):
    """A size, and the stride of every operand, in elements."""

    size: int
    strides: Shape


@dataclass(slots=True)
class Row:
    """One call with axes around it.

    Attributes:
        opcode: what is called.
        loop: addresses of loop, context and auxiliary data, of a ufunc.
        dimensions: that the loop is told.
        strides: that the loop is told, in elements but for those of an index.
        operands: in the loop's order; an integer is the address of an index.
        outer: axes around it, from the outermost.
    """

    opcode: Opcode
    loop: tuple[int, int, int]
    dimensions: Shape
    strides: Shape
    operands: tuple[Operand | int, ...]
    outer: tuple[Axis, ...] = ()


class Lowering:
    """Turns instructions into rows.

    Args:
        dtype: of the program.

    Attributes:
        alive: arrays that the rows point to.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.alive: list[Array] = []
        self._constants: dict[float, Operand] = {}

    def rows(self, instruction: Instruction) -> list[Row]:
        """The calls that do what an instruction does, to NumPy's bits.

        Raises:
            UnsupportedError: a ufunc without a loop that can be called by its address.
        """
        ufunc: Any = instruction.ufunc
        operands = (*instruction.inputs, instruction.out)
        match instruction.kind:
            case "map":
                return [self._map(ufunc, *operands)]
            case "reduce":
                return self._reduce(ufunc, operands[0], operands[-1], instruction.axis)
            case "matmul":
                return [self._matmul(*operands)]
            case "select":
                axes, inner = _split(operands)
                return [Row("select", (0, 0, 0), (inner.size,), inner.strides, operands, axes)]
            case "call":
                name = getattr(getattr(ufunc, "__self__", None), "name", f"layer {instruction.layer}")
                raise UnsupportedError(f"{name} is a function of Python, which only NumPy's executor can call")
            case "gather" | "scatter" as kind:
                return self._indexed(kind, operands[0], operands[-1], instruction.index)

    def _map(self, ufunc: Any, *operands: Operand) -> Row:
        axes, inner = _split(operands, sensitive(ufunc, self.dtype))
        if ufunc in OWN and (ufunc is np.positive or inner.size < LONG or _cost(inner) >= ELEMENT_COST[False]):
            return _inside(OWN[ufunc], (inner, *reversed(axes)), operands)
        return Row("call", inner_loop(ufunc, self.dtype), (inner.size,), inner.strides, operands, axes)

    def _reduce(self, ufunc: Any, given: Operand, out: Operand, axis: int) -> list[Row]:
        """``out`` begins as the identity, or as the first element; then the loop takes the rest in."""
        size, step = given.shape[axis], given.strides[axis]
        shape = given.shape[:axis] + given.shape[axis + 1 :]
        first = Operand(given.buffer, shape, given.strides[:axis] + given.strides[axis + 1 :], given.offset, given.step)
        # NumPy orders the axes by their strides, and sums in pairs where the reduced one comes out as the innermost
        inside = innermost(given.shape, (_insert(out.strides, axis, 0), given.strides)) == axis
        if ufunc.identity is None:
            rows, size = [self._map(np.positive, first, out)], size - 1
            first = Operand(first.buffer, shape, first.strides, first.offset + step, first.step)
        else:
            rows = [self._map(np.positive, self._constant(float(ufunc.identity), shape), out)]
        if not size:
            return rows
        operands = (out, first, out)
        if size < PAIRWISE and ufunc is np.add and out.size > 4 * size:
            inside = False  # the same additions
        loop = inner_loop(ufunc, self.dtype)
        if inside:
            return [*rows, Row("call", loop, (size,), (0, step, 0), operands, _merge(operands))]
        axes, inner = _split(operands)
        around = (*axes, Axis(size, (0, step, 0)))
        return [*rows, Row("call", loop, (inner.size,), inner.strides, operands, around)]

    def _constant(self, number: float, shape: Shape) -> Operand:
        array = np.full(1, number, self.dtype)
        self.alive.append(array)
        return Operand(Buffer("fixed", 1, array), shape, (0,) * len(shape))

    def _matmul(self, *operands: Operand) -> Row:
        *outer, batch = _merge([_leading(one, 2) for one in operands]) or (Axis(1, (0, 0, 0)),)
        dimensions = batch.size, *operands[0].shape[-2:], operands[1].shape[-1]
        strides = (*batch.strides, *(step for one in operands for step in one.strides[-2:]))
        return Row("call", inner_loop(np.matmul, self.dtype), dimensions, strides, operands, tuple(outer))

    def _indexed(self, kind: Literal["gather", "scatter"], given: Operand, out: Operand, index: Any) -> list[Row]:
        positions = np.ascontiguousarray(index, np.int64)
        each = given.size // given.shape[-1]
        if positions.size <= FEW_POSITIONS and each >= MANY_EACH and abs(given.strides[-1]) > 1:
            places = [int(position) for position in positions]
            if kind == "gather":
                return [self._map(np.positive, _at(given, one), _at(out, k)) for k, one in enumerate(places)]
            return [self._map(np.add, _at(out, one), _at(given, k), _at(out, one)) for k, one in enumerate(places)]
        self.alive.append(positions)
        axes = _merge([_leading(given, 1), _leading(out, 1)])
        outer = tuple(Axis(axis.size, (axis.strides[0], 0, axis.strides[1])) for axis in axes)
        strides = given.strides[-1], 1, out.strides[-1]
        operands = given, positions.ctypes.data, out
        return [Row(kind, (0, 0, 0), (positions.size,), strides, operands, outer)]


def _at(operand: Operand, position: int) -> Operand:
    """What stands at a position of the last axis."""
    offset = operand.offset + position * operand.strides[-1]
    return Operand(operand.buffer, operand.shape[:-1], operand.strides[:-1], offset, operand.step)


def _inside(opcode: Opcode, axes: Sequence[Axis], operands: tuple[Operand, ...]) -> Row:
    """A row of what walks three axes by itself, given from the innermost; a copy's input stands for both."""
    if len(operands) == 2:
        operands = operands[0], *operands
        axes = [Axis(size, (strides[0], *strides)) for size, strides in axes]
    within = [*axes[:INSIDE], *[Axis(1, (0, 0, 0))] * (INSIDE - len(axes))]
    sizes, strides = tuple(axis.size for axis in within), tuple(step for axis in within for step in axis.strides)
    return Row(opcode, (0, 0, 0), sizes, strides, operands, tuple(axes[: INSIDE - 1 : -1]))


def _leading(operand: Operand, core: int) -> Operand:
    """Without the last ``core`` axes."""
    return Operand(operand.buffer, operand.shape[:-core], operand.strides[:-core])


def _insert(strides: Shape, axis: int, value: int) -> Shape:
    return (*strides[:axis], value, *strides[axis:])


def _merge(operands: Sequence[Operand]) -> tuple[Axis, ...]:
    """The axes that operands of one shape are walked along, as few as possible."""
    return _merged(operands[-1].shape, *[one.strides for one in operands])


@remembered
def _merged(shape: Shape, *strides: Shape) -> tuple[Axis, ...]:
    sizes, steps = walked(shape, *strides)
    return tuple(Axis(size, axis) for size, axis in zip(sizes, zip(*steps, strict=True), strict=True))


def _split(operands: Sequence[Operand], as_numpy: bool = False) -> tuple[tuple[Axis, ...], Axis]:
    """The axes around a call, and the one that the loop walks: the cheapest, or NumPy's."""
    return _chosen(as_numpy, operands[-1].shape, *[one.strides for one in operands])


@remembered
def _chosen(as_numpy: bool, shape: Shape, *strides: Shape) -> tuple[tuple[Axis, ...], Axis]:
    axes = _merged(shape, *strides)
    if not axes:
        return (), Axis(1, (1,) * len(strides))
    numbers: Sequence[int] = range(len(axes))[::-1]
    if as_numpy:
        steps = [tuple(axis.strides[k] for axis in axes) for k in range(len(strides))]
        numbers = [innermost(tuple(axis.size for axis in axes), steps)]
    if math.prod(shape) < LARGE or len(axes) == 1:
        number = min(numbers, key=lambda one: _cost(axes[one]))
        return axes[:number] + axes[number + 1 :], axes[number]
    pairs = [(one, other) for one in numbers for other in reversed(range(len(axes))) if other != one]
    number, around = min(
        pairs, key=lambda pair: _cost(axes[pair[0]]) + LINE_COST * _lines(axes[pair[0]], axes[pair[1]])
    )
    rest = tuple(axis for k, axis in enumerate(axes) if k not in (number, around))
    return (*rest, axes[around]), axes[number]


def _cost(axis: Axis) -> float:
    """Nanoseconds an element."""
    dense = axis.strides[-1] == 1 and set(axis.strides) <= {0, 1}
    return CALL_COST / axis.size + ELEMENT_COST[dense]


def _lines(inner: Axis, around: Axis) -> float:
    """Cache lines that come in for an element, where a loop is walked and another one right around it.

    A line is used again within the loop, or by the next loops if all that it has touched are still there: strides of
    pages share a few places of the cache.
    """
    total = 0.0
    for step, other in zip(inner.strides, around.strides, strict=True):
        near, far = abs(step), abs(other)
        places = WAYS * SETS // math.gcd(SETS, max(near // PER_LINE, 1))
        if near < PER_LINE:
            total += near / PER_LINE
        elif far < PER_LINE and inner.size <= places:
            total += far / PER_LINE
        else:
            total += 1.0
    return total

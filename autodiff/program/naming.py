"""What the operands of a program are called, and how their shapes read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .instructions import Buffer, Instruction, Operand
from .program import Program
from .views import Shape

PLACES = {"x": "x", "seed": "seed", "result": "result"}

Line = tuple[str, ...]


LETTERS = "ijklpqrstuvw"  #: of the axes of a part


@dataclass(slots=True)
class _Home:
    """An array that operands are parts of: its name, where it begins in its buffer, its shape in C order."""

    name: str
    offset: int
    shape: Shape

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Names:
    """What operands are called: names are given in the order in which arrays come up."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.homes: dict[int, list[_Home]] = {}
        self.letters: set[str] = set()
        self.transposes = self.parts = self.positions = False
        self.turned: set[int] = set()  # products that are shown transposed
        self.same: dict[int, Buffer] = {}  # what holds the same numbers: arguments, and what is computed again
        for block in program.code.control:
            if block.bound:
                (x, given), (y, made) = block.bound
                self.same.setdefault(id(x), self.same.get(id(given), given))
                self.same[id(made)] = y

    def legend(self) -> list[str]:
        """What the names mean, as far as they came up."""
        words = []
        if "%" in self.letters:
            words.append("%3: what instruction 3 wrote first")
        held = sorted(self.letters - {"%", "constant"})
        if held:
            words.append(f"{', '.join(f'{letter}0' for letter in held)}: parameters of layer 0")
        if self.transposes:
            words.append(".T: transposed")
        if self.parts:
            words.append("[rows, columns]: a part")
        if self.positions:
            words.append("[5 + 8i + j]: the element at place i, j")
        return [f"({'; '.join(words)})"] if words else []

    def line(self, number: int, one: Instruction) -> Line:
        """Operation, operands and shapes of one instruction."""
        if one.kind == "matmul":
            return self._product(number, one)
        inputs = ", ".join(self.name(number, one, operand) for operand in one.inputs)
        shapes = _shape(one.out.shape)
        if one.kind in ("reduce", "gather", "scatter", "call"):
            shapes = f"{', '.join(_shape(operand.shape) for operand in one.inputs)} -> {shapes}"
        return self._operation(one), f"{inputs} -> {self.name(number, one, one.out, written=True)}", shapes

    def _operation(self, one: Instruction) -> str:
        word = getattr(one.ufunc, "__name__", "")
        if one.kind == "map" and one.ufunc is np.positive:
            return "fill" if one.inputs[0].buffer.size == 1 and one.out.size > 1 else "copy"
        if one.kind == "call":
            return f"call {word}"
        if one.kind == "reduce":
            return f"{word}.reduce over axis {one.axis}"
        return {"select": "where", "gather": "gather", "scatter": "scatter-add"}.get(one.kind, word)

    def _product(self, number: int, one: Instruction) -> Line:
        a, b, out = one.inputs[0], one.inputs[1], one.out
        if self._turned(a, b, out):
            a, b, out = _turn(b), _turn(a), _turn(out)
            self.turned.add(number)
        inputs = f"{self.name(number, one, a)}, {self.name(number, one, b)}"
        times = math.prod(out.shape[:-2])
        shapes = f"({_shape(a.shape[-2:])})({_shape(b.shape[-2:])}) -> ({_shape(out.shape[-2:])})"
        operands = f"{inputs} -> {self.name(number, one, out, written=True)}"
        return "matmul", operands, f"{times} of {shapes}" if times > 1 else shapes

    def _turned(self, a: Operand, b: Operand, out: Operand) -> bool:
        """Whether the product reads better as ``b.T a.T = out.T``: when most of its matrices lie column by column.

        A tie, such as between vectors, goes to the matrix of parameters, which then comes first.
        """
        votes = 0.0
        for operand in (a, b, out):
            (rows, columns), (row, column) = operand.shape[-2:], operand.strides[-2:]
            if rows > 1 and columns > 1 and row != column:
                votes += (1.5 if operand.buffer.place == "fixed" else 1.0) * (1 if row < column else -1)
        return votes > 0 or (votes == 0 and b.buffer.place == "fixed" and a.buffer.place != "fixed")

    def name(self, number: int, one: Instruction, operand: Operand, written: bool = False) -> str:
        """What an operand is called; its first use gives the array its name and its shape."""
        buffer = operand.buffer
        if buffer.place == "fixed" and buffer.size == 1 and buffer.array is not self.program.params:
            assert buffer.array is not None
            return f"{float(buffer.array.reshape(-1)[0]):.6g}"
        home = self._home(number, one, operand)
        text, whole = _part(home, operand)
        self.positions |= not whole and ":" not in text
        self.parts |= not whole and ":" in text
        if whole and one.kind == "matmul" and not written and len(operand.shape) == 2 and len(home.shape) == 2:
            row, column = operand.strides
            if min(operand.shape) > 1 and row < column:
                self.transposes = True
                return f"{text}.T"
        return text

    def _home(self, number: int, one: Instruction, operand: Operand) -> _Home:
        buffer = self.same.get(id(operand.buffer), operand.buffer)
        known = self.homes.setdefault(id(buffer), [])
        for home in known:
            if home.offset <= operand.offset < home.offset + home.size:
                return home
        pairs = zip(operand.shape, operand.strides, strict=True)
        shape, start = _lying(operand), operand.offset + sum(min(stride, 0) * (size - 1) for size, stride in pairs)
        if buffer.place == "fixed":
            if buffer.array is self.program.params:
                matrix = one.kind == "matmul" or len(shape) > 1
                letter = "W" if matrix else "b" if one.kind == "map" and one.ufunc is np.add else "p"
                self.letters.add(letter)
                name = f"{letter}{one.layer}"
                taken = {home.name for home in known}
                while name in taken:
                    name += "'"
            else:
                name, start, shape = "constant", 0, _whole(operand)
        elif buffer.place in PLACES:
            name, start = PLACES[buffer.place], 0
            result = self.program.code.result
            shape = result.shape if buffer.place == "result" and result is not None else _whole(operand)
        else:
            name, start, shape = f"%{number}", 0, _whole(operand)
            self.letters.add("%")
        known.append(_Home(name, start, shape))
        return known[-1]


def _whole(operand: Operand) -> Shape:
    """The shape of a buffer, from a view of all of it; from one of a part, rows as long as its largest stride."""
    shape, size = _lying(operand), operand.buffer.size
    if math.prod(shape) == size and not operand.offset and math.prod(operand.shape) >= size:
        return shape
    row = max(stride for stride in (*operand.strides, 1))
    return (size // row, row) if row > 1 and size % row == 0 else (size,)


def _lying(operand: Operand) -> Shape:
    """The shape of what an operand has, its axes as they lie in memory; flat, gaps included, where there are any."""
    pairs = zip(operand.shape, operand.strides, strict=True)
    axes = [(abs(stride), size) for size, stride in pairs if stride and size > 1]
    lying = sorted(axes, reverse=True)
    expected = 1
    for stride, size in reversed(lying):
        if stride != expected:
            return (1 + sum(stride * (size - 1) for stride, size in axes),)
        expected *= size
    shape = tuple(size for _, size in lying) or (1,)
    if len(operand.shape) == 2 and operand.size == expected and len(shape) == 1:
        return operand.shape
    return shape


def _positions(start: int, axes: Sequence[tuple[int, int]]) -> str:
    """Where the elements of a part are that is no rows and columns, ``5 + 8i + j``."""
    text = f"{start}" if start else ""
    for (_, stride), letter in zip(axes, LETTERS, strict=False):
        size = "" if abs(stride) == 1 else f"{abs(stride)}"
        sign = (" - " if stride < 0 else " + ") if text else ("-" if stride < 0 else "")
        text += f"{sign}{size}{letter}"
    return text or "0"


def _part(home: _Home, operand: Operand) -> tuple[str, bool]:
    """The name of the array, with the rows and columns that an operand has of it; whether it has all."""
    axes = [(size, stride) for size, stride in zip(operand.shape, operand.strides, strict=True) if stride and size > 1]
    size = math.prod(size for size, _ in axes)
    start = operand.offset - home.offset
    if start == 0 and size == home.size and not operand.step and all(stride > 0 for _, stride in axes):
        return home.name, True
    columns = home.shape[-1]
    rows = home.size // columns
    (row, column), (row_step, column_step) = divmod(start, columns), divmod(operand.step, columns)
    high = wide = 1
    diagonal = False
    for count, stride in axes:
        a, b = divmod(stride, columns)
        diagonal |= bool(a and b)
        high, wide = high + a * (count - 1), wide + b * (count - 1)
    fits = min((stride for _, stride in axes), default=1) > 0 and column + wide <= columns and row + high <= rows
    if not fits or (not diagonal and high * wide != size):
        return f"{home.name}[{_positions(start, axes)}]", False
    parts = [_slice(column, wide, columns, column_step)]
    if rows > 1 or len(home.shape) > 1:
        parts.insert(0, _slice(row, high, rows, row_step))
    return f"{'diag ' * diagonal}{home.name}[{', '.join(parts)}]", False


def _slice(start: int, size: int, whole: int, step: int) -> str:
    if not step and size == whole:
        return ":"
    move = f"{step}t" if step > 1 else "t" * step
    first = "+".join(filter(None, [f"{start}" if start or not step else "", move]))
    if size == 1:
        return first
    return f"{first}:{f'{move}+' if move else ''}{start + size}"


def _turn(operand: Operand) -> Operand:
    shape, strides = operand.shape, operand.strides
    return Operand(
        operand.buffer,
        (*shape[:-2], shape[-1], shape[-2]),
        (*strides[:-2], strides[-1], strides[-2]),
        operand.offset,
        operand.step,
    )


def _shape(shape: Shape) -> str:
    return " x ".join(f"{size}" for size in shape) or "1"

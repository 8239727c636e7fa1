"""A program as counted steps: what a model of a machine has to know of every instruction to say how long it takes.

Besides its kind and its sizes that is how far from the processor its operands lie. An operand that was used a moment
ago lies in the first-level cache, one that was last used many megabytes ago in none: the reuse distance, bytes of
distinct data that were touched since, says in caches of which size it is still found. Source: Mattson, Gecsei, Slutz
and Traiger, Evaluation techniques for storage hierarchies (IBM Systems Journal 9, 1970). Distances are those of a run
that is repeated, which is how runs are timed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from .instructions import Block, Code, Instruction, Operand
from .views import walked

PARTS = 4  #: of a doubling, in which reuse distances are told apart
NEAR = 1 << 14  #: bytes within which distances are not, since every first-level cache holds them
#: kinds of steps that stand for an instruction's being in a loop, and for an operand that it moves, beside its own
TURN, MOVED = "turn", "moved"
TURNS = 3  #: of a loop that are walked; the last of them stands for all that follow

RANK = {"matmul": 4}  #: numbers among a step's sizes, where they are not two
FARTHEST = 64 * PARTS  #: of a reuse distance


@dataclass(frozen=True, slots=True)
class Step:
    """Instructions that are alike.

    Attributes:
        kind: of the instruction.
        name: of its ufunc, empty where it has none.
        sizes: of a matmul (products, m, k, n); else (rows, elements in a row), a row being what one inner loop walks.
        layout: of a matmul "a", "b" for operands that are transposed, "x" for what BLAS cannot take; else "" where
            rows are contiguous, "s" where they are strided, "o" for a reduction over an outer axis.
        count: how often it is run.
        read, written: bytes by reuse distance, of one run of it.
    """

    kind: str
    name: str
    sizes: tuple[int, ...]
    layout: str
    count: int
    read: tuple[tuple[int, int], ...]
    written: tuple[tuple[int, int], ...]

    def to_list(self) -> list[Any]:
        """Ready for JSON."""
        return [
            self.kind,
            self.name,
            list(self.sizes),
            self.layout,
            self.count,
            *map(_plain, (self.read, self.written)),
        ]

    @classmethod
    def of(cls, data: list[Any]) -> Step:
        """From what :meth:`to_list` gave.

        Raises:
            ValueError, TypeError: it is something else.
        """
        kind, name, sizes, layout, count, read, written = data
        traffic = [tuple((int(distance), int(nbytes)) for distance, nbytes in one) for one in (read, written)]
        numbers = [*sizes, count, *(number for one in traffic for pair in one for number in pair)]
        if not all(isinstance(text, str) for text in (kind, name, layout)) or len(sizes) != RANK.get(kind, 2):
            raise ValueError("no step of a program")
        if not all(0 <= number < 1 << 63 for number in numbers) or (kind == "matmul" and 0 in sizes):
            raise ValueError("a step of impossible sizes")
        if any(distance > FARTHEST for one in traffic for distance, _ in one):
            raise ValueError("a step with operands beyond all memory")
        return cls(kind, name, tuple(sizes), layout, count, *traffic)


def _plain(traffic: tuple[tuple[int, int], ...]) -> list[list[int]]:
    return [list(pair) for pair in traffic]


def steps(code: Code, executor: str = "numpy") -> list[Step]:
    """The steps of code whose memory is laid out, in the order in which they are first run.

    Args:
        code: what is run.
        executor: by what; "numpy" walks the axis innermost that NumPy's iterator takes, "compiled" the cheapest.
    """
    found: Counter[tuple[Any, ...]] = Counter()
    shapes = [shape_of(one, executor) for one in code.instructions]
    recency, itemsize = Recency(), code.dtype.itemsize
    for counting in (False, True):  # the second walk meets what the first has left
        for block in code.blocks():
            for number, instruction, times in _walk(code, block):
                read, written = _traffic(recency, instruction, itemsize)
                if counting:
                    found[(*shapes[number], read, written)] += times
                    if block.count > 1:
                        found[(TURN, "", (1, 1), "", (), ())] += times
                        moved = sum(one.step != 0 for one in _operands(code.instructions[number]))
                        found[(MOVED, "", (1, 1), "", (), ())] += moved * times
            _skip(recency, code, block, itemsize)
    return [Step(kind, name, sizes, layout, n, *rest) for (kind, name, sizes, layout, *rest), n in found.items()]


def _walk(code: Code, block: Block) -> Iterator[tuple[int, Instruction, int]]:
    """Every instruction of a block, by its number, with how many runs it stands for."""
    plain = block.count == 1 and not block.bound
    turns = min(block.count, TURNS)
    for turn in range(turns):
        times = block.count - turns + 1 if turn == turns - 1 else 1
        for number in range(block.start, block.stop):
            one = code.instructions[number]
            yield number, (one if plain else block.instruction(one, turn)), times


def _skip(recency: Recency, code: Code, block: Block, itemsize: int) -> None:
    """Touch what the turns that are not walked would: what moves is elsewhere in each of them, and evicts the rest."""
    if block.count <= TURNS:
        return
    moved = {_place(one): one for number in range(block.start, block.stop)
             for one in _operands(code.instructions[number]) if one.step}  # fmt: skip
    for place, one in moved.items():
        recency.touch(("skipped", place), (block.count - TURNS) * _touched(one) * itemsize)


def _traffic(recency: Recency, one: Instruction, itemsize: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Bytes that an instruction reads and writes, by reuse distance."""
    read, written = Counter[int](), Counter[int]()
    for operand in one.inputs:
        touched = _touched(operand) * itemsize
        read[recency.touch(_place(operand), touched)] += touched
    touched = _touched(one.out) * itemsize
    written[recency.touch(_place(one.out), touched)] += touched
    return tuple(sorted(read.items())), tuple(sorted(written.items()))


def _operands(one: Instruction) -> tuple[Operand, ...]:
    return *one.inputs, one.out


def _place(operand: Operand) -> Hashable:
    """What is the same for operands that lie in the same memory."""
    buffer = operand.buffer
    if buffer.place == "memory":
        return "memory", buffer.offset + operand.offset
    if buffer.array is not None:
        return id(buffer.array), operand.offset
    return buffer.place, operand.offset


def _touched(operand: Operand) -> int:
    """The elements that an operand really has, repeated ones once."""
    if 0 not in operand.strides:
        return operand.size
    return math.prod([size for size, stride in zip(operand.shape, operand.strides, strict=True) if stride])


class Recency:
    """Reuse distances of places, one touch after the other, by a binary indexed tree over the times of last touches."""

    def __init__(self) -> None:
        self._tree: list[int] = [0]
        self._last: dict[Hashable, tuple[int, int]] = {}  # when, and how many bytes
        self._total = 0

    def touch(self, place: Hashable, nbytes: int) -> int:
        """The distance of a place from its last touch, its own bytes included, in parts; a new one's is everything."""
        now = len(self._tree)
        self._tree.append(0)
        low = now & -now
        self._tree[now] = self._sum(now - 1) - self._sum(now - low)
        when, size = self._last.get(place, (0, 0))
        distance = self._total - self._sum(when) + max(size, nbytes)
        if when:
            self._add(when, -size)
        self._add(now, nbytes)
        self._last[place] = now, nbytes
        return parts(distance)

    def _sum(self, time: int) -> int:
        total = 0
        while time:
            total += self._tree[time]
            time &= time - 1
        return total

    def _add(self, time: int, nbytes: int) -> None:
        self._total += nbytes
        while time < len(self._tree):
            self._tree[time] += nbytes
            time += time & -time


def parts(nbytes: int) -> int:
    """A number of bytes in whole parts of doublings; 0 for what is :data:`NEAR`."""
    return round(PARTS * math.log2(nbytes)) if nbytes > NEAR else 0


def shape_of(one: Instruction, executor: str) -> tuple[str, str, tuple[int, ...], str]:
    """Kind, name, sizes and layout of an instruction; see :class:`Step`."""
    name = "" if one.ufunc is None else getattr(one.ufunc, "__name__", "")
    if one.kind == "matmul":
        return one.kind, name, *_product(one.inputs[0], one.inputs[1], one.out)
    if one.kind == "reduce":
        return one.kind, name, *_reduction(one.inputs[0], one.axis)
    operands = (*one.inputs, one.out) if one.index is None else (one.out if one.kind == "gather" else one.inputs[0],)
    return one.kind, name, *_rows(operands, executor)


def _product(a: Operand, b: Operand, out: Operand) -> tuple[tuple[int, ...], str]:
    """Sizes and layout; a product into a transposed matrix is the transposed product, and BLAS computes that."""
    m, k, n = out.shape[-2], a.shape[-1], out.shape[-1]
    layout = _transposed(a, "a") + _transposed(b, "b")
    if m > 1 and n > 1 and out.strides[-1] != 1 and out.strides[-2] == 1 and "x" not in layout:
        m, n = n, m
        layout = ("a" if "b" not in layout else "") + ("b" if "a" not in layout else "")
    return (math.prod(out.shape[:-2]), m, k, n), layout


def _transposed(matrix: Operand, name: str) -> str:
    """Its name if a matrix lies in memory column by column, "x" if neither so nor row by row."""
    (rows, columns), (row, column) = matrix.shape[-2:], matrix.strides[-2:]
    if columns == 1 or column == 1:
        return ""
    return name if row == 1 or rows == 1 else "x"


def _reduction(given: Operand, axis: int) -> tuple[tuple[int, ...], str]:
    size, step = given.shape[axis], abs(given.strides[axis])
    rest = given.size // max(size, 1)
    others = [abs(stride) for i, stride in enumerate(given.strides) if i != axis and given.shape[i] > 1]
    if not others or step <= min(others):
        return (rest, size), "" if step in (0, 1) else "s"
    return (size, rest), "o"


def _rows(operands: tuple[Operand, ...], executor: str) -> tuple[tuple[int, ...], str]:
    """How elementwise work is walked."""
    given = [operands[-1].shape, *(one.strides for one in operands)]
    shape, strides = walked(*given)
    if not shape:
        return (1, 1), ""
    dense = [i for i in range(len(shape)) if strides[-1][i] == 1 and all(abs(own[i]) in (0, 1) for own in strides)]
    inner = len(shape) - 1
    if executor != "numpy":
        inner = dense[0] if dense else max(range(len(shape)), key=lambda i: shape[i])
    return (math.prod(shape) // shape[inner], shape[inner]), "" if inner in dense else "s"

"""A program as a person reads it: every instruction with its operands, shapes and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays import Array
from .alive import memory_alive
from .instructions import Code
from .naming import Line, Names
from .program import Program, multiply_adds, turns

LONG = 60  #: instructions beyond which a listing leaves out the middle
ENDS = 24  #: instructions of a long one that are kept at either end
WIDE = 100  #: characters beyond which the layers' names are left out
WHOLE = 8  #: elements of an array whose numbers are shown one by one
MOST = (5, 5, 10, 26, 28, 9, 8)  #: characters of the columns of a listing that would be wider


def listing(program: Program, values: Mapping[int, Array] | None = None, full: bool = False) -> str:
    """The instructions in order, a line each, and the totals.

    ``%3`` is what instruction 3 was the first to write, ``W1`` a matrix and ``b1`` a vector of layer 1's parameters,
    ``.T`` a transpose, ``[rows, columns]`` a part, which a block number ``t`` moves on in a loop. A product is shown
    the way its operands lie in memory: tangents are multiplied from the left, ``W2 W1``, cotangents from the right.
    A state that is computed again, by the instructions that computed it first, keeps its name.

    Args:
        program: laid out.
        values: by instruction, the array that it wrote; shown below its line.
        full: every instruction, however many there are.
    """
    code = program.code
    names = Names(program)
    lines = [names.line(number, one) for number, one in enumerate(code.instructions)]
    alive = memory_alive(code)
    inside = _inside(code)
    shown = list(range(len(lines)))
    if not full and len(lines) > LONG:
        del shown[ENDS:-ENDS]
    kinds = {one.layer: program.names[one.layer] for one in code.instructions if 0 <= one.layer < len(program.names)}
    for kind, most in ((True, ()), (False, ()), (False, MOST)):
        rows: list[Line] = [("", "layer", "operation", "operands -> result", "shapes", "mult-adds", "bytes")]
        for number in shown:
            one, line = code.instructions[number], lines[number]
            layer = " ".join([f"{one.layer}", *([kinds[one.layer]] if kind and one.layer in kinds else [])])
            indent = "  " if inside[number] else ""
            count = f"{multiply_adds(one):,}" if one.kind == "matmul" else ""
            layer = "--" if one.layer < 0 else layer
            rows.append((f"{number}", layer, indent + line[0], line[1], line[2], count, f"{alive[number]:,}"))
        texts = _columns(rows, "rllllrr", most)
        if max(map(len, texts)) <= WIDE:
            break
    calls = _calls(code)
    made = [texts[0]]
    for place, number in enumerate(shown):
        cut = place and shown[place - 1] != number - 1
        if cut:
            made.append(_left_out(code, shown[place - 1] + 1, number))
        begins = inside[number] and (cut or not place or inside[shown[place - 1]] is not inside[number])
        made += [*calls.get(number, []), *(inside[number][:1] if begins else [])]
        made.append(texts[place + 1])
        if values is not None and number in values:
            array = values[number]
            made.append(f"      = {figures(np.swapaxes(array, -1, -2) if number in names.turned else array)}")
    made += calls.get(len(lines), [])
    return "\n".join([*made, _totals(program), *names.legend()])


def _inside(code: Code) -> list[list[str]]:
    """For every instruction what stands above the block that it is in: nothing, a loop, a segment that is called."""
    found: list[list[str]] = [[] for _ in code.instructions]
    calls = Counter(block.start for block in code.control if block.bound)
    for block in code.control:
        if block.count > 1 or (block.at == block.start and calls[block.start] > 1):
            heading = f"for t in 0..{block.count - 1}:" if block.count > 1 else f"called {calls[block.start]} times:"
            found[block.start : block.stop] = [[heading]] * (block.stop - block.start)
    return found


def _calls(code: Code) -> dict[int, list[str]]:
    """The calls that come before an instruction; such as follow each other, over instructions that do, as one."""
    found: dict[int, list[tuple[int, int]]] = {}
    for block in code.control:
        if block.at != block.start:
            lines = found.setdefault(block.at, [])
            start = lines.pop()[0] if lines and lines[-1][1] == block.start else block.start
            lines.append((start, block.stop))
    return {at: [f"again {start} to {stop - 1}" for start, stop in lines] for at, lines in found.items()}


def figures(array: Array) -> str:
    """The numbers of a small array, row by row; of a larger one its least, mean and greatest."""
    if array.size <= WHOLE:
        if max(array.shape, default=1) == array.size:
            array = array.reshape(-1)
        text = np.array2string(array, precision=4, suppress_small=False, max_line_width=10**6)
        return " ".join(text.split())
    with np.errstate(all="ignore"):
        return f"{array.size:,} numbers: min {array.min():.4g}, mean {array.mean():.4g}, max {array.max():.4g}"


def _left_out(code: Code, start: int, stop: int) -> str:
    times = turns(code)
    count = sum(times[i] * multiply_adds(code.instructions[i]) for i in range(start, stop))
    what = f"{stop - start:,} instructions with {count:,} multiply-adds"
    return f"... {what} left out; --all, or listing(full=True), shows them"


def _totals(program: Program) -> str:
    work, count = program.work, len(program)
    runs = f" ({work.calls:,} with loops and calls)" if work.calls != count else ""
    return (
        f"{count:,} instructions{runs}, {work.fma:,} multiply-adds, {work.elements:,} elements moved, "
        f"{program.nbytes:,} bytes of memory"
    )


def _columns(rows: Sequence[Line], sides: str, most: Sequence[int] = ()) -> list[str]:
    """Rows with aligned cells; a cell that is longer than ``most`` takes room from those behind it."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths = list(map(min, widths, most)) if most else widths
    lines = []
    for row in rows:
        text, stop = "", 0
        for cell, width, side in zip(row, widths, sides, strict=True):
            stop += width
            room = stop - len(text) - (0 if side == "r" else width)
            gap = room - len(cell) if side == "r" else room
            text += " " * max(gap, 2 if text else 0) + cell if cell else ""
            stop += 2
        lines.append(text)
    return lines
